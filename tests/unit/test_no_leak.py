# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in anything that a run of ansible-playbook prints or keeps, as loud as it gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.helpers import loud

pytestmark = pytest.mark.programs

MARKS = {way: f"planted-{way.lower()}-7f3a" for way in loud.WAYS}
MARKS["LINES"] = "planted-first\n  planted \"second' line\\"


@pytest.mark.parametrize("in_process", ["true", "false"])
def test_secret_is_in_nothing_that_a_loud_run_prints(tmp_path: Path, in_process: str) -> None:
    run = loud.run(tmp_path, MARKS, in_process=in_process)
    assert run.returncode == 0, run.shown
    assert "ignored=5" in run.shown
    assert run.refused == 1
    assert "oCore answered HTTP 422" in run.shown
    assert "******** (changed)" in run.shown
    assert {Path(name).parts[0] for name in run.outputs} >= {"terminal", "run.log", "cache", "facts"}
    lines = [line for text in run.outputs.values() for line in text.splitlines()]
    assert [line for line in lines if Emulator.token in line or "planted" in line][:5] == []
