# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords among the settings of instances appear in no output of Ansible, however verbose it is."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from ansible_collections.ocore.cloud.tests.unit.helpers.playbooks import Playbooks, by_host

pytestmark = pytest.mark.programs


def users(password: str) -> list[dict[str, str]]:
    return [{"name": "anna", "password": password}]


#: Settings of an instance by host. Each host has a password of its own, so that one that is shown names its case.
SETTINGS: dict[str, dict[str, Any]] = {
    "good": {"basic_auth_users": users("Geheim-1")},
    "misspelled": {"basic_auth_users": users("Geheim-2"), "misspelled": 1},
    "no-list": {"basic_auth_users": {"anna": "Geheim-3"}},
    "colon": {"basic_auth_users": [*users("Geheim-4"), {"name": "a:b", "password": "Geheim-4"}]},
}
Result = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, playbooks: Playbooks) -> Result:
    """Run the role for all settings in one play; return all that was shown, and what was done on each host."""
    where = tmp_path_factory.mktemp("passwords")
    tasks = [
        {"ansible.builtin.set_fact": {"distribution": "Debian", "distribution_version": "13", "cacheable": True}},
        {"ansible.builtin.include_role": {"name": "ocore.cloud.nginx", "tasks_from": "check.yml"}},
        {
            "ocore.cloud.nginx_users": {
                "files": "{{ nginx_instance_options | ocore.cloud.nginx_user_files }}",
                "directory": f"{where}/{{{{ inventory_hostname }}}}",
            }
        },
        {
            "ansible.builtin.debug": {
                "msg": "{{ nginx_instances | ocore.cloud.nginx_sites(options=nginx_instance_options) }}"
            }
        },
    ]
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "nginx_instances": [{"slug": "shop", "http_port_host": 20000, "domains": [{"domain": "shop.example.com"}]}],
        },
        "tasks": tasks,
    }
    hosts = {host: {"nginx_instance_options": {"shop": settings}} for host, settings in SETTINGS.items()}
    (where / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (where / "play.yml").write_text(yaml.safe_dump([play]))
    ended = playbooks.run("-i", "hosts.yml", "-vvvvv", "--diff", "play.yml", cwd=where)
    return ended.stdout + ended.stderr, by_host(ended, list(hosts))


@pytest.mark.parametrize(
    ("host", "code", "password"),
    [
        ("good", 0, "Geheim-1"),
        ("misspelled", 2, "Geheim-2"),
        ("no-list", 2, "Geheim-3"),
        ("colon", 0, "Geheim-4"),
    ],
)
def test_passwords_of_settings_are_never_shown(result: Result, host: str, code: int, password: str) -> None:
    shown, runs = result
    assert password in str(SETTINGS[host])
    assert runs[host].code == code, runs[host].text
    assert "basic_auth_users" in runs[host].text
    assert password not in shown
