# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of an instance: what a status word means, which action leads where, and how to wait.

The public pages of oCore disagree about the words, so they are compared in lower case. An unknown word counts as "in
progress": the wait goes on, and if it times out, the error quotes the word.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Optional, TypeVar

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import displayable

INTERVAL_MOST = 10.0
"""Seconds between two polls at most; a longer wait_interval is used as it is."""
INTERVAL_GROWTH = 1.5
STALE_FAILURE = 30.0
"""Seconds for which a failure that was there before the action may be a leftover."""
INVISIBLE_MOST = 15.0
"""Seconds after an accepted request for which a missing instance counts as "not visible yet": reads may lag."""
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

#: Words for an operation in progress. They need no phase of their own: every other word counts as in progress too.
_IN_PROGRESS = frozenset({"creating", "restarting", "pending", "provisioning", "starting", "updating", "deploying"})

#: Phases in which nothing moves by itself.
SETTLED = frozenset({Phase.READY, Phase.STOPPED, Phase.FAILED, Phase.GONE})


def phase_of(status: object) -> Phase:
    """Return the phase of a status word; what is no text counts as unknown."""
    word = _word(status) if isinstance(status, str) else ""
    if word.endswith("_failed"):
        return Phase.FAILED
    return _WORDS.get(word, Phase.PROGRESS)


def _word(status: str) -> str:
    """Return a status word in the form in which it is known: an API may write ``Provisioning Failed`` or use dashes."""
    return re.sub(r"[\s-]+", "_", status.strip().lower())


def is_known_word(status: str) -> bool:
    """Return whether a status word is one that this release knows, in progress or not."""
    word = _word(status)
    return word in _WORDS or word in _IN_PROGRESS or word.endswith("_failed")


def phase(instance: Instance | None) -> Phase:
    """Return the phase of an instance; one that cannot be read any more (``None``) is gone."""
    return Phase.GONE if instance is None else phase_of(instance.status)


def describe_status(instance: Instance) -> str:
    """Return status and status message as words for a sentence."""
    words = f'status "{displayable(instance.status)}"' if instance.status else "no status"
    return f"{words}, {displayable(instance.status_message).rstrip('.')}" if instance.status_message else words


def action_for(state: str, instance: Instance) -> str | None:
    """Return the action that leads to ``state``: start, stop or restart; ``None`` when none is needed.

    :param state: started, stopped or restarted.
    :param instance: in whatever phase. One on its way to ``state`` needs no action.
    """
    now = phase(instance)
    if state == "restarted":
        return "restart"
    if state == "started":
        return None if now in (Phase.READY, Phase.PROGRESS) else "start"
    return None if now in (Phase.STOPPED, Phase.STOPPING) else "stop"


def is_invisible_yet(now: Instance | None, elapsed: float) -> bool:
    """Return whether a missing instance may be one that reads do not show yet.

    :param elapsed: seconds since oCore accepted the request.
    """
    return now is None and elapsed < INVISIBLE_MOST


def failed_since(before: Instance | None, now: Instance, elapsed: float) -> bool:
    """Return whether ``now`` failed after ``before`` was seen.

    :param before: the instance just before the action; ``None`` when there was none.
    :param elapsed: seconds since the action. A failure that looks as it did before counts only when it stays.
    """
    if phase(now) is not Phase.FAILED:
        return False
    if before is None or phase(before) is not Phase.FAILED:
        return True
    # Not updated_at, which moves when the action is accepted; and a list may leave out what a read by id shows.
    marks = ("status", "status_message", "last_restart_at", "restart_count")
    shown = [mark for mark in marks if before.was_sent(mark) and now.was_sent(mark)]
    return any(getattr(before, m) != getattr(now, m) for m in shown) or elapsed >= STALE_FAILURE


class Clock:
    """The pace of a task's polls, on its one deadline.

    :param deadline: when the task has to be over.
    :param interval: seconds before the first poll; grows to ``INTERVAL_MOST``.
    :param progress: called with a line for people while they wait.
    :raises OcoreError: when the interval or the timeout cannot be used.
    """

    def __init__(self, deadline: Deadline, interval: float, progress: Callable[[str], None]) -> None:
        if not 0 < interval < math.inf:
            raise OcoreError(f"wait_interval must be more than 0 seconds, not {interval:g}.")
        if not deadline.seconds >= 0:
            raise OcoreError(f"wait_timeout must be 0 seconds or more, not {deadline.seconds:g}.")
        self.deadline = deadline
        self._interval = interval
        self._progress = progress
        self._said = ""
        self._said_at = 0.0

    @property
    def timeout(self) -> float:
        """Return the seconds that the whole task may take."""
        return self.deadline.seconds

    def elapsed(self) -> float:
        """Return the seconds since the task began."""
        return self.deadline.elapsed()

    def expired(self) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline.expired()

    def ticks(self) -> Iterator[float]:
        """Pause, then yield the seconds since the first call, again and again, until the deadline.

        Not at the deadline itself: nothing is sent any more then.
        """
        began = self.elapsed()
        interval = self._interval
        while (left := self.deadline.left()) > 0:
            self.deadline.pause(min(interval, left))
            if self.expired():
                return
            yield self.elapsed() - began
            interval = max(self._interval, min(INTERVAL_MOST, interval * INTERVAL_GROWTH))

    def pause(self, seconds: float) -> bool:
        """Pause once; return whether there is time left afterwards."""
        self.deadline.pause(min(seconds, self.deadline.left()))
        return not self.expired()

    def say(self, text: str) -> None:
        """Show a line of progress: at once when it is new, else every ``REPORT_EVERY`` seconds."""
        elapsed = self.elapsed()
        if text != self._said or elapsed - self._said_at >= REPORT_EVERY:
            self._said, self._said_at = text, elapsed
            self._progress(f"{text} ({elapsed:.0f} s)")


@dataclass(frozen=True)
class Wait:
    """What the steps on one instance have to wait for before they can continue.

    :param instance: the instance.
    :param purpose: the goal, after "to": "be created".
    :param done: called with the instance (``None`` when oCore answers 404) and the seconds waited; raises OcoreError when
        the goal cannot be reached.
    :param last: the instance as seen last.
    :param advice: what to do when the wait times out.
    :param until_gone: whether the goal is that oCore no longer shows the instance.
    """

    instance: Instance
    purpose: str
    done: Callable[[Instance | None, float], bool]
    last: Instance | None
    advice: str = GO_ON
    until_gone: bool = False

    def label(self) -> str:
        """Return the words for messages: "instance shop (id) to be created"."""
        return f"instance {self.instance.label()} to {self.purpose}"


T = TypeVar("T")

#: Work on one instance: yields a :class:`Wait` where it has to wait, and is sent the instance as ``done`` accepted it. How
#: to wait is the caller's business: a task on one instance reads it by id, a fleet reads one list for all of them.
Steps = Generator[Wait, Optional[Instance], T]  # noqa: UP045 - pylint reads it as an expression


def wait_for(clock: Clock, wait: Wait, read: Callable[[], Instance | None]) -> Instance | None:
    """Poll an instance until ``wait.done`` accepts it. A goal that is already reached costs no request.

    :param read: reads the instance; ``None`` when oCore answers 404. A transient failure is waited out.
    :returns: the instance as ``wait.done`` accepted it.
    :raises OcoreError: at the deadline; the text quotes the last status word.
    """
    last, trouble = wait.last, ""
    if wait.done(last, 0.0):
        return last
    for waited in clock.ticks():
        clock.say(f"waiting for {wait.label()}: {displayable(last.status or 'no status') if last else 'not found'}")
        try:
            last, trouble = read(), ""
        except OcoreError as error:
            if not error.transient:
                raise
            trouble = f" The last request failed: {error.message}"
            continue
        if wait.done(last, waited):
            return last
    raise wait_timed_out(clock, wait, last, trouble)


def wait_timed_out(clock: Clock, wait: Wait, last: Instance | None, trouble: str) -> OcoreError:
    """Describe a wait that ended at the deadline.

    :param trouble: a sentence about the last request if that failed, with a blank before it; else empty.
    """
    seen = describe_status(last) if last else "oCore does not find it"
    return OcoreError(
        f"Waiting for {wait.label()} ended after {clock.timeout:g} seconds (wait_timeout): {seen}.{trouble} Nothing was "
        f"undone: {wait.advice}"
    )
