# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of ansible-playbook, as loud as it gets, in which every way to pass an env value meets every outcome."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator

#: Each way in which the playbook passes an env value.
WAYS = ("CREATE", "UPDATE", "REFUSED", "LINES", "LIST", "TEXT", "NESTED", "MISSPELT")


@dataclass
class Loud:
    """What a run ended with and left behind: texts by the name of the output."""

    returncode: int
    outputs: dict[str, str]
    refused: int

    @property
    def shown(self) -> str:
        return self.outputs["terminal"]


def run(
    directory: Path, values: Mapping[str, str], *, in_process: str, runner: bool = False, **switches: object
) -> Loud:
    """Run the playbook against an emulator.

    :param values: an env value for each of `WAYS`. They reach the playbook by the environment, since Ansible prints the
        lines of a playbook around an error.
    :param in_process: the variable `ocore_in_process`.
    :param runner: run it by ansible-runner, as AWX does, and look at its artifacts too.
    :param switches: of the emulator.
    """
    collections = importlib.import_module("ansible_collections")
    path = Path(next(iter(collections.__path__))).parent
    with Emulator(**{"step_by": "requests", "error_shape": "nested", **switches}) as ocore:
        sent = {"A": values["REFUSED"], "L": values["LINES"]}
        echo = f"bad value {sent['A']} in {sent!r} or {json.dumps(sent)}"
        ocore.fault("error_before", "update", after=1, status=422, message=echo)
        (directory / "project").mkdir()
        book = directory / "project/leak.yml"
        book.write_text(yaml.safe_dump(_playbook(ocore.server_ids()[0]), sort_keys=False))
        inventory = directory / "project/leak.ocore.yml"
        inventory.write_text(
            "plugin: ocore.cloud.ocore\ngather: [health, health_score]\ncache: true\n"
            f"cache_plugin: ansible.builtin.jsonfile\ncache_connection: {directory / 'cache'}\n"
        )
        ended = subprocess.run(
            _command(directory, book, inventory, in_process, runner),
            cwd=directory,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(directory),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": str(path),
                "ANSIBLE_LOG_PATH": str(directory / "run.log"),
                # Newer releases of Ansible print the arguments of modules only then.
                "ANSIBLE_INJECT_INVOCATION": "1",
                "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
                "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(directory / "facts"),
                "OCORE_API_URL": ocore.api_url,
                "OCORE_API_TOKEN": ocore.token,
                **{f"MARK_{way}": values[way] for way in WAYS},
                # Ansible takes a text with an equals sign for a dictionary, and names are no secrets.
                "MARK_TEXT": values["TEXT"].replace("=", ""),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        refused = sum(rule["fired"] for rule in ocore.faults())
    left = {
        str(file.relative_to(directory)): file.read_text(encoding="utf-8", errors="replace")
        for file in directory.rglob("*")
        # Not what it was given, nor ansible-runner's record of that, where AWX hides what its credentials injected.
        if file.is_file() and file.parent.name != "project" and file.name != "command"
    }
    return Loud(ended.returncode, {"terminal": ended.stdout + ended.stderr, **left}, refused)


def _command(directory: Path, book: Path, inventory: Path, in_process: str, runner: bool) -> list[str]:
    options = ["-vvvv", "--diff", "-i", str(inventory), "-e", f"ocore_in_process={in_process}"]
    if not runner:
        return [sys.executable, "-m", "ansible", "playbook", *options, str(book)]
    line = " ".join(options[1:])
    return [
        *(sys.executable, "-m", "ansible_runner", "run", str(directory), "-p", book.name),
        *("--ident", "1", "-vvvv", "--cmdline", line),
    ]


def _env(way: str) -> str:
    return f"{{{{ lookup('ansible.builtin.env', 'MARK_{way}') }}}}"


def _playbook(server: str) -> list[object]:
    """Return a play with every outcome: creation, change, refusal by the API, errors in the arguments, reading."""
    declare = "ocore.cloud.ocore_instance"
    me = {"slug": "leaky"}
    tasks: list[dict[str, object]] = [
        {
            "name": "Create",
            declare: {
                **me,
                "name": "Leaky",
                "server_id": server,
                "env_vars": {"A": _env("CREATE"), "L": _env("LINES")},
            },
        },
        {"name": "Change", declare: {**me, "env_vars": {"A": _env("UPDATE")}}, "register": "changed"},
        {"name": "Print the result", "ansible.builtin.debug": {"var": "changed"}},
        {"name": "Be refused", declare: {**me, "env_vars": {"A": _env("REFUSED")}}, "ignore_errors": True},
        {"name": "Pass a list", declare: {**me, "env_vars": [_env("LIST")]}, "ignore_errors": True},
        {"name": "Pass a text", declare: {**me, "env_vars": _env("TEXT")}, "ignore_errors": True},
        {"name": "Nest a list", declare: {**me, "env_vars": {"A": [_env("NESTED")]}}, "ignore_errors": True},
        {"name": "Misspell", declare: {**me, "env_var": {"A": _env("MISSPELT")}}, "ignore_errors": True},
        {"name": "Restart", "ocore.cloud.ocore_instance_control": {**me, "state": "restarted"}},
        {"name": "Read", "ocore.cloud.ocore_instance_info": {"gather": ["health", "health_score"]}, "register": "read"},
        {"name": "Keep facts", "ansible.builtin.set_fact": {"kept": "{{ read }}", "cacheable": True}},
        {"name": "Read the inventory", "ansible.builtin.meta": "refresh_inventory"},
        {"name": "Remove", declare: {**me, "state": "absent"}},
    ]
    for task in tasks:
        for name in (declare, "ocore.cloud.ocore_instance_control"):
            if isinstance(arguments := task.get(name), dict):
                arguments["wait_interval"] = 0.05
    return [{"name": "Leak if you can", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]
