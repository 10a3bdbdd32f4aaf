# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance as declared: what is sent and waited for, on real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import to_wire
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import OPERATION
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, SERVER, Outcome, Time, play, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted, closed_port

NEW = {"name": "Shop", "slug": "shop", "server_id": SERVER}
PATH = f"/instances/{ID}"


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def declare(ocore: Scripted, **options: Any) -> Outcome:
    return play(OPERATION, ocore.api_url, **options)


def body(**options: Any) -> dict[str, Any]:
    return to_wire({**NEW, **options})


def test_creating_is_a_list_a_post_and_polls(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", json=body(), status=202, answer=wire(status="creating"))
    ocore.expect("GET", PATH, answer=wire(status="creating"))
    ocore.expect("GET", PATH, answer=wire())
    result = declare(ocore, **NEW)
    assert (result["changed"], result["actions"], result["instance"]["status"]) == (True, ["create"], "running")
    assert result["diff"]["after"] == NEW
    assert result.warnings == []
    assert result.progress[0].startswith(f"waiting for instance shop ({ID}) to be created: creating")


def test_check_mode_predicts_and_writes_nothing(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    result = declare(ocore, **NEW, mcp_write_enabled=True, check=True)
    assert (result["changed"], result["actions"]) == (True, ["create", "update"])
    assert result["instance"]["id"] is None


def test_no_wait_is_one_post(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer={"id": ID, "status": "creating"})
    result = declare(ocore, **NEW, env_vars={"A": "1"}, addons_path="/a", wait=False)
    assert result["actions"] == ["create"]
    assert result.warnings == []  # what the answer leaves out is not called different


def test_mcp_on_create_is_a_put_after_the_post(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", json=body(env_vars={"A": "1"}), status=202, answer=wire(status="creating"))
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1", "BY_TEMPLATE": "x"}))
    update = {"name": "Shop", "envVars": {"A": "1", "BY_TEMPLATE": "x"}, "mcpWriteEnabled": True}
    ocore.expect("PUT", PATH, json=update, answer=wire(envVars={"A": "1", "BY_TEMPLATE": "x"}, mcpWriteEnabled=True))
    result = declare(ocore, **NEW, env_vars={"A": "1"}, mcp_write_enabled=True)
    assert result["actions"] == ["create", "update"]
    assert result["instance"]["mcp_write_enabled"] is True


def test_the_put_after_a_short_answer_reads_first_so_that_nothing_is_lost(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer={"id": ID, "status": "running"})
    ocore.expect("GET", PATH, answer=wire(envVars={"BY_TEMPLATE": "x"}))
    update = {"name": "Shop", "envVars": {"BY_TEMPLATE": "x"}, "mcpWriteEnabled": True}
    ocore.expect("PUT", PATH, json=update, answer=wire(envVars={"BY_TEMPLATE": "x"}, mcpWriteEnabled=True))
    assert declare(ocore, **NEW, mcp_write_enabled=True)["actions"] == ["create", "update"]


def test_a_put_that_is_refused_while_creating_tells_what_was_done(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(status="creating"))
    ocore.expect("PUT", PATH, status=409, answer={"message": "busy"})
    result = declare(ocore, **NEW, mcp_write_enabled=True, wait=False)
    assert (result["failed"], result["changed"], result["actions"]) == (True, True, ["create"])
    assert result["error"] == {"status": 409, "code": None}
    assert "Run the task again when what is under way has ended." in result["msg"]
    assert result["msg"].endswith("Done before that: create.")


def test_values_that_ocore_changed_on_creation_are_said(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(addonsPath="/mnt/a"))
    result = declare(ocore, **NEW, addons_path="/a")
    assert "shows other values than those sent for addons_path" in result.warnings[0]


def test_a_slug_that_ocore_writes_its_own_way_fails_after_the_creation(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(slug="shop-a1b2"))
    result = declare(ocore, **NEW)
    assert "slug is 'shop-a1b2', wanted 'shop'. Put oCore's value into the task" in result["msg"]
    assert result["actions"] == ["create"]


@pytest.mark.parametrize("slug", ["shop-a1b2", "Shop"])
def test_the_next_run_does_not_make_a_second_one(ocore: Scripted, slug: str) -> None:
    ocore.expect("GET", "/instances", answer=[wire(slug="shop-a1b2")])
    result = declare(ocore, **{**NEW, "slug": "shop"})
    assert (
        f"There is no instance with slug shop, but shop-a1b2 ({ID}) has the same name on the same server"
        in result["msg"]
    )
    assert result["changed"] is False


def test_the_same_name_with_another_slug_elsewhere_is_no_obstacle(ocore: Scripted) -> None:
    others = [
        wire(id="x", slug="store"),
        wire(id="y", slug="shop-2", serverId="other"),
        wire(id="z", slug="shop-3", name="B"),
    ]
    ocore.expect("GET", "/instances", answer=others)
    ocore.expect("POST", "/instances", status=202, answer=wire())
    assert declare(ocore, **NEW)["actions"] == ["create"]


def test_a_failed_creation_gives_the_message_and_the_record(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(status="creating"))
    ocore.expect("GET", PATH, answer=wire(status="failed", statusMessage="Image not found."))
    result = declare(ocore, **NEW)
    assert result["msg"] == (
        f'Instance shop ({ID}) failed while it was being created: status "failed", Image not found. It was left as it is, '
        "so that you can look at it in oCore; state: absent removes it. Done before that: create."
    )
    assert (result["instance"]["status"], result["changed"]) == ("failed", True)


def test_one_that_is_removed_while_it_is_created_is_said(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(status="creating"))
    ocore.expect("GET", PATH, status=404)
    assert "was created but removed again while it was waited for" in declare(ocore, **NEW)["msg"]


def test_without_time_a_creation_is_asked_for_and_not_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(status="creating"))
    result = declare(ocore, **NEW, wait_timeout=0)
    assert 'ended after 0 seconds (wait_timeout): status "creating"' in result["msg"]
    assert result["actions"] == ["create"]


def test_a_token_that_expires_during_the_wait_says_so_and_what_was_done(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(status="creating"))
    ocore.expect("GET", PATH, status=401, answer={"message": "token is expired"})
    result = declare(ocore, **NEW)
    assert "it expired or was revoked meanwhile" in result["msg"]
    assert result["msg"].endswith("Done before that: create.")
    assert result["instance"]["id"] == ID


# --- a creation without an answer


OPEN_ENDS = [
    pytest.param({"fault": "drop"}, id="dropped"),
    pytest.param({"status": 500}, id="500"),
    pytest.param({"status": 502, "answer": b"<html>"}, id="502"),
    pytest.param({"status": 202, "fault": "cut", "answer": wire()}, id="cut"),
    pytest.param({"status": 202, "fault": "garbled"}, id="garbled"),
    pytest.param({"status": 202, "answer": {"message": "queued"}}, id="no id"),
]


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("step", OPEN_ENDS)
def test_an_instance_that_exists_all_the_same_is_taken_over(
    ocore: Scripted, step: dict[str, Any], retries: int
) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", **step)
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("GET", "/instances", answer=[wire(status="creating")])
    ocore.expect("GET", PATH, answer=wire())
    result = declare(ocore, **NEW, retries=retries)
    assert (result["changed"], result["actions"]) == (True, ["create"])
    assert "it is taken over" in result.warnings[0]


def test_without_a_slug_it_is_the_new_one_of_that_name_on_that_server(ocore: Scripted) -> None:
    old = wire(id="old", name="Shop 1")
    ocore.expect("GET", "/instances", answer=[old])
    ocore.expect("POST", "/instances", fault="drop")
    others = [old, wire(id="n", serverId="other"), wire(id="m", name="Store")]
    ocore.expect("GET", "/instances", answer=[*others, wire(slug="shop-x")])
    result = declare(ocore, name="Shop", server_id=SERVER)
    assert result["instance"]["id"] == ID


def test_what_does_not_exist_is_asked_for_again(ocore: Scripted) -> None:
    time = Time()
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    for _look in range(4):
        ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire()])
    assert declare(ocore, **NEW, time=time)["actions"] == ["create"]
    assert sum(time.slept) == 7.5


def test_without_retries_it_is_looked_for_and_not_asked_for_again(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=500, answer={"message": "oops"})
    for _look in range(4):
        ocore.expect("GET", "/instances", answer=[])
    result = declare(ocore, **NEW, retries=0)
    assert result["msg"] == (
        "Cannot create instance shop: oCore answered HTTP 500: oops. The instance was looked for afterwards and does not "
        "exist."
    )
    assert (result["changed"], result["actions"], result["instance"]) == (False, [], None)


def test_after_the_deadline_the_look_takes_its_time_and_nothing_is_repeated(ocore: Scripted) -> None:
    time = Time()
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    for _look in range(4):
        ocore.expect("GET", "/instances", answer=[])
    assert "does not exist" in declare(ocore, **NEW, wait_timeout=0, time=time)["msg"]
    assert sum(time.slept) == 7.5


def test_a_look_that_fails_as_well_leaves_it_open_and_repeats_nothing(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    ocore.expect("GET", "/instances", status=403)
    result = declare(ocore, **NEW)
    assert "Cannot create instance shop: the connection" in result["msg"]
    assert (
        "Whether the instance was created is not known, since looking for it failed as well: Cannot list"
        in result["msg"]
    )
    assert "The create request was not repeated; run the task again" in result["msg"]


def test_a_conflict_after_an_open_end_means_that_it_exists(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    for _look in range(4):
        ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    ocore.expect("GET", "/instances", answer=[wire()])
    assert declare(ocore, **NEW)["instance"]["id"] == ID


def test_a_conflict_at_once_is_a_refusal(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    assert "HTTP 409: slug is taken." in declare(ocore, **NEW)["msg"]


def test_a_new_one_with_a_slug_of_its_own_is_not_taken_over_and_not_doubled(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    for _look in range(4):
        ocore.expect("GET", "/instances", answer=[wire(slug="shop-a1b2")])
    result = declare(ocore, **NEW)
    assert (
        f"Since then there is shop-a1b2 ({ID}) with the same name on the same server, but another slug."
        in result["msg"]
    )


def test_two_new_ones_are_reported_and_neither_is_removed(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    ocore.expect("GET", "/instances", answer=[wire(id="a"), wire(id="b")])
    result = declare(ocore, name="Shop", server_id=SERVER)
    assert "Several new instances fit the one to be created: shop (a), shop (b)." in result["msg"]


def test_an_earlier_request_that_was_carried_out_late_is_noticed(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    for _look in range(4):
        ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(id="b"))
    ocore.expect("GET", "/instances", answer=[wire(id="a"), wire(id="b")])
    assert "carried out late" in declare(ocore, name="Shop", server_id=SERVER)["msg"]


def test_a_check_for_a_second_one_that_fails_is_a_warning(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    for _look in range(4):
        ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire())
    ocore.expect("GET", "/instances", status=403)
    result = declare(ocore, **NEW)
    assert result["actions"] == ["create"]
    assert "could not be checked" in result.warnings[0]


# --- changing


def test_changing_is_a_read_and_a_put_of_all_four(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1"}, addonsPath="/a"))
    update = {"name": "New", "envVars": {"A": "1"}, "addonsPath": "/a", "mcpWriteEnabled": False}
    ocore.expect("PUT", PATH, json=update, answer=wire(name="New", envVars={"A": "1"}, addonsPath="/a"))
    result = declare(ocore, id=ID, name="New")
    assert (result["actions"], result["instance"]["name"], result.warnings) == (["update"], "New", [])
    assert result["diff"] == {
        "before": {"name": "Shop"},
        "after": {"name": "New"},
        "before_header": f"instance shop ({ID})",
        "after_header": f"instance shop ({ID})",
    }


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("key", [{"id": ID}, {"slug": "shop"}])
def test_as_declared_is_one_request(ocore: Scripted, key: dict[str, Any], check: bool) -> None:
    ocore.expect("GET", PATH if "id" in key else "/instances", answer=wire() if "id" in key else [wire()])
    result = declare(ocore, **key, name="Shop", odoo_version="18.0", check=check)
    assert (result["changed"], result["actions"], result["diff"]["after"]) == (False, [], {})


def test_an_id_that_is_not_there_cannot_be_made(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, status=404)
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    assert "does not exist in this organization" in declare(ocore, id=ID, name="Shop", server_id=SERVER)["msg"]
    assert "is being removed" in declare(ocore, id=ID, name="Shop", server_id=SERVER)["msg"]


def test_an_abridged_list_is_completed_before_anything_is_compared_or_sent(ocore: Scripted) -> None:
    short = {k: v for k, v in wire().items() if k not in ("envVars", "addonsPath")}
    ocore.expect("GET", "/instances", answer=[short])
    ocore.expect("GET", PATH, answer=wire(envVars={"KEEP": "1"}))
    ocore.expect(
        "PUT", PATH, json={"name": "New", "envVars": {"KEEP": "1"}, "mcpWriteEnabled": False}, answer=wire(name="New")
    )
    assert declare(ocore, slug="shop", name="New")["actions"] == ["update"]
    ocore.expect("GET", "/instances", answer=[short])
    ocore.expect("GET", PATH, answer=wire(envVars={"KEEP": "1"}))
    assert declare(ocore, slug="shop", env_vars={"KEEP": "1"})["actions"] == []


def test_one_that_goes_between_list_and_read_is_said(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[{"id": ID, "slug": "shop"}])
    ocore.expect("GET", PATH, status=404)
    assert "was removed while this task ran" in declare(ocore, slug="shop", name="New")["msg"]


def test_a_rerun_while_creating_waits_and_ends_unchanged(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="creating")])
    ocore.expect("GET", PATH, answer=wire(status="levitating"))
    ocore.expect("GET", PATH, answer=wire())
    result = declare(ocore, **NEW)
    assert (result["changed"], result["instance"]["status"]) == (False, "running")


def test_a_change_is_planned_anew_after_what_was_under_way(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="creating"))
    ocore.expect("GET", PATH, answer=wire(envVars={"BY_TEMPLATE": "x"}))
    update = {"name": "New", "envVars": {"BY_TEMPLATE": "x"}, "mcpWriteEnabled": False}
    ocore.expect("PUT", PATH, json=update, answer=wire(name="New", envVars={"BY_TEMPLATE": "x"}))
    assert declare(ocore, id=ID, name="New")["actions"] == ["update"]


def test_what_somebody_else_did_meanwhile_is_not_done_again(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="restarting"))
    ocore.expect("GET", PATH, answer=wire(name="New"))
    result = declare(ocore, id=ID, name="New")
    assert (result["changed"], result["diff"]["after"]) == (False, {})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 404}, "was removed while this task waited for it"),
        (
            {"answer": wire(status="failed", statusMessage="no image")},
            'failed while this task waited for it: status "failed"',
        ),
    ],
)
def test_a_rerun_sees_the_creation_end_badly(ocore: Scripted, answer: dict[str, Any], words: str) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="creating")])
    ocore.expect("GET", PATH, **answer)
    assert words in declare(ocore, **NEW)["msg"]


def test_one_that_failed_long_ago_is_ok_with_a_warning(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="failed", statusMessage="disk full")])
    result = declare(ocore, **NEW)
    assert result["changed"] is False
    assert 'has status "failed", disk full.' in result.warnings[0]


def test_a_put_that_restarts_is_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New", status="restarting"))
    ocore.expect("GET", PATH, answer=wire(name="New"))
    result = declare(ocore, id=ID, name="New")
    assert (result["instance"]["status"], result["actions"]) == ("running", ["update"])


def test_a_change_is_followed_by_the_restart_asked_for(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    ocore.expect("POST", f"{PATH}/control", json={"action": "restart"}, status=202)
    ocore.expect("GET", PATH, answer=wire(name="New", restartCount=1))
    assert declare(ocore, id=ID, name="New", restart_on_change=True)["actions"] == ["update", "restart"]


def test_env_vars_that_ocore_keeps_are_an_error(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1", "B": "2"}))
    ocore.expect("PUT", PATH, answer=wire(envVars={"A": "1", "B": "2"}))
    result = declare(ocore, id=ID, env_vars={"A": "1"}, purge_env_vars=True)
    assert "oCore kept the env vars B of instance shop" in result["msg"]
    assert result["actions"] == ["update"]


def test_an_update_without_effect_is_said(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire())
    assert "still shows the old value of name" in declare(ocore, id=ID, name="New").warnings[0]


def test_what_cannot_be_compared_is_warned_about(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(envVars={"A": "********"})])
    result = declare(ocore, slug="shop", env_vars={"A": "x"}, template_id="t")
    assert result["changed"] is False
    assert [warning.split(" of ")[0] for warning in result.warnings] == [
        "oCore does not show template_id",
        "oCore does not show the values",
    ]


def test_a_lost_answer_to_a_put_is_no_trouble(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, fault="drop")
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    assert declare(ocore, id=ID, name="New")["actions"] == ["update"]


@pytest.mark.parametrize("wait", [True, False])
def test_a_repeated_put_that_meets_its_own_first_try_is_no_trouble(ocore: Scripted, wait: bool) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, fault="drop")
    ocore.expect("PUT", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(name="New", status="restarting"))
    if wait:
        ocore.expect("GET", PATH, answer=wire(name="New"))
    assert declare(ocore, id=ID, name="New", wait=wait)["actions"] == ["update"]


def test_a_repeated_put_that_meets_something_else_fails_and_says_so(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, fault="drop")
    ocore.expect("PUT", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(status="restarting"))
    ocore.expect("GET", PATH, answer=wire())
    result = declare(ocore, id=ID, name="New")
    assert (result["failed"], result["changed"], result["actions"]) == (True, False, [])
    assert "HTTP 409: busy." in result["msg"]


# --- removing


def test_removing_waits_until_it_is_gone(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    ocore.expect("GET", PATH, status=404)
    result = declare(ocore, slug="shop", state="absent")
    assert (result["actions"], result["instance"], result["diff"]["after"]) == (["delete"], None, {})


@pytest.mark.parametrize("word", ["removing", "running"])
def test_one_that_is_not_listed_any_more_is_gone(ocore: Scripted, word: str) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    for _read in range(3):
        ocore.expect("GET", PATH, answer=wire(status=word))
    ocore.expect("GET", "/instances", answer=[])
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


def test_one_that_is_missing_from_an_incomplete_list_is_not_gone_yet(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    for _read in range(3):
        ocore.expect("GET", PATH, answer=wire(status="removing"))
    ocore.expect("GET", "/instances", answer={"instances": [], "total": 5})
    ocore.expect("GET", PATH, answer=wire(status="deleted"))
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("answer", [{"status": 404}, {"answer": wire(status="deleted")}])
def test_one_that_is_gone_already_is_ok(ocore: Scripted, answer: dict[str, Any], check: bool) -> None:
    ocore.expect("GET", PATH, **answer)
    result = declare(ocore, id=ID, state="absent", check=check)
    assert (result["changed"], result["actions"], result["instance"]) == (False, [], None)


def test_one_that_another_is_removing_is_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="removing")])
    ocore.expect("GET", PATH, status=404)
    result = declare(ocore, slug="shop", state="absent")
    assert (result["changed"], result["instance"]) == (False, None)


def test_removing_without_waiting_is_one_delete(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", "/instances", answer=[wire(status="removing")])
    assert declare(ocore, slug="shop", state="absent", wait=False)["actions"] == ["delete"]
    assert declare(ocore, slug="shop", state="absent", wait=False)["actions"] == []


def test_a_removal_in_check_mode_is_predicted(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    result = declare(ocore, slug="shop", state="absent", check=True)
    assert (result["changed"], result["actions"], result["instance"]) == (True, ["delete"], None)


def test_a_removal_that_fails_gives_the_message(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, answer=wire(status="error", statusMessage="volume is busy"))
    result = declare(ocore, id=ID, state="absent")
    assert result["msg"] == (
        f'The removal of instance shop ({ID}) failed: status "error", volume is busy. Done before that: delete.'
    )


def test_a_failed_instance_is_removed_although_its_old_failure_still_shows(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("GET", PATH, status=404)
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


@pytest.mark.parametrize(("word", "reads"), [("removing", 1), ("rebalancing", 2)])
def test_a_repeated_delete_that_meets_its_own_first_try_is_no_trouble(ocore: Scripted, word: str, reads: int) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, fault="drop")
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(status=word))
    for _read in range(reads):
        ocore.expect("GET", PATH, status=404)
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


def test_a_repeated_delete_that_meets_its_own_first_try_needs_no_waiting(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, fault="drop")
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    assert declare(ocore, id=ID, state="absent", wait=False)["actions"] == ["delete"]


@pytest.mark.parametrize(
    ("wait", "seen"),
    [(True, ["running"]), (True, ["restarting", "running"]), (False, ["running"]), (False, ["restarting"])],
)
def test_a_repeated_delete_that_meets_something_else_fails_and_says_so(
    ocore: Scripted, wait: bool, seen: list[str]
) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, fault="drop")
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    for word in seen:
        ocore.expect("GET", PATH, answer=wire(status=word))
    result = declare(ocore, id=ID, state="absent", wait=wait)
    assert (result["failed"], result["changed"], result["actions"]) == (True, False, [])
    assert "HTTP 409: busy." in result["msg"]


def test_a_delete_that_is_refused_at_once_was_not_met_by_itself(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    assert "HTTP 409: busy." in declare(ocore, id=ID, state="absent")["msg"]


def test_an_incomplete_list_removes_nothing_and_does_not_call_it_gone(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer={"instances": [wire(slug="other")], "total": 2})
    result = declare(ocore, slug="shop", state="absent")
    assert result["failed"]
    assert "may be among the others" in result["msg"]


# --- refused before any request


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slug": ""}, "One of id, slug and name is needed"),
        ({"slug": "shop", "env_vars": {"A": None}}, "env_vars: A is null"),
        ({"slug": "shop", "wait_interval": 0.0}, "wait_interval must be more than 0"),
        ({"slug": "shop", "api_token": ""}, "api_token is empty"),
    ],
)
def test_bad_input_reaches_no_server(options: dict[str, Any], words: str) -> None:
    result = play(OPERATION, f"http://127.0.0.1:{closed_port()}", **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert words in result["msg"]
