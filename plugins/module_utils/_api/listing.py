# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of instances and servers: their pages, whether they are complete, and look-ups in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    Instance,
    Server,
    is_on_server,
    normalized_name,
    parse,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Warn

_LIST_KEYS = ("instances", "servers", "data")
"""Where a page holds its objects: as the reference pages show it, and as the overview promises."""
_PAGING_KEYS = ("pagination", "paging", "meta", "page_info", "pageInfo")
"""Objects in which other APIs keep what concerns paging."""


class Listing:
    """The instances of one list answer. Only what is asked for is validated, so that 10,000 of them cost little.

    :param items: the decoded objects.
    :param total: what the API says the total is; ``None`` when it says nothing.
    :param finish: applied to each instance that is given.
    """

    def __init__(
        self,
        items: Sequence[object],
        total: int | None,
        warn: Warn,
        finish: Callable[[Instance], Instance] = lambda instance: instance,
    ) -> None:
        usable = [item for item in items if isinstance(item, dict) and is_usable_id(item.get("id"))]
        # One that moves while the pages are read may be on two of them.
        self._items = list({str(item["id"]): item for item in usable}.values())
        self._warn = warn
        self._finish = finish
        self._indexes: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.total = total
        if len(usable) < len(items):
            # What was left out may be the instance that somebody looks for: the list counts as incomplete.
            self.total = max(total or 0, len(self._items) + 1)
            _warn_of_unusable_ids(items, "instance", warn)

    @property
    def incomplete(self) -> bool:
        """Return whether the API says that there are more instances than it sent."""
        return self.total is not None and self.total > len(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Instance]:
        """Validate and yield all instances, in the API's order."""
        return map(self._read, self._items)

    def on_server(self, server_id: str) -> Listing:
        """Return the part that is on one server, for an API that ignores the filter."""
        items = [item for item in self._items if is_on_server(_text(item.get("serverId")), server_id)]
        return Listing(items, self.total if self.incomplete else None, self._warn, self._finish)

    def ids(self) -> set[str]:
        """Return the ids of all instances."""
        return {str(item["id"]) for item in self._items}

    def having(self, field: str, value: str) -> list[Instance]:
        """Validate and return the instances whose ``id``, ``slug`` or ``name`` is ``value``.

        Blanks around it do not count; only names have a case, and are compared in Unicode's composed form. Looking all of a
        fleet up costs one pass over the list for each field.
        """
        index = self._indexes.get(field)
        if index is None:
            index = {}
            for item in self._items:
                index.setdefault(_key(field, item.get(field)), []).append(item)
            self._indexes[field] = index  # whole, since threads share the list
        return [self._read(item) for item in index.get(_key(field, value), [])]

    def matching(self, test: Callable[[Mapping[str, Any]], bool]) -> list[Instance]:
        """Validate and return the instances for which ``test`` holds.

        :param test: called with a dict of ``id``, ``slug``, ``name``, ``server_id``, ``status``: texts, or ``None``.
        """
        return [
            self._read(item)
            for item in self._items
            if test(
                {
                    "id": _text(item["id"]),
                    "slug": _text(item.get("slug")),
                    "name": _text(item.get("name")),
                    "server_id": _text(item.get("serverId")),
                    "status": _text(item.get("status")),
                }
            )
        ]

    def _read(self, item: dict[str, Any]) -> Instance:
        return self._finish(parse(Instance, item, self._warn))


def _text(value: object) -> str | None:
    """Return a value that should be a text as one, numbers too; ``None`` when it is no such thing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def is_usable_id(value: object) -> bool:
    """Return whether an id can be part of a URL: a text or number that is more than dots, without control characters."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    text = str(value)
    return bool(text.strip(". ")) and text.isprintable()


def _warn_of_unusable_ids(items: Sequence[object], what: str, warn: Warn) -> None:
    for item in items:
        if not isinstance(item, dict):
            warn("oCore listed something that is no object; it is left out.", "entries that are no objects")
        elif not is_usable_id(item.get("id")):
            name = next((item[key] for key in ("slug", "name") if isinstance(item.get(key), str)), None)
            warn(
                f"oCore listed {f'{what} {name}' if name else f'an entry ({what})'} without a usable id; it is left out.",
                f"{what}s without a usable id",
            )


def _key(field: str, value: object) -> str:
    text = _text(value) or ""
    return normalized_name(text) if field == "name" else text.strip().casefold()


def parse_list(
    pages: Sequence[object], warn: Warn, finish: Callable[[Instance], Instance] = lambda instance: instance
) -> Listing:
    """Read the pages of a list answer.

    The reference page shows ``{instances, total}``; the overview promises ``{data, next_cursor, has_more}``. Both are
    read, a bare list, and the usual spellings of the same keys. Anything that says there is more makes the list incomplete.

    :param finish: applied to each instance that the list gives.
    :raises OcoreError: when a page holds no list.
    """
    items, total = _read_pages(pages, "instances")
    if total is not None:
        total -= _listed_twice(pages)
    return Listing(items, total, warn, finish)


def parse_servers(pages: Sequence[object], warn: Warn) -> list[Server]:
    """Read the pages of the list of servers, in all the forms that :func:`parse_list` reads.

    :raises OcoreError: when a page holds no list.
    """
    items, total = _read_pages(pages, "servers")
    usable = [item for item in items if isinstance(item, dict) and is_usable_id(item.get("id"))]
    if len(usable) < len(items):
        _warn_of_unusable_ids(items, "server", warn)
    elif total is not None and total > len(items):
        warn(f"oCore reports more servers than the {len(items)} that it listed.")
    servers = [parse(Server, item, warn) for item in usable]
    return list({server.id: server for server in servers}.values())


def _read_pages(pages: Sequence[object], what: str) -> tuple[list[object], int | None]:
    """Return the objects of all pages, and what their total is as far as known; above their number when there are more."""
    items: list[object] = []
    for page in pages:
        found = page_items(page)
        if found is None:
            raise OcoreError(f"oCore's list of {what} holds no list. Check that api_url points at the API.")
        items.extend(found)
    total = max(_totals(pages), default=None)
    if pages and _has_more(pages[-1], len(pages)):
        # There are more, but nobody knows how many.
        total = max(total or 0, len(items) + 1)
    return items, total


def _listed_twice(pages: Sequence[object]) -> int:
    """Return how many entries of a page repeat one of the same page: an API that joins tables counts them in its total.

    One that is on two pages has moved, and another one may be missing instead.
    """
    repeated = 0
    for page in pages:
        ids = [
            str(item["id"])
            for item in page_items(page) or []
            if isinstance(item, dict) and is_usable_id(item.get("id"))
        ]
        repeated += len(ids) - len(set(ids))
    return repeated


def lost_entries(pages: Sequence[object]) -> bool:
    """Return whether the list got shorter between two pages: others may have moved to a page that was read before."""
    totals = _totals(pages)
    return len(set(totals)) > 1 and max(totals) > sum(len(page_items(page) or []) for page in pages)


def _totals(pages: Sequence[object]) -> list[int]:
    """Return what each page says the total is, of those that say it."""
    said = [_whole(_paging(page, "total", "total_count", "totalCount", "count")) for page in pages]
    return [total for total in said if total is not None]


def page_items(page: object) -> list[object] | None:
    """Return the objects of one page of a list answer; ``None`` when it holds none."""
    if isinstance(page, list):
        return page
    if isinstance(page, dict):
        for key in _LIST_KEYS:
            if isinstance(page.get(key), list):
                return list(page[key])
            if key in page and page[key] is None:
                return []
    return None


def next_cursor(page: object) -> str | None:
    """Return the cursor of the next page; ``None`` when this page is the last, or nothing leads on."""
    cursor = _paging(page, "next_cursor", "nextCursor")
    if isinstance(cursor, (str, int)) and cursor and _truth(_paging(page, "has_more", "hasMore")) is not False:
        return str(cursor)
    return None


def _has_more(page: object, read: int) -> bool:
    """Return whether the last page that was read says that there are more.

    :param read: the number of pages that were read.
    """
    if _truth(_paging(page, "has_more", "hasMore", "has_next", "hasNext")) or next_cursor(page) is not None:
        return True
    if _paging(page, "next", "next_page", "nextPage", "next_url", "nextUrl"):
        return True
    pages = _whole(_paging(page, "total_pages", "totalPages", "page_count", "pageCount"))
    return pages is not None and pages > max(read, _whole(_paging(page, "page", "current_page", "currentPage")) or 1)


def _paging(page: object, *keys: str) -> Any:
    """Return the value of the first of these keys that a page has, itself or in an object about paging."""
    if not isinstance(page, dict):
        return None
    holders = [page, *(page[key] for key in _PAGING_KEYS if isinstance(page.get(key), dict))]
    return next((holder[key] for holder in holders for key in keys if holder.get(key) is not None), None)


def _whole(value: object) -> int | None:
    """Return a number that may be written as text; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def _truth(value: object) -> bool | None:
    """Return a boolean that may be written as text; ``None`` for anything else."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return bool(value) if isinstance(value, (bool, int)) else None
