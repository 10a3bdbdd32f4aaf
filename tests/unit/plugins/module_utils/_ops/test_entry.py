# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a result."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops import entry
from ansible_collections.ocore.cloud.plugins.module_utils._ops.entry import echo, missing_library
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Task
from ansible_collections.ocore.cloud.tests.unit.helpers.api import TOKEN, auth, instance, play

URL = "http://127.0.0.1:9/api"


def operation(execute: Any) -> Operation:
    return Operation("test", {name: {} for name in auth()}, execute)


def test_a_result_tells_changed_by_its_actions() -> None:
    def execute(task: Task) -> None:
        task.actions.append("update")
        task.instance = instance()
        task.result["diff"] = {}

    result = play(operation(execute), URL, **{k: v for k, v in auth().items() if k not in ("api_url", "api_token")})
    assert (result["changed"], result["actions"], result["diff"]) == (True, ["update"], {})
    assert result["instance"]["slug"] == "shop"


def options() -> dict[str, Any]:
    return {k: v for k, v in auth().items() if k not in ("api_url", "api_token")}


def test_a_failure_keeps_what_was_done_and_says_it() -> None:
    def execute(task: Task) -> None:
        task.actions.extend(["create", "update"])
        task.instance = instance()
        raise OcoreError(f"It broke with {TOKEN}.", status=500, code="x")

    result = play(operation(execute), URL, **options())
    assert result["msg"] == f"It broke with {MASK}. Done before that: create, update."
    assert (result["failed"], result["changed"], result["error"]) == (True, True, {"status": 500, "code": "x"})
    assert result["instance"]["slug"] == "shop"


def test_a_failure_before_anything_was_done_changes_nothing() -> None:
    def execute(_task: Task) -> None:
        raise OcoreError("No.")

    result = play(operation(execute), URL, **options())
    assert (result["msg"], result["changed"], result["actions"], result["instance"]) == ("No.", False, [], None)


def test_warnings_come_once_and_without_secrets() -> None:
    def execute(task: Task) -> None:
        for _time in range(3):
            task.warn(f"odd: {TOKEN}")

    assert play(operation(execute), URL, **options()).warnings == [f"odd: {MASK}"]


def test_an_env_value_makes_no_holes_in_our_own_words() -> None:
    def execute(task: Task) -> None:
        task.client.scrub.add(["shop"])
        raise OcoreError("Instance shop (1) failed.")

    assert play(operation(execute), URL, **options())["msg"] == "Instance shop (1) failed."


def test_a_status_message_of_the_record_holds_no_secret() -> None:
    def execute(task: Task) -> None:
        task.client.scrub.add(["planted-value"])
        task.instance = task.client.protect(instance(statusMessage="refused planted-value"))

    result = play(operation(execute), URL, **options())
    assert result["instance"]["status_message"] == f"refused {MASK}"


@pytest.mark.parametrize("library", ["requests", "pydantic"])
def test_a_missing_library_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_library() is None
    monkeypatch.setattr(entry, f"{library.upper()}_IMPORT_ERROR", "Traceback: it is not there")
    missing = missing_library()
    assert missing is not None
    assert f"Failed to import the required Python library ({library})" in missing[0]
    assert missing[1] == "Traceback: it is not there"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"env_vars": {"A": "s"}}, {"env_vars": {"A": MASK}}),
        ({"env_vars": None}, {"env_vars": None}),
        ({"env_vars": "A=s"}, {"env_vars": MASK}),
        ({"env_vars": [{"A": "s"}]}, {"env_vars": MASK}),
        ({"name": "Shop"}, {"name": "Shop"}),
        ({"env_var": {"A": "s"}}, {"env_var": {"A": MASK}}),
        ({"apitoken": "s"}, {"apitoken": MASK}),
        (
            {"instances": [{"name": "Shop", "env_vars": {"A": "s"}}]},
            {"instances": [{"name": "Shop", "env_vars": {"A": MASK}}]},
        ),
        ({"instances": [{"envvars": {"A": "s"}}]}, {"instances": [{"envvars": {"A": MASK}}]}),
        ({"defaults": {"env_vars": {"A": "s"}, "x": 1}}, {"defaults": {"env_vars": {"A": MASK}, "x": 1}}),
    ],
)
def test_an_echo_of_arguments_holds_no_env_value(given: dict[str, Any], shown: dict[str, Any]) -> None:
    spec: dict[str, Any] = {
        "name": {},
        "env_vars": {},
        "instances": {"options": {"name": {}, "env_vars": {}}},
        "defaults": {},
    }
    assert echo(given, spec) == shown
