# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation matches the code: options, return values, messages, playbook variables, links, the index of the site."""

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
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    CREATABLE,
    UPDATABLE,
    Domain,
    Health,
    HealthFactor,
    HealthScore,
    Instance,
    Server,
    WireModel,
    to_wire,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.transport import VERSION
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation

ROOT = Path(__file__).parents[2]
PLUGINS = "ansible_collections.ocore.cloud.plugins"
CONTRACT = ROOT / "tests/contract/openapi.yaml"

MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("ocore_*.py"))


def documentation(name: str) -> dict[str, Any]:
    """Return the documentation of a module, merged with its fragments."""
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
    """Return what both documentation and argument spec say about an option, with defaults filled in."""
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
def test_module_name_is_that_of_its_operation(name: str) -> None:
    assert documentation(name)["module"] == operation(name).name == name


@pytest.mark.parametrize("name", MODULES)
def test_environment_variables_are_documented(name: str) -> None:
    for key, spec in operation(name).spec.items():
        if "fallback" in spec:
            text = " ".join(documentation(name)["options"][key]["description"])
            assert f"E({spec['fallback'][1][0]})" in text


@pytest.mark.parametrize("name", MODULES)
def test_attributes_are_declared_by_every_module(name: str) -> None:
    attributes = documentation(name)["attributes"]
    assert {"check_mode", "diff_mode", "idempotent", "action_group"} <= set(attributes)
    assert attributes["action_group"]["membership"] == ["ocore.cloud.ocore"]


def test_action_group_holds_every_api_module_and_nothing_else() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["ocore"]) == MODULES


def test_version_sent_to_ocore_is_that_of_the_collection() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == VERSION


# --- what is returned

TYPES = {str: {"str"}, bool: {"bool"}, int: {"int", "float"}, float: {"int", "float"}, dict: {"dict"}, list: {"list"}}


def kinds(annotation: Any) -> set[str]:
    """Return the words that documentation may use for the type of a field."""
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
def test_return_documents_every_field_of_a_record(name: str, key: str) -> None:
    contains = returns(name)[key]["contains"]
    check(Instance, contains, frozenset({"extra"}) | (GATHERED if key == "instances" else frozenset()))
    check(Domain, contains["domains"]["contains"])


def test_return_documents_what_is_gathered() -> None:
    contains = returns("ocore_instance_info")["instances"]["contains"]
    check(Health, contains["health"]["contains"])
    check(HealthScore, contains["health_score_details"]["contains"])
    check(HealthFactor, contains["health_score_details"]["contains"]["factors"]["contains"])


def test_return_documents_every_field_of_a_server() -> None:
    check(Server, returns("ocore_server_info")["servers"]["contains"], frozenset({"extra"}))


# --- the contract


def schema(node: Any, root: dict[str, Any]) -> dict[str, Any]:
    """Return the one object schema of a node, references followed."""
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
    """Return the properties of a request (no status) or an answer."""
    spot = root["paths"][path][method]
    spot = schema(spot["requestBody"], root) if status is None else schema(spot["responses"][status], root)
    return dict(schema(spot["content"]["application/json"]["schema"], root)["properties"])


def wire_names(model: type[WireModel]) -> set[str]:
    return set(to_wire(dict.fromkeys(model.model_fields)))


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    root: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())
    return root


def test_contract_and_models_have_the_same_fields(contract: dict[str, Any]) -> None:
    instance = body(contract, "/instances/{id}", "get", "200")
    assert set(instance) == wire_names(Instance)
    assert set(schema(schema(instance["domains"], contract)["items"], contract)["properties"]) == wire_names(Domain)
    assert set(body(contract, "/instances/{id}/health", "get", "200")) == wire_names(Health)
    servers = body(contract, "/servers", "get", "200")["servers"]
    assert set(schema(schema(servers, contract)["items"], contract)["properties"]) == wire_names(Server)
    score = body(contract, "/instances/{id}/health-score", "get", "200")
    assert set(score) == wire_names(HealthScore)
    assert set(schema(schema(score["factors"], contract)["items"], contract)["properties"]) == wire_names(HealthFactor)


def test_contract_and_requests_have_the_same_fields(contract: dict[str, Any]) -> None:
    assert set(body(contract, "/instances", "post", None)) == set(to_wire(dict.fromkeys(CREATABLE)))
    assert set(body(contract, "/instances/{id}", "put", None)) == set(to_wire(dict.fromkeys(UPDATABLE)))


# --- messages

TERM = re.compile(r"^(\S.*)\n  \S", re.MULTILINE)
#: Entries of the guide that are not messages.
SYMPTOMS = {"The inventory is empty, without an error"}


@pytest.fixture(scope="module")
def messages() -> str:
    """Return all texts that a user may see, with an unlikely character in place of each value."""
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
    """Return the messages that the guide explains, and those that it quotes inside an explanation."""
    text = (ROOT / "docs/docsite/rst/guide_troubleshooting.rst").read_text(encoding="utf-8")
    inner = [" ".join(found.split()) for found in re.findall(r'"([^"]+)"', text)]
    return [term for term in TERM.findall(text) if not term.startswith("..") and term not in SYMPTOMS] + inner


@pytest.mark.parametrize("message", quoted())
def test_messages_in_the_troubleshooting_guide_exist(message: str, messages: str) -> None:
    # What differs from case to case: dots, numbers, and what follows the colon or stands in parentheses.
    for part in re.split(r"\.\.\.|\d+|(?<=arguments:).*|\(.*\)", message):
        assert part.strip() in messages, f"no message holds {part!r}"


# --- playbooks

PLAYBOOK_GUIDE = ROOT / "docs/docsite/rst/guide_playbooks.rst"
PREFIXES = {"provision_host": ("provision", "certbot", "odoo_host")}
#: Results of tasks, and variables that a playbook computes, by the end of their names.
COMPUTED = (
    "_env",
    "_result",
    "_info",
    "_setup_inputs",
    "_setup_survey",
    "_setup_machine",
    "_setup_files",
    "_setup_templates",
)


def playbook_section(name: str) -> str:
    """Return the part of the guide that is about a playbook."""
    parts = re.split(r"^(ocore\.cloud\.\w+)\n-+\n", PLAYBOOK_GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[f"ocore.cloud.{name}"]


def playbook_variables(name: str, text: str) -> set[str]:
    """Return the variables in a text that belong to a playbook by their prefix."""
    prefix = "|".join(PREFIXES.get(name, (name,)))
    return {found for found in re.findall(rf"\b(?:{prefix})_[a-z_]+\b", text) if not found.endswith(COMPUTED)}


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")))
def test_playbook_variables_in_the_guide_are_those_of_the_playbook(name: str) -> None:
    source = (ROOT / f"playbooks/{name}.yml").read_text(encoding="utf-8")
    documented = playbook_variables(name, " ".join(re.findall(r"``(\w+)``", playbook_section(name))))
    assert documented <= playbook_variables(name, source), "the playbook does not have them"
    given = set(re.findall(r"\b(\w+) \| default\(", source)) & playbook_variables(name, source)
    assert given <= documented, "the guide does not explain them"


# --- the site

INDEX = (ROOT / "docs/index.rst").read_text(encoding="utf-8")
PAGES = [
    *(f"docsite/{path.stem}" for path in (ROOT / "docs/docsite/rst").glob("*.rst")),
    *(f"{path.stem}_module" for path in (ROOT / "plugins/modules").glob("[!_]*.py")),
    *(f"{path.stem}_inventory" for path in (ROOT / "plugins/inventory").glob("*.py")),
    *(f"{path.stem}_filter" for path in (ROOT / "plugins/filter").glob("*.yml")),
    *(f"{path.name}_role" for path in (ROOT / "roles").iterdir()),
]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_site_index_holds_every_page(page: str) -> None:
    assert re.search(rf"^  ({page}|.* <{page}>)$", INDEX, re.MULTILINE)


# --- links

REPOSITORY = "https://github.com/ocore/ansible-collection-cloud"
#: Galaxy shows these, without the files beside them.
ON_GALAXY = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", ON_GALAXY, ids=lambda path: path.name)
def test_links_of_pages_on_galaxy_are_absolute_and_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://"), target
        raw = REPOSITORY.replace("github.com", "raw.githubusercontent.com")
        if found := re.match(rf"(?:{REPOSITORY}/(?:blob|tree)|{raw})/main/(.*)", target):
            assert (ROOT / found[1]).exists(), target
