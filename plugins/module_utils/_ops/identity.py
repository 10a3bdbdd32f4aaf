# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which instance a task means: by id, else by slug, else by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase, phase_of


@dataclass(frozen=True)
class Match:
    """What a look-up found.

    :param instance: the instance meant; null when there is none.
    :param leaving: an instance that fits but is being removed; null when there is none.
    :param listing: the list it was looked up in; null for a look-up by id.
    """

    instance: Instance | None
    leaving: Instance | None = None
    listing: Listing | None = None


def key_of(options: Mapping[str, Any]) -> str:
    """Give the option that decides which instance is meant: id, slug or name.

    :raises OcoreError: when none is given. An empty text, such as a survey question left open, gives none.
    """
    for key in ("id", "slug", "name"):
        if options.get(key):
            return key
    raise OcoreError("One of id, slug and name is needed to tell which instance is meant.")


def describe(options: Mapping[str, Any]) -> str:
    """Give the words for the instance that the options mean: ``slug shop-prod``."""
    key = key_of(options)
    return f"{key} {options[key]}"


def find(client: Client, options: Mapping[str, Any]) -> Match:
    """Look an instance up with one request.

    The most specific key that is given decides: id, then slug, then name; the others are then wanted values.

    :raises OcoreError: when none of the keys is given, several instances fit, or none fits in a list that is incomplete.
    """
    if key_of(options) == "id":
        found = client.get_instance(options["id"])
        state = phase(found)
        if state is Phase.LEAVING:
            return Match(None, found)
        return Match(None if state is Phase.GONE else found)
    match = find_in(client.list_instances(), options)
    for instance in filter(None, (match.instance, match.leaving)):
        client.protect(instance)
    return match


def find_in(listing: Listing, options: Mapping[str, Any]) -> Match:
    """Look an instance up in a list that was read already; see :func:`find`."""
    key = key_of(options)
    wanted = str(options[key])
    fitting = listing.having(key, wanted)
    here = [i for i in fitting if phase_of(i.status) not in (Phase.GONE, Phase.LEAVING)]
    leaving = [i for i in fitting if phase_of(i.status) is Phase.LEAVING]
    if len(here) > 1:
        raise OcoreError(
            f"{len(here)} instances have the {key} {wanted!r}: {', '.join(sorted(i.label() for i in here))}. "
            f"Name the one you mean by {'id' if key == 'slug' else 'id or slug'}."
        )
    if listing.incomplete and not here and not leaving:
        raise OcoreError(
            f"oCore says that there are more instances than the {len(listing)} that it listed, and {key} {wanted} may be "
            "among the others. Nothing was changed. If the instance exists, name it by id."
        )
    return Match(here[0] if here else None, leaving[0] if leaving else None, listing)
