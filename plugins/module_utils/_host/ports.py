# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens on the ports of this host: at which addresses, and which process."""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Collection, Iterator

_LISTEN = "0A"


def _listening_sockets(proc: str) -> Iterator[tuple[str, int, str]]:
    """Yield address (as the kernel writes it), port and inode of the TCP sockets that listen."""
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, "net", table), encoding="ascii") as handle:
                rows = [line.split() for line in handle.readlines()[1:]]
        except OSError:
            continue
        for row in rows:
            if len(row) > 9 and row[3] == _LISTEN:
                address, _colon, port = row[1].rpartition(":")
                yield address, int(port, 16), row[9]


def _address(text: str) -> str:
    """Return an address of the kernel's tables, which hold it as words in the byte order of the machine, in the usual form."""
    words = struct.unpack(f">{len(text) // 8}I", bytes.fromhex(text))
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))


def listening_addresses(ports: Collection[int], proc: str = "/proc") -> dict[int, list[str]]:
    """Return the addresses at which something listens on these ports, by port; a port that nothing listens on has no entry."""
    found: dict[int, set[str]] = {}
    for address, port, _inode in _listening_sockets(proc) if ports else ():
        if port in ports:
            found.setdefault(port, set()).add(_address(address))
    return {port: sorted(addresses) for port, addresses in sorted(found.items())}


def _command(pid: str, proc: str) -> str:
    with open(os.path.join(proc, pid, "comm"), encoding="utf-8", errors="replace") as handle:
        return handle.read().strip()


def port_holder(port: int, proc: str = "/proc") -> str | None:
    """Return who listens on a port, as ``NAME (process PID)``; ``None`` when nobody does.

    A process of a container without a proxy process on the host is not seen.
    """
    sockets = {f"socket:[{inode}]" for _where, held, inode in _listening_sockets(proc) if held == port}
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
