# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain HTTP client for tests of the emulator."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator


@dataclass
class Client:
    """Asks the API as the default key in the default organization, unless told otherwise."""

    emulator: Emulator

    def __call__(
        self, method: str, path: str, json: object = None, token: str | None = None, **arguments: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self.emulator.token}", **arguments.pop("headers", {})}
        url, timeout = f"{self.emulator.api_url}{path}", arguments.pop("timeout", 30)
        return requests.request(
            method, url, json=json, headers=headers, timeout=timeout, allow_redirects=False, **arguments
        )

    def create(self, name: str = "Shop", **fields: object) -> Any:
        body = {"name": name, "serverId": self.emulator.server_ids()[0], **fields}
        return answered(self("POST", "/instances", body), 202)

    def get(self, instance_id: str) -> Any:
        return answered(self("GET", f"/instances/{instance_id}"), 200)

    def put(self, instance_id: str, **fields: object) -> Any:
        return answered(self("PUT", f"/instances/{instance_id}", fields), 200)

    def list(self, query: str = "") -> Any:
        return answered(self("GET", f"/instances{query}"), 200)

    def control(self, instance_id: str, action: str) -> Any:
        return answered(self("POST", f"/instances/{instance_id}/control", {"action": action}), 202)

    def delete(self, instance_id: str) -> Any:
        """Remove it and go on to where it is gone."""
        answer = answered(self("DELETE", f"/instances/{instance_id}"), 202)
        self.emulator.advance(2)
        return answer

    def settled(self, instance_id: str) -> Any:
        """Return the instance when no operation is in progress any more."""
        self.emulator.advance(10)
        return self.get(instance_id)


def answered(answer: requests.Response, status: int) -> Any:
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    return answer.json()


def until(true: Callable[[], bool]) -> None:
    """Wait for what another process or thread does on its own; fail if it takes absurdly long."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)
