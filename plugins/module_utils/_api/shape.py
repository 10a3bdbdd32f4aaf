# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the answers look like beside what is documented: fields that are missing, null, new or of another type, and lists."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import WireModel, to_wire
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import page_items

_JSON_TYPES = {str: "text", bool: "boolean", int: "number", float: "number", dict: "object", list: "list"}


def json_type(value: object) -> str:
    """Return the JSON word for the type of a decoded value."""
    if value is None:
        return "null"
    return _JSON_TYPES.get(type(value), "number that cannot be read")


@dataclass(frozen=True)
class Shape:
    """One object of an answer beside the model of its kind. Names are those of the model, but for unknown ones.

    :param sent: values as sent, by the name of the field; what is missing is not in it.
    :param missing: fields that were not sent.
    :param unknown: fields that the model does not have, by the API's names.
    :param odd: fields of another type than documented, and what they are: ``{"port": "text instead of number"}``.
    """

    sent: Mapping[str, Any]
    missing: frozenset[str]
    unknown: frozenset[str]
    odd: Mapping[str, str]

    @property
    def null(self) -> set[str]:
        """Return the fields that are null."""
        return {name for name, value in self.sent.items() if value is None}

    @property
    def empty(self) -> set[str]:
        """Return the texts, objects and lists without content."""
        return {name for name, value in self.sent.items() if value in ("", {}, [])}


def shape_of(model: type[WireModel], raw: Mapping[str, Any]) -> Shape:
    """Compare one decoded object with its model."""
    names = dict(zip(to_wire(dict.fromkeys(model.model_fields)), model.model_fields, strict=True))
    sent = {name: raw[wire] for wire, name in names.items() if wire in raw}
    odd: dict[str, str] = {}
    for name, value in sent.items():
        odd.update(_oddities(name, model.model_fields[name].annotation, value))
    return Shape(
        sent=sent,
        missing=frozenset(name for wire, name in names.items() if wire not in raw),
        unknown=frozenset(raw) - frozenset(names),
        odd=odd,
    )


def _oddities(name: str, annotation: Any, value: object) -> Iterator[tuple[str, str]]:
    """Yield the field, and fields inside of it, that have another type than the model says."""
    choices = [part for part in _parts(annotation) if part is not types.NoneType]
    documented = {_JSON_TYPES[typing.get_origin(part) or part] for part in choices}
    found = json_type(value)
    if value is not None and found not in documented:
        yield name, f"{found} instead of {' or '.join(sorted(documented))}"
        return
    inner = next((typing.get_args(part) for part in choices if typing.get_args(part)), ())
    if isinstance(value, list) and inner:
        for item in value:
            if isinstance(item, dict):
                yield from ((f"{name}[].{key}", words) for key, words in shape_of(inner[0], item).odd.items())
            elif item is not None:
                yield f"{name}[]", f"{json_type(item)} instead of object"
    if isinstance(value, dict):
        yield from (
            (f"{name}.*", f"{json_type(item)} instead of text")
            for item in value.values()
            if item is not None and not isinstance(item, str)
        )


def _parts(annotation: Any) -> Sequence[Any]:
    unions = (types.UnionType, typing.Union)
    return typing.get_args(annotation) if typing.get_origin(annotation) in unions else (annotation,)


@dataclass(frozen=True)
class Page:
    """One page of a list answer.

    :param key: where its entries are; empty when the answer itself is the list.
    :param entries: how many there are.
    :param null: whether a list without entries is null.
    :param total: the JSON type of ``total``; ``missing`` when there is none.
    :param said: the total as a number; ``None`` when it is none.
    :param keys: what else the answer holds.
    :param more: whether it says that there are more pages.
    """

    key: str
    entries: int
    null: bool = False
    total: str = "missing"
    said: int | None = None
    keys: frozenset[str] = frozenset()
    more: bool = False


def page_of(raw: object, what: str) -> Page | None:
    """Describe a page of a list; ``None`` when the answer is none.

    :param what: instances or servers: the documented key.
    """
    items = page_items(raw)
    if items is None:
        return None
    if not isinstance(raw, dict):
        return Page("", len(items))
    # The key that holds a list; where it is null, the documented one before any other.
    holding = [key for key in raw if key in (what, "data") and (isinstance(raw[key], list) or raw[key] is None)]
    key = next((name for name in holding if isinstance(raw[name], list)), holding[0] if holding else what)
    total = raw.get("total")
    text = str(total) if isinstance(total, (int, str)) and not isinstance(total, bool) else ""
    return Page(
        key,
        len(items),
        null=raw.get(key) is None,
        total=json_type(total) if "total" in raw else "missing",
        said=int(text) if text.strip().isdecimal() and len(text) < 12 else None,
        keys=frozenset(raw) - {key, "total"},
        more=bool(raw.get("has_more") or raw.get("hasMore")),
    )
