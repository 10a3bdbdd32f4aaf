# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the demo playbook against the emulator: what ``make demo`` does. Exits as the playbook does."""

from __future__ import annotations

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


def main() -> int:
    """Start the emulator, run the playbook, stop the emulator; give the exit code of the playbook."""
    began = time.monotonic()
    with Emulator("--seed", "2", step_time=1.0) as emulator:
        print(f"\nThe emulator stands in for oCore at {emulator.api_url}, with two instances that are there already.")
        environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "OCORE_API_URL": emulator.api_url,
            "OCORE_API_TOKEN": emulator.token,
            "OCORE_ORGANIZATION": "acme",
            "ANSIBLE_CONFIG": str(ROOT / "tests/tools/demo.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()),
        }
        command = ["ansible-playbook", "ocore.cloud.demo", "-e", f"demo_server_id={emulator.server_ids()[0]}"]
        print(f"Running: {' '.join(command)} -e demo_wait_interval=0.5", flush=True)
        status = subprocess.run([*command, "-e", "demo_wait_interval=0.5"], env=environment, check=False).returncode
        operations = Counter(entry["operation"] for entry in emulator.log())
    count = ", ".join(f"{number} {name}" for name, number in operations.most_common())
    print(f"{sum(operations.values())} requests in {time.monotonic() - began:.0f} seconds: {count}.")
    if status == 0:
        print("Everything went as declared. Now read playbooks/demo.yml, and README.md for a playbook of your own.")
    else:
        print(f"The playbook failed (exit code {status}); its last task above says why.")
    return status


if __name__ == "__main__":
    sys.exit(main())
