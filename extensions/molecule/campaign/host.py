# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one host of the campaign, and runs of the role on it."""

from __future__ import annotations

import json
import os
import queue
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
MOLECULE = HERE.parent
ROOT = MOLECULE.parents[1]
sys.path.insert(0, str(ROOT / "tests/tools"))
from checkout import BUILD, collections_dir  # noqa: E402

WORK = BUILD / "campaign"
RELEASE = os.environ.get("OCORE_CAMPAIGN_RELEASE", "trixie")
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*?)\] \**$")
_RESULT = re.compile(r"^(ok|changed|skipping|included|fatal|failed|\[ERROR\])")


@dataclass
class Task:
    """A task that a run has begun.

    :param key: name and how often it has been begun, which is the same in every run.
    :param words: how its results were called: ok, changed, skipping, ...
    """

    key: str
    began: float
    seconds: float = 0.0
    words: set[str] = field(default_factory=set)

    @property
    def works(self) -> bool:
        """Whether it did more than to be skipped or to include others."""
        return bool(self.words - {"skipping", "included"})


@dataclass
class Outcome:
    """A run that is over. ``killed`` says whether we ended it, ``changed`` counts changed tasks.

    :param work: seconds of CPU on the controller and on the host, which a busy machine does not lengthen.
    """

    code: int
    text: str
    seconds: float
    work: float
    tasks: list[Task]
    killed: bool

    @property
    def changed(self) -> int:
        return sum("changed" in task.words for task in self.tasks)


class Host:
    """A container with systemd, made for this campaign and removed with it."""

    def __init__(self) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        name = f"ocore-campaign-{os.getpid()}"
        # What the scenarios say of such hosts.
        variables = yaml.safe_load((MOLECULE / "inventory/group_vars/served.yml").read_text(encoding="utf-8"))
        connection = {"ansible_connection": "community.docker.docker", "ansible_host": name, "ansible_user": "root"}
        groups = {group: {"hosts": {"campaign": {}}} for group in (RELEASE, "odoo_host", "test_hosts")}
        self.container, self.variables = name, variables
        self.inventory = WORK / "hosts.json"
        inventory = {"all": {"hosts": {"campaign": {**connection, **variables}}, "children": groups}}
        self.inventory.write_text(json.dumps(inventory), encoding="utf-8")

    def create(self) -> None:
        """Make the bare host, with what stands in for Odoo, for the CA and for DNS."""
        for playbook in ("default/create.yml", "odoo_host/prepare.yml"):
            outcome = self.play({}, playbook=MOLECULE / playbook)
            if outcome.code:
                raise SystemExit(f"{playbook} failed:\n{outcome.text}")
        for script in ("probe.py", "kill.py"):
            self.copy(HERE / script, f"/usr/local/lib/{script}")
        self.shell(
            "apt-get -qq install --yes libfaketime >/dev/null 2>&1; "
            "ln -s /usr/lib/*/faketime/libfaketime.so.1 /usr/local/lib/libfaketime.so"
        )

    def remove(self) -> None:
        subprocess.run(["docker", "rm", "--force", "--volumes", self.container], capture_output=True, check=False)

    def copy(self, source: Path, target: str) -> None:
        # Not "docker cp", which does not see what is mounted in the container.
        command = ["docker", "exec", "--interactive", self.container, "tee", target]
        subprocess.run(command, input=source.read_bytes(), stdout=subprocess.DEVNULL, check=True)

    def shell(self, script: str, check: bool = True) -> str:
        """Run a script on the host, and return its output."""
        command = ["docker", "exec", self.container, "bash", "-ec", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise SystemExit(f"on the host failed: {script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def play(
        self,
        variables: dict[str, Any],
        *,
        playbook: Path = HERE / "site.yml",
        kill: tuple[str, float] | None = None,
        once: str = "",
    ) -> Outcome:
        """Run a playbook, and kill it if that is asked for.

        :param kill: key of a task, and seconds after its beginning.
        :param once: command on the host that has to succeed before; it is tried until the task is over.
        """
        given = WORK / "variables.json"
        given.write_text(json.dumps(variables), encoding="utf-8")
        command = [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            self.inventory,
            "-e",
            f"@{given}",
            playbook,
        ]
        began, worked = time.monotonic(), self._work()
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        tasks: list[Task] = []
        lines: list[str] = []
        killed = False
        for line in _lines(process, lambda: self._due(tasks, kill, once)):
            if line is None:
                os.killpg(process.pid, signal.SIGKILL)
                self.shell("python3 /usr/local/lib/kill.py", check=False)
                killed = True
                break
            lines.append(line)
            _note(tasks, line, time.monotonic())
        code = process.wait()
        if tasks:
            tasks[-1].seconds = time.monotonic() - tasks[-1].began
        return Outcome(code, "".join(lines), time.monotonic() - began, self._work() - worked, tasks, killed)

    def _work(self) -> float:
        """Return the seconds of CPU that the runs and the host took so far."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        version1 = "cpuacct$(sed -n 's/.*:cpuacct[^:]*://p' /proc/1/cgroup | cut -d/ -f1-3)/cpuacct.usage"
        # Nothing is told before there is a host.
        told = self.shell(f"cd /sys/fs/cgroup; cat cpu.stat 2>/dev/null || cat {version1}", check=False).split() or [
            "0"
        ]
        host = int(told[1]) / 1e6 if told[0] == "usage_usec" else int(told[0]) / 1e9
        return used.ru_utime + used.ru_stime + host

    def _due(self, tasks: list[Task], kill: tuple[str, float] | None, once: str) -> float | None:
        """Return in how many seconds to kill the run, or to ask again if there is something to wait for; None if never."""
        begun = next((task for task in tasks if kill and task.key == kill[0]), None)
        if begun is None or kill is None:
            return None
        left = begun.began + kill[1] - time.monotonic()
        if not once or left > 0:
            return left
        if tasks[-1] is not begun:
            return None
        return 0.0 if self.shell(f"{once} && echo yes || true") else 0.1


def _environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **clean,
        "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()),
        "ANSIBLE_INJECT_FACT_VARS": "false",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "OCORE_TEST_HOSTS": "campaign",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
    }


def _lines(process: subprocess.Popen[str], due: Any) -> Iterator[str | None]:
    """Yield the lines of a process, and None when it is due to be killed."""
    found: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            found.put(line)
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        left = due()
        if left is not None and left <= 0:
            yield None
            return
        try:
            line = found.get(timeout=left)
        except queue.Empty:
            continue
        if line is None:
            return
        yield line


def _note(tasks: list[Task], line: str, now: float) -> None:
    if named := _TASK.match(line):
        if tasks:
            tasks[-1].seconds = now - tasks[-1].began
        nth = 1 + sum(task.key.rpartition(" #")[0] == named[1] for task in tasks)
        tasks.append(Task(f"{named[1]} #{nth}", now))
    elif tasks and (said := _RESULT.match(line)):
        tasks[-1].words.add(said[1])


def missing() -> str | None:
    """Return what a campaign lacks, or None."""
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "no Docker engine answers. On Debian: .ci/start-docker"
    return None
