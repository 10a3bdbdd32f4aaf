# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small campaign, which is part of `make test`. `make soak` is the whole one."""

from __future__ import annotations

from ansible_collections.ocore.cloud.tests.soak.campaign import run, table

SEED = 1
CASES = 600


def test_soak_a_small_campaign_finds_nothing() -> None:
    verdicts = run(CASES, SEED)
    assert not any(verdict.problems for verdict in verdicts), f"\n{table(verdicts, SEED)}"
