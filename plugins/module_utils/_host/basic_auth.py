# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with users and hashed passwords for nginx's basic authentication."""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError

_SALT = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_USER = re.compile(r"^\s*user\s+([^;\s]+)(?:\s+([^;\s]+))?\s*;", re.MULTILINE)


class Crypt:
    """The function by which nginx itself compares a password with its hash: crypt(3), in the library that nginx loads."""

    def __init__(self) -> None:
        for name in ("libcrypt.so.1", "libcrypt.so.2"):
            try:
                self._crypt = ctypes.CDLL(name).crypt
            except (OSError, AttributeError):
                continue
            self._crypt.argtypes, self._crypt.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_char_p
            return
        raise HostError("This host has no libcrypt, so that passwords cannot be hashed. Install nginx first.")

    def _run(self, password: str, setting: str) -> str:
        result = self._crypt(password.encode(), setting.encode())
        return result.decode() if isinstance(result, bytes) else ""

    def hash(self, password: str) -> str:
        """Return a SHA-512 hash of the password with a new salt."""
        result = self._run(password, "$6$" + "".join(secrets.choice(_SALT) for _character in range(16)))
        if not result.startswith("$6$"):
            raise HostError(
                "The libcrypt of this host does not know SHA-512 hashes, so that passwords cannot be hashed."
            )
        return result

    def matches(self, password: str, hashed: str) -> bool:
        """Return whether this is a SHA-512 hash of the password."""
        return hashed.startswith("$6$") and self._run(password, hashed) == hashed


def parse_users(text: str) -> dict[str, str]:
    """Return name → hash of the lines of a file."""
    lines = [line.partition(":") for line in text.splitlines() if ":" in line and not line.startswith("#")]
    return {name: hashed for name, _colon, hashed in lines}


def users_text(users: Sequence[Mapping[str, str]], old: str, crypt: Crypt, mark: str) -> str:
    """Return the text of a file. A hash in the old text that fits the password stays, so that nothing changes by itself."""
    found = parse_users(old)
    lines = []
    for user in sorted(users, key=lambda user: user["name"]):
        hashed = found.get(user["name"], "")
        fits = crypt.matches(user["password"], hashed)
        lines.append(f"{user['name']}:{hashed if fits else crypt.hash(user['password'])}\n")
    return f"# {mark}\n" + "".join(lines)


def worker_group(main_text: str, arguments: Mapping[str, Any]) -> int | None:
    """Return the id of the group that nginx's workers have; ``None`` when the host does not know it."""
    match = _USER.search(main_text)
    user = match.group(1) if match else arguments.get("user", "nobody")
    group = (match.group(2) if match else None) or (None if match else arguments.get("group"))
    try:
        return grp.getgrnam(group).gr_gid if group else pwd.getpwnam(user).pw_gid
    except KeyError:
        return None


def write_private(path: str, text: str, group: int | None) -> None:
    """Put a file in place that only root and a group can read."""
    new = f"{path}.new"
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    set_rights(new, 0o640, group)
    os.replace(new, path)


def set_rights(path: str, mode: int, group: int | None) -> bool:
    """Give a file or directory its mode and group. Return whether it had others."""
    found = os.stat(path)
    wanted = found.st_gid if group is None else group
    if found.st_gid == wanted and found.st_mode & 0o7777 == mode:
        return False
    os.chown(path, -1, wanted)
    os.chmod(path, mode)
    return True
