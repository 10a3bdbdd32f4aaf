# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Event source ocore.cloud.instances: changes of the instances of an oCore organization."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# ansible-rulebook runs this file by its path, without Ansible's own import of collections.
sys.path.extend(str(path.parent) for path in Path(__file__).absolute().parents if path.name == "ansible_collections")

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.libraries import library_problem
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import (
    Scrubber,
    Warnings,
    displayable,
    scrubbed,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._api.times import calendar_days_left, parse_time
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase, phase_of

DOCUMENTATION = r"""
short_description: Events of the Odoo instances of an oCore organization
description:
  - Polls the list of instances, with one request each time, and emits one event for each difference.
  - The first poll emits what needs attention already, with C(first_look) true - failed instances, scores below
    O(min_health_score) and certificates that expire soon. It emits nothing for other instances.
  - If a poll fails, the source retries with growing pauses, logs a warning, and emits afterwards what changed meanwhile. Only
    a token that oCore refuses (HTTP 401) or an option that cannot be used ends the source, with a message that says what to
    do.
options:
  interval:
    description: Seconds between two polls.
    type: float
    default: 60
  server_id:
    description: Only instances on the server with this id (UUID).
    type: str
  min_health_score:
    description:
      - Emit an event when a health score falls below this threshold, and when it recovers. By default, scores emit no events.
    type: int
  certificate_days:
    description: Emit an event when a certificate has at most this many calendar days (UTC) left.
    type: int
    default: 14
  api_url: &auth
    description: As in the modules of the collection, with the same environment variable.
  api_token: *auth
  organization: *auth
  validate_certs: *auth
  ca_path: *auth
  request_timeout: *auth
  retries: *auth
  allow_http: *auth
"""

EXAMPLES = r"""
- ocore.cloud.instances:
    organization: acme
    interval: 30
    min_health_score: 80
"""

SPEC = {
    **AUTH_SPEC,
    "interval": {"type": "float", "default": 60.0},
    "server_id": {"type": "str"},
    "min_health_score": {"type": "int"},
    "certificate_days": {"type": "int", "default": 14},
}
BACKOFF_MOST = 600.0
"""Most seconds between two polls while oCore cannot be read; a longer interval is taken as it is."""

Event = dict[str, Any]
log = logging.getLogger("ocore.cloud.instances")


class Watch:
    """What was seen of the instances, and what is new about them. Does no I/O.

    :param min_health_score: the threshold; ``None`` for none.
    :param certificate_days: emit an event when a certificate has at most this many days left.
    """

    def __init__(self, min_health_score: int | None, certificate_days: int) -> None:
        self._least = min_health_score
        self._days = certificate_days
        self._seen: dict[str, Instance] = {}
        self._reported: set[tuple[str, str, str]] = set()
        self._first = True

    def look(self, instances: Iterable[Instance], now: datetime, complete: bool = True) -> list[Event]:
        """Compare the instances with those of the previous poll, and remember them.

        :param now: with a time zone.
        :param complete: false when the list may lack instances; none is then taken for gone.
        :returns: the events, grouped by instance.
        """
        here = {instance.id: instance for instance in instances if phase(instance) is not Phase.GONE}
        events: list[Event] = []
        for instance in here.values():
            before = self._seen.get(instance.id)
            if before is None and not self._first:
                events.append(self._event("appeared", instance))
            events += self._status(before, instance)
            events += self._score(before, instance)
            events += self._restarts(before, instance)
            events += self._certificates(instance, now)
            if before is not None:
                # A value that is missing once does not make the next one an event.
                for field in ("status", "health_score", "restart_count"):
                    if getattr(instance, field) is None:
                        setattr(instance, field, getattr(before, field))
        gone = [i for key, i in self._seen.items() if key not in here] if complete else []
        events += [self._event("left", instance) for instance in gone]
        self._seen = here if complete else {**self._seen, **here}
        self._reported = {key for key in self._reported if key[0] in self._seen}
        self._first = False
        return events

    def _event(self, kind: str, instance: Instance, **details: Any) -> Event:
        return {"kind": kind, "first_look": self._first, "instance": instance.record(), **details}

    def _status(self, before: Instance | None, now: Instance) -> list[Event]:
        if before is None:
            if not self._first or phase(now) is not Phase.FAILED:
                return []
        elif now.status is None or now.status == before.status:
            return []
        was = before.status if before else None
        details = {"before": was, "after": now.status, "phase": phase_of(now.status).value}
        return [self._event("status_changed", now, **details)]

    def _score(self, before: Instance | None, now: Instance) -> list[Event]:
        if self._least is None or now.health_score is None:
            return []
        was = before.health_score if before else None
        details = {"before": was, "after": now.health_score, "min_health_score": self._least}
        if now.health_score < self._least:
            return [] if was is not None and was < self._least else [self._event("health_score_fell", now, **details)]
        if was is not None and was < self._least:
            return [self._event("health_score_recovered", now, **details)]
        return []

    def _restarts(self, before: Instance | None, now: Instance) -> list[Event]:
        if before is None or before.restart_count is None or now.restart_count is None:
            return []
        if now.restart_count <= before.restart_count:
            return []
        return [self._event("restarted", now, before=before.restart_count, after=now.restart_count)]

    def _certificates(self, instance: Instance, now: datetime) -> list[Event]:
        events = []
        for domain in instance.domains or []:
            until = parse_time(domain.ssl_expires_at)
            key = (instance.id, str(domain.domain), str(domain.ssl_expires_at))
            if until is None or key in self._reported:
                continue
            left = calendar_days_left(until, now)
            if left <= self._days:
                self._reported.add(key)
                details = {"domain": domain.domain, "expires_at": domain.ssl_expires_at, "days_left": left}
                events.append(self._event("certificate_expiring", instance, **details))
        return events


def options(args: Mapping[str, Any]) -> dict[str, Any]:
    """Check the arguments of the source and fill in defaults and environment variables.

    :raises OcoreError: when one cannot be used.
    """
    missing = library_problem()
    if missing is not None:
        raise OcoreError(missing[0])
    # ansible-rulebook adds a queue of its own for sources that want one.
    given = {name: value for name, value in args.items() if name != "eda_feedback_queue"}
    result = ArgumentSpecValidator(SPEC).validate(given)
    if result.error_messages:
        hint = " Set api_token, or the environment variable OCORE_API_TOKEN." if not given.get("api_token") else ""
        raise OcoreError(f"ocore.cloud.instances: {'; '.join(result.error_messages)}.{hint}")
    checked: dict[str, Any] = result.validated_parameters
    if checked["interval"] <= 0 or checked["certificate_days"] < 0:
        raise OcoreError("ocore.cloud.instances: interval must be more than 0, and certificate_days 0 or more.")
    return checked


def _read(client: Client, server_id: str | None) -> tuple[list[Instance], bool]:
    """Return the instances, and whether these are all."""
    listing = client.list_instances(server_id)
    return list(listing), not listing.incomplete


def _pause_after(failures: int, interval: float) -> float:
    """Return the seconds until the next poll; they double with every failure in a row."""
    return max(interval, min(BACKOFF_MOST, interval * 2 ** min(failures, 10)))


async def main(queue: asyncio.Queue[Event], args: dict[str, Any]) -> None:
    """Watch until cancelled.

    :param queue: takes the events.
    :param args: the options of ``DOCUMENTATION``.
    :raises OcoreError: when oCore refuses the token, or an option cannot be used. Any other failure may pass: an operator
        finds it in the log, and the source goes on.
    """
    chosen = options(args)
    settings = Settings.from_options(chosen)
    scrub = Scrubber([settings.token])
    client = Client(settings, caller="event source instances", warn=Warnings(log.warning, scrub))
    watch = Watch(chosen["min_health_score"], chosen["certificate_days"])
    failures = 0
    try:
        while True:
            events: list[Event] = []
            try:
                instances, complete = await asyncio.to_thread(_read, client, chosen["server_id"])
                events = watch.look(instances, datetime.now(UTC), complete)
            except Exception as error:
                said = displayable(scrub(str(error)))
                if isinstance(error, OcoreError) and error.status == 401:
                    raise OcoreError(said, status=error.status, code=error.code) from None
                failures += 1
                log.warning("%s The next poll is in %.0f seconds.", said, _pause_after(failures, chosen["interval"]))
            else:
                failures = 0
            for event in events:
                await queue.put(scrubbed(event, scrub))
            await asyncio.sleep(_pause_after(failures, chosen["interval"]))
    finally:
        client.close()
