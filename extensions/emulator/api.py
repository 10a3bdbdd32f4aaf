# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The eight operations of oCore's reference page about instances, and the list of servers, under /api."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from . import life
from .errors import ApiError, error_response
from .faults import Rule
from .life import Instance
from .wire import encode
from .world import World

TEXT_FIELDS = {
    "create": (
        "addonsPath",
        "branch",
        "environmentType",
        "name",
        "odooEdition",
        "odooVersion",
        "projectId",
        "serverId",
        "slug",
        "templateId",
    ),
    "update": ("addonsPath", "name"),
    "control": ("action",),
}
WRITES = ("create", "update", "delete", "control")


@dataclass
class Call:
    """One request, and the organization it is about."""

    operation: str
    request: Request
    raw: bytes
    organization: str = ""

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; ApiError 400, 415 or 422 says what is wrong with it."""
        media_type = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise ApiError(415, "the body must be application/json")
        try:
            body = json.loads(self.raw)
        except (ValueError, RecursionError):
            raise ApiError(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise ApiError(400, "the body is not a JSON object")
        for name in TEXT_FIELDS[self.operation]:
            if not isinstance(body.get(name, ""), str):
                raise ApiError(422, f"{name} must be a string")
        env = body.get("envVars", {})
        if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
            raise ApiError(422, "envVars must be an object with string values")
        if not isinstance(body.get("mcpWriteEnabled", False), bool):
            raise ApiError(422, "mcpWriteEnabled must be a boolean")
        return body


Work = Callable[[Call], Response]


class Api:
    """Takes a request through log, faults, credentials and organization to its operation."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        paths: dict[str, dict[str, tuple[str, Work]]] = {
            "/instances": {"GET": ("list", self._list), "POST": ("create", self._create)},
            "/instances/{id}": {
                "GET": ("get", self._get),
                "PUT": ("update", self._update),
                "DELETE": ("delete", self._delete),
            },
            "/instances/{id}/control": {"POST": ("control", self._control)},
            "/instances/{id}/health": {"GET": ("health", self._health)},
            "/instances/{id}/health-score": {"GET": ("health_score", self._health_score)},
            "/servers": {"GET": ("servers", self._servers)},
        }
        return [Route(path, self._endpoint(table), methods=list(table)) for path, table in paths.items()]

    def _endpoint(self, table: dict[str, tuple[str, Work]]) -> Any:
        async def endpoint(request: Request) -> Response:
            operation, work = table["GET" if request.method == "HEAD" else request.method]
            return await self._answer(operation, work, request)

        return endpoint

    async def refuse(self, request: Request, status: int, headers: dict[str, str] | None = None) -> Response:
        """Answer a path or method that is no operation."""
        entry = self._world.log.begin(self._entry(None, request, b""))
        message = "method not allowed" if status == 405 else f"there is no {request.url.path}"
        entry["status"] = status
        self._world.log.end(entry)
        return self._stamped(error_response(self._world.settings.word("error_shape"), status, message, headers))

    def _stamped(self, response: Response) -> Response:
        """Add the headers that every answer has."""
        settings = self._world.settings
        response.headers["date"] = formatdate(time.time() + settings.number("clock_ahead"), usegmt=True)
        if settings.flag("rate_limit_headers"):
            response.headers.update({"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "999"})
        return response

    async def _answer(self, operation: str, work: Work, request: Request) -> Response:
        world = self._world
        try:
            raw = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        entry = world.log.begin(self._entry(operation, request, raw))
        shape = world.settings.word("error_shape")
        call = Call(operation, request, raw)
        if world.settings.word("step_by") == "requests":
            world.store.hasten_late()
        rule = world.faults.hit(operation, entry["id"])
        entry["fault"] = rule.kind if rule else None
        await world.pause(world.settings.number("latency") + (rule.delay("before") if rule else 0.0))
        response = rule.before(shape) if rule else None
        if response is None:
            response = await self._work_with(rule, work, call, shape)
        elif rule and rule.kind == "late":
            for _time in range(rule.times):
                world.store.later(rule.steps, lambda: self._work(work, call, shape))
        entry["status"] = response.status_code or None
        world.log.end(entry)
        return self._stamped(response)

    async def _work_with(self, rule: Rule | None, work: Work, call: Call, shape: str) -> Response:
        """Do the work, and what a rule does to it."""
        if rule is None:
            return self._work(work, call, shape)
        self._interfere(rule, "before", call)
        response = self._work(work, call, shape)
        self._interfere(rule, "after", call)
        if rule.kind == "other_record" and response.status_code < 300:
            response = self._other_record(call) or response
        await self._world.pause(rule.delay("after"))
        return rule.after_work(response, shape, self._world.pause)

    def _interfere(self, rule: Rule, moment: str, call: Call) -> None:
        instance = self._world.store.find(None, call.request.path_params.get("id", ""))
        if instance and rule.interferes(moment):
            env = {**instance.fields["envVars"], **rule.fields.get("envVars", {})}
            instance.change(**{**rule.fields, "envVars": env})
            self._world.store.noticed(instance)

    def _other_record(self, call: Call) -> Response | None:
        others = [i for i in self._world.store.alive(call.organization) if i.id != call.request.path_params.get("id")]
        return _json(self._world.wire.instance(others[0])) if others else None

    def _work(self, work: Work, call: Call, shape: str) -> Response:
        try:
            self._admit(call)
            response = work(call)
            if self._world.settings.word("step_by") == "requests" and call.operation not in WRITES:
                self._step_on(call)
            return response
        except ApiError as error:
            return error_response(shape, error.status, error.message + self._echo(call))
        except Exception:
            # A defect of the emulator: the client gets a 500 like from any server, and the reason must not be lost.
            traceback.print_exc(file=sys.stderr)
            return error_response(shape, 500, "the emulator itself failed; its standard error says why")

    def _step_on(self, call: Call) -> None:
        """Move what was read on by a step; what is moved was seen before."""
        store = self._world.store
        instance = store.find(call.organization, call.request.path_params.get("id", ""))
        store.hasten(1, store.all(call.organization) if call.operation == "list" else [instance] if instance else [])

    def _echo(self, call: Call) -> str:
        """Return what an error quotes of the values sent, by the switch."""
        try:
            sent = call.body().get("envVars", {}) if call.operation in ("create", "update") else {}
        except ApiError:
            sent = {}
        echo = self._world.wire.echo(sent)
        return f": {echo}" if echo else ""

    def _admit(self, call: Call) -> None:
        world = self._world
        world.store.advance()
        manages = world.auth.may_manage(call.request.headers.get("authorization"))
        slug = call.request.headers.get("x-org-slug")
        if slug is None and world.settings.flag("org_required"):
            raise ApiError(400, "X-Org-Slug header is required")
        if slug is not None and slug not in world.organizations:
            status = int(world.settings.word("unknown_org"))
            raise ApiError(status, f"organization {slug!r} not found" if status == 404 else f"no access to {slug!r}")
        call.organization = slug or world.organizations[0]
        if call.operation in WRITES and not manages:
            raise ApiError(403, "permission manage:instances is required")

    def _entry(self, operation: str | None, request: Request, raw: bytes) -> dict[str, Any]:
        try:
            body = json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            body = None
        body = body if isinstance(body, dict) else {}
        return {
            "method": request.method,
            "path": request.url.path,
            "operation": operation,
            "query": dict(request.query_params),
            "id": request.path_params.get("id"),
            "body_keys": sorted(body),
            "action": body.get("action"),
            "organization_header": "x-org-slug" in request.headers,
            "user_agent": request.headers.get("user-agent"),
            "client": request.client.port if request.client else None,
        }

    def _found(self, call: Call, changing: bool = False) -> Instance:
        instance = self._world.store.find(call.organization, call.request.path_params["id"])
        if instance is None or not self._world.wire.visible(instance, in_list=False):
            raise ApiError(404, f"instance {call.request.path_params['id']} not found")
        if call.operation == "get" and instance.unseen:
            instance.unseen -= 1
            raise ApiError(404, f"instance {instance.id} not found")
        if changing and instance.gone_at is not None:
            raise ApiError(404, f"instance {instance.id} is deleted")
        if changing and instance.status == "removing" and call.operation != "delete":
            raise ApiError(409, f"instance {instance.id} is being removed")
        if changing and instance.busy() and self._world.settings.flag("busy_conflict"):
            raise ApiError(409, f"another operation on instance {instance.id} is in progress")
        return instance

    def _step(self) -> float:
        return self._world.settings.number("step_time")

    def _list(self, call: Call) -> Response:
        query = call.request.query_params
        try:
            body = self._world.wire.list(call.organization, query.get("server_id"), query.get("cursor"))
        except ValueError:
            raise ApiError(400, "unknown cursor") from None
        return _json(body)

    def _servers(self, call: Call) -> Response:
        mode = self._world.settings.word("servers")
        if mode == "forbidden":
            raise ApiError(403, "permission to read servers is required")
        if mode == "missing":
            raise ApiError(404, f"there is no {call.request.url.path}")
        try:
            return _json(self._world.wire.servers(call.organization, call.request.query_params.get("cursor")))
        except ValueError:
            raise ApiError(400, "unknown cursor") from None

    def _create(self, call: Call) -> Response:
        instance = self._world.store.create(call.organization, call.body())
        return _json(self._world.wire.instance(instance), 202)

    def _get(self, call: Call) -> Response:
        return _json(self._world.wire.instance(self._found(call)))

    def _update(self, call: Call) -> Response:
        body = call.body()
        instance = self._found(call, changing=True)
        settings = self._world.settings
        emptied: dict[str, Any] = {"name": "", "addonsPath": None, "envVars": {}, "mcpWriteEnabled": False}
        given = {name: value for name, value in body.items() if name in emptied}
        changes = {**emptied, **given} if settings.word("put_missing") == "clear" else given
        if "name" in given:
            changes["name"] = self._world.store.stored_name(given["name"])
        if "envVars" in given and settings.word("put_env") == "merge":
            changes["envVars"] = {**instance.fields["envVars"], **given["envVars"]}
        now = self._world.store.begin(instance, accepted=False)
        instance.change(**changes)
        if settings.word("put_status") == "restarting":
            life.restart_briefly(instance, now, self._step())
        self._world.store.touched(instance)
        self._world.store.advance()
        return _json(self._world.wire.instance(instance))

    def _delete(self, call: Call) -> Response:
        instance = self._found(call, changing=True)
        life.remove(instance, self._world.store.begin(instance, accepted=False), self._step())
        self._world.store.touched(instance)
        return _json(encode({"message": "Instance removal queued"}), 202)

    def _control(self, call: Call) -> Response:
        action = call.body().get("action")
        if action not in ("start", "stop", "restart"):
            raise ApiError(422, f"action is start, stop or restart, not {action!r}")
        instance = self._found(call, changing=True)
        now = self._world.store.begin(instance)
        queued = life.control(instance, action, now, self._step(), self._world.settings.word("restart_visible"))
        self._world.store.touched(instance)
        return _json(encode({"message": f"Instance {action} queued" if queued else "Nothing to do"}), 202)

    def _health(self, call: Call) -> Response:
        return _json(self._world.wire.health(self._found(call)))

    def _health_score(self, call: Call) -> Response:
        instance = self._found(call)
        body = self._world.wire.health_score(instance)
        if body is None:
            raise ApiError(404, f"instance {instance.id} has no health score yet")
        return _json(body)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
