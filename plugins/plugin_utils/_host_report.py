# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a host: what it serves, what it does not serve and why, and where oCore's records differ from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.times import days_left, parse_time
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase
from ansible_collections.ocore.cloud.plugins.plugin_utils._sites import (
    NO_CERTIFICATE,
    REMOVED_PHASES,
    by_claim,
    certificate_name,
    certificate_of,
    covered,
    host_name,
    is_running,
    live_channel,
    phase_of_record,
    port_number,
    quoted,
    valid_slug,
)


def _ssl_state(name: str, certificate: Mapping[str, Any] | None) -> str:
    """Return what the host has for a name: none, expired or active."""
    if not certificate or not certificate.get("usable") or not covered(name, certificate["names"]):
        return "none"
    return "expired" if certificate.get("expired") else "active"


def _expiry_differs(recorded: datetime | None, found: datetime | None) -> bool:
    """Return whether oCore records another end of validity than the host has; a difference of hours is none."""
    if recorded is None:
        return False
    return found is None or days_left(max(recorded, found), min(recorded, found)) >= 1


def _domain_drift(domain: Mapping[str, Any], name: str, certificate: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    drift: list[dict[str, Any]] = []
    here = _ssl_state(name, certificate)
    status = domain.get("ssl_status")
    if isinstance(status, str) and (status.lower() == "active") != (here == "active"):
        drift.append({"field": "ssl_status", "domain": name, "ocore": status, "host": here})
    found = parse_time(certificate.get("not_after")) if certificate and here != "none" else None
    if _expiry_differs(parse_time(domain.get("ssl_expires_at")), found):
        host = found.isoformat() if found else None
        drift.append({"field": "ssl_expires_at", "domain": name, "ocore": domain["ssl_expires_at"], "host": host})
    return drift


def _domains_drift(record: Mapping[str, Any], certificate: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    drift: list[dict[str, Any]] = []
    for item in record.get("domains") or []:
        name = host_name(item.get("domain")) if isinstance(item, Mapping) else None
        if name is not None:
            drift += _domain_drift(item, name, certificate)
    return drift


def _port_drift(
    record: Mapping[str, Any], site: Mapping[str, Any] | None, listening: Iterable[int]
) -> list[dict[str, Any]]:
    open_ports = set(listening)
    if phase_of_record(record) in REMOVED_PHASES | {Phase.STOPPED}:
        port = port_number(record.get("http_port_host"))
        if port in open_ports:
            return [{"field": "status", "ocore": record.get("status"), "host": f"port {port} is open"}]
        return []
    return [
        {"field": name, "ocore": port, "host": "nothing listens on this port"}
        for name, port in _expected_ports(record, site).items()
        if port not in open_ports
    ]


def _expected_ports(record: Mapping[str, Any], site: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the ports, by field, on which an instance must listen; none where it need not."""
    if site is not None:
        http, live = (None, None) if site["maintenance"] else (site["http_port"], site["live_port"])
    else:
        # Not served, for whatever reason; its ports are open all the same when it runs.
        http = port_number(record.get("http_port_host")) if is_running(record) else None
        live = live_channel(record, http, [])[1] if http else None
    if http is None:
        return {}
    return {"http_port_host": http} if live in (None, http) else {"http_port_host": http, "longpolling_port_host": live}


def _reasons(
    entry: Mapping[str, Any], site: Mapping[str, Any] | None, record: Mapping[str, Any], order: Mapping[str, Any]
) -> list[str]:
    """Return why an instance, or a part of its names, is not served over https."""
    reasons = list(entry["notes"])
    reasons.extend(f"'{name}': {why}" for name, why in sorted((order.get("left_out") or {}).items()))
    if order.get("error"):
        reasons.append(str(order["error"]))
    if site and site["maintenance"]:
        reasons.insert(0, f"status is {quoted(record.get('status'))}: visitors get the maintenance page")
    return reasons


def _certificate(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found or not found.get("usable"):
        return None
    return {"expires_at": found["not_after"], "serial": found["serial"], "trusted": found["trusted"]}


def _records_by_slug(instances: Iterable[object]) -> dict[str, Mapping[str, Any]]:
    """Return the record of each slug; where several share one, the first to claim it has it."""
    records = sorted((item for item in instances if isinstance(item, Mapping)), key=by_claim, reverse=True)
    return {str(record["slug"]): record for record in records if valid_slug(record.get("slug"))}


def host_report(
    instances: Iterable[object],
    model: Mapping[str, Any],
    certificates: Mapping[str, Mapping[str, Any]] | None = None,
    listening: Iterable[int] = (),
    orders: Iterable[Mapping[str, Any]] = (),
    plain_http: bool = False,
    https_before: bool = False,
) -> list[dict[str, Any]]:
    """Return one entry per instance record: what the host serves, what not and why, and where oCore's records differ.

    :param model: what :func:`_sites.nginx_sites` returned.
    :param certificates: what ``ocore.cloud.nginx_info`` found, by name.
    :param listening: the open ports that it found.
    :param orders: the ``certificates`` result of ``ocore.cloud.certbot_certificates``.
    :param plain_http: whether an instance without a certificate is meant to be served over plain http.
    :param https_before: whether a proxy in front of the host ends TLS, so that certificates are no matter of this host.
    :returns: entries with slug, id, served (as a proxy to the instance, over https), unserved (it runs, is meant to be
        served, and is not), url, maintenance, names (served over https), active_color (as oCore records it), certificate
        (expires_at, serial, trusted, or ``None``), reasons (list of str) and drift (list of field, domain, ocore, host).
    """
    found = certificates or {}
    by_name = {str(order["name"]): order for order in orders}
    records = _records_by_slug(instances)
    open_ports = list(listening)
    report: list[dict[str, Any]] = []
    for entry in [*model["sites"], *model["left_out"]]:
        slug = str(entry["slug"])
        site = entry if "tls" in entry else None
        record, certificate = records.get(slug, {}), certificate_of(slug, found)
        maintenance = bool(site and site["maintenance"])
        https = bool(site and (site["tls"] or https_before))
        expired = bool(not https_before and certificate and certificate.get("expired"))
        served = https and not maintenance and not expired
        reasons = _reasons(entry, site, record, by_name.get(certificate_name(slug), {}))
        report.append(
            {
                "slug": entry["slug"],
                "id": entry.get("id") or record.get("id"),
                "served": served,
                "unserved": entry["running"] and not (served or maintenance or (site and plain_http)),
                "maintenance": maintenance,
                "url": f"https://{site['canonical']}/" if site and https else None,
                "names": list(site["names" if https_before else "tls_names"]) if site else [],
                "active_color": record.get("active_color"),
                "certificate": _certificate(certificate),
                "reasons": [reason for reason in reasons if not (https_before and reason == NO_CERTIFICATE)],
                "drift": ([] if https_before else _domains_drift(record, certificate))
                + _port_drift(record, site, open_ports),
            }
        )
    return report
