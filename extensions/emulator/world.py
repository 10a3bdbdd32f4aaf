# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All parts of one emulator together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from .auth import Auth
from .clock import Clock
from .faults import Faults
from .requestlog import RequestLog
from .seed import seed
from .settings import Settings
from .store import Store
from .wire import Wire


class World:
    """The state behind the API and the admin surface.

    `now` and `pause` are replaced by tests that hold a clock of their own.
    """

    def __init__(
        self,
        auth: Auth | None = None,
        organizations: Iterable[str] = ("acme", "globex"),
        servers: int = 2,
        seeded: int = 0,
        switches: Mapping[str, object] | None = None,
        state: Path | None = None,
        log: Path | None = None,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._pause = pause
        self.auth = auth or Auth()
        self.organizations = list(organizations)
        self.settings = Settings(switches)
        self.faults = Faults()
        self.log = RequestLog(log)
        self._servers = servers
        self._seeded = seeded
        self._state = state
        self._saved_version = -1
        self._fill()
        if state and state.exists():
            try:
                self.store.load(json.loads(state.read_text(encoding="utf-8")))
            except (AttributeError, KeyError, TypeError, ValueError):
                raise ValueError(f"{state} is not a state file of this emulator; name another, or remove it") from None
        self.save()

    def _fill(self) -> None:
        self.store = Store(self.organizations, self._servers, self.settings, Clock(self.settings, self._now))
        self.wire = Wire(self.settings, self.store, self.auth.key)
        seed(self.store, self.organizations[0], self._seeded)

    def reset(self) -> None:
        """Return to the seeded instances, the switches given at the start, no faults and an empty log."""
        self.settings.reset()
        self.faults.clear()
        self.log.clear()
        self._fill()
        self._saved_version = -1

    async def pause(self, seconds: float) -> None:
        """Let so many seconds pass before an answer."""
        if seconds:
            await self._pause(seconds)

    def save(self) -> None:
        """Write the state file, if there is one and something changed; it is complete at every moment."""
        if not self._state:
            return
        self.store.advance()
        if self._saved_version == self.store.version:
            return
        part = self._state.with_name(f".{self._state.name}.{os.getpid()}")
        try:
            part.write_text(json.dumps(self.store.dump()), encoding="utf-8")
            part.replace(self._state)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
        self._saved_version = self.store.version
