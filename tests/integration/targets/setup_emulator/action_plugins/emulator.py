# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, prepare and look at the emulator from test tasks.

An action and not a module, because several hundred cases use it: in the worker it costs milliseconds.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator

ARGUMENTS: dict[str, dict[str, Any]] = {
    # A start takes command-line options and gives api_url and url. The emulator ends when ansible-playbook ends.
    "start": {"type": "list", "elements": "str"},
    # Everything below happens in this order, on the emulator at api_url.
    "api_url": {"type": "str"},
    "reset": {"type": "bool", "default": False},
    "set": {"type": "dict", "default": {}},
    # One entry for each seeding: count (1), organization and the instances' wire fields.
    "seed": {"type": "list", "elements": "dict", "default": []},
    # Wire fields by instance id, shown until the next operation on it.
    "force": {"type": "dict", "default": {}},
    # Wire fields by server id, for good; servers to forget by id.
    "change_servers": {"type": "dict", "default": {}},
    "forget_servers": {"type": "list", "elements": "str", "default": []},
    # Moves every operation in progress on by so many steps.
    "advance": {"type": "float", "default": 0},
    "faults": {"type": "list", "elements": "dict", "default": []},
    # The result holds log (the requests), operations (their names in one text) and writes.
    "clear_log": {"type": "bool", "default": False},
    # The result holds the truth: instances, their count, and the first of them.
    "look": {"type": "bool", "default": False},
    # expires_in in seconds: the result holds jwt.
    "mint": {"type": "float"},
    # Appended as a line of JSON to a file: what a case gave, to be compared with what it gives elsewhere.
    "record": {"type": "dict"},
    "record_to": {"type": "path"},
}


class ActionModule(ActionBase):
    """``emulator``."""

    _supports_check_mode = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        checked = ArgumentSpecValidator(ARGUMENTS).validate(self._task.args)
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        given = checked.validated_parameters
        try:
            if given["start"] is not None:
                started = Emulator(*given["start"], "--stop-with", str(os.getppid())).start()
                return {**result, "api_url": started.api_url, "url": started.url}
            if given["record_to"]:
                with Path(given["record_to"]).open("a", encoding="utf-8") as record:
                    record.write(json.dumps(given["record"], sort_keys=True) + "\n")
            return {**result, **_steer(given)}
        except (OSError, RuntimeError) as error:
            raise AnsibleActionFail(f"the emulator: {error}") from error


def _steer(given: dict[str, Any]) -> dict[str, Any]:
    emulator = Emulator()
    emulator.api_url = given["api_url"]
    if given["reset"]:
        emulator.reset()
    if given["set"]:
        emulator.set(**given["set"])
    for seeding in given["seed"]:
        fields = dict(seeding)
        emulator.seed(fields.pop("count", 1), fields.pop("organization", "acme"), **fields)
    for instance_id, fields in given["force"].items():
        emulator.force(instance_id, **fields)
    for server_id, fields in given["change_servers"].items():
        emulator.change_server(server_id, **fields)
    for server_id in given["forget_servers"]:
        emulator.remove_server(server_id)
    if given["advance"]:
        emulator.advance(given["advance"])
    for fault in given["faults"]:
        emulator.fault(**fault)
    if given["clear_log"]:
        emulator.clear_log()
    log = emulator.log()
    result = {
        "log": log,
        "operations": " ".join(str(entry["operation"]) for entry in log),
        "writes": [entry["operation"] for entry in log if entry["method"] != "GET"],
        "servers": emulator.admin("GET", "/servers"),
    }
    if given["look"]:
        instances = emulator.instances()
        result.update(instances=instances, count=len(instances), first=next(iter(instances), None))
    if given["mint"] is not None:
        result["jwt"] = emulator.jwt(given["mint"])
    return result
