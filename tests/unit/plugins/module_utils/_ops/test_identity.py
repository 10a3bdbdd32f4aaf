# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instance a task means."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Identity, find, find_in
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
        pytest.param({"slug": "shop"}, [wire(slug=" shop ")], ID, None, id="slug with blanks"),
        pytest.param({"name": "Shop"}, [wire(name=" Shop ")], ID, None, id="name with blanks"),
        pytest.param({"name": "Caf\u00e9"}, [wire(name="Cafe\u0301")], ID, None, id="name in decomposed Unicode"),
        pytest.param({"name": "Cafe\u0301"}, [wire(name="Caf\u00e9")], ID, None, id="name in composed Unicode"),
        pytest.param({"name": "Shop"}, [], None, None, id="empty organization"),
    ],
)
def test_identity_finds_one_or_none(
    options: dict[str, Any], entries: list[Any], found: str | None, leaving: str | None
) -> None:
    match = find_in(listing(*entries), Identity.from_options(options))
    assert (match.instance.id if match.instance else None) == found
    assert (match.leaving.id if match.leaving else None) == leaving


def test_identity_by_a_name_that_several_share_lists_their_ids() -> None:
    with pytest.raises(OcoreError) as caught:
        find_in(listing(wire(), wire(id=OTHER, slug="shop-2")), Identity(name="Shop"))
    assert caught.value.message == (
        f"2 instances have the name 'Shop': shop ({ID}), shop-2 ({OTHER}). Identify the right one by id or slug."
    )


def test_identity_by_a_slug_that_several_share_asks_for_the_id() -> None:
    with pytest.raises(OcoreError, match=r"Identify the right one by id\."):
        find_in(listing(wire(), wire(id=OTHER)), Identity(slug="shop"))


def test_pagination_that_is_incomplete_proves_nobody_missing() -> None:
    with pytest.raises(OcoreError) as caught:
        find_in(listing(wire(), total=2), Identity(slug="other"))
    assert caught.value.message == (
        "oCore reports more instances than the 1 that it listed, and slug other may be among the others. "
        "Nothing was changed. If the instance exists, identify it by id."
    )
    assert find_in(listing(wire(), total=2), Identity(slug="shop")).instance is not None


@pytest.mark.parametrize("options", [{}, {"id": "", "slug": None, "name": ""}])
def test_identity_needs_one_of_its_options(options: dict[str, Any]) -> None:
    with pytest.raises(OcoreError, match="One of id, slug and name is required to identify the instance"):
        Identity.from_options(options)


def test_identity_is_shown_by_the_option_that_decides() -> None:
    assert str(Identity(id=ID, slug="shop")) == f"id {ID}"
    assert str(Identity(slug="shop", name="Shop")) == "slug shop"
    assert str(Identity(name="Shop")) == "name Shop"


@pytest.mark.parametrize(
    ("answer", "there", "leaving"),
    [
        ({"answer": wire()}, True, False),
        ({"answer": wire(status="removing")}, False, True),
        ({"answer": wire(status="deleted")}, False, False),
        ({"status": 404}, False, False),
    ],
)
def test_identity_by_id_is_decided_by_one_request(answer: dict[str, Any], there: bool, leaving: bool) -> None:
    with Scripted() as ocore:
        ocore.expect("GET", f"/instances/{ID}", **answer)
        match = find(client(ocore.api_url), Identity(id=ID, slug="other"))
    assert (match.instance is not None, match.leaving is not None, match.listing) == (there, leaving, None)


def test_secret_env_values_of_what_was_found_are_masked_from_then_on() -> None:
    with Scripted() as ocore:
        ocore.expect("GET", "/instances", answer=[wire(envVars={"A": "planted-secret"})])
        api = client(ocore.api_url)
        find(api, Identity(slug="shop"))
    assert api.scrub("planted-secret") == MASK
