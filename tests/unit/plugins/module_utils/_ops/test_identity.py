# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instance a task means."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import describe, find, find_in
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, client, listing, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted

OTHER = "2c0fd1f3-6f1e-4f0c-9d8e-0d9d5a1b7c22"


@pytest.mark.parametrize(
    ("options", "entries", "found", "leaving"),
    [
        pytest.param({"slug": "shop"}, [wire()], ID, None, id="slug"),
        pytest.param({"slug": "SHOP"}, [wire()], ID, None, id="slug in another case"),
        pytest.param({"slug": "shop"}, [wire(slug=None)], None, None, id="entry without a slug"),
        pytest.param({"name": "Shop"}, [wire()], ID, None, id="name"),
        pytest.param({"name": "shop"}, [wire()], None, None, id="names differ by case"),
        pytest.param({"name": "Shop"}, [wire(), wire(id=OTHER, name="shop")], ID, None, id="name beside another case"),
        pytest.param(
            {"slug": "shop", "name": "New"}, [wire(), wire(id=OTHER, slug="x", name="New")], ID, None, id="slug first"
        ),
        pytest.param(
            {"slug": "shop"}, [wire(status="Removing")], None, ID, id="one that is being removed does not count"
        ),
        pytest.param({"slug": "shop"}, [wire(status="deleted")], None, None, id="one that is deleted is not there"),
        pytest.param({"name": "Shop"}, [wire(status="deleting"), wire(id=OTHER)], OTHER, ID, id="its successor counts"),
        pytest.param({"slug": "shop"}, [wire(status="failed")], ID, None, id="one that failed counts"),
        pytest.param({"slug": "", "name": "Shop"}, [wire()], ID, None, id="an empty key is none"),
        pytest.param({"name": "Shop"}, [], None, None, id="empty organization"),
    ],
)
def test_one_is_found_or_none(
    options: dict[str, Any], entries: list[Any], found: str | None, leaving: str | None
) -> None:
    match = find_in(listing(*entries), options)
    assert (match.instance.id if match.instance else None) == found
    assert (match.leaving.id if match.leaving else None) == leaving


def test_a_name_that_several_have_lists_their_ids() -> None:
    with pytest.raises(OcoreError) as caught:
        find_in(listing(wire(), wire(id=OTHER, slug="shop-2")), {"name": "Shop"})
    assert caught.value.message == (
        f"2 instances have the name 'Shop': shop ({ID}), shop-2 ({OTHER}). Name the one you mean by id or slug."
    )


def test_a_slug_that_several_have_asks_for_the_id() -> None:
    with pytest.raises(OcoreError, match=r"Name the one you mean by id\."):
        find_in(listing(wire(), wire(id=OTHER)), {"slug": "shop"})


def test_nobody_is_missing_from_a_list_that_is_incomplete() -> None:
    with pytest.raises(OcoreError) as caught:
        find_in(listing(wire(), total=2), {"slug": "other"})
    assert caught.value.message == (
        "oCore says that there are more instances than the 1 that it listed, and slug other may be among the others. "
        "Nothing was changed. If the instance exists, name it by id."
    )
    assert find_in(listing(wire(), total=2), {"slug": "shop"}).instance is not None


@pytest.mark.parametrize("options", [{}, {"id": "", "slug": None, "name": ""}])
def test_without_a_key_nobody_can_be_meant(options: dict[str, Any]) -> None:
    for call in (describe, lambda o: find_in(listing(), o)):
        with pytest.raises(OcoreError, match="One of id, slug and name is needed"):
            call(options)


def test_the_key_that_decides_is_the_one_in_the_messages() -> None:
    assert describe({"id": ID, "slug": "shop"}) == f"id {ID}"
    assert describe({"slug": "shop", "name": "Shop"}) == "slug shop"
    assert describe({"name": "Shop"}) == "name Shop"


@pytest.mark.parametrize(
    ("answer", "there", "leaving"),
    [
        ({"answer": wire()}, True, False),
        ({"answer": wire(status="removing")}, False, True),
        ({"answer": wire(status="deleted")}, False, False),
        ({"status": 404}, False, False),
    ],
)
def test_by_id_one_request_decides(answer: dict[str, Any], there: bool, leaving: bool) -> None:
    with Scripted() as ocore:
        ocore.expect("GET", f"/instances/{ID}", **answer)
        match = find(client(ocore.api_url), {"id": ID, "slug": "other"})
    assert (match.instance is not None, match.leaving is not None, match.listing) == (there, leaving, None)


def test_env_values_of_what_was_found_are_secrets_from_then_on() -> None:
    with Scripted() as ocore:
        ocore.expect("GET", "/instances", answer=[wire(envVars={"A": "planted-secret"})])
        api = client(ocore.api_url)
        find(api, {"slug": "shop"})
    assert api.scrub("planted-secret") == MASK
