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
    :param transient: whether the same request may succeed later.
    :param uncertain: whether the request may have been carried out although no answer says so.
    :param late: whether the answer timed out, here or at a gateway, so that the work may end much later.
    :param accepted: whether oCore said that it carries the request out, although its answer is of no use.
    :param about_one: whether the failure is about one instance, so that requests about others may succeed.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        transient: bool = False,
        uncertain: bool = False,
        late: bool = False,
        accepted: bool = False,
        about_one: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.transient = transient
        self.uncertain = uncertain
        self.late = late
        self.accepted = accepted
        self.about_one = about_one

    @property
    def maybe_own_retry(self) -> bool:
        """Return whether a repeated request may have been refused because of its own first try, still in progress."""
        return self.uncertain and self.status == 409

    def details(self) -> dict[str, Any]:
        """Return the facts of the answer as a dict for the task result (``status``, ``code``; ``None`` when unknown)."""
        return {"status": self.status, "code": self.code}
