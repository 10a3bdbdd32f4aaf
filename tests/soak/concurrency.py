# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of concurrency: eight clients want the same instances and the same env vars at the same time.

The clients are threads that take turns at each request, in an order that the seed decides. Whatever the API allows, nothing that
a client could have noticed stays unsaid: no second instance, and no env var that got lost.
"""

from __future__ import annotations

import functools
import itertools
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ocore.cloud.extensions.emulator.auth import Auth
from ansible_collections.ocore.cloud.extensions.emulator.seed import seed as add
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._ops import entry, fleet, instance
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation

from .campaign import Campaign, Verdict
from .door import API_URL, Door
from .turns import TurnTime

CLIENTS = 8
#: By its token the API, and so this campaign, knows a client.
TOKENS = [f"ocore_k_concurrent_{n}" for n in range(CLIENTS)]
NEW = {"name": "Shop", "slug": "shop", "server": "server-1"}


@dataclass(frozen=True)
class Want:
    """What each client wants; N stands for its number."""

    operation: Operation
    options: Mapping[str, Any]
    exists: bool


WANTS = {
    "create": Want(instance.OPERATION, NEW, False),
    "create_env": Want(instance.OPERATION, {**NEW, "env_vars": {"MINE_N": "N", "OURS": "same"}}, False),
    "create_by_name": Want(instance.OPERATION, {"name": "Shop", "server": "server-1"}, False),
    "fleet": Want(
        fleet.OPERATION, {"instances": [NEW, {**NEW, "name": "Two", "slug": "two"}], "max_parallel": 1}, False
    ),
    "env": Want(instance.OPERATION, {"slug": "shop", "env_vars": {"MINE_N": "N"}}, True),
    "env_same": Want(instance.OPERATION, {"slug": "shop", "env_vars": {"OURS": "N"}}, True),
    "fleet_env": Want(
        fleet.OPERATION, {"instances": [{"slug": "shop", "env_vars": {"MINE_N": "N"}}], "max_parallel": 1}, True
    ),
}
APIS: dict[str, dict[str, Any]] = {
    "refuses": {},
    "takes_again": {"taken_slug": "taken"},
    "lags": {"taken_slug": "taken", "list_lag": 2},
    "busy": {"busy_conflict": True},
    "restarts": {"put_status": "restarting"},
    "slow": {"latency": 2.0},
}
FAULTS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "lost": {"kind": "drop_after", "count": 3},
    "gateway": {"kind": "error_after", "status": 504, "count": 3},
}


@dataclass(frozen=True)
class Case:
    """What eight clients want of an API, within so many seconds, and which writes get no answer."""

    want: str
    api: str
    fault: str
    spread: float
    number: int

    @property
    def name(self) -> str:
        return f"{self.want}/{self.api}/{self.fault}/{self.spread:g}/{self.number}"

    @property
    def row(self) -> str:
        return f"{self.want} {self.api}"


@dataclass
class Request:
    """A request of a client, in the order in which the API carried them out."""

    client: int
    method: str
    by_id: bool
    env: set[str]


class Crowd:
    """Eight clients at one API."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case = case
        self.want = WANTS[case.want]
        self.chance = random.Random(f"{seed}/{case.name}")
        self.time = TurnTime()
        self.door = Door(
            self.time, auth=Auth(TOKENS), organizations=("acme",), switches={"step_time": 3.0, **APIS[case.api]}
        )
        self.store = self.door.world.store
        if self.want.exists:
            add(self.store, "acme", 1, {"slug": "shop", "name": "Shop", "envVars": {"KEPT": "1"}, "status": "running"})
        rule = FAULTS[case.fault]
        if rule is not None:
            self.door.world.faults.add({**rule, "operation": "update" if self.want.exists else "create"})
        self.results: dict[int, tuple[dict[str, Any], str]] = {}
        self.requests: list[Request] = []

    def run(self) -> None:
        """Let all clients do what they want."""
        random.seed(self.chance.random())
        carry_out = self.door.carry_out
        deadline = functools.partial(Deadline, now=self.time, sleep=self.time.sleep)
        offsets = [self.chance.uniform(0, self.case.spread) for _client in range(CLIENTS)]
        with (
            mock.patch.object(self.door, "carry_out", functools.partial(self._carry_out, carry_out)),
            mock.patch.object(entry, "Deadline", deadline),
            self.door.open(),
        ):
            threads = [threading.Thread(target=self._client, args=(n, offset)) for n, offset in enumerate(offsets)]
            for thread in threads:
                self.time.enter()
                thread.start()
            for thread in threads:
                thread.join()

    def _client(self, number: int, offset: float) -> None:
        warnings: list[str] = []
        try:
            self.time.catch_up()
            self.time.sleep(offset + 0.001)
            operation = self.want.operation
            given = {
                "api_url": API_URL,
                "api_token": TOKENS[number],
                "organization": "acme",
                "retries": 3,
                "request_timeout": 10,
                "wait_timeout": 300,
                "wait_interval": 2.0,
                **_filled(self.want.options, str(number)),
            }
            checked = ArgumentSpecValidator(operation.spec, **operation.rules).validate(given)
            options = {name: checked.validated_parameters[name] for name in operation.spec}
            result = entry.run(operation, options, check_mode=False, warn=warnings.append, progress=lambda _line: None)
        except Exception as error:
            result = {"failed": True, "msg": f"traceback: {error!r}"}
        finally:
            self.time.leave()
        errors = [str(one.get("error") or "") for one in result.get("results", [])]
        self.results[number] = (result, " ".join([str(result.get("msg", "")), *warnings, *errors]))

    def _carry_out(self, carry_out: Callable[..., Any], request: requests.PreparedRequest) -> Any:
        path = urlsplit(str(request.url)).path.removeprefix("/api/instances").strip("/")
        body = str(request.body or b"", "utf-8") if isinstance(request.body, bytes) else str(request.body or "")
        env = {f"MINE_{n}" for n in range(CLIENTS) if f"MINE_{n}" in body}
        client = TOKENS.index(str(request.headers["Authorization"]).removeprefix("Bearer "))
        self.requests.append(Request(client, str(request.method), bool(path), env))
        return carry_out(request)

    def settle(self) -> None:
        """Let everything that was begun come to its end."""
        for _time in range(3):
            self.store.hasten(1_000_000)
            self.store.hasten_late(1_000_000)

    @property
    def told(self) -> str:
        return " ".join(text for _result, text in self.results.values())


def _filled(value: Any, number: str) -> Any:
    if isinstance(value, Mapping):
        return {key.replace("_N", f"_{number}"): _filled(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, number) for item in value]
    return number if value == "N" else value


def _play(case: Case, seed: int, verdict: Verdict) -> None:
    crowd = Crowd(case, seed)
    crowd.run()
    crowd.time.catch_up()
    crowd.settle()
    failed = sum(bool(result.get("failed")) for result, _text in crowd.results.values())
    verdict.counts["refused"] += failed
    for _result, text in crowd.results.values():
        if "traceback" in text or "This is a defect of" in text:
            verdict.add("traceback", text[:300])
    alive = [i.fields for i in crowd.store.alive() if i.status != "removing"]
    for slug in ("shop", "two"):
        twins = [fields for fields in alive if fields["slug"].startswith(slug)]
        _judge_twins(crowd, twins, verdict)
    if len(alive) and "env" in case.want and case.want != "env_same":
        _judge_env(crowd, alive, verdict)


def _judge_twins(crowd: Crowd, twins: list[dict[str, Any]], verdict: Verdict) -> None:
    verdict.counts["twins"] += len(twins) > 1
    unnamed = [fields["id"] for fields in twins if fields["id"] not in crowd.told]
    if len(twins) > 1 and unnamed:
        verdict.add("silent", f"{len(twins)} instances, and {len(unnamed)} of them nobody was told about")


def _judge_env(crowd: Crowd, alive: list[dict[str, Any]], verdict: Verdict) -> None:
    there = set().union(*(fields["envVars"] for fields in alive))
    for number, (result, _text) in crowd.results.items():
        name = f"MINE_{number}"
        if result.get("failed") or name in there or name in crowd.told:
            continue
        verdict.counts["lost"] += 1
        if not _in_the_window(crowd.requests, name):
            verdict.add("silent", f"{name} is gone, and nobody was told; requests: {_trace(crowd.requests)}")


def _in_the_window(requests: list[Request], name: str) -> bool:
    """Return whether a var was overwritten where nobody could know: between the last read of a client and its update.

    The API cannot lock an instance. So the var is set, then overwritten by a client that had read before, and whoever set it
    does not look again.
    """
    puts = [n for n, request in enumerate(requests) if request.method == "PUT"]
    mine = max((n for n in puts if name in requests[n].env), default=-1)
    after = [n for n in puts if n > mine and name not in requests[n].env]
    if mine < 0 or not after:
        return False
    over = after[0]
    reads = [n for n in range(over) if requests[n].client == requests[over].client and requests[n].method == "GET"]
    looked_again = any(r.client == requests[mine].client and r.method == "GET" and r.by_id for r in requests[over:])
    return bool(reads) and max(reads) < mine and not looked_again


def _trace(requests: list[Request]) -> str:
    return " ".join(f"{r.client}:{r.method}" for r in requests if r.by_id)


def _cases(size: int, seed: int) -> Iterator[Case]:
    """Give all combinations, again and again with other orders of the clients."""
    every = list(itertools.product(WANTS, APIS, FAULTS, (0.0, 1.0, 8.0)))
    numbers = itertools.count()
    chance = random.Random(seed)
    while size > 0:
        number = next(numbers)
        for names in chance.sample(every, min(size, len(every))):
            yield Case(*names, number)
        size -= len(every)


def _find(name: str) -> Case:
    want, api, fault, spread, number = name.split("/")
    return Case(want, api, fault, float(spread), int(number))


def _show(case: Case, seed: int) -> None:
    crowd = Crowd(case, seed)
    crowd.run()
    for number, (result, text) in sorted(crowd.results.items()):
        print(number, result.get("actions"), text)
    for log in crowd.door.world.log.entries():
        print(log["seq"], log["operation"], log["id"], log["status"], log["fault"] or "")


KINDS = {"silent": "harm that a client could have noticed, and that nobody was told about"}
CAMPAIGN = Campaign("concurrency", _cases, _find, _play, KINDS, _show)
