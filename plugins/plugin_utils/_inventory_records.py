# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes a host of an inventory: an instance, or a server with the instances on it, and how Ansible connects to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import displayable

Record = dict[str, Any]

NAMES_SHOWN = 5
"""How many names one warning lists."""

# What begins with a hyphen would be an option of ssh.
_HOST = re.compile(r"[\w:][\w.:%-]*")
_USER = re.compile(r"\w[\w.@+\\-]*\$?")


@dataclass(frozen=True)
class Kind:
    """What the hosts of an inventory are.

    :param sources: the words of ``hostnames``.
    :param hostnames: the default of ``hostnames``.
    :param group: the default name of the group of all hosts.
    :param unique: the words that name hosts uniquely in an organization.
    :param needs_address: whether a host without an address is left out.
    :param fate: what happens to hosts without an address.
    """

    noun: str
    sources: tuple[str, ...]
    hostnames: tuple[str, ...]
    group: str
    unique: str
    needs_address: bool
    fate: str


INSTANCES = Kind(
    noun="instance",
    sources=("primary_domain", "slug", "id", "name"),
    hostnames=("slug",),
    group="ocore",
    unique="slug or id",
    needs_address=False,
    fate="These hosts get no connection variables",
)
# Without an address, Ansible would connect to whatever machine has the name of the server.
SERVERS = Kind(
    noun="server",
    sources=("name", "id", "host"),
    hostnames=("name",),
    group="ocore_servers",
    unique="id",
    needs_address=True,
    fate="The inventory leaves them out",
)


@dataclass(frozen=True)
class Lists:
    """The records that oCore returned.

    :param servers: ``None`` when they were not asked for, or not given.
    """

    instances: list[Record]
    servers: list[Record] | None = None


@dataclass
class Entry:
    """What becomes a host.

    :param record: the instance or the server.
    :param variables: those of the host, apart from what ``compose`` adds.
    :param connects: whether the variables are meant to say how to connect.
    """

    record: Record
    variables: dict[str, Any] = field(repr=False)
    connects: bool = False


def instance_entries(lists: Lists, prefix: str, connect: bool) -> list[Entry]:
    """Return the instances as hosts.

    :param prefix: what the names of variables begin with.
    :param connect: whether they get the connection of their server.
    """
    by_server = {_folded(server["id"]): connection(server) for server in lists.servers or []}
    names = _names(lists.instances, prefix)
    entries = []
    for record in lists.instances:
        variables = {names[key]: value for key, value in record.items()}
        if connect:
            variables.update(by_server.get(_folded(record["server_id"]), {}))
        entries.append(Entry(record, variables, connect))
    return entries


def server_entries(lists: Lists, prefix: str, server_ids: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Return the servers as hosts, each with the records of its instances, and warnings.

    :param server_ids: the servers that the user chose; empty means all.
    """
    chosen = {_folded(server) for server in server_ids}
    # An API that leaves the server out of an instance has been asked for one server, and has filtered by itself.
    only = next(iter(chosen)) if len(chosen) == 1 else ""
    carried: dict[str, list[Record]] = {}
    for record in lists.instances:
        carried.setdefault(_folded(record["server_id"]) or only, []).append(record)
    servers = {_folded(server["id"]): server for server in lists.servers or []}
    names = _names(servers.values(), prefix)
    entries = []
    for key, server in servers.items():
        if not chosen or key in chosen:
            variables = {names[name]: value for name, value in server.items()}
            variables[f"{prefix}instances"] = carried.get(key, [])
            entries.append(Entry(server, {**variables, **connection(server)}, connects=True))
    missing = (carried.keys() | chosen) - servers.keys() - {""}
    warnings = [
        f"oCore does not list the server {some_of(missing)}, although instances are on it or server_ids names it. The "
        "inventory leaves it out."
    ]
    return entries, warnings if missing else []


def connection(server: Record) -> dict[str, Any]:
    """Return the variables by which Ansible connects to a server; none when one of them cannot be used as it is."""
    host, user, port = (server.get(key) for key in ("host", "ssh_user", "port"))
    host, user = (str(text or "").strip() for text in (host, user))
    if not _HOST.fullmatch(host) or (user and not _USER.fullmatch(user)):
        return {}
    found: dict[str, Any] = {"ansible_host": host}
    if user:
        found["ansible_user"] = user
    if port is not None:
        if not 0 < port < 65536 or port != int(port):
            return {}
        found["ansible_port"] = int(port)
    return found


def some_of(names: Iterable[str]) -> str:
    """Return the first few of these names, sorted, for a message."""
    found = sorted(set(names))
    more = f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return displayable(", ".join(found[:NAMES_SHOWN])) + more


def _names(records: Iterable[Record], prefix: str) -> dict[str, str]:
    return {name: f"{prefix}{name}" for record in records for name in record}


def _folded(server_id: object) -> str:
    return str(server_id or "").strip().casefold()
