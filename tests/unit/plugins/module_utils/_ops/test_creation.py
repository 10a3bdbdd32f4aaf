# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating an instance, and never two: what is sent and waited for, on real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import to_wire
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import OPERATION
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, SERVER, Outcome, Time, play, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted

NEW = {"name": "Shop", "slug": "shop", "server_id": SERVER}
UNNAMED = {"name": "Shop", "server_id": SERVER}
PATH = f"/instances/{ID}"
CREATING = wire(status="creating")

LOOKS = 4
"""Looks after a creation whose answer was lost."""
LATE_LOOKS = 7
"""Looks after one that timed out."""


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def declare(ocore: Scripted, **options: Any) -> Outcome:
    return play(OPERATION, ocore.api_url, **options)


def body(**options: Any) -> dict[str, Any]:
    return to_wire({**NEW, **options})


def expect_lists(ocore: Scripted, count: int, *entries: object) -> None:
    for _look in range(count):
        ocore.expect("GET", "/instances", answer=list(entries))


def test_creation_is_a_list_a_post_polls_and_a_list(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", json=body(), status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire()])
    result = declare(ocore, **NEW)
    assert (result["changed"], result["actions"], result["instance"]["status"]) == (True, ["create"], "running")
    assert result["diff"]["after"] == NEW
    assert result.warnings == []
    assert result.progress[0].startswith(f"waiting for instance shop ({ID}) to be created: creating")


def test_creation_in_check_mode_is_predicted_and_nothing_is_written(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    result = declare(ocore, **NEW, mcp_write_enabled=True, check=True)
    assert (result["changed"], result["actions"]) == (True, ["create", "update"])
    assert result["instance"]["id"] is None


def test_creation_without_waiting_is_one_post(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer={"id": ID, "status": "creating"})
    result = declare(ocore, **NEW, env_vars={"A": "1"}, addons_path="/a", wait=False)
    assert result["actions"] == ["create"]
    assert result.warnings == []  # what the answer leaves out is not called different


def test_creation_sets_mcp_by_a_put_after_the_post(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", json=body(env_vars={"A": "1"}), status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire(envVars={"A": "1", "BY_TEMPLATE": "x"}))
    ocore.expect("GET", "/instances", answer=[wire()])
    update = {"name": "Shop", "envVars": {"A": "1", "BY_TEMPLATE": "x"}, "mcpWriteEnabled": True}
    ocore.expect("PUT", PATH, json=update, answer=wire(envVars={"A": "1", "BY_TEMPLATE": "x"}, mcpWriteEnabled=True))
    result = declare(ocore, **NEW, env_vars={"A": "1"}, mcp_write_enabled=True)
    assert result["actions"] == ["create", "update"]
    assert result["instance"]["mcp_write_enabled"] is True


def test_creation_with_a_short_answer_is_read_before_the_put_so_that_nothing_is_lost(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer={"id": ID, "status": "running"})
    ocore.expect("GET", PATH, answer=wire(envVars={"BY_TEMPLATE": "x"}))
    update = {"name": "Shop", "envVars": {"BY_TEMPLATE": "x"}, "mcpWriteEnabled": True}
    ocore.expect("PUT", PATH, json=update, answer=wire(envVars={"BY_TEMPLATE": "x"}, mcpWriteEnabled=True))
    assert declare(ocore, **NEW, mcp_write_enabled=True)["actions"] == ["create", "update"]


def test_creation_whose_put_is_refused_tells_what_was_done(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("PUT", PATH, status=409, answer={"message": "busy"})
    result = declare(ocore, **NEW, mcp_write_enabled=True, wait=False)
    assert (result["failed"], result["changed"], result["actions"]) == (True, True, ["create"])
    assert result["error"] == {"status": 409, "code": None}
    assert "HTTP 409: busy." in result["msg"]
    assert "un the task again" in result["msg"]
    assert result["msg"].endswith("Done before that: create.")


def test_creation_warns_of_values_that_ocore_stored_differently(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(addonsPath="/mnt/a"))
    result = declare(ocore, **NEW, addons_path="/a")
    assert "stored other values than those sent for addons_path" in result.warnings[0]


@pytest.mark.parametrize(
    ("options", "stored", "words"),
    [
        pytest.param(NEW, {"slug": "shop-a1b2"}, "slug is 'shop-a1b2', the task declares 'shop'", id="slug"),
        pytest.param(UNNAMED, {"name": "Shop 2"}, "name is 'Shop 2', the task declares 'Shop'", id="only the name"),
    ],
)
def test_creation_fails_when_ocore_stored_another_identity(
    ocore: Scripted, options: dict[str, Any], stored: dict[str, Any], words: str
) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire(**stored))
    result = declare(ocore, **options)
    assert f"was created, but oCore stored different values: {words}." in result["msg"]
    assert f"identify the instance by id: {ID}" in result["msg"]
    assert result["actions"] == ["create"]


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        pytest.param("  Shop ", "Shop", id="blanks"),
        pytest.param("Cafe\u0301", "Caf\u00e9", id="composed"),
        pytest.param("Caf\u00e9", "Cafe\u0301", id="decomposed"),
    ],
)
def test_creation_by_a_name_that_ocore_normalizes_is_found_by_the_next_run(
    ocore: Scripted, declared: str, stored: str
) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", json={"name": declared.strip(), "serverId": SERVER}, answer=wire(name=stored))
    ocore.expect("GET", "/instances", answer=[wire(name=stored)])
    assert declare(ocore, name=declared, server_id=SERVER)["actions"] == ["create"]
    again = declare(ocore, name=declared, server_id=SERVER)
    assert (again["changed"], again["instance"]["id"]) == (False, ID)


@pytest.mark.parametrize("slug", ["shop-a1b2", "Shop"])
def test_creation_is_refused_beside_one_whose_slug_ocore_changed(ocore: Scripted, slug: str) -> None:
    ocore.expect("GET", "/instances", answer=[wire(slug="shop-a1b2")])
    result = declare(ocore, **NEW)
    assert (
        f"There is no instance with slug shop, but shop-a1b2 ({ID}) has the same name on the same server"
        in result["msg"]
    )
    assert result["changed"] is False


def test_creation_does_not_mind_the_same_name_with_another_slug_elsewhere(ocore: Scripted) -> None:
    others = [
        wire(id="x", slug="store"),
        wire(id="y", slug="shop-2", serverId="other"),
        wire(id="z", slug="shop-3", name="B"),
    ]
    ocore.expect("GET", "/instances", answer=others)
    ocore.expect("POST", "/instances", status=202, answer=wire())
    assert declare(ocore, **NEW)["actions"] == ["create"]


def test_creation_that_fails_gives_the_message_and_the_record(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire(status="failed", statusMessage="Image not found."))
    result = declare(ocore, **NEW)
    assert result["msg"] == (
        f'Instance shop ({ID}) failed while it was being created: status "failed", Image not found. It was left as it is, '
        "so that you can look at it in oCore; state: absent removes it. Done before that: create."
    )
    assert (result["instance"]["status"], result["changed"]) == ("failed", True)


# Reads lag behind writes


def test_creation_that_is_not_visible_yet_is_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    for _poll in range(3):  # after 2, 5 and 9.5 seconds
        ocore.expect("GET", PATH, status=404)
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire()])
    result = declare(ocore, **NEW)
    assert (result["actions"], result["instance"]["status"]) == (["create"], "running")
    assert result.progress[1].startswith(f"waiting for instance shop ({ID}) to be created: not found")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([{"status": 404}] * 4, id="404 for more than 15 seconds"),
        pytest.param([{"answer": wire(status="removing")}], id="removing"),
    ],
)
def test_creation_that_is_removed_during_the_wait_says_so(ocore: Scripted, answers: list[dict[str, Any]]) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    for answer in answers:
        ocore.expect("GET", PATH, **answer)
    assert "was created but removed again while this task waited for it" in declare(ocore, **NEW)["msg"]


def test_creation_with_wait_timeout_0_is_requested_and_not_waited_for(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    result = declare(ocore, **NEW, wait_timeout=0)
    assert 'ended after 0 seconds (wait_timeout): status "creating"' in result["msg"]
    assert result["actions"] == ["create"]


def test_creation_whose_token_expires_during_the_wait_says_so_and_what_was_done(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, status=401, answer={"message": "token is expired"})
    result = declare(ocore, **NEW)
    assert "expired or was revoked" in result["msg"]
    assert result["msg"].endswith("Done before that: create.")
    assert result["instance"]["id"] == ID


# A creation without an answer


OPEN_ENDS = [
    pytest.param({"fault": "drop"}, id="dropped"),
    pytest.param({"status": 500}, id="500"),
    pytest.param({"status": 502, "answer": b"<html>"}, id="502"),
    pytest.param({"status": 504, "answer": b"<html>"}, id="504"),
    pytest.param({"status": 202, "fault": "cut", "answer": wire()}, id="cut"),
    pytest.param({"status": 202, "fault": "garbled"}, id="garbled"),
    pytest.param({"status": 202, "answer": {"message": "queued"}}, id="no id"),
]


@pytest.mark.parametrize("options", [NEW, UNNAMED], ids=["slug", "name"])
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("step", OPEN_ENDS)
def test_retry_of_a_creation_uses_the_instance_that_exists_after_all(
    ocore: Scripted, step: dict[str, Any], retries: int, options: dict[str, Any]
) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", **step)
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("GET", "/instances", answer=[CREATING])
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire()])
    result = declare(ocore, **options, retries=retries)
    assert (result["changed"], result["actions"]) == (True, ["create"])
    assert "has appeared since; using it" in result.warnings[0]


@pytest.mark.parametrize("answer", [{"message": "queued"}, None, b'{"id": '], ids=["no id", "empty", "cut"])
def test_retry_of_a_creation_that_was_accepted_never_happens(ocore: Scripted, answer: Any) -> None:
    # Its list lagged ten seconds behind, so the instance was not found, and the request was sent twice.
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=answer)
    expect_lists(ocore, LATE_LOOKS)
    result = declare(ocore, **NEW, retries=5)
    assert "The request was not repeated, because oCore may be about to carry it out." in result["msg"]
    assert result["actions"] == []


def test_retry_of_a_creation_changes_what_it_found_as_declared(ocore: Scripted) -> None:
    # Two clients created the same slug, both got 504: the second one found the instance of the first, without its own env vars.
    theirs = wire(envVars={"THEIRS": "1"})
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=504)
    ocore.expect("GET", "/instances", answer=[theirs])
    ocore.expect("GET", "/instances", answer=[theirs])
    ocore.expect("GET", PATH, answer=theirs)
    both = {"THEIRS": "1", "MINE": "2"}
    sent = {"name": "Shop", "envVars": both, "mcpWriteEnabled": False}
    ocore.expect("PUT", PATH, json=sent, answer=wire(envVars=both))
    result = declare(ocore, **NEW, env_vars={"MINE": "2"})
    assert result["actions"] == ["create", "update"]


def test_retry_of_a_creation_sets_mcp_as_after_any_creation(ocore: Scripted) -> None:
    # The instance was ours after all, and restart_on_change restarted it because of the update that follows every creation.
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=504)
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("GET", "/instances", answer=[wire()])
    sent = {"name": "Shop", "mcpWriteEnabled": True}
    ocore.expect("PUT", PATH, json=sent, answer=wire(mcpWriteEnabled=True))
    result = declare(ocore, **NEW, mcp_write_enabled=True, restart_on_change=True)
    assert result["actions"] == ["create", "update"]
    assert result["diff"]["before"] == {}


def test_retry_of_a_creation_without_a_slug_takes_the_new_one_of_that_name_on_that_server(ocore: Scripted) -> None:
    old = wire(id="old", name="Shop 1")
    ocore.expect("GET", "/instances", answer=[old])
    ocore.expect("POST", "/instances", fault="drop")
    others = [old, wire(id="n", serverId="other"), wire(id="m", name="Store")]
    expect_lists(ocore, 2, *others, wire(slug="shop-x"))
    assert declare(ocore, **UNNAMED)["instance"]["id"] == ID


def test_retry_of_a_creation_follows_when_the_instance_does_not_exist(ocore: Scripted) -> None:
    time = Time()
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    expect_lists(ocore, LOOKS)
    ocore.expect("POST", "/instances", status=202, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire()])
    assert declare(ocore, **NEW, time=time)["actions"] == ["create"]
    assert sum(time.slept) == 7.5


def test_retry_of_a_creation_is_never_sent_without_a_slug(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    expect_lists(ocore, LOOKS)
    result = declare(ocore, **UNNAMED)
    assert "The instance was looked for afterwards and not found. The request was not repeated" in result["msg"]
    assert "give it a slug" in result["msg"]
    assert (result["changed"], result["actions"]) == (False, [])


def test_retry_of_a_creation_with_retries_0_looks_and_sends_nothing_more(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=500, answer={"message": "oops"})
    expect_lists(ocore, LOOKS)
    result = declare(ocore, **NEW, retries=0)
    assert result["msg"].startswith("Cannot create instance shop: oCore answered HTTP 500: oops.")
    assert result["msg"].endswith(" The instance was looked for afterwards and not found.")
    assert (result["changed"], result["actions"], result["instance"]) == (False, [], None)


def test_retry_of_a_creation_looks_for_a_minute_after_a_gateway_timeout(ocore: Scripted) -> None:
    time = Time()
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=504)
    expect_lists(ocore, LATE_LOOKS - 1)
    ocore.expect("GET", "/instances", answer=[CREATING])
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire()])
    result = declare(ocore, **NEW, time=time)
    assert (result["actions"], result["instance"]["status"]) == (["create"], "running")
    assert sum(time.slept[:LATE_LOOKS]) >= 60


def test_retry_of_a_creation_whose_look_fails_leaves_it_open_and_sends_nothing_more(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    ocore.expect("GET", "/instances", status=403)
    result = declare(ocore, **NEW)
    assert "Cannot create instance shop: the connection" in result["msg"]
    assert (
        "Whether the instance was created is not known, because looking for it failed as well: Cannot list"
        in result["msg"]
    )
    assert "The request was not repeated; run the task again" in result["msg"]


def test_retry_of_a_creation_that_meets_a_conflict_means_that_it_exists(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    expect_lists(ocore, LOOKS)
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    expect_lists(ocore, 2, wire())
    assert declare(ocore, **NEW)["instance"]["id"] == ID


def test_retry_of_a_creation_stops_at_one_with_the_name_and_another_slug(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    expect_lists(ocore, LOOKS, wire(slug="shop-a1b2"))
    result = declare(ocore, **NEW)
    assert (
        f" shop-a1b2 ({ID}) has appeared since, with the same name on the same server but another slug."
        in result["msg"]
    )


@pytest.mark.parametrize("options", [NEW, UNNAMED], ids=["slug", "name"])
def test_deadline_ends_the_look_for_a_creation_and_nothing_more_is_sent(
    ocore: Scripted, options: dict[str, Any]
) -> None:
    time = Time()
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    ocore.expect("GET", "/instances", answer=[])  # after 0.5 seconds; the next look would be after 1.5
    result = declare(ocore, **options, wait_timeout=1, time=time)
    assert "Whether the instance was created is not known: wait_timeout ended" in result["msg"]
    assert "run the task again, which looks for the instance first" in result["msg"]
    assert sum(time.slept) == 1


def test_deadline_of_0_seconds_still_allows_one_look_for_a_creation(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    ocore.expect("GET", "/instances", answer=[])
    message = declare(ocore, **NEW, wait_timeout=0)["msg"]
    assert "The instance was looked for afterwards and not found." in message
    assert "wait_timeout ended" not in message


# Two of them


def test_creation_reports_two_new_ones_and_removes_neither(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    ocore.expect("GET", "/instances", answer=[wire(id="a"), wire(id="b")])
    result = declare(ocore, **UNNAMED)
    assert "Several new instances match the one to be created: shop (a), shop (b)." in result["msg"]
    assert "None was removed" in result["msg"]


@pytest.mark.parametrize("second", ["shop", "shop-2"])
def test_creation_reports_an_earlier_request_that_was_carried_out_late(ocore: Scripted, second: str) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", fault="drop")
    expect_lists(ocore, LOOKS)
    ocore.expect("POST", "/instances", status=202, answer=wire(id="b"))
    ocore.expect("GET", "/instances", answer=[wire(id="a", slug=second), wire(id="b")])
    result = declare(ocore, **NEW)
    assert result["msg"].startswith("Several new instances match the one to be created: ")
    assert f"{second} (a)" in result["msg"]
    assert "shop (b)" in result["msg"]
    assert "An earlier request was carried out late" in result["msg"]


@pytest.mark.parametrize("options", [NEW, UNNAMED], ids=["slug", "name"])
def test_creation_reports_the_twin_that_another_client_made_at_the_same_time(
    ocore: Scripted, options: dict[str, Any]
) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire(), wire(id="twin")])
    result = declare(ocore, **options)
    assert f"Several new instances match the one to be created: shop ({ID}), shop (twin)." in result["msg"]
    assert (result["failed"], result["actions"]) == (True, ["create"])


def test_creation_reports_the_twin_although_the_list_lacks_its_own_instance(ocore: Scripted) -> None:
    # The list lagged behind: it showed the instance of another client, and not yet the one of this task.
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire())
    expect_lists(ocore, 1 + LOOKS, wire(id="twin"))
    result = declare(ocore, **NEW)
    assert f"Several new instances match the one to be created: shop ({ID}), shop (twin)." in result["msg"]


def test_creation_ends_when_the_list_shows_the_instance_so_that_the_next_task_finds_it(ocore: Scripted) -> None:
    # A task that followed at once did not find the instance in the list, and created another one.
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire())
    expect_lists(ocore, 2)
    ocore.expect("GET", "/instances", answer=[wire()])
    assert declare(ocore, **NEW)["actions"] == ["create"]


def test_creation_takes_no_namesake_with_a_slug_of_its_own_for_a_twin(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire(), wire(id="b", slug="shop-b"), wire(id="c", status="removing")])
    assert "failed" not in declare(ocore, **NEW)


def test_creation_whose_look_for_twins_fails_warns(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", status=403)
    result = declare(ocore, **NEW)
    assert result["actions"] == ["create"]
    assert "Could not check that the instance was created only once" in result.warnings[0]


# A conflict at once


def test_creation_that_meets_a_conflict_uses_the_instance_that_another_client_made(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    ocore.expect("GET", "/instances", answer=[CREATING])
    ocore.expect("GET", PATH, answer=wire())
    result = declare(ocore, **NEW)
    assert (result["changed"], result["actions"], result["instance"]["id"]) == (False, [], ID)
    assert result.warnings == [
        f"Instance shop ({ID}) has appeared since this task looked: another client created it; using it."
    ]


def test_creation_that_meets_a_conflict_changes_what_differs_in_the_other_ones_instance(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    ocore.expect("GET", "/instances", answer=[wire(addonsPath="/other")])
    ocore.expect("GET", PATH, answer=wire(addonsPath="/other"))
    ocore.expect("PUT", PATH, answer=wire(addonsPath="/a"))
    assert declare(ocore, **NEW, addons_path="/a", env_vars={})["actions"] == ["update"]


@pytest.mark.parametrize("status", ["removing", "deleted"])
def test_creation_that_meets_a_conflict_names_who_still_has_the_slug(ocore: Scripted, status: str) -> None:
    leaving = wire(id="old", status=status)
    ocore.expect("GET", "/instances", answer=[leaving])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    ocore.expect("GET", "/instances", answer=[leaving])
    result = declare(ocore, **NEW)
    assert "The slug shop still belongs to shop (old), which is being removed or is deleted." in result["msg"]
    assert (result["changed"], result["error"]["status"]) == (False, 409)


def test_creation_that_meets_a_conflict_with_nobody_in_the_list_says_so(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    ocore.expect("GET", "/instances", answer=[])
    result = declare(ocore, **NEW)
    assert "HTTP 409: slug is taken." in result["msg"]
    assert "The list shows no instance with this slug or name" in result["msg"]


def test_creation_that_meets_a_conflict_and_cannot_look_tells_both(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    ocore.expect("GET", "/instances", status=403)
    message = declare(ocore, **NEW)["msg"]
    assert "HTTP 409: slug is taken." in message
    assert "Looking for the instance failed as well: Cannot list the instances" in message


def test_creation_that_meets_a_conflict_and_several_names_them(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=409, answer={"message": "slug is taken"})
    ocore.expect("GET", "/instances", answer=[wire(id="a"), wire(id="b")])
    assert "Several new instances match the one to be created: shop (a), shop (b)." in declare(ocore, **NEW)["msg"]


# Power


def test_power_stopped_stops_a_new_instance_when_it_runs(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=CREATING)
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("POST", f"{PATH}/control", json={"action": "stop"}, status=202)
    ocore.expect("GET", PATH, answer=wire(status="stopped"))
    result = declare(ocore, **NEW, power="stopped")
    assert (result["actions"], result["instance"]["status"]) == (["create", "stop"], "stopped")
    assert result["diff"]["after"] == {**NEW, "status": "stopped"}


@pytest.mark.parametrize("check", [False, True])
def test_power_stopped_without_waiting_creates_only_and_warns(ocore: Scripted, check: bool) -> None:
    ocore.expect("GET", "/instances", answer=[])
    if not check:
        ocore.expect("POST", "/instances", status=202, answer=CREATING)
    result = declare(ocore, **NEW, power="stopped", wait=False, check=check)
    assert result["actions"] == ["create"]
    assert "The new instance is not stopped yet" in result.warnings[0]


def test_power_started_needs_no_action_for_a_new_instance(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[])
    ocore.expect("POST", "/instances", status=202, answer=wire())
    assert declare(ocore, **NEW, power="started")["actions"] == ["create"]
