# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation says what the code does."""

from __future__ import annotations

import ast
import importlib
import re
import types
import typing
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
import yaml
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import VERSION
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    CREATABLE,
    UPDATABLE,
    Domain,
    Health,
    HealthFactor,
    HealthScore,
    Instance,
    WireModel,
    to_wire,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation

ROOT = Path(__file__).parents[2]
PLUGINS = "ansible_collections.ocore.cloud.plugins"
CONTRACT = ROOT / "tests/contract/openapi.yaml"

MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("ocore_*.py"))


def documentation(name: str) -> dict[str, Any]:
    """Give the documentation of a module with its fragments merged in."""
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    own: dict[str, Any] = yaml.safe_load(module.DOCUMENTATION)
    options: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for fragment in own.get("extends_documentation_fragment", []):
        _namespace, _collection, part = fragment.split(".", 2)
        source = importlib.import_module(f"{PLUGINS}.doc_fragments.{part}").ModuleDocFragment.DOCUMENTATION
        parsed = yaml.safe_load(source)
        options.update(parsed.get("options", {}))
        attributes.update(parsed.get("attributes", {}))
    for key, value in own.get("options", {}).items():
        options[key] = {**options.get(key, {}), **value}
    return {**own, "options": options, "attributes": {**attributes, **own.get("attributes", {})}}


def operation(name: str) -> Operation:
    found = importlib.import_module(f"{PLUGINS}.modules.{name}").OPERATION
    assert isinstance(found, Operation)
    return found


def described(option: dict[str, Any]) -> dict[str, Any]:
    """Give what documentation and argument spec both say about an option, defaults filled in."""
    facts = {
        "type": option.get("type", "str"),
        "required": boolean(option.get("required", False)),
        "default": option.get("default"),
        "choices": option.get("choices"),
        "elements": option.get("elements"),
    }
    if inner := option.get("suboptions", option.get("options")):
        facts["options"] = {name: described(sub) for name, sub in inner.items()}
    return facts


@pytest.mark.parametrize("name", MODULES)
def test_options_are_documented_as_they_are(name: str) -> None:
    documented = {key: described(option) for key, option in documentation(name)["options"].items()}
    assert documented == {key: described(option) for key, option in operation(name).spec.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_called_what_it_is(name: str) -> None:
    assert documentation(name)["module"] == operation(name).name == name


@pytest.mark.parametrize("name", MODULES)
def test_each_variable_of_the_environment_is_documented(name: str) -> None:
    for key, spec in operation(name).spec.items():
        if "fallback" in spec:
            text = " ".join(documentation(name)["options"][key]["description"])
            assert f"E({spec['fallback'][1][0]})" in text


@pytest.mark.parametrize("name", MODULES)
def test_every_module_tells_its_attributes(name: str) -> None:
    attributes = documentation(name)["attributes"]
    assert {"check_mode", "diff_mode", "idempotent", "action_group"} <= set(attributes)
    assert attributes["action_group"]["membership"] == ["ocore.cloud.ocore"]


def test_the_action_group_holds_every_api_module_and_nothing_else() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["ocore"]) == MODULES


def test_the_version_sent_to_ocore_is_that_of_the_collection() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == VERSION


# --- what is returned

TYPES = {str: {"str"}, bool: {"bool"}, int: {"int", "float"}, float: {"int", "float"}, dict: {"dict"}, list: {"list"}}


def kinds(annotation: Any) -> set[str]:
    """Give the words that documentation may use for a field's type."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return set().union(*(kinds(part) for part in typing.get_args(annotation) if part is not type(None)))  # pylint: disable=unidiomatic-typecheck
    return TYPES[typing.get_origin(annotation) or annotation]


def returns(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{name}").RETURN)
    return found


def check(model: type[WireModel], contains: dict[str, Any], besides: frozenset[str] = frozenset()) -> None:
    assert set(contains) - besides == set(model.model_fields)
    for field, info in model.model_fields.items():
        assert contains[field]["type"] in kinds(info.annotation), field
        assert contains[field]["description"], field


RECORDS = [
    ("ocore_instance", "instance"),
    ("ocore_instance_control", "instance"),
    ("ocore_instance_info", "instances"),
]
GATHERED = frozenset({"health", "health_score_details"})


@pytest.mark.parametrize(("name", "key"), RECORDS)
def test_every_field_of_a_record_is_documented(name: str, key: str) -> None:
    contains = returns(name)[key]["contains"]
    check(Instance, contains, GATHERED if key == "instances" else frozenset())
    check(Domain, contains["domains"]["contains"])


def test_what_is_gathered_is_documented() -> None:
    contains = returns("ocore_instance_info")["instances"]["contains"]
    check(Health, contains["health"]["contains"])
    check(HealthScore, contains["health_score_details"]["contains"])
    check(HealthFactor, contains["health_score_details"]["contains"]["factors"]["contains"])


# --- the contract


def schema(node: Any, root: dict[str, Any]) -> dict[str, Any]:
    """Follow references and take the one object schema of a node."""
    while "$ref" in node:
        found: Any = root
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    for part in [*node.get("oneOf", []), *node.get("anyOf", [])]:
        if part.get("type") != "null":
            return schema(part, root)
    return dict(node)


def body(root: dict[str, Any], path: str, method: str, status: str | None) -> dict[str, Any]:
    """Give the properties of a request (no status) or an answer."""
    spot = root["paths"][path][method]
    spot = schema(spot["requestBody"], root) if status is None else schema(spot["responses"][status], root)
    return dict(schema(spot["content"]["application/json"]["schema"], root)["properties"])


def wire_names(model: type[WireModel]) -> set[str]:
    return set(to_wire(dict.fromkeys(model.model_fields)))


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    root: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())
    return root


def test_the_models_have_the_fields_of_the_contract(contract: dict[str, Any]) -> None:
    instance = body(contract, "/instances/{id}", "get", "200")
    assert set(instance) == wire_names(Instance)
    assert set(schema(schema(instance["domains"], contract)["items"], contract)["properties"]) == wire_names(Domain)
    assert set(body(contract, "/instances/{id}/health", "get", "200")) == wire_names(Health)
    score = body(contract, "/instances/{id}/health-score", "get", "200")
    assert set(score) == wire_names(HealthScore)
    assert set(schema(schema(score["factors"], contract)["items"], contract)["properties"]) == wire_names(HealthFactor)


def test_requests_hold_the_fields_of_the_contract(contract: dict[str, Any]) -> None:
    assert set(body(contract, "/instances", "post", None)) == set(to_wire(dict.fromkeys(CREATABLE)))
    assert set(body(contract, "/instances/{id}", "put", None)) == set(to_wire(dict.fromkeys(UPDATABLE)))


# --- messages

TERM = re.compile(r"^(\S.*)\n  \S", re.MULTILINE)
#: Entries of the guide that are no message.
SYMPTOMS = {"The inventory is empty, without an error"}


@pytest.fixture(scope="module")
def messages() -> str:
    """Give all texts that a user may be shown, with an unlikely character where a value goes in."""
    ansible_utils = Path(ansible.module_utils.__path__[0])
    texts: list[str] = []
    for path in [
        *(ROOT / "plugins").rglob("*.py"),
        *(ansible_utils / name for name in ("basic.py", "common/validation.py", "common/parameters.py")),
    ]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values]
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                # DOCUMENTATION and the like begin with a line end; a message does not.
                texts.append("" if node.value.startswith("\n") else node.value)
    for path in [*(ROOT / "roles").rglob("tasks/*.yml"), *(ROOT / "playbooks").rglob("*.yml")]:
        texts.append(" ".join(re.sub(r"{{.*?}}", "\0", path.read_text(encoding="utf-8"), flags=re.DOTALL).split()))
    return "\n".join(texts)


def quoted() -> list[str]:
    """Give the messages that the guide explains, and those that it quotes on the way."""
    text = (ROOT / "docs/docsite/rst/guide_troubleshooting.rst").read_text(encoding="utf-8")
    inner = [" ".join(found.split()) for found in re.findall(r'"([^"]+)"', text)]
    return [term for term in TERM.findall(text) if not term.startswith("..") and term not in SYMPTOMS] + inner


@pytest.mark.parametrize("message", quoted())
def test_a_message_that_the_guide_explains_exists(message: str, messages: str) -> None:
    # What differs from case to case: dots, numbers, and what follows the colon or stands in parentheses.
    for part in re.split(r"\.\.\.|\d+|(?<=arguments:).*|\(.*\)", message):
        assert part.strip() in messages, f"no message holds {part!r}"
