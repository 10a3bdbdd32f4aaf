# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verbs of oCore's API: objects in, objects out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeGuard
from urllib.parse import quote

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    Health,
    HealthScore,
    Instance,
    Server,
    parse,
    to_wire,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import Exchange, Request
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import (
    Listing,
    is_usable_id,
    lost_entries,
    next_cursor,
    parse_list,
    parse_servers,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber, Warn, displayable, scrubbed
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._api.transport import Http

NOT_THERE = (404, 410)
"""Statuses by which an API says that there is no such thing, or no more."""
PAGES_MOST = 1000
LIST_READS_MOST = 3
"""How often a list is read whose entries move while its pages are read; the last one then counts as incomplete."""


class Client:
    """One conversation with oCore. May be used by several threads: each gets its own connection.

    :param caller: name of the module or plugin, for the User-Agent.
    :param warn: called with a sentence for each oddity worth telling.
    :param deadline: when the task has to be over; without one, each request has a limit of its own.
    """

    def __init__(self, settings: Settings, *, caller: str, warn: Warn, deadline: Deadline | None = None) -> None:
        self.scrub = Scrubber([settings.token])
        self._scrub_token = Scrubber([settings.token])
        self._warn = warn
        self._caller = caller
        self._deadline = deadline or Deadline()
        self.settings = settings
        self._http = Http(settings, caller, self.scrub, self._deadline)

    def variant(self, *, warn: Warn, **settings: Any) -> Client:
        """Return a client with some settings replaced, on the same deadline; its connections are its own to close."""
        return Client(replace(self.settings, **settings), caller=self._caller, warn=warn, deadline=self._deadline)

    def watch(self, observe: Callable[[Exchange], object]) -> None:
        """Call ``observe`` with each answer from now on, errors included: what the verbs do not tell, such as headers."""
        self._http.watch(observe)

    def close(self) -> None:
        """Close the connections of all threads."""
        self._http.close()

    def list_instances(self, server_id: str | None = None) -> Listing:
        """Read all instances of the organization, or of one server: one request, or one per page.

        :raises OcoreError: when a request fails, or the pages never end.
        """
        pages = self._read_pages("instances", {"server_id": server_id} if server_id else {})
        return parse_list(pages, self._warn, self.protect)

    def list_servers(self) -> list[Server]:
        """Read all servers of the organization: one request, or one per page.

        :raises OcoreError: when a request fails (403: the token may not see servers), or the pages never end.
        """
        return parse_servers(self._read_pages("servers", {}), self._warn)

    def _read_pages(self, what: str, query: Mapping[str, str]) -> list[Any]:
        """Return the pages of a list; read again when entries may have been missed between two pages."""
        for _reading in range(LIST_READS_MOST):
            pages = self._follow_cursors(what, query)
            if not lost_entries(pages):
                break
        return pages

    def _follow_cursors(self, what: str, query: Mapping[str, str]) -> list[Any]:
        def read(query: Mapping[str, str]) -> Any:
            return self._http.send(Request("GET", f"/{what}", f"list the {what}", query=query))

        pages = [read(query)]
        cursors: set[str] = set()
        while (cursor := next_cursor(pages[-1])) is not None:
            if cursor in cursors or len(pages) >= PAGES_MOST:
                raise OcoreError(
                    f"Cannot list the {what}: oCore keeps announcing a further page, so the list would never be complete. "
                    "This collection follows next_cursor by the query parameter cursor."
                )
            cursors.add(cursor)
            pages.append(read({**query, "cursor": cursor}))
        return pages

    def get_instance(self, instance_id: str) -> Instance | None:
        """Read one instance; ``None`` when oCore answers 404.

        :raises OcoreError: when the request fails, or the answer is about another instance.
        """
        attempt = f"read instance {displayable(instance_id)}"
        try:
            raw = self._http.send(Request("GET", _path(instance_id), attempt))
        except OcoreError as error:
            if error.status in NOT_THERE:
                return None
            raise
        return self._instance(raw, instance_id, attempt)

    def create_instance(self, fields: Mapping[str, Any]) -> Instance:
        """Send one create request (202: provisioning is queued).

        :param fields: snake_case names of ``CREATABLE``.
        :raises OcoreError: ``uncertain`` when the instance may exist all the same.
        """
        attempt = f"create instance {displayable(str(fields.get('slug') or fields.get('name')))}"
        raw = self._http.send(Request("POST", "/instances", attempt, body=self._body(fields)))
        if not (isinstance(raw, dict) and is_usable_id(raw.get("id"))):
            raise OcoreError(
                f"Cannot {attempt}: oCore accepted the request, but its answer does not hold the instance's id.",
                uncertain=True,
                late=True,
                accepted=True,
            )
        return self._instance(raw, str(raw["id"]), attempt)

    def update_instance(self, instance: Instance, fields: Mapping[str, Any]) -> Instance:
        """Send a PUT with snake_case ``fields`` of ``UPDATABLE``.

        :returns: the instance as the answer shows it; read by id where the answer of the PUT holds none.
        :raises OcoreError: ``uncertain`` when the change may have been made all the same.
        """
        attempt = f"update instance {instance.label()}"
        raw = self._http.send(Request("PUT", _path(instance.id), attempt, body=self._body(fields)))
        if _names_instance(raw):
            return self._instance(raw, instance.id, attempt)
        found = self.get_instance(instance.id)
        if found is None:
            raise OcoreError(
                f"Cannot {attempt}: oCore accepted the request, but the instance is not found any more.", uncertain=True
            )
        return found

    def delete_instance(self, instance: Instance) -> None:
        """Ask for the removal (202: cleanup is queued). An instance that is gone already is no error.

        :raises OcoreError: ``uncertain`` when the removal may have been queued all the same.
        """
        try:
            self._http.send(
                Request("DELETE", _path(instance.id), f"remove instance {instance.label()}", wants_object=False)
            )
        except OcoreError as error:
            if error.status not in NOT_THERE:
                raise

    def control_instance(self, instance: Instance, action: str) -> None:
        """Ask for ``action``: start, stop or restart (202).

        :raises OcoreError: ``uncertain`` when the action may be in progress all the same.
        """
        path = f"{_path(instance.id)}/control"
        attempt = f"{action} instance {instance.label()}"
        self._http.send(Request("POST", path, attempt, body={"action": action}, wants_object=False))

    def get_health(self, instance: Instance) -> Health | None:
        """Read the health of an instance; ``None`` when there is none. Its words may hold env values, but never the token.

        :raises OcoreError: ``about_one`` when requests about other instances may succeed.
        """
        raw = self._read_about(instance, "health")
        if raw is None:
            return None
        health = parse(Health, raw, self._warn)
        if health.status_message:
            health.status_message = self._scrub_token(health.status_message)
        return health

    def get_health_score(self, instance: Instance) -> HealthScore | None:
        """Read the health score with its factors; ``None`` when none has been computed (404, or no score in it).

        :raises OcoreError: ``about_one`` when requests about other instances may succeed.
        """
        raw = self._read_about(instance, "health-score")
        score = None if raw is None else parse(HealthScore, raw, self._warn)
        if score is None or score.score is None:
            return None
        for factor in score.factors or []:
            if factor.details:
                factor.details = self._scrub_token(factor.details)
        return score

    def _read_about(self, instance: Instance, what: str) -> Any:
        attempt = f"read the {what} of instance {instance.label()}"
        try:
            raw = self._http.send(Request("GET", f"{_path(instance.id)}/{what}", attempt))
        except OcoreError as error:
            if error.status in NOT_THERE:
                return None
            raise
        if isinstance(raw, dict) and is_usable_id(raw.get("id")) and not _is_same(str(raw["id"]), instance.id):
            raise OcoreError(
                f"Cannot {attempt}: oCore answered about instance {displayable(str(raw['id']))} instead.",
                about_one=True,
            )
        return raw

    def _body(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self.scrub.add(str(value) for value in (fields.get("env_vars") or {}).values())
        return to_wire(fields)

    def _instance(self, raw: object, instance_id: str, attempt: str) -> Instance:
        """Read an instance whose id is known from the request.

        :raises OcoreError: when the answer holds none, or another one: whatever followed would be done to that.
        """
        if not (_names_instance(raw)):
            raise OcoreError(
                f"Cannot {attempt}: oCore's answer holds no instance. Check that api_url points at the API.",
                transient=True,
                about_one=True,
            )
        if not raw.get("id"):
            raw = {**raw, "id": instance_id}
        instance = self.protect(parse(Instance, raw, self._warn))
        if not _is_same(instance.id, instance_id):
            raise OcoreError(
                f"Cannot {attempt}: oCore answered about instance {instance.label()} instead of {displayable(instance_id)}. "
                "Nothing was done to either because of this answer. Check what stands between this client and oCore.",
                uncertain=True,
            )
        return instance

    def protect(self, instance: Instance) -> Instance:
        """Take the env values of an instance for secrets, and mask all known ones in its free texts and unknown fields."""
        self.scrub.add(instance.secrets())
        if instance.model_extra:
            # Cut first: a field may be nested deeper than Python can follow.
            instance.model_extra.update(scrubbed(instance.unknown(), self.scrub))
        if instance.status_message:
            instance.status_message = self.scrub(instance.status_message)
        return instance


def _names_instance(raw: object) -> TypeGuard[dict[str, Any]]:
    """Return whether an answer is about an instance at all; an empty object would pass for one without env vars."""
    return isinstance(raw, dict) and any(raw.get(key) for key in ("id", "slug", "name"))


def _is_same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _path(instance_id: str) -> str:
    """Return the path of an instance; an id made of dots would climb out of it.

    :raises OcoreError: when the id cannot be part of a URL.
    """
    try:
        if is_usable_id(instance_id):
            return f"/instances/{quote(instance_id.strip(), safe='')}"
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold and a URL cannot
        pass
    raise OcoreError(f"{instance_id!r} is not the id of an instance.", about_one=True)
