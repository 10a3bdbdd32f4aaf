# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of load: fleets of up to 5,000 creations at an API that takes 20 requests a second, of which one in 20 fails.

The clock is virtual, so the figures do not depend on the machine. A fleet takes little longer than the limit alone makes it take,
creates each instance once, and names each failure.
"""

from __future__ import annotations

import bisect
import io
import json
from dataclasses import dataclass
from typing import Any
from unittest import mock

import requests
import urllib3
from ansible_collections.ocore.cloud.plugins.module_utils._ops import creation, fleet
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Outcome, play
from requests.adapters import HTTPAdapter

from . import hostile
from .campaign import Campaign, Verdict
from .door import API_URL
from .turns import TurnTime

PER_SECOND = 20
FAILING = 20
"""One creation of so many fails."""
SLOWEST = 1.2
"""How many times as long as the limit alone it may take; the last creations and looks at the list included."""
STEP = 1.0
LAST = 3 * STEP + 10.0
"""Seconds until the last instance is ready and seen: at most 10 pass between two looks at the list."""


@dataclass(frozen=True)
class Case:
    """A fleet of new instances, and how one in 20 fails."""

    count: int
    failing: str

    @property
    def name(self) -> str:
        return f"{self.count}/{self.failing}"

    @property
    def row(self) -> str:
        return self.name


class Stage:
    """An API that refuses more requests than its limit."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.base = hostile.Stage(hostile.Case("nowhere", "null", "fleet"), "", TurnTime())
        self.door, self.time = self.base.door, self.base.time
        self.door.rewrite = None
        self.door.world.settings.change({"step_time": STEP})
        self.accepted: list[float] = []
        self.refused = 0
        self.posts = 0
        self._send = self.door.send

    def run(self) -> Outcome:
        """Declare the fleet."""
        items = [{"name": f"Shop {n}", "slug": f"shop-{n}"} for n in range(self.case.count)]
        options = {
            "api_url": API_URL,
            "api_token": self.base.token,
            "organization": "acme",
            "retries": 50,
            "request_timeout": 30.0,
            "wait_timeout": 36_000,
            "wait_interval": 2.0,
            "max_parallel": 8,
            "instances": items,
            "defaults": {"server_id": self.base.server},
            "on_error": "continue",
        }
        with mock.patch.object(self.door, "send", self._limited), self.door.open(), self.time.taking_part():
            self.time.catch_up()
            return play(fleet.OPERATION, time=self.time, **options)

    def _limited(self, adapter: HTTPAdapter, request: requests.PreparedRequest, timeout: Any) -> requests.Response:
        self.time.sleep(0.001)  # this thread's turn
        now = self.time()
        after = bisect.bisect_right(self.accepted, now)
        if after - bisect.bisect_right(self.accepted, now - 1) >= PER_SECOND:
            self.refused += 1
            return _answer(adapter, request, 429, {"retry-after": "1"})
        bisect.insort(self.accepted, now)
        if request.method == "POST":
            self.posts += 1
            if self.posts % FAILING == 0 and self.case.failing != "none":
                return self._failing(adapter, request, timeout)
        return self._send(adapter, request, timeout)

    def _failing(self, adapter: HTTPAdapter, request: requests.PreparedRequest, timeout: Any) -> requests.Response:
        if self.case.failing == "refused":
            return _answer(adapter, request, 422, {})
        if self.case.failing == "gateway":
            return _answer(adapter, request, 503, {})
        self.door.world.settings.change({"create_fails": 1})
        return self._send(adapter, request, timeout)


def _answer(
    adapter: HTTPAdapter, request: requests.PreparedRequest, status: int, headers: dict[str, str]
) -> requests.Response:
    body = json.dumps({"message": f"status {status}"}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    raw = urllib3.HTTPResponse(body=io.BytesIO(body), headers=headers, status=status, preload_content=False)
    return adapter.build_response(request, raw)


def _play(case: Case, _seed: int, verdict: Verdict) -> None:
    stage = Stage(case)
    before = len(stage.door.world.store.alive())
    began = stage.time.latest()
    result = stage.run()
    took = stage.time.latest() - began
    least = len(stage.accepted) / PER_SECOND
    verdict.counts.update({"seconds": round(took), "limit": round(least), "requests": len(stage.accepted)})
    verdict.counts["refused"] = stage.refused
    failed = [one for one in result["results"] if one["outcome"] == "failed"]
    _judge(case, result, failed, verdict)
    made = [i.fields["slug"] for i in stage.door.world.store.alive()][before:]
    if len(made) != len(set(made)):
        verdict.add("duplicate", f"{len(made) - len(set(made))} instances are there twice")
    expected = case.count - (len(failed) if case.failing == "refused" else 0)
    if len(set(made)) != expected:
        verdict.add("lost", f"{len(set(made))} of {expected} instances")
    if took > SLOWEST * max(least, case.count / PER_SECOND) + LAST + (
        2 * sum(creation.LOOKS) if case.failing == "gateway" else 0
    ):
        verdict.add("slow", f"{took:.0f} s; the limit alone takes {least:.0f} s")


def _judge(case: Case, result: Outcome, failed: list[Any], verdict: Verdict) -> None:
    should_fail = {"refused", "broken"}
    wanted = case.count // FAILING if case.failing in should_fail else 0
    if len(failed) != wanted or bool(result.get("failed")) != bool(wanted):
        verdict.add("failures", f"{len(failed)} failed, not {wanted}: {str(result.get('msg'))[:300]}")
    if any(not one.get("error") for one in failed):
        verdict.add("failures", "one that failed has no error")


CASES = [
    *(Case(200, failing) for failing in ("none", "broken", "refused", "gateway")),
    *(Case(1000, failing) for failing in ("refused", "gateway")),
    Case(5000, "broken"),
]
KINDS = {
    "slow": f"it took more than {SLOWEST} times as long as the limit alone",
    "duplicate": "an instance was created twice",
    "lost": "an instance is missing",
    "failures": "failures that are not those that there were",
}
CAMPAIGN = Campaign(
    "load", lambda size, _seed: CASES[:size], lambda name: next(c for c in CASES if c.name == name), _play, KINDS
)
