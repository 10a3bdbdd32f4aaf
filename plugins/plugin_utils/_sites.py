# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has to serve for its instance records: names, ports, certificates, and why something is left out.

Pure functions, used by the filters of this collection on the controller. Values of the API are untrusted here: only a
slug, a host name or a port that passes its check is handed on, so that no value can add a directive to a configuration
file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase_of
from ansible_collections.ocore.cloud.plugins.plugin_utils._instance_options import parse_instance_options

try:
    import idna  # requests brings it
except ImportError:
    idna = None  # type: ignore[assignment]

# An instance in any other phase than stopped or these is served: its port is what counts.
REMOVED_PHASES = frozenset({Phase.LEAVING, Phase.GONE})

# nginx itself listens there: an upstream on these ports would be a loop.
OWN_PORTS = frozenset({80, 443})

# Seconds. The margin lets Odoo answer with its own error before nginx gives up. Odoo's default limit counts when unset.
READ_TIMEOUT_MARGIN = 30
DEFAULT_LIMIT_TIME_REAL = 120

# Days before its end from which a certificate that nobody renews by itself is mentioned.
ENDS_SOON = 14

NO_CERTIFICATE = "there is no certificate yet"

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_VERSION = re.compile(r"(?:saas[-~])?(\d{1,3})(?:\.\d+)*(?:[-+a-z].*)?", re.IGNORECASE)


def valid_slug(value: object) -> bool:
    """Return whether this is a text of 1 to 63 characters out of a-z, 0-9 and '-' that does not begin with '-'."""
    return isinstance(value, str) and _SLUG.fullmatch(value) is not None


def host_name(value: object) -> str | None:
    """Return the name in lower case without a final dot; ``None`` unless it is a full host name (RFC 1123, two labels or more).

    A name in Unicode becomes punycode, as browsers and certificates have it. Addresses and wildcards are not host names:
    neither can be validated over HTTP.
    """
    if not isinstance(value, str):
        return None
    name = value.strip(" ").lower().removesuffix(".")
    if not name.isascii():
        if idna is None:
            return None
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or labels[-1].isdigit():
        return None
    return str(name) if all(_LABEL.fullmatch(label) for label in labels) else None


def port_number(value: object) -> int | None:
    """Return the port as an integer from 1 to 65535 (digits in a text count too), else ``None``."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
        return int(value)
    return None


def odoo_major(value: object) -> int | None:
    """Return the major version as an integer (17, 17.0, '17.0', 'saas-17.4' are all 17), else ``None``."""
    if isinstance(value, bool):
        return None
    match = _VERSION.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    return int(match.group(1)) if match else None


def quoted(value: object) -> str:
    """Return a value of unknown content for a message: quoted, escaped and short."""
    return ascii(str(value))[:80]


def _seconds(value: object) -> int | None:
    """Return a duration of at most a day in whole seconds, else ``None``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 86400:
        return None
    return int(value)


def certificate_name(slug: str) -> str:
    """Return the name under which certbot keeps the certificate of an instance."""
    return f"ocore-{slug}"


def certificate_of(slug: str, certificates: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the certificate of an instance out of those on the host, by name.

    One under the plain slug counts until ours is there: it may be what visitors see now.
    """
    own = certificates.get(certificate_name(slug))
    return own or certificates.get(slug)


def by_age(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a key that sorts the oldest first, so that a newcomer never takes a name or a port from an older instance."""
    return (str(record.get("created_at") or "~"), str(record.get("slug") or ""), str(record.get("id") or ""))


def by_claim(record: Mapping[str, Any]) -> tuple[bool, tuple[str, str, str]]:
    """Return a key that sorts those first which may claim a name or a port first: an instance that failed comes last."""
    return phase_of_record(record) is Phase.FAILED, by_age(record)


def _domain_problem(value: object) -> str:
    """Return why a domain is left out, as words for the report."""
    if isinstance(value, str) and value.strip().startswith("*.") and host_name(value.strip()[2:]):
        return f"domain {quoted(value)} is a wildcard, which cannot be validated over HTTP: declare each host name"
    return f"domain {quoted(value)} is not a host name"


def _domain_names(domains: object, notes: list[str]) -> list[tuple[int, str, str | None]]:
    """Return rank, name and dns_status of each usable entry of ``domains``; primary names rank first, generated ones last."""
    found: list[tuple[int, str, str | None]] = []
    for item in domains if isinstance(domains, Sequence) and not isinstance(domains, (str, bytes)) else []:
        if not isinstance(item, Mapping):
            notes.append(f"domain entry {quoted(item)} is not an object")
            continue
        name = host_name(item.get("domain"))
        if name is None:
            notes.append(_domain_problem(item.get("domain")))
            continue
        rank = 0 if item.get("is_primary") is True else 2 if item.get("is_auto_generated") is True else 1
        status = item.get("dns_status")
        found.append((rank, name, status.lower() if isinstance(status, str) else None))
    return found


def _auto_name(auto: object, zone: str, notes: list[str]) -> str | None:
    """Return the host name that ``auto_subdomain`` stands for, if any.

    The API does not say whether it is a full name or a label: a label needs the zone to become a name.
    """
    if not isinstance(auto, str) or not auto:
        return None
    if "." not in auto and not zone:
        notes.append(f"auto_subdomain {quoted(auto)} is only a label: set odoo_host_auto_subdomain_zone to complete it")
        return None
    name = host_name(auto if "." in auto else f"{auto}.{zone}")
    if not name:
        notes.append(f"auto_subdomain {quoted(auto)} is not a host name")
    return name


def _names(record: Mapping[str, Any], zone: str, notes: list[str]) -> dict[str, str | None]:
    """Return name → dns_status of all usable names: the primary one first, then the customer's, then the generated ones."""
    found = _domain_names(record.get("domains"), notes)
    auto = _auto_name(record.get("auto_subdomain"), zone, notes)
    if auto:
        found.append((3, auto, None))
    names: dict[str, str | None] = {}
    for _rank, name, status in sorted(found, key=lambda entry: entry[:2]):
        names.setdefault(name, status)
    return names


def live_channel(record: Mapping[str, Any], http_port: int, notes: list[str]) -> tuple[str, int]:
    """Return path and port of the live channel (WebSocket, longpolling). With 0 workers nothing listens on the second port."""
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


@dataclass
class _Claims:
    """What is taken already, by the slug of the instance that has it."""

    slugs: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    ports: dict[int, str] = field(default_factory=dict)


class _LeftOutError(Exception):
    """An instance is not served.

    :param reason: why, as words for the report.
    :param slug: ``None`` when it is not valid or belongs to another instance.
    :param removed: whether oCore has removed the instance or is removing it.
    :param names: its usable names.
    :param notes: what else is worth a line in the report.
    """

    def __init__(
        self,
        reason: str,
        slug: str | None = None,
        removed: bool = False,
        names: Iterable[str] = (),
        notes: Iterable[str] = (),
    ) -> None:
        super().__init__(reason)
        self.entry = {"slug": slug, "removed": removed, "names": list(names), "notes": [reason, *notes]}


def _claim_slug(record: Mapping[str, Any], claims: _Claims) -> str:
    """Return the slug of a record, and take it."""
    slug = record.get("slug")
    if not isinstance(slug, str) or not valid_slug(slug):
        raise _LeftOutError(f"slug {quoted(slug)} is not valid (a-z, 0-9 and '-', at most 63 characters)")
    # The caller may hand over a tagged text of Ansible's.
    slug = str(slug)
    if slug in claims.slugs:
        raise _LeftOutError(f"slug '{slug}' is used by another instance")
    claims.slugs.add(slug)
    return slug


def _claim_names(names: dict[str, str | None], slug: str, claims: _Claims, notes: list[str]) -> dict[str, str | None]:
    """Return the names that no other instance has, and take them."""
    kept: dict[str, str | None] = {}
    for name, status in names.items():
        owner = claims.names.setdefault(name, slug)
        if owner == slug:
            kept[name] = status
        else:
            notes.append(f"domain '{name}' already belongs to instance '{owner}'")
    return kept


def _claim_ports(record: Mapping[str, Any], slug: str, claims: _Claims, notes: list[str]) -> dict[str, Any]:
    """Return the upstream part of a site, and take its ports. Raise ``_LeftOutError`` without notes or names."""
    http_port = port_number(record.get("http_port_host"))
    if http_port is None or http_port in OWN_PORTS:
        raise _LeftOutError(f"http_port_host {quoted(record.get('http_port_host'))} is not a usable port")
    path, live_port = live_channel(record, http_port, notes)
    for port in (http_port, live_port):
        if claims.ports.get(port, slug) != slug:
            raise _LeftOutError(f"port {port} is already used by instance '{claims.ports[port]}'")
    claims.ports[http_port] = claims.ports[live_port] = slug
    return {"http_port": http_port, "live_port": live_port, "live_path": path}


def _site(record: Mapping[str, Any], claims: _Claims, zone: str, paused: Mapping[str, bool]) -> dict[str, Any]:
    """Return what to serve for a record. Raise ``_LeftOutError`` when that is nothing."""
    slug = _claim_slug(record, claims)
    phase = phase_of_record(record)
    if phase in REMOVED_PHASES:
        raise _LeftOutError(f"the instance is {quoted(str(record['status']).lower())}", slug, removed=True)
    notes: list[str] = []
    names = _claim_names(_names(record, zone, notes), slug, claims, notes)
    if not names:
        raise _LeftOutError("no usable domain", slug, notes=notes)
    stopped = phase is Phase.STOPPED
    maintenance = stopped or slug in paused
    upstream = {"http_port": None, "live_port": None, "live_path": None}
    if not stopped and paused.get(slug, True):
        try:
            upstream = _claim_ports(record, slug, claims, notes)
        except _LeftOutError as error:
            if not maintenance:
                raise _LeftOutError(str(error), slug, names=names, notes=notes) from None
            notes.append(str(error))
    limit = _seconds(record.get("limit_time_real")) or DEFAULT_LIMIT_TIME_REAL
    return {
        "slug": slug,
        "names": list(names),
        "dns": names,
        "maintenance": maintenance,
        "running": is_running(record),
        **upstream,
        "read_timeout": limit + READ_TIMEOUT_MARGIN,
        "notes": notes,
    }


def resolve(
    instances: Iterable[object], *, auto_subdomain_zone: str = "", maintenance: Mapping[str, bool] | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what to serve and what is left out for instance records as the API gives them.

    :param instances: the records. Any field may be ``None`` or missing.
    :param auto_subdomain_zone: completes an ``auto_subdomain`` that is only a label.
    :param maintenance: slugs that get the maintenance page although they run, and whether some clients reach them.
    :returns: ``(sites, left_out)``, both sorted by slug. A site has slug, names (primary first), dns (name → status),
        maintenance, running (as oCore says), http_port, live_port, live_path (``None`` while nobody reaches it), read_timeout
        in seconds, and notes.
        An entry left out has slug (``None`` when invalid), id, running, removed (it is gone or being removed), names, and notes
        with the reason first.
    """
    sites: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    claims, paused = _Claims(), maintenance or {}
    items = list(instances)
    for item in items:
        if not isinstance(item, Mapping):
            left_out.append(
                {
                    "id": None,
                    "running": False,
                    **_LeftOutError(f"instance record {quoted(item)} is not an object").entry,
                }
            )
    for record in sorted((item for item in items if isinstance(item, Mapping)), key=by_claim):
        try:
            sites.append(_site(record, claims, auto_subdomain_zone, paused))
        except _LeftOutError as error:
            left_out.append({"id": record.get("id"), "running": is_running(record), **error.entry})
    return sorted(sites, key=lambda site: str(site["slug"])), sorted(left_out, key=lambda entry: str(entry["slug"]))


def covered(name: str, certificate_names: Iterable[str]) -> bool:
    """Return whether a certificate with these names is valid for ``name`` (a wildcard covers one label)."""
    names = set(certificate_names)
    return name in names or f"*.{name.partition('.')[2]}" in names


def phase_of_record(record: Mapping[str, Any]) -> Phase:
    """Return the phase of a record, whose status may be anything."""
    return phase_of(str(record.get("status") or ""))


def is_running(record: Mapping[str, Any]) -> bool:
    """Return whether oCore says that an instance runs."""
    return phase_of_record(record) is Phase.READY


def _tls_names(names: Iterable[str], found: Mapping[str, Any] | None, notes: list[str]) -> list[str]:
    """Return the names that the certificate of a site covers; note what keeps the others from https."""
    if found is None:
        notes.append(NO_CERTIFICATE)
        return []
    if not found.get("usable"):
        notes.append(f"the certificate cannot be used: {found.get('problem')}")
        return []
    tls_names = [name for name in names if covered(name, found["names"])]
    notes.extend(f"the certificate does not cover '{name}'" for name in names if name not in tls_names)
    return tls_names


def _certificate_notes(found: Mapping[str, Any] | None, own: bool) -> list[str]:
    """Return what is wrong with a certificate that can be used all the same.

    :param own: whether the operator has put it on the host, so that nobody else renews it.
    """
    if not found or not found.get("usable"):
        return []
    if found.get("expired"):
        return [f"the certificate ended at {found['not_after']}"]
    notes = []
    if own and not found.get("trusted"):
        notes.append(
            f"this host does not trust the chain of {found['fullchain']} ({found.get('distrust')}): append the intermediate "
            "certificates to the file, or let the host trust the CA"
        )
    if own and found.get("days_left", ENDS_SOON) < ENDS_SOON:
        notes.append(f"the certificate {found['fullchain']} ends at {found['not_after']}: replace it")
    return notes


def _with_tls(site: dict[str, Any], found: Mapping[str, Any] | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a site with its options, and with what its certificate adds to it."""
    notes = list(site["notes"])
    tls_names = _tls_names(site["names"], found, notes)
    notes.extend(_certificate_notes(found, "certificate" in options))
    primary = site["names"][0]
    canonical = tls_names[0] if tls_names else primary
    return {
        **site,
        "notes": notes,
        "tls": {key: found[key] for key in ("fullchain", "key", "trusted")} if found and tls_names else None,
        "tls_names": tls_names,
        "canonical": canonical,
        "redirect_code": 301 if canonical == primary else 302,
        "options": options,
    }


def _refused(site: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Return the entry of an instance that could be served, but whose settings do not allow it."""
    entry = _LeftOutError(reason, site["slug"], names=site["names"], notes=site["notes"]).entry
    return {"id": None, "running": site["running"], **entry}


def nginx_sites(
    instances: Iterable[object],
    certificates: Mapping[str, Mapping[str, Any]] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    auto_subdomain_zone: str = "",
    refused: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the model that the nginx template renders.

    :param certificates: what ``ocore.cloud.nginx_info`` found (usable, problem, names, trusted, fullchain, key), by name.
    :param options: slug → settings that the operator gave for one instance.
    :param refused: slug → why ``ocore.cloud.nginx_config`` left the instance out.
    :raises AnsibleFilterError: for settings that are unknown or of the wrong type. A value that cannot be used leaves out its
        instance.
    :returns: ``{"sites": [...], "left_out": [...], "served": [{"server_name", "path"}], "unknown": [slugs with options and
        no record]}``. A site is what :func:`resolve`
        returns, with tls (``None``, or fullchain, key, trusted), tls_names (covered by the certificate), canonical (the
        name the others redirect to), redirect_code (301, or 302 while the primary name is not covered) and options.
        ``served`` is what the module ``ocore.cloud.nginx_config`` compares with the disk.
    """
    settings, problems = parse_instance_options(options or {})
    barred = {**(refused or {}), **problems}
    records = list(instances)
    paused = {slug: bool(own.get("maintenance_allow")) for slug, own in settings.items() if own.get("maintenance")}
    resolved, left_out = resolve(records, auto_subdomain_zone=auto_subdomain_zone, maintenance=paused)
    sites = [
        _with_tls(site, certificate_of(site["slug"], certificates or {}), settings.get(site["slug"], {}))
        for site in resolved
        if site["slug"] not in barred
    ]
    left_out.extend(_refused(site, barred[site["slug"]]) for site in resolved if site["slug"] in barred)
    served = [{"server_name": site["canonical"], "path": site["tls"]["fullchain"]} for site in sites if site["tls"]]
    slugs = {record.get("slug") for record in records if isinstance(record, Mapping)}
    return {"sites": sites, "left_out": left_out, "served": served, "unknown": sorted(set(settings) - slugs)}


def site_certificates(
    instances: Iterable[object],
    auto_subdomain_zone: str = "",
    refuse_dns_status: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the certificates that these instances need.

    :param refuse_dns_status: names with one of these values of dns_status are left out.
    :param options: settings for single instances. One with a certificate of its own needs none.
    :returns: ``{"name": "ocore-" and slug, "former_name": slug, "domains": [primary first], "left_out": {name: why}}`` for
        each. ``domains`` is empty where an instance keeps what it has but cannot order anything now. An instance that is
        gone or being removed has no entry.
    """
    refused = {status.lower() for status in refuse_dns_status}
    served_otherwise = {slug for slug, settings in (options or {}).items() if "certificate" in settings}
    sites, left_out = resolve(instances, auto_subdomain_zone=auto_subdomain_zone)
    needed: list[tuple[str, list[str], dict[str, str]]] = []
    for site in sites:
        bad = {name: f"dns_status is {status}" for name, status in site["dns"].items() if status in refused}
        names = [name for name in site["names"] if name not in bad]
        needed.append((site["slug"], names, bad))
    needed.extend((entry["slug"], [], {}) for entry in left_out if entry["slug"] is not None and not entry["removed"])
    return [
        {"name": certificate_name(slug), "former_name": slug, "domains": names, "left_out": bad}
        for slug, names, bad in sorted(needed, key=lambda entry: entry[0])
        if slug not in served_otherwise
    ]


def own_certificates(options: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the certificates that operators have put on the host: ``{"name": "ocore-" and slug, "cert", "key"}`` for each.

    :raises AnsibleFilterError: for settings that are unknown or of the wrong type.
    """
    settings, _problems = parse_instance_options(options)
    return [
        {"name": certificate_name(slug), **own["certificate"]}
        for slug, own in sorted(settings.items())
        if "certificate" in own
    ]


def instance_ports(instances: Iterable[object]) -> list[int]:
    """Return all valid http_port_host and longpolling_port_host values of these records, sorted, each once."""
    ports = {
        port_number(record.get(name))
        for record in instances
        if isinstance(record, Mapping)
        for name in ("http_port_host", "longpolling_port_host")
    }
    return sorted(port for port in ports if port is not None)
