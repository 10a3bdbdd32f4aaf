# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin surface under /_emulator: for tests, on loopback only, without credentials."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .seed import seed
from .world import World

Endpoint = Callable[[Request], Awaitable[Response]]


class Admin:
    """Reads and changes the world behind the API. Errors are {"error": text} with status 400, 403 or 404."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Endpoint]] = [
            ("/health", "GET", self._health),
            ("/log", "GET", self._log),
            ("/log", "DELETE", self._clear_log),
            ("/faults", "GET", self._faults),
            ("/faults", "POST", self._add_faults),
            ("/faults", "DELETE", self._clear_faults),
            ("/settings", "GET", self._settings),
            ("/settings", "PATCH", self._change_settings),
            ("/reset", "POST", self._reset),
            ("/advance", "POST", self._advance),
            ("/servers", "GET", self._servers),
            ("/servers/{id}", "PATCH", self._change_server),
            ("/servers/{id}", "DELETE", self._remove_server),
            ("/instances", "GET", self._instances),
            ("/instances/{id}", "PATCH", self._force),
            ("/seed", "POST", self._seed),
            ("/token", "POST", self._token),
        ]
        return [Route(path, _guarded(endpoint), methods=[method]) for path, method, endpoint in table]

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "instances": len(self._world.store.alive())})

    async def _log(self, request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        return JSONResponse(self._world.log.entries(since, request.query_params.get("operation")))

    async def _clear_log(self, request: Request) -> Response:
        self._world.log.clear()
        return Response(status_code=204)

    async def _faults(self, request: Request) -> Response:
        return JSONResponse(self._world.faults.listed())

    async def _add_faults(self, request: Request) -> Response:
        given = await _body(request, dict | list)
        rules = [self._world.faults.add(fault) for fault in (given if isinstance(given, list) else [given])]
        return JSONResponse([{"id": rule.id} for rule in rules], 201)

    async def _clear_faults(self, request: Request) -> Response:
        self._world.faults.clear()
        return Response(status_code=204)

    async def _settings(self, request: Request) -> Response:
        return JSONResponse(dict(self._world.settings))

    async def _change_settings(self, request: Request) -> Response:
        # What is due by now happened by the old settings.
        self._world.store.advance()
        self._world.settings.change(await _body(request, dict))
        return JSONResponse(dict(self._world.settings))

    async def _reset(self, request: Request) -> Response:
        self._world.reset()
        return Response(status_code=204)

    async def _advance(self, request: Request) -> Response:
        """Move everything in progress on by some steps (1)."""
        given = await _body(request, dict) if await request.body() else {}
        steps = given.get("steps", 1)
        if isinstance(steps, bool) or not isinstance(steps, int | float) or not 0 <= steps <= 1_000_000:
            raise ValueError("steps is a number from 0 to 1000000")
        self._world.store.hasten(steps)
        self._world.store.hasten_late(steps)
        return Response(status_code=204)

    async def _servers(self, request: Request) -> Response:
        return JSONResponse(self._world.store.servers)

    async def _change_server(self, request: Request) -> Response:
        """Set wire fields of a server for good; those that no page mentions too."""
        for servers in self._world.store.servers.values():
            for server in servers:
                if server["id"] == request.path_params["id"]:
                    server.update(await _body(request, dict))
                    return Response(status_code=204)
        return JSONResponse({"error": f"there is no server {request.path_params['id']}"}, 404)

    async def _remove_server(self, request: Request) -> Response:
        """Forget a server; its instances stay."""
        for servers in self._world.store.servers.values():
            servers[:] = [server for server in servers if server["id"] != request.path_params["id"]]
        return Response(status_code=204)

    async def _instances(self, request: Request) -> Response:
        """The truth, with real environment values and what was given on creation; gone ones have `gone: true`."""
        self._world.store.advance()
        truth = [
            {
                **i.fields,
                **i.hidden,
                "organization": i.organization,
                "gone": i.gone_at is not None,
                "busy": i.busy(),
                "forced": i.forced,
            }
            for i in self._world.store.all(request.query_params.get("organization"))
        ]
        return JSONResponse(truth)

    async def _force(self, request: Request) -> Response:
        self._world.store.advance()
        instance = self._world.store.find(None, request.path_params["id"])
        if instance is None:
            return JSONResponse({"error": f"there is no instance {request.path_params['id']}"}, 404)
        instance.forced.update(await _body(request, dict))
        self._world.store.noticed(instance)
        return Response(status_code=204)

    async def _seed(self, request: Request) -> Response:
        given = await _body(request, dict)
        count, organization = given.get("count"), given.get("organization", self._world.organizations[0])
        if not isinstance(count, int) or not 0 < count <= 100_000:
            raise ValueError("count is a number from 1 to 100000")
        if organization not in self._world.organizations:
            raise ValueError(f"there is no organization {organization!r}")
        made = seed(self._world.store, organization, count, given.get("fields"))
        return JSONResponse([instance.id for instance in made], 201)

    async def _token(self, request: Request) -> Response:
        given = await _body(request, dict) if await request.body() else {}
        token = self._world.auth.mint(float(given.get("expires_in", 3600)), bool(given.get("viewer", False)))
        return JSONResponse({"token": token}, 201)


async def _body(request: Request, kind: Any) -> Any:
    body = json.loads(await request.body())
    if not isinstance(body, kind):
        raise ValueError("the body has the wrong type")
    return body


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if not request.client or not ipaddress.ip_address(request.client.host).is_loopback:
            return JSONResponse({"error": "only from this machine"}, 403)
        try:
            return await endpoint(request)
        except (TypeError, ValueError) as wrong:
            return JSONResponse({"error": str(wrong)}, 400)

    return guarded
