# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the checkout importable, and give the tests fleets to report about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from checkout import make_importable

make_importable()

ROOT = Path(__file__).parents[3]

Json = dict[str, Any]

_TOWNS = ("Aarhus", "Bergen", "Cork", "Delft", "Evora", "Faro", "Gent", "Halle", "Izmir", "Jena", "Kiel", "Lviv")
_TRADES = ("Bakery", "Cycles", "Dairy", "Foundry", "Garden", "Optics", "Pharmacy", "Press", "Timber", "Wines", "Works")
_SCORES = (98, 96, 95, 93, 91, 88, 84, 78, 95, 92, 41)


SERVERS = [
    {
        "id": f"4c0834c4-3d20-4ec5-8a7c-21008900000{number}",
        "name": f"odoo-{letter}.example.com",
        "status": "active",
        "ram_total_bytes": (32 + 64 * number) * 2**30,
    }
    for number, letter in enumerate("abc")
]
"""Records of all servers of a fleet but one."""


def fleet(count: int, shift: int = 0) -> list[Json]:
    """Give instance records, varied like those of a real organization; ``shift`` moves the states between them."""
    return [_record(n, n + shift) for n in range(count)]


def _record(n: int, m: int) -> Json:
    name = f"{_TOWNS[n % 12]} {_TRADES[n % 11]} {n + 1}"
    slug = name.lower().replace(" ", "-")
    status = "failed" if m % 23 == 7 else "stopped" if m % 12 == 11 else "upgrading" if m % 40 == 13 else "running"
    score = None if m % 17 == 5 else _SCORES[m % 11] if status == "running" else 0
    month, day = (11, 20 + m % 11) if m % 9 == 3 else (12, 6 + m % 20) if m % 9 == 5 else (0, 0)
    own = f"2026-{month}-{day:02}T08:00:00Z" if month else f"2027-02-{1 + n % 28:02}T08:00:00Z"
    return {
        "id": f"{n:08}-3d20-4ec5-8a7c-210089b98dcf",
        "name": name,
        "slug": slug,
        "server_id": f"4c0834c4-3d20-4ec5-8a7c-21008900000{n % 4}",
        "status": status,
        "status_message": "Container exited with code 137 (out of memory)" if status == "failed" else None,
        "odoo_version": f"{19 - n % 5}.0",
        "odoo_edition": "enterprise" if n % 3 == 1 else "community",
        "enterprise_update_available": n % 9 == 1,
        "restart_count": m % 5,
        "workers": 2 + n % 4,
        "max_cron_threads": 1,
        "limit_memory_soft": 2048,
        "domains": [
            {"domain": f"{slug}.example.com", "is_primary": True, "ssl_status": "active", "ssl_expires_at": own},
            {"domain": f"{slug}.ocore.example", "ssl_status": "active", "ssl_expires_at": "2027-01-15T00:00:00Z"},
        ],
        "health": {"status": status},
        "health_score_details": score is not None
        and {
            "score": score,
            "grade": "ABCDF"[min(4, (100 - score) // 10)],
            "factors": [
                {"name": "Availability", "score": score, "weight": 50, "weighted": score // 2, "details": "Last hour"},
                {"name": "Response time", "score": max(0, score - 14), "weight": 30, "weighted": 20, "details": None},
                {"name": "Restarts", "score": 100, "weight": 20, "weighted": 20, "details": "None this week"},
            ],
        },
    }
