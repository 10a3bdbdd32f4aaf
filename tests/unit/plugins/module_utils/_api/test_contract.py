# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what the API sends, however odd."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    Health,
    HealthScore,
    Instance,
    parse,
    to_wire,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing, next_cursor, parse_list
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import DEEPEST, MASK
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, SERVER, fail, instance, wire


def read(raw: object, model: type[Any] = Instance) -> tuple[Any, list[str]]:
    warnings: list[str] = []
    return parse(model, raw, lambda text, _kind=None: warnings.append(text)), warnings


def test_missing_field_is_unknown_and_a_null_is_known() -> None:
    found = parse(Instance, {"id": ID, "envVars": None}, fail)
    assert found.env_vars is None
    assert found.was_sent("env_vars")
    assert not found.was_sent("name")


def test_unknown_fields_are_in_extra_under_their_own_names() -> None:
    found = parse(Instance, wire(cpuQuota={"a": [1]}, http_port="x", slug="shop"), fail)
    record = found.record()
    assert record["extra"] == {"cpuQuota": {"a": [1]}, "http_port": "x"}
    assert (record["slug"], record["http_port"]) == ("shop", found.http_port)


def test_unknown_fields_show_no_secrets() -> None:
    unknown = {"adminPassword": "planted", "note": "uses planted-value", "deep": {"apiKey": "planted"}, "canKey": True}
    extra = parse(Instance, wire(envVars={"A": "planted-value"}, **unknown), fail).record()["extra"]
    assert extra == {"adminPassword": MASK, "note": f"uses {MASK}", "deep": {"apiKey": MASK}, "canKey": True}


def test_unknown_fields_that_are_nested_without_end_are_cut() -> None:
    deep: Any = "end"
    for _level in range(500):
        deep = {"x": [deep]}
    text = json.dumps(parse(Instance, wire(deep=deep), fail).record()["extra"])
    assert "end" not in text
    assert text.count("x") < DEEPEST


@pytest.mark.parametrize(
    ("fields", "field", "value", "warning"),
    [
        pytest.param({"odooVersion": 18.0}, "odoo_version", "18.0", None, id="number for a text"),
        pytest.param({"httpPort": "8069"}, "http_port", 8069, None, id="text for a number"),
        pytest.param({"healthScore": 95.5}, "health_score", 95.5, None, id="fraction"),
        pytest.param({"name": {"en": "x"}}, "name", None, "name of shop", id="object for a text"),
        pytest.param({"workers": "many"}, "workers", None, "workers of shop", id="word for a number"),
        pytest.param(
            {"mcpWriteEnabled": "maybe"}, "mcp_write_enabled", None, "mcpWriteEnabled", id="word for a boolean"
        ),
        pytest.param({"envVars": ["A=1"]}, "env_vars", None, "envVars of shop", id="list for a map"),
        pytest.param({"envVars": {"A": 1, "B": "x"}}, "env_vars", {"A": "1", "B": "x"}, None, id="number as env value"),
        pytest.param(
            {"envVars": {"A": True, "B": "x"}},
            "env_vars",
            {"A": "true", "B": "x"},
            "envVars.A",
            id="boolean as env value",
        ),
        pytest.param(
            {"envVars": {"A": {"b": [1]}}}, "env_vars", {"A": '{"b": [1]}'}, "envVars.A", id="map as env value"
        ),
        pytest.param({"domains": None}, "domains", None, None, id="null for domains"),
        pytest.param({"domains": "shop.example"}, "domains", None, "domains of shop", id="text for domains"),
    ],
)
def test_value_of_another_type_costs_that_field_only(
    fields: dict[str, Any], field: str, value: object, warning: str | None
) -> None:
    found, warnings = read(wire(**fields))
    assert getattr(found, field) == value
    assert found.id == ID
    assert len(warnings) == (1 if warning else 0), warnings
    if warning:
        assert warning in warnings[0]


def test_field_in_snake_case_is_an_unknown_one() -> None:
    found = parse(Instance, {"id": ID, "http_port": "x", "server_id": SERVER}, fail)
    assert (found.http_port, found.server_id) == (None, None)


def test_bad_domain_costs_neither_the_others_nor_the_instance() -> None:
    found, warnings = read(wire(domains=["x", None, {"domain": "shop.example", "isPrimary": "perhaps"}]))
    assert [(d.domain, d.is_primary) for d in found.domains] == [("shop.example", None)]
    assert len(warnings) == 3
    assert "domains.0" in warnings[0]


def test_warning_about_an_env_value_does_not_show_it() -> None:
    _found, warnings = read(wire(envVars={"A": ["planted-secret"]}))
    assert "planted-secret" not in "".join(warnings)
    assert warnings[0].endswith("treated as text.")


@pytest.mark.parametrize("raw", [[], "text", None, 3])
def test_answer_that_is_no_object_is_refused(raw: object) -> None:
    with pytest.raises(OcoreError, match="where an object was expected"):
        parse(Instance, raw, fail)


def test_nonsense_within_an_object_never_ends_in_a_traceback() -> None:
    found, warnings = read({"id": {"a": 1}, "slug": None, "domains": {"0": {"x": 1}}, "healthScore": []})
    assert (found.id, found.domains, found.health_score) == ("", None, None)
    assert warnings


def test_record_has_every_field_and_no_null_collections() -> None:
    record = parse(Instance, {"id": ID, "domains": None, "envVars": None}, fail).record()
    assert set(record) == {*Instance.model_fields, "extra"}
    assert (record["domains"], record["env_vars"]) == ([], {})


def test_record_masks_env_values_unless_told_otherwise() -> None:
    found = instance(envVars={"A": "secret-a", "B": None})
    assert found.record()["env_vars"] == {"A": MASK, "B": MASK}
    assert found.record(reveal_env_vars=True)["env_vars"] == {"A": "secret-a", "B": None}


def test_status_message_that_quotes_an_env_value_is_masked() -> None:
    found = instance(envVars={"PW": "hunter22"}, statusMessage='password "hunter22" refused')
    assert found.record()["status_message"] == f'password "{MASK}" refused'
    assert "hunter22" in found.record(reveal_env_vars=True)["status_message"]


@pytest.mark.parametrize(
    ("fields", "title"),
    [({}, f"shop ({ID})"), ({"slug": None}, f"Shop ({ID})"), ({"slug": "", "name": None}, ID)],
)
def test_label_is_slug_then_name_then_id(fields: dict[str, Any], title: str) -> None:
    assert instance(**fields).label() == title


def test_field_names_are_turned_into_wire_names_and_env_names_stay() -> None:
    assert to_wire({"env_vars": {"my_var": "x"}, "mcp_write_enabled": True, "addons_path": "/a"}) == {
        "envVars": {"my_var": "x"},
        "mcpWriteEnabled": True,
        "addonsPath": "/a",
    }


def test_health_and_score_are_read_with_their_factors() -> None:
    assert parse(Health, {"statusMessage": "fine"}, fail).status_message == "fine"
    score = parse(HealthScore, {"score": 95, "factors": [{"name": "uptime", "weight": 0.25}]}, fail)
    assert score.record()["factors"][0]["weight"] == 0.25
    assert parse(HealthScore, {"score": 1, "factors": None}, fail).record()["factors"] == []


@pytest.mark.parametrize(
    ("page", "count", "total"),
    [
        pytest.param({"instances": [wire()], "total": 1}, 1, 1, id="reference page"),
        pytest.param({"data": [wire()], "has_more": False}, 1, None, id="overview"),
        pytest.param([wire()], 1, None, id="bare list"),
        pytest.param({"instances": None, "total": 0}, 0, 0, id="null for an empty list"),
    ],
)
def test_list_of_each_documented_shape_is_read(page: object, count: int, total: int | None) -> None:
    found = parse_list([page], fail)
    assert (len(found), found.total, found.incomplete) == (count, total, False)


@pytest.mark.parametrize("page", [{}, "text", None, {"instances": {"a": 1}}, 7])
def test_list_answer_without_a_list_is_an_error(page: object) -> None:
    with pytest.raises(OcoreError, match="holds no list"):
        parse_list([page], fail)


@pytest.mark.parametrize(
    ("page", "cursor"),
    [
        ({"data": [], "next_cursor": "a", "has_more": True}, "a"),
        ({"data": [], "next_cursor": 7}, "7"),
        ({"data": [], "next_cursor": "a", "has_more": False}, None),
        ({"data": [], "next_cursor": None, "has_more": True}, None),
        ([], None),
    ],
)
def test_pagination_follows_the_cursor_where_there_is_one(page: object, cursor: str | None) -> None:
    assert next_cursor(page) == cursor


def test_pagination_without_a_cursor_makes_the_list_incomplete() -> None:
    assert parse_list([{"data": [wire()], "has_more": True}], fail).incomplete


def test_pagination_counts_an_instance_on_two_pages_once() -> None:
    found = parse_list([[wire()], [wire(), wire(id="b")]], fail)
    assert found.ids() == {ID, "b"}
    assert len(found) == 2


def test_entries_without_an_id_are_left_out_with_a_warning() -> None:
    warnings: list[str] = []
    found = Listing([wire(), {"name": "x"}, "text", None], None, lambda text, _kind=None: warnings.append(text))
    assert len(found) == 1
    assert warnings == [
        "oCore listed instance x without a usable id; it is left out.",
        "oCore listed something that is no object; it is left out.",
        "oCore listed something that is no object; it is left out.",
    ]
    assert found.incomplete  # the one that somebody looks for may be among them


def test_list_validates_only_the_matched_entry() -> None:
    found = Listing([wire(), {"id": "bad", "name": "Bad", "workers": "x"}], None, fail)
    assert [i.id for i in found.matching(lambda item: item["slug"] == "shop")] == [ID]


def test_list_iterates_over_every_instance() -> None:
    assert [i.id for i in Listing([wire(), wire(id="b")], None, fail)] == [ID, "b"]


def test_list_on_a_server_is_told_by_the_record_and_not_by_the_filter() -> None:
    found = Listing([wire(), wire(id="b", serverId="other"), wire(id="c", serverId=None)], 3, fail)
    part = found.on_server(SERVER.upper())
    assert part.ids() == {ID, "c"}
    assert not part.incomplete
    assert Listing([wire()], 9, fail).on_server(SERVER).incomplete
