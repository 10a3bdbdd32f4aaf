# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a converged run of the role odoo_host costs with 1 and with 50 instances, on one host, in one run.

Needs a test host that the scenario odoo_host has prepared and converged (it has an ACME server), and ansible-playbook:

    extensions/molecule/run create; extensions/molecule/run prepare -s odoo_host
    python3 tests/bench/bench_roles.py --inventory extensions/molecule/inventory/hosts.yml --host odoo-host-trixie

Prints a table, and the same as JSON with --json. Ends with 1 when 50 instances take more than 1.3 times as long as one, or when
the number of tasks differs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LIMIT = 1.3
PLAY = """
- hosts: {host}
  become: true
  tasks:
    - ansible.builtin.include_role:
        name: ocore.cloud.odoo_host
"""


def instances(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(number),
            "slug": f"bench-{number}",
            "status": "running",
            "odoo_version": "17.0",
            "workers": 2,
            "http_port_host": 30000 + 2 * number,
            "longpolling_port_host": 30001 + 2 * number,
            "domains": [{"domain": f"bench-{number}.example.test", "is_primary": True}],
        }
        for number in range(count)
    ]


def run(inventory: str, host: str, count: int, directory: Path) -> dict[str, Any]:
    """One run: seconds, number of tasks, number of changes. Raises SystemExit with the output when it fails."""
    play, variables = directory / "play.yml", directory / "vars.json"
    play.write_text(PLAY.format(host=host), encoding="utf-8")
    variables.write_text(
        json.dumps(
            {
                "odoo_host_instances": instances(count),
                "odoo_host_manage_docker": False,
                "odoo_host_allow_removal": True,
                "certbot_check_address": "127.0.0.1",
            }
        ),
        encoding="utf-8",
    )
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_PIPELINING": "1"}
    start = time.monotonic()
    result = subprocess.run(
        ["ansible-playbook", "-i", inventory, "-e", f"@{variables}", str(play)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    seconds = time.monotonic() - start
    if result.returncode != 0:
        sys.exit(f"The run with {count} instances failed:\n{result.stdout[-4000:]}\n{result.stderr[-2000:]}")
    answer = json.loads(result.stdout)
    stats = answer["stats"][host]
    return {"seconds": seconds, "tasks": stats["ok"] + stats["skipped"], "changed": stats["changed"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--repeat", type=int, default=3, help="timed runs for each size; the median counts")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    figures: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        for count in (1, 50):
            run(arguments.inventory, arguments.host, count, Path(name))
            runs = [run(arguments.inventory, arguments.host, count, Path(name)) for _time in range(arguments.repeat)]
            if any(item["changed"] for item in runs):
                sys.exit(f"The host doesn't converge with {count} instances: {runs}")
            figures[count] = {"seconds": statistics.median(item["seconds"] for item in runs), "tasks": runs[0]["tasks"]}
            print(
                f"{count:4d} instances  {figures[count]['seconds']:7.2f} s  {figures[count]['tasks']} tasks", flush=True
            )
    ratio = figures[50]["seconds"] / figures[1]["seconds"]
    same = figures[50]["tasks"] == figures[1]["tasks"]
    print(f"ratio {ratio:.2f} (at most {LIMIT}), {'the same' if same else 'NOT the same'} number of tasks")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"runs": figures, "ratio": ratio, "same_tasks": same}, indent=2) + "\n", encoding="utf-8"
        )
    return 0 if ratio <= LIMIT and same else 1


if __name__ == "__main__":
    sys.exit(main())
