# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that a network spoils: connections closed, reset or cut off half-way, bytes that drip."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# ASGI hides the connection from an application; uvicorn says who the client is, and that finds it again.
_transports: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, which also notes the transport of each connection for the answers below."""

    _noted: tuple[str, int] | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer:
            self._noted = (str(peer[0]), int(peer[1]))
            _transports[self._noted] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._noted:
            _transports.pop(self._noted, None)
        super().connection_lost(exc)


HANG_UP = "emulator.hang_up"
"""Extension of an ASGI scope: called in place of the transport, by a test that has none."""


async def _hang_up(scope: Scope, receive: Receive, reset: bool = False) -> None:
    if HANG_UP in scope.get("extensions", {}):
        scope["extensions"][HANG_UP](reset)
        return
    transport = _transports[cast("tuple[str, int]", tuple(scope["client"]))]
    if reset:
        # Lingering for no time makes the kernel send RST, where a plain close sends FIN.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    # Returning earlier would make uvicorn answer 500 for an application that sent nothing.
    while (await receive())["type"] != "http.disconnect":
        pass


class Hangup(Response):
    """Close the connection without a byte of an answer; with `reset`, by a TCP reset."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__()
        self.status_code = 0
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _hang_up(scope, receive, self._reset)


class CutOff(Response):
    """Announce the whole of `response` in Content-Length, send the first half of its body and close."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.body, response.status_code, dict(response.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _hang_up(scope, receive)


class Drip(Response):
    """Send the status line and headers, or the body, of `response` byte by byte, with a pause after each."""

    def __init__(
        self, response: Response, seconds: float, part: str, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        super().__init__(response.body, response.status_code, dict(response.headers))
        self._seconds = seconds
        self._part = part
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._part == "headers" and HANG_UP not in scope.get("extensions", {}):
            await self._drip_headers(scope, receive)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for byte in bytes(self.body):
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await self._pause(self._seconds)
        await send({"type": "http.response.body", "body": b""})

    async def _drip_headers(self, scope: Scope, receive: Receive) -> None:
        # The server below writes headers in one piece: these go to the connection directly, which is closed afterwards.
        transport = _transports[cast("tuple[str, int]", tuple(scope["client"]))]
        lines = [b"%s: %s" % header for header in (*self.raw_headers, (b"connection", b"close"))]
        head = b"\r\n".join([b"HTTP/1.1 %d Dripping" % self.status_code, *lines, b"", b""])
        for byte in head:
            if transport.is_closing():
                break
            transport.write(bytes([byte]))
            await self._pause(self._seconds)
        transport.write(bytes(self.body))
        await _hang_up(scope, receive)
