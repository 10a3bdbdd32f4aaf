# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of ocore_instance_info: read instances."""

from __future__ import annotations

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance, is_on_server
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC, IDENTITY_SPEC
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import KEYS, Identity, all_in, find_in
from ansible_collections.ocore.cloud.plugins.module_utils._ops.reading import (
    GATHER,
    existing,
    gather_records,
    read_instances,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run


def execute(run: Run) -> None:
    """Read the instances that match.

    :raises OcoreError: when a request fails.
    """
    found = existing(_matching(run))
    run.result["instances"] = gather_records(run.client, found, run.options["gather"], run.reveal, run.warn)
    run.result["total"] = len(found)


def _matching(run: Run) -> list[Instance]:
    server = run.options["server_id"]
    if not any(run.options[key] for key in KEYS):
        return read_instances(run.client, [server] if server else [], run.warn)
    identity = Identity.from_options(run.options)
    if identity.id:
        one = run.client.get_instance(identity.id)
        return [one] if one is not None and (not server or is_on_server(one.server_id, server)) else []
    listing = run.client.list_instances(server)
    listing = listing.on_server(server) if server else listing
    if identity.key == "name":  # oCore does not keep names unique
        here, leaving = all_in(listing, identity)
        if listing.incomplete:
            run.warn(f"oCore reports more instances than the {len(listing)} that it listed.")
        return here or leaving
    match = find_in(listing, identity)
    one = match.instance or match.leaving
    return [one] if one is not None else []


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
