# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault, as a client meets it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.emulator.emulator_client import Client, until


def shop(emulator: Emulator) -> dict[str, str]:
    return {"name": "Shop", "serverId": emulator.server_ids()[0]}


def created(emulator: Emulator) -> int:
    return sum(instance["slug"].startswith("shop") for instance in emulator.instances())


@pytest.mark.parametrize(("kind", "done"), [("drop_before", 0), ("drop_after", 1), ("reset", 0)])
def test_connection_breaks_without_an_answer(api: Client, emulator: Emulator, kind: str, done: int) -> None:
    emulator.fault(kind, "create")
    reason = "Connection reset" if kind == "reset" else "closed connection without response"
    with pytest.raises(requests.ConnectionError, match=reason):
        api("POST", "/instances", shop(emulator))
    assert created(emulator) == done
    assert [(e["status"], e["fault"]) for e in emulator.log()] == [(None, kind)]
    assert api("GET", "/instances").status_code == 200


def test_connection_that_was_kept_open_breaks_too(api: Client, emulator: Emulator) -> None:
    url, headers = f"{emulator.api_url}/instances", {"Authorization": f"Bearer {emulator.token}"}
    with requests.Session() as session:
        assert session.get(url, headers=headers, timeout=30).status_code == 200
        emulator.fault("drop_before")
        with pytest.raises(requests.ConnectionError):
            session.get(url, headers=headers, timeout=30)
        assert session.get(url, headers=headers, timeout=30).status_code == 200


@pytest.mark.parametrize(("kind", "done"), [("error_before", 0), ("error_after", 1)])
@pytest.mark.parametrize("status", [500, 503])
def test_error_comes_before_or_after_the_work(
    api: Client, emulator: Emulator, kind: str, done: int, status: int
) -> None:
    emulator.fault(kind, "create", status=status, message="out of luck")
    answer = api("POST", "/instances", shop(emulator))
    assert (answer.status_code, answer.json()) == (status, {"message": "out of luck"})
    assert created(emulator) == done


def test_proxy_answers_with_html(api: Client, emulator: Emulator) -> None:
    emulator.fault("bad_gateway_html")
    answer = api("POST", "/instances", shop(emulator))
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert "<h1>502 Bad Gateway</h1>" in answer.text
    assert created(emulator) == 0


def test_rate_limit_may_come_without_advice(api: Client, emulator: Emulator) -> None:
    emulator.fault("rate_limit")
    answer = api("GET", "/instances")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, None)


def test_rate_limit_may_say_for_how_many_seconds(api: Client, emulator: Emulator) -> None:
    emulator.fault("rate_limit", retry_after="seconds", seconds=7)
    assert api("GET", "/instances").headers["Retry-After"] == "7"


def test_rate_limit_may_say_until_when(api: Client, emulator: Emulator) -> None:
    emulator.fault("rate_limit", retry_after="date", seconds=3600)
    moment = parsedate_to_datetime(api("GET", "/instances").headers["Retry-After"])
    assert 3000 < (moment - datetime.now(UTC)).total_seconds() <= 3600


def test_answer_is_cut_off(api: Client, emulator: Emulator) -> None:
    emulator.fault("cut_json", "create")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        api("POST", "/instances", shop(emulator))
    assert created(emulator) == 1


def test_answer_holds_half_a_document(api: Client, emulator: Emulator) -> None:
    emulator.fault("truncated_json", "create")
    answer = api("POST", "/instances", shop(emulator))
    assert (answer.status_code, answer.headers["Content-Type"]) == (202, "application/json")
    assert answer.text.startswith('{"activeColor"')
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert created(emulator) == 1


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_answer_that_is_late_waits_before_or_after_the_work(
    api: Client, emulator: Emulator, when: str, done: int
) -> None:
    emulator.fault("slow", "create", seconds=1000, when=when)
    with pytest.raises(requests.ReadTimeout):
        api("POST", "/instances", shop(emulator), timeout=0.5)
    until(lambda: created(emulator) == done)
    assert [entry["status"] for entry in emulator.log()] == [None]


@pytest.mark.parametrize("when", ["before", "after"])
def test_answer_that_is_late_comes_in_the_end(api: Client, emulator: Emulator, when: str) -> None:
    emulator.fault("slow", "create", seconds=0.2, when=when)
    answer = api("POST", "/instances", shop(emulator))
    # Not a measurement: it can't come earlier than it was told to.
    assert (answer.status_code, answer.elapsed.total_seconds() >= 0.2) == (202, True)
    assert created(emulator) == 1


def test_token_stops_working_from_now_on(api: Client, emulator: Emulator) -> None:
    emulator.fault("unauthorized_from_now", after=2)
    assert [api("GET", "/instances").status_code for _try in range(5)] == [200, 200, 401, 401, 401]
    emulator.clear_faults()
    assert api("GET", "/instances").status_code == 200


def test_redirect_leads_elsewhere(api: Client, emulator: Emulator) -> None:
    emulator.fault("redirect", location="http://elsewhere.example/api/instances")
    answer = api("GET", "/instances")
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://elsewhere.example/api/instances")


def test_fault_hits_its_operation_so_many_times_after_so_many_requests(api: Client, emulator: Emulator) -> None:
    emulator.fault("error_before", "list", count=2, after=1)
    assert [api("GET", "/instances").status_code for _try in range(5)] == [200, 500, 500, 200, 200]
    assert [rule["fired"] for rule in emulator.faults()] == [2]
    instance = emulator.instances()[0]["id"]
    emulator.fault("error_before", "health", count=None)
    statuses = [
        api("GET", f"/instances/{instance}{path}").status_code for path in ("", "/health", "/health-score", "/health")
    ]
    assert statuses == [200, 500, 200, 500]


def test_faults_come_in_the_order_in_which_they_were_made(api: Client, emulator: Emulator) -> None:
    emulator.fault("rate_limit")
    emulator.fault("error_before")
    assert [api("GET", "/instances").status_code for _try in range(3)] == [429, 500, 200]


def test_fault_can_hit_every_operation(api: Client, emulator: Emulator) -> None:
    instance = f"/instances/{emulator.instances()[0]['id']}"
    requests_by_operation: dict[str, tuple[str, str, Any]] = {
        "list": ("GET", "/instances", None),
        "create": ("POST", "/instances", {}),
        "get": ("GET", instance, None),
        "update": ("PUT", instance, {}),
        "delete": ("DELETE", instance, None),
        "control": ("POST", f"{instance}/control", {}),
        "health": ("GET", f"{instance}/health", None),
        "health_score": ("GET", f"{instance}/health-score", None),
    }
    for operation, request in requests_by_operation.items():
        emulator.fault("error_before", operation, status=507)
        assert api(*request).status_code == 507
    assert [(e["operation"], e["fault"]) for e in emulator.log()] == [
        (o, "error_before") for o in requests_by_operation
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "explode"},
        {"operation": "reboot"},
        {"count": "many"},
        {"after": -1},
        {"seconds": None},
        {"retry_after": "soon"},
        {"when": "never"},
        {"kind": "redirect"},
        {"surprise": 1},
    ],
)
def test_fault_that_is_none_is_refused(emulator: Emulator, wrong: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match=next(reversed(wrong.values())) if "kind" in wrong else next(iter(wrong))):
        emulator.fault(**{"kind": "slow", **wrong})
    assert emulator.faults() == []


@pytest.mark.parametrize("status", [504, 0])
def test_late_work_is_done_steps_after_its_answer(api: Client, emulator: Emulator, status: int) -> None:
    emulator.fault("late", "create", status=status, steps=3)
    if status:
        assert api("POST", "/instances", shop(emulator)).status_code == 504
    else:
        with pytest.raises(requests.ConnectionError):
            api("POST", "/instances", shop(emulator))
    emulator.advance(2)
    assert created(emulator) == 0
    emulator.advance()
    assert created(emulator) == 1


def test_late_work_may_be_done_twice(api: Client, emulator: Emulator) -> None:
    emulator.fault("late", "create", times=2)
    api("POST", "/instances", shop(emulator))
    emulator.advance(2)
    assert created(emulator) == 2


def test_late_work_comes_by_requests(api: Client, emulator: Emulator) -> None:
    emulator.set(step_by="requests")
    emulator.fault("late", "create", steps=3)
    api("POST", "/instances", shop(emulator))
    assert [api.list()["total"] for _read in range(4)] == [5, 5, 6, 6]


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "NaN", "[" * 5000, "9" * 5000])
def test_answer_is_whatever_it_is_told_to_be(api: Client, emulator: Emulator, text: str) -> None:
    instance = emulator.instances()[0]["id"]
    emulator.fault("answer", "update", text=text, status=200 if text else 204)
    answer = api("PUT", f"/instances/{instance}", {"name": "New"})
    assert (answer.status_code, answer.text) == (200 if text else 204, text)
    assert emulator.instances()[0]["name"] == "New"


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_login_page_is_no_answer_of_the_api(api: Client, emulator: Emulator, when: str, done: int) -> None:
    emulator.fault("login_page", "create", when=when)
    answer = api("POST", "/instances", shop(emulator))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<title>Sign in" in answer.text
    assert created(emulator) == done


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_other_record_answers_with_another_instance(api: Client, emulator: Emulator, method: str) -> None:
    first, second = (instance["id"] for instance in emulator.instances()[:2])
    emulator.fault("other_record")
    assert api(method, f"/instances/{first}", {}).json()["id"] == second


@pytest.mark.parametrize(("when", "seen"), [("before", True), ("after", False)])
def test_meanwhile_someone_else_writes(api: Client, emulator: Emulator, when: str, seen: bool) -> None:
    instance = emulator.instances()[0]
    emulator.fault("meanwhile", "get", when=when, fields={"envVars": {"FOREIGN": "1"}, "addonsPath": "/theirs"})
    read = api.get(instance["id"])
    assert ("FOREIGN" in read["envVars"], read["addonsPath"] == "/theirs") == (seen, seen)
    assert emulator.instances()[0]["envVars"] == {**instance["envVars"], "FOREIGN": "1"}


@pytest.mark.parametrize("part", ["headers", "body"])
def test_drip_outlasts_every_timeout_between_two_bytes(api: Client, emulator: Emulator, part: str) -> None:
    emulator.fault("drip", "get", part=part, seconds=0.001)
    instance = emulator.instances()[0]["id"]
    answer = api("GET", f"/instances/{instance}")
    assert (answer.status_code, answer.json()["id"]) == (200, instance)


def test_drip_ends_when_the_client_goes_away(api: Client, emulator: Emulator) -> None:
    emulator.fault("drip", "get", part="headers", seconds=1000)
    with pytest.raises(requests.exceptions.ReadTimeout):
        api("GET", f"/instances/{emulator.instances()[0]['id']}", timeout=0.3)
    assert api("GET", "/instances").status_code == 200


def test_fault_may_hit_one_instance_only(api: Client, emulator: Emulator) -> None:
    first, second = (instance["id"] for instance in emulator.instances()[:2])
    emulator.fault("error_before", "health", instance=second, count=None, status=403)
    assert [api("GET", f"/instances/{one}/health").status_code for one in (first, second, first, second)] == [
        200,
        403,
        200,
        403,
    ]
    assert api("GET", f"/instances/{second}").status_code == 200


def test_redirect_may_be_malformed(api: Client, emulator: Emulator) -> None:
    emulator.fault("redirect", location="http://[malformed")
    # requests refuses to read such an answer.
    with pytest.raises(ValueError, match="Invalid IPv6 URL"):
        api("GET", "/instances")


@pytest.mark.parametrize("identity", ["..", "", True, {}, None, "\u0000"])
def test_forced_record_may_have_an_id_that_cannot_be_used(api: Client, emulator: Emulator, identity: Any) -> None:
    emulator.force(emulator.instances()[0]["id"], id=identity)
    assert api.list()["instances"][0]["id"] == identity


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "9" * 4000, "[" * 900 + "]" * 900])
def test_forced_record_may_hold_what_no_field_should(api: Client, emulator: Emulator, text: str) -> None:
    instance = emulator.instances()[0]["id"]
    url = f"{emulator.url}/_emulator/instances/{instance}"
    assert requests.patch(url, data=f'{{"workers": {text}}}', timeout=30).status_code == 204
    shown = api("GET", f"/instances/{instance}").text
    assert f'"workers":{"Infinity" if text == "1e999" else text}' in shown
