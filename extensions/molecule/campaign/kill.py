# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill what Ansible runs on this host, as the loss of the machine or of its memory does. Runs on the host.

What came in from outside the container has the parent 0. The package manager is spared, with all it has begun: it has a
journal of its own, and a lost connection does not end it either.
"""

from __future__ import annotations

import contextlib
import os
import signal

SPARED = ("apt", "dpkg")


def processes() -> dict[int, tuple[int, str]]:
    """Return pid → parent and name."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                name, _mark, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        found[int(pid)] = (int(rest.split()[1]), name)
    return found


def main() -> None:
    there = processes()
    doomed = [pid for pid, (parent, _name) in there.items() if parent == 0 and pid not in (1, os.getpid())]
    for pid in doomed:
        if not there[pid][1].startswith(SPARED):
            doomed += [child for child, (parent, _name) in there.items() if parent == pid]
    for pid in doomed:
        if not there[pid][1].startswith(SPARED):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
