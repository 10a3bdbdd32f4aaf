# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every switch, seen in what comes over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.emulator.emulator_client import Client, answered

STATES = ["creating", "running", "stopping", "stopped", "starting", "restarting", "failed", "removing"]


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [
        ("full", STATES),
        ("concepts", ["creating", "running", "running", "stopped", "restarting", "restarting", "failed", "removing"]),
        ("monitoring", ["stopped", "running", "running", "stopped", "stopped", "running", "error", "stopped"]),
        ("active", ["provisioning", "active", "updating", "stopped", "updating", "updating", "error", "removing"]),
        (
            "healthy",
            [
                "provisioning",
                "healthy",
                "deploying",
                "stopped",
                "deploying",
                "deploying",
                "provisioning_failed",
                "deleting",
            ],
        ),
        ("unknown_word", ["creating", "levitating", *STATES[2:]]),
        (
            "unknown_between",
            ["rebalancing", "running", "rebalancing", "stopped", "rebalancing", "rebalancing", "failed", "rebalancing"],
        ),
    ],
)
def test_status_vocabulary(api: Client, emulator: Emulator, vocabulary: str, words: list[str]) -> None:
    made = [emulator.seed(1, status=state)[0] for state in STATES]
    emulator.set(status_vocabulary=vocabulary)
    assert [api.get(instance)["status"] for instance in made] == words
    health = answered(api("GET", f"/instances/{made[1]}/health"), 200)
    assert health["status"] == words[1]


@pytest.mark.parametrize(("case", "word"), [("lower", "running"), ("title", "Running"), ("upper", "RUNNING")])
def test_status_case(api: Client, emulator: Emulator, case: str, word: str) -> None:
    emulator.set(status_case=case)
    assert api.list()["instances"][0]["status"] == word


@pytest.mark.parametrize(
    ("mode", "got", "listed"),
    [("404", 404, False), ("word", 200, False), ("word_and_listed", 200, True), ("listed_for_a_while", 200, True)],
)
def test_deleted(api: Client, emulator: Emulator, mode: str, got: int, listed: bool) -> None:
    gone = emulator.instances()[0]["id"]
    api.delete(gone)
    emulator.set(deleted=mode)
    answer = api("GET", f"/instances/{gone}")
    assert answer.status_code == got
    assert got == 404 or answer.json()["status"] == "deleted"
    listing = api.list()
    assert (gone in [i["id"] for i in listing["instances"]]) == listed
    assert listing["total"] == 4 + listed
    assert api("PUT", f"/instances/{gone}", {"name": "x"}).status_code == 404
    assert api("DELETE", f"/instances/{gone}").status_code == 404


def test_deleted_instances_leave_the_list_after_a_while(api: Client, emulator: Emulator) -> None:
    emulator.set(deleted="listed_for_a_while")
    gone = emulator.instances()[0]["id"]
    api.delete(gone)
    totals = []
    for _step in range(4):
        totals.append(api.list()["total"])
        emulator.advance()
    assert totals == [5, 5, 5, 4]
    assert api("GET", f"/instances/{gone}").status_code == 404


@pytest.mark.parametrize(
    ("shape", "content_type", "body"),
    [
        ("message", "application/json", '{"message":"missing bearer token"}'),
        ("nested", "application/json", '{"error":{"code":"unauthorized","message":"missing bearer token"}}'),
        ("flat", "application/json", '{"error":"missing bearer token","code":"unauthorized"}'),
        ("text", "text/plain; charset=utf-8", "missing bearer token"),
        ("html", "text/html; charset=utf-8", "<!DOCTYPE html><html><head><title>401</title>"),
        ("empty", None, ""),
    ],
)
def test_error_shape(api: Client, emulator: Emulator, shape: str, content_type: str | None, body: str) -> None:
    emulator.set(error_shape=shape)
    answer = api("GET", "/instances", headers={"Authorization": None})
    assert (answer.status_code, answer.headers.get("Content-Type")) == (401, content_type)
    assert answer.text == body or (shape == "html" and answer.text.startswith(body))
    assert api("GET", "/nothing").headers.get("Content-Type") == content_type


@pytest.mark.parametrize(("mode", "left"), [("replace", {"B": "2"}), ("merge", {"A": "1", "B": "2"})])
def test_put_env(api: Client, emulator: Emulator, mode: str, left: dict[str, str]) -> None:
    emulator.set(put_env=mode)
    made = api.create(envVars={"A": "1"})
    assert api.put(made["id"], envVars={"B": "2"})["envVars"] == left
    assert emulator.instance("shop")["envVars"] == left


@pytest.mark.parametrize(
    ("mode", "left"),
    [("keep", ("Shop", "/addons", {"A": "1"}, True)), ("clear", ("", None, {}, True))],
)
def test_put_missing(api: Client, emulator: Emulator, mode: str, left: tuple[object, ...]) -> None:
    emulator.set(put_missing=mode)
    made = api.create(envVars={"A": "1"}, addonsPath="/addons")
    api.put(made["id"], mcpWriteEnabled=True)
    truth = emulator.instance("shop")
    assert (truth["name"], truth["addonsPath"], truth["envVars"], truth["mcpWriteEnabled"]) == left


@pytest.mark.parametrize(("mode", "word"), [("keep", "running"), ("restarting", "restarting")])
def test_put_status(api: Client, emulator: Emulator, mode: str, word: str) -> None:
    emulator.set(put_status=mode)
    instance = emulator.instances()[0]
    assert api.put(instance["id"], name="New")["status"] == word


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("plain", {"TZ": "UTC", "DB_PASSWORD": "x", "api_key": "y"}),
        ("masked", {"TZ": "********", "DB_PASSWORD": "********", "api_key": "********"}),
        ("partly_masked", {"TZ": "UTC", "DB_PASSWORD": "********", "api_key": "********"}),
    ],
)
def test_env_values(api: Client, emulator: Emulator, mode: str, shown: dict[str, str]) -> None:
    emulator.set(env_values=mode)
    true = {"TZ": "UTC", "DB_PASSWORD": "x", "api_key": "y"}
    made = api.create(envVars=true)
    assert made["envVars"] == shown
    assert api.get(made["id"])["envVars"] == shown
    assert emulator.instance("shop")["envVars"] == true


NOTHING = object()


@pytest.mark.parametrize(
    ("mode", "text", "number", "mapping", "zero", "flag"),
    [
        ("null", None, None, None, 0, False),
        ("present", "", 0, {}, 0, False),
        ("missing", NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
    ],
)
def test_nulls(
    api: Client, emulator: Emulator, mode: str, text: Any, number: Any, mapping: Any, zero: Any, flag: Any
) -> None:
    emulator.set(nulls=mode)
    made = api.create()
    shown = [
        made.get(name, NOTHING)
        for name in ("addonsPath", "healthScore", "envVars", "restartCount", "enterpriseUpdateAvailable")
    ]
    assert shown == [text, number, mapping, zero, flag]
    assert made["domains"][0].get("sslExpiresAt", NOTHING) == text


def test_nulls_mixed(api: Client, emulator: Emulator) -> None:
    emulator.set(nulls="mixed")
    made = api.create()
    empty = [
        "addonsPath",
        "enterpriseBuildId",
        "enterpriseDeployedAt",
        "lastRestartAt",
        "templateId",
        "healthScoreGrade",
        "lastSeenAt",
    ]
    assert {repr(made.get(name, NOTHING)) for name in empty} == {"None", "''", repr(NOTHING)}


def test_unknown_fields(api: Client, emulator: Emulator) -> None:
    known = set(api.list()["instances"][0])
    emulator.set(unknown_fields=True)
    assert set(api.list()["instances"][0]) - known == {"region", "quota", "{{ odd key }}"}


@pytest.mark.parametrize(("case", "word"), [("lower", "community"), ("title", "Community"), ("upper", "COMMUNITY")])
def test_edition_case(api: Client, emulator: Emulator, case: str, word: str) -> None:
    emulator.set(edition_case=case)
    assert api.create()["odooEdition"] == word


@pytest.mark.parametrize(("unit", "limit"), [("bytes", 2147483648), ("mb", 2048)])
def test_memory_unit(api: Client, emulator: Emulator, unit: str, limit: int) -> None:
    emulator.set(memory_unit=unit)
    assert api.create()["limitMemorySoft"] == limit


@pytest.mark.parametrize(("mode", "name"), [("full", "shop.acme.ocore.example"), ("label", "shop")])
def test_auto_subdomain(api: Client, emulator: Emulator, mode: str, name: str) -> None:
    emulator.set(auto_subdomain=mode)
    assert api.create()["autoSubdomain"] == name


def test_list_detail(api: Client, emulator: Emulator) -> None:
    full = api.list()["instances"]
    emulator.set(list_detail="short")
    short = api.list()["instances"]
    assert [set(a) - set(b) for a, b in zip(full, short, strict=True)] == [{"envVars", "addonsPath"}] * 5
    assert api.get(full[0]["id"]) == full[0]


def test_list_key(api: Client, emulator: Emulator) -> None:
    full = api.list()["instances"]
    emulator.set(list_key="data")
    assert api.list() == {"data": full, "total": 5}
    emulator.set(list_key="bare", paging="cursor")
    assert api.list() == full


@pytest.mark.parametrize(("mode", "shown"), [("list", []), ("null", None)])
def test_empty_list(api: Client, emulator: Emulator, mode: str, shown: object) -> None:
    emulator.set(empty_list=mode)
    assert api.list("?server_id=nowhere") == {"instances": shown, "total": 0}


@pytest.mark.parametrize(("mode", "total"), [("present", 5), ("missing", None), ("wrong", 12)])
def test_total(api: Client, emulator: Emulator, mode: str, total: int | None) -> None:
    emulator.set(total=mode)
    assert api.list().get("total") == total


@pytest.mark.parametrize("key", ["instances", "data"])
def test_paging(api: Client, emulator: Emulator, key: str) -> None:
    everything = [instance["id"] for instance in emulator.instances()]
    emulator.set(paging="cursor", page_size=2, list_key=key)
    pages, query = [], ""
    while True:
        page = api.list(query)
        pages.append([instance["id"] for instance in page[key]])
        assert page["total"] == 5
        if not page["has_more"]:
            break
        query = f"?cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert [len(p) for p in pages] == [2, 2, 1]
    assert [instance for page in pages for instance in page] == everything


@pytest.mark.parametrize("cursor", ["nonsense", "%FF", "ZnJvbTotMQ=="])
def test_cursor_that_is_none_is_refused(api: Client, emulator: Emulator, cursor: str) -> None:
    emulator.set(paging="cursor")
    assert api("GET", f"/instances?cursor={cursor}").status_code == 400


def test_ignore_server_filter(api: Client, emulator: Emulator) -> None:
    emulator.set(ignore_server_filter=True)
    assert api.list(f"?server_id={emulator.server_ids()[0]}")["total"] == 5


def test_slug_rewrite(api: Client, emulator: Emulator) -> None:
    emulator.set(slug_rewrite="normalise")
    assert api.create(slug="My_Shop!")["slug"] == "my-shop"
    assert (
        api("POST", "/instances", {"name": "x", "serverId": emulator.server_ids()[0], "slug": "my shop"}).status_code
        == 409
    )
    emulator.set(slug_rewrite="suffix")
    slug = api.create(slug="my-shop")["slug"]
    assert (slug[:8], len(slug)) == ("my-shop-", 12)


def test_create_fails(api: Client, emulator: Emulator) -> None:
    emulator.set(create_fails=1)
    failed, fine = api.settled(api.create()["id"]), api.settled(api.create()["id"])
    assert (failed["status"], fine["status"]) == ("failed", "running")
    assert "no space left" in failed["statusMessage"]
    assert emulator.settings()["create_fails"] == 0


@pytest.mark.parametrize(("mode", "count"), [("both", 1), ("count_only", 1), ("status_only", 0)])
def test_restart_visible(api: Client, emulator: Emulator, mode: str, count: int) -> None:
    emulator.set(restart_visible=mode)
    instance = emulator.instances()[0]
    api.control(instance["id"], "restart")
    after = api.settled(instance["id"])
    assert after["restartCount"] == instance["restartCount"] + count
    assert (after["lastRestartAt"] != instance["lastRestartAt"]) == bool(count)


def test_busy_conflict(api: Client, emulator: Emulator) -> None:
    emulator.set(busy_conflict=True)
    made = api.create()["id"]
    answers = [
        api("PUT", f"/instances/{made}", {"name": "x"}),
        api("POST", f"/instances/{made}/control", {"action": "stop"}),
        api("DELETE", f"/instances/{made}"),
    ]
    assert [answer.status_code for answer in answers] == [409] * 3
    assert emulator.instance("shop")["name"] == "Shop"
    emulator.set(busy_conflict=False)
    assert api.put(made, name="Queued")["name"] == "Queued"


@pytest.mark.parametrize(
    ("mode", "status", "score", "weights"),
    [
        ("present", 200, 70, [50, 30, 20]),
        ("404", 404, None, None),
        ("null", 200, None, None),
        ("fraction", 200, 70.5, [0.5, 0.3, 0.2]),
    ],
)
def test_score(
    api: Client, emulator: Emulator, mode: str, status: int, score: float | None, weights: list[float] | None
) -> None:
    emulator.set(score=mode)
    answer = api("GET", f"/instances/{emulator.instances()[0]['id']}/health-score")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["score"] == score
        factors = answer.json()["factors"]
        assert (factors and [factor["weight"] for factor in factors]) == weights


def test_instance_that_has_not_run_yet_has_no_score(api: Client) -> None:
    assert api("GET", f"/instances/{api.create()['id']}/health-score").status_code == 404


def test_org_required(api: Client, emulator: Emulator) -> None:
    emulator.set(org_required=True)
    answer = api("GET", "/instances")
    assert (answer.status_code, "X-Org-Slug" in answer.text) == (400, True)
    assert api("GET", "/instances", headers={"X-Org-Slug": "acme"}).status_code == 200


@pytest.mark.parametrize("status", ["404", "403"])
def test_unknown_org(api: Client, emulator: Emulator, status: str) -> None:
    emulator.set(unknown_org=status)
    assert api("GET", "/instances", headers={"X-Org-Slug": "nobody"}).status_code == int(status)


def test_latency_and_step_time_can_be_changed_while_it_runs(api: Client, emulator: Emulator) -> None:
    emulator.set(step_time=1000, step_by="time")
    made = api.create()["id"]
    assert emulator.instance("shop")["busy"]
    emulator.set(step_time=0, latency=0.2)
    answer = api("GET", f"/instances/{made}")
    # Not a measurement: the answer cannot come earlier than that.
    assert answer.elapsed.total_seconds() >= 0.2


@pytest.mark.parametrize(
    "wrong",
    [
        {"nosuch": 1},
        {"deleted": "maybe"},
        {"step_time": -1},
        {"latency": "x"},
        {"org_required": "perhaps"},
        {"latency": True},
    ],
)
def test_switch_or_value_that_is_none_is_refused_and_changes_nothing(
    emulator: Emulator, wrong: dict[str, object]
) -> None:
    before = emulator.settings()
    with pytest.raises(RuntimeError, match=next(iter(wrong))):
        emulator.set(list_key="data", **wrong)
    assert emulator.settings() == before


@pytest.mark.parametrize(
    ("mode", "stored"),
    [("as_sent", " Cafe\u0301 "), ("trimmed", "Cafe\u0301"), ("normalised", "Caf\u00e9")],
)
def test_stored_names(api: Client, emulator: Emulator, mode: str, stored: str) -> None:
    emulator.set(stored_names=mode)
    made = api.create(" Cafe\u0301 ")
    assert made["name"] == stored
    assert api.put(made["id"], name=" Cafe\u0301 ")["name"] == stored


def test_slug_rewrite_lower(api: Client, emulator: Emulator) -> None:
    emulator.set(slug_rewrite="lower")
    assert api.create(slug=" My-Shop ")["slug"] == "my-shop"


def test_taken_slug(api: Client, emulator: Emulator) -> None:
    body = {"name": "Shop", "slug": "shop", "serverId": emulator.server_ids()[0]}
    first = answered(api("POST", "/instances", body), 202)
    assert api("POST", "/instances", body).status_code == 409
    emulator.set(taken_slug="taken")
    second = answered(api("POST", "/instances", body), 202)
    assert (first["slug"], second["slug"]) == ("shop", "shop")
    api.delete(first["id"])
    emulator.set(taken_slug="refused")
    assert api("POST", "/instances", body).status_code == 409


def test_list_lag(api: Client, emulator: Emulator) -> None:
    emulator.set(list_lag=3)
    made = api.create(envVars={"A": "1"})["id"]
    known = emulator.instances()[0]["id"]
    api.put(known, envVars={"NEW": "1"})
    assert api.get(made)["id"] == made
    for _step in range(3):
        listed = {entry["id"]: entry for entry in api.list()["instances"]}
        assert made not in listed
        assert "NEW" not in listed[known]["envVars"]
        emulator.advance()
    listed = {entry["id"]: entry for entry in api.list()["instances"]}
    assert listed[made]["envVars"] == {"A": "1"}
    assert listed[known]["envVars"] == {"NEW": "1"}


def test_list_lag_shows_what_is_gone(api: Client, emulator: Emulator) -> None:
    emulator.set(list_lag=4)
    gone = emulator.instances()[0]["id"]
    api.delete(gone)
    assert api.list()["instances"][0]["status"] == "running"
    assert api("GET", f"/instances/{gone}").status_code == 404
    emulator.advance(2)
    assert gone not in [entry["id"] for entry in api.list()["instances"]]


def test_get_lag(api: Client, emulator: Emulator) -> None:
    emulator.set(get_lag=2)
    made = api.create()["id"]
    assert [api("GET", f"/instances/{made}").status_code for _read in range(3)] == [404, 404, 200]
    assert api("GET", f"/instances/{made}/health").status_code == 200
    api.control(made, "stop")
    assert [api("GET", f"/instances/{made}").status_code for _read in range(3)] == [404, 404, 200]


@pytest.mark.parametrize(("mode", "mask"), [("dots", "\u2022" * 8), ("crosses", "xxxxxxx"), ("tail", "********ue")])
def test_env_values_other_masks(api: Client, emulator: Emulator, mode: str, mask: str) -> None:
    emulator.set(env_values=mode)
    assert api.create(envVars={"A": "a value"})["envVars"] == {"A": mask}


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("off", None),
        ("plain", """a<b>&"c" 'd'"""),
        ("python", """'a<b>&"c" \\'d\\''"""),
        ("json", r'"a<b>&\"c\" ' + "'d'" + '"'),
        ("go", r'"a\u003cb\u003e\u0026\"c\" ' + "'d'" + '"'),
        ("html", "a&lt;b&gt;&amp;&quot;c&quot; &#x27;d&#x27;"),
        ("html_numbers", "a&#60;b&#62;&#38;&#34;c&#34;&#32;&#39;d&#39;"),
        ("percent", "a%3Cb%3E%26%22c%22%20%27d%27"),
        ("percent_lower", "a%3cb%3e%26%22c%22%20%27d%27"),
        ("percent_all", "%61%3C%62%3E%26%22%63%22%20%27%64%27"),
        ("base64", "YTxiPiYiYyIgJ2Qn"),
    ],
)
def test_echo(api: Client, emulator: Emulator, mode: str, text: str | None) -> None:
    emulator.set(echo=mode)
    value = """a<b>&"c" 'd'"""
    made = api.create(envVars={"A": value})
    said = made["statusMessage"]
    refused = api("POST", "/instances", {"name": "x", "envVars": {"A": value}}).json()["message"]
    if text is None:
        assert (said, refused) == ("Pulling image", "serverId is required")
    else:
        assert said.endswith(f"; {text}")
        assert refused.endswith(f"; {text}")
        assert api.get(made["id"])["statusMessage"] == said


def test_echo_quotes_the_key(api: Client, emulator: Emulator) -> None:
    emulator.set(echo="plain")
    assert emulator.token in api.create()["statusMessage"]


def test_json_escapes(api: Client, emulator: Emulator) -> None:
    made = api.create("<Caf\u00e9 & Co>")
    raw = api("GET", f"/instances/{made['id']}").content
    assert b"<Caf\\u00e9 & Co>" in raw
    emulator.set(json_escapes="go")
    go = api("GET", f"/instances/{made['id']}")
    assert b"\\u003cCaf\xc3\xa9 \\u0026 Co\\u003e" in go.content
    assert go.json()["name"] == "<Caf\u00e9 & Co>"


@pytest.mark.parametrize(
    ("mode", "tail"),
    [
        ("more", {"has_more": True}),
        ("camel_more", {"hasMore": True}),
        ("pages", {"page": 1, "totalPages": 3}),
        ("cut", {}),
    ],
)
def test_paging_that_leads_nowhere(api: Client, emulator: Emulator, mode: str, tail: dict[str, Any]) -> None:
    emulator.set(paging=mode, page_size=2, total="text")
    page = api.list()
    assert len(page.pop("instances")) == 2
    assert page == {**tail, "total": "5"}


def test_paging_in_camel_case(api: Client, emulator: Emulator) -> None:
    emulator.set(paging="camel", page_size=3)
    page = api.list()
    assert (page["hasMore"], len(page["instances"])) == (True, 3)
    last = api.list(f"?cursor={page['nextCursor']}")
    assert (last["hasMore"], last["nextCursor"], len(last["instances"])) == (False, None, 2)


@pytest.mark.parametrize(("mode", "status"), [("listed", 200), ("forbidden", 403), ("missing", 404)])
def test_servers_may_be_refused(api: Client, emulator: Emulator, mode: str, status: int) -> None:
    emulator.set(servers=mode)
    assert api("GET", "/servers").status_code == status


def test_server_detail(api: Client, emulator: Emulator) -> None:
    emulator.set(server_detail="short")
    assert [set(server) for server in servers(api)] == [{"id", "name"}] * 2
    emulator.set(server_detail="no_host")
    assert [server["host"] for server in servers(api)] == [None, None]
    emulator.set(nulls="missing")
    assert "host" not in servers(api)[0]


def test_server_names(api: Client, emulator: Emulator) -> None:
    assert [server["name"] for server in servers(api)] == ["server-1", "server-2"]
    emulator.set(server_names="same")
    assert [server["name"] for server in servers(api)] == ["server", "server"]


@pytest.mark.parametrize(("key", "found"), [("instances", "servers"), ("data", "data")])
def test_list_key_of_servers(api: Client, emulator: Emulator, key: str, found: str) -> None:
    emulator.set(list_key=key)
    assert list(answered(api("GET", "/servers"), 200)) == [found]


def test_paging_of_servers(api: Client, emulator: Emulator) -> None:
    emulator.set(paging="cursor", page_size=1)
    page = answered(api("GET", "/servers"), 200)
    assert (len(page["servers"]), page["total"], page["has_more"]) == (1, 2, True)
    rest = answered(api("GET", f"/servers?cursor={page['next_cursor']}"), 200)
    assert [server["name"] for server in rest["servers"]] == ["server-2"]
    assert api("GET", "/servers?cursor=odd").status_code == 400


def servers(api: Client) -> Any:
    return answered(api("GET", "/servers"), 200)["servers"]
