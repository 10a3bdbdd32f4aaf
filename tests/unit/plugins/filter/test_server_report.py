# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server differs from what oCore records and requires."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ocore.cloud.plugins.plugin_utils._server_report import OLDEST_ENGINE, server_report

ROOT = Path(__file__).resolve().parents[4]
GIB = 2**30


def drift(server: object = None, **found: Any) -> list[tuple[Any, ...]]:
    return [(entry["field"], entry["ocore"], entry["host"]) for entry in server_report(server, **found)["drift"]]


def stat(free_gib: float, path: str = "/", identity: str = "a1", total_gib: int = 40) -> str:
    return f"{identity} {int(free_gib * GIB / 4096)} {total_gib * GIB // 4096} 4096 {path}"


@pytest.mark.parametrize(
    ("server", "different"),
    [
        ({"proxy_type": "nginx"}, False),
        ({"proxy_type": " NGINX "}, False),
        ({"proxy_type": "nginx-proxy"}, False),
        ({"proxy_type": "traefik"}, True),
        ({"proxy_type": "Traefik v3"}, True),
        ({"proxy_type": "caddy"}, True),
        # oCore documents no values: a word that names no proxy says nothing.
        ({"proxy_type": "unknown"}, False),
        ({"proxy_type": "managed"}, False),
        ({"proxy_type": ""}, False),
        ({"proxy_type": None}, False),
        ({"proxy_type": 7}, False),
        ({}, False),
        (None, False),
        ("traefik", False),
    ],
)
def test_drift_of_the_proxy(server: Any, different: bool) -> None:
    expected = [("proxy_type", server["proxy_type"], "nginx")] if different else []
    assert drift(server) == expected


@pytest.mark.parametrize(
    ("lines", "version", "old"),
    [
        (["20.10.24", "/var/lib/docker"], "20.10.24", True),
        (["23.0.6+dfsg1", "/var/lib/docker"], "23.0.6", True),
        (["24.0.0", "/var/lib/docker"], "24.0.0", False),
        (["29.1.0"], "29.1.0", False),
        (["v9"], "9", True),
        # The daemon did not answer, or something else did.
        (["", "/var/lib/docker"], None, False),
        (["Error: no such template"], None, False),
        ([], None, False),
    ],
)
def test_drift_of_the_engine(lines: list[str], version: str | None, old: bool) -> None:
    assert server_report(None, engine=lines)["docker_version"] == version
    assert drift(engine=lines) == ([("docker_version", "24 or newer", version)] if old else [])


def test_drift_of_the_engine_begins_where_the_role_refuses_one() -> None:
    variables = yaml.safe_load((ROOT / "roles/docker/vars/main.yml").read_text())
    assert variables["__docker_minimum_version"] == str(OLDEST_ENGINE)


@pytest.mark.parametrize(
    ("addresses", "ports"),
    [
        ({}, []),
        (None, []),
        ({"20000": ["127.0.0.1"], "20001": ["::1"]}, []),
        # A network of the host's own, such as Docker's bridge.
        ({"20000": ["172.17.0.1"]}, []),
        ({"20010": ["0.0.0.0", "::"], "20000": ["127.0.0.1", "::"], "20001": ["127.0.0.1"]}, [20000, 20010]),
    ],
)
def test_drift_of_ports_that_are_open_everywhere(addresses: Any, ports: list[int]) -> None:
    assert drift(addresses=addresses) == ([("ports", None, ports)] if ports else [])


@pytest.mark.parametrize(
    ("lines", "least", "paths"),
    [
        ([stat(6)], 5, []),
        ([stat(5)], 5, []),
        ([stat(4.9)], 5, ["/"]),
        ([stat(0)], 0, []),
        ([stat(6), stat(1, "/srv/docker data", "b2")], 5, ["/srv/docker data"]),
        # One file system, by two paths; what was written in between makes no second one of it.
        ([stat(1), stat(0.9, "/var/lib/docker")], 5, ["/"]),
        ([stat(0, total_gib=0), "stat: cannot read", "a 1 2 /", ""], 5, []),
    ],
)
def test_drift_of_free_disk(lines: list[str], least: float, paths: list[str]) -> None:
    found = server_report(None, disks=lines, min_free_disk=least)["drift"]
    assert [entry["message"].partition(" free on ")[2].partition(", less")[0] for entry in found] == paths


def test_server_report_has_the_figures_and_says_what_to_do() -> None:
    report = server_report(
        {"proxy_type": "traefik"},
        ["20.10.24", "/var/lib/docker"],
        [stat(1.5)],
        {str(port): ["0.0.0.0"] for port in range(20000, 20012)},
        5.0,
    )
    assert report["docker_version"] == "20.10.24"
    assert report["disks"] == [{"path": "/", "total_bytes": 40 * GIB, "free_bytes": 1.5 * GIB}]
    assert [entry["message"] for entry in report["drift"]] == [
        "oCore records the proxy 'traefik', and this role runs nginx: only one of them can have the ports 80 and 443. Correct "
        "the server in oCore, or do not use this role here.",
        "Docker 20.10.24 runs, and oCore requires 24 or newer: upgrade the engine, or restart it if it was upgraded.",
        "Ports of instances are open at all addresses of the host: 20000, 20001, 20002, 20003, 20004, 20005, 20006, 20007, "
        "20008, 20009 and 2 more. If no firewall in front of it closes them, visitors reach the instances past nginx. Publish "
        "them at 127.0.0.1 only.",
        "1.5 GiB are free on /, less than odoo_host_min_free_disk (5 GiB): free space, or enlarge the disk.",
    ]
