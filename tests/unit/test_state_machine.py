# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is declared in whatever order, on a network that fails: it ends as declared.

A hypothesis state machine creates, changes, controls and removes instances of the emulator through ``entry.run``, one by
one and as a fleet. Each step is first run in check mode, then for real with a fault, then again. Never two instances, no
lost field or variable, check mode wrote nothing and predicted what was done, and the second run changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.plugins.module_utils._ops import control, fleet, instance
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Outcome, Time, play
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

SLUGS = st.sampled_from(["shop", "shop-2", "store"])
ENV = st.dictionaries(st.sampled_from(["A", "B", "SMTP_HOST"]), st.sampled_from(["", "1", "two words", "ünï"]))
POWER = st.sampled_from(["started", "stopped"]) | st.none()
WRITES = {"create", "update", "delete", "control"}

#: What an error says where a request may or may not have been carried out.
OPEN = ("Nothing shows whether it is in progress", "nothing but a slug could tell a second instance from the first")

POWERED = {"started": "running", "stopped": "stopped"}

#: What the documentation leaves open and a client must not mind.
SWITCHES: dict[str, list[object]] = {
    "status_vocabulary": ["full", "concepts", "active", "healthy", "unknown_between"],
    "status_case": ["lower", "title", "upper"],
    "deleted": ["404", "word", "word_and_listed", "listed_for_a_while"],
    "error_shape": ["message", "nested", "flat", "text", "html", "empty"],
    "put_missing": ["keep", "clear"],
    "put_status": ["keep", "restarting"],
    "nulls": ["null", "present", "missing", "mixed"],
    "unknown_fields": [False, True],
    "edition_case": ["lower", "title", "upper"],
    "list_detail": ["full", "short"],
    "list_key": ["instances", "data", "bare"],
    "total": ["present", "missing"],
    "paging": ["none", "cursor"],
    "ignore_server_filter": [False, True],
    "restart_visible": ["both", "count_only"],
    "busy_conflict": [False, True],
}
SWITCH = st.sampled_from([(name, value) for name, values in SWITCHES.items() for value in values])

KINDS = [
    ("drop_before", {}),
    ("drop_after", {}),
    ("reset", {}),
    ("error_before", {"status": 500}),
    ("error_before", {"status": 503}),
    ("error_after", {"status": 504}),
    ("bad_gateway_html", {}),
    ("rate_limit", {"retry_after": "none"}),
    ("rate_limit", {"retry_after": "seconds"}),
    ("rate_limit", {"retry_after": "date"}),
    ("cut_json", {}),
    ("truncated_json", {}),
]


def fault(*operations: str) -> st.SearchStrategy[Any]:
    """Give a fault of one of these operations, or of the reads around it, or none."""
    return st.sampled_from([None, *((kind, target) for target in (*operations, "list", "get") for kind in KINDS)])


def key(slug: str) -> dict[str, str]:
    """Give what a task names the instance by. One is known by its name only, so that nothing but we prevents a second."""
    return {"name": "Store"} if slug == "store" else {"slug": slug}


def actions(result: Outcome) -> list[Any]:
    """Give what was done, or in a fleet what was done to each."""
    return [one["actions"] for one in result["results"]] if "results" in result else list(result["actions"])


class Fleet(RuleBasedStateMachine):
    """What was declared is kept in ``declared``: by slug, the true fields of the wire that the task is in charge of."""

    ocore: Emulator

    def __init__(self) -> None:
        super().__init__()
        self.ocore.reset()
        self.servers = self.ocore.server_ids()
        self.declared: dict[str, dict[str, Any]] = {}

    @rule(switch=SWITCH)
    def document_it_otherwise(self, switch: tuple[str, object]) -> None:
        self.ocore.set(**dict([switch]))

    @rule(
        slug=SLUGS,
        letter=st.sampled_from("AB") | st.none(),
        env=ENV | st.none(),
        purge=st.booleans(),
        mcp=st.booleans() | st.none(),
        path=st.sampled_from(["", "/mnt/a", "/mnt/b"]) | st.none(),
        restart=st.booleans(),
        power=POWER,
        fault=fault("create", "update"),
    )
    def declare(
        self,
        slug: str,
        letter: str | None,
        env: dict[str, str] | None,
        purge: bool,
        mcp: bool | None,
        path: str | None,
        restart: bool,
        power: str | None,
        fault: Any,
    ) -> None:
        new = slug not in self.declared
        name = key(slug).get("name") or (f"{slug} {letter or 'A'}" if letter or new else None)
        fields = {"name": name, "addons_path": path, "env_vars": env, "mcp_write_enabled": mcp, "power": power}
        wanted = {
            **key(slug),
            "server_id": self.servers[0],
            "odoo_edition": "community",
            **{key: value for key, value in fields.items() if value is not None},
        }
        self.check(instance.OPERATION, {**wanted, "purge_env_vars": purge, "restart_on_change": restart}, fault)
        state = self.declared.setdefault(slug, self.new(""))
        state["name"] = name or state["name"]
        state["addonsPath"] = state["addonsPath"] if path is None else path
        state["mcp"] = state["mcp"] if mcp is None else mcp
        state["power"] = POWERED.get(power or "", state["power"])
        if env is not None:
            state["envVars"] = {**({} if purge else state["envVars"]), **env}

    @rule(
        slugs=st.lists(SLUGS, min_size=1, unique=True),
        absent=st.sets(SLUGS, max_size=1),
        path=st.sampled_from(["/mnt/a", "/mnt/b"]) | st.none(),
        mcp=st.booleans() | st.none(),
        power=POWER,
        fault=fault("create", "update", "delete"),
    )
    def declare_fleet(
        self, slugs: list[str], absent: set[str], path: str | None, mcp: bool | None, power: str | None, fault: Any
    ) -> None:
        items = []
        for slug in slugs:
            if slug in absent:
                items.append({**key(slug), "state": "absent"})
            elif slug in self.declared:
                items.append(key(slug))
            else:
                items.append({"name": f"{slug} A", **key(slug)})
        shared = {"server_id": self.servers[0], "addons_path": path, "mcp_write_enabled": mcp, "power": power}
        defaults = {name: value for name, value in shared.items() if value is not None}
        self.check(fleet.OPERATION, {"instances": items, "defaults": defaults}, fault)
        for slug in slugs:
            if slug in absent:
                self.declared.pop(slug, None)
                continue
            state = self.declared.setdefault(slug, self.new(key(slug).get("name") or f"{slug} A"))
            state["addonsPath"] = state["addonsPath"] if path is None else path
            state["mcp"] = state["mcp"] if mcp is None else mcp
            state["power"] = POWERED.get(power or "", state["power"])

    @staticmethod
    def new(name: str) -> dict[str, Any]:
        """Give what oCore makes of a creation without further fields."""
        return {"name": name, "addonsPath": "", "envVars": {}, "mcp": False, "power": "running"}

    @rule(slug=SLUGS, fault=fault("delete"))
    def remove(self, slug: str, fault: Any) -> None:
        self.check(instance.OPERATION, {**key(slug), "state": "absent"}, fault)
        self.declared.pop(slug, None)

    @rule(slug=SLUGS, state=st.sampled_from(control.STATES), fault=fault("control"))
    def control(self, slug: str, state: str, fault: Any) -> None:
        if slug not in self.declared:
            assert "There is no instance" in self.run(control.OPERATION, {**key(slug), "state": state})["msg"]
            return
        self.check(control.OPERATION, {**key(slug), "state": state}, fault)
        self.declared[slug]["power"] = "stopped" if state == "stopped" else "running"

    def run(self, operation: Operation, options: dict[str, Any], check: bool = False) -> Outcome:
        return play(
            operation,
            self.ocore.api_url,
            check=check,
            time=Time(),
            retries=3,
            **{"api_token": self.ocore.token, **options},
        )

    def check(self, operation: Operation, options: dict[str, Any], fault: Any) -> None:
        self.ocore.clear_log()
        predicted = self.run(operation, options, check=True)
        assert not predicted.get("failed"), predicted
        assert not self.writes(), "check mode wrote"
        if fault is not None:
            (kind, parameters), target = fault
            self.ocore.fault(kind, target, **parameters)
        result = self.run(operation, options)
        self.ocore.clear_faults()
        if result.get("failed"):
            # Only what got no answer may end so: whether to request it once more is for people to decide.
            assert any(words in result["msg"] for words in OPEN), result
            assert actions(predicted) != []
            result = self.run(operation, options)
            assert not result.get("failed"), result
        else:
            assert actions(result) == actions(predicted)
            assert result["changed"] == predicted["changed"]
        if options.get("state") == "restarted":
            return
        self.ocore.clear_log()
        again = self.run(operation, options)
        assert (again.get("failed"), again["changed"]) == (None, False), again
        assert not self.writes(), "the second run wrote"

    def writes(self) -> list[dict[str, Any]]:
        return [entry for entry in self.ocore.log() if entry["operation"] in WRITES]

    @invariant()
    def everything_is_as_declared(self) -> None:
        there = [i for i in self.ocore.instances() if i["status"] != "removing"]
        assert sorted(i["slug"] for i in there) == sorted(self.declared), "one is missing, or there are two"
        for found in there:
            state = self.declared[found["slug"]]
            assert found["name"] == state["name"]
            assert (found["addonsPath"] or "") == state["addonsPath"]
            assert (found["envVars"] or {}) == state["envVars"]
            assert bool(found["mcpWriteEnabled"]) == state["mcp"]
            assert found["serverId"] == self.servers[0]
            assert found["status"] == state["power"]


@pytest.fixture(scope="module", autouse=True)
def _emulator() -> Iterator[None]:
    with Emulator(step_by="requests", page_size=2) as ocore:
        Fleet.ocore = ocore
        yield


TestFleet = Fleet.TestCase
TestFleet.settings = settings(
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
