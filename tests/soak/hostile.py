# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of answers that no API should give: every field with every wrong value, and whole bodies, for each consumer.

One instance of three is sick. Whoever reads it ends with a result or a sentence, and its neighbours are never lost.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.utils.display import Display
from ansible_collections.ocore.cloud.extensions.eda.plugins.event_source import instances as events
from ansible_collections.ocore.cloud.extensions.emulator.auth import Auth
from ansible_collections.ocore.cloud.extensions.emulator.seed import seed
from ansible_collections.ocore.cloud.plugins.module_utils._ops import control, doctor, fleet, info, instance
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_page import render
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_report import fleet_report
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Outcome, play

from .campaign import Campaign, Verdict
from .door import API_URL, Door, VirtualTime

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "ocore_k_planted-token"
ENV_VALUE = "planted-env-value"
SICK, WELL = "sick", ("well-1", "well-2")


@dataclass(frozen=True)
class Raw:
    """A value as the text that stands in the JSON, where Python's own encoder would not write it so."""

    text: str


#: Values of the wrong type, form or size, by name.
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "minus": -1,
    "fraction": 0.1,
    "huge": 10**30,
    "nan": Raw("NaN"),
    "infinity": Raw("-Infinity"),
    "overflow": Raw("1e999"),
    "digits": Raw("9" * 6000),
    "empty": "",
    "blank": " \t",
    "long": "x" * 100_000,
    "dots": "..",
    "path": "../../admin?x=1#y",
    "nul": "a\x00b",
    "escape": "\x1b[31m\x1b]0;title\x07ok: [localhost]",
    "lines": "a\r\nok: [localhost] => changed\n",
    "bidi": "\u202etxt.exe",
    "surrogate": Raw('"\\ud800"'),
    "astral": "\U0001f600\u0301",
    "braces": "{{ lookup('pipe', 'touch /tmp/never') }}",
    "statement": "{% for x in range(9) %}x{% endfor %}",
    "header": "#jinja2:variable_start_string:'<<',variable_end_string:'>>'\n<< 7*7 >>",
    "markup": "<script>alert(1)</script>&amp;\"'",
    "echo": f"Bearer {TOKEN} PASSWORD={ENV_VALUE}",
    "zero_time": "0001-01-01T00:00:00Z",
    "no_time": "9999-99-99T99:99:99Z",
    "no_list": [],
    "nested_list": [[None, {}, [True]]],
    "no_object": {},
    "object": {"a": {"b": [1, None, "{{ x }}"]}},
    "deep": Raw("[" * 3000 + "]" * 3000),
    "many": list(range(5000)),
    "number_text": "1e5",
    "word": "Running ",
}
#: Where the values go: within an instance, its health, its score, and beside the list.
FIELDS = [
    *(
        "id",
        "name",
        "slug",
        "status",
        "statusMessage",
        "serverId",
        "odooVersion",
        "odooEdition",
        "templateId",
        "addonsPath",
    ),
    *(
        "envVars",
        "envVars.PASSWORD",
        "mcpWriteEnabled",
        "domains",
        "domains.0",
        "domains.0.domain",
        "domains.0.isPrimary",
    ),
    *(
        "domains.0.sslExpiresAt",
        "domains.0.sslStatus",
        "domains.0.dnsStatus",
        "autoSubdomain",
        "activeColor",
        "httpPort",
    ),
    *("httpPortHost", "longpollingPortHost", "workers", "limitMemoryHard", "limitTimeReal", "logLevel", "healthScore"),
    *("healthScoreGrade", "healthScoreUpdatedAt", "restartCount", "lastRestartAt", "lastSeenAt", "enterpriseBuildId"),
    *("enterpriseUpdateAvailable", "wkhtmltopdfStatus", "createdAt", "updatedAt", "unknownField"),
    *("health.status", "health.statusMessage", "score.score", "score.grade", "score.factors", "score.factors.0"),
    *("score.factors.0.name", "score.factors.0.weight", "score.factors.0.details", "score.scoreUpdatedAt"),
    *("list.total", "list.nextCursor", "list.hasMore", "list.page", "list.instances", "list.entry"),
]
#: Whole bodies, by name; BODY stands for the right one.
BODIES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _body: b"",
    "null": lambda _body: b"null",
    "number": lambda _body: b"42",
    "text": lambda _body: b'"ok"',
    "list": lambda _body: b"[]",
    "object": lambda _body: b"{}",
    "list_of_null": lambda _body: b"[null, null]",
    "half": lambda body: body[: len(body) // 2],
    "twice": lambda body: body + body,
    "bom": lambda body: b"\xef\xbb\xbf" + body,
    "utf16": lambda body: body.decode().encode("utf-16"),
    "latin1": lambda body: body.replace(b"well", "wéll".encode("latin-1")),
    "binary": lambda _body: bytes(range(256)) * 20,
    "nul": lambda body: b"\x00" * 10 + body,
    "page": lambda _body: b"<!DOCTYPE html><html><head><title>Log in</title></head></html>",
    "echo": lambda _body: f"token {TOKEN} is not valid".encode(),
    "error_in_200": lambda _body: b'{"error": {"code": "X", "message": "not allowed"}}',
    "deep": lambda _body: b'{"instances":' * 3000 + b"1" + b"}" * 3000,
    "comment": lambda body: b"// generated\n" + body,
    "jsonp": lambda body: b"callback(" + body + b")",
}
OPERATIONS = ("list", "get", "health", "score", "write")


@dataclass(frozen=True)
class Case:
    """A field and a value, or an operation and a body, for one consumer."""

    where: str
    what: str
    consumer: str

    @property
    def name(self) -> str:
        return f"{self.where}/{self.what}/{self.consumer}"

    @property
    def row(self) -> str:
        return self.consumer

    @property
    def is_body(self) -> bool:
        return self.where in OPERATIONS

    @property
    def is_free_text(self) -> bool:
        return self.is_body or self.where.rpartition(".")[2] in ("statusMessage", "details")

    @property
    def hits_all(self) -> bool:
        """Return whether the whole list is hit, so that nobody can tell the neighbours."""
        return self.where.startswith("list") or self.is_body


class Stage:
    """Three instances, one of them sick, and answers about it that are rewritten.

    :param value: the wrong value.
    """

    token = TOKEN
    env_value = ENV_VALUE
    new_value = "1"
    """What the sick one is given by a task."""

    def __init__(self, case: Case, value: Any = None, time: VirtualTime | None = None) -> None:
        self.case = case
        self._value = VALUES.get(case.what) if value is None else value
        self.time = time or VirtualTime()
        self.door = Door(self.time, auth=Auth([self.token]), organizations=("acme",), switches={"step_time": 1.0})
        store = self.door.world.store
        self.server = store.servers["acme"][0]["id"]
        same = {
            "status": "running",
            "serverId": self.server,
            "odooVersion": "19.0",
            "envVars": {"PASSWORD": self.env_value},
            "restartCount": 1,  # where an API leaves out zeros, nobody knows whether there was none
        }
        self.ids = {
            slug: seed(store, "acme", 1, {"slug": slug, "name": slug.title(), **same})[0].id for slug in (*WELL, SICK)
        }
        self.door.rewrite = self._rewrite
        self.texts: list[str] = []

    def _rewrite(self, request: requests.PreparedRequest, status: int, body: bytes) -> bytes:
        if not 200 <= status < 300:
            return body
        asked = _operation(request)
        if self.case.is_body:
            return BODIES[self.case.what](body) if asked == self.case.where else body
        answer = json.loads(body)
        for target, path in self._targets(asked, request, answer):
            _put(target, path, "\ue000")
        value = self._value
        text = value.text if isinstance(value, Raw) else json.dumps(value)
        return json.dumps(answer).replace(json.dumps("\ue000"), text).encode()

    def _targets(self, asked: str, request: requests.PreparedRequest, answer: Any) -> Iterator[tuple[Any, list[str]]]:
        kind, _dot, rest = self.case.where.partition(".")
        sick = self.ids[SICK]
        if kind == "list":
            if asked == "list":
                yield (answer, ["instances", "2"]) if rest == "entry" else (answer, [rest])
        elif kind in ("health", "score"):
            if asked == kind and sick in str(request.path_url):
                yield answer, rest.split(".")
        elif asked == "list":
            yield from ((entry, self.case.where.split(".")) for entry in answer["instances"] if entry["id"] == sick)
        elif asked in ("get", "write") and answer.get("id") == sick:
            yield answer, self.case.where.split(".")

    def run(self, operation: Operation, **options: Any) -> Outcome:
        """Run a task."""
        given = {
            "api_url": API_URL,
            "api_token": self.token,
            "organization": "acme",
            "retries": 1,
            "request_timeout": 5,
            **options,
        }
        if "wait_timeout" in operation.spec:
            given |= {"wait_timeout": 60, "wait_interval": 2.0}
        checked = ArgumentSpecValidator(operation.spec, **operation.rules).validate(given)
        assert not checked.error_messages, checked.error_messages
        with self.door.open():
            self.time.catch_up()
            result = play(operation, time=self.time, **{n: checked.validated_parameters[n] for n in operation.spec})
        self.texts += [json.dumps(result, allow_nan=False), *result.warnings, *result.progress]
        return result


def _operation(request: requests.PreparedRequest) -> str:
    path = urlsplit(str(request.url)).path.removeprefix("/api/instances").strip("/")
    if request.method != "GET":
        return "write"
    ends = {"health": "health", "health-score": "score"}
    return "list" if not path else ends.get(path.partition("/")[2], "get")


def _put(target: Any, path: list[str], value: Any) -> None:
    """Set what a path leads to; nothing where it leads nowhere."""
    for step in path[:-1]:
        target = target[int(step)] if isinstance(target, list) and len(target) > int(step) else target
        target = target.get(step, {}) if isinstance(target, dict) else target
    last = path[-1]
    if isinstance(target, list) and last.isdigit() and len(target) > int(last):
        target[int(last)] = value
    elif isinstance(target, dict):
        target[last] = value


# What is done with the answers; each returns what went wrong


def _info(stage: Stage) -> Iterator[str]:
    result = stage.run(info.OPERATION, gather=["health", "health_score"])
    found = {record["slug"] for record in result.get("instances") or []}
    if not stage.case.hits_all and not set(WELL) <= found:
        yield f"neighbours are missing: {result.get('msg', found)}"


def _unchanged(stage: Stage) -> Iterator[str]:
    result = stage.run(instance.OPERATION, slug=WELL[0], odoo_version="19.0", env_vars={"PASSWORD": stage.env_value})
    if not stage.case.hits_all and (result.get("failed") or result["changed"]):
        yield f"a neighbour: {result.get('msg') or result['actions']}"


def _sick(stage: Stage) -> Iterator[str]:
    stage.run(instance.OPERATION, slug=SICK, name="Sick", addons_path="/mnt/a", env_vars={"NEW": stage.new_value})
    yield from ()


def _removal(stage: Stage) -> Iterator[str]:
    stage.run(instance.OPERATION, id=stage.ids[SICK], state="absent")
    alive = {one.id for one in stage.door.world.store.alive()}
    if not {stage.ids[slug] for slug in WELL} <= alive:
        yield "a neighbour was removed"


def _control(stage: Stage) -> Iterator[str]:
    stage.run(control.OPERATION, id=stage.ids[SICK], state="restarted", min_health_score=10)
    yield from ()


def _fleet(stage: Stage) -> Iterator[str]:
    items = [{"slug": slug, "name": slug.title(), "addons_path": "/mnt/b"} for slug in (*WELL, SICK)]
    result = stage.run(fleet.OPERATION, instances=items)
    if len(result.get("results") or []) != 3 and not result.get("failed"):
        yield f"results are missing: {result.get('msg')}"
    if not stage.case.hits_all:
        bad = [one for one in (result.get("results") or [{"failed": True}])[:2] if one.get("failed")]
        if bad:
            yield f"a neighbour: {bad[0].get('msg') or result.get('msg')}"


def _inventory(stage: Stage) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "x.ocore.yml")
        path.write_text(
            f"plugin: ocore.cloud.ocore\napi_url: {API_URL}\norganization: acme\n"
            f"api_token: {json.dumps(stage.token)}\nretries: 0\nrequest_timeout: 5\n"
            "gather: [health, health_score]\nhostnames: [primary_domain, slug]\n"
            "groups: {up: ocore_status == 'running'}\ncompose: {label: ocore_name}\n"
            "keyed_groups: [{key: ocore_status, prefix: s}, {key: ocore_odoo_version}, {key: ocore_workers, prefix: w}]\n"
        )
        plugin = inventory_loader.get("ocore.cloud.ocore")
        inventory = InventoryData()
        try:
            with (
                stage.door.open(),
                mock.patch.object(Display, "warning", lambda _s, text, *_a, **_k: stage.texts.append(text)),
            ):
                plugin.parse(inventory, DataLoader(), str(path), cache=False)
        except AnsibleError as error:
            stage.texts.append(str(error))
            if not stage.case.hits_all:
                yield f"no inventory: {error}"
            return
        slugs = {host.vars.get("ocore_slug") for host in inventory.hosts.values()}
        stage.texts.append(json.dumps([h.vars for h in inventory.hosts.values()], allow_nan=False, default=str))
        if not stage.case.hits_all and not set(WELL) <= slugs:
            yield f"neighbours are missing: {slugs}"


def _events(stage: Stage) -> Iterator[str]:
    happened: list[dict[str, Any]] = []
    log = Log(stage.texts)
    events.log.addHandler(log)
    try:
        given = {"api_url": API_URL, "api_token": stage.token, "organization": "acme", "retries": 0}
        with stage.door.open(), mock.patch.object(events, "asyncio", _Loop(stage)):
            asyncio.run(events.main(_Queue(happened), given))
    except asyncio.CancelledError:
        pass
    finally:
        events.log.removeHandler(log)
    stage.texts.append(json.dumps(happened, allow_nan=False))
    if not stage.case.hits_all and not any(event["kind"] == "restarted" for event in happened):
        yield "the event of a neighbour is missing"


class _Loop:
    """Stands for asyncio in the event source: a neighbour restarts between the first look and the second, the last."""

    to_thread = staticmethod(asyncio.to_thread)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._looks = 0

    async def sleep(self, _seconds: float) -> None:
        self._looks += 1
        if self._looks == 2:
            raise asyncio.CancelledError
        store = self._stage.door.world.store
        neighbour = store.find(None, self._stage.ids[WELL[0]])
        neighbour.fields["restartCount"] += 1
        store.noticed(neighbour)


class _Queue:
    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = events

    async def put(self, event: dict[str, Any]) -> None:
        self._events.append(event)


class Log(logging.Handler):
    """Collects the lines of a log."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(record.getMessage())


def _report(stage: Stage) -> Iterator[str]:
    records = stage.run(info.OPERATION, gather=["health", "health_score"]).get("instances") or []
    report = fleet_report(records, None, organization="acme")
    report = fleet_report(records, json.dumps(report), organization="acme")
    for kind in ("html", "md"):
        text = render(report, str(ROOT / f"roles/fleet_report/templates/report.{kind}.j2"))
        stage.texts.append(text)
        if not stage.case.hits_all and not all(slug in text for slug in WELL) and kind == "html":
            yield "a neighbour is missing in the page"


def _doctor(stage: Stage) -> Iterator[str]:
    result = stage.run(doctor.OPERATION)
    if not result.get("checks"):
        yield f"no findings: {result.get('msg')}"


CONSUMERS: dict[str, Callable[[Stage], Iterator[str]]] = {
    "info": _info,
    "unchanged": _unchanged,
    "sick": _sick,
    "removal": _removal,
    "control": _control,
    "fleet": _fleet,
    "inventory": _inventory,
    "events": _events,
    "report": _report,
    "doctor": _doctor,
}


def cases() -> list[Case]:
    """Return all cases."""
    fields = [Case(where, what, consumer) for where in FIELDS for what in VALUES for consumer in CONSUMERS]
    bodies = [Case(where, what, consumer) for where in OPERATIONS for what in BODIES for consumer in CONSUMERS]
    return fields + bodies


def choose(size: int, seed: int) -> list[Case]:
    """Return so many of the cases."""
    every = cases()
    return every if size >= len(every) else random.Random(seed).sample(every, size)


def play_case(case: Case, _seed: int, verdict: Verdict) -> None:
    """Play a case and add what went wrong."""
    stage = Stage(case)
    for text in CONSUMERS[case.consumer](stage):
        verdict.add("neighbour", text)
    # In a name or a slug, what happens to be an env value too has to stay: somebody uses it.
    secrets = (TOKEN, ENV_VALUE) if case.is_free_text else (TOKEN,)
    for text in stage.texts:
        for secret in secrets:
            if secret in text:
                verdict.add("secret", f"{secret} in {text[max(0, text.index(secret) - 100) :][:200]!r}")
        if "This is a defect of" in text or "Traceback" in text:
            verdict.add("defect", text[:300])


def _show(case: Case, _seed: int) -> None:
    """Play one case and print what people see of it."""
    stage = Stage(case)
    try:
        list(CONSUMERS[case.consumer](stage))
    finally:
        print("\n".join(text[:2000] for text in stage.texts))


def _find(name: str) -> Case:
    return Case(*name.rsplit("/", 2))


KINDS = {
    "neighbour": "an instance that is well got lost, or was harmed",
    "secret": "a secret in what people see",
    "defect": "a sentence that only a defect gives",
}
CAMPAIGN = Campaign("hostile", choose, _find, play_case, KINDS, _show)
