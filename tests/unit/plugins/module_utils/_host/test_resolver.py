# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that /etc/hosts answers are asked at the name servers: real sockets, and a name server that says what it is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._host.resolver import Resolver

#: Addresses in their binary form by type of record, for any name.
Answers = dict[int, list[bytes]]
ALIAS = 5


def message(question: bytes, answers: Answers, code: int = 0) -> bytes:
    """A response with an alias before the addresses, and names as pointers, as name servers write them."""
    kind = struct.unpack(">H", question[-4:-2])[0]
    records = [(ALIAS, b"\x05alias\xc0\x0c"), *((kind, data) for data in answers.get(kind, []))]
    head = question[:2] + struct.pack(">5H", 0x8180 | code, 1, len(records), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">2HIH", record, 1, 60, len(data)) + data for record, data in records)
    return head + question[12:] + body


@pytest.fixture
def server() -> Iterator[Callable[[Callable[[bytes], bytes]], int]]:
    """Start a name server on loopback, and return its port."""
    sockets = []

    def start(answer: Callable[[bytes], bytes]) -> int:
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(20)
        sockets.append(listener)

        def serve() -> None:
            try:
                while True:
                    question, client = listener.recvfrom(4096)
                    listener.sendto(answer(question), client)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in sockets:
        listener.close()


def resolver(tmp_path: Path, port: int = 1, **options: float) -> Resolver:
    (tmp_path / "resolv.conf").write_text("# comment\nsearch example.com\nnameserver 127.0.0.1\noptions edns0\n")
    settings = (str(tmp_path / "absent"), str(tmp_path / "resolv.conf"))
    return Resolver(str(tmp_path / "hosts"), settings, port, **options)


def test_resolver_returns_all_addresses_those_of_ipv6_first(
    tmp_path: Path, server: Callable[[Callable[[bytes], bytes]], int]
) -> None:
    known: Answers = {
        1: [socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")],
        28: [socket.inet_pton(socket.AF_INET6, "2001:db8::1")],
    }
    questions = []

    def answer(question: bytes) -> bytes:
        questions.append(question)
        return message(question, known)

    found = resolver(tmp_path, server(answer)).addresses("shop.example.com")
    assert found == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]
    assert all(b"\x04shop\x07example\x03com\x00" in question for question in questions)


@pytest.mark.parametrize("code", [0, 3])
def test_resolver_knows_a_name_without_addresses(
    code: int, tmp_path: Path, server: Callable[[Callable[[bytes], bytes]], int]
) -> None:
    assert resolver(tmp_path, server(lambda question: message(question, {}, code))).addresses("a.example.com") == []


@pytest.mark.parametrize(
    "answer",
    [
        lambda question: message(question, {}, 2),
        lambda question: question[:2] + b"\x81\x80",
        lambda question: message(question, {1: [b"\x01"], 28: [b"\x01"]}),
        lambda question: b"\0\0" + message(question, {})[2:] if question[:2] != b"\0\0" else b"",
    ],
)
def test_resolver_that_gives_no_answer_is_an_error(
    answer: Callable[[bytes], bytes], tmp_path: Path, server: Callable[[Callable[[bytes], bytes]], int]
) -> None:
    with pytest.raises(OSError, match="name server"):
        resolver(tmp_path, server(answer)).addresses("a.example.com")


def test_resolver_without_a_listener_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="timed out"):
            resolver(tmp_path, silent.getsockname()[1], timeout=0.05).addresses("a.example.com")


def test_resolver_without_name_servers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no name server"):
        Resolver(str(tmp_path / "hosts"), (str(tmp_path / "absent"),)).addresses("a.example.com")


def test_resolver_reads_the_hosts_file(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 Shop.example.com shop # other.example.com\n")
    found = resolver(tmp_path)
    names = ("shop.example.com", "shop", "other.example.com", "127.0.1.1", "example.com")
    assert [name for name in names if found.overridden(name)] == ["shop.example.com", "shop"]
    assert Resolver(str(tmp_path / "absent")).overridden("shop.example.com") is False
