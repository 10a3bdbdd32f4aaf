# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop and restart: what is asked for, and when it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._ops.control import OPERATION
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import action_for
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, Outcome, Time, instance, play, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted

PATH = f"/instances/{ID}"
CONTROL = f"{PATH}/control"
SCORE = f"{PATH}/health-score"


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def control(ocore: Scripted, state: str, **options: Any) -> Outcome:
    return play(OPERATION, ocore.api_url, state=state, **{"id": ID, **options})


@pytest.mark.parametrize(
    ("status", "started", "stopped"),
    [
        pytest.param("running", None, "stop", id="runs"),
        pytest.param("stopped", "start", None, id="stopped"),
        pytest.param("failed", "start", "stop", id="failed"),
        pytest.param("starting", None, "stop", id="on its way up"),
        pytest.param("levitating", None, "stop", id="unknown word"),
        pytest.param("stopping", "start", None, id="on its way down"),
    ],
)
def test_an_action_is_planned_unless_the_state_is_there_or_under_way(
    status: str, started: str | None, stopped: str | None
) -> None:
    assert action_for("started", instance(status=status)) == started
    assert action_for("stopped", instance(status=status)) == stopped
    assert action_for("restarted", instance(status=status)) == "restart"


def test_the_diff_shows_the_status() -> None:
    assert diff("stopped", instance(), "stop")["after"] == {"status": "stopped"}
    assert diff("restarted", instance(), "restart")["after"] == {"status": "running (restarted)"}
    nothing = diff("started", instance(status="Active"), None)
    assert nothing["before"] == nothing["after"] == {"status": "Active"}


@pytest.mark.parametrize(("state", "status"), [("started", "running"), ("started", "Healthy"), ("stopped", "STOPPED")])
@pytest.mark.parametrize("check", [False, True])
def test_a_state_that_is_there_is_one_request(ocore: Scripted, state: str, status: str, check: bool) -> None:
    ocore.expect("GET", PATH, answer=wire(status=status))
    result = control(ocore, state, check=check)
    assert (result["changed"], result["actions"], result["instance"]["status"]) == (False, [], status)


@pytest.mark.parametrize(
    ("state", "status", "action"),
    [("stopped", "running", "stop"), ("started", "stopped", "start"), ("restarted", "stopped", "restart")],
)
def test_check_mode_predicts_and_asks_for_nothing(ocore: Scripted, state: str, status: str, action: str) -> None:
    ocore.expect("GET", PATH, answer=wire(status=status))
    result = control(ocore, state, check=True)
    assert (result["changed"], result["actions"]) == (True, [action])


def test_the_old_word_after_the_request_is_not_taken_for_the_goal(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, json={"action": "start"}, status=202)
    for status in ("stopped", "starting", "running"):
        ocore.expect("GET", PATH, answer=wire(status=status))
    assert control(ocore, "started")["actions"] == ["start"]


def test_without_waiting_it_is_only_asked_for(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("POST", CONTROL, status=202)
    assert control(ocore, "stopped", id=None, slug="shop", wait=False)["actions"] == ["stop"]


# --- restart


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([{"restartCount": 1}], id="counter"),
        pytest.param([{"lastRestartAt": "2026-01-01T00:00:00Z"}], id="time"),
        pytest.param([{}, {"status": "restarting"}, {}], id="status seen away"),
        pytest.param([{"status": "restarting", "restartCount": 1}, {"restartCount": 1}], id="counter before the end"),
        pytest.param([{"status": "rebalancing"}, {"status": "active"}], id="unknown words"),
    ],
)
def test_a_restart_is_over_when_something_has_moved_and_it_runs(ocore: Scripted, after: list[dict[str, Any]]) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, json={"action": "restart"}, status=202)
    for fields in after:
        ocore.expect("GET", PATH, answer=wire(**fields))
    assert control(ocore, "restarted")["actions"] == ["restart"]


def test_a_restart_that_nothing_shows_ends_with_advice_that_fits(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=202)
    for _poll in range(4):
        ocore.expect("GET", PATH, answer=wire())
    result = control(ocore, "restarted", wait_timeout=10)
    assert result["msg"] == (
        f'Waiting for instance shop ({ID}) to be restarted ended after 10 seconds (wait_timeout): status "running". Nothing '
        "was undone: oCore accepted the restart, but neither the status, nor restart_count, nor last_restart_at shows that "
        "it is over. Look at the instance in oCore; running the task again restarts it again. Done before that: restart."
    )


def test_restarting_a_stopped_one_is_over_when_it_runs(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "restarted")["actions"] == ["restart"]


# --- what goes wrong


def test_one_that_is_not_there_is_named(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    assert control(ocore, "started", id=None, slug="shop")["msg"] == (
        "There is no instance with slug shop. Check it, and the option organization."
    )
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    assert f"There is no instance with id {ID} (it is being removed)." in control(ocore, "started")["msg"]


def test_an_empty_key_is_no_traceback(ocore: Scripted) -> None:
    assert "One of id, slug and name is needed" in control(ocore, "started", id="", name="")["msg"]


def test_a_failure_gives_the_message(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, answer=wire(status="error", statusMessage="port in use"))
    assert control(ocore, "started")["msg"] == (
        f'Instance shop ({ID}) failed to start: status "error", port in use. Done before that: start.'
    )


@pytest.mark.parametrize("answer", [{"status": 404}, {"answer": wire(status="removing")}])
def test_one_that_is_removed_meanwhile_is_said(ocore: Scripted, answer: dict[str, Any]) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, **answer)
    result = control(ocore, "stopped")
    assert f"Cannot stop instance shop ({ID}): it was removed meanwhile." in result["msg"]
    assert result["actions"] == ["stop"]


def test_one_that_is_removed_before_the_request_is_said(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=404)
    result = control(ocore, "stopped")
    assert f"Cannot stop instance shop ({ID}): oCore answered HTTP 404." in result["msg"]
    assert result["changed"] is False


def test_one_that_is_removed_while_it_settles_is_said(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="creating"))
    ocore.expect("GET", PATH, status=404)
    assert "was removed meanwhile" in control(ocore, "stopped")["msg"]


def test_a_failure_of_old_may_be_a_leftover_for_a_while(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("POST", CONTROL, json={"action": "start"}, status=202)
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started")["actions"] == ["start"]


def test_a_failure_of_old_that_stays_is_one(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("POST", CONTROL, status=202)
    for _poll in range(6):
        ocore.expect("GET", PATH, answer=wire(status="failed"))
    assert "failed to start" in control(ocore, "started")["msg"]


# --- what is under way


def test_on_its_way_up_is_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="starting"))
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started")["changed"] is False


def test_on_its_way_up_it_can_fail(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="starting"))
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    result = control(ocore, "started")
    assert "failed to start" in result["msg"]
    assert result["changed"] is False


def test_on_its_way_down_is_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopping"))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    assert control(ocore, "stopped")["changed"] is False


def test_on_its_way_down_it_is_started_when_it_is_there(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopping"))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, json={"action": "start"}, status=202)
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started")["actions"] == ["start"]


def test_what_reaches_the_state_by_itself_is_not_asked_for(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="rebalancing"))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    result = control(ocore, "stopped")
    assert (result["changed"], result["diff"]["before"], result["diff"]["after"]) == (
        False,
        {"status": "stopped"},
        {"status": "stopped"},
    )


# --- an action without an answer


@pytest.mark.parametrize(
    "moved", [{"status": "stopping"}, {"restartCount": 1}, {"lastRestartAt": "2026-01-01T00:00:00Z"}]
)
def test_an_unanswered_action_that_shows_is_waited_for(ocore: Scripted, moved: dict[str, Any]) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, fault="drop")
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", PATH, answer=wire(**moved))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    assert control(ocore, "stopped")["actions"] == ["stop"]


def test_an_unanswered_action_that_does_not_show_is_not_repeated(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=500)
    for _look in range(3):
        ocore.expect("GET", PATH, answer=wire())
    result = control(ocore, "stopped")
    assert "HTTP 500. Nothing shows whether the stop is under way: look at the instance, then run" in result["msg"]
    assert result["actions"] == []


def test_an_unanswered_action_and_a_look_that_fails_tell_both(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, fault="drop")
    ocore.expect("GET", PATH, status=401)
    message = control(ocore, "stopped")["msg"]
    assert f"Cannot stop instance shop ({ID}): the connection" in message
    assert "Looking at the instance failed as well: Cannot read instance" in message
    assert "Nothing shows whether the stop is under way" in message


def test_an_unanswered_action_on_one_that_is_gone_says_that(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, fault="drop")
    ocore.expect("GET", PATH, status=404)
    ocore.expect("GET", PATH, status=404)
    assert "it was removed meanwhile" in control(ocore, "stopped")["msg"]


# --- the health score


def test_the_score_is_waited_for_after_a_start(ocore: Scripted) -> None:
    time = Time()
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("GET", SCORE, answer={"score": 99, "computedAt": "2026-01-01T00:00:00Z"})
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, answer=wire())
    for answer in (
        {"status": 404},
        {"answer": {"score": 99, "computedAt": "2026-01-01T00:00:00Z"}},  # from before the start
        {"answer": {"score": 65, "computedAt": "2026-01-01T00:00:05Z"}},
        {"answer": {"score": 80, "computedAt": "2026-01-01T00:00:09Z"}},
    ):
        ocore.expect("GET", SCORE, **answer)
    ocore.expect("GET", PATH, answer=wire(healthScore=80))
    result = control(ocore, "started", min_health_score=80, time=time)
    assert (result["actions"], result["instance"]["health_score"]) == (["start"], 80)
    assert [line.split(": ", 1)[1].rsplit(" (", 1)[0] for line in result.progress if "health score" in line] == [
        "no score has been computed yet",
        "the score is 99, but it was computed before the start",
        "the score is 65",
    ]


def test_a_score_from_before_the_restart_does_not_count(ocore: Scripted) -> None:
    restarted = wire(restartCount=1, lastRestartAt="2026-01-01T00:01:00Z")
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", SCORE, status=404)
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, answer=restarted)
    ocore.expect("GET", SCORE, answer={"score": 99, "computedAt": "2026-01-01T00:00:59Z"})
    ocore.expect("GET", SCORE, answer={"score": 90, "computedAt": "2026-01-01T00:01:01Z"})
    ocore.expect("GET", PATH, answer=restarted)
    assert control(ocore, "restarted", min_health_score=80)["actions"] == ["restart"]


@pytest.mark.parametrize("computed", [None, "yesterday", "2026-01-01T00:00:00"])
def test_a_score_whose_time_cannot_be_compared_counts(ocore: Scripted, computed: str | None) -> None:
    ocore.expect("GET", PATH, answer=wire(lastRestartAt="2026-01-01T00:01:00Z"))
    ocore.expect("GET", SCORE, answer={"score": 80, "computedAt": computed})
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started", min_health_score=80)["changed"] is False


def test_a_score_that_is_not_reached_is_said_with_its_last_value(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    for _look in range(4):
        ocore.expect("GET", SCORE, answer={"score": 65.5})
    for _try in range(3):
        ocore.expect("GET", SCORE, status=503)
    result = control(ocore, "started", min_health_score=80, wait_timeout=16)
    assert result["msg"].startswith(
        f"Instance shop ({ID}) did not reach health score 80 within 16 seconds (wait_timeout): Cannot read the health-score "
        f"of instance shop ({ID}): oCore answered HTTP 503. Tried 3 times. The instance was left as it is"
    )


def test_a_score_that_may_not_be_read_ends_the_wait(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", SCORE, answer={"score": 1})
    ocore.expect("GET", SCORE, status=403)
    assert control(ocore, "started", min_health_score=80)["error"]["status"] == 403


@pytest.mark.parametrize(
    ("state", "options", "words"),
    [
        ("stopped", {}, "use it with started or restarted"),
        ("started", {"wait": False}, "can't be used with wait: false"),
    ],
)
def test_a_score_that_cannot_be_reached_is_refused_at_once(
    ocore: Scripted, state: str, options: dict[str, Any], words: str
) -> None:
    assert words in control(ocore, state, min_health_score=80, **options)["msg"]
