# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP with oCore: credentials, limits in time, retries, errors. Nothing above this floor knows HTTP.

Which request is repeated, and when (the API documents neither an idempotency key nor rate limits):

* GET, PUT and DELETE on connection errors, 429, 500, 502, 503, 504 and cut-off answers: they can be repeated safely. A
  repeated one that is refused because an operation is in progress (409) may have met its own first try: that error is
  marked ``uncertain`` as well.
* POST only when the request surely did not run: refused connection, 429. Everything else raises an error that is marked
  ``uncertain``, and the operation looks at what happened.
"""

from __future__ import annotations

import email.utils
import json
import math
import os
import queue
import random
import re
import ssl
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union
from urllib.parse import urlsplit

from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber, displayable
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings

REQUESTS_IMPORT_ERROR: str | None = None
try:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import InsecureRequestWarning
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()

VERSION = "0.1.0"
TRANSIENT = frozenset({429, 500, 502, 503, 504})
TIMED_OUT = frozenset({408, 504, 524})
"""Answers of a gateway that stopped waiting: the work may go on behind it."""
NAMES_ONE = frozenset({400, 403, 404, 409, 410, 422, 500})
"""Answers that may be about the one instance that was asked for."""

BACKOFF_FIRST = 0.5
"""Seconds before the first retry; doubles each time."""
BACKOFF_MOST = 20.0
RETRY_AFTER_MOST = 120.0
"""Seconds. A server that asks for a longer pause is reported instead of obeyed."""
SHORTEST_TRY = 1.0
"""Seconds that a request gets at least, however close the deadline is."""
SOCKET_SHARE = 0.98
"""Part of a try's time after which the socket itself times out: its error knows what it waited for."""
READ_AT_ONCE = 16384
LOOK_EVERY = 0.2
"""Seconds between two looks, while an answer takes long, at whether the task has been stopped."""
DIGITS_MOST = 300
"""Digits of an integer; Python refuses to convert thousands, and no float holds more than this."""
NO_NUMBER: tuple[()] = ()
"""Stands for NaN, an infinity, or a number that is too long: no type of a field accepts it, and it is no list either."""
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
    409: "Another operation may be in progress on it: run the task again when that has ended.",
    422: "Check the values given.",
    429: "Run fewer tasks at once, or raise retries.",
}
CONFLICT_ON_CREATE = "The slug or the name may be taken."
FORBIDDEN_TO_READ = (
    "The token is valid but not allowed to read this: check its permissions and the option organization."
)
NOT_FOUND = "Check api_url and organization, and that the instance exists in it."
NOT_FOUND_AT_ALL = "Check api_url and organization."
EXPIRED = (
    "The token was accepted at the start of this task and is refused now: it expired or was revoked meanwhile. "
    "Use an API key, or a fresh JWT, and run the task again."
)
NO_ORGANIZATION = "No organization was given: set organization (or OCORE_ORGANIZATION) to its slug."
MAYBE_DONE = "oCore may have carried it out all the same; running the task again is safe and shows it."


@dataclass(frozen=True)
class Request:
    """One request.

    :param attempt: what it is for, for error texts: "update instance shop (id)".
    :param body: JSON value to send; ``None`` for none.
    :param wants_object: whether the answer matters; else a 2xx status is enough, as long as it comes from oCore.
    """

    method: str
    path: str
    attempt: str
    query: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    wants_object: bool = True

    @property
    def is_about_one(self) -> bool:
        """Return whether it is about one instance, so that its failure says nothing about others."""
        return self.path.count("/") > 1


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    text: str


class Http:
    """Sends requests. May be used by several threads: each gets its own connection.

    :param caller: name of the module or plugin, for the User-Agent.
    """

    def __init__(self, settings: Settings, caller: str, scrub: Scrubber, deadline: Deadline) -> None:
        self._settings = settings
        self._user_agent = f"ocore.cloud/{VERSION} ({caller})"
        self._scrub = scrub
        self._deadline = deadline
        self._local = threading.local()
        self._lines: list[_Line] = []
        self._lock = threading.Lock()
        self._pause_until = 0.0
        self._accepted = False

    def close(self) -> None:
        """Close the connections of all threads; one that hangs in a request is left to end by itself."""
        for line in self._lines:
            line.close()

    def send(self, request: Request) -> Any:
        """Send a request, repeat it where that is safe, and return the decoded answer; ``None`` for an empty one.

        :raises OcoreError: when it fails; see the module's text for ``uncertain``.
        :raises Stopped: when the task has ended.
        """
        began = self._deadline.elapsed()
        tries, uncertain = 0, False
        while True:
            self._wait_for_pause(request, began)
            try:
                return self._try(request, self._time_for_try(request, began))
            except _FailedTry as failed:
                error, pause = failed.error, failed.pause
            if uncertain and error.status == 409:
                error.uncertain = True
                error.message += " It may be an earlier try of this request, which got no usable answer."
            uncertain = uncertain or error.uncertain
            seconds = self._seconds_before_retry(request, error, tries, pause)
            if seconds is None or seconds >= self._time_left(began):
                if seconds is not None:
                    error.message += f" The next try would come after {self._limit_in_words()}."
                raise self._final(request, error, tries, uncertain)
            if error.status == 429:
                self._pause(seconds)
            else:
                self._deadline.pause(seconds)
            tries += 1

    def _seconds_before_retry(
        self, request: Request, error: OcoreError, tries: int, pause: float | None
    ) -> float | None:
        """Return how long to pause before the next try; ``None`` when there must be none."""
        if not error.transient or (request.method == "POST" and error.uncertain) or tries >= self._settings.retries:
            return None
        if pause is not None and pause > RETRY_AFTER_MOST:
            error.message += f" oCore asks to wait {pause:.0f} seconds before the next request."
            return None
        backoff = min(BACKOFF_MOST, BACKOFF_FIRST * 2**tries) * random.uniform(0.5, 1.0)  # noqa: S311
        return backoff if pause is None else pause

    def _final(self, request: Request, error: OcoreError, tries: int, uncertain: bool) -> OcoreError:
        """Complete the error that ends a request."""
        if tries:
            error.message += f" Tried {tries + 1} times."
        if uncertain and request.method in ("PUT", "DELETE"):
            error.uncertain = True
            error.message += f" {MAYBE_DONE}"
        return error

    # Time

    def _time_left(self, began: float) -> float:
        """Return the seconds that this request may still take, all its tries and pauses included."""
        if self._deadline.limits_requests:
            return self._deadline.left()
        whole = self._settings.timeout * (self._settings.retries + 1)
        return max(0.0, whole - (self._deadline.elapsed() - began))

    def _limit_in_words(self) -> str:
        if self._deadline.limits_requests:
            return f"the end of wait_timeout ({self._deadline.seconds:g} seconds)"
        return "the time that request_timeout and retries allow"

    def _time_for_try(self, request: Request, began: float) -> float:
        self._deadline.check()
        left = self._time_left(began)
        if left <= 0:
            raise OcoreError(
                f"Cannot {request.attempt}: this is past {self._limit_in_words()}, so nothing was sent.", transient=True
            )
        return min(self._settings.timeout, max(left, SHORTEST_TRY))

    def _pause(self, seconds: float) -> None:
        """Hold all threads back, so that a rate limit slows every one of them."""
        with self._lock:
            self._pause_until = max(self._pause_until, self._deadline.elapsed() + seconds)

    def _wait_for_pause(self, request: Request, began: float) -> None:
        pause = self._pause_until - self._deadline.elapsed()
        if pause <= 0:
            return
        if pause >= self._time_left(began):
            raise OcoreError(
                f"Cannot {request.attempt}: oCore asked to slow down (HTTP 429), and the next try would come after "
                f"{self._limit_in_words()}. {ADVICE[429]}",
                status=429,
                transient=True,
            )
        self._deadline.pause(pause)

    # One try

    def _try(self, request: Request, seconds: float) -> Any:
        """Send a request once and return the decoded answer.

        :param seconds: how long it may take, its whole answer included.
        """
        try:
            answer = self._exchange(request, seconds)
        except _TooLate:
            raise _FailedTry(self._no_answer_in_time(request, seconds)) from None
        except Exception as error:  # requests' own exceptions, and whatever else it lets through
            raise _FailedTry(self._no_answer(request, error, seconds)) from None
        if 200 <= answer.status < 300:
            self._accepted = True
            return self._decoded(request, answer)
        raise _FailedTry(self._refused(request, answer), _retry_after(answer.headers))

    def _exchange(self, request: Request, seconds: float) -> Answer:
        """Let this thread's line send the request, and wait for the answer no longer than it may take."""
        line = self._line()
        end = self._deadline.elapsed() + seconds
        line.orders.put(lambda: self._on_the_wire(line.session, request, seconds, end))
        try:
            while True:
                self._deadline.check()
                try:
                    outcome = line.outcomes.get(timeout=LOOK_EVERY)
                except queue.Empty:
                    if self._deadline.elapsed() >= end:
                        raise _TooLate from None
                else:
                    break
        except BaseException:
            # Its answer may still come: nobody must take it for the answer to another request.
            self._local.line = None
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _on_the_wire(self, session: requests.Session, request: Request, seconds: float, end: float) -> Answer:
        """Send a request and read its whole answer; runs in the thread of a line.

        :param end: when the answer has to be complete, in seconds on the task's clock.
        """
        response = session.request(
            request.method,
            self._settings.api_url + request.path,
            params=request.query,
            json=request.body,
            timeout=seconds * SOCKET_SHARE,
            verify=self._settings.verify,
            allow_redirects=False,
            proxies=None if self._settings.use_proxy else {"http": "", "https": ""},
            stream=True,
        )
        # Nobody waits here any more when the time is over; this ends the thread that is left behind.
        content = bytearray()
        for chunk in _chunks(response):
            if self._deadline.elapsed() >= end:
                raise _TooLate
            content += chunk
        text = bytes(content).decode(response.encoding or "utf-8", errors="replace")
        return Answer(response.status_code, response.headers, bytes(content), text)

    def _line(self) -> _Line:
        line: _Line | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = _Line(self._new_session())
            with self._lock:
                self._lines.append(line)
        return line

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        if self._settings.verify is False:
            # The user has said so; urllib3 would repeat it for every request.
            warnings.simplefilter("ignore", InsecureRequestWarning)
        # An auth object keeps requests from replacing the header by an entry of ~/.netrc.
        session.auth = self._authorize
        # Redirects are not followed; requests reads their target all the same, and trips over a malformed one.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        session.headers.update({"Accept": "application/json", "User-Agent": self._user_agent})
        if self._settings.organization:
            session.headers["X-Org-Slug"] = self._settings.organization
        session.mount("http://", HTTPAdapter(max_retries=0))
        session.mount("https://", HTTPAdapter(max_retries=0))
        return session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._settings.token}"
        return request

    # Answers

    def _decoded(self, request: Request, answer: Answer) -> Any:
        """Return the JSON value of a 2xx answer; ``None`` for an empty body."""
        content = answer.content.strip()
        if not content and request.method != "GET":
            return None
        begins = content[:1] in (b"", b"{", b"[")
        try:
            return _json(content)
        except RecursionError:
            problem = "is nested too deep to be read"
        except ValueError:
            if begins and not request.wants_object:
                return None  # oCore has accepted it; what it says about that was cut off
            problem = "is not complete JSON"
        if begins:
            raise _FailedTry(
                OcoreError(
                    f"Cannot {request.attempt}: oCore's answer (HTTP {answer.status}) {problem}.{self._about(request)}",
                    transient=problem == "is not complete JSON",
                    uncertain=True,
                    about_one=request.is_about_one,
                )
            )
        page = self._words(_page_title(answer.text) or answer.text)
        done = "" if request.method == "GET" else " Whether it was carried out is open: check that in oCore."
        raise _FailedTry(
            OcoreError(
                f"Cannot {request.attempt}: HTTP {answer.status} came with {page} instead of JSON, "
                "so the answer is not from oCore's API: a login page or a proxy, perhaps. Check api_url."
                f"{done}{self._about(request)}",
                uncertain=request.method != "GET",
                about_one=request.is_about_one,
            )
        )

    def _no_answer_in_time(self, request: Request, seconds: float) -> OcoreError:
        early = self._deadline.limits_requests and seconds < self._settings.timeout
        option = "wait_timeout" if early else "request_timeout"
        return OcoreError(
            f"Cannot {request.attempt}: {self._host()} did not answer within {seconds:.3g} seconds. Raise {option} if that "
            f"is too short.{self._about(request)}",
            transient=True,
            uncertain=True,
            late=True,
        )

    def _no_answer(self, request: Request, error: Exception, seconds: float) -> OcoreError:
        """Describe a request that got no (whole) answer."""
        if _is_timeout(error):
            return self._no_answer_in_time(request, seconds)
        failure = next((entry for entry in FAILURES if entry.fits(error, self._settings)), UNEXPECTED)
        words = {
            "host": self._host(),
            "words": self._words(_innermost(error)).rstrip("."),
            "untrusted": next(
                (e.verify_message for e in _chain(error) if isinstance(e, ssl.SSLCertVerificationError)), ""
            ),
            "bundle": displayable(_bundle(self._settings)),
            "proxy": displayable(_proxy(self._settings)),
        }
        return OcoreError(
            f"Cannot {request.attempt}: {failure.text.format_map(words)}{self._about(request)}",
            transient=failure.transient,
            uncertain=failure.uncertain,
        )

    def _refused(self, request: Request, answer: Answer) -> OcoreError:
        """Describe an answer that is not a success."""
        status = answer.status
        if 300 <= status < 400:
            return OcoreError(
                f"Cannot {request.attempt}: oCore answered with a redirect (HTTP {status}){_target(answer.headers)}. "
                "Redirects are not followed, so that the token reaches no other host. Set api_url to the final address."
                f"{self._about(request)}",
                status=status,
            )
        code, said = (self._words(text) for text in _error_text(answer))
        text = f"Cannot {request.attempt}: oCore answered HTTP {status}"
        text += f" ({code})" if code else ""
        text += f": {said.rstrip('.')}." if said else "."
        advice = self._advice(request, status)
        text += f" {advice}" if advice else ""
        if status in (400, 403, 404, 422) and not self._settings.organization and not self._accepted:
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

    def _advice(self, request: Request, status: int) -> str | None:
        if status == 401 and self._accepted:
            return EXPIRED
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


class _Line:
    """A connection with a thread of its own: whoever waits for an answer can stop waiting, whatever the socket does."""

    def __init__(self, session: requests.Session) -> None:
        self.session = session
        self.orders: queue.SimpleQueue[Callable[[], Answer] | None] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[Union[Answer, Exception]] = queue.SimpleQueue()  # noqa: UP007 - for pylint
        self._thread = threading.Thread(target=self._serve, name="ocore-http", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while (order := self.orders.get()) is not None:
            try:
                self.outcomes.put(order())
            except Exception as error:
                self.outcomes.put(error)
        self.session.close()

    def close(self) -> None:
        """Let the thread end; an idle one has ended afterwards."""
        self.orders.put(None)
        self._thread.join(0.05)


class _TooLate(Exception):  # noqa: N818 - a signal inside of this file
    """A try took longer than it may."""


class _FailedTry(Exception):  # noqa: N818 - a signal inside of this file
    """One try that failed; ``pause`` is what the server asks for, in seconds."""

    def __init__(self, error: OcoreError, pause: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.pause = pause


@dataclass(frozen=True)
class Failure:
    """How to describe one way in which a request gets no answer.

    :param fits: called with the exception and the settings.
    :param text: the end of "Cannot do this: ...".
    """

    fits: Callable[[Exception, Settings], bool]
    text: str
    transient: bool = False
    uncertain: bool = False


def _proxy(settings: Settings) -> str:
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


def _bundle(settings: Settings) -> str:
    """Return the CA bundle that is used; empty when it is that of requests."""
    if settings.verify is None:
        return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""
    return settings.verify if isinstance(settings.verify, str) else ""


def _is_no_bundle(error: Exception, settings: Settings) -> bool:
    """Return whether the CA bundle holds no certificate: OpenSSL's own words do not name the file."""
    bundle = _bundle(settings)
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
    return bool(_proxy(settings)) and any(_caused_by(error, kind) for kind in kinds)


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
    ),
    Failure(_is_undecodable, "the answer of {host} cannot be unpacked.", transient=True, uncertain=True),
)
UNEXPECTED = Failure(lambda _error, _settings: True, "{words}. Check api_url.", uncertain=True)


def _json(content: bytes) -> Any:
    """Decode JSON. A number that Python cannot hold or compare becomes ``NO_NUMBER``.

    :raises ValueError: when it is not complete.
    :raises RecursionError: when it is nested too deep.
    """
    try:
        return json.loads(content, parse_constant=_no_number, parse_float=_float)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits, which Python refuses to convert
        return json.loads(content, parse_constant=_no_number, parse_float=_float, parse_int=_int)


def _no_number(_text: str) -> tuple[()]:
    return NO_NUMBER


def _float(text: str) -> float | tuple[()]:
    value = float(text)
    return value if math.isfinite(value) else NO_NUMBER


def _int(text: str) -> int | tuple[()]:
    return int(text) if len(text) <= DIGITS_MOST else NO_NUMBER


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives; a urllib3 before 2.2 can only wait for a full buffer."""
    if not hasattr(response.raw, "read1"):
        yield from response.iter_content(READ_AT_ONCE)
        return
    while chunk := response.raw.read1(READ_AT_ONCE, decode_content=True):
        yield chunk
    response.raw.release_conn()


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


def _is_timeout(error: Exception) -> bool:
    """Return whether time ran out; requests calls that a ConnectionError when it happens within the body."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return False
    return isinstance(error, requests.exceptions.Timeout) or _caused_by(error, "ReadTimeoutError")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` (seconds or a date, RFC 9110 section 10.2.3); return seconds from now, or ``None``."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
        # The server's own clock, where it tells it: the two clocks may differ.
        now = email.utils.parsedate_to_datetime(headers.get("Date", email.utils.formatdate(usegmt=True)))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _target(headers: Mapping[str, str]) -> str:
    """Return where a redirect leads, as the end of a sentence; empty when that cannot be told."""
    try:
        parts = urlsplit(headers.get("Location", ""))
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f" to {displayable(f'{parts.scheme}://{host}')}" if host else ""


def _page_title(text: str) -> str | None:
    """Return an HTML page's name for a sentence; ``None`` for any other text."""
    if "<html" not in text.lower() and "<!doctype" not in text.lower():
        return None
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return f'an HTML page titled "{title.group(1).strip()}"' if title else "an HTML page"


def _error_text(answer: Answer) -> tuple[str, str]:
    """Find code and message in an error answer, whose shape is not documented; each may be empty."""
    try:
        body: Any = json.loads(answer.content)
    except (ValueError, RecursionError):
        text = answer.text
        return "", _page_title(text) or text
    if not isinstance(body, dict):
        return "", _in_words(body) if body else ""
    inner = body.get("error")
    source: dict[str, Any] = {**body, **inner} if isinstance(inner, dict) else body
    said = [source.get("message") or source.get("detail") or source.get("title")]
    if not said[0]:
        said = [None if isinstance(inner, dict) else inner, source.get("error_description")]
    said += [source.get("details"), source.get("errors")]
    code = source.get("code")
    return "" if code is None else _in_words(code), ". ".join(_in_words(part).rstrip(".") for part in said if part)


def _in_words(value: object, depth: int = 0) -> str:
    """Write a part of an error answer for people: ``{"name": ["is too long"]}`` as ``name: is too long``."""
    if depth > 8:
        return "…"
    if isinstance(value, (list, tuple)):
        return "; ".join(_in_words(item, depth + 1) for item in value)
    if isinstance(value, dict):
        said = value.get("message") or value.get("msg") or value.get("detail")
        if said:
            where = value.get("field") or value.get("loc") or ""
            where = ".".join(map(str, where)) if isinstance(where, list) else str(where)
            return f"{where}: {_in_words(said, depth + 1)}" if where else _in_words(said, depth + 1)
        return ", ".join(f"{key}: {_in_words(item, depth + 1)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value)
