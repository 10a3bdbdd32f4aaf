# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP with oCore: credentials, limits in time, retries, errors. Nothing above this floor knows HTTP.

Which request is repeated, and when (the API documents neither an idempotency key nor rate limits):

* GET, PUT and DELETE on connection errors, 429, 500, 502, 503, 504 and cut-off answers: they can be repeated safely. A
  repeated one that is refused because an operation is in progress (409) may have met its own first try: that error is
  marked ``uncertain`` as well.
* POST only when the request surely did not run: refused connection, 429. Everything else raises an error that is marked
  ``uncertain``, and the operation looks at what happened.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import (
    Answer,
    Exchange,
    Request,
    decode_json,
    names_an_error,
    retry_after,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.failures import ADVICE, Explainer, is_timeout
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._api.wire import TooLate, Wire

VERSION = "0.1.0"

BACKOFF_FIRST = 0.5
"""Seconds before the first retry; doubles each time."""
BACKOFF_MOST = 20.0
RETRY_AFTER_MOST = 120.0
"""Seconds. A server that asks for a longer pause is reported instead of obeyed."""
SHORTEST_TRY = 1.0
"""Seconds that a request gets at least, however close the deadline is."""
MAYBE_DONE = "oCore may have carried it out all the same; running the task again is safe and shows it."


class Http:
    """Sends requests. May be used by several threads: each gets its own connection.

    :param caller: name of the module or plugin, for the User-Agent.
    """

    def __init__(self, settings: Settings, caller: str, scrub: Scrubber, deadline: Deadline) -> None:
        self._settings = settings
        self._deadline = deadline
        self._wire = Wire(settings, f"ocore.cloud/{VERSION} ({caller})", deadline)
        self._explain = Explainer(settings, scrub)
        self._lock = threading.Lock()
        self._pause_until = 0.0
        self._accepted = False
        self._observe: Callable[[Exchange], object] = lambda _exchange: None

    def watch(self, observe: Callable[[Exchange], object]) -> None:
        """Call ``observe`` with each answer from now on: also with errors, and with those that are followed by a retry."""
        self._observe = observe

    def close(self) -> None:
        """Close the connections of all threads; one that hangs in a request is left to end by itself."""
        self._wire.close()

    def send(self, request: Request) -> Any:
        """Send a request, repeat it where that is safe, and return the decoded answer; ``None`` for an empty one.

        :raises OcoreError: when it fails; see the module's text for ``uncertain``.
        :raises Stopped: when the task has ended.
        """
        began = self._deadline.elapsed()
        tries, uncertain = 0, False
        while True:
            self._wait_for_pause(request, began)
            try:
                return self._try(request, self._time_for_try(request, began))
            except _FailedTry as failed:
                error, pause = failed.error, failed.pause
            if uncertain and error.status == 409:
                error.uncertain = True
                error.message += " It may be an earlier try of this request, which got no usable answer."
            uncertain = uncertain or error.uncertain
            seconds = self._seconds_before_retry(request, error, tries, pause)
            if seconds is None or seconds >= self._time_left(began):
                if seconds is not None:
                    error.message += f" The next try would come after {self._limit_in_words()}."
                raise self._final(request, error, tries, uncertain)
            if error.status == 429:
                self._pause(seconds)
            else:
                self._deadline.pause(seconds)
            tries += 1

    def _seconds_before_retry(
        self, request: Request, error: OcoreError, tries: int, pause: float | None
    ) -> float | None:
        """Return how long to pause before the next try; ``None`` when there must be none."""
        if not error.transient or (request.method == "POST" and error.uncertain) or tries >= self._settings.retries:
            return None
        if pause is not None and pause > RETRY_AFTER_MOST:
            error.message += f" oCore asks to wait {pause:.0f} seconds before the next request."
            return None
        backoff = min(BACKOFF_MOST, BACKOFF_FIRST * 2**tries) * random.uniform(0.5, 1.0)  # noqa: S311
        return backoff if pause is None else pause

    def _final(self, request: Request, error: OcoreError, tries: int, uncertain: bool) -> OcoreError:
        """Complete the error that ends a request."""
        if tries:
            error.message += f" Tried {tries + 1} times."
        if uncertain and request.method in ("PUT", "DELETE"):
            error.uncertain = True
            error.message += f" {MAYBE_DONE}"
        return error

    # Time

    def _time_left(self, began: float) -> float:
        """Return the seconds that this request may still take, all its tries and pauses included."""
        if self._deadline.limits_requests:
            return self._deadline.left()
        whole = self._settings.timeout * (self._settings.retries + 1)
        return max(0.0, whole - (self._deadline.elapsed() - began))

    def _limit_in_words(self) -> str:
        if self._deadline.limits_requests:
            return f"the end of wait_timeout ({self._deadline.seconds:g} seconds)"
        return "the time that request_timeout and retries allow"

    def _time_for_try(self, request: Request, began: float) -> float:
        self._deadline.check()
        left = self._time_left(began)
        if left <= 0:
            raise OcoreError(
                f"Cannot {request.attempt}: this is past {self._limit_in_words()}, so nothing was sent.", transient=True
            )
        return min(self._settings.timeout, max(left, SHORTEST_TRY))

    def _pause(self, seconds: float) -> None:
        """Hold all threads back, so that a rate limit slows every one of them."""
        with self._lock:
            self._pause_until = max(self._pause_until, self._deadline.elapsed() + seconds)

    def _wait_for_pause(self, request: Request, began: float) -> None:
        pause = self._pause_until - self._deadline.elapsed()
        if pause <= 0:
            return
        if pause >= self._time_left(began):
            raise OcoreError(
                f"Cannot {request.attempt}: oCore asked to slow down (HTTP 429), and the next try would come after "
                f"{self._limit_in_words()}. {ADVICE[429]}",
                status=429,
                transient=True,
            )
        self._deadline.pause(pause)

    # One try

    def _try(self, request: Request, seconds: float) -> Any:
        """Send a request once and return the decoded answer.

        :param seconds: how long it may take, its whole answer included.
        """
        began = self._deadline.elapsed()
        try:
            answer = self._wire.exchange(request, seconds)
        except Exception as error:  # requests' own exceptions, and whatever else it lets through
            raise _FailedTry(self._no_answer(request, error, seconds)) from None
        self._observe(Exchange(request, answer, self._deadline.elapsed() - began))
        if 200 <= answer.status < 300:
            self._accepted = True
            return self._decoded(request, answer)
        raise _FailedTry(self._explain.refused(request, answer, self._accepted), retry_after(answer.headers))

    def _no_answer(self, request: Request, error: Exception, seconds: float) -> OcoreError:
        if not isinstance(error, TooLate) and not is_timeout(error):
            return self._explain.no_answer(request, error)
        early = self._deadline.limits_requests and seconds < self._settings.timeout
        return self._explain.too_late(request, seconds, "wait_timeout" if early else "request_timeout")

    def _decoded(self, request: Request, answer: Answer) -> Any:
        """Return the JSON value of a 2xx answer; ``None`` for an empty body."""
        content = answer.content.strip()
        if not content and request.method != "GET":
            return None
        try:
            value = decode_json(content)
            if names_an_error(value):
                raise _FailedTry(self._explain.refused(request, answer, self._accepted))
            return value
        except RecursionError:
            problem = "is nested too deep to be read"
        except ValueError:
            problem = "is not complete JSON"
        if content[:1] not in (b"", b"{", b"["):
            raise _FailedTry(self._explain.not_json(request, answer))
        cut_off = problem == "is not complete JSON"
        if cut_off and not request.wants_object:
            return None  # oCore has accepted it; what it says about that was cut off
        raise _FailedTry(self._explain.undecodable(request, answer, problem, transient=cut_off))


class _FailedTry(Exception):  # noqa: N818 - a signal inside of this file
    """One try that failed; ``pause`` is what the server asks for, in seconds."""

    def __init__(self, error: OcoreError, pause: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.pause = pause
