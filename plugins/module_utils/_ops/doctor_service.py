# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's checks of the API as a service: its errors, limits and pace. Nothing here sends a request."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable

from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import (
    Answer,
    Exchange,
    error_text,
    page_title,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_finding import (
    Finding,
    Words,
    differs,
    median,
    ok,
    several,
    unknown,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_look import Evidence

GROUP = "Errors, limits and pace"
SLOW = {"list": 5.0, "get": 1.0, "health": 1.0}
"""Seconds above which a median is worth a word."""
_LIMIT = re.compile(r"(x-)?rate-?limit|retry-after", re.IGNORECASE)


def check_service(seen: Evidence, words: Words) -> list[Finding]:
    """Return the findings about errors, rate limits and latency."""
    return [
        _absent(seen),
        _error_body(seen, words),
        _reliability(seen),
        _rate_limits(seen, words),
        *(_latency(seen, what) for what in SLOW),
    ]


def _absent(seen: Evidence) -> Finding:
    check, status = "absent", seen.absent.status if seen.absent else None
    if status == 404:
        return ok(check, "an instance that does not exist is answered with HTTP 404")
    if status is None:
        return unknown(check, "the question got no answer", "Mend the findings about connection and access first.")
    if status in (401, 403, 429) or status >= 500:
        return unknown(check, f"the question was answered with HTTP {status}", "Mend the findings about access first.")
    if status in (400, 410, 422):
        advice = "Tasks that look for an instance by id fail instead of finding nothing. Report it."
        return differs(check, f"an instance that does not exist is answered with HTTP {status}", advice)
    advice = "Whether a removed instance is gone cannot be told by id; the list is asked as well. Report it."
    return differs(check, f"an instance that does not exist is answered with HTTP {status}", advice)


def error_shape(answer: Answer) -> str:
    """Return the form of an error: message, nested, flat, problem, text, html, empty or other."""
    if not answer.content.strip():
        return "empty"
    if page_title(answer.text) is not None:
        return "html"
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return "text"
    if not isinstance(body, dict):
        return "other"
    if isinstance(body.get("error"), dict):
        return "nested"
    if isinstance(body.get("error"), str):
        return "flat"
    if "message" in body:
        return "message"
    return "problem" if "title" in body or "detail" in body else "other"


_FORMS = {
    "message": "JSON with a message",
    "nested": "JSON with error.code and error.message",
    "flat": "JSON with error and code",
    "problem": "JSON with title and detail",
}


def _error_body(seen: Evidence, words: Words) -> Finding:
    errors = [exchange.answer for exchange in seen.exchanges if exchange.answer.status >= 400]
    if not errors:
        return unknown("error_body", "no error was seen", "The usual forms are all read.")
    answer = seen.absent.exchanges[-1].answer if seen.absent and seen.absent.exchanges else errors[-1]
    shape = error_shape(answer if answer.status >= 400 else errors[-1])
    if shape in _FORMS:
        code = error_text(answer)[0]
        return ok("error_body", _FORMS[shape] + (f", code {words(code)}" if code else ""), "Messages quote it.")
    how = {"text": "plain text", "html": "an HTML page", "empty": "no body"}.get(shape, "JSON of another form")
    advice = "Messages say the status, and quote what can be read. The documentation promises a code in JSON."
    return differs("error_body", how, advice)


def _reliability(seen: Evidence) -> Finding:
    troubles = Counter(
        e.answer.status for e in seen.exchanges if e.answer.status in (408, 429, 500, 502, 503, 504, 524)
    )
    total = several(len(seen.exchanges) + seen.unanswered, "request")
    if not seen.exchanges:
        return unknown("reliability", "no request was answered", "Mend the findings about connection and access first.")
    if troubles or seen.unanswered:
        parts = [f"{number} with HTTP {status}" for status, number in sorted(troubles.items())]
        parts += [f"{seen.unanswered} not at all"] if seen.unanswered else []
        advice = "Reads are retried. If this stays, raise retries, and run fewer tasks at once."
        return differs("reliability", f"of {total}, answered {', '.join(parts)}", advice)
    return ok("reliability", f"{total}, all answered at the first try")


def limit_headers(exchanges: Iterable[Exchange]) -> set[str]:
    """Return the names of headers that are about rate limits."""
    return {name.lower() for exchange in exchanges for name in exchange.answer.headers if _LIMIT.match(name)}


def _rate_limits(seen: Evidence, words: Words) -> Finding:
    names = limit_headers(seen.exchanges)
    slowed = [exchange for exchange in seen.exchanges if exchange.answer.status == 429]
    if slowed:
        told = (
            "and says for how long"
            if any("Retry-After" in e.answer.headers for e in slowed)
            else "without saying for how long"
        )
        advice = (
            "Retry-After is obeyed, and slows all requests of a task. Lower max_parallel and forks, or raise retries."
        )
        return differs("rate_limits", f"the limit was met: oCore answered HTTP 429 {told}", advice)
    if names:
        advice = "The collection slows down when HTTP 429 comes, not before. Keep max_parallel within the limit."
        return ok("rate_limits", f"not met; announced by {words.list(names)}", advice)
    return ok("rate_limits", "not met, and none announced")


def _latency(seen: Evidence, what: str) -> Finding:
    seconds = seen.seconds.get(what) or []
    if not seconds:
        return unknown(f"latency_{what}", "not measured", "Mend the findings above first, or create an instance.")
    middle = median(seconds)
    text = f"{middle * 1000:,.0f} ms, median of {len(seconds)}"
    if middle > SLOW[what]:
        advice = "Waiting and long lists take accordingly. Raise wait_timeout and request_timeout where tasks time out."
        return differs(f"latency_{what}", text, advice)
    return ok(f"latency_{what}", text)
