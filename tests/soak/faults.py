# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign: many cases, counted, and a line to repeat each one that went wrong."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

from .campaign import play_all
from .cases import STORIES, choose, parse
from .judge import KINDS, Stage, Verdict, judge


def run(size: int, seed: int, seconds: float = float("inf")) -> list[Verdict]:
    """Play so many cases, fewer when the time runs out."""
    return play_all(choose(size, seed), lambda case: judge(case, seed), seconds)


def table(verdicts: list[Verdict], seed: int, examples: int = 5) -> str:
    """Return the counts, and for each kind of failure some lines to repeat it."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    failures: dict[str, list[tuple[Verdict, str]]] = defaultdict(list)
    for verdict in verdicts:
        row = rows[verdict.case.story.name]
        row["cases"] += 1
        row["refused"] += verdict.refused
        for kind, text in verdict.problems:
            row[kind] += 1
            failures[kind].append((verdict, text))
    columns = ["cases", "refused", *(kind for kind in KINDS if failures[kind])]
    lines = [f"{'':16}" + "".join(f"{name:>11}" for name in columns)]
    for name in [story.name for story in STORIES if story.name in rows]:
        lines.append(f"{name:16}" + "".join(f"{rows[name][column] or '':>11}" for column in columns))
    total: Counter[str] = sum(rows.values(), Counter())
    lines.append(f"{'all':16}" + "".join(f"{total[column]:>11}" for column in columns))
    for kind, found in failures.items():
        if found:
            lines += ["", f"{kind}: {KINDS[kind]} ({len(found)})"]
        for verdict, text in found[:examples]:
            lines += [f"  python tests/soak --seed {seed} --only {verdict.case.name}", f"      {text}"]
    return "\n".join(lines)


def main(size: int, seed: int, seconds: float, examples: int) -> int:
    """Run the campaign and print what came of it; return the exit status."""
    print(f"seed {seed}, {size} cases", flush=True)
    began = time.monotonic()
    verdicts = run(size, seed, seconds)
    bad = sum(1 for verdict in verdicts if verdict.problems)
    print(table(verdicts, seed, examples))
    print(f"\n{len(verdicts)} cases with seed {seed} in {time.monotonic() - began:.0f} s: {bad} failed")
    return 1 if bad else 0


def show(name: str, seed: int) -> int:
    """Play one case and print its requests and results; return the exit status."""
    case = parse(name)
    stage = Stage(case, seed)
    stage.world.faults.add(case.rule)
    began = stage.time.latest()
    try:
        first = stage.run()
        print(f"first run: {dict(first)}\nwarnings: {first.warnings}\nafter {stage.time() - began:.1f} s")
    finally:
        for entry in stage.world.log.entries():
            print(entry["seq"], entry["operation"], entry["id"], entry["status"], entry["fault"] or "")
    verdict = judge(case, seed)
    for kind, text in verdict.problems:
        print(f"{kind}: {text}")
    return 1 if verdict.problems else 0
