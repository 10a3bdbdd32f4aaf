# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error that ends a module on a host."""

from __future__ import annotations

from typing import Any


class HostError(Exception):
    """What a module could not do.

    :param message: the whole text for the user: what was attempted, on what, what came back, what to do.
    :param details: further keys of the module's result.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details
