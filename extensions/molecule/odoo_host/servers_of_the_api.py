# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reach the hosts of this scenario through an inventory of servers: what oCore knows of a server is enough to log in to it.

Runs on the controller, with an emulator of oCore. Takes the hosts from standard input, as a JSON object of inventory names
and variables. Exits with 1 and a message when something is not as it should be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/tools"), str(ROOT / "extensions")]
from emulator.process import Emulator  # noqa: E402

INVENTORY = """\
plugin: ocore.cloud.ocore
hosts: servers
compose:
  # Containers in place of machines: they are known by their names, and need no SSH.
  ansible_connection: "'community.docker.docker'"
"""


def main() -> None:
    hosts = json.load(sys.stdin)
    with Emulator("--servers", str(len(hosts))) as ocore, tempfile.TemporaryDirectory() as where:
        for server, (name, variables) in zip(ocore.server_ids(), hosts.items(), strict=True):
            ocore.change_server(server, name=name, host=variables["ansible_host"], sshUser=variables["ansible_user"])
        ocore.seed(3, serverId=ocore.server_ids()[0])
        ocore.clear_log()
        inventory = Path(where) / "servers.ocore.yml"
        inventory.write_text(INVENTORY, encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CALLBACKS_ENABLED"}
        environment = inherited | {
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "OCORE_API_URL": ocore.api_url,
            "OCORE_API_TOKEN": ocore.token,
            "OCORE_ORGANIZATION": "acme",
        }
        command = ["ansible", "-i", str(inventory), "all", "-m", "ansible.builtin.ping"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"Not every server answers: {done.stdout}")
        answers = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]
        if {host: answer.get("ping") for host, answer in answers.items()} != dict.fromkeys(hosts, "pong"):
            sys.exit(f"Not all of {sorted(hosts)} are pinged: {done.stdout}")
        requests = [entry["operation"] for entry in ocore.log()]
        if requests != ["servers", "list"]:
            sys.exit(f"The inventory takes two requests: {requests}")
    print(f"{len(hosts)} servers answer")


if __name__ == "__main__":
    main()
