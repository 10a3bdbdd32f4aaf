# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that are there from the start: the same ones every time, varied like those of a real organization."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from .life import Instance, grade
from .store import MEBIBYTE, NAMESPACE, Store, domain, new_fields

_BORN = datetime(2025, 3, 1, 8, tzinfo=UTC)
_TOWNS = ("Aarhus", "Bergen", "Cork", "Delft", "Evora", "Faro", "Gent", "Halle", "Izmir", "Jena", "Kiel", "Lviv")
_TRADES = ("Bakery", "Cycles", "Dairy", "Foundry", "Garden", "Optics", "Pharmacy", "Press", "Timber", "Wines", "Works")


def seed(store: Store, organization: str, count: int, overrides: dict[str, Any] | None = None) -> list[Instance]:
    """Add `count` instances, spread over the organization's servers; `overrides` are wire fields for each of them.

    Without overrides one in 12 is stopped and one in 30 failed, the others run. Identifiers, names, versions and
    ports depend on nothing but the number of the instance; certificates end within 90 days from today.
    """
    overrides = dict(overrides or {})
    if count and not store.servers[organization]:
        raise ValueError(f"organization {organization} has no server to put instances on")
    servers = [overrides.pop("serverId")] if "serverId" in overrides else [s["id"] for s in store.servers[organization]]
    first = len(store.all(organization))
    return [
        _instance(store, organization, servers[n % len(servers)], n, overrides) for n in range(first, first + count)
    ]


def _instance(store: Store, organization: str, server: str, n: int, overrides: dict[str, Any]) -> Instance:
    http, longpolling = store.ports(server)
    name = f"{_TOWNS[n % len(_TOWNS)]} {_TRADES[n % len(_TRADES)]} {n + 1}"
    slug = f"{name.lower().replace(' ', '-')}"
    identity = str(uuid.uuid5(NAMESPACE, f"{organization}/instance/{n}"))
    born = _BORN + timedelta(hours=n)
    fields = new_fields(
        organization,
        id=identity,
        name=name,
        slug=slug,
        serverId=server,
        httpPortHost=http,
        longpollingPortHost=longpolling,
        createdAt=_text(born),
    )
    fields.update(_variety(n, identity, fields, born), **_state(n, born))
    fields.update(overrides)
    instance = Instance(organization, fields)
    store.add(instance)
    return instance


def _variety(n: int, identity: str, fields: dict[str, Any], born: datetime) -> dict[str, Any]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    enterprise = n % 3 == 1
    workers = (2, 4, 0, 6)[n % 4]
    own = domain(identity, f"{fields['slug']}.example.com", _text(born), auto=False, primary=True)
    auto = {**fields["domains"][0], "isPrimary": n % 2 == 1}
    domains = [auto] if n % 2 else [auto, own]
    certified = {
        "dnsStatus": "verified",
        "sslStatus": "active",
        "sslExpiresAt": _text(today + timedelta(days=1 + n % 90)),
    }
    return {
        "activeColor": ("blue", "green")[n % 2],
        "addonsPath": "/mnt/extra-addons" if n % 2 else None,
        "domains": [{**entry, **certified} for entry in domains],
        "enterpriseBuildId": f"{14 + n % 6}.0-{20250601 + n % 28}" if enterprise else None,
        "enterpriseDeployedAt": _text(born + timedelta(days=3)) if enterprise else None,
        "enterpriseUpdateAvailable": enterprise and n % 2 == 0,
        "envVars": {"TZ": "Europe/Brussels", "SMTP_PASSWORD": f"smtp-secret-{n}"} if n % 2 == 0 else {},
        "limitMemoryHard": (2560 + 512 * (n % 3)) * MEBIBYTE,
        "limitMemorySoft": (2048 + 512 * (n % 3)) * MEBIBYTE,
        "mcpWriteEnabled": n % 5 == 4,
        "odooEdition": "enterprise" if enterprise else "community",
        "odooVersion": f"{19 - n % 6}.0",
        "workers": workers,
    }


def _state(n: int, born: datetime) -> dict[str, Any]:
    restarts = n % 4
    common = {
        "restartCount": restarts,
        "lastRestartAt": _text(born + timedelta(days=10)) if restarts else None,
        "lastSeenAt": _text(born + timedelta(days=30)),
        "updatedAt": _text(born + timedelta(days=30)),
    }
    if n % 30 == 29:
        return {
            **common,
            "status": "failed",
            "statusMessage": "Container exited with code 137 (out of memory)",
            **_score(n, 0),
        }
    if n % 12 == 11:
        return {**common, "status": "stopped", **_score(n, 20)}
    return {**common, "status": "running", **_score(n, 70 + n * 7 % 31)}


def _score(n: int, score: int) -> dict[str, Any]:
    updated = _BORN + timedelta(days=30, hours=n)
    return {"healthScore": score, "healthScoreGrade": grade(score), "healthScoreUpdatedAt": _text(updated)}


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
