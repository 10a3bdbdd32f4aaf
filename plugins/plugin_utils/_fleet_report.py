# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model of the fleet report: what every form of it (HTML, JSON, Markdown) says.

Pure: instance records, server records, the last report and the time go in, one JSON-able dict comes out. The README of the
role ``fleet_report`` documents its shape; a change that breaks readers raises ``SCHEMA_VERSION``.

Nothing in it moves by itself except the days that certificates have left, which are counted in calendar days (UTC), and
the month in which Odoo's support of a version ends. So a report about an unchanged fleet is the same report until
midnight, and need not be written again.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase_of
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_changes import fleet_changes
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_entries import (
    CERTIFICATE_STATES,
    KINDS,
    SEVERITIES,
    fleet_entry,
    urgency,
)
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_servers import MEMORY_ASSUMPTION, fleet_servers
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_words import clean_text, count, iso, read_time

FORMAT = "ocore.cloud/fleet-report"
SCHEMA_VERSION = 1

Record = Mapping[str, Any]
Json = dict[str, Any]


def fleet_report(
    instances: Sequence[Record],
    previous: str | None = None,
    *,
    servers: Sequence[Record] | None = None,
    organization: str | None = None,
    server_id: str | None = None,
    certificate_warning_days: int = 21,
    certificate_critical_days: int = 7,
    score_warning: float = 70,
    now: str | None = None,
) -> Json:
    """Return the report about instances.

    :param instances: instance records; ``health`` and ``health_score_details`` are used where they are there.
    :param previous: the last report as JSON text; ``None`` if there is none.
    :param servers: server records, for names and memory.
    :param organization, server_id: what the instances were selected by. Reports of another selection are not compared.
    :param certificate_warning_days, certificate_critical_days: days left at which a certificate needs attention.
    :param score_warning: health scores below it need attention.
    :param now: time of the report in ISO 8601; ``None`` for the present.
    :returns: the new report, or the previous one if it says the same.
    :raises OcoreError: when an argument is not what it should be.
    """
    moment = _moment(now)
    limits = _limits(certificate_warning_days, certificate_critical_days, score_warning)
    records = [record for record in _records(instances, "instance") if not _is_gone(record)]
    pairs = sorted(((fleet_entry(record, limits, moment), record) for record in records), key=lambda p: urgency(p[0]))
    entries = [entry for entry, _record in pairs]
    report: Json = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "organization": clean_text(organization) or None,
        "server_id": clean_text(server_id) or None,
        "limits": limits,
        "headline": _headline(entries),
        "summary": _summary(entries),
        "findings": _findings(entries),
        "attention": [entry["key"] for entry in entries if entry["severity"] in ("critical", "warning")],
        "instances": entries,
        "servers": fleet_servers(entries, [record for _entry, record in pairs], _records(servers or [], "server")),
        "memory_assumption": MEMORY_ASSUMPTION,
    }
    return _compared(report, None if previous is None else _last_report(previous), moment)


def _moment(now: str | None) -> datetime:
    moment = read_time(now) if now else datetime.now(UTC)
    if moment is None:
        raise OcoreError(f'The time of a fleet report, "{now}", is not a date and time in ISO 8601.')
    return moment


def _limits(warning_days: int, critical_days: int, score_warning: float) -> Json:
    if not 0 <= critical_days <= warning_days:
        raise OcoreError(
            "Certificates get critical no earlier than they get a warning: give certificate_critical_days "
            f"({critical_days}) between 0 and certificate_warning_days ({warning_days})."
        )
    return {
        "certificate_warning_days": warning_days,
        "certificate_critical_days": critical_days,
        "score_warning": score_warning,
    }


def _records(given: object, noun: str) -> list[Record]:
    """Return the records that were given, or refuse what is no list of them."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise OcoreError(f"A fleet report needs a list of {noun} records, as ocore_{noun}_info returns them.")
    records = list(given)
    for record in records:
        if not isinstance(record, Mapping):
            raise OcoreError(f"A fleet report is made from {noun} records; one of them is a {type(record).__name__}.")
    return records


def _is_gone(record: Record) -> bool:
    return phase_of(clean_text(record.get("status"))) is Phase.GONE


def _last_report(text: str) -> Json:
    """Return the last report. Something else in its place is refused, because it would be overwritten."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise OcoreError(
            "The file in the place of the last report is not a fleet report, and is not overwritten. Move it away, or "
            "give another directory."
        )
    if found.get("schema_version") == SCHEMA_VERSION and not (
        isinstance(found.get("instances"), list)
        and isinstance(found.get("generated_at"), str)
        and isinstance(found.get("changes"), dict)
    ):
        raise OcoreError("The last report was changed by hand and cannot be compared. Move it away and start afresh.")
    return found


def _compared(report: Json, last: Json | None, moment: datetime) -> Json:
    """Return the report with what changed since the last one, or the last one if it says the same."""
    scope = ("schema_version", "organization", "server_id")
    since = last if last is not None and all(last.get(key) == report[key] for key in scope) else None
    if since is not None and all(since.get(key) == value for key, value in report.items()):
        return since
    report["generated_at"] = iso(moment)
    report["changes"] = {
        "since": since["generated_at"] if since else None,
        "items": fleet_changes(since["instances"], report["instances"]) if since else [],
    }
    return report


def _findings(entries: Sequence[Json]) -> list[Json]:
    """Return the reasons of all instances, equal causes as one; the gravest and nearest first, and nothing left out."""
    found: dict[tuple[str, str, str], list[tuple[Json, Json]]] = {}
    for entry in entries:
        for reason in entry["reasons"]:
            found.setdefault((reason["severity"], reason["kind"], reason["cause"]), []).append((reason, entry))
    for same in found.values():
        same.sort(key=lambda pair: _nearness(pair[0]))
    return [_finding(same) for same in sorted(found.values(), key=lambda same: _gravity(same[0][0]))]


def _finding(same: Sequence[tuple[Json, Json]]) -> Json:
    """Return reasons with the same cause as one finding."""
    first = same[0][0]
    return {
        "severity": first["severity"],
        "kind": first["kind"],
        "text": first["text"] if len(same) == 1 else f"{len(same):,} {first['cause']}",
        "count": len(same),
        "items": [{"key": entry["key"], "name": entry["name"], "text": reason["text"]} for reason, entry in same],
    }


def _gravity(reason: Json) -> tuple[int, int, float]:
    return SEVERITIES.index(reason["severity"]), KINDS.index(reason["kind"]), _nearness(reason)


def _nearness(reason: Json) -> float:
    return math.inf if reason["days_left"] is None else float(reason["days_left"])


def _headline(entries: Sequence[Json]) -> str:
    if not entries:
        return "There are no instances."
    severities = Counter(entry["severity"] for entry in entries)
    urgent = severities["critical"] + severities["warning"]
    total = count(len(entries), "instance")
    if not urgent:
        return f"{total}, and it needs no attention." if len(entries) == 1 else f"{total}, and none needs attention."
    parts = [f"{severities['critical']} now"] if severities["critical"] else []
    parts += [f"{severities['warning']} soon"] if severities["warning"] else []
    return f"{urgent} of {total} {'needs' if urgent == 1 else 'need'} attention: {' and '.join(parts)}."


def _summary(entries: Sequence[Json]) -> Json:
    states = Counter(certificate["state"] for entry in entries for certificate in entry["certificates"])
    scores = [entry["score"] for entry in entries if entry["score"] is not None]
    versions = Counter(entry["odoo_version"] or "unknown" for entry in entries)
    phases = Counter(entry["phase"] for entry in entries)
    severities = Counter(entry["severity"] for entry in entries)
    return {
        "total": len(entries),
        "phases": {phase.value: phases[phase.value] for phase in Phase if phase is not Phase.GONE},
        "severities": {severity: severities[severity] for severity in SEVERITIES},
        "versions": {version: versions[version] for version in sorted(versions, key=_version_order, reverse=True)},
        "certificates": {state: states[state] for state in CERTIFICATE_STATES},
        "scores": {
            "known": len(scores),
            "lowest": min(scores, default=None),
            "median": sorted(scores)[len(scores) // 2] if scores else None,
        },
    }


def _version_order(version: str) -> list[tuple[int, str]]:
    """Return a sort key that compares the numbers of versions as numbers: 9.0 comes before 18.0."""
    parts = re.split(r"[.\-~]", version)
    # By length and text: Python refuses to read a number of thousands of digits.
    return [(len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (-1, part) for part in parts]
