# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source ocore.cloud.instances, as a coroutine and inside ansible-rulebook."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance, parse, to_wire
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from conftest import COLLECTION, ENV_VALUE, credentials
from emulator.process import Emulator
from rulebook import Rulebook

FILE = COLLECTION / "extensions/eda/plugins/event_source/instances.py"
_SPEC = importlib.util.spec_from_file_location("instances", FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
SOURCE = vars(_MODULE)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PATIENCE = 30.0
"""Seconds until a test gives up on an event; none waits that long when all is well."""


def instance(**fields: Any) -> Instance:
    given = {"id": "1", "slug": "shop", "status": "running", **fields}
    domains = [to_wire(domain) for domain in fields.get("domains", [])]
    return parse(Instance, to_wire({**given, "domains": domains}), pytest.fail)


def watch(score: int | None = None, days: int = 14) -> Any:
    return SOURCE["Watch"](score, days)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def test_first_poll_emits_only_what_needs_attention() -> None:
    domains = [{"domain": "shop.example.com", "ssl_expires_at": "2026-11-26T12:00:00Z"}]
    seen = watch(80).look(
        [
            instance(),
            instance(id="2", status="stopped"),
            instance(id="3", status="failed"),
            instance(id="4", health_score=50),
            instance(id="5", domains=domains),
        ],
        NOW,
    )
    assert [(event["instance"]["id"], event["kind"]) for event in seen] == [
        ("3", "status_changed"),
        ("4", "health_score_fell"),
        ("5", "certificate_expiring"),
    ]
    assert all(event["first_look"] for event in seen)
    assert seen[2]["days_left"] == 3


def test_event_is_not_reported_twice() -> None:
    watched = watch(80)
    domains = [{"domain": "shop.example.com", "ssl_expires_at": "2026-11-26T12:00:00Z"}]
    shown = {"status": "failed", "health_score": 10, "restart_count": 1, "domains": domains}
    assert len(watched.look([instance(**shown)], NOW)) == 3
    for hours in range(1, 100):
        assert watched.look([instance(**shown)], NOW + timedelta(hours=hours)) == []


def test_status_change_names_both_words_and_the_phase() -> None:
    watched = watch()
    watched.look([instance()], NOW)
    (event,) = watched.look([instance(status="Provisioning_Failed")], NOW)
    assert (event["before"], event["after"], event["phase"]) == ("running", "Provisioning_Failed", "failed")
    assert not event["first_look"]


def test_score_emits_an_event_when_it_crosses_the_threshold_either_way() -> None:
    watched = watch(80)
    emitted = [kinds(watched.look([instance(health_score=score)], NOW)) for score in (95, 80, 79, 60, None, 70, 80, 90)]
    assert emitted == [[], [], ["health_score_fell"], [], [], [], ["health_score_recovered"], []]


def test_score_emits_nothing_without_a_threshold() -> None:
    watched = watch()
    assert [watched.look([instance(health_score=score)], NOW) for score in (95, 5)] == [[], []]


def test_restart_emits_an_event_when_the_count_increases() -> None:
    watched = watch()
    emitted = [watched.look([instance(restart_count=count)], NOW) for count in (3, 3, 5, None, 6, 1)]
    assert [kinds(events) for events in emitted] == [[], [], ["restarted"], [], ["restarted"], []]
    assert (emitted[2][0]["before"], emitted[2][0]["after"]) == (3, 5)


def test_certificate_emits_another_event_only_after_it_was_renewed() -> None:
    watched = watch(days=10)

    def look(until: str | None, day: int) -> list[str]:
        domains = [{"domain": "shop.example.com", "ssl_expires_at": until}]
        return kinds(watched.look([instance(domains=domains)], NOW + timedelta(days=day)))

    assert look("2026-12-10T00:00:00Z", 0) == []
    assert look("2026-12-10T00:00:00Z", 7) == ["certificate_expiring"]
    assert look("2026-12-10T00:00:00Z", 8) == []
    assert look("2027-03-10T00:00:00Z", 9) == []
    assert look("2027-03-10T00:00:00Z", 100) == ["certificate_expiring"]
    assert look("nonsense", 101) == []
    assert look(None, 102) == []


def test_certificate_days_are_calendar_days_as_in_the_report() -> None:
    domains = [{"domain": "shop.example.com", "ssl_expires_at": "2026-11-26T08:00:00Z"}]
    (event,) = watch().look([instance(domains=domains)], NOW)
    assert event["days_left"] == 3


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00", "2026-11-01"])
def test_certificate_without_a_usable_time_is_not_announced(until: str) -> None:
    domains = [{"domain": "shop.example.com", "ssl_expires_at": until}]
    assert watch().look([instance(domains=domains)], NOW) == []


def test_instances_appear_and_leave() -> None:
    watched = watch()
    watched.look([instance()], NOW)
    assert kinds(watched.look([instance(), instance(id="2")], NOW)) == ["appeared"]
    assert kinds(watched.look([instance(status="deleted"), instance(id="2")], NOW)) == ["left"]
    assert kinds(watched.look([instance(id="2")], NOW)) == []


def test_incomplete_list_makes_no_instance_leave() -> None:
    watched = watch()
    watched.look([instance(), instance(id="2")], NOW)
    assert watched.look([instance()], NOW, complete=False) == []
    assert watched.look([instance(), instance(id="2")], NOW) == []


def test_events_hold_no_value_of_an_environment_variable() -> None:
    watched = watch()
    events = watched.look([instance(status="failed", env_vars={"DB_PASSWORD": ENV_VALUE})], NOW)
    assert ENV_VALUE not in json.dumps(events)
    assert events[0]["instance"]["env_vars"] == {"DB_PASSWORD": "********"}


def test_schema_has_every_option_and_types_the_secret() -> None:
    schema = json.loads((FILE.parent / "schemas/instances.json").read_text())
    types = {"str": "string", "path": "string", "bool": "boolean", "int": "integer", "float": "number"}
    assert {name: option["type"] for name, option in schema["properties"].items()} == {
        name: types[option["type"]] for name, option in SOURCE["SPEC"].items()
    }
    assert {name: option.get("default") for name, option in schema["properties"].items()} == {
        name: option.get("default") for name, option in SOURCE["SPEC"].items()
    }
    secret = {name for name, option in SOURCE["SPEC"].items() if option.get("no_log")}
    assert {name for name, option in schema["properties"].items() if option.get("format") == "password"} == secret
    assert set(yaml.safe_load(SOURCE["DOCUMENTATION"])["options"]) == set(SOURCE["SPEC"])


def args(emulator: Emulator, **more: Any) -> dict[str, Any]:
    return {"api_url": emulator.api_url, "api_token": emulator.token, "interval": 0.1, "retries": 0, **more}


class Stream:
    """The source running in this event loop."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task = asyncio.create_task(SOURCE["main"](self.queue, arguments))

    async def next(self, kind: str) -> dict[str, Any]:
        """Give the next event, which has to be of this kind."""
        get = asyncio.create_task(self.queue.get())
        done, _pending = await asyncio.wait({get, self.task}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if self.task in done:
            self.task.result()
        event = await asyncio.wait_for(get, PATIENCE)
        assert event["kind"] == kind, event
        return event

    async def polls(self, emulator: Emulator, more: int) -> None:
        """Wait for so many further requests."""
        until = len(emulator.log("list")) + more
        end = time.monotonic() + PATIENCE
        while len(emulator.log("list")) < until and not self.task.done():
            assert time.monotonic() < end, "the source polls no more"
            await asyncio.sleep(0.05)


def stream(arguments: dict[str, Any], test: Callable[[Stream], Awaitable[None]]) -> None:
    """Run the source while ``test`` runs, then end it the way ansible-rulebook does."""

    async def play() -> None:
        running = Stream(arguments)
        try:
            await test(running)
        finally:
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)

    asyncio.run(play())


def test_source_emits_what_happens_on_a_real_server(emulator: Emulator) -> None:
    first = emulator.instances()[0]

    async def test(source: Stream) -> None:
        await source.polls(emulator, 2)
        emulator.force(first["id"], status="failed", statusMessage="out of memory")
        event = await source.next("status_changed")
        assert (event["instance"]["slug"], event["phase"]) == (first["slug"], "failed")
        assert event["instance"]["status_message"] == "out of memory"
        emulator.force(first["id"], healthScore=12)
        assert (await source.next("health_score_fell"))["after"] == 12
        emulator.force(first["id"], restartCount=99)
        assert (await source.next("restarted"))["after"] == 99
        soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
        emulator.force(first["id"], domains=[{"domain": "shop.example.com", "sslExpiresAt": soon}])
        assert (await source.next("certificate_expiring"))["domain"] == "shop.example.com"
        emulator.seed(1, domains=[])
        await source.next("appeared")
        await source.polls(emulator, 3)
        assert source.queue.empty()

    for item in emulator.instances():
        emulator.force(item["id"], domains=[])
    emulator.clear_log()
    stream(args(emulator, min_health_score=50), test)
    assert {request["operation"] for request in emulator.log()} == {"list"}


def test_source_emits_that_an_instance_left(emulator: Emulator) -> None:
    gone = emulator.instances()[0]
    for item in emulator.instances():
        emulator.force(item["id"], domains=[])

    async def test(source: Stream) -> None:
        await source.polls(emulator, 2)
        headers = {"Authorization": f"Bearer {emulator.token}"}
        requests.delete(f"{emulator.api_url}/instances/{gone['id']}", headers=headers, timeout=10).raise_for_status()
        events = []
        while not events or events[-1]["kind"] != "left":
            # On its way out it may be seen with the words for that.
            events.append(await asyncio.wait_for(source.queue.get(), PATIENCE))
        assert {event["instance"]["id"] for event in events} == {gone["id"]}
        await source.polls(emulator, 2)
        assert source.queue.empty()

    stream(args(emulator), test)


def test_one_request_is_made_in_an_interval(emulator: Emulator) -> None:
    async def test(source: Stream) -> None:
        await source.polls(emulator, 1)
        await asyncio.sleep(1)

    stream(args(emulator, interval=3600), test)
    assert len(emulator.log()) == 1


def test_source_waits_failures_out_and_forgets_nothing(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def quick(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0.02)

    for item in emulator.instances():
        emulator.force(item["id"], domains=[])

    async def test(source: Stream) -> None:
        await source.polls(emulator, 1)
        emulator.fault("error_before", "list", count=4)
        emulator.force(emulator.instances()[0]["id"], status="failed")
        event = await source.next("status_changed")
        assert (event["before"], event["phase"]) == ("running", "failed")

    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(SOURCE["asyncio"], "sleep", quick)
    stream(args(emulator, interval=10), test)
    failing = [round(pause) for pause in pauses if pause > 10]
    assert failing == [20, 40, 80, 160]
    assert "The next poll is in 160 seconds" in caplog.text
    assert emulator.token not in caplog.text


def answers(*given: Any) -> Callable[..., Any]:
    """Give a reader that answers so, one after the other, and then with nothing for ever."""
    left = list(given)

    def read(_client: object, _server_id: object) -> Any:
        if not left:
            return [], True
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer, True

    return read


@pytest.mark.parametrize(
    "passing",
    [
        OcoreError("Not found.", status=404),
        OcoreError("Not allowed.", status=403),
        OcoreError("In conflict.", status=409),
        OcoreError("oCore's list of instances holds no list."),
        RecursionError("nested too deep"),
    ],
)
def test_source_survives_what_may_pass(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, passing: Exception
) -> None:
    sleep = asyncio.sleep

    async def test(source: Stream) -> None:
        assert (await source.next("appeared"))["instance"]["id"] == "1"

    monkeypatch.setattr(SOURCE["asyncio"], "sleep", lambda _seconds: sleep(0.01))
    monkeypatch.setattr(_MODULE, "_read", answers([], passing, passing, [instance()]))
    stream(args(emulator), test)
    assert f"{passing} The next poll is in" in caplog.text


def test_source_masks_the_token_in_events_and_log(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = emulator.token
    sleep = asyncio.sleep

    async def test(source: Stream) -> None:
        event = await source.next("appeared")
        assert event["instance"]["status_message"] == "said ********"

    monkeypatch.setattr(SOURCE["asyncio"], "sleep", lambda _seconds: sleep(0.01))
    shown = instance(status_message=f"said {token}")
    monkeypatch.setattr(_MODULE, "_read", answers([], OcoreError(f"\x1b[31m{token}", status=500), [shown]))
    stream(args(emulator), test)
    assert token not in caplog.text
    assert "\x1b" not in caplog.text


def expire(emulator: Emulator) -> None:
    """Refuse every token from now on, as when its time is over."""
    emulator.fault("error_before", "*", count=None, status=401, message="token expired")


def test_expired_token_ends_the_source_with_what_to_do(emulator: Emulator) -> None:
    token = emulator.jwt()

    async def test(source: Stream) -> None:
        await source.polls(emulator, 2)
        expire(emulator)
        await asyncio.wait_for(source.task, PATIENCE)

    with pytest.raises(OcoreError, match=r"expired or was revoked meanwhile\. Use an API key") as error:
        stream(args(emulator, api_token=token), test)
    assert token not in str(error.value)
    assert [request["status"] for request in emulator.log()].count(401) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"interval": 0}, "interval must be more than 0"),
        ({"interval": "often"}, "interval"),
        ({"intervall": 5}, "intervall"),
        ({"api_token": None}, "OCORE_API_TOKEN"),
        ({"api_url": "http://ocore.example.com"}, "unencrypted"),
    ],
)
def test_bad_options_end_the_source_before_the_first_request(
    emulator: Emulator, wrong: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCORE_API_TOKEN", raising=False)

    async def test(source: Stream) -> None:
        await asyncio.wait_for(source.task, PATIENCE)

    with pytest.raises(OcoreError, match=said):
        stream(args(emulator, **wrong), test)
    assert emulator.log() == []


def test_rulebook_restarts_a_failed_instance_once(emulator: Emulator, tmp_path: Path) -> None:
    with Rulebook(tmp_path, credentials(emulator), "ocore.cloud.restart_failed", ocore_interval=0.5) as rulebook:
        rulebook.wait_for(lambda: len(emulator.log("list")) >= 2)
        broken = emulator.instances()[2]
        emulator.force(broken["id"], status="failed")
        rulebook.wait_for(lambda: emulator.instance(broken["slug"])["restartCount"] > broken["restartCount"])
        looks = len(emulator.log("list"))
        rulebook.wait_for(lambda: len(emulator.log("list")) >= looks + 4)

    assert [request["path"] for request in emulator.log("control")] == [f"/api/instances/{broken['id']}/control"]
    assert emulator.instance(broken["slug"])["status"] == "running"
    for secret in (emulator.token, ENV_VALUE):
        assert secret not in rulebook.output()


def test_rulebook_ends_with_one_sentence_when_the_token_expires(emulator: Emulator, tmp_path: Path) -> None:
    env = credentials(emulator, token=emulator.jwt())
    with Rulebook(tmp_path, env, "ocore.cloud.restart_failed", ocore_interval=0.5) as rulebook:
        rulebook.wait_for(lambda: len(emulator.log("list")) >= 2)
        expire(emulator)
        assert rulebook.process.wait(120) != 0
    assert "it expired or was revoked meanwhile. Use an API key" in rulebook.output()
    assert "Traceback" not in rulebook.output()
    assert env["OCORE_API_TOKEN"] not in rulebook.output()
    assert {request["operation"] for request in emulator.log()} == {"list"}
