# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers in the fleet report: what each carries, what is wrong there, and the memory that its instances declare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_entries import SEVERITIES
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_words import clean_text, finite_number

MEBIBYTE = 2**20
LARGEST = 2**63 - 1
"""Amounts above it are cut, so that nonsense from the API stays a number that all can read."""

MEMORY_ASSUMPTION = (
    "oCore does not document the unit of memory limits. A limit of 1 MiB or more is read as bytes, as in odoo.conf, a "
    "smaller one as MiB. The limit holds for each process, so an instance declares its soft limit (without one, the hard "
    "limit) once for each worker and cron thread, and at least once."
)
"""Part of the report, so that nobody takes the sum for a measured figure."""

Record = Mapping[str, Any]
Json = dict[str, Any]


def fleet_servers(entries: Sequence[Json], records: Sequence[Record], servers: Sequence[Record]) -> list[Json]:
    """Return one entry per server: those that carry instances, and those of which there is a record.

    :param entries: the instances of the report, the most urgent first.
    :param records: their records, in the same order.
    :param servers: server records; they give name, status and memory, and may be missing.
    :returns: the servers, by the urgency of their instances; instances without a server come last, with the id ``None``.
    """
    known = {clean_text(server.get("id")): server for server in servers if clean_text(server.get("id"))}
    carried: dict[str | None, list[tuple[Json, Record]]] = {}
    for entry, record in zip(entries, records, strict=True):
        carried.setdefault(entry["server_id"], []).append((entry, record))
    order = [*carried, *sorted(set(known) - set(carried))]
    order.sort(key=lambda server: server is None)
    return [_server(server, carried.get(server, []), known.get(server or "", {})) for server in order]


def _server(server: str | None, carried: Sequence[tuple[Json, Record]], record: Record) -> Json:
    entries = [entry for entry, _record in carried]
    severities = Counter(entry["severity"] for entry in entries)
    scores = [entry["score"] for entry in entries if entry["score"] is not None]
    return {
        "id": server,
        "name": clean_text(record.get("name")) or None,
        "status": clean_text(record.get("status")) or None,
        "instances": [entry["key"] for entry in entries],
        "severities": {severity: severities[severity] for severity in SEVERITIES},
        "failed": sum(entry["phase"] == Phase.FAILED.value for entry in entries),
        "lowest_score": min(scores, default=None),
        "memory": _memory([record for _entry, record in carried], record),
    }


def _memory(instances: Sequence[Record], server: Record) -> Json:
    """Return the memory that instances declare and that their server has, in bytes."""
    declared = [declared_memory(record) for record in instances]
    total = int(finite_number(server.get("ram_total_bytes")) or 0)
    known = sum(amount for amount in declared if amount is not None)
    return {
        "declared_bytes": known,
        "undeclared": declared.count(None),
        "total_bytes": total if total > 0 else None,
        "percent": 100 * known // total if total > 0 else None,
    }


def declared_memory(record: Record) -> int | None:
    """Return the memory that an instance declares, in bytes as ``MEMORY_ASSUMPTION`` says, or ``None`` without a limit."""
    limits = (finite_number(record.get(name)) for name in ("limit_memory_soft", "limit_memory_hard"))
    limit = next((limit for limit in limits if limit is not None and limit > 0), None)
    if limit is None:
        return None
    processes = sum(max(0, finite_number(record.get(name)) or 0) for name in ("workers", "max_cron_threads"))
    return min(LARGEST, round((limit if limit >= MEBIBYTE else limit * MEBIBYTE) * max(1, processes)))
