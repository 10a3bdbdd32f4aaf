# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen, as switches of the emulator, so that ``extensions/emulator --profile`` behaves like the API that was seen.

A switch whose question could not be answered is left out, and named. Nothing here sends a request.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Union

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance, Server, normalized_name
from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import Exchange
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import is_mask
from ansible_collections.ocore.cloud.plugins.module_utils._api.shape import Page, Shape, page_of, shape_of
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_access import CLOCK_SECONDS, clock_difference
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_fields import (
    MEGABYTES_MOST,
    env_pairs,
    is_whole,
    looks_crossed_out,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_look import Evidence
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_service import error_shape, limit_headers
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_trial import ENV, Trial
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, is_known_word, phase

FORMAT = 1
LATENCY_LEAST = 0.05
"""Seconds below which a latency is that of any network."""

STEP_LEAST = 0.01

Switch = Union[str, int, float, bool]  # noqa: UP007 - for pylint


def profile_of(seen: Evidence, trial: Trial | None) -> dict[str, Any]:
    """Return the profile: the switches as seen, and which ones nothing was seen of."""
    switches = {name: value for name, see in READ.items() if (value := see(seen)) is not None}
    both = {**_vocabulary(seen, trial), "json_escapes": _json_escapes(_exchanges(seen, trial))}
    switches.update({name: value for name, value in both.items() if value is not None})
    if trial is not None and trial.created is not None:
        switches.update({name: value for name, see in TRIED.items() if (value := see(trial)) is not None})
    unseen = {name: NEVER.get(name, "shows only on a scratch instance") for name in (*TRIED, *NEVER)}
    unseen.update(dict.fromkeys((*READ, *both), "nothing was seen that depends on it"))
    return {
        "format": FORMAT,
        "switches": dict(sorted(switches.items())),
        "unseen": {name: why for name, why in sorted(unseen.items()) if name not in switches},
    }


NEVER = {
    "step_by": "it is the emulator's own clock",
    "create_fails": "it is a number of failures to come, not a behaviour",
}
"""Switches that nothing can show, and why."""


def _exchanges(seen: Evidence, trial: Trial | None) -> list[Exchange]:
    return [*seen.exchanges, *(trial.exchanges if trial is not None else ())]


# Read


def _pages(seen: Evidence) -> list[Page]:
    return [page for raw in seen.listed.pages if (page := page_of(raw, "instances")) is not None]


def _shapes(seen: Evidence) -> list[Shape]:
    return [shape_of(Instance, sample.raw) for sample in seen.samples]


def _empty_page(seen: Evidence) -> Page | None:
    page = page_of(seen.filtered.raw, "instances") if seen.filtered and seen.filtered.error is None else None
    return page if page is not None and not page.entries else None


def _latency(seen: Evidence) -> Switch | None:
    least = min((second for seconds in seen.seconds.values() for second in seconds), default=None)
    if least is None:
        return None
    return math.floor(least * 100) / 100 if least >= LATENCY_LEAST else 0.0


def _error_shape(seen: Evidence) -> Switch | None:
    answers = [
        exchange.answer for exchange in (seen.absent.exchanges if seen.absent else ()) if exchange.answer.status >= 400
    ]
    found = error_shape(answers[-1]) if answers else None
    return found if found in ("message", "nested", "flat", "text", "html", "empty") else None


def _env_values(seen: Evidence) -> Switch | None:
    pairs = env_pairs(_shapes(seen))
    return masking(pairs) if pairs else None


def masking(pairs: Iterable[tuple[str, str]]) -> Switch:
    """Return how values of env vars are shown, by the names and values seen."""
    values = [value for _name, value in pairs]
    masked = [value for value in values if is_mask(value)]
    if all(looks_crossed_out(value) for value in values):
        return "crosses"
    if not masked:
        return "plain"
    if len(masked) < len(values):
        return "partly_masked"
    if all(set(value) == {"\u2022"} for value in values):
        return "dots"
    return "tail" if any(value.strip("*") for value in values) else "masked"


def _json_escapes(exchanges: Iterable[Exchange]) -> Switch | None:
    contents = [exchange.answer.content for exchange in exchanges if exchange.answer.status < 300]
    if any(not content.isascii() or re.search(rb"\\u00(3c|3e|26)", content) for content in contents):
        return "go"
    return "plain" if any(re.search(rb"[<>&]|\\u[0-9a-f]{4}", content) for content in contents) else None


def _nulls(seen: Evidence) -> Switch | None:
    shapes = _shapes(seen)
    kinds = {
        "null": any(shape.null for shape in shapes),
        "present": any(shape.empty for shape in shapes),
        "missing": any(shape.missing for shape in shapes),
    }
    found = [kind for kind, there in kinds.items() if there]
    return None if not found else found[0] if len(found) == 1 else "mixed"


def _unknown_fields(seen: Evidence) -> Switch | None:
    shapes = _shapes(seen)
    return any(shape.unknown for shape in shapes) if shapes else None


def _edition_case(seen: Evidence) -> Switch | None:
    return next((_case(instance.odoo_edition) for instance in seen.instances if instance.odoo_edition), None)


def _case(word: str) -> str:
    return "lower" if word == word.lower() else "upper" if word == word.upper() else "title"


def _memory_unit(seen: Evidence) -> Switch | None:
    limits = [shape.sent.get("limit_memory_hard") for shape in _shapes(seen)]
    numbers = [limit for limit in limits if isinstance(limit, (int, float)) and limit]
    return None if not numbers else "mb" if max(numbers) < MEGABYTES_MOST else "bytes"


def _auto_subdomain(seen: Evidence) -> Switch | None:
    names = [instance.auto_subdomain for instance in seen.instances if instance.auto_subdomain]
    return None if not names else "full" if all("." in name for name in names) else "label"


def _list_detail(seen: Evidence) -> Switch | None:
    left_out = [
        "env_vars" in shape_of(Instance, sample.raw).sent and "env_vars" not in shape_of(Instance, sample.listed).sent
        for sample in seen.samples
        if isinstance(sample.read.raw, dict)
    ]
    comparable = any("env_vars" in shape.sent for shape in _shapes(seen))
    return None if not comparable else "short" if any(left_out) else "full"


def _list_key(seen: Evidence) -> Switch | None:
    pages = _pages(seen)
    return (pages[0].key or "bare") if pages else None


def _empty_list(seen: Evidence) -> Switch | None:
    page = _empty_page(seen)
    return None if page is None else "null" if page.null else "list"


def _is_cut(seen: Evidence) -> bool:
    """Return whether only the total shows that there are more: unlike a wrong total, that of an empty list is right."""
    pages, empty = _pages(seen), _empty_page(seen)
    more = bool(pages) and (pages[-1].said or 0) > sum(page.entries for page in pages) and not pages[-1].more
    return more and empty is not None and not empty.said


def _total(seen: Evidence) -> Switch | None:
    pages = _pages(seen)
    if not pages or not pages[0].key:
        return None
    page = pages[-1]
    if page.total in ("missing", "null"):
        return "missing"
    wrong = page.said is not None and page.said != sum(one.entries for one in pages) and not page.more
    if wrong and not _is_cut(seen) and "totalPages" not in page.keys:
        return "wrong"
    return "text" if page.total == "text" else "present"


def _paging(seen: Evidence) -> Switch | None:
    pages = _pages(seen)
    if not pages or not pages[0].key:
        return None
    keys = frozenset().union(*(page.keys for page in pages))
    for key, word in (
        ("next_cursor", "cursor"),
        ("nextCursor", "camel"),
        ("has_more", "more"),
        ("hasMore", "camel_more"),
    ):
        if key in keys:
            return word
    if keys & {"totalPages", "total_pages"}:
        return "pages"
    return "cut" if _is_cut(seen) else "none"


def _page_size(seen: Evidence) -> Switch | None:
    pages = _pages(seen)
    incomplete = seen.listed.value is not None and seen.listed.value.incomplete
    is_whole = len(pages) < 2 and (not incomplete or _total(seen) == "wrong")
    return None if not pages or is_whole else pages[0].entries


def _servers(seen: Evidence) -> Switch | None:
    status = seen.servers.status if seen.servers else None
    return {200: "listed", 403: "forbidden", 404: "missing"}.get(status or 0)


def _server_detail(seen: Evidence) -> Switch | None:
    if not seen.server_list:
        return None
    shapes = [shape_of(Server, raw) for raw in seen.server_entries]
    if all(set(shape.sent) <= {"id", "name"} for shape in shapes):
        return "short"
    return "no_host" if not any(server.host for server in seen.server_list) else "full"


def _server_names(seen: Evidence) -> Switch | None:
    names = [server.name for server in seen.server_list]
    return None if len(names) < 2 else "same" if len(set(names)) == 1 else "own"


def _ignores_filter(seen: Evidence) -> Switch | None:
    if not seen.entries or seen.filtered is None or seen.filtered.error is not None:
        return None
    return _empty_page(seen) is None


def _score(seen: Evidence) -> Switch | None:
    about, question = seen.about, seen.score
    if question is None or about is None or question.error is not None:
        return None
    if question.value is None:
        return "null" if question.status == 200 else "404" if phase(about) is Phase.READY else None
    numbers = [question.value.score, *(factor.weight for factor in question.value.factors or [])]
    return "present" if all(is_whole(number or 0) for number in numbers) else "fraction"


def _org_required(seen: Evidence) -> Switch | None:
    if not seen.settings.organization:
        return False if seen.listed.error is None else None
    status = seen.without_organization.status if seen.without_organization else None
    return {200: False, 400: True}.get(status or 0)


def _unknown_org(seen: Evidence) -> Switch | None:
    status = seen.wrong_organization.status if seen.wrong_organization else None
    return {404: "404", 403: "403"}.get(status or 0)


def _rate_limit_headers(seen: Evidence) -> Switch | None:
    return bool(limit_headers(seen.exchanges)) if seen.exchanges else None


def _clock_ahead(seen: Evidence) -> Switch | None:
    """Return by how much oCore's clock is ahead, to ten seconds; the emulator has no clock that is behind."""
    seconds = clock_difference(seen)
    return None if seconds is None or seconds < -CLOCK_SECONDS else max(0.0, float(round(seconds, -1)))


READ: Mapping[str, Callable[[Evidence], Switch | None]] = {
    "latency": _latency,
    "error_shape": _error_shape,
    "env_values": _env_values,
    "nulls": _nulls,
    "unknown_fields": _unknown_fields,
    "edition_case": _edition_case,
    "memory_unit": _memory_unit,
    "auto_subdomain": _auto_subdomain,
    "list_detail": _list_detail,
    "list_key": _list_key,
    "empty_list": _empty_list,
    "total": _total,
    "paging": _paging,
    "page_size": _page_size,
    "servers": _servers,
    "server_detail": _server_detail,
    "server_names": _server_names,
    "ignore_server_filter": _ignores_filter,
    "score": _score,
    "org_required": _org_required,
    "unknown_org": _unknown_org,
    "rate_limit_headers": _rate_limit_headers,
    "clock_ahead": _clock_ahead,
}


# Status words


def _vocabulary(seen: Evidence, trial: Trial | None) -> dict[str, Switch | None]:
    tried = list(trial.words) if trial is not None else []
    spelled = [instance.status for instance in seen.instances if instance.status] + [
        word for _what, word in tried if word
    ]
    words = {word.lower() for word in spelled}
    cases = {_case(word) for word in spelled}
    case = None if not spelled else next((case for case in ("upper", "title") if case in cases), "lower")
    return {"status_vocabulary": _vocabulary_word(words, tried) if words else None, "status_case": case}


def _vocabulary_word(words: set[str], tried: list[tuple[str, str]]) -> str:
    if any(not is_known_word(word) for word in words):
        return "unknown_between" if words & {"running", "active", "healthy"} else "unknown_word"
    if words & {"healthy", "deploying", "deleting"} or any(word.endswith("_failed") for word in words):
        return "healthy"
    if words & {"active", "updating", "provisioning"}:
        return "active"
    after = {(what, word.lower()) for what, word in tried}
    if "error" in words or (tried and not words - {"running", "stopped", "deleted"}):
        return "monitoring"
    return "concepts" if ("start", "restarting") in after and ("stop", "stopping") not in after else "full"


# Tried


def _shown(trial: Trial) -> Switch | None:
    shown = {name: value for name, value in (trial.shown_env or {}).items() if name in ENV and isinstance(value, str)}
    return masking(shown.items()) if shown else None


def _put_env(trial: Trial) -> Switch | None:
    env = trial.env_after_partial
    return None if env is None else "merge" if any(name in env for name in ENV) else "replace"


def _put_missing(trial: Trial) -> Switch | None:
    return None if trial.kept_after_partial is None else "keep" if trial.kept_after_partial else "clear"


def _put_status(trial: Trial) -> Switch | None:
    return None if trial.restarts_after_put is None else "restarting" if trial.restarts_after_put else "keep"


def _slug_rewrite(trial: Trial) -> Switch | None:
    stored, sent = trial.created.slug if trial.created else None, trial.sent_slug
    if not stored:
        return None
    if stored == sent:
        return "off"
    if stored != trial.slug:
        return "suffix"
    return "lower" if sent.lower() == stored else "normalise"


def _taken_slug(trial: Trial) -> Switch | None:
    return {"refused": "refused", "accepted": "taken"}.get(trial.taken.partition(" (")[0])


def _stored_names(trial: Trial) -> Switch | None:
    stored, sent = (trial.created.name if trial.created else None) or "", trial.sent_name
    forms = {sent: "as_sent", sent.strip(): "trimmed", normalized_name(sent): "normalised"}
    return forms.get(stored)


def _list_lag(trial: Trial) -> Switch | None:
    if trial.list_unseen is None:
        return None
    step = (trial.create_seconds or 0) / 2
    return min(trial.list_unseen, math.ceil(trial.list_lag / step)) if step else trial.list_unseen


def _step_time(trial: Trial) -> Switch | None:
    return None if trial.create_seconds is None else max(STEP_LEAST, round(trial.create_seconds / 2, 2))


def _busy_conflict(trial: Trial) -> Switch | None:
    return trial.busy.startswith("refused") if trial.busy else None


def _restart_visible(trial: Trial) -> Switch | None:
    status, counted = trial.restart_shows_status, trial.restart_is_counted
    return {(True, True): "both", (False, True): "count_only", (True, False): "status_only"}.get(
        (bool(status), bool(counted))
    )


def _deleted(trial: Trial) -> Switch | None:
    if not trial.get_after_delete:
        return None
    if trial.listed_after_delete == "for a while":
        return "listed_for_a_while"
    if trial.listed_after_delete == "yes":
        return "word_and_listed"
    return "404" if trial.get_after_delete == "404" else "word"


def _echo(trial: Trial) -> Switch | None:
    return echoed(trial) or "off"


TRIED: Mapping[str, Callable[[Trial], Switch | None]] = {
    "env_values": _shown,
    "put_env": _put_env,
    "put_missing": _put_missing,
    "put_status": _put_status,
    "slug_rewrite": _slug_rewrite,
    "taken_slug": _taken_slug,
    "stored_names": _stored_names,
    "list_lag": _list_lag,
    "get_lag": lambda trial: trial.get_unseen,
    "step_time": _step_time,
    "busy_conflict": _busy_conflict,
    "restart_visible": _restart_visible,
    "deleted": _deleted,
    "echo": _echo,
}


# Quoted values


def echoed(trial: Trial) -> str | None:
    """Return how messages of oCore quote the values that the scratch instance was given; ``None`` where they do not."""
    told = list(_told(trial.exchanges))
    for value in ENV.values():
        for form, quote in QUOTINGS.items():
            if any(quote(value) in text for text in told):
                return form
    return None


def _told(exchanges: Iterable[Exchange]) -> Iterator[str]:
    """Yield the status messages, and the texts of errors, of all answers."""
    for exchange in exchanges:
        try:
            body = json.loads(exchange.answer.content)
        except (ValueError, RecursionError):
            body = None
        entries = body.get("instances") or body.get("data") or [body] if isinstance(body, dict) else body or []
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                yield from (
                    entry[key] for key in ("statusMessage", "message", "error") if isinstance(entry.get(key), str)
                )
                if isinstance(entry.get("error"), dict):
                    yield str(entry["error"].get("message"))
        if body is None:
            yield exchange.answer.text


def _go(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


#: The most elaborate first: some forms hold others. The value has characters that each of them writes differently.
QUOTINGS: Mapping[str, Callable[[str], str]] = {
    "json_in_json": lambda text: json.dumps(json.dumps(text)),
    "go": _go,
    "json": json.dumps,
    "html_numbers": lambda text: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in text),
    "html": html.escape,
    "percent_all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent_lower": lambda text: re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(text, safe="")),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "python": repr,
    "plain": str,
}
