# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of variants: everything that oCore's pages leave open, each pair of possibilities together at least once.

In each variant every operation leads to what is declared and changes nothing the second time, or ends with the sentence that the
documentation has for it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from allpairspy import AllPairs
from ansible_collections.ocore.cloud.extensions.emulator.settings import SWITCHES
from ansible_collections.ocore.cloud.plugins.module_utils._ops import control, fleet, instance

from . import hostile
from .campaign import Campaign, Verdict
from .cases import STORIES, WRITTEN_AGAIN, Story
from .judge import Stage, check_neighbours, check_truth

#: Numbers, and switches that no API has: how the emulator's clock moves, and what is sent to whom.
NUMBERS: dict[str, list[Any]] = {
    "list_lag": [0, 2, 5],
    "get_lag": [0, 2],
    "create_fails": [0, 1],
    "page_size": [2, 100],
}
LEFT_OUT = ("step_time", "latency", "unknown_org")


def values(name: str) -> list[Any]:
    """Return what a switch can be, its default first."""
    switch = SWITCHES[name]
    if name in NUMBERS or not (switch.choices or isinstance(switch.default, bool)):
        return NUMBERS.get(name, [switch.default])
    if name == "step_by":
        return ["time", "requests"]  # by `call` nothing ever moves
    if isinstance(switch.default, bool):
        return [False, True]
    return sorted(switch.choices, key=lambda word: word != switch.default)


CHOICES = {name: values(name) for name in SWITCHES if name not in LEFT_OUT}


#: Values with which some operation can only end with a sentence. A variant has one of them at most, so that none hides another.
NO_WAY: dict[str, tuple[Any, ...]] = {
    "create_fails": (1,),
    "env_values": ("masked", "dots", "crosses", "tail", "partly_masked"),
    "paging": ("more", "camel_more", "pages", "cut"),
    "put_env": ("merge",),
    "score": ("404", "null"),
    "server_names": ("same",),
    "servers": ("forbidden", "missing"),
    "slug_rewrite": ("suffix",),
    "status_vocabulary": ("unknown_word",),
    "total": ("wrong",),
}
#: Who reads an API as in `hostile`, where nothing is wrong here.
READERS = ("info", "unchanged", "control", "fleet", "inventory", "events", "report")


@dataclass(frozen=True)
class Case:
    """A story or a reader, and the switches that are not at their default."""

    what: str
    given: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        return f"{self.what}/" + ",".join(f"{name}={value}" for name, value in self.given)

    @property
    def row(self) -> str:
        return self.what

    @property
    def switches(self) -> dict[str, Any]:
        return dict(self.given)

    @property
    def story(self) -> Story:
        story = STORIES_BY_NAME[self.what]
        if self.switches.get("server_names") == "same" and "server" in story.options:
            return replace(story, options={**story.options, "server": "server"})  # as both are called then
        return story


ALSO = [
    Story(
        "create_on_named",
        instance.OPERATION,
        "create",
        {"name": "Shop", "slug": "shop", "server": "server-1"},
        {"shop": {"status": "running"}},
    ),
    Story(
        "restart_score",
        control.OPERATION,
        "control",
        {"slug": "shop", "state": "restarted", "min_health_score": 1},
        {"shop": {"status": "running"}},
        {"slug": "shop", "name": "Shop"},
        steady=False,
    ),
]
STORIES_BY_NAME = {story.name: story for story in [*STORIES, *ALSO]}
WHATS = (*STORIES_BY_NAME, *(f"read_{name}" for name in READERS))


def covering(seed: int, **more: list[Any]) -> list[dict[str, Any]]:
    """Return variants among which each pair of values of two switches is; others for another seed.

    :param more: what else is chosen like a switch.
    """
    choices = {**CHOICES, **more}
    chance = random.Random(seed)
    names = chance.sample(list(choices), len(choices))
    shuffled = [chance.sample(choices[name], len(choices[name])) for name in names]

    def sensible(row: list[Any]) -> bool:
        known = dict(zip(names, row, strict=False))
        # A list that is cut without any sign of it: nobody can know.
        unseen = known.get("paging") == "cut" and (known.get("total") == "missing" or known.get("list_key") == "bare")
        return not unseen and sum(value in NO_WAY.get(name, ()) for name, value in known.items()) < 2

    return [dict(zip(names, row, strict=True)) for row in AllPairs(shuffled, filter_func=sensible)]


def cases_of(whats: Iterable[str]) -> Callable[[int, int], Iterator[Case]]:
    """Return a function that gives so many cases: each of these on all variants of one covering array after the other."""

    def cases(size: int, seed: int) -> Iterator[Case]:
        for number in itertools.count():
            every = [Case(what, given(row)) for row in covering(seed + number) for what in whats]
            random.Random(seed).shuffle(every)
            yield from every[:size]
            size -= len(every)
            if size <= 0:
                return

    return cases


def given(row: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the switches of a variant that are not at their default."""
    return tuple(sorted((name, value) for name, value in row.items() if value != SWITCHES[name].default))


def find(name: str) -> Case:
    """Return the case that `Case.name` names."""
    what, _slash, switches = name.partition("/")
    pairs = [pair.partition("=") for pair in switches.split(",") if pair]
    return Case(what, tuple((name, SWITCHES[name].read(value)) for name, _equals, value in pairs))


def _play(case: Case, seed: int, verdict: Verdict) -> None:
    if case.what.startswith("read_"):
        return _read(case, verdict)
    stage = Stage(case, seed)
    predicted = stage.run(check=True)
    if stage.writes(0):
        verdict.add("prediction", f"check mode sent {stage.writes(0)}")
    first = stage.run()
    stage.settle()
    if first.get("failed"):
        return _refused(case, first["msg"], verdict)
    if predicted.get("failed") or predicted["changed"] != first["changed"]:
        verdict.add(
            "prediction", f"{predicted.get('msg') or predicted.get('actions')}, but it was {first.get('actions')}"
        )
    check_truth(stage, "astray", verdict)
    if case.story.steady:
        asked = stage.asked
        again = stage.run()
        if again.get("failed"):
            return _refused(case, again["msg"], verdict)
        rewrites = any(WRITTEN_AGAIN in warning for warning in again.warnings) and hides_values(case)
        if (again["changed"] or stage.writes(asked)) and not rewrites:
            verdict.add("restless", f"actions {again.get('actions')}, writes {stage.writes(asked)}")
    check_neighbours(stage, verdict)
    return None


def hides_values(case: Case) -> bool:
    """Return whether the API masks the values of the env vars of the stories."""
    return case.switches.get("env_values") in ("masked", "dots", "crosses", "tail")


def _read(case: Case, verdict: Verdict) -> None:
    consumer = case.what.removeprefix("read_")
    stage = hostile.Stage(hostile.Case("nowhere", "null", consumer))
    stage.door.rewrite = None
    stage.door.world.settings.change(case.switches)
    for text in hostile.CONSUMERS[consumer](stage):
        _refused(case, text, verdict)


def _refused(case: Case, text: str, verdict: Verdict) -> None:
    verdict.counts["refused"] += 1
    if not excused(case, text):
        verdict.add("refused", text[:400])


def excused(case: Case, text: str) -> bool:
    """Return whether the documentation has what is said for this variant."""
    return any(excuse.fits(case, text) for excuse in EXCUSES)


@dataclass(frozen=True)
class Excuse:
    """A sentence of the documentation, and the variants in which it may be said.

    :param switches: what each of these switches has to be, one of some values.
    :param about: stories in which it may be said; all of them when empty.
    """

    sentence: str
    switches: Mapping[str, tuple[Any, ...]]
    about: tuple[str, ...] = ()

    def fits(self, case: Case, text: str) -> bool:
        values = {name: SWITCHES[name].default for name in SWITCHES} | case.switches
        here = all(values[name] in words for name, words in self.switches.items())
        return here and self.sentence in text and (not self.about or case.what in self.about)


FLEETS = tuple(story.name for story in STORIES if story.operation is fleet.OPERATION)
CREATIONS = tuple(story.name for story in [*STORIES, *ALSO] if story.write == "create" or story.name in FLEETS)
EXCUSES = [
    Excuse("oCore masks the values of env vars", {"env_values": ("masked", "dots", "crosses", "tail")}),
    Excuse("failed while it was being created", {"create_fails": (1,)}, (*CREATIONS, "create_stopped")),
    Excuse("oCore reports more instances than", {"paging": NO_WAY["paging"]}),
    Excuse("oCore reports more instances than", {"total": NO_WAY["total"]}),
    Excuse("although they were left out", {"put_env": ("merge",)}, ("env_purge", "env_remove")),
    Excuse("did not reach health score", {"score": NO_WAY["score"]}, ("restart_score",)),
    Excuse("servers have the name", {"server_names": ("same",)}, ("create_on_named",)),
    Excuse("not allowed to list servers", {"servers": ("forbidden",)}, ("create_on_named",)),
    Excuse("This oCore does not offer the list of servers", {"servers": ("missing",)}, ("create_on_named",)),
    Excuse(
        "was created, but oCore stored different values",
        {"slug_rewrite": ("suffix",)},
        (*CREATIONS, "create_stopped"),
    ),
    Excuse("wait_timeout", {"status_vocabulary": ("unknown_word",)}),
    # A restart that moves nothing but the status, which nobody could see: it never changed, or reads lagged behind.
    Excuse("neither the status, nor restart_count", {"restart_visible": ("status_only",), "get_lag": (2,)}),
    Excuse("neither the status, nor restart_count", {"restart_visible": ("status_only",), "list_lag": (2, 5)}, FLEETS),
    Excuse(
        "neither the status, nor restart_count",
        {"restart_visible": ("status_only",), "status_vocabulary": ("monitoring",)},
    ),
    # A 404 counts as "not visible yet" in the first seconds only, and a fleet may read by id for the first time later.
    Excuse("removed again while this task waited", {"get_lag": (2,)}, FLEETS),
    Excuse("was removed while this task ran", {"get_lag": (2,)}, FLEETS),
]
KINDS = {
    "refused": "refused without a sentence that the documentation has for this variant",
    "prediction": "check mode wrote, or did not foresee what was done",
    "astray": "reported as done, but the instance is not as declared",
    "restless": "the second run changes something",
    "neighbour": "an instance that the task is not about was changed",
}
CAMPAIGN = Campaign("variants", cases_of(WHATS), find, _play, KINDS)
