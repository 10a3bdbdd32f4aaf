# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The eight operations, as they are without any switch set."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.emulator.emulator_client import Client, answered

WRITES = [
    ("POST", "/instances", {"name": "x"}),
    ("PUT", "/instances/{id}", {"name": "x"}),
    ("DELETE", "/instances/{id}", None),
    ("POST", "/instances/{id}/control", {"action": "stop"}),
]
READS = [("GET", path, None) for path in ("/instances", "/instances/{id}", "/instances/{id}/health")]


def test_instance_lives_from_creation_to_removal(api: Client) -> None:
    made = api.create(
        "My Shop", envVars={"TZ": "UTC"}, addonsPath="/addons", odooVersion="18.0", odooEdition="enterprise"
    )
    assert (made["status"], made["slug"], made["envVars"]) == ("creating", "my-shop", {"TZ": "UTC"})
    running = api.settled(made["id"])
    assert (running["status"], running["odooVersion"], running["odooEdition"]) == ("running", "18.0", "enterprise")
    assert {domain["sslStatus"] for domain in running["domains"]} == {"active"}
    assert api.control(made["id"], "stop") == {"message": "Instance stop queued"}
    assert api.settled(made["id"])["status"] == "stopped"
    api.control(made["id"], "start")
    assert api.settled(made["id"])["status"] == "running"
    api.control(made["id"], "restart")
    restarted = api.settled(made["id"])
    assert restarted["restartCount"] == 1
    assert restarted["lastRestartAt"] > running["createdAt"]
    assert "message" in api.delete(made["id"])
    assert api("GET", f"/instances/{made['id']}").status_code == 404
    assert made["id"] not in [instance["id"] for instance in api.list()["instances"]]


def test_list_holds_what_get_shows(api: Client) -> None:
    listed = api.list()
    assert listed["total"] == len(listed["instances"]) == 5
    assert listed["instances"] == [api.get(instance["id"]) for instance in listed["instances"]]


def test_list_can_be_narrowed_to_a_server(api: Client, emulator: Emulator) -> None:
    first, second = emulator.server_ids()
    assert {i["serverId"] for i in api.list(f"?server_id={first}")["instances"]} == {first}
    assert api.list(f"?server_id={first}")["total"] + api.list(f"?server_id={second}")["total"] == 5
    assert api.list("?server_id=nowhere") == {"instances": [], "total": 0}


def test_put_changes_its_four_fields_and_no_other(api: Client) -> None:
    made = api.create()
    api.settled(made["id"])
    before = api.get(made["id"])
    answer = api.put(
        made["id"],
        name="New",
        addonsPath="/a",
        envVars={"A": "1"},
        mcpWriteEnabled=True,
        slug="other",
        workers=9,
    )
    changed = {name for name in answer if answer[name] != before[name]}
    assert changed - {"healthScore", "healthScoreGrade", "healthScoreUpdatedAt"} == {
        "name",
        "addonsPath",
        "envVars",
        "mcpWriteEnabled",
        "updatedAt",
    }
    assert (answer["name"], answer["envVars"]) == ("New", {"A": "1"})


def test_fields_that_are_only_for_creation_are_kept_but_not_shown(api: Client, emulator: Emulator) -> None:
    made = api.create(projectId="p", environmentType="staging", branch="main")
    assert not {"projectId", "environmentType", "branch"} & set(made)
    assert emulator.instance("shop")["branch"] == "main"


def test_health_is_the_instances_own(api: Client) -> None:
    instance = api.list()["instances"][0]
    health = answered(api("GET", f"/instances/{instance['id']}/health"), 200)
    assert health == {name: instance[name] for name in ("id", "lastSeenAt", "slug", "status", "statusMessage")}


def test_health_score_is_the_one_that_the_instance_carries(api: Client) -> None:
    instance = api.list()["instances"][0]
    score = answered(api("GET", f"/instances/{instance['id']}/health-score"), 200)
    assert (score["score"], score["grade"]) == (instance["healthScore"], instance["healthScoreGrade"])
    assert sum(factor["weight"] for factor in score["factors"]) == 100


def test_names_may_repeat_and_get_slugs_of_their_own(api: Client) -> None:
    assert [api.create("Same")["slug"] for _try in range(3)] == ["same", "same-2", "same-3"]


def test_slug_is_free_again_after_removal(api: Client) -> None:
    first = api.create(slug="again")
    api.delete(first["id"])
    assert api.create(slug="again")["id"] != first["id"]


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"slug": "aarhus-bakery-1"}, 409, "taken"),
        ({"slug": "ocore"}, 422, "reserved"),
        ({"slug": "Not A Slug"}, 422, "slug"),
        ({"serverId": "00000000-0000-0000-0000-000000000000"}, 422, "does not exist"),
        ({"serverId": ""}, 422, "serverId is required"),
        ({"name": ""}, 422, "name is required"),
        ({"name": None}, 422, "name must be a string"),
        ({"odooVersion": 18.0}, 422, "odooVersion must be a string"),
        ({"envVars": {"A": 1}}, 422, "string values"),
        ({"envVars": ["A=1"]}, 422, "string values"),
    ],
)
def test_creation_that_cannot_be_is_refused(
    api: Client, emulator: Emulator, fields: dict[str, object], status: int, word: str
) -> None:
    answer = api("POST", "/instances", {"name": "Shop", "serverId": emulator.server_ids()[0], **fields})
    assert answer.status_code == status
    assert word in answer.json()["message"]
    assert len(emulator.instances()) == 5


def test_ports_are_unique_on_a_server(api: Client, emulator: Emulator) -> None:
    for n in range(4):
        api.create(f"Shop {n}")
    server = emulator.server_ids()[0]
    here = [i for i in emulator.instances() if i["serverId"] == server]
    ports = [i[name] for i in here for name in ("httpPortHost", "longpollingPortHost")]
    assert len(here) >= 6
    assert len(set(ports)) == len(ports)


def test_simultaneous_creations_of_one_slug_make_one_instance(api: Client, emulator: Emulator) -> None:
    body = {"name": "Race", "slug": "race", "serverId": emulator.server_ids()[0]}
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: api("POST", "/instances", body).status_code, range(16)))
    assert statuses == [202] + [409] * 15


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": "[]", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": "[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": "name=x", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415),
    ],
)
def test_body_that_is_no_json_object_is_refused(api: Client, arguments: dict[str, Any], status: int) -> None:
    assert api("POST", "/instances", **arguments).status_code == status


def test_action_other_than_the_three_is_refused(api: Client) -> None:
    instance = api.list()["instances"][0]
    answer = api("POST", f"/instances/{instance['id']}/control", {"action": "explode"})
    assert (answer.status_code, "start, stop or restart" in answer.text) == (422, True)


def test_removal_in_progress_takes_no_change(api: Client) -> None:
    instance = api.list()["instances"][0]["id"]
    assert api("DELETE", f"/instances/{instance}").status_code == 202
    assert api.get(instance)["status"] == "removing"
    assert api("PUT", f"/instances/{instance}", {"name": "x"}).status_code == 409
    assert api("POST", f"/instances/{instance}/control", {"action": "start"}).status_code == 409
    assert api("DELETE", f"/instances/{instance}").status_code == 202


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/instances/"), ("GET", "/servers/x"), ("GET", "/instances/nobody")]
)
def test_absence_is_404(api: Client, method: str, path: str) -> None:
    assert api(method, path).status_code == 404


def test_method_that_is_not_there_is_405(api: Client) -> None:
    answer = api("DELETE", "/instances")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (None, "missing"),
        ("ocore_k_emulator", "missing"),
        ("Basic ocore_k_emulator", "missing"),
        ("Bearer ocore_k_nobody", "invalid API key"),
        ("Bearer nonsense", "invalid token"),
    ],
)
def test_credentials_that_are_none_are_401(api: Client, header: str | None, word: str) -> None:
    answer = api("GET", "/instances", headers={"Authorization": header})
    assert (answer.status_code, word in answer.json()["message"]) == (401, True)


def test_jwt_is_accepted_until_it_expires(api: Client, emulator: Emulator) -> None:
    assert api("GET", "/instances", token=emulator.jwt()).status_code == 200
    answer = api("GET", "/instances", token=emulator.jwt(expires_in=-1))
    assert (answer.status_code, answer.json()["message"]) == (401, "token expired")


def test_jwt_signed_with_another_secret_is_refused(api: Client) -> None:
    jwt = pytest.importorskip("jwt")
    forged = jwt.encode({"exp": 9_999_999_999}, "another secret, of more than 32 bytes", algorithm="HS256")
    assert api("GET", "/instances", token=forged).status_code == 401


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
@pytest.mark.parametrize("kind", ["key", "jwt"])
def test_who_may_only_look_changes_nothing(
    api: Client, emulator: Emulator, kind: str, method: str, path: str, body: Any
) -> None:
    token = emulator.viewer_token if kind == "key" else emulator.jwt(viewer=True)
    before = emulator.instances()
    answer = api(method, path.format(id=before[0]["id"]), body, token)
    assert (answer.status_code, "manage:instances" in answer.text) == (403, True)
    assert emulator.instances() == before


@pytest.mark.parametrize(("method", "path", "body"), READS)
def test_who_may_only_look_sees_everything(api: Client, emulator: Emulator, method: str, path: str, body: Any) -> None:
    path = path.format(id=emulator.instances()[0]["id"])
    assert api(method, path, body, emulator.viewer_token).status_code == 200


def test_organizations_see_nothing_of_each_other(api: Client, emulator: Emulator) -> None:
    other = {"X-Org-Slug": "globex"}
    seeded = emulator.instances()[0]
    assert api("GET", "/instances", headers=other).json() == {"instances": [], "total": 0}
    assert api("GET", f"/instances/{seeded['id']}", headers=other).status_code == 404
    body = {"name": "Shop", "slug": seeded["slug"], "serverId": emulator.server_ids("globex")[0]}
    assert api("POST", "/instances", body, headers=other).status_code == 202
    assert api.list()["total"] == 5
    assert api("POST", "/instances", body | {"slug": "mine"}).status_code == 422


def test_servers_are_listed_with_what_the_admin_surface_sets(api: Client, emulator: Emulator) -> None:
    first, second = emulator.server_ids()
    emulator.change_server(first, host="192.0.2.9", sshPassword="planted")
    listed = answered(api("GET", "/servers", token=emulator.viewer_token), 200)["servers"]
    assert [server["id"] for server in listed] == [first, second]
    assert (listed[0]["host"], listed[0]["sshPassword"], listed[0]["sshUser"]) == ("192.0.2.9", "planted", "root")
    emulator.remove_server(first)
    assert emulator.server_ids() == [second]
    assert api("POST", "/instances", {"name": "x", "serverId": first}).status_code == 422
