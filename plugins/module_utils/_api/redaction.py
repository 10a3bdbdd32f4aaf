# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must not reach a screen, a log or a result: secrets, and characters that steer a terminal."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Optional, Protocol

MASK = "********"
SHORTEST = 4
"""Characters of the shortest text that is masked: replacing every "1" would destroy texts without hiding anything."""
WARNINGS_OF_A_KIND = 5

_MASK_CHARACTERS = "*•●·"
_VISIBLE, _HIDDEN = f"[^{_MASK_CHARACTERS}]{{0,4}}", f"[{_MASK_CHARACTERS}]{{3,}}"
_MASKED = re.compile(f"{_VISIBLE}{_HIDDEN}|{_HIDDEN}{_VISIBLE}", re.DOTALL)


def is_mask(value: object) -> bool:
    """Return whether a value stands for a secret that the API does not show.

    A mask has at least three mask characters and nothing else, but for at most four visible characters at one end, such as
    ``****1234``. Anything else, such as ``pa***word``, is a value.
    """
    return isinstance(value, str) and _MASKED.fullmatch(value) is not None


def is_full_mask(value: str) -> bool:
    """Return whether a value consists of mask characters alone."""
    return is_mask(value) and not value.strip(_MASK_CHARACTERS)


#: Written all over the place, and no secret by themselves.
_COMMON = frozenset({"true", "false", "null", "none"})


def _as_go_json(text: str) -> str:
    """Quote as Go's encoding/json does, which also escapes what HTML would interpret."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    for character in "&<>\u2028\u2029":
        quoted = quoted.replace(character, f"\\u{ord(character):04x}")
    return quoted


def _as_entities(text: str, number: str) -> str:
    """Quote with numeric entities; ``number`` formats a code point: "d", or "x" and "X" for hexadecimal digits."""
    prefix = "&#" if number == "d" else "&#x"
    return "".join(c if c.isascii() and c.isalnum() else f"{prefix}{ord(c):{number}};" for c in text)


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode(errors="replace"))


def _lower_percent(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), urllib.parse.quote(text, safe="", errors="replace"))


def _base64_cores(text: str, encode: Callable[[bytes], bytes]) -> list[str]:
    """Return what base64 of a longer text holds of ``text``, at each of the three places where it may begin."""
    data = text.encode(errors="replace")
    cores = []
    for shift in range(3):
        padded = encode(b"\0" * shift + data).decode().rstrip("=")
        # The first and last characters share their bits with what surrounds the text.
        first = -(-shift * 8 // 6)
        last = (shift + len(data)) * 8 // 6
        cores.append(padded[first:last])
    return cores


_QUOTINGS: tuple[Callable[[str], str], ...] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    lambda text: json.dumps(json.dumps(text, ensure_ascii=False)[1:-1], ensure_ascii=False)[1:-1],
    _as_go_json,
    lambda text: _as_go_json(_as_go_json(text)),
    lambda text: repr(text)[1:-1],
    html.escape,
    lambda text: html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    lambda text: html.escape(text, quote=False),
    lambda text: _as_entities(text, "d"),
    lambda text: _as_entities(text, "x"),
    lambda text: _as_entities(text, "X"),
    lambda text: urllib.parse.quote(text, errors="replace"),
    lambda text: urllib.parse.quote(text, safe="", errors="replace"),
    lambda text: urllib.parse.quote_plus(text, errors="replace"),
    _lower_percent,
    _percent,
    lambda text: _percent(text).lower(),
)


def _forms(secret: str) -> set[str]:
    """Return the texts that show a secret: itself, and as the usual formats quote it."""
    plain = {secret, secret.strip(), " ".join(secret.split())}
    if "\n" in secret or "\r" in secret:
        lines = [line.strip() for line in secret.splitlines() if line.strip()]
        # A key over several lines is often printed line by line, with another indentation.
        plain |= {"\n".join(lines), "\r\n".join(lines), "".join(lines), *(line for line in lines if len(line) >= 16)}
    forms = set(plain)
    for text in plain:
        forms.update(quoted(text) for quoted in _QUOTINGS)
        if len(text) >= 8:
            forms.update(_base64_cores(text, base64.b64encode))
            forms.update(_base64_cores(text, base64.urlsafe_b64encode))
    return {form for form in forms if len(form) >= SHORTEST and form.lower() not in _COMMON}


class Scrubber:
    """Replaces secrets before anything is shown, also where they are quoted the way JSON, Python, Go, HTML, a URL or base64
    quotes.

    Values of fewer than ``SHORTEST`` characters and the words of YAML are left alone: they are shown.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._new: set[str] = set()
        self._forms: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take further secrets."""
        new = {secret for secret in secrets if len(secret.strip()) >= SHORTEST}
        with self._lock:
            self._new |= new

    def __call__(self, text: str) -> str:
        """Return ``text`` with every secret replaced by asterisks, the longest first."""
        # Only those found make the pattern: one of all secrets of a large fleet would take seconds to compile.
        found = [form for form in self._all_forms() if form in text]
        if not found:
            return text
        pattern = "|".join(re.escape(form) for form in sorted(found, key=len, reverse=True))
        return re.sub(pattern, MASK, text)

    def _all_forms(self) -> tuple[str, ...]:
        """Return all forms. New secrets are quoted only now: most runs never have a text to look at."""
        with self._lock:
            for secret in self._new:
                self._forms |= _forms(secret)
            self._new.clear()
            return tuple(self._forms)


def scrubbed(value: Any, scrub: Scrubber) -> Any:
    """Return a value of JSON's types with every secret in its texts replaced; keys stay as they are."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {key: scrubbed(item, scrub) for key, item in value.items()}
    return [scrubbed(item, scrub) for item in value] if isinstance(value, list) else value


def displayable(text: str) -> str:
    """Return ``text`` on one line and without characters that steer a terminal or change the reading direction.

    Control characters (colours, window titles) and format characters (Unicode category Cf: bidirectional overrides,
    zero-width characters) become U+FFFD; line breaks and tabs become blanks.
    """
    line = " ".join(text.split())
    if line.isascii() and line.isprintable():
        return line
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in line)


class Warn(Protocol):
    """Takes a sentence for the user; of each ``kind`` (by default the sentence itself) a handful is shown."""

    def __call__(self, text: str, kind: Optional[str] = None) -> None: ...  # noqa: UP045 - pylint reads it as an expression


class Warnings:
    """The warnings of one task: each once, without secrets, and a handful of a kind.

    :param emit: shows one warning.
    """

    def __init__(self, emit: Callable[[str], None], scrub: Callable[[str], str]) -> None:
        self._emit = emit
        self._scrub = scrub
        self._seen: set[str] = set()
        self._count: Counter[str] = Counter()

    def __call__(self, text: str, kind: str | None = None) -> None:
        """Show a warning, unless it was shown before or there were enough of its kind."""
        shown = displayable(self._scrub(text))
        if shown in self._seen:
            return
        self._seen.add(shown)
        if kind is not None:
            self._count[kind] += 1
        if kind is None or self._count[kind] <= WARNINGS_OF_A_KIND:
            self._emit(shown)

    def close(self) -> None:
        """Say how many of each kind were not shown."""
        for kind, count in self._count.items():
            if count > WARNINGS_OF_A_KIND:
                self._emit(f"{count - WARNINGS_OF_A_KIND} more warnings of this kind: {kind}.")
        self._count.clear()
