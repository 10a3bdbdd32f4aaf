# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of stories: the state machine of `tests/unit/test_state_machine.py`, and somebody else who meddles.

Between the steps of a story another client creates, changes, renames, stops and removes the same instances. Each task then finds
what there is: it leads to what is declared, check mode foresees it, and the second run changes nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import hypothesis
import requests
from ansible_collections.ocore.cloud.extensions.emulator.auth import Auth
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.test_state_machine import SLUGS, Fleet, key
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from .campaign import Campaign, Verdict
from .door import API_URL, Door, VirtualTime

STORIES = 10
"""Stories of a case."""


class Local(Emulator):
    """The emulator of this process, steered like one of its own."""

    def __init__(self) -> None:
        super().__init__()
        switches = {"step_by": "requests", "page_size": 2}
        self.door = Door(VirtualTime(), auth=Auth([self.token]), organizations=("acme", "globex"), switches=switches)
        self.api_url = API_URL

    def admin(self, method: str, path: str, body: object = None) -> Any:
        request = requests.Request(method, f"{self.url}/_emulator{path}", json=body).prepare()
        exchange = self.door.carry_out(request)
        text = b"".join(data for _delay, data in exchange.chunks)
        if exchange.status is None or exchange.status >= 400:
            raise RuntimeError(f"{method} {path}: {text!r}")
        return json.loads(text) if text else None


class Meddled(Fleet):
    """A fleet that is not ours alone."""

    told: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.told["stories"] += 1

    def outside(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Do what another client does, and let it come to its end."""
        headers = {"Authorization": f"Bearer {self.ocore.token}"}
        answer = requests.request(
            method, f"{self.ocore.api_url}/instances{path}", json=body, headers=headers, timeout=5
        )
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)
        self.ocore.advance(100)
        self.told["meddled"] += 1

    def put(self, slug: str) -> None:
        """Send what is declared as another client's update."""
        state = self.declared[slug]
        fields = {"name": state["name"], "addonsPath": state["addonsPath"]}
        body = {**fields, "envVars": state["envVars"], "mcpWriteEnabled": state["mcp"]}
        self.outside("PUT", f"/{self.ocore.instance(slug)['id']}", body)

    @precondition(lambda self: self.declared)
    @rule(slug=SLUGS, value=st.sampled_from(["", "1", "2"]))
    def somebody_sets_a_variable(self, slug: str, value: str) -> None:
        if slug in self.declared:
            self.declared[slug]["envVars"] = {**self.declared[slug]["envVars"], "FOREIGN": value}
            self.put(slug)

    @precondition(lambda self: self.declared)
    @rule(slug=SLUGS)
    def somebody_renames(self, slug: str) -> None:
        if slug in self.declared and "slug" in key(slug):
            self.declared[slug]["name"] += "!"
            self.put(slug)

    @precondition(lambda self: self.declared)
    @rule(slug=SLUGS, action=st.sampled_from(["stop", "start", "restart"]))
    def somebody_controls(self, slug: str, action: str) -> None:
        if slug in self.declared:
            self.outside("POST", f"/{self.ocore.instance(slug)['id']}/control", {"action": action})
            self.declared[slug]["power"] = "stopped" if action == "stop" else "running"

    @precondition(lambda self: self.declared)
    @rule(slug=SLUGS)
    def somebody_removes(self, slug: str) -> None:
        if slug in self.declared:
            self.outside("DELETE", f"/{self.ocore.instance(slug)['id']}", {})
            del self.declared[slug]

    @rule(slug=SLUGS)
    def somebody_creates(self, slug: str) -> None:
        if slug not in self.declared:
            name = key(slug).get("name") or f"{slug} A"
            self.outside("POST", "", {"name": name, "slug": slug, "serverId": self.servers[0]})
            self.declared[slug] = self.new(name)


@dataclass(frozen=True)
class Case:
    """Some stories, by their number."""

    number: int

    @property
    def name(self) -> str:
        return str(self.number)

    @property
    def row(self) -> str:
        return "stories"


def _play(case: Case, seed: int, verdict: Verdict) -> None:
    class Machine(Meddled):
        told: ClassVar[Counter[str]] = Counter()

    hypothesis.seed(seed * 1_000_000 + case.number)(Machine)
    Machine.ocore = Local()
    options = settings(
        max_examples=STORIES,
        stateful_step_count=20,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        print_blob=False,
    )
    try:
        with Machine.ocore.door.open():
            run_state_machine_as_test(Machine, settings=options)
    except AssertionError as error:
        verdict.add("astray", " ".join(str(error).split())[:600])
    verdict.counts.update(Machine.told)


KINDS = {"astray": "a task did not lead to what is declared, or changed something the second time"}
CAMPAIGN = Campaign("stories", lambda size, _seed: map(Case, range(size)), lambda name: Case(int(name)), _play, KINDS)
