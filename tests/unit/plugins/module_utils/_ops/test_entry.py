# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a result."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api import libraries
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Stopped
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import clean_identifiers
from ansible_collections.ocore.cloud.plugins.module_utils._ops.entry import shown_arguments
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Clock
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run
from ansible_collections.ocore.cloud.tests.unit.helpers.api import TOKEN, auth, instance, play

URL = "http://127.0.0.1:9/api"


def operation(execute: Any) -> Operation:
    return Operation("test", {name: {} for name in auth()}, execute)


def test_result_is_changed_by_its_actions() -> None:
    def execute(run: Run) -> None:
        run.actions.append("update")
        run.instance = instance()
        run.result["diff"] = {}

    result = play(operation(execute), URL, **{k: v for k, v in auth().items() if k not in ("api_url", "api_token")})
    assert (result["changed"], result["actions"], result["diff"]) == (True, ["update"], {})
    assert result["instance"]["slug"] == "shop"


def options() -> dict[str, Any]:
    return {k: v for k, v in auth().items() if k not in ("api_url", "api_token")}


def test_failure_keeps_what_was_done_and_says_it() -> None:
    def execute(run: Run) -> None:
        run.actions.extend(["create", "update"])
        run.instance = instance()
        raise OcoreError(f"It broke with {TOKEN}.", status=500, code="x")

    result = play(operation(execute), URL, **options())
    assert result["msg"] == f"It broke with {MASK}. Done before that: create, update."
    assert (result["failed"], result["changed"], result["error"]) == (True, True, {"status": 500, "code": "x"})
    assert result["instance"]["slug"] == "shop"


def test_failure_that_is_a_defect_keeps_what_was_done_and_asks_for_a_report() -> None:
    def execute(run: Run) -> None:
        run.actions.append("create")
        run.instance = instance()
        raise KeyError("planted \x1b[31m")

    result = play(operation(execute), URL, **options())
    assert result["msg"].startswith("The collection failed with KeyError: ")
    assert "\x1b" not in result["msg"]
    assert "This is a defect of ocore.cloud" in result["msg"]
    assert result["msg"].endswith("Done before that: create.")
    assert (result["failed"], result["changed"], result["actions"]) == (True, True, ["create"])
    assert result["instance"]["slug"] == "shop"


@pytest.mark.parametrize("raised", [None, OcoreError("No."), KeyError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_deadline_is_stopped_however_a_task_ends(raised: BaseException | None) -> None:
    clocks: list[Clock] = []

    def execute(run: Run) -> None:
        clocks.append(run.clock)
        if raised is not None:
            raise raised

    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        play(operation(execute), URL, **options())
    with pytest.raises(Stopped):
        clocks[0].deadline.check()


@pytest.mark.parametrize("name", ["id", "slug", "name", "server_id", "template_id", "project_id"])
def test_arguments_that_identify_are_stripped_and_refused_when_given_but_empty(name: str) -> None:
    assert clean_identifiers({name: " x\n", "branch": " y "}) == {name: "x", "branch": " y "}
    assert clean_identifiers({name: None}) == {name: None}
    for empty in ("", " \t"):
        with pytest.raises(OcoreError, match=f"{name} is given but empty, which names nothing. Nothing was sent."):
            clean_identifiers({name: empty})


def test_failure_before_anything_was_done_changes_nothing() -> None:
    def execute(_run: Run) -> None:
        raise OcoreError("No.")

    result = play(operation(execute), URL, **options())
    assert (result["msg"], result["changed"], result["actions"], result["instance"]) == ("No.", False, [], None)


def test_warnings_come_once_and_without_secrets() -> None:
    def execute(run: Run) -> None:
        for _time in range(3):
            run.warn(f"odd: {TOKEN}")

    assert play(operation(execute), URL, **options()).warnings == [f"odd: {MASK}"]


def test_secret_env_value_makes_no_holes_in_our_own_words() -> None:
    def execute(run: Run) -> None:
        run.client.scrub.add(["shop"])
        raise OcoreError("Instance shop (1) failed.")

    assert play(operation(execute), URL, **options())["msg"] == "Instance shop (1) failed."


def test_secret_is_masked_in_the_status_message_and_unknown_fields_of_the_record() -> None:
    # A declared value that the instance did not have yet was shown in a field that no page mentions.
    def execute(run: Run) -> None:
        run.client.scrub.add(["planted-value"])
        said = "refused planted-value"
        run.instance = run.client.protect(instance(statusMessage=said, lastError={"said": [said]}))

    result = play(operation(execute), URL, **options())
    assert result["instance"]["status_message"] == f"refused {MASK}"
    assert result["instance"]["extra"] == {"lastError": {"said": [f"refused {MASK}"]}}


@pytest.mark.parametrize("library", ["requests", "pydantic"])
def test_library_that_is_missing_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert libraries.library_problem() is None
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(libraries, f"{library.upper()}_IMPORT_ERROR", "Traceback: it is not there")
    problem = libraries.library_problem()
    assert problem is not None
    assert problem[0].startswith(f"The Python library {library} is not installed for {sys.executable}; ")
    assert f"-m pip install '{library}>=" in problem[0]
    assert problem[1] == "Traceback: it is not there"


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
def test_secret_env_values_are_masked_in_the_echo_of_arguments(given: dict[str, Any], shown: dict[str, Any]) -> None:
    spec: dict[str, Any] = {
        "name": {},
        "env_vars": {},
        "instances": {"options": {"name": {}, "env_vars": {}}},
        "defaults": {},
    }
    assert shown_arguments(given, spec) == shown
