# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of faults: what the network may do to each request of every operation, on every variant of the API."""

from __future__ import annotations

from .campaign import Campaign
from .cases import Case, choose, parse
from .judge import KINDS, Stage, play_case


def _show(case: Case, seed: int) -> None:
    """Play a case and print its requests and results."""
    stage = Stage(case, seed)
    stage.world.faults.add(case.rule)
    began = stage.time.latest()
    try:
        first = stage.run()
        print(f"first run: {dict(first)}\nwarnings: {first.warnings}\nafter {stage.time() - began:.1f} s")
    finally:
        for entry in stage.world.log.entries():
            print(entry["seq"], entry["operation"], entry["id"], entry["status"], entry["fault"] or "")


CAMPAIGN = Campaign("faults", choose, parse, play_case, KINDS, _show)
