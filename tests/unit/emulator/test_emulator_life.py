# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an instance: what it is when, by a clock that the test holds."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.extensions.emulator import life
from ansible_collections.ocore.cloud.extensions.emulator.life import Instance


def instance(status: str = "running", **fields: Any) -> Instance:
    known = {
        "id": "1",
        "status": status,
        "statusMessage": None,
        "domains": [],
        "restartCount": 0,
        "lastRestartAt": None,
    }
    return Instance("acme", {**known, "healthScore": None, **fields})


def seen(one: Instance, *moments: float) -> list[str]:
    """Return the status at each moment."""
    words = []
    for moment in moments:
        life.advance(one, moment)
        words.append(one.status)
    return words


def test_creation_takes_two_steps_and_then_runs() -> None:
    one = instance("creating")
    life.create(one, 100.0, 1.0, fails=False)
    assert seen(one, 100.0, 101.9, 102.0) == ["creating", "creating", "running"]
    assert (one.fields["healthScore"], one.fields["healthScoreGrade"]) == (65, "D")
    assert not one.busy()
    life.advance(one, 103.0)
    assert (one.fields["healthScore"], one.fields["healthScoreGrade"]) == (95, "A")


def test_creation_can_fail_and_says_why() -> None:
    one = instance("creating")
    life.create(one, 100.0, 1.0, fails=True)
    assert seen(one, 101.9, 102.0, 1000.0) == ["creating", "failed", "failed"]
    assert "no space left" in one.fields["statusMessage"]
    assert one.fields["healthScore"] is None


@pytest.mark.parametrize(
    ("before", "action", "words"),
    [
        ("running", "stop", ["running", "stopping", "stopped"]),
        ("stopped", "start", ["stopped", "starting", "running"]),
        ("failed", "start", ["failed", "starting", "running"]),
        ("running", "restart", ["running", "restarting", "running"]),
        ("stopped", "restart", ["stopped", "restarting", "running"]),
    ],
)
def test_action_shows_the_old_word_then_the_one_between_then_the_target(
    before: str, action: str, words: list[str]
) -> None:
    one = instance(before)
    assert life.control(one, action, 100.0, 1.0, "both")
    assert seen(one, 100.9, 101.0, 102.0) == words
    assert not one.busy()


@pytest.mark.parametrize(("status", "action"), [("running", "start"), ("stopped", "stop")])
def test_action_towards_where_it_is_does_nothing(status: str, action: str) -> None:
    one = instance(status)
    assert not life.control(one, action, 100.0, 1.0, "both")
    assert one.steps == []


def test_restart_is_counted_when_it_is_done() -> None:
    one = instance()
    life.control(one, "restart", 100.0, 1.0, "both")
    life.advance(one, 101.9)
    assert (one.fields["restartCount"], one.fields["lastRestartAt"]) == (0, None)
    life.advance(one, 102.0)
    assert one.fields["restartCount"] == 1
    assert one.fields["lastRestartAt"] is not None


def test_restart_may_only_count() -> None:
    one = instance()
    life.control(one, "restart", 100.0, 1.0, "count_only")
    assert seen(one, 100.5, 101.5, 102.0) == ["running"] * 3
    assert one.fields["restartCount"] == 1


def test_restart_may_leave_the_count_alone() -> None:
    one = instance()
    life.control(one, "restart", 100.0, 1.0, "status_only")
    assert seen(one, 101.0, 102.0) == ["restarting", "running"]
    assert (one.fields["restartCount"], one.fields["lastRestartAt"]) == (0, None)


def test_operations_are_done_one_after_the_other() -> None:
    one = instance()
    life.control(one, "stop", 100.0, 1.0, "both")
    life.control(one, "start", 100.5, 1.0, "both")
    assert seen(one, 101.0, 102.0, 103.0, 104.0) == ["stopping", "stopped", "starting", "running"]


def test_removal_shows_at_once_drops_what_is_queued_and_takes_two_steps() -> None:
    one = instance()
    life.control(one, "restart", 100.0, 1.0, "both")
    life.remove(one, 100.5, 1.0)
    assert seen(one, 100.5, 102.4) == ["removing", "removing"]
    assert one.gone_at is None
    life.advance(one, 102.5)
    assert (one.status, one.gone_at) == ("deleted", 102.5)


def test_removing_twice_does_not_start_again() -> None:
    one = instance()
    life.remove(one, 100.0, 1.0)
    life.remove(one, 101.9, 1.0)
    life.advance(one, 102.0)
    assert one.gone_at == 102.0


def test_put_may_restart_for_a_step() -> None:
    one = instance()
    life.restart_briefly(one, 100.0, 1.0)
    assert seen(one, 100.0, 100.9, 101.0) == ["restarting", "restarting", "running"]


def test_late_looks_lose_no_step() -> None:
    one = instance()
    life.control(one, "stop", 100.0, 1.0, "both")
    life.control(one, "restart", 100.0, 1.0, "both")
    assert seen(one, 10_000.0) == ["running"]
    assert one.fields["restartCount"] == 1
