# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is sent to oCore and what comes back: requests and answers, and how answers are read."""

from __future__ import annotations

import email.utils
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import displayable

DIGITS_MOST = 300
"""Digits of an integer; Python refuses to convert thousands, and no float holds more than this."""
NO_NUMBER: tuple[()] = ()
"""Stands for NaN, an infinity, or a number that is too long: no type of a field accepts it, and it is no list either."""


@dataclass(frozen=True)
class Request:
    """One request.

    :param attempt: what it is for, for error texts: "update instance shop (id)".
    :param body: JSON value to send; ``None`` for none.
    :param wants_object: whether the answer matters; else a 2xx status is enough, as long as it comes from oCore.
    """

    method: str
    path: str
    attempt: str
    query: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    wants_object: bool = True

    @property
    def is_about_one(self) -> bool:
        """Return whether it is about one instance, so that its failure says nothing about others."""
        return self.path.count("/") > 1


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    text: str


@dataclass(frozen=True)
class Exchange:
    """One request that was answered, whatever the answer was.

    :param seconds: from sending it until the answer was read to its end.
    """

    request: Request
    answer: Answer
    seconds: float


def decode_json(content: bytes) -> Any:
    """Decode JSON. A number that Python cannot hold or compare becomes ``NO_NUMBER``.

    :raises ValueError: when it is not complete.
    :raises RecursionError: when it is nested too deep.
    """
    try:
        return json.loads(content, parse_constant=_no_number, parse_float=_float)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits, which Python refuses to convert
        return json.loads(content, parse_constant=_no_number, parse_float=_float, parse_int=_int)


def _no_number(_text: str) -> tuple[()]:
    return NO_NUMBER


def _float(text: str) -> float | tuple[()]:
    value = float(text)
    return value if math.isfinite(value) else NO_NUMBER


def _int(text: str) -> int | tuple[()]:
    return int(text) if len(text) <= DIGITS_MOST else NO_NUMBER


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` (seconds or a date, RFC 9110 section 10.2.3); return seconds from now, or ``None``."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
        # The server's own clock, where it tells it: the two clocks may differ.
        now = email.utils.parsedate_to_datetime(headers.get("Date", email.utils.formatdate(usegmt=True)))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def redirect_target(headers: Mapping[str, str]) -> str:
    """Return where a redirect leads, as the end of a sentence; empty when that cannot be told."""
    try:
        parts = urlsplit(headers.get("Location", ""))
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f" to {displayable(f'{parts.scheme}://{host}')}" if host else ""


def page_title(text: str) -> str | None:
    """Return an HTML page's name for a sentence; ``None`` for any other text."""
    if "<html" not in text.lower() and "<!doctype" not in text.lower():
        return None
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return f'an HTML page titled "{title.group(1).strip()}"' if title else "an HTML page"


#: Where APIs say what went wrong, the usual ones first.
_MESSAGE_KEYS = (
    "message",
    "detail",
    "title",
    "msg",
    "reason",
    "errorMessage",
    "error_message",
    "description",
    "statusText",
)


#: Keys of answers that hold what was asked for; an ``error`` beside them is a part of that.
_PAYLOAD = ("id", "slug", "name", "instance", "instances", "servers", "data", "score")


def error_text(answer: Answer) -> tuple[str, str]:
    """Find code and message in an error answer, whose shape is not documented; each may be empty."""
    try:
        body: Any = json.loads(answer.content)
    except (ValueError, RecursionError):
        text = answer.text
        return "", page_title(text) or text
    if not isinstance(body, dict):
        return "", _in_words(body) if body else ""
    inner = body.get("error")
    source: dict[str, Any] = {**body, **inner} if isinstance(inner, dict) else body
    said = [next((source[key] for key in _MESSAGE_KEYS if source.get(key)), None)]
    if not said[0]:
        said = [None if isinstance(inner, dict) else inner, source.get("error_description")]
    said += [source.get("details"), source.get("errors")]
    code = source.get("code")
    return "" if code is None else _in_words(code), ". ".join(_in_words(part).rstrip(".") for part in said if part)


def names_an_error(body: object) -> bool:
    """Return whether an answer says that nothing was done, although its status means success."""
    if not isinstance(body, dict):
        return False
    return body.get("success") is False or (
        bool(body.get("error") or body.get("errors")) and not any(key in body for key in _PAYLOAD)
    )


def _in_words(value: object, depth: int = 0) -> str:
    """Write a part of an error answer for people: ``{"name": ["is too long"]}`` as ``name: is too long``."""
    if depth > 8:
        return "…"
    if isinstance(value, (list, tuple)):
        return "; ".join(_in_words(item, depth + 1) for item in value)
    if isinstance(value, dict):
        said = value.get("message") or value.get("msg") or value.get("detail")
        if said:
            where = value.get("field") or value.get("loc") or ""
            where = ".".join(map(str, where)) if isinstance(where, list) else str(where)
            return f"{where}: {_in_words(said, depth + 1)}" if where else _in_words(said, depth + 1)
        return ", ".join(f"{key}: {_in_words(item, depth + 1)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value)
