# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ansible.module_utils._internal as internal
import pytest


@pytest.fixture(autouse=True)
def as_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have warnings go into the result, as in a real module: other tests load parts of the controller."""
    monkeypatch.setattr(internal, "is_controller", False)
