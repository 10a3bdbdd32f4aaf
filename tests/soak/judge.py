# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play a case: with its fault, once more without, and a third time; and say what must never happen but did."""

from __future__ import annotations

import base64
import html
import json
import random
import unicodedata
import urllib.parse
from collections.abc import Mapping
from typing import Any, Protocol

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ocore.cloud.extensions.emulator.auth import Auth
from ansible_collections.ocore.cloud.extensions.emulator.seed import seed
from ansible_collections.ocore.cloud.plugins.module_utils._ops import info
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Outcome, play

from .campaign import Verdict
from .cases import MASKED, MAY_REFUSE, NEW_ENV, OLD_ENV, WRITTEN_AGAIN, Case, Story
from .door import API_URL, Door, VirtualTime

TOKEN = "ocore_k_planted-<&>-token"
WAIT_TIMEOUT = 120
REQUEST_TIMEOUT = 10
SETTLED = 1_000_000
"""Seconds after which everything that was begun is over."""
KINDS = {
    "duplicate": "two instances of one declaration, and nobody was told",
    "lost": "reported as done, but the instance is not as declared",
    "foreign": "what somebody else wrote got lost, and nobody was told",
    "twice": "an action was done twice",
    "neighbour": "an instance that the task is not about was changed",
    "overtime": "the task outlasted its deadline",
    "stuck": "a re-run without faults fails",
    "astray": "a re-run without faults does not lead to what is declared",
    "restless": "a third run changes something",
    "secret": "a secret in what people see",
    "not_json": "NaN or Infinity in the result",
}


class Scene(Protocol):
    """What a stage is set for: a story, and what the API is like."""

    @property
    def name(self) -> str: ...
    @property
    def story(self) -> Story: ...
    @property
    def switches(self) -> Mapping[str, object]: ...


class Stage:
    """A story at play: an emulator with some instances, and what the task says about them."""

    def __init__(self, case: Scene, seed: int) -> None:
        self.case = case
        random.seed(f"{seed}/{case.name}")
        self.time = VirtualTime()
        self.door = Door(self.time, auth=_auth(), organizations=("acme",), switches={"step_time": 3.0})
        self.world = self.door.world
        server, other = (server["id"] for server in self.world.store.servers["acme"])
        self._seed(2, serverId=other)
        self.neighbours = self._truth()
        shop = self._seed(1, serverId=server, restartCount=0, **_before(case)) if case.story.before else [""]
        self._replace = {"SERVER": server, "ID": shop[0]}
        self.world.settings.change(case.switches)

    def _seed(self, count: int, **fields: Any) -> list[str]:
        defaults = {"status": "running", "odooEdition": "community", "odooVersion": "19.0"}
        return [made.id for made in seed(self.world.store, "acme", count, {**defaults, **fields})]

    def _truth(self) -> list[dict[str, Any]]:
        return [dict(i.fields) for i in self.world.store.alive() if i.status != "removing"]

    def truth(self, slug: str) -> list[dict[str, Any]]:
        """Return what the task's instance with this slug is: all that have it, or its name and a slug made of it."""
        known = {entry["id"] for entry in self.neighbours}
        name = self._name(slug)
        return [
            fields
            for fields in self._truth()
            if fields["id"] not in known
            and (fields["slug"] == slug or (name and unicodedata.normalize("NFC", fields["name"].strip()) == name))
        ]

    def _name(self, slug: str) -> str | None:
        options = self.case.story.options
        items = options.get("instances", [options])
        return next((item.get("name") for item in items if item.get("slug", "shop") == slug), None)

    def run(self, check: bool = False) -> Outcome:
        """Run the task once."""
        operation = self.case.story.operation
        given = {
            "api_url": API_URL,
            "api_token": TOKEN,
            "organization": "acme",
            "retries": 3,
            "request_timeout": REQUEST_TIMEOUT,
            **({} if operation is info.OPERATION else {"wait_timeout": WAIT_TIMEOUT, "wait_interval": 2.0}),
            **_filled(self.case.story.options, self._replace),
        }
        checked = ArgumentSpecValidator(operation.spec, **operation.rules).validate(given)
        assert not checked.error_messages, checked.error_messages
        options = {name: checked.validated_parameters[name] for name in operation.spec}
        with self.door.open():
            self.time.catch_up()
            return play(operation, time=self.time, check=check, **options)

    def settle(self) -> None:
        """Let everything that was begun come to its end."""
        self.world.store.hasten(SETTLED)
        self.world.store.hasten_late(SETTLED)
        self.world.store.hasten(SETTLED)

    def writes(self, since: int) -> list[str]:
        return [e["operation"] for e in self.world.log.entries(since) if e["method"] != "GET"]

    @property
    def could_look(self) -> bool:
        """Return whether a list was answered after the last request that creates."""
        entries = self.world.log.entries()
        created = max((e["seq"] for e in entries if e["operation"] == "create"), default=0)
        return any(e["operation"] == "list" and e["status"] == 200 for e in entries if e["seq"] > created)

    @property
    def asked(self) -> int:
        """How many requests there were."""
        entries = self.world.log.entries()
        return int(entries[-1]["seq"]) if entries else 0


def play_case(case: Case, seed: int, verdict: Verdict) -> None:
    """Play a case and add what went wrong."""
    stage = Stage(case, seed)
    stage.world.faults.add(case.rule)
    began = stage.time.latest()
    first = stage.run()
    verdict.counts["refused"] = int(bool(first.get("failed")))
    _check_time(stage, first, stage.time() - began, verdict)
    _check_output(first, verdict)
    stage.world.faults.clear()
    stage.settle()
    told = _told(first)
    if first.get("failed") and not stage.could_look:
        # Nothing answered, so this run could only say that it does not know; the next one has to find out.
        told += _told(stage.run())
        stage.settle()
    twins = _check_twins(stage, told, verdict)
    if not first.get("failed"):
        check_truth(stage, "lost", verdict, said_to_be_gone=_said_to_be_gone(stage))
        _check_once(stage, first, verdict)
    _check_foreign(stage, first, verdict)
    if not twins:
        _run_again(stage, told, verdict)
    check_neighbours(stage, verdict)


def _said_to_be_gone(stage: Stage) -> bool:
    """Return whether the API said of its own accord that nothing is there, which no removal can doubt."""
    entries = stage.world.log.entries()
    hit = {e["operation"] for e in entries if e["fault"]}
    return (stage.case.fault == "list" and "list" in hit) or (stage.case.fault == "404_before" and "delete" in hit)


def _run_again(stage: Stage, told: str, verdict: Verdict) -> None:
    second = stage.run()
    _check_output(second, verdict)
    stage.settle()
    if second.get("failed"):
        if not _may_refuse(stage.case, second["msg"]):
            verdict.add("stuck", second["msg"][:400])
        return
    check_truth(stage, "astray", verdict, told=told)
    if not stage.case.story.steady:
        return
    asked = stage.asked
    third = stage.run()
    _check_output(third, verdict)
    if any(WRITTEN_AGAIN in warning for warning in third.warnings) and stage.case.variant in MASKED:
        return
    if third.get("changed") or stage.writes(asked):
        verdict.add("restless", f"actions {third.get('actions')}, writes {stage.writes(asked)}")


def _may_refuse(case: Case, text: str) -> bool:
    """Return whether a task may end with this sentence although nothing goes wrong: it is the one for this variant."""
    return any(sentence in text for sentence in MAY_REFUSE.get(case.variant, ()))


def _check_time(stage: Stage, first: Outcome, took: float, verdict: Verdict) -> None:
    limit = WAIT_TIMEOUT + REQUEST_TIMEOUT + 1
    if stage.case.story.operation is info.OPERATION:
        # It has no wait_timeout, but what all retries of a request may take.
        limit = 4 * REQUEST_TIMEOUT + REQUEST_TIMEOUT + 1
    if took > limit:
        verdict.add("overtime", f"{took:.0f} s, at most {limit} were given; {str(first.get('msg'))[:200]}")


def _check_output(result: Outcome, verdict: Verdict) -> None:
    shown = {"result": result, "warnings": result.warnings, "progress": result.progress}
    text = json.dumps(shown, ensure_ascii=False, default=str)
    found = [form for form in _FORMS if form in text]
    if found and not any(kind == "secret" for kind, _text in verdict.problems):
        verdict.add("secret", f"{found[0]!r} in {_around(text, found[0])}")
    try:
        json.dumps(result, allow_nan=False)
    except ValueError:
        verdict.add("not_json", "a number that JSON does not know")


def _forms(secret: str) -> set[str]:
    """Return how a secret may be written, as it stands in JSON."""
    go = json.dumps(secret)[1:-1].replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    quoted = urllib.parse.quote(secret, safe="")
    forms = {
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        go,
        html.escape(secret),
        "".join(c if c.isalnum() else f"&#{ord(c)};" for c in secret),
        quoted,
        quoted.lower(),
        "".join(f"%{byte:02X}" for byte in secret.encode()),
        base64.b64encode(secret.encode()).decode(),
    }
    return {json.dumps(form, ensure_ascii=False)[1:-1] for form in forms}


_FORMS = [form for secret in (TOKEN, *OLD_ENV.values(), *NEW_ENV.values()) for form in sorted(_forms(secret))]


def _around(text: str, form: str) -> str:
    at = text.index(form)
    return text[max(0, at - 80) : at + 20]


def _told(result: Outcome) -> str:
    """Return everything that the user was told."""
    results = [entry.get("error") for entry in result.get("results", []) if isinstance(entry, dict)]
    return json.dumps([result.get("msg", ""), result.warnings, results], ensure_ascii=False, default=str)


def _check_twins(stage: Stage, told: str, verdict: Verdict) -> bool:
    """Return whether there are two instances of one declaration; nobody may have to find that out by himself."""
    twins = False
    for slug in stage.case.story.truth:
        ids = [fields["id"] for fields in stage.truth(slug)]
        if len(ids) > 1:
            twins = True
            if not all(instance_id in told for instance_id in ids):
                verdict.add("duplicate", f"{len(ids)} instances for {slug}; told: {told[:300]}")
    return twins


def check_truth(stage: Stage, kind: str, verdict: Verdict, told: str = "", said_to_be_gone: bool = False) -> None:
    """Look whether the instances are what the story says."""
    for slug, wanted in stage.case.story.truth.items():
        found = stage.truth(slug)
        if wanted is None:
            if found and not said_to_be_gone:
                verdict.add(kind, f"{slug} is still there, {found[0]['status']}")
        elif not found:
            verdict.add(kind, f"there is no {slug}")
        else:
            differences = _differences(stage, found[0], wanted, told)
            if differences:
                verdict.add(kind, f"{slug}: {differences}")


def _differences(stage: Stage, found: dict[str, Any], wanted: dict[str, Any], told: str) -> str:
    texts = []
    for name, value in wanted.items():
        have = found[name]
        if name == "envVars":
            have = {key: item for key, item in have.items() if key != "FOREIGN"}
        if name == "restartCount":
            # How often it may be restarted is looked at elsewhere; a restart that is owed must be made up or named.
            # A PUT that restarts the instance by itself leaves nothing to be made up.
            uncounted = stage.case.switches.get("restart_visible") == "status_only"
            owed = "state: restarted" in told or stage.case.switches.get("put_status") == "restarting"
            if have < value and not owed and not uncounted:
                texts.append(f"{name} is {have}, not {value}")
        elif have != value:
            texts.append(f"{name} is {have!r}, not {value!r}")
    return "; ".join(texts)


def _check_once(stage: Stage, first: Outcome, verdict: Verdict) -> None:
    for slug, wanted in stage.case.story.truth.items():
        found = stage.truth(slug)
        if wanted and found and found[0]["restartCount"] > wanted.get("restartCount", 0):
            verdict.add("twice", f"{slug} was restarted {found[0]['restartCount']} times; {first.get('actions')}")


def _check_foreign(stage: Stage, first: Outcome, verdict: Verdict) -> None:
    """What somebody else wrote meanwhile is kept, or named."""
    if not stage.case.fault.startswith("meanwhile") or stage.case.story.options.get("purge_env_vars"):
        return
    fired = _noticeable(stage.world.log.entries(), stage.case.fault == "meanwhile_before")
    for slug, wanted in stage.case.story.truth.items():
        found = stage.truth(slug)
        hit = found and any(entry["id"] == found[0]["id"] for entry in fired)
        if hit and wanted and "FOREIGN" not in found[0]["envVars"] and "FOREIGN" not in _told(first):
            verdict.add("foreign", f"{slug}: FOREIGN is gone; {first.get('msg', 'reported as done')[:200]}")


def _noticeable(entries: list[dict[str, Any]], before: bool) -> list[dict[str, Any]]:
    """Return the requests at which somebody else wrote what the task could know of.

    It cannot know what is written after its last read by id and before its PUT: there is no ETag.
    """
    noticeable: list[dict[str, Any]] = []
    unread: list[dict[str, Any]] = []
    for entry in entries:
        fired = entry["fault"] == "meanwhile"
        if entry["operation"] == "get":
            noticeable += unread + ([entry] if fired and before else [])
            unread = [entry] if fired and not before else []
        elif entry["operation"] == "update":
            unread = []
            noticeable += [entry] if fired and not before else []
        elif fired:
            unread.append(entry)
    return noticeable + unread


def check_neighbours(stage: Stage, verdict: Verdict) -> None:
    """Look whether the other instances are as they were."""
    now = {fields["id"]: fields for fields in stage._truth()}
    for before in stage.neighbours:
        fields = now.get(before["id"])
        if fields is None:
            verdict.add("neighbour", f"{before['slug']} was removed")
            continue
        changed = [n for n in before if n not in ("updatedAt", "envVars") and fields[n] != before[n]]
        lost = [name for name, value in before["envVars"].items() if fields["envVars"].get(name) != value]
        if changed or lost:
            verdict.add("neighbour", f"{before['slug']}: {changed} {sorted(lost)}")


def _before(case: Scene) -> dict[str, Any]:
    return {"envVars": dict(OLD_ENV), "addonsPath": "/mnt/a", "mcpWriteEnabled": False, **(case.story.before or {})}


def _filled(value: Any, replace: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, replace) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, replace) for item in value]
    return replace.get(value, value) if isinstance(value, str) else value


def _auth() -> Any:
    return Auth([TOKEN])
