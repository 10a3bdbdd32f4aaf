# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers: the operation of ocore_server_info, and which server a task refers to by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Server, normalized_name
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run

SERVERS_SHOWN = 20
"""Servers that an error lists."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def execute(run: Run) -> None:
    """Read the servers that match.

    :raises OcoreError: when a request fails.
    """
    servers = run.client.list_servers()
    wanted = run.options
    if wanted["id"]:
        servers = _having_id(servers, wanted["id"])
    elif wanted["name"]:
        servers = _having_name(servers, wanted["name"])
    run.result["servers"] = [server.record() for server in servers]
    run.result["total"] = len(servers)


def server_ids(client: Client, wanted: Iterable[str]) -> dict[str, str]:
    """Return the id of each server that is given by its id or name. One request, or none where all are UUIDs.

    A text in the form of a UUID is an id, whatever servers are called.

    :raises OcoreError: when no server fits, or several have the name; it lists the servers that there are.
    """
    found = {text: text for text in wanted}
    names = [text for text in found if not _UUID.fullmatch(text)]
    servers = client.list_servers() if names else []
    fitting = {text: _having_id(servers, text) or _having_name(servers, text) for text in names}
    problems = [
        f"{len(several)} servers have the name {text!r}: {_labels(several)}. Give the id of the right one instead."
        for text, several in fitting.items()
        if len(several) > 1
    ]
    if missing := [repr(text) for text, some in fitting.items() if not some]:
        there = f"has: {_labels(servers)}" if servers else "has no servers: check the option organization"
        problems.append(f"There is no server {' and no server '.join(missing)}. The organization {there}.")
    if problems:
        raise OcoreError(f"{' '.join(problems)} Nothing was changed.")
    return {**found, **{text: one[0].id for text, one in fitting.items()}}


def _having_id(servers: Iterable[Server], text: str) -> list[Server]:
    return [server for server in servers if server.id.strip().casefold() == text.casefold()]


def _having_name(servers: Iterable[Server], text: str) -> list[Server]:
    return [server for server in servers if normalized_name(server.name or "") == normalized_name(text)]


def _labels(servers: Sequence[Server]) -> str:
    shown = ", ".join(sorted(server.label() for server in servers)[:SERVERS_SHOWN])
    return f"{shown} and {len(servers) - SERVERS_SHOWN} more" if len(servers) > SERVERS_SHOWN else shown


OPERATION = Operation(
    name="ocore_server_info",
    spec={**AUTH_SPEC, "id": {"type": "str"}, "name": {"type": "str"}},
    rules={"mutually_exclusive": [("id", "name")]},
    execute=execute,
    about_one=False,
)
