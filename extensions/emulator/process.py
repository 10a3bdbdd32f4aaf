# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the emulator as a process of its own and steer it: for tests and benchmarks. Needs the standard library only.

with Emulator("--seed", "3", step_time=0.05) as ocore:
    ocore.fault("drop_after", "create")
    ...  # a client works against ocore.api_url with ocore.token
    assert [entry["operation"] for entry in ocore.log()] == ["list", "create", "list"]
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent


class Emulator:
    """One emulator. `options` are its command-line options; switches are keywords (`deleted="word"`, `step_time=0.1`).

    `python` is the interpreter that has the emulator's requirements (by default the one that runs this).
    """

    token = "ocore_k_emulator"
    viewer_token = "ocore_k_viewer"

    def __init__(self, *options: str, python: str = sys.executable, **switches: object) -> None:
        named = [part for name, value in switches.items() for part in ("--set", f"{name}={_text(value)}")]
        self._command = [python, str(HERE), *options, *named]
        self._process: subprocess.Popen[str] | None = None
        self.api_url = ""

    def start(self) -> Emulator:
        """Start it and return when it accepts connections; raise RuntimeError with its output if it does not start."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line.startswith("oCore emulator: "):
                self.stop()
                errors.seek(0)
                raise RuntimeError(f"{' '.join(self._command)} did not start: {errors.read().strip()}")
        self.api_url = line.removeprefix("oCore emulator: ").strip()
        return self

    def stop(self) -> int:
        """Stop it by SIGTERM and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        try:
            status = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address without /api."""
        return self.api_url.removesuffix("/api")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self, operation: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Return the requests of the API so far, oldest first: operation, method, path, status, body_keys ..."""
        query = {"since": str(since)} | ({"operation": operation} if operation else {})
        return list(self.admin("GET", f"/log?{urllib.parse.urlencode(query)}"))

    def clear_log(self) -> None:
        self.admin("DELETE", "/log")

    def fault(self, kind: str, operation: str = "*", **parameters: Any) -> None:
        """Add a fault; `parameters` are those of faults.Rule: count, after, instance, status, message, seconds ..."""
        self.admin("POST", "/faults", {"kind": kind, "operation": operation, **parameters})

    def faults(self) -> list[dict[str, Any]]:
        """Return the rules with the number of times that each has fired."""
        return list(self.admin("GET", "/faults"))

    def clear_faults(self) -> None:
        self.admin("DELETE", "/faults")

    def set(self, **switches: object) -> None:
        """Change switches, step_time and latency among them."""
        self.admin("PATCH", "/settings", switches)

    def advance(self, steps: float = 1) -> None:
        """Move everything in progress on by so many steps, whatever the switch `step_by` says."""
        self.admin("POST", "/advance", {"steps": steps})

    def settings(self) -> dict[str, Any]:
        return dict(self.admin("GET", "/settings"))

    def instances(self, organization: str | None = None) -> list[dict[str, Any]]:
        """Return the truth about the instances that are there, with real environment values and `busy`."""
        query = f"?{urllib.parse.urlencode({'organization': organization})}" if organization else ""
        return [instance for instance in self.admin("GET", f"/instances{query}") if not instance["gone"]]

    def instance(self, slug: str) -> dict[str, Any]:
        """Return the truth about the one instance with this slug; raise LookupError unless there is exactly one."""
        found = [instance for instance in self.instances() if instance["slug"] == slug]
        if len(found) != 1:
            raise LookupError(f"{len(found)} instances have the slug {slug}")
        return found[0]

    def server_ids(self, organization: str = "acme") -> list[str]:
        return [server["id"] for server in self.admin("GET", "/servers")[organization]]

    def change_server(self, server_id: str, **fields: Any) -> None:
        """Set wire fields of a server, such as its host, for good."""
        self.admin("PATCH", f"/servers/{server_id}", fields)

    def remove_server(self, server_id: str) -> None:
        """Forget a server; its instances stay."""
        self.admin("DELETE", f"/servers/{server_id}")

    def force(self, instance_id: str, **fields: Any) -> None:
        """Show these wire fields in place of the truth until the next operation on the instance."""
        self.admin("PATCH", f"/instances/{instance_id}", fields)

    def seed(self, count: int, organization: str = "acme", **fields: Any) -> list[str]:
        """Add instances (`fields`: wire names, for each of them) and return their ids."""
        return list(self.admin("POST", "/seed", {"count": count, "organization": organization, "fields": fields}))

    def jwt(self, expires_in: float = 3600, viewer: bool = False) -> str:
        """Return a JWT that is accepted for so many seconds."""
        return str(self.admin("POST", "/token", {"expires_in": expires_in, "viewer": viewer})["token"])

    def reset(self) -> None:
        """Return to how it started: seed, switches, no faults, empty log."""
        self.admin("POST", "/reset")

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Ask the admin surface; RuntimeError carries its refusal."""
        request = urllib.request.Request(f"{self.url}/_emulator{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        # The address is our own, and its certificate is whatever the test gave the emulator.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise RuntimeError(f"{method} {path}: {refusal.read().decode()}") from None
        return json.loads(text) if text else None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
