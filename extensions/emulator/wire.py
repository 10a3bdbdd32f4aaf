# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth about an instance as JSON, in the form that the switches choose."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .life import IN_PROGRESS, Instance, seen_in_lists
from .settings import Settings
from .store import Store

MASK = "********"
_SECRET = re.compile("PASSWORD|SECRET|TOKEN|KEY", re.IGNORECASE)
_VOCABULARIES: dict[str, dict[str, str]] = {
    "full": {},
    "concepts": {"starting": "restarting", "stopping": "running"},
    "monitoring": {
        "creating": "stopped",
        "starting": "stopped",
        "stopping": "running",
        "restarting": "running",
        "removing": "stopped",
        "failed": "error",
    },
    "active": {
        "creating": "provisioning",
        "running": "active",
        "starting": "updating",
        "stopping": "updating",
        "restarting": "updating",
        "failed": "error",
    },
    "healthy": {
        "creating": "provisioning",
        "running": "healthy",
        "starting": "deploying",
        "stopping": "deploying",
        "restarting": "deploying",
        "failed": "provisioning_failed",
        "removing": "deleting",
    },
    "unknown_word": {"running": "levitating"},
    "unknown_between": dict.fromkeys(IN_PROGRESS, "rebalancing"),
}
_EMPTY: dict[str, Any] = {"healthScore": 0, "score": 0}
"""What the type of a field calls empty, where that isn't the empty text."""


_MASKS: dict[str, Callable[[str], str]] = {
    "masked": lambda _value: MASK,
    "dots": lambda _value: "\u2022" * 8,
    "crosses": lambda value: "x" * len(value),
    "tail": lambda value: MASK + value[-2:],
}
QUOTINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "python": repr,
    "json": json.dumps,
    "go": lambda text: _go(json.dumps(text, ensure_ascii=False)),
    "json_in_json": lambda text: json.dumps(json.dumps(text)),
    "html": html.escape,
    "html_numbers": lambda text: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in text),
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent_lower": lambda text: re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(text, safe="")),
    "percent_all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}
"""How the switch `echo` writes a secret."""


def encode(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _go(text: str) -> str:
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class Wire:
    """Turns instances into answers by the switches; keeps what it encoded until the instance or a switch changes."""

    def __init__(self, settings: Settings, store: Store, key: str) -> None:
        self._settings = settings
        self._store = store
        self._key = key
        self._list: tuple[tuple[object, ...], bytes] = ((), b"")

    def instance(self, instance: Instance, short: bool = False) -> bytes:
        """Return one Instance object in JSON."""
        version, encoded = instance.encoded.get(short, (-1, b""))
        if version != self._settings.version:
            encoded = self._encode(self._object(instance, short))
            instance.encoded[short] = (self._settings.version, encoded)
        return encoded

    def health(self, instance: Instance) -> bytes:
        shown = self._object(instance)
        names = ("id", "lastSeenAt", "slug", "status", "statusMessage")
        return self._encode({name: shown[name] for name in names if name in shown})

    def health_score(self, instance: Instance) -> bytes | None:
        """Return the score in JSON, None where the answer is 404."""
        mode = self._settings.word("score")
        truth = {**instance.fields, **instance.forced}
        score = truth["healthScore"]
        if mode == "null":
            return encode(dict.fromkeys(("computedAt", "factors", "grade", "score")))
        if mode == "404" or score is None:
            return None
        exact = mode == "fraction"
        weights = {"Availability": 50, "Response time": 30, "Restarts": 20}
        factors = [
            {
                "details": f"{name} over the last hour",
                "name": name,
                "score": score,
                "weight": weight / 100 if exact else weight,
                "weighted": (score * weight / 100) if exact else score * weight // 100,
            }
            for name, weight in weights.items()
        ]
        return encode(
            {
                "computedAt": truth["healthScoreUpdatedAt"],
                "factors": factors,
                "grade": truth["healthScoreGrade"],
                "score": score + 0.5 if exact and score < 100 else score,
            }
        )

    def servers(self, organization: str, cursor: str | None) -> bytes:
        """Return the answer of the list of servers; ValueError when the cursor is not one of ours."""
        shown = [self._server(server) for server in self._store.servers[organization]]
        key, total = self._settings.word("list_key"), len(shown)
        shown, tail = self._page(shown, cursor)
        if tail is not None:
            tail["total"] = total
        entries = None if not shown and self._settings.word("empty_list") == "null" else shown
        return self._encode(
            entries if key == "bare" else {"servers" if key == "instances" else key: entries, **(tail or {})}
        )

    def _page(self, shown: Sequence[Any], cursor: str | None) -> tuple[Sequence[Any], dict[str, Any] | None]:
        """Return the part of a list that a cursor leads to, and the keys beside it; ``None`` for these without paging."""
        paging = self._settings.word("paging")
        if paging == "none" or self._settings.word("list_key") == "bare":
            return shown, None
        size = max(1, int(self._settings.number("page_size")))
        begin = _read_cursor(cursor) if cursor else 0
        return shown[begin : begin + size], _paging(paging, begin, size, len(shown))

    def _server(self, server: dict[str, Any]) -> dict[str, Any]:
        shown = dict(server)
        if self._settings.word("server_names") == "same":
            shown["name"] = "server"
        if self._settings.word("server_detail") == "no_host":
            shown["host"] = None
        shown = self._empties(shown)
        if self._settings.word("server_detail") == "short":
            shown = {name: shown[name] for name in ("id", "name")}
        return self._with_unknown(shown)

    def list(self, organization: str, server_id: str | None, cursor: str | None) -> bytes:
        """Return the answer of the list; ValueError when the cursor is not one of ours."""
        key = (organization, server_id, cursor, self._settings.version, self._store.version)
        # What is gone, and what lags, changes by the clock alone, which no version shows.
        by_clock = self._settings.word("deleted") == "listed_for_a_while" or self._settings.number("list_lag")
        if key != self._list[0] or by_clock:
            self._list = (key, self._encode_list(organization, server_id, cursor))
        return self._list[1]

    def visible(self, instance: Instance, in_list: bool) -> bool:
        """Return whether an instance that may be gone is still shown."""
        if instance.gone_at is None:
            return True
        mode = self._settings.word("deleted")
        if mode == "listed_for_a_while":
            return self._store.clock.now() < instance.gone_at + 3 * self._settings.number("step_time")
        return mode == "word_and_listed" or (mode == "word" and not in_list)

    def _encode_list(self, organization: str, server_id: str | None, cursor: str | None) -> bytes:
        shown = [i for i in self._listed(organization) if self.visible(i, in_list=True)]
        if server_id and not self._settings.flag("ignore_server_filter"):
            shown = [i for i in shown if i.fields["serverId"] == server_id]
        short = self._settings.word("list_detail") == "short"
        key, total = self._settings.word("list_key"), len(shown)
        page, keys = self._page(shown, cursor)
        tail = keys or {}
        if self._settings.word("total") != "missing":
            tail["total"] = {"wrong": total + 7, "text": str(total)}.get(self._settings.word("total"), total)
        entries = b"[" + b",".join(self.instance(i, short) for i in page) + b"]"
        if not page and self._settings.word("empty_list") == "null":
            entries = b"null"
        if key == "bare":
            return entries
        return b'{"%s":%s%s' % (key.encode(), entries, b"," + encode(tail)[1:] if tail else b"}")

    def _listed(self, organization: str) -> list[Instance]:
        """Return the instances as a list shows them, which may lag."""
        everything = self._store.all(organization)
        if not self._settings.number("list_lag"):
            return everything
        now, listed = self._store.clock.now(), []
        for instance in everything:
            fields = seen_in_lists(instance, now)
            if fields is instance.fields:
                listed.append(instance)
            elif fields is not None:
                listed.append(replace(instance, fields=fields, gone_at=None, encoded={}))
        return listed

    def _encode(self, data: Any) -> bytes:
        """Return JSON as the API's language writes it."""
        if self._settings.word("json_escapes") == "plain":
            return encode(data)
        return _go(json.dumps(data, separators=(",", ":"), ensure_ascii=False)).encode()

    def echo(self, env: dict[str, str]) -> str:
        """Return what a message says about secrets: nothing, or all of them, quoted as the switch says."""
        mode = self._settings.word("echo")
        return "" if mode == "off" else "; ".join(QUOTINGS[mode](secret) for secret in (self._key, *env.values()))

    def _object(self, instance: Instance, short: bool = False) -> dict[str, Any]:
        shown = dict(instance.fields)
        shown["status"] = self._status(instance.status)
        if echo := self.echo(shown["envVars"] or {}):
            shown["statusMessage"] = f"{shown['statusMessage'] or 'Set'}: {echo}"
        shown["odooEdition"] = _spell(shown["odooEdition"], self._settings.word("edition_case"))
        shown["envVars"] = self._env(shown["envVars"])
        if self._settings.word("memory_unit") == "mb":
            shown.update({name: shown[name] // 1024**2 for name in ("limitMemoryHard", "limitMemorySoft")})
        if self._settings.word("auto_subdomain") == "label":
            shown["autoSubdomain"] = shown["autoSubdomain"].partition(".")[0]
        shown["domains"] = [self._empties(domain) for domain in shown["domains"]]
        shown = self._empties(shown)
        shown.update(instance.forced)
        if short:
            shown.pop("envVars", None)
            shown.pop("addonsPath", None)
        return self._with_unknown(shown)

    def _with_unknown(self, shown: dict[str, Any]) -> dict[str, Any]:
        if self._settings.flag("unknown_fields"):
            shown.update({"region": "eu-west", "quota": {"disk": [1, 2, None]}, "{{ odd key }}": True})
        return shown

    def _status(self, state: str) -> str:
        word = _VOCABULARIES[self._settings.word("status_vocabulary")].get(state, state)
        return _spell(word, self._settings.word("status_case"))

    def _env(self, env: dict[str, str]) -> dict[str, str]:
        mode = self._settings.word("env_values")
        if mode == "plain":
            return env
        if mode == "partly_masked":
            return {name: MASK if _SECRET.search(name) else value for name, value in env.items()}
        return {name: _MASKS[mode](value) for name, value in env.items()}

    def _empties(self, shown: dict[str, Any]) -> dict[str, Any]:
        mode = self._settings.word("nulls")
        result = {}
        for name, value in shown.items():
            how = mode if mode != "mixed" else ("null", "present", "missing")[zlib.crc32(name.encode()) % 3]
            if how == "missing" and not value:
                continue
            if how == "present" and value is None:
                result[name] = _EMPTY.get(name, "")
            else:
                result[name] = None if how == "null" and value in ({}, []) else value
        return result


def _spell(word: str, case: str) -> str:
    return {"title": word.title(), "upper": word.upper()}.get(case, word)


def _paging(mode: str, begin: int, size: int, total: int) -> dict[str, Any]:
    """Return what a page says about the others."""
    more = begin + size < total
    following = _cursor(begin + size) if more else None
    return {
        "cursor": {"next_cursor": following, "has_more": more},
        "camel": {"nextCursor": following, "hasMore": more},
        "more": {"has_more": more},
        "camel_more": {"hasMore": more},
        "pages": {"page": 1 + begin // size, "totalPages": -(-total // size)},
        "cut": {},
    }[mode]


def _cursor(begin: int) -> str:
    return base64.urlsafe_b64encode(f"from:{begin}".encode()).decode()


def _read_cursor(cursor: str) -> int:
    text = base64.urlsafe_b64decode(cursor.encode()).decode()
    if not re.fullmatch(r"from:[0-9]{1,9}", text):
        raise ValueError(text)
    return int(text[5:])
