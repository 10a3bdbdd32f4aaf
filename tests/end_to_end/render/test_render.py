# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx template for every kind of instance: it parses, a security linter is silent, and nginx takes it."""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crossplane
import pytest
from rendering import GATES, instance, render

VERSIONS = ["14.0", "15.0", "16.0", "17.0", "18.0", "19.0"]


def matrix() -> list[dict[str, Any]]:
    """Every version, workers and number of domains with a certificate; stopped ones and such without one by number of domains."""
    served = itertools.product(VERSIONS, (0, 2), (0, 1, 3), ("running",), (True,))
    others = itertools.product(["17.0"], (2,), (0, 1, 3), ("running", "stopped"), (True, False))
    kinds = [*served, *(kind for kind in others if kind[3:] != ("running", True))]
    return [
        instance(number, version, workers, domains, status=status, with_certificate=certificate)
        for number, (version, workers, domains, status, certificate) in enumerate(kinds)
    ]


def whole(text: str, directory: Path) -> Path:
    """A complete configuration around the rendered file, on ports that need no root."""
    text = re.sub(
        r"listen (\[::\]:)?(80|443)\b",
        lambda match: f"listen {match.group(1) or ''}{18000 + int(match.group(2))}",
        text,
    )
    path = directory / "nginx.conf"
    path.write_text(
        f"worker_processes auto;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n"
        + "".join(
            f"{kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + text
        + "}\n",
        encoding="utf-8",
    )
    return path


def blocks(path: Path) -> list[dict[str, Any]]:
    parsed = crossplane.parse(str(path), strict=False, check_ctx=True, check_args=True)
    assert parsed["status"] == "ok", parsed["errors"]
    http = next(item for item in parsed["config"][0]["parsed"] if item["directive"] == "http")
    return list(http["block"])


def servers(path: Path, name: str) -> list[dict[str, Any]]:
    """Server blocks with this name, as crossplane sees them."""
    return [
        block
        for block in blocks(path)
        if block["directive"] == "server"
        and any(item["directive"] == "server_name" and name in item["args"] for item in block["block"])
    ]


def first_args(block: list[dict[str, Any]], directive: str) -> list[str]:
    return next((list(item["args"]) for item in block if item["directive"] == directive), [])


EVERY_OPTION = {
    "access_log": False,
    "allow": ["192.0.2.0/24", "2001:db8::/32"],
    "basic_auth_users": [{"name": "anna", "password": "secret"}],
    "client_max_body_size": "1g",
    "hsts": {"max_age": 31536000, "include_subdomains": True, "preload": True},
    "login_burst": 1,
    "login_rate": "5r/m",
    "maintenance": True,
    "maintenance_allow": ["192.0.2.9", "2001:db8::9"],
    "redirects": [{"from": "/old", "to": "https://example.com/x?a=1#b", "code": 308}, {"from": "/é", "to": "/"}],
    "rpc_burst": "7",
    "rpc_rate": "3r/s",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "behind a proxy": {"nginx_real_ip_from": ["198.51.100.0/24", "2001:db8::/32"]},
    "everything": {
        "nginx_plain_http": True,
        "nginx_database_manager_allow": ["192.0.2.0/24", "2001:db8::/32"],
        "nginx_real_ip_from": ["198.51.100.0/24"],
        "nginx_status_port": 18081,
        "nginx_extra_directives": "client_body_timeout 90s;",
        "nginx_instance_options": {
            "i0": {"allow": ["192.0.2.1"], "noindex": True, "extra_directives": "keepalive_timeout 20s;"},
            "i4": {"basic_auth_file": "/etc/nginx/htpasswd", "maintenance": True},
            # All settings at once, with a certificate and without one.
            "i5": EVERY_OPTION,
            "i42": EVERY_OPTION,
        },
    },
}


@pytest.fixture(scope="session")
def rendered(pem: Path) -> Callable[[str, str], str]:
    """The file for the whole matrix, by gate and settings. Rendering it takes seconds, so each is rendered once."""

    @functools.cache
    def get(gate: str, settings: str) -> str:
        return render(matrix(), gate, pem, **SETTINGS[settings])

    return get


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("gate", GATES)
def test_every_kind_of_instance_parses(
    gate: str, settings: str, rendered: Callable[[str, str], str], tmp_path: Path
) -> None:
    path = whole(rendered(gate, settings), tmp_path)
    answers = [
        (name, item["args"][0])
        for block in blocks(path)
        if block["directive"] == "server"
        for name in first_args(block["block"], "server_name")
        for item in block["block"]
        if item["directive"] == "listen" and not item["args"][0].startswith("[")
    ]
    # Each name once on port 80, and once on 443 where there is a certificate.
    expected = {("_", "18080"), ("_", "18443")}
    expected |= {("_", "127.0.0.1:18081")} if settings == "everything" else set()
    for item in matrix():
        names = [f"{item['slug']}.apps.example.com", *(domain["domain"] for domain in item["domains"])]
        expected |= {(name, "18080") for name in names}
        expected |= {(name, "18443") for name in names if item["with_certificate"]}
    assert sorted(answers) == sorted(expected)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("gate", GATES)
def test_the_security_linter_finds_nothing_of_medium_or_worse(
    gate: str, settings: str, rendered: Callable[[str, str], str], tmp_path: Path
) -> None:
    path = whole(rendered(gate, settings), tmp_path)
    result = subprocess.run(
        # A redirect to https at the level of the server tells strangers nothing: test_served.py shows what they get.
        [
            str(Path(sys.executable).with_name("gixy")),
            "-f",
            "json",
            "-ll",
            "--skips",
            "return_bypasses_allow_deny",
            str(path),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    issues = json.loads(result.stdout or "[]")
    assert [f"{issue['plugin']}: {issue['summary']}\n{issue['config']}" for issue in issues] == []


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("settings", SETTINGS)
def test_nginx_itself_accepts_every_kind_of_instance(
    settings: str, rendered: Callable[[str, str], str], tmp_path: Path
) -> None:
    version = subprocess.run(["nginx", "-v"], check=True, capture_output=True, text=True).stderr
    major_minor = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    gate = "old" if major_minor < (1, 22) else "debian12" if major_minor < (1, 26) else "debian13"
    path = whole(rendered(gate, settings), tmp_path)
    result = subprocess.run(["nginx", "-t", "-c", str(path)], check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "warn" not in result.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("workers", [0, 2])
def test_live_channel_by_version_and_workers(version: str, workers: int, pem: Path, tmp_path: Path) -> None:
    path = whole(render([instance(1, version, workers, 1, with_certificate=True)], "debian12", pem), tmp_path)
    server = next(
        block for block in servers(path, "d0.i1.example.com") if first_args(block["block"], "ssl_certificate")
    )
    expected = "/longpolling" if version in ("14.0", "15.0") else "/websocket"
    paths = [item["args"][-1] for item in server["block"] if item["directive"] == "location"]
    assert expected in paths
    assert {"/longpolling", "/websocket"} - {expected} - set(paths)
    upstream = next(
        block for block in blocks(path) if block["directive"] == "upstream" and block["args"] == ["ocore_i1_live"]
    )
    assert first_args(upstream["block"], "server") == [f"127.0.0.1:{20003 if workers else 20002}"]


@pytest.mark.parametrize("gate", GATES)
def test_every_proxied_location_has_the_whole_set_of_forwarded_headers(
    gate: str, rendered: Callable[[str, str], str], tmp_path: Path
) -> None:
    path = whole(rendered(gate, "everything"), tmp_path)
    proxied = 0
    for server in (block for block in blocks(path) if block["directive"] == "server"):
        for location in (item for item in server["block"] if item["directive"] == "location"):
            if not first_args(location["block"], "proxy_pass"):
                continue
            proxied += 1
            names = [item["args"][0] for item in location["block"] if item["directive"] == "proxy_set_header"]
            assert sorted(names) == sorted(
                [
                    "Host",
                    "X-Forwarded-Host",
                    "X-Forwarded-For",
                    "X-Forwarded-Proto",
                    "X-Forwarded-Port",
                    "X-Real-IP",
                    "Upgrade",
                    "Connection",
                ]
            )
    assert proxied > 100


def test_an_untrusted_certificate_gets_no_hsts(pem: Path) -> None:
    instances = [instance(1, "17.0", 2, 1, with_certificate=True)]
    header = 'add_header Strict-Transport-Security "max-age=63072000" always;'
    assert header in render(instances, "debian13", pem)
    assert header not in render([{**instances[0], "trusted": False}], "debian13", pem)
    assert header not in render(instances, "debian13", pem, nginx_hsts_max_age=0)


def test_acme_location_is_in_every_server_and_open_to_all(rendered: Callable[[str, str], str], tmp_path: Path) -> None:
    path = whole(rendered("debian13", "everything"), tmp_path)
    for server in (block for block in blocks(path) if block["directive"] == "server"):
        if first_args(server["block"], "ssl_reject_handshake") or first_args(server["block"], "listen")[0].startswith(
            "127."
        ):
            continue
        location = next(item for item in server["block"] if item["args"] == ["^~", "/.well-known/acme-challenge/"])
        assert first_args(location["block"], "auth_basic") == ["off"]
        assert first_args(location["block"], "allow") == ["all"]


HOSTILE = [
    "x;",
    "a b",
    "shop}",
    "$host",
    "a\nb",
    "../x",
    "x' y",
    "#x",
    "é.example.com",
    "*.example.com",
    "-a.example.com",
    "a_b.example.com",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_never_reach_the_file(text: str, pem: Path, tmp_path: Path) -> None:
    good = instance(1, "17.0", 2, 1, with_certificate=True)
    bad = [
        {**instance(2, "17.0", 2, 1), "slug": text},
        {**instance(3, "17.0", 2, 1), "domains": [{"domain": text}], "auto_subdomain": text},
        {**instance(4, "17.0", 2, 1), "http_port_host": text},
        {
            **instance(5, text, 2, 1),
            "workers": text,
            "longpolling_port_host": text,
            "limit_time_real": text,
            "status": text,
        },
    ]
    rendered = render([good, *bad], "debian13", pem)
    names = {
        name
        for block in blocks(whole(rendered, tmp_path))
        if block["directive"] == "server"
        for name in first_args(block["block"], "server_name")
    }
    # A name in Unicode is a good one, in punycode.
    good_names = {"_", "d0.i1.example.com", "i1.apps.example.com", "d0.i5.example.com", "i5.apps.example.com"}
    assert names <= good_names | ({"xn--9ca.example.com"} if text == "é.example.com" else set())


def test_the_longest_possible_name_fits(pem: Path, tmp_path: Path) -> None:
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 56, "test"])
    assert len(longest) == 253
    path = whole(render([{**instance(1, "17.0", 2, 0), "domains": [{"domain": longest}]}], "debian12", pem), tmp_path)
    assert servers(path, longest)
    if shutil.which("nginx"):
        result = subprocess.run(["nginx", "-t", "-c", str(path)], check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
