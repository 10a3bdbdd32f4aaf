# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create an instance, and never two.

The API knows no idempotency key. So a request whose answer is lost is not repeated before the instance was looked for; and
when the wait is over, instances that nobody meant to create twice are reported.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    Instance,
    is_on_server,
    normalized_name,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._ops.identity import labels
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Run

LOOKS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the looks for an instance whose creation got no answer: the work may end after the connection did."""
LATE_LOOKS = (*LOOKS, 8.0, 15.0, 30.0)
"""The same after a timeout: a gateway gives up while the work goes on. It was seen to end 20 to 45 seconds later."""


@dataclass(frozen=True)
class Created:
    """What became of a create request.

    :param foreign: whether another client created the instance, so that it may differ from what was asked for.
    :param doubtful: whether the request may have been carried out more than once.
    """

    instance: Instance
    foreign: bool = False
    doubtful: bool = False


def create_once(run: Run, fields: Mapping[str, Any], known: Listing) -> Created:
    """Send the create request until it is answered, never making two instances.

    :param fields: snake_case fields of the POST.
    :param known: the list in which the instance was not found.
    :raises OcoreError: when it is refused, or when it stays open whether the instance exists.
    """
    before = known.ids()
    tries_left = int(run.options["retries"])
    repeated = False
    while True:
        try:
            return Created(run.client.create_instance(fields), doubtful=repeated)
        except OcoreError as error:
            if error.status == 409 and not repeated:
                return _use_existing(run, fields, before, error)
            if not error.uncertain and error.status != 409:
                raise
            found = _look_for_new(run, fields, before, error)
            if found is not None:
                run.warn(
                    f"The create request got no usable answer, but instance {found.label()} has appeared since; using it."
                )
                return Created(found, doubtful=True)
            if not error.uncertain or not _may_repeat(fields, tries_left, run, error):
                raise
        tries_left, repeated = tries_left - 1, True


def _may_repeat(fields: Mapping[str, Any], tries_left: int, run: Run, cause: OcoreError) -> bool:
    cause.message += " The instance was looked for afterwards and not found."
    if cause.accepted:
        cause.message += (
            " The request was not repeated, because oCore may be about to carry it out. Run the task again later, which looks "
            "for the instance first."
        )
        return False
    if not fields.get("slug"):
        cause.message += (
            " The request was not repeated, because nothing but a slug could tell a second instance from the first. Run the "
            "task again later, or give it a slug."
        )
        return False
    return tries_left > 0 and not run.clock.expired()


def _use_existing(run: Run, fields: Mapping[str, Any], before: set[str], cause: OcoreError) -> Created:
    """Look once why a creation is refused as a conflict: another client may have been faster.

    :raises OcoreError: ``cause``, with what the list shows, when the instance is not there.
    """
    try:
        listing = run.client.list_instances()
    except OcoreError as error:
        cause.message += f" Looking for the instance failed as well: {error.message}"
        raise cause from None
    found = _exact(fields, _new_instances(run, listing, fields, before))
    if len(found) == 1:
        run.warn(
            f"Instance {found[0].label()} has appeared since this task looked: another client created it; using it."
        )
        return Created(found[0], foreign=True)
    if len(found) > 1:
        raise _twins(found)
    slug = fields.get("slug")
    holders = listing.having("slug", slug) if slug else []
    if holders:
        cause.message += (
            f" The slug {slug} still belongs to {labels(holders)}, which is being removed or is deleted. Run the task again "
            "when it is gone, or choose another slug."
        )
    else:
        cause.message += (
            " The list shows no instance with this slug or name: it may belong to one that this token cannot see. Choose "
            "another slug, or check organization."
        )
    raise cause


def _look_for_new(run: Run, fields: Mapping[str, Any], before: set[str], cause: OcoreError) -> Instance | None:
    """Look for the instance that a create request may have made, several times over some seconds.

    :param cause: what the create request ended in.
    :raises OcoreError: ``cause``, when it stays open whether the instance exists.
    """
    found: list[Instance] = []
    for look, pause in enumerate(LATE_LOOKS if cause.late else LOOKS):
        if not run.clock.pause(pause) and look and not run.clock.timeout:
            break  # wait_timeout: 0 allows one look
        if run.clock.timeout and run.clock.expired():
            cause.message += (
                " Whether the instance was created is not known: wait_timeout ended before it could be looked for. The "
                "request was not repeated; run the task again, which looks for the instance first."
            )
            raise cause
        try:
            found = _new_instances(run, run.client.list_instances(), fields, before)
        except OcoreError as error:
            cause.message += (
                f" Whether the instance was created is not known, because looking for it failed as well: {error.message} "
                "The request was not repeated; run the task again, which looks for the instance first."
            )
            raise cause from None
        exact = _exact(fields, found)
        if len(exact) > 1:
            raise _twins(exact)
        if exact:
            return exact[0]
    if found:
        cause.message += (
            f" {labels(found)} has appeared since, with the same name on the same server but another slug. The request was "
            "not repeated: if that is the instance, put its slug into the task."
        )
        raise cause
    return None


def _new_instances(run: Run, listing: Listing, fields: Mapping[str, Any], before: set[str]) -> list[Instance]:
    """Return the instances that were not there before and have the slug, or the name and the server, of the request.

    Those that the same task declares by another slug are not among them.
    """
    slug, name = _words(fields.get("slug")), normalized_name(fields["name"])
    others = run.claimed_slugs - {str(fields.get("slug") or "").casefold()}
    return listing.matching(
        lambda item: (
            str(item["id"]) not in before
            and str(item["slug"] or "").casefold() not in others
            and (
                (slug != "" and _words(item["slug"]) == slug)
                or (
                    normalized_name(str(item["name"] or "")) == name
                    and is_on_server(item["server_id"], fields["server_id"])
                )
            )
        )
    )


def _exact(fields: Mapping[str, Any], found: Sequence[Instance]) -> list[Instance]:
    """Return those of the new instances that have the slug of the request, if it has one."""
    slug = _words(fields.get("slug"))
    return [instance for instance in found if slug in ("", _words(instance.slug))]


def report_twins(run: Run, fields: Mapping[str, Any], before: set[str], made: Instance, doubtful: bool) -> None:
    """Look, when the wait is over, whether there is more than one new instance of the kind that was to be created.

    A failure to look is no reason to call the creation failed: the instance is there.

    :param made: the one that the task goes on with, which the list may not show yet.
    :param doubtful: whether the request may have been carried out twice. An API that makes slugs unique gives the second
        instance a longer one then; without that, only the same slug makes a twin.
    :raises OcoreError: when there are several; the text names their ids.
    """
    try:
        listing = run.listing or run.client.list_instances()
    except OcoreError as error:
        run.warn(f"Could not check that the instance was created only once: {error.message}")
        return
    with contextlib.suppress(OcoreError):
        for pause in LOOKS:
            # The next task would not find an instance that the list does not show yet, and create another one.
            if listing.having("id", made.id) or not run.clock.pause(pause):
                break
            listing = run.client.list_instances()
    slug = _words(fields.get("slug"))
    found = [i for i in _new_instances(run, listing, fields, before) if phase(i) not in (Phase.GONE, Phase.LEAVING)]
    found = [i for i in found if _words(i.slug) == slug or not slug or (doubtful and _words(i.slug).startswith(slug))]
    others = [instance for instance in found if instance.id.casefold() != made.id.casefold()]
    if others:
        raise _twins([made, *others])


def _twins(found: list[Instance]) -> OcoreError:
    return OcoreError(
        f"Several new instances match the one to be created: {labels(found)}. An earlier request was carried out late, or "
        "another client created one at the same time. None was removed: decide which one to keep, and identify it by id."
    )


def refuse_lookalike(fields: Mapping[str, Any], listing: Listing) -> None:
    """Refuse a creation where the instance may exist already, with its slug in another spelling.

    :raises OcoreError: when one with the same name on the same server has a slug that begins like the declared one.
    """
    slug = _words(fields.get("slug"))
    if not slug:
        return
    name = normalized_name(fields["name"])
    found = listing.matching(
        lambda item: (
            normalized_name(str(item["name"] or "")) == name
            and is_on_server(item["server_id"], fields["server_id"])
            and _words(item["slug"]).startswith(slug)
        )
    )
    found = [instance for instance in found if phase(instance) not in (Phase.GONE, Phase.LEAVING)]
    if found:
        raise OcoreError(
            f"There is no instance with slug {fields['slug']}, but {found[0].label()} has the same name on the same server, "
            f"and oCore may change slugs when it stores them. Nothing was created. If that is the one, use slug: "
            f"{found[0].slug} or id: {found[0].id}; if not, choose another name or slug."
        )


def _words(slug: object) -> str:
    """Return a slug in a form in which spellings of the same slug are equal."""
    return re.sub(r"[^a-z0-9]+", "-", str(slug or "").casefold()).strip("-")
