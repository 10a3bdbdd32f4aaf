# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the playbooks; each is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.ocore.cloud.plugins.plugin_utils import _input


class FilterModule:
    """The filters that check what people set."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"input_problems": _input.input_problems}
