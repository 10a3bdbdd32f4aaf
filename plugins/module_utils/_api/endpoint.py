# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands between a client and oCore before HTTP begins: name, address, TLS, certificate."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ocore.cloud.plugins.module_utils._api.failures import ca_bundle, proxy_for
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._api.threads import leave_signals_to_main

with contextlib.suppress(
    ImportError
):  # nothing is looked at without it: the check of the libraries says what to install
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

SECONDS_MOST = 5.0
"""Seconds for each of name, connection and TLS: these are looks aside, and must not use up the time of the others."""


@dataclass
class Endpoint:
    """What was seen of the API's address.

    :param secure: whether it is an https address.
    :param proxy: whether a proxy stands in between, so that the name may be resolved there only.
    :param families: how many addresses the name has, by family (IPv4, IPv6).
    :param problem: why there is no address, no connection or no trust: one of the system's or OpenSSL's sentences.
    :param stage: where the problem came up: name, connection, tls or certificate.
    """

    secure: bool
    proxy: bool
    families: dict[str, int] = field(default_factory=dict)
    stage: str = ""
    problem: str = ""
    tls: str = ""
    issuer: str = ""
    ends: datetime | None = None


def look_at_endpoint(settings: Settings) -> Endpoint:
    """Resolve the API's name, and look at its certificate the way requests does: with the same CA certificates."""
    parts = urlsplit(settings.api_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    seen = Endpoint(parts.scheme == "https", bool(proxy_for(settings)))
    if seen.proxy:
        return seen
    try:
        found = _within(SECONDS_MOST, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        seen.stage, seen.problem = "name", _words(error)
        return seen
    for family, name in ((socket.AF_INET, "IPv4"), (socket.AF_INET6, "IPv6")):
        if count := len({entry[4] for entry in found if entry[0] == family}):
            seen.families[name] = count
    if seen.secure:
        _look_at_tls(seen, settings, host, port)
    return seen


def _look_at_tls(seen: Endpoint, settings: Settings, host: str, port: int) -> None:
    try:
        connection = socket.create_connection((host, port), SECONDS_MOST)
    except OSError as error:
        seen.stage, seen.problem = "connection", _words(error)
        return
    with connection:
        try:
            with _context(settings).wrap_socket(connection, server_hostname=host) as secured:
                seen.tls = secured.version() or ""
                _take_certificate(seen, secured.getpeercert() or {})
        except ssl.SSLCertVerificationError as error:
            seen.stage, seen.problem = "certificate", error.verify_message
        except (OSError, ValueError) as error:
            seen.stage, seen.problem = "tls", _words(error)


def _context(settings: Settings) -> ssl.SSLContext:
    """Return the trust that requests has: its own bundle, or the one that ca_path or the environment names."""
    bundle = ca_bundle(settings) or DEFAULT_CA_BUNDLE_PATH
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(**{"capath" if os.path.isdir(bundle) else "cafile": bundle})
    return context


def _take_certificate(seen: Endpoint, certificate: dict[str, Any]) -> None:
    issuer = {name: value for part in certificate.get("issuer", ()) for name, value in part}
    seen.issuer = issuer.get("organizationName") or issuer.get("commonName") or ""
    if ends := certificate.get("notAfter"):
        seen.ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns; a resolver knows no limit in time.

    :raises TimeoutError: when it takes longer; its thread is left behind.
    """
    outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        leave_signals_to_main()
        try:
            outcomes.put((work(), None))
        except Exception as error:
            outcomes.put((None, error))

    threading.Thread(target=run, name="ocore-look", daemon=True).start()
    try:
        result, error = outcomes.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None
    if error is not None:
        raise error
    return result
