# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook many times, and load Ansible once: most of a short run is the import of its code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from checkout import collections_dir

SERVER = """
import json, os, sys, traceback
import ansible.executor.playbook_executor, ansible.plugins.strategy.linear
from ansible.cli.playbook import main
from ansible.plugins.loader import action_loader, connection_loader, filter_loader, init_plugin_loader, test_loader

init_plugin_loader()
for loader, names in (
    (filter_loader, ("default", "ocore.cloud.nginx_sites", "ocore.cloud.system_problem", "ocore.cloud.input_problems")),
    (test_loader, ("defined", "version")),
    (action_loader, ("debug", "set_fact", "assert", "include_vars", "ocore.cloud.ocore_instance_info")),
    (connection_loader, ("local",)),
):
    for name in names:
        loader.get(name, class_only=True)

def play(run):
    status = 250
    try:
        os.chdir(run["cwd"])
        os.environ.update(run["env"])
        for number, (path, flags) in enumerate(run["files"]):
            os.dup2(os.open(path, flags), number)
        sys.argv = ["ansible-playbook", *run["arguments"]]
        main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What runs at the exit belongs to the server: it would remove the directory that later runs use too.
        os._exit(status)

for line in sys.stdin:
    child = os.fork() or play(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""It forks for each run, so that no run sees what another one has set. Ansible forks again for each task on each host, and would
load the plugins anew in each of these processes: that takes more time than the tasks, so they are loaded ahead."""


class Playbooks:
    """Run ``ansible-playbook``. Settings of Ansible are those of the process that it was loaded in, and the same for all runs."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Playbooks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.communicate()
        self._directory.cleanup()

    def run(self, *arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it with these arguments in a directory, with these variables added to the environment."""
        if self._server is None:
            self._server = self._start()
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        outputs = [Path(self._directory.name, name) for name in ("stdout", "stderr")]
        written = [(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for path in outputs]
        request = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "env": environment,
            "files": [(os.devnull, os.O_RDONLY), *written],
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        return subprocess.CompletedProcess(request["arguments"], status, *(path.read_text() for path in outputs))

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=self._directory.name,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_INJECT_FACT_VARS": "0",
                # Newer releases of Ansible print the arguments of modules only then: what no_log hides, a test has to see.
                "ANSIBLE_INJECT_INVOCATION": "1",
                # Discovery runs a module on each host, and finds any Python.
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


@dataclass
class HostRun:
    """What a run of many hosts did on one of them: ``code`` as if it had been the only host, and the lines that name it."""

    code: int
    text: str

    @property
    def said(self) -> str:
        return " ".join(self.text.replace('\\"', '"').split())


def by_host(result: subprocess.CompletedProcess[str], hosts: Sequence[str]) -> dict[str, HostRun]:
    """Return what belongs to each host in the output of a run."""
    shown = result.stdout + result.stderr
    runs = {}
    for host in hosts:
        recap = re.search(rf"^{re.escape(host)} +: .*unreachable=(\d+) +failed=(\d+)", result.stdout, re.MULTILINE)
        assert recap, f"The run ended before {host} had a result:\n{shown}"
        runs[host] = HostRun(2 if recap[1] + recap[2] != "00" else 0, blocks(result.stdout, host))
    return runs


def blocks(output: str, host: str) -> str:
    """Return the results of a host, with all lines of each."""
    start = re.compile(r"^(\w+): \[(.+?)(?: -> .+?)?\]")
    found, ours = [], False
    for line in output.splitlines():
        if named := start.match(line):
            ours = named[2] == host
        elif not line or line.startswith(("TASK [", "PLAY", "RUNNING HANDLER [", "[ERROR]", "[WARNING]", "included: ")):
            ours = False
        if ours:
            found.append(line)
    return "\n".join(found)
