# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an instance, in steps of the emulator's clock.

Nothing runs in the background: an operation writes down what will happen when, and whoever looks applies what is due.
States are canonical words here; `wire` translates them into the vocabulary that the switches choose.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

IN_PROGRESS = {"creating", "starting", "stopping", "restarting", "removing"}


@dataclass
class Step:
    """Something that happens at a moment: fields change, a restart is counted, the instance disappears."""

    at: float
    changes: dict[str, Any] = field(default_factory=dict)
    restarted: bool = False
    gone: bool = False
    work: bool = True
    """False for what follows an operation without being part of it (a health score that recovers)."""


@dataclass
class Past:
    """What lists that lag still show until a moment; `fields` is None while they do not show the instance at all."""

    until: float
    fields: dict[str, Any] | None


@dataclass
class Instance:
    """The truth about one instance."""

    organization: str
    fields: dict[str, Any]
    """Wire names to true values; None where there is no value."""
    hidden: dict[str, Any] = field(default_factory=dict)
    """What a creation was given and no answer ever shows: projectId, environmentType, branch."""
    forced: dict[str, Any] = field(default_factory=dict)
    """Wire fields shown in place of the truth until the next operation."""
    steps: list[Step] = field(default_factory=list)
    gone_at: float | None = None
    past: list[Past] = field(default_factory=list)
    """Oldest first."""
    unseen: int = 0
    """So many of the next reads by id are answered 404."""
    encoded: dict[bool, tuple[int, bytes]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def status(self) -> str:
        return str(self.fields["status"])

    def busy(self) -> bool:
        """Return whether an operation is in progress."""
        return any(step.work for step in self.steps)

    def outcome(self) -> str:
        """Return the state that everything in progress leads to."""
        coming = [step.changes["status"] for step in self.steps if "status" in step.changes]
        return str(coming[-1]) if coming else self.status

    def change(self, **changes: Any) -> None:
        """Set fields now; updatedAt moves with every save."""
        self.fields.update(changes, updatedAt=timestamp())
        self.encoded.clear()


def timestamp(ago: float = 0.0) -> str:
    """RFC 3339 in UTC; microseconds, so that two restarts within a second differ."""
    return datetime.fromtimestamp(time.time() - ago, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def advance(instance: Instance, now: float) -> bool:
    """Apply every step that is due; return whether there was one."""
    due = [step for step in instance.steps if step.at <= now]
    for step in due:
        instance.steps.remove(step)
        _apply(instance, step, now)
    return bool(due)


def hasten(instance: Instance, now: float, seconds: float) -> None:
    """Bring everything that is due later closer by so many seconds, so that nothing happens before now."""
    for step in instance.steps:
        step.at = max(min(step.at, now), step.at - seconds)
    for past in instance.past:
        past.until -= seconds
    if instance.gone_at is not None:
        instance.gone_at -= seconds


def remember(instance: Instance, until: float, new: bool = False) -> None:
    """Let lists that lag show the instance as it is now, or not at all if it is `new`, until a moment."""
    instance.past.append(Past(until, None if new else dict(instance.fields)))


def seen_in_lists(instance: Instance, now: float) -> dict[str, Any] | None:
    """Return the fields that a list shows, None when it does not show the instance yet."""
    instance.past = [past for past in instance.past if past.until > now]
    return instance.past[0].fields if instance.past else instance.fields


def _apply(instance: Instance, step: Step, now: float) -> None:
    when = timestamp(ago=now - step.at)
    changes = dict(step.changes)
    if "healthScore" in changes:
        changes.update(healthScoreUpdatedAt=when, healthScoreGrade=grade(changes["healthScore"]))
    if step.restarted:
        changes.update(restartCount=instance.fields["restartCount"] + 1, lastRestartAt=when)
    if changes.get("status") == "running":
        changes["lastSeenAt"] = when
    if step.gone:
        instance.gone_at = step.at
    instance.change(**changes)


def grade(score: int) -> str:
    """A letter for a score of 0 to 100; the pages give neither scale nor letters, this is the emulator's own."""
    return next(letter for letter, least in (("A", 90), ("B", 80), ("C", 70), ("D", 60), ("F", 0)) if score >= least)


def create(instance: Instance, now: float, step: float, fails: bool) -> None:
    """Show creating for two steps, then running, or failed with a statusMessage."""
    instance.change(status="creating", statusMessage="Pulling image")
    instance.steps.append(Step(now + step, {"statusMessage": "Creating database"}))
    if fails:
        message = "Provisioning failed: image odoo could not be pulled: no space left on device"
        instance.steps.append(Step(now + 2 * step, {"status": "failed", "statusMessage": message}))
    else:
        _run(instance, now + 2 * step, step)
        instance.steps[-2].changes["domains"] = [
            {**domain, "dnsStatus": "verified", "sslStatus": "active", "sslExpiresAt": timestamp(ago=-90 * 86400)}
            for domain in instance.fields["domains"]
        ]


def control(instance: Instance, action: str, now: float, step: float, restart_visible: str) -> bool:
    """Queue start, stop or restart: the old status for a step, the intermediate one for a step, then the target.

    Return False when there is nothing to do: start of what runs, stop of what is stopped.
    """
    outcome = instance.outcome()
    if (action, outcome) in (("start", "running"), ("stop", "stopped")):
        return False
    begin = _queue(instance, now)
    if action == "stop":
        instance.steps.append(Step(begin + step, {"status": "stopping"}))
        stopped = {"status": "stopped", "statusMessage": None, "healthScore": 20}
        instance.steps.append(Step(begin + 2 * step, stopped))
    elif action == "start":
        instance.steps.append(Step(begin + step, {"status": "starting", "statusMessage": None}))
        _run(instance, begin + 2 * step, step)
    else:
        if restart_visible != "count_only" or outcome != "running":
            instance.steps.append(Step(begin + step, {"status": "restarting", "statusMessage": None}))
        _run(instance, begin + 2 * step, step, restarted=restart_visible != "status_only")
    return True


def restart_briefly(instance: Instance, now: float, step: float) -> None:
    """Do what a PUT may do to an instance that runs: restarting for a step, then running again."""
    if instance.outcome() == "running":
        begin = _queue(instance, now)
        instance.steps.append(Step(begin, {"status": "restarting"}))
        instance.steps.append(Step(begin + step, {"status": "running"}))


def remove(instance: Instance, now: float, step: float) -> None:
    """Show removing at once and be gone after two steps; whatever was queued is dropped."""
    if instance.status == "removing":
        return
    instance.steps.clear()
    instance.change(status="removing", statusMessage=None)
    instance.steps.append(Step(now + 2 * step, {"status": "deleted"}, gone=True))


def _queue(instance: Instance, now: float) -> float:
    """Return when the next operation begins: now, or when the last one in progress ends."""
    instance.steps = [step for step in instance.steps if step.work]
    return max([now, *(step.at for step in instance.steps)])


def _run(instance: Instance, at: float, step: float, restarted: bool = False) -> None:
    running = {"status": "running", "statusMessage": None, "healthScore": 65}
    instance.steps.append(Step(at, running, restarted=restarted))
    instance.steps.append(Step(at + step, {"healthScore": 95}, work=False))
