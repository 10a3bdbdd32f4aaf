# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign against the role odoo_host on one real host: what was served stays served, and the next run converges.

    make soak-hosts                          everything
    make soak-hosts ARGS="--only kill"       some parts: bare, kill, faults, time
    make soak-hosts ARGS="--every 5"         kill the run at each fifth task only

bare    on a bare host, the run is killed while packages are installed
kill    the run is killed at each of its tasks in turn, and run again
faults  a full disk, an ACME server that is down, a clock that is ahead, a lock of the package manager that is held
time    a run that changes nothing, with 50 instances and with one

Three instances are requested every 100 ms through the kills and the faults. Prints a line for each case, and the figures as JSON
at the end. Exit code: 1 when a run did not converge or a request failed. Needs a Docker engine, as the role tests do.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from faults import FAULTS
from host import Host, Outcome, Task, missing

SERVED = ("shop.example.test", "crm.example.test", "solo.example.test")
PROBE = "/run/campaign-probe.json"
PARTS = ("bare", "kill", "faults", "time")
PACKAGES = (
    "ocore.cloud.docker : Ensure the packages are installed #1",
    "ocore.cloud.nginx : Ensure nginx is installed #1",
    "ocore.cloud.certbot : Ensure certbot is installed #1",
)
MANY = 50


class Campaign:
    """The cases, and what they found."""

    def __init__(self, host: Host, seed: int) -> None:
        self.host, self.random = host, random.Random(seed)
        self.figures: dict[str, Any] = {"seed": seed}
        self.failed = 0
        self.turn = 0

    def declaration(self, second: bool = False) -> dict[str, Any]:
        """Return one of two declarations. Between them every stage has something to do; SERVED is in both."""
        shop, crm, *rest = [record for record in self.host.variables["test_instances"] if record["id"] in "123456"]
        if not second:
            return {"odoo_host_instances": [shop, crm, *rest]}
        extra = {"domain": "extra.shop.example.test"}
        return {
            "odoo_host_instances": [{**shop, "domains": [*shop["domains"], extra]}, crm, *rest[:-1]],
            "odoo_host_instance_options": {"crm": {"noindex": True}},
            "docker_daemon_options": {"debug": True, "labels": ["second=1"], "log-level": "warn"},
            "nginx_unavailable_message": "Back in a moment.",
            "certbot_email": "admin@example.test",
        }

    def other(self) -> dict[str, Any]:
        """Return the declaration that the host does not have yet."""
        self.turn += 1
        return self.declaration(second=self.turn % 2 == 1)

    def probe(self) -> dict[str, Any]:
        """Return what the requests saw so far."""
        none = {"requests": 0, "slowest": 0, "failures": []}
        return json.loads(self.host.shell(f"cat {PROBE} 2>/dev/null || true") or "null") or none

    @contextmanager
    def case(self, name: str) -> Iterator[list[str]]:
        """Watch the requests during a case, and report it. The case puts its problems into the list."""
        before, began, problems = len(self.probe()["failures"]), time.monotonic(), []
        yield problems
        time.sleep(1.5)  # the probe writes once a second
        failed = self.probe()["failures"][before:]
        if failed:
            first = failed[0]
            problems.append(f"{len(failed)} requests failed, the first: {first['name']}: {first['problem']}")
        self.failed += bool(problems)
        word, took = "FAILED" if problems else "passed", time.monotonic() - began
        print(f"{word}  {name} ({took:.0f} s)", *problems, sep="\n        ", flush=True)

    def converge(self, variables: dict[str, Any], problems: list[str]) -> Outcome:
        """Run the role; it must end well."""
        outcome = self.host.play({"odoo_host_on_error": "fail", **variables})
        if outcome.code:
            problems.append(f"the run failed: {last_error(outcome)}")
        return outcome

    def unchanged(self, variables: dict[str, Any], problems: list[str]) -> None:
        """Run the role; it must find nothing to do."""
        outcome = self.converge(variables, problems)
        if outcome.changed:
            names = [task.key for task in outcome.tasks if "changed" in task.words]
            problems.append(f"the next run changed {', '.join(names)}")

    def bare(self) -> None:
        """Kill the run while it installs packages, on the bare host, and let it converge."""
        variables = self.declaration()
        kills = sum(
            self.host.play(variables, kill=(key, 0.0), once="pgrep -x dpkg >/dev/null").killed for key in PACKAGES
        )
        with self.case(f"bare host, the run killed {kills} times while it installs packages") as problems:
            self.converge(variables, problems)
            self.unchanged(variables, problems)
            if left := self.host.shell("ls /usr/sbin/policy-rc.d 2>/dev/null || true"):
                problems.append(f"{left.strip()} is left")
        self.figures["bare"] = {"kills": kills}

    def kill(self, every: int) -> None:
        """Kill the run at each task that does something, and run it again."""
        tasks: dict[str, Task] = {}
        with self.case("reference: to the second declaration, and back") as problems:
            for _way in range(2):
                for task in self.converge(self.other(), problems).tasks:
                    if task.works and (task.key not in tasks or "changed" in task.words):
                        tasks[task.key] = task
        kills = 0
        for number, task in enumerate(tasks.values(), start=1):
            if number % every:
                continue
            variables = self.other()
            with self.case(f"kill {number} of {len(tasks)}: {task.key}") as problems:
                killed = self.host.play(variables, kill=(task.key, self.random.uniform(0, task.seconds)))
                kills += killed.killed
                self.converge(variables, problems)
        with self.case("nothing is left to do after all kills") as problems:
            self.unchanged(self.declaration(second=self.turn % 2 == 1), problems)
        self.figures["kill"] = {"tasks": len(tasks), "kills": kills}

    def faults(self) -> None:
        """Run the role under a fault, and again without it."""
        for fault in FAULTS:
            variables = self.other()
            with self.case(f"fault: {fault.name}") as problems:
                self.host.shell(fault.begin)
                try:
                    during = self.host.play({"odoo_host_on_error": "fail", **variables, **fault.variables})
                finally:
                    self.host.shell(fault.end)
                if "Traceback" in during.text:
                    problems.append("a traceback reached the user")
                print(f"        meanwhile: {last_error(during) if during.code else 'ended well'}", flush=True)
                self.converge({**variables, "certbot_retry_now": True}, problems)
                self.unchanged(variables, problems)
        self.figures["faults"] = len(FAULTS)

    def time(self, repeat: int) -> None:
        """Measure runs that change nothing, with many instances and with one, in turn."""
        records = [_record(number) for number in range(MANY)]
        self.host.shell("echo 127.0.0.1 " + " ".join(r["domains"][0]["domain"] for r in records) + " >>/etc/hosts")
        runs: dict[int, list[Outcome]] = {1: [], MANY: []}
        with self.case(f"time: {MANY} instances and 1") as problems:
            for _turn in range(repeat):
                for size, measured in runs.items():
                    variables = {"odoo_host_instances": records[:size], "odoo_host_allow_removal": True}
                    variables |= {"odoo_host_purge_certificates": False, "odoo_host_on_error": "report"}
                    self.converge(variables, problems)
                    self.unchanged(variables, problems)
                    measured.append(self.converge(variables, problems))
        self.figures["time"] = {
            f"{size} instances": {
                "seconds": round(statistics.median(outcome.seconds for outcome in measured), 1),
                "cpu_seconds": round(statistics.median(outcome.work for outcome in measured), 1),
                "tasks": sum(task.works for task in measured[-1].tasks),
            }
            for size, measured in runs.items()
        }

    def run(self, parts: list[str], every: int, repeat: int) -> None:
        """Run the parts in their order, on a host that serves."""
        if "bare" in parts:
            self.bare()
        else:
            with self.case("the first run") as problems:
                self.converge(self.declaration(), problems)
        self.host.shell(f"systemd-run --quiet --unit=probe python3 /usr/local/lib/probe.py {PROBE} {' '.join(SERVED)}")
        if "kill" in parts:
            self.kill(every)
        if "faults" in parts:
            self.faults()
        seen = self.probe()
        self.figures["requests"] = {**seen, "failures": len(seen["failures"])}
        self.host.shell(f"systemctl stop probe; rm -f {PROBE}")
        if "time" in parts:
            self.time(repeat)


def _record(number: int) -> dict[str, Any]:
    return {
        "id": f"many-{number}",
        "slug": f"many-{number}",
        "status": "running",
        "odoo_version": "18.0",
        "workers": 2,
        "http_port_host": 30000 + 2 * number,
        "longpolling_port_host": 30001 + 2 * number,
        "domains": [{"domain": f"many-{number}.example.test", "is_primary": True, "dns_status": "verified"}],
    }


def last_error(outcome: Outcome) -> str:
    """Return what a failed run said last, in one line."""
    said = re.findall(r'^\[ERROR\]: (.*)$|"msg": "(.*?)"[,}]?$', outcome.text, re.MULTILINE)
    return (" ".join(said[-1]).strip() if said else outcome.text[-400:].replace("\n", " "))[:600]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--every", type=int, default=1, help="kill at each n-th task only")
    parser.add_argument("--repeat", type=int, default=3, help="how often to measure the time")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which runs are killed")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if reason := missing():
        print(f"The campaign cannot run: {reason}", file=sys.stderr)
        return 1
    host = Host()
    try:
        host.create()
        campaign = Campaign(host, options.seed)
        campaign.run(parts, options.every, options.repeat)
    finally:
        host.remove()
    print(json.dumps(campaign.figures, indent=2))
    return int(campaign.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
