# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ctrl-C with real processes: what hangs is left behind, and nothing more is sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.tools.checkout import environment

pytestmark = pytest.mark.programs

AT_ONCE = 8
"""Requests that a fleet, or the inventory's reading of details, has on the way at once."""
FLEET = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Ensure the fleet exists
      ocore.cloud.ocore_fleet:
        defaults: {server_id: "{{ server_id }}"}
        instances: "{{ instances }}"
"""


def fired(ocore: Emulator) -> int:
    """Return how many requests hang in the emulator."""
    return int(ocore.faults()[0]["fired"])


@pytest.mark.parametrize("program", ["ansible-inventory", "ansible-playbook"])
def test_interrupt_leaves_what_hangs_and_sends_nothing_more(tmp_path: Path, program: str) -> None:
    # Ctrl-C of the inventory was answered after all requests had timed out, and a fleet went on creating.
    (tmp_path / "my.ocore.yml").write_text("plugin: ocore.cloud.ocore\ngather: [health]\n")
    (tmp_path / "play.yml").write_text(FLEET)
    with Emulator() as ocore:
        ocore.seed(30)
        (tmp_path / "vars.json").write_text(
            json.dumps({"server_id": ocore.server_ids()[0], "instances": [{"name": f"new-{n}"} for n in range(30)]})
        )
        operation, arguments = {
            "ansible-inventory": ("health", ["-i", "my.ocore.yml", "--list"]),
            "ansible-playbook": ("create", ["play.yml", "-e", "@vars.json"]),
        }[program]
        ocore.fault("slow", operation, seconds=3600, count=100)
        with subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=tmp_path,
            env=environment(OCORE_API_URL=ocore.api_url, OCORE_API_TOKEN=ocore.token, OCORE_REQUEST_TIMEOUT="600"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # What runs these tests without a terminal may have let its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            while fired(ocore) < AT_ONCE:
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process of the command
            said = process.communicate(timeout=120)[0]
        assert process.returncode != 0
        assert "Traceback" not in said
        assert fired(ocore) == AT_ONCE
