# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception that reaches a user."""

from __future__ import annotations

from typing import Any


class OcoreError(Exception):
    """Something a user has to know.

    The text names what was attempted, on which instance, what came back and what to do.

    :param message: one or more sentences for the user.
    :param status: HTTP status of the answer, when there was one.
    :param code: machine-readable code of the answer, when there was one.
    :param transient: true when the same request may succeed later.
    :param uncertain: true when the request may have been carried out although no answer says so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        transient: bool = False,
        uncertain: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.transient = transient
        self.uncertain = uncertain

    @property
    def maybe_own_retry(self) -> bool:
        """Tell whether a repeated request was refused because of something under way, which may be its own first try."""
        return self.uncertain and self.status == 409

    def details(self) -> dict[str, Any]:
        """Give the facts of the answer as a dict for the task result (``status``, ``code``; null when unknown)."""
        return {"status": self.status, "code": self.code}

    @property
    def late(self) -> bool:
        return self.status == 504 or "did not answer within" in self.message

    @property
    def about_one(self) -> bool:
        return self.status in (500, 403, 409, 422)
