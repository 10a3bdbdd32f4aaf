# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed between two fleet reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_words import day, number

#: Kinds of changes, the gravest first.
KINDS = ("removed", "added", "status", "certificate", "score", "restarts", "version", "name")
SCORE_STEP = 5
"""Points by which a health score has to move to count as a change; smaller moves are noise."""

Json = dict[str, Any]


def fleet_changes(before: Sequence[Json], now: Sequence[Json]) -> list[Json]:
    """Return what differs between the instances of two reports: dicts of kind, key, name and text, the gravest first."""
    old = {entry["key"]: entry for entry in before}
    new = {entry["key"]: entry for entry in now}
    items = [_change("removed", entry, "is gone") for key, entry in old.items() if key not in new]
    for key, entry in new.items():
        if key in old:
            items.extend(_differences(old[key], entry))
        else:
            items.append(_change("added", entry, f"is new, status {entry['status'] or 'none'}"))
    return sorted(items, key=lambda item: (KINDS.index(item["kind"]), item["name"].casefold(), item["text"]))


def _differences(old: Json, new: Json) -> Iterable[Json]:
    if old["name"] != new["name"]:
        yield _change("name", new, f"was called {old['name']}")
    if old["status"] != new["status"]:
        yield _change("status", new, f"went from {old['status'] or 'no status'} to {new['status'] or 'no status'}")
    for field, label in (("odoo_version", "Odoo"), ("odoo_edition", "edition")):
        if old[field] != new[field]:
            yield _change("version", new, f"{label} went from {old[field] or 'unknown'} to {new[field] or 'unknown'}")
    if _score_moved(old["score"], new["score"]):
        scores = ("none" if score is None else number(score) for score in (old["score"], new["score"]))
        yield _change("score", new, "health score went from {} to {}".format(*scores))
    restarts = (new["restart_count"] or 0) - (old["restart_count"] or 0)
    if restarts > 0:
        yield _change("restarts", new, f"restarted {'once' if restarts == 1 else f'{number(restarts)} times'}")
    yield from _certificate_changes(old, new)


def _score_moved(old: float | None, new: float | None) -> bool:
    return old is not new if old is None or new is None else abs(new - old) >= SCORE_STEP


def _certificate_changes(old: Json, new: Json) -> Iterable[Json]:
    before, now = ({c["domain"]: c["expires_at"] for c in entry["certificates"]} for entry in (old, new))
    for domain in sorted({*before, *now}):
        if domain not in before:
            yield _change("certificate", new, f"domain {domain} was added")
        elif domain not in now:
            yield _change("certificate", new, f"domain {domain} was removed")
        elif before[domain] != now[domain]:
            end = f"now ends {day(now[domain])}" if now[domain] else "has no known end any more"
            yield _change("certificate", new, f"certificate of {domain} {end}")


def _change(kind: str, entry: Json, text: str) -> Json:
    return {"kind": kind, "key": entry["key"], "name": entry["name"], "text": text}
