# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision_host against the emulator, with a stand-in for the role that would change the host."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from checkout import collections_dir

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """\
- name: Show what the role gets
  ansible.builtin.debug:
    msg: "GIVEN {{ odoo_host_instances | map(attribute='slug') | join(',') }}."
- name: Set what the role would report
  ansible.builtin.set_fact:
    odoo_host_report: []
"""
UNKNOWN = "00000000-3d20-5ec5-8a7c-210089b98dcf"


@pytest.fixture(scope="module")
def ocore() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "playbooks", tmp_path / "playbooks")
    path = tmp_path / "playbooks" / "provision_host.yml"
    path.write_text(path.read_text().replace("name: ocore.cloud.odoo_host", "name: stand_in"))
    tasks = tmp_path / "playbooks" / "roles" / "stand_in" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(STAND_IN)
    return path


def provision(
    ocore: Emulator, playbook: Path, *options: str, inventory: str = "server,", **variables: object
) -> subprocess.CompletedProcess[str]:
    given = {"ansible_connection": "local", "ansible_become": False, **variables}
    return subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            inventory,
            playbook,
            "-e",
            json.dumps(given),
            *options,
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()),
            "ANSIBLE_NOCOLOR": "1",
            "OCORE_API_URL": ocore.api_url,
            "OCORE_API_TOKEN": ocore.token,
            "OCORE_ORGANIZATION": "acme",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_server_that_ocore_does_not_know_is_refused(ocore: Emulator, playbook: Path) -> None:
    ocore.reset()
    result = provision(ocore, playbook, odoo_host_server_id=f" {UNKNOWN} ")
    assert result.returncode == 2
    assert f"oCore knows no server {UNKNOWN} (odoo_host_server_id of server)" in " ".join(result.stdout.split())
    assert "GIVEN" not in result.stdout


def test_server_without_instances_is_provisioned_when_ocore_knows_it(ocore: Emulator, playbook: Path) -> None:
    ocore.reset()
    result = provision(ocore, playbook, odoo_host_server_id=ocore.server_ids()[0])
    assert result.returncode == 0, result.stdout + result.stderr
    assert "GIVEN ." in result.stdout


def test_server_with_instances_costs_one_request(ocore: Emulator, playbook: Path) -> None:
    ocore.reset()
    server = ocore.server_ids()[0]
    ocore.seed(1, slug="shop", serverId=server)
    ocore.clear_log()
    result = provision(ocore, playbook, odoo_host_server_id=server)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "GIVEN shop." in result.stdout
    assert [request["operation"] for request in ocore.log()] == ["list"]


@pytest.mark.parametrize("answer", ["forbidden", "missing"])
def test_server_is_not_looked_up_where_the_list_cannot_be_read(ocore: Emulator, playbook: Path, answer: str) -> None:
    ocore.reset()
    ocore.set(servers=answer)
    result = provision(ocore, playbook, odoo_host_server_id=UNKNOWN)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "GIVEN ." in result.stdout


@pytest.mark.parametrize(
    ("options", "given"),
    [((), ["north,south", ""]), (("--limit", "server-1"), ["north,south"]), (("--limit", "server-2"), [""])],
)
def test_servers_of_an_inventory_bring_their_instances_and_one_list_request_serves_all(
    ocore: Emulator, playbook: Path, options: tuple[str, ...], given: list[str]
) -> None:
    ocore.reset()
    for slug in ("north", "south"):
        ocore.seed(1, slug=slug, serverId=ocore.server_ids()[0])
    ocore.clear_log()
    inventory = ROOT / "extensions/awx/project/servers.ocore.yml"
    result = provision(ocore, playbook, *options, inventory=str(inventory))
    assert result.returncode == 0, result.stdout
    assert re.findall(r"GIVEN (\S*)\.", result.stdout) == given
    assert [entry["operation"] for entry in ocore.log()] == ["servers", "list"]


def test_instances_given_for_a_host_win_over_those_of_the_inventory(ocore: Emulator, playbook: Path) -> None:
    result = provision(ocore, playbook, odoo_host_instances=[], ocore_instances=[{"slug": "north"}])
    assert "GIVEN ." in result.stdout, result.stdout
