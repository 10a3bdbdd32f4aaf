# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the doctor finds: one finding for each check, in words that can be shown to anybody.

A finding's own words never hold a host, name, slug, id or value: what comes from outside goes through ``word``, and what
only the user may see is kept apart, in ``examples``. So a report can be made from findings without looking through them.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

EXAMPLES_SHOWN = 3
WORDS_SHOWN = 20


class Verdict(enum.Enum):
    """How a finding is meant."""

    OK = "ok"
    DIFFERS = "differs"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    :param check: its name: machines find it by this, and it never changes.
    :param seen: what was seen, as a sentence without an end.
    :param advice: what the collection does about it, or what the user should do; empty where there is nothing to say.
    :param examples: names of what it is about, for the user's own screen only.
    """

    check: str
    verdict: Verdict
    seen: str
    advice: str = ""
    examples: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the finding for the task's result."""
        return {
            "check": self.check,
            "verdict": self.verdict.value,
            "seen": self.seen,
            "advice": self.advice,
            "examples": list(self.examples),
        }


def ok(check: str, seen: str, advice: str = "") -> Finding:
    """Return a finding that is as documented, and works."""
    return Finding(check, Verdict.OK, seen, advice)


def differs(check: str, seen: str, advice: str, examples: Iterable[str] = ()) -> Finding:
    """Return a finding that is not as documented, or worth a look; the collection works with it."""
    return Finding(check, Verdict.DIFFERS, seen, advice, _few(examples))


def unknown(check: str, seen: str, advice: str) -> Finding:
    """Return a finding about something that could not be seen."""
    return Finding(check, Verdict.UNKNOWN, seen, advice)


def failed(check: str, seen: str, advice: str, examples: Iterable[str] = ()) -> Finding:
    """Return a finding that keeps the collection from working."""
    return Finding(check, Verdict.FAILED, seen, advice, _few(examples))


def _few(examples: Iterable[str]) -> tuple[str, ...]:
    named = [example for example in examples if example]
    more = len(named) - EXAMPLES_SHOWN
    return (*named[:EXAMPLES_SHOWN], *([f"{more} more"] if more > 0 else []))


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each verdict."""
    found = Counter(finding.verdict for finding in findings)
    return {verdict.value: found[verdict] for verdict in Verdict}


def several(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 server``, ``2 servers``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class Words:
    """Says which words from outside may stand in a finding: words of an API, and nothing that names a customer's things.

    :param private: names, slugs, ids and hosts that were seen.
    """

    _PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]*-]{0,39}")

    def __init__(self, private: Iterable[str] = ()) -> None:
        self._private = {text.strip().casefold() for text in private if text.strip()}

    def __call__(self, text: object) -> str:
        """Return the word, or what stands for one that is not shown."""
        word = str(text).strip()
        if self._PLAIN.fullmatch(word) and not self._is_private(word):
            return word
        return "(not shown)"

    def list(self, texts: Iterable[object]) -> str:
        """Return several words in order, and how many more there are."""
        shown = sorted({self(text) for text in texts})
        more = len(shown) - WORDS_SHOWN
        return ", ".join(shown[:WORDS_SHOWN]) + (f" and {more} more" if more > 0 else "")

    def _is_private(self, word: str) -> bool:
        folded = word.casefold()
        # A long name inside of a word gives it away as well; a short one, such as "id", is part of many words.
        return folded in self._private or any(len(text) > 5 and text in folded for text in self._private)


def median(seconds: Sequence[float]) -> float:
    """Return the median of some durations."""
    ordered = sorted(seconds)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
