# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the campaigns share: playing their cases, within a limit of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

Case = TypeVar("Case")
Verdict = TypeVar("Verdict")


def play_all(cases: Iterable[Case], judge: Callable[[Case], Verdict], seconds: float) -> list[Verdict]:
    """Return the verdict on each case; on fewer when the time runs out."""
    end = time.monotonic() + seconds
    verdicts = []
    for case in cases:
        verdicts.append(judge(case))
        if time.monotonic() > end:
            break
    return verdicts
