# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the Docker daemon in daemon.json: reading, the plan of a change, and what a change needs.

Pure functions. A value of the file is *ours* when an earlier run wrote it (the record beside the file names it); every
other one belongs to the administrator. That holds for each key of an object, such as ``log-opts``, by itself, so values
are addressed by the path of their keys.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError

MARK = "Ansible managed: ocore.cloud"

#: ``("log-opts", "max-size")``
Path = tuple[str, ...]

#: What a running daemon applies on SIGHUP (moby, daemon/reload.go). ``features`` is not here although the daemon reads
#: it again: its containerd-snapshotter takes effect at a start only.
RELOADABLE = frozenset(
    {
        "debug",
        "default-runtime",
        "default-shm-size",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)

#: A reload keeps the old value of an option that left the file, except for these, which go back to their default.
RELOADABLE_REMOVAL = frozenset({"max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts"})

#: A change of one of these makes the daemon look for containers and images somewhere else.
DATA_OPTIONS = frozenset({"data-root", "storage-driver", "userns-remap"})

#: The log drivers that know max-size and max-file; with another one no container would start.
ROTATING_LOG_DRIVERS = frozenset({"json-file", "local"})


def parse_options(text: str, path: str) -> dict[str, Any]:
    """Return the options in the text of the file; an empty file has none.

    :raises HostError: with file, line and column of what is not JSON.
    """
    if not text.strip():
        return {}
    try:
        options = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise HostError(
            f"{path}, line {error.lineno}, column {error.colno}: {error.msg}. The file is not valid JSON, so its options "
            "cannot be merged. Correct it and run again. Nothing was changed."
        ) from error
    except ValueError as error:
        raise HostError(f"{path}: {error}. Correct it and run again. Nothing was changed.") from error
    if not isinstance(options, dict):
        raise HostError(f"{path} holds a {type(options).__name__}, not an object with options. Nothing was changed.")
    return options


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


def parse_record(text: str, path: str) -> frozenset[Path]:
    """Return the paths of our options from the text of the record; without a record there are none.

    :raises HostError: when the record is damaged.
    """
    if not text.strip():
        return frozenset()
    try:
        entries = json.loads(text)["options"]
        return frozenset((entry,) if isinstance(entry, str) else tuple(map(str, entry)) for entry in entries)
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{path} is damaged: {error}. Remove it; all options of daemon.json then count as the administrator's. "
            "Nothing was changed."
        ) from error


def options_text(options: Mapping[str, Any]) -> str:
    """Return the text of daemon.json for these options, in their order."""
    return json.dumps(options, indent=4) + "\n"


def record_text(ours: Collection[Path]) -> str:
    """Return the text of the record for these options."""
    entries = [path[0] if len(path) == 1 else list(path) for path in sorted(ours)]
    return json.dumps({"comment": MARK, "options": entries}, indent=4) + "\n"


@dataclass(frozen=True)
class Change:
    """A planned change of daemon.json.

    :param before: the options of the file now.
    :param after: its options after the change.
    :param ours: paths of the values of ``after`` that belong to us.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    ours: frozenset[Path]

    def names(self) -> set[str]:
        """Return the names of all options that are added, changed or removed."""
        both = set(self.before) | set(self.after)
        return {name for name in both if _as_json(self.before.get(name)) != _as_json(self.after.get(name))}

    def kept(self) -> list[str]:
        """Return the names of the administrator's options, sorted; ``log-opts.tag`` where others of the object are ours."""
        shared = {path[0] for path in self.ours}
        kept = set(_leaves(self.after)) - self.ours
        return sorted({".".join(path) if path[0] in shared else path[0] for path in kept})


def _as_json(value: Any) -> str:
    # Compared as JSON: 1 and true are equal in Python.
    return json.dumps(value, sort_keys=True)


def _leaves(options: Mapping[str, Any], below: Path = ()) -> dict[Path, Any]:
    """Return all values by their paths; an object counts as a value only where it is empty."""
    found: dict[Path, Any] = {}
    for name, value in options.items():
        path = (*below, str(name))
        found.update(_leaves(value, path) if isinstance(value, Mapping) and value else {path: value})
    return found


def _tree(leaves: Mapping[Path, Any]) -> dict[str, Any]:
    """Return the options that have these values, in their order."""
    tree: dict[str, Any] = {}
    for path, value in leaves.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        if value != {}:
            node[path[-1]] = value
        else:
            node.setdefault(path[-1], {})
    return tree


def _overlap(one: Path, other: Path) -> bool:
    """Return whether a value at one of the paths leaves no room for a value at the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _overlaps(path: Path, others: Iterable[Path]) -> bool:
    return any(_overlap(path, other) for other in others)


def plan_change(
    before: dict[str, Any],
    recorded: Collection[Path],
    defaults: Mapping[str, Any],
    options: Mapping[str, Any],
    overwrite: bool,
) -> Change:
    """Return what the file should hold.

    :param before: the options of the file now.
    :param recorded: paths of the options that an earlier run wrote.
    :param defaults: values for options that neither ``options`` nor the administrator sets.
    :param options: the declared values, merged over ``defaults``; ``None`` removes an option.
    :param overwrite: whether a declared value replaces another one of the administrator's.
    :raises HostError: when that would drop an option of :data:`DATA_OPTIONS`, or for a conflict with the administrator.
    """
    present, given = _leaves(before), _leaves(options)
    owned = {path for path in present if any(path[: len(entry)] == entry for entry in recorded)}
    foreign = {path: value for path, value in present.items() if path not in owned}
    removed = {path for path, value in given.items() if value is None}
    declared = {path: value for path, value in given.items() if value not in (None, {})}
    conflicts = _conflicts(foreign, declared)
    if conflicts and not overwrite:
        raise _conflict_error(before, options, conflicts)
    kept = {path: value for path, value in foreign.items() if not _overlaps(path, removed | conflicts)}
    ours = {**_applicable(defaults, kept, {**dict.fromkeys(removed), **declared}), **declared}
    _refuse_lost_data(before, {path[0] for path in owned - set(kept) - set(ours) - removed})
    final = {**kept, **ours}
    order = [path for path in present if path in final] + sorted(path for path in final if path not in present)
    return Change(before=before, after=_tree({path: final[path] for path in order}), ours=frozenset(ours))


def _applicable(defaults: Mapping[str, Any], kept: Mapping[Path, Any], given: Mapping[Path, Any]) -> dict[Path, Any]:
    """Return the defaults that apply: those for which neither the administrator nor ``options`` has a value."""
    driver = given.get(("log-driver",), kept.get(("log-driver",), defaults.get("log-driver"))) or "json-file"
    usable = {name: value for name, value in defaults.items() if name != "log-opts" or driver in ROTATING_LOG_DRIVERS}
    return {path: value for path, value in _leaves(usable).items() if not _overlaps(path, [*kept, *given])}


def _conflicts(foreign: Mapping[Path, Any], declared: Mapping[Path, Any]) -> set[Path]:
    """Return the paths at which a declared value cannot stand beside one of the administrator's."""
    return {
        min(path, other, key=len)
        for path, value in declared.items()
        for other, theirs in foreign.items()
        # An empty object has room for everything.
        if _overlap(path, other) and _as_json(value) != _as_json(theirs) and {} not in (value, theirs)
    }


def _conflict_error(before: Mapping[str, Any], options: Mapping[str, Any], conflicts: Collection[Path]) -> HostError:
    details = "; ".join(
        f"{'.'.join(path)} is {json.dumps(_at(before, path))} in the file and {json.dumps(_at(options, path))} in the options"
        for path in sorted(conflicts)
    )
    return HostError(
        f"daemon.json has options that were not written by this module and that differ from the declared ones: "
        f"{details}. Declare the value of the file, or set overwrite (docker_daemon_overwrite of the role) to replace "
        "it. Nothing was changed."
    )


def _at(options: Mapping[str, Any], path: Path) -> Any:
    for name in path:
        options = options[name]
    return options


def _refuse_lost_data(before: Mapping[str, Any], dropped: Collection[str]) -> None:
    lost = [name for name in sorted(dropped) if name in DATA_OPTIONS]
    if lost:
        values = json.dumps({name: before[name] for name in lost})
        raise HostError(
            f"daemon.json sets {values}, and the options no longer declare it. Without it the daemon would not find the "
            f"containers it has. Put {', '.join(lost)} into docker_daemon_options (options of the module), with null to "
            "remove it. Nothing was changed."
        )


def needs_restart(change: Change) -> bool:
    """Return whether a running daemon applies this change only when it is restarted."""
    names = change.names()
    removed = {name for name in names if name not in change.after}
    return bool(names - RELOADABLE or removed - RELOADABLE_REMOVAL)


def keeps_containers_from_now_on(change: Change) -> bool:
    """Return whether the change makes containers survive a restart of the daemon that would stop them today."""
    return change.after.get("live-restore") is True and change.before.get("live-restore") is not True
