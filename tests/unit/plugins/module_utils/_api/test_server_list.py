# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of servers: every form in which it may come, and what must not come out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Server
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import parse_servers
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK, without_secret_fields
from ansible_collections.ocore.cloud.tests.unit.helpers.api import SERVER, client, fail, wire_server
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


@pytest.mark.parametrize(
    "page",
    [
        {"servers": [wire_server()]},
        {"servers": [wire_server()], "total": 1},
        {"data": [wire_server()], "has_more": False},
        [wire_server()],
    ],
)
def test_servers_are_read_in_every_form_of_a_list(page: object) -> None:
    (server,) = parse_servers([page], fail)
    assert (server.id, server.name, server.ssh_user, server.port) == (SERVER, "alpha", "admin", 2222)


@pytest.mark.parametrize("page", [{"servers": None}, {"servers": []}, []])
def test_servers_may_be_none(page: object) -> None:
    assert parse_servers([page], fail) == []


def test_servers_that_are_no_list_are_refused() -> None:
    with pytest.raises(OcoreError, match="list of servers holds no list"):
        parse_servers([{"status": "ok"}], fail)


def test_servers_without_a_usable_id_are_left_out_with_a_warning() -> None:
    said: list[str] = []
    found = parse_servers([[wire_server(id=".."), "x", wire_server()]], lambda text, _kind=None: said.append(text))
    assert [server.id for server in found] == [SERVER]
    assert said == [
        "oCore listed server alpha without a usable id; it is left out.",
        "oCore listed something that is no object; it is left out.",
    ]


@pytest.mark.parametrize("paging", [{"total": 3}, {"has_more": True}, {"page": 1, "totalPages": 2}])
def test_servers_that_are_not_all_listed_are_warned_about(paging: dict[str, Any]) -> None:
    said: list[str] = []
    parse_servers([{"servers": [wire_server()], **paging}], lambda text, _kind=None: said.append(text))
    assert said == ["oCore reports more servers than the 1 that it listed."]


def test_servers_on_two_pages_are_given_once() -> None:
    assert len(parse_servers([[wire_server()], [wire_server(), wire_server(id="b")]], fail)) == 2


def test_server_record_has_every_field_however_little_was_sent() -> None:
    (server,) = parse_servers([[{"id": 7}]], fail)
    assert server.record() == {**dict.fromkeys(Server.model_fields), "id": "7", "extra": {}}
    assert server.label() == "7"


def test_server_record_keeps_unknown_fields_apart() -> None:
    (server,) = parse_servers([[wire_server(region="eu", ssh_user="fake", quota={"disk": [1, None]})]], fail)
    record = server.record()
    assert record["ssh_user"] == "admin"
    assert record["extra"] == {"region": "eu", "ssh_user": "fake", "quota": {"disk": [1, None]}}


def test_server_values_of_a_wrong_type_cost_that_field() -> None:
    said: list[str] = []
    (server,) = parse_servers([[wire_server(port={"a": 1}, region="eu")]], lambda text, _kind=None: said.append(text))
    assert (server.port, server.host, server.unknown()) == (None, "192.0.2.7", {"region": "eu"})
    assert len(said) == 1


def test_leak_of_credentials_that_the_api_should_not_send_is_masked() -> None:
    sent = {"sshPrivateKey": "----BEGIN", "sshPassword": "planted", "login": {"apiToken": "planted", "hasKey": True}}
    (server,) = parse_servers([[wire_server(**sent)]], fail)
    assert server.record()["extra"] == {
        "sshPrivateKey": MASK,
        "sshPassword": MASK,
        "login": {"apiToken": MASK, "hasKey": True},
    }
    assert "planted" not in str(server.record())


def test_leak_masks_spare_empty_fields_and_lists() -> None:
    assert without_secret_fields({"password": None, "keys": [{"secret": "x"}], "tags": ["a"]}) == {
        "password": None,
        "keys": MASK,
        "tags": ["a"],
    }


def test_pagination_of_servers_is_followed(ocore: Scripted) -> None:
    ocore.expect("GET", "/servers", answer={"data": [wire_server()], "has_more": True, "next_cursor": "x"})
    ocore.expect("GET", "/servers?cursor=x", answer={"data": [wire_server(id="b")]})
    assert [server.id for server in client(ocore.api_url).list_servers()] == [SERVER, "b"]


@pytest.mark.parametrize(
    ("status", "words"), [(403, "not allowed to list servers"), (404, "does not offer the list of servers")]
)
def test_error_of_a_list_of_servers_says_what_to_do(ocore: Scripted, status: int, words: str) -> None:
    ocore.expect("GET", "/servers", status=status, answer={"message": "no"})
    with pytest.raises(OcoreError, match=words) as caught:
        client(ocore.api_url).list_servers()
    assert caught.value.message.startswith("Cannot list the servers")
    assert (caught.value.status, caught.value.about_one) == (status, False)


def test_servers_that_are_listed_twice_do_not_stand_for_one_that_is_missing() -> None:
    warnings: list[str] = []
    parse_servers(
        [{"servers": [wire_server(), wire_server()], "total": 3}], lambda text, _kind=None: warnings.append(text)
    )
    assert warnings == ["oCore reports more servers than the 2 that it listed."]
