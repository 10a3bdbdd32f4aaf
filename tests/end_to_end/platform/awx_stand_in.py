# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small stand-in for the API v2 of AWX, for ocore.cloud.awx_setup.

It keeps the few kinds of objects that the playbook makes, over real HTTP, and refuses what AWX 24 refuses about them:
inputs and injectors of credential types, inputs of credentials, playbooks that the project does not have, surveys. It is
stricter in one thing: a field that it does not know is an error. Projects are cloned with git. It runs no job, so it proves
that the modules make and keep the right objects, not what AWX does with them.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import threading
from pathlib import Path
from typing import Any

import jinja2
import jinja2.sandbox
import jsonschema
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN = "awx-stand-in-token"
HIDDEN = "$encrypted$"
PLAYBOOK = re.compile(r"^\s*-?\s*(hosts|(ansible\.builtin\.)?(include|import_playbook)):")

#: Kind of object → field → default. A reference is the name of the kind that it points to.
COMMON = {"name": "", "description": ""}
REFERENCES = {
    "organization": "organizations",
    "credential_type": "credential_types",
    "credential": "credentials",
    "default_environment": "execution_environments",
    "execution_environment": "execution_environments",
    "project": "projects",
    "source_project": "projects",
    "inventory": "inventories",
    "unified_job_template": "job_templates",
}
FIELDS: dict[str, dict[str, Any]] = {
    "organizations": {},
    "credential_types": {"kind": "cloud", "managed": False, "inputs": {}, "injectors": {}},
    "credentials": {"organization": None, "credential_type": None, "inputs": {}},
    "execution_environments": {"organization": None, "image": "", "pull": "", "credential": None},
    "projects": {
        "organization": None,
        "scm_type": "",
        "scm_url": "",
        "scm_branch": "",
        "credential": None,
        "default_environment": None,
        "scm_update_on_launch": False,
    },
    "inventories": {"organization": None, "kind": "", "host_filter": None, "variables": ""},
    "inventory_sources": {
        "inventory": None,
        "source": "",
        "source_project": None,
        "source_path": "",
        "credential": None,
        "execution_environment": None,
        "overwrite": False,
        "overwrite_vars": False,
        "update_on_launch": False,
        "update_cache_timeout": 0,
    },
    "job_templates": {
        "organization": None,
        "job_type": "run",
        "inventory": None,
        "project": None,
        "playbook": "",
        "execution_environment": None,
        "ask_limit_on_launch": False,
        "ask_job_slice_count_on_launch": False,
        "ask_job_type_on_launch": False,
        "ask_diff_mode_on_launch": False,
        "allow_simultaneous": False,
        "survey_enabled": False,
    },
    "notification_templates": {"organization": None},
    "schedules": {"unified_job_template": None, "rrule": "", "extra_data": {}, "limit": None, "enabled": True},
    "teams": {"organization": None},
}
NAME = {"type": "string", "pattern": r"^[a-zA-Z_][a-zA-Z0-9_]*$"}
INPUTS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "required": {"type": "array", "items": {"type": "string"}},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id", "label"],
                "properties": {
                    "id": NAME,
                    "label": {"type": "string"},
                    "type": {"enum": ["string", "boolean"]},
                    "format": {"enum": ["ssh_private_key", "url"]},
                    "choices": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
                    "help_text": {"type": "string"},
                    "multiline": {"type": "boolean"},
                    "secret": {"type": "boolean"},
                    "ask_at_runtime": {"type": "boolean"},
                    "default": {},
                },
            },
        },
    },
}
INJECTORS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {r"^template(\.[a-zA-Z_][a-zA-Z0-9_]*)?$": {"type": "string"}},
        },
        "env": {"type": "object", "propertyNames": NAME, "additionalProperties": {"type": "string"}},
        "extra_vars": {"type": "object"},
    },
}
SURVEY_TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (float, int),
}


class Refused(Exception):  # noqa: N818 - an answer, not an error of the stand-in
    """What is wrong with a request, by field."""

    def __init__(self, **problems: object) -> None:
        super().__init__(str(problems))
        self.problems = problems


def check_credential_type(inputs: dict[str, Any], injectors: dict[str, Any]) -> None:
    """Refuse what AWX refuses about a credential type."""
    for field, value, schema in (("inputs", inputs, INPUTS), ("injectors", injectors, INJECTORS)):
        try:
            jsonschema.validate(value, schema)
        except jsonschema.ValidationError as error:
            raise Refused(**{field: error.message}) from None
    fields = inputs.get("fields", [])
    ids = [field["id"] for field in fields]
    if len(set(ids)) < len(ids) or "tower" in ids:
        raise Refused(inputs="field IDs must be unique, and not tower")
    for field in fields:
        kind = {"string": str, "boolean": bool}[field.setdefault("type", "string")]
        if "default" in field and type(field["default"]) is not kind:  # pylint: disable=unidiomatic-typecheck
            raise Refused(inputs=f"{field['default']} is not a {field['type']}")
        if kind is bool and {"choices", "multiline", "format", "secret"} & set(field):
            raise Refused(inputs=f"{field['id']}: not allowed for a boolean")
    files = injectors.get("file", {})
    names = {label.partition(".")[2]: "EXAMPLE" for label in files}
    tower = {"filename": "EXAMPLE" if "" in names else names}
    sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    for name, template in {**files, **injectors.get("env", {})}.items():
        if name.startswith("ANSIBLE_"):
            raise Refused(injectors=f"Environment variable {name} is not allowed")
        try:
            sandbox.from_string(template).render({**dict.fromkeys(ids, "EXAMPLE"), "tower": tower})
        except jinja2.TemplateError as error:
            raise Refused(injectors=f"{name} uses an undefined field ({error})") from None


def check_credential(inputs: dict[str, Any], kind: dict[str, Any]) -> None:
    """Refuse what AWX refuses about the inputs of a credential."""
    fields = {field["id"]: field for field in kind["inputs"].get("fields", [])}
    for name, value in inputs.items():
        if name not in fields:
            raise Refused(inputs=f"Additional properties are not allowed ('{name}' was unexpected)")
        if type(value) is not {"string": str, "boolean": bool}[fields[name]["type"]]:  # pylint: disable=unidiomatic-typecheck
            raise Refused(inputs={name: f"{value!r} is not of type {fields[name]['type']}"})
        if fields[name].get("format") == "url" and not re.match(r"\w+://\w", value):
            raise Refused(inputs={name: "Invalid URL"})
        if "choices" in fields[name] and value not in fields[name]["choices"]:
            raise Refused(inputs={name: f"{value!r} is not one of {fields[name]['choices']}"})


def check_survey(survey: dict[str, Any]) -> None:
    """Refuse what AWX refuses about a survey."""
    if not isinstance(survey.get("name"), str) or not isinstance(survey.get("description"), str):
        raise Refused(error="name or description is missing from survey spec")
    questions = survey.get("spec")
    if not isinstance(questions, list) or not questions:
        raise Refused(error="'spec' doesn't contain any items")
    for question in questions:
        check_question(question)
    names = [question["variable"] for question in questions]
    if len(set(names)) < len(names):
        raise Refused(error=f"a variable is duplicated: {names}")


def check_question(question: dict[str, Any]) -> None:
    """Refuse what AWX refuses about a question of a survey."""
    for field, kind in {"type": str, "question_name": str, "variable": str, "required": bool}.items():
        if not isinstance(question.get(field), kind):
            raise Refused(error=f"{field!r} of {question} expected to be {kind.__name__}")
    if question["type"] not in SURVEY_TYPES:
        raise Refused(error=f"{question['type']} is no question type")
    default = question.get("default", "")
    if default != "" and not isinstance(default, SURVEY_TYPES[question["type"]]):
        raise Refused(error=f"default of {question['variable']} expected to be {question['type']}")
    if any(not isinstance(question.get(limit, 0), int) for limit in ("min", "max")):
        raise Refused(error=f"limits of {question['variable']} expected to be integer")
    if question["type"].startswith("multi"):
        if not question.get("choices"):
            raise Refused(error=f"{question['variable']} must specify choices")
        if any(item not in question["choices"] for item in default.splitlines()):
            raise Refused(error="Default choice must be answered from the choices listed.")


class Awx:
    """The objects, and the HTTP server in front of them. Use it as a context manager."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in FIELDS}
        self.surveys: dict[int, dict[str, Any]] = {}
        #: Associations: (kind of object, its id, name of the association) → ids.
        self.associated: dict[tuple[str, int, str], list[int]] = {}
        self.log: list[tuple[str, str]] = []
        self.answers: list[str] = []
        self._clones = tempfile.TemporaryDirectory(prefix="awx-stand-in-")
        self._last = 0
        self._store("organizations", {"name": "Default"})
        self._store("credential_types", {"name": "Machine", "kind": "ssh", "managed": True})
        routes = [
            Route("/api/v2/{kind}/", self._list, methods=["GET", "POST"]),
            Route("/api/v2/project_updates/{id:int}/", self._project_update),
            Route("/api/v2/{kind}/{id:int}/", self._one, methods=["GET", "PATCH"]),
            Route("/api/v2/job_templates/{id:int}/survey_spec/", self._survey, methods=["GET", "POST"]),
            Route("/api/v2/projects/{id:int}/update/", self._update_project, methods=["GET", "POST"]),
            Route("/api/v2/{kind}/{id:int}/{name}/", self._associations, methods=["GET", "POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=0, log_level="warning")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))

    def __enter__(self) -> Awx:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.02)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._clones.cleanup()

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """Give the one object of a kind that has this name; LookupError if there isn't exactly one."""
        found = [item for item in self.objects[kind].values() if item["name"] == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} {kind} are called {name}")
        return found[0]

    def writes(self) -> list[tuple[str, str]]:
        """Return method and path of every request that stored something: all but GETs and updates of projects."""
        return [(method, path) for method, path in self.log if method != "GET" and not path.endswith("/update/")]

    def add(self, kind: str, name: str) -> dict[str, Any]:
        """Add an object that an administrator made before, in the organization Default, and return it."""
        return self._store(kind, {"name": name, "organization": self.named("organizations", "Default")["id"]})

    def _store(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        url = f"/api/v2/{kind}/{self._last}/"
        self.objects[kind][self._last] = {
            "id": self._last,
            "type": kind.removesuffix("s"),
            "url": url,
            "related": {
                name: f"{url}{name}/"
                for name in {
                    "job_templates": ("survey_spec", "credentials", "notification_templates_error"),
                    "projects": ("update",),
                }.get(kind, ())
            },
            "summary_fields": {},
            **COMMON,
            **json.loads(json.dumps(FIELDS[kind])),
            **fields,
        }
        if kind == "job_templates":
            # The role has the id of its template: nothing else has that.
            self.objects[kind][self._last]["summary_fields"] = {"object_roles": {"execute_role": {"id": self._last}}}
        return self.objects[kind][self._last]

    def _enter(self, request: Request) -> None:
        self.log.append((request.method, request.url.path))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise PermissionError

    def _answer(self, content: object, status: int = 200) -> Response:
        response = JSONResponse(content, status, {"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"})
        self.answers.append(bytes(response.body).decode())
        return response

    async def _list(self, request: Request) -> Response:
        kind = request.path_params["kind"].replace("unified_job_templates", "job_templates")
        try:
            self._enter(request)
            if request.method == "POST":
                item = self._store(kind, await self._accept(kind, await request.json(), None))
                if kind == "projects":
                    item["summary_fields"] = {"current_update": {"id": item["id"]}}
                return self._answer(self._shown(kind, item), 201)
        except PermissionError:
            return self._answer({"detail": "Authentication credentials were not provided."}, 401)
        except Refused as refused:
            return self._answer(refused.problems, 400)
        query = dict(request.query_params)
        found = [i for i in self.objects[kind].values() if all(str(i[name]) == value for name, value in query.items())]
        return self._answer(
            {"count": len(found), "next": None, "previous": None, "results": [self._shown(kind, i) for i in found]}
        )

    async def _one(self, request: Request) -> Response:
        kind, item = request.path_params["kind"], self.objects[request.path_params["kind"]][request.path_params["id"]]
        self._enter(request)
        if request.method == "PATCH":
            try:
                item.update(await self._accept(kind, await request.json(), item))
            except Refused as refused:
                return self._answer(refused.problems, 400)
        return self._answer(self._shown(kind, item))

    async def _accept(self, kind: str, fields: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
        """Check what a request wants to store, and give it."""
        known = {**COMMON, **FIELDS[kind]}
        for name, value in fields.items():
            if name not in known:
                raise Refused(**{name: "this stand-in knows no such field"})
            if name in REFERENCES and value is not None and value not in self.objects[REFERENCES[name]]:
                raise Refused(**{name: f'Invalid pk "{value}" - object does not exist.'})
        merged = {**known, **(old or {}), **fields}
        same = [i for i in self.objects[kind].values() if i is not old and i["name"] == merged["name"]]
        if any(all(i.get(key) == merged.get(key) for key in ("organization", "inventory")) for i in same):
            raise Refused(__all__=[f"{kind} with this name already exists."])
        if kind == "credential_types":
            check_credential_type(merged["inputs"], merged["injectors"])
        elif kind == "credentials":
            check_credential(merged["inputs"], self.objects["credential_types"][merged["credential_type"]])
        elif kind == "inventory_sources" and (merged["source"] == "scm") != bool(merged["source_project"]):
            raise Refused(source_project="Project required for scm type sources.")
        elif kind == "job_templates":
            project = self.objects["projects"].get(merged["project"])
            if project is None or merged["playbook"] not in project["playbook_files"]:
                raise Refused(playbook=["Playbook not found for project."])
        if kind == "projects":
            fields |= await self._clone(merged)
        return fields

    async def _clone(self, project: dict[str, Any]) -> dict[str, Any]:
        target = tempfile.mkdtemp(dir=self._clones.name)
        process = await asyncio.create_subprocess_exec("git", "clone", "--quiet", project["scm_url"], target)
        if await process.wait():
            return {"status": "failed", "scm_revision": "", "playbook_files": []}
        files = [
            str(path.relative_to(target))
            for path in Path(target).rglob("*.yml")
            if any(PLAYBOOK.match(line) for line in path.read_text(encoding="utf-8").splitlines())
        ]
        head = Path(target, ".git", "HEAD").read_text(encoding="utf-8").removeprefix("ref: ").strip()
        revision = Path(target, ".git", head).read_text(encoding="utf-8").strip()
        return {"status": "successful", "scm_revision": revision, "playbook_files": files}

    def _shown(self, kind: str, item: dict[str, Any]) -> dict[str, Any]:
        """Give an object as AWX shows it: secrets hidden."""
        if kind != "credentials":
            return item
        fields = self.objects["credential_types"][item["credential_type"]]["inputs"].get("fields", [])
        secret = {field["id"] for field in fields if field.get("secret")}
        return {**item, "inputs": {name: HIDDEN if name in secret else v for name, v in item["inputs"].items()}}

    async def _update_project(self, request: Request) -> Response:
        self._enter(request)
        project = self.objects["projects"][request.path_params["id"]]
        project.update(await self._clone(project))
        return self._answer({"id": project["id"], "url": f"/api/v2/project_updates/{project['id']}/"}, 202)

    async def _project_update(self, request: Request) -> Response:
        self._enter(request)
        project = self.objects["projects"][request.path_params["id"]]
        project["summary_fields"] = {}
        return self._answer(
            {
                "id": project["id"],
                "status": project["status"],
                "scm_revision": project["scm_revision"],
                "finished": "2026-01-01T00:00:00Z",
                "failed": project["status"] == "failed",
            }
        )

    async def _survey(self, request: Request) -> Response:
        self._enter(request)
        if request.method == "GET":
            return self._answer(self.surveys.get(request.path_params["id"], {}))
        survey = await request.json()
        try:
            check_survey(survey)
        except Refused as refused:
            return self._answer(refused.problems, 400)
        self.surveys[request.path_params["id"]] = survey
        return self._answer({})

    async def _associations(self, request: Request) -> Response:
        """Keep what belongs to an object: credentials and notifications of job templates, teams that have a role."""
        self._enter(request)
        kind, owner, name = (request.path_params[part] for part in ("kind", "id", "name"))
        attached = self.associated.setdefault((kind, owner, name), [])
        if request.method == "POST":
            wanted = await request.json()
            if wanted.get("disassociate"):
                attached.remove(wanted["id"])
            else:
                attached.append(wanted["id"])
            return Response(status_code=204)
        target = "notification_templates" if name.startswith("notification_templates_") else name
        found = [self._shown(target, self.objects[target][id_]) for id_ in attached]
        return self._answer({"count": len(found), "next": None, "previous": None, "results": found})
