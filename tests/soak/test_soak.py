# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small campaigns, which are part of `make test`. `make soak` is the whole ones."""

from __future__ import annotations

import pytest
from ansible_collections.ocore.cloud.tests.soak import CAMPAIGNS, load

SEED = 1


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_soak_a_small_campaign_finds_nothing(name: str) -> None:
    campaign = load(name)
    verdicts = campaign.run(CAMPAIGNS[name].small, SEED)
    assert len(verdicts) == CAMPAIGNS[name].small
    assert not any(verdict.problems for verdict in verdicts), f"\n{campaign.table(verdicts, SEED)}"
