# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When Odoo's standard support of each major version ends: the one place to change when Odoo announces a date.

Source: Odoo's documentation, "Standard and extended support"
(https://www.odoo.com/documentation/19.0/administration/standard_extended_support.html, as of July 2026), for 13.0 and 14.0
its predecessor "Supported versions". It names months, and calls those that lie ahead planned. Security updates are part of
standard support only; extended support is sold separately, and nothing that oCore reports says whether it was bought.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: Year and month in which standard support ends, by major version. A version that is not listed is not judged.
STANDARD_SUPPORT_ENDS = {
    13: (2022, 10),
    14: (2023, 11),
    15: (2024, 10),
    16: (2025, 9),
    17: (2026, 9),
    18: (2027, 9),
    19: (2028, 9),
}


def support_ended(version: str, now: datetime) -> tuple[int, int] | None:
    """Return year and month in which the standard support of a version ended, or ``None`` if it has not, as far as known.

    A month counts as over when the next one has begun in UTC. A version older than the oldest listed ended before it, and
    gets its month.

    :param version: as oCore reports it, such as ``17.0``. What does not begin with a number is not judged.
    """
    major = re.match(r"(\d{1,4})(?:\.|$)", version)
    if not major:
        return None
    end = STANDARD_SUPPORT_ENDS.get(max(int(major[1]), min(STANDARD_SUPPORT_ENDS)))
    today = now.astimezone(UTC)
    return end if end is not None and (today.year, today.month) > end else None
