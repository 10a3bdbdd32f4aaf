# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator's clock: what moves operations on, by the switch `step_by`."""

from __future__ import annotations

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.clock import Clock
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.extensions.emulator.settings import Settings
from ansible_collections.ocore.cloud.tests.unit.emulator.emulator_client import Client


def status(emulator: Emulator, instance: str) -> str:
    return next(str(one["status"]) for one in emulator.instances() if one["id"] == instance)


def test_clock_by_call_moves_only_when_told(api: Client, emulator: Emulator) -> None:
    made = api.create()["id"]
    assert [api.get(made)["status"] for _read in range(5)] == ["creating"] * 5
    emulator.advance()
    assert (api.get(made)["status"], api.get(made)["statusMessage"]) == ("creating", "Creating database")
    emulator.advance()
    assert api.get(made)["status"] == "running"
    assert emulator.instance("shop")["healthScore"] == 65
    emulator.advance()
    assert emulator.instance("shop")["healthScore"] == 95


def test_clock_can_be_advanced_by_several_steps_and_parts_of_them(api: Client, emulator: Emulator) -> None:
    made = api.create()["id"]
    emulator.advance(1.5)
    assert api.get(made)["status"] == "creating"
    emulator.advance(0.5)
    assert api.get(made)["status"] == "running"


def test_clock_by_time_can_be_advanced_too(api: Client, emulator: Emulator) -> None:
    emulator.set(step_by="time", step_time=1000)
    made = api.create()["id"]
    assert api.get(made)["status"] == "creating"
    emulator.advance(2)
    assert api.get(made)["status"] == "running"


def test_clock_by_requests_shows_every_state_once(api: Client, emulator: Emulator) -> None:
    emulator.set(step_by="requests")
    instance = emulator.instances()[0]["id"]
    api.control(instance, "restart")
    assert [api.get(instance)["status"] for _read in range(4)] == ["running", "restarting", "running", "running"]


def test_clock_by_requests_moves_only_what_is_read(api: Client, emulator: Emulator) -> None:
    emulator.set(step_by="requests")
    first, second = (instance["id"] for instance in emulator.instances()[:2])
    api.control(first, "stop")
    api.control(second, "stop")
    for _read in range(3):
        api.get(first)
    assert (status(emulator, first), status(emulator, second)) == ("stopped", "running")


def test_clock_by_requests_moves_everything_with_a_list(api: Client, emulator: Emulator) -> None:
    emulator.set(step_by="requests")
    first, second = (instance["id"] for instance in emulator.instances()[:2])
    api.control(first, "stop")
    api.control(second, "stop")
    words = [[entry["status"] for entry in api.list()["instances"][:2]] for _read in range(3)]
    assert words == [["running"] * 2, ["stopping"] * 2, ["stopped"] * 2]


def test_clock_by_requests_is_not_moved_by_what_was_not_answered(api: Client, emulator: Emulator) -> None:
    emulator.set(step_by="requests")
    made = api.create()["id"]
    emulator.fault("error_before", "get", count=5)
    assert [api("GET", f"/instances/{made}").status_code for _read in range(5)] == [500] * 5
    assert [api.get(made)["status"] for _read in range(3)] == ["creating", "creating", "running"]


@pytest.mark.parametrize("steps", [-1, "two", True, 1e9])
def test_clock_refuses_steps_that_make_no_sense(emulator: Emulator, steps: object) -> None:
    with pytest.raises(RuntimeError, match="steps"):
        emulator.admin("POST", "/advance", {"steps": steps})


def test_clock_goes_on_where_it_was_when_the_switch_changes() -> None:
    machine = [100.0]
    settings = Settings()
    clock = Clock(settings, lambda: machine[0])
    machine[0] = 105.0
    assert clock.now() == 105.0
    settings.change({"step_by": "call"})
    machine[0] = 200.0
    assert clock.now() == 105.0
    settings.change({"step_by": "time"})
    machine[0] = 201.0
    assert clock.now() == 106.0
