# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One instance in the fleet report: what the report says about it, and why it needs attention."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.times import calendar_days_left
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase_of
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_words import (
    clean_text,
    day,
    days_in_words,
    finite_number,
    iso,
    month,
    number,
    read_time,
)
from ansible_collections.ocore.cloud.plugins.plugin_utils._odoo_support import support_ended

SEVERITIES = ("critical", "warning", "notice")
#: Kinds of reasons, in the order of urgency: what is broken comes before what will break.
KINDS = ("status", "health", "certificate", "score", "support", "update")
#: Certificates end in this order of urgency.
CERTIFICATE_STATES = ("expired", "critical", "warning", "valid", "unknown")

Record = Mapping[str, Any]
Json = dict[str, Any]


def fleet_entry(record: Record, limits: Json, now: datetime) -> Json:
    """Return what the report says about one instance; the role's README describes the keys."""
    entry = {
        **_identity(record),
        **_state(record),
        **_score(record),
        **_certificates(record, limits, now),
        "restart_count": finite_number(record.get("restart_count")),
    }
    entry["reasons"] = sorted(_reasons(entry, record, limits, now), key=lambda r: SEVERITIES.index(r["severity"]))
    entry["severity"] = entry["reasons"][0]["severity"] if entry["reasons"] else None
    return entry


def urgency(entry: Json) -> tuple[Any, ...]:
    """Return the sort key: severity, then what is broken before what will be, then the nearest end, the lowest score."""
    first = entry["reasons"][0] if entry["reasons"] else None
    return (
        SEVERITIES.index(entry["severity"]) if entry["severity"] else len(SEVERITIES),
        KINDS.index(first["kind"]) if first else len(KINDS),
        math.inf if entry["days_left"] is None or not first or first["kind"] != "certificate" else entry["days_left"],
        math.inf if entry["score"] is None or not first else entry["score"],
        entry["name"].casefold(),
        entry["key"],
    )


def _identity(record: Record) -> Json:
    texts = {name: clean_text(record.get(name)) or None for name in ("id", "name", "slug", "server_id")}
    domains = record.get("domains") or []
    primary = next((domain for domain in domains if domain.get("is_primary")), domains[0] if domains else {})
    return {
        "key": texts["id"] or texts["slug"] or texts["name"] or "",
        "id": texts["id"],
        "name": texts["name"] or texts["slug"] or texts["id"] or "(no name)",
        "slug": texts["slug"],
        "server_id": texts["server_id"],
        "domain": clean_text(primary.get("domain")) or clean_text(record.get("auto_subdomain")) or None,
    }


def _state(record: Record) -> Json:
    status = clean_text(record.get("status"))
    return {
        "status": status or None,
        "phase": phase_of(status).value,
        "status_message": clean_text(record.get("status_message")) or None,
        "odoo_version": clean_text(record.get("odoo_version")) or None,
        "odoo_edition": clean_text(record.get("odoo_edition")) or None,
        "enterprise_update_available": bool(record.get("enterprise_update_available")),
    }


def _score(record: Record) -> Json:
    details = record.get("health_score_details") or {}
    score = finite_number(details.get("score"))
    return {
        "score": score if score is not None else finite_number(record.get("health_score")),
        "grade": clean_text(details.get("grade")) or clean_text(record.get("health_score_grade")) or None,
        "factors": [_factor(factor) for factor in details.get("factors") or []],
    }


def _factor(factor: Record) -> Json:
    numbers = {key: finite_number(factor.get(key)) for key in ("score", "weight", "weighted")}
    name = clean_text(factor.get("name")) or "unnamed"
    return {"name": name, **numbers, "details": clean_text(factor.get("details")) or None}


def _certificates(record: Record, limits: Json, now: datetime) -> Json:
    certificates = sorted(
        (_certificate(domain, limits, now) for domain in record.get("domains") or []), key=_certificate_order
    )
    ends = (certificate["days_left"] for certificate in certificates if certificate["days_left"] is not None)
    return {"certificates": certificates, "days_left": next(ends, None)}


def _certificate(domain: Record, limits: Json, now: datetime) -> Json:
    end = read_time(clean_text(domain.get("ssl_expires_at")))
    days = calendar_days_left(end, now) if end else None
    status = clean_text(domain.get("ssl_status")).lower()
    return {
        "domain": clean_text(domain.get("domain")) or "(no name)",
        "state": "expired" if end and end <= now else _certificate_state(days, status, limits),
        "days_left": days,
        "expires_at": iso(end) if end else None,
        "ssl_status": status or None,
        "dns_status": clean_text(domain.get("dns_status")) or None,
    }


def _certificate_state(days: int | None, status: str, limits: Json) -> str:
    """Return the state of a certificate that has not ended by its date."""
    if days is None:
        return "expired" if status == "expired" else "unknown"
    if days <= limits["certificate_critical_days"]:
        return "critical"
    return "warning" if days <= limits["certificate_warning_days"] else "valid"


def _certificate_order(certificate: Json) -> tuple[float, int, str]:
    days = certificate["days_left"]
    state = CERTIFICATE_STATES.index(certificate["state"])
    if days is None:
        days = -math.inf if certificate["state"] == "expired" else math.inf
    return days, state, certificate["domain"]


# Each reason has the words for this instance (text), and those that all instances with the same cause share (cause).
# A count goes before the cause: "11 certificates end within 7 days".


def _reasons(entry: Json, record: Record, limits: Json, now: datetime) -> Iterable[Json]:
    """Yield why an instance needs attention: dicts of severity, kind, text, cause and days_left (of a certificate)."""
    if entry["phase"] == Phase.LEAVING.value:
        yield _reason("notice", "status", "Is being removed", "instances are being removed")
        return
    yield from _status_reasons(entry, record)
    for certificate in entry["certificates"]:
        yield from _certificate_reasons(certificate, limits)
    yield from _score_reasons(entry, limits)
    yield from _version_reasons(entry, now)


def _status_reasons(entry: Json, record: Record) -> Iterable[Json]:
    if entry["phase"] == Phase.READY.value:
        yield from _health_reasons(entry, record)
        return
    failed = entry["phase"] == Phase.FAILED.value
    said = f"{entry['status'] or 'no status'}{_colon(entry['status_message'])}"
    yield _reason(
        "critical" if failed else "notice", "status", f"Status is {said}", f"instances have the status {said}"
    )


def _health_reasons(entry: Json, record: Record) -> Iterable[Json]:
    health = record.get("health") or {}
    word = clean_text(health.get("status"))
    if phase_of(word or entry["status"]) is Phase.FAILED:
        said = f"{word}{_colon(clean_text(health.get('status_message')))}"
        yield _reason("critical", "health", f"Health check says {said}", f"health checks say {said}")


def _certificate_reasons(certificate: Json, limits: Json) -> Iterable[Json]:
    name = f"Certificate of {certificate['domain']}"
    state, days = certificate["state"], certificate["days_left"]
    if certificate["dns_status"] == "failed":
        yield _reason("warning", "certificate", f"DNS check of {certificate['domain']} failed", "DNS checks failed")
    if state == "expired":
        when = f" on {day(certificate['expires_at'])}" if certificate["expires_at"] else ""
        yield _reason("critical", "certificate", f"{name} expired{when}", "certificates have expired", days)
    elif state in ("critical", "warning"):
        within = f"certificates end within {limits[f'certificate_{state}_days']} days"
        yield _reason(state, "certificate", f"{name} ends {days_in_words(days)}", within, days)
    elif certificate["ssl_status"] in ("error", "failed"):
        word = certificate["ssl_status"]
        yield _reason("warning", "certificate", f"{name}: oCore says {word}", f"certificates are {word}, says oCore")


def _score_reasons(entry: Json, limits: Json) -> Iterable[Json]:
    limit = limits["score_warning"]
    if entry["score"] is None or entry["score"] >= limit or entry["phase"] != Phase.READY.value:
        return
    factors = [factor for factor in entry["factors"] if factor["score"] is not None]
    weakest = min(factors, key=lambda factor: factor["score"], default=None)
    cause = f", weakest in {weakest['name']} ({number(weakest['score'])})" if weakest else ""
    text = f"Health score is {number(entry['score'])}{cause}"
    yield _reason("warning", "score", text, f"health scores are below {number(limit)}")


def _version_reasons(entry: Json, now: datetime) -> Iterable[Json]:
    ended = support_ended(entry["odoo_version"] or "", now)
    if ended:
        what = f"Odoo {entry['odoo_version']}, whose standard support ended in {month(*ended)}"
        yield _reason("warning", "support", f"Runs {what}", f"instances run {what}")
    if entry["enterprise_update_available"]:
        text = "A newer Enterprise build is available"
        yield _reason("notice", "update", text, "newer Enterprise builds are available")


def _colon(message: str | None) -> str:
    return f": {message}" if message else ""


def _reason(severity: str, kind: str, text: str, cause: str, days_left: int | None = None) -> Json:
    return {"severity": severity, "kind": kind, "text": text, "cause": cause, "days_left": days_left}
