# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task declares about one instance, and the plan that leads there. Nothing here sends a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    CREATABLE,
    IMMUTABLE,
    UPDATABLE,
    Instance,
    normalized_name,
    to_wire,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK, is_full_mask, is_mask
from ansible_collections.ocore.cloud.plugins.module_utils._api.times import parse_time
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import Identity
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import SETTLED, Phase, action_for, phase

#: Compared without regard to case: the spelling on the wire is not documented (edition), or case means nothing (UUIDs,
#: slugs).
_CASELESS = frozenset(IMMUTABLE) - {"odoo_version"}

_CHANGED = f"{MASK} (changed)"
"""How a diff shows an env var with a new value."""

RESTART_ENDS_WITHIN = timedelta(minutes=2)
"""A save this soon after a restart or a creation may be the end of it, so that it shows no change made later."""
SAME_SAVE = timedelta(seconds=2)
"""Times of one save differ by less than this."""

_STATUS_AFTER = {"start": "running", "stop": "stopped", "restart": "running (restarted)"}


@dataclass(frozen=True)
class Declaration:
    """What a task declares about one instance.

    :param fields: the given fields of the instance by snake_case name; env values are text.
    :param server: name or id of the server, still to be looked up; ``None`` where ``fields`` holds its id, or none is given.
    :param power: started, stopped, or ``None`` for either.
    :param remove_env_vars: names of env vars that the instance shall not have.
    """

    identity: Identity
    absent: bool
    fields: Mapping[str, Any]
    purge_env_vars: bool
    restart_on_change: bool
    power: str | None
    reveal: bool
    wait: bool
    server: str | None = None
    remove_env_vars: frozenset[str] = frozenset()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Declaration:
        """Read cleaned options of ``DECLARATION_SPEC``, with ``wait`` and ``reveal_env_vars``.

        :raises OcoreError: when nothing identifies the instance, when an env var has no text form (its value is not shown), or
            when one is both declared and to be removed.
        """
        fields = _fields(options)
        return cls(
            identity=Identity.from_options(options),
            absent=options["state"] == "absent",
            fields=fields,
            purge_env_vars=bool(options["purge_env_vars"]),
            remove_env_vars=_removed_env_vars(options, fields),
            restart_on_change=bool(options["restart_on_change"]),
            power=options["power"],
            reveal=bool(options["reveal_env_vars"]),
            wait=bool(options["wait"]),
            # What is to be removed is removed wherever it is.
            server=options["server"] if options["state"] != "absent" else None,
        )

    def on_server(self, ids: Mapping[str, str]) -> Declaration:
        """Return the declaration with the id of its server in its fields.

        :param ids: the id of each server by the text that names it.
        """
        if self.server is None:
            return self
        return replace(self, server=None, fields={**self.fields, "server_id": ids[self.server]})

    @property
    def env_vars(self) -> Mapping[str, str]:
        """Return the declared environment variables; empty when none are declared."""
        return self.fields.get("env_vars") or {}

    @property
    def about_env_vars(self) -> bool:
        """Return whether anything is declared about environment variables."""
        return "env_vars" in self.fields or bool(self.remove_env_vars)


def _removed_env_vars(options: Mapping[str, Any], fields: Mapping[str, Any]) -> frozenset[str]:
    names = frozenset(options.get("remove_env_vars") or ())
    if "" in names:
        raise OcoreError("remove_env_vars has an empty entry, which names no environment variable. Nothing was sent.")
    both = sorted(names & set(fields.get("env_vars") or {}))
    if both:
        raise OcoreError(
            f"env_vars and remove_env_vars both name {', '.join(both)}. Nothing was sent. Decide for one of them."
        )
    return names


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: options.get(name) for name in (*CREATABLE, "mcp_write_enabled")}
    # An empty text, such as a survey question left open, declares nothing; only addons_path can sensibly be emptied.
    fields = {name: v for name, v in fields.items() if v is not None and (v != "" or name == "addons_path")}
    if "env_vars" in fields:
        fields["env_vars"] = {str(key): _env_text(str(key), value) for key, value in fields["env_vars"].items()}
    return fields


def _env_text(key: str, value: object) -> str:
    """Return a scalar as YAML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value == _CHANGED or is_full_mask(value):
            raise OcoreError(
                f"env_vars: {key} is a mask, not a value. Results show masks in place of values; read the instance with "
                "reveal_env_vars to reuse its values."
            )
        return str(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if value is None:
        raise OcoreError(
            f"env_vars: {key} is null. Give it a value ('' for an empty one); to remove a variable, name it in "
            "remove_env_vars instead."
        )
    raise OcoreError(f"env_vars: {key} is a {type(value).__name__}; an environment variable holds text only.")


@dataclass(frozen=True)
class Plan:
    """What leads from an instance to the declared one.

    :param create: snake_case fields of the POST; ``None`` for none.
    :param update: snake_case fields of the PUT; ``None`` for none.
    :param delete: whether a DELETE is sent.
    :param action: the lifecycle action that follows: start, stop or restart; ``None`` for none.
    :param before, after: what differs, for ``--diff``; env values are masked unless they may be revealed.
    :param warnings: sentences for the user.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    create: Mapping[str, Any] | None = None
    update: Mapping[str, Any] | None = None
    delete: bool = False
    action: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        """Return the actions in their order: create, update, delete, then start, stop or restart."""
        steps = (("create", self.create), ("update", self.update), ("delete", self.delete or None))
        return [name for name, step in steps if step is not None] + ([self.action] if self.action else [])


def make_plan(declaration: Declaration, current: Instance | None) -> Plan:
    """Plan what leads from ``current`` to the declared instance.

    :param current: the instance as it is; ``None`` when there is none.
    :raises OcoreError: when a field is missing, or one differs that oCore cannot change.
    """
    if declaration.absent:
        return _plan_removal(declaration, current)
    return _plan_creation(declaration) if current is None else _plan_change(declaration, current)


def _plan_removal(declaration: Declaration, current: Instance | None) -> Plan:
    if current is None:
        return Plan({}, {})
    shown = {name: getattr(current, name) for name in ("id", "name", "slug", "status", "server_id")}
    domains = [entry.domain for entry in current.domains or [] if entry.domain]
    env_vars = shown_env_vars(current.env_vars or {}, {}, declaration.reveal)
    before = {**shown, "domains": domains, "env_vars": env_vars}
    return Plan({name: value for name, value in before.items() if value}, {}, delete=True)


def _plan_creation(declaration: Declaration) -> Plan:
    fields = declaration.fields
    needed = {"name": "name", "server_id": "server (or server_id)"}
    missing = [words for name, words in needed.items() if not fields.get(name)]
    if missing:
        raise OcoreError(
            f"There is no instance with {declaration.identity}, and creating it needs {' and '.join(missing)} as well."
        )
    stop = declaration.power == "stopped"
    after = dict(fields)
    if declaration.env_vars:
        after["env_vars"] = shown_env_vars(declaration.env_vars, {}, declaration.reveal)
    else:
        after.pop("env_vars", None)
    return Plan(
        {},
        {**after, "status": "stopped"} if stop and declaration.wait else after,
        create={name: fields[name] for name in CREATABLE if name in fields},
        update={"mcp_write_enabled": True} if fields.get("mcp_write_enabled") else None,
        # A new instance runs as soon as it is there, so only stopping needs an action; and only when it is there.
        action="stop" if stop and declaration.wait else None,
        warnings=(_postponed("The new instance", "stopped"),) if stop and not declaration.wait else (),
    )


def _plan_change(declaration: Declaration, current: Instance) -> Plan:
    warnings = check_immutable(declaration, current)
    fields = {name: getattr(current, name) for name in UPDATABLE}
    target = {**fields, **{name: declaration.fields[name] for name in UPDATABLE if name in declaration.fields}}
    if declaration.about_env_vars:
        target["env_vars"] = _merged_env_vars(declaration, current)
        warnings += _warn_of_masks(declaration, current)
    changed = [name for name in UPDATABLE if _differs(declaration, name, fields[name], target[name])]
    if changed:
        _refuse_to_write_masks(declaration, current, target["env_vars"] or {})
    before: dict[str, Any] = {name: fields[name] for name in changed}
    after: dict[str, Any] = {name: target[name] for name in changed}
    if "env_vars" in changed:
        have = current.env_vars or {}
        before["env_vars"] = shown_env_vars(have, have, declaration.reveal)
        after["env_vars"] = shown_env_vars(target["env_vars"], have, declaration.reveal)
    action, postponed = _planned_action(declaration, current, bool(changed))
    if action:
        before["status"], after["status"] = current.status, _STATUS_AFTER[action]
    return Plan(
        before,
        after,
        update=_update_body(declaration, target, changed) if changed else None,
        action=action,
        warnings=(*warnings, *postponed),
    )


def _merged_env_vars(declaration: Declaration, current: Instance) -> dict[str, Any]:
    """Return the env vars as they have to be: the given ones, and those that stay."""
    purge = declaration.purge_env_vars and "env_vars" in declaration.fields
    kept = {} if purge else current.env_vars or {}
    return {**{name: kept[name] for name in kept if name not in declaration.remove_env_vars}, **declaration.env_vars}


def _warn_of_masks(declaration: Declaration, current: Instance) -> list[str]:
    have = current.env_vars or {}
    masked = sorted(k for k, value in declaration.env_vars.items() if is_mask(have.get(k)) and value != have[k])
    if not masked:
        return []
    about = f"oCore masks the values of {', '.join(masked)} in env_vars of {current.label()}"
    if declaration.purge_env_vars:
        return [f"{about}, so they cannot be compared; purge_env_vars writes them in every run."]
    return [f"{about}: only the names were compared, so a changed value alone goes unnoticed."]


def _refuse_to_write_masks(declaration: Declaration, current: Instance, target: Mapping[str, Any]) -> None:
    """Refuse an update that would overwrite values with the masks that the API shows instead of them."""
    # The type is text, so null is no value either.
    lost = sorted(
        key for key, value in target.items() if key not in declaration.env_vars and (value is None or is_mask(value))
    )
    if lost:
        raise OcoreError(
            f"Cannot update instance {current.label()}: oCore masks the values of env vars, and an update sends all of "
            f"them, so the masks of {', '.join(lost)} would overwrite their values. Nothing was sent. Give env_vars in "
            "full, with purge_env_vars: true."
        )


def _update_body(declaration: Declaration, target: Mapping[str, Any], changed: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a PUT: all that it can change, since it may replace what is left out.

    A null is left out: the API's type is text, and what is null stays so. Neither is an empty set of env vars sent that the
    task does not declare, since it might mean more than none (facts file, section 7).
    """
    return {
        name: value
        for name, value in target.items()
        if value is not None and (value or name != "env_vars" or name in {*declaration.fields, *changed})
    }


def _planned_action(declaration: Declaration, current: Instance, changed: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return the lifecycle action that follows a change, and a warning where it cannot be asked for yet."""
    power = declaration.power
    if declaration.restart_on_change and power != "stopped" and phase(current) is not Phase.STOPPED:
        if changed:
            return "restart", ()
        if phase(current) is Phase.READY and restart_is_owed(current):
            return "restart", (
                f"Instance {current.label()} was changed after its last restart, and restart_on_change is set: it is "
                "restarted now.",
            )
    action = action_for(power, current) if power else None
    if action and not declaration.wait and phase(current) not in SETTLED:
        return None, (_postponed(f"Instance {current.label()}", power or ""),)
    return action, ()


def _postponed(what: str, power: str) -> str:
    return (
        f"{what} is not {power} yet: another operation is in progress on it, and wait is false. Run the task again when "
        "it has ended."
    )


def restart_is_owed(current: Instance) -> bool:
    """Return whether the times of an instance show that it was changed after its last restart.

    ``updated_at`` moves with every save (facts file, section 5), not only with changes. So a save that another time of the
    instance explains, or that may be the end of the restart itself, shows nothing.
    """
    updated, created = parse_time(current.updated_at), parse_time(current.created_at)
    began = parse_time(current.last_restart_at) or created
    if updated is None or began is None or updated - began <= RESTART_ENDS_WITHIN:
        return False
    others = (current.last_seen_at, current.health_score_updated_at, current.enterprise_deployed_at)
    return all(abs(updated - time) > SAME_SAVE for time in map(parse_time, others) if time)


def check_immutable(declaration: Declaration, current: Instance) -> list[str]:
    """Compare what only a creation can set.

    :returns: warnings about fields that oCore does not show.
    :raises OcoreError: when one differs.
    """
    differing, unknown = compare_immutable(declaration, current)
    if differing:
        raise OcoreError(
            f"Instance {current.label()} cannot be changed as declared: {'; '.join(differing)}. oCore sets this at "
            "creation and offers no way to change it. Nothing was sent. Correct the task, or check whether it identifies "
            "the right instance."
        )
    if not unknown:
        return []
    return [f"oCore does not show {', '.join(unknown)} of {current.label()}, so it could not be compared."]


def compare_immutable(declaration: Declaration, current: Instance) -> tuple[list[str], list[str]]:
    """Return the differences as sentences without an end, and the names of declared fields that oCore does not show."""
    differing, unknown = [], []
    for name in IMMUTABLE:
        have, declared = getattr(current, name), declaration.fields.get(name)
        if declared is None:
            continue
        if have is None:
            unknown.append(name)
        elif have != declared and not (name in _CASELESS and have.strip().casefold() == str(declared).casefold()):
            hint = _quoting_hint(have, str(declared)) if name == "odoo_version" else ""
            differing.append(f"{name} is {have!r}, the task declares {declared!r}{hint}")
    return differing, unknown


def _quoting_hint(have: str, declared: str) -> str:
    """Return what to write where a version lost its end, as YAML's numbers do: 18 for 18.0, 16.1 for 16.10."""
    if have.startswith(declared) and not have.removeprefix(declared).strip(".0"):
        return f' (write it in quotes: odoo_version: "{have}")'
    return ""


def _differs(declaration: Declaration, name: str, have: Any, target: Any) -> bool:
    """Compare an updatable field. An answer that leaves out what is empty or false means the same."""
    if name == "name":
        return normalized_name(have or "") != normalized_name(target or "")
    if name != "env_vars":
        return (have or None) != (target or None)
    have, target = have or {}, target or {}
    forced = declaration.purge_env_vars and "env_vars" in declaration.fields
    return set(have) != set(target) or any(
        (have[key] or "") != (value or "") and (forced or not is_mask(have[key])) for key, value in target.items()
    )


def ignored_fields(current: Instance, update: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields of an update that the instance shows with another value afterwards."""
    return [name for name in update if current.was_sent(name) and _shows_other(name, current, update[name])]


def _shows_other(name: str, current: Instance, sent: Any) -> bool:
    have = getattr(current, name)
    if name != "env_vars":
        return bool(
            normalized_name(have or "") != normalized_name(sent) if name == "name" else (have or None) != (sent or None)
        )
    return bool(lost_env_vars(current, sent))


def lost_env_vars(current: Instance, sent: Mapping[str, Any]) -> list[str]:
    """Return the names of env vars that were sent and that the instance now lacks or shows with another value."""
    have = current.env_vars or {}
    return sorted(
        k for k, v in sent.items() if k not in have or ((have[k] or "") != (v or "") and not is_mask(have[k]))
    )


def shown_env_vars(env_vars: Mapping[str, Any], before: Mapping[str, Any], reveal: bool) -> dict[str, Any]:
    """Return env vars for a diff: masked, changed ones marked, unless they may be revealed."""
    if reveal:
        return dict(env_vars)
    return {
        key: _CHANGED if key in before and before[key] != value and not is_mask(before[key]) else MASK
        for key, value in env_vars.items()
    }


def predict(plan: Plan, current: Instance | None) -> Instance | None:
    """Return the instance as it will look once the plan is applied; fields that oCore fills in are ``None``."""
    if plan.delete:
        return None
    fields = {**(plan.create or {}), **(plan.update or {})}
    if plan.action:
        fields["status"] = "stopped" if plan.action == "stop" else "running"
    if current is None:
        return Instance.model_validate(to_wire({"status": "creating", **fields})) if plan.create else None
    return current.model_copy(update=fields)
