# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many hosts at once: each forked worker works by itself, with connections of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.tools.checkout import environment

pytestmark = pytest.mark.programs

HOSTS = [f"host{number:02}" for number in range(12)]
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Read first, so that a connection that is kept would be inherited
      ocore.cloud.ocore_instance_info:
      run_once: true

    - name: Ensure each host has an instance
      ocore.cloud.ocore_instance: {slug: "{{ inventory_hostname }}", name: "{{ inventory_hostname }}",
                                   server_id: "{{ server_id }}", wait_interval: 0.1}

    - name: Ensure it is stopped
      ocore.cloud.ocore_instance_control: {slug: "{{ inventory_hostname }}", state: stopped, wait_interval: 0.1}
"""


def test_workers_side_by_side_share_no_connection(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    inventory = {"all": {"hosts": {name: {"ansible_connection": "local"} for name in HOSTS}}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    with Emulator(step_by="requests") as ocore:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.json", "play.yml"),
                *("--forks", "6", "-e", json.dumps({"server_id": ocore.server_ids()[0]})),
            ],
            cwd=tmp_path,
            env=environment(OCORE_API_URL=ocore.api_url, OCORE_API_TOKEN=ocore.token),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted((i["slug"], i["status"]) for i in ocore.instances()) == [(name, "stopped") for name in HOSTS]
        log = ocore.log()
    # A task of one host asks for one host's instance only: a connection that is shared would carry those of two.
    writers = [(entry["client"], entry["operation"]) for entry in log if entry["method"] == "POST"]
    assert len(writers) == len(set(writers)) == 2 * len(HOSTS)
    assert len({client for client, _operation in writers}) == 2 * len(HOSTS)
