# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords among the settings of instances appear in no output of Ansible, however verbose it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import collections_dir

PASSWORD = "Geheim-1"
USERS = [{"name": "anna", "password": PASSWORD}]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"basic_auth_users": USERS}, 0),
        ({"basic_auth_users": USERS, "misspelled": 1}, 2),
        ({"basic_auth_users": {"anna": PASSWORD}}, 2),
        ({"basic_auth_users": [*USERS, {"name": "a:b", "password": PASSWORD}]}, 0),
    ],
)
def test_passwords_of_settings_are_never_shown(settings: dict[str, Any], code: int, tmp_path: Path) -> None:
    tasks = [
        {"ansible.builtin.set_fact": {"distribution": "Debian", "distribution_version": "13", "cacheable": True}},
        {"ansible.builtin.include_role": {"name": "ocore.cloud.nginx", "tasks_from": "check.yml"}},
        {
            "ocore.cloud.nginx_users": {
                "files": "{{ nginx_instance_options | ocore.cloud.nginx_user_files }}",
                "directory": str(tmp_path / "users"),
            }
        },
        {
            "ansible.builtin.debug": {
                "msg": "{{ nginx_instances | ocore.cloud.nginx_sites(options=nginx_instance_options) }}"
            }
        },
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "nginx_instances": [{"slug": "shop", "http_port_host": 20000, "domains": [{"domain": "shop.example.com"}]}],
            "nginx_instance_options": {"shop": settings},
        },
        "tasks": tasks,
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        "localhost,",
        "-vvvvv",
        "--diff",
        "play.yml",
    ]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == code, result.stdout + result.stderr
    assert "basic_auth_users" in result.stdout
    assert PASSWORD not in result.stdout + result.stderr
