# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one reader of the API's times."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: object) -> datetime | None:
    """Return a time of the API as an aware datetime in UTC, or ``None`` where there is none.

    The reference page types times as text only; date filters and samples elsewhere are RFC 3339 (facts file, section 3).
    ``None`` for what is no text, cannot be read, names no time zone (it could not be compared), or is a zero time: Go, in
    which the API is written, writes an unset time as the year 1.
    """
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text.strip())
        if time.tzinfo is None or time.year <= 1:
            return None
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def days_left(until: datetime, now: datetime) -> int:
    """Return the whole days from ``now`` until ``until``, rounded down; negative when it has passed."""
    return (until - now).days


def calendar_days_left(until: datetime, now: datetime) -> int:
    """Return the days from the day of ``now`` until that of ``until`` in UTC: 0 today, 1 tomorrow, the same all day long."""
    return days_left(until, now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
