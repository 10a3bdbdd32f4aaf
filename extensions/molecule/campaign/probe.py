# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request pages all the time, and record every request that fails. Runs on the host, standard library only.

    probe.py RESULT NAME...

Each name is requested every 100 ms over a new connection, its certificate checked as a browser does. RESULT holds the counts
and the failures as JSON, replaced every second.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time

PAUSE = 0.1
LOCK = threading.Lock()
SEEN: dict[str, object] = {"requests": 0, "slowest": 0.0, "failures": []}


class Connection(http.client.HTTPSConnection):
    """HTTPS to this host under any name."""

    def connect(self) -> None:
        raw = socket.create_connection(("127.0.0.1", 443), timeout=10)
        self.sock = self._context.wrap_socket(raw, server_hostname=self.host)


def failure(name: str, context: ssl.SSLContext) -> str | None:
    """Request a page; return what went wrong, or None."""
    connection = Connection(name, context=context)
    try:
        connection.request("GET", "/web")
        answer = connection.getresponse()
        answer.read()
        return None if answer.status == 200 else f"status {answer.status}"
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()


def request(name: str) -> None:
    context = ssl.create_default_context()
    while True:
        began, clock = time.monotonic(), time.time()
        problem = failure(name, context)
        took = time.monotonic() - began
        with LOCK:
            SEEN["requests"] += 1
            SEEN["slowest"] = max(SEEN["slowest"], round(took, 3))
            if problem:
                SEEN["failures"].append({"at": clock, "name": name, "problem": problem})
        time.sleep(max(0.0, PAUSE - took))


def main(result: str, names: list[str]) -> None:
    for name in names:
        threading.Thread(target=request, args=(name,), daemon=True).start()
    while True:
        time.sleep(1)
        with LOCK:
            text = json.dumps(SEEN)
        with open(f"{result}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{result}.new", result)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
