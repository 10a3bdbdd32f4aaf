# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of many instances at once: a few threads write, one list request per tick tells all how things stand.

An item's steps run in a thread until they have to wait (:class:`lifecycle.Wait`). This thread then waits for all of them
together, and sends those that can go on back to the threads, before the items that have not begun.
"""

from __future__ import annotations

import itertools
import queue
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Union

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import displayable
from ansible_collections.ocore.cloud.plugins.module_utils._api.threads import thread_pool
from ansible_collections.ocore.cloud.plugins.module_utils._ops.desired import Declaration
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Match
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import Prepared, apply
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    Phase,
    Steps,
    Wait,
    phase,
    wait_timed_out,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Run, as_ocore_error

_CONTINUE, _BEGIN = 0, 1
"""Priorities: what has begun comes first, so that follow-up steps do not wait for the last creation."""


@dataclass(frozen=True)
class Unplanned:
    """Nothing is known yet."""


@dataclass(frozen=True)
class Planned:
    """It has not begun."""

    prepared: Prepared


@dataclass(frozen=True)
class Working:
    """A thread takes its steps, or will as soon as one is free."""

    steps: Steps[None]


@dataclass(frozen=True)
class Waiting:
    """Its steps have to wait; ``since`` is in seconds on the task's clock."""

    steps: Steps[None]
    wait: Wait
    since: float


@dataclass(frozen=True)
class Finished:
    """All its steps are taken."""


@dataclass(frozen=True)
class Skipped:
    """It never began, because another one failed or time ran out."""


@dataclass(frozen=True)
class Failed:
    """It could not be planned, or one of its steps failed."""

    error: OcoreError


State = Union[Unplanned, Planned, Working, Waiting, Finished, Skipped, Failed]  # noqa: UP007 - pylint reads the other form as an expression


@dataclass
class Item:
    """One instance of the fleet.

    :param run: its own view of the task's run: options, actions, instance.
    :param purged: whether it is removed because nobody declares it.
    :param match: what the look-up found; ``None`` when that failed.
    """

    run: Run
    declaration: Declaration
    purged: bool = False
    match: Match | None = None
    state: State = field(default_factory=Unplanned)

    @property
    def outcome(self) -> str:
        """Return failed, skipped, changed or unchanged."""
        if isinstance(self.state, Failed):
            return "failed"
        if isinstance(self.state, Skipped):
            return "skipped"
        return "changed" if self.run.actions else "unchanged"


Work = tuple[int, int, Item, Steps[None], "Instance | None"]


class Scheduler:
    """Takes the steps of all items."""

    def __init__(self, run: Run, items: Sequence[Item]) -> None:
        self._run = run
        self._items = items
        self._stop_on_error = run.options["on_error"] == "stop"
        self._closed = self._stop_on_error and any(isinstance(item.state, Failed) for item in items)
        self._work: queue.PriorityQueue[Work] = queue.PriorityQueue()
        self._order = itertools.count()
        self._ended: queue.SimpleQueue[Future[Item]] = queue.SimpleQueue()
        self._running = 0
        self._waiting: list[Item] = []
        self._trouble = ""

    def work(self) -> None:
        """Return when every item has come to its end."""
        pool = thread_pool(self._run.options["max_parallel"])
        try:
            self._loop(pool)
        except BaseException:
            # The task was interrupted. Threads that hang in a request are not waited for; nothing new is sent.
            self._closed = True
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        for item in self._items:
            if isinstance(item.state, Planned):
                prepared = item.state.prepared
                if prepared.idle:
                    self._take_steps(item, _steps(item, prepared), None)  # sends nothing, and a thread would cost more
                else:
                    self._submit(pool, _BEGIN, item, _steps(item, prepared), None)
        ticks = self._run.clock.ticks()
        while self._running or self._waiting:
            self._collect()
            if not self._waiting:
                continue
            self._run.clock.say(self._progress())
            if next(ticks, None) is None:
                self._give_up()
                continue
            for item, steps, found in self._arrived():
                self._submit(pool, _CONTINUE, item, steps, found)

    def _submit(
        self, pool: ThreadPoolExecutor, priority: int, item: Item, steps: Steps[None], found: Instance | None
    ) -> None:
        if priority == _CONTINUE:
            item.state = Working(steps)
        self._running += 1
        self._work.put((priority, next(self._order), item, steps, found))
        pool.submit(self._advance).add_done_callback(self._ended.put)

    def _advance(self) -> Item:
        """Take the most urgent item's steps. Runs in a thread."""
        _priority, _order, item, steps, found = self._work.get_nowait()
        self._take_steps(item, steps, found)
        return item

    def _take_steps(self, item: Item, steps: Steps[None], found: Instance | None) -> None:
        """Take an item's steps to the next wait, or to their end."""
        if isinstance(item.state, Planned) and (self._closed or self._is_too_late()):
            item.state = Skipped()
            return
        item.state = Working(steps)
        try:
            while True:
                wait = steps.send(found)
                if not wait.done(wait.last, 0.0):
                    break
                found = wait.last
        except StopIteration:
            item.state = Finished()
        except Exception as error:
            self._fail(item, as_ocore_error(error))
        else:
            item.state = Waiting(steps, wait, self._run.clock.elapsed())

    def _is_too_late(self) -> bool:
        return self._run.clock.timeout > 0 and self._run.clock.expired()

    def _fail(self, item: Item, error: OcoreError) -> None:
        item.state = Failed(error)
        self._closed = self._closed or self._stop_on_error

    def _collect(self) -> None:
        """Take over the items whose threads have ended; block only when there is nothing else to wait for."""
        while self._running:
            try:
                ended = self._ended.get(block=not self._waiting)
            except queue.Empty:
                return
            self._running -= 1
            item = ended.result()
            if isinstance(item.state, Waiting):
                self._waiting.append(item)

    def _arrived(self) -> list[tuple[Item, Steps[None], Instance | None]]:
        """Look at all waiting instances with one request, and return those that can go on."""
        try:
            listing = self._run.client.list_instances()
            self._trouble = ""
        except Exception as raised:
            error = as_ocore_error(raised)
            if error.transient:
                self._trouble = f" The last request failed: {error.message}"
            else:
                for item in self._waiting:
                    self._fail(item, error)
                self._waiting = []
            return []
        arrived: list[tuple[Item, Steps[None], Instance | None]] = []
        for item in self._waiting:
            if isinstance(item.state, Waiting):
                arrived += self._look_at(item, item.state, listing)
        gone_on = {id(item) for item, _steps, _found in arrived}
        self._waiting = [i for i in self._waiting if isinstance(i.state, Waiting) and id(i) not in gone_on]
        return arrived

    def _look_at(self, item: Item, state: Waiting, listing: Listing) -> list[tuple[Item, Steps[None], Instance | None]]:
        """Return the item with its instance when it can go on; else nothing."""
        try:
            now = self._seen(state.wait, listing)
            item.run.instance, item.run.listing = now or item.run.instance, listing
            done = state.wait.done(now, self._run.clock.elapsed() - state.since)
        except Exception as error:
            known = as_ocore_error(error)
            if not known.transient:
                self._fail(item, known)
            return []
        return [(item, state.steps, now)] if done else []

    def _seen(self, wait: Wait, listing: Listing) -> Instance | None:
        found = listing.having("id", wait.instance.id)
        if found:
            return found[0]
        if wait.until_gone and not listing.incomplete:
            return None
        # Not listed: that may mean gone, but only oCore's answer about the instance itself proves it.
        return self._run.client.get_instance(wait.instance.id)

    def _give_up(self) -> None:
        self._closed = True
        for item in self._waiting:
            if isinstance(item.state, Waiting):
                last = item.run.instance or item.state.wait.last
                self._fail(item, wait_timed_out(self._run.clock, item.state.wait, last, self._trouble))
        self._waiting = []

    def _progress(self) -> str:
        states = Counter(type(item.state) for item in self._items)
        waits = Counter(
            f"to {item.state.wait.purpose} ({displayable((item.run.instance and item.run.instance.status) or 'no status')})"
            for item in self._waiting
            if isinstance(item.state, Waiting)
        )
        parts = [f"{states[Finished]} of {len(self._items)} instances done"]
        parts += [f"{count} {what}" for what, count in sorted(waits.items())]
        parts += [f"{states[Working]} being changed"] if states[Working] else []
        parts += [f"{states[Planned]} not begun"] if states[Planned] else []
        parts += [f"{states[Failed]} failed"] if states[Failed] else []
        return ", ".join(parts)


def _steps(item: Item, prepared: Prepared) -> Steps[None]:
    """Return the steps of one item."""
    run = item.run
    if prepared.plan.actions or phase(prepared.current) is not Phase.READY:
        # Only what oCore says about these is ever shown, and that may quote a value.
        run.client.scrub.add(item.declaration.env_vars.values())
        if run.instance is not None:
            run.client.protect(run.instance)
    yield from apply(run, prepared)
