# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many tests need: options, records of the wire, a clock that only moves when somebody sleeps."""

from __future__ import annotations

import functools
from typing import Any
from unittest import mock

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance, parse
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._ops import entry
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Clock
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation

TOKEN = "ocore_k_planted-token-1234"
SERVER = "6b1d6a52-53a5-4d8c-8f45-3b8c1d4f3a10"
ID = "1c0fd1f3-6f1e-4f0c-9d8e-0d9d5a1b7c11"


class Time:
    """A monotonic clock without waiting."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def fail(text: str) -> None:
    """A ``warn`` for tests in which nothing may be warned about."""
    raise AssertionError(f"unexpected warning: {text}")


def auth(**options: Any) -> dict[str, Any]:
    """Give the auth options with their defaults."""
    return {
        "api_url": "https://api.ocore.dev/api",
        "api_token": TOKEN,
        "organization": "acme",
        "validate_certs": True,
        "ca_path": None,
        "request_timeout": 5.0,
        "retries": 2,
        "allow_http": False,
        **options,
    }


def options_of(operation: Operation, **options: Any) -> dict[str, Any]:
    """Give the options of an operation as AnsibleModule does: every name is there, defaults filled in."""
    unknown = set(options) - set(operation.spec)
    assert not unknown, unknown
    return {name: options.get(name, spec.get("default")) for name, spec in operation.spec.items()}


def client(api_url: str, time: Time | None = None, warn: Any = fail, **options: Any) -> Client:
    """Give a client that does not sleep."""
    settings = Settings.from_options(auth(api_url=api_url, **options))
    time = time or Time()
    return Client(settings, caller="test", warn=warn, deadline=Deadline(now=time, sleep=time.sleep))


def clock(time: Time, timeout: float = 600, interval: float = 2.0) -> Clock:
    """Give a clock on a time of its own."""
    return Clock(Deadline(timeout, now=time, sleep=time.sleep), interval, lambda _line: None)


def wire(**fields: Any) -> dict[str, Any]:
    """Give an instance as the API sends it."""
    return {
        "id": ID,
        "name": "Shop",
        "slug": "shop",
        "status": "running",
        "statusMessage": None,
        "serverId": SERVER,
        "odooVersion": "18.0",
        "odooEdition": "community",
        "templateId": None,
        "addonsPath": None,
        "envVars": {},
        "mcpWriteEnabled": False,
        "domains": [],
        "restartCount": 0,
        "lastRestartAt": None,
        **fields,
    }


def wire_server(**fields: Any) -> dict[str, Any]:
    """Give a server as the API sends it."""
    return {
        "id": SERVER,
        "name": "alpha",
        "description": None,
        "host": "192.0.2.7",
        "port": 2222,
        "sshUser": "admin",
        "authMethod": "key",
        "status": "active",
        "osName": "debian",
        "osVersion": "12",
        "cpuCores": 8,
        "ramTotalBytes": 17179869184,
        "proxyType": "nginx",
        **fields,
    }


def instance(**fields: Any) -> Instance:
    """Give an instance as read from the API; ``fields`` are wire names."""
    return parse(Instance, wire(**fields), lambda text, _kind: fail(text))


def listing(*items: object, total: int | None = None) -> Listing:
    """Give a list answer."""
    return Listing(items, len(items) if total is None else total, fail)


class Outcome(dict[str, Any]):
    """The result of an operation, with its warnings and lines of progress."""

    warnings: list[str]
    progress: list[str]


def play(
    operation: Operation, api_url: str, *, check: bool = False, time: Time | None = None, **options: Any
) -> Outcome:
    """Run an operation through the one entry, without waiting."""
    time = time or Time()
    warnings: list[str] = []
    progress: list[str] = []
    given = options_of(operation, **{"api_url": api_url, "api_token": TOKEN, "retries": 2, **options})
    with (
        mock.patch.object(entry, "Deadline", functools.partial(Deadline, now=time, sleep=time.sleep)),
    ):
        outcome = Outcome(entry.run(operation, given, check_mode=check, warn=warnings.append, progress=progress.append))
    outcome.warnings, outcome.progress = warnings, progress
    return outcome
