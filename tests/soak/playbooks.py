# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of playbooks: those that need no host, run as users run them, on every variant of the API.

The variants are those of the campaign `variants`, but here Ansible runs, and the requests go over a network. Each playbook does
what it is told and changes nothing the second time, or ends with the sentence that the documentation has for the variant.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.helpers.playbooks import Playbooks

from .campaign import Campaign, Verdict
from .variants import CREATIONS, FLEETS, NO_WAY, Case, covering, excused, find, given, hides_values

#: Seconds between two looks, and until a task gives up. What is looked at moves with each look, not with the machine's clock.
PACE = {"wait_interval": 0.05, "wait_timeout": 60}
SECRET = "planted-4f7c1e"
DECLARED = {"odoo_version": "18.0", "odoo_edition": "community"}


class World:
    """An emulator, and a directory from which playbooks are run."""

    def __init__(self, emulator: Emulator, playbooks: Playbooks, where: Path) -> None:
        self.emulator, self._playbooks, self.where = emulator, playbooks, where
        (where / "ocore.yml").write_text("plugin: ocore.cloud.ocore\n", encoding="utf-8")

    def prepare(self, case: Case) -> None:
        """Have two instances that run, and an API of this variant."""
        self.emulator.reset()
        self.emulator.seed(2, status="running", healthScore=90, **_wire(DECLARED))
        self.emulator.set(**{**case.switches, "step_by": "requests"})
        self.server = "server" if case.switches.get("server_names") == "same" else "server-1"

    def run(self, playbook: str, *options: str, **variables: Any) -> Run:
        """Run a playbook of the collection, its variables as JSON."""
        done = self._playbooks.run(
            f"ocore.cloud.{playbook}",
            *options,
            *("-e", json.dumps(variables)),
            cwd=self.where,
            PWD=str(self.where),
            OCORE_API_URL=self.emulator.api_url,
            OCORE_API_TOKEN=self.emulator.token,
            OCORE_ORGANIZATION="acme",
        )
        text = done.stdout + done.stderr
        return Run(done.returncode == 0, sum(map(int, re.findall(r"changed=(\d+)", done.stdout))), text)

    def writes(self) -> list[str]:
        """Return the operations since the last call that are no reads."""
        entries = self.emulator.log()
        self.emulator.clear_log()
        return [entry["operation"] for entry in entries if entry["method"] != "GET"]

    def truth(self) -> dict[str, str]:
        """Return slug and status of all instances, once everything that was begun is over."""
        self.emulator.advance(1_000_000)
        self.emulator.advance(1_000_000)
        return {entry["slug"]: entry["status"] for entry in self.emulator.instances()}


@dataclass(frozen=True)
class Run:
    """A run that is over: whether it ended well, how many tasks changed something, and what it printed."""

    ok: bool
    changed: int
    text: str

    @property
    def said(self) -> str:
        """What it printed, in one line and without the quoting of JSON."""
        return " ".join(self.text.replace('\\"', '"').split())


@dataclass(frozen=True)
class Story:
    """A playbook and what it is for.

    :param steps: options of the runs that one after the other lead to ``truth``, made for a world.
    :param truth: slug → status afterwards; what is not named is as it was.
    :param like: stories of `variants` whose sentences may be said here too.
    :param writes: whether it changes something in oCore.
    :param steady: whether the last of the runs, repeated, finds nothing to do.
    """

    playbook: str
    steps: Callable[[World], list[dict[str, Any]]]
    truth: dict[str, str | None]
    like: tuple[str, ...]
    writes: bool = True
    steady: bool = True
    options: tuple[str, ...] = ()


def _wire(declared: dict[str, str]) -> dict[str, str]:
    return {"odooVersion": declared["odoo_version"], "odooEdition": declared["odoo_edition"]}


def _paced(playbook: str) -> dict[str, float]:
    return {f"{playbook}_{name}": value for name, value in PACE.items()}


def _instance(world: World) -> list[dict[str, Any]]:
    shop = {"instance_slug": "shop", "instance_name": "Shop", "instance_server": world.server}
    shop |= {f"instance_{name}": value for name, value in DECLARED.items()}
    shop |= _paced("instance")
    return [shop, {**shop, "instance_env_vars": {"SMTP_PASSWORD": SECRET}}]


def _removal(_world: World) -> list[dict[str, Any]]:
    return [{"instance_slug": BAKERY, "instance_state": "absent", **_paced("instance")}]


def _control(state: str) -> Callable[[World], list[dict[str, Any]]]:
    return lambda _world: [{"control_state": state, "control_all_instances": True, **_paced("control")}]


def _fleet(world: World) -> list[dict[str, Any]]:
    new = {"server": world.server, **DECLARED, "env_vars": {"SMTP_PASSWORD": SECRET}}
    instances = [
        {"slug": "shop", "name": "Shop", **new},
        {"slug": "idle", "name": "Idle", **new, "power": "stopped"},
        {"slug": BAKERY, "power": "stopped"},
        {"slug": CYCLES, "state": "absent"},
    ]
    declaration = {"instances": instances, **PACE}
    (world.where / "fleet.yml").write_text(json.dumps(declaration), encoding="utf-8")
    return [{"fleet_file": "fleet.yml"}]


BAKERY, CYCLES = "aarhus-bakery-1", "bergen-cycles-2"
STORIES = {
    "instance": Story("instance", _instance, {"shop": "running"}, (*CREATIONS, "env")),
    "removal": Story("instance", _removal, {BAKERY: None}, ("delete",)),
    "stop": Story("control", _control("stopped"), {BAKERY: "stopped", CYCLES: "stopped"}, ("stop",), options=("-i", "ocore.yml")),
    "restart": Story("control", _control("restarted"), {}, ("restart",), steady=False, options=("-i", "ocore.yml")),
    "fleet": Story(
        "fleet", _fleet, {"shop": "running", "idle": "stopped", BAKERY: "stopped", CYCLES: None}, (*FLEETS, *CREATIONS)
    ),
    "info": Story("info", lambda _world: [{}], {}, (), writes=False),
    "report": Story("report", lambda _world: [{}], {}, (), writes=False),
    "doctor": Story("doctor", lambda _world: [{"doctor_report_file": "doctor.md"}], {}, (), writes=False, steady=False),
}  # fmt: skip


@functools.cache
def _world() -> World:
    """Return the one world of this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    where = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return World(stack.enter_context(Emulator()), stack.enter_context(Playbooks()), where)


def _cases(size: int, seed: int) -> Iterator[Case]:
    """Give variants among which each pair of switches is, and each of their values with each playbook.

    Each is given twice: once without the value with which something can only end with a sentence. Most variants have one.
    """
    for number in itertools.count():
        for row in covering(seed + number, playbook=list(STORIES)):
            playbook = row.pop("playbook")
            possible = {name: value for name, value in row.items() if value not in NO_WAY.get(name, ())}
            for variant in (row, possible):
                if not size:
                    return
                size -= 1
                yield Case(playbook, given(variant))


def _play(case: Case, _seed: int, verdict: Verdict) -> None:
    world, story = _world(), STORIES[case.what]
    world.prepare(case)
    before = world.truth()
    world.writes()
    steps = story.steps(world)
    if story.writes:
        checked = world.run(story.playbook, *story.options, "--check", "--diff", **steps[0])
        _check_output(checked, verdict)
        if written := world.writes():
            verdict.add("prediction", f"check mode sent {written}")
    for variables in steps:
        done = world.run(story.playbook, *story.options, **variables)
        if not _ended_well(case, done, verdict):
            return
    if story.writes and not done.changed:
        verdict.add("astray", "nothing was changed")
    written = world.writes()
    if written and not story.writes:
        verdict.add("astray", f"a playbook that only reads sent {written}")
    wanted = {slug: status for slug, status in {**before, **story.truth}.items() if status is not None}
    if (found := world.truth()) != wanted:
        verdict.add("astray", f"{found}, not {wanted}")
    world.writes()
    if story.steady:
        again = world.run(story.playbook, *story.options, **steps[-1])
        if _ended_well(case, again, verdict):
            written = world.writes()
            if (again.changed or written) and not hides_values(case):
                verdict.add("restless", f"{again.changed} tasks changed something, writes {written}")


def _ended_well(case: Case, done: Run, verdict: Verdict) -> bool:
    _check_output(done, verdict)
    if not done.ok:
        verdict.counts["refused"] += 1
        if not any(excused(replace(case, what=what), done.said) for what in ("", *STORIES[case.what].like)):
            verdict.add("refused", done.said[-600:])
    return done.ok


def _check_output(done: Run, verdict: Verdict) -> None:
    if "Traceback" in done.text or "This is a defect of" in done.text:
        verdict.add("traceback", done.said[-600:])
    if SECRET in done.text or Emulator.token in done.text:
        verdict.add("secret", done.said[-600:])


def _show(case: Case, seed: int) -> None:
    """Play a case and print its requests."""
    _play(case, seed, Verdict(case))
    for entry in _world().emulator.log():
        print(entry["seq"], entry["operation"], entry["id"], entry["status"])


KINDS = {
    "refused": "refused without a sentence that the documentation has for this variant",
    "prediction": "check mode wrote",
    "astray": "the run ended well, but the instances are not as declared",
    "restless": "the second run changes something",
    "traceback": "a traceback, or the sentence for a defect",
    "secret": "a secret in what people see",
}
CAMPAIGN = Campaign("playbooks", _cases, find, _play, KINDS, _show)
