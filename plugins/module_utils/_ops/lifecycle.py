# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of an instance: what a status word means, and how to wait for one.

The public pages of oCore disagree about the words, so they are compared in lower case and a word that nobody knows counts
as "in progress": it is waited for, and the time-out names it.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Optional, TypeVar

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError

INTERVAL_MOST = 10.0
"""Seconds between two polls at the most; a longer wait_interval is taken as it is."""
INTERVAL_GROWTH = 1.5
STALE_FAILURE = 30.0
"""Seconds for which a failure that was there before the action may be a leftover."""
REPORT_EVERY = 15.0
"""Seconds between two lines of progress while nothing changes."""


GO_ON = (
    "run the task again to go on waiting, with a longer wait_timeout if this is only slow, or look at the instance in "
    "oCore if the status does not change."
)


class Phase(enum.Enum):
    """What a status word means to a client."""

    READY = "ready"
    STOPPED = "stopped"
    FAILED = "failed"
    LEAVING = "leaving"
    GONE = "gone"
    STOPPING = "stopping"
    PROGRESS = "in progress"


_WORDS = {
    "running": Phase.READY,
    "active": Phase.READY,
    "healthy": Phase.READY,
    "stopped": Phase.STOPPED,
    "stopping": Phase.STOPPING,
    "failed": Phase.FAILED,
    "error": Phase.FAILED,
    "removing": Phase.LEAVING,
    "deleting": Phase.LEAVING,
    "deleted": Phase.GONE,
}

#: Phases in which nothing moves by itself.
SETTLED = frozenset({Phase.READY, Phase.STOPPED, Phase.FAILED, Phase.GONE})


def phase_of(status: str | None) -> Phase:
    """Give the phase of a status word."""
    word = (status or "").strip().lower()
    if word.endswith("_failed"):
        return Phase.FAILED
    return _WORDS.get(word, Phase.PROGRESS)


def phase(instance: Instance | None) -> Phase:
    """Give the phase of an instance; one that can't be read any more is gone."""
    return Phase.GONE if instance is None else phase_of(instance.status)


def reason(instance: Instance) -> str:
    """Give status and status message as words for a sentence."""
    words = f'status "{instance.status}"' if instance.status else "no status"
    return f"{words}, {instance.status_message.rstrip('.')}" if instance.status_message else words


def failed_since(before: Instance | None, now: Instance, elapsed: float) -> bool:
    """Tell whether ``now`` failed after ``before`` was seen.

    :param before: the instance just before the action; null when there was none.
    :param elapsed: seconds since the action. A failure that looks as it did before counts only when it stays.
    """
    if phase(now) is not Phase.FAILED:
        return False
    if before is None or phase(before) is not Phase.FAILED:
        return True
    marks = ("status", "status_message", "updated_at", "last_restart_at", "restart_count")
    return any(getattr(before, m) != getattr(now, m) for m in marks) or elapsed >= STALE_FAILURE


class Clock:
    """The one deadline of a task, and the pace of its polls.

    :param timeout: seconds for the whole task.
    :param interval: seconds before the first poll; grows to ``INTERVAL_MOST``.
    :param progress: called with a line for people while they wait.
    :param now, sleep: replaced in tests.
    """

    def __init__(
        self,
        timeout: float,
        interval: float,
        progress: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not (0 < interval < math.inf and timeout >= 0):
            raise OcoreError("wait_interval must be more than 0 seconds, and wait_timeout 0 or more.")
        self.timeout = timeout
        self._interval = interval
        self._progress = progress
        self._now = now
        self._sleep = sleep
        self._start = now()
        self._said = ""
        self._said_at = 0.0

    def elapsed(self) -> float:
        """Give the seconds since the task began."""
        return self._now() - self._start

    def ticks(self) -> Iterator[float]:
        """Pause, then give the seconds since the first call, again and again, until the deadline; the last is at it."""
        began = self._now()
        interval = self._interval
        while (left := self.timeout - self.elapsed()) > 0:
            self._sleep(min(interval, left))
            yield self._now() - began
            interval = max(self._interval, min(INTERVAL_MOST, interval * INTERVAL_GROWTH))

    def expired(self) -> bool:
        """Tell whether the deadline is over."""
        return self.elapsed() >= self.timeout

    def pause(self, seconds: float) -> None:
        """Pause once, for what has to be known even when the deadline is over."""
        self._sleep(seconds)

    def say(self, text: str) -> None:
        """Show a line of progress: at once when it says something new, else every ``REPORT_EVERY`` seconds."""
        elapsed = self.elapsed()
        if text != self._said or elapsed - self._said_at >= REPORT_EVERY:
            self._said, self._said_at = text, elapsed
            self._progress(f"{text} ({elapsed:.0f} s)")


@dataclass(frozen=True)
class Wait:
    """What the steps on one instance have to wait for before they can go on.

    :param instance: the instance.
    :param purpose: what is waited for, after "to": "be created".
    :param done: called with the instance (null when it is gone) and the seconds waited; raises OcoreError when the goal
        can't be reached.
    :param last: the instance as seen last.
    :param advice: what to do when time runs out.
    :param until_gone: whether the goal is that oCore does not show the instance any more.
    """

    instance: Instance
    purpose: str
    done: Callable[[Instance | None, float], bool]
    last: Instance | None
    advice: str = GO_ON
    until_gone: bool = False

    def label(self) -> str:
        """Give the words for messages: "instance shop (id) to be created"."""
        return f"instance {self.instance.label()} to {self.purpose}"


T = TypeVar("T")

#: Work on one instance that says when it has to wait, and is sent the instance as ``done`` accepted it. How it is waited
#: for is the caller's business: one instance is read by itself, a fleet with one request for all.
Steps = Generator[Wait, Optional[Instance], T]  # noqa: UP045 - pylint reads it as an expression


def wait_for(
    clock: Clock,
    purpose: str,
    read: Callable[[], Instance | None],
    done: Callable[[Instance | None, float], bool],
    last: Instance | None,
    advice: str = GO_ON,
) -> Instance | None:
    """Poll an instance until ``done`` says so.

    :param purpose: what is waited for: "instance shop (id) to be ready".
    :param read: reads the instance; null when it is gone. An answer that fails only for the moment is waited out.
    :param done: called with the instance and the seconds waited; raises OcoreError when the goal can't be reached.
    :param last: the instance as seen last; a goal that it has reached already costs no request.
    :param advice: what to do when time runs out.
    :returns: the instance as ``done`` accepted it.
    :raises OcoreError: at the deadline; the text holds the last status word.
    """
    if done(last, 0.0):
        return last
    trouble = ""
    for waited in clock.ticks():
        clock.say(f"waiting for {purpose}: {(last.status or 'no status') if last else 'gone'}")
        try:
            last = read()
            trouble = ""
        except OcoreError as error:
            if not error.transient:
                raise
            trouble = f" The last request failed: {error.message}"
            continue
        if done(last, waited):
            return last
    raise timed_out(clock, purpose, last, trouble, advice)


def timed_out(clock: Clock, purpose: str, last: Instance | None, trouble: str, advice: str) -> OcoreError:
    """Describe a wait that ended at the deadline.

    :param trouble: a sentence about the last request if that failed, with a blank before it; else empty.
    """
    seen = reason(last) if last else "it can't be found"
    return OcoreError(
        f"Waiting for {purpose} ended after {clock.timeout:g} seconds (wait_timeout): {seen}.{trouble} Nothing was "
        f"undone: {advice}"
    )
