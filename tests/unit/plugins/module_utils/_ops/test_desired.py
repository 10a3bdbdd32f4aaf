# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task declares, and the plan that leads there: tables of declarations against instances."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops.desired import (
    Declaration,
    Plan,
    make_plan,
    predict,
    restart_is_owed,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import OPERATION
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, SERVER, instance, options_of

NEW = {"name": "Shop", "slug": "shop", "server_id": SERVER}


def declaration(**options: Any) -> Declaration:
    return Declaration.from_options(options_of(OPERATION, **options))


def fields(**options: Any) -> dict[str, Any]:
    return dict(declaration(slug="shop", **options).fields)


def plan(current: Instance | None, **options: Any) -> Plan:
    return make_plan(declaration(**options), current)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        ("", ""),
        (" 007 ", " 007 "),
        (8069, "8069"),
        (0, "0"),
        (0.5, "0.5"),
        (18.0, "18.0"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_env_vars_are_text_as_yaml_writes_scalars(value: object, text: str) -> None:
    assert fields(env_vars={"A": value})["env_vars"] == {"A": text}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            None,
            "env_vars: A is null. Give it a value ('' for an empty one); to remove a variable, name it in remove_env_vars",
        ),
        (["planted-secret"], "env_vars: A is a list"),
        ({"x": "planted-secret"}, "env_vars: A is a dict"),
        (MASK, "env_vars: A is a mask"),
        (f"{MASK} (changed)", "env_vars: A is a mask"),
        ("•••••", "env_vars: A is a mask"),
    ],
)
def test_env_vars_without_a_text_form_are_refused_by_name(value: object, words: str) -> None:
    with pytest.raises(OcoreError) as caught:
        fields(env_vars={"A": value})
    assert words in caught.value.message
    assert "planted-secret" not in caught.value.message


def test_arguments_that_are_empty_declare_nothing_but_a_path_can_be_emptied() -> None:
    assert fields(branch="", odoo_version=None, addons_path="") == {"slug": "shop", "addons_path": ""}


def test_env_vars_have_names_that_are_text() -> None:
    assert fields(env_vars={1: "x"})["env_vars"] == {"1": "x"}


@pytest.mark.parametrize(
    ("options", "create", "update", "actions"),
    [
        pytest.param(NEW, NEW, None, ["create"], id="only given fields are sent"),
        pytest.param(
            {"name": "Shop", "server_id": SERVER}, {"name": "Shop", "server_id": SERVER}, None, ["create"], id="no slug"
        ),
        pytest.param(
            {**NEW, "mcp_write_enabled": True},
            NEW,
            {"mcp_write_enabled": True},
            ["create", "update"],
            id="mcp by a PUT",
        ),
        pytest.param({**NEW, "mcp_write_enabled": False}, NEW, None, ["create"], id="mcp is off by itself"),
        pytest.param(
            {**NEW, "env_vars": {"A": 1}, "branch": "main", "project_id": "p", "environment_type": "staging"},
            {**NEW, "env_vars": {"A": "1"}, "branch": "main", "project_id": "p", "environment_type": "staging"},
            None,
            ["create"],
            id="fields that are never shown",
        ),
        pytest.param({**NEW, "restart_on_change": True}, NEW, None, ["create"], id="a new one is not restarted"),
    ],
)
def test_creation_is_planned(
    options: dict[str, Any], create: dict[str, Any], update: dict[str, Any] | None, actions: list[str]
) -> None:
    planned = plan(None, **options)
    assert (planned.create, planned.update, planned.actions) == (create, update, actions)
    assert planned.before == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"slug": "shop"},
            "There is no instance with slug shop, and creating it needs name and server (or server_id) as well.",
        ),
        ({"name": "Shop"}, "There is no instance with name Shop, and creating it needs server (or server_id) as well."),
        ({"slug": "shop", "server_id": SERVER, "name": ""}, "creating it needs name as well."),
    ],
)
def test_creation_names_what_it_lacks(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OcoreError) as caught:
        plan(None, **options)
    assert words in caught.value.message


KEEP = {"name": "Shop", "env_vars": {"A": "1", "B": "2"}, "mcp_write_enabled": False}
CURRENT = {"envVars": {"A": "1", "B": "2"}}


@pytest.mark.parametrize(
    ("fields", "options", "update"),
    [
        pytest.param(CURRENT, {}, None, id="nothing wanted"),
        pytest.param(CURRENT, {**NEW, "env_vars": {"B": 2}}, None, id="all as it is"),
        pytest.param(CURRENT, {"name": "New"}, {**KEEP, "name": "New"}, id="a name, the rest with its value"),
        pytest.param(
            CURRENT, {"env_vars": {"C": "3"}}, {**KEEP, "env_vars": {"A": "1", "B": "2", "C": "3"}}, id="a key is added"
        ),
        pytest.param(
            CURRENT, {"env_vars": {"A": "x"}}, {**KEEP, "env_vars": {"A": "x", "B": "2"}}, id="a key is changed"
        ),
        pytest.param(CURRENT, {"env_vars": {}}, None, id="an empty map changes nothing"),
        pytest.param(
            CURRENT,
            {"env_vars": {"A": "1"}, "purge_env_vars": True},
            {**KEEP, "env_vars": {"A": "1"}},
            id="purge removes what is not given",
        ),
        pytest.param(
            CURRENT, {"env_vars": {}, "purge_env_vars": True}, {**KEEP, "env_vars": {}}, id="purge removes all"
        ),
        pytest.param(CURRENT, {"purge_env_vars": True}, None, id="purge without env_vars touches nothing"),
        pytest.param(
            CURRENT, {"remove_env_vars": ["A"]}, {**KEEP, "env_vars": {"B": "2"}}, id="one is removed, others are kept"
        ),
        pytest.param(
            CURRENT, {"remove_env_vars": ["A", "B"]}, {**KEEP, "env_vars": {}}, id="the last ones are removed"
        ),
        pytest.param(CURRENT, {"remove_env_vars": ["X"]}, None, id="what is not there is not removed"),
        pytest.param({}, {"remove_env_vars": ["X"]}, None, id="nothing is removed from nothing"),
        pytest.param(
            CURRENT,
            {"remove_env_vars": ["A"], "env_vars": {"C": "3"}, "name": "New"},
            {**KEEP, "name": "New", "env_vars": {"B": "2", "C": "3"}},
            id="one is removed and one is added",
        ),
        pytest.param(
            CURRENT,
            {"remove_env_vars": ["A"], "purge_env_vars": True},
            {**KEEP, "env_vars": {"B": "2"}},
            id="purge without env_vars removes no more than what is named",
        ),
        pytest.param(
            {}, {"name": "New"}, {"name": "New", "mcp_write_enabled": False}, id="an empty map is not sent unasked"
        ),
        pytest.param(
            {"envVars": None, "mcpWriteEnabled": None}, {"name": "New"}, {"name": "New"}, id="what is null is left out"
        ),
        pytest.param({"mcpWriteEnabled": None}, {"mcp_write_enabled": False}, None, id="null and false are the same"),
        pytest.param({"addonsPath": ""}, {"addons_path": ""}, None, id="null and empty are the same"),
        pytest.param(
            {"addonsPath": "/a"},
            {"addons_path": ""},
            {"name": "Shop", "addons_path": "", "mcp_write_enabled": False},
            id="a path is emptied",
        ),
        pytest.param(
            {"envVars": {"A": None}},
            {"env_vars": {"A": ""}},
            None,
            id="null and empty value",
        ),
        pytest.param(
            {}, {"server_id": SERVER.upper(), "odoo_edition": "Community"}, None, id="case of ids and edition"
        ),
        pytest.param(
            {}, {"project_id": "p", "environment_type": "e", "branch": "b"}, None, id="never shown, so ignored"
        ),
        pytest.param({"name": "New"}, {"slug": "shop", "name": "New"}, None, id="name as wanted value"),
    ],
)
def test_update_is_planned(fields: dict[str, Any], options: dict[str, Any], update: dict[str, Any] | None) -> None:
    planned = plan(instance(**fields), **{"slug": "shop", **options})
    assert planned.update == update
    assert planned.actions == (["update"] if update else [])
    assert planned.create is None
    assert planned.warnings == ()
    if update is None:
        assert planned.before == planned.after == {}


@pytest.mark.parametrize(
    ("fields", "option", "words"),
    [
        ({}, {"server_id": "other"}, f"server_id is '{SERVER}', the task declares 'other'"),
        ({}, {"odoo_version": "17.0"}, "odoo_version is '18.0', the task declares '17.0'"),
        ({}, {"odoo_version": "18"}, "odoo_version is '18.0', the task declares '18'"),
        ({}, {"odoo_edition": "enterprise"}, "odoo_edition is 'community', the task declares 'enterprise'"),
        ({"templateId": "t"}, {"template_id": "u"}, "template_id is 't', the task declares 'u'"),
        ({}, {"id": ID, "slug": "other"}, "slug is 'shop', the task declares 'other'"),
    ],
)
def test_update_of_what_cannot_be_changed_fails_with_both_values(
    fields: dict[str, Any], option: dict[str, Any], words: str
) -> None:
    with pytest.raises(OcoreError) as caught:
        plan(instance(**fields), **{"slug": "shop", "name": "New", **option})
    assert words in caught.value.message
    assert f"Instance shop ({ID})" in caught.value.message
    assert "Nothing was sent" in caught.value.message


def test_update_warns_of_what_is_not_shown() -> None:
    planned = plan(instance(templateId=None, odooVersion=None), slug="shop", template_id="t", odoo_version="18.0")
    assert planned.actions == []
    assert planned.warnings == (
        f"oCore does not show odoo_version, template_id of shop ({ID}), so it could not be compared.",
    )


@pytest.mark.parametrize("mask", ["********", "•••", "***1234", "sk-***", "xxxxxx"])
def test_mask_is_compared_by_name_only(mask: str) -> None:
    current = instance(envVars={"A": mask, "B": "2"})
    planned = plan(current, slug="shop", env_vars={"A": "x"})
    assert planned.actions == []
    assert "masks the values of A in env_vars" in planned.warnings[0]


def test_mask_is_never_written_back() -> None:
    current = instance(envVars={"A": "********", "B": "********"})
    for options in ({"name": "New"}, {"env_vars": {"C": "3"}}, {"env_vars": {"A": "1", "C": "3"}}):
        with pytest.raises(OcoreError, match=r"so the masks of (A, )?B would overwrite"):
            plan(current, slug="shop", **options)


def test_mask_is_no_obstacle_when_all_values_are_given() -> None:
    current = instance(envVars={"A": "********", "B": "********"})
    planned = plan(current, slug="shop", env_vars={"A": "1"}, purge_env_vars=True)
    assert planned.update["env_vars"] == {"A": "1"}
    planned = plan(current, slug="shop", name="New", env_vars={"A": "1", "B": "2"})
    assert planned.update["env_vars"] == {"A": "1", "B": "2"}


def test_mask_is_not_what_a_value_with_asterisks_inside_is() -> None:
    current = instance(envVars={"RULE": "a***b"})
    assert plan(current, slug="shop", name="New", env_vars={"RULE": "a***b"}).update["env_vars"] == {"RULE": "a***b"}


@pytest.mark.parametrize(
    ("status", "wanted", "restart"),
    [("running", True, True), ("failed", True, True), ("stopped", True, False), ("running", False, False)],
)
def test_restart_on_change_restarts_what_runs(status: str, wanted: bool, restart: bool) -> None:
    planned = plan(instance(status=status), slug="shop", name="New", restart_on_change=wanted)
    assert planned.actions == (["update", "restart"] if restart else ["update"])


@pytest.mark.parametrize("value", ["pa***word", "***", "****12345", "12345****", "a*b*c*d"])
def test_mask_is_told_from_a_value_that_holds_asterisks(value: str) -> None:
    current = instance(envVars={"RULE": value})
    planned = plan(current, slug="shop", env_vars={"RULE": "new"})
    if value == "***":
        assert planned.actions == []
    else:
        assert planned.update["env_vars"] == {"RULE": "new"}
        assert plan(current, slug="shop", name="New").update["env_vars"] == {"RULE": value}


def test_mask_is_overwritten_when_purge_env_vars_forces_it() -> None:
    planned = plan(instance(envVars={"A": "****1234"}), slug="shop", env_vars={"A": "x"}, purge_env_vars=True)
    assert planned.update["env_vars"] == {"A": "x"}
    assert "purge_env_vars writes them in every run" in planned.warnings[0]


@pytest.mark.parametrize(
    ("stored", "declared"),
    [("Shop", " Shop "), (" Shop", "Shop"), ("Cafe\u0301", "Caf\u00e9"), ("Caf\u00e9", "Cafe\u0301")],
)
def test_idempotent_name_is_compared_stripped_and_composed(stored: str, declared: str) -> None:
    assert plan(instance(name=stored), slug="shop", name=declared).actions == []


@pytest.mark.parametrize(
    ("times", "owed"),
    [
        pytest.param(
            {"lastRestartAt": None, "createdAt": None, "updatedAt": "2026-01-02T00:00:00Z"}, False, id="unknown"
        ),
        pytest.param({"lastRestartAt": "2026-01-01T00:00:00Z", "updatedAt": None}, False, id="no update"),
        pytest.param(
            {"lastRestartAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:01:30Z"},
            False,
            id="end of the restart",
        ),
        pytest.param(
            {"lastRestartAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T01:00:00Z"}, True, id="changed later"
        ),
        pytest.param(
            {"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T01:00:00Z"}, True, id="never restarted"
        ),
        pytest.param(
            {
                "lastRestartAt": "2026-01-01T00:00:00Z",
                "updatedAt": "2026-01-01T01:00:00Z",
                "lastSeenAt": "2026-01-01T01:00:01Z",
            },
            False,
            id="saved by the monitor",
        ),
    ],
)
def test_restart_on_change_is_owed_where_times_show_it(times: dict[str, Any], owed: bool) -> None:
    current = instance(**times)
    assert restart_is_owed(current) is owed
    assert plan(current, slug="shop", restart_on_change=True).actions == (["restart"] if owed else [])
    assert plan(current, slug="shop").actions == []
    stopped = instance(**times, status="stopped")
    assert plan(stopped, slug="shop", restart_on_change=True).actions == []


@pytest.mark.parametrize(
    ("power", "status", "action"),
    [
        ("started", "running", None),
        ("started", "starting", None),
        ("started", "stopped", "start"),
        ("started", "failed", "start"),
        ("started", "stopping", "start"),
        ("stopped", "running", "stop"),
        ("stopped", "failed", "stop"),
        ("stopped", "stopping", None),
        ("stopped", "stopped", None),
    ],
)
def test_power_is_part_of_the_plan_and_its_diff(power: str, status: str, action: str | None) -> None:
    planned = plan(instance(status=status), slug="shop", power=power)
    assert planned.actions == ([action] if action else [])
    after = {"start": "running", "stop": "stopped", None: None}[action]
    assert (planned.before, planned.after) == (({"status": status}, {"status": after}) if action else ({}, {}))
    predicted = predict(planned, instance(status=status))
    assert predicted is not None
    assert predicted.status == (after or status)


@pytest.mark.parametrize(
    ("have", "declared", "hint"),
    [("18.0", "18", '(write it in quotes: odoo_version: "18.0")'), ("16.10", "16.1", '"16.10")'), ("18.0", "17", None)],
)
def test_update_of_a_version_that_yaml_shortened_says_to_quote_it(have: str, declared: str, hint: str | None) -> None:
    with pytest.raises(OcoreError) as caught:
        plan(instance(odooVersion=have), slug="shop", odoo_version=declared)
    assert (hint in caught.value.message) if hint else ("quotes" not in caught.value.message)


def test_restart_on_change_needs_a_change() -> None:
    assert plan(instance(), slug="shop", restart_on_change=True).actions == []


def test_diff_holds_what_differs_and_no_env_value() -> None:
    current = instance(envVars={"SAME": "s3cret", "OLD": "s3cret", "GONE": "s3cret"})
    wanted = {"SAME": "s3cret", "OLD": "n3w", "NEW": "n3w"}
    planned = plan(current, slug="shop", name="New", env_vars=wanted, purge_env_vars=True)
    assert planned.before == {"name": "Shop", "env_vars": {"SAME": MASK, "OLD": MASK, "GONE": MASK}}
    assert planned.after == {"name": "New", "env_vars": {"SAME": MASK, "OLD": f"{MASK} (changed)", "NEW": MASK}}


def test_diff_shows_env_values_when_they_may_be_revealed() -> None:
    planned = plan(instance(envVars={"A": "1"}), slug="shop", env_vars={"A": "2"}, reveal_env_vars=True)
    assert (planned.before, planned.after) == ({"env_vars": {"A": "1"}}, {"env_vars": {"A": "2"}})
    planned = plan(None, **NEW, env_vars={"A": "2"}, reveal_env_vars=True)
    assert planned.after["env_vars"] == {"A": "2"}


def test_removal_is_planned() -> None:
    assert plan(None, slug="shop", state="absent").actions == []
    planned = plan(instance(), slug="shop", state="absent")
    assert planned.actions == ["delete"]
    shown = {"id": ID, "name": "Shop", "slug": "shop", "status": "running", "server_id": SERVER}
    assert (planned.before, planned.after) == (shown, {})


def test_diff_of_a_removal_shows_what_goes_with_the_instance() -> None:
    current = instance(
        envVars={"PASSWORD": "planted-value"}, domains=[{"domain": "a.example"}, {"domain": "b.example"}]
    )
    before = plan(current, slug="shop", state="absent").before
    assert before["domains"] == ["a.example", "b.example"]
    assert before["env_vars"] == {"PASSWORD": MASK}
    assert before["server_id"] == SERVER
    revealed = plan(current, slug="shop", state="absent", reveal_env_vars=True).before
    assert revealed["env_vars"] == {"PASSWORD": "planted-value"}


def test_prediction_follows_the_plan() -> None:
    new = predict(plan(None, **NEW, mcp_write_enabled=True, env_vars={"A": "1"}), None)
    assert new is not None
    assert (new.status, new.mcp_write_enabled, new.record()["env_vars"]) == ("creating", True, {"A": MASK})
    changed = predict(plan(instance(), slug="shop", name="New"), instance())
    assert changed is not None
    assert (changed.name, changed.id) == ("New", ID)
    assert predict(plan(instance(), slug="shop", state="absent"), instance()) is None
    assert predict(plan(None, slug="shop", state="absent"), None) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"env_vars": {"A": "1", "B": "2"}, "remove_env_vars": ["B", "A"]},
            "env_vars and remove_env_vars both name A, B",
        ),
        ({"remove_env_vars": [""]}, "remove_env_vars has an empty entry"),
    ],
)
def test_removal_of_env_vars_that_cannot_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OcoreError, match=words):
        declaration(slug="shop", **options)


def test_removal_of_env_vars_does_not_matter_to_a_creation() -> None:
    assert plan(None, **NEW, remove_env_vars=["A"]).create == NEW


def test_removal_of_an_env_var_never_writes_the_masks_of_others() -> None:
    with pytest.raises(OcoreError, match="masks of B would overwrite"):
        plan(instance(envVars={"A": "1", "B": "****1234"}), slug="shop", remove_env_vars=["A"])
