# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the name servers of this host say about a name that /etc/hosts answers: a certificate authority reads no such file."""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass

_A, _AAAA, _INTERNET = 1, 28, 1
_RECURSION_DESIRED = 0x0100
_OK, _NO_SUCH_NAME = 0, 3


@dataclass(frozen=True)
class Resolver:
    """Where to look.

    :param hosts: the file that the system reads before it asks a name server.
    :param settings: files that list name servers; the first that exists counts. The one of systemd-resolved comes first, since
        its own name server answers from ``hosts``.
    :param port: of the name servers.
    :param timeout: seconds for one name server.
    """

    hosts: str = "/etc/hosts"
    settings: tuple[str, ...] = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
    port: int = 53
    timeout: float = 3

    def overridden(self, name: str) -> bool:
        """Return whether the file of the host answers for a name."""
        lines = [line.partition("#")[0].lower().split() for line in _lines(self.hosts)]
        return any(name in words[1:] for words in lines)

    def addresses(self, name: str) -> list[str]:
        """Return all addresses of a name, those of IPv6 first.

        :raises OSError: when no name server answers.
        """
        error: OSError = OSError("this host has no name server")
        for server in self._servers():
            try:
                return [address for kind in (_AAAA, _A) for address in self._ask(server, name, kind)]
            except OSError as found:
                error = found
        raise error

    def _servers(self) -> list[str]:
        for path in self.settings:
            words = [line.split() for line in _lines(path)]
            servers = [item[1] for item in words if len(item) > 1 and item[0] == "nameserver"]
            if servers:
                return servers
        return []

    def _ask(self, server: str, name: str, kind: int) -> list[str]:
        """Return the addresses of one kind that a name server knows. It follows aliases by itself."""
        number = secrets.randbelow(65536)
        family, how, protocol, _name, where = socket.getaddrinfo(server, self.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, how, protocol) as connection:
            connection.settimeout(self.timeout)
            connection.connect(where)
            connection.send(_question(number, name, kind))
            answer = connection.recv(4096)
        try:
            return _read_answer(answer, number, kind)
        except (IndexError, ValueError, struct.error) as error:
            raise OSError(f"the name server {server} sent no readable answer") from error


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read().splitlines()
    except OSError:
        return []


def _question(number: int, name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split("."))
    head = struct.pack(">6H", number, _RECURSION_DESIRED, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack(">2H", kind, _INTERNET)


def _read_answer(data: bytes, number: int, kind: int) -> list[str]:
    """Return the addresses in a message of a name server (RFC 1035, section 4).

    :raises OSError: when the name server could not find out.
    """
    found, flags, questions, answers, _authorities, _more = struct.unpack_from(">6H", data)
    code = flags & 0x0F
    if found != number or code not in (_OK, _NO_SUCH_NAME):
        raise OSError(f"a name server answered with code {code}")
    position = 12
    for _question_number in range(questions):
        position = _after_name(data, position) + 4
    addresses = []
    for _answer in range(answers):
        position = _after_name(data, position)
        record, _class, _seconds, length = struct.unpack_from(">2HIH", data, position)
        position += 10
        if record == kind:
            family = socket.AF_INET6 if kind == _AAAA else socket.AF_INET
            addresses.append(socket.inet_ntop(family, data[position : position + length]))
        position += length
    return addresses


def _after_name(data: bytes, position: int) -> int:
    """Return where a name ends: with an empty label, or with a pointer to another place."""
    while data[position]:
        if data[position] >= 0xC0:
            return position + 2
        position += 1 + data[position]
    return position + 1
