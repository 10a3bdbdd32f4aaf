# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaigns: what each tries, and how many of its cases."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .campaign import Campaign


class Plan(NamedTuple):
    """A campaign.

    :param module: holds it; one called `secrets` would hide Python's own.
    :param about: what it tries.
    :param full: how many cases `make soak` plays at most.
    :param small: how many `make test` plays.
    """

    module: str
    about: str
    full: int
    small: int


CAMPAIGNS = {
    "faults": Plan("faults", "faults of the network against every operation", 12_000, 300),
    "hostile": Plan("hostile", "answers with wrong values for every reader", 20_000, 300),
    "secrets": Plan("leaks", "an API that repeats secrets, quoted in every way, in every place", 5_000, 150),
    "variants": Plan("variants", "everything that oCore's pages leave open, pair by pair", 9_000, 250),
    "playbooks": Plan("playbooks", "the playbooks as users run them, on the same variants", 240, 6),
    "concurrency": Plan("concurrency", "eight clients that want the same at the same time", 1_500, 60),
    "load": Plan("load", "fleets of up to 5,000 at an API that takes 20 requests a second", 7, 2),
    "stories": Plan("stories", "the state machine, and somebody else who meddles; ten stories a case", 100, 1),
    "upgrade": Plan("upgrade", "caches, reports and states that earlier commits wrote, whole and damaged", 34, 34),
}


def load(name: str) -> Campaign:
    """Return a campaign. It is imported now, since some need more than others."""
    campaign: Campaign = importlib.import_module(f"{__name__}.{CAMPAIGNS[name].module}").CAMPAIGN
    return campaign
