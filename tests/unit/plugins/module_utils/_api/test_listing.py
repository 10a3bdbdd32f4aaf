# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists: whether they are complete, however the API says so, and what can be found in them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import is_usable_id, next_cursor, parse_list
from ansible_collections.ocore.cloud.tests.unit.helpers.api import fail, wire


@pytest.mark.parametrize(
    "paging",
    [
        {"total": 40},
        {"total": "40"},
        {"totalCount": 40},
        {"has_more": True},
        {"hasMore": "true"},
        {"hasNext": True},
        {"next": "https://ocore.example.com/api/instances?page=2"},
        {"page": 1, "totalPages": 3},
        {"total_pages": "3"},
        {"pagination": {"totalPages": 3}},
        {"meta": {"total": 40}},
        {"pageInfo": {"hasNextPage": True, "hasMore": True}},
    ],
)
def test_pagination_that_announces_more_without_a_way_on_makes_the_list_incomplete(paging: dict[str, Any]) -> None:
    assert parse_list([{"instances": [wire()], **paging}], fail).incomplete


@pytest.mark.parametrize(
    "paging",
    [
        {},
        {"total": 1},
        {"total": "many"},
        {"has_more": False, "next_cursor": "x"},
        {"hasMore": "false"},
        {"page": 1, "totalPages": 1},
        {"next_cursor": None, "next": ""},
    ],
)
def test_pagination_that_announces_nothing_leaves_the_list_complete(paging: dict[str, Any]) -> None:
    assert not parse_list([{"instances": [wire()], **paging}], fail).incomplete


def test_pagination_does_not_count_what_a_page_lists_twice() -> None:
    # An API that joined instances with their domains counted both, and nothing could be created.
    assert not parse_list([{"instances": [wire(), wire()], "total": 2}], fail).incomplete
    assert parse_list([{"instances": [wire(), wire()], "total": 3}], fail).incomplete
    # On two pages it may have moved, and hide another one.
    assert parse_list([{"instances": [wire()], "total": 2}, {"instances": [wire()], "total": 2}], fail).incomplete


@pytest.mark.parametrize(
    ("page", "cursor"),
    [
        ({"next_cursor": "x"}, "x"),
        ({"nextCursor": "x", "hasMore": True}, "x"),
        ({"pagination": {"nextCursor": 7}}, "7"),
        ({"nextCursor": "x", "hasMore": False}, None),
        ({"next_cursor": {"a": 1}}, None),
        ([], None),
    ],
)
def test_pagination_cursors_are_read_in_both_spellings(page: object, cursor: str | None) -> None:
    assert next_cursor(page) == cursor


@pytest.mark.parametrize("value", ["..", ".", "", "  ", {}, [], True, None, "a\nb", "\x1b[31m"])
def test_identity_that_cannot_be_part_of_a_url_is_no_id(value: object) -> None:
    assert not is_usable_id(value)


def test_identity_names_are_compared_stripped_and_composed() -> None:
    found = parse_list([[wire(name="Cafe\u0301 "), wire(id="b", name="CAF\u00c9")]], fail)
    assert [one.name for one in found.having("name", " Caf\u00e9")] == ["Cafe\u0301 "]


def test_identity_slugs_and_ids_are_compared_without_blanks_and_case() -> None:
    found = parse_list([[wire(slug=" Shop ")]], fail)
    assert len(found.having("slug", "shop")) == 1


def test_answer_with_a_status_that_is_no_text_reaches_no_test_of_a_list() -> None:
    statuses: list[object] = []
    found = parse_list([[wire(status={"a": 1}), wire(id="b", status=()), wire(id="c", status=7), wire(id="d")]], fail)
    found.matching(lambda item: bool(statuses.append(item["status"])))
    assert statuses == [None, None, "7", "running"]
