# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this collection costs, side by side with others in one run; every server is on loopback.

Each figure is the median of several runs of a whole command; the runs that are compared take turns, so that a busy machine
slows all of them. "Above empty" is the time of a playbook less that of one that does nothing with the same input.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import chart
from inventory import inventories, memory, servers
from measure import Bench, Figure
from tasks import LOOP, fleets, growth, noops

ROOT = Path(__file__).resolve().parents[2]
GIGABYTES = 1600 * 1000**2 / 1024**2
"""MiB that an inventory of 50,000 may need at most: 1.6 GB."""
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""What stands between these in docs/benchmarks.md is written by ``--publish``."""


def main() -> int:
    """Measure, print, write; give the exit code: a goal that was missed is a figure, not a failure."""
    parser = argparse.ArgumentParser(
        prog="tests/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, one run each: does it work?")
    parser.add_argument("--repeat", type=int, default=5, help="runs of which the median is taken (%(default)s)")
    parser.add_argument(
        "--only", choices=["noops", "fleets", "growth", "inventories", "servers", "memory"], help="one part of it"
    )
    parser.add_argument("--out", type=Path, default=ROOT / ".build/bench", help="where files are written (%(default)s)")
    parser.add_argument("--publish", action="store_true", help="put them into docs as well")
    given = parser.parse_args()
    sizes = [10, 100] if given.quick else [10, 100, 1000, 10_000]
    measured: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory), 1 if given.quick else given.repeat)
        parts: dict[str, Callable[[], Iterator[Figure]]] = {
            "noops": lambda: noops(bench, *((3, 4) if given.quick else (LOOP, 40))),
            "fleets": lambda: fleets(bench, sizes, 10 if given.quick else 100),
            "growth": lambda: growth(bench, [sizes[0], sizes[-1]]),
            "inventories": lambda: inventories(bench, [100] if given.quick else [1000, 10_000]),
            "servers": lambda: servers(bench, *((10, 100) if given.quick else (500, 10_000))),
            "memory": lambda: memory(bench, *((200, None) if given.quick else (50_000, GIGABYTES))),
        }
        for name in [given.only] if given.only else parts:
            measured[name] = []
            for figure in parts[name]():
                measured[name].append(figure)
                print(line(figure), flush=True)
    facts = {
        "ansible-core": version("ansible-core"),
        "Python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "runs": 1 if given.quick else given.repeat,
    }
    write(given.out, facts, measured)
    print(f"\nWritten to {given.out}: bench.json, bench.md, bench.svg")
    if given.publish:
        publish(given.out, facts, measured)
    return 0


def write(out: Path, facts: dict[str, object], measured: dict[str, list[Figure]]) -> None:
    """Write the figures as JSON, Markdown and picture."""
    out.mkdir(parents=True, exist_ok=True)
    figures = [figure for part in measured.values() for figure in part]
    parts = {name: [asdict(figure) for figure in part] for name, part in measured.items()}
    document = json.dumps({"measured_with": facts, "parts": parts}, indent=1)
    (out / "bench.json").write_text(document + "\n", encoding="utf-8")
    (out / "bench.md").write_text(table(facts, figures), encoding="utf-8")
    (out / "bench.svg").write_text(chart.draw(figures), encoding="utf-8")


def publish(out: Path, facts: dict[str, object], measured: dict[str, list[Figure]]) -> None:
    """Put the figures where the documentation shows them; a part that was not measured keeps those it has."""
    docs = ROOT / "docs"
    before = json.loads((docs / "bench.json").read_text(encoding="utf-8"))
    kept = {name: [Figure(**figure) for figure in part] for name, part in before["parts"].items()}
    if kept.keys() - measured.keys():
        # No part of the table may claim more runs than it had.
        facts = {**facts, "runs": min(int(str(facts["runs"])), before["measured_with"]["runs"])}
    write(out, facts, {**kept, **measured})
    shutil.copy(out / "bench.json", docs / "bench.json")
    shutil.copy(out / "bench.svg", docs / "images/bench.svg")
    page = docs / "benchmarks.md"
    head, rest = page.read_text(encoding="utf-8").split(BEGIN)
    tail = rest.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n{(out / 'bench.md').read_text(encoding='utf-8')}{END}{tail}", encoding="utf-8")


def line(figure: Figure) -> str:
    """Give a figure as a line for people."""
    cpu = "" if figure.cpu is None else f"CPU {figure.cpu:.2f}"
    goal = "" if figure.limit is None else f"at most {figure.limit:g}: {figure.verdict}"
    return f"{figure.what:62} {figure.value:9.2f} {figure.unit:4} {cpu:14} {goal:22} {figure.note}".rstrip()


def table(facts: dict[str, object], figures: list[Figure]) -> str:
    """Give the figures as Markdown: first those with a goal, then all others."""
    head = ", ".join(f"{name}: {value}" for name, value in facts.items())
    rows = [f"Measured with {head}.", "", "| goal | at most | wall | CPU | |", "| --- | ---: | ---: | ---: | --- |"]
    for figure in figures:
        if figure.limit is not None:
            rows.append(f"| {figure.what} | {figure.limit:g} | {_number(figure.value)} {figure.unit} | "
                        f"{_number(figure.cpu)} | {figure.verdict} |")  # fmt: skip
    rows += ["", "| figure | wall | CPU | |", "| --- | ---: | ---: | --- |"]
    for figure in figures:
        if figure.limit is None:
            rows.append(
                f"| {figure.what} | {_number(figure.value)} {figure.unit} | {_number(figure.cpu)} | {figure.note} |"
            )
    return "\n".join(rows) + "\n"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
