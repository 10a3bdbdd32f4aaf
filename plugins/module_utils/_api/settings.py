# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach oCore and as whom: the auth options, checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError

DEFAULT_API_URL = "https://api.ocore.dev/api"
TIMEOUT_MOST = 86400
"""Seconds; sockets refuse what does not fit into their clock."""


@dataclass(frozen=True)
class Settings:
    """How to reach oCore and as whom; built from the auth options.

    :param api_url: normalized, without a trailing slash.
    :param verify: value for requests: true, false, or the path of a CA bundle.
    :param timeout: seconds for connecting and for each read.
    :param retries: how often a request may be repeated.
    :param use_proxy: false for a loopback address, where a proxy would only see the token.
    """

    api_url: str
    token: str
    organization: str | None
    verify: bool | str | None
    timeout: float
    retries: int
    use_proxy: bool

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Settings:
        """Check the auth options and take them over.

        :param options: the options of the doc fragment ``ocore.cloud.auth`` by name.
        :raises OcoreError: when one of them can't be used; the token is never part of the text.
        """
        parts = _split_url(options["api_url"] or DEFAULT_API_URL)
        loopback = _is_loopback(parts.hostname or "")
        if parts.scheme == "http" and not loopback and not options["allow_http"]:
            raise OcoreError(
                f"api_url is {parts.scheme}://{parts.netloc}: the token would be sent unencrypted. "
                "Use https, or set allow_http if that network is safe."
            )
        path = parts.path.rstrip("/") or "/api"
        if not 0 < options["request_timeout"] <= TIMEOUT_MOST:
            raise OcoreError(f"request_timeout must be more than 0 and at most {TIMEOUT_MOST} seconds.")
        if options["retries"] < 0:
            raise OcoreError("retries must be 0 or more.")
        verify: bool | str | None = bool(options["validate_certs"])
        if verify and options["ca_path"]:
            verify = str(options["ca_path"])
        elif verify:
            verify = None  # lets requests honour REQUESTS_CA_BUNDLE
        return cls(
            api_url=urlunsplit((parts.scheme, parts.netloc, path, "", "")),
            token=_header_value("api_token", options["api_token"]),
            organization=_header_value("organization", options["organization"]) if options["organization"] else None,
            verify=verify,
            timeout=float(options["request_timeout"]),
            retries=int(options["retries"]),
            use_proxy=not loopback,
        )


def _split_url(url: str) -> Any:
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise OcoreError(f"api_url is not a usable http or https URL. It must look like {DEFAULT_API_URL}.")
    if "@" in parts.netloc:
        raise OcoreError("api_url must not hold credentials; give them as api_token.")
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _header_value(option: str, text: str | None) -> str:
    """Give ``text`` ready for a header; a file or lookup often adds a line break at its end."""
    value = (text or "").strip()
    if value.lower().startswith("bearer "):
        value = value[7:].strip()
    if not value:
        raise OcoreError(f"{option} is empty. Set it, or the environment variable OCORE_{option.upper()}.")
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise OcoreError(
            f"{option} holds blanks or characters that can't be sent in a header. Check where it is read from."
        )
    return value
