# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A running ansible-rulebook, for the tests of event-driven Ansible."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from conftest import BIN, environment


class Rulebook:
    """A running ansible-rulebook; use it as a context manager."""

    def __init__(self, where: Path, env: dict[str, str], rulebook: str, **variables: object) -> None:
        (where / "inventory.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n", "utf-8")
        (where / "vars.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
        self._output = where / "output"
        command = [BIN / "ansible-rulebook", "--rulebook", rulebook, "-i", "inventory.yml", "--vars", "vars.yml", "-v"]
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=where, env=environment(**env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def __enter__(self) -> Rulebook:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not what():
            assert time.monotonic() < end, self.output()
            assert self.process.poll() is None, self.output()
            time.sleep(0.2)
