# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision_host against the emulator, with a stand-in for the role that would change the host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.helpers.playbooks import HostRun, Playbooks, by_host

pytestmark = pytest.mark.programs

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """\
- name: Show what the role gets
  ansible.builtin.debug:
    msg: "GIVEN {{ odoo_host_instances | map(attribute='slug') | join(',') }}."
- name: Show what the role knows of the server
  ansible.builtin.debug:
    msg: "PROXY {{ odoo_host_server.proxy_type | default('-', true) }}."
- name: Set what the role would report
  ansible.builtin.set_fact:
    odoo_host_report: []
    odoo_host_server_report: "{{ stand_in_report | default({'docker_version': none, 'disks': [], 'drift': []}) }}"
"""
REPORT = {
    "docker_version": "20.10",
    "disks": [{"path": path, "total_bytes": 40 * 2**30, "free_bytes": 2**29} for path in ("/", "/data")],
    "drift": [{"field": "docker_version", "ocore": "24 or newer", "host": "20.10", "message": "Docker 20.10 runs."}],
}
UNKNOWN = "00000000-3d20-5ec5-8a7c-210089b98dcf"


@pytest.fixture(scope="module")
def ocore() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    return copy_playbook(tmp_path)


def copy_playbook(where: Path) -> Path:
    shutil.copytree(ROOT / "playbooks", where / "playbooks")
    path = where / "playbooks" / "provision_host.yml"
    path.write_text(path.read_text().replace("name: ocore.cloud.odoo_host", "name: stand_in"))
    tasks = where / "playbooks" / "roles" / "stand_in" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(STAND_IN)
    shutil.copytree(ROOT / "roles/odoo_host/defaults", tasks.with_name("defaults"))
    return path


def provision(
    ocore: Emulator,
    playbook: Path,
    playbooks: Playbooks,
    *options: str,
    inventory: str = "server,",
    **variables: object,
) -> subprocess.CompletedProcess[str]:
    given = {"ansible_connection": "local", "ansible_become": False, **variables}
    return playbooks.run(
        *("-i", inventory, playbook, "-e", json.dumps(given), *options),
        cwd=playbook.parent,
        OCORE_API_URL=ocore.api_url,
        OCORE_API_TOKEN=ocore.token,
        OCORE_ORGANIZATION="acme",
    )


Cases = tuple[dict[str, HostRun], list[str]]


@pytest.fixture(scope="module")
def cases(ocore: Emulator, playbooks: Playbooks, tmp_path_factory: pytest.TempPathFactory) -> Cases:
    """Provision a host for each case in one run; return what was done on each, and the operations of all requests."""
    where = tmp_path_factory.mktemp("cases")
    ocore.reset()
    full, empty = ocore.server_ids()[:2]
    ocore.seed(1, slug="shop", serverId=full)
    ocore.change_server(empty, proxyType="traefik")
    ocore.clear_log()
    hosts: dict[str, dict[str, object]] = {
        "unknown": {"odoo_host_server_id": f" {UNKNOWN} "},
        "empty": {"odoo_host_server_id": empty},
        "full": {"odoo_host_server_id": full},
        "given": {"odoo_host_instances": [], "ocore_instances": [{"slug": "north"}]},
        "recorded": {"odoo_host_server": {"proxy_type": "caddy"}, "ocore_proxy_type": "nginx", "ocore_instances": []},
        "reported": {"ocore_instances": [], "stand_in_report": REPORT},
    }
    inventory = where / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    result = provision(ocore, copy_playbook(where), playbooks, inventory=str(inventory))
    return by_host(result, list(hosts)), [request["operation"] for request in ocore.log()]


def test_server_that_ocore_does_not_know_is_refused(cases: Cases) -> None:
    run = cases[0]["unknown"]
    assert run.code == 2
    assert f"oCore knows no server {UNKNOWN} (odoo_host_server_id of unknown)" in run.said
    assert "GIVEN" not in run.text


def test_server_without_instances_is_provisioned_when_ocore_knows_it(cases: Cases) -> None:
    run = cases[0]["empty"]
    assert run.code == 0, run.text
    assert "GIVEN ." in run.text


def test_server_with_instances_costs_one_request(cases: Cases) -> None:
    runs, operations = cases
    assert runs["full"].code == 0, runs["full"].text
    assert "GIVEN shop." in runs["full"].text
    # The two servers without instances cost two requests each.
    assert sorted(operations) == ["list", "list", "list", "servers", "servers"]


def test_instances_given_for_a_host_win_over_those_of_the_inventory(cases: Cases) -> None:
    run = cases[0]["given"]
    assert "GIVEN ." in run.text, run.text


def test_server_record_is_the_given_one_or_the_one_that_was_read_anyway(cases: Cases) -> None:
    runs = cases[0]
    known = {"recorded": "caddy", "empty": "traefik", "full": "-", "given": "-"}
    assert {host: re.findall(r"PROXY (\S+)\.", runs[host].text) for host in known} == {
        host: [proxy] for host, proxy in known.items()
    }


def test_server_report_is_shown_in_plain_lines(cases: Cases) -> None:
    shown = cases[0]["reported"].text
    assert '"server:                  Docker 20.10; 0.5 of 40.0 GiB free on /; 0.5 of 40.0 GiB free on /data",' in shown
    assert '"server:                  drift: Docker 20.10 runs.",' in shown
    nothing = cases[0]["given"].text
    assert "0 instances" in nothing
    assert "server: " not in nothing


@pytest.mark.parametrize("answer", ["forbidden", "missing"])
def test_server_is_not_looked_up_where_the_list_cannot_be_read(
    ocore: Emulator, playbook: Path, playbooks: Playbooks, answer: str
) -> None:
    ocore.reset()
    ocore.set(servers=answer)
    result = provision(ocore, playbook, playbooks, odoo_host_server_id=UNKNOWN)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "GIVEN ." in result.stdout
    assert "PROXY -." in result.stdout


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ((), {"server-1": "north,south", "server-2": ""}),
        (("--limit", "server-1"), {"server-1": "north,south"}),
        (("--limit", "server-2"), {"server-2": ""}),
    ],
)
def test_servers_of_an_inventory_bring_their_instances_and_one_list_request_serves_all(
    ocore: Emulator, playbook: Path, playbooks: Playbooks, options: tuple[str, ...], given: dict[str, str]
) -> None:
    ocore.reset()
    for slug in ("north", "south"):
        ocore.seed(1, slug=slug, serverId=ocore.server_ids()[0])
    ocore.clear_log()
    inventory = ROOT / "extensions/awx/project/servers.ocore.yml"
    result = provision(ocore, playbook, playbooks, *options, inventory=str(inventory))
    assert result.returncode == 0, result.stdout
    # Hosts run in parallel: the order of their results is any.
    assert result.stdout.count("GIVEN") == len(given)
    assert dict(re.findall(r'^ok: \[(\S+)\] => \{\s+"msg": "GIVEN (\S*)\."', result.stdout, re.MULTILINE)) == given
    assert re.findall(r"PROXY (\S*)\.", result.stdout) == ["nginx"] * len(given)
    assert [entry["operation"] for entry in ocore.log()] == ["servers", "list"]
