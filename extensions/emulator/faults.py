# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults by rule: what goes wrong, in which operation, how often."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.responses import HTMLResponse, Response

from .errors import error_response
from .transport import CutOff, Drip, Hangup

OPERATIONS = ("list", "create", "get", "update", "delete", "control", "health", "health_score", "servers")
KINDS = {
    "drop_before": "the connection is closed without an answer; nothing was done",
    "drop_after": "the work is done, then the connection is closed without an answer",
    "reset": "the connection is reset (TCP RST); nothing was done",
    "error_before": "status (500) with message; nothing was done",
    "error_after": "the work is done, then status (500) with message",
    "bad_gateway_html": "502 with a proxy's HTML page; nothing was done",
    "rate_limit": "429; retry_after: none, seconds or date, of so many seconds (1)",
    "cut_json": "the work is done; Content-Length is right, but the connection closes after half of the body",
    "truncated_json": "the work is done; a complete answer whose JSON stops half-way",
    "late": "status (504) now, the work is done only steps (2) later, times (1) over; status 0 closes the connection",
    "answer": "the work is done, then status (200) with text as the body, whatever it is",
    "login_page": "status (200) with an HTML login page, when: before (nothing was done) or after the work",
    "other_record": "the work is done; the answer holds the record of another instance",
    "meanwhile": "someone else sets fields of this instance, when: before or after the work; envVars are merged",
    "drip": "the work is done; part (headers or body) of the answer comes byte by byte, seconds (1) apart",
    "slow": "the answer takes seconds (1) longer, when: before or after the work",
    "unauthorized_from_now": "401, every time from now on unless count says otherwise",
    "redirect": "status (307) to location; nothing was done",
}
_BAD_GATEWAY = (
    "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
_LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in - Example Proxy</title></head><body><form>Password</form></body></html>"
)
_TYPES: dict[str, Any] = {
    "count": int | None,
    "after": int,
    "status": int | None,
    "message": str,
    "seconds": int | float,
    "location": str | None,
    "instance": str | None,
    "steps": int | float,
    "times": int,
    "text": str,
    "fields": dict,
}


@dataclass
class Rule:
    """One fault. It hits `count` times (None: every time), after `after` matching requests went through untouched.

    `instance` limits it to requests about one id.
    """

    id: int
    kind: str
    operation: str = "*"
    count: int | None = 1
    after: int = 0
    status: int | None = None
    message: str = "injected fault"
    seconds: float = 1.0
    retry_after: str = "none"
    when: str = "before"
    location: str | None = None
    instance: str | None = None
    steps: float = 2
    times: int = 1
    text: str = ""
    part: str = "body"
    fields: dict[str, Any] = field(default_factory=dict)
    fired: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that makes no sense."""
        for name, kinds in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, int | float) and value < 0):
                raise ValueError(f"{name} cannot be {value!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.operation != "*" and self.operation not in OPERATIONS:
            raise ValueError(f"operation is * or one of {', '.join(OPERATIONS)}, not {self.operation!r}")
        if self.retry_after not in ("none", "seconds", "date"):
            raise ValueError(f"retry_after is none, seconds or date, not {self.retry_after!r}")
        if self.when not in ("before", "after"):
            raise ValueError(f"when is before or after, not {self.when!r}")
        if self.part not in ("headers", "body"):
            raise ValueError(f"part is headers or body, not {self.part!r}")
        if self.kind == "redirect" and not self.location:
            raise ValueError("redirect needs a location")

    def before(self, shape: str) -> Response | None:
        """Return what is answered in place of the work, or None when the work goes on."""
        if self.kind == "drop_before":
            return Hangup()
        if self.kind == "reset":
            return Hangup(reset=True)
        if self.kind == "error_before":
            return error_response(shape, self.status or 500, self.message)
        if self.kind == "bad_gateway_html":
            return HTMLResponse(_BAD_GATEWAY, 502)
        if self.kind == "rate_limit":
            return error_response(shape, 429, "too many requests", self._retry_after())
        if self.kind == "unauthorized_from_now":
            return error_response(shape, 401, "invalid or expired token")
        if self.kind == "redirect":
            return Response(b"", self.status or 307, {"location": self.location or ""})
        if self.kind == "late":
            return Hangup() if self.status == 0 else error_response(shape, self.status or 504, self.message)
        if self.kind == "login_page" and self.when == "before":
            return HTMLResponse(_LOGIN_PAGE, self.status or 200)
        return None

    def after_work(self, response: Response, shape: str, pause: Callable[[float], Awaitable[None]]) -> Response:
        """Return what is answered once the work is done and `response` was to be sent."""
        if self.kind == "answer":
            return Response(
                self.text.encode(), self.status or 200, media_type="application/json" if self.text else None
            )
        if self.kind == "login_page":
            return HTMLResponse(_LOGIN_PAGE, self.status or 200)
        if self.kind == "drip":
            return Drip(response, self.seconds, self.part, pause)
        if self.kind == "drop_after":
            return Hangup()
        if self.kind == "error_after":
            return error_response(shape, self.status or 500, self.message)
        if self.kind == "cut_json":
            return CutOff(response)
        if self.kind == "truncated_json":
            return Response(
                response.body[: len(response.body) // 2], response.status_code, media_type="application/json"
            )
        return response

    def interferes(self, moment: str) -> bool:
        """Return whether someone else changes the instance at this moment, before or after the work."""
        return self.kind == "meanwhile" and self.when == moment

    def delay(self, moment: str) -> float:
        """Seconds to wait at this moment, before or after the work."""
        return self.seconds if self.kind == "slow" and self.when == moment else 0.0

    def _retry_after(self) -> dict[str, str]:
        if self.retry_after == "seconds":
            return {"retry-after": str(round(self.seconds))}
        if self.retry_after == "date":
            return {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=self.seconds), usegmt=True)}
        return {}


class Faults:
    """The rules in force, oldest first; the first that is due hits a request."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._ids = itertools.count(1)

    def add(self, given: dict[str, Any]) -> Rule:
        """Make a rule from JSON; ValueError says what is wrong with it."""
        given = {"count": None, **given} if given.get("kind") == "unauthorized_from_now" else given
        try:
            rule = Rule(id=next(self._ids), **given)
        except TypeError as wrong:
            raise ValueError(f"not a fault: {wrong}") from None
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        self._rules.clear()

    def hit(self, operation: str, instance: str | None) -> Rule | None:
        """Return the rule that hits this request, if any, and count it."""
        for rule in self._rules:
            if rule.operation not in ("*", operation) or rule.fired == rule.count:
                continue
            if rule.instance not in (None, instance):
                continue
            if rule.after > 0:
                rule.after -= 1
                continue
            rule.fired += 1
            return rule
        return None

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]
