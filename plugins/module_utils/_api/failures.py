# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a failure to a sentence: what was attempted, on what, what came back, and what to do."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.exchange import (
    Answer,
    Request,
    error_text,
    page_title,
    redirect_target,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber, displayable
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings

with contextlib.suppress(ImportError):  # nothing is sent without it: the check of the libraries says what to install
    import requests

TRANSIENT = frozenset({429, 500, 502, 503, 504})
TIMED_OUT = frozenset({408, 504, 524})
"""Answers of a gateway that stopped waiting: the work may go on behind it."""
NAMES_ONE = frozenset({400, 403, 404, 409, 410, 422, 500, 502, 503, 504})
"""Answers that may be about the one instance that was asked for."""

LOOKED_AT = 20_000
"""Characters of foreign text that are looked through for secrets; the rest is never shown."""
TEXT_MOST = 300
"""Characters of foreign text in a message."""

#: What to check, by status of the answer.
ADVICE = {
    400: "Check the values given.",
    401: "Check api_token (or OCORE_API_TOKEN): it is wrong, revoked or expired. A JWT lives about one hour; "
    "an API key lives until it is revoked.",
    403: "The token is valid but not allowed to do this: changes need the permission manage:instances in the "
    "organization given by the option organization.",
    405: "Check that api_url points at the API: what answers there does not know this kind of request.",
    409: "Another operation may be in progress on it: run the task again when that has ended.",
    422: "Check the values given.",
    429: "Run fewer tasks at once, or raise retries.",
}
CONFLICT_ON_CREATE = "The slug or the name may be taken."
FORBIDDEN_TO_READ = (
    "The token is valid but not allowed to read this: check its permissions and the option organization."
)
NO_SERVERS = {
    403: "The token is valid but not allowed to list servers: check its permissions and the option organization. An option "
    "that takes the id of a server needs no such permission.",
    404: "This oCore does not offer the list of servers, or api_url or organization is wrong. An option that takes the id "
    "of a server needs no list.",
}
"""Advice where servers cannot be listed."""
NOT_FOUND = "Check api_url and organization, and that the instance exists in it."
NOT_FOUND_AT_ALL = "Check api_url and organization."
EXPIRED = (
    "The token was accepted at the start of this task and is refused now: it expired or was revoked meanwhile. "
    "Use an API key, or a fresh JWT, and run the task again."
)
CONTRADICTION = (
    "Its status means success, but its text names an error. Look at the instance in oCore, then run the task again."
)
NO_ORGANIZATION = "No organization was given: set organization (or OCORE_ORGANIZATION) to its slug."


class Explainer:
    """Describes the failures of a task's requests.

    :param scrub: takes secrets out of what came back.
    """

    def __init__(self, settings: Settings, scrub: Scrubber) -> None:
        self._settings = settings
        self._scrub = scrub

    def too_late(self, request: Request, seconds: float, option: str) -> OcoreError:
        """Describe an answer that was not complete in time.

        :param option: the one that set this limit.
        """
        return OcoreError(
            f"Cannot {request.attempt}: {self._host()} did not answer within {seconds:.3g} seconds. Raise {option} if that "
            f"is too short.{self._about(request)}",
            transient=True,
            uncertain=True,
            late=True,
            # Past the end of the task, no request about another instance can succeed either.
            about_one=option == "request_timeout" and request.is_about_one,
        )

    def no_answer(self, request: Request, error: Exception) -> OcoreError:
        """Describe a request that got no (whole) answer, for another reason than time."""
        failure = next((entry for entry in FAILURES if entry.fits(error, self._settings)), UNEXPECTED)
        words = {
            "host": self._host(),
            "words": self._words(_innermost(error)).rstrip("."),
            "untrusted": next(
                (e.verify_message for e in _chain(error) if isinstance(e, ssl.SSLCertVerificationError)), ""
            ),
            "bundle": displayable(ca_bundle(self._settings)),
            "proxy": displayable(proxy_for(self._settings)),
        }
        return OcoreError(
            f"Cannot {request.attempt}: {failure.text.format_map(words)}{self._about(request)}",
            transient=failure.transient,
            uncertain=failure.uncertain,
            about_one=failure.reached and request.is_about_one,
        )

    def undecodable(self, request: Request, answer: Answer, problem: str, transient: bool) -> OcoreError:
        """Describe a success whose JSON cannot be read.

        :param problem: the end of "oCore's answer ...".
        """
        return OcoreError(
            f"Cannot {request.attempt}: oCore's answer (HTTP {answer.status}) {problem}.{self._about(request)}",
            transient=transient,
            uncertain=True,
            late=True,
            accepted=True,
            about_one=request.is_about_one,
        )

    def not_json(self, request: Request, answer: Answer) -> OcoreError:
        """Describe a success that is no answer of oCore."""
        page = self._words(page_title(answer.text) or answer.text)
        done = "" if request.method == "GET" else " Whether it was carried out is open: check that in oCore."
        return OcoreError(
            f"Cannot {request.attempt}: HTTP {answer.status} came with {page} instead of JSON, "
            "so the answer is not from oCore's API: a login page or a proxy, perhaps. Check api_url."
            f"{done}{self._about(request)}",
            uncertain=request.method != "GET",
            about_one=request.is_about_one,
        )

    def refused(self, request: Request, answer: Answer, accepted: bool) -> OcoreError:
        """Describe an answer that is not a success.

        :param accepted: whether the token was accepted before in this task.
        """
        status = answer.status
        if 300 <= status < 400:
            return OcoreError(
                f"Cannot {request.attempt}: oCore answered with a redirect (HTTP {status}){redirect_target(answer.headers)}. "
                "Redirects are not followed, so that the token reaches no other host. Set api_url to the final address."
                f"{self._about(request)}",
                status=status,
            )
        code, said = (self._words(text) for text in error_text(answer))
        text = f"Cannot {request.attempt}: oCore answered HTTP {status}"
        text += f" ({code})" if code else ""
        text += f": {said.rstrip('.')}." if said else "."
        advice = self._advice(request, status, accepted)
        text += f" {advice}" if advice else ""
        if status in (400, 403, 404, 422) and not self._settings.organization and not accepted:
            text += f" {NO_ORGANIZATION}"
        return OcoreError(
            text + self._about(request),
            status=status,
            code=code or None,
            transient=status in TRANSIENT,
            uncertain=status >= 500 or status in TIMED_OUT,
            late=status in TIMED_OUT,
            about_one=status in NAMES_ONE and request.is_about_one,
        )

    def _advice(self, request: Request, status: int, accepted: bool) -> str | None:
        if status == 401 and accepted:
            return EXPIRED
        if status < 300:
            return CONTRADICTION
        if request.path == "/servers" and status in NO_SERVERS:
            return NO_SERVERS[status]
        if status == 404:
            return NOT_FOUND if request.is_about_one else NOT_FOUND_AT_ALL
        if status == 403 and request.method == "GET":
            return FORBIDDEN_TO_READ
        if status == 409 and request.path == "/instances":
            return CONFLICT_ON_CREATE
        return ADVICE.get(status)

    def _about(self, request: Request) -> str:
        """Return the sentence that names what was called."""
        return f" The request was {request.method} {displayable(self._settings.api_url + request.path)}."

    def _words(self, text: str) -> str:
        """Return foreign words for a message: without secrets, on one line, not too long.

        Secrets go first, since one that is cut off, or whose line breaks are gone, would not be recognized any more.
        """
        line = displayable(self._scrub(text[:LOOKED_AT]))
        return line if len(line) <= TEXT_MOST else line[: TEXT_MOST - 1] + "…"

    def _host(self) -> str:
        return urlsplit(self._settings.api_url).netloc


@dataclass(frozen=True)
class Failure:
    """How to describe one way in which a request gets no answer.

    :param fits: called with the exception and the settings.
    :param text: the end of "Cannot do this: ...".
    :param reached: whether oCore was reached, so that requests about other instances may succeed.
    """

    fits: Callable[[Exception, Settings], bool]
    text: str
    transient: bool = False
    uncertain: bool = False
    reached: bool = False


def proxy_for(settings: Settings) -> str:
    """Return the proxy that the environment names for the API, without credentials; empty when there is none."""
    if not settings.use_proxy:
        return ""
    found = requests.utils.get_environ_proxies(settings.api_url)
    proxy = str(requests.utils.select_proxy(settings.api_url, found) or "")
    scheme, mark, address = proxy.rpartition("://")
    return f"{scheme}{mark}{address.rpartition('@')[2]}"


def _is_untrusted(error: Exception, _settings: Settings) -> bool:
    return _caused_by(error, "SSLCertVerificationError")


def _is_missing_bundle(error: Exception, _settings: Settings) -> bool:
    return "invalid path" in str(error) or _caused_by(error, "FileNotFoundError")


def ca_bundle(settings: Settings) -> str:
    """Return the CA bundle that is used; empty when it is that of requests."""
    if settings.verify is None:
        return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""
    return settings.verify if isinstance(settings.verify, str) else ""


def _is_no_bundle(error: Exception, settings: Settings) -> bool:
    """Return whether the CA bundle holds no certificate: OpenSSL's own words do not name the file."""
    bundle = ca_bundle(settings)
    if not bundle or os.path.isdir(bundle) or not _caused_by(error, "SSLError"):
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except (OSError, ValueError):
        return True
    return False


def _is_socks_support(error: Exception, _settings: Settings) -> bool:
    return "SOCKS" in str(error)


def _is_proxy_address(error: Exception, settings: Settings) -> bool:
    kinds = ("InvalidProxyURL", "ProxySchemeUnknown", "LocationParseError")
    return bool(proxy_for(settings)) and any(_caused_by(error, kind) for kind in kinds)


def _is_proxy(error: Exception, _settings: Settings) -> bool:
    return _caused_by(error, "ProxyError")


def _is_no_connection(error: Exception, _settings: Settings) -> bool:
    return isinstance(error, requests.exceptions.ConnectTimeout) or _caused_by(error, "NewConnectionError")


def _is_tls(error: Exception, _settings: Settings) -> bool:
    return isinstance(error, requests.exceptions.SSLError) and not _caused_by(error, "SSLEOFError")


def _is_dropped(error: Exception, _settings: Settings) -> bool:
    return isinstance(error, (requests.exceptions.ConnectionError, ConnectionError)) or _caused_by(
        error, "ProtocolError"
    )


def _is_undecodable(error: Exception, _settings: Settings) -> bool:
    return _caused_by(error, "DecodeError")


#: The first one that fits describes the failure.
FAILURES = (
    Failure(
        _is_untrusted,
        "the certificate of {host} is not trusted ({untrusted}). If a CA of your own issued it, name its bundle in ca_path.",
    ),
    Failure(
        _is_missing_bundle,
        "the CA bundle cannot be read ({words}). Check ca_path, or REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE of the environment.",
    ),
    Failure(
        _is_no_bundle,
        "the CA bundle {bundle} holds no certificate in PEM format. Check ca_path, or REQUESTS_CA_BUNDLE and "
        "CURL_CA_BUNDLE of the environment.",
    ),
    Failure(
        _is_socks_support,
        "the environment names the proxy {proxy}, and this Python lacks support for SOCKS. Install the library PySocks, or "
        "check HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
    ),
    Failure(
        _is_proxy_address,
        # urllib3's own words may quote the address with its password.
        "the environment names the proxy {proxy}, which is no usable address. Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY.",
    ),
    Failure(
        _is_proxy,
        "the proxy {proxy} on the way to {host} gave no connection ({words}). Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY of "
        "the environment.",
        transient=True,
    ),
    Failure(_is_no_connection, "no connection to {host} ({words}). Check api_url and the network.", transient=True),
    Failure(_is_tls, "no TLS connection to {host} ({words}). Check api_url and ca_path.", uncertain=True),
    Failure(
        _is_dropped,
        "the connection to {host} was closed before the answer was complete.",
        transient=True,
        uncertain=True,
        reached=True,
    ),
    Failure(_is_undecodable, "the answer of {host} cannot be unpacked.", transient=True, uncertain=True, reached=True),
)
UNEXPECTED = Failure(lambda _error, _settings: True, "{words}. Check api_url.", uncertain=True)


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception and what it wraps, in any of the ways requests and urllib3 wrap."""
    found: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        item = todo.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            todo.extend([item.__cause__, item.__context__, getattr(item, "reason", None), *item.args])
    return found


def _caused_by(error: BaseException, kind: str) -> bool:
    """Return whether an exception, or one that it wraps, is of a class of this name."""
    return any(kind in (base.__name__ for base in type(item).__mro__) for item in _chain(error))


def _innermost(error: BaseException) -> str:
    """Return the operating system's words for a failed connection, or else the exception's own."""
    for item in _chain(error):
        if isinstance(item, OSError) and item.strerror and not isinstance(item, requests.RequestException):
            return str(item.strerror)
    return str(error) or type(error).__name__


def is_timeout(error: Exception) -> bool:
    """Return whether time ran out; requests calls that a ConnectionError when it happens within the body."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return False
    return isinstance(error, requests.exceptions.Timeout) or _caused_by(error, "ReadTimeoutError")
