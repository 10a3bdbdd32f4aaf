# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run Ansible's commands and measure them: what every benchmark here shares."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/tools"), str(ROOT / "extensions")]
import checkout  # noqa: E402
from emulator.process import Emulator  # noqa: E402

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Run:
    """One run of a command with its children, or the medians of several.

    :param seconds: on the wall.
    :param cpu: seconds of the processor, which say more on a busy machine.
    :param memory: MiB of the largest process.
    """

    seconds: float
    cpu: float
    memory: float

    def above(self, empty: Run, count: int = 1) -> Run:
        """Give what each of ``count`` cost above an empty run."""
        return replace(self, seconds=(self.seconds - empty.seconds) / count, cpu=(self.cpu - empty.cpu) / count)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    :param value: what was measured, in ``unit``; for a ratio of two times, that on the wall.
    :param cpu: the same by the time of the processor.
    :param limit: the most that ``value`` is meant to be.
    :param note: how to read it.
    """

    what: str
    value: float
    unit: str = ""
    cpu: float | None = None
    limit: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Say whether the goal was reached; empty without one."""
        if self.limit is None:
            return ""
        return "reached" if round(self.value, 2) <= self.limit else "missed"


def taken(what: str, run: Run, note: str = "", limit: float | None = None) -> Figure:
    """Give the figure of a time in seconds."""
    return Figure(what, run.seconds, "s", run.cpu, limit, note)


def ratio(what: str, ours: Run, other: Run, limit: float | None = None, note: str = "") -> Figure:
    """Give the figure of how many times as long ours took."""
    return Figure(what, ours.seconds / other.seconds, "x", ours.cpu / other.cpu, limit, note)


class Bench:
    """Runs commands of this Python's ansible-core in a directory of its own, with this checkout as the collection.

    :param repeat: runs of which the median is taken.
    """

    def __init__(self, directory: Path, repeat: int) -> None:
        self.directory = directory
        self._repeat = repeat
        (directory / "ansible.cfg").write_text("")
        self._environment = checkout.environment(
            ANSIBLE_CONFIG=str(directory / "ansible.cfg"),
            ANSIBLE_HOME=str(directory / "home"),
            ANSIBLE_LOCALHOST_WARNING="false",
            ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
        )

    def play(
        self, task: Mapping[str, Any] | None, environment: Mapping[str, str], *, hosts: int = 0, **more: Any
    ) -> Run:
        """Run a playbook of one task, or of none, on localhost or so many hosts; ``more`` are its variables."""
        book = [{"hosts": "all" if hosts else "localhost", "gather_facts": False, "tasks": [task] if task else []}]
        command = ["ansible-playbook", self._write("play.json", book)]
        names = {f"host{number:02}": {"ansible_connection": "local"} for number in range(hosts)}
        if hosts:
            command += ["-i", self._write("hosts.json", {"all": {"hosts": names}})]
        given = {"ansible_python_interpreter": sys.executable, **more}
        return self.run([*command, "-e", f"@{self._write('given.json', given)}"], environment)

    def run(self, command: list[str], environment: Mapping[str, str]) -> Run:
        """Run one of Ansible's commands; RuntimeError carries what it said when it failed."""
        output = self.directory / "said"
        path = str(Path(sys.executable).with_name(command[0]))
        launched = subprocess.run(
            [sys.executable, str(LAUNCH), str(output), path, *command[1:]],
            env={**self._environment, **environment},
            stdout=subprocess.PIPE,
            check=True,
        )
        facts = json.loads(launched.stdout)
        if facts.pop("failed"):
            raise RuntimeError(f"{' '.join(command)}\n{output.read_text(encoding='utf-8')[-3000:]}")
        return Run(**facts)

    def compare(self, runs: Mapping[str, Callable[[], Run]]) -> dict[str, Run]:
        """Run each of them several times, by turns, so that a busy machine slows all of them; give the medians.

        Every round begins with another one: on a machine that slows down after long work, the one behind it would pay.
        """
        seen: dict[str, list[Run]] = {name: [] for name in runs}
        names = list(runs)
        for turn in range(self._repeat):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                seen[name].append(runs[name]())
        return {
            name: Run(*(statistics.median(values) for values in zip(*(astuple(run) for run in done), strict=True)))
            for name, done in seen.items()
        }

    def _write(self, name: str, content: object) -> str:
        path = self.directory / name
        path.write_text(json.dumps(content))
        return str(path)


def reach(emulator: Emulator) -> dict[str, str]:
    """Give the environment that leads to an emulator."""
    return {"OCORE_API_URL": emulator.api_url, "OCORE_API_TOKEN": emulator.token}
