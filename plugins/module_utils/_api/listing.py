# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of instances: their pages, whether they are complete, and look-ups in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance, Warn, is_on_server, parse
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError


class Listing:
    """The instances of one list answer. Only what is asked for is validated, so that 10,000 of them cost little.

    :param items: the decoded objects.
    :param total: what the API says the total is; null when it says nothing.
    """

    def __init__(self, items: Sequence[object], total: int | None, warn: Warn) -> None:
        usable = [item for item in items if isinstance(item, dict) and item.get("id")]
        # One that moves while the pages are read may be on two of them.
        self._items = list({str(item["id"]): item for item in usable}.values())
        self._warn = warn
        self._indexes: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.total = total
        if len(usable) < len(items):
            warn(f"oCore listed {len(items) - len(usable)} instance(s) without an id; they are left out.")

    @property
    def incomplete(self) -> bool:
        """True when the API says that there are more instances than it sent."""
        return self.total is not None and self.total > len(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Instance]:
        """Validate and give all instances, in the API's order."""
        return (parse(Instance, item, self._warn) for item in self._items)

    def on_server(self, server_id: str) -> Listing:
        """Give the part that is on one server, for an API that ignores the filter. No server said: it is kept."""
        items = [item for item in self._items if is_on_server(item.get("serverId"), server_id)]
        return Listing(items, self.total if self.incomplete else None, self._warn)

    def ids(self) -> set[str]:
        """Give the ids of all instances."""
        return {str(item["id"]) for item in self._items}

    def having(self, field: str, value: str) -> list[Instance]:
        """Validate and give the instances whose ``id``, ``slug`` or ``name`` is ``value``; only names have a case.

        Looking all of a fleet up costs one pass over the list for each field.
        """
        index = self._indexes.get(field)
        if index is None:
            index = {}
            for item in self._items:
                index.setdefault(_key(field, item.get(field)), []).append(item)
            self._indexes[field] = index  # whole, since threads share the list
        return [parse(Instance, item, self._warn) for item in index.get(_key(field, value), [])]

    def matching(self, test: Callable[[Mapping[str, Any]], bool]) -> list[Instance]:
        """Validate and give the instances for which ``test`` holds.

        :param test: called with a dict of ``id``, ``slug``, ``name``, ``server_id``, ``status`` as the API sent them.
        """
        return [
            parse(Instance, item, self._warn)
            for item in self._items
            if test(
                {
                    "id": item["id"],
                    "slug": item.get("slug"),
                    "name": item.get("name"),
                    "server_id": item.get("serverId"),
                    "status": item.get("status"),
                }
            )
        ]


def _key(field: str, value: object) -> str:
    text = "" if value is None else str(value)
    return text if field == "name" else text.casefold()


def parse_list(pages: Sequence[object], warn: Warn) -> Listing:
    """Read the pages of a list answer.

    The reference page shows ``{instances, total}``; the overview promises ``{data, next_cursor, has_more}``. Both are
    read, and a bare list.

    :raises OcoreError: when a page holds no list.
    """
    items: list[object] = []
    total: int | None = None
    for page in pages:
        found = page_items(page)
        if found is None:
            raise OcoreError("oCore's list of instances holds no list. Check that api_url points at the API.")
        items.extend(found)
        if isinstance(page, dict) and isinstance(page.get("total"), int):
            total = page["total"]
    if pages and isinstance(pages[-1], dict) and pages[-1].get("has_more"):
        # No cursor leads on: there are more, but nobody knows how many.
        total = max(total or 0, len(items) + 1)
    return Listing(items, total, warn)


def page_items(page: object) -> list[object] | None:
    """Give the objects of one page of a list answer; null when it holds none."""
    if isinstance(page, list):
        return page
    if isinstance(page, dict):
        for key in ("instances", "data"):
            if isinstance(page.get(key), list):
                return list(page[key])
            if key in page and page[key] is None:
                return []
    return None


def next_cursor(page: object) -> str | None:
    """Give the cursor of the next page; null when this page is the last."""
    if isinstance(page, dict) and page.get("next_cursor") and page.get("has_more") is not False:
        return str(page["next_cursor"])
    return None
