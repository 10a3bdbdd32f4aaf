# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors of a rendered configuration get, from a real nginx."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rendering import instance, render
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
