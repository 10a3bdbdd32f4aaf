# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The project of extensions/awx run the way AWX runs it: by ansible-runner, from a private data directory."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import BIN, COLLECTION, ENV_VALUE, PROJECT, credentials, environment, run
from emulator.process import Emulator


class Job:
    """One private data directory, laid out as AWX lays it out, and its run."""

    def __init__(self, directory: Path, env: dict[str, str], inventory: dict[str, Any], **variables: object) -> None:
        self.directory = directory
        self._env = env
        shutil.copytree(PROJECT, directory / "project")
        (directory / "env").mkdir()
        (directory / "env/envvars").write_text(json.dumps(env), encoding="utf-8")
        (directory / "env/extravars").write_text(json.dumps(variables), encoding="utf-8")
        (directory / "inventory").mkdir()
        # AWX gives a job its (slice of the) inventory as a script that prints JSON.
        script = directory / "inventory/hosts"
        text = json.dumps(inventory)
        # By the path: the name of an interpreter in a directory with a space is no first line of a script.
        script.write_text(f"#!/usr/bin/env python3\nprint({text!r})\n", encoding="utf-8")
        script.chmod(0o700)

    def run(self, playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the project to its end."""
        command = ["ansible-runner", "run", str(self.directory), "-p", playbook, "--ident", "1", *options]
        return run(*command, env=environment(**self._env), cwd=self.directory, timeout=150)

    def events(self) -> list[dict[str, Any]]:
        """Give the job events, in order."""
        files = (self.directory / "artifacts/1/job_events").glob("*.json")
        return sorted((json.loads(path.read_text()) for path in files), key=lambda event: int(event["counter"]))

    def stats(self) -> dict[str, dict[str, int]]:
        """Give hosts by outcome: the event that ends the run."""
        return dict(self.events()[-1]["event_data"])

    def failures(self) -> list[str]:
        """Give the messages of the tasks that failed."""
        return [
            event["event_data"]["res"].get("msg", "")
            for event in self.events()
            if event["event"] in ("runner_on_failed", "runner_item_on_failed")
        ]

    def text(self) -> str:
        """Give all that the run left behind: events, output, facts.

        Not what ansible-runner itself was given: env, and its record of that in the file "command", where AWX hides what
        its credential injected.
        """
        kept = [path for path in (self.directory / "artifacts").rglob("*") if path.is_file() and path.name != "command"]
        assert any(path.parent.name == "job_events" for path in kept)
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in kept)


def update_inventory(emulator: Emulator, directory: Path, source: str = "ocore.yml") -> dict[str, Any]:
    """Give what an inventory source of the project yields, read as AWX reads it."""
    command = ["ansible-inventory", "-i", str(PROJECT / source), "--list", "--export"]
    result = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        env=environment(**credentials(emulator)),
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(json.loads(result.stdout))


def slice_of(inventory: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """Give one of ``count`` slices of an inventory: every ``count``-th host, as AWX cuts it."""
    hosts = sorted(inventory["_meta"]["hostvars"])[number - 1 :: count]
    variables = {host: inventory["_meta"]["hostvars"][host] for host in hosts}
    return {"ocore": {"hosts": hosts}, "_meta": {"hostvars": variables}}


def test_inventory_source_brings_no_secret_into_awx(emulator: Emulator, tmp_path: Path) -> None:
    inventory = update_inventory(emulator, tmp_path)
    assert len(inventory["_meta"]["hostvars"]) == 6
    assert [request["operation"] for request in emulator.log()] == ["list"]
    assert ENV_VALUE not in json.dumps(inventory)
    assert emulator.token not in json.dumps(inventory)


def test_control_limit_selects_instances_and_nothing_left_behind_holds_a_secret(
    emulator: Emulator, tmp_path: Path
) -> None:
    inventory = update_inventory(emulator, tmp_path)
    chosen = sorted(inventory["_meta"]["hostvars"])[:2]
    job = Job(tmp_path / "job", credentials(emulator), inventory, control_state="stopped", control_wait_interval=0.2)

    result = job.run("control.yml", "--limit", ",".join(chosen), "-vvvv")

    assert result.returncode == 0, result.stdout
    assert sorted(job.stats()["changed"]) == chosen
    stopped = sorted(i["slug"] for i in emulator.instances() if i["status"] == "stopped")
    assert stopped == chosen
    assert (tmp_path / "job/artifacts/1/rc").read_text() == "0"
    for secret in (emulator.token, ENV_VALUE):
        assert secret not in job.text()
        assert secret not in result.stdout


def test_survey_environment_variables_stay_secret(emulator: Emulator, tmp_path: Path) -> None:
    value = "new-pass-77ab"
    slug = emulator.instances()[0]["slug"]
    variables = {"instance_slug": slug, "instance_env_vars": json.dumps({"SMTP_PASSWORD": value}), "instance_name": ""}
    # A survey gives "true" as text; a launch by the API may as well give a boolean.
    job = Job(tmp_path / "job", credentials(emulator), {}, instance_restart_on_change=True, **variables)

    result = job.run("instance.yml", "-vvvv")

    assert result.returncode == 0, result.stdout
    assert emulator.instance(slug)["envVars"] == {"DB_PASSWORD": ENV_VALUE, "SMTP_PASSWORD": value}
    assert value not in job.text()
    assert emulator.token not in job.text()
    assert ENV_VALUE not in job.text()


def test_survey_defaults_run_the_fleet_and_report_templates(emulator: Emulator, tmp_path: Path) -> None:
    answers = {
        question["variable"]: question["default"]
        for name in ("fleet", "report")
        for question in yaml.safe_load((COLLECTION / f"playbooks/files/surveys/{name}.yml").read_text())["spec"]
    }
    job = Job(tmp_path / "job", credentials(emulator), {}, **answers | {"report_directory": str(tmp_path / "report")})
    declared = {
        "instances": [{"slug": emulator.instances()[0]["slug"], "env_vars": {"SMTP_PASSWORD": "fleet-pass-5c1"}}]
    }
    (tmp_path / "job/project" / str(answers["fleet_file"])).write_text(yaml.safe_dump(declared), encoding="utf-8")

    result = job.run("fleet.yml")
    assert result.returncode == 0, result.stdout
    assert emulator.instances()[0]["envVars"] == {"DB_PASSWORD": ENV_VALUE, "SMTP_PASSWORD": "fleet-pass-5c1"}
    left = job.text()
    shutil.rmtree(tmp_path / "job/artifacts")
    result = job.run("report.yml")
    assert result.returncode == 0, result.stdout
    page = (tmp_path / "report/fleet-report.html").read_text()
    for secret in (emulator.token, ENV_VALUE, "fleet-pass-5c1"):
        assert secret not in left + job.text() + page


def test_slices_run_side_by_side(emulator: Emulator, tmp_path: Path) -> None:
    inventory = update_inventory(emulator, tmp_path)
    slices = [slice_of(inventory, number, 3) for number in (1, 2, 3)]
    answers = {"control_state": "restarted", "control_all_instances": "true", "control_wait_interval": 0.2}
    jobs = [Job(tmp_path / f"slice{n}", credentials(emulator), part, **answers) for n, part in enumerate(slices)]
    before = {i["slug"]: i["restartCount"] for i in emulator.instances()}
    emulator.clear_log()

    with ThreadPoolExecutor(len(jobs)) as pool:
        results = list(pool.map(lambda job: job.run("control.yml"), jobs))

    assert [result.returncode for result in results] == [0, 0, 0], [result.stdout for result in results]
    handled = [sorted(job.stats()["changed"]) for job in jobs]
    assert handled == [sorted(part["_meta"]["hostvars"]) for part in slices]
    # Each instance exactly once, none by two jobs.
    assert {i["slug"]: i["restartCount"] - before[i["slug"]] for i in emulator.instances()} == dict.fromkeys(before, 1)
    assert len(emulator.log("control")) == len(before)


def test_concurrent_jobs_over_the_same_instances_end_in_the_requested_state(emulator: Emulator, tmp_path: Path) -> None:
    inventory = update_inventory(emulator, tmp_path)
    answers = {"control_state": "stopped", "control_all_instances": "true", "control_wait_interval": 0.2}
    jobs = [Job(tmp_path / name, credentials(emulator), inventory, **answers) for name in ("one", "two")]
    with ThreadPoolExecutor(len(jobs)) as pool:
        results = list(pool.map(lambda job: job.run("control.yml"), jobs))
    assert {i["status"] for i in emulator.instances()} == {"stopped"}
    assert [result.returncode for result in results] == [0, 0], [result.stdout for result in results]


def test_fact_cache_keeps_what_a_job_set_and_no_secret(emulator: Emulator, tmp_path: Path) -> None:
    inventory = update_inventory(emulator, tmp_path)
    job = Job(tmp_path / "job", credentials(emulator), inventory)
    play = {
        "name": "Learn the health of each instance",
        "hosts": "ocore",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Read it",
                "ocore.cloud.ocore_instance_info": {"id": "{{ ocore_id }}", "gather": ["health"]},
                "delegate_to": "localhost",
                "register": "seen",
            },
            {
                "name": "Keep it",
                "ansible.builtin.set_fact": {"ocore_seen": "{{ seen.instances[0] }}", "cacheable": True},
            },
        ],
    }
    (tmp_path / "job/project/learn.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    (tmp_path / "job/env/settings").write_text(
        json.dumps({"fact_cache_type": "jsonfile", "fact_cache": "fact_cache"}), encoding="utf-8"
    )

    result = job.run("learn.yml")

    assert result.returncode == 0, result.stdout
    cached = {path.name: path.read_text() for path in (tmp_path / "job/artifacts/1/fact_cache").iterdir()}
    # Since ansible-core 2.19 the names of the files begin with the version of their format.
    assert {name.removeprefix("s1_") for name in cached} == set(inventory["_meta"]["hostvars"])
    assert all("ocore_seen" in text and "last_seen_at" in text for text in cached.values())
    assert ENV_VALUE not in job.text()
    assert emulator.token not in job.text()


#: What makes a run of the playbook possible but for the one answer that a test gets wrong. The servers can't be reached.
INSTANCES = {"ocore": {"hosts": ["a", "b"]}, "_meta": {"hostvars": {"a": {"ocore_id": "1"}, "b": {"ocore_id": "2"}}}}
SERVER = {"ansible_host": "127.0.0.1", "ansible_port": 1, "odoo_host_server_id": "4c0834c4-3d20-5ec5-8a7c-210089b98dcf"}
SERVERS = {"servers": {"hosts": ["s1", "s2"]}, "_meta": {"hostvars": {"s1": SERVER, "s2": SERVER}}}
NEEDED = {"control": {"control_state": "started"}, "instance": {"instance_slug": "x"}}


def answers_out_of_range() -> list[Any]:
    """Give survey, variable and answer for every limit of every survey."""
    cases = []
    for path in sorted((COLLECTION / "playbooks/files/surveys").glob("*.yml")):
        for question in yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]:
            wrong = {
                "integer": lambda q: [q["min"] - 1, q["max"] + 1, "many"],
                "multiplechoice": lambda _q: ["nonsense"],
                "multiselect": lambda q: [["nonsense"], f"{q['choices'][0]},nonsense"],
                "text": lambda q: ["k-91c3" * q["max"]],
                "password": lambda q: ["k-91c3" * q["max"]],
            }[question["type"]](question)
            name = f"{path.stem}-{question['variable']}"
            cases += [
                pytest.param(path.stem, question["variable"], value, id=f"{name}-{str(value)[:6]}") for value in wrong
            ]
    return cases


def refused(directory: Path, emulator: Emulator, playbook: str, variables: dict[str, object]) -> str:
    """Run a playbook that must fail before it changes anything, and give the one sentence that it ends with."""
    emulator.clear_log()
    job = Job(directory, credentials(emulator), SERVERS if playbook == "provision_host" else INSTANCES, **variables)

    result = job.run(f"{playbook}.yml")

    assert result.returncode != 0
    assert not job.stats()["dark"]
    sentences = {message for message in job.failures() if message.endswith("Nothing was changed.")}
    assert len(sentences) == 1, job.failures()
    assert emulator.log() == []
    assert "Traceback" not in result.stdout
    return str(sentences.pop())


@pytest.fixture(scope="module")
def untouched() -> Iterator[Emulator]:
    """Give an oCore for tests that must send it nothing."""
    with Emulator() as running:
        yield running


@pytest.mark.parametrize(("survey", "variable", "value"), answers_out_of_range())
def test_survey_values_out_of_range_fail_with_one_sentence_before_anything_is_changed(
    untouched: Emulator, tmp_path: Path, survey: str, variable: str, value: object
) -> None:
    report = tmp_path / "report"
    variables = {**NEEDED.get(survey, {}), **({"report_directory": str(report)} if survey == "report" else {})}

    said = refused(tmp_path / "job", untouched, survey, {**variables, variable: value})

    assert said.startswith(f"{variable} "), said
    assert "It must " in said
    assert "k-91c3" not in said
    assert not report.exists()


@pytest.mark.parametrize(
    ("playbook", "variables", "said"),
    [
        ("control", {}, "Set control_state to started, stopped or restarted"),
        (
            "control",
            {"control_state": "stopped", "control_hosts": " "},
            "control_hosts is blank. It must have a value, or be left empty",
        ),
        ("instance", {"instance_slug": ""}, "Set instance_slug, instance_name or instance_id"),
        ("instance", {"instance_slug": "  "}, "instance_slug is blank. It must have a value, or be left empty"),
        ("instance", {"instance_id": " "}, "instance_id is blank. It must have a value, or be left empty"),
        ("instance", {"instance_slug": "x", "instance_server_id": "srv1"}, "instance_server_id is 'srv1'. It must"),
        ("instance", {"instance_slug": "x", "instance_odoo_version": "18"}, "instance_odoo_version is '18'. It must"),
        ("instance", {"instance_slug": "x", "instance_wait_timeout": 0}, "instance_wait_timeout is 0. It must"),
        (
            "instance",
            {"instance_slug": "x", "instance_env_vars": '{"A": "k-91c3"'},
            "instance_env_vars must map names to values",
        ),
        ("fleet", {}, "Set fleet_file"),
        ("fleet", {"fleet_file": "fleet/none.yml"}, "Cannot read fleet/none.yml as YAML"),
        ("fleet", {"fleet_file": "ocore.yml"}, "ocore.yml must have instances, and no keys but"),
        ("provision_host", {"certbot_email": "nobody"}, "certbot_email is 'nobody'. It must be a mail address"),
    ],
)
def test_survey_answers_that_make_no_sense_fail_with_one_sentence_before_anything_is_changed(
    untouched: Emulator, tmp_path: Path, playbook: str, variables: dict[str, object], said: str
) -> None:
    sentence = refused(tmp_path / "job", untouched, playbook, variables)
    assert said in sentence
    assert "k-91c3" not in sentence


def test_provision_takes_servers_and_instances_from_the_inventory_and_asks_for_no_more(
    emulator: Emulator, tmp_path: Path
) -> None:
    inventory = update_inventory(emulator, tmp_path, "servers.ocore.yml")
    assert [request["operation"] for request in emulator.log()] == ["servers", "list"]
    assert [len(host["ocore_instances"]) for host in inventory["_meta"]["hostvars"].values()] == [3, 3]
    assert inventory["server_active"]["hosts"] == ["server-1", "server-2"]
    emulator.clear_log()
    job = Job(tmp_path / "job", credentials(emulator), inventory)

    result = job.run("provision_host.yml", "--limit", "server-1")

    assert job.failures() == [], result.stdout
    assert job.stats()["dark"] == {"server-1": 1}, "its name leads nowhere; the checks before that passed"
    assert emulator.log() == []


@pytest.mark.parametrize("wrong", [{}, {"odoo_host_server_id": "7"}], ids=["missing", "no-uuid"])
def test_provision_one_server_without_its_id_keeps_the_job_from_all_servers(
    untouched: Emulator, tmp_path: Path, wrong: dict[str, str]
) -> None:
    unknown = {name: value for name, value in SERVER.items() if name != "odoo_host_server_id"} | wrong
    servers = {"servers": {"hosts": ["s1", "s2"]}, "_meta": {"hostvars": {"s1": SERVER, "s2": unknown}}}
    job = Job(tmp_path / "job", credentials(untouched), servers)
    untouched.clear_log()

    result = job.run("provision_host.yml")

    assert result.returncode != 0
    assert not job.stats()["dark"]
    given = wrong.get("odoo_host_server_id", "")
    assert job.failures() == [
        f"odoo_host_server_id of s2 is '{given}'. It must be the UUID of this server in oCore, unless the inventory file has the "
        "plugin ocore.cloud.ocore and hosts: servers. Nothing was changed."
    ]
    assert untouched.log() == []


@pytest.mark.parametrize("state", ["stopped", "restarted"])
def test_control_without_a_limit_fails_before_anything_is_changed(
    emulator: Emulator, tmp_path: Path, state: str
) -> None:
    inventory = update_inventory(emulator, tmp_path)
    emulator.clear_log()
    job = Job(tmp_path / "job", credentials(emulator), inventory, control_state=state, control_all_instances="false")

    result = job.run("control.yml")

    assert result.returncode != 0
    (said,) = set(job.failures())
    assert said.startswith(f"Without a limit, {state} applies to all 6 instances of the inventory.")
    assert "--limit" in said
    assert "control_hosts" in said
    assert "control_all_instances" in said
    assert emulator.log() == []


@pytest.mark.parametrize(
    "selected",
    [{"control_all_instances": "true"}, {"control_all_instances": True}, {"control_hosts": "ocore"}],
    ids=["answer", "boolean", "hosts"],
)
def test_control_of_all_instances_needs_an_explicit_answer(
    emulator: Emulator, tmp_path: Path, selected: dict[str, object]
) -> None:
    inventory = update_inventory(emulator, tmp_path)
    emulator.force(emulator.instances()[0]["id"], status="stopped")
    answers = {"control_state": "stopped", "control_wait_interval": 0.2, **selected}
    job = Job(tmp_path / "job", credentials(emulator), inventory, **answers)

    result = job.run("control.yml")

    assert result.returncode == 0, result.stdout
    assert len(emulator.log("control")) == 5
    assert "6 instances: 5 stopped, 1 unchanged" in result.stdout


def test_control_starts_all_instances_without_a_limit(emulator: Emulator, tmp_path: Path) -> None:
    inventory = update_inventory(emulator, tmp_path)
    job = Job(tmp_path / "job", credentials(emulator), inventory, control_state="started")
    result = job.run("control.yml")
    assert result.returncode == 0, result.stdout
    assert "6 instances: 6 unchanged" in result.stdout


def test_control_summary_counts_failures(emulator: Emulator, tmp_path: Path) -> None:
    inventory = update_inventory(emulator, tmp_path)
    answers = {"control_state": "restarted", "control_all_instances": "true", "control_wait_interval": 0.2}
    job = Job(tmp_path / "job", credentials(emulator), inventory, **answers)
    emulator.fault("error_before", "control", status=403, message="not yours")
    result = job.run("control.yml")
    assert result.returncode != 0
    assert "6 instances: 5 restarted, 1 failed" in result.stdout


def test_inventory_organization_of_the_file_applies_where_the_credential_has_none(
    emulator: Emulator, tmp_path: Path
) -> None:
    (instance_id,) = emulator.seed(1, organization="globex", slug="elsewhere", name="Elsewhere")
    path = tmp_path / "globex.ocore.yml"
    path.write_text("plugin: ocore.cloud.ocore\norganization: globex\n", encoding="utf-8")
    env = environment(**credentials(emulator) | {"OCORE_ORGANIZATION": ""})
    result = run("ansible-inventory", "-i", path, "--list", env=env, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    found = json.loads(result.stdout)["_meta"]["hostvars"]
    assert "elsewhere" in found, (instance_id, list(found))


def shown(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines that the tasks of a playbook showed."""
    return re.findall(r'^ {8}"(.*)",?$', result.stdout, re.MULTILINE)


def play(emulator: Emulator, where: Path, name: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the collection with these variables."""
    command = ["ansible-playbook", f"ocore.cloud.{name}", "-e", json.dumps(variables)]
    return run(*command, env=environment(**credentials(emulator)), cwd=where)


def test_output_of_fleet_is_one_line_for_each_instance_and_a_summary(emulator: Emulator, tmp_path: Path) -> None:
    server = emulator.server_ids()[0]
    slug = emulator.instances()[0]["slug"]
    instances = [
        {"slug": "north", "name": "North", "server_id": server},
        {"slug": "south", "name": "South", "server_id": server, "power": "stopped"},
        {"slug": slug},
        {"slug": "nobody"},
    ]
    (tmp_path / "fleet.yml").write_text(yaml.safe_dump({"instances": instances, "wait_interval": 0.1}), "utf-8")
    result = play(emulator, tmp_path, "fleet", fleet_file="fleet.yml")
    assert result.returncode != 0
    assert shown(result) == [
        f"{'north':24} created",
        f"{'south':24} created, stopped",
        f"{slug:24} unchanged",
        f"{'nobody':24} failed",
        "4 declared: 2 created, 1 unchanged, 1 failed",
    ]


def test_output_of_info_is_one_line_for_each_instance_and_a_summary(emulator: Emulator, tmp_path: Path) -> None:
    emulator.force(emulator.instances()[0]["id"], status="stopped")
    result = play(emulator, tmp_path, "info")
    lines = shown(result)
    assert len(lines) == 7
    assert lines[-1] == "6 instances: 5 running, 1 stopped"
    slug = emulator.instances()[1]["slug"]
    one = shown(play(emulator, tmp_path, "info", info_slug=f" {slug} "))
    assert one[-1] == "1 instance: 1 running"
    assert shown(play(emulator, tmp_path, "info", info_slug="nobody")) == ["0 instances"]


@pytest.mark.parametrize("variable", ["info_id", "info_slug", "info_name", "info_server_id"])
def test_identity_that_is_blank_is_refused_by_info(untouched: Emulator, tmp_path: Path, variable: str) -> None:
    untouched.clear_log()
    result = play(untouched, tmp_path, "info", **{variable: "  "})
    assert result.returncode != 0
    assert f"{variable} is blank. It must have a value, or be left empty. Nothing was changed." in result.stdout
    assert untouched.log() == []


def test_output_of_instance_is_one_line(emulator: Emulator, tmp_path: Path) -> None:
    answers = {"instance_slug": "shop", "instance_name": "Shop", "instance_server_id": emulator.server_ids()[0]}
    wait = {"instance_wait_interval": 0.1}
    for said, more in (
        ("shop: created; status running", {}),
        ("shop: unchanged; status running", {}),
        ("shop: stopped; status stopped", {"instance_power": "stopped"}),
        ("shop: removed", {"instance_state": "absent"}),
        ("shop: unchanged", {"instance_state": "absent"}),
    ):
        result = play(emulator, tmp_path, "instance", **answers, **wait, **more)
        assert f'"msg": "{said}' in result.stdout, result.stdout


def test_survey_limits_need_no_file_outside_of_playbooks_and_plugins() -> None:
    for path in (COLLECTION / "playbooks").rglob("*.yml"):
        assert "extensions/" not in re.sub(r"(?m)^ *#.*$", "", path.read_text(encoding="utf-8")), path


def test_token_that_expired_fails_the_job_with_advice(emulator: Emulator, tmp_path: Path) -> None:
    inventory = update_inventory(emulator, tmp_path)
    env = credentials(emulator, token=emulator.jwt(expires_in=-5))
    job = Job(tmp_path / "job", env, inventory, control_state="stopped", control_all_instances="true")

    result = job.run("control.yml")

    assert result.returncode != 0
    assert "wrong, revoked or expired" in " ".join(job.failures())
    assert env["OCORE_API_TOKEN"] not in job.text()


def test_navigator_runs_the_playbook_and_its_artifact_holds_no_secret(emulator: Emulator, tmp_path: Path) -> None:
    artifact = tmp_path / "artifact.json"
    command = [
        "ansible-navigator",
        *("run", str(PROJECT / "control.yml"), "-i", str(PROJECT / "ocore.yml")),
        *("-e", "control_state=stopped", "-e", "control_hosts=ocore", "-e", "control_wait_interval=0.2"),
        *("--mode", "stdout", "--ee", "false", "--playbook-artifact-enable", "true"),
        *("--playbook-artifact-save-as", str(artifact), "--log-file", str(tmp_path / "navigator.log"), "-vvvv"),
    ]
    result = run(*command, env=environment(**credentials(emulator)), cwd=tmp_path, timeout=150)

    assert result.returncode == 0, result.stdout
    assert {i["status"] for i in emulator.instances()} == {"stopped"}
    assert json.loads(artifact.read_text())["status"] == "successful"
    left = result.stdout + artifact.read_text() + (tmp_path / "navigator.log").read_text()
    for secret in (emulator.token, ENV_VALUE):
        assert secret not in left
