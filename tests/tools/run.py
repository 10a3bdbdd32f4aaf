# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run sessions of the noxfile and say at the end what was tested and what was not.

Without a session, those that ``make test`` stands for. With several jobs, so many sessions run at once, each with its output
in .build/log; that of one that fails is shown. Exits non-zero when one failed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from checkout import ROOT, collections_dir

LOGS = ROOT / ".build" / "log"
NOX = [sys.executable, "-m", "nox"]
WORDS = {"success": "passed", "failed": "FAILED", "aborted": "FAILED", "skipped": "not run: its interpreter is missing"}


def main() -> int:
    """Run the sessions; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="sessions at once (%(default)s)")
    parser.add_argument("sessions", nargs="*", metavar="SESSION", help="one or more in one text, or in several")
    given = parser.parse_args()
    names = " ".join(given.sessions).split()
    chosen = ["--session", *names] if names else []
    LOGS.mkdir(parents=True, exist_ok=True)
    several = given.jobs > 1 and len(names) != 1
    results = side_by_side(chosen, given.jobs) if several else run(chosen, "all", None)
    print("\nWhat was tested:")
    for name, result in results:
        print(f"  {name:32} {WORDS.get(result, result)}")
    counts = {kind: sum(result == kind for _name, result in results) for kind in WORDS}
    failed = len(results) - counts["success"] - counts["skipped"]
    print(f"{counts['success']} passed, {failed} failed, {counts['skipped']} skipped", flush=True)
    return 1 if failed or not counts["success"] else 0


def side_by_side(chosen: list[str], jobs: int) -> list[tuple[str, str]]:
    """Run sessions in so many processes at once, those that take longest first; give names and results."""
    collections_dir()  # made once, before several want it
    listing = subprocess.run([*NOX, "--list", "--json", *chosen], cwd=ROOT, check=False, stdout=subprocess.PIPE)
    if listing.returncode:
        return [(" ".join(chosen), "failed")]
    listed: list[dict[str, Any]] = json.loads(listing.stdout)
    names = [entry["session"] for entry in listed]
    results: dict[str, list[tuple[str, str]]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {
            pool.submit(timed, name): name for name in sorted(names, key=lambda name: not name.startswith("tests"))
        }
        for ended in as_completed(waiting):
            name = waiting[ended]
            results[name], seconds = ended.result()
            words = ", ".join(WORDS.get(result, result) for _name, result in results[name])
            say(f"{name}: {words} ({seconds:.0f} s)")
            if any(result not in ("success", "skipped") for _name, result in results[name]):
                print(log_of(name).read_text(encoding="utf-8", errors="replace"), flush=True)
    return [result for name in names for result in results[name]]


def timed(name: str) -> tuple[list[tuple[str, str]], float]:
    """Run one session with its output in a file; give what :func:`run` gives, and the seconds it took."""
    began = time.monotonic()
    say(f"{name}: begun")
    return run(["--session", name], name, log_of(name)), time.monotonic() - began


def say(text: str) -> None:
    """Print a line in one piece, since several threads do."""
    print(f"{text}\n", end="", flush=True)


def log_of(name: str) -> Path:
    """Give the file that holds the output of a session."""
    return LOGS / f"{re.sub(r'[^a-z0-9.]+', '-', name).strip('-')}.log"


def run(chosen: list[str], name: str, log: Path | None) -> list[tuple[str, str]]:
    """Run nox; give the names and results of the sessions, ``failed`` for one that gave none."""
    report = log_of(name).with_suffix(".json")
    report.unlink(missing_ok=True)
    command = [*NOX, "--report", str(report), *chosen]
    if log is None:
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
    else:
        with log.open("wb") as output:
            status = subprocess.run(
                command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            ).returncode
    sessions = json.loads(report.read_text(encoding="utf-8"))["sessions"] if report.exists() else []
    results = [(str(session["signatures"][0]), str(session["result"]).lower()) for session in sessions]
    if not results or (status and all(result in ("success", "skipped") for _name, result in results)):
        results.append((name, "failed"))
    return results


if __name__ == "__main__":
    sys.exit(main())
