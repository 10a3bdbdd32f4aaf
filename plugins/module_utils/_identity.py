# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no compatibility is promised to other users.

"""Which instance a task means: by id, else by slug, else by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._contract import Instance, Listing
from ansible_collections.ocore.cloud.plugins.module_utils._errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._lifecycle import Phase, phase, phase_of


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


def describe(options: Mapping[str, Any]) -> str:
    """Give the words for the instance that the options mean: ``slug shop-prod``."""
    key = next(k for k in ("id", "slug", "name") if options.get(k))
    return f"{key} {options[key]}"


def find(client: Client, options: Mapping[str, Any]) -> Match:
    """Look an instance up with one request.

    The most specific key that is given decides: id, then slug, then name; the others are then wanted values.

    :raises OcoreError: when several instances fit.
    """
    if options.get("id"):
        found = client.get(options["id"])
        state = phase(found)
        if state is Phase.LEAVING:
            return Match(None, found)
        return Match(None if state is Phase.GONE else found)
    return find_in(client.list(), options)


def find_in(listing: Listing, options: Mapping[str, Any]) -> Match:
    """Look an instance up in a list that was read already; see :func:`find`."""
    key = next(k for k in ("id", "slug", "name") if options.get(k))
    wanted = str(options[key])
    if key == "name":
        fitting = listing.matching(lambda item: item["name"] == wanted)
    else:
        fitting = listing.matching(lambda item: str(item[key] or "").casefold() == wanted.casefold())
    here = [i for i in fitting if phase_of(i.status) not in (Phase.GONE, Phase.LEAVING)]
    leaving = [i for i in fitting if phase_of(i.status) is Phase.LEAVING]
    if len(here) > 1:
        raise OcoreError(
            f"{len(here)} instances have the {key} {wanted!r}: {', '.join(sorted(i.title() for i in here))}. "
            f"Name the one you mean by {'id' if key == 'slug' else 'id or slug'}."
        )
    return Match(here[0] if here else None, leaving[0] if leaving else None, listing)
