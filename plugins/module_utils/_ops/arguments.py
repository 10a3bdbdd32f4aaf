# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument specs that several operations share."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import env_fallback
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
