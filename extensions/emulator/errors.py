# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the API and the shapes in which oCore may send them; the pages promise a status and a code, not a form."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    415: "unsupported_media_type",
    422: "validation_failed",
    429: "rate_limited",
}


class ApiError(Exception):
    """An answer other than success: HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error_response(shape: str, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return the error in one of the shapes of the switch error_shape."""
    code = CODES.get(status, "internal_error")
    if shape == "text":
        return PlainTextResponse(message, status, headers)
    if shape == "html":
        page = (
            f"<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>{escape(message)}</h1></body></html>"
        )
        return HTMLResponse(page, status, headers)
    if shape == "empty":
        return Response(b"", status, headers)
    bodies: dict[str, dict[str, object]] = {
        "message": {"message": message},
        "nested": {"error": {"code": code, "message": message}},
        "flat": {"error": message, "code": code},
    }
    return JSONResponse(bodies[shape], status, headers)
