# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's checks of lists: instances, servers, and what stands beside them. Nothing here sends a request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Server, normalized_name
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import is_usable_id, page_items
from ansible_collections.ocore.cloud.plugins.module_utils._api.shape import Page, page_of, shape_of
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_finding import (
    Finding,
    Words,
    differs,
    ok,
    several,
    unknown,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_look import Evidence

GROUP_LISTS = "Lists"
GROUP_SERVERS = "Servers"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_LIST = ("no list was read", "Mend the findings about connection and access first.")


def check_lists(seen: Evidence, words: Words) -> list[Finding]:
    """Return the findings about the list of instances."""
    checks = ("list", "total", "paging", "empty_list", "server_filter", "ids", "slugs", "names")
    pages = [page for raw in seen.listed.pages if (page := page_of(raw, "instances")) is not None]
    if seen.listed.error is not None or not pages:
        return [unknown(check, *_NO_LIST) for check in checks]
    return [
        _list(seen, pages),
        _total(seen, pages),
        _paging(seen, pages, words),
        _empty_list(seen),
        _server_filter(seen),
        *_identities(seen),
    ]


def _list(seen: Evidence, pages: Sequence[Page]) -> Finding:
    entries = [item for raw in seen.listed.pages for item in page_items(raw) or []]
    unusable = [item for item in entries if not (isinstance(item, dict) and is_usable_id(item.get("id")))]
    where = f"under {pages[0].key}" if pages[0].key else "the answer itself"
    number = several(len(entries), "instance")
    pages_read = f" on {len(pages)} pages" if len(pages) > 1 else ""
    if unusable:
        return differs(
            "list",
            f"{len(unusable)} of {number} {'have' if len(unusable) > 1 else 'has'} no usable id",
            "They are left out with a warning, and nothing is created or removed on the strength of this list. Report it "
            "to whoever runs oCore.",
        )
    if pages[0].key != "instances":
        return differs(
            "list", f"{number}{pages_read}, {where}", "The documentation shows instances. The collection reads both."
        )
    return ok("list", f"{number}{pages_read}, {where}")


def _total(seen: Evidence, pages: Sequence[Page]) -> Finding:
    kind, said = pages[-1].total, pages[-1].said
    listed = sum(page.entries for page in pages)
    if kind == "missing":
        return differs(
            "total",
            "there is no total",
            "The list counts as complete unless it says otherwise; one that is cut off would go unnoticed.",
        )
    if said is None:
        return differs("total", f"total is a {kind}", "It is ignored, so a list that is cut off would go unnoticed.")
    if said > listed:
        return differs(
            "total",
            f"total says {said - listed} more than the {listed:,} that were listed",
            "Looking up by slug or name fails where it finds nothing, since the instance may be among the others: identify "
            "instances by id. Nothing is removed by purge.",
        )
    if said < listed:
        return differs("total", f"total says {listed - said} less than was listed", "What was listed counts.")
    if kind != "number":
        return differs("total", f"right, but a {kind}", "The collection reads it all the same.")
    return ok("total", f"{said:,}, as many as were listed")


PAGING_KEYS = frozenset(
    (
        "has_more",
        "next_cursor",
        "hasMore",
        "nextCursor",
        "page",
        "totalPages",
        "total_pages",
        "next",
        "pagination",
        "meta",
    )
)
"""Keys beside a list that are about its pages."""


def _paging(seen: Evidence, pages: Sequence[Page], words: Words) -> Finding:
    keys = frozenset().union(*(page.keys for page in pages)) & PAGING_KEYS
    other = frozenset().union(*(page.keys for page in pages)) - PAGING_KEYS
    if seen.listed.value is not None and seen.listed.value.incomplete and keys:
        return differs(
            "paging",
            f"there are more pages, and nothing leads to them ({words.list(keys)})",
            "The list counts as incomplete: identify instances by id. Report the keys above, so that they can be followed.",
        )
    if len(pages) > 1:
        return ok("paging", f"{len(pages)} pages by {words.list(keys)}", "All pages are read.")
    if keys:
        return differs(
            "paging", f"one page, with {words.list(keys)}", "Further pages are followed if they come with a cursor."
        )
    if other:
        return differs("paging", f"one page, and keys of unknown meaning: {words.list(other)}", "They are ignored.")
    return ok("paging", "all in one answer")


def _empty_list(seen: Evidence) -> Finding:
    page = page_of(seen.filtered.raw, "instances") if seen.filtered and seen.filtered.error is None else None
    if page is None or page.entries:
        return unknown("empty_list", "no list without entries was seen", "Both [] and null are read.")
    if page.null:
        return differs("empty_list", "a list without entries is null", "It is read as an empty list.")
    return ok("empty_list", "a list without entries is []")


def _server_filter(seen: Evidence) -> Finding:
    check = "server_filter"
    question = seen.filtered
    if question is None or question.status is None:
        return unknown(check, "the question got no answer", "Results are filtered here as well.")
    if question.error is not None:
        return differs(
            check,
            f"a server that does not exist is refused (HTTP {question.status})",
            "A wrong server_id fails instead of matching nothing. Check the ids that playbooks and inventories name.",
        )
    found = sum(len(page_items(page) or []) for page in question.pages)
    if found and seen.entries:
        return differs(
            check,
            "server_id is ignored: instances of all servers were listed",
            "The collection filters once more by itself, so the result is right; each request costs the whole list.",
        )
    if not seen.entries:
        return unknown(check, "there are no instances to filter", "Run the doctor again when there are some.")
    return ok(check, "server_id narrows the list down")


def _identities(seen: Evidence) -> list[Finding]:
    instances = seen.instances
    if not instances:
        advice = "Create one, or let the doctor do so with write: true."
        return [unknown(check, "there is no instance", advice) for check in ("ids", "slugs", "names")]
    strange = [instance.label() for instance in instances if not _UUID.fullmatch(instance.id)]
    ids = Counter(str(item.get("id")).casefold() for item in seen.entries if is_usable_id(item.get("id")))
    slugs = _twice(instance.slug.casefold() for instance in instances if instance.slug)
    names = _twice(normalized_name(instance.name) for instance in instances if instance.name)
    without = [instance.label() for instance in instances if not instance.slug]
    return [_ids(strange, max(ids.values()) > 1), _slugs(slugs, without, seen), _names(names)]


def _ids(strange: Sequence[str], twice: bool) -> Finding:
    if twice:
        return differs(
            "ids", "an id is listed more than once", "The last one counts. Something moves while pages are read."
        )
    if strange:
        return differs("ids", f"{several(len(strange), 'id')} are no UUIDs", "They are used as they are.", strange)
    return ok("ids", "unique, and UUIDs")


def _slugs(twice: Sequence[str], without: Sequence[str], seen: Evidence) -> Finding:
    if twice:
        advice = "A task that names such a slug fails and lists the instances. Identify them by id."
        return differs("slugs", f"{several(len(twice), 'slug')} belong to more than one instance", advice, twice)
    if len(without) == len(seen.instances):
        return differs(
            "slugs", "no instance shows a slug", "Identify instances by id or name; hosts of an inventory get their id."
        )
    if without:
        advice = "Identify them by id or name; an inventory calls them by their id."
        return differs("slugs", f"{several(len(without), 'instance')} without a slug", advice, without)
    return ok("slugs", "each instance has its own")


def _names(twice: Sequence[str]) -> Finding:
    if twice:
        advice = "A task that identifies by name fails and lists them. Use slug or id."
        return differs("names", f"{several(len(twice), 'name')} belong to more than one instance", advice, twice)
    return ok("names", "each instance has its own")


def _twice(texts: Iterable[str]) -> list[str]:
    return sorted(text for text, number in Counter(texts).items() if number > 1)


# Servers


def check_servers(seen: Evidence, words: Words) -> list[Finding]:
    """Return the findings about the list of servers."""
    checks = ("servers", "server_fields", "server_names", "server_of_instances")
    question = seen.servers
    if question is None or question.status is None:
        return [unknown(check, *_NO_LIST) for check in checks]
    if question.error is not None:
        rest = [
            unknown(check, "servers cannot be listed", "Mend the finding about servers first.") for check in checks[1:]
        ]
        return [_servers_refused(question.status), *rest]
    servers = seen.server_list
    if not servers:
        rest = [unknown(check, "there is no server", "Add a server in oCore.") for check in checks[1:]]
        return [differs("servers", "none", "Instances need a server: add one in oCore, or check organization."), *rest]
    return [_servers(seen), _server_fields(seen, words), _server_names(servers), _server_of_instances(seen)]


def _servers_refused(status: int) -> Finding:
    advice = "Give server_id instead of server in playbooks; inventories of servers do not work."
    reason = {403: "the token may not list servers", 404: "this oCore has no list of servers"}.get(status, "refused")
    return differs("servers", f"{reason} (HTTP {status})", advice)


def _servers(seen: Evidence) -> Finding:
    number = several(len(seen.server_list), "server")
    if len(seen.server_list) < len(seen.server_entries):
        return differs("servers", f"{number}, and some without a usable id", "These are left out with a warning.")
    return ok("servers", f"{number} with ids and names")


def _server_fields(seen: Evidence, words: Words) -> Finding:
    shapes = [shape_of(Server, raw) for raw in seen.server_entries]
    missing = set().union(*(shape.missing for shape in shapes))
    odd: dict[str, Any] = {name: kind for shape in shapes for name, kind in shape.odd.items()}
    new = set().union(*(shape.unknown for shape in shapes))
    unreachable = [server.label() for server in seen.server_list if not server.host]
    if unreachable:
        return differs(
            "server_fields",
            f"{several(len(unreachable), 'server')} without a host",
            "An inventory of servers leaves ansible_host out for them: set it in your inventory.",
            unreachable,
        )
    if odd:
        return differs("server_fields", f"of another type: {words.list(odd)}", "They count as null.")
    if missing:
        return differs("server_fields", f"missing: {words.list(missing)}", "They are null in results.")
    if new:
        return differs(
            "server_fields", f"new: {words.list(new)}", "They are kept under extra, masked where they may be secret."
        )
    return ok("server_fields", "all documented fields, and no others")


def _server_names(servers: Sequence[Server]) -> Finding:
    twice = _twice(normalized_name(server.name) for server in servers if server.name)
    if twice or any(not server.name for server in servers):
        advice = "The option server fails for a name that several have. Give server_id."
        return differs("server_names", "servers without a name of their own", advice, twice)
    return ok("server_names", "each server has its own", "Playbooks can name servers instead of ids.")


def _server_of_instances(seen: Evidence) -> Finding:
    check = "server_of_instances"
    known = {server.id.casefold() for server in seen.server_list}
    silent = [instance.label() for instance in seen.instances if not instance.server_id]
    strange = [i.label() for i in seen.instances if i.server_id and i.server_id.casefold() not in known]
    if not seen.instances:
        return unknown(check, "there is no instance", "Run the doctor again when there is one.")
    if silent:
        advice = "They count as being on every server that is asked for. Report it to whoever runs oCore."
        return differs(check, f"{several(len(silent), 'instance')} do not say which server they are on", advice, silent)
    if strange:
        advice = "Playbooks for hosts do not reach them. The token may not see all servers."
        return differs(check, f"{several(len(strange), 'instance')} on servers that are not listed", advice, strange)
    return ok(check, "each instance is on a listed server")
