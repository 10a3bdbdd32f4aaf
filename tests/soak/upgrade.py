# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of upgrades: what earlier states of this repository wrote, and what is left of it after a crash.

Each directory of `recorded` is named after a commit and was written by it, once: the state of an emulator with a creation in
progress, an inventory cache, a fleet report, and the records that it was made of. What is whole is used. A cache that is not,
or that has another format, is read anew; a report that is not is left to people.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.utils.display import Display
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops import control, fleet, info, instance
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_page import render
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_report import fleet_report
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Outcome, play

from .campaign import Campaign, Verdict, by_name
from .door import API_URL, Door, VirtualTime

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).parent / "recorded"
#: What a crash, a full disk or somebody's editor leaves.
DAMAGES: dict[str, Callable[[str], str]] = {
    "whole": lambda text: text,
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _text: "",
    "null": lambda _text: "null",
    "list": lambda _text: "[]",
    "text": lambda _text: '"x"',
    "number": lambda _text: "7",
    "nested": lambda text: json.dumps({"a": text}),
}


@dataclass(frozen=True)
class Case:
    """A file of an earlier commit, and its damage."""

    commit: str
    what: str
    damage: str

    @property
    def name(self) -> str:
        return f"{self.commit}/{self.what}/{self.damage}"

    @property
    def row(self) -> str:
        return self.what

    def text(self) -> str:
        """Return the file as it is found."""
        return DAMAGES[self.damage]((RECORDED / self.commit / f"{self.what}.json").read_text(encoding="utf-8"))

    def records(self) -> list[dict[str, Any]]:
        """Return the records of that time."""
        found: list[dict[str, Any]] = json.loads((RECORDED / self.commit / "records.json").read_text(encoding="utf-8"))
        return found


class Stage:
    """An emulator that goes on from a state of that time."""

    def __init__(self, commit: str, directory: str) -> None:
        self.time = VirtualTime()
        state = shutil.copy(RECORDED / commit / "state.json", directory)
        self.door = Door(self.time, organizations=("acme", "globex"), state=Path(state), switches={"step_time": 2.0})

    def run(self, operation: Any, **options: Any) -> Outcome:
        """Run a task."""
        access = {"api_url": API_URL, "api_token": Emulator.token, "organization": "acme"}
        with self.door.open():
            self.time.catch_up()
            return play(operation, time=self.time, **access, **options)


def _state(case: Case, directory: str, verdict: Verdict) -> None:
    stage = Stage(case.commit, directory)
    records = case.records()
    declared = [{"slug": record["slug"], "name": record["name"]} for record in records]
    steps: list[tuple[str, Any, dict[str, Any], bool]] = [
        (
            "create again",
            instance.OPERATION,
            {"slug": "late", "name": "Late", "server_id": records[0]["server_id"]},
            False,
        ),
        ("the same fleet", fleet.OPERATION, {"instances": declared}, False),
        ("read", info.OPERATION, {"gather": ["health", "health_score"]}, False),
        ("change", instance.OPERATION, {"slug": "shop", "env_vars": {"B": "2"}}, True),
        ("control", control.OPERATION, {"slug": "shop", "state": "stopped"}, True),
        ("remove", instance.OPERATION, {"slug": "late", "state": "absent"}, True),
    ]
    for what, operation, options, changes in steps:
        for changed in (changes, False):
            result = stage.run(operation, **options)
            if result.get("failed") or result["changed"] != changed:
                verdict.add("astray", f"{what}: {result.get('msg') or result.get('actions')}")
    slugs = sorted(i.fields["slug"] for i in stage.door.world.store.alive("acme"))
    if slugs != sorted({record["slug"] for record in records} - {"late"}):
        verdict.add("astray", f"there are {slugs}")


def _cache(case: Case, directory: str, verdict: Verdict) -> None:
    stage = Stage(case.commit, directory)
    path = Path(directory, "x.ocore.yml")
    path.write_text(
        f"plugin: ocore.cloud.ocore\napi_url: {API_URL}\napi_token: {Emulator.token}\norganization: acme\n"
        "gather: [health, health_score]\ncache: true\ncache_plugin: ansible.builtin.jsonfile\n"
        f"cache_connection: {directory}/cache\nkeyed_groups: [{{key: ocore_status, prefix: s}}]\n"
    )
    fresh = _parse(stage, path)
    [file] = Path(directory, "cache").iterdir()
    file.write_text(case.text(), encoding="utf-8")
    asked = len(stage.door.world.log.entries())
    found = _parse(stage, path)
    read = len(stage.door.world.log.entries()) > asked
    # The cache of that time is older than the instances that were created last.
    cached = set(found) == {record["slug"] for record in case.records()} - {"shop", "late"}
    if case.damage == "whole" and not read:
        if not cached:
            verdict.add("astray", f"{sorted(found)} are not the hosts of the cache")
        lost = {name for slug in found for name in fresh[slug] if name not in found[slug]}
        verdict.counts["lacking"] += len(lost)
    elif found != fresh:
        verdict.add("astray", f"{sorted(found)} instead of {sorted(fresh)}")


def _parse(stage: Stage, path: Path) -> dict[str, dict[str, Any]]:
    inventory = InventoryData()
    plugin = inventory_loader.get("ocore.cloud.ocore")
    with stage.door.open(), mock.patch.object(Display, "warning"):
        plugin.parse(inventory, DataLoader(), str(path), cache=True)
        plugin.update_cache_if_changed()
    return {name: dict(host.vars) for name, host in inventory.hosts.items()}


def _report(case: Case, _directory: str, verdict: Verdict) -> None:
    records = case.records()
    try:
        report = fleet_report(records, case.text(), organization="acme")
    except OcoreError as error:
        if case.damage == "whole" or "is not overwritten" not in error.message:
            verdict.add("astray", error.message)
        return
    if case.damage != "whole":
        verdict.add("astray", "a file that is no report would be overwritten")
    for kind in ("html", "md"):
        page = render(report, str(ROOT / f"roles/fleet_report/templates/report.{kind}.j2"))
        if not all(record["slug"] in page for record in records) and kind == "html":
            verdict.add("astray", "an instance is missing in the page")
    again = fleet_report(records, json.dumps(report), organization="acme")
    if len(again["instances"]) != len(records):
        verdict.add("astray", f"{len(again['instances'])} instances in the second report")


WHATS: dict[str, Callable[[Case, str, Verdict], None]] = {"state": _state, "cache": _cache, "report": _report}


def _play(case: Case, _seed: int, verdict: Verdict) -> None:
    with tempfile.TemporaryDirectory() as directory:
        WHATS[case.what](case, directory, verdict)


CASES = [
    Case(commit.name, what, damage)
    for commit, what, damage in itertools.product(sorted(RECORDED.iterdir()), WHATS, DAMAGES)
    if what != "state" or damage == "whole"
]
KINDS = {"astray": "what was written earlier is not used, does harm, or cannot be replaced"}
CAMPAIGN = Campaign("upgrade", lambda size, _seed: CASES[:size], by_name(CASES), _play, KINDS)
