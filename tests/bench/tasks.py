# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks and fleets cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from hcloud_api import hcloud_api
from measure import Bench, Emulator, Figure, Run, ratio, reach, taken

LOOP = 20
LIMITS = {1000: 1.5, 10_000: 4.0}
"""Seconds that a fleet without changes may take above an empty playbook, by its size."""


def noops(bench: Bench, turns: int, many: int) -> Iterator[Figure]:
    """Measure a task that has nothing to do: in a loop of so many turns on one host, and on many hosts."""
    with Emulator("--seed", "5") as emulator, hcloud_api(1) as hcloud:
        one = emulator.instances("acme")[0]
        ours = {"ocore.cloud.ocore_instance": {"slug": one["slug"], "name": one["name"]}}
        get = {
            "url": f"{emulator.api_url}/instances/{one['id']}",
            "headers": {"Authorization": f"Bearer {emulator.token}"},
        }
        server = {"name": "server-1", "api_token": "t" * 64, "api_endpoint": hcloud, "state": "created"}
        tasks: dict[str, dict[str, Any]] = {
            "debug": {"ansible.builtin.debug": {"msg": "nothing"}},
            "ours in the worker": ours,
            "ours as a module": {**ours, "vars": {"ocore_in_process": False}},
            "uri": {"ansible.builtin.uri": get},
            "hcloud.server": {"hetzner.hcloud.server": server},
        }
        for title, count, hosts, extra in (
            (f"loop of {turns}", turns, 0, {"loop": list(range(turns))}),
            (f"{many} hosts", many, many, {}),
        ):
            play = partial(bench.play, environment=reach(emulator), hosts=hosts)
            runs: dict[str, Callable[[], Run]] = {"empty": partial(play, None)}
            runs |= {name: partial(play, {**task, **extra}) for name, task in tasks.items()}
            took = bench.compare(runs)
            each = {name: took[name].above(took["empty"], count) for name in tasks}
            for name in runs:
                yield taken(f"no-op, {title}: {name}", took[name], "whole playbook")
            for name in tasks:
                cost = each[name]
                yield Figure(f"no-op, {title}, each: {name}", 1000 * cost.seconds, "ms", 1000 * cost.cpu)
            worker = each["ours in the worker"]
            yield ratio(f"no-op in the worker / hcloud.server, {title}", worker, each["hcloud.server"], 0.06)
            yield ratio(f"no-op as a module / uri, {title}", each["ours as a module"], each["uri"], 1.3)
            yield ratio(
                f"no-op in the worker / debug, {title}",
                took["ours in the worker"],
                took["debug"],
                1.5 if hosts else None,
                "whole playbook",
            )


def fleets(bench: Bench, sizes: list[int], creations: int) -> Iterator[Figure]:
    """Measure fleets that are as declared, and one that is created."""
    above: dict[int, Run] = {}
    with Emulator() as emulator:
        play = partial(bench.play, environment=reach(emulator))
        task = {"ocore.cloud.ocore_fleet": {"instances": "{{ fleet }}"}}
        for size in sizes:
            fleet = _seed(emulator, size)
            took = bench.compare({"empty": partial(play, None, fleet=fleet), "ours": partial(play, task, fleet=fleet)})
            above[size] = took["ours"].above(took["empty"])
            emulator.clear_log()
            play(task, fleet=fleet)
            what = f"fleet no-op of {size:,}"
            yield taken(f"{what}, above empty", above[size], limit=LIMITS.get(size))
            yield Figure(f"{what}, requests", len(emulator.log()), limit=1)
            yield Figure(f"{what}, peak memory", took["ours"].memory, "MiB", note="of the largest process")
        if {1000, 10_000} <= above.keys():
            yield ratio("fleet no-op of 10,000 / 1,000, above empty", above[10_000], above[1000], 12)
        emulator.reset()
        server = emulator.server_ids()[0]
        new = [
            {"name": f"Bench {n}", "slug": f"bench-{n}", "server_id": server, "odoo_edition": "community"}
            for n in range(creations)
        ]
        created = play(task, fleet=new)
        log = [entry["operation"] for entry in emulator.log()]
        what = f"{creations} creations"
        yield taken(
            what, created, f"whole playbook; the emulator takes {2 * emulator.settings()['step_time']:g} s for each"
        )
        yield Figure(f"{what}, create requests", log.count("create"), limit=creations)
        yield Figure(f"{what}, list requests", log.count("list"), note="one, then one per look at all of them")
        yield Figure(f"{what}, other requests", len(log) - log.count("create") - log.count("list"), limit=0)


def growth(bench: Bench, sizes: list[int]) -> Iterator[Figure]:
    """Measure one task by slug and by id while the organization grows; all sizes take turns."""
    with ExitStack() as emulators:
        runs: dict[str, Callable[[], Run]] = {}
        for size in sizes:
            emulator = emulators.enter_context(Emulator())
            play = partial(bench.play, environment=reach(emulator))
            runs.setdefault("empty", partial(play, None))
            one = _seed(emulator, size)[size // 2]
            for key, value in (("id", emulator.instance(one["slug"])["id"]), ("slug", one["slug"])):
                task = {"ocore.cloud.ocore_instance": {key: value, "name": one["name"]}, "loop": list(range(LOOP))}
                runs[f"one task by {key}, organization of {size:,}"] = partial(play, task)
        took = bench.compare(runs)
    each = {name: run.above(took["empty"], LOOP) for name, run in took.items() if name != "empty"}
    for name, cost in each.items():
        yield Figure(name, 1000 * cost.seconds, "ms", 1000 * cost.cpu)
    for key, limit in (("id", 1.1), ("slug", None)):
        what = f"one task by {key}, organization of "
        yield ratio(
            f"{what}{sizes[-1]:,} / {sizes[0]:,}", each[f"{what}{sizes[-1]:,}"], each[f"{what}{sizes[0]:,}"], limit
        )


def _seed(emulator: Emulator, count: int) -> list[dict[str, Any]]:
    """Make a fleet that is there already, and give its declaration."""
    emulator.reset()
    emulator.seed(count, serverId=emulator.server_ids()[0])
    return [
        {"name": i["name"], "slug": i["slug"], "server_id": i["serverId"], "odoo_version": i["odooVersion"]}
        for i in emulator.instances("acme")
    ]
