# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features by version, and the candidate in the place of the live file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx import (
    candidate_main,
    features,
    parse_build,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_process import pid_file, running_master, workers
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_sections import split_sections

DEBIAN12 = """nginx version: nginx/1.22.1
built with OpenSSL 3.0.9 30 May 2023 (running with OpenSSL 3.0.17 1 Jul 2025)
TLS SNI support enabled
configure arguments: --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid
"""


def test_build_of_debian_12() -> None:
    build = parse_build(DEBIAN12)
    assert (build["version"], build["openssl"], build["arguments"]["pid-path"]) == (
        "1.22.1",
        "3.0.17",
        "/run/nginx.pid",
    )


def test_build_without_a_running_version() -> None:
    assert parse_build("nginx version: nginx/1.30.6\nbuilt with OpenSSL 3.5.4 1 Sep 2025\n")["openssl"] == "3.5.4"


def test_build_that_cannot_be_read() -> None:
    assert parse_build("segmentation fault")["version"] is None


@pytest.mark.parametrize(
    ("version", "openssl", "on"),
    [
        (None, None, set()),
        ("1.18.0", "1.1.1", set()),
        ("1.22.1", "3.0.17", {"proxy_cookie_flags", "ssl_reject_handshake"}),
        ("1.25.0", "3.0.17", {"proxy_cookie_flags", "ssl_reject_handshake", "safe_session_tickets"}),
        (
            "1.26.3",
            "3.5.4",
            {"proxy_cookie_flags", "ssl_reject_handshake", "safe_session_tickets", "http2_directive", "hybrid_curve"},
        ),
        ("1.26.3", None, {"proxy_cookie_flags", "ssl_reject_handshake", "safe_session_tickets", "http2_directive"}),
    ],
)
def test_features_by_version(version: str | None, openssl: str | None, on: set[str]) -> None:
    assert {name for name, value in features(version, openssl).items() if value} == on


def test_features_of_a_new_nginx_are_all_there() -> None:
    assert all(features("1.30.6", "3.6.0").values())


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    for name in ("conf.d/a.conf", "conf.d/ocore.conf", "conf.d/z.conf", "sites-enabled/default", "sites-enabled/mine"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_candidate_takes_the_place_of_the_live_file(etc: Path) -> None:
    main = f"http {{\n    include conf.d/*.conf;\n    include {etc}/sites-enabled/*;\n    include mime.types;\n}}\n"
    text = candidate_main(main, str(etc), f"{etc}/conf.d/ocore.conf", "/tmp/new", [f"{etc}/sites-enabled/default"])  # noqa: S108
    assert text == (
        f"http {{\n    include {etc}/conf.d/a.conf;\n    include /tmp/new;\n    include {etc}/conf.d/z.conf;\n"
        f"    include {etc}/sites-enabled/mine;\n    include mime.types;\n}}\n"
    )


def test_candidate_is_tested_before_there_is_a_live_file(etc: Path) -> None:
    (etc / "conf.d" / "ocore.conf").unlink()
    text = candidate_main("include conf.d/*.conf;", str(etc), f"{etc}/conf.d/ocore.conf", "/new", [])
    assert text is not None
    assert "include /new;" in text


@pytest.mark.parametrize("main", ["", "# include conf.d/*.conf;", "include other.d/*.conf;"])
def test_candidate_that_no_include_covers(etc: Path, main: str) -> None:
    assert candidate_main(main, str(etc), f"{etc}/conf.d/ocore.conf", "/new", []) is None


def test_pid_file() -> None:
    assert pid_file("worker_processes 1;\npid /run/x.pid;\n", {"pid-path": "/run/y.pid"}) == "/run/x.pid"
    assert pid_file("# pid /run/x.pid;\n", {"pid-path": "/run/y.pid"}) == "/run/y.pid"


def test_workers_are_the_children_of_the_master() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        assert child.pid in workers(os.getpid())
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("content", ["", "x", "999999999"])
def test_master_is_not_found_by_a_stale_pid_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content)
    assert running_master(str(tmp_path / "pid")) is None
    assert running_master(str(tmp_path / "none")) is None


def test_master_is_not_another_program(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    assert running_master(str(tmp_path / "pid")) is None


def test_sites_of_a_rendered_file_are_found_by_the_marks_of_the_template() -> None:
    template = Path(__file__).resolve().parents[5] / "roles" / "nginx" / "templates" / "ocore.conf.j2"
    mark = "# ---- {{ site.slug }}"
    assert mark in template.read_text().splitlines()
    text = "\n".join(mark.replace("{{ site.slug }}", slug) for slug in ("crm", "shop-2")) + "\n"
    assert list(split_sections(f"# a file\n{text}server {{}}\n").parts) == ["crm", "shop-2"]
