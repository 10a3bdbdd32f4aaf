# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no compatibility is promised to other users.

"""Reading instances, and what is gathered about each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._errors import Scrubber
from ansible_collections.ocore.cloud.plugins.module_utils._identity import find_in
from ansible_collections.ocore.cloud.plugins.module_utils._lifecycle import Phase, phase
from ansible_collections.ocore.cloud.plugins.module_utils._task import AUTH_SPEC, IDENTITY_SPEC, Operation, Task

GATHER = ("health", "health_score")
GATHER_THREADS = 8
"""Requests at once. Control planes have been seen to fail from about ten parallel calls of one client."""


def present(instances: Iterable[Instance]) -> list[Instance]:
    """Leave out the instances that are deleted but still listed."""
    return [instance for instance in instances if phase(instance) is not Phase.GONE]


def records(
    client: Client, instances: Sequence[Instance], gather: Sequence[str], reveal_env_vars: bool
) -> list[dict[str, Any]]:
    """Give the instance records, with what is to be gathered added.

    :param gather: some of ``GATHER``. ``health`` adds the key ``health``, ``health_score`` the key
        ``health_score_details``; either is null when oCore has none. One request per instance and kind.
    :raises OcoreError: when one of the requests fails.
    """
    found = [instance.record(reveal_env_vars) for instance in instances]
    jobs = [(record, instance, what) for record, instance in zip(found, instances, strict=True) for what in gather]
    if not jobs:
        return found

    def scrubbed(instance: Instance, answer: dict[str, Any]) -> dict[str, Any]:
        """Mask env values in the free texts; they may quote what did not work."""
        if reveal_env_vars:
            return answer
        scrub = Scrubber(instance.secrets())
        for part, key in ((answer, "status_message"), *((factor, "details") for factor in answer.get("factors", []))):
            if part.get(key):
                part[key] = scrub(part[key])
        return answer

    def run(job: tuple[dict[str, Any], Instance, str]) -> None:
        record, instance, what = job
        if what == "health":
            health = client.health(instance)
            record["health"] = scrubbed(instance, health.model_dump()) if health else None
        else:
            score = client.health_score(instance)
            record["health_score_details"] = scrubbed(instance, score.record()) if score else None

    with ThreadPoolExecutor(GATHER_THREADS) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            for future in futures:
                future.result()
        finally:
            for future in futures:
                future.cancel()
    return found


def execute(task: Task) -> None:
    """Read the instances that fit.

    :raises OcoreError: when a request fails.
    """
    options = task.options
    server = options["server_id"]
    if options["id"]:
        one = task.client.get(options["id"])
        found = [one] if one is not None else []
        if server:
            found = [i for i in found if i.server_id is None or i.server_id.casefold() == server.casefold()]
    else:
        listing = task.client.list(server)
        if server:
            # An API that ignores the filter must not make one server's task touch another's instances.
            listing = listing.on_server(server)
        if options["slug"] or options["name"]:
            match = find_in(listing, options)
            one = match.instance or match.leaving
            found = [one] if one is not None else []
        else:
            if listing.incomplete:
                task.warn(f"oCore says that there are more instances than the {len(listing)} that it listed.")
            found = list(listing)
    found = present(found)
    task.result["instances"] = records(task.client, found, options["gather"], task.reveal)
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
