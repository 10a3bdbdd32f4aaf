# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument specs that several operations share, and what identifiers must look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import DEFAULT_API_URL

Spec = dict[str, dict[str, Any]]


def _env(name: str) -> tuple[Any, list[str]]:
    return (env_fallback, [name])


#: The options of the doc fragment ocore.cloud.auth.
AUTH_SPEC: Spec = {
    "api_url": {"type": "str", "default": DEFAULT_API_URL, "fallback": _env("OCORE_API_URL")},
    "api_token": {"type": "str", "required": True, "no_log": True, "fallback": _env("OCORE_API_TOKEN")},
    "organization": {"type": "str", "fallback": _env("OCORE_ORGANIZATION")},
    "validate_certs": {"type": "bool", "default": True, "fallback": _env("OCORE_VALIDATE_CERTS")},
    "ca_path": {"type": "path", "fallback": _env("OCORE_CA_PATH")},
    "request_timeout": {"type": "float", "default": 30.0, "fallback": _env("OCORE_REQUEST_TIMEOUT")},
    "retries": {"type": "int", "default": 5, "fallback": _env("OCORE_RETRIES")},
    "allow_http": {"type": "bool", "default": False, "fallback": _env("OCORE_ALLOW_HTTP")},
}

#: The options of the doc fragment ocore.cloud.wait.
WAIT_SPEC: Spec = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 600},
    "wait_interval": {"type": "float", "default": 2.0},
}

#: The options of the doc fragment ocore.cloud.identity.
IDENTITY_SPEC: Spec = {"id": {"type": "str"}, "slug": {"type": "str"}, "name": {"type": "str"}}

#: What declares one instance; shared by ocore_instance and the items of ocore_fleet.
DECLARATION_SPEC: Spec = {
    **IDENTITY_SPEC,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "power": {"type": "str", "choices": ["started", "stopped"]},
    "server": {"type": "str"},
    "server_id": {"type": "str"},
    "odoo_version": {"type": "str"},
    "odoo_edition": {"type": "str"},
    "template_id": {"type": "str"},
    "project_id": {"type": "str"},
    "environment_type": {"type": "str"},
    "branch": {"type": "str"},
    "addons_path": {"type": "str"},
    "env_vars": {"type": "dict"},
    "purge_env_vars": {"type": "bool", "default": False},
    "remove_env_vars": {"type": "list", "elements": "str"},
    "mcp_write_enabled": {"type": "bool"},
    "restart_on_change": {"type": "bool", "default": False},
}

#: Two ways to say the same; goes with DECLARATION_SPEC.
DECLARATION_EXCLUDES = [("server", "server_id")]

#: Options that name an object of oCore. An empty one never means "all" or "any".
IDENTIFIERS = ("id", "slug", "name", "server", "server_id", "template_id", "project_id")


def clean_identifiers(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with the identifiers among them stripped of blanks around them.

    :raises OcoreError: when one is given but empty.
    """
    cleaned = {name: options[name].strip() for name in IDENTIFIERS if isinstance(options.get(name), str)}
    empty = [name for name, value in cleaned.items() if not value]
    if empty:
        raise OcoreError(
            f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} given but empty, which names nothing. Nothing was "
            f"sent. Give {'it' if len(empty) == 1 else 'each'} a value, or leave it out (for example with "
            "| default(omit, true))."
        )
    return {**options, **cleaned}
