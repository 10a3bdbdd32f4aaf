# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ocore.cloud.report from the command line, against the emulator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import environment
from conftest import ROOT

sys.path.insert(0, str(ROOT / "extensions"))
from emulator.process import Emulator


@pytest.fixture(scope="module")
def ocore() -> Iterator[Emulator]:
    with Emulator("--seed", "30") as emulator:
        yield emulator


class Result:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.ok = done.returncode == 0
        self.text = done.stdout + done.stderr
        recap = re.search(r"changed=(\d+)", self.text)
        self.changed = int(recap[1]) if recap else None


def run(ocore: Emulator, where: Path, *options: str, playbook: str = "ocore.cloud.report", **variables: Any) -> Result:
    variables_set = environment(
        ANSIBLE_LOCALHOST_WARNING="false",
        ANSIBLE_NOCOLOR="true",
        OCORE_API_URL=ocore.api_url,
        OCORE_API_TOKEN=ocore.token,
        PWD=str(where),
    )
    command = [str(Path(sys.executable).with_name("ansible-playbook")), playbook, *options, "-e", json.dumps(variables)]
    return Result(subprocess.run(command, cwd=where, env=variables_set, capture_output=True, text=True, check=False))


def read(where: Path) -> dict[str, Any]:
    return dict(json.loads((where / "fleet-report/fleet-report.json").read_text()))


def test_report_is_written_once_and_again_when_something_changes(ocore: Emulator, tmp_path: Path) -> None:
    checked = run(ocore, tmp_path, "--check", "--diff")
    assert checked.ok, checked.text
    assert checked.changed
    assert '"format": "ocore.cloud/fleet-report"' in checked.text
    assert list(tmp_path.iterdir()) == []

    first = run(ocore, tmp_path)
    assert first.ok, first.text
    files = sorted((tmp_path / "fleet-report").iterdir())
    assert [file.name for file in files] == ["fleet-report.html", "fleet-report.json", "fleet-report.md"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o640}
    model = read(tmp_path)
    assert model["headline"] in first.text
    assert model["summary"]["total"] == 30
    assert model["instances"][0]["phase"] == "failed"
    assert model["instances"][0]["factors"]

    before = [file.read_bytes() for file in files]
    again = run(ocore, tmp_path)
    assert (again.ok, again.changed) == (True, 0), again.text
    assert [file.read_bytes() for file in files] == before

    name = "{{ 7 * 7 }}</script><b>"
    calm = model["instances"][-1]["key"]
    ocore.force(calm, status="failed", statusMessage="disk full", name=name)
    seen = run(ocore, tmp_path, "--check", "--diff")
    assert seen.changed == 1, seen.text
    assert "disk full" in seen.text
    assert [file.read_bytes() for file in files] == before
    assert run(ocore, tmp_path).changed == 1
    after = read(tmp_path)
    assert after["changes"]["since"] == model["generated_at"]
    assert {change["kind"] for change in after["changes"]["items"]} == {"name", "status"}
    assert next(i["name"] for i in after["instances"] if i["key"] == calm) == name
    page = (tmp_path / "fleet-report/fleet-report.html").read_text()
    assert "{{ 7 * 7 }}&lt;/script&gt;&lt;b&gt;" in page
    assert run(ocore, tmp_path).changed == 0


def test_organization_without_instances_gets_a_valid_report(ocore: Emulator, tmp_path: Path) -> None:
    done = run(ocore, tmp_path, report_organization="globex", report_directory=str(tmp_path / "fleet-report"))
    assert done.ok, done.text
    assert "There are no instances." in done.text
    assert (read(tmp_path)["organization"], read(tmp_path)["instances"]) == ("globex", [])
    assert "There are no instances." in (tmp_path / "fleet-report/fleet-report.md").read_text()


def test_survey_sends_empty_answers_and_zeros(ocore: Emulator, tmp_path: Path) -> None:
    empty = {f"report_{name}": "" for name in ("directory", "organization", "server_id", "certificate_warning_days")}
    done = run(ocore, tmp_path, **empty, report_certificate_critical_days=0, report_score_warning=0)
    assert done.ok, done.text
    assert read(tmp_path)["limits"] == {
        "certificate_warning_days": 21,
        "certificate_critical_days": 0,
        "score_warning": 0.0,
    }


@pytest.mark.parametrize("form", [["critical", "update"], "critical,update", "critical\nupdate"])
def test_fail_on_fails_after_the_report_is_written(ocore: Emulator, tmp_path: Path, form: object) -> None:
    done = run(ocore, tmp_path, report_fail_on=form)
    model = read(tmp_path)
    texts = [f["text"] for f in model["findings"] if f["severity"] == "critical" or f["kind"] == "update"]
    assert not done.ok
    assert texts
    assert f"{model['headline']} {'; '.join(texts)}. The report is written." in done.text
    again = run(ocore, tmp_path, report_fail_on=form)
    assert (again.ok, again.changed) == (False, 0)


@pytest.mark.parametrize("form", ["", [], ["support"], None])
def test_fail_on_lets_other_findings_pass(ocore: Emulator, tmp_path: Path, form: object) -> None:
    records = [{"slug": "a", "status": "error"}]
    playbook = tmp_path / "site.yml"
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "roles": [
            {"role": "ocore.cloud.fleet_report", "fleet_report_instances": records, "fleet_report_fail_on": form or []}
        ],
    }
    playbook.write_text(json.dumps([play]))
    assert run(ocore, tmp_path, playbook=str(playbook)).ok
    assert read(tmp_path)["summary"]["severities"]["critical"] == 1
    if form != ["support"]:
        assert run(ocore, tmp_path, report_fail_on=form).ok


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"report_fail_on": "critical,now"}, "report_fail_on has 'now'. It must be of critical, warning, notice,"),
        ({"report_fail_on": ["now"]}, "report_fail_on has 'now'. It must be of critical, warning, notice,"),
        ({"report_directory": "/"}, "Nothing was written. fleet_report_directory is the path"),
        ({"report_directory": "../elsewhere"}, "Nothing was written. fleet_report_directory is the path"),
        ({"report_directory": "a\nb"}, "Nothing was written. fleet_report_directory is the path"),
        ({"report_certificate_critical_days": 22}, "Nothing was written. fleet_report_directory is the path"),
        ({"report_certificate_warning_days": -1}, "report_certificate_warning_days is -1. It must be a whole number"),
        ({"report_score_warning": -5}, "report_score_warning is -5. It must be a whole number from 0 to 1000"),
    ],
)
def test_answers_out_of_range_are_refused_before_anything_is_asked(
    ocore: Emulator, tmp_path: Path, answers: dict[str, Any], said: str
) -> None:
    ocore.clear_log()
    done = run(ocore, tmp_path, **answers)
    assert not done.ok
    assert said in done.text
    assert "Traceback" not in done.text
    assert ocore.log() == []
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_not_a_report_is_not_overwritten(ocore: Emulator, tmp_path: Path) -> None:
    mine = tmp_path / "fleet-report/fleet-report.json"
    mine.parent.mkdir()
    mine.write_text('{"mine": true}')
    done = run(ocore, tmp_path)
    assert not done.ok
    assert "is not a fleet report, and is not overwritten" in done.text
    assert mine.read_text() == '{"mine": true}'
    assert list(mine.parent.iterdir()) == [mine]


def test_refused_token_leaves_the_last_report(ocore: Emulator, tmp_path: Path) -> None:
    assert run(ocore, tmp_path).ok
    before = read(tmp_path)
    ocore.fault("error_before", "list", status=401)
    done = run(ocore, tmp_path)
    ocore.clear_faults()
    assert not done.ok
    assert read(tmp_path) == before


def test_instances_that_cannot_be_read_cost_their_values_only(tmp_path: Path) -> None:
    # One instance whose health could not be read, or whose id was no id, left the organization without a report.
    with Emulator("--seed", "5") as ocore:
        sick, nameless = (entry["id"] for entry in ocore.instances()[:2])
        for operation in ("health", "health_score"):
            ocore.fault("error_before", operation, status=422, instance=sick, count=100)
        ocore.force(nameless, id="..")
        done = run(ocore, tmp_path)
    assert done.ok, done.text
    shown = {entry["key"] for entry in read(tmp_path)["instances"]}
    assert sick in shown
    assert len(shown) == 4
    assert f"({sick})" in done.text
    assert "Traceback" not in done.text


def test_records_given_by_hand_need_no_request(ocore: Emulator, tmp_path: Path) -> None:
    playbook = tmp_path / "site.yml"
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "roles": [{"role": "ocore.cloud.fleet_report", "fleet_report_instances": [{"slug": "a", "status": "error"}]}],
    }
    playbook.write_text(json.dumps([play]))
    ocore.clear_log()
    done = run(ocore, tmp_path, playbook=str(playbook))
    assert done.ok, done.text
    assert read(tmp_path)["attention"] == ["a"]
    assert ocore.log() == []
