# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must not reach a screen, a log or a result: secrets, and characters that steer a terminal."""

from __future__ import annotations

import base64
import binascii
import functools
import html
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from html.entities import codepoint2name
from typing import Any, Optional, Protocol
from urllib.parse import unquote, unquote_plus

MASK = "********"
SHORTEST = 4
"""Characters of the shortest text that is masked: replacing every "1" would destroy texts without hiding anything."""
LINE_LEAST = 16
"""Characters of a line of a secret that is masked by itself."""
WARNINGS_OF_A_KIND = 5
FEW_STARTS = 16
"""Beginnings of secrets that are looked for one by one, which takes less time than a look at each character."""
LOOKED_AT_EACH = 16
"""Texts that are looked at one by one."""
DEEPEST = 32
"""Levels of an unknown value that are shown: deeper ones would exhaust the stack of whoever reads them."""

_MASK_CHARACTERS = "*•●·"
_VISIBLE, _HIDDEN = f"[^{_MASK_CHARACTERS}]{{0,4}}", f"[{_MASK_CHARACTERS}]{{3,}}"
_WORD = r"(?:redacted|hidden|masked|filtered|encrypted|protected|secret|sensitive(?: value)?)"
_MASKED = re.compile(
    rf"{_VISIBLE}{_HIDDEN}|{_HIDDEN}{_VISIBLE}|[xX]{{3,}}|(?i:redacted|[\[(<{{*]+\s*{_WORD}\s*[\])>}}*]+)", re.DOTALL
)


def is_mask(value: object) -> bool:
    """Return whether a value stands for a secret that the API does not show.

    A mask has at least three mask characters and nothing else, but for at most four visible characters at one end, such as
    ``****1234``, or is at least three x and nothing else, or a word such as ``[REDACTED]``. Anything else, such as
    ``pa***word``, is a value.
    """
    return isinstance(value, str) and _MASKED.fullmatch(value) is not None


def is_full_mask(value: str) -> bool:
    """Return whether a value consists of mask characters alone."""
    return is_mask(value) and not value.strip(_MASK_CHARACTERS)


#: Written all over the place, and no secret by themselves.
_COMMON = frozenset({"true", "false", "null", "none"})

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_CONTROL_ENTITY = re.compile(r"&#(?:[xX]0*([01]?[0-9a-fA-F]|7[fF])|0*([12]?[0-9]|3[01]|127));")
_WHITE = re.compile(r"[ \t\r\n]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}")
_PERCENT = "(?:%(?:25)*|&#(?:37|x25);)"
_AMPERSAND = "(?:&|%(?:25)*26)(?:amp(?:;|%(?:25)*3b))*"
_BACKSLASH = rf"(?:\\|(?i:{_PERCENT}5c|{_AMPERSAND}#(?:0*92|x0*5c);))"
_BLANK = (
    rf"(?:[ \t\r\n]|{_BACKSLASH}+(?:[nrt]|(?:u00|x)(?:0[9aAdD]|20))|(?i:{_PERCENT}(?:09|0a|0d|20)|\+|{_PERCENT}2b"
    rf"|{_AMPERSAND}#(?:0*(?:9|10|13|32)|x0*(?:9|a|d|20));))+"
)
"""One run of white space, in any quoting."""


class Scrubber:
    """Replaces secret texts before anything is shown, also where they are quoted: JSON (twice too), Python, HTML, URLs,
    base64, and with other line ends or indentation.

    Values of fewer than ``SHORTEST`` characters and the words of YAML are not masked: they are shown.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # By their first characters, so that a look costs the length of the text and not the number of secrets.
        self._lock = threading.Lock()
        self._by_start: dict[str, dict[str, None]] = {}
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take further secret texts; masks that the API sent in place of a value are none."""
        for secret in secrets:
            for text in _readings(secret):
                if len(text) < SHORTEST or text.lower() in _COMMON or is_mask(text):
                    continue
                with self._lock:
                    self._by_start.setdefault(text[:SHORTEST], {})[text] = None

    def __call__(self, text: str) -> str:
        """Return ``text`` with every secret replaced by asterisks, the longest first.

        A text in which a secret can be read, but not located, is replaced as a whole.
        """
        for every_character in (False, True):
            found = self._found(text)
            if not found:
                return text
            for secret in sorted(found, key=len, reverse=True):
                text = _pattern(secret, every_character).sub(MASK, text)
        found = self._found(text)
        if found:
            text = _BASE64.sub(lambda run: MASK if self._found(run[0]) else run[0], text)
        return MASK if self._found(text) else text

    def finds(self, text: str) -> bool:
        """Return whether a secret can be read in ``text``."""
        return bool(self._found(text))

    def _found(self, text: str) -> set[str]:
        """Return the secrets that can be read in ``text``, quoted or not."""
        if not self._by_start:
            return set()
        return {secret for view in _views(text, self._may_be_encoded) for secret in self._in(view)}

    def _may_be_encoded(self, view: str) -> bool:
        """Return whether base64 in ``view`` may hold a secret: of few secrets that is seen without decoding."""
        starts = tuple(self._by_start)
        if len(starts) > FEW_STARTS:
            return True
        standard = _standard(view)
        return any(part in standard for start in starts for part in _encoded_parts(start))

    def _in(self, view: str) -> Iterator[str]:
        for index, secrets in self._starts(view):
            for secret in tuple(secrets):  # other threads may add some
                if view.startswith(secret, index):
                    yield secret

    def _starts(self, view: str) -> Iterator[tuple[int, dict[str, None]]]:
        """Give where a secret may begin in ``view``, with the secrets that begin like that."""
        by_start = self._by_start
        if len(by_start) > FEW_STARTS:
            for index in range(len(view) - SHORTEST + 1):
                secrets = by_start.get(view[index : index + SHORTEST])
                if secrets is not None:
                    yield index, secrets
            return
        for start, secrets in tuple(by_start.items()):
            index = view.find(start)
            while index >= 0:
                yield index, secrets
                index = view.find(start, index + 1)


def _flat(text: str) -> str:
    """Return ``text`` with each run of ASCII's white space as one blank, and none around it."""
    return _WHITE.sub(" ", text).strip(" ")


def _readings(secret: str) -> Iterator[str]:
    """Give the texts that show a secret: with each run of white space as one blank; of several lines, without line ends
    too, and each long line by itself, since keys are often printed line by line."""
    yield _flat(secret)
    lines = [line.strip() for line in secret.splitlines() if line.strip()]
    if len(lines) > 1:
        yield "".join("".join(lines).split())
        yield from (_flat(line) for line in lines if len(line) >= LINE_LEAST)


def _views(text: str, may_be_encoded: Callable[[str], bool]) -> Iterator[str]:
    """Give ``text`` in every way in which it may be read, with each run of white space as one blank.

    :param may_be_encoded: whether decoding the base64 in a view is worth while.
    """
    views = newest = {text}
    for _depth in range(3):
        newest = {decode(view) for view in newest for mark, decode in _DECODERS if mark in view} - views
        views = views | newest
    for view in views:
        yield _flat(view)
        if may_be_encoded(view):
            yield from _base64_views(view)


def _unescape(text: str) -> str:
    """Undo the escapes of JSON, Go and Python."""

    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if not code:
            return _ESCAPED.get(match[4], match[4])
        number = int(code, 16)
        return chr(number) if number < 0x110000 else match[0]

    plain = _ESCAPE.sub(character, text)
    # JSON writes a character beyond 16 bits as two halves; half a character by itself stays.
    return plain if plain.isascii() else plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape_html(text: str) -> str:
    """Undo HTML's entities, also those of control characters, which ``html.unescape`` drops."""
    return html.unescape(
        _CONTROL_ENTITY.sub(lambda match: chr(int(match[1] or match[2], 16 if match[1] else 10)), text)
    )


_DECODERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("\\", _unescape),
    ("&", _unescape_html),
    ("%", unquote),
    ("+", unquote_plus),
)


def _standard(text: str) -> str:
    """Return ``text`` with base64 of URLs and file names in the alphabet of all others."""
    return text.replace("-", "+").replace("_", "/")


@functools.lru_cache(256)
def _encoded_parts(start: str) -> tuple[str, ...]:
    """Return what base64 shows of a text, whatever stands around it: one part for each of the three places it may have.

    White space may differ from that in the text, so a text with white space may be encoded as anything.
    """
    if _WHITE.search(start):
        return ("",)
    data = start.encode("utf-8", "surrogatepass")
    parts = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        # A character holds 6 bits: those at the ends share theirs with what stands there.
        parts.append(encoded[-(-8 * before // 6) : 8 * (before + len(data)) // 6])
    return tuple(parts)


def _base64_views(text: str) -> Iterator[str]:
    for run in _BASE64.findall(text):
        standard = _standard(run)
        for start in range(4):  # what stands before may be of the same alphabet
            piece = standard[start:]
            piece = piece[: len(piece) - (len(piece) % 4 == 1)]
            try:
                decoded = base64.b64decode(piece + "=" * (-len(piece) % 4))
            except binascii.Error:
                continue
            yield _flat(decoded.decode("utf-8", "replace"))


@functools.lru_cache(256)
def _pattern(secret: str, every_character: bool) -> re.Pattern[str]:
    """Return a pattern for a secret in which characters may be quoted: letters and digits too, or all others only."""
    plain = "" if every_character else "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return re.compile("".join(_BLANK if c == " " else c if c in plain else _quoted(c) for c in secret))


def _quoted(character: str) -> str:
    """Return a pattern for one character as it is, or as JSON, Python, HTML or a URL write it."""
    code = ord(character)
    units = character.encode("utf-16-be", "surrogatepass").hex()
    halves = "".join(rf"\\+u{units[i : i + 4]}" for i in range(0, len(units), 4))
    octets = "".join(f"{_PERCENT}{octet:02x}" for octet in character.encode("utf-8", "surrogatepass"))
    name = codepoint2name.get(code)
    entities = rf"#0*{code};|#x0*{code:x};" + (rf"|{name};" if name else "") + ("|apos;" if character == "'" else "")
    if character == "\\":
        return f"{_BACKSLASH}+"
    escapes = halves + (rf"|\\+x{code:02x}" if code < 256 else rf"|\\+u{code:08x}")
    return f"{_BACKSLASH}*(?:{re.escape(character)}|(?i:{escapes}|{_AMPERSAND}(?:{entities})|{octets}))"


def scrubbed(value: Any, scrub: Scrubber) -> Any:
    """Return a value of JSON's types with every secret in its texts replaced; keys stay as they are."""
    shown = _scrubbed_texts(list(dict.fromkeys(_texts(value))), scrub)
    return _replaced(value, shown) if shown else value


def _texts(value: Any) -> Iterator[str]:
    """Give all texts of a value, but for keys."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _scrubbed_texts(texts: list[str], scrub: Scrubber) -> dict[str, str]:
    """Return what to show in place of each text that holds a secret.

    One look at many texts costs a fraction of a look at each, and hardly any holds one. No secret spans two of them: no
    quoting knows the character between them, so that a look at all finds at least what a look at each does.
    """
    if len(texts) <= LOOKED_AT_EACH:
        return {text: clean for text in texts if (clean := scrub(text)) != text}
    if not scrub.finds("\0".join(texts)):
        return {}
    half = len(texts) // 2
    return {**_scrubbed_texts(texts[:half], scrub), **_scrubbed_texts(texts[half:], scrub)}


def _replaced(value: Any, shown: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return shown.get(value, value)
    if isinstance(value, dict):
        return {key: _replaced(item, shown) for key, item in value.items()}
    return [_replaced(item, shown) for item in value] if isinstance(value, list) else value


_SECRET_NAME = re.compile(r"passw|passphrase|pwd|secret|token|credential|private|key(?!board)|envvars", re.IGNORECASE)


def without_secret_fields(value: Any, depth: int = DEEPEST) -> Any:
    """Return a value of JSON's types with a mask in place of each field whose name is that of a secret.

    What lies deeper than ``depth`` levels becomes ``None``.
    """
    if not depth:
        return None
    if isinstance(value, dict):
        return {
            key: MASK
            if item and _SECRET_NAME.search(key) and not isinstance(item, bool)
            else without_secret_fields(item, depth - 1)
            for key, item in value.items()
        }
    return [without_secret_fields(item, depth - 1) for item in value] if isinstance(value, list) else value


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
