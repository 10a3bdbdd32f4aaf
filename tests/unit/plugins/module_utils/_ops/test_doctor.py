# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor: it finds what is odd about an API, says what to do, changes nothing, and gives nothing away."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.extensions.emulator.settings import SWITCHES
from ansible_collections.ocore.cloud.plugins.module_utils._ops import doctor_profile, doctor_trial
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor import OPERATION
from ansible_collections.ocore.cloud.tests.unit.helpers.api import Outcome, play
from ansible_collections.ocore.cloud.tests.unit.helpers.scripted import closed_port

WRITE = {"write": True, "scratch": "ocore-doctor", "server": "server-1"}


@pytest.fixture(scope="module")
def process() -> Iterator[Emulator]:
    with Emulator("--seed", "6", step_by="requests") as running:
        yield running


@pytest.fixture
def ocore(process: Emulator) -> Emulator:
    process.reset()
    return process


def examine(ocore: Emulator, **options: Any) -> Outcome:
    return play(OPERATION, ocore.api_url, **{"api_token": ocore.token, **options})


def verdicts(result: Outcome) -> dict[str, str]:
    return {entry["check"]: entry["verdict"] for entry in result["checks"]}


def finding(result: Outcome, check: str) -> dict[str, Any]:
    return next(entry for entry in result["checks"] if entry["check"] == check)


# --- oddities


@dataclass
class Oddity:
    """Something odd about an API, and how the doctor has to name it.

    :param plant: prepares the emulator; ``switches`` do so by themselves.
    :param seen, advice: regular expressions.
    """

    check: str
    seen: str
    advice: str
    verdict: str = "differs"
    switches: dict[str, Any] = field(default_factory=dict)
    plant: Callable[[Emulator], object] = lambda ocore: None
    options: dict[str, Any] = field(default_factory=dict)


def forced(**fields: Any) -> Callable[[Emulator], object]:
    return lambda ocore: ocore.force(ocore.instances()[0]["id"], **fields)


def faulty(kind: str, operation: str, **more: Any) -> Callable[[Emulator], object]:
    return lambda ocore: ocore.fault(kind, operation, **more)


def same_slugs(ocore: Emulator) -> None:
    for instance in ocore.instances()[:2]:
        ocore.force(instance["id"], slug="twin", name="Twin")


def unnamed_server(ocore: Emulator) -> None:
    ocore.change_server(ocore.server_ids()[0], name=None)


READ_ODDITIES = {
    "no total": Oddity("total", "no total", "cut off would go unnoticed", switches={"total": "missing"}),
    "total as text": Oddity("total", "right, but a text", "reads it", switches={"total": "text"}),
    "total too high": Oddity("total", "7 more than", "by id", switches={"total": "wrong"}),
    "list under data": Oddity("list", "under data", "reads both", switches={"list_key": "data"}),
    "bare list": Oddity("list", "the answer itself", "reads both", switches={"list_key": "bare"}),
    "pages that nothing leads to": Oddity(
        "paging", "nothing leads to them .has_more", "by id", switches={"paging": "more", "page_size": 2}
    ),
    "paging keys": Oddity("paging", "next_cursor", "followed", switches={"paging": "cursor"}),
    "null for an empty list": Oddity("empty_list", "is null", "empty list", switches={"empty_list": "null"}),
    "filter that is ignored": Oddity(
        "server_filter", "is ignored", "filters once more", switches={"ignore_server_filter": True}
    ),
    "short lists": Oddity(
        "list_and_get", "leaves out addons_path, env_vars", "by id", switches={"list_detail": "short"}
    ),
    "unknown status": Oddity(
        "status", "not known: levitating", "in progress", switches={"status_vocabulary": "unknown_word"}
    ),
    "no status": Oddity("status", "1 instance without a status", "in progress", plant=forced(status=None)),
    "upper case": Oddity("status_case", "not in lower case", "lower", switches={"status_case": "upper"}),
    "fields left out": Oddity("fields_missing", "template_id", "null in results", switches={"nulls": "missing"}),
    "new fields": Oddity("fields_new", r"3 fields: .*quota, region", "no harm", switches={"unknown_fields": True}),
    "number as text": Oddity(
        "fields_type", r"http_port_host \(text instead of number\)", "null", plant=forced(httpPortHost="x8069")
    ),
    "domains as text": Oddity(
        "fields_type", r"domains \(text instead of list\)", "null", plant=forced(domains="a.example")
    ),
    "masked values": Oddity("env_values", "all are masked", "purge_env_vars", switches={"env_values": "masked"}),
    "values crossed out": Oddity("env_values", "replaced by x", "purge_env_vars", switches={"env_values": "crosses"}),
    "token in a message": Oddity("messages", "quotes the token", "Replace it", switches={"echo": "percent"}),
    "memory in megabytes": Oddity("memory_unit", "megabytes", "as oCore sends it", switches={"memory_unit": "mb"}),
    "label for a host name": Oddity("auto_subdomain", "a label", "use domains", switches={"auto_subdomain": "label"}),
    "times without a zone": Oddity(
        "times", "not RFC 3339 .*updated_at", "cannot be compared", plant=forced(updatedAt="2026-11-28 09:00:00")
    ),
    "no health score": Oddity("health_score", "none .HTTP 404", "min_health_score", switches={"score": "404"}),
    "fractions in a score": Oddity(
        "health_score", "with fractions", "Fractions are read", switches={"score": "fraction"}
    ),
    "one slug for two": Oddity("slugs", "1 slug .* more than one", "by id", plant=same_slugs),
    "servers forbidden": Oddity("servers", "may not list", "server_id", switches={"servers": "forbidden"}),
    "no list of servers": Oddity("servers", "has no list", "server_id", switches={"servers": "missing"}),
    "servers without host": Oddity(
        "server_fields", "without a host", "ansible_host", switches={"server_detail": "no_host"}
    ),
    "servers of one name": Oddity(
        "server_names", "without a name of their own", "server_id", switches={"server_names": "same"}
    ),
    "server without a name": Oddity("server_names", "without a name of their own", "server_id", plant=unnamed_server),
    "instances on no server": Oddity(
        "server_of_instances",
        "on servers that are not listed",
        "not see all",
        plant=lambda o: o.remove_server(o.server_ids()[1]),
    ),
    "errors in HTML": Oddity("error_body", "an HTML page", "status", switches={"error_shape": "html"}),
    "errors without a body": Oddity("error_body", "no body", "status", switches={"error_shape": "empty"}),
    "clock ahead": Oddity("clock", r"(299|300|301) seconds ahead", "NTP", switches={"clock_ahead": 300}),
    "gateway in trouble": Oddity("reliability", "1 with HTTP 502", "retried", plant=faulty("bad_gateway_html", "list")),
    "rate limit met": Oddity(
        "rate_limits",
        "HTTP 429 and says for how long",
        "max_parallel",
        plant=faulty("rate_limit", "get", retry_after="seconds"),
    ),
    "login page": Oddity(
        "answer", "not with the list", "Check api_url", "failed", plant=faulty("login_page", "list", count=None)
    ),
    "redirect": Oddity(
        "answer",
        "a redirect, HTTP 307",
        "final address",
        "failed",
        plant=faulty("redirect", "list", location="https://x.example/"),
    ),
    "oCore in trouble": Oddity(
        "answer", "HTTP 500", "in trouble", "failed", plant=faulty("error_before", "list", count=None)
    ),
    "instance that cannot be read": Oddity(
        "get", "1 of 3 .*HTTP 500", "env_vars", plant=faulty("error_before", "get", after=1, count=3)
    ),
    "instances that cannot be read": Oddity(
        "get", "3 of 3 .*HTTP 500", "env_vars", "failed", plant=faulty("error_before", "get", after=1, count=None)
    ),
    "listed but not there": Oddity(
        "get", "1 of 3 .*HTTP 404", "may lag", plant=faulty("error_before", "get", after=1, status=404)
    ),
    "wrong token": Oddity("access", "HTTP 401", "Set api_token", "failed", options={"api_token": "ocore_k_wrong"}),
    "strange token": Oddity("token", "neither an API key", "Check where", options={"api_token": "abc"}),
    "organization that is not there": Oddity(
        "access", "HTTP 404", "Check organization", "failed", options={"organization": "nobody"}
    ),
    "organization that is needed": Oddity(
        "organization", "not given", "OCORE_ORGANIZATION", "failed", switches={"org_required": True}
    ),
    "header that is needed": Oddity(
        "organization_header",
        "refused .HTTP 400",
        "every playbook",
        "ok",
        switches={"org_required": True},
        options={"organization": "acme"},
    ),
}


@pytest.mark.parametrize("oddity", READ_ODDITIES.values(), ids=READ_ODDITIES)
def test_oddity_is_found_and_named_with_what_to_do(ocore: Emulator, oddity: Oddity) -> None:
    ocore.set(**oddity.switches)
    oddity.plant(ocore)
    result = examine(ocore, **oddity.options)
    found = finding(result, oddity.check)
    assert found["verdict"] == oddity.verdict, found
    assert re.search(oddity.seen, found["seen"]), found
    assert re.search(oddity.advice, found["advice"]), found
    assert not result.warnings
    assert all(entry["method"] == "GET" for entry in ocore.log())


TRIED_ODDITIES = {
    "merged variables": Oddity("put_env", "added to those there", "cannot remove", switches={"put_env": "merge"}),
    "empty variables kept": Oddity(
        "put_empty_env", "change nothing", "cannot be removed", switches={"put_env": "merge"}
    ),
    "fields emptied": Oddity("put_missing", "is emptied", "all four", switches={"put_missing": "clear"}),
    "restart by an update": Oddity("put_restart", "by itself", "not needed", switches={"put_status": "restarting"}),
    "restart without a count": Oddity(
        "restart", "in status only", "times out", switches={"restart_visible": "status_only"}
    ),
    "deleted but shown": Oddity(
        "after_delete", "status deleted, still listed", "gone", switches={"deleted": "word_and_listed"}
    ),
    "slug used twice": Oddity("taken_slug", "accepted", "twice", switches={"taken_slug": "taken"}),
    "slug with a suffix": Oddity("slug", "something added", "by name or id", switches={"slug_rewrite": "suffix"}),
    "list that lags": Oddity("read_lag", "missing in 2 lists at first", "15 seconds", switches={"list_lag": 2}),
    "values echoed": Oddity("echo", r"quote values .*\(base64\)", "masked", switches={"echo": "base64"}),
    "variables masked by name": Oddity(
        "env_shown", "sounds secret", "in full", switches={"env_values": "partly_masked"}
    ),
    "words in between": Oddity(
        "progress_words", "rebalancing", "Report", switches={"status_vocabulary": "unknown_between"}
    ),
    "creation that fails": Oddity("trial", "ended early", "reason", "failed", switches={"create_fails": 1}),
    "token that only reads": Oddity(
        "manage", "may not change", "manage:instances", "failed", options={"api_token": Emulator.viewer_token}
    ),
    "concurrent updates": Oddity("concurrent_updates", "the last one wins", "one job"),
}


@pytest.mark.parametrize("oddity", TRIED_ODDITIES.values(), ids=TRIED_ODDITIES)
def test_oddity_that_only_trying_shows_is_found_and_nothing_is_left(ocore: Emulator, oddity: Oddity) -> None:
    ocore.set(**oddity.switches)
    before = ocore.instances()
    result = examine(ocore, **WRITE, **oddity.options)
    found = finding(result, oddity.check)
    assert found["verdict"] == oddity.verdict, found
    assert re.search(oddity.seen, found["seen"]), found
    assert re.search(oddity.advice, found["advice"]), found
    assert finding(result, "cleanup")["verdict"] == "ok"
    assert ocore.instances() == before


def test_thirty_oddities_are_found_at_least() -> None:
    assert len({**READ_ODDITIES, **TRIED_ODDITIES}) == len(READ_ODDITIES) + len(TRIED_ODDITIES) > 30


# --- connection and token


def test_connection_that_is_refused_is_a_finding_and_leaves_the_rest_open() -> None:
    result = play(OPERATION, f"http://127.0.0.1:{closed_port()}/api", retries=0)
    assert finding(result, "answer")["verdict"] == "failed"
    assert result["summary"]["failed"] == 1
    assert "no connection to 127.0.0.1" in " ".join(result["lines"])
    assert "127.0.0.1" not in result["report"]


def test_name_that_does_not_resolve_is_a_finding() -> None:
    result = play(OPERATION, "https://doctor.invalid/api", retries=0)
    assert verdicts(result)["dns"] == "failed"
    assert "doctor.invalid" not in result["report"]


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        (-60, "failed", "has expired"),
        (600, "differs", r"expires in (9|10) minutes"),
        (8 * 3600, "ok", r"in (7|8) hours"),
    ],
)
def test_jwt_says_when_it_expires(ocore: Emulator, seconds: int, verdict: str, words: str) -> None:
    found = finding(examine(ocore, api_token=ocore.jwt(seconds)), "token")
    assert found["verdict"] == verdict
    assert re.search(words, found["seen"])


@pytest.mark.parametrize(
    "token", ["a.b.c", "a.bm8.c", "..", "a.e30.c", "a.eyJleHAiOiJzb29uIn0.c", "a.eyJleHAiOjFlOTl9.c"]
)
def test_jwt_that_is_none_or_broken_is_no_traceback(ocore: Emulator, token: str) -> None:
    assert finding(examine(ocore, api_token=token), "token")["verdict"] == "differs"


def served_with_tls(tmp_path: Path, **options: Any) -> tuple[Any, Emulator]:
    ca = trustme.CA(organization_name="Planted Trust Ltd")
    certificate = ca.issue_cert("localhost", **options)
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    pem = str(tmp_path / "server.pem")
    return ca, Emulator("--seed", "2", "--tls-cert", pem, "--tls-key", pem, "--host", "localhost")


@pytest.mark.parametrize(
    ("days", "options", "verdict", "words"),
    [
        (90, {"ca_path": "ca.pem"}, "ok", "TLSv1.[23], trusted, ends in (89|90) days"),
        (5, {"ca_path": "ca.pem"}, "differs", "ends in [45] days"),
        (90, {"validate_certs": False}, "differs", "not trusted: .*validate_certs is false"),
        (90, {}, "failed", "not trusted"),
    ],
)
def test_certificate_is_looked_at(tmp_path: Path, days: int, options: dict[str, Any], verdict: str, words: str) -> None:
    ends = datetime.now(UTC) + timedelta(days=days)
    _ca, emulator = served_with_tls(tmp_path, not_after=ends)
    given = {name: str(tmp_path / value) if name == "ca_path" else value for name, value in options.items()}
    with emulator:
        result = play(OPERATION, emulator.api_url, api_token=emulator.token, retries=0, **given)
    found = finding(result, "certificate")
    assert found["verdict"] == verdict, found
    assert re.search(words, found["seen"]), found
    assert "Planted Trust" not in result["report"]


# --- what it costs, and what it changes


@pytest.mark.parametrize("count", [1, 300])
def test_number_of_requests_does_not_grow_with_the_number_of_instances(ocore: Emulator, count: int) -> None:
    ocore.seed(count)
    ocore.clear_log()
    examine(ocore)
    log = ocore.log()
    assert len(log) <= 26
    assert {entry["method"] for entry in log} == {"GET"}


def test_number_of_requests_stays_small_if_the_measured_instance_disappears(ocore: Emulator) -> None:
    ocore.fault("error_before", "get", status=404, after=4, count=None)
    examine(ocore)
    assert len(ocore.log()) <= 26


def test_time_that_is_over_ends_the_measuring_and_keeps_the_findings(ocore: Emulator) -> None:
    ocore.fault("slow", count=None, seconds=0.05)
    result = examine(ocore, wait_timeout=1)
    assert finding(result, "list")["verdict"] == "ok"


@pytest.mark.parametrize("operation", ["create", "update", "control", "delete", "get", "list"])
@pytest.mark.parametrize(
    "kind", ["drop_after", "error_after", "drop_before", "truncated_json", "unauthorized_from_now"]
)
@pytest.mark.parametrize("after", [0, 2])
def test_scratch_instance_is_removed_whatever_fails(ocore: Emulator, operation: str, kind: str, after: int) -> None:
    """With a token that stops working nothing can be removed, and then what is left is named."""
    before = {instance["id"] for instance in ocore.instances()}
    skip = {"get": 9, "list": 7}.get(operation, 0)
    ocore.fault(kind, operation, after=after + skip, **({} if kind.startswith("unauth") else {"count": 7}))
    result = examine(ocore, **WRITE)
    left = [instance for instance in ocore.instances() if instance["id"] not in before]
    cleanup = finding(result, "cleanup")
    assert {instance["id"] for instance in ocore.instances()} >= before
    assert (cleanup["verdict"] == "failed") or not left
    for instance in left:
        assert instance["id"] in " ".join(cleanup["examples"]) or "ocore-doctor" in " ".join(cleanup["examples"])
    if kind != "unauthorized_from_now":
        assert not left, cleanup


def test_interrupt_removes_the_scratch_instance(ocore: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ocore.instances()

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor_trial._Work, "_restart", interrupt)
    with pytest.raises(KeyboardInterrupt):
        examine(ocore, **WRITE)
    assert [entry["operation"] for entry in ocore.log() if entry["method"] != "GET"][-1] == "delete"
    assert ocore.instances() == before


def test_slug_that_is_taken_is_left_alone(ocore: Emulator) -> None:
    ocore.seed(1, slug="ocore-doctor-7")
    result = examine(ocore, **WRITE)
    assert finding(result, "trial")["verdict"] == "failed"
    assert {entry["method"] for entry in ocore.log()} == {"GET"}


def test_list_that_is_incomplete_keeps_the_doctor_from_creating(ocore: Emulator) -> None:
    ocore.set(total="wrong")
    assert "incomplete" in " ".join(finding(examine(ocore, **WRITE), "trial")["examples"])
    assert {entry["method"] for entry in ocore.log()} == {"GET"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scratch": "shop"}, "with a hyphen"),
        ({"scratch": "Ocore-Doctor"}, "lower-case"),
        ({"wait_timeout": 60}, "at least 120"),
        ({"server": "nowhere"}, "There is no server 'nowhere'"),
    ],
)
def test_write_refuses_options_that_make_no_sense(ocore: Emulator, options: dict[str, Any], words: str) -> None:
    result = examine(ocore, **{**WRITE, **options})
    assert result["failed"]
    assert words in result["msg"]
    assert {entry["method"] for entry in ocore.log()} <= {"GET"}


# --- answers that make no sense

NONSENSE = [
    *("", "null", "NaN", "[]", "{}", "[[[", "5", '"x"', '{"instances": 5}', '{"instances": null, "total": null}'),
    *(
        '{"instances": [null, 5, "x", []], "total": "x"}',
        '{"instances": [{"id": {}}]}',
        '{"error": {}}',
        '{"error": []}',
    ),
    *('{"score": 1e400, "factors": [null, 5]}', '{"score": "x", "factors": "y"}', '{"id": "x", "envVars": [1]}'),
    *('{"total": -5, "instances": []}', '{"data": {"x": 1}}', '{"servers": [5, null, {}]}', "[" * 3000),
    '{"instances": [{"id": "a"}, {"id": "A"}, {"id": "a"}], "total": true, "has_more": "yes", "next_cursor": [1]}',
]


@pytest.mark.parametrize("operations", [("list",), ("get", "health", "health_score", "servers")])
def test_answer_that_makes_no_sense_is_a_finding_and_no_defect(ocore: Emulator, operations: tuple[str, ...]) -> None:
    for text in NONSENSE:
        ocore.clear_faults()
        for operation in operations:
            ocore.fault("answer", operation, text=text, count=None)
        assert "lines" in (result := examine(ocore, retries=0)), (text, result)


@pytest.mark.parametrize("value", [10**299, "\ud800", [1], {"a": {"b": []}}, 1.5, [{"domain": 5}], True, {}, None])
def test_value_that_makes_no_sense_is_a_finding_and_no_defect(ocore: Emulator, value: Any) -> None:
    instance, server = ocore.instances()[0], ocore.server_ids()[0]
    fields = [name for name in instance if name not in ("busy", "gone", "organization", "hidden", "id")]
    ocore.force(instance["id"], **dict.fromkeys(fields, value))
    ocore.change_server(server, **dict.fromkeys(("name", "host", "port", "status", "lastSeenAt"), value))
    assert "lines" in (result := examine(ocore, retries=0)), result
    ocore.reset()
    ocore.force(ocore.instances()[0]["id"], id=value)
    assert "lines" in (result := examine(ocore, retries=0)), result


# --- what it gives away

PLANTED = {
    "slug": "planted-slug-aa",
    "name": "Planted Name Bb",
    "statusMessage": "planted message cc",
    "addonsPath": "/planted/path/dd",
    "templateId": "planted-template-ee",
    "autoSubdomain": "planted.host.example",
    "envVars": {"PLANTED_VARIABLE": "planted-value-ff"},
    "domains": [{"domain": "planted.domain.example", "id": "planted-domain-gg", "dnsRecordId": "planted-record-hh"}],
    "odooEdition": "planted-edition-ii",
    "logLevel": "planted-level-jj",
    "status": "plantedslugkk",
    "plantedfieldll": "planted-unknown-mm",
}
MARKER = re.compile("planted", re.IGNORECASE)


def forms(text: str) -> Iterator[str]:
    """Yield a text with what is quoted in it undone, in the ways in which a marker could be hidden."""
    yield text
    yield urllib.parse.unquote(text)
    yield html.unescape(text)
    yield text.replace("\\", "")
    yield json.dumps(text)
    for run in re.findall(r"[A-Za-z0-9+/_=-]{8,}", text):
        for start in range(4):
            piece = run[start:].rstrip("=")
            padded = piece + "=" * (-len(piece) % 4)
            try:
                yield base64.urlsafe_b64decode(padded.replace("+", "-").replace("/", "_")).decode("latin-1")
            except ValueError:
                continue
        if re.fullmatch("[0-9a-fA-F]+", run) and len(run) % 2 == 0:
            yield bytes.fromhex(run).decode("latin-1")


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"echo": "plain"},
        {"echo": "base64", "error_shape": "html"},
        {"error_shape": "nested", "unknown_fields": True, "nulls": "mixed"},
        {"servers": "forbidden", "error_shape": "text"},
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_report_and_profile_hold_no_planted_marker(ocore: Emulator, switches: dict[str, Any], write: bool) -> None:
    token = "ocore_k_planted-token-nn"
    with Emulator("--token", token, "--organization", "planted-organization-oo", step_by="requests", **switches) as own:
        server = own.server_ids("planted-organization-oo")[0]
        own.change_server(
            server, name="planted-server-pp", host="planted.server.example", sshUser="planted-user-qq", plantedkeyrr="x"
        )
        own.seed(3, "planted-organization-oo")
        for number, instance in enumerate(own.instances()):
            own.force(instance["id"], **{**PLANTED, "slug": f"planted-slug-{number}"})
        options = {**WRITE, "scratch": "planted-scratch-ss", "server": server} if write else {}
        result = play(OPERATION, own.api_url, api_token=token, organization="planted-organization-oo", **options)
    shared = f"{result['report']}\n{json.dumps(result['profile'])}"
    # What an API calls its own fields and words is its vocabulary, and the point of the report.
    vocabulary = ("plantedfieldll", "plantedkeyrr", "plantedslugkk")
    for form in forms(shared):
        left = form
        for word in vocabulary:
            left = left.replace(word, "")
        assert not MARKER.search(left), form[:400]
    identifiers = [instance["id"] for instance in own_ids(result)]
    assert not any(identifier in shared for identifier in [*identifiers, server])


def own_ids(result: Outcome) -> list[dict[str, str]]:
    """Return the ids that the screen names, as records."""
    text = json.dumps(result["checks"])
    return [
        {"id": found} for found in re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text)
    ]


@pytest.mark.parametrize("echo", sorted(SWITCHES["echo"].choices))
def test_result_holds_neither_the_token_nor_values(ocore: Emulator, echo: str) -> None:
    ocore.set(echo=echo, error_shape="text")
    text = json.dumps(examine(ocore, **WRITE))
    for form in forms(text):
        assert ocore.token not in form
        assert "smtp-secret" not in form
        assert "doctor-planted" not in form


# --- the profile

CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"status_vocabulary": "concepts", "status_case": "title"},
    {"status_vocabulary": "monitoring", "restart_visible": "count_only"},
    {"status_vocabulary": "active", "status_case": "upper"},
    {"status_vocabulary": "healthy", "score": "404"},
    {"status_vocabulary": "unknown_between", "score": "fraction"},
    {"error_shape": "nested", "put_env": "merge", "json_escapes": "go"},
    {"error_shape": "flat", "put_missing": "clear", "edition_case": "title"},
    {"error_shape": "html", "env_values": "masked", "memory_unit": "mb"},
    {"error_shape": "text", "env_values": "partly_masked", "auto_subdomain": "label"},
    {"error_shape": "empty", "env_values": "dots", "unknown_fields": True},
    {"env_values": "crosses", "list_detail": "short", "list_key": "data", "edition_case": "upper"},
    {"env_values": "tail", "list_key": "bare", "servers": "forbidden", "deleted": "word"},
    {"deleted": "word_and_listed", "slug_rewrite": "lower", "stored_names": "trimmed"},
    {"deleted": "listed_for_a_while", "slug_rewrite": "normalise", "stored_names": "normalised"},
    {"slug_rewrite": "suffix", "taken_slug": "refused", "list_lag": 1},
    {"taken_slug": "taken", "get_lag": 2, "busy_conflict": True, "put_status": "restarting"},
    {"nulls": "present", "paging": "cursor", "page_size": 2, "total": "text", "empty_list": "null"},
    {"nulls": "missing", "total": "missing", "server_names": "same", "restart_visible": "status_only"},
    {"nulls": "mixed", "echo": "go", "ignore_server_filter": True, "server_detail": "no_host", "unknown_org": "403"},
    {"org_required": True, "rate_limit_headers": True, "clock_ahead": 600.0, "paging": "camel", "page_size": 4},
    {"servers": "missing", "server_detail": "full", "score": "null", "echo": "html_numbers"},
]
#: With these only a part can be seen, for which each row has its reason.
HIDDEN = {
    "servers": {"server_detail": "no server is shown"},
    "slug_rewrite": {"taken_slug": "the second slug differs from the first"},
}
READ_ONLY_CONFIGURATIONS: list[dict[str, Any]] = [
    {"total": "wrong"},
    {"paging": "cut", "page_size": 3},
    {"paging": "more", "page_size": 3},
    {"paging": "camel_more", "page_size": 3},
    {"paging": "pages", "page_size": 3},
    {"status_vocabulary": "unknown_word"},
]


def expected(configuration: dict[str, Any]) -> dict[str, Any]:
    hidden = {
        name
        for cause, names in HIDDEN.items()
        if configuration.get(cause) in ("forbidden", "missing", "suffix")
        for name in names
    }
    return {name: value for name, value in configuration.items() if name not in hidden}


@pytest.mark.parametrize(
    ("configuration", "write"),
    [*((each, True) for each in CONFIGURATIONS), *((each, False) for each in READ_ONLY_CONFIGURATIONS)],
    ids=str,
)
def test_profile_reproduces_the_configuration(ocore: Emulator, configuration: dict[str, Any], write: bool) -> None:
    options = {"organization": "acme", "server": ocore.server_ids()[0]} if write else {"organization": "acme"}
    ocore.set(**configuration)
    seen = examine(ocore, **{**(WRITE if write else {}), **options})["profile"]["switches"]
    assert {name: seen.get(name) for name in expected(configuration)} == expected(configuration)
    ocore.reset()
    ocore.set(**{**seen, "step_by": "requests"})
    again = examine(ocore, **{**(WRITE if write else {}), **options})["profile"]["switches"]
    measured = {"latency", "step_time", "list_lag"}
    assert {name: value for name, value in again.items() if name not in measured} == {
        name: value for name, value in seen.items() if name not in measured
    }


def test_profile_is_read_by_the_emulator(ocore: Emulator, tmp_path: Path) -> None:
    ocore.set(list_key="data", error_shape="nested", put_env="merge")
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(examine(ocore, **WRITE)["profile"]))
    with Emulator("--profile", str(path), put_env="replace") as own:
        settings = own.settings()
    assert (settings["list_key"], settings["error_shape"], settings["put_env"]) == ("data", "nested", "replace")


def test_profile_names_every_switch_of_the_emulator_as_seen_or_unseen(ocore: Emulator) -> None:
    profile = examine(ocore)["profile"]
    assert {*profile["switches"], *profile["unseen"]} == set(SWITCHES)


def test_profile_holds_only_values_that_the_emulator_knows() -> None:
    for name, switch in SWITCHES.items():
        if name == "echo":
            assert {*doctor_profile.QUOTINGS, "off"} == set(switch.choices)
