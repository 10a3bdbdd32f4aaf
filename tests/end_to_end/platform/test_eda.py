# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Automation Platform needs for event-driven Ansible: decision environment, credential type, and the project's rulebook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ansible_rulebook
import jinja2
import jinja2.nativetypes
import jsonschema
import pytest
import yaml
from conftest import COLLECTION, ENV_VALUE, PROJECT, credentials, environment, run
from emulator.process import Emulator
from rulebook import Rulebook

EDA = COLLECTION / "extensions/eda"
INPUTS = yaml.safe_load((EDA / "credential_type/inputs.yml").read_text())
INJECTORS = yaml.safe_load((EDA / "credential_type/injectors.yml").read_text())
RULEBOOKS = [*(EDA / "rulebooks").glob("*.yml"), *(PROJECT / "rulebooks").glob("*.yml")]
LAUNCHING = PROJECT / "rulebooks/restart_failed.yml"


def inject(**inputs: str) -> dict[str, Any]:
    """Return the extra variables that a credential with these inputs sets, its defaults applied."""
    names = {field["id"]: field.get("default", "") for field in INPUTS["fields"]} | inputs
    return {
        name: jinja2.nativetypes.NativeTemplate(template, undefined=jinja2.StrictUndefined).render(names)
        for name, template in INJECTORS["extra_vars"].items()
    }


def test_credential_type_is_one_that_event_driven_ansible_accepts() -> None:
    """Its rules differ from those of AWX: every release supports extra variables only, and some prefixes are reserved."""
    assert set(INJECTORS) == {"extra_vars"}
    for field in INPUTS["fields"]:
        assert field["id"].isidentifier()
        assert not field["id"].upper().startswith("EDA_")
        assert field["type"] == "string"
        assert isinstance(field["label"], str)
    assert not [name for name in INJECTORS["extra_vars"] if name.lower().startswith(("eda", "ansible"))]
    assert [field["id"] for field in INPUTS["fields"] if field.get("secret")] == ["api_token"]
    assert INPUTS["required"] == ["api_token"]
    assert inject(api_token="t")["ocore_api_url"] == "https://api.ocore.dev/api"


@pytest.mark.parametrize("path", RULEBOOKS, ids=lambda path: str(path.relative_to(COLLECTION)))
def test_rulebook_is_valid(path: Path) -> None:
    schema = json.loads((Path(ansible_rulebook.__file__).parent / "schema/ruleset_schema.json").read_text())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_rulebook_uses_what_the_credential_injects() -> None:
    (ruleset,) = yaml.safe_load(LAUNCHING.read_text())
    text = json.dumps(ruleset["sources"])
    for name in INJECTORS["extra_vars"]:
        assert f"{{{{ {name} }}}}" in text, name


def test_rulebook_launches_a_job_template_that_the_setup_makes() -> None:
    (ruleset,) = yaml.safe_load(LAUNCHING.read_text())
    job = ruleset["rules"][0]["action"]["run_job_template"]
    survey = yaml.safe_load((COLLECTION / "playbooks/files/surveys/control.yml").read_text())
    assert job["name"] == survey["name"]
    assert set(job["job_args"]["extra_vars"]) <= {question["variable"] for question in survey["spec"]}
    assert "limit" in job["job_args"]


class Controller(BaseHTTPRequestHandler):
    """The few requests of AWX's API by which ansible-rulebook launches a job template."""

    launched: list[dict[str, Any]]

    def do_GET(self) -> None:
        results: list[dict[str, Any]] = []
        if self.path.startswith("/api/v2/unified_job_templates/"):
            template = {"id": 1, "type": "job_template", "name": "oCore control"}
            asks = {f"ask_{what}_on_launch": True for what in ("limit", "inventory", "variables", "labels")}
            related = {"launch": "/api/v2/job_templates/1/launch/"}
            names = {"organization": {"name": "Default"}}
            results = [{**template, **asks, "related": related, "summary_fields": names}]
        elif "jobs" in self.path:
            results = [{"id": 7, "status": "successful", "url": "/api/v2/jobs/7/", "artifacts": {}}]
        job = results[0] if self.path.startswith("/api/v2/jobs/7") else {}
        self._answer({"version": "4.6.1", "count": len(results), "next": None, "results": results, **job})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.launched.append(json.loads(body))
        self._answer({"id": 7, "url": "/api/v2/jobs/7/"}, 201)

    def _answer(self, content: object, status: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def controller() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Return the address of a controller, and the list of what is launched on it."""
    launched: list[dict[str, Any]] = []
    handler = type("Handler", (Controller,), {"launched": launched})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", launched
        server.shutdown()
        thread.join()


def test_rulebook_launches_the_job_with_the_failed_instance_as_its_limit(
    emulator: Emulator, tmp_path: Path, controller: tuple[str, list[dict[str, Any]]]
) -> None:
    address, launched = controller
    given = credentials(emulator)
    variables = inject(
        api_token=given["OCORE_API_TOKEN"], api_url=given["OCORE_API_URL"], organization=given["OCORE_ORGANIZATION"]
    )
    env = {"EDA_CONTROLLER_URL": address, "EDA_CONTROLLER_TOKEN": "t"}
    with Rulebook(tmp_path, env, str(LAUNCHING), ocore_interval=0.5, **variables) as rulebook:
        rulebook.wait_for(lambda: len(emulator.log("list")) >= 2)
        broken = emulator.instances()[2]
        emulator.force(broken["id"], status="failed")
        rulebook.wait_for(lambda: bool(launched))

    assert [(job["limit"], job["extra_vars"]["control_state"]) for job in launched] == [(broken["slug"], "restarted")]
    for secret in (emulator.token, ENV_VALUE):
        assert secret not in rulebook.output() + json.dumps(launched)


def test_decision_environment_makes_a_build_context(tmp_path: Path) -> None:
    definition = EDA / "decision_environment"
    command = ["ansible-builder", "create", "-f", "decision-environment.yml", "-c", tmp_path / "context"]
    result = run(*command, env=environment(), cwd=definition)
    assert result.returncode == 0, result.stdout
    build = tmp_path / "context/_build"
    assert yaml.safe_load((build / "requirements.yml").read_text()) == {"collections": [{"name": "ocore.cloud"}]}
    assert "ansible-rulebook" in (build / "requirements.txt").read_text()
    assert "openjdk" in next((tmp_path / "context").glob("*file")).read_text()
