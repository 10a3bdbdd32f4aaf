# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process listens on a port of this host."""

from __future__ import annotations

import os
from collections.abc import Collection

_LISTEN = "0A"


def _listening_sockets(port: int, proc: str) -> set[str]:
    """Return the inodes of the TCP sockets that listen on a port, on any address."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, "net", table), encoding="ascii") as handle:
                rows = [line.split() for line in handle.readlines()[1:]]
        except OSError:
            continue
        found |= {
            row[9] for row in rows if len(row) > 9 and row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port
        }
    return found


def _command(pid: str, proc: str) -> str:
    with open(os.path.join(proc, pid, "comm"), encoding="utf-8", errors="replace") as handle:
        return handle.read().strip()


def port_holder(port: int, proc: str = "/proc") -> str | None:
    """Return who listens on a port, as ``NAME (process PID)``; ``None`` when nobody does.

    A process of a container without a proxy process on the host is not seen.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port, proc)}
    if not sockets:
        return None
    for pid in sorted((entry for entry in os.listdir(proc) if entry.isdigit()), key=int):
        directory = os.path.join(proc, pid, "fd")
        try:
            if any(os.readlink(os.path.join(directory, entry)) in sockets for entry in os.listdir(directory)):
                return f"{_command(pid, proc)} (process {pid})"
        except OSError:
            continue
    return "a process that cannot be seen from here"


def other_holders(ports: Collection[int], own: str = "nginx", proc: str = "/proc") -> dict[int, str]:
    """Return who else than the program ``own`` listens on these ports."""
    found = {port: port_holder(port, proc) for port in sorted(ports)}
    return {port: holder for port, holder in found.items() if holder and not holder.startswith(f"{own} (")}
