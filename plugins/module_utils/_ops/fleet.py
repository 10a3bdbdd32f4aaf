# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many instances as declared, in one task: one list request, one plan, a few writes at once, and one wait for all.

What is done to each instance is what ocore_instance and ocore_instance_control do. The difference is who waits: their
steps stop where they have to wait, and here one list request per tick tells all of them how things stand.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._ops import control as power
from ansible_collections.ocore.cloud.plugins.module_utils._ops import instance as single
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import (
    AUTH_SPEC,
    IDENTITY_SPEC,
    WAIT_SPEC,
    Spec,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Match, describe, find, find_in, key_of
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import WANTED_SPEC, Draft
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    SETTLED,
    Phase,
    Steps,
    Wait,
    phase,
    phase_of,
    timed_out,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Task

#: The options of one instance. They have no defaults here, so that what an instance leaves out can come from ``defaults``.
ITEM_SPEC: Spec = {
    **{name: {key: value for key, value in option.items() if key != "default"} for name, option in WANTED_SPEC.items()},
    "power": {"type": "str", "choices": ["started", "stopped"]},
}
_DEFAULTS = {name: option.get("default") for name, option in WANTED_SPEC.items()}

ERRORS_SHOWN = 5
"""Errors in the message of a failed task; all of them are in the results."""

_COUNTED = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "restart": "restarted",
    "start": "started",
    "stop": "stopped",
}


@dataclass
class Item:
    """One instance of the fleet.

    :param task: its own view of the task: options, actions, instance.
    :param power: started, stopped, or null for what it is.
    :param purged: whether it is removed because nobody declares it.
    :param draft: what is to be done; null when that could not be planned.
    :param error: why it failed.
    :param skipped: whether its turn never came, because another one failed or time ran out.
    :param wait: what it waits for at the moment, and ``since`` when on the task's clock.
    """

    task: Task
    power: str | None = None
    purged: bool = False
    match: Match | None = None
    draft: Draft | None = None
    error: OcoreError | None = None
    skipped: bool = False
    steps: Steps[None] | None = None
    wait: Wait | None = None
    since: float = 0.0

    @property
    def outcome(self) -> str:
        """Give failed, skipped, changed or unchanged."""
        if self.error:
            return "failed"
        if self.skipped:
            return "skipped"
        return "changed" if self.task.actions else "unchanged"

    def result(self) -> dict[str, Any]:
        """Give its part of the task's result."""
        task, instance = self.task, self.task.instance
        record = instance.record(task.reveal) if instance else None
        named = instance or (self.draft.current if self.draft else None)
        return {
            **{key: getattr(named, key, None) or task.options[key] for key in ("id", "slug", "name")},
            "state": task.options["state"],
            "outcome": self.outcome,
            "changed": bool(task.actions),
            "actions": task.actions,
            "purged": self.purged,
            "instance": record,
            "error": {"msg": self.error.message, **self.error.details()} if self.error else None,
        }


def execute(task: Task) -> None:
    """Bring all instances to the state wanted.

    :raises OcoreError: when the declaration can't be used (nothing was sent then), or when instances failed.
    """
    items = declared(task)
    if items or task.options["purge"]:
        listing = task.client.list_instances()
        with ThreadPoolExecutor(task.options["max_parallel"]) as pool:
            list(pool.map(lambda item: plan(item, listing), items))
        _check_matches(items)
        items += purged(task, items, listing)
        if task.check_mode:
            foresee(items)
        else:
            _Crew(task, items).work()
    report(task, items)


def declared(task: Task) -> list[Item]:
    """Read the declaration.

    :raises OcoreError: when something in it can't be meant; all such things are named.
    """
    options = task.options
    problems: list[str] = []
    items: list[Item] = []
    shared = {key: value for key, value in options.items() if key not in ("instances", "defaults")}
    for position, given in enumerate(options["instances"]):
        merged = _merged(options["defaults"] or {}, given)
        try:
            key_of(merged)
            single.wanted_fields(merged)
        except OcoreError as error:
            problems.append(f"instances[{position}]: {error.message}")
            continue
        items.append(_item(task, {**shared, **merged}, power=merged["power"]))
    problems += _duplicates(items)
    if options["max_parallel"] < 1:
        problems.append("max_parallel must be 1 or more.")
    if options["purge"]:
        problems += _purge_problems(options, items)
    if problems:
        raise OcoreError(f"Nothing was sent, since the fleet can't be meant as it is declared. {' '.join(problems)}")
    return items


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options of one instance: its own, else those of ``defaults``; env vars are taken from both."""
    merged = {**_DEFAULTS, "power": None}
    for source in (defaults, given):
        merged.update({key: value for key, value in source.items() if value is not None})
    if defaults.get("env_vars") and given.get("env_vars"):
        merged["env_vars"] = {**defaults["env_vars"], **given["env_vars"]}
    if merged["power"] == "stopped":
        merged["restart_on_change"] = False  # it is stopped anyway
    return merged


def _item(task: Task, options: Mapping[str, Any], power: str | None = None, purged: bool = False) -> Item:
    return Item(replace(task, options=options, actions=[], instance=None, result={}), power, purged)


def _duplicates(items: Sequence[Item]) -> list[str]:
    """Name what is declared twice. The same name twice is fine where slugs or ids tell the instances apart."""
    by_name = {item.task.options["name"] for item in items if key_of(item.task.options) == "name"}
    seen: Counter[tuple[str, str]] = Counter()
    for item in items:
        for key in ("id", "slug", "name"):
            value = item.task.options[key]
            if value and (key != "name" or value in by_name):
                seen[key, value if key == "name" else value.casefold()] += 1
    return [f"{key} {value} is declared {count} times." for (key, value), count in seen.items() if count > 1]


def _purge_problems(options: Mapping[str, Any], items: Sequence[Item]) -> list[str]:
    problems = []
    if not any(options["purge_server_ids"] or ()):
        problems.append(
            "purge needs purge_server_ids: the servers on which instances that are not declared are removed."
        )
    if not options["purge_all"] and all(item.task.options["state"] == "absent" for item in items):
        problems.append(
            "purge would remove every instance of these servers, since none is declared as present. If that is meant, set "
            "purge_all."
        )
    return problems


def plan(item: Item, listing: Listing) -> None:
    """Find the instance that an item means and plan what is to be done. Nothing is changed; an error stays in the item."""
    task = item.task
    try:
        if listing.incomplete and task.options["id"]:
            item.match = find(task.client, task.options)
        else:
            item.match = find_in(listing, task.options)
        item.draft = single.prepare(task, item.match)
    except OcoreError as error:
        item.error = error


def _check_matches(items: Sequence[Item]) -> None:
    """Refuse two declarations of one instance, for example by its id and by its slug."""
    meant: dict[str, list[str]] = {}
    for item in items:
        if item.match and item.match.instance:
            meant.setdefault(item.match.instance.id, []).append(describe(item.task.options))
    twice = [f"{' and '.join(names)} are the same instance ({key})." for key, names in meant.items() if len(names) > 1]
    if twice:
        raise OcoreError(f"Nothing was sent, since the fleet declares instances twice. {' '.join(twice)}")


def purged(task: Task, items: Sequence[Item], listing: Listing) -> list[Item]:
    """Give the instances of ``purge_server_ids`` that nobody declares, with the plan to remove them.

    An instance is spared when an item that matched nothing, or could not be planned, has its id, slug or name.
    """
    if not task.options["purge"]:
        return []
    servers = {str(server).casefold() for server in task.options["purge_server_ids"] if server}
    spared: set[str] = set()
    for item in items:
        if item.match and item.match.instance:
            spared.add(item.match.instance.id)
            continue
        for key in ("id", "slug", "name"):
            if item.task.options[key]:
                spared.update(instance.id for instance in listing.having(key, item.task.options[key]))
    found = listing.matching(
        lambda entry: (
            str(entry["server_id"] or "").casefold() in servers
            and str(entry["id"]) not in spared
            and phase_of(entry["status"]) not in (Phase.GONE, Phase.LEAVING)
        )
    )
    shared = {key: value for key, value in task.options.items() if key not in ("instances", "defaults")}
    result = []
    for instance in found:
        named = {key: getattr(instance, key) for key in IDENTITY_SPEC}
        item = _item(task, {**shared, **_DEFAULTS, **named, "state": "absent"}, purged=True)
        item.match = Match(instance, listing=listing)
        item.draft = single.prepare(item.task, item.match)
        result.append(item)
    return result


def power_action(item: Item) -> str | None:
    """Give the action by which an item's power is reached after its plan: start, stop, or null."""
    draft = item.draft
    if draft is None or not item.power or item.task.options["state"] == "absent":
        return None
    if draft.current is None:
        return "stop" if item.power == "stopped" else None  # a new instance runs
    return None if draft.plan.restart else power.plan(item.power, draft.current)


def foresee(items: Iterable[Item]) -> None:
    """Do what check mode does: tell what would be done."""
    for item in items:
        if item.draft:
            action = power_action(item)
            single.foresee(item.task, item.draft)
            item.task.actions.extend([action] if action else [])


def _steps(item: Item) -> Steps[None]:
    """Do all that is to be done to one instance."""
    task = item.task
    if item.draft is None:
        raise AssertionError("item.draft is set at this point")
    if item.draft.plan.actions or phase(item.draft.current) is not Phase.READY:
        # Only what oCore says about these is ever shown, and that may quote a value.
        task.client.scrub.add(single.wanted_fields(task.options).get("env_vars", {}).values())
        if task.instance is not None:
            task.client.protect(task.instance)
    yield from single.apply(task, item.draft)
    current = task.instance
    if current is None or not item.power or task.options["state"] == "absent":
        return
    if not task.options["wait"] and phase(current) not in SETTLED:
        if power.plan(item.power, current):
            task.warn(
                f"Instance {current.label()} is not {item.power} yet: something else is under way. Run the task again."
            )
        return
    task.instance = yield from power.bring(task, current, item.power)


class _Crew:
    """Takes the steps of all items: a few threads write, this thread waits for everybody."""

    def __init__(self, task: Task, items: Sequence[Item]) -> None:
        self._task = task
        self._items = items
        self._ended: queue.SimpleQueue[tuple[Item, Future[None]]] = queue.SimpleQueue()
        self._running = 0
        self._waiting: list[Item] = []
        self._closed = False
        self._trouble = ""

    def work(self) -> None:
        """Return when every item has come to its end."""
        stop = self._task.options["on_error"] == "stop"
        self._closed = stop and any(item.error for item in self._items)
        with ThreadPoolExecutor(self._task.options["max_parallel"]) as pool:
            try:
                self._work(pool)
            finally:
                # Also when the task is interrupted: nothing new is sent then.
                self._closed = True
                pool.shutdown(cancel_futures=True)

    def _work(self, pool: ThreadPoolExecutor) -> None:
        for item in self._items:
            if item.draft is not None:
                item.steps = _steps(item)
                self._submit(pool, item, None)
        ticks = self._task.clock.ticks()
        while self._running or self._waiting:
            self._collect()
            if not self._waiting:
                continue
            self._task.clock.say(self._progress())
            if next(ticks, None) is None:
                self._give_up()
                continue
            for item, found in self._arrived():
                self._submit(pool, item, found)

    def _submit(self, pool: ThreadPoolExecutor, item: Item, found: Instance | None) -> None:
        self._running += 1
        begun = item.wait is not None
        item.wait = None
        future = pool.submit(self._advance, item, found, begun)
        future.add_done_callback(lambda ended: self._ended.put((item, ended)))

    def _advance(self, item: Item, found: Instance | None, begun: bool) -> None:
        """Take an item's steps to the next wait, or to their end. Runs in a thread."""
        if self._closed and not begun:
            item.skipped = True
            return
        if item.steps is None:
            raise AssertionError("item.steps is set at this point")
        try:
            while True:
                wait = item.steps.send(found)
                if not wait.done(wait.last, 0.0):
                    break
                found = wait.last
        except StopIteration:
            return
        except OcoreError as error:
            self._fail(item, error)
            return
        item.wait, item.since = wait, self._task.clock.elapsed()

    def _fail(self, item: Item, error: OcoreError) -> None:
        item.error = error
        if self._task.options["on_error"] == "stop":
            self._closed = True

    def _collect(self) -> None:
        """Take over the items whose threads have ended; wait for one when there is nothing else to wait for."""
        while self._running:
            try:
                item, future = self._ended.get(block=not self._waiting)
            except queue.Empty:
                return
            self._running -= 1
            future.result()  # raises what was not foreseen
            if item.wait is not None:
                self._waiting.append(item)

    def _arrived(self) -> list[tuple[Item, Instance | None]]:
        """Look at all instances with one request, and give the items that can go on, with their instance."""
        try:
            listing = self._task.client.list_instances()
            self._trouble = ""
        except OcoreError as error:
            if error.transient:
                self._trouble = f" The last request failed: {error.message}"
                return []
            for item in self._waiting:
                self._fail(item, error)
            self._waiting = []
            return []
        arrived: list[tuple[Item, Instance | None]] = []
        still: list[Item] = []
        for item in self._waiting:
            try:
                if item.wait is None:
                    raise AssertionError("item.wait is set at this point")
                now = self._look(item.wait, listing)
                item.task.instance = now or item.task.instance
                if item.wait.done(now, self._task.clock.elapsed() - item.since):
                    arrived.append((item, now))
                else:
                    still.append(item)
            except OcoreError as error:
                if error.transient:
                    still.append(item)
                else:
                    self._fail(item, error)
        self._waiting = still
        return arrived

    def _look(self, wait: Wait, listing: Listing) -> Instance | None:
        found = listing.having("id", wait.instance.id)
        if found:
            return self._task.client.protect(found[0])
        if wait.until_gone and not listing.incomplete:
            return None
        # Not listed: that may mean gone, but only oCore's answer about the instance itself proves it.
        return self._task.client.get_instance(wait.instance.id)

    def _give_up(self) -> None:
        self._closed = True
        for item in self._waiting:
            wait = item.wait
            if wait is None:
                raise AssertionError("wait is set at this point")
            last = item.task.instance or wait.last
            self._fail(item, timed_out(self._task.clock, wait.label(), last, self._trouble, wait.advice))
        self._waiting = []

    def _progress(self) -> str:
        failed = sum(1 for item in self._items if item.error)
        done = len(self._items) - self._running - len(self._waiting) - failed
        waits = Counter(
            f"to {item.wait.purpose} ({(item.task.instance.status if item.task.instance else None) or 'no status'})"
            for item in self._waiting
            if item.wait
        )
        parts = [f"{done} of {len(self._items)} instances done"]
        parts += [f"{self._running} to be worked on"] if self._running else []
        parts += [f"{count} {what}" for what, count in sorted(waits.items())]
        parts += [f"{failed} failed"] if failed else []
        return ", ".join(parts)


def report(task: Task, items: Sequence[Item]) -> None:
    """Put the results of all items into the task's result.

    :raises OcoreError: when one of them failed.
    """
    outcomes = Counter(item.outcome for item in items)
    actions = Counter(action for item in items for action in item.task.actions)
    task.result.update(
        changed=any(item.task.actions for item in items),
        results=[item.result() for item in items],
        summary={
            "total": len(items),
            **{outcome: outcomes[outcome] for outcome in ("unchanged", "changed", "failed", "skipped")},
            **{word: actions[action] for action, word in _COUNTED.items()},
            "purged": sum(1 for item in items if item.purged and "delete" in item.task.actions),
        },
        diff=[item.task.result["diff"] for item in items if _shows_diff(item)],
    )
    failed = [item for item in items if item.error]
    if not failed:
        return
    texts = [item.error.message for item in failed[:ERRORS_SHOWN] if item.error]
    if len(failed) > ERRORS_SHOWN:
        texts.append(f"See results for the other {len(failed) - ERRORS_SHOWN}.")
    skipped = f" {outcomes['skipped']} were not begun." if outcomes["skipped"] else ""
    raise OcoreError(f"{len(failed)} of {len(items)} instances failed.{skipped} {' '.join(texts)}")


def _shows_diff(item: Item) -> bool:
    diff = item.task.result.get("diff")
    return bool(diff and item.task.actions and diff["before"] != diff["after"])


OPERATION = Operation(
    name="ocore_fleet",
    spec={
        **AUTH_SPEC,
        **WAIT_SPEC,
        "instances": {"type": "list", "elements": "dict", "required": True, "options": ITEM_SPEC},
        "defaults": {
            "type": "dict",
            "options": {name: option for name, option in ITEM_SPEC.items() if name not in IDENTITY_SPEC},
        },
        "purge": {"type": "bool", "default": False},
        "purge_server_ids": {"type": "list", "elements": "str"},
        "purge_all": {"type": "bool", "default": False},
        "max_parallel": {"type": "int", "default": 8},
        "on_error": {"type": "str", "choices": ["continue", "stop"], "default": "continue"},
        "reveal_env_vars": {"type": "bool", "default": False},
    },
    execute=execute,
    about_one=False,
)
