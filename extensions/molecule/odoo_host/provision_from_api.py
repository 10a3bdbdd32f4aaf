# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision the hosts of this scenario from what the API lists for their servers, and look at them from outside.

Runs on the controller, with an emulator of oCore. Takes the hosts from standard input, as a JSON object of inventory names
and variables; leaves them with the two instances each of INSTANCES. Exits with 1 and a message when something is not as it
should be.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/tools"), str(ROOT / "extensions")]
from emulator.process import Emulator  # noqa: E402

#: Per server: slug, status, ports and names of its instances, as the stand-ins on every host answer for them.
INSTANCES = [
    [
        ("shop", "running", 20000, 20001, ["shop.example.test", "extra.shop.example.test"]),
        ("halted", "stopped", 20030, 20031, ["halted.example.test"]),
    ],
    [
        ("crm", "running", 20010, 20011, ["crm.example.test"]),
        ("solo", "running", 20020, None, ["solo.example.test"]),
    ],
]


def check(holds: bool, what: str) -> None:
    """End with a message unless this holds."""
    if not holds:
        sys.exit(f"This does not hold: {what}")


def seed(ocore: Emulator) -> None:
    """Add the instances to their servers."""
    for server, instances in zip(ocore.server_ids(), INSTANCES, strict=True):
        for slug, status, http_port, live_port, names in instances:
            domains = [{"domain": name, "isPrimary": name == names[0], "dnsStatus": "verified"} for name in names]
            ports = {"httpPortHost": http_port, "longpollingPortHost": live_port, "workers": 2 if live_port else 0}
            ocore.seed(1, serverId=server, slug=slug, status=status, autoSubdomain=None, domains=domains, **ports)
    ocore.clear_log()


def provision(ocore: Emulator, inventory: Path) -> dict[str, Any]:
    """Run the playbook to its end, and return the output of the callback json."""
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CALLBACKS_ENABLED"} | {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "OCORE_API_URL": ocore.api_url,
        "OCORE_API_TOKEN": ocore.token,
        "OCORE_ORGANIZATION": "acme",
    }
    command = ["ansible-playbook", "ocore.cloud.provision_host", "-i", str(inventory)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    check(done.returncode == 0, f"the playbook ends well: {done.stdout}")
    return dict(json.loads(done.stdout))


def changed(result: dict[str, Any]) -> list[str]:
    """Return host and name of every task that changed something."""
    return [
        f"{host}: {task['task']['name']}"
        for play in result["plays"]
        for task in play["tasks"]
        for host, seen in task["hosts"].items()
        if seen.get("changed")
    ]


def served(result: dict[str, Any]) -> dict[str, dict[str, bool]]:
    """Return host → slug → whether the report says that it is served."""
    (shown,) = [
        task["hosts"] for task in result["plays"][-1]["tasks"] if task["task"]["name"] == "Show what the host serves"
    ]
    # One line for each instance, "shop    served at ...", some about the server, and the summary.
    lines = {
        host: [line.split()[:2] for line in seen["msg"][:-1] if not line.startswith("server:")]
        for host, seen in shown.items()
    }
    return {host: {slug: word == "served" for slug, word in found} for host, found in lines.items()}


def ask(container: str, name: str) -> tuple[int, str]:
    """Ask a host for a page over https, as a browser that trusts its CA; give status and text."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    address = _docker("inspect", "--format", form, container).split()[0]
    trusted = ssl.create_default_context(
        cadata=_docker("exec", container, "cat", "/usr/local/share/ca-certificates/pebble-test.crt")
    )
    connection = http.client.HTTPSConnection(name)
    connection.sock = trusted.wrap_socket(socket.create_connection((address, 443), timeout=10), server_hostname=name)
    try:
        connection.request("GET", "/web")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def look(hosts: dict[str, Any]) -> None:
    """Look from outside whether each host serves the instances of its server, and none of the other's."""
    for host, instances in zip(hosts, INSTANCES, strict=True):
        here = {name: (slug, status, port) for slug, status, port, _live, names in instances for name in names}
        for name in (name for server in INSTANCES for *_rest, names in server for name in names):
            try:
                status, text = ask(hosts[host]["ansible_host"], name)
            except ssl.SSLError as error:
                check(name not in here, f"{host} serves {name}: {error}")
                continue
            check(name in here, f"{host} does not serve {name}, an instance of another server: {status} {text}")
            slug, state, port = here[name]
            if state == "stopped":
                check(status == 503, f"{name} answers that it is stopped: {status} {text}")
            elif status != 301:  # a second name leads to the first
                check(
                    status == 200 and (json.loads(text)["name"], json.loads(text)["port"]) == (slug, str(port)),
                    f"{name} on {host} is answered by {slug} on port {port}: {status} {text}",
                )


def main() -> None:
    hosts = json.load(sys.stdin)
    with Emulator("--servers", str(len(INSTANCES))) as ocore, tempfile.TemporaryDirectory() as where:
        seed(ocore)
        check(len(hosts) == len(INSTANCES), f"there are {len(INSTANCES)} hosts: {sorted(hosts)}")
        for host, server in zip(hosts, ocore.server_ids(), strict=True):
            hosts[host]["odoo_host_server_id"] = server
            # The instances of the scenario give way to those of the API.
            hosts[host]["odoo_host_allow_removal"] = True
        inventory = Path(where) / "servers.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")

        first = provision(ocore, inventory)
        expected = {
            host: {slug: status == "running" for slug, status, *_rest in instances}
            for host, instances in zip(hosts, INSTANCES, strict=True)
        }
        check(served(first) == expected, f"the report names the instances of each server: {served(first)}")
        check({line.split(":")[0] for line in changed(first)} == set(hosts), f"both change: {changed(first)}")
        look(hosts)
        check([r["operation"] for r in ocore.log()] == ["list"] * len(hosts), f"one request a host: {ocore.log()}")

        second = provision(ocore, inventory)
        check(changed(second) == [], f"a second run changes nothing: {changed(second)}")
        look(hosts)
    print(f"{len(changed(first))} changes, then none")


if __name__ == "__main__":
    main()
