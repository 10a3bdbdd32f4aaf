# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx with the rendered file, on free ports, in front of a stand-in for Odoo."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StandIn(BaseHTTPRequestHandler):
    """Answer every request with what arrived, as JSON."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        text = json.dumps({"method": self.command, "path": self.path, "headers": headers, "body": body}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Set-Cookie", "session_id=abc; Path=/")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_OPTIONS = answer  # noqa: N815 (http.server's names)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Served:
    """An nginx with a rendered file. Use it in a ``with`` statement."""

    def __init__(self, text: str, directory: Path, upstream_port: int) -> None:
        self.directory = directory
        directory.chmod(0o755)
        self.ports = {80: free_port(), 443: free_port()}
        text = re.sub(r"listen \[::\]:.*\n", "\n", text)
        text = re.sub(r"listen (80|443)\b", lambda match: f"listen 127.0.0.1:{self.ports[int(match[1])]}", text)
        self.path = directory / "nginx.conf"
        temporary = "".join(
            f"{kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # The directories of pytest belong to its user alone.
        user = "user root;" if os.geteuid() == 0 else ""
        self.path.write_text(
            f"{user}\nworker_processes 1;\npid {directory}/pid;\nerror_log {directory}/error.log;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temporary}{text}}}\n"
        )
        self.command = ["nginx", "-c", str(self.path), "-e", f"{directory}/error.log"]
        self.upstream = ThreadingHTTPServer(("127.0.0.1", upstream_port), StandIn)

    def __enter__(self) -> Served:
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        started = subprocess.run(self.command, check=False, capture_output=True, text=True)
        assert started.returncode == 0, started.stderr
        return self

    def __exit__(self, *_raised: object) -> None:
        subprocess.run([*self.command, "-s", "stop"], check=True, capture_output=True)
        end = time.monotonic() + 10
        while (self.directory / "pid").exists() and time.monotonic() < end:
            time.sleep(0.02)
        self.upstream.shutdown()
        self.upstream.server_close()

    def ask(
        self,
        name: str,
        path: str = "/",
        method: str = "GET",
        body: str | None = None,
        headers: dict[str, str] | None = None,
        tls: bool = True,
        source: str = "127.0.0.1",
    ) -> tuple[int, dict[str, str], str]:
        """Return status, headers (names in lower case) and text of the answer for a name of the host."""
        raw = socket.create_connection(
            ("127.0.0.1", self.ports[443 if tls else 80]), timeout=10, source_address=(source, 0)
        )
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            raw = context.wrap_socket(raw, server_hostname=name)
        connection = http.client.HTTPConnection(name)
        connection.sock = raw
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, {key.lower(): value for key, value in response.getheaders()}, text

    def seen(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return what reached the stand-in."""
        status, _headers, text = self.ask(*arguments, **options)
        assert status == 200, (status, text)
        return dict(json.loads(text))
