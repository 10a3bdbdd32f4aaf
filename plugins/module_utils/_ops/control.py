# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start, stop and restart: what has to be asked for, and when it is reached."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import chain

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import HealthScore, Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC, IDENTITY_SPEC, WAIT_SPEC
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import describe, find
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    GO_ON,
    SETTLED,
    Phase,
    Steps,
    Wait,
    failed_since,
    phase,
    reason,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Task, follow

STATES = ("started", "stopped", "restarted")
UNCERTAIN_LOOKS = 3
"""How often an instance is looked at to learn whether an unanswered action is under way."""


def plan(state: str, instance: Instance) -> str | None:
    """Give the action that leads to ``state``: start, stop or restart; null when none is needed.

    :param instance: settled, or on its way somewhere.
    """
    now = phase(instance)
    if state == "restarted":
        return "restart"
    if state == "started":
        return None if now in (Phase.READY, Phase.PROGRESS) else "start"
    return None if now in (Phase.STOPPED, Phase.STOPPING) else "stop"


def diff(state: str, instance: Instance, action: str | None) -> dict[str, object]:
    """Give before and after for ``--diff``."""
    before = {"status": instance.status}
    words = {"start": "running", "stop": "stopped", "restart": "running (restarted)"}
    after = {"status": words[action]} if action else before
    title = f"instance {instance.label()}"
    return {"before": before, "after": after, "before_header": title, "after_header": title}


def perform(task: Task, instance: Instance, action: str) -> Steps[Instance]:
    """Ask for an action and, unless the task does not wait, wait until it has taken effect.

    :returns: the instance as seen last.
    :raises OcoreError: when it fails; the action counts as done from the moment oCore accepted it.
    """
    _ask(task, instance, action)
    task.actions.append(action)
    if not task.options["wait"]:
        return instance
    advice = _INVISIBLE if action == "restart" else GO_ON
    return (yield from settle(instance, f"be {_DONE[action]}", _goal(action, instance), instance, advice))


_INVISIBLE = (
    "oCore accepted the restart, but neither the status, nor restart_count, nor last_restart_at shows that it is over. "
    "Look at the instance in oCore; running the task again restarts it again."
)
_DONE = {"start": "started", "stop": "stopped", "restart": "restarted"}


def _ask(task: Task, instance: Instance, action: str) -> None:
    try:
        task.client.control_instance(instance, action)
    except OcoreError as error:
        if not error.uncertain:
            raise
        # The action may be under way: it shows in the instance. If not, it is the user who decides to repeat it.
        for _tick, _elapsed in zip(range(UNCERTAIN_LOOKS), task.clock.ticks(), strict=False):
            try:
                now = task.client.get_instance(instance.id)
            except OcoreError as trouble:
                error.message += f" Looking at the instance failed as well: {trouble.message}"
                break
            if now is None or _moved(instance, now) or now.status != instance.status:
                return
        error.message += (
            f" Nothing shows whether the {action} is under way: look at the instance, then run the task again."
        )
        raise


def _moved(before: Instance, now: Instance) -> bool:
    return before.restart_count != now.restart_count or before.last_restart_at != now.last_restart_at


def _goal(action: str, before: Instance) -> Callable[[Instance | None, float], bool]:
    """Give the test for "the action has taken effect"."""
    seen_away = phase(before) is not Phase.READY

    def done(now: Instance | None, elapsed: float) -> bool:
        nonlocal seen_away
        state = phase(now)
        if now is None or state in (Phase.GONE, Phase.LEAVING):
            raise OcoreError(f"Cannot {action} instance {before.label()}: it was removed meanwhile.")
        if failed_since(before, now, elapsed):
            raise OcoreError(f"Instance {before.label()} failed to {action}: {reason(now)}.")
        if action == "stop":
            return state is Phase.STOPPED
        if action == "start":
            return state is Phase.READY
        seen_away = seen_away or state is not Phase.READY
        return state is Phase.READY and (seen_away or _moved(before, now))

    return done


def settle(
    instance: Instance,
    purpose: str,
    done: Callable[[Instance | None, float], bool],
    last: Instance | None,
    advice: str = GO_ON,
) -> Steps[Instance]:
    """Wait for ``done``; see :class:`Wait`.

    :returns: the instance; ``done`` must not accept one that is gone.
    """
    found = yield Wait(instance, purpose, done, last, advice)
    return found or instance


def wait_until_settled(instance: Instance) -> Steps[Instance]:
    """Wait until nothing moves any more, so that an action can be asked for."""

    def done(now: Instance | None, _elapsed: float) -> bool:
        if phase(now) in (Phase.LEAVING, Phase.GONE):
            raise OcoreError(f"Instance {instance.label()} was removed meanwhile.")
        return phase(now) in SETTLED

    return (yield from settle(instance, "finish what is under way", done, instance))


def approach(instance: Instance, state: str) -> Steps[Instance]:
    """Wait for what is under way on an instance, as far as it leads to ``state`` or stands in the way of it.

    :returns: the instance, ready for the action that :func:`plan` gives for it now.
    """
    action = plan(state, instance)
    if phase(instance) in SETTLED:
        return instance
    if action:
        return (yield from wait_until_settled(instance))
    if state == "started":
        # On its way to running: as good as started by this task, so a failure is this task's failure.
        return (yield from settle(instance, "be started", _goal("start", instance), instance))
    return (yield from settle(instance, "be stopped", _goal("stop", instance), instance))


def bring(task: Task, instance: Instance, state: str) -> Steps[Instance]:
    """Bring an instance to ``state``: wait for what is under way, and ask for an action if one is needed then."""
    if task.options["wait"]:
        instance = yield from approach(instance, state)
    action = plan(state, instance)
    return (yield from perform(task, instance, action)) if action else instance


def wait_for_score(task: Task, instance: Instance, least: int, old: HealthScore | None = None) -> HealthScore:
    """Wait until the health score is at least ``least`` and was computed after the last restart.

    :param old: the score before an action; one of the same time says nothing about the instance after it.
    :raises OcoreError: at the deadline; the text holds the last score.
    """
    said = ""
    for _waited in chain((0.0,), task.clock.ticks()):
        try:
            score = task.client.get_health_score(instance)
        except OcoreError as error:
            if not error.transient:
                raise
            said = error.message.rstrip(".")
        else:
            if score is None or score.score is None:
                said = "no score has been computed yet"
            elif _computed_before(score, instance, old):
                said = f"the score is {score.score:g}, but it was computed before the start"
            elif score.score >= least:
                return score
            else:
                said = f"the score is {score.score:g}"
        task.clock.say(f"waiting for instance {instance.label()} to reach health score {least}: {said}")
    raise OcoreError(
        f"Instance {instance.label()} did not reach health score {least} within {task.clock.timeout:g} seconds "
        f"(wait_timeout): {said}. The instance was left as it is; look at the factors with ocore_instance_info."
    )


def _computed_before(score: HealthScore, instance: Instance, old: HealthScore | None) -> bool:
    """Tell whether a score is older than the last restart, or the one from before the action."""
    restarted, computed = _time(instance.last_restart_at), _time(score.computed_at)
    if restarted is not None and computed is not None and computed < restarted:
        return True
    return old is not None and old.computed_at is not None and old.computed_at == score.computed_at


def _time(text: str | None) -> datetime | None:
    """Read a time of the API; null when it can't be compared."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else None


def execute(task: Task) -> None:
    """Bring an instance into a state of running.

    :raises OcoreError: when it does not exist, fails, or does not get there in time.
    """
    options = task.options
    state: str = options["state"]
    least: int | None = options["min_health_score"]
    if least is not None and state == "stopped":
        raise OcoreError(
            "min_health_score can only be reached by an instance that runs: use it with started or restarted."
        )
    if least is not None and not options["wait"]:
        raise OcoreError("min_health_score has to be waited for: it can't be used with wait: false.")
    match = find(task.client, options)
    if match.instance is None:
        gone = " (it is being removed)" if match.leaving else ""
        raise OcoreError(f"There is no instance with {describe(options)}{gone}. Check it, and the option organization.")
    instance = task.instance = match.instance
    action = plan(state, instance)
    task.result["diff"] = diff(state, instance, action)
    if task.check_mode:
        task.actions.extend([action] if action else [])
        return
    if options["wait"]:
        instance = follow(task, approach(instance, state))
        if action:
            action = plan(state, instance)
            task.result["diff"] = diff(state, instance, action)
    old = task.client.get_health_score(instance) if action and least is not None else None
    if action:
        instance = follow(task, perform(task, instance, action))
    task.instance = instance
    if least is not None:
        wait_for_score(task, instance, least, old)
        task.instance = task.client.get_instance(instance.id) or instance


OPERATION = Operation(
    name="ocore_instance_control",
    spec={
        **AUTH_SPEC,
        **WAIT_SPEC,
        **IDENTITY_SPEC,
        "state": {"type": "str", "required": True, "choices": list(STATES)},
        "min_health_score": {"type": "int"},
    },
    rules={"required_one_of": [("id", "slug", "name")]},
    execute=execute,
)
