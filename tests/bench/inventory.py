# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the inventory plugin beside its floor and a peer, in one run: `python tests/bench/inventory.py`.

The floor is an inventory script that prints what `ansible-inventory --list` printed with our plugin: what is left is
ansible-core's own time. Ansible runs by the interpreter that runs this; hetzner.hcloud.hcloud is compared with when that
interpreter finds it (PyPI package ansible). The emulator's requirements are needed too.

Times are those of the whole command, in seconds: by the clock, and of the processor for the command and its children
alone, which says more on a busy machine. Runs of the variants alternate, and the table shows medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
from checkout import collections_dir  # noqa: E402
from emulator_process import Emulator  # noqa: E402

OURS = """\
plugin: ocore.cloud.ocore
keyed_groups:
  - {key: ocore_status, prefix: status}
  - {key: ocore_odoo_version, prefix: odoo, parent_group: odoo}
  - {key: ocore_server_id, prefix: server}
groups:
  up: ocore_status == 'running'
compose:
  url: "'https://' ~ ocore_auto_subdomain"
"""
PEER = """\
plugin: hetzner.hcloud.hcloud
api_token: none
keyed_groups:
  - {key: hcloud_status, prefix: status}
  - {key: hcloud_labels.version, prefix: version, parent_group: version}
  - {key: hcloud_type, prefix: type}
groups:
  up: hcloud_status == 'running'
compose:
  url: "'https://' ~ hcloud_name"
"""


def inventory(source: Path, what: str, output: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Run ansible-inventory; give the seconds by the clock and of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "from ansible.cli.inventory import main; main()", "-i", str(source), what,
         "--output", str(output)],
        env={**os.environ, **environment}, check=True, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    clock = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def hcloud_api(count: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "hcloud_api.py"), str(count)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def measure(count: int, repeat: int, what: str, work: Path) -> list[dict[str, Any]]:
    """Time all variants for an organization of so many instances."""
    base = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()),
        "ANSIBLE_HOME": str(work / "home"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    }
    cache = {
        "ANSIBLE_INVENTORY_CACHE": "true",
        "ANSIBLE_INVENTORY_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(work / f"cache-{count}"),
    }
    ours, peer, script, listed = work / "ocore.yml", work / "hcloud.yml", work / "script", work / f"list-{count}.json"
    ours.write_text(OURS)
    peer.write_text(PEER)
    script.write_text(f"#!/bin/sh\nexec cat '{listed}'\n")
    script.chmod(0o700)
    with Emulator("--seed", str(count)) as ocore, hcloud_api(count) as hcloud:
        base |= {"OCORE_API_URL": ocore.api_url, "OCORE_API_TOKEN": ocore.token, "HCLOUD_ENDPOINT": hcloud}
        variants: dict[str, tuple[Path, dict[str, str]]] = {
            "ours, cold": (ours, base),
            "ours, from cache": (ours, base | cache),
            "script (the floor)": (script, base),
        }
        if importlib.util.find_spec("ansible_collections") and importlib.util.find_spec("ansible_collections.hetzner"):
            variants["hetzner.hcloud"] = (peer, base)
        inventory(ours, "--list", listed, base | cache)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        for _time in range(repeat):
            for name, (source, environment) in variants.items():
                times[name].append(inventory(source, what, work / "output", environment))
    rows = [
        {"instances": count, "what": what, "variant": name, "clock": clock, "processor": processor}
        for name, pairs in times.items()
        for clock, processor in [tuple(statistics.median(column) for column in zip(*pairs, strict=True))]
    ]
    floor = next(row for row in rows if row["variant"].startswith("script"))
    for row in rows:
        row["clock_to_floor"] = row["clock"] / floor["clock"]
        row["processor_to_floor"] = row["processor"] / floor["processor"]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the inventory plugin beside its floor and a peer.")
    parser.add_argument("--instances", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--repeat", type=int, default=3, help="runs of each variant (default: %(default)s)")
    parser.add_argument("--what", nargs="+", default=["list", "graph"], choices=["list", "graph"])
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    rows = []
    print(
        f"{'instances':>9}  {'what':7}  {'variant':20}  {'clock':>7}  {'to floor':>8}  {'processor':>9}  {'to floor':>8}"
    )
    with tempfile.TemporaryDirectory() as work:
        for count in options.instances:
            for what in options.what:
                for row in measure(count, options.repeat, f"--{what}", Path(work)):
                    rows.append(row)
                    print(
                        f"{row['instances']:>9}  {row['what']:7}  {row['variant']:20}  {row['clock']:7.2f}  "
                        f"{row['clock_to_floor']:8.2f}  {row['processor']:9.2f}  {row['processor_to_floor']:8.2f}",
                        flush=True,
                    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
