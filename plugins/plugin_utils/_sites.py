# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host serves for a list of instance records: names, ports, certificates, and why something is left out.

Pure functions, used by the filters of this collection on the controller. Whatever comes from the API is untrusted here:
only a slug, a host name or a port that passes its check is handed on, so that no value can add a directive to a
configuration file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase_of

# An instance in any other phase than stopped or these is served: its port is what counts.
LEAVING = frozenset({Phase.LEAVING, Phase.GONE})

# nginx itself listens there: an upstream on these ports would be a loop.
OWN_PORTS = frozenset({80, 443})

# Seconds. The margin lets Odoo answer with its own error before nginx gives up. Odoo's default limit counts when unset.
READ_TIMEOUT_MARGIN = 30
DEFAULT_LIMIT_TIME_REAL = 120

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_VERSION = re.compile(r"(?:saas[-~])?(\d{1,3})(?:\.\d+)*(?:[-+a-z].*)?", re.IGNORECASE)


def valid_slug(value: object) -> bool:
    """True for text of 1 to 63 characters out of a-z, 0-9 and '-', that doesn't begin with '-'."""
    return isinstance(value, str) and _SLUG.fullmatch(value) is not None


def host_name(value: object) -> str | None:
    """The name in lower case without a final dot, or None when it is no full host name (RFC 1123, two labels or more).

    Addresses and wildcards are no host names: neither can be validated over HTTP.
    """
    if not isinstance(value, str):
        return None
    name = value.strip(" ").lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or labels[-1].isdigit():
        return None
    return str(name) if all(_LABEL.fullmatch(label) for label in labels) else None


def port_number(value: object) -> int | None:
    """An integer from 1 to 65535 (also as digits in a string), else None."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
        return int(value)
    return None


def odoo_major(value: object) -> int | None:
    """The major version as an integer (17, 17.0, '17.0', 'saas-17.4' are all 17), else None."""
    if isinstance(value, bool):
        return None
    match = _VERSION.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    return int(match.group(1)) if match else None


def _shown(value: object) -> str:
    """A value of unknown content for a message: quoted, escaped and short."""
    return ascii(str(value))[:80]


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 86400:
        return None
    return int(value)


def _order(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Oldest first, so that a newcomer never takes a name or a port away from an older instance."""
    return (str(record.get("created_at") or "~"), str(record.get("slug") or ""), str(record.get("id") or ""))


def _names(record: Mapping[str, Any], zone: str, notes: list[str]) -> dict[str, str | None]:
    """Name → dns_status of all usable names: the primary one first, then the customer's, then the generated ones."""
    found: list[tuple[int, str, str | None]] = []
    domains = record.get("domains")
    for item in domains if isinstance(domains, Sequence) and not isinstance(domains, (str, bytes)) else []:
        if not isinstance(item, Mapping):
            notes.append(f"domain entry {_shown(item)} is not an object")
            continue
        name = host_name(item.get("domain"))
        if name is None:
            notes.append(f"domain {_shown(item.get('domain'))} is not a host name")
            continue
        rank = 0 if item.get("is_primary") is True else 2 if item.get("is_auto_generated") is True else 1
        status = item.get("dns_status")
        found.append((rank, name, str(status).lower() if isinstance(status, str) else None))
    auto = record.get("auto_subdomain")
    if isinstance(auto, str) and auto:
        # The API does not say whether this is a full name or a label: a label needs the zone to become a name.
        full = auto if "." in auto else f"{auto}.{zone}" if zone else ""
        name = host_name(full)
        if name:
            found.append((3, name, None))
        elif full:
            notes.append(f"auto_subdomain {_shown(auto)} is not a host name")
    names: dict[str, str | None] = {}
    for _rank, name, status in sorted(found, key=lambda entry: entry[:2]):
        names.setdefault(name, status)
    return names


def _live_channel(record: Mapping[str, Any], http_port: int, notes: list[str]) -> tuple[str, int]:
    """Path and port of the live channel. With workers = 0 nothing listens on the second port."""
    major = odoo_major(record.get("odoo_version"))
    path = "/longpolling" if major is not None and major <= 15 else "/websocket"
    workers = record.get("workers")
    if workers == 0 and not isinstance(workers, bool):
        return path, http_port
    port = port_number(record.get("longpolling_port_host"))
    if port is None or port in OWN_PORTS or port == http_port:
        if workers is not None or record.get("longpolling_port_host") is not None:
            notes.append("longpolling_port_host is missing or not usable: the live channel uses http_port_host")
        return path, http_port
    return path, port


def _claim(names: dict[str, str | None], slug: str, owner: dict[str, str], notes: list[str]) -> dict[str, str | None]:
    kept: dict[str, str | None] = {}
    for name, status in names.items():
        if owner.setdefault(name, slug) == slug:
            kept[name] = status
        else:
            notes.append(f"domain '{name}' already belongs to instance '{owner[name]}'")
    return kept


def _ports(record: Mapping[str, Any], slug: str, owner: dict[int, str], notes: list[str]) -> dict[str, Any] | str:
    """The upstream part of a site, or the reason why there is none."""
    http_port = port_number(record.get("http_port_host"))
    if http_port is None or http_port in OWN_PORTS:
        return f"http_port_host {_shown(record.get('http_port_host'))} is not a usable port"
    path, live_port = _live_channel(record, http_port, notes)
    for port in (http_port, live_port):
        if owner.get(port, slug) != slug:
            return f"port {port} is already used by instance '{owner[port]}'"
    owner[http_port] = owner[live_port] = slug
    return {"http_port": http_port, "live_port": live_port, "live_path": path}


def resolve(
    instances: Iterable[object], *, auto_subdomain_zone: str = "", maintenance: Iterable[str] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What to serve, and what is left out, for instance records as the API gives them.

    Any field may be null or missing. ``auto_subdomain_zone`` completes an ``auto_subdomain`` that is only a label;
    ``maintenance`` names slugs that get the maintenance page although they run.

    Returns ``(sites, left_out)``, both sorted by slug. A site has slug, names (primary first), dns (name → status),
    maintenance, http_port, live_port, live_path (None while in maintenance), read_timeout in seconds, and notes. An
    entry left out has slug (None when invalid), id, removed (it is gone or going), names, and notes with the reason
    first.
    """
    sites: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    name_owner: dict[str, str] = {}
    port_owner: dict[int, str] = {}
    paused = set(maintenance)
    seen: set[str] = set()
    records = list(instances)

    def leave_out(record: Mapping[str, Any], slug: str | None, reason: str, **more: Any) -> None:
        entry: dict[str, Any] = {"slug": slug, "id": record.get("id"), "removed": False, "names": [], "notes": []}
        entry.update(more)
        entry["notes"] = [reason, *entry["notes"]]
        left_out.append(entry)

    for item in records:
        if not isinstance(item, Mapping):
            leave_out({}, None, f"instance record {_shown(item)} is not an object")
    for record in sorted((item for item in records if isinstance(item, Mapping)), key=_order):
        slug = record.get("slug")
        if not isinstance(slug, str) or not valid_slug(slug):
            leave_out(record, None, f"slug {_shown(slug)} is not valid (a-z, 0-9 and '-', at most 63 characters)")
            continue
        slug = str(slug)
        if slug in seen:
            leave_out(record, None, f"slug '{slug}' is used by another instance")
            continue
        seen.add(slug)
        phase = _phase(record)
        if phase in LEAVING:
            leave_out(record, slug, f"the instance is {_shown(str(record['status']).lower())}", removed=True)
            continue
        notes: list[str] = []
        names = _claim(_names(record, auto_subdomain_zone, notes), slug, name_owner, notes)
        if not names:
            leave_out(record, slug, "no usable domain", notes=notes)
            continue
        stopped = phase is Phase.STOPPED or slug in paused
        site: dict[str, Any] = {
            "slug": slug,
            "names": list(names),
            "dns": names,
            "maintenance": stopped,
            "http_port": None,
            "live_port": None,
            "live_path": None,
            "read_timeout": (_seconds(record.get("limit_time_real")) or DEFAULT_LIMIT_TIME_REAL) + READ_TIMEOUT_MARGIN,
            "notes": notes,
        }
        if not stopped:
            upstream = _ports(record, slug, port_owner, notes)
            if isinstance(upstream, str):
                leave_out(record, slug, upstream, names=site["names"], notes=notes)
                continue
            site.update(upstream)
        sites.append(site)
    return sorted(sites, key=lambda site: str(site["slug"])), sorted(left_out, key=lambda entry: str(entry["slug"]))


def covered(name: str, certificate_names: Iterable[str]) -> bool:
    """Whether a certificate with these names is valid for ``name`` (a wildcard covers one label)."""
    return name in set(certificate_names) or f"*.{name.partition('.')[2]}" in set(certificate_names)


def _phase(record: Mapping[str, Any]) -> Phase:
    """Give the phase of a record, whose status may be anything."""
    return phase_of(str(record.get("status") or ""))


def nginx_sites(
    instances: Iterable[object],
    certificates: Mapping[str, Mapping[str, Any]] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    auto_subdomain_zone: str = "",
) -> dict[str, Any]:
    """The model that the nginx template renders.

    ``certificates``: slug → what ``ocore.cloud.nginx_info`` found (usable, problem, names, trusted, fullchain, key).
    ``options``: slug → settings the operator gave for one instance.

    Returns ``{"sites": [...], "left_out": [...], "served": [{"server_name", "path"}]}``: served is what the module
    ``ocore.cloud.nginx_config`` compares with the disk. To what :func:`resolve` says, a site gets: tls (None, or
    fullchain, key, trusted), tls_names (covered by the certificate), canonical (the name the others redirect to),
    redirect_code (301, or 302 while the primary name isn't covered) and options.
    """
    options = options or {}
    paused = [slug for slug, own in options.items() if own.get("maintenance")]
    sites, left_out = resolve(instances, auto_subdomain_zone=auto_subdomain_zone, maintenance=paused)
    for site in sites:
        found = (certificates or {}).get(site["slug"])
        names = site["names"]
        tls_names: list[str] = []
        if found is None:
            site["notes"].append("there is no certificate yet")
        elif not found.get("usable"):
            site["notes"].append(f"the certificate can't be used: {found.get('problem')}")
        else:
            tls_names = [name for name in names if covered(name, found["names"])]
            site["notes"].extend(f"the certificate doesn't cover '{name}'" for name in names if name not in tls_names)
        site["tls"] = {key: found[key] for key in ("fullchain", "key", "trusted")} if found and tls_names else None
        site["tls_names"] = tls_names
        site["canonical"] = tls_names[0] if tls_names else names[0]
        site["redirect_code"] = 301 if site["canonical"] == names[0] else 302
        site["options"] = dict(options.get(site["slug"], {}))
    served = [
        {"server_name": site["canonical"], "path": site["tls"]["fullchain"]}
        for site in sites
        if site["tls"] is not None
    ]
    return {"sites": sites, "left_out": left_out, "served": served}


def site_certificates(
    instances: Iterable[object],
    auto_subdomain_zone: str = "",
    refuse_dns_status: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """The certificates these instances need: a list of {"name": slug, "domains": [primary first], "left_out": {name:
    why}}.

    A name whose dns_status is in ``refuse_dns_status`` is left out. ``domains`` is empty where an instance keeps what
    it has but can't ask for anything now. Instances that are gone or going have no entry: their certificate is no
    longer wanted.
    """
    refused = {status.lower() for status in refuse_dns_status}
    sites, left_out = resolve(instances, auto_subdomain_zone=auto_subdomain_zone)
    wanted = []
    for site in sites:
        bad = {name: f"dns_status is {status}" for name, status in site["dns"].items() if status in refused}
        names = [name for name in site["names"] if name not in bad]
        wanted.append({"name": site["slug"], "domains": names, "left_out": bad})
    wanted.extend(
        {"name": entry["slug"], "domains": [], "left_out": {}}
        for entry in left_out
        if entry["slug"] is not None and not entry["removed"]
    )
    return sorted(wanted, key=lambda entry: str(entry["name"]))


def instance_ports(instances: Iterable[object]) -> list[int]:
    """All valid http_port_host and longpolling_port_host values of these records, sorted, each once."""
    ports = {
        port_number(record.get(field))
        for record in instances
        if isinstance(record, Mapping)
        for field in ("http_port_host", "longpolling_port_host")
    }
    return sorted(port for port in ports if port is not None)


def _moment(value: object) -> datetime | None:
    """A point in time of the API (ISO 8601) as an aware datetime, else None."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _domain_drift(record: Mapping[str, Any], certificate: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    drift: list[dict[str, Any]] = []
    usable = bool(certificate and certificate.get("usable"))
    expiry = _moment(certificate.get("not_after")) if certificate and usable else None
    for item in record.get("domains") or []:
        name = host_name(item.get("domain")) if isinstance(item, Mapping) else None
        if name is None:
            continue
        here = "none"
        if certificate and usable and covered(name, certificate["names"]):
            here = "expired" if certificate.get("expired") else "active"
        told = item.get("ssl_status")
        if isinstance(told, str) and (told.lower() == "active") != (here == "active"):
            drift.append({"field": "ssl_status", "domain": name, "ocore": told, "host": here})
        told_expiry = _moment(item.get("ssl_expires_at"))
        # The API may give a date without a time: less than a day apart is the same certificate.
        apart = told_expiry and expiry and here != "none" and abs(told_expiry - expiry) >= timedelta(days=1)
        if apart or (told_expiry and here == "none"):
            drift.append(
                {
                    "field": "ssl_expires_at",
                    "domain": name,
                    "ocore": item["ssl_expires_at"],
                    "host": expiry.isoformat() if expiry and here != "none" else None,
                }
            )
    return drift


def _port_drift(
    record: Mapping[str, Any], site: Mapping[str, Any] | None, listening: Iterable[int]
) -> list[dict[str, Any]]:
    drift: list[dict[str, Any]] = []
    open_ports = set(listening)
    http_port = port_number(record.get("http_port_host"))
    if _phase(record) in LEAVING | {Phase.STOPPED}:
        if http_port in open_ports:
            drift.append({"field": "status", "ocore": record.get("status"), "host": f"port {http_port} is open"})
        return drift
    if site is None or site["maintenance"]:
        return drift
    wanted = {"http_port_host": site["http_port"]}
    if site["live_port"] != site["http_port"]:
        wanted["longpolling_port_host"] = site["live_port"]
    drift.extend(
        {"field": field, "ocore": port, "host": "nothing listens on this port"}
        for field, port in wanted.items()
        if port not in open_ports
    )
    return drift


def host_report(
    instances: Iterable[object],
    model: Mapping[str, Any],
    certificates: Mapping[str, Mapping[str, Any]] | None = None,
    listening: Iterable[int] = (),
    orders: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """One entry per instance record: what the host serves, what not and why, and where oCore's own idea differs.

    ``model``: what :func:`nginx_sites` gave. ``certificates`` and ``listening``: what ``ocore.cloud.nginx_info`` found.
    ``orders``: the ``certificates`` result of ``ocore.cloud.certbot_certificates``.

    An entry has slug, id, served (a proxy to the instance, over https), url, maintenance, names (served over https),
    certificate (expires_at, serial, trusted, or None), reasons (list of str) and drift (list of field, domain, ocore,
    host).
    """
    found = certificates or {}
    by_order = {str(order["name"]): order for order in orders}
    records = {
        str(item["slug"]): item
        for item in sorted((item for item in instances if isinstance(item, Mapping)), key=_order, reverse=True)
        if valid_slug(item.get("slug"))
    }
    report: list[dict[str, Any]] = []
    for entry in [*model["sites"], *model["left_out"]]:
        slug = entry["slug"]
        site = entry if "tls" in entry else None
        record = records.get(str(slug), {})
        certificate = found.get(str(slug))
        order = by_order.get(str(slug), {})
        reasons = list(entry["notes"])
        reasons.extend(f"'{name}': {why}" for name, why in sorted((order.get("left_out") or {}).items()))
        if order.get("error"):
            reasons.append(str(order["error"]))
        if site and site["maintenance"]:
            reasons.insert(0, f"status is {_shown(record.get('status'))}: visitors get the maintenance page")
        report.append(
            {
                "slug": slug,
                "id": entry.get("id") or record.get("id"),
                "served": bool(site and site["tls"] and not site["maintenance"]),
                "maintenance": bool(site and site["maintenance"]),
                "url": f"https://{site['canonical']}/" if site and site["tls"] else None,
                "names": list(site["tls_names"]) if site else [],
                "certificate": {
                    "expires_at": certificate["not_after"],
                    "serial": certificate["serial"],
                    "trusted": certificate["trusted"],
                }
                if certificate and certificate.get("usable")
                else None,
                "reasons": reasons,
                "drift": _domain_drift(record, certificate) + _port_drift(record, site, listening) if record else [],
            }
        )
    return report
