# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no compatibility is promised to other users.

"""The action plugins' front door: an operation inside the Ansible worker instead of in a process of its own.

The strategy imports an action plugin in the main process, before it forks the workers, so that requests and pydantic are
loaded once per run. Nothing else is shared: a worker makes its own client and threads, and ends them with the task.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible import constants as C  # noqa: N812 - its usual name
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.module_utils.common.json import Direction, get_module_decoder, get_module_encoder
from ansible.module_utils.errors import UnsupportedError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible.utils.display import Display
from ansible_collections.ocore.cloud.plugins.module_utils._api.libraries import library_problem
from ansible_collections.ocore.cloud.plugins.module_utils._ops.entry import (
    explain_refused_arguments,
    run,
    shown_arguments,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation

SWITCH = "ocore_in_process"
"""Variable that sends every task to the module when it is false."""

_PROFILE = "legacy"
"""How ansible-core exchanges JSON with a module that asks for nothing special, as ours do."""

_RECORDS = ("results", "instances")
"""Keys of a result that may hold thousands of records: plain values of JSON's types, which ansible-core takes as they are."""

# Looked up here, in the main process, since it costs an import.
_ARGUMENTS_ENCODER = get_module_encoder(_PROFILE, Direction.CONTROLLER_TO_MODULE)
_ARGUMENTS_DECODER = get_module_decoder(_PROFILE, Direction.CONTROLLER_TO_MODULE)
_RESULT_ENCODER = get_module_encoder(_PROFILE, Direction.MODULE_TO_CONTROLLER)


class InProcessAction(NormalAction):  # type: ignore[misc]
    """Run ``operation`` here when the module would run on the controller with the same Python, else run the module."""

    operation: ClassVar[Operation]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        if not self._can_run_here(task_vars):
            result: dict[str, Any] = super().run(tmp, task_vars)
            return result
        if multiprocessing.parent_process() is not None:
            # A worker ends with its task: looking for cycles among 10,000 records costs more than planning them.
            gc.disable()
        return self._as_from_module(self._run_here(task_vars))

    def _can_run_here(self, task_vars: Mapping[str, Any]) -> bool:
        return bool(
            self._connection.transport == "local"
            and self._connection.become is None
            and not self._task.async_val
            and not any(self._task.environment or ())
            and self._is_switched_on(task_vars)
            and self._is_our_python(task_vars)
            and library_problem() is None
        )

    def _is_switched_on(self, task_vars: Mapping[str, Any]) -> bool:
        value = self._templar.template(task_vars.get(SWITCH, True))
        try:
            return bool(boolean(value))
        except TypeError:
            raise AnsibleError(f"The variable {SWITCH} must be true or false, not {value!r}.") from None

    def _is_our_python(self, task_vars: Mapping[str, Any]) -> bool:
        """Tell whether no other Python was chosen for modules; one that would be discovered was not chosen."""
        if self._task.delegate_to:
            task_vars = task_vars.get("ansible_delegated_vars", {}).get(self._task.delegate_to, {})
        chosen = self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=task_vars))
        if str(chosen).startswith("auto"):
            return True
        # Symbolic links are not followed: the Python of a virtual environment is one, to a Python with other libraries.
        return bool(os.path.abspath(shutil.which(chosen) or chosen) == os.path.abspath(sys.executable))

    def _run_here(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do what AnsibleModule does around an operation.

        :returns: the result as the module would print it.
        """
        warnings: list[str] = []
        # What comes out of templates are subclasses of str and int that know where they come from. The module gets plain
        # ones, by way of JSON.
        arguments = json.loads(json.dumps(self._task.args, cls=_ARGUMENTS_ENCODER), cls=_ARGUMENTS_DECODER)
        checked = ModuleArgumentSpecValidator(self.operation.spec, **self.operation.rules).validate(arguments)
        options = checked.validated_parameters
        if checked.error_messages:
            message = checked.errors.msg
            if isinstance(checked.errors[0], UnsupportedError):
                message = f"Unsupported parameters for ({self._task.action}) module: {message}"
            result: dict[str, Any] = {"failed": True, "msg": explain_refused_arguments(message)}
        else:
            result = run(
                self.operation,
                {**options, "ca_path": self._from_playbook(options["ca_path"])},
                check_mode=self._task.check_mode,
                warn=warnings.append,
                progress=lambda line: self._show(line, task_vars),
            )
        if _echoes_arguments(task_vars):
            result["invocation"] = {"module_args": shown_arguments(options, self.operation.spec)}
        if warnings:
            result["warnings"] = warnings
        return result

    def _from_playbook(self, path: str | None) -> str | None:
        """Give a path as seen from the playbook's directory, where the local connection runs modules."""
        return os.path.join(self._loader.get_basedir(), path) if path else path

    def _show(self, line: str, task_vars: Mapping[str, Any]) -> None:
        """Show progress on standard error, so that a callback which prints JSON stays readable."""
        if not self._task.no_log:
            host = task_vars.get("inventory_hostname", "localhost")
            Display().display(f"[{host}]: {line}", color=C.COLOR_DEBUG, stderr=True)

    def _as_from_module(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Have ansible-core take the result as it takes a module's: as untrusted, and with the same words for errors."""
        records = {key: result[key] for key in _RECORDS if key in result}
        text = json.dumps({key: value for key, value in result.items() if key not in records}, cls=_RESULT_ENCODER)
        taken = self._parse_returned_data({"stdout": text, "stderr": "", "rc": 0}, _PROFILE)
        # Up to ansible-core 2.20 it is a dict.
        as_dict = taken if isinstance(taken, dict) else taken.as_result_dict(for_round_trip=True)
        return {**as_dict, **records}


def _echoes_arguments(task_vars: Mapping[str, Any]) -> bool:
    """Tell whether the result holds the arguments: always, from ansible-core 2.21 on only when it is asked for."""
    try:
        return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
    except AnsibleError:
        return True
