# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many instances in one task: what is refused, what is planned, what is sent, and what each gets to hear."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops import entry
from ansible_collections.ocore.cloud.plugins.module_utils._ops.fleet import (
    ITEM_SPEC,
    OPERATION,
    execute,
    place_on_servers,
    plan_item,
    plan_purge,
    read_declaration,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import Prepared
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Run
from ansible_collections.ocore.cloud.plugins.module_utils._ops.scheduler import Item, Planned
from ansible_collections.ocore.cloud.tests.unit.helpers.api import (
    SERVER,
    Time,
    client,
    clock,
    fail,
    listing,
    wire,
    wire_server,
)
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted

OTHER_SERVER = "7c1d6a52-53a5-4d8c-8f45-3b8c1d4f3a77"
A, B, C = (f"{letter}c0fd1f3-6f1e-4f0c-9d8e-0d9d5a1b7c11" for letter in "abc")


def validated(instances: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    """Give the options as AnsibleModule does."""
    given = {
        "api_url": "http://127.0.0.1:9/api",
        "api_token": "ocore_t",
        "retries": 0,
        "instances": instances,
        **options,
    }
    checked = ArgumentSpecValidator(OPERATION.spec, **OPERATION.rules).validate(given)
    assert not checked.error_messages
    return dict(checked.validated_parameters)


def run_of(options: dict[str, Any]) -> Run:
    return Run(options, True, client("http://127.0.0.1:9/api"), clock(Time()), fail)


def planned(instances: list[dict[str, Any]], *entries: Any, **options: Any) -> list[Item]:
    """Plan a fleet against a list answer, without a request."""
    known = listing(*entries)
    run = run_of(validated(instances, **options))
    items = read_declaration(run)
    purged = place_on_servers(run, items)
    for item in items:
        plan_item(item, known)
    return items + plan_purge(run, items, known, purged)


def prepared(item: Item) -> Prepared:
    assert isinstance(item.state, Planned), item.state
    return item.state.prepared


def refused(instances: list[dict[str, Any]], **options: Any) -> str:
    with pytest.raises(OcoreError) as caught:
        read_declaration(run_of(validated(instances, **options)))
    return caught.value.message


NEW = {"name": "Shop", "slug": "shop", "server_id": SERVER}


@pytest.mark.parametrize(
    ("given", "entry", "actions"),
    [
        pytest.param(NEW, None, ["create"], id="new"),
        pytest.param({**NEW, "power": "started"}, None, ["create"], id="new, to run"),
        pytest.param({**NEW, "power": "stopped"}, None, ["create", "stop"], id="new, to be stopped"),
        pytest.param({**NEW, "mcp_write_enabled": True}, None, ["create", "update"], id="new, with what a PUT sets"),
        pytest.param(NEW, wire(), [], id="as declared"),
        pytest.param({"slug": "shop", "power": "started"}, wire(), [], id="runs already"),
        pytest.param({"slug": "shop", "power": "stopped"}, wire(), ["stop"], id="to be stopped"),
        pytest.param({"slug": "shop", "power": "started"}, wire(status="stopped"), ["start"], id="to be started"),
        pytest.param(
            {"slug": "shop", "power": "started"}, wire(status="failed"), ["start"], id="failed, to be started"
        ),
        pytest.param({"slug": "shop", "power": "stopped"}, wire(status="stopping"), [], id="on its way to stopped"),
        pytest.param({"slug": "shop", "addons_path": "/x"}, wire(), ["update"], id="changed"),
        pytest.param(
            {"slug": "shop", "addons_path": "/x", "restart_on_change": True},
            wire(),
            ["update", "restart"],
            id="restarted",
        ),
        pytest.param(
            {"slug": "shop", "addons_path": "/x", "restart_on_change": True, "power": "started"},
            wire(),
            ["update", "restart"],
            id="a restart starts as well",
        ),
        pytest.param(
            {"slug": "shop", "addons_path": "/x", "restart_on_change": True, "power": "stopped"},
            wire(),
            ["update", "stop"],
            id="no restart of what is to be stopped",
        ),
        pytest.param({"slug": "shop", "state": "absent"}, wire(), ["delete"], id="to be removed"),
        pytest.param(
            {"slug": "shop", "state": "absent", "power": "stopped"}, wire(), ["delete"], id="not stopped first"
        ),
        pytest.param({"slug": "shop", "state": "absent"}, None, [], id="gone"),
        pytest.param({"slug": "shop", "state": "absent"}, wire(status="removing"), [], id="on its way out"),
    ],
)
def test_fleet_plans_what_ocore_instance_plans(given: dict[str, Any], entry: Any, actions: list[str]) -> None:
    [item] = planned([given], *([entry] if entry else []))
    assert prepared(item).plan.actions == actions


@pytest.mark.parametrize(
    ("instances", "words"),
    [
        pytest.param([{"server_id": SERVER}], "instances[0]: One of id, slug and name is required", id="no identity"),
        pytest.param([NEW, {"slug": " "}], "instances[1]: slug is given but empty", id="empty identity"),
        pytest.param([{**NEW, "server_id": ""}], "instances[0]: server_id is given but empty", id="empty server"),
        pytest.param(
            [NEW, {"slug": "x", "env_vars": {"A": None}}],
            "instances[1]: env_vars: A is null.",
            id="env var without a text",
        ),
        pytest.param([{"slug": "a"}, {"slug": "A"}], "slug A is declared 2 times.", id="slug twice"),
        pytest.param(
            [{"slug": "a"}, {"slug": " a "}], "slug a is declared 2 times.", id="slug twice, once with blanks"
        ),
        pytest.param([{"id": A}, {"id": A.upper()}], f"id {A} is declared 2 times.", id="id twice"),
        pytest.param([{"name": "S"}, {"name": "S"}], "name S is declared 2 times.", id="name twice"),
        pytest.param(
            [{"name": "S"}, {"name": "S", "slug": "s"}], "name S is declared 2 times.", id="name with and without slug"
        ),
    ],
)
def test_fleet_refuses_an_invalid_declaration_before_anything_is_sent(
    instances: list[dict[str, Any]], words: str
) -> None:
    message = refused(instances)
    assert message.startswith("Nothing was sent")
    assert words.casefold() in message.casefold()


def test_fleet_names_all_problems_at_once() -> None:
    message = refused([{"server_id": SERVER}, {"slug": "a"}, {"slug": "a"}], max_parallel=0)
    assert "instances[0]" in message
    assert "slug a is declared 2 times" in message
    assert "max_parallel must be 1 or more" in message
    assert "defaults: server_id is given but empty" in refused([{"slug": "a"}], defaults={"server_id": " "})


def test_fleet_allows_one_name_where_slugs_tell_the_instances_apart() -> None:
    items = planned([{"slug": "a", "name": "S", "server_id": SERVER}, {"slug": "b", "name": "S", "server_id": SERVER}])
    assert [prepared(item).plan.actions for item in items] == [["create"], ["create"]]


def test_fleet_defaults_fill_what_an_instance_leaves_out_and_env_vars_are_merged() -> None:
    defaults = {"server_id": SERVER, "env_vars": {"A": 1, "B": 2}, "power": "stopped", "restart_on_change": True}
    own = {"name": "N", "slug": "n", "env_vars": {"B": 3}, "power": "started"}
    items = planned([own, {"name": "M", "slug": "m", "server_id": OTHER_SERVER}], defaults=defaults)
    first, second = (prepared(item).plan.create for item in items)
    assert first == {"name": "N", "slug": "n", "server_id": SERVER, "env_vars": {"A": "1", "B": "3"}}
    assert second == {"name": "M", "slug": "m", "server_id": OTHER_SERVER, "env_vars": {"A": "1", "B": "2"}}
    assert [item.declaration.power for item in items] == ["started", "stopped"]
    assert [item.declaration.restart_on_change for item in items] == [True, True]


def test_fleet_accepts_every_option_of_ocore_instance() -> None:
    values = {"dict": {"A": "b"}, "bool": True, "list": ["x"]}
    given = {name: values.get(spec["type"], "x") for name, spec in ITEM_SPEC.items()}
    given.update(state="present", power="started")
    del given["server_id"]  # instead of server
    assert validated([given])["instances"] == [{**given, "server_id": None}]


@pytest.mark.parametrize(
    ("own", "declared", "removed"),
    [
        ({}, {"A": "1"}, {"B"}),
        ({"env_vars": {"B": 2}}, {"A": "1", "B": "2"}, set()),
        ({"remove_env_vars": ["A"]}, {}, {"A"}),
        ({"env_vars": {"C": 3}, "remove_env_vars": ["A"]}, {"C": "3"}, {"A"}),
        ({"env_vars": {}}, {}, {"B"}),
    ],
)
def test_fleet_instance_decides_which_env_vars_it_has_or_lacks(
    own: dict[str, Any], declared: dict[str, str], removed: set[str]
) -> None:
    (item,) = planned([{"slug": "a", **own}], defaults={"env_vars": {"A": 1}, "remove_env_vars": ["B"]})
    assert (item.declaration.env_vars, item.declaration.remove_env_vars) == (declared, removed)


@pytest.mark.parametrize(
    ("defaults", "own", "found"),
    [
        ({"server": "alpha"}, {}, SERVER),
        ({"server": "beta"}, {"server": "alpha"}, SERVER),
        ({"server": "beta"}, {"server_id": SERVER}, SERVER),
        ({"server_id": OTHER_SERVER}, {"server": "alpha"}, SERVER),
        ({}, {"server": SERVER}, SERVER),
    ],
)
def test_server_of_an_instance_wins_over_that_of_the_defaults(
    defaults: dict[str, Any], own: dict[str, Any], found: str
) -> None:
    with Scripted() as ocore:
        if own.get("server_id") != SERVER and own.get("server") != SERVER:
            ocore.expect("GET", "/servers", answer={"servers": [wire_server()]})
        run = replace(run_of(validated([{"slug": "a", **own}], defaults=defaults)), client=client(ocore.api_url))
        items = read_declaration(run)
        place_on_servers(run, items)
    assert items[0].declaration.fields["server_id"] == found


def test_server_names_of_a_fleet_cost_one_request_in_all() -> None:
    fleet = [{"name": n, "slug": n, "server": s} for n, s in (("a", "alpha"), ("b", " beta"), ("c", SERVER))]
    servers = [wire_server(), wire_server(id=OTHER_SERVER, name="beta")]
    with Scripted() as ocore:
        ocore.expect("GET", "/servers", answer={"servers": servers})
        ocore.expect("GET", "/instances", answer={"instances": [wire(id=A, serverId=OTHER_SERVER, slug="old")]})
        options = validated(fleet, purge=True, purge_servers=["beta"], purge_server_ids=["srv-1"])
        run = replace(run_of(options), client=client(ocore.api_url))
        execute(run)
    assert [(result["slug"], result["actions"]) for result in run.result["results"]] == [
        ("a", ["create"]),
        ("b", ["create"]),
        ("c", ["create"]),
        ("old", ["delete"]),
    ]
    assert [r["instance"] and r["instance"]["server_id"] for r in run.result["results"]] == [
        SERVER,
        OTHER_SERVER,
        SERVER,
        None,
    ]


def test_server_of_what_is_removed_is_not_looked_up() -> None:
    items = planned([{"slug": "shop", "state": "absent", "server": "gone"}], wire())
    assert prepared(items[0]).plan.actions == ["delete"]


def test_server_names_that_fit_none_are_all_in_one_error() -> None:
    with Scripted() as ocore:
        ocore.expect("GET", "/servers", answer={"servers": [wire_server()]})
        options = validated([{"slug": "a", "server": "alfa"}, {"slug": "b", "server": "{{ b }}"}])
        with pytest.raises(OcoreError) as caught:
            execute(replace(run_of(options), client=client(ocore.api_url)))
    assert "There is no server 'alfa' and no server '{{ b }}'. The organization has: alpha (" in caught.value.message
    assert caught.value.message.endswith("Nothing was changed.")


@pytest.mark.parametrize(
    ("instances", "defaults"),
    [([{"slug": "a", "server": "x", "server_id": "y"}], {}), ([], {"server": "x", "server_id": "y"})],
)
def test_server_by_name_and_id_is_refused(instances: list[dict[str, Any]], defaults: dict[str, Any]) -> None:
    given = {"api_token": "t", "instances": instances, "defaults": defaults}
    checked = ArgumentSpecValidator(OPERATION.spec, **OPERATION.rules).validate(given)
    assert "mutually exclusive: server|server_id" in checked.error_messages[0]


@pytest.mark.parametrize(
    ("instances", "options", "words"),
    [
        pytest.param([NEW], {"purge": True}, "purge needs purge_servers or purge_server_ids", id="no servers"),
        pytest.param(
            [NEW],
            {"purge": True, "purge_server_ids": [""]},
            "purge needs purge_servers or purge_server_ids",
            id="empty server",
        ),
        pytest.param([], {"purge": True, "purge_server_ids": [SERVER]}, "set purge_all", id="no instances"),
        pytest.param(
            [{"slug": "a", "state": "absent"}],
            {"purge": True, "purge_server_ids": [SERVER]},
            "set purge_all",
            id="all absent",
        ),
    ],
)
def test_purge_that_is_invalid_is_refused(instances: Any, options: dict[str, Any], words: str) -> None:
    assert words in refused(instances, **options)


@pytest.mark.parametrize(
    ("instances", "entries", "removed"),
    [
        pytest.param([NEW], [wire(), wire(id=A, slug="a", name="A")], [A], id="undeclared"),
        pytest.param(
            [NEW], [wire(), wire(id=A, slug="a", name="A", serverId=OTHER_SERVER)], [], id="on another server"
        ),
        pytest.param([NEW], [wire(), wire(id=A, slug="a", name="A", serverId=None)], [], id="on an unknown server"),
        pytest.param(
            [NEW], [wire(), wire(id=A, slug="a", name="A", serverId=SERVER.upper())], [A], id="server in capitals"
        ),
        pytest.param([NEW], [wire(), wire(id=A, slug="a", name="A", status="removing")], [], id="leaving already"),
        pytest.param([NEW], [wire(), wire(id=A, slug="a", name="A", status="deleted")], [], id="deleted already"),
        pytest.param([NEW], [wire(), wire(id=A, slug="a", name="Shop")], [A], id="namesake of a declared one"),
        pytest.param(
            [{"name": "Shop"}, {"slug": "x", "name": "X", "server_id": SERVER}],
            [wire(id=A, slug="a"), wire(id=B, slug="b"), wire(id=C, slug="c", name="C")],
            [C],
            id="ambiguous ones are spared",
        ),
        pytest.param([{**NEW, "slug": "shop-new"}], [wire(id=A)], [], id="namesake of one to be created is spared"),
        pytest.param(
            [{**NEW, "odoo_version": "1.0"}],
            [wire(id=A), wire(id=B, slug="b", name="B")],
            [B],
            id="failed one is spared",
        ),
        pytest.param(
            [{"id": A}], [wire(id=A, slug="a", name="A"), wire(id=B, slug="b", name="B")], [B], id="declared by id"
        ),
    ],
)
def test_purge_takes_what_nobody_declares_and_nothing_else(
    instances: list[dict[str, Any]], entries: list[Any], removed: list[str]
) -> None:
    items = planned(instances, *entries, purge=True, purge_server_ids=[SERVER])
    purged = [prepared(item) for item in items if item.purged]
    assert [one.current.id for one in purged if one.current] == removed
    assert all(one.plan.actions == ["delete"] for one in purged)


def test_purge_all_empties_a_server() -> None:
    items = planned([], wire(id=A), wire(id=B, slug="b"), purge=True, purge_all=True, purge_server_ids=[SERVER])
    assert [prepared(item).plan.actions for item in items] == [["delete"], ["delete"]]


def test_fleet_result_counts_and_shows_only_changes_in_the_diff() -> None:
    with Scripted() as ocore:
        entries = [wire(id=key, slug=slug, name=slug.upper()) for key, slug in ((A, "a"), (B, "b"), (C, "c"))]
        ocore.expect("GET", "/instances", answer=entries)
        given = [NEW, {"slug": "a", "addons_path": "/x"}, {"slug": "b", "state": "absent"}, {"slug": "c"}]
        task = Run(validated(given), True, client(ocore.api_url), clock(Time()), fail)
        execute(task)
    counts = {name: count for name, count in task.result["summary"].items() if count}
    assert counts == {"total": 4, "unchanged": 1, "changed": 3, "created": 1, "updated": 1, "deleted": 1}
    assert [diff["after_header"] for diff in task.result["diff"]] == [
        "instance slug shop",
        f"instance a ({A})",
        f"instance b ({B})",
    ]
    assert task.result["changed"] is True
    assert [one["id"] for one in task.result["results"]] == [None, A, B, C]


@pytest.fixture(scope="module")
def process() -> Iterator[Emulator]:
    with Emulator(step_by="requests") as running:
        yield running


@pytest.fixture
def ocore(process: Emulator) -> Emulator:
    process.reset()
    return process


class Result(dict[str, Any]):
    warnings: list[str]
    progress: list[str]

    def outcomes(self) -> dict[str, str]:
        return {one["slug"] or one["name"]: one["outcome"] for one in self["results"]}


def run(
    ocore: Emulator,
    instances: list[dict[str, Any]],
    *,
    check: bool = False,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Result:
    """Run the operation against a real server, from the one entry."""
    warnings: list[str] = []
    lines: list[str] = []
    given = {
        "api_url": ocore.api_url,
        "api_token": ocore.token,
        "wait_interval": 0.05,
        "wait_timeout": 20,
        "retries": 2,
    }
    done = entry.run(
        OPERATION,
        validated(instances, **{**given, **options}),
        check_mode=check,
        warn=warnings.append,
        progress=progress or lines.append,
    )
    result = Result(done)
    result.warnings, result.progress = warnings, lines
    return result


def fleet(ocore: Emulator, count: int, **fields: Any) -> list[dict[str, Any]]:
    server = ocore.server_ids()[0]
    return [{"name": f"Shop {n}", "slug": f"shop-{n}", "server_id": server, **fields} for n in range(count)]


def requests(ocore: Emulator) -> Counter[str]:
    return Counter(entry["operation"] for entry in ocore.log())


def test_fleet_creation_is_one_list_their_posts_and_one_list_per_tick(ocore: Emulator) -> None:
    result = run(ocore, fleet(ocore, 30))
    assert "failed" not in result
    assert result["summary"]["created"] == 30
    sent = requests(ocore)
    assert sent["create"] == 30
    assert set(sent) == {"list", "create"}
    assert {one["instance"]["status"] for one in result["results"]} == {"running"}
    assert len(ocore.instances()) == 30


@pytest.mark.parametrize("count", [1, 50])
def test_idempotent_fleet_costs_one_request(ocore: Emulator, count: int) -> None:
    run(ocore, fleet(ocore, count))
    ocore.clear_log()
    result = run(ocore, fleet(ocore, count))
    assert (result["changed"], result["summary"]["unchanged"], result["diff"]) == (False, count, [])
    assert requests(ocore) == {"list": 1}


def test_fleet_in_check_mode_predicts_everything_and_sends_nothing(ocore: Emulator) -> None:
    ocore.seed(1, slug="undeclared", name="Undeclared")
    given = fleet(ocore, 3, power="stopped")
    options = {"purge": True, "purge_server_ids": ocore.server_ids()}
    foreseen = run(ocore, given, check=True, **options)
    assert requests(ocore) == {"list": 1}
    assert foreseen["changed"]
    done = run(ocore, given, **options)
    assert [one["actions"] for one in done["results"]] == [one["actions"] for one in foreseen["results"]]
    assert done["summary"] == foreseen["summary"]
    assert done["diff"] == foreseen["diff"]


def test_fleet_without_instances_needs_no_request(ocore: Emulator) -> None:
    assert run(ocore, [])["summary"]["total"] == 0
    assert not ocore.log()


def test_idempotent_fleet_converges_with_everything_at_once(ocore: Emulator) -> None:
    first = [
        *fleet(ocore, 2, env_vars={"A": "1"}),
        {**fleet(ocore, 3)[2], "power": "stopped", "mcp_write_enabled": True},
    ]
    run(ocore, first)
    ocore.seed(1, slug="undeclared", name="Undeclared")
    second: list[dict[str, Any]] = [
        {"slug": "shop-0", "env_vars": {"A": "2"}, "restart_on_change": True},
        {"slug": "shop-1", "state": "absent"},
        {"slug": "shop-2", "power": "started"},
        {"name": "Shop 3", "slug": "shop-3", "server_id": ocore.server_ids()[0]},
    ]
    options = {"purge": True, "purge_server_ids": ocore.server_ids()}
    result = run(ocore, second, **options)
    assert [one["actions"] for one in result["results"]] == [
        ["update", "restart"],
        ["delete"],
        ["start"],
        ["create"],
        ["delete"],
    ]
    assert {one["slug"]: one["status"] for one in ocore.instances()} == dict.fromkeys(
        ("shop-0", "shop-2", "shop-3"), "running"
    )
    assert ocore.instance("shop-2")["mcpWriteEnabled"] is True
    assert run(ocore, second, **options)["changed"] is False


def test_fleet_failure_does_not_hide_the_others(ocore: Emulator) -> None:
    given = fleet(ocore, 4)
    given[1]["server_id"] = "00000000-0000-4000-8000-000000000000"
    result = run(ocore, given)
    assert result["failed"]
    assert result["msg"].startswith("1 of 4 instances failed. Cannot create instance shop-1: oCore answered HTTP")
    assert list(result.outcomes().values()) == ["changed", "failed", "changed", "changed"]
    assert result["results"][1]["error"]["status"] in (400, 404, 422)
    assert len(ocore.instances()) == 3


def test_fleet_warns_of_a_creation_that_failed_later(ocore: Emulator) -> None:
    run(ocore, fleet(ocore, 2))
    ocore.set(step_by="call")
    result = run(ocore, [*fleet(ocore, 2), {**fleet(ocore, 3)[2]}], wait=False)
    assert result.outcomes()["shop-2"] == "changed"
    ocore.force(ocore.instance("shop-2")["id"], status="failed", statusMessage="no space left")
    result = run(ocore, fleet(ocore, 3))
    assert result.warnings
    assert "no space left" in result.warnings[0]


def test_fleet_with_on_error_stop_sends_nothing_when_a_plan_fails(ocore: Emulator) -> None:
    given = fleet(ocore, 3)
    del given[1]["server_id"]
    result = run(ocore, given, on_error="stop")
    assert result["failed"]
    assert "2 of 3 were not begun." in result["msg"]
    assert list(result.outcomes().values()) == ["skipped", "failed", "skipped"]
    assert requests(ocore) == {"list": 1}


def test_fleet_with_on_error_stop_finishes_what_was_begun_and_begins_nothing_new(ocore: Emulator) -> None:
    ocore.fault("error_before", "create", count=None, status=403, after=2)
    result = run(ocore, fleet(ocore, 10), on_error="stop", max_parallel=1)
    assert list(result.outcomes().values()) == ["changed", "changed", "failed", *["skipped"] * 7]
    assert [one["instance"]["status"] for one in result["results"][:2]] == ["running", "running"]
    assert requests(ocore)["create"] == 3


def test_fleet_refuses_two_declarations_of_one_instance(ocore: Emulator) -> None:
    [known] = ocore.seed(1, slug="known", name="Known")
    result = run(ocore, [{"id": known}, {"slug": "known", "state": "absent"}, *fleet(ocore, 1)])
    assert result["failed"]
    assert f"id {known} and slug known are the same instance" in result["msg"]
    assert requests(ocore) == {"list": 1}


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "cut_json"])
def test_retry_of_unanswered_creations_of_a_fleet_makes_no_second_instance(ocore: Emulator, kind: str) -> None:
    ocore.fault(kind, "create", count=2)
    result = run(ocore, fleet(ocore, 5))
    assert "failed" not in result
    assert Counter(one["slug"] for one in ocore.instances()) == {f"shop-{n}": 1 for n in range(5)}
    assert sum("using it" in warning for warning in result.warnings) == 2


def test_retry_after_a_rate_limit_slows_a_fleet_down_and_fails_none(ocore: Emulator) -> None:
    ocore.fault("rate_limit", "create", count=4, retry_after="seconds", seconds=1)
    result = run(ocore, fleet(ocore, 12), retries=5)
    assert "failed" not in result
    assert result["summary"]["created"] == 12
    assert len(ocore.instances()) == 12


def test_retry_of_a_list_that_failed_during_the_wait(ocore: Emulator) -> None:
    ocore.fault("bad_gateway_html", "list", count=1, after=1)
    result = run(ocore, fleet(ocore, 3), retries=0)
    assert "failed" not in result
    assert result["summary"]["created"] == 3


def test_fleet_whose_token_expires_during_the_wait_tells_what_was_done(ocore: Emulator) -> None:
    ocore.fault("unauthorized_from_now", "list", count=None, after=1)
    result = run(ocore, fleet(ocore, 2))
    assert [one["outcome"] for one in result["results"]] == ["failed", "failed"]
    assert [one["actions"] for one in result["results"]] == [["create"], ["create"]]
    assert "expired or was revoked meanwhile" in result["msg"]


def test_deadline_of_a_fleet_names_the_last_status_and_the_next_run_continues(ocore: Emulator) -> None:
    ocore.set(step_by="call")
    result = run(ocore, fleet(ocore, 2), wait_timeout=1)
    assert result["failed"]
    assert "Waiting for instance shop-0" in result["msg"]
    assert 'status "creating"' in result["msg"]
    ocore.set(step_by="requests")
    again = run(ocore, fleet(ocore, 2))
    assert "failed" not in again
    assert again["changed"] is False
    assert {one["instance"]["status"] for one in again["results"]} == {"running"}


def test_fleet_removal_ends_when_the_list_no_longer_shows_the_instance(ocore: Emulator) -> None:
    ocore.set(deleted="word")
    run(ocore, fleet(ocore, 3))
    ocore.clear_log()
    result = run(ocore, [{"slug": f"shop-{n}", "state": "absent"} for n in range(3)])
    assert result["summary"]["deleted"] == 3
    assert set(requests(ocore)) == {"list", "delete"}
    assert [one["instance"] for one in result["results"]] == [None] * 3


def test_fleet_progress_is_one_line_for_all(ocore: Emulator) -> None:
    result = run(ocore, fleet(ocore, 20))
    assert all(" of 20 instances done" in line for line in result.progress)
    assert any(" to be created (creating)" in line for line in result.progress)
    # Each line tells of one look at the list.
    assert len(result.progress) <= len(ocore.log("list"))


def test_secret_env_values_are_in_no_part_of_the_result_of_a_fleet(ocore: Emulator) -> None:
    given = fleet(ocore, 2, env_vars={"PASSWORD": "hunter2-secret"})
    given[1]["server_id"] = "00000000-0000-4000-8000-000000000000"
    result = run(ocore, given)
    assert "hunter2-secret" not in str(result) + str(result.progress) + str(result.warnings)
    assert result["results"][0]["instance"]["env_vars"] == {"PASSWORD": MASK}
    shown = run(ocore, given[:1], reveal_env_vars=True)
    assert shown["results"][0]["instance"]["env_vars"] == {"PASSWORD": "hunter2-secret"}


def test_fleet_sends_no_more_requests_at_once_than_max_parallel(ocore: Emulator) -> None:
    ocore.set(latency=0.05)
    threads = threading.active_count()
    run(ocore, fleet(ocore, 12), max_parallel=3)
    begun = [datetime.fromisoformat(entry["at"]) for entry in ocore.log("create")]
    assert len(begun) == 12
    # An answer takes 0.05 seconds, so that the fourth request after any other can't be sooner.
    assert all((later - earlier).total_seconds() > 0.04 for earlier, later in zip(begun, begun[3:], strict=False))
    assert threading.active_count() == threads


def test_fleet_look_for_twins_after_the_wait_costs_no_further_request(ocore: Emulator) -> None:
    progress: list[str] = []

    def twin(line: str) -> None:
        if not progress:
            ocore.seed(1, slug="twin", name="Shop 0", server=ocore.server_ids()[0])
        progress.append(line)

    given = fleet(ocore, 2)
    del given[0]["slug"]
    result = run(ocore, given, progress=twin)
    assert list(result.outcomes().values()) == ["failed", "changed"]
    assert "Several new instances match the one to be created" in result["msg"]
    assert set(requests(ocore)) == {"list", "create"}


@pytest.mark.parametrize("check", [False, True])
def test_fleet_predicts_that_a_new_instance_is_not_stopped_without_waiting(ocore: Emulator, check: bool) -> None:
    result = run(ocore, fleet(ocore, 1, power="stopped"), wait=False, check=check)
    assert [one["actions"] for one in result["results"]] == [["create"]]
    assert "The new instance is not stopped yet" in result.warnings[0]
    assert "status" not in result["diff"][0]["after"]


def test_fleet_diff_in_check_mode_shows_a_planned_stop(ocore: Emulator) -> None:
    ocore.seed(1, slug="shop", name="Shop")
    result = run(ocore, [{"slug": "shop", "power": "stopped"}], check=True)
    [diff] = result["diff"]
    assert (diff["before"], diff["after"]) == ({"status": "running"}, {"status": "stopped"})
    assert result["results"][0]["instance"]["status"] == "stopped"
    assert result["summary"]["stopped"] == 1


def test_fleet_that_is_interrupted_sends_nothing_more(ocore: Emulator) -> None:
    ocore.set(step_by="call")

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(ocore, fleet(ocore, 30), max_parallel=1, progress=interrupt)
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join()  # what is in the queue is given up, not worked through
    created = requests(ocore)["create"]
    assert 1 <= created < 30
    assert len(ocore.instances()) == created


def test_fleet_keeps_its_results_when_an_item_meets_a_defect(ocore: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Client.create_instance

    def defect(self: Client, fields: Any) -> Any:
        if fields["slug"] == "shop-1":
            raise RecursionError("too deep")
        return real(self, fields)

    monkeypatch.setattr(Client, "create_instance", defect)
    result = run(ocore, fleet(ocore, 3))
    assert list(result.outcomes().values()) == ["changed", "failed", "changed"]
    assert "The collection failed with RecursionError: too deep." in result["results"][1]["error"]["msg"]
    assert result["summary"]["created"] == 2


def test_fleet_env_vars_are_planned_on_a_read_right_before_the_put(ocore: Emulator) -> None:
    run(ocore, fleet(ocore, 1, env_vars={"A": "1"}))
    real = Client.list_instances

    def then_changed(self: Client, *arguments: Any) -> Any:
        listed = real(self, *arguments)
        ocore.force(ocore.instance("shop-0")["id"], envVars={"A": "1", "BY_ANOTHER": "x"})
        return listed

    with mock.patch.object(Client, "list_instances", then_changed):
        result = run(ocore, [{"slug": "shop-0", "env_vars": {"B": "2"}}])
    assert "failed" not in result
    assert ocore.instance("shop-0")["envVars"] == {"A": "1", "B": "2", "BY_ANOTHER": "x"}
