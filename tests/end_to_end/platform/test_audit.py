# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit queries, on the job events of real runs, as Automation Platform applies them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jq
import yaml
from conftest import COLLECTION, credentials, environment, run
from emulator.process import Emulator

QUERIES = yaml.safe_load((COLLECTION / "extensions/audit/event_query.yml").read_text())


def count(where: Path) -> dict[str, list[dict[str, Any]]]:
    """Apply the queries to the events of a run: action → what the queries found."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((where / "artifacts/1/job_events").glob("*.json")):
        event = json.loads(path.read_text())
        action = event.get("event_data", {}).get("resolved_action", "")
        if event["event"] in ("runner_on_ok", "runner_item_on_ok") and action in QUERIES:
            found.setdefault(action, []).extend(
                jq.compile(QUERIES[action]["query"]).input(event["event_data"]["res"]).all()
            )
    return found


#: Manages nothing: it reads, and removes what it tried changes on.
UNCOUNTED = {"ocore_doctor"}


def test_audit_has_a_query_for_every_module_that_manages_something() -> None:
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    assert set(QUERIES) == {f"ocore.cloud.{module}" for module in set(runtime["action_groups"]["ocore"]) - UNCOUNTED}


def test_audit_counts_each_instance_that_a_module_touched(emulator: Emulator, tmp_path: Path) -> None:
    here = emulator.instances()
    slugs = [instance["slug"] for instance in here]
    tasks = [
        {"ocore.cloud.ocore_instance_info": {}},
        {"ocore.cloud.ocore_instance_info": {"slug": "nobody"}},
        {"ocore.cloud.ocore_server_info": {"name": "server-1"}},
        {"ocore.cloud.ocore_instance_info": {}, "when": False},
        {"ocore.cloud.ocore_instance": {"slug": "{{ item }}", "name": "{{ item }}"}, "loop": slugs[:2]},
        {"ocore.cloud.ocore_instance": {"slug": "nobody", "state": "absent"}},
        {"ocore.cloud.ocore_instance_control": {"slug": slugs[3], "state": "stopped", "wait_interval": 0.1}},
        {"ocore.cloud.ocore_instance_control": {"slug": "nobody", "state": "stopped"}, "ignore_errors": True},
        {"ocore.cloud.ocore_fleet": {"instances": [{"slug": slug} for slug in slugs[4:]]}},
    ]
    play = {"name": "Touch instances", "hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (tmp_path / "project").mkdir()
    (tmp_path / "project/touch.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")

    command = ["ansible-runner", "run", str(tmp_path), "-p", "touch.yml", "--ident", "1"]
    result = run(*command, env=environment(**credentials(emulator)), cwd=tmp_path)
    assert result.returncode == 0, result.stdout

    found = count(tmp_path)
    assert {action: sorted(item["name"] for item in items) for action, items in found.items()} == {
        "ocore.cloud.ocore_instance_info": sorted(slugs),
        "ocore.cloud.ocore_instance": sorted(slugs[:2]),
        "ocore.cloud.ocore_instance_control": [slugs[3]],
        "ocore.cloud.ocore_fleet": sorted(slugs[4:]),
        "ocore.cloud.ocore_server_info": ["server-1"],
    }
    servers = found.pop("ocore.cloud.ocore_server_info")
    assert [item["canonical_facts"]["id"] for item in servers] == emulator.server_ids()[:1]
    counted = {item["canonical_facts"]["id"] for items in found.values() for item in items}
    assert counted == {instance["id"] for instance in here}
    assert all(set(item) == {"name", "canonical_facts", "facts"} for items in found.values() for item in items)
