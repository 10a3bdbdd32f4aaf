# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of many instances at once: their order, their one wait and their end, without any request."""

from __future__ import annotations

import threading
import time as real_time
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops import scheduler
from ansible_collections.ocore.cloud.plugins.module_utils._ops.desired import Declaration, Plan
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Identity
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import Prepared
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Clock, Steps, Wait
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Run
from ansible_collections.ocore.cloud.plugins.module_utils._ops.scheduler import Item, Planned, Scheduler
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Time, fail, instance, listing, wire

Script = Callable[[Run, Instance], Steps[None]]


class Slow(Time):
    """Time that lets other threads have their turn."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        real_time.sleep(0.001)


class Api:
    """A client whose list shows all instances of the test; ``trouble`` is raised instead, once each."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self.entries = list(entries)
        self.trouble: list[OcoreError] = []
        self.lists = 0

    def list_instances(self) -> Any:
        self.lists += 1
        if self.trouble:
            raise self.trouble.pop(0)
        return listing(*self.entries)

    def get_instance(self, _id: str) -> None:
        return None

    def protect(self, one: Instance) -> Instance:
        return one


class Fleet:
    """Items with one script each, by slug, in that order.

    :param monkeypatch: replaces what the steps of an item are.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, scripts: dict[str, Script], **options: Any) -> None:
        self.time = Slow()
        self.lines: list[str] = []
        self.said: Callable[[str], None] = self.lines.append
        self.api = Api(wire(id=slug, slug=slug) for slug in scripts)
        deadline = Deadline(options.pop("wait_timeout", 10**6), now=self.time, sleep=self.time.sleep)
        self.run = Run(
            {"max_parallel": 1, "on_error": "continue", "wait": True, **options},
            False,
            cast(Client, self.api),
            Clock(deadline, 2.0, self._hear),
            fail,
        )
        monkeypatch.setattr(scheduler, "_steps", lambda item, _prepared: self._steps(scripts, item))
        self.items = [self._item(slug) for slug in scripts]

    def _hear(self, line: str) -> None:
        self.said(line)

    def _steps(self, scripts: dict[str, Script], item: Item) -> Steps[None]:
        slug = item.declaration.identity.value
        return scripts[slug](item.run, instance(id=slug, slug=slug))

    def _item(self, slug: str) -> Item:
        declaration = Declaration(Identity(slug=slug), False, {}, False, False, None, False, True)
        run = Run({}, False, self.run.client, self.run.clock, fail)
        # Something to do, so that a thread does it; what that is, the script says.
        return Item(run, declaration, state=Planned(Prepared(declaration, Plan({}, {}, update={}), None, None)))

    def work(self) -> dict[str, str]:
        """Run it, and give the outcome of each item."""
        Scheduler(self.run, self.items).work()
        return {item.declaration.identity.value: item.outcome for item in self.items}


def at_once(run: Run, _one: Instance) -> Steps[None]:
    """Do something without any waiting."""
    run.actions.append("update")
    yield from ()


def until(reached: Callable[[], bool]) -> Script:
    """Create, then wait until ``reached``, then stop."""

    def script(run: Run, one: Instance) -> Steps[None]:
        run.actions.append("create")
        yield Wait(one, "be created", lambda _now, waited: waited > 0 and reached(), one)
        run.actions.append("stop")

    return script


def test_fleet_takes_follow_up_steps_before_it_begins_further_items(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    busy, gate = threading.Event(), threading.Event()

    def first(run: Run, one: Instance) -> Steps[None]:
        def is_there(_now: Instance | None, _waited: float) -> bool:
            if busy.is_set():
                order.append("first is there")
            return busy.is_set()

        yield Wait(one, "be created", is_there, one)
        order.append("first goes on")

    def second(run: Run, one: Instance) -> Steps[None]:
        yield Wait(one, "be created", lambda _now, _waited: "first goes on" in order, one)

    def blocking(run: Run, _one: Instance) -> Steps[None]:
        busy.set()
        assert gate.wait(60)
        return
        yield

    def third(run: Run, _one: Instance) -> Steps[None]:
        order.append("third begins")
        return
        yield

    fleet = Fleet(monkeypatch, {"first": first, "second": second, "blocking": blocking, "third": third})

    def said(_line: str) -> None:
        if order:  # the first one's next steps are in the queue since the last tick
            gate.set()

    fleet.said = said
    assert set(fleet.work().values()) == {"unchanged"}
    assert order == ["first is there", "first goes on", "third begins"]


def test_fleet_item_with_nothing_to_do_takes_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # Handing 10,000 of them to threads took half a second.
    threads: dict[str, threading.Thread] = {}

    def note(run: Run, one: Instance) -> Steps[None]:
        threads[one.slug or ""] = threading.current_thread()
        yield from ()

    fleet = Fleet(monkeypatch, {"idle": note, "busy": note})
    idle = fleet.items[0]
    idle.state = Planned(Prepared(idle.declaration, Plan({}, {}), instance(status="running"), None))
    fleet.work()
    assert threads["idle"] is threading.main_thread() is not threads["busy"]


def test_fleet_progress_counts_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": at_once, "b": until(lambda: len(fleet.lines) > 2), "c": at_once, "d": at_once})
    assert fleet.work() == dict.fromkeys("abcd", "changed")
    assert any(line.startswith("3 of 4 instances done, 1 to be created (") for line in fleet.lines), fleet.lines


def test_deadline_leaves_items_that_never_began_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def long(run: Run, _one: Instance) -> Steps[None]:
        run.actions.append("update")
        run.clock.pause(40)
        return
        yield

    fleet = Fleet(monkeypatch, dict.fromkeys("abcd", long), wait_timeout=60)
    assert fleet.work() == {"a": "changed", "b": "changed", "c": "skipped", "d": "skipped"}
    assert [item.run.actions for item in fleet.items] == [["update"], ["update"], [], []]


def test_deadline_of_0_seconds_begins_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": at_once, "b": at_once}, wait_timeout=0)
    assert fleet.work() == {"a": "changed", "b": "changed"}


def test_deadline_fails_what_still_waits_and_quotes_the_last_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": until(lambda: False)}, wait_timeout=6)
    fleet.api.trouble = [OcoreError("busy.", transient=True)] * 9
    assert fleet.work() == {"a": "failed"}
    [item] = fleet.items
    assert "ended after 6 seconds (wait_timeout)" in str(item.state)
    assert "The last request failed: busy." in str(item.state)


def test_retry_of_a_list_that_fails_for_the_moment_fails_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": until(lambda: True), "b": until(lambda: True)})
    fleet.api.trouble = [OcoreError("busy.", transient=True)]
    assert fleet.work() == {"a": "changed", "b": "changed"}


def test_fleet_whose_list_is_refused_fails_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": until(lambda: True)})
    fleet.api.trouble = [OcoreError("No.", status=401)]
    assert fleet.work() == {"a": "failed"}
    assert fleet.items[0].run.actions == ["create"]


def test_fleet_wait_that_meets_a_defect_fails_that_item_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise KeyError("x")

    fleet = Fleet(monkeypatch, {"a": until(broken), "b": until(lambda: True)})
    assert fleet.work() == {"a": "failed", "b": "changed"}


@pytest.mark.parametrize("on_error", ["continue", "stop"])
def test_fleet_on_error_stop_begins_nothing_new(monkeypatch: pytest.MonkeyPatch, on_error: str) -> None:
    def failing(_run: Run, _one: Instance) -> Steps[None]:
        yield from at_once(_run, _one)
        raise ValueError("odd")

    fleet = Fleet(monkeypatch, {"a": at_once, "b": failing, "c": at_once}, on_error=on_error)
    assert fleet.work() == {"a": "changed", "b": "failed", "c": "changed" if on_error == "continue" else "skipped"}


def test_fleet_that_is_interrupted_begins_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    gate = threading.Event()

    def blocking(run: Run, one: Instance) -> Steps[None]:
        begun.append(one.slug or "")
        assert gate.wait(60)
        return
        yield

    fleet = Fleet(monkeypatch, {"a": until(lambda: False), "b": blocking, "c": blocking, "d": blocking})

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    fleet.said = interrupt
    with pytest.raises(KeyboardInterrupt):
        fleet.work()
    gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join()
    assert begun in ([], ["b"])
