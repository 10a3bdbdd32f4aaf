# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run sessions of the noxfile side by side, and say at the end what was tested and what was not.

The output of a session is in .build/log; that of one that fails is shown. Exits with 1 if a session failed or none passed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from checkout import BUILD, ROOT, collections_dir

WORDS = {"success": "passed", "failed": "FAILED", "skipped": "not run"}


def run(name: str) -> tuple[str, float]:
    """Run a session with its output in a file; return success, failed or skipped, and the seconds it took."""
    began = time.monotonic()
    report = log_of(name).with_suffix(".json")
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "nox", "--report", str(report), "--session", name]
    with log_of(name).open("wb") as output:
        status = subprocess.run(
            command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ).returncode
    sessions = json.loads(report.read_text(encoding="utf-8"))["sessions"] if report.exists() else []
    results = {str(session["result"]).lower() for session in sessions}
    result = results.pop() if len(results) == 1 and not status else "failed"
    return (result if result in WORDS else "failed"), time.monotonic() - began


def log_of(name: str) -> Path:
    """Return the file that holds the output of a session."""
    return BUILD / "log" / f"{name}.log"


def why_skipped(name: str) -> str:
    """Return what nox says about a session that it skipped."""
    lines = [
        line for line in log_of(name).read_text(encoding="utf-8").splitlines() if "skipped" in line or "missing" in line
    ]
    return lines[0].split(": ", 1)[-1] if lines else "skipped"


def main() -> int:
    """Run the sessions that the command line names, in its order; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="sessions at once (%(default)s)")
    parser.add_argument("sessions", nargs="+", metavar="SESSION")
    given = parser.parse_args()
    log_of("").parent.mkdir(parents=True, exist_ok=True)
    collections_dir()
    results: dict[str, tuple[str, float]] = {}
    with ThreadPoolExecutor(given.jobs) as pool:
        running = {pool.submit(run, name): name for name in given.sessions}
        for done in as_completed(running):
            name = running[done]
            results[name] = done.result()
            if results[name][0] == "failed":
                print(log_of(name).read_text(encoding="utf-8", errors="replace"))
            print(f"{name}: {WORDS[results[name][0]]} ({results[name][1]:.0f} s)", flush=True)
    print("\nWhat was tested:")
    for name in given.sessions:
        result, seconds = results[name]
        reason = f": {why_skipped(name)}" if result == "skipped" else f" ({seconds:.0f} s)"
        print(f"  {name:24} {WORDS[result]}{reason}")
    counts = {word: sum(result == word for result, _seconds in results.values()) for word in WORDS}
    print(f"{counts['success']} passed, {counts['failed']} failed, {counts['skipped']} skipped", flush=True)
    return 1 if counts["failed"] or not counts["success"] else 0


if __name__ == "__main__":
    sys.exit(main())
