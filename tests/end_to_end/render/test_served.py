# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors of a rendered configuration get, from a real nginx."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from rendering import hashed, instance, render, render_template
from served import Served, free_port

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
NAME = "d0.i1.example.com"


def serve(pem: Path, tmp_path: Path, record: dict[str, Any] | None = None, **settings: Any) -> Served:
    """Return an nginx for one instance with a certificate."""
    port = free_port()
    more = {"with_certificate": True, "http_port_host": port, "longpolling_port_host": None, **(record or {})}
    return Served(render([instance(1, "17.0", 0, 1, **more)], "debian12", pem, **settings), tmp_path, port)


JSON_RPC_LOGIN = json.dumps({"params": {"service": "common", "method": "authenticate", "args": []}})
JSON_RPC_CALL = json.dumps({"params": {"service": "object", "method": "execute_kw", "args": []}})


@pytest.mark.parametrize(
    ("path", "body", "limited"),
    [
        ("/web/login", "x", True),
        ("/xmlrpc/2/common", "x", True),
        ("/xmlrpc/common", "x", True),
        ("/jsonrpc", JSON_RPC_LOGIN, True),
        ("/jsonrpc", JSON_RPC_LOGIN.replace(" ", "") + " " * 30_000, True),
        ("/xmlrpc/2/object", "x", False),
        ("/jsonrpc", JSON_RPC_CALL, False),
        ("/json/2/res.partner/search", "x", False),
    ],
)
def test_limit_of_logins_covers_every_way_in(path: str, body: str, limited: bool, pem: Path, tmp_path: Path) -> None:
    with serve(pem, tmp_path) as nginx:
        statuses = [nginx.ask(NAME, path, "POST", body)[0] for _time in range(20)]
        other = nginx.ask(NAME, path, "POST", body, source="127.0.0.9")[0]
    assert statuses[:11] == [200] * 11
    assert (429 in statuses) is limited
    assert other == 200


def test_json_rpc_arrives_as_it_was_sent(pem: Path, tmp_path: Path) -> None:
    large = json.dumps({"params": {"service": "object", "args": ["x" * 300_000]}})
    with serve(pem, tmp_path) as nginx:
        for body in (JSON_RPC_LOGIN, JSON_RPC_CALL, large):
            seen = nginx.seen(NAME, "/jsonrpc?db=a", "POST", body, {"Content-Type": "application/json"})
            assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/jsonrpc?db=a", body)
            assert seen["headers"]["content-type"] == "application/json"
            assert seen["headers"]["x-forwarded-host"] == NAME
        assert nginx.seen(NAME, "/jsonrpc")["method"] == "GET"
        assert nginx.seen(NAME, "/jsonrpc", "OPTIONS")["method"] == "OPTIONS"
        assert nginx.ask(NAME, "/ocore-mirror")[0] == 404


def test_json_rpc_of_an_instance_that_is_down_gets_our_page(pem: Path, tmp_path: Path) -> None:
    (tmp_path / "unavailable.html").write_text("not available")
    with serve(pem, tmp_path, {"http_port_host": free_port()}, __nginx_pages=str(tmp_path)) as nginx:
        status, headers, text = nginx.ask(NAME, "/jsonrpc", "POST", JSON_RPC_CALL)
    assert (status, headers["retry-after"], text) == (502, "300", "not available")


PROXY = "127.0.0.9"


def through_proxy(proto: str | None = "https", client: str = "203.0.113.7") -> dict[str, Any]:
    """How a trusted proxy asks for a visitor."""
    headers = {"X-Forwarded-For": client, **({"X-Forwarded-Proto": proto} if proto else {})}
    return {"headers": headers, "source": PROXY}


@pytest.mark.parametrize("tls", [True, False])
def test_proxy_that_ends_tls_is_believed(tls: bool, pem: Path, tmp_path: Path) -> None:
    with serve(pem, tmp_path, nginx_real_ip_from=[PROXY]) as nginx:
        for path in ("/", "/web/login", "/jsonrpc", "/web/static/x.css"):
            headers = nginx.seen(NAME, path, tls=tls, **through_proxy())["headers"]
            forwarded = [headers[f"x-forwarded-{name}"] for name in ("proto", "port", "host")]
            assert (forwarded, headers["x-real-ip"]) == (["https", "443", NAME], "203.0.113.7")
        _status, headers, _text = nginx.ask(NAME, tls=tls, **through_proxy())
        assert headers["strict-transport-security"] == "max-age=63072000"
        assert nginx.seen(NAME, tls=tls, **through_proxy("https, http"))["headers"]["x-forwarded-proto"] == "https"


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("name", [NAME, "i1.apps.example.com"])
def test_proxy_whose_visitor_used_http_gets_the_redirect(name: str, tls: bool, pem: Path, tmp_path: Path) -> None:
    with serve(pem, tmp_path, nginx_real_ip_from=[PROXY]) as nginx:
        status, headers, _text = nginx.ask(name, "/odoo?a=1", tls=tls, **through_proxy("http"))
        assert (status, headers["location"]) == (301, f"https://{NAME}/odoo?a=1")
        assert tls is not (name == NAME) or "strict-transport-security" not in headers


def test_proxy_gets_the_primary_name_for_another_one(pem: Path, tmp_path: Path) -> None:
    with serve(pem, tmp_path, nginx_real_ip_from=[PROXY]) as nginx:
        for tls in (True, False):
            status, headers, _text = nginx.ask("i1.apps.example.com", "/x", tls=tls, **through_proxy())
            assert (status, headers["location"]) == (301, f"https://{NAME}/x")


def test_proxy_that_nobody_trusts_cannot_claim_https(pem: Path, tmp_path: Path) -> None:
    with serve(pem, tmp_path, nginx_real_ip_from=[PROXY]) as nginx:
        claim = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
        status, headers, _text = nginx.ask(NAME, "/x", tls=False, headers=claim)
        assert (status, headers["location"]) == (301, f"https://{NAME}/x")
        seen = nginx.seen(NAME, headers={**claim, "X-Forwarded-Proto": "http"})["headers"]
        assert (seen["x-forwarded-proto"], seen["x-real-ip"]) == ("https", "127.0.0.1")


def test_proxy_that_ends_tls_needs_no_certificate_here(pem: Path, tmp_path: Path) -> None:
    with serve(pem, tmp_path, {"with_certificate": False}, nginx_real_ip_from=[PROXY]) as nginx:
        assert nginx.seen(NAME, tls=False, **through_proxy())["headers"]["x-forwarded-proto"] == "https"
        assert "Secure" in nginx.ask(NAME, tls=False, **through_proxy())[1]["set-cookie"]
        for visitor in ({}, through_proxy("http"), through_proxy(None)):
            status, headers, _text = nginx.ask(NAME, "/x", tls=False, **visitor)
            assert (status, headers["location"]) == (302, f"https://{NAME}/x")


def test_proxy_does_not_open_a_site_to_strangers(pem: Path, tmp_path: Path) -> None:
    options = {"i1": {"allow": ["198.51.100.0/24"]}}
    with serve(pem, tmp_path, nginx_real_ip_from=[PROXY], nginx_instance_options=options) as nginx:
        for tls in (True, False):
            assert nginx.ask(NAME, tls=tls, **through_proxy())[0] == 403
            assert nginx.ask(NAME, tls=tls, **through_proxy("http"))[0] == 301
            assert nginx.ask(NAME, tls=tls, **through_proxy(client="198.51.100.1"))[0] == 200


def test_challenge_path_is_served_behind_a_proxy_over_http(pem: Path, tmp_path: Path) -> None:
    (tmp_path / ".well-known/acme-challenge").mkdir(parents=True)
    (tmp_path / ".well-known/acme-challenge/token").write_text("proof")
    with serve(pem, tmp_path, nginx_real_ip_from=[PROXY], nginx_acme_webroot=str(tmp_path)) as nginx:
        for visitor in ({}, through_proxy("http"), through_proxy()):
            assert nginx.ask(NAME, "/.well-known/acme-challenge/token", tls=False, **visitor)[2] == "proof"


def with_options(**options: Any) -> dict[str, Any]:
    return {"nginx_instance_options": {"i1": options}}


def test_users_of_basic_auth_reach_the_site_and_nobody_else(pem: Path, tmp_path: Path) -> None:
    users = [{"name": "anna", "password": "Straße 1:2"}, {"name": "bob b", "password": "x"}]
    (tmp_path / "users").mkdir()
    (tmp_path / "users/i1").write_text(hashed(users))
    settings = {"__nginx_users": f"{tmp_path}/users", **with_options(basic_auth_users=users)}
    with serve(pem, tmp_path, **settings) as nginx:
        for name, password, status in (("anna", "Straße 1:2", 200), ("bob b", "x", 200), ("anna", "x", 401)):
            credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
            assert nginx.ask(NAME, headers={"Authorization": f"Basic {credentials}"})[0] == status
        assert nginx.ask(NAME)[0] == 401
        assert nginx.ask(NAME, "/.well-known/acme-challenge/none")[0] == 404


def test_maintenance_lets_the_administrator_pass(pem: Path, tmp_path: Path) -> None:
    (tmp_path / "maintenance.html").write_text("maintenance")
    options = with_options(maintenance=True, maintenance_allow=["127.0.0.2", "127.0.1.0/24"])
    with serve(pem, tmp_path, __nginx_pages=str(tmp_path), **options) as nginx:
        for path in ("/", "/web/login", "/jsonrpc", "/websocket", "/web/static/x.css", "/ocore-pages/maintenance.html"):
            status, headers, text = nginx.ask(NAME, path)
            if path.startswith("/ocore-pages"):
                assert status == 404
                continue
            assert (status, headers["retry-after"], text) == (503, "300", "maintenance")
        for source in ("127.0.0.2", "127.0.1.77"):
            assert nginx.seen(NAME, "/web/login", source=source)["path"] == "/web/login"
            assert nginx.seen(NAME, "/jsonrpc", "POST", JSON_RPC_CALL, source=source)["body"] == JSON_RPC_CALL
        assert nginx.ask(NAME, "/.well-known/acme-challenge/none", tls=False)[0] == 404


def test_maintenance_sees_the_administrator_behind_a_proxy(pem: Path, tmp_path: Path) -> None:
    (tmp_path / "maintenance.html").write_text("maintenance")
    options = {"__nginx_pages": str(tmp_path), **with_options(maintenance=True, maintenance_allow=["203.0.113.7"])}
    with serve(pem, tmp_path, nginx_real_ip_from=[PROXY], **options) as nginx:
        assert nginx.ask(NAME, tls=False, **through_proxy())[0] == 200
        assert nginx.ask(NAME, tls=False, **through_proxy(client="203.0.113.8"))[0] == 503


def test_settings_of_one_instance(pem: Path, tmp_path: Path) -> None:
    options = with_options(
        client_max_body_size="1k",
        login_rate="1r/m",
        login_burst=1,
        rpc_rate="1r/m",
        rpc_burst=2,
        hsts={"max_age": 63072000, "include_subdomains": True, "preload": True},
        redirects=[
            {"from": "/old", "to": "/new?x=1"},
            {"from": "/blog", "to": "https://blog.example.com/", "code": 308},
        ],
    )
    with serve(pem, tmp_path, **options) as nginx:
        assert nginx.ask(NAME, "/", "POST", "x" * 2000)[0] == 413
        assert [nginx.ask(NAME, "/web/login", "POST", "x")[0] for _time in range(4)] == [200, 200, 429, 429]
        assert [nginx.ask(NAME, "/xmlrpc/2/object", "POST", "x")[0] for _time in range(4)] == [200, 200, 200, 429]
        assert nginx.ask(NAME)[1]["strict-transport-security"] == "max-age=63072000; includeSubDomains; preload"
        for path, status, to in (("/old", 301, f"https://{NAME}"), ("/blog", 308, "https://blog.example.com/")):
            found, headers, _text = nginx.ask(NAME, path)
            assert (found, headers["location"].startswith(to)) == (status, True)


def test_maintenance_without_exceptions_is_for_everybody(pem: Path, tmp_path: Path) -> None:
    (tmp_path / "maintenance.html").write_text("maintenance")
    with serve(pem, tmp_path, __nginx_pages=str(tmp_path), **with_options(maintenance=True)) as nginx:
        assert (nginx.ask(NAME)[0], nginx.ask(NAME, source="127.0.0.2")[2]) == (503, "maintenance")


def log_of(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "ocore-i1.log").read_text().splitlines()]


def test_access_log_holds_an_object_per_request(pem: Path, tmp_path: Path) -> None:
    with serve(pem, tmp_path, __nginx_logs=str(tmp_path)) as nginx:
        agent = {"User-Agent": 'x","status":200,"\\'}
        nginx.ask(NAME, '/a?b="c"', headers=agent)
        nginx.ask(NAME, "/x", tls=False)
        nginx.ask(NAME, "/web/database/manager")
    served, redirected, closed = log_of(tmp_path)
    assert list(served)[:5] == ["time", "client", "status", "method", "uri"]
    assert (served["status"], served["uri"], served["agent"]) == (200, '/a?b="c"', agent["User-Agent"])
    assert served["upstream"].startswith("127.0.0.1:")
    assert float(served["upstream_seconds"]) <= served["seconds"] + 0.001
    assert (redirected["status"], redirected["upstream_seconds"], redirected["tls"]) == (301, "", "")
    assert closed["status"] == 403


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        ({"nginx_access_log": False}, False),
        ({"nginx_access_log": False, **with_options(access_log=True)}, True),
        (with_options(access_log=False), False),
    ],
)
def test_access_log_is_for_those_who_want_it(
    settings: dict[str, Any], written: bool, pem: Path, tmp_path: Path
) -> None:
    with serve(pem, tmp_path, __nginx_logs=str(tmp_path), **settings) as nginx:
        nginx.ask(NAME)
    assert (tmp_path / "ocore-i1.log").exists() is written


def test_status_is_shown_on_loopback_only(pem: Path, tmp_path: Path) -> None:
    port = free_port()
    with (
        serve(pem, tmp_path, nginx_status_port=port) as nginx,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/nginx_status") as answer,
    ):
        assert answer.read().startswith(b"Active connections:")
        assert nginx.seen(NAME, "/nginx_status")["path"] == "/nginx_status"
    assert f"listen 127.0.0.1:{port};" in nginx.path.read_text()


@pytest.mark.skipif(shutil.which("fail2ban-regex") is None, reason="fail2ban is not installed")
def test_fail2ban_finds_failures_in_the_log_and_nothing_else(pem: Path, tmp_path: Path) -> None:
    users = [{"name": "anna", "password": "x"}]
    (tmp_path / "users").mkdir()
    (tmp_path / "users/i1").write_text(hashed(users))
    basic = {
        name: {"Authorization": "Basic " + base64.b64encode(f"anna:{password}".encode()).decode()}
        for name, password in (("good", "x"), ("bad", "y"))
    }
    settings = {
        "__nginx_users": f"{tmp_path}/users",
        **with_options(basic_auth_users=users, login_rate="1r/m", login_burst=2),
    }
    with serve(pem, tmp_path, __nginx_logs=str(tmp_path), **settings) as nginx:
        # The stand-in answers a login with 200, as Odoo a failed one.
        failures = [nginx.ask(NAME, '/web/login?x="', "POST", "x", basic["good"])[0] for _time in range(2)]
        failures.append(nginx.ask(NAME, "/de/web/login", "POST", "x", basic["good"])[0])
        failures.append(nginx.ask(NAME, "/web/login", "POST", "x", basic["good"])[0])
        failures.append(nginx.ask(NAME, '/a"b', headers=basic["bad"])[0])
        assert failures == [200, 200, 200, 429, 401]
        decoy = '/x?","status":429,"method":"POST'
        for path, method, headers in (
            ("/web/login", "GET", basic["good"]),
            ("/web", "POST", basic["good"]),
            ("/web", "GET", {}),
            (decoy, "GET", {**basic["good"], "User-Agent": decoy}),
        ):
            nginx.ask(NAME, path, method, headers=headers)
    filter_file = tmp_path / "filter.conf"
    filter_file.write_text(render_template("fail2ban-filter.conf.j2"))
    command = ["fail2ban-regex", "--out", "<ip>", str(tmp_path / "ocore-i1.log"), str(filter_file)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.split() == ["127.0.0.1"] * len(failures), result.stdout
