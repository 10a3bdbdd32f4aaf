# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to oCore: each thread has its own, and no answer takes longer than it may, however slowly it drips."""

from __future__ import annotations

import queue
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Union

from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import Answer, Request
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._api.threads import leave_signals_to_main

REQUESTS_IMPORT_ERROR: str | None = None
try:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import InsecureRequestWarning
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()

SOCKET_SHARE = 0.98
"""Part of a try's time after which the socket itself times out: its error knows what it waited for."""
READ_AT_ONCE = 16384
LOOK_EVERY = 0.2
"""Seconds between two looks, while an answer takes long, at whether the task has been stopped."""


class TooLate(Exception):  # noqa: N818 - says when, not what went wrong
    """An exchange took longer than it may."""


class Wire:
    """The connections of a task. May be used by several threads: each gets its own.

    :param user_agent: header that tells oCore who calls.
    """

    def __init__(self, settings: Settings, user_agent: str, deadline: Deadline) -> None:
        self._settings = settings
        self._user_agent = user_agent
        self._deadline = deadline
        self._local = threading.local()
        self._lines: list[_Line] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections of all threads; one that hangs in a request is left to end by itself."""
        for line in self._lines:
            line.close()

    def exchange(self, request: Request, seconds: float) -> Answer:
        """Send a request and return the answer.

        :param seconds: how long that may take, the whole answer included.
        :raises TooLate: when it takes longer.
        :raises Stopped: when the task has ended.
        :raises Exception: whatever `requests` raises when there is no answer.
        """
        line = self._own_line()
        end = self._deadline.elapsed() + seconds
        line.orders.put(lambda: self._perform(line.session, request, seconds, end))
        try:
            while True:
                self._deadline.check()
                try:
                    outcome = line.outcomes.get(timeout=LOOK_EVERY)
                except queue.Empty:
                    if self._deadline.elapsed() >= end:
                        raise TooLate from None
                else:
                    break
        except BaseException:
            # Its answer may still come: nobody must take it for the answer to another request.
            self._local.line = None
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _perform(self, session: requests.Session, request: Request, seconds: float, end: float) -> Answer:
        """Send a request and read its whole answer; runs in the thread of a line.

        :param end: when the answer has to be complete, in seconds on the task's clock.
        """
        response = session.request(
            request.method,
            self._settings.api_url + request.path,
            params=request.query,
            json=request.body,
            timeout=seconds * SOCKET_SHARE,
            verify=self._settings.verify,
            allow_redirects=False,
            proxies=None if self._settings.use_proxy else {"http": "", "https": ""},
            stream=True,
        )
        # Nobody waits here any more when the time is over; this ends the thread that is left behind.
        content = bytearray()
        for chunk in _chunks(response):
            if self._deadline.elapsed() >= end:
                raise TooLate
            content += chunk
        try:
            text = bytes(content).decode(response.encoding or "utf-8", errors="replace")
        except LookupError:  # an unknown charset
            text = bytes(content).decode(errors="replace")
        return Answer(response.status_code, response.headers, bytes(content), text)

    def _own_line(self) -> _Line:
        line: _Line | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = _Line(self._new_session())
            with self._lock:
                self._lines.append(line)
        return line

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        if self._settings.verify is False:
            # The user has said so; urllib3 would repeat it for every request.
            warnings.simplefilter("ignore", InsecureRequestWarning)
        # An auth object keeps requests from replacing the header by an entry of ~/.netrc.
        session.auth = self._authorize
        # Redirects are not followed; requests reads their target all the same, and trips over a malformed one.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        session.headers.update({"Accept": "application/json", "User-Agent": self._user_agent})
        if self._settings.organization:
            session.headers["X-Org-Slug"] = self._settings.organization
        session.mount("http://", HTTPAdapter(max_retries=0))
        session.mount("https://", HTTPAdapter(max_retries=0))
        return session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._settings.token}"
        return request


class _Line:
    """A connection with a thread of its own: whoever waits for an answer can stop waiting, whatever the socket does."""

    def __init__(self, session: requests.Session) -> None:
        self.session = session
        self.orders: queue.SimpleQueue[Callable[[], Answer] | None] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[Union[Answer, Exception]] = queue.SimpleQueue()  # noqa: UP007 - for pylint
        self._thread = threading.Thread(target=self._serve, name="ocore-http", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        leave_signals_to_main()
        while (order := self.orders.get()) is not None:
            try:
                self.outcomes.put(order())
            except Exception as error:
                self.outcomes.put(error)
        self.session.close()

    def close(self) -> None:
        """Let the thread end; an idle one has ended afterwards."""
        self.orders.put(None)
        self._thread.join(0.05)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives; a urllib3 before 2.2 can only wait for a full buffer."""
    if not hasattr(response.raw, "read1"):
        yield from response.iter_content(READ_AT_ONCE)
        return
    while chunk := response.raw.read1(READ_AT_ONCE, decode_content=True):
        yield chunk
    response.raw.release_conn()
