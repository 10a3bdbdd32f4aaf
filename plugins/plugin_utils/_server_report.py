# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a server as a whole: what was read there, and where it differs from what oCore records and requires."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.ocore.cloud.plugins.plugin_utils._sites import quoted

OLDEST_ENGINE = 24
"""The oldest Docker engine that oCore supports (its documentation, /docs/user-guide/servers)."""

PROXY = "nginx"
"""What the roles run in front of the instances."""

OTHER_PROXIES = ("apache", "caddy", "envoy", "haproxy", "httpd", "traefik")
"""Names of other proxies. oCore does not document the values of proxy_type, so no other word counts as a difference."""

GIBIBYTE = 2**30
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 (compared, not bound)
PORTS_SHOWN = 10
"""How many ports a sentence lists."""

Finding = dict[str, Any]


def _engine_version(lines: Iterable[object]) -> str | None:
    """Return the version in the first line of ``docker info``; ``None`` where the daemon did not answer."""
    first = next(iter(lines), "")
    match = re.match(r"\s*v?([0-9]+(?:\.[0-9]+)*)", str(first))
    return match[1] if match else None


def _disks(lines: Iterable[object]) -> list[dict[str, Any]]:
    """Return the file systems in lines of ``stat --file-system``, each once, by the first path that is on it.

    :param lines: id, free blocks, all blocks, size of a block, and the path. Others are skipped.
    """
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for line in lines:
        match = re.fullmatch(r"(\S+) ([0-9]+) ([0-9]+) ([0-9]+) (/.*)", str(line))
        if match:
            free, blocks, size = (int(text) for text in match.groups()[1:4])
            disk = {"path": match[5], "total_bytes": blocks * size, "free_bytes": free * size}
            found.setdefault((match[1], blocks, size), disk)
    return [disk for disk in found.values() if disk["total_bytes"]]


def _proxy_drift(recorded: object) -> list[Finding]:
    name = recorded.casefold() if isinstance(recorded, str) else ""
    if PROXY in name or not any(other in name for other in OTHER_PROXIES):
        return []
    message = (
        f"oCore records the proxy {quoted(recorded)}, and this role runs {PROXY}: only one of them can have the ports 80 "
        "and 443. Correct the server in oCore, or do not use this role here."
    )
    return [{"field": "proxy_type", "ocore": str(recorded), "host": PROXY, "message": message}]


def _engine_drift(version: str | None) -> list[Finding]:
    if version is None or int(version.partition(".")[0]) >= OLDEST_ENGINE:
        return []
    message = (
        f"Docker {version} runs, and oCore requires {OLDEST_ENGINE} or newer: upgrade the engine, or restart it if it was "
        "upgraded."
    )
    return [{"field": "docker_version", "ocore": f"{OLDEST_ENGINE} or newer", "host": version, "message": message}]


def _port_drift(addresses: Mapping[str, Iterable[str]]) -> list[Finding]:
    ports = sorted(int(port) for port, found in addresses.items() if EVERYWHERE.intersection(found))
    if not ports:
        return []
    shown = ", ".join(str(port) for port in ports[:PORTS_SHOWN])
    more = f" and {len(ports) - PORTS_SHOWN} more" if len(ports) > PORTS_SHOWN else ""
    message = (
        f"Ports of instances are open at all addresses of the host: {shown}{more}. If no firewall in front of it closes "
        f"them, visitors reach the instances past {PROXY}. Publish them at 127.0.0.1 only."
    )
    return [{"field": "ports", "ocore": None, "host": ports, "message": message}]


def _disk_drift(disk: Mapping[str, Any], least: float) -> list[Finding]:
    free = disk["free_bytes"]
    if free >= least * GIBIBYTE:
        return []
    message = (
        f"{free / GIBIBYTE:.1f} GiB are free on {disk['path']}, less than odoo_host_min_free_disk ({least:g} GiB): free "
        "space, or enlarge the disk."
    )
    return [{"field": "free_disk", "ocore": None, "host": free, "message": message}]


def server_report(
    server: object,
    engine: Iterable[object] = (),
    disks: Iterable[object] = (),
    addresses: Mapping[str, Iterable[str]] | None = None,
    min_free_disk: float = 0,
) -> dict[str, Any]:
    """Return what was read on a server, and where it differs from what oCore records and requires.

    What is unknown, on either side, is no difference.

    :param server: oCore's record of the server; ``None``, or without ``proxy_type``, when it is not known.
    :param engine: lines of ``docker info``: the version of the server.
    :param disks: lines of ``stat --file-system``: id, free blocks, all blocks, size of a block, path.
    :param addresses: what ``ocore.cloud.nginx_info`` found, for ports that belong on loopback only.
    :param min_free_disk: GiB that should be free on each file system; 0 for no check.
    :returns: docker_version (``None`` when not read), disks (path, total_bytes, free_bytes) and drift (list of field,
        ocore, host, message; ``ocore`` is ``None`` where oCore says nothing about it).
    """
    record = server if isinstance(server, Mapping) else {}
    version, found = _engine_version(engine), _disks(disks)
    drift = [*_proxy_drift(record.get("proxy_type")), *_engine_drift(version), *_port_drift(addresses or {})]
    for disk in found:
        drift += _disk_drift(disk, min_free_disk)
    return {"docker_version": version, "disks": found, "drift": drift}
