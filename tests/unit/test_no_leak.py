# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in anything that a run of ansible-playbook prints, as loud as it gets."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator

#: Planted as env values: one for each way in. They reach the playbook by the environment, since Ansible prints the lines of
#: a playbook around an error.
MARKS = {
    f"MARK_{way}": f"planted-{way.lower()}-7f3a"
    for way in ("CREATE", "UPDATE", "REFUSED", "LINES", "LIST", "TEXT", "NESTED", "MISSPELT")
}
MARKS["MARK_LINES"] = "planted-first\n  planted \"second' line\\"


def env(way: str) -> str:
    return f"{{{{ lookup('ansible.builtin.env', 'MARK_{way}') }}}}"


def playbook(server: str) -> list[object]:
    """Give a play with every outcome: creation, change, refusal by the API, errors in the arguments, reading."""
    declare = "ocore.cloud.ocore_instance"
    me = {"slug": "leaky"}
    tasks: list[dict[str, object]] = [
        {
            "name": "Create",
            declare: {**me, "name": "Leaky", "server_id": server, "env_vars": {"A": env("CREATE"), "L": env("LINES")}},
        },
        {"name": "Change", declare: {**me, "env_vars": {"A": env("UPDATE")}}, "register": "changed"},
        {"name": "Print the result", "ansible.builtin.debug": {"var": "changed"}},
        {"name": "Be refused", declare: {**me, "env_vars": {"A": env("REFUSED")}}, "ignore_errors": True},
        {"name": "Pass a list", declare: {**me, "env_vars": [env("LIST")]}, "ignore_errors": True},
        {"name": "Pass a text", declare: {**me, "env_vars": env("TEXT")}, "ignore_errors": True},
        {"name": "Nest a list", declare: {**me, "env_vars": {"A": [env("NESTED")]}}, "ignore_errors": True},
        {"name": "Misspell", declare: {**me, "env_var": {"A": env("MISSPELT")}}, "ignore_errors": True},
        {"name": "Restart", "ocore.cloud.ocore_instance_control": {**me, "state": "restarted"}},
        {"name": "Read", "ocore.cloud.ocore_instance_info": {"gather": ["health", "health_score"]}},
        {"name": "Remove", declare: {**me, "state": "absent"}},
    ]
    for task in tasks:
        arguments = next(
            (value for key, value in task.items() if key in (declare, "ocore.cloud.ocore_instance_control")), {}
        )
        assert isinstance(arguments, dict)
        if arguments:
            arguments["wait_interval"] = 0.05
    return [{"name": "Leak if you can", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]


@pytest.mark.parametrize("in_process", ["true", "false"])
def test_secret_is_in_nothing_that_a_loud_run_prints(tmp_path: Path, in_process: str) -> None:
    collections = importlib.import_module("ansible_collections")
    path = Path(next(iter(collections.__path__))).parent
    with Emulator(step_by="requests", error_shape="nested") as ocore:
        sent = {"A": MARKS["MARK_REFUSED"], "L": MARKS["MARK_LINES"]}
        echo = f"bad value {sent['A']} in {sent!r} or {json.dumps(sent)}"
        ocore.fault("error_before", "update", after=1, status=422, message=echo)
        book = tmp_path / "leak.yml"
        book.write_text(yaml.safe_dump(playbook(ocore.server_ids()[0]), sort_keys=False))
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "ansible",
                "playbook",
                "-vvvv",
                "--diff",
                "-e",
                f"ocore_in_process={in_process}",
                str(book),
            ],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": str(path),
                "ANSIBLE_LOG_PATH": str(tmp_path / "run.log"),
                "OCORE_API_URL": ocore.api_url,
                "OCORE_API_TOKEN": ocore.token,
                **MARKS,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        fired = [rule["fired"] for rule in ocore.faults()]
    shown = run.stdout + run.stderr
    assert run.returncode == 0, shown
    assert "ignored=5" in shown
    assert fired == [1]
    assert "oCore answered HTTP 422" in shown
    assert "******** (changed)" in shown
    everything = shown + (tmp_path / "run.log").read_text()
    leaks = [mark for mark in (ocore.token, "planted") if mark in everything]
    assert leaks == [], [line for line in everything.splitlines() if any(mark in line for mark in leaks)][:5]
