# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which instance a task refers to: by id, else by slug, else by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, phase

KEYS = ("id", "slug", "name")
"""What identifies an instance, the most specific first: the first one given decides, the others are declared values."""


@dataclass(frozen=True)
class Identity:
    """The identifiers that a task gives: stripped, and ``None`` where not given."""

    id: str | None = None
    slug: str | None = None
    name: str | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Identity:
        """Take id, slug and name from cleaned options.

        :raises OcoreError: when none of them is given.
        """
        given = {key: str(options[key]) for key in KEYS if options.get(key)}
        if not given:
            raise OcoreError("One of id, slug and name is required to identify the instance.")
        return cls(**given)

    @property
    def key(self) -> str:
        """Return the option that decides: id, slug or name."""
        return next(key for key in KEYS if getattr(self, key))

    @property
    def value(self) -> str:
        """Return the value of the option that decides."""
        return str(getattr(self, self.key))

    def __str__(self) -> str:
        return f"{self.key} {self.value}"


@dataclass(frozen=True)
class Match:
    """What a look-up found.

    :param instance: the instance; ``None`` when there is none.
    :param leaving: an instance that fits but is being removed; ``None`` when there is none.
    :param listing: the list in which it was looked up; ``None`` for a look-up by id.
    """

    instance: Instance | None
    leaving: Instance | None = None
    listing: Listing | None = None


def find(client: Client, identity: Identity) -> Match:
    """Look an instance up with one request.

    :raises OcoreError: when several instances fit, or none fits in a list that is incomplete.
    """
    if identity.id:
        found = client.get_instance(identity.id)
        state = phase(found)
        if state is Phase.LEAVING:
            return Match(None, found)
        return Match(None if state is Phase.GONE else found)
    return find_in(client.list_instances(), identity)


def find_in(listing: Listing, identity: Identity) -> Match:
    """Look an instance up in a list that was read already; see :func:`find`."""
    here, leaving = all_in(listing, identity)
    if len(here) > 1:
        more_specific = "id" if identity.key == "slug" else "id or slug"
        raise OcoreError(
            f"{len(here)} instances have the {identity.key} {identity.value!r}: {labels(here)}. Identify the right one by "
            f"{more_specific}."
        )
    return Match(here[0] if here else None, leaving[0] if leaving else None, listing)


def all_in(listing: Listing, identity: Identity) -> tuple[list[Instance], list[Instance]]:
    """Return all instances of a list that fit, and those that fit but are being removed.

    :raises OcoreError: when none fits in a list that is incomplete.
    """
    fitting = listing.having(identity.key, identity.value)
    here = [instance for instance in fitting if phase(instance) not in (Phase.GONE, Phase.LEAVING)]
    leaving = [instance for instance in fitting if phase(instance) is Phase.LEAVING]
    if listing.incomplete and not here and not leaving:
        raise OcoreError(
            f"oCore reports more instances than the {len(listing)} that it listed, and {identity} may be among the others. "
            "Nothing was changed. If the instance exists, identify it by id."
        )
    return here, leaving


def labels(instances: list[Instance]) -> str:
    """Return the labels of several instances for a sentence."""
    return ", ".join(sorted(instance.label() for instance in instances))
