# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a task: one deadline and one stop signal for everything that the task still wants to do."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Stopped(BaseException):
    """The task has ended while a thread of it was still at work; nothing more is sent."""


class Deadline:
    """When a task has to be over, and whether it already is. Shared by its threads.

    :param seconds: from now; infinite when there is no limit.
    :param now, sleep: replaced in tests. Without ``sleep`` a pause ends early when the task is stopped.
    """

    def __init__(
        self,
        seconds: float = math.inf,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.seconds = seconds
        self._now = now
        self._stop = threading.Event()
        self._sleep = sleep or self._stop.wait
        self._start = now()

    @property
    def limits_requests(self) -> bool:
        """Return whether requests have to end at the deadline too.

        Zero seconds mean "do not wait", not "send nothing".
        """
        return 0 < self.seconds < math.inf

    def elapsed(self) -> float:
        """Return the seconds since the task began."""
        return self._now() - self._start

    def left(self) -> float:
        """Return the seconds until the deadline, 0 when it has passed; infinite when there is none."""
        return max(0.0, self.seconds - self.elapsed())

    def expired(self) -> bool:
        """Return whether the deadline has passed."""
        return self.left() <= 0

    def stop(self) -> None:
        """Let every thread of the task end at its next pause or request."""
        self._stop.set()

    def check(self) -> None:
        """Raise :class:`Stopped` when the task has ended; called before anything is sent."""
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Pause for ``seconds``, or until the task is stopped.

        :raises Stopped: when the task has ended.
        """
        self.check()
        self._sleep(seconds)
        self.check()
