# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run integration targets side by side, each with ansible-test in a copy of the checkout.

Without a target, all. With two doors, each target runs through both, inside the Ansible worker and as modules, and what every
task gave is compared. Needs an interpreter that has ansible-core and tests/integration/requirements.txt.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from checkout import BUILD, ROOT, copy_tree, environment
from same_results import compare

TARGETS = ROOT / "tests/integration/targets"
DOORS = {"worker": "true", "module": "false"}
# Those that take longest begin first.
SLOW = ("ocore_instance", "ocore_instance_control", "inventory_ocore", "playbooks")


@dataclass(frozen=True)
class Task:
    """One target through one door."""

    core: str
    target: str
    door: str
    profile: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.core}-{self.target}-{self.door}"

    @property
    def record(self) -> Path:
        """What its cases gave, a line of JSON for each."""
        return BUILD / "results" / f"{self.name}.jsonl"

    @property
    def log(self) -> Path:
        return BUILD / "log" / f"integration-{self.name}.log"

    def run(self) -> bool:
        """Run it; return whether it passed."""
        tree = copy_tree(f"integration/{self.name}")
        for path in (self.record, self.log):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        (tree / "tests/integration/integration_config.yml").write_text(
            f"---\nocore_in_process: {DOORS[self.door]}\nsetup_emulator_record: {self.record}\n"
            + (f"setup_emulator_profile: ['--profile', '{self.profile}']\n" if self.profile else ""),
            encoding="utf-8",
        )
        python = "{}.{}".format(*sys.version_info)
        command = ["ansible-test", "integration", "--local", "--python", python, self.target]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with self.log.open("wb") as output:
            return (
                subprocess.run(
                    command,
                    cwd=tree,
                    env=environment(PATH=path),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
                == 0
            )


def all_targets() -> list[str]:
    """Return the names of the targets; those with aliases are tests, the others help them."""
    names = [path.parent.name for path in TARGETS.glob("*/aliases")]
    return sorted(names, key=lambda name: (SLOW.index(name) if name in SLOW else len(SLOW), name))


def run_all(tasks: list[Task], jobs: int) -> list[Task]:
    """Run tasks, so many at once, with a line for each and the output of those that failed; return these."""
    failed = []
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(task.run): task for task in tasks}
        for done in as_completed(running):
            task = running[done]
            if not done.result():
                failed.append(task)
                print(task.log.read_text(encoding="utf-8", errors="replace"))
            word = "passed" if done.result() else "FAILED"
            print(f"{word}  {task.target} ({task.door}), {time.monotonic() - began:.0f} s", flush=True)
    return failed


def same(core: str, targets: Iterable[str]) -> bool:
    """Show in which results the two doors differ; return whether there are results, and all are the same."""
    records = {target: [Task(core, target, door).record for door in DOORS] for target in targets}
    recorded = {target: pair for target, pair in records.items() if any(path.exists() for path in pair)}
    if not recorded:
        print("No target recorded a result that could be compared.")
    verdicts = [compare(*pair, what=target) for target, pair in recorded.items()]
    return bool(verdicts) and all(verdicts)


def main() -> int:
    """Run what the command line says; return 1 if a target failed or differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", default="core", help="a name for this ansible-core in file names (%(default)s)")
    parser.add_argument("--door", choices=DOORS, action="append", help="one or both; the default is worker")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="at once (%(default)s)")
    parser.add_argument(
        "--profile", type=Path, help="of an API that ocore.cloud.doctor saw: what fails then depends on its behaviour"
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(all_targets()))
    given = parser.parse_args()
    if unknown := set(given.targets) - set(all_targets()):
        parser.error(f"no such target: {', '.join(sorted(unknown))}. There are: {', '.join(all_targets())}")
    targets = given.targets or all_targets()
    doors = given.door or ["worker"]
    profile = given.profile.absolute() if given.profile else None
    failed = run_all([Task(given.core, target, door, profile) for target in targets for door in doors], given.jobs)
    return 1 if failed or (len(doors) > 1 and not same(given.core, targets)) else 0


if __name__ == "__main__":
    sys.exit(main())
