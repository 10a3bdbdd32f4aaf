# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the campaign tries: operations, faults, positions, counts and variants of the API."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._ops import control, fleet, info, instance
from ansible_collections.ocore.cloud.plugins.module_utils._ops.run import Operation

SECRET = 'pl4nted <&> "value" 1'
OTHER_SECRET = "an0ther-planted-value"
OLD_ENV = {"KEPT": OTHER_SECRET, "CHANGED": "0ld-planted-value"}
NEW_ENV = {"CHANGED": SECRET, "ADDED": "a-n3w-planted-value"}


@dataclass(frozen=True)
class Story:
    """One thing that a task does, and what has to be true afterwards.

    :param write: the operation of the API that does the work.
    :param options: of the task; SERVER and ID stand for what the emulator has.
    :param truth: wire fields by slug, as they have to be; None: no such instance.
    :param before: wire fields of the instance `shop` before, None when it does not exist.
    :param steady: whether a second run changes nothing.
    """

    name: str
    operation: Operation
    write: str
    options: dict[str, Any]
    truth: dict[str, dict[str, Any] | None]
    before: dict[str, Any] | None = None
    steady: bool = True


NEW = {"name": "Shop", "server_id": "SERVER"}
SHOP = {"name": "Shop", "slug": "shop"}
RUNS = {"status": "running", "name": "Shop"}


def _fleet(**options: Any) -> dict[str, Any]:
    return {"max_parallel": 1, **options}


STORIES = [
    Story("create", instance.OPERATION, "create", {**NEW, "slug": "shop"}, {"shop": RUNS}),
    Story("create_by_name", instance.OPERATION, "create", NEW, {"shop": RUNS}),
    Story(
        "create_env",
        instance.OPERATION,
        "create",
        {**NEW, "slug": "shop", "env_vars": NEW_ENV, "odoo_version": "18.0"},
        {"shop": {**RUNS, "envVars": NEW_ENV, "odooVersion": "18.0"}},
    ),
    Story(
        "create_mcp",
        instance.OPERATION,
        "create",
        {**NEW, "slug": "shop", "mcp_write_enabled": True},
        {"shop": {**RUNS, "mcpWriteEnabled": True}},
    ),
    Story(
        "update",
        instance.OPERATION,
        "update",
        {"slug": "shop", "addons_path": "/mnt/b", "mcp_write_enabled": True},
        {"shop": {"addonsPath": "/mnt/b", "mcpWriteEnabled": True, "envVars": OLD_ENV}},
        SHOP,
    ),
    Story("rename", instance.OPERATION, "update", {"slug": "shop", "name": "New"}, {"shop": {"name": "New"}}, SHOP),
    Story(
        "env",
        instance.OPERATION,
        "update",
        {"slug": "shop", "env_vars": NEW_ENV},
        {"shop": {"envVars": {**OLD_ENV, **NEW_ENV}, "restartCount": 0}},
        SHOP,
    ),
    Story(
        "env_purge",
        instance.OPERATION,
        "update",
        {"slug": "shop", "env_vars": NEW_ENV, "purge_env_vars": True},
        {"shop": {"envVars": NEW_ENV}},
        SHOP,
    ),
    Story(
        "env_restart",
        instance.OPERATION,
        "control",
        {"slug": "shop", "env_vars": NEW_ENV, "restart_on_change": True},
        {"shop": {"envVars": {**OLD_ENV, **NEW_ENV}, "restartCount": 1, "status": "running"}},
        SHOP,
    ),
    Story("remove", instance.OPERATION, "delete", {"slug": "shop", "state": "absent"}, {"shop": None}, SHOP),
    Story("remove_by_name", instance.OPERATION, "delete", {"name": "Shop", "state": "absent"}, {"shop": None}, SHOP),
    Story("unchanged", instance.OPERATION, "update", {"slug": "shop", "name": "Shop"}, {"shop": RUNS}, SHOP),
    Story(
        "start",
        control.OPERATION,
        "control",
        {"slug": "shop", "state": "started"},
        {"shop": {"status": "running"}},
        {**SHOP, "status": "stopped"},
    ),
    Story(
        "stop",
        control.OPERATION,
        "control",
        {"slug": "shop", "state": "stopped"},
        {"shop": {"status": "stopped"}},
        SHOP,
    ),
    Story(
        "restart",
        control.OPERATION,
        "control",
        {"slug": "shop", "state": "restarted"},
        {"shop": {"status": "running", "restartCount": 1}},
        SHOP,
        steady=False,
    ),
    Story("info", info.OPERATION, "list", {"gather": ["health", "health_score"]}, {"shop": RUNS}, SHOP),
    Story("info_one", info.OPERATION, "get", {"id": "ID", "gather": ["health_score"]}, {"shop": RUNS}, SHOP),
    Story(
        "fleet_create",
        fleet.OPERATION,
        "create",
        _fleet(instances=[{**NEW, "slug": "shop", "env_vars": NEW_ENV}, {**NEW, "name": "Two", "slug": "two"}]),
        {"shop": {**RUNS, "envVars": NEW_ENV}, "two": {"status": "running"}},
    ),
    Story(
        "fleet_mixed",
        fleet.OPERATION,
        "update",
        _fleet(
            instances=[
                {"slug": "shop", "env_vars": NEW_ENV, "restart_on_change": True},
                {**NEW, "name": "Two", "slug": "two", "power": "stopped"},
            ]
        ),
        {
            "shop": {"envVars": {**OLD_ENV, **NEW_ENV}, "restartCount": 1, "status": "running"},
            "two": {"status": "stopped"},
        },
        SHOP,
    ),
    Story(
        "fleet_power",
        fleet.OPERATION,
        "control",
        _fleet(instances=[{"slug": "shop", "power": "stopped"}]),
        {"shop": {"status": "stopped"}},
        SHOP,
    ),
    Story(
        "fleet_purge",
        fleet.OPERATION,
        "delete",
        _fleet(instances=[{**NEW, "name": "Two", "slug": "two"}], purge=True, purge_server_ids=["SERVER"]),
        {"shop": None, "two": {"status": "running"}},
        SHOP,
    ),
]
if "power" in instance.OPERATION.spec:
    STORIES += [
        Story(
            "power",
            instance.OPERATION,
            "control",
            {"slug": "shop", "env_vars": NEW_ENV, "power": "stopped"},
            {"shop": {"envVars": {**OLD_ENV, **NEW_ENV}, "status": "stopped"}},
            SHOP,
        ),
        Story(
            "create_stopped",
            instance.OPERATION,
            "control",
            {**NEW, "slug": "shop", "power": "stopped"},
            {"shop": {"status": "stopped"}},
        ),
    ]
if "remove_env_vars" in instance.OPERATION.spec:
    STORIES.append(
        Story(
            "env_remove",
            instance.OPERATION,
            "update",
            {"slug": "shop", "remove_env_vars": ["CHANGED"]},
            {"shop": {"envVars": {"KEPT": OTHER_SECRET}}},
            SHOP,
        )
    )

#: Faults by name: parameters of a rule.
FAULTS: dict[str, dict[str, Any]] = {
    "drop_before": {"kind": "drop_before"},
    "drop_after": {"kind": "drop_after"},
    "reset": {"kind": "reset"},
    "500_before": {"kind": "error_before", "status": 500},
    "500_after": {"kind": "error_after", "status": 500},
    "503_before": {"kind": "error_before", "status": 503},
    "504_after": {"kind": "error_after", "status": 504},
    "409_before": {"kind": "error_before", "status": 409},
    "403_before": {"kind": "error_before", "status": 403},
    "404_before": {"kind": "error_before", "status": 404},
    "422_before": {"kind": "error_before", "status": 422},
    "401_from_now": {"kind": "unauthorized_from_now", "count": None},
    "bad_gateway": {"kind": "bad_gateway_html"},
    "429": {"kind": "rate_limit"},
    "429_seconds": {"kind": "rate_limit", "retry_after": "seconds", "seconds": 8},
    "429_long": {"kind": "rate_limit", "retry_after": "seconds", "seconds": 600},
    "cut": {"kind": "cut_json"},
    "truncated": {"kind": "truncated_json"},
    "silence_before": {"kind": "slow", "seconds": 10_000},
    "silence_after": {"kind": "slow", "seconds": 10_000, "when": "after"},
    "slow": {"kind": "slow", "seconds": 6},
    "drip": {"kind": "drip", "seconds": 5},
    "late": {"kind": "late", "steps": 8},
    "late_drop": {"kind": "late", "steps": 3, "status": 0},
    "late_twice": {"kind": "late", "steps": 5, "times": 2},
    "redirect": {"kind": "redirect", "location": "https://elsewhere.example/"},
    "redirect_malformed": {"kind": "redirect", "location": "http://[malformed"},
    "login_before": {"kind": "login_page"},
    "login_after": {"kind": "login_page", "when": "after"},
    "empty": {"kind": "answer", "status": 204},
    "null": {"kind": "answer", "text": "null"},
    "list": {"kind": "answer", "text": "[]"},
    "object": {"kind": "answer", "text": "{}"},
    "text": {"kind": "answer", "text": '"ok"'},
    "deep": {"kind": "answer", "text": "[" * 100_000},
    "nan": {"kind": "answer", "text": '{"id": NaN, "score": Infinity, "instances": NaN}'},
    "other_record": {"kind": "other_record"},
    "meanwhile_before": {"kind": "meanwhile", "fields": {"envVars": {"FOREIGN": "1"}}},
    "meanwhile_after": {"kind": "meanwhile", "when": "after", "fields": {"envVars": {"FOREIGN": "1"}}},
}

#: Which request is hit: by its number, or by what it does.
POSITIONS = ("1", "2", "3", "poll", "write", "after_write")
COUNTS: tuple[int | None, ...] = (1, 2, None)

#: Variants of the API by name: switches.
VARIANTS: dict[str, dict[str, object]] = {
    "plain": {},
    "by_requests": {"step_by": "requests"},
    "slugs_taken_again": {"taken_slug": "taken"},
    "lagging_list": {"list_lag": 3},
    "very_lagging_list": {"list_lag": 7},
    "lagging_get": {"get_lag": 2},
    "names_trimmed": {"stored_names": "trimmed"},
    "busy_conflict": {"busy_conflict": True},
    "deleted_word": {"deleted": "word"},
    "deleted_listed": {"deleted": "word_and_listed"},
    "deleted_later": {"deleted": "listed_for_a_while"},
    "put_restarts": {"put_status": "restarting"},
    "put_clears": {"put_missing": "clear"},
    "masked": {"env_values": "masked"},
    "masked_partly": {"env_values": "tail"},
    "short_list": {"list_detail": "short"},
    "paged": {"paging": "cursor", "page_size": 1},
    "paged_camel": {"paging": "camel", "page_size": 1},
    "list_incomplete": {"paging": "camel_more", "page_size": 1},
    "list_pages": {"paging": "pages", "page_size": 1},
    "list_cut": {"paging": "cut", "page_size": 1, "total": "text"},
    "no_total": {"total": "missing", "list_key": "bare"},
    "unknown_words": {"status_vocabulary": "unknown_between"},
    "other_words": {"status_vocabulary": "healthy", "status_case": "upper"},
    "few_words": {"status_vocabulary": "concepts"},
    "missing_fields": {"nulls": "missing", "unknown_fields": True},
    "mixed_fields": {"nulls": "mixed", "edition_case": "upper"},
    "filter_ignored": {"ignore_server_filter": True},
    "count_only": {"restart_visible": "count_only"},
    "nested_errors": {"error_shape": "nested"},
    "html_errors": {"error_shape": "html"},
    "empty_errors": {"error_shape": "empty"},
    "echo_go": {"echo": "go", "json_escapes": "go"},
    "echo_json": {"echo": "json"},
    "echo_html": {"echo": "html_numbers"},
    "echo_percent": {"echo": "percent_lower"},
    "echo_percent_all": {"echo": "percent_all"},
    "echo_nested": {"echo": "json_in_json"},
    "echo_base64": {"echo": "base64"},
}
#: Variants in which the API masks the values that the stories set.
MASKED = ("masked", "masked_partly")
#: Variants whose answers hold too little to go on, and the sentence that says so.
MAY_REFUSE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("list_incomplete", "list_pages", "list_cut"), ("oCore reports more instances than",)),
    **dict.fromkeys(MASKED, ("oCore masks the values of env vars",)),
}
#: The sentence for values that cannot be compared, since the API masks them.
WRITTEN_AGAIN = "so they cannot be compared; purge_env_vars writes them in every run"


@dataclass(frozen=True)
class Case:
    """One run of a story with one fault."""

    story: Story = field(compare=False)
    fault: str
    position: str
    count: int | None
    variant: str

    @property
    def name(self) -> str:
        """The case in one word, for `--only`."""
        return f"{self.story.name}/{self.fault}/{self.position}/{self.count or 'always'}/{self.variant}"

    @property
    def row(self) -> str:
        return self.story.name

    @property
    def switches(self) -> dict[str, object]:
        """What the API is like."""
        return VARIANTS[self.variant]

    @property
    def rule(self) -> dict[str, Any]:
        """The fault as the emulator takes it."""
        fault = {"count": self.count, **FAULTS[self.fault]}
        if self.position == "write":
            return {**fault, "operation": self.story.write}
        if self.position == "after_write":
            fleet_story = self.story.operation is fleet.OPERATION
            return {**fault, "operation": "list" if fleet_story else "get", "after": 1}
        return {**fault, "after": {"1": 0, "2": 1, "3": 2, "poll": 4}[self.position]}


def parse(name: str) -> Case:
    """Return the case that `Case.name` names."""
    story, fault, position, count, variant = name.split("/")
    stories = {known.name: known for known in STORIES}
    return Case(stories[story], fault, position, None if count == "always" else int(count), variant)


def choose(size: int, seed: int) -> Iterator[Case]:
    """Return so many different cases, the same ones for a seed; each pair of story and fault comes once in a round."""
    chance = random.Random(seed)
    pairs = list(itertools.product(STORIES, FAULTS))
    order: list[tuple[Story, str]] = []
    seen: set[str] = set()
    while len(seen) < size:
        order = order or chance.sample(pairs, len(pairs))
        story, fault = order.pop()
        case = Case(story, fault, chance.choice(POSITIONS), chance.choice(COUNTS), chance.choice(list(VARIANTS)))
        if case.name not in seen:
            seen.add(case.name)
            yield case
