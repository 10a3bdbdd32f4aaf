# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files are read as nginx reads them, also broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_tree import (
    defaults_elsewhere,
    directive_elsewhere,
    listen_port,
    names_elsewhere,
    read_tree,
    servers,
)


def tree_of(etc: Path, **files: str) -> str:
    (etc / "conf.d").mkdir()
    (etc / "nginx.conf").write_text("user x;\nhttp {\n  include conf.d/*.conf;\n}\n")
    for name, text in files.items():
        (etc / "conf.d" / f"{name}.conf").write_text(text)
    return str(etc / "nginx.conf")


def test_names_of_other_files_are_found_with_file_and_line(tmp_path: Path) -> None:
    main = tree_of(
        tmp_path,
        ocore="server { listen 80; server_name shop.example.com; }",
        old="""# server_name no.example.com;
            server {
                listen 443 ssl;
                server_name 'Shop.example.com'
                    .crm.example.com  # two names
                    *.wild.example.com "~^x\\d+{2}\\.example\\.com$" _ localhost;
                location / { return 200 "server { server_name text.example.com; }"; }
            }
            server { listen 8080; server_name other-port.example.com; }
            server { server_name default-port.example.com; }""",
    )
    found = servers(read_tree(main)[0])
    file = f"{tmp_path}/conf.d/old.conf"
    assert names_elsewhere(found, {80, 443}, f"{tmp_path}/conf.d/ocore.conf") == {
        "shop.example.com": f"{file}:2",
        "crm.example.com": f"{file}:2",
        "default-port.example.com": f"{file}:10",
    }


def test_names_behind_an_include_inside_a_server_block_are_found(tmp_path: Path) -> None:
    main = tree_of(tmp_path, a=f"server {{ listen 80; include {tmp_path}/names; }}")
    (tmp_path / "names").write_text("server_name shop.example.com;")
    assert list(names_elsewhere(servers(read_tree(main)[0]), {80, 443}, "x")) == ["shop.example.com"]


@pytest.mark.parametrize(
    "text", ["server {", "}", "server { server_name", '"', "include conf.d/*.conf;", "\\", "${", ""]
)
def test_broken_file_is_no_obstacle(text: str, tmp_path: Path) -> None:
    main = tree_of(tmp_path, a="server { listen 80; server_name shop.example.com; }", b=text)
    assert "shop.example.com" in names_elsewhere(servers(read_tree(main)[0]), {80, 443}, "x")


def test_default_servers_of_other_files(tmp_path: Path) -> None:
    main = tree_of(
        tmp_path,
        a="server { listen 80; }",
        b="server { listen [::]:80 default_server; }",
        c="server { listen 8080 default_server; }",
    )
    assert defaults_elsewhere(servers(read_tree(main)[0]), {80, 443}, "x") == [f"{tmp_path}/conf.d/b.conf:1"]
    assert defaults_elsewhere(servers(read_tree(main, without={f"{tmp_path}/conf.d/b.conf"})[0]), {80, 443}, "x") == []


def test_directive_counts_only_in_other_files(tmp_path: Path) -> None:
    main = tree_of(tmp_path, own="big_one 2;", other="# big_one 1;\n")
    own = f"{tmp_path}/conf.d/own.conf"
    assert not directive_elsewhere(read_tree(main)[0], "big_one", own)
    (tmp_path / "conf.d" / "other.conf").write_text("big_one 1;")
    assert directive_elsewhere(read_tree(main)[0], "big_one", own)


def test_sources_are_the_files_and_the_directories_of_the_includes(tmp_path: Path) -> None:
    main = tree_of(tmp_path, a="include missing.d/*;")
    expected = {main, f"{tmp_path}/conf.d/a.conf", f"{tmp_path}/conf.d", f"{tmp_path}/missing.d"}
    assert read_tree(main)[1] == expected


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("80", 80),
        ("127.0.0.1:8080", 8080),
        ("127.0.0.1", 80),
        ("[::]:443", 443),
        ("[::1]", 80),
        ("*:443", 443),
        ("localhost", 80),
        ("unix:/run/x.sock", None),
        ("a:$port", None),
    ],
)
def test_port_of_a_listen_directive(address: str, port: int | None) -> None:
    assert listen_port(address) == port
