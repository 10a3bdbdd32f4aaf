# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts, numbers and times of the fleet report: how they are read from records, and how people read them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from ansible_collections.ocore.cloud.plugins.module_utils._api.times import parse_time

# What HTML and terminals cannot show: control characters, and halves of surrogate pairs that JSON lets through.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clean_text(value: object) -> str:
    """Return a value as a printable text without blanks around it; an empty one for ``None``."""
    return "" if value is None else _UNPRINTABLE.sub("\ufffd", str(value)).strip()


def finite_number(value: object) -> int | float | None:
    """Return a finite number, a whole one as ``int``, or ``None`` for anything else. Numbers as text count."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(found):
        return None
    return int(found) if found.is_integer() else round(found, 2)


def read_time(text: str) -> datetime | None:
    """Return a time of the API, or one that a user wrote: that may be a day alone or lack a zone, and then is in UTC."""
    return parse_time(text) or parse_time(f"{text}Z") or parse_time(f"{text}T00:00:00Z")


def iso(moment: datetime) -> str:
    """Return a time in ISO 8601, in UTC and to the second."""
    return moment.replace(microsecond=0).astimezone(UTC).isoformat().replace("+00:00", "Z")


def count(amount: int, noun: str) -> str:
    """Return an amount with its noun: "1 instance", "1,200 instances"."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def month(year: int, number: int) -> str:
    """Return a month in words: "Sep 2025"."""
    return f"{_MONTHS[number - 1]} {year}"


def day(time: str | None) -> str:
    """Return the day of a time in words, the same in every locale: "3 Nov 2026"; an empty text for ``None``."""
    moment = read_time(time or "")
    return f"{moment.day} {month(moment.year, moment.month)}" if moment else ""


def minute(time: str | None) -> str:
    """Return day and minute of a time in words: "3 Nov 2026, 14:05 UTC"; an empty text for ``None``."""
    moment = read_time(time or "")
    return f"{day(time)}, {moment:%H:%M} UTC" if moment else ""


def days_in_words(days: int) -> str:
    """Return when something ends: "today", "tomorrow", "in 5 days"."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


def number(value: float) -> str:
    """Return a number with as many digits as it has: "70", "70.5"."""
    return f"{value:g}"


def gibibytes(value: float) -> str:
    """Return an amount of bytes in GiB: "15.6 GiB"."""
    return f"{value / 2**30:.1f} GiB"
