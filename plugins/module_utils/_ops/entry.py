# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one way from options to a result; the modules and the action plugins both come in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.libraries import library_problem
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import (
    MASK,
    Scrubber,
    Warnings,
    displayable,
    scrubbed,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import Spec, clean_identifiers
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Clock
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run, as_ocore_error


def run(
    operation: Operation,
    options: Mapping[str, Any],
    *,
    check_mode: bool,
    warn: Callable[[str], None],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Run an operation.

    :param options: validated options, defaults filled in.
    :param warn: called with a sentence for the user.
    :param progress: called with a line to show while the task waits.
    :returns: the result of the task; on a failure with ``failed``, ``msg`` and ``error`` (status and code of oCore's
        answer), and with what was done until then.
    """
    # Env values were taken out of oCore's own words where they came in; in ours they would only make holes.
    scrub = Scrubber([options["api_token"] or ""])
    warnings = Warnings(warn, scrub)
    deadline = Deadline(operation.seconds(options))
    current: Run | None = None
    client: Client | None = None
    try:
        clock = Clock(deadline, options.get("wait_interval", 2.0), lambda line: progress(displayable(scrub(line))))
        cleaned = clean_identifiers(options)
        client = Client(Settings.from_options(cleaned), caller=operation.name, warn=warnings, deadline=deadline)
        current = Run(cleaned, check_mode, client, clock, warnings)
        operation.execute(current)
        result = _result(operation, current)
    except Exception as error:
        result = _failure(operation, current, error)
    finally:
        # Whatever ended the task, an interrupt included: threads that are still at work send nothing more.
        deadline.stop()
        if client is not None:
            client.close()
        warnings.close()
    # AnsibleModule does this up to ansible-core 2.21. From 2.22 on it leaves the token to be hidden where it is shown.
    cleaned_result: dict[str, Any] = scrubbed(result, scrub)
    return cleaned_result


def _failure(operation: Operation, current: Run | None, error: Exception) -> dict[str, Any]:
    known = as_ocore_error(error)
    message = known.message
    if current is not None and current.actions:
        message += f" Done before that: {', '.join(current.actions)}."
    return {
        **_result(operation, current),
        "error": known.details(),
        "failed": True,
        "msg": displayable(message),
    }


def _result(operation: Operation, current: Run | None) -> dict[str, Any]:
    result = current.result if current is not None else {}
    if not operation.about_one:
        return {"changed": False, **result}
    actions = current.actions if current is not None else []
    instance = current.instance if current is not None else None
    record = instance.record(current.reveal) if instance and current else None
    return {"changed": bool(actions), "actions": actions, "instance": record, **result}


def shown_arguments(options: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """Return options as a result may show them: without the token, wherever it is, and without env values.

    :param spec: the argument spec of these options. What it does not name is masked as well: a misspelled ``env_vars``
        holds the same secrets.
    """
    shown: dict[str, Any] = scrubbed(_masked(options, spec), Scrubber([str(options.get("api_token") or "")]))
    return shown


def _masked(value: Any, spec: Spec | None) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _masked_env(item)
            if key == "env_vars" or (spec is not None and key not in spec)
            else _masked(item, (spec or {}).get(key, {}).get("options"))
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(item, spec) for item in value]
    return value


def _masked_env(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict.fromkeys(value, MASK)
    return value if value is None else MASK


def explain_refused_arguments(message: str) -> str:
    """Add to the text about refused arguments what Ansible cannot know."""
    if "missing required arguments" in message and "api_token" in message:
        return f"{message}. Set api_token, or the environment variable OCORE_API_TOKEN."
    return message


class OcoreModule(AnsibleModule):  # type: ignore[misc]
    """The module front door.

    Env values are secret but no ``no_log`` option: Ansible would then blank out every value of the result that holds one
    of them, so that a variable with the value "1" would destroy port numbers. They are masked in the result's copy of the
    arguments here, and out of everything else where it is made. Nothing is written to the system log for the same reason.
    """

    def __init__(self, operation: Operation) -> None:
        super().__init__(argument_spec=operation.spec, supports_check_mode=True, no_log=True, **operation.rules)

    params: dict[str, Any]

    def exit_json(self, **kwargs: Any) -> None:
        self.params = shown_arguments(self.params, self.argument_spec)
        super().exit_json(**kwargs)

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        self.params = shown_arguments(self.params, self.argument_spec)
        # A missing library is the first thing to mend, even where an argument is refused before anything is imported.
        problem = library_problem()
        super().fail_json(problem[0] if problem else explain_refused_arguments(msg), **kwargs)


def run_module(operation: Operation) -> None:
    """Run an operation as a module: the ``main`` of every module file."""
    module = OcoreModule(operation)
    problem = library_problem()
    if problem is not None:
        module.fail_json(problem[0], exception=problem[1])
    result = run(operation, module.params, check_mode=module.check_mode, warn=module.warn, progress=lambda _line: None)
    if result.pop("failed", False):
        module.fail_json(result.pop("msg"), **result)
    module.exit_json(**result)
