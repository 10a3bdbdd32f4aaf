# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make ``ansible_collections.ocore.cloud`` importable from a checkout, the way ansible-core itself does it.

The property tests try the same examples every time, so that what is tested does not depend on luck;
``--hypothesis-profile=search`` looks for new ones instead, and for long. What it finds becomes a test of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# ansible-test brings a configuration of pytest of its own, without the path of the tools.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import pytest
from checkout import make_importable
from hypothesis import settings

make_importable()

settings.register_profile("same", derandomize=True, max_examples=40)
settings.register_profile("search", max_examples=2000)
settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    """Run all tests of a worker in one process, under ansible-test too.

    It forks for every test. There each would start an emulator of its own, since what a fixture did once is lost with the fork.
    """
    if config.pluginmanager.has_plugin("ansible_forked"):
        config.pluginmanager.unregister(name="ansible_forked")
    config.addinivalue_line("markers", "programs: runs Ansible's programs, which takes long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests that run Ansible's programs to ``make unit``: under ansible-test these would do the very same."""
    if config.pluginmanager.has_plugin("ansible_pytest_collections"):
        left = [item for item in items if item.get_closest_marker("programs")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("programs")]


@pytest.fixture(scope="session")
def playbooks() -> Iterator[Any]:
    """Run ansible-playbook: a `Playbooks` of the helpers, which cannot be imported before the collection can."""
    from ansible_collections.ocore.cloud.tests.unit.helpers.playbooks import Playbooks

    with Playbooks() as started:
        yield started
