# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read instances, and gather details about each: for the info module, the inventory and the event source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase

GATHER = ("health", "health_score")
GATHER_THREADS = 8
"""Requests at once. Control planes have been seen to fail from about ten parallel calls of one client."""


def existing(instances: Iterable[Instance]) -> list[Instance]:
    """Leave out the instances that are deleted but still listed."""
    return [instance for instance in instances if phase(instance) is not Phase.GONE]


def gather_records(
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
            health = client.get_health(instance)
            record["health"] = scrubbed(instance, health.model_dump()) if health else None
        else:
            score = client.get_health_score(instance)
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


def read_instances(client: Client, server_ids: Iterable[str], warn: Callable[[str], None]) -> list[Instance]:
    """Return the instances of the organization, or of some servers, without those that are deleted but still listed.

    One request per server (or one for all), each once more per page.

    :param server_ids: UUIDs of servers; empty means all.
    :param warn: called with a sentence when a list is incomplete.
    :raises OcoreError: when a request fails.
    """
    found: dict[str, Instance] = {}
    wanted: Sequence[str | None] = list(server_ids) or (None,)
    for server in wanted:
        listing = client.list_instances(server)
        if server is not None:
            # An API that ignores the filter must not bring instances of other servers in.
            listing = listing.on_server(server)
        if listing.incomplete:
            warn(f"oCore reports more instances than the {len(listing)} that it listed.")
        for instance in existing(listing):
            found.setdefault(instance.id, instance)
    return list(found.values())
