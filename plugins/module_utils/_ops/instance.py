# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of ocore_instance: look an instance up, plan, and apply the plan. The fleet uses the same steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    IMMUTABLE,
    UPDATABLE,
    Instance,
    normalized_name,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import (
    AUTH_SPEC,
    DECLARATION_EXCLUDES,
    DECLARATION_SPEC,
    WAIT_SPEC,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.control import apply_action, apply_owed_action
from ansible_collections.ocore.cloud.plugins.module_utils._ops.creation import (
    create_once,
    refuse_lookalike,
    report_twins,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.desired import (
    Declaration,
    Plan,
    compare_immutable,
    ignored_fields,
    lost_env_vars,
    make_plan,
    predict,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Match, find
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    SETTLED,
    Phase,
    Steps,
    Wait,
    describe_status,
    failed_since,
    is_invisible_yet,
    phase,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run, take_steps
from ansible_collections.ocore.cloud.plugins.module_utils._ops.servers import server_ids

SECOND_LOOKS = (1.0, 2.0)
"""Seconds before each further look at an instance that is not as an update should have left it."""


@dataclass(frozen=True)
class Prepared:
    """A plan with what it was made from.

    :param current: the instance as it is, perhaps being removed; ``None`` when there is none.
    :param listing: the list in which it was looked up; ``None`` for a look-up by id.
    :param by_id: whether ``current`` was read by id just now, so that an update may be planned on it.
    """

    declaration: Declaration
    plan: Plan
    current: Instance | None
    listing: Listing | None
    by_id: bool = False

    @property
    def idle(self) -> bool:
        """Return whether there is nothing to send and nothing to wait for."""
        return not self.plan.actions and (self.current is None or phase(self.current) in SETTLED)


def execute(run: Run) -> None:
    """Create, change or remove one instance as declared.

    :raises OcoreError: when that fails; ``run.actions`` tells what was done before.
    """
    declaration = Declaration.from_options(run.options)
    run.client.scrub.add(declaration.env_vars.values())
    declaration = declaration.on_server(server_ids(run.client, filter(None, [declaration.server])))
    prepared = prepare(run, declaration, find(run.client, declaration.identity))
    if run.check_mode:
        announce(run, prepared)
    else:
        take_steps(run, apply(run, prepared))


def prepare(run: Run, declaration: Declaration, match: Match) -> Prepared:
    """Plan what is declared, and put the diff and the instance as it is into the run. Nothing is changed.

    :raises OcoreError: when it cannot be done.
    """
    if declaration.absent:
        prepared = Prepared(
            declaration, make_plan(declaration, match.instance), match.instance or match.leaving, match.listing
        )
    else:
        prepared = _prepare_present(run, declaration, match)
    run.instance = prepared.current
    _set_diff(run, declaration, prepared.plan, prepared.current)
    return prepared


def _prepare_present(run: Run, declaration: Declaration, match: Match) -> Prepared:
    current, by_id = match.instance, match.listing is None
    if current is None and declaration.identity.id:
        gone = "is being removed" if match.leaving else "does not exist in this organization"
        raise OcoreError(
            f"Instance {declaration.identity.id} {gone}. oCore assigns ids, so none can be created with a given id: correct "
            "it, or leave it out to create an instance by slug or name."
        )
    declared = [name for name in (*IMMUTABLE, *UPDATABLE) if name in declaration.fields]
    if declaration.about_env_vars:
        declared.append("env_vars")
    if current is not None and not by_id and not all(map(current.was_sent, declared)):
        current, by_id = _read(run, current), True  # lists may be abridged
    plan = make_plan(declaration, current)
    if current is not None and not by_id and plan.update and not all(map(current.was_sent, UPDATABLE)):
        current, by_id = _read(run, current), True
        plan = make_plan(declaration, current)
    for warning in plan.warnings:
        run.warn(warning)
    if current is None and match.listing is not None:
        refuse_lookalike(declaration.fields, match.listing)
    return Prepared(declaration, plan, current, match.listing, by_id)


def _read(run: Run, current: Instance) -> Instance:
    found = run.client.get_instance(current.id)
    if found is None:
        raise OcoreError(f"Instance {current.label()} was removed while this task ran. Run the task again.")
    return found


def _set_diff(run: Run, declaration: Declaration, plan: Plan, current: Instance | None) -> None:
    run.set_diff(current.label() if current else str(declaration.identity), plan.before, plan.after)


def announce(run: Run, prepared: Prepared) -> None:
    """Do what check mode does instead of :func:`apply`: report what would be done."""
    run.actions.extend(prepared.plan.actions)
    run.instance = None if prepared.declaration.absent else predict(prepared.plan, prepared.current)


def apply(run: Run, prepared: Prepared) -> Steps[None]:
    """Apply the plan.

    :raises OcoreError: when that fails; ``run.actions`` tells what was done before.
    """
    if prepared.declaration.absent:
        yield from _apply_removal(run, prepared)
        run.instance = None
    elif prepared.current is None:
        run.instance = yield from _apply_creation(run, prepared)
    else:
        run.instance = yield from _apply_change(run, prepared, prepared.current)


# Creating


def _apply_creation(run: Run, prepared: Prepared) -> Steps[Instance]:
    """Create an instance, wait for it, and do what only follows on that."""
    declaration, plan = prepared.declaration, prepared.plan
    known = prepared.listing or Listing([], None, run.warn)
    fields = plan.create or {}
    created = create_once(run, fields, known)
    run.instance = created.instance
    if created.foreign:
        return (yield from _adopt(run, declaration, created.instance))
    run.actions.append("create")
    _refuse_other_identity(declaration, created.instance)
    current = created.instance
    if declaration.wait:
        current = yield from _wait_until_created(current)
    if created.doubtful or (declaration.wait and phase(created.instance) is not Phase.READY):
        report_twins(run, fields, known.ids(), current, created.doubtful)
    if created.doubtful:
        current = _completed(run, current)
        if _stored_otherwise(declaration, current):
            return (yield from _adopt(run, declaration, current))  # what was found may be another client's
    current = yield from _follow_up(run, declaration, plan, current)
    return (yield from apply_action(run, current, plan.action)) if plan.action else current


def _adopt(run: Run, declaration: Declaration, current: Instance) -> Steps[Instance]:
    """Go on with an instance that another client created meanwhile, as if it had been there at the look-up."""
    match = Match(current, listing=Listing([], None, run.warn))
    return (yield from _apply_change(run, prepare(run, declaration, match), current))


def _refuse_other_identity(declaration: Declaration, created: Instance) -> None:
    """Fail when oCore stored what identifies the instance differently: the next run would not find it."""
    differing, _unknown = compare_immutable(declaration, created)
    identity = declaration.identity
    stored = created.name if identity.key == "name" else None
    if stored is not None and normalized_name(stored) != normalized_name(identity.value):
        differing.append(f"name is {stored!r}, the task declares {identity.value!r}")
    if differing:
        raise OcoreError(
            f"Instance {created.label()} was created, but oCore stored different values: {'; '.join(differing)}. Put "
            f"oCore's values into the task, or identify the instance by id: {created.id}. Otherwise the next run does not "
            "find it and creates another one."
        )


def _follow_up(run: Run, declaration: Declaration, plan: Plan, current: Instance) -> Steps[Instance]:
    """Set what a creation cannot set, and warn about values that oCore stored differently."""
    if plan.update:
        current = _completed(run, current)
    correction = make_plan(declaration, current)
    ignored = _stored_otherwise(declaration, current)
    if ignored:
        run.warn(
            f"oCore created {current.label()} but stored other values than those sent for {', '.join(ignored)}; the next "
            "run will try to change them."
        )
    if correction.update and "mcp_write_enabled" in correction.after:
        current = yield from _update(run, declaration, current, correction.update)
    return current


def _completed(run: Run, current: Instance) -> Instance:
    """Return the instance with every field that an update sends, so that nothing which an answer left out gets lost."""
    return current if all(map(current.was_sent, UPDATABLE)) else _read(run, current)


def _stored_otherwise(declaration: Declaration, current: Instance) -> list[str]:
    """Return the fields that a creation has sent and that oCore shows with another value."""
    differing = set(make_plan(declaration, current).after) - {"status", "mcp_write_enabled"}
    return sorted(filter(current.was_sent, differing))


def _wait_until_created(current: Instance) -> Steps[Instance]:
    def done(now: Instance | None, elapsed: float) -> bool:
        if is_invisible_yet(now, elapsed):
            return False
        if phase(now) in (Phase.GONE, Phase.LEAVING):
            raise OcoreError(f"Instance {current.label()} was created but removed again while this task waited for it.")
        if now is not None and phase(now) is Phase.FAILED:
            raise OcoreError(
                f"Instance {current.label()} failed while it was being created: {describe_status(now)}. It was left as it "
                "is, so that you can look at it in oCore; state: absent removes it."
            )
        return phase(now) is Phase.READY

    found = yield Wait(current, "be created", done, current)
    return found or current


# Changing


def _apply_change(run: Run, prepared: Prepared, current: Instance) -> Steps[Instance]:
    """Apply a change to an existing instance, after the operation that is in progress on it."""
    declaration, plan, by_id = prepared.declaration, prepared.plan, prepared.by_id
    if declaration.wait and phase(current) not in SETTLED:
        current = yield from _wait_until_usable(current)
        by_id = run.listing is None  # a fleet waits by lists
        plan = _plan_again(run, declaration, current)
    elif phase(current) is Phase.FAILED and not plan.action:
        run.warn(
            f"Instance {current.label()} has {describe_status(current)}. This task only manages its settings: look at it in "
            "oCore."
        )
    if plan.update and "env_vars" in plan.update and not by_id:
        # An update sends all env vars: planned on an old entry of a list, it would undo what others set meanwhile.
        current = _read(run, current)
        plan = _plan_again(run, declaration, current)
    updated: Instance | None = None
    if plan.update:
        updated = current = yield from _update(run, declaration, current, plan.update)
    if plan.action and (plan.action != "restart" or phase(current) is not Phase.STOPPED):
        owed = updated is not None or plan.action == "restart"
        current = yield from (apply_owed_action if owed else apply_action)(run, current, plan.action)
    if updated is not None and current is not updated:
        _refuse_lost_env_vars(run, current, plan.update or {})
    return current


def _plan_again(run: Run, declaration: Declaration, current: Instance) -> Plan:
    plan = make_plan(declaration, current)
    _set_diff(run, declaration, plan, current)
    return plan


def _wait_until_usable(current: Instance) -> Steps[Instance]:
    """Wait for an operation that began before this task, for example a creation of an earlier run."""

    def done(now: Instance | None, elapsed: float) -> bool:
        if is_invisible_yet(now, elapsed):
            return False
        if now is None or phase(now) in (Phase.GONE, Phase.LEAVING):
            raise OcoreError(f"Instance {current.label()} was removed while this task waited for it.")
        if failed_since(current, now, elapsed):
            raise OcoreError(
                f"Instance {current.label()} failed while this task waited for it: {describe_status(now)}."
            )
        return phase(now) in (Phase.READY, Phase.STOPPED)

    found = yield Wait(current, "finish its current operation", done, current)
    return found or current


def _update(run: Run, declaration: Declaration, current: Instance, fields: Mapping[str, Any]) -> Steps[Instance]:
    """Send a PUT, check what it did, and wait when it restarts the instance.

    :raises OcoreError: when oCore keeps env vars that the update left out, or somebody else changed them meanwhile.
    """
    before = current
    try:
        current = run.client.update_instance(current, fields)
    except OcoreError as error:
        if not error.maybe_own_retry:
            raise
        current = _read(run, current)
        if declaration.wait:
            current = yield from _wait_until_usable(current)
        if ignored_fields(current, fields):
            raise
    run.actions.append("update")
    current = run.instance = _as_stored(run, current, fields)
    _check_update(run, current, fields)
    if fields.get("env_vars") and not declaration.purge_env_vars and not _completed(run, current).was_sent("env_vars"):
        raise OcoreError(
            f"Instance {current.label()} was updated, but oCore does not show its env vars at all. An update sends all of them, "
            f"so only {', '.join(sorted(fields['env_vars']))} may be left. Check them in oCore, and give env_vars in full, with "
            "purge_env_vars: true."
        )
    if declaration.wait and phase(current) not in SETTLED and phase(before) in SETTLED:
        current = yield from _wait_until_usable(current)
        _refuse_lost_env_vars(run, current, fields)
    return current


def _as_stored(run: Run, current: Instance, fields: Mapping[str, Any]) -> Instance:
    """Return the instance as an update has left it: an answer may show it as it was before, and a read lag behind."""
    for pause in SECOND_LOOKS:
        if not (_kept_env_vars(current, fields) or ignored_fields(current, fields)) or not run.clock.pause(pause):
            break
        current = _read(run, current)
    return current


def _kept_env_vars(current: Instance, fields: Mapping[str, Any]) -> list[str]:
    """Return the names of the env vars that an update left out and that are shown all the same."""
    return sorted(set(current.env_vars or {}) - set(fields.get("env_vars", current.env_vars or {})))


def _check_update(run: Run, current: Instance, fields: Mapping[str, Any]) -> None:
    """Compare the answer of an update with what was sent."""
    kept = _kept_env_vars(current, fields)
    if kept:
        raise OcoreError(
            f"Instance {current.label()} still shows the env vars {', '.join(kept)} although they were left out: oCore keeps "
            "them, or another client set them at the same time. Everything else was changed. Run the task again; if they stay, "
            "remove them in oCore, and do without purge_env_vars and remove_env_vars."
        )
    if ignored := ignored_fields(current, fields):
        lost = lost_env_vars(current, fields["env_vars"]) if "env_vars" in ignored else []
        names = [f"env_vars ({', '.join(lost)})" if name == "env_vars" else name for name in ignored]
        run.warn(
            f"oCore accepted the update of {current.label()} but shows another value of {', '.join(names)}. If another "
            "client changed it at the same time, run the task again."
        )


def _refuse_lost_env_vars(run: Run, current: Instance, sent: Mapping[str, Any]) -> None:
    """Fail when env vars that this task sent are gone by its end: another client has overwritten them."""
    lost = lost_env_vars(current, sent.get("env_vars") or {}) if current.was_sent("env_vars") else []
    if lost and run.listing is not None and (now := run.client.get_instance(current.id)) is not None:
        lost = lost_env_vars(now, sent["env_vars"])  # a fleet waits by lists, which may lag behind
    if lost:
        raise OcoreError(
            f"Another client changed the env vars of instance {current.label()} while this task ran: {', '.join(lost)} "
            f"{'is' if len(lost) == 1 else 'are'} no longer as sent. Run the task again when the other client has finished."
        )


# Removing


def _apply_removal(run: Run, prepared: Prepared) -> Steps[None]:
    declaration, current = prepared.declaration, prepared.current
    if current is None:
        return
    if prepared.plan.delete:
        try:
            run.client.delete_instance(current)
        except OcoreError as error:
            if not (error.maybe_own_retry and (yield from _is_leaving(run, declaration, current))):
                raise
        run.actions.append("delete")
    if declaration.wait:
        yield from _wait_until_gone(current)


def _is_leaving(run: Run, declaration: Declaration, current: Instance) -> Steps[bool]:
    """Return whether the operation in progress is the removal, waiting for its end where only that shows it."""
    now = run.client.get_instance(current.id)
    if phase(now) is Phase.PROGRESS and declaration.wait:
        over = {*SETTLED, Phase.LEAVING}
        now = yield Wait(current, "finish its current operation", lambda seen, _elapsed: phase(seen) in over, now)
    return phase(now) in (Phase.LEAVING, Phase.GONE)


def _wait_until_gone(current: Instance) -> Steps[None]:
    """Wait until oCore answers 404, says deleted, or no longer lists the instance."""

    def done(now: Instance | None, elapsed: float) -> bool:
        if now is not None and failed_since(current, now, elapsed):
            raise OcoreError(f"The removal of instance {current.label()} failed: {describe_status(now)}.")
        return phase(now) is Phase.GONE

    yield Wait(current, "be removed", done, current, until_gone=True)


OPERATION = Operation(
    name="ocore_instance",
    spec={**AUTH_SPEC, **WAIT_SPEC, **DECLARATION_SPEC, "reveal_env_vars": {"type": "bool", "default": False}},
    rules={"required_one_of": [("id", "slug", "name")], "mutually_exclusive": DECLARATION_EXCLUDES},
    execute=execute,
)
