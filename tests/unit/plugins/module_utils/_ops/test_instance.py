# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing and removing an existing instance: what is sent and waited for, on real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import OPERATION, SECOND_LOOKS
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, SERVER, Outcome, play, wire, wire_server
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted, closed_port

NEW = {"name": "Shop", "slug": "shop", "server_id": SERVER}
PATH = f"/instances/{ID}"
CONTROL = f"{PATH}/control"


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def declare(ocore: Scripted, **options: Any) -> Outcome:
    return play(OPERATION, ocore.api_url, **options)


def test_update_is_a_read_and_a_put_of_all_four(ocore: Scripted) -> None:
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
def test_idempotent_task_is_one_request(ocore: Scripted, key: dict[str, Any], check: bool) -> None:
    ocore.expect("GET", PATH if "id" in key else "/instances", answer=wire() if "id" in key else [wire()])
    result = declare(ocore, **key, name="Shop", odoo_version="18.0", check=check)
    assert (result["changed"], result["actions"], result["diff"]["after"]) == (False, [], {})


def test_creation_is_refused_for_an_id_that_does_not_exist(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, status=404)
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    assert "does not exist in this organization" in declare(ocore, id=ID, name="Shop", server_id=SERVER)["msg"]
    assert "is being removed" in declare(ocore, id=ID, name="Shop", server_id=SERVER)["msg"]


def test_update_completes_an_abridged_list_before_anything_is_compared_or_sent(ocore: Scripted) -> None:
    short = {k: v for k, v in wire().items() if k not in ("envVars", "addonsPath")}
    ocore.expect("GET", "/instances", answer=[short])
    ocore.expect("GET", PATH, answer=wire(envVars={"KEEP": "1"}))
    ocore.expect(
        "PUT",
        PATH,
        json={"name": "New", "envVars": {"KEEP": "1"}, "mcpWriteEnabled": False},
        answer=wire(name="New", envVars={"KEEP": "1"}),
    )
    assert declare(ocore, slug="shop", name="New")["actions"] == ["update"]
    ocore.expect("GET", "/instances", answer=[short])
    ocore.expect("GET", PATH, answer=wire(envVars={"KEEP": "1"}))
    assert declare(ocore, slug="shop", env_vars={"KEEP": "1"})["actions"] == []


def test_update_of_one_that_is_removed_between_list_and_read_says_so(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[{"id": ID, "slug": "shop"}])
    ocore.expect("GET", PATH, status=404)
    assert "was removed while this task ran" in declare(ocore, slug="shop", name="New")["msg"]


def test_idempotent_rerun_during_the_creation_waits_and_ends_unchanged(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="creating")])
    ocore.expect("GET", PATH, answer=wire(status="levitating"))
    ocore.expect("GET", PATH, answer=wire())
    result = declare(ocore, **NEW)
    assert (result["changed"], result["instance"]["status"]) == (False, "running")


def test_update_is_planned_again_after_the_operation_in_progress(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="creating"))
    ocore.expect("GET", PATH, answer=wire(envVars={"BY_TEMPLATE": "x"}))  # ends the wait, right before the PUT
    update = {"name": "New", "envVars": {"BY_TEMPLATE": "x"}, "mcpWriteEnabled": False}
    ocore.expect("PUT", PATH, json=update, answer=wire(name="New", envVars={"BY_TEMPLATE": "x"}))
    assert declare(ocore, id=ID, name="New")["actions"] == ["update"]


def test_idempotent_task_does_not_repeat_what_another_client_did_meanwhile(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="restarting"))
    ocore.expect("GET", PATH, answer=wire(name="New"))
    result = declare(ocore, id=ID, name="New")
    assert (result["changed"], result["diff"]["after"]) == (False, {})


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([{"status": 404}] * 4, "was removed while this task waited for it"),
        (
            [{"answer": wire(status="failed", statusMessage="no image")}],
            'failed while this task waited for it: status "failed"',
        ),
    ],
)
def test_wait_for_a_creation_of_an_earlier_run_reports_its_bad_end(
    ocore: Scripted, answers: list[dict[str, Any]], words: str
) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="creating")])
    for answer in answers:
        ocore.expect("GET", PATH, **answer)
    assert words in declare(ocore, **NEW)["msg"]


def test_idempotent_task_warns_of_an_instance_that_failed_long_ago(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="failed", statusMessage="disk full")])
    result = declare(ocore, **NEW)
    assert result["changed"] is False
    assert 'has status "failed", disk full.' in result.warnings[0]


def test_wait_for_an_update_that_restarts_by_itself(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New", status="restarting"))
    ocore.expect("GET", PATH, answer=wire(name="New"))
    result = declare(ocore, id=ID, name="New")
    assert (result["instance"]["status"], result["actions"]) == ("running", ["update"])


def test_restart_on_change_follows_the_update(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    ocore.expect("POST", f"{PATH}/control", json={"action": "restart"}, status=202)
    ocore.expect("GET", PATH, answer=wire(name="New", restartCount=1))
    assert declare(ocore, id=ID, name="New", restart_on_change=True)["actions"] == ["update", "restart"]


def test_env_vars_that_ocore_keeps_are_an_error(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1", "B": "2"}))
    ocore.expect("PUT", PATH, answer=wire(envVars={"A": "1", "B": "2"}))
    for _look in SECOND_LOOKS:
        ocore.expect("GET", PATH, answer=wire(envVars={"A": "1", "B": "2"}))
    result = declare(ocore, id=ID, env_vars={"A": "1"}, purge_env_vars=True)
    assert f"Instance shop ({ID}) still shows the env vars B although they were left out" in result["msg"]
    assert result["actions"] == ["update"]


def test_update_without_effect_is_a_warning(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire())
    for _look in SECOND_LOOKS:
        ocore.expect("GET", PATH, answer=wire())
    assert "but shows another value of name." in declare(ocore, id=ID, name="New").warnings[0]


@pytest.mark.parametrize("status", [200, 204])
def test_update_that_shows_a_moment_later_is_looked_for_again(ocore: Scripted, status: int) -> None:
    # An answer from before the change ended the task with "oCore keeps them".
    old = wire(envVars={"A": "1", "B": "2"})
    ocore.expect("GET", PATH, answer=old)
    ocore.expect("PUT", PATH, status=status, answer=old if status == 200 else None)
    if status == 204:
        ocore.expect("GET", PATH, answer=old)
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1"}))
    result = declare(ocore, id=ID, remove_env_vars=["B"])
    assert (result.get("msg"), result["actions"], result.warnings) == (None, ["update"], [])


@pytest.mark.parametrize(
    "shown",
    [
        {"A": "[REDACTED]", "B": "<hidden>"},
        {"A": "(sensitive value)"},
        {"A": "REDACTED"},
        {"A": None},
        {"A": None, "B": "x"},
    ],
)
def test_env_vars_whose_values_are_hidden_are_not_overwritten(ocore: Scripted, shown: dict[str, Any]) -> None:
    # A rename sent the words in place of the values, and the values were gone.
    ocore.expect("GET", PATH, answer=wire(envVars=shown))
    result = declare(ocore, id=ID, name="New")
    assert "oCore masks the values of env vars" in result["msg"]
    assert "Nothing was sent" in result["msg"]


def test_env_vars_that_are_never_shown_are_named_after_an_update(ocore: Scripted) -> None:
    silent = {key: value for key, value in wire().items() if key != "envVars"}
    ocore.expect("GET", PATH, answer=silent)
    ocore.expect("PUT", PATH, answer=silent)
    ocore.expect("GET", PATH, answer=silent)
    result = declare(ocore, id=ID, env_vars={"A": "planted"})
    assert "does not show its env vars at all" in result["msg"]
    assert "only A may be left" in result["msg"]
    assert result["actions"] == ["update"]


def test_idempotent_task_warns_of_what_cannot_be_compared(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(envVars={"A": "********"})])
    result = declare(ocore, slug="shop", env_vars={"A": "x"}, template_id="t")
    assert result["changed"] is False
    assert [warning.split(" of ")[0] for warning in result.warnings] == [
        "oCore does not show template_id",
        "oCore masks the values",
    ]


def test_retry_of_a_put_whose_answer_was_lost(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, fault="drop")
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    assert declare(ocore, id=ID, name="New")["actions"] == ["update"]


@pytest.mark.parametrize("wait", [True, False])
def test_retry_of_a_put_that_meets_its_own_first_try_is_a_success(ocore: Scripted, wait: bool) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, fault="drop")
    ocore.expect("PUT", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(name="New", status="restarting"))
    if wait:
        ocore.expect("GET", PATH, answer=wire(name="New"))
    assert declare(ocore, id=ID, name="New", wait=wait)["actions"] == ["update"]


def test_retry_of_a_put_that_meets_another_operation_fails(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, fault="drop")
    ocore.expect("PUT", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(status="restarting"))
    ocore.expect("GET", PATH, answer=wire())
    result = declare(ocore, id=ID, name="New")
    assert (result["failed"], result["changed"], result["actions"]) == (True, False, [])
    assert "HTTP 409: busy." in result["msg"]


def test_removal_waits_until_the_instance_is_gone(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    ocore.expect("GET", PATH, status=404)
    result = declare(ocore, slug="shop", state="absent")
    assert (result["actions"], result["instance"], result["diff"]["after"]) == (["delete"], None, {})


@pytest.mark.parametrize("word", ["removing", "running"])
def test_removal_ends_when_the_list_no_longer_shows_the_instance(ocore: Scripted, word: str) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    for _read in range(3):
        ocore.expect("GET", PATH, answer=wire(status=word))
    ocore.expect("GET", "/instances", answer=[])
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


@pytest.mark.parametrize("step", [{"status": 400}, {"status": 403}, {"status": 410}, {"answer": None}])
def test_removal_ends_whatever_a_read_of_what_is_gone_is_answered(ocore: Scripted, step: dict[str, Any]) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, **step)
    if step.get("status") != 410:
        ocore.expect("GET", "/instances", answer=[])
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


def test_removal_fails_with_the_read_while_the_list_shows_the_instance(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, status=403)
    ocore.expect("GET", "/instances", answer=[wire(id=ID.upper())])
    assert "oCore answered HTTP 403" in declare(ocore, id=ID, state="absent")["msg"]


def test_removal_is_not_proved_by_an_incomplete_list(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    for _read in range(3):
        ocore.expect("GET", PATH, answer=wire(status="removing"))
    ocore.expect("GET", "/instances", answer={"instances": [], "total": 5})
    ocore.expect("GET", PATH, answer=wire(status="deleted"))
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("answer", [{"status": 404}, {"answer": wire(status="deleted")}])
def test_idempotent_removal_of_one_that_is_gone(ocore: Scripted, answer: dict[str, Any], check: bool) -> None:
    ocore.expect("GET", PATH, **answer)
    result = declare(ocore, id=ID, state="absent", check=check)
    assert (result["changed"], result["actions"], result["instance"]) == (False, [], None)


def test_removal_by_another_client_is_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(status="removing")])
    ocore.expect("GET", PATH, status=404)
    result = declare(ocore, slug="shop", state="absent")
    assert (result["changed"], result["instance"]) == (False, None)


def test_removal_without_waiting_is_one_delete(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", "/instances", answer=[wire(status="removing")])
    assert declare(ocore, slug="shop", state="absent", wait=False)["actions"] == ["delete"]
    assert declare(ocore, slug="shop", state="absent", wait=False)["actions"] == []


def test_removal_in_check_mode_is_predicted(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    result = declare(ocore, slug="shop", state="absent", check=True)
    assert (result["changed"], result["actions"], result["instance"]) == (True, ["delete"], None)


def test_removal_that_fails_gives_the_message(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, answer=wire(status="error", statusMessage="volume is busy"))
    result = declare(ocore, id=ID, state="absent")
    assert result["msg"] == (
        f'The removal of instance shop ({ID}) failed: status "error", volume is busy. Done before that: delete.'
    )


def test_removal_of_a_failed_instance_does_not_mind_its_old_failure(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("DELETE", PATH, status=202)
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("GET", PATH, status=404)
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


@pytest.mark.parametrize(("word", "reads"), [("removing", 1), ("rebalancing", 2)])
def test_retry_of_a_delete_that_meets_its_own_first_try_is_a_success(ocore: Scripted, word: str, reads: int) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, fault="drop")
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(status=word))
    for _read in range(reads):
        ocore.expect("GET", PATH, status=404)
    assert declare(ocore, id=ID, state="absent")["actions"] == ["delete"]


def test_retry_of_a_delete_that_meets_its_own_first_try_needs_no_waiting(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, fault="drop")
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    assert declare(ocore, id=ID, state="absent", wait=False)["actions"] == ["delete"]


@pytest.mark.parametrize(
    ("wait", "seen"),
    [(True, ["running"]), (True, ["restarting", "running"]), (False, ["running"]), (False, ["restarting"])],
)
def test_retry_of_a_delete_that_meets_another_operation_fails(ocore: Scripted, wait: bool, seen: list[str]) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, fault="drop")
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    for word in seen:
        ocore.expect("GET", PATH, answer=wire(status=word))
    result = declare(ocore, id=ID, state="absent", wait=wait)
    assert (result["failed"], result["changed"], result["actions"]) == (True, False, [])
    assert "HTTP 409: busy." in result["msg"]


def test_removal_that_is_refused_at_once_fails(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("DELETE", PATH, status=409, answer={"message": "busy"})
    assert "HTTP 409: busy." in declare(ocore, id=ID, state="absent")["msg"]


def test_pagination_that_is_incomplete_removes_nothing_and_proves_nothing_gone(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer={"instances": [wire(slug="other")], "total": 2})
    result = declare(ocore, slug="shop", state="absent")
    assert result["failed"]
    assert "may be among the others" in result["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slug": ""}, "slug is given but empty"),
        ({"slug": "shop", "env_vars": {"A": None}}, "env_vars: A is null"),
        ({"slug": "shop", "wait_interval": 0.0}, "wait_interval must be more than 0"),
        ({"slug": "shop", "api_token": ""}, "api_token is empty"),
    ],
)
def test_arguments_that_are_invalid_reach_no_server(options: dict[str, Any], words: str) -> None:
    result = play(OPERATION, f"http://127.0.0.1:{closed_port()}", **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert words in result["msg"]


# What others do at the same time


def test_env_vars_are_planned_on_a_read_right_before_the_put(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(envVars={"A": "1"})])
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1", "BY_ANOTHER": "x"}))
    merged = {"A": "1", "BY_ANOTHER": "x", "B": "2"}
    ocore.expect(
        "PUT", PATH, json={"name": "Shop", "envVars": merged, "mcpWriteEnabled": False}, answer=wire(envVars=merged)
    )
    result = declare(ocore, slug="shop", env_vars={"B": "2"})
    assert (result["actions"], result.warnings) == (["update"], [])
    assert set(result["diff"]["before"]["env_vars"]) == {"A", "BY_ANOTHER"}


def test_env_vars_that_another_client_set_meanwhile_need_no_put(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire(envVars={"A": "1"})])
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1", "B": "2"}))
    result = declare(ocore, slug="shop", env_vars={"B": "2"})
    assert (result["changed"], result["diff"]["after"]) == (False, {})


def test_env_vars_of_a_look_up_by_id_cost_no_second_read(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1"}))
    ocore.expect("PUT", PATH, answer=wire(envVars={"A": "1", "B": "2"}))
    assert declare(ocore, id=ID, env_vars={"B": "2"})["actions"] == ["update"]


def test_env_vars_that_are_missing_from_the_answer_are_named(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1"}))
    ocore.expect("PUT", PATH, answer=wire(envVars={"A": "1"}))
    for _look in SECOND_LOOKS:
        ocore.expect("GET", PATH, answer=wire(envVars={"A": "1"}))
    [warning] = declare(ocore, id=ID, env_vars={"B": "2", "C": "3"}).warnings
    assert "shows another value of env_vars (B, C)." in warning


def test_env_vars_that_another_client_overwrote_by_the_end_fail_the_task(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(envVars={"A": "planted-value", "B": "2"}))
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, answer=wire(envVars={"B": "2"}, restartCount=1))
    result = declare(ocore, id=ID, env_vars={"A": "planted-value", "B": "2"}, restart_on_change=True)
    assert (
        f"Another client changed the env vars of instance shop ({ID}) while this task ran: A is no longer"
        in result["msg"]
    )
    assert result["actions"] == ["update", "restart"]
    assert "planted-value" not in str(result)


def test_env_vars_that_another_client_overwrote_while_an_update_restarts_fail_the_task(ocore: Scripted) -> None:
    # Two clients set a variable each; the update restarts the instance, and the first one saw by the end that its own was gone.
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(status="restarting", envVars={"MINE": "1"}))
    ocore.expect("GET", PATH, answer=wire(envVars={"THEIRS": "2"}))
    result = declare(ocore, id=ID, env_vars={"MINE": "1"})
    assert "Another client changed the env vars" in result["msg"]
    assert "MINE is no longer as sent" in result["msg"]


def test_idempotent_task_finds_an_identity_with_blanks_around_it(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("DELETE", PATH, status=202)
    assert declare(ocore, slug=" shop\n", server_id=f" {SERVER} ")["changed"] is False
    assert declare(ocore, slug=" shop ", state="absent", wait=False)["actions"] == ["delete"]


@pytest.mark.parametrize("option", ["id", "slug", "name", "server_id", "template_id", "project_id"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_arguments_that_are_given_but_empty_are_refused(option: str, state: str) -> None:
    options = {"slug": "shop", "state": state, option: " "}
    result = play(OPERATION, f"http://127.0.0.1:{closed_port()}", **options)
    assert f"{option} is given but empty, which names nothing. Nothing was sent." in result["msg"]


def test_wait_takes_a_404_after_a_put_for_not_visible_yet(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New", status="restarting"))
    ocore.expect("GET", PATH, status=404)
    ocore.expect("GET", PATH, answer=wire(name="New"))
    assert declare(ocore, id=ID, name="New")["actions"] == ["update"]


# A restart that is owed


@pytest.mark.parametrize("status", [409, 429, 503])
def test_restart_on_change_that_is_refused_for_now_is_waited_out(ocore: Scripted, status: int) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    for _refusal in range(2):
        ocore.expect("POST", CONTROL, status=status)
        if status == 503:  # may have been carried out: looked for before it is repeated
            for _look in range(3):
                ocore.expect("GET", PATH, answer=wire(name="New"))
        ocore.expect("GET", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, json={"action": "restart"}, status=202)
    ocore.expect("GET", PATH, answer=wire(name="New", restartCount=1))
    result = declare(ocore, id=ID, name="New", restart_on_change=True, retries=0)
    assert ("failed" in result, result["actions"]) == (False, ["update", "restart"])


@pytest.mark.parametrize(
    ("status", "options"), [(403, {}), (409, {"wait": False}), (422, {})], ids=["forbidden", "no waiting", "refused"]
)
def test_restart_on_change_that_fails_names_the_task_that_makes_it_up(
    ocore: Scripted, status: int, options: dict[str, Any]
) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, status=status)
    result = declare(ocore, id=ID, name="New", restart_on_change=True, **options)
    assert f'ocore.cloud.ocore_instance_control: {{id: "{ID}", state: restarted}}' in result["msg"]
    assert "the restart that applies it is still owed" in result["msg"]
    assert (result["changed"], result["actions"]) == (True, ["update"])


def test_restart_on_change_that_is_refused_until_the_deadline_names_the_task_that_makes_it_up(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, status=409)
    ocore.expect("GET", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, status=409)
    result = declare(ocore, id=ID, name="New", restart_on_change=True, retries=0, wait_timeout=4)
    assert f'ocore.cloud.ocore_instance_control: {{id: "{ID}", state: restarted}}' in result["msg"]
    assert result["actions"] == ["update"]


def test_stop_after_an_update_that_keeps_the_instance_busy_is_waited_out(ocore: Scripted) -> None:
    # An API whose PUT restarts, but never shows it in the status, refused the stop: the task gave up after half of its work.
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, json={"action": "stop"}, status=409)
    ocore.expect("GET", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, json={"action": "stop"}, status=202)
    ocore.expect("GET", PATH, answer=wire(name="New", status="stopped"))
    result = declare(ocore, id=ID, name="New", power="stopped", retries=0)
    assert ("failed" in result, result["actions"]) == (False, ["update", "stop"])


def test_stop_after_an_update_that_is_refused_names_the_task_that_makes_it_up(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, status=403)
    result = declare(ocore, id=ID, name="New", power="stopped")
    assert "the stop is still owed" in result["msg"]
    assert f'ocore.cloud.ocore_instance_control: {{id: "{ID}", state: stopped}}' in result["msg"]
    assert result["actions"] == ["update"]


OWED = {"createdAt": "2026-01-01T00:00:00Z", "lastRestartAt": "2026-02-01T00:00:00Z"}


def test_restart_on_change_is_made_up_by_the_next_run(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(**OWED, updatedAt="2026-02-01T01:00:00Z"))
    ocore.expect("POST", CONTROL, json={"action": "restart"}, status=202)
    ocore.expect("GET", PATH, answer=wire(restartCount=1))
    result = declare(ocore, id=ID, name="Shop", restart_on_change=True)
    assert result["actions"] == ["restart"]
    assert "was changed after its last restart, and restart_on_change is set" in result.warnings[0]


def test_idempotent_restart_on_change_is_not_repeated_after_the_restart(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(**OWED, updatedAt="2026-02-01T00:01:00Z"))
    assert declare(ocore, id=ID, name="Shop", restart_on_change=True)["changed"] is False


# Power


@pytest.mark.parametrize(
    ("power", "status", "action", "after"),
    [("started", "stopped", "start", "running"), ("stopped", "running", "stop", "stopped")],
)
def test_power_follows_the_update_in_one_plan(
    ocore: Scripted, power: str, status: str, action: str, after: str
) -> None:
    ocore.expect("GET", PATH, answer=wire(status=status))
    result = declare(ocore, id=ID, name="New", power=power, check=True)
    assert (result["actions"], result["instance"]["status"]) == (["update", action], after)
    shown = {"before": {"name": "Shop", "status": status}, "after": {"name": "New", "status": after}}
    assert {key: result["diff"][key] for key in shown} == shown
    ocore.expect("GET", PATH, answer=wire(status=status))
    ocore.expect("PUT", PATH, answer=wire(name="New", status=status))
    ocore.expect("POST", CONTROL, json={"action": action}, status=202)
    ocore.expect("GET", PATH, answer=wire(name="New", status=after))
    result = declare(ocore, id=ID, name="New", power=power)
    assert (result["actions"], result["instance"]["status"]) == (["update", action], after)
    assert {key: result["diff"][key] for key in shown} == shown


@pytest.mark.parametrize(("power", "status"), [("started", "running"), ("started", "Healthy"), ("stopped", "STOPPED")])
@pytest.mark.parametrize("check", [False, True])
def test_power_that_is_reached_is_one_request(ocore: Scripted, power: str, status: str, check: bool) -> None:
    ocore.expect("GET", PATH, answer=wire(status=status))
    result = declare(ocore, id=ID, power=power, check=check)
    assert (result["changed"], result["diff"]["after"]) == (False, {})


@pytest.mark.parametrize("check", [False, True])
def test_power_without_waiting_warns_when_another_operation_is_in_progress(ocore: Scripted, check: bool) -> None:
    ocore.expect("GET", PATH, answer=wire(status="creating"))
    result = declare(ocore, id=ID, power="stopped", wait=False, check=check)
    assert result["changed"] is False
    assert "is not stopped yet: another operation is in progress on it, and wait is false." in result.warnings[0]


def test_power_waits_for_the_operation_in_progress(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="creating"))
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, json={"action": "stop"}, status=202)
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    assert declare(ocore, id=ID, power="stopped")["actions"] == ["stop"]


def test_power_stopped_is_not_preceded_by_a_restart(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, answer=wire(name="New"))
    ocore.expect("POST", CONTROL, json={"action": "stop"}, status=202)
    ocore.expect("GET", PATH, answer=wire(name="New", status="stopped"))
    assert declare(ocore, id=ID, name="New", restart_on_change=True, power="stopped")["actions"] == ["update", "stop"]


def test_server_is_found_by_its_name_before_anything_is_sent(ocore: Scripted) -> None:
    ocore.expect("GET", "/servers", answer={"servers": [wire_server()]})
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect(
        "POST", "/instances", json={"name": "Shop", "slug": "shop", "serverId": SERVER}, status=202, answer=wire()
    )
    result = play(OPERATION, ocore.api_url, name="Shop", slug="shop", server=" alpha ", wait=False)
    assert result["actions"] == ["create"]


def test_server_that_is_not_there_changes_nothing(ocore: Scripted) -> None:
    ocore.expect("GET", "/servers", answer={"servers": [wire_server()]})
    result = play(OPERATION, ocore.api_url, name="Shop", slug="shop", server="alfa")
    assert result["msg"].startswith("There is no server 'alfa'. The organization has: alpha (")
    assert result["actions"] == []


def test_server_is_compared_with_that_of_the_instance(ocore: Scripted) -> None:
    ocore.expect("GET", "/servers", answer={"servers": [wire_server(id="other")]})
    ocore.expect("GET", "/instances", answer=[wire()])
    assert (
        f"server_id is {SERVER!r}, the task declares 'other'"
        in play(OPERATION, ocore.api_url, slug="shop", server="alpha")["msg"]
    )


@pytest.mark.parametrize("options", [{"server": SERVER}, {"server": "gone", "state": "absent"}])
def test_server_is_not_looked_up_where_that_decides_nothing(ocore: Scripted, options: dict[str, Any]) -> None:
    ocore.expect("GET", "/instances", answer=[] if "state" in options else [wire()])
    result = play(OPERATION, ocore.api_url, slug="shop", **{"state": "present", **options})
    assert (result["changed"], result.get("failed")) == (False, None)
