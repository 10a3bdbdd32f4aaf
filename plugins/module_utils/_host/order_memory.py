# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection remembers about its orders on a host: those that failed, and the contact address of each account."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

#: Seconds to wait after the first, second, ... failure of the same order. A CA allows few failures in an hour.
PAUSES = (900, 3600, 4 * 3600, 16 * 3600, 24 * 3600)


def fingerprint(order: Mapping[str, Any]) -> str:
    """Return a text that differs when anything about an order differs."""
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()


class OrderMemory:
    """The memory of a host.

    :param text: its file as it is; one that is empty or damaged is as if there was none, since it only saves orders.
    """

    def __init__(self, text: str) -> None:
        try:
            known = json.loads(text or "{}")
            self.failed = {str(name): self._entry(entry) for name, entry in known.get("failed_orders", {}).items()}
            self.contacts = {str(server): str(email) for server, email in known.get("contacts", {}).items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            self.failed, self.contacts = {}, {}

    @staticmethod
    def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "order": str(entry["order"]),
            "count": int(entry["count"]),
            "at": float(entry["at"]),
            "error": str(entry["error"]),
        }

    def text(self, comment: str) -> str:
        """Return the file to write."""
        content = {"comment": comment, "failed_orders": self.failed, "contacts": self.contacts}
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    def paused(self, name: str, order: str, now: float) -> str | None:
        """Return why an order has to wait, as sentences, or ``None``.

        :param order: its fingerprint. Another order under the name does not have to wait.
        :param now: seconds since 1970.
        """
        entry = self.failed.get(name)
        if entry is None or entry["order"] != order or entry["at"] > now:
            return None
        until = entry["at"] + PAUSES[min(entry["count"], len(PAUSES)) - 1]
        if now >= until:
            return None
        times = "once" if entry["count"] == 1 else f"{entry['count']} times in a row"
        return (
            f"It was not ordered in this run: the same order has failed {times}, and is tried again after {_moment(until)}, "
            f"or at once with certbot_retry_now (retry_now) true. The last failure, at {_moment(entry['at'])}: {entry['error']}"
        )

    def failure(self, name: str, order: str, error: str, now: float) -> None:
        """Remember that an order failed."""
        entry = self.failed.get(name)
        count = entry["count"] + 1 if entry and entry["order"] == order else 1
        self.failed[name] = {"order": order, "count": count, "at": now, "error": error}

    def success(self, name: str) -> None:
        """Forget the failures of a certificate."""
        self.failed.pop(name, None)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")  # noqa: UP017 (Python 3.9 on hosts)
