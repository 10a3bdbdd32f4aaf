# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator inside this process: no sockets, and a clock that moves only when somebody waits.

`requests` is given answers as if they came from a connection, so that everything above it is the code that users run.
"""

from __future__ import annotations

import contextlib
import heapq
import http.client
import io
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from ansible_collections.ocore.cloud.extensions.emulator.app import build
from ansible_collections.ocore.cloud.extensions.emulator.transport import HANG_UP
from ansible_collections.ocore.cloud.extensions.emulator.world import World
from ansible_collections.ocore.cloud.plugins.module_utils._api import wire
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Time
from requests.adapters import HTTPAdapter

API_URL = "http://127.0.0.1:1/api"
LATENCY = 0.05
"""Seconds that every request takes."""


class VirtualTime(Time):
    """Shared by client and emulator: what threads sleep side by side passes once, not added up.

    Each thread has a time of its own. That of a pool's worker begins when its work was submitted or, if all workers were
    busy then, when the first of them was idle; whoever asks for the result is at least as late as that. The emulator, and
    a task that begins, see the latest time of all.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._own = threading.local()

    def __call__(self) -> float:
        return getattr(self._own, "now", self.now)

    def latest(self) -> float:
        """Return the time of the thread that is furthest."""
        return self.now

    def catch_up(self) -> None:
        """Take this thread to the latest time of all."""
        self._own.now = self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._own.now = self() + max(0.0, seconds)
            self.now = max(self.now, self._own.now)

    @contextlib.contextmanager
    def pools(self) -> Iterator[None]:
        """Let the pools of this process keep this time."""
        submit, result = ThreadPoolExecutor.submit, Future.result

        def submit_here(pool: ThreadPoolExecutor, work: Any, *args: Any) -> Future[Any]:
            began, ended = self(), []
            future = submit(pool, self._work, pool, began, ended, work, *args)
            vars(future)["ended"] = ended
            return future

        def result_here(future: Future[Any], timeout: float | None = None) -> Any:
            try:
                return result(future, timeout)
            finally:
                self._own.now = max([self(), *vars(future).get("ended", [])])

        with (
            mock.patch.object(ThreadPoolExecutor, "submit", submit_here),
            mock.patch.object(Future, "result", result_here),
        ):
            yield

    def _work(self, pool: ThreadPoolExecutor, submitted: float, ended: list[float], work: Any, *args: Any) -> Any:
        with self._lock:
            idle: list[float] = vars(pool).setdefault("idle_since", [0.0] * pool._max_workers)
            self._own.now = max(submitted, heapq.heappop(idle))
        try:
            return work(*args)
        finally:
            ended.append(self())
            with self._lock:
                heapq.heappush(idle, self())


class _Line:
    """A connection without a thread: nothing here really waits, so whoever sends gets the answer at once."""

    def __init__(self, session: requests.Session) -> None:
        self.session = session
        self.orders = self
        self.outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, order: Any) -> None:
        try:
            self.outcomes.put(order())
        except Exception as error:
            self.outcomes.put(error)

    def close(self) -> None:
        self.session.close()


class _HungUp(Exception):  # noqa: N818 - a signal, not an error
    def __init__(self, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Door:
    """Answers the requests of this process from one emulator."""

    #: Takes an answer's request, status and body, and returns the body that the client gets instead.
    rewrite: Callable[[requests.PreparedRequest, int, bytes], bytes] | None = None

    def __init__(self, time: VirtualTime, **world: Any) -> None:
        self.time = time
        self.world = World(now=time.latest, pause=self._pause, **world)
        self._app = build(self.world)
        self._lock = threading.Lock()
        self._exchange = _Exchange()

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Answer all requests of this process, and let its waits take no time."""
        with ExitStack() as patches:
            door = self

            def send(adapter: HTTPAdapter, request: requests.PreparedRequest, *_args: Any, **options: Any) -> Any:
                return door.send(adapter, request, options.get("timeout"))

            patches.enter_context(mock.patch.object(HTTPAdapter, "send", send))
            patches.enter_context(self.time.pools())
            patches.enter_context(mock.patch.object(wire, "_Line", _Line))
            patches.enter_context(mock.patch.object(time, "sleep", self.time.sleep))
            patches.enter_context(mock.patch.object(time, "monotonic", self.time))
            yield

    async def _pause(self, seconds: float) -> None:
        self._exchange.delay += seconds

    def carry_out(self, request: requests.PreparedRequest) -> _Exchange:
        """Let the emulator do what a request asks for."""
        exchange = self._exchange = _Exchange()
        try:
            _drive(self._app(_scope(request, exchange), exchange.receive(request), exchange.send))
        except _HungUp as end:
            exchange.hung_up = end
        return exchange

    def send(self, adapter: HTTPAdapter, request: requests.PreparedRequest, timeout: Any) -> requests.Response:
        """Do what `HTTPAdapter.send` does, without a network."""
        limit = timeout[1] if isinstance(timeout, tuple) else timeout
        self.time.sleep(LATENCY)
        with self._lock:
            exchange = self.carry_out(request)
        if self.rewrite is not None and exchange.status is not None:
            body = self.rewrite(request, exchange.status, b"".join(data for _delay, data in exchange.chunks))
            exchange.headers["content-length"] = str(len(body))
            exchange.chunks = [(0.0, body)]
        first = exchange.chunks[0][0] if exchange.chunks else exchange.delay
        if limit is not None and first > limit:
            self.time.sleep(limit)
            raise requests.ReadTimeout(
                urllib3.exceptions.ReadTimeoutError(None, request.url, "Read timed out."),  # type: ignore[arg-type]
                request=request,
            )
        if exchange.status is None:
            self.time.sleep(first)
            raise requests.ConnectionError(_broken(exchange.hung_up), request=request)
        raw = urllib3.HTTPResponse(
            body=_Body(exchange, self.time, limit, request),
            headers=exchange.headers,
            status=exchange.status,
            preload_content=False,
            request_method=request.method,
        )
        return adapter.build_response(request, raw)


def _broken(end: _HungUp | None) -> Exception:
    if end is not None and end.reset:
        error: Exception = ConnectionResetError(104, "Connection reset by peer")
    else:
        error = http.client.RemoteDisconnected("Remote end closed connection without response")
    return urllib3.exceptions.ProtocolError("Connection aborted.", error)


class _Exchange:
    """One request and what came back: status, headers, and pieces of the body with the seconds before each."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.chunks: list[tuple[float, bytes]] = []
        self.delay = 0.0
        self.hung_up: _HungUp | None = None

    def receive(self, request: requests.PreparedRequest) -> Any:
        body = request.body or b""
        sent = body.encode() if isinstance(body, str) else body

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        return receive

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        self.chunks.append((self.delay, message.get("body", b"")))
        self.delay = 0.0


class _Body(io.RawIOBase):
    """The body as a connection gives it: late, dripping, or breaking off."""

    def __init__(
        self, exchange: _Exchange, time: VirtualTime, limit: float | None, request: requests.PreparedRequest
    ) -> None:
        self._chunks = list(exchange.chunks)
        self._time = time
        self._limit = limit
        self._request = request

    def readable(self) -> bool:
        return True

    def read1(self, amount: int = -1) -> bytes:
        """Return what comes next, at most `amount` bytes of it; nothing at the end."""
        while self._chunks:
            delay, data = self._chunks.pop(0)
            if self._limit is not None and delay > self._limit:
                self._time.sleep(self._limit)
                raise TimeoutError("timed out")
            self._time.sleep(delay)
            if data:
                if 0 <= amount < len(data):
                    self._chunks.insert(0, (0.0, data[amount:]))
                    data = data[:amount]
                return data
        return b""

    def read(self, amount: int | None = -1) -> bytes:
        """Return `amount` bytes, or all until the end, however long they take."""
        read = b""
        while amount is None or amount < 0 or len(read) < amount:
            more = self.read1(-1 if amount is None or amount < 0 else amount - len(read))
            if not more:
                break
            read += more
        return read

    def readinto(self, buffer: Any) -> int:
        data = self.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _scope(request: requests.PreparedRequest, exchange: _Exchange) -> dict[str, Any]:
    parts = urlsplit(str(request.url))

    def hang_up(reset: bool) -> None:
        raise _HungUp(reset)

    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "root_path": "",
        "query_string": parts.query.encode(),
        "headers": [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
        "extensions": {HANG_UP: hang_up},
    }


def _drive(work: Any) -> None:
    """Run a coroutine that never really waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("the emulator waited for something that is not there in this process")
