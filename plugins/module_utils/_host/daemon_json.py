# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the Docker daemon in daemon.json: reading, the plan of a change, and what a change needs.

Pure functions. An option of the file is *ours* when an earlier run wrote it (the record beside the file names it);
every other one belongs to the administrator.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError

MARK = "Ansible managed: ocore.cloud"

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


def parse_record(text: str, path: str) -> frozenset[str]:
    """Return the names of our options from the text of the record; without a record there are none.

    :raises HostError: when the record is damaged.
    """
    if not text.strip():
        return frozenset()
    try:
        return frozenset(str(name) for name in json.loads(text)["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{path} is damaged: {error}. Remove it; all options of daemon.json then count as the administrator's. "
            "Nothing was changed."
        ) from error


def options_text(options: Mapping[str, Any]) -> str:
    """Return the text of daemon.json for these options, in their order."""
    return json.dumps(options, indent=4) + "\n"


def record_text(ours: Collection[str]) -> str:
    """Return the text of the record for these names."""
    return json.dumps({"comment": MARK, "options": sorted(ours)}, indent=4) + "\n"


@dataclass(frozen=True)
class Change:
    """A planned change of daemon.json.

    :param before: the options of the file now.
    :param after: its options after the change.
    :param ours: names of the options of ``after`` that belong to us.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    ours: frozenset[str]

    def names(self) -> set[str]:
        """Return the names of all options that are added, changed or removed."""
        both = set(self.before) | set(self.after)
        # Compared as JSON: 1 and true are equal in Python.
        return {name for name in both if _as_json(self.before, name) != _as_json(self.after, name)}

    def kept(self) -> list[str]:
        """Return the names of the administrator's options, sorted."""
        return sorted(set(self.after) - self.ours)


def _as_json(options: Mapping[str, Any], name: str) -> str | None:
    return json.dumps(options[name], sort_keys=True) if name in options else None


def plan_change(
    before: dict[str, Any],
    recorded: Collection[str],
    defaults: Mapping[str, Any],
    options: Mapping[str, Any],
    overwrite: bool,
) -> Change:
    """Return what the file should hold.

    :param before: the options of the file now.
    :param recorded: names of the options that an earlier run wrote.
    :param defaults: values for options that neither ``options`` nor the administrator sets.
    :param options: the declared values, merged over ``defaults``; ``None`` removes an option.
    :param overwrite: whether a declared value replaces another one of the administrator's.
    :raises HostError: when that would drop an option of :data:`DATA_OPTIONS`, or for a conflict with the administrator.
    """
    foreign = {name: value for name, value in before.items() if name not in recorded}
    declared = _declared(foreign, defaults, options)
    if not overwrite:
        _refuse_conflicts(foreign, declared)
    dropped = set(before) - set(foreign) - set(declared) - set(options)
    _refuse_lost_data(before, dropped)
    kept = {
        name: declared.get(name, value)
        for name, value in before.items()
        if name in declared or (name in foreign and name not in options)
    }
    added = {name: declared[name] for name in sorted(declared) if name not in kept}
    return Change(before=before, after={**kept, **added}, ours=frozenset(declared))


def _declared(foreign: Mapping[str, Any], defaults: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that the file should get from us: the declared ones, and the defaults that apply."""
    driver = options.get("log-driver", foreign.get("log-driver", defaults.get("log-driver"))) or "json-file"
    usable = {
        name: value
        for name, value in defaults.items()
        if (name in options or name not in foreign) and (name != "log-opts" or driver in ROTATING_LOG_DRIVERS)
    }
    return _merged(usable, options)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` merged into it, object by object; ``None`` removes a key."""
    result = dict(base)
    for name, value in over.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            below = result.get(name)
            result[name] = _merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def _refuse_conflicts(foreign: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
    conflicts = [
        name for name in sorted(declared) if name in foreign and _as_json(foreign, name) != _as_json(declared, name)
    ]
    if conflicts:
        details = "; ".join(
            f"{name} is {json.dumps(foreign[name])} in the file and {json.dumps(declared[name])} in the options"
            for name in conflicts
        )
        raise HostError(
            f"daemon.json has options that were not written by this module and that differ from the declared ones: "
            f"{details}. Declare the value of the file, or set overwrite (docker_daemon_overwrite of the role) to replace "
            "it. Nothing was changed."
        )


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
