# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: the API under /api, the admin surface under /_emulator."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Router

from .admin import Admin
from .api import Api
from .world import World


def build(world: World) -> Starlette:
    """Return the application over this world."""
    api = Api(world)

    async def refuse(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        if request.url.path.startswith("/_emulator"):
            return JSONResponse({"error": f"{status} for {request.method} {request.url.path}"}, status, headers)
        return await api.refuse(request, status, headers)

    return Starlette(
        routes=[
            # An address with a slash too many is another address, as in oCore's framework.
            Mount("/api", app=Router(api.routes(), redirect_slashes=False)),
            Mount("/_emulator", app=Router(Admin(world).routes(), redirect_slashes=False)),
        ],
        exception_handlers={HTTPException: refuse},
    )
