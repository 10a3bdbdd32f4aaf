# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role odoo_host: Ansible runs its real tasks around stand-ins for the other roles, and for the engine."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ocore.cloud.tests.unit.helpers.playbooks import Playbooks

pytestmark = pytest.mark.programs

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """\
- name: Record that the role was run
  ansible.builtin.debug:
    msg: "STAGE %s lock=%s"
- name: Set what the role would report
  ansible.builtin.set_fact:
    certbot_report: []
    certbot_changed: true
"""
REPORT = "{{ odoo_host_server_report | to_json }}"
DOCKER = """\
#!/bin/sh
echo "$@" >>%s
%s
"""


def write_roles(where: Path, docker: str = "exit 1") -> None:
    """Copy the role odoo_host, and put a stand-in beside it for each role that it includes, and for docker."""
    (where / "bin").mkdir()
    (where / "bin/docker").write_text(DOCKER % (where / "asked", docker))
    (where / "bin/docker").chmod(0o755)
    text = (ROOT / "roles/odoo_host/tasks/main.yml").read_text()
    for part, content in (
        ("tasks", re.sub(r"name: ocore\.cloud\.(docker|nginx|certbot)$", r"name: \1", text, flags=re.MULTILINE)),
        ("defaults", (ROOT / "roles/odoo_host/defaults/main.yml").read_text()),
    ):
        (where / f"roles/odoo_host/{part}").mkdir(parents=True)
        (where / f"roles/odoo_host/{part}/main.yml").write_text(content)
    for role, files in (
        ("docker", ["main"]),
        ("nginx", ["check", "main", "sites"]),
        ("certbot", ["main", "take_over"]),
    ):
        (where / f"roles/{role}/tasks").mkdir(parents=True)
        for name in files:
            tasks = STAND_IN % (f"{role}/{name}", "{{ " + role + "_package_lock_timeout | default('none') }}")
            (where / f"roles/{role}/tasks/{name}.yml").write_text(tasks)


def run_role(
    playbooks: Playbooks, where: Path, *options: str, **variables: Any
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the role on this machine with these variables; return the result, and what it reports about the server."""
    role = {"name": "odoo_host"}
    task = {"name": "Run the role", "ansible.builtin.include_role": role, "tags": ["always"], "vars": variables}
    kept = {"name": "Keep the report", "ansible.builtin.copy": {"content": REPORT, "dest": f"{where}/report.json"}}
    kept |= {"check_mode": False, "tags": ["always"]}
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, kept]}]
    (where / "play.yml").write_text(yaml.safe_dump(play))
    path = f"{where}/bin:{os.environ['PATH']}"
    result = playbooks.run("-i", "localhost,", "play.yml", *options, cwd=where, PATH=path)
    assert result.returncode == 0, result.stdout + result.stderr
    return result, json.loads((where / "report.json").read_text())


@pytest.mark.parametrize(
    ("tags", "stages"),
    [
        ([], ["nginx/check", "docker/main", "certbot/take_over", "nginx/main", "certbot/main", "nginx/sites"]),
        (["docker"], ["nginx/check", "docker/main"]),
        (["nginx"], ["nginx/check", "certbot/take_over", "nginx/main"]),
        (["certificates"], ["nginx/check", "certbot/take_over", "certbot/main", "nginx/sites"]),
    ],
)
def test_stages_of_odoo_host_are_chosen_by_tags(
    tags: list[str], stages: list[str], tmp_path: Path, playbooks: Playbooks
) -> None:
    write_roles(tmp_path)
    options = ["--tags", ",".join(tags)] if tags else []
    variables = {"odoo_host_instances": [{"slug": "shop"}], "odoo_host_package_lock_timeout": 7}
    result, _report = run_role(playbooks, tmp_path, *options, **variables)
    found = re.findall(r"STAGE (\S+) lock=(\S+?)\"", result.stdout)
    assert [stage for stage, _lock in found] == stages
    assert {lock for stage, lock in found if stage.endswith("main")} == {"7"}
    assert "Report what is served" in result.stdout


def test_stages_of_the_playbook_all_begin_with_the_reading_of_instances() -> None:
    """A task without the tag would be skipped by ``--tags``, and the role would run without instances."""
    for play in yaml.safe_load((ROOT / "playbooks/provision_host.yml").read_text()):
        for task in play["tasks"]:
            assert "always" in [*play.get("tags", []), *task.get("tags", [])], task["name"]


@pytest.fixture
def open_port() -> Iterator[int]:
    """Give a port that is open at all addresses."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("options", [("--check",), ("--tags", "nginx")], ids=" ".join)
def test_server_report_is_read_in_every_run_and_in_check_mode(
    options: tuple[str, ...], open_port: int, tmp_path: Path, playbooks: Playbooks
) -> None:
    write_roles(tmp_path, f"echo 20.10.24; echo {tmp_path}")
    _result, report = run_role(
        playbooks,
        tmp_path,
        *options,
        odoo_host_on_error="report",
        ocore_proxy_type="traefik",
        odoo_host_min_free_disk="100000000",
        odoo_host_instances=[{"slug": "shop", "status": "running", "http_port_host": open_port}],
    )
    assert (tmp_path / "asked").read_text() == "info --format {{println .ServerVersion}}{{.DockerRootDir}}\n"
    assert report["docker_version"] == "20.10.24"
    assert report["disks"][0]["path"] == "/"
    assert report["disks"][0]["total_bytes"] == os.statvfs("/").f_blocks * os.statvfs("/").f_frsize
    assert {disk["path"] for disk in report["disks"]} <= {"/", str(tmp_path)}
    found = [(entry["field"], entry["host"]) for entry in report["drift"]]
    assert found[:3] == [("proxy_type", "nginx"), ("docker_version", "20.10.24"), ("ports", [open_port])]
    assert {field for field, _host in found[3:]} == {"free_disk"}


@pytest.mark.parametrize(
    ("docker", "variables"),
    [
        ("echo 20.10.24; echo /", {"odoo_host_manage_docker": "no"}),
        ("echo; echo Cannot connect to the Docker daemon >&2; exit 1", {"docker_loopback_guard": "no"}),
    ],
    ids=["not-managed", "not-running"],
)
def test_server_report_is_silent_about_what_is_not_known_or_not_guarded(
    docker: str, variables: dict[str, str], open_port: int, tmp_path: Path, playbooks: Playbooks
) -> None:
    write_roles(tmp_path, docker)
    instance = {"slug": "shop", "status": "running", "http_port_host": open_port}
    given = {"odoo_host_instances": [instance], "odoo_host_min_free_disk": 0, "odoo_host_on_error": "report"}
    _result, report = run_role(playbooks, tmp_path, **given, **variables)
    assert (tmp_path / "asked").exists() is ("odoo_host_manage_docker" not in variables)
    assert report["docker_version"] is None
    assert [disk["path"] for disk in report["disks"]] == ["/"]
    assert report["drift"] == []
