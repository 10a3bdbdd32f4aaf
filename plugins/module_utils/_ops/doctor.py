# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of ocore_doctor: look at an oCore API, say what is found, and what the collection does about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._ops import (
    doctor_access,
    doctor_fields,
    doctor_lists,
    doctor_service,
    doctor_trial_checks,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_finding import Finding, Words, count, unknown
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_look import Evidence, look, nothing
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_profile import profile_of
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_report import headline, lines_of, report_of
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_trial import SHORTEST, Trial, try_out
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation, Run
from ansible_collections.ocore.cloud.plugins.module_utils._ops.servers import server_ids

READING_SECONDS = 30
WRITING_SECONDS = 1800

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def execute(run: Run) -> None:
    """Look at the API, try changes out where that is asked for, and leave the findings in the result.

    :raises OcoreError: when the options make no sense, or the server of the scratch instance is not found.
    """
    if run.options["write"]:
        _check_scratch(run.options)
    seen = look(run.client, run.clock.deadline)
    trial = _trial(run, seen)
    words = Words(_private(seen, run.options))
    groups = {
        doctor_access.GROUP: doctor_access.check_access(seen, trial is not None and bool(trial.manages)),
        doctor_lists.GROUP_LISTS: doctor_lists.check_lists(seen, words),
        doctor_fields.GROUP: doctor_fields.check_fields(seen, words),
        doctor_lists.GROUP_SERVERS: doctor_lists.check_servers(seen, words),
        doctor_service.GROUP: doctor_service.check_service(seen, words),
    }
    if trial is not None:
        groups[doctor_trial_checks.GROUP] = doctor_trial_checks.check_trial(trial, words)
    elif run.options["write"]:
        groups[doctor_trial_checks.GROUP] = [_not_tried(run)]
    findings = [finding for group in groups.values() for finding in group]
    profile = profile_of(seen, trial)
    run.result.update(
        changed=trial is not None and trial.created is not None,
        checks=[finding.record() for finding in findings],
        summary=count(findings),
        headline=headline(groups),
        lines=lines_of(groups),
        report=report_of(groups, profile),
        profile=profile,
        requests=len(seen.exchanges),
    )


def _check_scratch(options: Mapping[str, Any]) -> None:
    if not _SLUG.fullmatch(options["scratch"]) or len(options["scratch"]) > 40:
        raise OcoreError(
            f"scratch is {options['scratch']!r}. It must be a slug of at most 40 lower-case letters and digits with a hyphen "
            "in it, such as ocore-doctor. Nothing was sent."
        )
    if options["wait_timeout"] is not None and options["wait_timeout"] < SHORTEST:
        raise OcoreError(
            f"wait_timeout is {options['wait_timeout']} seconds. With write it must be at least {SHORTEST:.0f}, since the last "
            "part of it is kept for the removal of the scratch instance. Nothing was sent."
        )


def _trial(run: Run, seen: Evidence) -> Trial | None:
    """Try changes out, unless this is check mode, nobody asked for it, or not even reading works."""
    options = run.options
    if not options["write"] or run.check_mode or seen.listed.error is not None:
        return None
    server = server_ids(run.client, [options["server"]])[options["server"]]
    run.clock.say(
        f"write is true: the doctor creates the instance {options['scratch']}, changes, restarts, stops and "
        "starts it, and removes it again"
    )
    client = run.client.variant(warn=nothing)
    try:
        return try_out(client, run.clock, options["scratch"], server)
    finally:
        client.close()


def _not_tried(run: Run) -> Finding:
    if run.check_mode:
        return unknown("trial", "check mode: nothing was changed", "Run it without check mode to try changes out.")
    return unknown("trial", "not tried, since reading failed", "Mend the findings about connection and access first.")


def _private(seen: Evidence, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what names things of the user, which no report may hold."""
    yield from (seen.settings.token, seen.settings.organization or "", urlsplit(seen.settings.api_url).hostname or "")
    yield from (str(options[name] or "") for name in ("scratch", "server"))
    for server in seen.server_list:
        yield from (server.id, server.name or "", server.host or "")
    for instance in seen.instances:
        yield from (instance.id, instance.name or "", instance.slug or "", instance.auto_subdomain or "")
        yield from (entry.domain or "" for entry in instance.domains or [])
        yield from instance.env_vars or {}


def _limit(options: Mapping[str, Any]) -> float:
    """Return the seconds that the task may take."""
    given = options["wait_timeout"]
    return float(given) if given is not None else WRITING_SECONDS if options["write"] else READING_SECONDS


OPERATION = Operation(
    name="ocore_doctor",
    spec={
        **AUTH_SPEC,
        "write": {"type": "bool", "default": False},
        "scratch": {"type": "str"},
        "server": {"type": "str"},
        "wait_timeout": {"type": "int"},
        "wait_interval": {"type": "float", "default": 2.0},
    },
    rules={"required_if": [("write", True, ("scratch", "server"))]},
    execute=execute,
    about_one=False,
    seconds=_limit,
)
