# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start, stop and restart: the request, what shows that it took effect, and the operation of ocore_instance_control."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import HealthScore, Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.times import parse_time
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC, IDENTITY_SPEC, WAIT_SPEC
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Identity, find
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    GO_ON,
    SETTLED,
    Phase,
    Steps,
    Wait,
    action_for,
    describe_status,
    failed_since,
    is_invisible_yet,
    phase,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run, take_steps

STATES = ("started", "stopped", "restarted")
UNCERTAIN_LOOKS = 3
"""How often an instance is read to learn whether an unanswered action is in progress."""
REFUSED_FOR_NOW = frozenset({409, 429, 503})
"""Answers after which the same request may be accepted later."""

_INVISIBLE = (
    "oCore accepted the restart, but neither the status, nor restart_count, nor last_restart_at shows that it is over. "
    "Look at the instance in oCore; running the task again restarts it again."
)
_DONE = {"start": "started", "stop": "stopped", "restart": "restarted"}


def apply_action(run: Run, instance: Instance, action: str) -> Steps[Instance]:
    """Request an action and, unless the task does not wait, wait until it has taken effect.

    :param action: start, stop or restart.
    :returns: the instance as seen last.
    :raises OcoreError: when it fails; the action counts as done from the moment oCore accepted it.
    """
    _request(run, instance, action)
    return (yield from _await_effect(run, instance, action))


def apply_owed_action(run: Run, instance: Instance, action: str) -> Steps[Instance]:
    """Request an action that follows on a stored change; a refusal for now is waited out until the deadline.

    The change itself may keep the instance busy, and not every API shows that in the status.

    :returns: the instance as seen last.
    :raises OcoreError: when it fails; the text holds the task that makes the action up.
    """
    advice = (
        f"The change is stored, but the {action}{' that applies it' if action == 'restart' else ''} is still owed: make it up "
        f'with ocore.cloud.ocore_instance_control: {{id: "{instance.id}", state: {_DONE[action]}}}.'
    )
    while True:
        try:
            _request(run, instance, action)
            break
        except OcoreError as error:
            if error.status not in REFUSED_FOR_NOW or not run.options["wait"]:
                error.message += f" {advice}"
                raise
        instance = yield from wait_until_idle(instance, f"accept the {action}", advice, at_least_one_poll=True)
    return (yield from _await_effect(run, instance, action))


def _request(run: Run, instance: Instance, action: str) -> None:
    """Send the request; when its answer is lost, look whether the action is in progress.

    :raises OcoreError: when it was refused, or nothing shows that it was carried out.
    """
    try:
        run.client.control_instance(instance, action)
    except OcoreError as error:
        if not error.uncertain or not _is_in_progress(run, instance, error):
            raise
    run.actions.append(action)


def _is_in_progress(run: Run, instance: Instance, cause: OcoreError) -> bool:
    """Return whether an unanswered action shows in the instance; if not, say so in ``cause``."""
    now: Instance | None = instance
    for _tick, _elapsed in zip(range(UNCERTAIN_LOOKS), run.clock.ticks(), strict=False):
        try:
            now = run.client.get_instance(instance.id)
        except OcoreError as trouble:
            cause.message += f" Reading the instance failed as well: {trouble.message}"
            return False
        if now is not None and (_moved(instance, now) or now.status != instance.status):
            return True
    if now is None:
        return True  # it is gone, which the wait for the effect reports
    cause.message += " Nothing shows whether it is in progress: look at the instance, then run the task again."
    return False


def _moved(before: Instance, now: Instance) -> bool:
    """Return whether a restart shows. What ``now`` leaves out shows nothing: a list may hold less than a read by id."""
    if now.was_sent("restart_count") and before.restart_count != now.restart_count:
        return True
    return now.was_sent("last_restart_at") and _to_the_second(before.last_restart_at) != _to_the_second(
        now.last_restart_at
    )


def _to_the_second(text: str | None) -> object:
    """Return a time in whole seconds, since not every answer has the fractions; a text that is none, as it is."""
    time = parse_time(text)
    return text if time is None else int(time.timestamp())


def _await_effect(run: Run, instance: Instance, action: str) -> Steps[Instance]:
    if not run.options["wait"]:
        return instance
    advice = _INVISIBLE if action == "restart" else GO_ON
    found = yield Wait(instance, f"be {_DONE[action]}", _effect_of(action, instance), instance, advice)
    return found or instance


def _effect_of(action: str, before: Instance) -> Callable[[Instance | None, float], bool]:
    """Return the test for "the action has taken effect"."""
    seen_away = phase(before) is not Phase.READY

    def done(now: Instance | None, elapsed: float) -> bool:
        nonlocal seen_away
        if is_invisible_yet(now, elapsed):
            return False
        state = phase(now)
        if now is None or state in (Phase.GONE, Phase.LEAVING):
            raise OcoreError(f"Cannot {action} instance {before.label()}: it was removed meanwhile.")
        if failed_since(before, now, elapsed):
            raise OcoreError(f"Instance {before.label()} failed to {action}: {describe_status(now)}.")
        if action == "stop":
            return state is Phase.STOPPED
        if action == "start":
            return state is Phase.READY
        seen_away = seen_away or state is not Phase.READY
        return state is Phase.READY and (seen_away or _moved(before, now))

    return done


def wait_until_idle(
    instance: Instance,
    purpose: str = "finish its current operation",
    advice: str = GO_ON,
    at_least_one_poll: bool = False,
) -> Steps[Instance]:
    """Wait until no operation is in progress on an instance, so that one can be requested.

    :raises OcoreError: when the instance is removed meanwhile.
    """

    def done(now: Instance | None, elapsed: float) -> bool:
        if is_invisible_yet(now, elapsed):
            return False
        if phase(now) in (Phase.LEAVING, Phase.GONE):
            raise OcoreError(f"Instance {instance.label()} was removed while this task waited for it.")
        return phase(now) in SETTLED and (elapsed > 0 or not at_least_one_poll)

    found = yield Wait(instance, purpose, done, instance, advice)
    return found or instance


def wait_for_turn(instance: Instance, state: str) -> Steps[Instance]:
    """Wait for an operation in progress, as far as it leads to ``state`` or stands in the way of it.

    :returns: the instance, ready for the action that :func:`action_for` returns for it now.
    """
    if phase(instance) in SETTLED:
        return instance
    if action_for(state, instance):
        return (yield from wait_until_idle(instance))
    # On its way to the state: as good as requested by this task, so a failure is this task's failure.
    action = "start" if state == "started" else "stop"
    found = yield Wait(instance, f"be {state}", _effect_of(action, instance), instance)
    return found or instance


def wait_for_score(run: Run, instance: Instance, least: int, old: HealthScore | None = None) -> HealthScore:
    """Wait until the health score is at least ``least`` and was computed after the last restart.

    :param old: the score before an action; one of the same time says nothing about the instance after it.
    :raises OcoreError: at the deadline; the text holds the last score.
    """
    seen = ""
    for _waited in chain((0.0,), run.clock.ticks()):
        try:
            score = run.client.get_health_score(instance)
        except OcoreError as error:
            if not error.transient:
                raise
            seen = error.message.rstrip(".")
        else:
            if score is not None and _is_new(score, instance, old) and (score.score or 0) >= least:
                return score
            seen = _describe_score(score, instance, old)
        run.clock.say(f"waiting for instance {instance.label()} to reach health score {least}: {seen}")
    raise OcoreError(
        f"Instance {instance.label()} did not reach health score {least} within {run.clock.timeout:g} seconds "
        f"(wait_timeout): {seen}. The instance was left as it is; read its factors with ocore_instance_info."
    )


def _describe_score(score: HealthScore | None, instance: Instance, old: HealthScore | None) -> str:
    if score is None or score.score is None:
        return "no score has been computed yet"
    stale = "" if _is_new(score, instance, old) else ", but it was computed before the start"
    return f"the score is {score.score:g}{stale}"


def _is_new(score: HealthScore, instance: Instance, old: HealthScore | None) -> bool:
    """Return whether a score is younger than the last restart, and not the one from before the action."""
    restarted, computed = parse_time(instance.last_restart_at), parse_time(score.computed_at)
    if restarted is not None and computed is not None and computed < restarted:
        return False
    return old is None or old.computed_at is None or old.computed_at != score.computed_at


def execute(run: Run) -> None:
    """Start, stop or restart an instance, and wait for it.

    :raises OcoreError: when it does not exist, fails, or does not get there in time.
    """
    state, least = run.options["state"], run.options["min_health_score"]
    _check_score_option(state, least, run.options["wait"])
    identity = Identity.from_options(run.options)
    match = find(run.client, identity)
    if match.instance is None:
        gone = " (it is being removed)" if match.leaving else ""
        raise OcoreError(f"There is no instance with {identity}{gone}. Check it, and the option organization.")
    instance = match.instance
    if match.listing is not None:
        # A list may lag behind, and then say that there is nothing to do.
        instance = run.client.get_instance(instance.id) or instance
    run.instance = instance
    action = action_for(state, instance)
    _set_diff(run, instance, action)
    if run.check_mode:
        run.actions.extend([action] if action else [])
        return
    if run.options["wait"]:
        instance = take_steps(run, wait_for_turn(instance, state))
        if action:
            action = action_for(state, instance)
            _set_diff(run, instance, action)
    old = run.client.get_health_score(instance) if action and least is not None else None
    if action:
        instance = take_steps(run, apply_action(run, instance, action))
    run.instance = instance
    if least is not None:
        wait_for_score(run, instance, least, old)
        run.instance = run.client.get_instance(instance.id) or instance


def _check_score_option(state: str, least: int | None, wait: bool) -> None:
    if least is not None and state == "stopped":
        raise OcoreError("min_health_score needs a running instance: use it with state started or restarted.")
    if least is not None and not wait:
        raise OcoreError("min_health_score is waited for, so it cannot be used with wait: false.")


def _set_diff(run: Run, instance: Instance, action: str | None) -> None:
    words = {"start": "running", "stop": "stopped", "restart": "running (restarted)"}
    before = {"status": instance.status}
    run.set_diff(instance.label(), before, {"status": words[action]} if action else before)


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
