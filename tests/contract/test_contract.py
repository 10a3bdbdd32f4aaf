# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract is valid OpenAPI, and the emulator keeps to it whatever it is asked."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import validate
from schemathesis.openapi import from_dict

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "extensions"))

from emulator.process import Emulator  # noqa: E402

CONTRACT: dict[str, Any] = yaml.safe_load((HERE / "openapi.yaml").read_text(encoding="utf-8"))
SCHEMA = from_dict(CONTRACT)
# The page requires no field, and the API surely does; what was deleted is there for a moment longer.
SCHEMA.config.checks.update(excluded_check_names=["positive_data_acceptance", "use_after_free"])
# No page says that parameters it does not know are refused.
SCHEMA.config.generation.allow_extra_parameters = False
BOUNDED = settings(
    deadline=None,
    derandomize=True,
    max_examples=40,
    stateful_step_count=8,
    suppress_health_check=list(HealthCheck),
)
# Put into some requests by the hooks below, as no fuzzer ever guesses an id.
KNOWN: dict[str, list[str]] = {"servers": [], "instances": []}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("--seed", "3", step_by="requests") as running:
        KNOWN["servers"] = running.server_ids()
        KNOWN["instances"] = [instance["id"] for instance in running.instances()]
        SCHEMA.config.update(base_url=running.api_url, headers={"Authorization": f"Bearer {running.token}"})
        yield running


@SCHEMA.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Of bodies that have the right types, make ones that are accepted."""
    operation = context.operation
    if not isinstance(body, dict) or operation is None:
        return body
    if operation.label == "POST /instances":
        right = {name: value for name, value in body.items() if name not in ("slug", "serverId") or not _is_text(value)}
        return {"serverId": KNOWN["servers"][0], **right, "name": body.get("name", "shop") or "shop"}
    if operation.label == "POST /instances/{id}/control" and _is_text(body.get("action")):
        return {**body, "action": ("start", "stop", "restart")[len(body["action"]) % 3]}
    return body


@SCHEMA.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: Any) -> Any:
    """Make every second id that of a seeded instance."""
    given = str((path_parameters or {}).get("id", ""))
    return {"id": KNOWN["instances"][len(given) % 3]} if len(given) % 2 else path_parameters


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def test_contract_is_valid_openapi() -> None:
    validate(CONTRACT)


def test_contract_has_the_eight_operations_and_the_list_of_servers() -> None:
    operations = [o["operationId"] for path in CONTRACT["paths"].values() for o in path.values() if "operationId" in o]
    assert sorted(operations) == sorted(
        ["list", "create", "get", "update", "delete", "control", "health", "health_score", "servers"]
    )


def test_contract_requires_and_enumerates_nothing_that_the_page_does_not() -> None:
    def keys(node: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict):
            yield from node.items()
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from keys(child)

    found = list(keys(CONTRACT))
    assert [
        key for key, _schema in found if key in ("enum", "const", "pattern", "minLength", "unevaluatedProperties")
    ] == []
    # Three bodies as a whole, and the id in the path.
    assert [value for key, value in found if key == "required"] == [True] * 4
    assert all(value for key, value in found if key == "additionalProperties")


@pytest.mark.parametrize(
    ("path", "schema"),
    [("", "Instance"), ("/health", "Health"), ("/health-score", "HealthScore")],
)
def test_emulator_answers_with_every_field_of_the_contract_and_no_other(
    emulator: Emulator, path: str, schema: str
) -> None:
    emulator.reset()
    url = f"{emulator.api_url}/instances/{emulator.instances()[0]['id']}{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {emulator.token}"})
    with urllib.request.urlopen(request) as answer:
        assert set(json.load(answer)) == set(CONTRACT["components"]["schemas"][schema]["properties"])


def test_emulator_lists_servers_with_every_field_of_the_contract_and_no_other(emulator: Emulator) -> None:
    emulator.reset()
    request = urllib.request.Request(
        f"{emulator.api_url}/servers", headers={"Authorization": f"Bearer {emulator.token}"}
    )
    with urllib.request.urlopen(request) as answer:
        body = json.load(answer)
    assert set(body) == {"servers"}
    for server in body["servers"]:
        assert set(server) == set(CONTRACT["components"]["schemas"]["Server"]["properties"])


@SCHEMA.parametrize()
@BOUNDED
def test_contract_is_kept_by_every_operation(case: schemathesis.Case, emulator: Emulator) -> None:
    case.call_and_validate(base_url=emulator.api_url, headers={"Authorization": f"Bearer {emulator.token}"})


def test_operations_in_a_row_keep_to_the_contract(emulator: Emulator) -> None:
    answered: set[tuple[str, int]] = set()

    class Rows(SCHEMA.as_state_machine()):  # type: ignore[misc]
        """Each row begins with the same instances, and nothing moves by itself: rows have to be repeatable."""

        def setup(self) -> None:
            emulator.reset()
            # Without a score of a new instance the answer is 404, which looks as if the instance were not there.
            emulator.set(score="null", step_by="call")
            super().setup()

        def teardown(self) -> None:
            super().teardown()
            answered.update((entry["operation"], entry["status"]) for entry in emulator.log())

    Rows.run(settings=settings(BOUNDED, phases=[Phase.generate]))
    # The rows were worth something only if they got as far as changing instances that they had made.
    assert {("create", 202), ("get", 200), ("update", 200), ("delete", 202), ("control", 202)} <= answered
