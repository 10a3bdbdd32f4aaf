# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all campaigns share: cases are played within a limit of time, counted, and each failure comes with a line to repeat it."""

from __future__ import annotations

import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Case(Protocol):
    """One thing that a campaign tries."""

    @property
    def name(self) -> str:
        """The case in one word, for `--only`."""

    @property
    def row(self) -> str:
        """The line of the table that counts it."""


@dataclass
class Verdict:
    """What went wrong in a case, kinds with a sentence each; and what else is counted."""

    case: Case
    problems: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, text: str) -> None:
        self.problems.append((kind, text))


@dataclass(frozen=True)
class Campaign:
    """Many cases of a kind.

    :param cases: gives so many of the cases for a seed, or all if there are fewer.
    :param find: gives the case that has a name.
    :param play: plays a case for a seed, and adds what went wrong to the verdict.
    :param kinds: what the kinds of problems mean.
    :param show: prints what happens in a case, while it is played once more.
    """

    name: str
    cases: Callable[[int, int], Iterable[Any]]
    find: Callable[[str], Any]
    play: Callable[[Any, int, Verdict], None]
    kinds: Mapping[str, str]
    show: Callable[[Any, int], None] = lambda _case, _seed: None

    def judge(self, case: Case, seed: int = 0) -> Verdict:
        """Play a case and return what went wrong."""
        verdict = Verdict(case)
        try:
            self.play(case, seed, verdict)
        except Exception:  # what the campaigns look for
            verdict.add("traceback", _last_line())
        return verdict

    def run(self, size: int, seed: int, seconds: float = float("inf")) -> list[Verdict]:
        """Return the verdict on each of so many cases; on fewer when the time runs out."""
        end = time.monotonic() + seconds
        verdicts = []
        for case in self.cases(size, seed):
            verdicts.append(self.judge(case, seed))
            if time.monotonic() > end:
                break
        return verdicts

    def table(self, verdicts: list[Verdict], seed: int, examples: int = 5) -> str:
        """Return the counts, and for each kind of failure some lines to repeat it."""
        rows: dict[str, Counter[str]] = defaultdict(Counter)
        failures: dict[str, list[tuple[Verdict, str]]] = defaultdict(list)
        for verdict in verdicts:
            rows[verdict.case.row]["cases"] += 1
            rows[verdict.case.row].update(verdict.counts)
            for kind, text in verdict.problems:
                rows[verdict.case.row][kind] += 1
                failures[kind].append((verdict, text))
        lines = _columns(rows, list(failures))
        for kind, found in failures.items():
            lines += ["", f"{kind}: {self.kinds.get(kind, 'an exception that no user should see')} ({len(found)})"]
            for verdict, text in found[:examples]:
                lines += [f"  {self.repeat(verdict.case, seed)}", f"      {text}"]
        return "\n".join(lines)

    def repeat(self, case: Case, seed: int) -> str:
        """Return the command that plays one case."""
        return f"python tests/soak --campaign {self.name} --seed {seed} --only '{case.name}'"

    def main(self, size: int, seed: int, seconds: float, examples: int) -> int:
        """Run the campaign and print what came of it; return the exit status."""
        print(f"\n=== {self.name}, seed {seed}", flush=True)
        began = time.monotonic()
        verdicts = self.run(size, seed, seconds)
        bad = sum(1 for verdict in verdicts if verdict.problems)
        print(self.table(verdicts, seed, examples))
        took = time.monotonic() - began
        print(f"\n{self.name}: {len(verdicts):,} cases with seed {seed} in {took:.0f} s: {bad} failed", flush=True)
        return 1 if bad else 0

    def play_one(self, name: str, seed: int) -> int:
        """Play one case and print what happens; return the exit status."""
        case = self.find(name)
        self.show(case, seed)
        verdict = self.judge(case, seed)
        for kind, text in verdict.problems:
            print(f"{kind}: {text}")
        return 1 if verdict.problems else 0


def by_name(cases: Iterable[Any]) -> Callable[[str], Any]:
    """Return a function that finds one of these cases."""
    return lambda name: next(case for case in cases if case.name == name)


def _columns(rows: Mapping[str, Counter[str]], kinds: list[str]) -> list[str]:
    counted = dict.fromkeys(name for row in rows.values() for name in row if name not in ("cases", *kinds))
    columns = ["cases", *counted, *kinds]
    wide = max(map(len, [*rows, "all"])) + 2
    lines = [" " * wide + "".join(f"{name:>12}" for name in columns)]
    total: Counter[str] = sum(rows.values(), Counter())
    for name, row in [*rows.items(), ("all", total)]:
        lines.append(f"{name:{wide}}" + "".join(f"{row[column] or '':>12}" for column in columns))
    return lines


def _last_line() -> str:
    """Return what an exception says, and the last place of the plugins in its traceback."""
    text = traceback.format_exc().strip()
    places = [line.strip() for line in text.splitlines() if "/plugins/" in line]
    where = f" [{places[-1].rpartition('/plugins/')[2]}]" if places else ""
    return text.splitlines()[-1][:300] + where
