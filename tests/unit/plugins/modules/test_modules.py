# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules from their arguments to their exit, in this process and on real HTTP."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args
from ansible_collections.ocore.cloud.plugins.module_utils._ops import entry
from ansible_collections.ocore.cloud.plugins.modules import (
    ocore_instance,
    ocore_instance_control,
    ocore_instance_info,
)
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, SERVER, TOKEN, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted, closed_port

PATH = f"/instances/{ID}"
SECRET = "planted-env-value"
MODULES = [ocore_instance, ocore_instance_control, ocore_instance_info]


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a module's main; give its result. The token comes from the environment, as in AWX."""
    monkeypatch.setenv("OCORE_API_TOKEN", TOKEN)

    def run(module: ModuleType, **args: Any) -> dict[str, Any]:
        if "inject_invocation" in PASS_VARS:  # ansible-core 2.21 and later echo the arguments on demand only
            args["_ansible_inject_invocation"] = True
        with patch_module_args(args), pytest.raises(SystemExit) as exited:
            module.main()
        out = capsys.readouterr()
        result: dict[str, Any] = json.loads(out.out)
        assert exited.value.code == (1 if result.get("failed") else 0)
        # From ansible-core 2.22 on AnsibleModule itself tells the controller which texts to mask; that is no part of the result.
        result.pop("_ansible_new_secrets", None)
        assert TOKEN not in json.dumps(result) + out.err
        assert SECRET not in out.out + out.err
        return result

    return run


def test_creation_with_a_diff(ocore: Scripted, run: Any) -> None:
    ocore.expect("GET", "/instances", headers={"Authorization": f"Bearer {TOKEN}", "X-Org-Slug": "acme"}, answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(envVars={"A": SECRET}))
    result = run(
        ocore_instance,
        api_url=ocore.api_url,
        organization="acme",
        name="Shop",
        slug="shop",
        server_id=SERVER,
        env_vars={"A": SECRET},
        _ansible_diff=True,
    )
    assert (result["changed"], result["actions"]) == (True, ["create"])
    assert result["diff"]["after"]["env_vars"] == result["instance"]["env_vars"] == {"A": "********"}
    assert result["invocation"]["module_args"]["env_vars"] == {"A": "********"}


def test_update_in_check_mode_writes_nothing(ocore: Scripted, run: Any) -> None:
    ocore.expect("GET", "/instances", answer=[wire(envVars={"A": "old"})])
    args = {"api_url": ocore.api_url, "slug": "shop", "env_vars": {"A": SECRET}}
    result = run(ocore_instance, **args, _ansible_check_mode=True)
    assert (result["changed"], result["actions"]) == (True, ["update"])
    assert result["diff"]["after"] == {"env_vars": {"A": "******** (changed)"}}


def test_idempotent_version_given_as_a_number_is_read_as_yaml_shows_it(ocore: Scripted, run: Any) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    assert run(ocore_instance, api_url=ocore.api_url, slug="shop", odoo_version=18.0)["changed"] is False


def test_secret_env_values_that_the_api_echoes_are_masked(ocore: Scripted, run: Any) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("PUT", PATH, status=422, answer={"message": "bad", "errors": {"envVars": {"A": [SECRET]}}})
    result = run(ocore_instance, api_url=ocore.api_url, slug="shop", env_vars={"A": SECRET})
    assert result["msg"].startswith(
        f"Cannot update instance shop ({ID}): oCore answered HTTP 422: bad. envVars: A: ********. Check the values given."
    )
    assert result["error"] == {"status": 422, "code": None}


def test_idempotent_control_and_info(ocore: Scripted, run: Any) -> None:
    ocore.expect("GET", PATH, answer=wire())
    assert run(ocore_instance_control, api_url=ocore.api_url, id=ID, state="started")["changed"] is False
    ocore.expect("GET", "/instances", answer=[wire(envVars={"A": SECRET})])
    assert run(ocore_instance_info, api_url=ocore.api_url)["total"] == 1


def test_warnings_reach_the_user(ocore: Scripted, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the texts go from there depends on what else this process has imported of ansible-core.
    warned: list[str] = []
    monkeypatch.setattr(entry.OcoreModule, "warn", lambda _module, text: warned.append(text))
    ocore.expect("GET", "/instances", answer={"instances": [], "total": 3})
    run(ocore_instance_info, api_url=ocore.api_url)
    assert warned == ["oCore reports more instances than the 0 that it listed."]


@pytest.mark.parametrize(
    ("module", "args", "words"),
    [
        (ocore_instance, {}, "one of the following is required: id, slug, name"),
        (ocore_instance_control, {"state": "started"}, "one of the following is required: id, slug, name"),
        (ocore_instance_control, {"slug": "shop"}, "missing required arguments: state"),
        (ocore_instance, {"slug": "shop", "state": "gone"}, "value of state must be one of: present, absent"),
        (ocore_instance, {"slug": "shop", "env_vars": [SECRET]}, "'env_vars' is of type"),
        (ocore_instance, {"slug": "shop", "env_vars": SECRET}, "'env_vars' is of type"),
        (ocore_instance, {"slug": "shop", "env_var": {"A": SECRET}}, "Unsupported parameters"),
        (ocore_instance, {"slug": "shop", "env_vars": {"A": [SECRET]}}, "env_vars: A is a list"),
        (ocore_instance, {"slug": "shop", "wait_timeout": "soon"}, "'wait_timeout' is of type"),
        (ocore_instance_info, {"gather": ["all"]}, "value of gather must be one or more of: health, health_score"),
        (ocore_instance_info, {"api_url": "http://ocore.example.com"}, "unencrypted"),
        (ocore_instance_info, {"request_timeout": "inf"}, "request_timeout must be more than 0"),
    ],
)
def test_secret_arguments_are_not_shown_when_they_are_refused(
    run: Any, module: ModuleType, args: dict[str, Any], words: str
) -> None:
    result = run(module, **{"api_url": f"http://127.0.0.1:{closed_port()}", **args})
    assert result["failed"]
    assert words in result["msg"]


@pytest.mark.parametrize("module", MODULES)
def test_arguments_without_a_token_name_the_variable(
    run: Any, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCORE_API_TOKEN")
    args = {"state": "started"} if module is ocore_instance_control else {}
    result = run(module, slug="shop", **args)
    assert result["msg"] == (
        "missing required arguments: api_token. Set api_token, or the environment variable OCORE_API_TOKEN."
    )


@pytest.mark.parametrize("library", ["requests", "pydantic"])
@pytest.mark.parametrize("module", MODULES)
def test_library_that_is_missing_is_named_with_the_pip_command(
    run: Any, module: ModuleType, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    args = {"state": "started"} if module is ocore_instance_control else {}
    message = run(module, slug="shop", **args)["msg"]
    assert message.startswith(f"The Python library {library} is not installed for {sys.executable}; ")
    assert f"{sys.executable} -m pip install '{library}>=" in message


@pytest.mark.parametrize(
    ("blocked", "floor", "mark"),
    [("requests", "_api.wire", "REQUESTS_IMPORT_ERROR"), ("pydantic", "_api.contract", "PYDANTIC_IMPORT_ERROR")],
)
def test_library_is_not_needed_to_import_any_floor(
    blocked: str, floor: str, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = "ansible_collections.ocore.cloud.plugins.module_utils."
    for name in [name for name in sys.modules if name.startswith((prefix, f"{blocked}.")) or name == blocked]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, blocked, None)
    package = importlib.import_module(prefix.rstrip("."))
    for name, value in list(vars(package).items()):
        if isinstance(value, ModuleType):
            monkeypatch.setattr(package, name, value)  # puts the real ones back afterwards
    assert "ModuleNotFoundError" in getattr(importlib.import_module(prefix + floor), mark)
    problem = importlib.import_module(prefix + "_api.libraries").library_problem()
    assert f"The Python library {blocked} is not installed" in problem[0]
    for operation in ("_ops.instance", "_ops.control", "_ops.info"):
        assert importlib.import_module(prefix + operation).OPERATION.spec
