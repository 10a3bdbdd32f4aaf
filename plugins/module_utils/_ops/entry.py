# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one way from options to a result; the modules and the action plugins both come in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import REQUESTS_IMPORT_ERROR, Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import PYDANTIC_IMPORT_ERROR
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK, Scrubber
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import Spec
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Clock
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Task


def missing_library() -> tuple[str, str] | None:
    """Tell which library can't be imported, as message and traceback; null when all are there."""
    for library, error in (("requests", REQUESTS_IMPORT_ERROR), ("pydantic", PYDANTIC_IMPORT_ERROR)):
        if error is not None:
            return missing_required_lib(library), error
    return None


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
    :param warn: takes a sentence for the user.
    :param progress: takes a line to show while the task waits.
    :returns: the result of the task; on a failure with ``failed``, ``msg`` and ``error`` (status and code of oCore's
        answer), and with what was done until then.
    """
    task: Task | None = None
    client: Client | None = None
    said: set[str] = set()
    # Env values were taken out of oCore's own words where they came in; in ours they would only make holes.
    without_token = Scrubber([options["api_token"] or ""])

    def warn_once(text: str) -> None:
        if text not in said:
            said.add(text)
            warn(without_token(text))

    try:
        clock = Clock(
            options.get("wait_timeout", 600),
            options.get("wait_interval", 2.0),
            lambda line: progress(without_token(line)),
        )
        client = Client(Settings.from_options(options), caller=operation.name, warn=warn_once)
        task = Task(options, check_mode, client, clock, warn_once)
        operation.execute(task)
    except OcoreError as error:
        message = error.message
        if task is not None and task.actions:
            message += f" Done before that: {', '.join(task.actions)}."
        result = {
            **_result(operation, task),
            "error": error.details(),
            "failed": True,
            "msg": message,
        }
    else:
        result = _result(operation, task)
    finally:
        if client is not None:
            client.close()
    # AnsibleModule does this up to ansible-core 2.21. From 2.22 on it leaves the token to be hidden where it is shown.
    cleaned: dict[str, Any] = _scrubbed(result, without_token)
    return cleaned


def _scrubbed(value: Any, scrub: Scrubber) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {key: _scrubbed(item, scrub) for key, item in value.items()}
    return [_scrubbed(item, scrub) for item in value] if isinstance(value, list) else value


def _result(operation: Operation, task: Task | None) -> dict[str, Any]:
    if task is None:
        return {"changed": False}
    if not operation.about_one:
        return {"changed": False, **task.result}
    record = task.instance.record(task.reveal) if task.instance else None
    return {"changed": bool(task.actions), "actions": task.actions, "instance": record, **task.result}


def echo(options: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """Give options as a result may show them: without the token, wherever it is, and without env values.

    :param spec: the argument spec of these options. What it does not name is masked as well: a misspelled ``env_vars``
        holds the same secrets.
    """
    shown: dict[str, Any] = _scrubbed(_masked(options, spec), Scrubber([str(options.get("api_token") or "")]))
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


def refusal(message: str) -> str:
    """Add to the text about refused arguments what Ansible can't know."""
    if "missing required arguments" in message and "api_token" in message:
        return f"{message}. Set api_token, or the environment variable OCORE_API_TOKEN."
    return message


class OcoreModule(AnsibleModule):  # type: ignore[misc]
    """The module front door.

    Env values are secret but no ``no_log`` option: Ansible would then blank out every value of the result that holds one
    of them, so that a variable with the value "1" would destroy port numbers. They are taken out of the echo of the
    arguments here, and out of everything else where it is made. Nothing is written to the system log for the same reason.
    """

    def __init__(self, operation: Operation) -> None:
        super().__init__(argument_spec=operation.spec, supports_check_mode=True, no_log=True, **operation.rules)

    params: dict[str, Any]

    def exit_json(self, **kwargs: Any) -> None:
        self.params = echo(self.params, self.argument_spec)
        super().exit_json(**kwargs)

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        self.params = echo(self.params, self.argument_spec)
        super().fail_json(refusal(msg), **kwargs)


def run_module(operation: Operation) -> None:
    """Run an operation as a module: the ``main`` of every module file."""
    module = OcoreModule(operation)
    missing = missing_library()
    if missing is not None:
        module.fail_json(missing[0], exception=missing[1])
    result = run(operation, module.params, check_mode=module.check_mode, warn=module.warn, progress=lambda _line: None)
    if result.pop("failed", False):
        module.fail_json(result.pop("msg"), **result)
    module.exit_json(**result)
