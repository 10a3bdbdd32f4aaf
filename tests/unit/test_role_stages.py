# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of the role odoo_host, chosen by tags: Ansible runs its real tasks around stand-ins for the other roles."""

from __future__ import annotations

import re
from pathlib import Path

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


def write_roles(where: Path) -> None:
    """Copy the role odoo_host, and put a stand-in beside it for each role that it includes."""
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
    role = {"name": "odoo_host"}
    task = {"name": "Run the role", "ansible.builtin.include_role": role, "tags": ["always"]}
    task["vars"] = {"odoo_host_instances": [{"slug": "shop"}], "odoo_host_package_lock_timeout": 7}
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    result = playbooks.run("-i", "localhost,", "play.yml", *(["--tags", ",".join(tags)] if tags else []), cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    found = re.findall(r"STAGE (\S+) lock=(\S+?)\"", result.stdout)
    assert [stage for stage, _lock in found] == stages
    assert {lock for stage, lock in found if stage.endswith("main")} == {"7"}
    assert "Report what is served" in result.stdout


def test_stages_of_the_playbook_all_begin_with_the_reading_of_instances() -> None:
    """A task without the tag would be skipped by ``--tags``, and the role would run without instances."""
    for play in yaml.safe_load((ROOT / "playbooks/provision_host.yml").read_text()):
        for task in play["tasks"]:
            assert "always" in [*play.get("tags", []), *task.get("tags", [])], task["name"]
