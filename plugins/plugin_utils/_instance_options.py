# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that an operator gives for single instances, by slug: their names and types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean


def _text_list(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise TypeError("a list of texts")
    return [str(item) for item in value]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def _boolean(value: object) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise TypeError("a boolean") from None


#: What can be set, and how a value is read. A reader raises TypeError with what the value must be.
READERS: dict[str, Callable[[object], Any]] = {
    "allow": _text_list,
    "basic_auth_file": _text,
    "extra_directives": _text,
    "maintenance": _boolean,
    "noindex": _boolean,
}


def parse_instance_options(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings with typed values, by slug.

    :raises AnsibleFilterError: for an unknown setting or a value of the wrong type. A misspelled name must not open a
        system that should be closed.
    """
    return {slug: _parse_settings(slug, settings) for slug, settings in options.items()}


def _parse_settings(slug: str, settings: object) -> dict[str, Any]:
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
            raise AnsibleFilterError(f"Setting '{name}' of instance '{slug}' must be {error}, not {value!r}.") from None
    return result
