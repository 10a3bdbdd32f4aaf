# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of ocore_instance_info: read instances."""

from __future__ import annotations

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import is_on_server
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC, IDENTITY_SPEC
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import find_in
from ansible_collections.ocore.cloud.plugins.module_utils._ops.reading import (
    GATHER,
    existing,
    gather_records,
    read_instances,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Task


def execute(task: Task) -> None:
    """Read the instances that fit.

    :raises OcoreError: when a request fails.
    """
    options = task.options
    server = options["server_id"]
    if options["id"]:
        one = task.client.get_instance(options["id"])
        found = [one] if one is not None and (not server or is_on_server(one.server_id, server)) else []
    elif options["slug"] or options["name"]:
        listing = task.client.list_instances(server)
        match = find_in(listing.on_server(server) if server else listing, options)
        one = match.instance or match.leaving
        found = [one] if one is not None else []
    else:
        found = read_instances(task.client, [server] if server else [], task.warn)
    found = existing(found)
    task.result["instances"] = gather_records(task.client, found, options["gather"], task.reveal)
    task.result["total"] = len(found)


OPERATION = Operation(
    name="ocore_instance_info",
    spec={
        **AUTH_SPEC,
        **IDENTITY_SPEC,
        "server_id": {"type": "str"},
        "gather": {"type": "list", "elements": "str", "choices": list(GATHER), "default": []},
        "reveal_env_vars": {"type": "bool", "default": False},
    },
    execute=execute,
    about_one=False,
)
