# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a task runs in the worker, and how its result is put together there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import action_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import OPERATION
from ansible_collections.ocore.cloud.plugins.plugin_utils import _in_process
from ansible_collections.ocore.cloud.plugins.plugin_utils._in_process import InProcessAction

ROOT = Path(__file__).parents[4]


class Action(InProcessAction):
    operation = OPERATION


def action(
    variables: dict[str, Any] | None = None, *, transport: str = "local", become: Any = None, **task: Any
) -> Action:
    """Give an action for a task on a local connection; ``task`` changes the task's keywords."""
    keywords = {
        "async_val": 0,
        "environment": None,
        "delegate_to": None,
        "no_log": False,
        "check_mode": False,
        "args": {},
    }
    loader = DataLoader()
    return Action(
        task=SimpleNamespace(action="ocore.cloud.ocore_instance", **{**keywords, **task}),
        connection=SimpleNamespace(transport=transport, become=become),
        play_context=None,
        loader=loader,
        templar=Templar(loader, variables or {}),
    )


@pytest.mark.parametrize(
    ("variables", "given", "here"),
    [
        pytest.param({}, {}, True, id="nothing said"),
        pytest.param({}, {"transport": "ssh"}, False, id="another host"),
        pytest.param({}, {"become": object()}, False, id="become"),
        pytest.param({}, {"async_val": 30}, False, id="async"),
        pytest.param({}, {"environment": [{"HTTPS_PROXY": "http://proxy"}]}, False, id="task environment"),
        pytest.param({}, {"environment": [{}]}, True, id="empty task environment"),
        pytest.param({"ocore_in_process": False}, {}, False, id="switched off"),
        pytest.param({"ocore_in_process": "false"}, {}, False, id="switched off on the command line"),
        pytest.param(
            {"ocore_in_process": trust_as_template("{{ 1 == 2 }}")}, {}, False, id="switched off by a template"
        ),
        pytest.param({"ansible_python_interpreter": "/opt/other/bin/python"}, {}, False, id="another Python"),
        pytest.param({"ansible_python_interpreter": sys.executable}, {}, True, id="this Python"),
        pytest.param({"ansible_python_interpreter": "auto_silent"}, {}, True, id="a Python to be discovered"),
        pytest.param(
            {
                "mine": sys.executable,
                "ansible_python_interpreter": trust_as_template("{{ mine }}"),
            },
            {},
            True,
            id="this Python by a template",
        ),
        pytest.param(
            {
                "ansible_python_interpreter": "/opt/other/bin/python",
                "ansible_delegated_vars": {"localhost": {"ansible_python_interpreter": sys.executable}},
            },
            {"delegate_to": "localhost"},
            True,
            id="the Python of the host that it is delegated to",
        ),
    ],
)
def test_task_runs_in_the_worker_only_when_the_module_would_run_in_the_same_place(
    variables: dict[str, Any], given: dict[str, Any], here: bool
) -> None:
    assert action(variables, **given)._can_run_here(variables) is here


def test_python_of_a_virtual_environment_is_another_python(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    variables = {"ansible_python_interpreter": str(tmp_path / "python")}
    assert not action(variables)._can_run_here(variables)


def test_library_that_is_missing_is_left_to_the_module_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_in_process, "library_problem", lambda: ("no requests", "Traceback"))
    assert not action()._can_run_here({})


def test_relative_ca_path_is_sought_where_modules_run(tmp_path: Path) -> None:
    one = action()
    one._loader.set_basedir(str(tmp_path))
    assert one._from_playbook("certs/ca.pem") == os.path.join(tmp_path, "certs/ca.pem")
    assert one._from_playbook("/etc/ca.pem") == "/etc/ca.pem"
    assert one._from_playbook(None) is None


def test_arguments_reach_the_operation_as_plain_types(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def run(_operation: object, options: dict[str, Any], **_rest: Any) -> dict[str, Any]:
        given.update(options)
        return {"changed": False}

    monkeypatch.setattr(_in_process, "run", run)
    tagged = trust_as_template("shop")
    assert type(tagged) is not str  # pylint: disable=unidiomatic-typecheck
    action(args={"slug": tagged, "api_token": "ocore_t", "env_vars": {tagged: tagged}})._run_here({})
    assert type(given["slug"]) is str  # pylint: disable=unidiomatic-typecheck
    assert [type(part) for pair in given["env_vars"].items() for part in pair] == [str, str]


@pytest.mark.parametrize("name", yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]["ocore"])
def test_action_exists_for_every_module_of_the_group(name: str) -> None:
    found = action_loader.get(f"ocore.cloud.{name}", class_only=True)
    assert issubclass(found, InProcessAction)
    assert found.operation.name == name
