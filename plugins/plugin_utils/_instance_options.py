# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that an operator gives for single instances, by slug: their names, types and values.

A setting with an unknown name or a value of the wrong type is an error for all: a misspelled name must not open a system that
should be closed. A value of the right type that cannot be used leaves out its instance only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

#: Browsers accept a name into their preload list with no shorter time.
PRELOAD_MAX_AGE = 31536000

_PATH = re.compile(r"/[^\s\"'\\{};$?#%<>]*")
_TARGET = re.compile(r"(https?:/)?/[^\s\"'\\{};$<>]+|/")
_HOST_PATH = re.compile(r"/[^\s\"'\\{};$]+")


def _text_list(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise TypeError("a list of texts")
    return [str(item) for item in value]


def _networks(value: object) -> list[str]:
    networks = _text_list(value)
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ValueError(f"'{network}' is not an address or a network such as 192.0.2.0/24") from None
    return networks


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return str(value)


def _matching(pattern: str, example: str) -> Callable[[object], str]:
    """Return a reader of texts of one form."""

    def read(value: object) -> str:
        text = _text(value)
        if not re.fullmatch(pattern, text):
            raise ValueError(f"'{text}' is not {example}")
        return text

    return read


def _file(value: object) -> str:
    text = _text(value)
    if not _HOST_PATH.fullmatch(text):
        raise ValueError(f"'{text}' is not the full path of a file")
    return text


def _count(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number")
    if value < 0:
        raise ValueError(f"{value} is less than 0")
    return int(value)


def _boolean(value: object) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise TypeError("a boolean") from None


def _dictionary(
    value: object, readers: Mapping[str, Callable[[object], Any]], required: tuple[str, ...]
) -> dict[str, Any]:
    """Return a dictionary of which every key is known, and its value read."""
    if not isinstance(value, Mapping) or set(value) - set(readers) or set(required) - set(value):
        needed = f" and at least {', '.join(required)}" if required else ""
        raise TypeError(f"a dictionary with no other keys than {', '.join(readers)}{needed}")
    result = {}
    for name, item in value.items():
        try:
            result[str(name)] = readers[name](item)
        except TypeError as error:
            raise TypeError(f"a dictionary whose {name} is {error}") from None
    return result


def _certificate(value: object) -> dict[str, Any]:
    return _dictionary(value, {"cert": _file, "key": _file}, ("cert", "key"))


def _hsts(value: object) -> dict[str, Any]:
    readers = {"max_age": _count, "include_subdomains": _boolean, "preload": _boolean}
    result = _dictionary(value, readers, ())
    if result.get("preload") and not (
        result.get("include_subdomains") and result.get("max_age", PRELOAD_MAX_AGE) >= PRELOAD_MAX_AGE
    ):
        raise ValueError(f"preload needs include_subdomains and a max_age of at least {PRELOAD_MAX_AGE}")
    return result


def _redirects(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, (list, tuple)):
        raise TypeError("a list of dictionaries with from and to")
    return [_redirect(item) for item in value]


def _redirect(value: object) -> dict[str, Any]:
    result = {"code": 301, **_dictionary(value, {"from": _text, "to": _text, "code": _count}, ("from", "to"))}
    if not _PATH.fullmatch(result["from"]):
        raise ValueError(f"from '{result['from']}' is not a path such as /old")
    if not _TARGET.fullmatch(result["to"]):
        raise ValueError(f"to '{result['to']}' is neither a path nor a URL")
    if result["code"] not in (301, 302, 303, 307, 308):
        raise ValueError(f"code {result['code']} is none of 301, 302, 303, 307, 308")
    return result


def read_users(value: object) -> list[dict[str, str]]:
    """Return users with name and password. No error holds a password."""
    if not isinstance(value, (list, tuple)):
        raise TypeError("a list of dictionaries with name and password")
    users = [_dictionary(item, {"name": _text, "password": _text}, ("name", "password")) for item in value]
    for user in users:
        if not re.fullmatch(r"[^\s:#\x00-\x1f\x7f][^:\x00-\x1f\x7f]*", user["name"]):
            raise ValueError("a name is empty, or holds a colon or a control character")
        if not user["password"] or re.search(r"[\x00-\x1f\x7f]", user["password"]):
            raise ValueError(f"the password of '{user['name']}' is empty or holds a control character")
    if len({user["name"] for user in users}) != len(users):
        raise ValueError("a name is there twice")
    return users


def _user_names(value: object) -> list[str]:
    """Return the names only: what a filter returns is shown."""
    return [user["name"] for user in read_users(value)]


def _burst(value: object) -> int:
    if _count(value) < 1:
        raise ValueError(f"{value} is less than 1")
    return _count(value)


_rate = _matching(r"[1-9][0-9]{0,5}r/[sm]", "a rate such as 10r/m or 20r/s")

#: What can be set, and how a value is read. A reader raises TypeError with what the value must be, or ValueError with what is
#: wrong with a value of the right type.
READERS: dict[str, Callable[[object], Any]] = {
    "access_log": _boolean,
    "allow": _networks,
    "basic_auth_file": _file,
    "basic_auth_users": _user_names,
    "certificate": _certificate,
    "client_max_body_size": _matching(r"[0-9]{1,9}[kKmMgG]?", "a size such as 128m"),
    "extra_directives": _text,
    "hsts": _hsts,
    "login_burst": _burst,
    "login_rate": _rate,
    "maintenance": _boolean,
    "maintenance_allow": _networks,
    "noindex": _boolean,
    "redirects": _redirects,
    "rpc_burst": _burst,
    "rpc_rate": _rate,
}


def parse_instance_options(options: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the settings with typed values, by slug, and slug → what is wrong with a value.

    :raises AnsibleFilterError: for an unknown setting or a value of the wrong type.
    """
    problems: dict[str, str] = {}
    return {slug: _parse_settings(slug, settings, problems) for slug, settings in options.items()}, problems


def _parse_settings(slug: str, settings: object, problems: dict[str, str]) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        raise AnsibleFilterError(f"The settings of instance '{slug}' must be a dictionary, not {settings!r}.")
    result = {}
    for name, value in settings.items():
        if name not in READERS:
            raise AnsibleFilterError(
                f"Instance '{slug}' has an unknown setting '{name}'. The known ones are {', '.join(sorted(READERS))}."
            )
        try:
            result[name] = READERS[name](value)
        except TypeError as error:
            shown = "" if name == "basic_auth_users" else f", not {value!r}"
            raise AnsibleFilterError(f"Setting '{name}' of instance '{slug}' must be {error}{shown}.") from None
        except ValueError as error:
            problems.setdefault(slug, f"its setting {name} cannot be used: {error}")
    if result.get("basic_auth_file") and result.get("basic_auth_users"):
        problems.setdefault(slug, "its settings basic_auth_file and basic_auth_users exclude each other")
    return result


def nginx_user_files(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the users of each instance that has some: ``{"name": slug, "users": [{"name", "password"}]}``.

    :raises AnsibleFilterError: for settings that are unknown or of the wrong type.
    """
    settings, problems = parse_instance_options(options)
    return [
        {"name": slug, "users": read_users(options[slug]["basic_auth_users"])}
        for slug, own in sorted(settings.items())
        if own.get("basic_auth_users") and slug not in problems
    ]
