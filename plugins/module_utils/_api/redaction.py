# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must not reach a screen, a log or a result: secrets, and characters that steer a terminal."""

from __future__ import annotations

import html
import json
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable

MASK = "********"

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


def displayable(text: str) -> str:
    """Return ``text`` on one line and without characters that steer a terminal or change the reading direction.

    Control characters (colours, window titles, line breaks) and format characters (Unicode category Cf: bidirectional
    overrides, zero-width characters) become "\ufffd"; line breaks and tabs become blanks.
    """
    line = " ".join(text.split())
    if line.isascii() and line.isprintable():
        return line
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in line)


def is_mask(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[^*•●]{0,4}[*•●]{3,}|[*•●]{3,}[^*•●]{0,4}", value) is not None


class Warnings:
    def __init__(self, emit, scrub):
        self.e, self.s, self.seen = emit, scrub, set()

    def __call__(self, text, kind=None):
        text = displayable(self.s(text))
        if text not in self.seen:
            self.seen.add(text)
            self.e(text)

    def close(self):
        pass
