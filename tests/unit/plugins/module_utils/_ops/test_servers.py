# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading servers, and finding the one that a task names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops.servers import OPERATION, server_ids
from ansible_collections.ocore.cloud.tests.unit.helpers.api import SERVER, TOKEN, client, play, wire_server
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted

OTHER = "0d9b4e1c-60a2-4c55-8c68-111111111111"
SERVERS = [wire_server(), wire_server(id=OTHER, name="Cafe\u0301 {{ 1 }}")]


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def find(ocore: Scripted, text: str, answer: object = None) -> str:
    ocore.expect("GET", "/servers", answer=SERVERS if answer is None else answer)
    return server_ids(client(ocore.api_url), [text])[text]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, [SERVER, OTHER]),
        ({"name": " alpha"}, [SERVER]),
        ({"name": "Alpha"}, []),
        ({"name": "Caf\u00e9 {{ 1 }}"}, [OTHER]),
        ({"id": OTHER.upper()}, [OTHER]),
        ({"id": "alpha"}, []),
    ],
)
def test_server_info_is_one_request(ocore: Scripted, options: dict[str, Any], found: list[str]) -> None:
    ocore.expect("GET", "/servers", answer={"servers": SERVERS})
    result = play(OPERATION, ocore.api_url, **options)
    assert [server["id"] for server in result["servers"]] == found
    assert (result["total"], result["changed"]) == (len(found), False)


def test_leak_of_the_token_in_a_server_is_masked(ocore: Scripted) -> None:
    ocore.expect("GET", "/servers", answer=[wire_server(description=f"key {TOKEN}", note=TOKEN)])
    assert TOKEN not in str(play(OPERATION, ocore.api_url))


@pytest.mark.parametrize("text", ["alpha", "Caf\u00e9 {{ 1 }}", "srv-9"])
def test_server_name_is_resolved_by_one_request(ocore: Scripted, text: str) -> None:
    expected = {"alpha": SERVER, "srv-9": "SRV-9"}.get(text, OTHER)
    assert find(ocore, text, [*SERVERS, wire_server(id="SRV-9", name="by id")]) == expected


def test_server_names_of_one_task_are_resolved_by_one_request(ocore: Scripted) -> None:
    ocore.expect("GET", "/servers", answer=SERVERS)
    found = server_ids(client(ocore.api_url), ["alpha", "Caf\u00e9 {{ 1 }}", SERVER])
    assert list(found.values()) == [SERVER, OTHER, SERVER]


def test_server_id_needs_no_request_whatever_servers_are_called(ocore: Scripted) -> None:
    assert server_ids(client(ocore.api_url), [OTHER.upper()]) == {OTHER.upper(): OTHER.upper()}
    assert server_ids(client(ocore.api_url), []) == {}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            SERVERS,
            f"There is no server 'beta'. The organization has: Cafe\u0301 {{{{ 1 }}}} ({OTHER}), alpha ({SERVER}).",
        ),
        ([], "There is no server 'beta'. The organization has no servers: check the option organization."),
        (
            [wire_server(name="beta"), wire_server(id=OTHER, name="beta ")],
            f"2 servers have the name 'beta': beta ({OTHER}), beta ({SERVER}). Give the id of the right one instead.",
        ),
    ],
)
def test_server_name_that_fits_none_or_several_is_an_error(
    ocore: Scripted, answer: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(OcoreError) as caught:
        find(ocore, "beta", answer)
    assert caught.value.message == f"{message} Nothing was changed."


def test_server_error_lists_a_part_of_many(ocore: Scripted) -> None:
    with pytest.raises(OcoreError, match="and 480 more") as caught:
        find(ocore, "beta", [wire_server(id=f"s{n}", name=f"server-{n}") for n in range(500)])
    assert len(caught.value.message) < 600
