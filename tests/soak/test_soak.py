# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small campaigns, which are part of `make test`. `make soak` is the whole ones."""

from __future__ import annotations

from ansible_collections.ocore.cloud.tests.soak import faults, hostile

SEED = 1
CASES = 600


def test_soak_a_small_campaign_finds_nothing() -> None:
    verdicts = faults.run(CASES, SEED)
    assert not any(verdict.problems for verdict in verdicts), f"\n{faults.table(verdicts, SEED)}"


def test_hostile_answers_of_a_small_campaign_harm_nobody() -> None:
    verdicts = hostile.run(CASES, SEED)
    assert not any(verdict.problems for verdict in verdicts), f"\n{hostile.table(verdicts)}"
