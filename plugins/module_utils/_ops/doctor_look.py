# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the doctor reads: a few requests through the ordinary client, and the answers as they came over the wire.

About 25 requests, however many instances there are: the list (and up to four times more, for its latency), three instances
by id, health and health score of one, the servers, and four questions whose answer is an error or an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance, Server, parse
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.endpoint import Endpoint, look_at_endpoint
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import Exchange, decode_json
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import is_usable_id, page_items
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase

IMPOSSIBLE_ID = "00000000-0000-4000-8000-000000000000"
"""Id of an instance and of a server that cannot exist."""
IMPOSSIBLE_ORGANIZATION = "ocore-doctor-no-such-organization"
SAMPLES = 3
REPEATS = 5
SHARE_FOR_REPEATS = 0.5
"""Part of the task's time after which nothing is asked again only to measure it."""
RETRIES_MOST = 2


def nothing(text: str, kind: str | None = None) -> None:
    """Take a warning of the client; the doctor has its own words for what it sees."""


@dataclass
class Seen:
    """What a question led to: the client's answer or its error, and the answers on the wire, retries and pages included."""

    value: Any
    error: OcoreError | None
    exchanges: tuple[Exchange, ...]

    @cached_property
    def pages(self) -> list[Any]:
        """Return the decoded bodies of all successful answers; what is no JSON is left out."""
        found = []
        for exchange in self.exchanges:
            if 200 <= exchange.answer.status < 300:
                try:
                    found.append(decode_json(exchange.answer.content))
                except (ValueError, RecursionError):
                    continue
        return found

    @property
    def raw(self) -> Any:
        """Return the decoded body of the last success; ``None`` when there is none."""
        return self.pages[-1] if self.pages else None

    @property
    def status(self) -> int | None:
        """Return the status of the last answer; ``None`` when there was none."""
        return self.exchanges[-1].answer.status if self.exchanges else None

    @property
    def seconds(self) -> list[float]:
        """Return how long each successful answer took."""
        return [exchange.seconds for exchange in self.exchanges if exchange.answer.status < 300]


class Witness:
    """Asks through a client and keeps what came over the wire."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.exchanges: list[Exchange] = []
        self.unanswered = 0
        client.watch(self.exchanges.append)

    def ask(self, send: Callable[[Client], Any]) -> Seen:
        """Ask once; the client retries and follows pages as it always does."""
        mark = len(self.exchanges)
        try:
            value, error = send(self.client), None
        except OcoreError as problem:
            value, error = None, problem
        if error is not None and error.status is None and len(self.exchanges) == mark:
            self.unanswered += 1
        return Seen(value, error, tuple(self.exchanges[mark:]))


@dataclass
class Sample:
    """One instance, as the list shows it and as it is read by id."""

    listed: Mapping[str, Any]
    read: Seen

    @property
    def raw(self) -> Mapping[str, Any]:
        """Return the object that was read by id, or what the list shows where that failed."""
        return self.read.raw if isinstance(self.read.raw, dict) else self.listed


@dataclass
class Evidence:
    """All that was read. Every field may be missing: one answer that fails must not hide the others."""

    settings: Settings
    endpoint: Endpoint
    listed: Seen
    servers: Seen | None = None
    samples: list[Sample] = field(default_factory=list)
    absent: Seen | None = None
    filtered: Seen | None = None
    without_organization: Seen | None = None
    wrong_organization: Seen | None = None
    health: Seen | None = None
    score: Seen | None = None
    seconds: dict[str, list[float]] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    unanswered: int = 0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """Return the decoded instances of the list, on all its pages."""
        items = [item for page in self.listed.pages for item in page_items(page) or []]
        return [item for item in items if isinstance(item, dict)]

    @cached_property
    def instances(self) -> list[Instance]:
        """Return the instances of the list that have a usable id."""
        return [parse(Instance, item, nothing) for item in self.entries if is_usable_id(item.get("id"))]

    @cached_property
    def server_entries(self) -> list[dict[str, Any]]:
        """Return the decoded servers."""
        pages = self.servers.pages if self.servers else []
        return [item for page in pages for item in page_items(page) or [] if isinstance(item, dict)]

    @cached_property
    def server_list(self) -> list[Server]:
        """Return the servers that have a usable id."""
        return [parse(Server, item, nothing) for item in self.server_entries if is_usable_id(item.get("id"))]

    @property
    def about(self) -> Instance | None:
        """Return the instance whose health is read: the first sample."""
        raw = self.samples[0].raw if self.samples else None
        return parse(Instance, raw, nothing) if raw else None


def look(client: Client, deadline: Deadline) -> Evidence:
    """Ask all that can be asked without changing anything.

    :param client: the task's own, whose settings count.
    """
    retries = min(client.settings.retries, RETRIES_MOST)
    own = client.variant(warn=nothing, retries=retries)
    try:
        return _Look(Witness(own), deadline).all()
    finally:
        own.close()


class _Look:
    def __init__(self, witness: Witness, deadline: Deadline) -> None:
        self._witness = witness
        self._ask = witness.ask
        self._deadline = deadline

    def all(self) -> Evidence:
        settings = self._witness.client.settings
        seen = Evidence(settings, look_at_endpoint(settings), self._ask(lambda client: client.list_instances()))
        if seen.listed.error is None:
            self._look_around(seen)
            self._look_at_instances(seen)
            self._measure(seen)
        elif seen.listed.status is not None:
            # Another path may work, and its error says more about the token.
            seen.servers = self._ask(lambda client: client.list_servers())
            seen.absent = self._ask(lambda client: client.get_instance(IMPOSSIBLE_ID))
        seen.exchanges = self._witness.exchanges
        seen.now = datetime.now(UTC)
        seen.unanswered = self._witness.unanswered
        return seen

    def _look_around(self, seen: Evidence) -> None:
        seen.servers = self._ask(lambda client: client.list_servers())
        seen.absent = self._ask(lambda client: client.get_instance(IMPOSSIBLE_ID))
        seen.filtered = self._ask(lambda client: client.list_instances(IMPOSSIBLE_ID))
        if seen.settings.organization:
            seen.without_organization = self._as(None)
        seen.wrong_organization = self._as(IMPOSSIBLE_ORGANIZATION)

    def _as(self, organization: str | None) -> Seen:
        """Ask for a list that is empty, under another organization: this may be refused."""
        other = self._witness.client.variant(warn=nothing, organization=organization, retries=0)
        try:
            return Witness(other).ask(lambda client: client.list_instances(IMPOSSIBLE_ID))
        finally:
            other.close()

    def _look_at_instances(self, seen: Evidence) -> None:
        by_id = {str(item.get("id")): item for item in seen.entries}
        for instance in _worth_a_look(seen.instances):
            read = self._read(instance.id)
            seen.samples.append(Sample(by_id[instance.id], read))
        if (about := seen.about) is not None:
            seen.health = self._ask(lambda client: client.get_health(about))
            seen.score = self._ask(lambda client: client.get_health_score(about))

    def _read(self, instance_id: str) -> Seen:
        return self._ask(lambda client: client.get_instance(instance_id))

    def _measure(self, seen: Evidence) -> None:
        about = seen.about
        seen.seconds["list"] = list(seen.listed.seconds)
        if about is not None:
            seen.seconds["get"] = [second for sample in seen.samples for second in sample.read.seconds]
            seen.seconds["health"] = list(seen.health.seconds) if seen.health else []
        asked: dict[str, Callable[[Client], Any]] = {"list": lambda client: client.list_instances()}
        if about is not None:
            asked["get"] = lambda client: client.get_instance(about.id)
            asked["health"] = lambda client: client.get_health(about)
        for what, send in asked.items():
            # What was answered once may be gone the next time: nothing is asked more often than this.
            more = REPEATS - len(seen.seconds[what]) if seen.seconds[what] else 0
            for _again in range(more):
                again = self._ask(send) if self._is_time_left() else None
                if again is None or not again.seconds:
                    break
                seen.seconds[what] += again.seconds

    def _is_time_left(self) -> bool:
        return self._deadline.elapsed() < SHARE_FOR_REPEATS * self._deadline.seconds


def _worth_a_look(instances: list[Instance]) -> list[Instance]:
    """Return the few instances that show most: one that runs, one with env vars, one that does not run."""
    tests: tuple[Callable[[Instance], bool], ...] = (
        lambda instance: phase(instance) is Phase.READY and bool(instance.env_vars),
        lambda instance: phase(instance) is Phase.READY,
        lambda instance: bool(instance.env_vars),
        lambda instance: phase(instance) not in (Phase.READY, Phase.GONE),
        lambda instance: phase(instance) is not Phase.GONE,
    )
    chosen = {found.id: found for test in tests if (found := next(filter(test, instances), None)) is not None}
    rest = {instance.id: instance for instance in instances[:SAMPLES]}
    return list({**chosen, **rest}.values())[:SAMPLES]
