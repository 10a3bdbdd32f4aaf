# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything there is: organizations, their servers and their instances."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from . import life
from .clock import Clock
from .errors import ApiError
from .life import Instance, Past, Step
from .settings import Settings

NAMESPACE = uuid.UUID("6f0c1c52-5d0b-4a3e-9a54-0c0e00000000")
RESERVED_SLUGS = {"ocore"}
FIRST_PORT, LAST_PORT = 10_000, 65_534
HIDDEN = ("projectId", "environmentType", "branch")
MEBIBYTE = 1024 * 1024


@dataclass
class Late:
    """Work that was answered before it was done."""

    at: float
    work: Callable[[], object]


class Store:
    """Instances in the order of their creation. `version` moves with every change that a list could show."""

    def __init__(self, organizations: Iterable[str], servers: int, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self.clock = clock
        self.version = 0
        self.servers: dict[str, list[dict[str, Any]]] = {
            organization: [server_fields(organization, n) for n in range(1, servers + 1)]
            for organization in organizations
        }
        self._instances: dict[str, Instance] = {}
        self._slugs: dict[tuple[str, str], Instance] = {}
        self._next_port: dict[str, int] = {}
        self._moving: dict[str, Instance] = {}
        self._late: list[Late] = []

    def advance(self) -> float:
        """Let everything happen that is due by now; return the time that now is."""
        now = self.clock.now()
        due = [late for late in self._late if late.at <= now]
        self._late = [late for late in self._late if late.at > now]
        for late in due:
            late.work()
        for instance in list(self._moving.values()):
            if life.advance(instance, now):
                self.version += 1
            if not instance.steps:
                del self._moving[instance.id]
            slug = (instance.organization, instance.fields["slug"])
            if instance.gone_at is not None and self._slugs.get(slug) is instance:
                del self._slugs[slug]
        return now

    def hasten(self, steps: float = 1, instances: Iterable[Instance] | None = None) -> None:
        """Bring what is in progress, on all instances or on some, so many steps forward."""
        seconds = steps * self._settings.number("step_time")
        for instance in self._instances.values() if instances is None else instances:
            life.hasten(instance, self.clock.now(), seconds)
        self.advance()

    def later(self, steps: float, work: Callable[[], object]) -> None:
        """Do this work so many steps from now."""
        self._late.append(Late(self.clock.now() + steps * self._settings.number("step_time"), work))

    def hasten_late(self, steps: float = 1) -> None:
        """Bring work that was answered before it was done so many steps forward."""
        for late in self._late:
            late.at -= steps * self._settings.number("step_time")
        self.advance()

    def begin(self, instance: Instance, new: bool = False, accepted: bool = True) -> float:
        """Return the time at which an operation on the instance begins.

        Lists that lag go on showing what was there before. `accepted`: the answer is 202, and reads by id may lag.
        """
        now = self.advance()
        lag = self._settings.number("list_lag") * self._settings.number("step_time")
        if lag:
            life.remember(instance, now + lag, new)
        if accepted:
            instance.unseen = int(self._settings.number("get_lag"))
        return now

    def touched(self, instance: Instance) -> None:
        """Take note of an operation: drop forced fields, and watch what is coming."""
        instance.forced = {}
        self.noticed(instance)

    def noticed(self, instance: Instance) -> None:
        """Take note that something about the instance changed."""
        instance.encoded.clear()
        self.version += 1
        if instance.steps:
            self._moving[instance.id] = instance

    def alive(self, organization: str | None = None) -> list[Instance]:
        return [i for i in self.all(organization) if i.gone_at is None]

    def all(self, organization: str | None = None) -> list[Instance]:
        """Return also what is gone."""
        return [i for i in self._instances.values() if organization in (None, i.organization)]

    def find(self, organization: str | None, instance_id: str) -> Instance | None:
        instance = self._instances.get(instance_id)
        return instance if instance and organization in (None, instance.organization) else None

    def create(self, organization: str, body: dict[str, Any]) -> Instance:
        """Make the instance that a POST asks for; ApiError 409 or 422 says why there is none."""
        name = self.stored_name(body.get("name"))
        if not name:
            raise ApiError(422, "name is required")
        server_id = body.get("serverId")
        if server_id not in [server["id"] for server in self.servers[organization]]:
            raise ApiError(422, f"server {server_id} does not exist" if server_id else "serverId is required")
        slug = self._slug(organization, body.get("slug"), name)
        fields = self._fields(organization, server_id, name, slug, body)
        instance = Instance(organization, fields, {key: body[key] for key in HIDDEN if body.get(key)})
        self.add(instance)
        fails = self._settings.take_one("create_fails")
        life.create(instance, self.begin(instance, new=True), self._settings.number("step_time"), fails)
        self.touched(instance)
        return instance

    def add(self, instance: Instance) -> None:
        """Take in an instance made elsewhere (seeded or read from a file)."""
        self._instances[instance.id] = instance
        if instance.gone_at is None:
            self._slugs[instance.organization, instance.fields["slug"]] = instance
        # A seed may say that an instance has none.
        port = max(instance.fields[name] or 0 for name in ("httpPortHost", "longpollingPortHost")) + 1
        server = instance.fields["serverId"]
        self._next_port[server] = max(self._next_port.get(server, FIRST_PORT), port)
        self.noticed(instance)

    def ports(self, server_id: str) -> tuple[int, int]:
        """Return two ports of the server that no instance has or had."""
        port = self._next_port.get(server_id, FIRST_PORT)
        if port >= LAST_PORT:
            raise ApiError(409, f"server {server_id} has no free port")
        return port, port + 1

    def slug_taken(self, organization: str, slug: str) -> bool:
        return (organization, slug) in self._slugs

    def _slug(self, organization: str, wanted: str | None, name: str) -> str:
        rewrite = self._settings.word("slug_rewrite")
        if not wanted:
            base = slugify(name) or "instance"
            free = (base if n == 1 else f"{base}-{n}" for n in range(1, 1_000_000))
            return next(s for s in free if s not in RESERVED_SLUGS and not self.slug_taken(organization, s))
        slug = {"off": wanted, "lower": wanted.strip().lower()}.get(rewrite, slugify(wanted))
        if rewrite == "suffix":
            slug = f"{slug}-{uuid.uuid4().hex[:4]}"
        if not slug or slug != slugify(slug):
            raise ApiError(422, f"slug {wanted!r} is not made of lower-case letters, digits and single hyphens")
        if slug in RESERVED_SLUGS:
            raise ApiError(422, f"slug {slug!r} is reserved")
        if self.slug_taken(organization, slug) and self._settings.word("taken_slug") == "refused":
            raise ApiError(409, f"slug {slug!r} is taken")
        return slug

    def stored_name(self, name: str | None) -> str:
        """Return a name as it is stored."""
        mode = self._settings.word("stored_names")
        name = name or ""
        if mode == "as_sent":
            return name
        return unicodedata.normalize("NFC", name.strip()) if mode == "normalised" else name.strip()

    def _fields(self, organization: str, server: str, name: str, slug: str, body: dict[str, Any]) -> dict[str, Any]:
        http, longpolling = self.ports(server)
        return new_fields(
            id=str(uuid.uuid4()),
            name=name,
            slug=slug,
            organization=organization,
            serverId=server,
            httpPortHost=http,
            longpollingPortHost=longpolling,
            createdAt=life.timestamp(),
            addonsPath=body.get("addonsPath") or None,
            envVars=body.get("envVars") or {},
            templateId=body.get("templateId") or None,
            odooVersion=body.get("odooVersion") or "19.0",
            odooEdition=body.get("odooEdition") or "community",
        )

    def dump(self) -> dict[str, Any]:
        """Return everything as JSON data; moments become seconds from now."""
        now = self.clock.now()
        return {
            "servers": self.servers,
            "instances": [
                {
                    "organization": i.organization,
                    "fields": i.fields,
                    "hidden": i.hidden,
                    "forced": i.forced,
                    "steps": [{**asdict(step), "at": step.at - now} for step in i.steps],
                    "gone_at": None if i.gone_at is None else i.gone_at - now,
                    "past": [{**asdict(past), "until": past.until - now} for past in i.past],
                    "unseen": i.unseen,
                }
                for i in self._instances.values()
            ],
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take over what `dump` returned, in place of everything that is there."""
        now = self.clock.now()
        self.servers.update(data["servers"])
        self._instances, self._slugs, self._next_port, self._moving = {}, {}, {}, {}
        for entry in data["instances"]:
            steps = [Step(**{**step, "at": now + step["at"]}) for step in entry.pop("steps")]
            past = [Past(now + p["until"], p["fields"]) for p in entry.pop("past", ())]
            gone = entry.pop("gone_at")
            self.add(Instance(**entry, steps=steps, past=past, gone_at=None if gone is None else now + gone))


def server_fields(organization: str, n: int) -> dict[str, Any]:
    """Return all fields of an organization's server in the order of the reference page, with oCore-like values."""
    created = "2025-02-01T08:00:00Z"
    return {
        "authMethod": "key",
        "cpuCores": 8,
        "createdAt": created,
        "description": None,
        "host": f"server-{n}.{organization}.ocore.example",
        "id": str(uuid.uuid5(NAMESPACE, f"{organization}/server/{n}")),
        "lastSeenAt": created,
        "maxSshSessions": 10,
        "name": f"server-{n}",
        "osName": "debian",
        "osVersion": "12",
        "port": 22,
        "provisioningStep": None,
        "proxyType": "nginx",
        "ramTotalBytes": 16384 * MEBIBYTE,
        "sshUser": "root",
        "status": "active",
        "statusMessage": None,
        "updatedAt": created,
    }


def slugify(text: str) -> str:
    """Return lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def new_fields(organization: str, **known: Any) -> dict[str, Any]:
    """Return all fields of a new instance in the order of the reference page, with oCore-like values."""
    host = f"{known['slug']}.{organization}.ocore.example"
    created = known["createdAt"]
    fields = {
        "activeColor": "blue",
        "addonsPath": None,
        "autoSubdomain": host,
        "createdAt": created,
        "domains": [domain(known["id"], host, created, auto=True, primary=True)],
        "enterpriseBuildId": None,
        "enterpriseDeployedAt": None,
        "enterpriseUpdateAvailable": False,
        "envVars": {},
        "healthScore": None,
        "healthScoreGrade": None,
        "healthScoreUpdatedAt": None,
        "httpPort": 8069,
        "httpPortHost": 0,
        "id": "",
        "lastRestartAt": None,
        "lastSeenAt": None,
        "limitMemoryHard": 2560 * MEBIBYTE,
        "limitMemorySoft": 2048 * MEBIBYTE,
        "limitTimeCpu": 60,
        "limitTimeReal": 120,
        "logLevel": "info",
        "longpollingPort": 8072,
        "longpollingPortHost": 0,
        "maxCronThreads": 2,
        "mcpWriteEnabled": False,
        "name": "",
        "odooEdition": "community",
        "odooVersion": "19.0",
        "restartCount": 0,
        "serverId": "",
        "slug": "",
        "status": "creating",
        "statusMessage": None,
        "templateId": None,
        "updatedAt": created,
        "wkhtmltopdfStatus": "ok",
        "wkhtmltopdfVersion": "0.12.6.1",
        "workers": 2,
    }
    return {**fields, **known}


def domain(instance_id: str, name: str, created: str, auto: bool, primary: bool) -> dict[str, Any]:
    """Return a domain that waits for its DNS record and certificate."""
    return {
        "createdAt": created,
        "dnsProvider": "ocore" if auto else None,
        "dnsRecordId": uuid.uuid5(NAMESPACE, name).hex if auto else None,
        "dnsStatus": "pending",
        "domain": name,
        "id": str(uuid.uuid5(NAMESPACE, f"{instance_id}/{name}")),
        "isAutoGenerated": auto,
        "isPrimary": primary,
        "sslExpiresAt": None,
        "sslStatus": "pending",
    }
