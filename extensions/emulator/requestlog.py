# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked of the API and how it was answered: never a token, never the value of an environment variable."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

# Enough for any test; a benchmark that runs for hours must not eat the machine.
KEPT = 100_000


class RequestLog:
    """The last requests in memory and, if `path` is given, all of them as JSON lines in a file."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._next = 1
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def begin(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Note a request as it arrives; `status` stays None if it is never answered."""
        entry = {"seq": self._next, "at": datetime.now(UTC).isoformat(), **entry, "status": None, "fault": None}
        self._next += 1
        self._entries.append(entry)
        return entry

    def end(self, entry: dict[str, Any]) -> None:
        """Write the finished entry out."""
        if self._file:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def entries(self, since: int = 0, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the entries with a sequence number above `since`, of one operation if given."""
        return [e for e in self._entries if e["seq"] > since and operation in (None, e["operation"])]

    def clear(self) -> None:
        """Forget what is in memory; sequence numbers start again. The file stays."""
        self._entries.clear()
        self._next = 1
