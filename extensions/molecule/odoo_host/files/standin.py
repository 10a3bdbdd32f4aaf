# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Odoo: the ports, paths and manners that a proxy has to deal with.

    standin.py NAME HTTP_PORT [LIVE_PORT]

Every request is answered with a JSON object that says who answered, on which port, and which headers arrived. As in
Odoo, a WebSocket is accepted on the live port when there is one (workers > 0) and refused with 500 on the HTTP port
then; without a live port the HTTP port accepts it. The WebSocket echoes text frames. /status/NNN answers with that
status.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NAME, HTTP_PORT, *REST = sys.argv[1:]
LIVE_PORT = REST[0] if REST else None
ACCEPTS = LIVE_PORT or HTTP_PORT


async def echo_frames(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send each masked text frame (up to 125 bytes) of the client back until it closes."""
    while True:
        first, second = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(await reader.readexactly(second & 0x7F)))
        writer.write(bytes([first, len(payload)]) + payload)
        await writer.drain()
        if first & 0x0F == 8:
            return


def handler(port: str):
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer, port)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return handle


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: str) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _version = head[0].split(" ", 2)
    fields = [line.split(": ", 1) for line in head[1:] if ": " in line]
    headers = {name.lower(): value for name, value in fields}
    if "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
    status = "200 OK"
    if headers.get("upgrade", "").lower() == "websocket":
        if port == ACCEPTS:
            digest = hashlib.sha1((headers["sec-websocket-key"] + MAGIC).encode()).digest()  # noqa: S324 (RFC 6455)
            accept = base64.b64encode(digest).decode()
            writer.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\nX-Standin: {NAME} {port}\r\n"
                f"X-Seen: {json.dumps(headers)}\r\n\r\n".encode()
            )
            await echo_frames(reader, writer)
            return
        status = "500 Internal Server Error"
    elif path.startswith("/status/"):
        status = path.removeprefix("/status/") + " Chosen"
    body = json.dumps({"name": NAME, "port": port, "method": method, "path": path, "headers": headers}).encode()
    writer.write(
        f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        # Odoo behind some modules sends it too: the proxy must not double it.
        "Strict-Transport-Security: max-age=1\r\nSet-Cookie: session_id=abc; Path=/; HttpOnly\r\n\r\n".encode()
        + (b"" if method == "HEAD" else body)
    )
    await writer.drain()


async def main() -> None:
    servers = [
        await asyncio.start_server(handler(port), "127.0.0.1", int(port))
        for port in filter(None, [HTTP_PORT, LIVE_PORT])
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
