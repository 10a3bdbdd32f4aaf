# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP with oCore: every exchange is real, on loopback."""

from __future__ import annotations

import email.utils
import json
import re
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from ansible_collections.ocore.cloud.plugins.module_utils._api import transport
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, TOKEN, Time, auth, client, instance, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted, closed_port

PATH = f"/instances/{ID}"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def refusal(call: Any) -> OcoreError:
    """Give the error that a call ends in, and make sure that it holds no token."""
    with pytest.raises(OcoreError) as caught:
        call()
    error = caught.value
    for shown in (str(error), repr(error), error.message, str(error.details())):
        assert TOKEN not in shown
    assert not re.search(r"[\w)]\.\.(?!\.)", error.message), "a doubled full stop"
    return error


# --- settings


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://api.ocore.dev/api", "https://api.ocore.dev/api"),
        ("https://api.ocore.dev/api/", "https://api.ocore.dev/api"),
        ("https://ocore.example.com", "https://ocore.example.com/api"),
        ("https://ocore.example.com/", "https://ocore.example.com/api"),
        (" https://ocore.example.com/sub/api/?x=1\n", "https://ocore.example.com/sub/api"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api"),
        ("http://[::1]:8080", "http://[::1]:8080/api"),
        ("http://localhost", "http://localhost/api"),
        ("", "https://api.ocore.dev/api"),
        (None, "https://api.ocore.dev/api"),
    ],
)
def test_url_of_the_api_is_completed(given: str | None, url: str) -> None:
    assert Settings.from_options(auth(api_url=given)).api_url == url


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"api_url": "ocore.example.com"}, "api_url is not a usable", id="no scheme"),
        pytest.param({"api_url": "ftp://ocore.example.com"}, "api_url is not a usable", id="other scheme"),
        pytest.param({"api_url": "https://"}, "api_url is not a usable", id="no host"),
        pytest.param({"api_url": "https://h:port/"}, "api_url is not a usable", id="port is a word"),
        pytest.param({"api_url": "https://[::1"}, "api_url is not a usable", id="half an IPv6 address"),
        pytest.param({"api_url": "https://me:pw12@h/"}, "must not hold credentials", id="credentials in the address"),
        pytest.param({"api_url": "http://ocore.example.com"}, "unencrypted", id="http to another host"),
        pytest.param({"api_url": "http://127.0.0.1.evil.example"}, "unencrypted", id="name that looks like loopback"),
        pytest.param({"api_token": " \n"}, "api_token is empty", id="token of blanks"),
        pytest.param({"api_token": None}, "OCORE_API_TOKEN", id="no token"),
        pytest.param({"api_token": "a b"}, "api_token holds blanks", id="blank in the token"),
        pytest.param({"api_token": "a\nX-Evil: 1"}, "api_token holds blanks", id="line break in the token"),
        pytest.param({"api_token": "tök"}, "api_token holds blanks or characters", id="umlaut in the token"),
        pytest.param({"organization": "a b"}, "organization holds blanks", id="blank in the organization"),
        pytest.param({"request_timeout": 0}, "request_timeout must be", id="no time at all"),
        pytest.param({"request_timeout": float("nan")}, "request_timeout must be", id="a time that is no number"),
        pytest.param({"request_timeout": float("inf")}, "request_timeout must be", id="endless time"),
        pytest.param({"retries": -1}, "retries must be 0 or more", id="negative retries"),
    ],
)
def test_settings_that_cannot_be_used_are_named(options: dict[str, Any], words: str) -> None:
    error = refusal(lambda: Settings.from_options(auth(**options)))
    assert words in error.message
    assert "pw12" not in error.message


def test_http_to_another_host_needs_allow_http() -> None:
    assert Settings.from_options(auth(api_url="http://ocore.lan", allow_http=True)).api_url == "http://ocore.lan/api"


# --- what is sent


def test_request_carries_token_organization_and_user_agent(ocore: Scripted) -> None:
    ocore.expect(
        "GET",
        PATH,
        headers={
            "Authorization": f"Bearer {TOKEN}",
            "X-Org-Slug": "acme",
            "User-Agent": f"ocore.cloud/{transport.VERSION} (test)",
            "Accept": "application/json",
        },
        answer=wire(),
    )
    found = client(ocore.api_url).get_instance(ID)
    assert found is not None
    assert found.slug == "shop"


@pytest.mark.parametrize("organization", [None, ""])
def test_organization_header_is_not_sent_without_one(ocore: Scripted, organization: str | None) -> None:
    ocore.expect("GET", "/instances", headers={"X-Org-Slug": None}, answer=[])
    client(ocore.api_url, organization=organization).list_instances()


@pytest.mark.parametrize("given", [f"{TOKEN}\n", f" {TOKEN}\r\n", f"Bearer {TOKEN}", f"bearer  {TOKEN}\n"])
def test_token_as_files_and_lookups_give_it_is_tidied(ocore: Scripted, given: str) -> None:
    ocore.expect("GET", "/instances", headers={"Authorization": f"Bearer {TOKEN}"}, answer=[])
    client(ocore.api_url, api_token=given).list_instances()


def test_bodies_are_sent_with_wire_names(ocore: Scripted) -> None:
    body = {"name": "Shop", "serverId": "s", "envVars": {"my_var": "1"}}
    ocore.expect("POST", "/instances", json=body, status=202, answer=wire())
    ocore.expect("PUT", PATH, json={"name": "New", "mcpWriteEnabled": True}, answer=wire(name="New"))
    ocore.expect("POST", f"{PATH}/control", json={"action": "stop"}, status=202, answer={"message": "queued"})
    ocore.expect("DELETE", PATH, json=None, status=202, answer={"message": "queued"})
    ocore.expect("GET", "/instances?server_id=a%2Fb", answer=[])
    api = client(ocore.api_url)
    assert api.create_instance({"name": "Shop", "server_id": "s", "env_vars": {"my_var": "1"}}).id == ID
    assert api.update_instance(instance(), {"name": "New", "mcp_write_enabled": True}).name == "New"
    api.control_instance(instance(), "stop")
    api.delete_instance(instance())
    api.list_instances("a/b")


def test_identity_cannot_climb_out_of_its_path(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances/..%2Fadmin%3Fx", status=404)
    api = client(ocore.api_url)
    assert api.get_instance("../admin?x") is None
    for dots in (".", "..", ""):
        assert "is not the id of an instance" in refusal(lambda dots=dots: api.get_instance(dots)).message


def test_netrc_does_not_replace_the_token(ocore: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    ocore.expect("GET", "/instances", headers={"Authorization": f"Bearer {TOKEN}"}, answer=[])
    client(ocore.api_url).list_instances()


def test_loopback_is_never_reached_through_a_proxy(ocore: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted() as proxy:  # foresees nothing
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        ocore.expect("GET", "/instances", answer=[])
        client(ocore.api_url).list_instances()


def test_dead_proxy_is_named_and_its_password_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:pw-of-proxy@127.0.0.1:{closed_port()}")
    error = refusal(lambda: client("https://ocore.example.com", retries=0).list_instances())
    assert re.search(
        r"the proxy http://127\.0\.0\.1:\d+ on the way to ocore\.example\.com gave no connection \(Connection refused\)",
        error.message,
    )
    assert "HTTPS_PROXY" in error.message
    assert "pw-of-proxy" not in error.message
    assert not error.uncertain


# --- TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with ca.pem, which nobody trusts, and server.pem, a key and a certificate of 127.0.0.1 from it."""
    where = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(where / "ca.pem")
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(where / "server.pem")
    return where


@pytest.fixture
def secure(tls: Path) -> Iterator[Scripted]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem")
    with Scripted(context) as server:
        yield server


def test_untrusted_certificate_names_ca_path_and_is_not_tried_again(secure: Scripted) -> None:
    time = Time()
    error = refusal(client(secure.api_url, time).list_instances)
    assert (
        f"the certificate of 127.0.0.1:{secure.port} is not trusted (unable to get local issuer certificate)"
        in error.message
    )
    assert "name its bundle in ca_path" in error.message
    assert time.slept == []
    assert secure.seen == []


def test_ca_path_is_trusted_whatever_the_environment_says(
    secure: Scripted, tls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "not-there.pem"))
    secure.expect("GET", "/instances", answer=[])
    client(secure.api_url, ca_path=str(tls / "ca.pem")).list_instances()


def test_ca_bundle_of_the_environment_is_honoured(secure: Scripted, tls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls / "ca.pem"))
    secure.expect("GET", "/instances", answer=[])
    client(secure.api_url).list_instances()


def test_validate_certs_false_holds_against_the_environment_and_says_nothing(
    secure: Scripted, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls / "ca.pem"))
    secure.expect("GET", "/instances", answer=[])
    with warnings.catch_warnings(record=True) as caught:
        client(secure.api_url, validate_certs=False, ca_path="/not/there.pem").list_instances()
    assert caught == []


def test_ca_path_that_is_not_there_is_named(secure: Scripted, tmp_path: Path) -> None:
    error = refusal(client(secure.api_url, ca_path=str(tmp_path / "no.pem")).list_instances)
    assert "the CA bundle cannot be read" in error.message
    assert "Check ca_path" in error.message


def test_ca_path_that_holds_no_certificate_is_named(secure: Scripted, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    error = refusal(client(secure.api_url, ca_path=str(tmp_path / "empty.pem")).list_instances)
    assert f"the CA bundle {tmp_path / 'empty.pem'} holds no certificate in PEM format. Check ca_path" in error.message


def test_tls_bundle_of_the_environment_that_holds_no_certificate_is_named(
    secure: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "empty.pem"))
    error = refusal(client(secure.api_url).list_instances)
    assert f"the CA bundle {tmp_path / 'empty.pem'} holds no certificate in PEM format" in error.message


@pytest.mark.parametrize("proxy", ["http://me:pw-of-proxy@host:port", "foo://host:1", "http://"])
def test_proxy_whose_address_cannot_be_used_is_named_instead_of_api_url(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    time = Time()
    error = refusal(client("https://ocore.example.com", time).list_instances)
    assert f"the proxy {proxy.replace('me:pw-of-proxy@', '')}, which is no usable address" in error.message
    assert "Check HTTPS_PROXY" in error.message
    assert "api_url" not in error.message
    assert "pw-of-proxy" not in error.message
    assert not error.uncertain
    assert time.slept == []


def test_https_to_a_port_that_speaks_http_is_said_at_once(ocore: Scripted) -> None:
    time = Time()
    error = refusal(client(ocore.api_url.replace("http:", "https:"), time).list_instances)
    assert "no TLS connection" in error.message
    assert time.slept == []


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_host_is_refused_and_that_host_sees_nothing(ocore: Scripted, status: int) -> None:
    with Scripted() as other:
        ocore.expect("GET", "/instances", status=status, answer_headers={"Location": f"{other.api_url}/instances"})
        error = refusal(client(ocore.api_url).list_instances)
        assert other.seen == []
    assert f"a redirect (HTTP {status}) to http://127.0.0.1:{other.port}" in error.message
    assert "Set api_url to the final address" in error.message


def test_redirect_on_the_same_host_is_not_followed_either(ocore: Scripted) -> None:
    ocore.expect("PUT", PATH, status=302, answer_headers={"Location": "/login"})
    error = refusal(lambda: client(ocore.api_url).update_instance(instance(), {"name": "x"}))
    assert "a redirect (HTTP 302). Redirects are not followed" in error.message


# --- repetition


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_retry_follows_where_a_request_may_be_repeated(ocore: Scripted, method: str, status: int) -> None:
    ocore.expect(method, PATH, status=status, answer=b"<html>")
    ocore.expect(method, PATH, answer=wire())
    time = Time()
    api = client(ocore.api_url, time)
    {
        "GET": lambda: api.get_instance(ID),
        "PUT": lambda: api.update_instance(instance(), {}),
        "DELETE": lambda: api.delete_instance(instance()),
    }[method]()
    assert len(time.slept) == 1


@pytest.mark.parametrize("fault", ["drop", "cut", "garbled"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_retry_follows_an_answer_that_is_lost_or_broken(ocore: Scripted, method: str, fault: str) -> None:
    ocore.expect(method, PATH, fault=fault, answer=wire())
    ocore.expect(method, PATH, answer=wire())
    api = client(ocore.api_url)
    found = api.get_instance(ID) if method == "GET" else api.update_instance(instance(), {})
    assert found == instance()


def test_retry_follows_json_that_stops_half_way(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=json.dumps(wire()).encode()[:50])
    ocore.expect("GET", PATH, answer=wire())
    assert client(ocore.api_url).get_instance(ID) == instance()


def test_retry_ends_after_retries_and_says_so(ocore: Scripted) -> None:
    for _try in range(3):
        ocore.expect("GET", "/instances", status=503, answer={"message": "down for repair."})
    time = Time()
    error = refusal(client(ocore.api_url, time).list_instances)
    assert error.message == (
        "Cannot list the instances: oCore answered HTTP 503: down for repair. "
        f"The request was GET {ocore.api_url}/instances. Tried 3 times."
    )
    assert (error.status, error.transient) == (503, True)
    assert 0.25 <= time.slept[0] <= 0.5
    assert 0.5 <= time.slept[1] <= 1.0


def test_retry_does_not_follow_without_retries(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", status=500)
    assert "Tried" not in refusal(client(ocore.api_url, retries=0).list_instances).message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422])
def test_retry_does_not_follow_a_refusal(ocore: Scripted, status: int) -> None:
    ocore.expect("PUT", PATH, status=status)
    error = refusal(lambda: client(ocore.api_url).update_instance(instance(), {}))
    assert error.status == status
    assert not error.transient
    assert not error.uncertain


@pytest.mark.parametrize(
    "step", [{"status": 500}, {"status": 502}, {"fault": "drop"}, {"fault": "cut"}, {"fault": "garbled"}]
)
def test_creation_request_with_an_open_end_is_not_repeated(ocore: Scripted, step: dict[str, Any]) -> None:
    ocore.expect("POST", "/instances", answer=wire(), **step)
    error = refusal(lambda: client(ocore.api_url).create_instance({"name": "Shop"}))
    assert error.uncertain
    assert error.message.startswith("Cannot create instance Shop: ")


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"message": "queued"}, [], None, b"", b"accepted"])
def test_creation_request_whose_answer_names_no_instance_has_an_open_end(ocore: Scripted, answer: object) -> None:
    ocore.expect("POST", "/instances", status=202, answer=answer)
    assert refusal(lambda: client(ocore.api_url).create_instance({"name": "Shop"})).uncertain


def test_creation_request_that_surely_did_not_run_is_repeated(ocore: Scripted) -> None:
    ocore.expect("POST", "/instances", status=429)
    ocore.expect("POST", "/instances", status=202, answer=wire())
    assert client(ocore.api_url).create_instance({"name": "Shop"}).id == ID


def test_retry_follows_a_refused_connection_and_names_the_host() -> None:
    time, port = Time(), closed_port()
    error = refusal(lambda: client(f"http://127.0.0.1:{port}", time).control_instance(instance(), "stop"))
    assert f"no connection to 127.0.0.1:{port} (Connection refused)" in error.message
    assert "Tried 3 times" in error.message
    assert not error.uncertain


def test_host_that_does_not_exist_is_named() -> None:
    error = refusal(client("https://ocore.invalid", retries=0).list_instances)
    assert "no connection to ocore.invalid" in error.message


def test_url_whose_host_cannot_be_one_is_named() -> None:
    error = refusal(client(f"https://{'a' * 70}.example", retries=0).list_instances)
    assert "label empty or too long. Check api_url." in error.message


def test_deadline_of_a_request_names_request_timeout(ocore: Scripted) -> None:
    ocore.expect("POST", "/instances", fault="hang")
    error = refusal(lambda: client(ocore.api_url, request_timeout=0.2).create_instance({"name": "Shop"}))
    assert "did not answer within 0.2 seconds. Raise request_timeout" in error.message
    assert error.uncertain


@pytest.mark.parametrize(
    ("header", "slept"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("1.5", 1.5, id="fraction of seconds"),
        pytest.param("0", 0.0, id="at once"),
    ],
)
def test_retry_keeps_the_pause_that_a_rate_limit_asks_for(ocore: Scripted, header: str, slept: float) -> None:
    ocore.expect("GET", "/instances", status=429, answer_headers={"Retry-After": header})
    ocore.expect("GET", "/instances", answer=[])
    time = Time()
    client(ocore.api_url, time).list_instances()
    assert sum(time.slept) == pytest.approx(slept, abs=0.5)


def test_retry_reads_a_pause_given_as_a_date_by_the_clock_of_the_server(ocore: Scripted) -> None:
    then = 1_000_000_000
    dates = {
        "Date": email.utils.formatdate(then, usegmt=True),
        "Retry-After": email.utils.formatdate(then + 9, usegmt=True),
    }
    ocore.expect("GET", "/instances", status=503, answer_headers=dates)
    ocore.expect("GET", "/instances", answer=[])
    time = Time()
    client(ocore.api_url, time).list_instances()
    assert time.slept == [9.0]


@pytest.mark.parametrize("header", ["soon", "-1", "²", "1.2.3", "Wed, 32 Nov 2026 10:00:00 GMT"])
def test_retry_chooses_the_pause_where_it_cannot_be_read(ocore: Scripted, header: str) -> None:
    ocore.expect("GET", "/instances", status=503, answer_headers={"Retry-After": header})
    ocore.expect("GET", "/instances", answer=[])
    time = Time()
    client(ocore.api_url, time).list_instances()
    assert 0.25 <= time.slept[0] <= 0.5


def test_retry_reports_a_pause_that_is_too_long_instead(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", status=429, answer_headers={"Retry-After": "3600"})
    time = Time()
    error = refusal(client(ocore.api_url, time).list_instances)
    assert "oCore asks to wait 3600 seconds before the next request." in error.message
    assert time.slept == []


def test_retry_after_a_rate_limit_slows_every_thread(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", status=429, answer_headers={"Retry-After": "30"})
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("GET", "/instances", answer=[])
    asleep = {name: threading.Event() for name in ("limited", "other")}
    slept: dict[str, float] = {}

    def sleep(seconds: float) -> None:
        slept[threading.current_thread().name] = seconds
        asleep[threading.current_thread().name].set()
        if threading.current_thread().name == "limited":
            assert asleep["other"].wait(10)

    settings = Settings.from_options(auth(api_url=ocore.api_url, request_timeout=30.0))
    api = Client(settings, caller="test", warn=print, deadline=Deadline(sleep=sleep))
    limited, other = (threading.Thread(target=api.list_instances, name=name) for name in ("limited", "other"))
    limited.start()
    assert asleep["limited"].wait(10)
    other.start()  # it has asked for nothing yet, and pauses all the same
    limited.join(10)
    other.join(10)
    api.close()
    assert slept["other"] == pytest.approx(30, abs=5)


# --- refusals, in words


SHAPES = [
    pytest.param({"message": "Name is taken."}, "HTTP 422: Name is taken. Check", None, id="message"),
    pytest.param({"error": {"code": "dup", "message": "taken"}}, "HTTP 422 (dup): taken. Check", "dup", id="nested"),
    pytest.param({"error": "taken", "code": 17}, "HTTP 422 (17): taken. Check", "17", id="flat"),
    pytest.param(
        {"title": "Bad", "detail": "name: too long", "status": 422},
        "HTTP 422: name: too long. Check",
        None,
        id="problem",
    ),
    pytest.param(
        {"detail": [{"loc": ["body", "name"], "msg": "field required", "type": "missing"}]},
        "HTTP 422: body.name: field required. Check",
        None,
        id="list of problems with places",
    ),
    pytest.param(
        {"message": "Invalid", "errors": {"name": ["is too long", "is taken"]}},
        "HTTP 422: Invalid. name: is too long; is taken. Check",
        None,
        id="message and problems by field",
    ),
    pytest.param(
        {"errors": [{"field": "slug", "message": "reserved"}, "and more"]},
        "HTTP 422: slug: reserved; and more. Check",
        None,
        id="problems only",
    ),
    pytest.param(
        {"error": "invalid_request", "error_description": "no body"},
        "HTTP 422: invalid_request. no body. Check",
        None,
        id="OAuth",
    ),
    pytest.param({"message": {"reason": "x"}}, "HTTP 422: reason: x. Check", None, id="object for a message"),
    pytest.param("taken", "HTTP 422: taken. Check", None, id="JSON text"),
    pytest.param(["a", 1], "HTTP 422: a; 1. Check", None, id="JSON list"),
    pytest.param({}, "HTTP 422. Check", None, id="empty object"),
    pytest.param({"error": {}}, "HTTP 422. Check", None, id="empty error"),
    pytest.param(None, "HTTP 422. Check", None, id="null"),
    pytest.param(b"", "HTTP 422. Check", None, id="no body"),
    pytest.param(b"plain  words\nof a proxy", "HTTP 422: plain words of a proxy. Check", None, id="text"),
    pytest.param(
        b"<!DOCTYPE html><title>\n502 Bad\n Gateway</title>",
        'HTTP 422: an HTML page titled "502 Bad Gateway". Check',
        None,
        id="HTML",
    ),
    pytest.param(b"<html><body>x", "HTTP 422: an HTML page. Check", None, id="HTML without a title"),
]


@pytest.mark.parametrize(("body", "words", "code"), SHAPES)
def test_error_answers_of_every_shape_are_read(ocore: Scripted, body: object, words: str, code: str | None) -> None:
    ocore.expect("PUT", PATH, status=422, answer=body)
    error = refusal(lambda: client(ocore.api_url).update_instance(instance(), {}))
    assert error.message.startswith(f"Cannot update instance shop ({ID}): oCore answered {words}")
    assert error.code == code


def test_secret_on_the_edge_of_a_long_text_is_not_half_shown(ocore: Scripted) -> None:
    ocore.expect("PUT", PATH, status=422, answer={"message": "x" * 285 + " planted-secret-value and more" * 9})
    error = refusal(
        lambda: client(ocore.api_url).update_instance(instance(), {"env_vars": {"A": "planted-secret-value"}})
    )
    assert "planted" not in error.message
    assert "…. Check" in error.message


@pytest.mark.parametrize("secret", ['p"q\\r secret', "two\nlines  of secret", "sécret-é", "p'q&<secret>"])
@pytest.mark.parametrize("shape", ["message", "details", "text", "html", "code"])
def test_secret_env_values_that_the_api_echoes_are_masked(ocore: Scripted, shape: str, secret: str) -> None:
    answer: Any = {
        "message": {"message": f"bad value {secret}"},
        "details": {"errors": [{"input": {"envVars": {"A": secret}}}]},
        "text": f"cannot parse {json.dumps({'envVars': {'A': secret}})}".encode(),
        "html": f"<html><title>{secret}</title>".encode(),
        "code": {"code": f"bad:{secret}"},
    }[shape]
    ocore.expect("PUT", PATH, status=422, answer=answer)
    error = refusal(lambda: client(ocore.api_url).update_instance(instance(), {"env_vars": {"A": secret}}))
    assert MASK in error.message
    assert "secret" not in error.message
    assert "cret-" not in str(error.details())


def test_secret_token_that_the_api_echoes_is_masked(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", status=401, answer={"message": f"unknown key {TOKEN}"})
    assert f"unknown key {MASK}" in refusal(client(ocore.api_url).list_instances).message


def test_secret_env_values_that_the_api_has_shown_are_masked_in_later_errors(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "older-secret"}))
    ocore.expect("POST", f"{PATH}/control", status=409, answer={"message": "A=older-secret is in use"})
    api = client(ocore.api_url)
    api.get_instance(ID)
    assert f"A={MASK} is in use" in refusal(lambda: api.control_instance(instance(), "stop")).message


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "Check api_token"), (403, "manage:instances"), (404, "Check api_url"), (409, "run the task again")],
)
def test_refusal_says_what_to_check(ocore: Scripted, status: int, advice: str) -> None:
    ocore.expect("PUT", PATH, status=status)
    error = refusal(lambda: client(ocore.api_url).update_instance(instance(), {}))
    assert advice in error.message
    assert "No organization was given" not in error.message


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_refusal_without_an_organization_says_that_none_was_given(ocore: Scripted, status: int) -> None:
    ocore.expect("GET", "/instances", status=status)
    assert "No organization was given" in refusal(client(ocore.api_url, organization=None).list_instances).message


def test_token_that_expires_on_the_way_is_called_expired(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", PATH, status=401)
    api = client(ocore.api_url, organization=None)
    api.get_instance(ID)
    message = refusal(lambda: api.get_instance(ID)).message
    assert "it expired or was revoked meanwhile" in message
    assert "No organization" not in message


# --- reading


def test_absence_of_an_instance_is_none(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, status=404)
    ocore.expect("DELETE", PATH, status=404)
    ocore.expect("GET", f"{PATH}/health", status=404)
    ocore.expect("GET", f"{PATH}/health-score", status=404)
    api = client(ocore.api_url)
    assert api.get_instance(ID) is None
    api.delete_instance(instance())
    assert api.get_health(instance()) is None
    assert api.get_health_score(instance()) is None


@pytest.mark.parametrize("status", [401, 403])
def test_absence_is_not_another_refusal(ocore: Scripted, status: int) -> None:
    api = client(ocore.api_url)
    for path, call in (
        (PATH, lambda: api.get_instance(ID)),
        (f"{PATH}/health", lambda: api.get_health(instance())),
        (f"{PATH}/health-score", lambda: api.get_health_score(instance())),
    ):
        ocore.expect("GET", path, status=status)
        assert refusal(call).status == status
    ocore.expect("DELETE", PATH, status=status)
    assert refusal(lambda: api.delete_instance(instance())).status == status


def test_health_score_without_a_number_is_none(ocore: Scripted) -> None:
    ocore.expect("GET", f"{PATH}/health-score", answer={"score": None, "factors": None})
    ocore.expect("GET", f"{PATH}/health-score", answer=None)
    ocore.expect("GET", f"{PATH}/health-score", answer={"score": 0, "grade": "F"})
    ocore.expect("GET", f"{PATH}/health", answer={"status": "running"})
    api = client(ocore.api_url)
    assert api.get_health_score(instance()) is None
    assert api.get_health_score(instance()) is None
    score, health = api.get_health_score(instance()), api.get_health(instance())
    assert score is not None
    assert health is not None
    assert (score.score, health.status) == (0, "running")


def test_answer_without_an_id_is_about_the_instance_asked_for(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer={"slug": "shop", "id": None})
    ocore.expect("PUT", PATH, answer={"name": "New"})
    api = client(ocore.api_url)
    found = api.get_instance(ID)
    assert found is not None
    assert found.id == ID
    assert api.update_instance(instance(), {"name": "New"}).id == ID


def test_pagination_is_followed_to_the_end(ocore: Scripted) -> None:
    ocore.expect(
        "GET", "/instances?server_id=s", answer={"data": [wire(id="a")], "has_more": True, "next_cursor": "x y"}
    )
    ocore.expect("GET", "/instances?server_id=s&cursor=x+y", answer={"data": [wire(id="b")], "has_more": False})
    assert client(ocore.api_url).list_instances("s").ids() == {"a", "b"}


def test_pagination_that_never_ends_is_an_error(ocore: Scripted) -> None:
    page = {"data": [wire()], "has_more": True, "next_cursor": "x"}
    ocore.expect("GET", "/instances", answer=page)
    ocore.expect("GET", "/instances?cursor=x", answer=page)
    assert "would never be complete" in refusal(client(ocore.api_url).list_instances).message


def test_pagination_with_a_page_that_fails_leaves_no_half_list(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer={"data": [wire()], "has_more": True, "next_cursor": "x"})
    ocore.expect("GET", "/instances?cursor=x", status=403)
    assert refusal(client(ocore.api_url).list_instances).status == 403


def test_pagination_is_read_again_when_entries_moved_between_two_pages(ocore: Scripted) -> None:
    # A removed instance left the first page, another moved there from the second one, and counted as missing.
    first = {"instances": [wire(id="gone"), wire(id="a")], "total": 3, "has_more": True, "next_cursor": "2"}
    ocore.expect("GET", "/instances", answer=first)
    ocore.expect("GET", "/instances?cursor=2", answer={"instances": [], "total": 2})
    ocore.expect("GET", "/instances", answer={"instances": [wire(id="a"), wire(id="b")], "total": 2})
    found = client(ocore.api_url).list_instances()
    assert (found.ids(), found.incomplete) == ({"a", "b"}, False)


def test_pagination_whose_entries_keep_moving_makes_the_list_incomplete(ocore: Scripted) -> None:
    for _reading in range(3):
        first = {"instances": [wire(id="gone"), wire(id="a")], "total": 3, "has_more": True, "next_cursor": "2"}
        ocore.expect("GET", "/instances", answer=first)
        ocore.expect("GET", "/instances?cursor=2", answer={"instances": [], "total": 2})
    assert client(ocore.api_url).list_instances().incomplete


def test_list_whose_body_is_none_is_an_error(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer={"status": "ok"})
    assert "holds no list" in refusal(client(ocore.api_url).list_instances).message


def test_unknown_field_that_is_nested_deep_is_cut_and_costs_nothing_else(ocore: Scripted) -> None:
    # A field of 3,000 levels ended the task with RecursionError, said to be a defect. Before Python 3.12 json refuses it.
    deep: list[Any] = []
    for _level in range(3000):
        deep = [deep]
    found = client(ocore.api_url).protect(instance(planned=deep))
    assert found.label() == instance().label()
    assert json.dumps(found.record()["extra"]["planned"]).count("[") < 40
