# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of ocore_fleet: many instances as declared, with one list request, one plan, and one wait for all.

What is done to each instance is what ocore_instance does. The difference is who waits: see ``scheduler``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import is_on_server
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._api.threads import thread_pool
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import (
    AUTH_SPEC,
    DECLARATION_EXCLUDES,
    DECLARATION_SPEC,
    IDENTITY_SPEC,
    WAIT_SPEC,
    Spec,
    clean_identifiers,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.desired import Declaration
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import KEYS, Match, find, find_in
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import announce, prepare
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase_of
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run, as_ocore_error
from ansible_collections.ocore.cloud.plugins.module_utils._ops.scheduler import (
    Failed,
    Item,
    Planned,
    Scheduler,
    Skipped,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.servers import server_ids

#: The options of one instance. They have no defaults here, so that what an instance leaves out can come from ``defaults``.
ITEM_SPEC: Spec = {
    name: {key: value for key, value in option.items() if key != "default"} for name, option in DECLARATION_SPEC.items()
}
_DEFAULTS = {name: option.get("default") for name, option in DECLARATION_SPEC.items()}

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


def execute(run: Run) -> None:
    """Create, change and remove the instances of the fleet as declared.

    :raises OcoreError: when the declaration is invalid (nothing was sent then), or when instances failed.
    """
    items = read_declaration(run)
    if items or run.options["purge"]:
        purged = place_on_servers(run, items)
        listing = run.client.list_instances()
        _plan_items(items, listing, run.options["max_parallel"])
        _refuse_double_matches(items)
        items += plan_purge(run, items, listing, purged)
        try:
            _apply_or_announce(run, items)
        finally:
            # Also when the task is interrupted: what was done until then is part of the result.
            _set_result(run, items)
    else:
        _set_result(run, items)
    _raise_failures(items)


def _apply_or_announce(run: Run, items: Sequence[Item]) -> None:
    if not run.check_mode:
        Scheduler(run, items).work()
        return
    for item in items:
        if isinstance(item.state, Planned):
            announce(item.run, item.state.prepared)


# What is declared


def read_declaration(run: Run) -> list[Item]:
    """Read the declaration.

    :raises OcoreError: when something in it is invalid; all such things are named.
    """
    options = run.options
    problems: list[str] = []
    items: list[Item] = []
    shared = {key: value for key, value in options.items() if key not in ("instances", "defaults")}
    defaults = _checked(options["defaults"] or {}, "defaults", problems)
    for position, given in enumerate(options["instances"]):
        where = f"instances[{position}]"
        merged = {**shared, **_merged(defaults, _checked(given, where, problems))}
        try:
            items.append(_item(run, merged, Declaration.from_options(merged)))
        except OcoreError as error:
            problems.append(f"{where}: {error.message}")
    problems += _duplicates(items)
    if options["max_parallel"] < 1:
        problems.append("max_parallel must be 1 or more.")
    if options["purge"]:
        problems += _purge_problems(options, items)
    if problems:
        raise OcoreError(f"Nothing was sent: the declaration is invalid. {' '.join(problems)}")
    _share_claims(items)
    return items


def _checked(given: Mapping[str, Any], where: str, problems: list[str]) -> Mapping[str, Any]:
    """Return options with clean identifiers; add to ``problems`` what is wrong with them."""
    try:
        return clean_identifiers(given)
    except OcoreError as error:
        problems.append(f"{where}: {error.message}")
        return given


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of one instance: its own, else those of ``defaults``.

    Env vars are taken from both; what the instance itself says of a variable wins, to have it or to remove it.
    """
    merged = dict(_DEFAULTS)
    if given.get("server") or given.get("server_id"):
        defaults = {key: value for key, value in defaults.items() if key not in ("server", "server_id")}
    for source in (defaults, given):
        merged.update({key: value for key, value in source.items() if value is not None})
    declared, removed = given.get("env_vars"), given.get("remove_env_vars") or ()
    if defaults.get("env_vars") and declared != {}:
        common = {name: value for name, value in defaults["env_vars"].items() if name not in removed}
        merged["env_vars"] = {**common, **(declared or {})}
    if declared and not removed and defaults.get("remove_env_vars"):
        merged["remove_env_vars"] = [name for name in defaults["remove_env_vars"] if name not in declared]
    return merged


def _item(run: Run, options: Mapping[str, Any], declaration: Declaration, purged: bool = False) -> Item:
    return Item(replace(run, options=options, actions=[], instance=None, result={}), declaration, purged)


def _share_claims(items: Sequence[Item]) -> None:
    """Let each item know the slugs of the others, which are never an accidental second instance of its own."""
    claimed = Counter(item.declaration.identity.slug for item in items if item.declaration.identity.slug)
    everyone = frozenset(str(slug).casefold() for slug in claimed)
    for item in items:
        item.run.claimed_slugs = everyone


def _duplicates(items: Sequence[Item]) -> list[str]:
    """Name what is declared twice. The same name twice is fine where slugs or ids tell the instances apart."""
    by_name = {item.declaration.identity.name for item in items if item.declaration.identity.key == "name"}
    seen = Counter(
        (key, value if key == "name" else value.casefold())
        for item in items
        for key in KEYS
        if (value := getattr(item.declaration.identity, key)) and (key != "name" or value in by_name)
    )
    return [f"{key} {value} is declared {count} times." for (key, value), count in seen.items() if count > 1]


def _purge_problems(options: Mapping[str, Any], items: Sequence[Item]) -> list[str]:
    problems = []
    if not _purged_servers(options):
        problems.append(
            "purge needs purge_servers or purge_server_ids: the servers on which instances that are not declared are removed."
        )
    if not options["purge_all"] and all(item.declaration.absent for item in items):
        problems.append(
            "purge would remove every instance of these servers, since none is declared as present. If this is intended, "
            "set purge_all."
        )
    return problems


def _purged_servers(options: Mapping[str, Any]) -> list[str]:
    """Return the names and ids of the servers that purge is about."""
    given = [*(options["purge_server_ids"] or ()), *(options["purge_servers"] or ())]
    return [str(server).strip() for server in given if str(server).strip()]


# What is to be done


def place_on_servers(run: Run, items: Sequence[Item]) -> list[str]:
    """Put the ids of servers in place of their names, by one request for all; none where only ids are given.

    :returns: the ids of the servers that purge is about.
    :raises OcoreError: when a name fits no server, or several.
    """
    purged = _purged_servers(run.options) if run.options["purge"] else []
    # purge_server_ids are ids, whatever they look like.
    known = {str(server).strip() for server in run.options["purge_server_ids"] or ()}
    named = [item.declaration.server for item in items if item.declaration.server]
    ids = server_ids(run.client, [*named, *(server for server in purged if server not in known)])
    for item in items:
        item.declaration = item.declaration.on_server(ids)
    return [server if server in known else ids[server] for server in purged]


def _plan_items(items: Sequence[Item], listing: Listing, threads: int) -> None:
    """Plan all items, a few at a time, since some have to be read by id."""
    waiting = iter(items)

    def plan_rest(_number: int) -> None:
        for item in waiting:
            plan_item(item, listing)

    # One job for each thread: one for each item would take more time than most of the plans.
    with thread_pool(threads) as pool:
        try:
            list(pool.map(plan_rest, range(threads)))
        finally:
            list(waiting)  # after an interrupt nothing more is begun


def plan_item(item: Item, listing: Listing) -> None:
    """Look up the instance of an item and plan what is to be done. Nothing is changed; an error stays in the item."""
    run, identity = item.run, item.declaration.identity
    try:
        # An incomplete list says nothing about what is not in it; a look-up by id needs no list.
        match = find(run.client, identity) if listing.incomplete and identity.id else find_in(listing, identity)
        item.match = match
        for instance in filter(None, (match.instance, match.leaving)):
            if instance.status_message or instance.model_extra:  # may quote a value; all others cost nothing
                run.client.scrub.add(item.declaration.env_vars.values())
                run.client.protect(instance)
        # Until its turn comes, others may change the instance: what was read now is not "just before" an update.
        item.state = Planned(replace(prepare(run, item.declaration, match), by_id=False))
    except Exception as error:
        item.state = Failed(as_ocore_error(error))


def _refuse_double_matches(items: Sequence[Item]) -> None:
    """Refuse two declarations of one instance, for example by its id and by its slug."""
    declared: dict[str, list[str]] = {}
    for item in items:
        if item.match and item.match.instance:
            declared.setdefault(item.match.instance.id, []).append(str(item.declaration.identity))
    twice = [
        f"{' and '.join(names)} are the same instance ({key})." for key, names in declared.items() if len(names) > 1
    ]
    if twice:
        raise OcoreError(f"Nothing was sent: the fleet declares instances twice. {' '.join(twice)}")


def plan_purge(run: Run, items: Sequence[Item], listing: Listing, servers: Sequence[str]) -> list[Item]:
    """Return the instances of these servers that nobody declares, with the plan to remove them.

    :param servers: the ids of the servers that purge is about.
    """
    if not run.options["purge"]:
        return []
    spared = _spared(items, listing)
    found = listing.matching(
        lambda entry: (
            bool(entry["server_id"])
            and any(is_on_server(entry["server_id"], server) for server in servers)
            and str(entry["id"]) not in spared
            and phase_of(entry["status"]) not in (Phase.GONE, Phase.LEAVING)
        )
    )
    shared = {key: value for key, value in run.options.items() if key not in ("instances", "defaults")}
    result = []
    for instance in found:
        options = {**shared, **_DEFAULTS, **{key: getattr(instance, key) for key in KEYS}, "state": "absent"}
        item = _item(run, options, Declaration.from_options(options), purged=True)
        item.match = Match(instance, listing=listing)
        item.state = Planned(prepare(item.run, item.declaration, item.match))
        result.append(item)
    return result


def _spared(items: Sequence[Item], listing: Listing) -> set[str]:
    """Return the ids that purge leaves alone: what is declared, and what an item without a match may have meant."""
    spared: set[str] = set()
    for item in items:
        if item.match and item.match.instance:
            spared.add(item.match.instance.id)
            continue
        for key in KEYS:
            if value := getattr(item.declaration.identity, key):
                spared.update(instance.id for instance in listing.having(key, value))
    return spared


# What is reported


def _set_result(run: Run, items: Sequence[Item]) -> None:
    """Put the results of all items into the run's result."""
    outcomes = Counter(item.outcome for item in items)
    actions = Counter(action for item in items for action in item.run.actions)
    run.result.update(
        changed=any(item.run.actions for item in items),
        results=[_result(item) for item in items],
        summary={
            "total": len(items),
            **{outcome: outcomes[outcome] for outcome in ("unchanged", "changed", "failed", "skipped")},
            **{word: actions[action] for action, word in _COUNTED.items()},
            "purged": sum(1 for item in items if item.purged and "delete" in item.run.actions),
        },
        diff=[item.run.result["diff"] for item in items if _shows_diff(item)],
    )


def _result(item: Item) -> dict[str, Any]:
    run, identity = item.run, item.declaration.identity
    named = run.instance or (item.match and (item.match.instance or item.match.leaving))
    error = item.state.error if isinstance(item.state, Failed) else None
    return {
        **{key: getattr(named, key, None) or getattr(identity, key) for key in KEYS},
        "state": "absent" if item.declaration.absent else "present",
        "outcome": item.outcome,
        "changed": bool(run.actions),
        "actions": run.actions,
        "purged": item.purged,
        "instance": run.instance.record(run.reveal) if run.instance else None,
        "error": {"msg": error.message, **error.details()} if error else None,
    }


def _shows_diff(item: Item) -> bool:
    diff = item.run.result.get("diff")
    return bool(diff and item.run.actions and diff["before"] != diff["after"])


def _raise_failures(items: Sequence[Item]) -> None:
    """Raise one error for all items that failed or never began."""
    errors = [item.state.error.message for item in items if isinstance(item.state, Failed)]
    skipped = sum(isinstance(item.state, Skipped) for item in items)
    if not errors and not skipped:
        return
    failed = f"{len(errors)} of {len(items)} instances failed." if errors else ""
    not_begun = f"{skipped} of {len(items)} {'was' if skipped == 1 else 'were'} not begun." if skipped else ""
    late = "" if errors else "wait_timeout ended first: run the task again to continue."
    more = f"See results for the other {len(errors) - ERRORS_SHOWN}." if len(errors) > ERRORS_SHOWN else ""
    raise OcoreError(" ".join(filter(None, (failed, not_begun, late, *errors[:ERRORS_SHOWN], more))))


OPERATION = Operation(
    name="ocore_fleet",
    spec={
        **AUTH_SPEC,
        **WAIT_SPEC,
        "instances": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": ITEM_SPEC,
            "mutually_exclusive": DECLARATION_EXCLUDES,
        },
        "defaults": {
            "type": "dict",
            "mutually_exclusive": DECLARATION_EXCLUDES,
            "options": {name: option for name, option in ITEM_SPEC.items() if name not in IDENTITY_SPEC},
        },
        "purge": {"type": "bool", "default": False},
        "purge_servers": {"type": "list", "elements": "str"},
        "purge_server_ids": {"type": "list", "elements": "str"},
        "purge_all": {"type": "bool", "default": False},
        "max_parallel": {"type": "int", "default": 8},
        "on_error": {"type": "str", "choices": ["continue", "stop"], "default": "continue"},
        "reveal_env_vars": {"type": "bool", "default": False},
    },
    execute=execute,
    about_one=False,
)
