# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same tasks in the worker and as modules, with real ansible-playbook runs: the results must not differ."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.tools.checkout import environment
from ansible_collections.ocore.cloud.tests.tools.same_results import normalized

pytestmark = pytest.mark.programs

FILES = Path(__file__).parent / "files"
SHOP = {"name": "Shop", "slug": "shop", "server_id": "{{ server_id }}", "wait_interval": 0.1}
FLEET = {
    "wait_interval": 0.1,
    "max_parallel": 1,  # the order of creation decides on the ports
    "defaults": {"server_id": "{{ server_id }}", "env_vars": {"PASSWORD": "{{ from_template }}"}},
    "instances": [{"name": "North", "slug": "north"}, {"name": "South", "slug": "south", "power": "stopped"}],
}

#: Each case is one task; those before it have been run.
CASES: list[dict[str, Any]] = [
    {"title": "list", "info": {}},
    {"title": "gather", "info": {"gather": ["health", "health_score"]}},
    {"title": "servers", "servers": {}},
    {"title": "no such server", "servers": {"name": "nowhere"}},
    {"title": "server by id and name", "servers": {"id": "a", "name": "b"}},
    {"title": "refused choice", "info": {"gather": ["nothing"]}},
    {"title": "creation in check mode", "instance": SHOP, "check_mode": True},
    {
        "title": "creation",
        "instance": {
            **SHOP,
            "env_vars": {"PORT": 8069, "FLAG": True, "SECRET": "{{ from_template }}", "RATE": 1.5},
            "mcp_write_enabled": True,
        },
    },
    {"title": "no change", "instance": {**SHOP, "odoo_edition": "Community"}},
    {"title": "change", "instance": {**SHOP, "env_vars": {"SECRET": "other"}, "restart_on_change": True}},
    {"title": "change, revealed", "instance": {**SHOP, "env_vars": {"A": "shown"}, "reveal_env_vars": True}},
    {"title": "change in check mode", "instance": {**SHOP, "addons_path": "/mnt/x"}, "check_mode": True},
    {"title": "fixed field", "instance": {**SHOP, "odoo_version": "1.0"}},
    {"title": "null in env_vars", "instance": {**SHOP, "env_vars": {"A": None}}},
    {"title": "env_vars no dict", "instance": {**SHOP, "env_vars": [1]}},
    {"title": "token in a value", "instance": {"slug": "ocore_k_emulator", "state": "present"}},
    {"title": "unknown option", "instance": {"slug": "shop", "colour": "red"}},
    {"title": "misspelled secrets", "instance": {"slug": "shop", "env_var": {"A": "hidden"}}},
    {"title": "no identity", "instance": {"state": "present"}},
    {"title": "wrong type", "instance": {"slug": "shop", "retries": "many"}},
    {"title": "missing option", "control": {"slug": "shop"}},
    {"title": "empty token", "info": {"api_token": ""}},
    {"title": "wrong token", "info": {"api_token": "ocore_k_wrong"}},
    {"title": "token without rights", "instance": {**SHOP, "api_token": "ocore_k_viewer", "addons_path": "/x"}},
    {"title": "no such organization", "info": {"organization": "nobody"}},
    {"title": "no connection", "info": {"api_url": "http://127.0.0.1:9/api", "retries": 0}},
    {"title": "no encryption", "info": {"api_url": "http://ocore.example/api"}},
    {"title": "stop in check mode", "control": {"slug": "shop", "state": "stopped"}, "check_mode": True},
    {"title": "stop", "control": {"slug": "shop", "state": "stopped", "wait_interval": 0.1}},
    {"title": "stopped already", "control": {"slug": "shop", "state": "stopped"}},
    {"title": "time runs out", "control": {"slug": "shop", "state": "started", "wait_timeout": 0}},
    {"title": "nothing there", "control": {"slug": "nobody", "state": "started"}},
    {"title": "absent already", "instance": {"slug": "nobody", "state": "absent"}},
    {"title": "removal", "instance": {"slug": "loser", "state": "absent", "wait_interval": 0.1}},
    {"title": "fleet in check mode", "fleet": FLEET, "check_mode": True},
    {"title": "fleet", "fleet": FLEET},
    {"title": "fleet as declared", "fleet": FLEET},
    {"title": "fleet with a failure", "fleet": {**FLEET, "defaults": {"odoo_version": "1.0", "server_id": "no"}}},
    {"title": "fleet that can't be meant", "fleet": {"instances": [{"slug": "a"}, {"slug": "a"}, {"state": "absent"}]}},
    {"title": "fleet with an unknown option", "fleet": {"instances": [{"slug": "a", "env_var": {"A": "hidden"}}]}},
    {"title": "failed long ago", "instance": {"slug": "lame", "wait_interval": 0.1}},
]


MODULES = {
    "instance": "ocore_instance",
    "control": "ocore_instance_control",
    "info": "ocore_instance_info",
    "fleet": "ocore_fleet",
    "servers": "ocore_server_info",
}


def playbook(where: Path) -> Path:
    """Write the playbook with a task for each case, and return its path."""
    play = yaml.safe_load((FILES / "parity.yml").read_text())[0]
    cases = []
    for position, case in enumerate(CASES):
        kind = next(kind for kind in MODULES if kind in case)
        cases.append(
            {
                "name": case["title"],
                f"ocore.cloud.{MODULES[kind]}": case[kind],
                "check_mode": case.get("check_mode", False),
                "ignore_errors": True,
                "register": f"case_{position}",
            }
        )
    seen = ", ".join(case["register"] for case in cases)
    play["vars"]["seen"] = f"{{{{ [{seen}] }}}}"
    play["tasks"] = cases + play["tasks"]
    path = where / "parity.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False))
    return path


def without_progress(text: str) -> str:
    """Leave out the lines that only a worker can show while it waits."""
    return "".join(line for line in text.splitlines(True) if not re.match(r"\[localhost\]: .* \(\d+ s\)$", line))


def play(emulator: Emulator, playbook: Path, output: Path, **variables: Any) -> tuple[str, str, str]:
    """Run a playbook.

    :returns: standard output, standard error without progress, and the file ``output``, all normalized.
    """
    emulator.reset()
    emulator.seed(1, slug="loser", name="Loser")
    emulator.seed(1, slug="lame", name="Lame", status="failed", statusMessage="no space left")
    given = {"server_id": emulator.server_ids()[0], "output": str(output), **variables}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "--diff", "-e", json.dumps(given)],
        env=environment(ANSIBLE_NOCOLOR="1", OCORE_API_URL=emulator.api_url, OCORE_API_TOKEN=emulator.token),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert emulator.token not in done.stdout + done.stderr
    return normalized(done.stdout), normalized(done.stderr), normalized(output.read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str, str]]:
    """Run all cases through both doors, each time with a fresh oCore."""
    where = tmp_path_factory.mktemp("parity")
    output = where / "seen.json"
    with Emulator("--seed", "2", step_by="requests") as emulator:
        return {
            door: play(emulator, playbook(where), output, ocore_in_process=here)
            for door, here in (("worker", "true"), ("module", "false"))
        }


@pytest.mark.parametrize("position", range(len(CASES)), ids=[case["title"] for case in CASES])
def test_task_has_the_same_result_in_the_worker_and_as_module(
    runs: dict[str, tuple[str, str, str]], position: int
) -> None:
    worker, module = (json.loads(runs[door][2])["seen"][position] for door in ("worker", "module"))
    assert json.dumps(worker, indent=1) == json.dumps(module, indent=1)
    assert {"changed", "failed"} <= set(worker)


@pytest.mark.parametrize("register", ["looped", "repeated", "judged", "hidden"])
def test_keywords_work_in_the_worker_as_they_do_with_modules(
    runs: dict[str, tuple[str, str, str]], register: str
) -> None:
    worker, module = (json.loads(runs[door][2])[register] for door in ("worker", "module"))
    assert worker == module


def test_output_differs_only_by_progress(runs: dict[str, tuple[str, str, str]]) -> None:
    for door in (0, 1):
        assert without_progress(runs["worker"][door]) == runs["module"][door]


def test_worker_shows_progress_but_none_of_a_hidden_task(runs: dict[str, tuple[str, str, str]]) -> None:
    assert "[localhost]: waiting for instance shop (<id>) to be created: creating" in runs["worker"][1]
    assert "waiting for" not in runs["module"][1].replace("Waiting for", "")


def test_secret_is_in_no_result(runs: dict[str, tuple[str, str, str]]) -> None:
    for outputs in runs.values():
        for output in outputs:
            assert "ocore_k_" not in output.replace("ocore_k_viewer", "").replace("ocore_k_wrong", "")
            assert '"templated"' not in output
