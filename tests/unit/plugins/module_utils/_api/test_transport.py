# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are none, and the limits in time of a request."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline, Stopped
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, TOKEN, Time, auth, client, fail, instance, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted

PATH = f"/instances/{ID}"
LOGIN = b"<!doctype html><html><head><title>Sign in</title></head></html>"


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def refusal(call: Callable[[], Any]) -> OcoreError:
    with pytest.raises(OcoreError) as caught:
        call()
    return caught.value


def call(ocore: Scripted, method: str) -> Callable[[], Any]:
    """Give what sends a request about one instance by this method."""
    api = client(ocore.api_url)
    calls: dict[str, Callable[[], Any]] = {
        "GET": lambda: api.get_instance(ID),
        "PUT": lambda: api.update_instance(instance(), {"name": "x"}),
        "DELETE": lambda: api.delete_instance(instance()),
        "POST": lambda: api.control_instance(instance(), "stop"),
    }
    return calls[method]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_answer_that_is_a_login_page_fails_at_once_and_leaves_open_whether_it_was_done(
    ocore: Scripted, method: str
) -> None:
    path = f"{PATH}/control" if method == "POST" else PATH
    ocore.expect(method, path, answer=LOGIN)
    error = refusal(call(ocore, method))
    assert 'an HTML page titled "Sign in" instead of JSON' in error.message
    assert f"{method} {ocore.api_url}{path}" in error.message
    assert error.uncertain is (method != "GET")
    assert ("is open" in error.message) is (method != "GET")


@pytest.mark.parametrize("answer", [b"", None, [], {}, "done"])
def test_answer_of_an_update_without_an_instance_is_followed_by_a_read(ocore: Scripted, answer: Any) -> None:
    ocore.expect("PUT", PATH, answer=answer)
    ocore.expect("GET", PATH, answer=wire(name="New"))
    assert client(ocore.api_url).update_instance(instance(), {"name": "New"}).name == "New"


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False, "message": "no disk space"},
        {"error": "no disk space"},
        {"errors": ["no disk space"]},
        {"status": "error", "error": {"code": "disk", "message": "no disk space"}},
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_answer_that_names_an_error_is_a_refusal_whatever_its_status(
    ocore: Scripted, method: str, answer: dict[str, Any]
) -> None:
    # Restarts and removals counted as done.
    ocore.expect(method, f"{PATH}/control" if method == "POST" else PATH, answer=answer)
    error = refusal(call(ocore, method))
    assert "oCore answered HTTP 200" in error.message
    assert "no disk space. Its status means success, but its text names an error." in error.message
    assert not error.uncertain


def test_answer_with_an_error_beside_an_instance_is_the_instance(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer={**wire(), "error": "the last backup failed"})
    found = client(ocore.api_url).get_instance(ID)
    assert found is not None
    assert found.slug == "shop"


def test_answer_410_means_gone(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, status=410)
    ocore.expect("DELETE", PATH, status=410)
    ocore.expect("GET", f"{PATH}/health", status=410)
    api = client(ocore.api_url)
    assert api.get_instance(ID) is None
    api.delete_instance(instance())
    assert api.get_health(instance()) is None


def test_answer_in_an_unknown_charset_is_read(ocore: Scripted) -> None:
    # MySQL's name of UTF-8.
    ocore.expect("GET", PATH, answer=wire(), answer_headers={"Content-Type": "application/json; charset=utf8mb4"})
    assert client(ocore.api_url).get_instance(ID) is not None


@pytest.mark.parametrize(
    "key", ["message", "detail", "title", "msg", "reason", "errorMessage", "description", "statusText"]
)
def test_answer_that_refuses_is_quoted_whatever_its_key(ocore: Scripted, key: str) -> None:
    ocore.expect("GET", PATH, status=422, answer={key: "no disk space", "id": 7})
    assert "oCore answered HTTP 422: no disk space." in refusal(lambda: client(ocore.api_url).get_instance(ID)).message


def test_answer_about_another_instance_is_refused(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(id="7c1d6a52-53a5-4d8c-8f45-3b8c1d4f3a77", slug="other"))
    error = refusal(lambda: client(ocore.api_url).get_instance(ID))
    assert "answered about instance other (7c1d6a52-53a5-4d8c-8f45-3b8c1d4f3a77) instead of" in error.message


def test_answer_that_holds_no_instance_is_not_taken_for_one_without_env_vars(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer={})
    assert refusal(lambda: client(ocore.api_url).get_instance(ID)).transient


@pytest.mark.parametrize(
    "body",
    [b"[" * 5000 + b"]" * 5000, b'{"id": ' + b"9" * 5000 + b"}", b'{"id": NaN}', b'{"id": 1e999}'],
)
def test_answer_that_python_cannot_hold_ends_as_an_error(ocore: Scripted, body: bytes) -> None:
    ocore.expect("GET", PATH, answer=body)
    api = client(ocore.api_url, warn=lambda _text, _kind=None: None, retries=0)
    assert "Cannot read instance" in refusal(lambda: api.get_instance(ID)).message


def test_answer_with_a_number_that_is_none_loses_that_field_only(ocore: Scripted) -> None:
    ocore.expect(
        "GET", PATH, answer=b'{"id": "' + ID.encode() + b'", "slug": "shop", "workers": NaN, "healthScore": 1e999}'
    )
    warnings: list[str] = []
    found = client(ocore.api_url, warn=lambda text, _kind=None: warnings.append(text)).get_instance(ID)
    assert found is not None
    assert (found.slug, found.workers, found.health_score) == ("shop", None, None)
    assert warnings


def test_answer_with_a_malformed_location_is_a_refusal(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, status=302, answer_headers={"Location": "https://[bad"})
    message = refusal(lambda: client(ocore.api_url).get_instance(ID)).message
    assert "oCore answered with a redirect (HTTP 302). Redirects are not followed" in message
    assert message.startswith(f"Cannot read instance {ID}: ")


@pytest.mark.parametrize("identity", ["..", "\ud800", "", "a\x00b"])
def test_identity_that_no_url_can_hold_reaches_no_server(identity: str) -> None:
    # Set afterwards: an old pydantic refuses the half of a character that a new one lets through.
    named = instance()
    named.id = identity
    error = refusal(lambda: client("http://127.0.0.1:9/api").get_health(named))
    assert "is not the id of an instance" in error.message
    assert error.about_one


def test_lost_answer_of_a_delete_says_that_it_may_have_been_done(ocore: Scripted) -> None:
    for _try in range(3):
        ocore.expect("DELETE", PATH, fault="drop")
    error = refusal(lambda: client(ocore.api_url).delete_instance(instance()))
    assert error.uncertain
    assert "may have carried it out all the same; running the task again is safe" in error.message


def test_not_found_on_a_list_does_not_speak_of_an_instance(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", status=404)
    message = refusal(lambda: client(ocore.api_url).list_instances()).message
    assert "Check api_url and organization." in message
    assert "that the instance exists" not in message


# A limit in time is counted on a clock of the test's own; only what a socket does happens in real time.


def limited(api_url: str, seconds: float, **options: Any) -> tuple[Client, Time]:
    time = Time()
    settings = Settings.from_options(auth(api_url=api_url, **options))
    return Client(settings, caller="test", warn=fail, deadline=Deadline(seconds, now=time, sleep=time.sleep)), time


def test_deadline_ends_the_retries(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", status=503)
    ocore.expect("GET", "/instances", status=429, answer_headers={"Retry-After": "8"})
    api, time = limited(ocore.api_url, 5, retries=5)
    error = refusal(api.list_instances)
    assert "The next try would come after the end of wait_timeout (5 seconds)." in error.message
    assert error.transient
    assert sum(time.slept) < 5


def test_deadline_lets_nothing_be_sent_after_it(ocore: Scripted) -> None:
    api, time = limited(ocore.api_url, 5)
    time.sleep(6)
    assert "so nothing was sent" in refusal(lambda: api.delete_instance(instance())).message


def test_deadline_of_zero_seconds_sends_requests(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    api, _time = limited(ocore.api_url, 0)
    assert len(api.list_instances()) == 0


def test_deadline_without_a_wait_timeout_is_what_request_timeout_and_retries_allow(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", status=429, answer_headers={"Retry-After": "16"})
    error = refusal(client(ocore.api_url, retries=2).list_instances)  # 3 tries of 5 seconds
    assert "The next try would come after the time that request_timeout and retries allow." in error.message


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nX-Drip: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_deadline_holds_for_an_answer_that_drips(part: bytes) -> None:
    """Each byte comes before any read times out; only the whole takes too long."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _address = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(part)
                while not over.wait(0.02):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            port = server.getsockname()[1]
            settings = Settings.from_options(
                auth(api_url=f"http://127.0.0.1:{port}/api", request_timeout=0.3, retries=0)
            )
            api = Client(settings, caller="test", warn=fail)
            assert "did not answer within 0.3 seconds" in refusal(api.list_instances).message
        finally:
            over.set()
            thread.join(10)


def test_deadline_that_was_stopped_lets_no_thread_send_more(ocore: Scripted) -> None:
    deadline = Deadline(600)
    api = Client(Settings.from_options(auth(api_url=ocore.api_url)), caller="test", warn=fail, deadline=deadline)
    deadline.stop()
    with pytest.raises(Stopped):
        api.list_instances()


def test_deadline_that_is_stopped_frees_a_thread_that_hangs_in_a_read(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", fault="hang")
    deadline, ended = Deadline(600), threading.Event()
    settings = Settings.from_options(auth(api_url=ocore.api_url, request_timeout=600.0))
    api = Client(settings, caller="test", warn=fail, deadline=deadline)

    def hang() -> None:
        try:
            api.list_instances()
        except Stopped:
            ended.set()

    thread = threading.Thread(target=hang)
    thread.start()
    while not ocore.seen:
        thread.join(0.01)
    deadline.stop()
    thread.join(10)
    assert ended.is_set()


def test_answer_is_read_by_the_oldest_urllib3_too(ocore: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    # requests 2.32 takes urllib3 from 1.26 on, which has no read1; distributions still bring it.
    for kind in urllib3.HTTPResponse.__mro__[:2]:  # a newer one promises it in its base class too
        monkeypatch.delattr(kind, "read1", raising=False)
    ocore.expect("GET", PATH, answer=wire())
    assert client(ocore.api_url).get_instance(ID) == instance()


def test_retry_follows_an_empty_answer_to_a_read(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=b"")
    ocore.expect("GET", PATH, answer=wire())
    assert client(ocore.api_url).get_instance(ID) == instance()


@pytest.mark.parametrize("answer", [LOGIN, b"OK", b"[" * 100_000, {"id": "another", "status": "running"}, [], "text"])
def test_answer_about_one_instance_that_cannot_be_used_is_told_from_a_general_failure(
    ocore: Scripted, answer: Any
) -> None:
    ocore.expect("GET", f"{PATH}/health", answer=answer)
    assert refusal(lambda: client(ocore.api_url, retries=0).get_health(instance())).about_one


@pytest.mark.parametrize("status", [403, 409, 422, 500, 502, 503, 504])
def test_answer_that_may_meet_one_instance_alone_is_told_from_a_general_failure(ocore: Scripted, status: int) -> None:
    ocore.expect("GET", f"{PATH}/health", status=status)
    assert refusal(lambda: client(ocore.api_url, retries=0).get_health(instance())).about_one


@pytest.mark.parametrize("status", [401, 429])
def test_answer_that_meets_every_instance_alike_is_a_general_failure(ocore: Scripted, status: int) -> None:
    ocore.expect("GET", f"{PATH}/health", status=status)
    assert not refusal(lambda: client(ocore.api_url, retries=0).get_health(instance())).about_one


def test_answer_with_an_env_value_that_is_no_number_loses_that_value_only(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=json.dumps(wire(envVars={"A": math.nan, "B": "x"})).encode())
    warnings: list[str] = []
    found = client(ocore.api_url, warn=lambda text, kind=None: warnings.append(text)).get_instance(ID)
    assert found is not None
    assert found.env_vars == {"A": None, "B": "x"}
    assert "envVars.A of shop" in warnings[0]


@pytest.mark.parametrize("path", [PATH, "/instances"])
def test_answer_that_forbids_reading_does_not_speak_of_changes(ocore: Scripted, path: str) -> None:
    ocore.expect("GET", path, status=403)
    api = client(ocore.api_url)
    message = refusal(lambda: api.get_instance(ID) if path == PATH else api.list_instances()).message
    assert "not allowed to read this" in message
    assert "manage:instances" not in message


def test_secret_token_in_a_free_text_is_masked_wherever_instances_are_read(ocore: Scripted) -> None:
    words = f"login with {TOKEN} refused"
    ocore.expect("GET", "/instances", answer=[wire(statusMessage=words)])
    ocore.expect("GET", PATH, answer=wire(statusMessage=words))
    ocore.expect("GET", f"{PATH}/health", answer={"statusMessage": words})
    ocore.expect("GET", f"{PATH}/health-score", answer={"score": 1, "factors": [{"details": words}]})
    api = client(ocore.api_url)
    listed, read = next(iter(api.list_instances())), api.get_instance(ID)
    health, score = api.get_health(instance()), api.get_health_score(instance())
    assert read is not None
    assert health is not None
    assert score is not None
    assert score.factors is not None
    texts = (listed.status_message, read.status_message, health.status_message, score.factors[0].details)
    assert texts == (f"login with {MASK} refused",) * 4
