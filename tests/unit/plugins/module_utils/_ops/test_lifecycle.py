# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Status words, and waiting on a clock that no test has to wait for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    Clock,
    Phase,
    Wait,
    describe_status,
    failed_since,
    is_invisible_yet,
    phase,
    phase_of,
    wait_for,
)
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, Time, clock, instance


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("running", Phase.READY),
        ("Active", Phase.READY),
        (" HEALTHY ", Phase.READY),
        ("Stopped", Phase.STOPPED),
        ("stopping", Phase.STOPPING),
        ("failed", Phase.FAILED),
        ("ERROR", Phase.FAILED),
        ("provisioning_failed", Phase.FAILED),
        ("provisioning-failed", Phase.FAILED),
        ("Provisioning Failed", Phase.FAILED),
        ("removing", Phase.LEAVING),
        ("Deleting", Phase.LEAVING),
        ("deleted", Phase.GONE),
        ("creating", Phase.PROGRESS),
        ("suspended", Phase.PROGRESS),
        ("levitating", Phase.PROGRESS),
        ("", Phase.PROGRESS),
        (None, Phase.PROGRESS),
        (7, Phase.PROGRESS),
        (["running"], Phase.PROGRESS),
    ],
)
def test_status_word_has_a_meaning(word: object, meaning: Phase) -> None:
    assert phase_of(word) is meaning


def test_status_of_an_instance_that_cannot_be_read_is_gone() -> None:
    assert phase(None) is Phase.GONE


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "failed", "statusMessage": "no space left."}, 'status "failed", no space left'),
        ({"status": "creating"}, 'status "creating"'),
        ({"status": None}, "no status"),
    ],
)
def test_status_is_put_in_words(fields: dict[str, object], words: str) -> None:
    assert describe_status(instance(**fields)) == words


@pytest.mark.parametrize(
    ("status", "elapsed", "invisible"), [(None, 0, True), (None, 14.9, True), (None, 15, False), ("running", 0, False)]
)
def test_status_404_shortly_after_a_request_means_not_visible_yet(
    status: str | None, elapsed: float, invisible: bool
) -> None:
    assert is_invisible_yet(instance(status=status) if status else None, elapsed) is invisible


FAILED = {"status": "failed", "statusMessage": "old", "updatedAt": "1"}


@pytest.mark.parametrize(
    ("before", "now", "elapsed", "failed"),
    [
        pytest.param({}, {}, 99, False, id="it runs"),
        pytest.param({}, FAILED, 0, True, id="it ran and failed"),
        pytest.param(None, FAILED, 0, True, id="it was not there and failed"),
        pytest.param(FAILED, FAILED, 5, False, id="an old failure may be a leftover"),
        pytest.param(FAILED, FAILED, 30, True, id="an old failure that stays is one"),
        pytest.param(FAILED, {**FAILED, "statusMessage": "new"}, 0, True, id="a new message is a new failure"),
        pytest.param(
            {**FAILED, "restartCount": 0}, {**FAILED, "restartCount": 1}, 0, True, id="a new restart is a new failure"
        ),
        pytest.param(FAILED, {**FAILED, "updatedAt": "2"}, 0, False, id="being accepted moves updatedAt"),
    ],
)
def test_status_tells_an_old_failure_from_a_new_one(
    before: dict[str, object] | None, now: dict[str, object], elapsed: float, failed: bool
) -> None:
    assert failed_since(None if before is None else instance(**before), instance(**now), elapsed) is failed


def test_status_of_an_old_failure_is_not_new_because_a_list_leaves_out_its_message() -> None:
    listed = Instance.model_validate({"id": ID, "status": "failed"})
    assert not failed_since(listed, instance(**FAILED), 0)


@pytest.mark.parametrize(
    ("timeout", "interval", "words"),
    [
        (-1, 2.0, "wait_timeout must be 0 seconds or more, not -1"),
        (600, 0.0, "wait_interval must be more than 0 seconds, not 0"),
        (600, -1.0, "wait_interval must be"),
        (600, float("nan"), "wait_interval must be"),
        (600, float("inf"), "wait_interval must be"),
    ],
)
def test_clock_that_cannot_tick_is_refused_by_the_option_at_fault(timeout: float, interval: float, words: str) -> None:
    with pytest.raises(OcoreError, match=words):
        Clock(Deadline(timeout), interval, print)


def test_clock_pauses_grow_by_half_to_ten_seconds_and_the_last_look_is_before_the_deadline() -> None:
    time = Time()
    waited = list(clock(time, timeout=40).ticks())
    assert time.slept == [2.0, 3.0, 4.5, 6.75, 10.0, 10.0, 3.75]
    assert waited[-1] == 36.25


def test_clock_uses_a_long_interval_as_it_is() -> None:
    time = Time()
    list(clock(time, timeout=50, interval=20).ticks())
    assert time.slept == [20, 20, 10]


def test_deadline_is_shared_by_all_waits_of_a_task() -> None:
    time = Time()
    shared = clock(time, timeout=10)
    time.sleep(7)
    assert list(shared.ticks()) == [2.0]
    assert list(shared.ticks()) == []
    assert shared.expired()


def test_deadline_of_0_seconds_has_no_tick() -> None:
    assert list(clock(Time(), timeout=0).ticks()) == []


def test_progress_is_shown_when_it_is_new_and_every_fifteen_seconds() -> None:
    time, lines = Time(), []
    talking = Clock(Deadline(600, now=time, sleep=time.sleep), 2.0, lines.append)
    for text in ("creating", "creating", "starting"):
        talking.say(text)
    time.sleep(14)
    talking.say("starting")
    time.sleep(1)
    talking.say("starting")
    assert lines == ["creating (0 s)", "starting (0 s)", "starting (15 s)"]


def wait(
    answers: list[Instance | OcoreError | None],
    done: Callable[[Instance | None, float], bool] = lambda now, _waited: phase(now) is Phase.READY,
    last: Instance | None = None,
    timeout: float = 10,
) -> Instance | None:
    def read() -> Instance | None:
        answer = answers.pop(0)
        if isinstance(answer, OcoreError):
            raise answer
        return answer

    found = wait_for(clock(Time(), timeout), Wait(instance(), "be ready", done, last), read)
    assert not answers, "not everything was read"
    return found


def test_wait_for_a_goal_that_is_reached_costs_no_request() -> None:
    assert wait([], last=instance()) == instance()


def test_wait_polls_until_the_goal_is_reached() -> None:
    found = wait([instance(status="starting"), instance()], last=instance(status="creating"))
    assert found == instance()


def test_wait_can_have_being_gone_as_its_goal() -> None:
    assert wait([None], done=lambda now, _waited: now is None, last=instance()) is None


def test_retry_of_a_poll_outlasts_a_transient_failure() -> None:
    assert wait([OcoreError("busy", transient=True), instance()], last=instance(status="creating")) == instance()


def test_wait_ends_at_a_refusal() -> None:
    with pytest.raises(OcoreError, match="not allowed"):
        wait([OcoreError("not allowed", status=403)], last=instance(status="creating"))


def test_deadline_error_quotes_the_last_status_and_says_how_to_continue() -> None:
    with pytest.raises(OcoreError) as caught:
        wait([instance(status="rebalancing", statusMessage="moving.")] * 3, last=instance(status="creating"))
    assert caught.value.message == (
        f'Waiting for instance shop ({ID}) to be ready ended after 10 seconds (wait_timeout): status "rebalancing", moving. '
        "Nothing was undone: run the task again to go on waiting, with a longer wait_timeout if this is only slow, or "
        "look at the instance in oCore if the status does not change."
    )


def test_deadline_error_quotes_the_last_failure() -> None:
    with pytest.raises(OcoreError, match=r'"creating"\. The last request failed: busy\. Nothing'):
        wait([OcoreError("busy.", transient=True)] * 3, last=instance(status="creating"))


def test_deadline_error_says_that_the_instance_is_not_found() -> None:
    with pytest.raises(OcoreError, match=r"\(wait_timeout\): oCore does not find it\."):
        wait([None] * 3, last=instance(status="creating"))


def test_progress_tells_no_status_from_not_found() -> None:
    time, lines = Time(), []
    talking = Clock(Deadline(20, now=time, sleep=time.sleep), 2.0, lines.append)
    answers = [instance(status=None), None, instance()]
    goal = Wait(instance(), "run", lambda now, _waited: phase(now) is Phase.READY, instance(status="new"))
    wait_for(talking, goal, lambda: answers.pop(0))
    assert [line.rsplit(" (", 1)[0] for line in lines] == [
        f"waiting for instance shop ({ID}) to run: new",
        f"waiting for instance shop ({ID}) to run: no status",
        f"waiting for instance shop ({ID}) to run: not found",
    ]
