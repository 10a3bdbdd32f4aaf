# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK
from ansible_collections.ocore.cloud.plugins.module_utils._ops import reading
from ansible_collections.ocore.cloud.plugins.module_utils._ops.info import OPERATION
from ansible_collections.ocore.cloud.tests.unit.helpers.api import ID, SERVER, Outcome, play, wire
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import Scripted

PATH = f"/instances/{ID}"
OTHER = wire(id="b", slug="store", serverId="other")


@pytest.fixture
def ocore() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def read(ocore: Scripted, **options: Any) -> Outcome:
    return play(OPERATION, ocore.api_url, **options)


def ids(result: Outcome) -> list[str]:
    assert result["total"] == len(result["instances"])
    assert result["changed"] is False
    return [record["id"] for record in result["instances"]]


def test_list_of_all_is_one_request(ocore: Scripted) -> None:
    gone = wire(id="c", status="deleted")
    ocore.expect("GET", "/instances", answer=[wire(), OTHER, gone, wire(id="d", status="removing")])
    assert ids(read(ocore)) == [ID, "b", "d"]


@pytest.mark.parametrize("check", [False, True])
def test_list_of_an_empty_organization_is_empty(ocore: Scripted, check: bool) -> None:
    ocore.expect("GET", "/instances", answer={"instances": None, "total": 0})
    assert ids(read(ocore, check=check)) == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"slug": "shop"}, [ID]),
        ({"name": "Nobody"}, []),
        ({"slug": "leaving"}, ["d"]),
    ],
)
def test_identity_picks_one_by_slug_or_name(ocore: Scripted, options: dict[str, Any], found: list[str]) -> None:
    entries = [wire(), OTHER]
    if options == {"slug": "leaving"}:
        entries.append(wire(id="d", slug="leaving", status="removing"))
    ocore.expect("GET", "/instances", answer=entries)
    assert ids(read(ocore, **options)) == found


@pytest.mark.parametrize(
    ("answer", "options", "found"),
    [
        ({"answer": wire()}, {}, [ID]),
        ({"answer": wire(status="deleted")}, {}, []),
        ({"status": 404}, {}, []),
        ({"answer": wire()}, {"server_id": SERVER.upper()}, [ID]),
        ({"answer": wire()}, {"server_id": "other"}, []),
    ],
)
def test_identity_by_id_is_one_read(
    ocore: Scripted, answer: dict[str, Any], options: dict[str, Any], found: list[str]
) -> None:
    ocore.expect("GET", PATH, **answer)
    assert ids(read(ocore, id=ID, **options)) == found


def test_identity_by_a_name_that_several_share_returns_all_of_them(ocore: Scripted) -> None:
    twins = [wire(id=ID, slug="a", name="Twin"), wire(id="b", slug="b", name=" Twin ", status="removing")]
    ocore.expect("GET", "/instances", answer=[*twins, wire(id="c", slug="c", name="Twin"), wire(id="d", name="Other")])
    assert ids(read(ocore, name="Twin")) == [ID, "c"]


def test_identity_by_a_name_in_an_incomplete_list_warns(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer={"instances": [wire(name="Twin")], "total": 2})
    result = read(ocore, name="Twin")
    assert ids(result) == [ID]
    assert "more instances than the 1 that it listed" in result.warnings[0]


def test_server_whose_filter_is_ignored_gets_its_own_only(ocore: Scripted) -> None:
    ocore.expect("GET", f"/instances?server_id={SERVER}", answer=[wire(), OTHER])
    assert ids(read(ocore, server_id=SERVER)) == [ID]


def test_server_limits_where_a_name_is_looked_for(ocore: Scripted) -> None:
    ocore.expect(
        "GET", f"/instances?server_id={SERVER}", answer={"instances": [wire(), wire(id="b", serverId="x")], "total": 2}
    )
    assert ids(read(ocore, server_id=SERVER, name="Shop")) == [ID]


def test_pagination_that_is_incomplete_is_a_warning(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer={"instances": [wire()], "total": 5})
    result = read(ocore)
    assert ids(result) == [ID]
    assert result.warnings == ["oCore reports more instances than the 1 that it listed."]


def test_secret_env_values_are_masked_unless_they_may_be_revealed(ocore: Scripted) -> None:
    entry = wire(envVars={"A": "planted"}, statusMessage="A is planted")
    ocore.expect("GET", "/instances", answer=[entry])
    ocore.expect("GET", "/instances", answer=[entry])
    assert "planted" not in str(read(ocore))
    assert read(ocore, reveal_env_vars=True)["instances"][0]["env_vars"] == {"A": "planted"}


def test_gather_reads_health_and_score_of_each(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", f"{PATH}/health", answer={"id": ID, "slug": "shop", "status": "running"})
    result = read(ocore, id=ID, gather=["health"])
    assert result["instances"][0]["health"]["status"] == "running"
    assert "health_score_details" not in result["instances"][0]
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", f"{PATH}/health-score", answer={"score": 90, "factors": None})
    result = read(ocore, id=ID, gather=["health_score"])
    assert result["instances"][0]["health_score_details"] == {
        "score": 90,
        "grade": None,
        "computed_at": None,
        "factors": [],
    }


def test_gather_gives_null_for_what_has_not_been_computed(ocore: Scripted) -> None:
    for what, key in (("health", "health"), ("health-score", "health_score_details")):
        ocore.expect("GET", PATH, answer=wire())
        ocore.expect("GET", f"{PATH}/{what}", status=404)
        assert read(ocore, id=ID, gather=[what.replace("-", "_")])["instances"][0][key] is None


def test_gather_fails_when_all_fail(ocore: Scripted) -> None:
    ocore.expect("GET", PATH, answer=wire())
    ocore.expect("GET", f"{PATH}/health", status=403)
    result = read(ocore, id=ID, gather=["health"])
    assert f"Cannot read the health of instance shop ({ID}): oCore answered HTTP 403." in result["msg"]
    assert "instances" not in result


def test_secret_env_values_in_the_words_of_health_are_masked(ocore: Scripted) -> None:
    entry = wire(envVars={"A": "planted-value"})
    ocore.expect("GET", PATH, answer=entry)
    ocore.expect("GET", f"{PATH}/health", answer={"statusMessage": "refused: planted-value"})
    assert read(ocore, id=ID, gather=["health"])["instances"][0]["health"]["status_message"] == f"refused: {MASK}"
    ocore.expect("GET", PATH, answer=entry)
    ocore.expect("GET", f"{PATH}/health-score", answer={"score": 1, "factors": [{"details": "got planted-value"}]})
    details = read(ocore, id=ID, gather=["health_score"])["instances"][0]["health_score_details"]
    assert details["factors"][0]["details"] == f"got {MASK}"
    ocore.expect("GET", PATH, answer=entry)
    ocore.expect("GET", f"{PATH}/health", answer={"statusMessage": "refused: planted-value"})
    revealed = read(ocore, id=ID, gather=["health"], reveal_env_vars=True)["instances"][0]
    assert revealed["health"]["status_message"] == "refused: planted-value"


@pytest.mark.parametrize("option", ["id", "slug", "name", "server_id"])
def test_arguments_that_are_given_but_empty_never_mean_all(ocore: Scripted, option: str) -> None:
    result = read(ocore, **{option: " "})
    assert f"{option} is given but empty, which names nothing." in result["msg"]
    assert "instances" not in result


def test_identity_is_stripped(ocore: Scripted) -> None:
    ocore.expect("GET", f"/instances?server_id={SERVER}", answer=[wire()])
    assert ids(read(ocore, slug=" shop ", server_id=f"{SERVER} ")) == [ID]


@pytest.mark.parametrize("gather", [["health"], ["health_score"]])
@pytest.mark.parametrize(
    "step",
    [
        {"status": 500},
        {"status": 502},
        {"status": 503},
        {"status": 504},
        {"status": 403},
        {"status": 409},
        {"status": 422},
        {"answer": b"no health today"},
        {"fault": "drop"},
        {"fault": "cut"},
        {"fault": "garbled"},
        {"fault": "hang"},
    ],
    ids=["500", "502", "503", "504", "403", "409", "422", "text", "drop", "cut", "garbled", "hang"],
)
def test_gather_gives_null_and_a_warning_for_one_that_fails(
    ocore: Scripted, gather: list[str], step: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "GATHER_THREADS", 1)  # the script knows one order
    path, key = {"health": ("health", "health"), "health_score": ("health-score", "health_score_details")}[gather[0]]
    entries = [wire(), wire(id="b", slug="store")]
    ocore.expect("GET", "/instances", answer=entries)
    ocore.expect("GET", f"{PATH}/{path}", **step)
    ocore.expect("GET", f"/instances/b/{path}", answer={"status": "running", "score": 90})
    result = read(ocore, gather=gather, retries=0, request_timeout=0.5 if step.get("fault") == "hang" else 30)
    assert ids(result) == [ID, "b"]
    first, second = (record[key] for record in result["instances"])
    assert first is None
    assert second is not None
    [warning] = result.warnings
    assert f"of instance shop ({ID})" in warning
    assert warning.endswith("The result holds null in its place.")


def test_gather_fails_when_the_token_is_refused(ocore: Scripted) -> None:
    ocore.expect("GET", "/instances", answer=[wire()])
    ocore.expect("GET", f"{PATH}/health", status=401)
    result = read(ocore, gather=["health"])
    assert result["error"]["status"] == 401


def test_gather_ends_early_in_an_outage(ocore: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "GATHER_THREADS", 1)  # the script knows one order
    monkeypatch.setattr(reading, "OUTAGE", 2)
    ocore.expect("GET", "/instances", answer=[wire(id=name, slug=name) for name in "abcd"])
    ocore.expect("GET", "/instances/a/health", answer={"status": "running"})
    for name in "bcd":
        ocore.expect("GET", f"/instances/{name}/health", status=503)
    result = read(ocore, gather=["health"], retries=0)
    assert "health of instance c (c): oCore answered HTTP 503" in result["msg"]
    assert "instances" not in result
