# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run sessions of the noxfile and say at the end what was tested and what was not.

Usage: run.py ["SESSION ..."]. Without a session, those that ``make test`` stands for. Exits non-zero when one failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPORT = ROOT / ".build" / "report.json"
WORDS = {"success": "passed", "failed": "FAILED", "aborted": "FAILED", "skipped": "not run: its interpreter is missing"}


def main(names: list[str]) -> int:
    """Run the sessions; give the exit code."""
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.unlink(missing_ok=True)
    chosen = ["--session", *names] if names else []
    command = [sys.executable, "-m", "nox", "--report", str(REPORT), *chosen]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if not REPORT.exists():
        return status or 1
    results = [(s["signatures"][0], s["result"].lower()) for s in json.loads(REPORT.read_text())["sessions"]]
    print("\nWhat was tested:")
    for name, result in results:
        print(f"  {name:32} {WORDS.get(result, result)}")
    counts = {kind: sum(result == kind for _name, result in results) for kind in WORDS}
    failed = counts["failed"] + counts["aborted"]
    print(f"{counts['success']} passed, {failed} failed, {counts['skipped']} skipped", flush=True)
    return status or (1 if failed or not counts["success"] else 0)


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:]).split()))
