# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks and fleets cost, side by side with others in one run.

python tests/bench/tasks.py                 everything: some minutes
python tests/bench/tasks.py --quick         smaller numbers, one run each: does it work?
python tests/bench/tasks.py --json out.json the figures as JSON as well

It needs what tests/bench/requirements.txt names, in the environment of the Python that runs it. All servers are on loopback.
Every figure is the median of several runs of ansible-playbook; the runs of one comparison take turns, so that a busy machine
slows all of them. "Above empty" is the time of the playbook less that of one that does nothing with the same input.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from emulator_process import Emulator  # noqa: E402

LOOP = 20
HOSTS = 40


@dataclass
class Figure:
    """One measured value; ``limit`` is the most that it is meant to be, ``note`` what it was made from."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        return "ok" if self.value <= self.limit else "MISSED"


@dataclass
class Run:
    """One run of ansible-playbook with its workers: time on the wall and of the processor, memory of the largest process."""

    seconds: float
    cpu: float
    peak_mib: float


class Bench:
    """Runs playbooks in a directory of its own, with this collection and this Python's ansible-playbook."""

    def __init__(self, directory: Path, repeat: int) -> None:
        self._directory = directory
        self._repeat = repeat
        self._environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("ANSIBLE_", "OCORE_", "HCLOUD_"))
            },
            "ANSIBLE_COLLECTIONS_PATH": str(_collections(directory)),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        }
        (directory / "ansible.cfg").write_text("")
        hosts = {f"host{n:02}": {"ansible_connection": "local"} for n in range(HOSTS)}
        variables = {"ansible_python_interpreter": sys.executable}
        (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))

    def play(
        self,
        task: dict[str, Any] | None,
        *,
        hosts: str = "localhost",
        variables: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Run:
        """Run a playbook of one task, or of none. RuntimeError carries what it said when it failed."""
        book = [{"hosts": hosts, "gather_facts": False, "tasks": [task] if task else []}]
        playbook, given = self._directory / "play.json", self._directory / "given.json"
        playbook.write_text(json.dumps(book))
        given.write_text(json.dumps(variables or {}))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-e", f"@{given}"]
        if hosts != "localhost":
            command += ["-i", str(self._directory / "hosts.json")]
        with tempfile.TemporaryFile() as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                command, env={**self._environment, **(environment or {})}, stdout=output, stderr=subprocess.STDOUT
            )
            _pid, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise RuntimeError(output.read().decode()[-3000:])
        scale = 1024 * 1024 if sys.platform == "darwin" else 1024
        return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale)

    def compare(self, runs: dict[str, Callable[[], Run]]) -> dict[str, Run]:
        """Run each of them several times, by turns; give the medians."""
        seen: dict[str, list[Run]] = {name: [] for name in runs}
        for _round in range(self._repeat):
            for name, run in runs.items():
                seen[name].append(run())
        return {
            name: Run(*(statistics.median(values) for values in zip(*(astuple(run) for run in done), strict=True)))
            for name, done in seen.items()
        }


def _collections(directory: Path) -> Path:
    """Give a directory in which this checkout is found as a collection."""
    link = directory / "collections/ansible_collections/ocore/cloud"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT, target_is_directory=True)
    return directory / "collections"


@contextmanager
def hcloud_stand_in() -> Iterator[str]:
    """Serve as much of Hetzner's API as a no-op of hetzner.hcloud.server asks for; give its address."""
    created = "2026-01-01T00:00:00+00:00"
    location = {"id": 1, "name": "fsn1", "country": "DE", "city": "Falkenstein", "network_zone": "eu-central"}
    server = {
        "id": 42,
        "name": "shop",
        "status": "running",
        "created": created,
        "public_net": {
            "ipv4": {"id": 1, "ip": "192.0.2.10", "blocked": False, "dns_ptr": "shop.example"},
            "ipv6": {"id": 2, "ip": "2001:db8::/64", "blocked": False, "dns_ptr": []},
            "floating_ips": [],
            "firewalls": [],
        },
        "private_net": [],
        "server_type": {
            "id": 1,
            "name": "cx22",
            "cores": 2,
            "memory": 4.0,
            "disk": 40,
            "architecture": "x86",
            "prices": [],
        },
        "datacenter": None,
        "location": location,
        "image": {"id": 1, "name": "debian-12", "type": "system", "status": "available", "architecture": "x86"},
        "iso": None,
        "rescue_enabled": False,
        "locked": False,
        "backup_window": None,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": 0,
        "protection": {"delete": False, "rebuild": False},
        "labels": {},
        "volumes": [],
        "load_balancers": [],
        "primary_disk_size": 40,
        "placement_group": None,
    }
    page = {"page": 1, "per_page": 25, "previous_page": None, "next_page": None, "last_page": 1, "total_entries": 1}
    body = json.dumps({"servers": [server], "meta": {"pagination": page}}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/v1"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def reach(emulator: Emulator) -> dict[str, str]:
    return {"OCORE_API_URL": emulator.api_url, "OCORE_API_TOKEN": emulator.token}


def noops(bench: Bench) -> list[Figure]:
    """Measure a task that has nothing to do: in a loop on one host, and on many hosts."""
    with Emulator("--seed", "5") as emulator, hcloud_stand_in() as hcloud:
        one = emulator.instances("acme")[0]
        ours = {"ocore.cloud.ocore_instance": {"slug": one["slug"], "name": one["name"]}}
        tasks: dict[str, dict[str, Any]] = {
            "debug": {"ansible.builtin.debug": {"msg": "nothing"}},
            "ours in the worker": ours,
            "ours as a module": {**ours, "vars": {"ocore_in_process": False}},
            "uri": {
                "ansible.builtin.uri": {
                    "url": f"{emulator.api_url}/instances/{one['id']}",
                    "headers": {"Authorization": f"Bearer {emulator.token}"},
                }
            },
            "hcloud.server": {
                "hetzner.hcloud.server": {
                    "name": "shop",
                    "api_token": "t" * 64,
                    "api_endpoint": hcloud,
                    "state": "created",
                }
            },
        }
        figures = []
        local = {"ansible_python_interpreter": sys.executable}
        for title, count, hosts, extra in (
            (f"loop of {LOOP}", LOOP, "localhost", {"loop": list(range(LOOP))}),
            (f"{HOSTS} hosts", HOSTS, "all", {}),
        ):
            runs: dict[str, Callable[[], Run]] = {
                "empty": lambda hosts=hosts: bench.play(None, hosts=hosts, environment=reach(emulator))  # type: ignore[misc]
            }
            for name, task in tasks.items():
                runs[name] = lambda task={**task, **extra}, hosts=hosts: bench.play(  # type: ignore[misc]
                    task, hosts=hosts, variables=local, environment=reach(emulator)
                )
            done = bench.compare(runs)
            took = {name: run.seconds for name, run in done.items()}
            each = {name: (took[name] - took["empty"]) / count for name in tasks}
            figures += [
                Figure(f"no-op, {name}, {title}", took[name], "s", None, f"CPU {done[name].cpu:.2f} s") for name in runs
            ]
            figures += [
                Figure(f"no-op, {name}, {title}, each", 1000 * each[name], "ms", None, "above empty") for name in tasks
            ]
            ratios = [
                ("in the worker / hcloud.server", each["ours in the worker"] / each["hcloud.server"], 0.06),
                ("as a module / uri", each["ours as a module"] / each["uri"], 1.3),
            ]
            whole = took["ours in the worker"] / took["debug"]
            ratios.append(("in the worker / debug, whole playbook", whole, 1.5 if hosts == "all" else None))
            cpu = done["ours in the worker"].cpu / done["debug"].cpu
            ratios.append(("in the worker / debug, whole playbook, CPU", cpu, None))
            figures += [Figure(f"no-op {what}, {title}", value, "", limit) for what, value, limit in ratios]
    return figures


def fleet_of(count: int, server: str) -> list[dict[str, Any]]:
    return [
        {"name": f"Bench {n}", "slug": f"bench-{n}", "server_id": server, "odoo_edition": "community"}
        for n in range(count)
    ]


def seed(emulator: Emulator, count: int) -> list[dict[str, Any]]:
    """Make a fleet that is there already, and give its declaration."""
    emulator.reset()
    server = emulator.server_ids()[0]
    emulator.seed(count, serverId=server)
    return [
        {"name": i["name"], "slug": i["slug"], "server_id": i["serverId"], "odoo_version": i["odooVersion"]}
        for i in emulator.instances("acme")
    ]


def fleets(bench: Bench, sizes: list[int], creations: int) -> list[Figure]:
    """Measure fleets that are as declared, and one that is created."""
    figures = []
    above: dict[int, float] = {}
    with Emulator() as emulator:
        task = {"ocore.cloud.ocore_fleet": {"instances": "{{ fleet }}"}}
        for size in sizes:
            variables = {"fleet": seed(emulator, size)}
            took = bench.compare(
                {
                    "empty": lambda v=variables: bench.play(None, variables=v, environment=reach(emulator)),  # type: ignore[misc]
                    "fleet": lambda v=variables: bench.play(task, variables=v, environment=reach(emulator)),  # type: ignore[misc]
                }
            )
            emulator.clear_log()
            bench.play(task, variables=variables, environment=reach(emulator))
            above[size] = took["fleet"].seconds - took["empty"].seconds
            figures += [
                Figure(
                    f"fleet no-op of {size:,}, above empty",
                    above[size],
                    "s",
                    1.5 if size == 1000 else None,
                    f"CPU {took['fleet'].cpu - took['empty'].cpu:.2f} s",
                ),
                Figure(f"fleet no-op of {size:,}, requests", len(emulator.log()), "", 1),
                Figure(f"fleet no-op of {size:,}, peak memory", took["fleet"].peak_mib, "MiB"),
            ]
        if 1000 in above and 10000 in above:
            figures.append(Figure("fleet no-op, 10,000 / 1,000", above[10000] / above[1000], "", 12))
        emulator.reset()
        created = bench.play(
            task,
            variables={"fleet": fleet_of(creations, emulator.server_ids()[0])},
            environment=reach(emulator),
        )
        log = [entry["operation"] for entry in emulator.log()]
        figures += [
            Figure(f"{creations} creations", created.seconds, "s", None, "whole playbook; oCore takes 2 s for each"),
            Figure(f"{creations} creations, POST", log.count("create"), "", creations),
            Figure(f"{creations} creations, lists", log.count("list"), "", None, "one, then one per look"),
            Figure(f"{creations} creations, other requests", len(log) - log.count("create") - log.count("list"), "", 0),
        ]
    return figures


def growth(bench: Bench, sizes: list[int]) -> list[Figure]:
    """Measure one task by slug and by id while the organization grows."""
    figures = []
    each: dict[tuple[str, int], float] = {}
    with Emulator() as emulator:
        for size in sizes:
            one = seed(emulator, size)[size // 2]
            known = {"slug": one["slug"], "id": emulator.instance(one["slug"])["id"]}
            runs: dict[str, Callable[[], Run]] = {"empty": lambda: bench.play(None, environment=reach(emulator))}
            for key, value in known.items():
                task = {"ocore.cloud.ocore_instance": {key: value, "name": one["name"]}, "loop": list(range(LOOP))}
                runs[key] = lambda task=task: bench.play(task, environment=reach(emulator))  # type: ignore[misc]
            took = {name: run.seconds for name, run in bench.compare(runs).items()}
            for key in known:
                each[key, size] = (took[key] - took["empty"]) / LOOP
                figures.append(Figure(f"one task by {key}, organization of {size:,}", 1000 * each[key, size], "ms"))
    for key, limit in (("id", 1.1), ("slug", None)):
        ratio = each[key, sizes[-1]] / each[key, sizes[0]]
        figures.append(Figure(f"one task by {key}, {sizes[-1]:,} / {sizes[0]:,}", ratio, "", limit))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller numbers and one run each")
    parser.add_argument("--repeat", type=int, default=5, help="runs of which the median is taken (%(default)s)")
    parser.add_argument("--only", choices=["noops", "fleets", "growth"], help="one part of it")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    given = parser.parse_args()
    sizes = [10, 100, 1000] if given.quick else [10, 100, 1000, 10_000]
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory), 1 if given.quick else given.repeat)
        parts: dict[str, Callable[[], list[Figure]]] = {
            "noops": lambda: noops(bench),
            "fleets": lambda: fleets(bench, sizes, 10 if given.quick else 100),
            "growth": lambda: growth(bench, [sizes[0], sizes[-1]]),
        }
        figures: list[Figure] = []
        for name, part in parts.items():
            if given.only in (None, name):
                for figure in part():
                    figures.append(figure)
                    limit = "" if figure.limit is None else f"at most {figure.limit:g}: {figure.verdict}"
                    print(f"{figure.what:62} {figure.value:9.2f} {figure.unit:4} {limit:20} {figure.note}", flush=True)
    if given.json:
        facts = {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
        given.json.write_text(json.dumps({**facts, "figures": [asdict(figure) for figure in figures]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
