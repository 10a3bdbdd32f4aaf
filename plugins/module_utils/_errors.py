# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no compatibility is promised to other users.

"""The one exception that reaches a user, and what must not be in it."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

MASK = "********"


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
    def overtaken(self) -> bool:
        """Tell whether a repeated request was refused because of something under way, which may be its own first try."""
        return self.uncertain and self.status == 409

    def details(self) -> dict[str, Any]:
        """Give the facts of the answer as a dict for the task result (``status``, ``code``; null when unknown)."""
        return {"status": self.status, "code": self.code}


#: Written all over the place, and no secret by themselves.
_COMMON = frozenset({"true", "false", "null", "none"})


_QUOTINGS: tuple[Callable[[str], str], ...] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: repr(text)[1:-1],
    html.escape,
    lambda text: urllib.parse.quote(text, errors="replace"),
    lambda text: urllib.parse.quote_plus(text, errors="replace"),
)


class Scrubber:
    """Replaces secret texts before anything is shown, also where they are quoted the way JSON, Python, HTML or a URL does.

    Values of fewer than four characters and the words of YAML are left alone: replacing every "1" or "true" would
    destroy the text without hiding anything.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take further secret texts."""
        for secret in secrets:
            for text in {secret, secret.strip(), " ".join(secret.split()), *(quoted(secret) for quoted in _QUOTINGS)}:
                if len(text) >= 4 and text.lower() not in _COMMON:
                    self._secrets.add(text)

    def __call__(self, text: str) -> str:
        """Give ``text`` with every secret replaced by asterisks, the longest first."""
        # Only those found make the pattern: one of all secrets of a large fleet would take seconds to compile.
        found = [secret for secret in tuple(self._secrets) if secret in text]
        if not found:
            return text
        pattern = "|".join(re.escape(s) for s in sorted(found, key=len, reverse=True))
        return re.sub(pattern, MASK, text)
