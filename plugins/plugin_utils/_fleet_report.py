# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no compatibility is promised to other users.

"""The model of the fleet report: what every form of it (HTML, JSON, Markdown) says.

Pure: instance records, the last report and the time go in, one JSON-able dict comes out. Its shape is documented in the
README of the role ``fleet_report``; a change that breaks readers raises ``VERSION``.

Nothing in it moves by itself except the days that certificates have left, which are counted in calendar days (UTC). So
a report about an unchanged fleet is the same report until midnight, and need not be written again.
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
from ansible_collections.ocore.cloud.plugins.module_utils._api.times import calendar_days_left, parse_time
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase_of

FORMAT = "ocore.cloud/fleet-report"
VERSION = 1

SEVERITIES = ("critical", "warning", "notice")
#: Certificates end in this order of urgency.
CERTIFICATE_STATES = ("expired", "critical", "warning", "valid", "unknown")
SCORE_STEP = 5
"""Points by which a health score has to move to be told as a change; smaller moves are noise."""

Record = Mapping[str, Any]
Json = dict[str, Any]

# What HTML and terminals can't show as it is: control characters, and halves of surrogate pairs that JSON lets through.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def fleet_report(
    instances: Sequence[Record],
    previous: str | None = None,
    *,
    organization: str | None = None,
    server_id: str | None = None,
    certificate_warning_days: int = 21,
    certificate_critical_days: int = 7,
    score_warning: float = 70,
    now: str | None = None,
) -> Json:
    """Give the report about instances.

    :param instances: instance records; ``health`` and ``health_score_details`` are used where they are there.
    :param previous: the last report as JSON text; null when there is none.
    :param organization, server_id: what the instances were selected by. Reports of another selection aren't compared.
    :param certificate_warning_days, certificate_critical_days: days left at which a certificate needs attention.
    :param score_warning: health scores below it need attention.
    :param now: time of the report in ISO 8601; null for the present.
    :returns: the new report; the previous one, when it says the same.
    :raises OcoreError: when an argument is not what it should be.
    """
    if isinstance(instances, (str, Mapping)) or not isinstance(instances, Iterable):
        raise OcoreError("A fleet report is made from a list of instance records, as ocore_instance_info returns them.")
    moment = _time(now) if now else datetime.now(UTC)
    if moment is None:
        raise OcoreError(f'The time of a fleet report, "{now}", is not a date and time in ISO 8601.')
    if not 0 <= certificate_critical_days <= certificate_warning_days:
        raise OcoreError(
            "Certificates get critical no earlier than they get a warning: give certificate_critical_days "
            f"({certificate_critical_days}) between 0 and certificate_warning_days ({certificate_warning_days})."
        )
    limits: Json = {
        "certificate_warning_days": certificate_warning_days,
        "certificate_critical_days": certificate_critical_days,
        "score_warning": score_warning,
    }
    entries = [_instance(record, limits, moment) for record in instances if _is_there(record)]
    entries.sort(key=_urgency)
    report: Json = {
        "format": FORMAT,
        "version": VERSION,
        "organization": _text(organization) or None,
        "server_id": _text(server_id) or None,
        "limits": limits,
        "headline": _headline(entries),
        "summary": _summary(entries),
        "attention": [entry["key"] for entry in entries if entry["severity"] in ("critical", "warning")],
        "instances": entries,
    }
    last = None if previous is None else _read(previous)
    comparable = last is not None and all(last.get(k) == report[k] for k in ("version", "organization", "server_id"))
    if last is not None and comparable and all(last.get(key) == value for key, value in report.items()):
        return last
    report["generated_at"] = _iso(moment)
    report["changes"] = {
        "since": last["generated_at"] if last and comparable else None,
        "items": _changes(last["instances"], entries) if last and comparable else [],
    }
    return report


def _read(text: str) -> Json:
    """Read the last report. Something else in its place is refused, because it would be overwritten."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise OcoreError(
            "The file in the place of the last report is not a fleet report, and is not overwritten. Move it away, or "
            "give another directory."
        )
    if found.get("version") == VERSION and not (
        isinstance(found.get("instances"), list)
        and isinstance(found.get("generated_at"), str)
        and isinstance(found.get("changes"), dict)
    ):
        raise OcoreError("The last report was changed by hand and can't be compared. Move it away and start afresh.")
    return found


def _is_there(record: object) -> bool:
    if not isinstance(record, Mapping):
        raise OcoreError(f"A fleet report is made from instance records; one of them is a {type(record).__name__}.")
    return phase_of(_text(record.get("status"))) is not Phase.GONE


def _instance(record: Record, limits: Json, now: datetime) -> Json:
    """Give what the report says about one instance."""
    details = record.get("health_score_details") or {}
    score = _number(details.get("score"))
    certificates = sorted(
        (_certificate(domain, limits, now) for domain in record.get("domains") or []), key=_certificate_order
    )
    primary = [d for d in record.get("domains") or [] if d.get("is_primary")] or record.get("domains") or []
    status = _text(record.get("status"))
    entry: Json = {
        "key": _text(record.get("id")) or _text(record.get("slug")) or _text(record.get("name")),
        "id": _text(record.get("id")) or None,
        "name": _text(record.get("name")) or _text(record.get("slug")) or _text(record.get("id")) or "(no name)",
        "slug": _text(record.get("slug")) or None,
        "server_id": _text(record.get("server_id")) or None,
        "domain": (_text(primary[0].get("domain")) if primary else "") or _text(record.get("auto_subdomain")) or None,
        "status": status or None,
        "phase": phase_of(status).value,
        "status_message": _text(record.get("status_message")) or None,
        "odoo_version": _text(record.get("odoo_version")) or None,
        "odoo_edition": _text(record.get("odoo_edition")) or None,
        "enterprise_update_available": bool(record.get("enterprise_update_available")),
        "score": score if score is not None else _number(record.get("health_score")),
        "grade": _text(details.get("grade")) or _text(record.get("health_score_grade")) or None,
        "factors": [_factor(factor) for factor in details.get("factors") or []],
        "certificates": certificates,
        "days_left": next((c["days_left"] for c in certificates if c["days_left"] is not None), None),
        "restart_count": _number(record.get("restart_count")),
    }
    entry["reasons"] = sorted(_reasons(entry, record, limits), key=lambda r: SEVERITIES.index(r["severity"]))
    entry["severity"] = entry["reasons"][0]["severity"] if entry["reasons"] else None
    return entry


def _factor(factor: Record) -> Json:
    numbers = {key: _number(factor.get(key)) for key in ("score", "weight", "weighted")}
    return {"name": _text(factor.get("name")) or "unnamed", **numbers, "details": _text(factor.get("details")) or None}


def _certificate(domain: Record, limits: Json, now: datetime) -> Json:
    end = _time(_text(domain.get("ssl_expires_at")))
    days = calendar_days_left(end, now) if end else None
    status = _text(domain.get("ssl_status")).lower()
    if (end and end <= now) or (not end and status == "expired"):
        state = "expired"
    elif days is None:
        state = "unknown"
    elif days <= limits["certificate_warning_days"]:
        state = "critical" if days <= limits["certificate_critical_days"] else "warning"
    else:
        state = "valid"
    return {
        "domain": _text(domain.get("domain")) or "(no name)",
        "state": state,
        "days_left": days,
        "expires_at": _iso(end) if end else None,
        "ssl_status": status or None,
        "dns_status": _text(domain.get("dns_status")) or None,
    }


def _certificate_order(certificate: Json) -> tuple[float, int, str]:
    days = certificate["days_left"]
    state = CERTIFICATE_STATES.index(certificate["state"])
    if days is None:
        days = -math.inf if certificate["state"] == "expired" else math.inf
    return days, state, certificate["domain"]


def _reasons(entry: Json, record: Record, limits: Json) -> list[Json]:
    """Give why an instance needs attention: dicts of severity, kind and text."""
    if entry["phase"] == Phase.LEAVING.value:
        return [_reason("notice", "status", "Is being removed")]
    return [
        *_status_reasons(entry, record),
        *(reason for certificate in entry["certificates"] for reason in _certificate_reasons(certificate)),
        *_score_reasons(entry, limits),
        *(
            [_reason("notice", "update", "A newer Enterprise build is available")]
            * entry["enterprise_update_available"]
        ),
    ]


def _status_reasons(entry: Json, record: Record) -> list[Json]:
    message = f": {entry['status_message']}" if entry["status_message"] else ""
    word = entry["status"] or "no status"
    if entry["phase"] == Phase.FAILED.value:
        return [_reason("critical", "status", f"Status is {word}{message}")]
    health = record.get("health") or {}
    if entry["phase"] == Phase.READY.value and phase_of(_text(health.get("status")) or word) is Phase.FAILED:
        said = f": {_text(health.get('status_message'))}" if health.get("status_message") else ""
        return [_reason("critical", "health", f"Health check says {_text(health.get('status'))}{said}")]
    if entry["phase"] == Phase.READY.value:
        return []
    return [_reason("notice", "status", f"Status is {word}{message}")]


def _certificate_reasons(certificate: Json) -> Iterable[Json]:
    name = f"Certificate of {certificate['domain']}"
    if certificate["dns_status"] == "failed":
        yield _reason("warning", "certificate", f"DNS check of {certificate['domain']} failed")
    if certificate["state"] == "expired":
        when = f" on {day(certificate['expires_at'])}" if certificate["expires_at"] else ""
        yield _reason("critical", "certificate", f"{name} ended{when}")
    elif certificate["state"] in ("critical", "warning"):
        left = days_in_words(certificate["days_left"])
        yield _reason(certificate["state"], "certificate", f"{name} ends {left}")
    elif certificate["ssl_status"] in ("error", "failed"):
        yield _reason("warning", "certificate", f"{name}: oCore says {certificate['ssl_status']}")


def _score_reasons(entry: Json, limits: Json) -> list[Json]:
    if entry["score"] is None or entry["score"] >= limits["score_warning"] or entry["phase"] != Phase.READY.value:
        return []
    factors = [factor for factor in entry["factors"] if factor["score"] is not None]
    weakest = min(factors, key=lambda factor: factor["score"], default=None)
    cause = f", weakest in {weakest['name']} ({number(weakest['score'])})" if weakest else ""
    return [_reason("warning", "score", f"Health score is {number(entry['score'])}{cause}")]


def _reason(severity: str, kind: str, text: str) -> Json:
    return {"severity": severity, "kind": kind, "text": text}


def _urgency(entry: Json) -> tuple[Any, ...]:
    """Give the sort key: severity, then what is broken before what will be, then the nearest end, the lowest score."""
    kinds = ("status", "health", "certificate", "score", "update")
    first = entry["reasons"][0] if entry["reasons"] else None
    return (
        SEVERITIES.index(entry["severity"]) if entry["severity"] else len(SEVERITIES),
        kinds.index(first["kind"]) if first else len(kinds),
        math.inf if entry["days_left"] is None or not first or first["kind"] != "certificate" else entry["days_left"],
        math.inf if entry["score"] is None or not first else entry["score"],
        entry["name"].casefold(),
        entry["key"],
    )


def _headline(entries: Sequence[Json]) -> str:
    if not entries:
        return "There are no instances."
    severities = Counter(entry["severity"] for entry in entries)
    urgent = severities["critical"] + severities["warning"]
    total = _count(len(entries), "instance")
    if not urgent:
        return f"{total}, and {'it needs' if len(entries) == 1 else 'none needs'} {'no ' if len(entries) == 1 else ''}attention."
    parts = [f"{severities['critical']} now"] if severities["critical"] else []
    parts += [f"{severities['warning']} soon"] if severities["warning"] else []
    return f"{urgent} of {total} {'needs' if urgent == 1 else 'need'} attention: {' and '.join(parts)}."


def _summary(entries: Sequence[Json]) -> Json:
    states = Counter(certificate["state"] for entry in entries for certificate in entry["certificates"])
    scores = [entry["score"] for entry in entries if entry["score"] is not None]
    versions = Counter(entry["odoo_version"] or "unknown" for entry in entries)
    return {
        "total": len(entries),
        "phases": {phase.value: _having(entries, "phase", phase.value) for phase in Phase if phase is not Phase.GONE},
        "severities": {severity: _having(entries, "severity", severity) for severity in SEVERITIES},
        "versions": {version: versions[version] for version in sorted(versions, key=_version_order, reverse=True)},
        "certificates": {state: states[state] for state in CERTIFICATE_STATES},
        "scores": {
            "known": len(scores),
            "lowest": min(scores, default=None),
            "median": sorted(scores)[len(scores) // 2] if scores else None,
        },
    }


def _having(entries: Sequence[Json], key: str, value: str) -> int:
    return sum(entry[key] == value for entry in entries)


def _version_order(version: str) -> list[tuple[int, str]]:
    """Compare the numbers of versions as numbers: 9.0 comes before 18.0."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"[.\-~]", version)]


def _changes(before: Sequence[Json], now: Sequence[Json]) -> list[Json]:
    """Give what differs between the instances of two reports: dicts of kind, key, name, text; the gravest first."""
    old = {entry["key"]: entry for entry in before}
    new = {entry["key"]: entry for entry in now}
    items = [_change("removed", entry, "is gone") for key, entry in old.items() if key not in new]
    for key, entry in new.items():
        if key not in old:
            items.append(_change("added", entry, f"is new, status {entry['status'] or 'none'}"))
        else:
            items.extend(_differences(old[key], entry))
    kinds = ("removed", "added", "status", "certificate", "score", "restarts", "version", "name")
    return sorted(items, key=lambda item: (kinds.index(item["kind"]), item["name"].casefold(), item["text"]))


def _differences(old: Json, new: Json) -> Iterable[Json]:
    if old["name"] != new["name"]:
        yield _change("name", new, f"was called {old['name']}")
    if old["status"] != new["status"]:
        yield _change("status", new, f"went from {old['status'] or 'no status'} to {new['status'] or 'no status'}")
    for field, label in (("odoo_version", "Odoo"), ("odoo_edition", "edition")):
        if old[field] != new[field]:
            yield _change("version", new, f"{label} went from {old[field] or 'unknown'} to {new[field] or 'unknown'}")
    if None in (old["score"], new["score"]):
        if old["score"] != new["score"]:
            scores = ("none" if score is None else number(score) for score in (old["score"], new["score"]))
            yield _change("score", new, "health score went from {} to {}".format(*scores))
    elif abs(new["score"] - old["score"]) >= SCORE_STEP:
        yield _change("score", new, f"health score went from {number(old['score'])} to {number(new['score'])}")
    restarts = (new["restart_count"] or 0) - (old["restart_count"] or 0)
    if restarts > 0:
        yield _change("restarts", new, f"restarted {'once' if restarts == 1 else f'{number(restarts)} times'}")
    yield from _certificate_changes(old, new)


def _certificate_changes(old: Json, new: Json) -> Iterable[Json]:
    ends = [{c["domain"]: c["expires_at"] for c in entry["certificates"]} for entry in (old, new)]
    for domain in sorted({*ends[0], *ends[1]}):
        if domain not in ends[0]:
            yield _change("certificate", new, f"domain {domain} was added")
        elif domain not in ends[1]:
            yield _change("certificate", new, f"domain {domain} was removed")
        elif ends[0][domain] != ends[1][domain]:
            end = f"now ends {day(ends[1][domain])}" if ends[1][domain] else "has no known end any more"
            yield _change("certificate", new, f"certificate of {domain} {end}")


def _change(kind: str, entry: Json, text: str) -> Json:
    return {"kind": kind, "key": entry["key"], "name": entry["name"], "text": text}


def _text(value: object) -> str:
    return "" if value is None else _UNPRINTABLE.sub("\ufffd", str(value)).strip()


def _number(value: object) -> int | float | None:
    """Give a finite number, whole ones as int; null for anything else. Numbers as text count, for records by hand."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(found):
        return None
    return int(found) if found.is_integer() else round(found, 2)


def _time(text: str) -> datetime | None:
    """Read a time of the API, or one that a user wrote: that may be a mere day and lack a zone, and then is in UTC."""
    return parse_time(text) or parse_time(f"{text}Z") or parse_time(f"{text}T00:00:00Z")


def _iso(moment: datetime) -> str:
    return moment.replace(microsecond=0).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(time: str | None) -> str:
    """Give the day of a time in words: "3 Nov 2026"; nothing for null. The same in every locale."""
    moment = _time(time or "")
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}" if moment else ""


def minute(time: str | None) -> str:
    """Give day and minute of a time in words: "3 Nov 2026, 14:05 UTC"; nothing for null."""
    moment = _time(time or "")
    return f"{day(time)}, {moment:%H:%M} UTC" if moment else ""


def days_in_words(days: int) -> str:
    """Give when something ends: "today", "tomorrow", "in 5 days"."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


def number(value: float) -> str:
    """Give a number with as many digits as it has: "70", "70.5"."""
    return f"{value:g}"
