# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Status words, and waiting on a clock that no test has to wait for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    Clock,
    Phase,
    failed_since,
    phase,
    phase_of,
    reason,
    wait_for,
)
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Time, clock, instance


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
        ("removing", Phase.LEAVING),
        ("Deleting", Phase.LEAVING),
        ("deleted", Phase.GONE),
        ("creating", Phase.PROGRESS),
        ("suspended", Phase.PROGRESS),
        ("levitating", Phase.PROGRESS),
        ("", Phase.PROGRESS),
        (None, Phase.PROGRESS),
    ],
)
def test_a_status_word_has_a_meaning(word: str | None, meaning: Phase) -> None:
    assert phase_of(word) is meaning


def test_an_instance_that_cannot_be_read_is_gone() -> None:
    assert phase(None) is Phase.GONE


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "failed", "statusMessage": "no space left."}, 'status "failed", no space left'),
        ({"status": "creating"}, 'status "creating"'),
        ({"status": None}, "no status"),
    ],
)
def test_a_status_is_put_in_words(fields: dict[str, object], words: str) -> None:
    assert reason(instance(**fields)) == words


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
        pytest.param(FAILED, {**FAILED, "updatedAt": "2"}, 0, True, id="a new time is a new failure"),
    ],
)
def test_an_old_failure_is_told_from_a_new_one(
    before: dict[str, object] | None, now: dict[str, object], elapsed: float, failed: bool
) -> None:
    assert failed_since(None if before is None else instance(**before), instance(**now), elapsed) is failed


# --- the clock


@pytest.mark.parametrize(
    ("timeout", "interval"), [(-1, 2.0), (600, 0.0), (600, -1.0), (600, float("nan")), (600, float("inf"))]
)
def test_a_clock_that_cannot_tick_is_refused(timeout: float, interval: float) -> None:
    with pytest.raises(OcoreError, match="wait_interval must be more than 0"):
        Clock(timeout, interval, print)


def test_the_pauses_grow_by_half_to_ten_seconds_and_the_last_look_is_at_the_deadline() -> None:
    time = Time()
    waited = list(clock(time, timeout=40).ticks())
    assert time.slept == [2.0, 3.0, 4.5, 6.75, 10.0, 10.0, 3.75]
    assert waited[-1] == 40.0


def test_a_long_interval_is_taken_as_it_is() -> None:
    time = Time()
    list(clock(time, timeout=50, interval=20).ticks())
    assert time.slept == [20, 20, 10]


def test_all_waits_of_a_task_share_one_deadline() -> None:
    time = Time()
    shared = clock(time, timeout=10)
    time.sleep(9)
    assert list(shared.ticks()) == [1.0]
    assert list(shared.ticks()) == []
    assert shared.expired()


def test_a_timeout_of_zero_has_no_tick() -> None:
    assert list(clock(Time(), timeout=0).ticks()) == []


def test_progress_is_said_when_it_is_new_and_every_fifteen_seconds() -> None:
    time, lines = Time(), []
    talking = Clock(600, 2.0, lines.append, now=time, sleep=time.sleep)
    for text in ("creating", "creating", "starting"):
        talking.say(text)
    time.sleep(14)
    talking.say("starting")
    time.sleep(1)
    talking.say("starting")
    assert lines == ["creating (0 s)", "starting (0 s)", "starting (15 s)"]


# --- waiting


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

    found = wait_for(clock(Time(), timeout), "instance shop to be ready", read, done, last)
    assert not answers, "not everything was read"
    return found


def test_a_goal_that_is_reached_costs_no_request() -> None:
    assert wait([], last=instance()) == instance()


def test_a_goal_is_waited_for() -> None:
    found = wait([instance(status="starting"), instance()], last=instance(status="creating"))
    assert found == instance()


def test_being_gone_can_be_the_goal() -> None:
    assert wait([None], done=lambda now, _waited: now is None, last=instance()) is None


def test_a_trouble_of_the_moment_is_waited_out() -> None:
    assert wait([OcoreError("busy", transient=True), instance()], last=instance(status="creating")) == instance()


def test_a_refusal_ends_the_wait() -> None:
    with pytest.raises(OcoreError, match="not allowed"):
        wait([OcoreError("not allowed", status=403)], last=instance(status="creating"))


def test_at_the_deadline_the_last_word_is_said_and_how_to_go_on() -> None:
    with pytest.raises(OcoreError) as caught:
        wait([instance(status="rebalancing", statusMessage="moving.")] * 4, last=instance(status="creating"))
    assert caught.value.message == (
        'Waiting for instance shop to be ready ended after 10 seconds (wait_timeout): status "rebalancing", moving. '
        "Nothing was undone: run the task again to go on waiting, with a longer wait_timeout if this is only slow, or "
        "look at the instance in oCore if the status does not change."
    )


def test_at_the_deadline_the_last_trouble_is_said() -> None:
    with pytest.raises(OcoreError, match=r'"creating"\. The last request failed: busy\. Nothing'):
        wait([OcoreError("busy.", transient=True)] * 4, last=instance(status="creating"))


def test_at_the_deadline_an_instance_that_is_not_there_is_called_that() -> None:
    with pytest.raises(OcoreError, match=r"\(wait_timeout\): it can't be found\."):
        wait([None] * 4, last=instance(status="creating"))


def test_progress_tells_no_status_from_gone() -> None:
    time, lines = Time(), []
    talking = Clock(6, 2.0, lines.append, now=time, sleep=time.sleep)
    answers = [instance(status=None), None, instance()]
    wait_for(
        talking, "it", lambda: answers.pop(0), lambda now, _waited: phase(now) is Phase.READY, instance(status="new")
    )
    assert [line.split(" (")[0] for line in lines] == [
        "waiting for it: new",
        "waiting for it: no status",
        "waiting for it: gone",
    ]
