# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible sends along with each module: what its imports lead to. A small module has to stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PACKAGE = "ansible_collections.ocore.cloud.plugins.module_utils"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
API_MODULES = [name for name in MODULES if name.startswith("ocore_")]
HOST_MODULES = [name for name in MODULES if name not in API_MODULES]


def imported(path: Path) -> Iterator[str]:
    """Yield the files below module_utils that a file imports, wherever in it, as ``_ops/run``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE) and not node.level:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith(PACKAGE)]
        else:
            continue
        for name in names:
            found = name.removeprefix(PACKAGE).removeprefix(".").replace(".", "/")
            if (PLUGINS / "module_utils" / f"{found}.py").is_file():
                yield found


def payload(module: str) -> set[str]:
    """Return the files below module_utils that a module's payload holds, as ``_ops/run``."""
    held: set[str] = set()
    waiting = list(imported(PLUGINS / "modules" / f"{module}.py"))
    while waiting:
        found = waiting.pop()
        if found not in held:
            held.add(found)
            waiting += imported(PLUGINS / "module_utils" / f"{found}.py")
    return held


@pytest.mark.parametrize("module", API_MODULES)
def test_payload_of_an_api_module_holds_its_own_operation_and_nothing_of_hosts(module: str) -> None:
    held = payload(module)
    assert {"_ops/entry", "_api/client"} <= held
    assert not {name for name in held if name.startswith("_host/")}


@pytest.mark.parametrize("module", [name for name in API_MODULES if name != "ocore_fleet"])
def test_payload_of_other_modules_does_not_hold_the_fleet(module: str) -> None:
    assert not payload(module) & {"_ops/fleet", "_ops/scheduler"}


@pytest.mark.parametrize("module", [name for name in API_MODULES if name != "ocore_doctor"])
def test_payload_of_other_modules_does_not_hold_the_doctor(module: str) -> None:
    assert not {name for name in payload(module) if "doctor" in name or name in ("_api/shape", "_api/endpoint")}


@pytest.mark.parametrize("module", [name for name in API_MODULES if "info" in name or "control" in name])
def test_payload_of_modules_that_create_nothing_does_not_hold_the_creation(module: str) -> None:
    assert not payload(module) & {"_ops/instance", "_ops/desired", "_ops/creation"}


@pytest.mark.parametrize("module", HOST_MODULES)
def test_payload_of_a_host_module_holds_nothing_of_the_api(module: str) -> None:
    assert not {name for name in payload(module) if not name.startswith("_host/")}


def test_payload_follows_imports_in_functions_and_of_packages(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"def main():\n    from {PACKAGE}._ops import run, fleet\n    import {PACKAGE}._api.errors\n")
    assert set(imported(module)) == {"_ops/run", "_ops/fleet", "_api/errors"}
    assert "_ops/fleet" in payload("ocore_fleet")
