# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that plays a script: real HTTP on loopback, and nothing but the requests that a test foresees.

with Scripted() as ocore:
    ocore.expect("GET", "/instances", answer={"instances": []})
    ocore.expect("POST", "/instances", json={"name": "Shop"}, fault="drop")
    ...
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

ANY = object()


@dataclass
class Seen:
    """A request as it came in; ``json`` is null without a body."""

    method: str
    path: str
    headers: Mapping[str, str]
    json: Any


@dataclass
class Step:
    """A request that has to come, and what it is answered.

    ``fault``: drop (closed without an answer), cut (half of the body), garbled (gzip that is none), hang (no answer until
    the test is over).
    """

    method: str
    path: str
    json: Any = ANY
    headers: Mapping[str, str | None] = field(default_factory=dict)
    status: int = 200
    answer: Any = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None


class Scripted:
    """The server. Unforeseen requests are answered 599 and reported when the block ends, as are missing ones."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        self._script: list[Step] = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                owner._play(self)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_args: object) -> None:
                """A client that goes away, or does not trust the certificate, is part of many scripts."""

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if context is not None:
            scheme = "https"
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.api_url = f"{scheme}://127.0.0.1:{self.port}/api"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def expect(self, method: str, path: str, **step: Any) -> None:
        """Foresee one more request; see :class:`Step`. ``path`` is relative to /api and holds the query."""
        self._script.append(Step(method, path, **step))

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if kind is None:
            assert not self.problems, self.problems
            assert not self._script, f"these requests never came: {[(s.method, s.path) for s in self._script]}"

    def _play(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        path = handler.path.removeprefix("/api")
        request = Seen(handler.command, path, dict(handler.headers), json.loads(body) if body else None)
        with self._lock:
            self.seen.append(request)
            step = self._script.pop(0) if self._script else None
        problem = "nothing more was foreseen" if step is None else _mismatch(step, request)
        if step is None or problem:
            self.problems.append(f"{request.method} {request.path}: {problem}")
            step = Step("", "", status=599, answer={"message": f"off the script: {problem}"})
        if step.fault == "hang":
            self._over.wait(30)
        if step.fault in ("drop", "hang"):
            handler.close_connection = True
            return
        data = step.answer if isinstance(step.answer, bytes) else json.dumps(step.answer).encode()
        handler.send_response_only(step.status)
        if step.fault == "garbled":
            handler.send_header("Content-Encoding", "gzip")
        for name, value in step.answer_headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2] if step.fault == "cut" else data)
        if step.fault == "cut":
            handler.close_connection = True


def _mismatch(step: Step, request: Seen) -> str | None:
    if (request.method, request.path) != (step.method, step.path):
        return f"{step.method} {step.path} was foreseen"
    if step.json is not ANY and request.json != step.json:
        return f"body {request.json!r}, foreseen {step.json!r}"
    for name, value in step.headers.items():
        got = next((v for k, v in request.headers.items() if k.lower() == name.lower()), None)
        if got != value:
            return f"header {name} is {got!r}, foreseen {value!r}"
    return None


def closed_port() -> int:
    """Give a port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
