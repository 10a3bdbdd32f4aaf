# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare what tasks gave in the Ansible worker with what they gave as modules: nothing may differ, to the byte.

Usage: same_results.py WORKER MODULE, two files of JSON lines {"case": name, "result": result} that the integration targets
wrote. Exits with 1 and shows the differences, or says how many results are the same.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from pathlib import Path


def normalized(text: str) -> str:
    """Replace what differs from run to run: ids, times, a score that grows while one looks, the ports of what is created
    side by side, and the emulator's."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>", text)
    text = re.sub(r'("(?:http|longpolling)_port_host"): \d+', r'\1: "<port>"', text)
    text = re.sub(r'("health_score(?:_grade)?"): [^,\n}]+', r'\1: "<score>"', text)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "<record>", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "<time>", text)


def main(worker: str, module: str) -> int:
    """Compare two files; give the exit code."""
    seen = [
        [json.dumps(json.loads(line), indent=1, sort_keys=True) for line in Path(name).read_text().splitlines()]
        for name in (worker, module)
    ]
    if len(seen[0]) != len(seen[1]) or not seen[0]:
        print(f"{len(seen[0])} results in the worker, {len(seen[1])} as modules: there must be as many, and some.")
        return 1
    differing = 0
    for here, there in zip(*seen, strict=True):
        pair = [normalized(text).splitlines() for text in (here, there)]
        if pair[0] != pair[1]:
            differing += 1
            print(json.loads(here)["case"])
            print("\n".join(difflib.unified_diff(*pair, "in the worker", "as a module", lineterm="", n=1)))
    print(f"{len(seen[0]) - differing} of {len(seen[0])} results are the same in the worker and as modules.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
