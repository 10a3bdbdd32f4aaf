# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches: one for every question that oCore's public pages leave open or answer in two ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Value = str | int | float | bool


@dataclass(frozen=True)
class Switch:
    """A named choice: its default says the type; `choices` (word -> meaning) limits it to those words."""

    name: str
    default: Value
    help: str
    choices: Mapping[str, str] = field(default_factory=dict)

    def read(self, given: object) -> Value:
        """Return `given` (from JSON, or text from the command line) in the switch's type; else ValueError."""
        if self.choices:
            word = str(given)
            if word not in self.choices:
                raise ValueError(f"{self.name} is one of {', '.join(self.choices)}, not {word!r}")
            return word
        if isinstance(self.default, bool):
            if isinstance(given, bool):
                return given
            if str(given).lower() not in ("true", "false"):
                raise ValueError(f"{self.name} is true or false, not {given!r}")
            return str(given).lower() == "true"
        kind = int if isinstance(self.default, int) else float
        if isinstance(given, bool) or not isinstance(given, str | int | float):
            raise ValueError(f"{self.name} is a number of 0 or more, not {given!r}")
        try:
            number = kind(given)
        except ValueError:
            raise ValueError(f"{self.name} is a number of 0 or more, not {given!r}") from None
        if not 0 <= number < float("inf"):
            raise ValueError(f"{self.name} is a number of 0 or more, not {given!r}")
        return number


SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch("step_time", 1.0, "seconds that one step of an instance's life takes; an operation takes two steps"),
        Switch(
            "step_by",
            "time",
            "what moves the operations in progress on by a step",
            {
                "time": "step_time seconds",
                "requests": "each read: one by id moves that instance, a list moves all; so every state is seen once",
                "call": "POST /_emulator/advance only",
            },
        ),
        Switch("latency", 0.0, "seconds that every answer takes"),
        Switch(
            "status_vocabulary",
            "full",
            "the words used as status",
            {
                "full": "creating, running, stopping, stopped, starting, restarting, failed, removing, deleted",
                "concepts": "without starting (shown as restarting) and stopping (shown as running)",
                "monitoring": "only running, stopped and error; what is in progress shows where it comes from",
                "active": "provisioning, active, stopped, updating, error, removing",
                "healthy": "provisioning, healthy, stopped, deploying, provisioning_failed, deleting",
                "unknown_word": "an instance that runs is called levitating",
                "unknown_between": "whatever is in progress is called rebalancing",
            },
        ),
        Switch(
            "status_case",
            "lower",
            "spelling of status",
            {"lower": "running", "title": "Running", "upper": "RUNNING"},
        ),
        Switch(
            "deleted",
            "404",
            "what is left of an instance that is removed",
            {
                "404": "nothing",
                "word": "GET answers it with status deleted; lists leave it out",
                "word_and_listed": "GET and lists show it with status deleted",
                "listed_for_a_while": "as word_and_listed for three steps, then nothing",
            },
        ),
        Switch(
            "error_shape",
            "message",
            "body of an error",
            {
                "message": '{"message": text}',
                "nested": '{"error": {"code": word, "message": text}}',
                "flat": '{"error": text, "code": word}',
                "text": "plain text",
                "html": "an HTML page",
                "empty": "no body",
            },
        ),
        Switch(
            "put_env",
            "replace",
            "envVars in a PUT",
            {"replace": "become the only ones", "merge": "are added to those there; none is ever removed"},
        ),
        Switch(
            "put_missing",
            "keep",
            "fields left out of a PUT",
            {"keep": "stay as they are", "clear": "are emptied, the name too"},
        ),
        Switch(
            "put_status", "keep", "status after a PUT", {"keep": "unchanged", "restarting": "restarting for one step"}
        ),
        Switch(
            "env_values",
            "plain",
            "values of envVars in answers",
            {
                "plain": "as they are",
                "masked": "all ********",
                "partly_masked": "******** where the name has PASSWORD, SECRET, TOKEN or KEY in it",
                "dots": "all masked by eight bullets",
                "crosses": "all masked by one x for each character",
                "tail": "all masked but for the last two characters",
            },
        ),
        Switch(
            "echo",
            "off",
            "the API key and the values of envVars quoted in each statusMessage and in the errors of writes",
            {
                "off": "not at all",
                "plain": "as they are",
                "python": "as Python quotes them",
                "json": "as Python's JSON quotes them",
                "go": "as Go's JSON quotes them (\\u0026 for &)",
                "json_in_json": "JSON in JSON",
                "html": "with HTML entities",
                "html_numbers": "with HTML entities made of numbers",
                "percent": "as in a URL",
                "percent_lower": "as in a URL, in lower case",
                "percent_all": "as in a URL, with every character quoted",
                "base64": "in base64",
            },
        ),
        Switch(
            "json_escapes",
            "plain",
            "characters in JSON",
            {
                "plain": "ASCII, the rest as \\uXXXX",
                "go": "as Go writes it: UTF-8, but \\u003c, \\u003e and \\u0026 for < > &",
            },
        ),
        Switch(
            "nulls",
            "null",
            "fields without a value",
            {
                "null": "null, as are empty maps and lists",
                "present": 'the empty value of their type ("", 0, false, [], {})',
                "missing": "left out, as are 0, false and everything empty",
                "mixed": "each of the three, by field",
            },
        ),
        Switch("unknown_fields", False, "answers hold fields that no page mentions"),
        Switch(
            "edition_case", "lower", "odooEdition", {"lower": "community", "title": "Community", "upper": "COMMUNITY"}
        ),
        Switch(
            "memory_unit",
            "bytes",
            "limitMemorySoft and limitMemoryHard",
            {"bytes": "as in odoo.conf", "mb": "megabytes"},
        ),
        Switch(
            "auto_subdomain",
            "full",
            "autoSubdomain",
            {"full": "a host name with its domain", "label": "its first label only"},
        ),
        Switch(
            "list_detail", "full", "entries of the list", {"full": "all fields", "short": "no envVars, no addonsPath"}
        ),
        Switch(
            "list_key",
            "instances",
            "where the list is",
            {
                "instances": "under instances",
                "data": "under data",
                "bare": "the answer is the list; no total, no paging",
            },
        ),
        Switch("empty_list", "list", "a list without entries", {"list": "[]", "null": "null"}),
        Switch(
            "total",
            "present",
            "total in the list",
            {"present": "right", "missing": "left out", "wrong": "7 too many", "text": "right, as a text"},
        ),
        Switch(
            "paging",
            "none",
            "paging of the list",
            {
                "none": "all in one answer",
                "cursor": "page_size entries, has_more and next_cursor, to be sent as ?cursor=",
                "camel": "the same as hasMore and nextCursor",
                "more": "page_size entries and has_more; nothing leads on",
                "camel_more": "page_size entries and hasMore; nothing leads on",
                "pages": "page_size entries, page and totalPages; nothing leads on",
                "cut": "page_size entries; only total shows that there are more",
            },
        ),
        Switch("page_size", 100, "entries in a page"),
        Switch(
            "servers",
            "listed",
            "GET /servers",
            {"listed": "200", "forbidden": "403", "missing": "404, as if there were no such path"},
        ),
        Switch(
            "server_detail",
            "full",
            "entries of the list of servers",
            {"full": "all fields", "short": "id and name only", "no_host": "host is null"},
        ),
        Switch("server_names", "own", "names of servers", {"own": "server-1, server-2", "same": "server for all"}),
        Switch("ignore_server_filter", False, "?server_id= is not looked at"),
        Switch(
            "slug_rewrite",
            "off",
            "slug in a POST",
            {
                "off": "taken as it is; refused unless it is lower-case letters, digits and hyphens",
                "lower": "stripped and turned into lower case",
                "normalise": "turned into lower-case letters, digits and hyphens",
                "suffix": "normalised, with four more characters at the end",
            },
        ),
        Switch("taken_slug", "refused", "slug that another instance has", {"refused": "409", "taken": "used again"}),
        Switch(
            "stored_names",
            "as_sent",
            "name of an instance",
            {"as_sent": "kept as sent", "trimmed": "stripped", "normalised": "stripped and composed (Unicode NFC)"},
        ),
        Switch("list_lag", 0, "lists show what was there so many steps before each write"),
        Switch("get_lag", 0, "so many reads by id after a 202 are answered 404"),
        Switch("create_fails", 0, "so many of the next creations end in failed, with a statusMessage"),
        Switch(
            "restart_visible",
            "both",
            "what a restart moves",
            {
                "both": "status and restartCount, lastRestartAt",
                "count_only": "status stays running",
                "status_only": "no count",
            },
        ),
        Switch(
            "busy_conflict",
            False,
            "a write to an instance with an operation in progress is answered 409 (else it is queued)",
        ),
        Switch(
            "score",
            "present",
            "/health-score",
            {
                "present": "whole numbers; 404 for an instance that has not run yet",
                "404": "404 for every instance",
                "null": "an answer whose fields are all null",
                "fraction": "score and weights with fractions",
            },
        ),
        Switch(
            "org_required",
            False,
            "requests without X-Org-Slug are answered 400 (else they mean the first organization)",
        ),
        Switch("clock_ahead", 0.0, "seconds by which the Date header is ahead of this machine's clock"),
        Switch(
            "rate_limit_headers", False, "answers hold X-RateLimit-Limit and X-RateLimit-Remaining; nothing is limited"
        ),
        Switch("unknown_org", "404", "an X-Org-Slug that nobody has", {"404": "404", "403": "403"}),
    )
}


class Settings:
    """The current values of the switches. `version` changes with every change, so that encoded answers can be kept until then."""

    def __init__(self, start: Mapping[str, object] | None = None) -> None:
        self._start = dict(start or {})
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Return to the values given at the start."""
        self._values = {name: switch.default for name, switch in SWITCHES.items()}
        self.change(self._start)

    def change(self, given: Mapping[str, object]) -> None:
        """Set some switches, all or none; ValueError names an unknown switch or a value it cannot have."""
        changed = {}
        for name, value in given.items():
            if name not in SWITCHES:
                raise ValueError(f"there is no switch {name!r}; there are: {', '.join(SWITCHES)}")
            changed[name] = SWITCHES[name].read(value)
        self._values.update(changed)
        self.version += 1

    def word(self, name: str) -> str:
        return str(self._values[name])

    def flag(self, name: str) -> bool:
        return bool(self._values[name])

    def number(self, name: str) -> float:
        return float(self._values[name])

    def take_one(self, name: str) -> bool:
        """Count a switch down by one; False when it was at 0."""
        left = int(self.number(name))
        if left:
            self._values[name] = left - 1
        return left > 0

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self._values.items())
