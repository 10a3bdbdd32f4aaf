# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare what tasks gave in the Ansible worker with what they gave as modules: nothing may differ, to the byte."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path


def normalized(text: str) -> str:
    """Replace what differs from run to run: ids, times, a score that grows while one looks, the ports of what is created
    side by side, and the emulator's, what the doctor measures, and the directory of the run."""
    text = re.sub(r"/[^\s\"():,]*/ansible_collections/ocore/cloud/", "<collection>/", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>", text)
    text = re.sub(r'[\d,]+ ms|, port \d+|"(?:latency|step_time)\\?": [\d.]+', "<measured>", text)
    text = re.sub(r'("(?:http|longpolling)_port_host"): \d+', r'\1: "<port>"', text)
    text = re.sub(r'("health_score(?:_grade)?"): [^,\n}]+', r'\1: "<score>"', text)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "<record>", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "<time>", text)


def read(path: Path) -> list[str]:
    """Return the results in a file, indented for a comparison by line; none if there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.dumps(json.loads(line), indent=1, sort_keys=True) for line in lines]


def compare(worker: Path, module: Path, what: str) -> bool:
    """Show in which results two files differ; return whether they are the same.

    :param worker: lines of JSON ``{"case": name, "result": result}`` from tasks in the Ansible worker.
    :param module: those of the same tasks as modules.
    :param what: a name for them.
    """
    here, there = read(worker), read(module)
    if len(here) != len(there):
        print(f"{what}: {len(here)} results in the worker, {len(there)} as modules: there must be as many.")
        return False
    differing = 0
    for one, other in zip(here, there, strict=True):
        pair = [normalized(text).splitlines() for text in (one, other)]
        if pair[0] != pair[1]:
            differing += 1
            print(json.loads(one)["case"])
            print("\n".join(difflib.unified_diff(*pair, "in the worker", "as a module", lineterm="", n=1)))
    print(f"{what}: {len(here) - differing} of {len(here)} results are the same in the worker and as modules.")
    return not differing
