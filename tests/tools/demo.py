# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the demo playbook against the emulator: what ``make demo`` does. Exits as the playbook does.

With ``--keep`` (``make demo ARGS=--keep``) the emulator stays, for playbooks of one's own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from checkout import ROOT, collections_dir

sys.path.insert(0, str(ROOT / "extensions"))
from emulator.process import Emulator

BIN = Path(sys.executable).parent
PAGE = ROOT / ".build/demo/fleet-report.html"
STEP = 0.2
"""Seconds of a step of the emulator: long enough to see the waiting, short enough not to wait for it."""


def main() -> int:
    """Start the emulator, run the playbook, stop the emulator unless it shall stay; return the playbook's exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description="Try the collection without an oCore account.")
    parser.add_argument("--keep", action="store_true", help="leave the emulator running, for playbooks of your own")
    keep = parser.parse_args().keep
    began = time.monotonic()
    emulator = Emulator("--seed", "2", step_time=STEP).start()
    try:
        print(f"\nThe emulator stands in for oCore at {emulator.api_url}. It has two instances already.")
        status = _play(emulator)
        _report(emulator, status, time.monotonic() - began)
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            emulator.stop()
    if keep:
        _explain(emulator)
    return status


def _play(emulator: Emulator) -> int:
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "OCORE_API_URL": emulator.api_url,
        "OCORE_API_TOKEN": emulator.token,
        "OCORE_ORGANIZATION": "acme",
        "ANSIBLE_CONFIG": str(ROOT / "tests/tools/demo.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()),
    }
    variables = {
        "demo_server_id": emulator.server_ids()[0],
        "demo_wait_interval": STEP,
        "demo_directory": PAGE.parent,
        "demo_emulator": emulator.url,
    }
    command = ["ansible-playbook", "ocore.cloud.demo"]
    command += [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
    print(f"Running: {' '.join(command)}", flush=True)
    return subprocess.run(command, env=environment, check=False).returncode


def _report(emulator: Emulator, status: int, seconds: float) -> None:
    operations = Counter(entry["operation"] for entry in emulator.log())
    count = ", ".join(f"{number} {name}" for name, number in operations.most_common())
    print(f"{operations.total()} requests in {seconds:.0f} seconds: {count}.")
    if status == 0:
        print(f"The report is at {PAGE.as_uri()}: open it in a browser.")
        print("Everything went as declared. Next, read playbooks/demo.yml, and README.md for a playbook of your own.")
    else:
        print(f"The playbook failed (exit code {status}); its last task above says why.")


def _explain(emulator: Emulator) -> None:
    print("\nThe emulator keeps running. For playbooks of your own:\n")
    print(f"export OCORE_API_URL={emulator.api_url} OCORE_API_TOKEN={emulator.token} OCORE_ORGANIZATION=acme")
    print(f"export ANSIBLE_COLLECTIONS_PATH={collections_dir()} PATH={BIN}:$PATH")
    print(f"\nIts servers: {', '.join(emulator.server_ids())}")
    print(f"Stop it: kill {emulator.pid}")


if __name__ == "__main__":
    sys.exit(main())
