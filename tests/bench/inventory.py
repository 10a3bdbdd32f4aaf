# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What inventories cost, beside a peer and beside their floor.

The floor is an inventory script that prints what ``ansible-inventory --list`` printed with our plugin: what it takes is
ansible-core's own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hcloud_api import hcloud_api
from measure import Bench, Emulator, Figure, Run, ratio, reach, taken

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


def inventories(bench: Bench, sizes: list[int]) -> Iterator[Figure]:
    """Measure --list and --graph: ours cold and from cache, the peer with the same groups, and the floor."""
    work = bench.directory
    (work / "ocore.yml").write_text(OURS)
    (work / "hcloud.yml").write_text(PEER)
    read = partial(_read, bench)
    for size in sizes:
        listed, script = _script(bench, f"{size}")
        with Emulator("--seed", str(size)) as emulator, hcloud_api(size) as hcloud:
            base = {
                **reach(emulator),
                "HCLOUD_ENDPOINT": hcloud,
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            }
            cache = {
                **base,
                "ANSIBLE_INVENTORY_CACHE": "true",
                "ANSIBLE_INVENTORY_CACHE_PLUGIN": "ansible.builtin.jsonfile",
                "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(work / f"cache-{size}"),
            }
            read("ocore.yml", "list", cache, listed.name)
            for what in ("list", "graph"):
                runs: dict[str, Callable[[], Run]] = {
                    "script": partial(read, script.name, what, base),
                    "ours, cold": partial(read, "ocore.yml", what, base),
                    "ours, from cache": partial(read, "ocore.yml", what, cache),
                    "hcloud": partial(read, "hcloud.yml", what, base),
                }
                took = bench.compare(runs)
                title = f"inventory of {size:,}, --{what}"
                for name, run in took.items():
                    yield taken(f"{title}: {name}", run)
                goals = size == 10_000 and what == "list"
                cold = took["ours, cold"]
                yield ratio(f"{title}: cold / script", cold, took["script"], 1.25 if goals else None)
                yield ratio(f"{title}: cold / hcloud", cold, took["hcloud"], 0.35 if goals else None)
                yield ratio(f"{title}: cache / cold", took["ours, from cache"], cold, 1.0 if goals else None)


def memory(bench: Bench, size: int, limit: float | None) -> Iterator[Figure]:
    """Measure what --list of so many instances needs, once: memory hardly varies between runs."""
    (bench.directory / "ocore.yml").write_text(OURS)
    with Emulator("--seed", str(size)) as emulator:
        run = _read(bench, "ocore.yml", "list", reach(emulator))
    title = f"inventory of {size:,}, --list"
    yield taken(title, run, "one run")
    yield Figure(f"{title}, peak memory", run.memory, "MiB", limit=limit, note="of the largest process")


def servers(bench: Bench, size: int, instances: int) -> Iterator[Figure]:
    """Measure --list of servers with their instances: beside the floor, and beside the instances alone."""
    files = {
        "instances alone": "ocore.yml",
        "servers": "servers.ocore.yml",
        "instances with the connection of their server": "connected.ocore.yml",
    }
    (bench.directory / files["instances alone"]).write_text("plugin: ocore.cloud.ocore\n")
    (bench.directory / files["servers"]).write_text("plugin: ocore.cloud.ocore\nhosts: servers\n")
    connected = bench.directory / files["instances with the connection of their server"]
    connected.write_text("plugin: ocore.cloud.ocore\nconnect_with: server\n")
    listed, script = _script(bench, "servers")
    with Emulator("--servers", str(size), "--seed", str(instances)) as emulator:
        base = {**reach(emulator), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
        _read(bench, files["servers"], "list", base, listed.name)
        runs: dict[str, Callable[[], Run]] = {
            name: partial(_read, bench, file, "list", base) for name, file in {**files, "script": script.name}.items()
        }
        took = bench.compare(runs)
    title = f"inventory of {size:,} servers with {instances:,} instances, --list"
    for name, run in took.items():
        yield taken(f"{title}: {name}", run)
    goals = instances >= 10_000
    yield ratio(f"{title}: servers / script", took["servers"], took["script"], 1.0 if goals else None)
    for name in list(files)[1:]:
        yield ratio(f"{title}: {name} / instances alone", took[name], took["instances alone"], 1.1 if goals else None)


def _read(bench: Bench, source: str, what: str, environment: dict[str, str], output: str = "output") -> Run:
    command = ["ansible-inventory", "-i", str(bench.directory / source), f"--{what}"]
    return bench.run([*command, "--output", str(bench.directory / output)], environment)


def _script(bench: Bench, name: str) -> tuple[Path, Path]:
    """Return a file for what an inventory lists, and the inventory script that prints it."""
    listed, script = bench.directory / f"list-{name}.json", bench.directory / f"script-{name}"
    script.write_text(f"#!/bin/sh\nexec cat '{listed}'\n")
    script.chmod(0o700)
    return listed, script
