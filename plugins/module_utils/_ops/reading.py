# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read instances, and gather details about each: for the info module, the inventory and the event source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber, Warn
from ansible_collections.ocore.cloud.plugins.module_utils._api.threads import thread_pool
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase

GATHER = ("health", "health_score")
GATHER_THREADS = 8
"""Requests at once. Control planes have been seen to fail from about ten parallel calls of one client."""

OUTAGE = 2 * GATHER_THREADS
"""Transient failures in a row that count as an outage of oCore: retrying for each of thousands would take hours."""

_KEYS = {"health": "health", "health_score": "health_score_details"}
"""Where a record holds what was gathered."""


def read_instances(client: Client, server_ids: Sequence[str], warn: Warn) -> list[Instance]:
    """Return the instances of the organization, or of some servers, without those that are deleted but still listed.

    One request, once more per page: oCore filters by one server, so several are selected here.

    :param server_ids: UUIDs of servers; empty means all.
    :param warn: called with a sentence when a list is incomplete.
    :raises OcoreError: when a request fails.
    """
    one = server_ids[0] if len(server_ids) == 1 else None
    listing = client.list_instances(one)
    if one is not None:
        # An API that ignores the filter must not bring instances of other servers in.
        listing = listing.on_server(one)
    if listing.incomplete:
        warn(f"oCore reports more instances than the {len(listing)} that it listed.")
    if len(server_ids) < 2:
        return existing(listing)
    chosen = {server.casefold() for server in server_ids}
    if nowhere := len(listing.matching(lambda item: not item["server_id"])):
        warn(f"oCore does not say on which server {nowhere} instances are, so they are left out.")
    return existing(listing.matching(lambda item: str(item["server_id"] or "").casefold() in chosen))


def existing(instances: Iterable[Instance]) -> list[Instance]:
    """Leave out the instances that are deleted but still listed."""
    return [instance for instance in instances if phase(instance) is not Phase.GONE]


def gather_records(
    client: Client,
    instances: Sequence[Instance],
    gather: Sequence[str],
    reveal_env_vars: bool,
    warn: Warn,
) -> list[dict[str, Any]]:
    """Return the instance records, with what is to be gathered added.

    One request per instance and kind. Where one fails for an instance alone, the record holds ``None`` and ``warn`` names
    the instance.

    :param gather: some of ``GATHER``. ``health`` adds the key ``health``, ``health_score`` the key
        ``health_score_details``; either is ``None`` when oCore has none.
    :raises OcoreError: when a request shows that none can succeed (the token is refused, no connection), or all fail.
    """
    records = [instance.record(reveal_env_vars) for instance in instances]
    jobs = [(record, instance, what) for record, instance in zip(records, instances, strict=True) for what in gather]
    if not jobs:
        return records
    pool = thread_pool(GATHER_THREADS)
    try:
        futures = [pool.submit(_gather, client, instance, what, reveal_env_vars) for _record, instance, what in jobs]
        failures: list[OcoreError] = []
        in_a_row = 0
        for (record, _instance, what), future in zip(jobs, futures, strict=True):
            try:
                record[_KEYS[what]] = future.result()
                in_a_row = 0
            except OcoreError as error:
                in_a_row = in_a_row + 1 if error.transient else 0
                if not error.about_one or in_a_row >= OUTAGE:
                    raise
                failures.append(error)
                record[_KEYS[what]] = None
    finally:
        # Threads that hang in a request are not waited for: whoever ends the task closes their connections.
        pool.shutdown(wait=False, cancel_futures=True)
    if len(failures) == len(jobs):
        raise failures[0]
    for failure in failures:
        warn(f"{failure.message} The result holds null in its place.", "details that could not be read")
    return records


def _gather(client: Client, instance: Instance, what: str, reveal_env_vars: bool) -> dict[str, Any] | None:
    """Return the health or the health score of one instance, with env values masked in its free texts."""
    if what == "health":
        health = client.get_health(instance)
        answer = health.model_dump() if health else None
        texts = [(answer, "status_message")]
    else:
        score = client.get_health_score(instance)
        answer = score.record() if score else None
        texts = [(factor, "details") for factor in (answer or {}).get("factors", [])]
    if answer is not None and not reveal_env_vars:
        scrub = Scrubber(instance.secrets())
        for part, key in texts:
            if part and part.get(key):
                part[key] = scrub(part[key])
    return answer
