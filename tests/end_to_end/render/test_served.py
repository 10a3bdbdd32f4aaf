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
