# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual clock for many threads: whoever sleeps goes on when nobody's clock is further behind.

So what threads do is in the order of the virtual time, however fast the machine is.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ansible_collections.ocore.cloud.plugins.module_utils._ops import scheduler

from .door import VirtualTime

PATIENCE = 0.2
"""Real seconds after which a turn is taken although somebody seems to be busy: one that stands still in a way unknown here."""


class TurnTime(VirtualTime):
    """A thread takes part from `enter` to `leave`, and in the work of a pool; while it is `away`, nobody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._busy = 0
        self._waiting: dict[int, float] = {}

    def latest(self) -> float:
        return self()

    def enter(self) -> None:
        with self._changed:
            self._busy += 1

    def leave(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    @contextlib.contextmanager
    def taking_part(self) -> Iterator[None]:
        self.enter()
        try:
            yield
        finally:
            self.leave()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        self.leave()
        try:
            yield
        finally:
            self.enter()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if seconds <= 0:
            return
        me = threading.get_ident()
        with self._changed:
            self._waiting[me] = self()
            self._busy -= 1
            self._changed.notify_all()
            while not (self._busy <= 0 and self._is_first(me)):
                if not self._changed.wait(PATIENCE) and self._is_first(me):
                    break
            del self._waiting[me]
            self._busy += 1

    def _is_first(self, me: int) -> bool:
        return min(self._waiting, key=lambda thread: (self._waiting[thread], thread)) == me

    def _work(self, *args: Any) -> Any:
        with self.taking_part():
            return super()._work(*args)

    @contextlib.contextmanager
    def pools(self) -> Iterator[None]:
        """Let the pools of this process keep this time, and whoever waits for them be away."""
        result = Future.result

        def result_here(future: Future[Any], timeout: float | None = None) -> Any:
            if future.done():
                return result(future, timeout)
            with self.away():
                return result(future, timeout)

        shutdown = ThreadPoolExecutor.shutdown

        def shutdown_here(pool: ThreadPoolExecutor, *args: Any, **options: Any) -> None:
            with self.away():
                shutdown(pool, *args, **options)

        time = self

        class TurnQueue:
            """The scheduler's queue of what has ended."""

            def __init__(self) -> None:
                self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
                self.put = self._queue.put

            def get(self, block: bool = True) -> Any:
                with contextlib.suppress(queue.Empty):
                    return self._queue.get(block=False)
                if not block:
                    raise queue.Empty
                with time.away():
                    return self._queue.get()

        queues = SimpleNamespace(SimpleQueue=TurnQueue, PriorityQueue=queue.PriorityQueue, Empty=queue.Empty)
        with (
            mock.patch.object(Future, "result", result_here),
            super().pools(),
            mock.patch.object(ThreadPoolExecutor, "shutdown", shutdown_here),
            mock.patch.object(scheduler, "queue", queues),
        ):
            yield
