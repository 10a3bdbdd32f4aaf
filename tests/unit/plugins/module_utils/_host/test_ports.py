# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens on ports is found: the process, and the addresses."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._host.ports import (
    listening_addresses,
    other_holders,
    port_holder,
)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_port_holder_is_the_process_that_listens(family: socket.AddressFamily) -> None:
    with socket.socket(family) as listener:
        listener.bind(("::1" if family is socket.AF_INET6 else "127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert port_holder(port) is None
        listener.listen()
        own = f"{Path('/proc/self/comm').read_text().strip()} (process {os.getpid()})"
        assert port_holder(port) == own
        assert other_holders({port}) == {port: own}
        assert other_holders({port}, own=own.rpartition(" (")[0]) == {}
    assert other_holders({port}) == {}


def test_port_holder_that_cannot_be_seen(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    line = "0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1"
    (tmp_path / "net" / "tcp").write_text(f"head\n{line}\n")
    (tmp_path / "1").mkdir()
    assert port_holder(80, str(tmp_path)) == "a process that cannot be seen from here"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"])
def test_port_addresses_are_those_at_which_something_listens(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        port = listener.getsockname()[1]
        assert listening_addresses({port}) == {}
        listener.listen()
        assert listening_addresses({port, 1}) == {port: [address]}
    assert listening_addresses({port}) == {}


def test_port_addresses_need_no_read_without_ports_and_no_tables(tmp_path: Path) -> None:
    assert listening_addresses(set()) == {}
    assert listening_addresses({80}, str(tmp_path)) == {}
