# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of the fleet report, and the two texts made from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.ocore.cloud.plugins.filter.fleet import FilterModule
from hypothesis import given, settings
from hypothesis import strategies as st

TEMPLATES = Path(__file__).parents[4] / "roles/fleet_report/templates"
NOW = "2026-11-23T09:30:00Z"
LATER = "2026-11-23T18:00:00Z"

FILTERS = FilterModule().filters()
Json = dict[str, Any]


def report(*records: Json, now: str = NOW, **options: Any) -> Json:
    return dict(FILTERS["fleet_report"](list(records), now=now, **options))


def page(model: Json, form: str = "html") -> str:
    return str(FILTERS["fleet_report_text"](model, str(TEMPLATES / f"report.{form}.j2")))


def record(key: str = "shop", **fields: Any) -> Json:
    return {"id": key, "slug": key, "name": key.title(), "status": "running", "domains": [], **fields}


def domain(end: str | None, **fields: Any) -> Json:
    return {"domain": "shop.example.com", "ssl_expires_at": end, "ssl_status": "active", "is_primary": True, **fields}


def scored(score: object, **factors: float) -> Json:
    return {
        "health_score_details": {
            "score": score,
            "grade": "C",
            "factors": [
                {"name": name, "score": value, "weight": 1, "weighted": value, "details": None}
                for name, value in factors.items()
            ],
        }
    }


def only(model: Json) -> Json:
    (instance,) = model["instances"]
    return dict(instance)


def reasons(model: Json) -> list[tuple[str, str]]:
    return [(reason["severity"], reason["text"]) for reason in only(model)["reasons"]]


@pytest.mark.parametrize(
    ("status", "severity", "phase"),
    [
        ("running", None, "ready"),
        ("Healthy", None, "ready"),
        ("stopped", "notice", "stopped"),
        ("creation_failed", "critical", "failed"),
        ("removing", "notice", "leaving"),
        ("something new", "notice", "in progress"),
        (None, "notice", "in progress"),
    ],
)
def test_status_words_mean_what_they_mean_everywhere_in_the_collection(
    status: str | None, severity: str | None, phase: str
) -> None:
    instance = only(report(record(status=status)))
    assert (instance["severity"], instance["phase"]) == (severity, phase)


def test_deleted_instances_are_left_out() -> None:
    assert report(record(status="deleted"))["instances"] == []


@pytest.mark.parametrize(
    ("end", "state", "days"),
    [
        ("2026-11-23T09:30:00Z", "expired", 0),
        ("2026-11-22T23:59:59Z", "expired", -1),
        ("2026-11-23T09:30:01Z", "critical", 0),
        ("2026-11-30T23:00:00Z", "critical", 7),
        ("2026-12-01T00:00:00Z", "warning", 8),
        ("2026-12-14T23:59:59+00:00", "warning", 21),
        ("2026-12-15T00:30:00+01:00", "warning", 21),
        ("2026-12-15T00:00:00.123456789Z", "valid", 22),
        ("2026-12-15", "valid", 22),
        (None, "unknown", None),
        ("soon", "unknown", None),
        ("0001-01-01T00:00:00Z", "unknown", None),
        ("9999-12-31T23:59:59-12:00", "unknown", None),
    ],
)
def test_days_left_are_calendar_days_in_utc(end: str | None, state: str, days: int | None) -> None:
    (certificate,) = only(report(record(domains=[domain(end)])))["certificates"]
    assert (certificate["state"], certificate["days_left"]) == (state, days)


def test_reasons_say_what_is_wrong_gravest_first() -> None:
    model = report(
        record(
            domains=[domain("2026-11-24T00:00:00Z"), domain(None, domain="b.example.com", dns_status="failed")],
            enterprise_update_available=True,
            **scored(41, Availability=90, Restarts=12.5),
        )
    )
    assert reasons(model) == [
        ("critical", "Certificate of shop.example.com ends tomorrow"),
        ("warning", "DNS check of b.example.com failed"),
        ("warning", "Health score is 41, weakest in Restarts (12.5)"),
        ("notice", "A newer Enterprise build is available"),
    ]


def test_certificate_that_oCore_calls_expired_or_broken_counts_without_a_date() -> None:  # noqa: N802
    assert reasons(report(record(domains=[domain(None, ssl_status="expired")]))) == [
        ("critical", "Certificate of shop.example.com expired")
    ]
    assert reasons(report(record(domains=[domain(None, ssl_status="error")]))) == [
        ("warning", "Certificate of shop.example.com: oCore says error")
    ]


def test_health_check_that_fails_on_a_running_instance_is_critical() -> None:
    model = report(record(health={"status": "error", "status_message": "no answer"}))
    assert reasons(model) == [("critical", "Health check says error: no answer")]


def test_score_of_a_stopped_instance_is_no_reason_and_of_a_leaving_one_neither() -> None:
    assert reasons(report(record(status="stopped", **scored(0)))) == [("notice", "Status is stopped")]
    leaving = record(status="removing", domains=[domain("2026-11-20T00:00:00Z")], **scored(0))
    assert reasons(report(leaving)) == [("notice", "Is being removed")]


def test_attention_begins_with_what_is_broken_then_the_nearest_end_then_the_lowest_score() -> None:
    model = report(
        record("fine"),
        record("low", **scored(60)),
        record("lower", **scored(50)),
        record("stopped", status="stopped"),
        record("in-six", domains=[domain("2026-11-29T00:00:00Z")]),
        record("in-three", domains=[domain("2026-11-26T00:00:00Z")]),
        record("in-nine", domains=[domain("2026-12-02T00:00:00Z")]),
        record("failed", status="failed"),
    )
    assert model["attention"] == ["failed", "in-three", "in-six", "in-nine", "lower", "low"]
    assert [i["key"] for i in model["instances"]][6:] == ["stopped", "fine"]
    assert model["headline"] == "6 of 8 instances need attention: 3 now and 3 soon."


@pytest.mark.parametrize(
    ("records", "headline"),
    [
        ([], "There are no instances."),
        ([record()], "1 instance, and it needs no attention."),
        ([record("a"), record("b")], "2 instances, and none needs attention."),
        ([record(status="failed")], "1 of 1 instance needs attention: 1 now."),
    ],
)
def test_headline_is_a_sentence(records: list[Json], headline: str) -> None:
    assert report(*records)["headline"] == headline


def test_summary_counts() -> None:
    summary = report(
        record("a", odoo_version="9.0", **scored(90)),
        record("b", odoo_version="18.0", **scored(50)),
        record("c", status="failed", health_score=10, domains=[domain("2026-11-20")]),
    )["summary"]
    assert (summary["total"], summary["phases"]["ready"], summary["phases"]["failed"]) == (3, 2, 1)
    assert list(summary["versions"]) == ["18.0", "9.0", "unknown"]
    assert summary["scores"] == {"known": 3, "lowest": 10, "median": 50}
    assert summary["certificates"]["expired"] == 1


def test_same_fleet_gives_the_same_report_until_midnight() -> None:
    records = [record("a", domains=[domain("2026-12-02")]), record("b", **scored(41.5, Load=3))]
    first = report(*records)
    assert report(*reversed(records), previous=json.dumps(first), now=LATER) == first
    tomorrow = report(*records, previous=json.dumps(first), now="2026-11-24T00:00:00Z")
    assert tomorrow["changes"] == {"since": NOW, "items": []}
    assert tomorrow["generated_at"] == "2026-11-24T00:00:00Z"


def test_times_that_move_by_themselves_are_not_in_the_report() -> None:
    first = report(record(last_seen_at=NOW, updated_at=NOW, health={"status": "running", "last_seen_at": NOW}))
    moved = record(last_seen_at=LATER, updated_at=LATER, health={"status": "running", "last_seen_at": LATER})
    assert report(moved, previous=json.dumps(first), now=LATER) == first


def test_changes_tell_what_differs() -> None:
    before = report(
        record("gone"),
        record("a", odoo_version="17.0", restart_count=1, domains=[domain("2026-12-01")], **scored(90)),
        record("b", **scored(90)),
    )
    after = report(
        record("new"),
        record(
            "a",
            name="Renamed",
            status="stopped",
            odoo_version="18.0",
            restart_count=3,
            domains=[domain("2027-02-01"), domain(None, domain="b.example.com")],
            **scored(70),
        ),
        record("b", **scored(88)),
        previous=json.dumps(before),
        now=LATER,
    )
    assert after["changes"]["since"] == NOW
    assert [(c["kind"], c["name"], c["text"]) for c in after["changes"]["items"]] == [
        ("removed", "Gone", "is gone"),
        ("added", "New", "is new, status running"),
        ("status", "Renamed", "went from running to stopped"),
        ("certificate", "Renamed", "certificate of shop.example.com now ends 1 Feb 2027"),
        ("certificate", "Renamed", "domain b.example.com was added"),
        ("score", "Renamed", "health score went from 90 to 70"),
        ("restarts", "Renamed", "restarted 2 times"),
        ("version", "Renamed", "Odoo went from 17.0 to 18.0"),
        ("name", "Renamed", "was called A"),
    ]


def test_score_that_appears_or_goes_is_a_change() -> None:
    first = report(record())
    second = report(record(**scored(80)), previous=json.dumps(first), now=LATER)
    assert [c["text"] for c in second["changes"]["items"]] == ["health score went from none to 80"]
    third = report(record(**scored(None)), previous=json.dumps(second), now=LATER)
    assert [c["text"] for c in third["changes"]["items"]] == ["health score went from 80 to none"]


@pytest.mark.parametrize("other", [{"organization": "globex"}, {"server_id": "s2"}])
def test_reports_about_something_else_are_not_compared(other: Json) -> None:
    first = report(record("a"), organization="acme", server_id="s1")
    scope = {"organization": "acme", "server_id": "s1", **other}
    assert report(record("b"), previous=json.dumps(first), **scope)["changes"] == {"since": None, "items": []}


def test_report_of_another_schema_version_is_replaced() -> None:
    assert (
        report(record(), previous='{"format": "ocore.cloud/fleet-report", "schema_version": 2}')["schema_version"] == 1
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other"}', "null", "NaN"])
def test_something_else_in_the_place_of_the_last_report_is_refused(text: str) -> None:
    with pytest.raises(AnsibleFilterError, match="is not a fleet report, and is not overwritten"):
        report(record(), previous=text)


def test_last_report_that_was_tampered_with_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="changed by hand"):
        report(record(), previous='{"format": "ocore.cloud/fleet-report", "schema_version": 1}')


@pytest.mark.parametrize("wrong", ["text", {"a": 1}, None, 3])
def test_what_is_no_list_of_records_is_refused(wrong: object) -> None:
    with pytest.raises(AnsibleFilterError, match="list of instance records"):
        FILTERS["fleet_report"](wrong)
    with pytest.raises(AnsibleFilterError, match="made from instance records"):
        FILTERS["fleet_report"]([wrong] if wrong != {"a": 1} else [[]])


def test_limits_that_contradict_each_other_and_a_wrong_time_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="certificate_critical_days \\(30\\)"):
        report(record(), certificate_critical_days=30)
    with pytest.raises(AnsibleFilterError, match='"yesterday", is not a date'):
        report(record(), now="yesterday")


def test_record_with_nothing_in_it_is_reported_all_the_same() -> None:
    model = report({}, {"id": 7, "domains": None, "health_score_details": {"factors": None}, "health": None})
    assert [i["name"] for i in model["instances"]] == ["(no name)", "7"]
    assert "(no name)" in page(model)


@pytest.mark.parametrize(
    ("given", "kept"), [("81", 81), (80.126, 80.13), (True, None), ("x", None), (float("nan"), None)]
)
def test_scores_are_numbers_or_nothing(given: object, kept: float | None) -> None:
    assert only(report(record(**scored(given))))["score"] == kept


def test_empty_report_is_a_page_with_one_clear_sentence() -> None:
    model = report(organization="acme")
    assert "There are no instances." in page(model)
    assert "oCore lists no instances here." in page(model)
    assert "There are no instances." in page(model, "md")


def test_page_escapes_values_wherever_they_stand() -> None:
    evil = "</script><img src=x onerror=alert(1)>\"' onload='x"
    fields = dict.fromkeys(
        ("name", "slug", "server_id", "status", "status_message", "odoo_version", "odoo_edition"), evil
    )
    instance = record(
        **fields,
        domains=[domain("2026-11-20", domain=evil, ssl_status=evil, dns_status=evil)],
        health_score_details={"score": 1, "grade": evil, "factors": [{"name": evil, "score": 1, "details": evil}]},
    )
    before = json.dumps(report(record(), organization=evil))
    html = page(report(instance, previous=before, organization=evil))
    assert "<img" not in html
    assert html.count("</script>") == 1
    assert "onload='x" not in html


def test_markdown_defuses_formatting_links_and_calls() -> None:
    text = page(report(record(name="**x** [a](http://b) @here\n# <b> \u202e`c`", status="failed")), "md")
    (line,) = [line for line in text.splitlines() if line.startswith("1. ")]
    assert line == (
        "1. **\\*\\*x\\*\\* \\[a\\](http:\u200b//b) @\u200bhere \\# \\<b\\> \ufffd\\`c\\`** (critical): Status is failed"
    )


def test_markdown_holds_every_entry_in_one_short_line() -> None:
    before = json.dumps(report())
    text = page(report(*(record(f"i{n}", name="n" * 5000, status="failed") for n in range(500)), previous=before), "md")
    assert "1. **500 instances have the status failed** (critical)" in text
    assert text.count("   - nnn") == 500
    assert text.count("is new, status failed") == 500
    assert max(map(len, text.splitlines())) < 300


def test_findings_group_equal_causes_and_leave_nothing_out() -> None:
    ends = ("2026-11-29", "2026-11-26", "2026-11-20", "2026-12-10")
    records = [record(f"c{n}", domains=[domain(end)]) for n, end in enumerate(ends)]
    records += [record(f"f{n}", status="failed", status_message="disk full") for n in range(2)]
    records += [record("f9", status="failed", status_message="no memory"), record("low", **scored(41, Load=3))]
    model = report(*records)
    assert [(f["severity"], f["kind"], f["count"], f["text"]) for f in model["findings"]] == [
        ("critical", "status", 2, "2 instances have the status failed: disk full"),
        ("critical", "status", 1, "Status is failed: no memory"),
        ("critical", "certificate", 1, "Certificate of shop.example.com expired on 20 Nov 2026"),
        ("critical", "certificate", 2, "2 certificates end within 7 days"),
        ("warning", "certificate", 1, "Certificate of shop.example.com ends in 17 days"),
        ("warning", "score", 1, "Health score is 41, weakest in Load (3)"),
    ]
    assert [item["key"] for item in model["findings"][3]["items"]] == ["c1", "c0"]
    found = sorted((item["key"], item["text"]) for finding in model["findings"] for item in finding["items"])
    assert found == sorted((i["key"], reason["text"]) for i in model["instances"] for reason in i["reasons"])


def test_findings_are_all_in_the_page_and_in_markdown() -> None:
    records = [record(f"x{n}", status=("failed", "stopped", "updating")[n % 3], name=f"Name{n}") for n in range(90)]
    model = report(
        *records, *(record(f"c{n}", name=f"Name{90 + n}", domains=[domain("2026-11-29")]) for n in range(40))
    )
    for text in (page(model), page(model, "md")):
        for n in range(130):
            assert re.search(rf"\bName{n}\b", text.split('id="instances"', 1)[0])
        assert "40 certificates end within 7 days" in text


@pytest.mark.parametrize(
    ("version", "now", "text"),
    [
        ("17.0", "2026-09-30T23:59:59Z", None),
        ("17.0", "2026-10-01T00:00:00Z", "Runs Odoo 17.0, whose standard support ended in Sep 2026"),
        ("16", NOW, "Runs Odoo 16, whose standard support ended in Sep 2025"),
        ("8.0", NOW, "Runs Odoo 8.0, whose standard support ended in Oct 2022"),
        ("19.0", NOW, None),
        ("99.0", NOW, None),
        ("saas-17.4", NOW, None),
        ("x", NOW, None),
        ("17" * 4000, NOW, None),
        (None, NOW, None),
    ],
)
def test_support_of_odoo_versions_ends_as_odoo_says(version: str | None, now: str, text: str | None) -> None:
    assert reasons(report(record(odoo_version=version), now=now)) == ([("warning", text)] if text else [])


GIB = 2**30


@pytest.mark.parametrize(
    ("fields", "declared"),
    [
        ({}, None),
        ({"limit_memory_soft": 2048}, 2 * GIB),
        ({"limit_memory_soft": 2048, "limit_memory_hard": 4096, "workers": 3, "max_cron_threads": 1}, 8 * GIB),
        ({"limit_memory_soft": None, "limit_memory_hard": 2 * GIB, "workers": 2}, 4 * GIB),
        ({"limit_memory_soft": 0, "workers": -2}, None),
        ({"limit_memory_soft": 1e300, "workers": 1e300}, 2**63 - 1),
    ],
)
def test_servers_count_the_memory_that_instances_declare(fields: Json, declared: int | None) -> None:
    (server,) = report(record(server_id="s1", **fields))["servers"]
    assert (server["memory"]["declared_bytes"], server["memory"]["undeclared"]) == (declared or 0, declared is None)


def test_servers_say_what_they_carry_and_compare_memory_with_what_they_have() -> None:
    memory = {"limit_memory_soft": 2048, "workers": 4}
    model = report(
        record("a", server_id="s1", **memory, **scored(80)),
        record("b", server_id="s1", status="failed", **memory),
        record("c", server_id="s2", **memory, **scored(90)),
        record("d"),
        servers=[
            {"id": "s1", "name": "one", "status": "active", "ram_total_bytes": 8 * GIB},
            {"id": "s0", "name": "idle", "ram_total_bytes": 0},
        ],
    )
    shown = [(s["id"], s["name"], s["instances"], s["failed"], s["memory"]["percent"]) for s in model["servers"]]
    assert shown == [
        ("s1", "one", ["b", "a"], 1, 200),
        ("s2", None, ["c"], 0, None),
        ("s0", "idle", [], 0, None),
        (None, None, ["d"], 0, None),
    ]
    assert (model["servers"][0]["lowest_score"], model["servers"][0]["severities"]["critical"]) == (80, 1)
    html = page(model)
    assert "16.0 GiB of 8.0 GiB" in html
    assert "200 %, more than it has" in html
    assert model["memory_assumption"] in html
    assert (
        "- **one**: 2 instances, 1 failed, 1 critical, 0 with a warning; 16.0 GiB of 8.0 GiB memory declared"
        in page(model, "md")
    )


@pytest.mark.parametrize("wrong", ["s1", {"id": "s1"}, 3])
def test_servers_that_are_no_records_are_refused(wrong: object) -> None:
    with pytest.raises(AnsibleFilterError, match="list of server records"):
        report(record(), servers=wrong)


@pytest.mark.parametrize(
    ("name", "linked"),
    [
        ("shop.example.com", True),
        ("xn--bcher-kva.example", True),
        ("localhost", False),
        ("a.example/evil", False),
        ("user@a.example", False),
        ("javascript:alert(1)", False),
        ("-a.example", False),
        (f"{'a' * 64}.example", False),
    ],
)
def test_domains_are_links_if_they_are_host_names(name: str, linked: bool) -> None:
    html = page(report(record(domains=[domain("2026-11-20", domain=name)])))
    assert (f'<a href="https://{name}/"' in html) is linked
    assert html.count("href=") == html.count('href="https://') + html.count('href="#')


def test_template_that_does_not_exist_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match=r"could not be made from /nowhere/x\.md\.j2"):
        FILTERS["fleet_report_text"](report(), "/nowhere/x.md.j2")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": st.text(alphabet="abc", min_size=1, max_size=2)},
            optional=dict.fromkeys(
                (
                    *("name", "status", "odoo_version", "health_score", "restart_count", "status_message", "server_id"),
                    *("limit_memory_soft", "limit_memory_hard", "workers", "max_cron_threads"),
                ),
                anything,
            )
            | {
                "domains": st.lists(st.fixed_dictionaries({"domain": anything, "ssl_expires_at": anything}), max_size=3)
            },
        ),
        max_size=4,
    )
)
def test_any_values_give_a_report_that_survives_json_and_utf_8(records: list[Json]) -> None:
    model = report(*records, servers=[{"id": "a", "name": 1, "ram_total_bytes": records and records[0].get("workers")}])
    assert json.loads(json.dumps(model, allow_nan=False)) == model
    for form in ("html", "md"):
        page(model, form).encode()
    page(report(record("z"), previous=json.dumps(model))).encode()
