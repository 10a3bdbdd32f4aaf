# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance as declared: create it, change it, remove it.

``plan_present`` and ``plan_absent`` decide without any request; ``execute`` reads, plans, and outside check mode applies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    CREATABLE,
    IMMUTABLE,
    UPDATABLE,
    Instance,
    to_wire,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops import control
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import (
    AUTH_SPEC,
    IDENTITY_SPEC,
    WAIT_SPEC,
    Spec,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Match, describe, find
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import (
    SETTLED,
    Phase,
    Steps,
    Wait,
    failed_since,
    phase,
    reason,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Task, follow

#: Compared without regard to case: their spelling on the wire is not documented (edition), or has no case (UUIDs, slugs).
_CASELESS = frozenset(IMMUTABLE) - {"odoo_version"}

#: A value that stands for a secret the API does not show: a run of mask characters.
_MASKED = re.compile(r"\*{3,}|[•●]{3,}")

CREATE_LOOKS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the looks for an instance whose creation got no answer: the work may end after the connection did."""

#: What declares an instance; shared with the fleet.
WANTED_SPEC: Spec = {
    **IDENTITY_SPEC,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "server_id": {"type": "str"},
    "odoo_version": {"type": "str"},
    "odoo_edition": {"type": "str"},
    "template_id": {"type": "str"},
    "project_id": {"type": "str"},
    "environment_type": {"type": "str"},
    "branch": {"type": "str"},
    "addons_path": {"type": "str"},
    "env_vars": {"type": "dict"},
    "purge_env_vars": {"type": "bool", "default": False},
    "mcp_write_enabled": {"type": "bool"},
    "restart_on_change": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Plan:
    """What leads from an instance to the one wanted.

    :param create: snake_case fields of the POST; null for none.
    :param update: snake_case fields of the PUT; null for none.
    :param delete: whether a DELETE is sent.
    :param restart: whether a restart follows.
    :param before, after: what differs, for ``--diff``; env values are masked unless they may be revealed.
    :param warnings: sentences for the user.
    """

    create: Mapping[str, Any] | None = None
    update: Mapping[str, Any] | None = None
    delete: bool = False
    restart: bool = False
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        """Give the actions in their order: create, update, delete, restart."""
        wanted = {"create": self.create, "update": self.update, "delete": self.delete, "restart": self.restart}
        return [name for name, value in wanted.items() if value not in (None, False)]


def wanted_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of the instance that the options ask for, env values as text.

    :raises OcoreError: when an env var has no text form; the value is not shown.
    """
    fields = {name: options[name] for name in (*CREATABLE, "mcp_write_enabled") if options.get(name) is not None}
    # A survey question that was left open arrives as an empty text; only addons_path can sensibly be emptied.
    fields = {name: value for name, value in fields.items() if value != "" or name == "addons_path"}
    if "env_vars" in fields:
        fields["env_vars"] = {str(key): _env_text(str(key), value) for key, value in fields["env_vars"].items()}
    return fields


def _env_text(key: str, value: object) -> str:
    """Write a scalar as YAML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if _MASKED.fullmatch(value.removesuffix(" (changed)")):
            raise OcoreError(
                f"env_vars: {key} is a mask, not a value. Results hold masks in place of env values; read them with "
                "reveal_env_vars to use them again."
            )
        return str(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if value is None:
        raise OcoreError(
            f"env_vars: {key} is null. Give it a text ('' for an empty one); to remove a variable, leave it out and set "
            "purge_env_vars."
        )
    raise OcoreError(f"env_vars: {key} is a {type(value).__name__}; an environment variable holds text only.")


def plan_absent(current: Instance | None) -> Plan:
    """Plan the removal."""
    if current is None:
        return Plan(before={}, after={})
    return Plan(delete=True, before={"id": current.id, "name": current.name, "status": current.status}, after={})


def plan_present(options: Mapping[str, Any], current: Instance | None) -> Plan:
    """Plan the creation or change.

    :param options: the options of ocore_instance.
    :param current: the instance as it is; null when there is none.
    :raises OcoreError: when it can't be done: something needed is missing, or a field differs that nothing can change.
    """
    wanted = wanted_fields(options)
    return _plan_create(options, wanted) if current is None else _plan_change(options, wanted, current)


def _plan_create(options: Mapping[str, Any], wanted: dict[str, Any]) -> Plan:
    missing = [name for name in ("name", "server_id") if not wanted.get(name)]
    if missing:
        raise OcoreError(
            f"There is no instance with {describe(options)}, and creating it needs {' and '.join(missing)} as well."
        )
    after = {**wanted, "env_vars": _shown(wanted.get("env_vars", {}), {}, options)}
    if not after["env_vars"]:
        del after["env_vars"]
    return Plan(
        create={name: wanted[name] for name in CREATABLE if name in wanted},
        update={"mcp_write_enabled": True} if wanted.get("mcp_write_enabled") else None,
        before={},
        after=after,
    )


def _plan_change(options: Mapping[str, Any], wanted: dict[str, Any], current: Instance) -> Plan:
    warnings = _check_immutable(wanted, current)
    fields = {name: getattr(current, name) for name in UPDATABLE}
    target = {**fields, **{name: wanted[name] for name in UPDATABLE if name in wanted}}
    have = current.env_vars or {}
    given: dict[str, Any] | None = wanted.get("env_vars")
    if given is not None:
        masked = sorted(key for key in given if _is_masked(have.get(key)) and given[key] != have[key])
        if masked:
            warnings.append(
                f"oCore does not show the values of {', '.join(masked)} in env_vars of {current.label()}: only the names "
                "were compared, so a changed value alone goes unnoticed."
            )
        kept = {} if options["purge_env_vars"] else have
        target["env_vars"] = {**kept, **given}
    changed = [name for name in UPDATABLE if _differs(name, fields[name], target[name])]
    if not changed:
        return Plan(before={}, after={}, warnings=tuple(warnings))
    lost = sorted(
        key for key, value in (target["env_vars"] or {}).items() if _is_masked(value) and key not in (given or {})
    )
    if lost:
        raise OcoreError(
            f"Cannot update instance {current.label()}: oCore masks the values of env vars, and an update sends all of "
            f"them, so the masks of {', '.join(lost)} would overwrite their values. Nothing was sent. Give env_vars in "
            "full, with purge_env_vars: true."
        )
    before: dict[str, Any] = {name: fields[name] for name in changed}
    after: dict[str, Any] = {name: target[name] for name in changed}
    if "env_vars" in changed:
        before["env_vars"] = _shown(have, have, options)
        after["env_vars"] = _shown(target["env_vars"], have, options)
    if not target["env_vars"] and given is None:
        target["env_vars"] = None
    return Plan(
        # A null is left out: the API's type is text, and what is null stays so. Neither is an empty set of env vars sent
        # that nobody asked for, since it might mean more than none.
        update={name: value for name, value in target.items() if value is not None},
        restart=bool(options["restart_on_change"]) and phase(current) is not Phase.STOPPED,
        before=before,
        after=after,
        warnings=tuple(warnings),
    )


def _check_immutable(wanted: Mapping[str, Any], current: Instance) -> list[str]:
    """Compare what only a creation can set.

    :returns: warnings about what oCore does not show.
    :raises OcoreError: when something differs.
    """
    differing, unknown = _compare_immutable(wanted, current)
    if differing:
        raise OcoreError(
            f"Instance {current.label()} can't be changed as wanted: {differing}. oCore sets this when an instance is "
            "created and offers no way to change it. Nothing was sent. Correct the task, or remove the instance and "
            "create it anew yourself if its data may be lost."
        )
    if not unknown:
        return []
    return [f"oCore does not show {', '.join(unknown)} of {current.label()}, so it could not be compared."]


def _compare_immutable(wanted: Mapping[str, Any], current: Instance) -> tuple[str, list[str]]:
    """Give the differences as text, and the names of wanted fields that oCore does not show."""
    differing, unknown = [], []
    for name in IMMUTABLE:
        have, want = getattr(current, name), wanted.get(name)
        if want is None:
            continue
        if have is None:
            unknown.append(name)
        elif have != want and not (name in _CASELESS and have.casefold() == str(want).casefold()):
            differing.append(f"{name} is {have!r}, wanted {want!r}")
    return "; ".join(differing), unknown


def _is_masked(value: object) -> bool:
    return isinstance(value, str) and _MASKED.search(value) is not None


def _differs(name: str, have: Any, want: Any) -> bool:
    """Compare an updatable field. An answer that leaves out what is empty or false means the same."""
    if name != "env_vars":
        return (have or None) != (want or None)
    have, want = have or {}, want or {}
    return set(have) != set(want) or any(
        have[key] != value and not _is_masked(have[key]) for key, value in want.items()
    )


def _shown(env_vars: Mapping[str, Any], before: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Give env vars for a diff: without values, a changed one marked, unless they may be revealed."""
    if options.get("reveal_env_vars"):
        return dict(env_vars)
    return {
        key: f"{MASK} (changed)" if key in before and before[key] != value and not _is_masked(before[key]) else MASK
        for key, value in env_vars.items()
    }


def predicted(plan: Plan, current: Instance | None) -> Instance | None:
    """Give the instance as it will look once the plan is applied; fields that oCore fills in are null."""
    if plan.delete:
        return None
    fields = {**(plan.create or {}), **(plan.update or {})}
    if current is None:
        return Instance.model_validate(to_wire({**fields, "status": "creating"})) if plan.create else None
    return current.model_copy(update=fields)


def execute(task: Task) -> None:
    """Bring one instance to the state wanted.

    :raises OcoreError: when that fails; ``task.actions`` tells what was done before.
    """
    options = task.options
    wanted = wanted_fields(options)
    task.client.scrub.add(wanted.get("env_vars", {}).values())
    match = find(task.client, options)
    draft = prepare(task, match)
    if task.check_mode:
        foresee(task, draft)
    else:
        follow(task, apply(task, draft))


@dataclass(frozen=True)
class Draft:
    """A plan with what it was made from.

    :param current: the instance as it is, perhaps being removed; null when there is none.
    :param listing: the list in which it was looked up; null for a look-up by id.
    """

    plan: Plan
    current: Instance | None
    listing: Listing | None


def prepare(task: Task, match: Match) -> Draft:
    """Plan what the task wants, and put the diff and the instance as it is into the task. Nothing is changed.

    :raises OcoreError: when it can't be done.
    """
    if task.options["state"] != "absent":
        return _prepare_present(task, match)
    plan = plan_absent(match.instance)
    task.instance = match.instance or match.leaving
    task.result["diff"] = _diff(task, plan, task.instance)
    return Draft(plan, task.instance, match.listing)


def foresee(task: Task, draft: Draft) -> None:
    """Do what check mode does instead of :func:`apply`: tell what would be done."""
    task.actions.extend(draft.plan.actions)
    task.instance = None if task.options["state"] == "absent" else predicted(draft.plan, draft.current)


def apply(task: Task, draft: Draft) -> Steps[None]:
    """Do what was planned.

    :raises OcoreError: when that fails; ``task.actions`` tells what was done before.
    """
    if task.options["state"] != "absent":
        if draft.current is None:
            task.instance = yield from create(task, draft.plan, draft.listing or Listing([], None, task.warn))
        else:
            task.instance = yield from change(task, draft.plan, draft.current)
        return
    if draft.plan.delete and draft.current:
        yield from remove(task, draft.current)
    elif draft.current and task.options["wait"]:
        yield from wait_until_gone(draft.current, draft.current)
    task.instance = None


def _prepare_present(task: Task, match: Match) -> Draft:
    options, current = task.options, match.instance
    wanted = wanted_fields(options)
    if current is None and options.get("id"):
        gone = "is being removed" if match.leaving else "does not exist in this organization"
        raise OcoreError(
            f"Instance {options['id']} {gone}. An id is given by oCore, so an instance can't be created with it: "
            "correct it, or leave it out to have an instance created by slug or name."
        )
    listed = match.listing is not None
    if current is not None and listed and _needs_details(wanted, current):
        current = _details(task, current)
        listed = False
    plan = plan_present(options, current)
    if current is not None and listed and plan.update and not all(current.was_sent(name) for name in UPDATABLE):
        current = _details(task, current)
        plan = plan_present(options, current)
    task.instance = current
    task.result["diff"] = _diff(task, plan, current)
    for warning in plan.warnings:
        task.warn(warning)
    if current is None and match.listing is not None:
        _check_creatable(wanted, match.listing)
    return Draft(plan, current, match.listing)


def _needs_details(wanted: Mapping[str, Any], current: Instance) -> bool:
    """Tell whether the entry of a list lacks a field that has to be compared; lists may be abridged."""
    return any(not current.was_sent(name) for name in (*IMMUTABLE, *UPDATABLE) if name in wanted)


def _details(task: Task, current: Instance) -> Instance:
    found = task.client.get_instance(current.id)
    if found is None:
        raise OcoreError(f"Instance {current.label()} was removed while this task ran. Run the task again.")
    return found


def _check_creatable(wanted: Mapping[str, Any], listing: Listing) -> None:
    """Refuse a creation that could make a second instance of the same kind.

    :raises OcoreError: when the slug exists in another spelling.
    """
    slug = _plain(wanted.get("slug"))
    if not slug:
        return
    twins = listing.matching(
        lambda item: (
            item["name"] == wanted["name"] and _same_server(item, wanted) and _plain(item["slug"]).startswith(slug)
        )
    )
    twins = [twin for twin in twins if phase(twin) not in (Phase.GONE, Phase.LEAVING)]
    if twins:
        raise OcoreError(
            f"There is no instance with slug {wanted['slug']}, but {twins[0].label()} has the same name on the same server, "
            f"and oCore may write slugs its own way. Nothing was created. If that is the one, use slug: {twins[0].slug} or "
            f"id: {twins[0].id}; if not, choose another name or slug."
        )


def _same_server(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether an entry of a list is on the wanted server; one that does not say counts as being there."""
    server = str(wanted["server_id"])
    return str(item["server_id"] or server).casefold() == server.casefold()


def _plain(slug: object) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(slug or "").casefold()).strip("-")


def _diff(task: Task, plan: Plan, current: Instance | None) -> dict[str, Any]:
    title = f"instance {current.label() if current else describe(task.options)}"
    return {
        "before": dict(plan.before or {}),
        "after": dict(plan.after or {}),
        "before_header": title,
        "after_header": title,
    }


def create(task: Task, plan: Plan, known: Listing) -> Steps[Instance]:
    """Create an instance, wait for it, and set what only a PUT can set.

    :param known: the list in which it was not found.
    :returns: the instance as seen last.
    """
    options, wanted = task.options, wanted_fields(task.options)
    current = task.instance = _create_once(task, plan.create or {}, known)
    task.actions.append("create")
    differing, _unknown = _compare_immutable(wanted, current)
    if differing:
        raise OcoreError(
            f"Instance {current.label()} was created, but oCore wrote it its own way: {differing}. Put oCore's value into "
            "the task, or the next run will not recognize the instance."
        )
    if options["wait"]:
        current = yield from _wait_until_created(current)
    if plan.update and not all(current.was_sent(name) for name in UPDATABLE):
        # The update sends all of these, so that what the answer left out has to be known.
        current = _details(task, current)
    follow_up = _plan_change(options, wanted, current)
    differing_fields = set(follow_up.after or {})
    ignored = sorted(name for name in differing_fields - {"mcp_write_enabled"} if current.was_sent(name))
    if ignored:
        task.warn(
            f"oCore created {current.label()} but shows other values than those sent for {', '.join(ignored)}; the next "
            "run will try to change them."
        )
    if follow_up.update and "mcp_write_enabled" in differing_fields:
        current = yield from update(task, current, follow_up.update)
    return current


def _create_once(task: Task, fields: Mapping[str, Any], known: Listing) -> Instance:
    """Send the create request until it is answered, never making two.

    After an answer that leaves it open the instance is looked for, and the request is repeated only when it is not found.
    """
    before = known.ids()
    retries = int(task.options["retries"])
    for tries_left in range(retries, -1, -1):
        repeated = tries_left < retries
        try:
            created = task.client.create_instance(fields)
        except OcoreError as error:
            if not error.uncertain and not (repeated and error.status == 409):
                raise
            found = _look_for_new(task, fields, before, error)
            if found is not None:
                task.warn(
                    f"The create request got no usable answer, but instance {found.label()} exists since: it is taken over."
                )
                return found
            if not error.uncertain or tries_left == 0 or task.clock.expired():
                error.message += " The instance was looked for afterwards and does not exist."
                raise
        else:
            if repeated:
                _check_single(task, fields, before)
            return created
    raise AssertionError("unreachable: the last try returns or raises")


def _look_for_new(task: Task, fields: Mapping[str, Any], before: set[str], cause: OcoreError) -> Instance | None:
    """Look for the instance that a create request may have made, several times over some seconds.

    :param cause: what the create request ended in.
    :raises OcoreError: when that can't be told: the look fails as well, or shows something else.
    """
    slug = _plain(fields.get("slug"))
    found: list[Instance] = []
    for pause in CREATE_LOOKS:
        task.clock.pause(pause)
        try:
            found = _new_instances(task, fields, before)
        except OcoreError as error:
            cause.message += (
                f" Whether the instance was created is not known, since looking for it failed as well: {error.message} "
                "The create request was not repeated; run the task again, which looks for the instance first."
            )
            raise cause from None
        exact = [i for i in found if slug in ("", _plain(i.slug))]
        if len(exact) > 1:
            raise _twice(exact)
        if exact:
            return exact[0]
    if found:
        cause.message += (
            f" Since then there is {', '.join(sorted(i.label() for i in found))} with the same name on the same server, "
            "but another slug. The create request was not repeated: if that is the instance, put its slug into the task."
        )
        raise cause
    return None


def _new_instances(task: Task, fields: Mapping[str, Any], before: set[str]) -> list[Instance]:
    """Give the instances that were not there before and have the slug, or the name and the server, of the request."""
    slug = _plain(fields.get("slug"))
    return task.client.list_instances().matching(
        lambda item: (
            str(item["id"]) not in before
            and (
                (slug != "" and _plain(item["slug"]) == slug)
                or (item["name"] == fields["name"] and _same_server(item, fields))
            )
        )
    )


def _check_single(task: Task, fields: Mapping[str, Any], before: set[str]) -> None:
    """Make sure that a repeated create request made one instance only.

    A failure to look is no reason to call the creation failed: the instance is there.
    """
    try:
        found = _new_instances(task, fields, before)
    except OcoreError as error:
        task.warn(f"Whether the repeated create request made a second instance could not be checked: {error.message}")
        return
    slug = _plain(fields.get("slug"))
    found = [i for i in found if _plain(i.slug).startswith(slug)]  # another task may create one of the same name
    if len(found) > 1:
        raise _twice(found)


def _twice(found: list[Instance]) -> OcoreError:
    return OcoreError(
        f"Several new instances fit the one to be created: {', '.join(sorted(i.label() for i in found))}. An earlier "
        "request was carried out late, or another client works at the same time. None was removed: decide which one to "
        "keep and name it by id."
    )


def _wait_until_created(current: Instance) -> Steps[Instance]:
    def done(now: Instance | None, _elapsed: float) -> bool:
        if phase(now) in (Phase.GONE, Phase.LEAVING):
            raise OcoreError(f"Instance {current.label()} was created but removed again while it was waited for.")
        if now is not None and phase(now) is Phase.FAILED:
            raise OcoreError(
                f"Instance {current.label()} failed while it was being created: {reason(now)}. It was left as it is, so "
                "that you can look at it in oCore; state: absent removes it."
            )
        return phase(now) is Phase.READY

    return (yield from control.settle(current, "be created", done, current))


def change(task: Task, plan: Plan, current: Instance) -> Steps[Instance]:
    """Apply a change to an existing instance, and wait for what is under way on it.

    :returns: the instance as seen last.
    """
    if task.options["wait"] and phase(current) not in SETTLED:
        current = yield from _wait_until_settled(current)
        # What was under way may have changed it, and an update sends everything.
        plan = plan_present(task.options, current)
        task.result["diff"] = _diff(task, plan, current)
    elif phase(current) is Phase.FAILED:
        task.warn(
            f"Instance {current.label()} has {reason(current)}. This task takes care of its settings only: what is wrong "
            "with it has to be looked at in oCore."
        )
    if plan.update:
        current = yield from update(task, current, plan.update)
    if plan.restart and phase(current) is not Phase.STOPPED:
        current = yield from control.perform(task, current, "restart")
    return current


def _wait_until_settled(current: Instance) -> Steps[Instance]:
    """Wait for something that was under way before this task, for example a creation of an earlier run."""

    def done(now: Instance | None, elapsed: float) -> bool:
        if now is None or phase(now) in (Phase.GONE, Phase.LEAVING):
            raise OcoreError(f"Instance {current.label()} was removed while this task waited for it.")
        if failed_since(current, now, elapsed):
            raise OcoreError(f"Instance {current.label()} failed while this task waited for it: {reason(now)}.")
        return phase(now) in (Phase.READY, Phase.STOPPED)

    return (yield from control.settle(current, "finish what is under way", done, current))


def update(task: Task, current: Instance, fields: Mapping[str, Any]) -> Steps[Instance]:
    """Send a PUT, check what it did, and wait when it restarts the instance.

    :raises OcoreError: when oCore keeps env vars that the update left out.
    """
    before = current
    try:
        current = task.client.update_instance(current, fields)
    except OcoreError as error:
        if not error.overtaken:
            raise
        current = _details(task, current)
        if task.options["wait"]:
            current = yield from _wait_until_settled(current)
        if _ignored(current, fields):
            raise
    task.instance = current
    task.actions.append("update")
    kept = sorted(set(current.env_vars or {}) - set(fields.get("env_vars", current.env_vars or {})))
    if kept:
        raise OcoreError(
            f"oCore kept the env vars {', '.join(kept)} of instance {current.label()} although the update left them out; "
            "the rest of the update is done. Remove them in oCore, or use purge_env_vars: false."
        )
    if ignored := _ignored(current, fields):
        task.warn(
            f"oCore accepted the update of {current.label()} but still shows the old value of {', '.join(ignored)}."
        )
    if task.options["wait"] and phase(current) not in SETTLED and phase(before) in SETTLED:
        current = yield from _wait_until_settled(current)
    return current


def _ignored(current: Instance, fields: Mapping[str, Any]) -> list[str]:
    """Give the names of the fields of an update that the instance shows with another value."""
    return [name for name in fields if current.was_sent(name) and _differs(name, getattr(current, name), fields[name])]


def remove(task: Task, current: Instance) -> Steps[None]:
    """Ask for the removal and, unless the task does not wait, wait until the instance is gone."""
    try:
        task.client.delete_instance(current)
    except OcoreError as error:
        if not (error.overtaken and (yield from _is_leaving(task, current))):
            raise
    task.actions.append("delete")
    if task.options["wait"]:
        yield from wait_until_gone(current, None)


def _is_leaving(task: Task, current: Instance) -> Steps[bool]:
    """Tell whether what is under way on an instance is its removal, waiting for it where only the end shows that."""
    now = task.client.get_instance(current.id)
    if phase(now) is Phase.PROGRESS and task.options["wait"]:
        over = {*SETTLED, Phase.LEAVING}
        now = yield Wait(current, "finish what is under way", lambda seen, _elapsed: phase(seen) in over, now)
    return phase(now) in (Phase.LEAVING, Phase.GONE)


def wait_until_gone(current: Instance, before: Instance | None) -> Steps[None]:
    """Wait until oCore answers 404, says deleted, or does not list the instance any more.

    :param before: the instance as it was before it was seen leaving, to tell an old failure from a new one.
    """

    def done(now: Instance | None, elapsed: float) -> bool:
        if now is not None and failed_since(before or current, now, elapsed):
            raise OcoreError(f"The removal of instance {current.label()} failed: {reason(now)}.")
        return phase(now) is Phase.GONE

    yield Wait(current, "be removed", done, current, until_gone=True)


OPERATION = Operation(
    name="ocore_instance",
    spec={**AUTH_SPEC, **WAIT_SPEC, **WANTED_SPEC, "reveal_env_vars": {"type": "bool", "default": False}},
    rules={"required_one_of": [("id", "slug", "name")]},
    execute=execute,
)
