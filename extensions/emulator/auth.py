# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask: API keys, and JWTs that the emulator signs itself."""

from __future__ import annotations

import time
from collections.abc import Iterable

import jwt

from .errors import ApiError

MANAGE = "manage:instances"
DEFAULT_KEY = "ocore_k_emulator"
DEFAULT_VIEWER_KEY = "ocore_k_viewer"
DEFAULT_SECRET = "emulator-jwt-secret-that-is-no-secret"


class Auth:
    """Accepted credentials. Keys with full rights, keys that may only look, and the secret of the JWTs (HS256)."""

    def __init__(
        self,
        keys: Iterable[str] = (DEFAULT_KEY,),
        viewer_keys: Iterable[str] = (DEFAULT_VIEWER_KEY,),
        secret: str = DEFAULT_SECRET,
    ) -> None:
        self._keys = {**dict.fromkeys(viewer_keys, False), **dict.fromkeys(keys, True)}
        self._secret = secret

    @property
    def key(self) -> str:
        """An API key with full rights."""
        return next((key for key, manages in self._keys.items() if manages), "")

    def mint(self, expires_in: float = 3600, viewer: bool = False) -> str:
        """Return a JWT that is accepted for so many seconds from now (none or less: expired)."""
        now = time.time()
        claims = {"sub": "emulator", "iat": now, "exp": now + expires_in, "permissions": [] if viewer else [MANAGE]}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def may_manage(self, header: str | None) -> bool:
        """Return whether this Authorization header allows writes; ApiError 401 when it allows nothing."""
        scheme, _blank, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "missing bearer token")
        if token in self._keys:
            return self._keys[token]
        if token.startswith("ocore_"):
            raise ApiError(401, "invalid API key")
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"], options={"verify_iat": False})
        except jwt.ExpiredSignatureError:
            raise ApiError(401, "token expired") from None
        except jwt.InvalidTokenError:
            raise ApiError(401, "invalid token") from None
        return MANAGE in claims.get("permissions", ())
