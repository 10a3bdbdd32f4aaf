# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One emulator process for all tests here, back at its start before each of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "extensions"))

from emulator.process import Emulator
from emulator_client import Client


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
