# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of an operation: what it is given, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import Spec
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    Clock,
    Phase,
    Steps,
    T,
    Wait,
    phase,
    wait_for,
)


@dataclass
class Task:
    """One run of an operation.

    :param options: the validated options by name.
    :param warn: takes a sentence for the user.
    :param actions: what has been done so far; in check mode, what would be done. Part of every result, also of a failure.
    :param instance: the instance as seen last; part of every result.
    :param result: further keys of the result.
    """

    options: Mapping[str, Any]
    check_mode: bool
    client: Client
    clock: Clock
    warn: Callable[[str], None]
    actions: list[str] = field(default_factory=list)
    instance: Instance | None = None
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def reveal(self) -> bool:
        """Tell whether env values may be shown."""
        return bool(self.options.get("reveal_env_vars"))


def follow(task: Task, steps: Steps[T]) -> T:
    """Take the steps on the task's one instance, reading it by itself whenever they have to wait.

    :returns: what the steps return.
    :raises OcoreError: what the steps raise; at the deadline.
    """
    found: Instance | None = None
    while True:
        try:
            wait = steps.send(found)
        except StopIteration as end:
            value: T = end.value
            return value
        found = wait_for(task.clock, wait.label(), _reader(task, wait), wait.done, wait.last, wait.advice)


def _reader(task: Task, wait: Wait) -> Callable[[], Instance | None]:
    reads = 0

    def read() -> Instance | None:
        nonlocal reads
        reads += 1
        now = task.client.get_instance(wait.instance.id)
        if wait.until_gone and phase(now) is not Phase.GONE and reads % 3 == 0:
            # What is gone from the list is gone, even where the instance itself can still be read.
            listing = task.client.list_instances()
            if wait.instance.id not in listing.ids() and not listing.incomplete:
                return None
        task.instance = now or task.instance
        return now

    return read


@dataclass(frozen=True)
class Operation:
    """An operation as its two front doors see it.

    :param name: name of the module.
    :param spec: its argument spec.
    :param rules: further arguments of AnsibleModule: required_one_of and the like.
    :param execute: does the work; leaves its result in the task, raises OcoreError.
    :param about_one: whether it is about one instance, which then is part of the result, with the actions.
    """

    name: str
    spec: Spec
    execute: Callable[[Task], None]
    rules: Mapping[str, Any] = field(default_factory=dict)
    about_one: bool = True
