# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One emulator process for all tests here, back at its start before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.emulator.emulator_client import Client


@pytest.fixture(scope="session")
def process() -> Iterator[Emulator]:
    with Emulator("--seed", "5", step_by="call") as running:
        yield running


@pytest.fixture
def emulator(process: Emulator) -> Emulator:
    process.reset()
    return process


@pytest.fixture
def api(emulator: Emulator) -> Client:
    return Client(emulator)
