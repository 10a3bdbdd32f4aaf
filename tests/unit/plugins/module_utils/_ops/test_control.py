# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop and restart: what is asked for, and when it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._ops.control import OPERATION, _moved
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
def test_power_needs_no_action_where_the_state_is_reached_or_in_progress(
    status: str, started: str | None, stopped: str | None
) -> None:
    assert action_for("started", instance(status=status)) == started
    assert action_for("stopped", instance(status=status)) == stopped
    assert action_for("restarted", instance(status=status)) == "restart"


def test_diff_shows_the_status(ocore: Scripted) -> None:
    for state, before, after in (
        ("stopped", "running", "stopped"),
        ("restarted", "running", "running (restarted)"),
        ("started", "Active", "Active"),
    ):
        ocore.expect("GET", PATH, answer=wire(status=before))
        diff = control(ocore, state, check=True)["diff"]
        assert (diff["before"], diff["after"]) == ({"status": before}, {"status": after})


@pytest.mark.parametrize(("state", "status"), [("started", "running"), ("started", "Healthy"), ("stopped", "STOPPED")])
@pytest.mark.parametrize("check", [False, True])
def test_idempotent_state_is_one_request(ocore: Scripted, state: str, status: str, check: bool) -> None:
    ocore.expect("GET", PATH, answer=wire(status=status))
    result = control(ocore, state, check=check)
    assert (result["changed"], result["actions"], result["instance"]["status"]) == (False, [], status)


@pytest.mark.parametrize(
    ("state", "status", "action"),
    [("stopped", "running", "stop"), ("started", "stopped", "start"), ("restarted", "stopped", "restart")],
)
def test_power_in_check_mode_is_predicted_and_nothing_is_requested(
    ocore: Scripted, state: str, status: str, action: str
) -> None:
    ocore.expect("GET", PATH, answer=wire(status=status))
    result = control(ocore, state, check=True)
    assert (result["changed"], result["actions"]) == (True, [action])


def test_power_does_not_take_the_old_status_for_the_goal(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, json={"action": "start"}, status=202)
    for status in ("stopped", "starting", "running"):
        ocore.expect("GET", PATH, answer=wire(status=status))
    assert control(ocore, "started")["actions"] == ["start"]


def test_power_without_waiting_is_only_requested(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=202)
    assert control(ocore, "stopped", id=None, slug="shop", wait=False)["actions"] == ["stop"]


def test_power_is_decided_by_a_read_of_the_instance_since_a_list_may_lag_behind(ocore: Scripted) -> None:
    # A list from a cache said "running" for some seconds after the stop, and "started" did nothing.
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, json={"action": "start"}, status=202)
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started", id=None, slug="shop")["actions"] == ["start"]


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ({"restartCount": 3}, {"restartCount": 4}, True),
        ({"restartCount": 3}, {}, False),
        ({}, {"restartCount": 1}, True),
        ({"lastRestartAt": "2026-01-01T00:00:00Z"}, {"lastRestartAt": "2026-01-01T00:00:00.123456Z"}, False),
        ({"lastRestartAt": "2026-01-01T00:00:00Z"}, {"lastRestartAt": "2026-01-01T01:00:00+01:00"}, False),
        ({"lastRestartAt": "2026-01-01T00:00:00Z"}, {"lastRestartAt": "2026-01-01T00:00:01Z"}, True),
        ({"lastRestartAt": "yesterday"}, {"lastRestartAt": "today"}, True),
    ],
)
def test_restart_shows_in_what_the_later_answer_holds(before: dict[str, Any], now: dict[str, Any], moved: bool) -> None:
    assert _moved(Instance.model_validate(before), Instance.model_validate(now)) is moved


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
def test_restart_is_over_when_something_has_moved_and_the_instance_runs(
    ocore: Scripted, after: list[dict[str, Any]]
) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, json={"action": "restart"}, status=202)
    for fields in after:
        ocore.expect("GET", PATH, answer=wire(**fields))
    assert control(ocore, "restarted")["actions"] == ["restart"]


def test_restart_that_nothing_shows_ends_with_advice_that_fits(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=202)
    for _poll in range(3):
        ocore.expect("GET", PATH, answer=wire())
    result = control(ocore, "restarted", wait_timeout=10)
    assert result["msg"] == (
        f'Waiting for instance shop ({ID}) to be restarted ended after 10 seconds (wait_timeout): status "running". Nothing '
        "was undone: oCore accepted the restart, but neither the status, nor restart_count, nor last_restart_at shows that "
        "it is over. Look at the instance in oCore; running the task again restarts it again. Done before that: restart."
    )


def test_restart_of_a_stopped_one_is_over_when_it_runs(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "restarted")["actions"] == ["restart"]


def test_power_of_one_that_does_not_exist_names_it(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    assert control(ocore, "started", id=None, slug="shop")["msg"] == (
        "There is no instance with slug shop. Check it, and the option organization."
    )
    ocore.expect("GET", PATH, answer=wire(status="removing"))
    assert f"There is no instance with id {ID} (it is being removed)." in control(ocore, "started")["msg"]


def test_arguments_that_are_given_but_empty_are_refused(ocore: Scripted) -> None:
    assert "id and name are given but empty, which names nothing." in control(ocore, "started", id="", name="")["msg"]


def test_power_that_fails_gives_the_message(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, status=202)
    ocore.expect("GET", PATH, answer=wire(status="error", statusMessage="port in use"))
    assert control(ocore, "started")["msg"] == (
        f'Instance shop ({ID}) failed to start: status "error", port in use. Done before that: start.'
    )


@pytest.mark.parametrize("answers", [[{"status": 404}] * 4, [{"answer": wire(status="removing")}]])
def test_power_of_one_that_is_removed_during_the_wait_says_so(ocore: Scripted, answers: list[dict[str, Any]]) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=202)
    for answer in answers:
        ocore.expect("GET", PATH, **answer)
    result = control(ocore, "stopped")
    assert f"Cannot stop instance shop ({ID}): it was removed meanwhile." in result["msg"]
    assert result["actions"] == ["stop"]


def test_power_of_one_that_is_removed_before_the_request_says_so(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=404)
    result = control(ocore, "stopped")
    assert f"Cannot stop instance shop ({ID}): oCore answered HTTP 404." in result["msg"]
    assert result["changed"] is False


def test_wait_for_the_operation_in_progress_reports_a_removal(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="creating"))
    for _poll in range(4):
        ocore.expect("GET", PATH, status=404)
    assert "was removed while this task waited for it" in control(ocore, "stopped")["msg"]


@pytest.mark.parametrize(
    ("state", "before", "after"),
    [
        ("started", wire(status="stopped"), wire()),
        ("stopped", wire(), wire(status="stopped")),
        ("restarted", wire(), wire(restartCount=1)),
    ],
)
def test_power_takes_a_404_after_the_request_for_not_visible_yet(
    ocore: Scripted, state: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    ocore.expect("GET", PATH, answer=before)
    ocore.expect("POST", CONTROL, status=202)
    for _poll in range(3):  # after 2, 5 and 9.5 seconds
        ocore.expect("GET", PATH, status=404)
    ocore.expect("GET", PATH, answer=after)
    assert "failed" not in control(ocore, state)


def test_wait_for_the_operation_in_progress_takes_a_404_for_not_visible_yet(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="starting"))
    ocore.expect("GET", PATH, status=404)
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started")["changed"] is False


def test_power_takes_an_old_failure_for_a_leftover_for_a_while(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("POST", CONTROL, json={"action": "start"}, status=202)
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started")["actions"] == ["start"]


def test_power_takes_an_old_failure_that_stays_for_one(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    ocore.expect("POST", CONTROL, status=202)
    for _poll in range(6):
        ocore.expect("GET", PATH, answer=wire(status="failed"))
    assert "failed to start" in control(ocore, "started")["msg"]


def test_wait_for_one_that_is_starting(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="starting"))
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started")["changed"] is False


def test_wait_for_one_that_is_starting_and_fails(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="starting"))
    ocore.expect("GET", PATH, answer=wire(status="failed"))
    result = control(ocore, "started")
    assert "failed to start" in result["msg"]
    assert result["changed"] is False


def test_wait_for_one_that_is_stopping(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopping"))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    assert control(ocore, "stopped")["changed"] is False


def test_wait_for_one_that_is_stopping_before_it_is_started(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="stopping"))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    ocore.expect("POST", CONTROL, json={"action": "start"}, status=202)
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started")["actions"] == ["start"]


def test_idempotent_state_that_is_reached_by_itself_is_not_requested(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(status="rebalancing"))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    result = control(ocore, "stopped")
    assert (result["changed"], result["diff"]["before"], result["diff"]["after"]) == (
        False,
        {"status": "stopped"},
        {"status": "stopped"},
    )


@pytest.mark.parametrize(
    "moved", [{"status": "stopping"}, {"restartCount": 1}, {"lastRestartAt": "2026-01-01T00:00:00Z"}]
)
def test_retry_of_an_unanswered_action_is_not_needed_where_it_shows(ocore: Scripted, moved: dict[str, Any]) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, fault="drop")
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", PATH, answer=wire(**moved))
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    assert control(ocore, "stopped")["actions"] == ["stop"]


def test_retry_of_an_unanswered_action_is_not_sent(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, status=500)
    for _look in range(3):
        ocore.expect("GET", PATH, answer=wire())
    result = control(ocore, "stopped")
    assert "oCore answered HTTP 500." in result["msg"]
    assert "Nothing shows whether it is in progress: look at the instance, then run the task again." in result["msg"]
    assert result["actions"] == []


def test_retry_of_an_unanswered_action_whose_look_fails_tells_both(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, fault="drop")
    ocore.expect("GET", PATH, status=401)
    message = control(ocore, "stopped")["msg"]
    assert f"Cannot stop instance shop ({ID}): the connection" in message
    assert "Reading the instance failed as well: Cannot read instance" in message


def test_retry_of_an_unanswered_action_on_one_that_is_gone_says_so(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("POST", CONTROL, fault="drop")
    for _look in range(3):
        ocore.expect("GET", PATH, status=404)
    for _poll in range(4):
        ocore.expect("GET", PATH, status=404)
    assert "it was removed meanwhile" in control(ocore, "stopped")["msg"]


def test_health_score_is_waited_for_after_a_start(ocore: Scripted) -> None:
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


def test_health_score_from_before_the_restart_does_not_count(ocore: Scripted) -> None:
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
def test_health_score_whose_time_cannot_be_compared_counts(ocore: Scripted, computed: str | None) -> None:
    ocore.expect("GET", PATH, answer=wire(lastRestartAt="2026-01-01T00:01:00Z"))
    ocore.expect("GET", SCORE, answer={"score": 80, "computedAt": computed})
    ocore.expect("GET", PATH, answer=wire())
    assert control(ocore, "started", min_health_score=80)["changed"] is False


def test_health_score_that_is_not_reached_is_quoted(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    for _look in range(3):
        ocore.expect("GET", SCORE, answer={"score": 65.5})
    result = control(ocore, "started", min_health_score=80, wait_timeout=9)
    assert result["msg"] == (
        f"Instance shop ({ID}) did not reach health score 80 within 9 seconds (wait_timeout): the score is 65.5. The "
        "instance was left as it is; read its factors with ocore_instance_info."
    )


def test_health_score_that_cannot_be_read_at_the_end_is_said(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", SCORE, answer={"score": 65.5})
    ocore.expect("GET", SCORE, status=503)
    result = control(ocore, "started", min_health_score=80, wait_timeout=4, retries=0)
    assert (
        f"within 4 seconds (wait_timeout): Cannot read the health-score of instance shop ({ID}): oCore answered HTTP 503."
        in result["msg"]
    )
    assert "The instance was left as it is" in result["msg"]


def test_health_score_that_may_not_be_read_ends_the_wait(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", SCORE, answer={"score": 1})
    ocore.expect("GET", SCORE, status=403)
    assert control(ocore, "started", min_health_score=80)["error"]["status"] == 403


@pytest.mark.parametrize(
    ("state", "options", "words"),
    [
        ("stopped", {}, "use it with state started or restarted"),
        ("started", {"wait": False}, "cannot be used with wait: false"),
    ],
)
def test_health_score_that_cannot_be_reached_is_refused_at_once(
    ocore: Scripted, state: str, options: dict[str, Any], words: str
) -> None:
    assert words in control(ocore, state, min_health_score=80, **options)["msg"]
