# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of an operation: what it is given, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Warn, displayable
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

GONE_LOOK = 3
"""How often an instance that is being removed is read by id before the list is asked for it as well."""


@dataclass
class Run:
    """One run of an operation.

    :param options: the validated options by name.
    :param warn: called with a sentence for the user.
    :param actions: what has been done so far; in check mode, what would be done. Part of every result, also of a failure.
    :param instance: the instance as seen last; part of every result.
    :param result: further keys of the result.
    :param listing: the list in which the instance was seen last, where one was read while waiting for it.
    :param claimed_slugs: case-folded slugs that this task declares elsewhere.
    """

    options: Mapping[str, Any]
    check_mode: bool
    client: Client
    clock: Clock
    warn: Warn
    actions: list[str] = field(default_factory=list)
    instance: Instance | None = None
    result: dict[str, Any] = field(default_factory=dict)
    listing: Listing | None = None
    claimed_slugs: frozenset[str] = frozenset()

    @property
    def reveal(self) -> bool:
        """Return whether env values may be shown."""
        return bool(self.options.get("reveal_env_vars"))

    def set_diff(self, label: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Put a diff about the instance ``label`` into the result."""
        header = f"instance {label}"
        self.result["diff"] = {
            "before": dict(before),
            "after": dict(after),
            "before_header": header,
            "after_header": header,
        }


def take_steps(run: Run, steps: Steps[T]) -> T:
    """Take the steps on the run's one instance, and read it by id wherever they have to wait.

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
        found = wait_for(run.clock, wait, _reader(run, wait))


def _reader(run: Run, wait: Wait) -> Callable[[], Instance | None]:
    reads = 0

    def is_listed() -> bool:
        listing = run.client.list_instances()
        return listing.incomplete or bool(listing.having("id", wait.instance.id))

    def read() -> Instance | None:
        nonlocal reads
        reads += 1
        try:
            now = run.client.get_instance(wait.instance.id)
        except OcoreError:
            # An API may answer anything about an instance that is gone.
            if wait.until_gone and not is_listed():
                return None
            raise
        # What is gone from the list is gone, even where the instance itself can still be read.
        if wait.until_gone and phase(now) is not Phase.GONE and reads % GONE_LOOK == 0 and not is_listed():
            return None
        run.instance = now or run.instance
        return now

    return read


@dataclass(frozen=True)
class Operation:
    """An operation as its two front doors see it.

    :param name: name of the module.
    :param spec: its argument spec.
    :param execute: does the work; leaves its result in the run, raises OcoreError.
    :param rules: further arguments of AnsibleModule: required_one_of and the like.
    :param about_one: whether it is about one instance, which then is part of the result, with the actions.
    :param seconds: returns how long the task may take, by its options.
    """

    name: str
    spec: Spec
    execute: Callable[[Run], None]
    rules: Mapping[str, Any] = field(default_factory=dict)
    about_one: bool = True
    seconds: Callable[[Mapping[str, Any]], float] = lambda options: options.get("wait_timeout", math.inf)


def as_ocore_error(error: Exception) -> OcoreError:
    """Return an exception as one that a user can read; one that is not ours is a defect, and says so."""
    if isinstance(error, OcoreError):
        return error
    return OcoreError(
        f"The collection failed with {type(error).__name__}: {displayable(str(error))[:300]}. This is a defect of "
        "ocore.cloud: please report it with this message."
    )
