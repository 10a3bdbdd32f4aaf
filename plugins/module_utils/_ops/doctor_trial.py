# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the doctor tries out on a scratch instance: it creates one, changes, restarts, stops, starts and removes it.

Whatever happens, an interrupt included, everything that was created is removed again, and what could not be removed is
named. Nothing that was there before is ever touched: an id that the list showed before the trial is never written to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance, normalized_name
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import Exchange
from ansible_collections.ocore.cloud.plugins.module_utils._api.threads import thread_pool
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import SETTLED, Clock, Phase, phase

ENV = {"OCORE_DOCTOR_MODE": 'doctor <a&b> "\u00e9" one', "OCORE_DOCTOR_PASSWORD": "doctor-planted-two"}
"""What the scratch instance gets: values that show how they are quoted, and a name that asks to be masked."""
ADDED = "OCORE_DOCTOR_ADDED"
RIVALS = ("OCORE_DOCTOR_FIRST", "OCORE_DOCTOR_SECOND")
RESERVE = 60.0
"""Seconds at the end of the task that belong to the removal alone."""
SHORTEST = 2 * RESERVE
SETTLES_WITHIN = 300.0
"""Seconds that one operation may take before the trial goes on without it."""
LOOKS_AFTER_DELETE = 6
LOOKS_FOR_THE_OTHER = 3
RESTARTS_WITHIN = 120.0
VISIBLE_WITHIN = 30.0


class Over(Exception):  # noqa: N818 - says when, not what went wrong
    """The trial cannot go on; its text says why."""


@dataclass
class Trial:
    """What was tried and what came of it. ``None`` means: not tried, or nothing to be seen."""

    ended: str = ""
    left: list[str] = field(default_factory=list)
    manages: bool | None = None
    created: Instance | None = None
    slug: str = ""
    sent_slug: str = ""
    sent_name: str = ""
    words: list[tuple[str, str]] = field(default_factory=list)
    list_unseen: int | None = None
    get_unseen: int | None = None
    list_lag: float = 0.0
    create_seconds: float | None = None
    restarts_after_put: bool | None = None
    env_after_partial: dict[str, Any] | None = None
    kept_after_partial: bool | None = None
    env_after_empty: dict[str, Any] | None = None
    empty_refused: int | None = None
    busy: str = ""
    restart_shows_status: bool | None = None
    restart_is_counted: bool | None = None
    rivals: str = ""
    taken: str = ""
    get_after_delete: str = ""
    listed_after_delete: str = ""
    shown_env: dict[str, Any] | None = None
    messages: list[str] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


def try_out(client: Client, clock: Clock, slug: str, server_id: str) -> Trial:
    """Try out on a scratch instance what reading cannot show.

    :param slug: of the scratch instance; must be free.
    """
    trial = Trial(slug=slug)
    work = _Work(client, clock, trial, server_id)
    client.watch(trial.exchanges.append)
    try:
        work.run()
    except Over as over:
        trial.ended = str(over)
    except OcoreError as error:
        trial.ended = error.message
    finally:
        # Also after an interrupt: nothing of ours may stay.
        work.clean_up()
    return trial


class _Work:
    def __init__(self, client: Client, clock: Clock, trial: Trial, server_id: str) -> None:
        self._client = client
        self._clock = clock
        self._trial = trial
        self._server_id = server_id
        self._before: set[str] | None = None
        self._ours: dict[str, Instance] = {}
        self._operation = "create"
        self._began = 0.0

    def run(self) -> None:
        self._check_that_it_is_free()
        self._create()
        self._wait_until_visible()
        if phase(self._settle("create")) is Phase.READY:
            self._update()
            self._restart()
            self._compete()
            self._stop_and_start()
            self._create_twin()
        else:
            self._trial.ended = "The scratch instance did not get ready, so only its removal was tried."
        self._delete()

    # Time

    def _left(self) -> float:
        """Return the seconds that the trial may still take; the removal has its own."""
        return self._clock.deadline.left() - RESERVE

    def _ticks(self, seconds: float) -> Iterator[float]:
        """Yield 0.0 at once, then the seconds waited, until these are over or the trial has to end."""
        yield 0.0
        for waited in self._clock.ticks():
            if self._left() <= 0:
                raise Over("The time of the task (wait_timeout) is over, but for the removal.")
            if waited > seconds:
                return
            yield waited

    # Creation

    def _check_that_it_is_free(self) -> None:
        listing = self._client.list_instances()
        if listing.incomplete:
            raise Over(
                "Nothing was created: the list of instances is incomplete, so whether the slug is free cannot be told."
            )
        wanted = self._trial.slug.casefold()
        for instance in listing:
            taken = (instance.slug or "").casefold().startswith(wanted) and phase(instance) is not Phase.GONE
            if taken:
                raise Over(
                    "Nothing was created: an instance already has this slug, or one that begins with it. It is not the doctor's: "
                    "give another scratch, or remove it yourself if an earlier run left it behind."
                )
        self._before = listing.ids()

    def _create(self) -> None:
        slug = self._trial.slug
        # The first that is accepted shows what becomes of a slug; each leads to the same one where it is rewritten.
        odd = [slug.replace("-", "_").capitalize(), slug.capitalize(), slug]
        for position, sent in enumerate(odd):
            try:
                made = self._send_creation(sent, f"{slug} (doctor cafe\u0301) ")
            except OcoreError as error:
                if error.status == 403:
                    self._trial.manages = False
                    raise Over("Nothing was created: the token may not change instances.") from None
                if error.uncertain or error.status not in (400, 409, 422) or position == len(odd) - 1:
                    raise
            else:
                self._trial.manages, self._trial.created, self._trial.sent_slug = True, made, sent
                return

    def _send_creation(self, slug: str, name: str) -> Instance:
        self._trial.sent_name = self._trial.sent_name or name
        self._clock.say(f"creating the scratch instance {slug}")
        fields = {"name": name, "slug": slug, "server_id": self._server_id, "env_vars": dict(ENV)}
        made = self._client.create_instance(fields)
        if self._before is not None and made.id in self._before:
            raise Over("oCore answered the creation with an instance that was there before. Nothing was done to it.")
        self._ours[made.id] = made
        self._note("create", made)
        return made

    def _wait_until_visible(self) -> None:
        made = self._made()
        self._began = self._clock.elapsed()
        for unseen, _waited in enumerate(self._ticks(VISIBLE_WITHIN)):
            if made.id in self._client.list_instances().ids():
                self._trial.list_unseen, self._trial.list_lag = unseen, self._clock.elapsed() - self._began
                break
        for unseen, _waited in enumerate(self._ticks(VISIBLE_WITHIN)):
            if self._read() is not None:
                self._trial.get_unseen = unseen
                break

    def _made(self) -> Instance:
        if self._trial.created is None:
            raise Over("No scratch instance was created.")
        return self._trial.created

    def _read(self) -> Instance | None:
        now = self._client.get_instance(self._made().id)
        if now is not None:
            self._note(self._operation, now)
        return now

    def _note(self, operation: str, instance: Instance) -> None:
        word = instance.status or ""
        if not self._trial.words or self._trial.words[-1] != (operation, word):
            self._trial.words.append((operation, word))
        if instance.status_message:
            self._trial.messages.append(instance.status_message)

    def _settle(self, operation: str) -> Instance:
        """Wait until nothing is in progress any more, and return the instance."""
        self._operation = operation
        # A new instance may be shown as stopped before it runs.
        settled = SETTLED - {Phase.STOPPED} if operation == "create" else SETTLED
        last: Instance | None = None
        for _waited in self._ticks(SETTLES_WITHIN):
            self._clock.say(f"trying out on the scratch instance: {operation}")
            last = self._read() or last
            if last is not None and phase(last) in settled:
                if operation == "create":
                    self._trial.create_seconds = self._clock.elapsed() - self._began
                    self._trial.shown_env = dict(last.env_vars) if last.env_vars is not None else None
                    self._trial.created = last
                return last
        if last is None:
            raise Over(f"The scratch instance cannot be read after {operation}.")
        return last

    # Changes

    def _fields(self, env: dict[str, str]) -> dict[str, Any]:
        return {"name": self._trial.sent_name.strip(), "mcp_write_enabled": True, "env_vars": env}

    def _put(self, fields: dict[str, Any]) -> Instance:
        answer = self._client.update_instance(self._made(), fields)
        self._note("update", answer)
        return answer

    def _update(self) -> None:
        before = self._settle("update")
        answer = self._put(self._fields(dict(ENV)))
        after = self._settle("update")
        moved = (before.restart_count, before.last_restart_at) != (after.restart_count, after.last_restart_at)
        self._trial.restarts_after_put = phase(answer) is not Phase.READY or moved
        self._put({"env_vars": {ADDED: "doctor-planted-three"}})
        after = self._settle("update")
        self._trial.env_after_partial = dict(after.env_vars or {})
        self._trial.kept_after_partial = bool(after.name) and bool(after.mcp_write_enabled)
        try:
            self._put(self._fields({}))
            self._trial.env_after_empty = dict(self._settle("update").env_vars or {})
        except OcoreError as error:
            if error.status not in (400, 422):
                raise
            self._trial.empty_refused = error.status
        self._put(self._fields(dict(ENV)))
        self._settle("update")

    def _restart(self) -> None:
        before = self._settle("update")
        self._operation = "restart"
        self._client.control_instance(before, "restart")
        try:
            self._note("restart", self._client.update_instance(before, self._fields(dict(ENV))))
            self._trial.busy = "accepted"
        except OcoreError as error:
            if error.status not in (409, 423):
                raise
            self._trial.busy = f"refused (HTTP {error.status})"
        between, counted, looks = False, False, 0
        for _waited in self._ticks(RESTARTS_WITHIN):
            now = self._read()
            if now is None:
                continue
            ready = phase(now) is Phase.READY
            marks = (before.restart_count, before.last_restart_at)
            between, counted = between or not ready, counted or (now.restart_count, now.last_restart_at) != marks
            # One of the two may follow the other a little later.
            looks += ready and (between or counted)
            if ready and ((between and counted) or looks > LOOKS_FOR_THE_OTHER):
                break
        self._trial.restart_shows_status, self._trial.restart_is_counted = between, counted

    def _compete(self) -> None:
        """Send two updates at once, each of which knows nothing of the other."""
        self._settle("update")
        pool = thread_pool(len(RIVALS))
        futures = [pool.submit(self._put, self._fields({**ENV, name: "doctor-planted-four"})) for name in RIVALS]
        refused = []
        for future in futures:
            try:
                future.result()
            except OcoreError as error:
                refused.append(error.status)
        pool.shutdown(wait=False)
        env = self._settle("update").env_vars or {}
        there = [name for name in RIVALS if name in env]
        if refused:
            self._trial.rivals = f"one is refused (HTTP {refused[0]})"
        else:
            self._trial.rivals = "both stay" if len(there) == len(RIVALS) else "the last one wins"

    def _stop_and_start(self) -> None:
        for action, goal in (("stop", Phase.STOPPED), ("start", Phase.READY)):
            self._operation = action
            self._client.control_instance(self._made(), action)
            for _waited in self._ticks(SETTLES_WITHIN):
                if phase(self._read()) is goal:
                    break

    def _create_twin(self) -> None:
        slug = self._made().slug or self._trial.sent_slug
        try:
            twin = self._send_creation(slug, f"{self._trial.slug} twin")
        except OcoreError as error:
            if error.uncertain or error.status not in (400, 409, 422):
                raise
            self._trial.taken = f"refused (HTTP {error.status})"
            return
        same = (twin.slug or "").casefold() == slug.casefold()
        self._trial.taken = "accepted" if same else "accepted under another slug"

    # Removal

    def _delete(self) -> None:
        """Remove the instance, and look at what is left of it."""
        made = self._made()
        self._operation = "delete"
        self._client.delete_instance(made)
        last: Instance | None = made
        for _waited in self._ticks(SETTLES_WITHIN):
            last = self._read()
            if last is None or phase(last) is Phase.GONE:
                break
        else:
            return
        self._trial.get_after_delete = "404" if last is None else last.status or ""
        shown, looks = 0, 0
        for _waited in self._ticks(VISIBLE_WITHIN):
            there = self._client.list_instances().having("id", made.id)
            looks += 1
            shown += bool(there)
            if not there or looks >= LOOKS_AFTER_DELETE:
                break
        self._trial.listed_after_delete = "no" if not shown else "for a while" if shown < looks else "yes"
        if phase(last) is Phase.GONE:
            del self._ours[made.id]

    def clean_up(self) -> None:
        """Remove everything of ours that is still there, and name what could not be removed."""
        if self._before is None or self._trial.manages is False:
            return
        for instance in [*self._ours.values(), *self._lost()]:
            problem = self._remove(instance)
            if problem:
                self._trial.left.append(
                    f"The scratch instance {instance.label()} is still there: {problem} Remove it with ocore_instance, "
                    f"id: {instance.id}, state: absent."
                )

    def _lost(self) -> list[Instance]:
        """Return instances of ours whose creation got no usable answer."""
        name = normalized_name(self._trial.sent_name)
        try:
            found = list(self._client.list_instances())
        except OcoreError as error:
            if self._trial.sent_name and not self._trial.manages:
                self._trial.left.append(
                    f"Whether a scratch instance was created is open, and the list cannot be read ({error.message}) Look for the "
                    f"slug {self._trial.slug} in oCore."
                )
            return []
        ours = (name, f"{self._trial.slug} twin")
        return [
            instance
            for instance in found
            if instance.id not in (self._before or set())
            and instance.id not in self._ours
            and normalized_name(instance.name or "") in ours
            and phase(instance) not in (Phase.GONE, Phase.LEAVING)
        ]

    def _remove(self, instance: Instance) -> str:
        """Remove an instance and wait until it is gone; return why that failed, or nothing."""
        problem, accepted = "", False
        for _attempt in self._until_the_end():
            try:
                if not accepted:
                    self._client.delete_instance(instance)
                    accepted = True
                if phase(self._client.get_instance(instance.id)) is Phase.GONE:
                    return ""
                problem = "oCore accepted the removal, and has not ended it in time."
            except OcoreError as error:
                # An operation that is in progress ends some time.
                if not error.transient and error.status != 409:
                    return error.message
                problem = error.message
        return problem

    def _until_the_end(self) -> Iterator[float]:
        yield 0.0
        yield from self._clock.ticks()
