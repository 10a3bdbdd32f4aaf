# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""ocore.cloud.awx_setup, and the files that it brings into AWX."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkout
import jinja2.sandbox
import pytest
import yaml
from ansible_collections.ocore.cloud.plugins.doc_fragments.auth import ModuleDocFragment
from ansible_collections.ocore.cloud.plugins.module_utils._ops.arguments import AUTH_SPEC
from awx_stand_in import TOKEN, Awx, Refused, check_credential_type, check_survey
from conftest import COLLECTION, PROJECT, environment, run

FILES = COLLECTION / "playbooks/files"
INPUTS = yaml.safe_load((FILES / "credential_type/inputs.yml").read_text())
INJECTORS = yaml.safe_load((FILES / "credential_type/injectors.yml").read_text())
SURVEYS = sorted((FILES / "surveys").glob("*.yml"))
API_TOKEN = "ocore_k_setup-7d1f"


def inject(**inputs: Any) -> dict[str, str]:
    """Give what AWX injects for the inputs of a credential: text fields left empty are undefined, booleans are false."""
    booleans = {field["id"]: False for field in INPUTS["fields"] if field["type"] == "boolean"}
    names = {**booleans, **inputs, "tower": {"filename": {"ca": "/runner/env/tmpca"}}}
    sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment()
    return {name: sandbox.from_string(template).render(names) for name, template in INJECTORS["env"].items()}


def env_names() -> dict[str, str]:
    """Give option → environment variable, as the argument spec of the modules has them."""
    return {name: spec["fallback"][1][0] for name, spec in AUTH_SPEC.items()}


def test_credential_type_injects_the_names_of_the_auth_options() -> None:
    assert set(INJECTORS["env"]) == set(env_names().values())
    documented = yaml.safe_load(ModuleDocFragment.PLUGIN)["options"]
    assert set(INJECTORS["env"]) == {option["env"][0]["name"] for option in documented.values()}


def test_credential_type_has_only_the_token_secret_and_required() -> None:
    assert [field["id"] for field in INPUTS["fields"] if field.get("secret")] == ["api_token"]
    assert INPUTS["required"] == ["api_token"]


def test_credential_type_injects_the_defaults_of_the_options_for_a_token_only() -> None:
    injected = inject(api_token="ocore_k_x")
    for option, name in env_names().items():
        if option == "api_token":
            assert injected[name] == "ocore_k_x"
        elif AUTH_SPEC[option]["type"] == "bool":
            assert injected[name].lower() == str(AUTH_SPEC[option]["default"]).lower()
        else:
            assert injected[name] == str(AUTH_SPEC[option].get("default", "")).removesuffix(".0")


def test_credential_type_takes_every_input_to_its_option() -> None:
    values = {
        "api_url": "https://ocore.example.com/api",
        "organization": "acme",
        "validate_certs": "false",
        "request_timeout": "7",
        "retries": "2",
        "allow_http": True,
    }
    injected = inject(api_token="t", ca_certificates="PEM", **values)
    assert injected["OCORE_CA_PATH"] == "/runner/env/tmpca"
    for option, value in values.items():
        assert injected[env_names()[option]] == str(value)


def test_credential_type_is_one_that_awx_takes() -> None:
    check_credential_type(INPUTS, INJECTORS)
    with pytest.raises(Refused, match="undefined"):
        check_credential_type(INPUTS, {"env": {"X": "{{ nonsense }}"}})


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda path: path.stem)
def test_survey_is_one_that_awx_takes_and_asks_for_variables_of_its_playbook(survey: Path) -> None:
    spec = yaml.safe_load(survey.read_text())
    check_survey(spec)
    assert (PROJECT / survey.name).is_file()
    playbook = (COLLECTION / "playbooks" / survey.name).read_text()
    roles = "".join(path.read_text() for path in (COLLECTION / "roles").glob("*/defaults/main.yml"))
    for question in spec["spec"]:
        assert re.search(rf"\b{question['variable']}\b", playbook + roles), question["variable"]


def test_guide_says_when_to_slice_and_which_job_templates() -> None:
    (play,) = yaml.safe_load((COLLECTION / "playbooks/awx_setup.yml").read_text())
    templates = play["vars"]["awx_setup_templates"]
    guide = (COLLECTION / "docs/docsite/rst/guide_awx.rst").read_text()
    section = " ".join(re.split(r"\n[A-Z][^\n]+\n-+\n", guide.partition("When to slice\n---")[2])[0].split())
    assert "Slice when one job is not enough" in section
    sliced = " and ".join(f"*oCore {item['name'].replace('_', ' ')}*" for item in templates if item["limit"])
    assert f"Only {sliced} ask for the number of slices." in section
    together = " and ".join(f"*oCore {item['name']}*" for item in templates if item["simultaneous"])
    assert f"{together} may run concurrently" in section


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Give the project of the collection as a git repository."""
    target = tmp_path / "project.git"
    subprocess.run(["cp", "-r", str(PROJECT), str(target)], check=True)
    subprocess.run(["git", "-C", target, "init", "-q"], check=True)
    commit(target)
    return target


def commit(repository: Path) -> None:
    """Commit all that changed in a repository."""
    for command in (["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", repository, *command], check=True)


@pytest.fixture
def awx() -> Iterator[Awx]:
    with Awx() as running:
        yield running


def setup(awx: Awx, repository: Path, *options: str, token: str = API_TOKEN) -> Any:
    env = environment(
        CONTROLLER_HOST=awx.url, CONTROLLER_OAUTH_TOKEN=TOKEN, OCORE_API_TOKEN=token, OCORE_ORGANIZATION="acme"
    )
    variables = ["-e", f"awx_setup_project_url={repository}", "-e", "awx_setup_image=registry.example.com/ocore-ee:1"]
    return run(
        "ansible-playbook", "ocore.cloud.awx_setup", *variables, *options, env=env, cwd=repository.parent, timeout=200
    )


def test_setup_makes_everything_then_changes_nothing_then_repairs_changes(awx: Awx, repository: Path) -> None:
    first = setup(awx, repository)
    assert " failed=0 " in first.stdout, first.stdout

    credential = awx.named("credentials", "oCore")
    assert credential["inputs"] == {"api_token": API_TOKEN, "organization": "acme"}
    assert awx.named("credential_types", "oCore")["injectors"] == INJECTORS
    assert awx.named("execution_environments", "oCore")["image"] == "registry.example.com/ocore-ee:1"
    assert awx.named("projects", "oCore")["scm_update_on_launch"] is True
    for name, path in (("oCore", "ocore.yml"), ("oCore servers", "servers.ocore.yml")):
        source = awx.named("inventory_sources", name)
        assert (source["source_path"], source["credential"]) == (path, credential["id"])
    templates = {item["playbook"]: item for item in awx.objects["job_templates"].values()}
    assert set(templates) == {f"{path.stem}.yml" for path in SURVEYS}
    for path in SURVEYS:
        template = templates[path.name]
        assert awx.surveys[template["id"]] == yaml.safe_load(path.read_text())
        assert template["survey_enabled"]
        assert awx.associated["job_templates", template["id"], "credentials"] == [credential["id"]]
    limited = {name for name, item in templates.items() if item["ask_limit_on_launch"]}
    assert limited == {"control.yml", "provision_host.yml"}
    # A play over localhost would run once per slice.
    assert {name for name, item in templates.items() if item["ask_job_slice_count_on_launch"]} == limited
    # Two plans over one fleet would contradict each other, and two runs would write one report or configure one server.
    assert {name for name, item in templates.items() if item["allow_simultaneous"]} == {"control.yml", "instance.yml"}
    assert API_TOKEN not in first.stdout + "".join(awx.answers)

    awx.log.clear()
    second = setup(awx, repository)
    assert " changed=0 " in second.stdout, second.stdout
    assert " failed=0 " in second.stdout, second.stdout
    assert awx.writes() == []

    template = awx.named("job_templates", "oCore control")
    awx.surveys[template["id"]]["spec"].pop()
    awx.named("inventory_sources", "oCore")["overwrite"] = False
    third = setup(awx, repository, "-e", "awx_setup_replace_token=true", token="ocore_k_other")
    assert " failed=0 " in third.stdout, third.stdout
    assert awx.surveys[template["id"]] == yaml.safe_load((FILES / "surveys/control.yml").read_text())
    assert awx.named("inventory_sources", "oCore")["overwrite"] is True
    assert awx.named("credentials", "oCore")["inputs"]["api_token"] == "ocore_k_other"


@pytest.mark.parametrize("missing", ["awx_setup_project_url", "awx_setup_image", "OCORE_API_TOKEN"])
def test_setup_says_what_is_missing_and_changes_nothing(awx: Awx, repository: Path, missing: str) -> None:
    more = {"token": ""} if missing == "OCORE_API_TOKEN" else {}
    result = setup(awx, repository, "-e", f"{missing}=", **more)
    assert re.search(rf'"msg": "[^"]*{missing}[^"]*Nothing was changed\."', result.stdout), result.stdout
    assert awx.log == []


def test_setup_learns_playbooks_that_were_added_to_the_repository(awx: Awx, repository: Path) -> None:
    subprocess.run(["git", "-C", repository, "rm", "--quiet", "report.yml"], check=True)
    commit(repository)
    first = setup(awx, repository)
    assert "Playbook not found for project" in first.stdout, first.stdout

    shutil.copy(PROJECT / "report.yml", repository)
    commit(repository)
    second = setup(awx, repository)
    assert " failed=0 " in second.stdout, second.stdout
    assert awx.named("job_templates", "oCore report")["playbook"] == "report.yml"


OPTIONAL = {
    "awx_setup_teams": {"Operators": ["control", "provision_host"]},
    "awx_setup_notifications": ["Chat"],
    "awx_setup_schedules": [
        {
            "name": "oCore nightly report",
            "template": "report",
            "rrule": "DTSTART:20270101T020000Z RRULE:FREQ=DAILY;INTERVAL=1",
            "answers": {"report_directory": "/srv/report"},
        }
    ],
}


def test_setup_of_teams_notifications_and_schedules(awx: Awx, repository: Path) -> None:
    team, chat = awx.add("teams", "Operators"), awx.add("notification_templates", "Chat")
    first = setup(awx, repository, "-e", json.dumps(OPTIONAL))
    assert " failed=0 " in first.stdout, first.stdout

    templates = {item["name"]: item["id"] for item in awx.objects["job_templates"].values()}
    allowed = {key[1] for key, ids in awx.associated.items() if key[0] == "roles" and team["id"] in ids}
    assert allowed == {templates["oCore control"], templates["oCore provision host"]}
    for id_ in templates.values():
        assert awx.associated["job_templates", id_, "notification_templates_error"] == [chat["id"]]
    schedule = awx.named("schedules", "oCore nightly report")
    assert schedule["unified_job_template"] == templates["oCore report"]
    assert schedule["rrule"].endswith("FREQ=DAILY;INTERVAL=1")
    assert schedule["extra_data"] == {"report_directory": "/srv/report"}
    assert schedule["enabled"] is True

    awx.log.clear()
    second = setup(awx, repository, "-e", json.dumps(OPTIONAL))
    assert " changed=0 " in second.stdout, second.stdout
    assert awx.writes() == []


@pytest.mark.parametrize(
    "wrong", [{"awx_setup_teams": {"Operators": ["reboot"]}}, {"awx_setup_schedules": [{"template": "reboot"}]}]
)
def test_setup_refuses_job_templates_that_do_not_exist(awx: Awx, repository: Path, wrong: dict[str, Any]) -> None:
    result = setup(awx, repository, "-e", json.dumps(wrong))
    assert "names the job template reboot. It must be one of control, instance" in result.stdout, result.stdout
    assert awx.log == []


def test_setup_without_the_collection_awx_awx_says_how_to_install_it(repository: Path) -> None:
    """Run where Ansible finds this collection only: the module path is that of an interpreter without the package ansible."""
    variables = {
        "ANSIBLE_COLLECTIONS_PATH": str(checkout.collections_dir()),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
    }
    env = environment(OCORE_API_TOKEN=API_TOKEN) | variables
    command = ["ansible-playbook", "ocore.cloud.awx_setup", "-e", f"awx_setup_project_url={repository}"]
    result = run(*command, "-e", "awx_setup_image=registry.example.com/ocore-ee:1", env=env, cwd=repository.parent)
    assert result.returncode != 0
    assert (
        "needs the collection awx.awx. Install it: ansible-galaxy collection install awx.awx. Nothing was"
        in result.stdout
    )
    assert "Traceback" not in result.stdout
