# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time by which instances live: the machine's clock, or one that only requests or calls move."""

from __future__ import annotations

import time
from collections.abc import Callable

from .settings import Settings


class Clock:
    """Follows the machine's clock while `step_by` is `time`, and stands still otherwise.

    A clock that stands still is moved by bringing closer what is due: see `Store.hasten`.
    """

    def __init__(self, settings: Settings, machine: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._machine = machine
        self._read_at = machine()
        self._now = self._read_at

    def now(self) -> float:
        """Return the time in seconds; it never goes back, whatever `step_by` is switched to."""
        machine = self._machine()
        if self._settings.word("step_by") == "time":
            self._now += machine - self._read_at
        self._read_at = machine
        return self._now
