# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP with oCore: credentials, timeouts, retries, errors. Nothing above this floor knows HTTP.

Which request is repeated, and when (the API documents neither an idempotency key nor rate limits):

* GET, PUT and DELETE on connection errors, 429, 500, 502, 503, 504 and cut-off answers: they can be repeated safely. A
  repeated one that is refused because something is under way (409) may have met its own first try: that error is marked
  ``uncertain`` as well.
* POST only when the request surely did not run: refused connection, 429. Everything else raises an error that is marked
  ``uncertain``, and the operation looks at what happened.
"""

from __future__ import annotations

import email.utils
import json
import random
import re
import ssl
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import (
    Health,
    HealthScore,
    Instance,
    Warn,
    parse,
    to_wire,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.listing import Listing, next_cursor, parse_list
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings

REQUESTS_IMPORT_ERROR: str | None = None
try:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError, InsecureRequestWarning, NewConnectionError, ReadTimeoutError
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()

VERSION = "0.1.0"
TRANSIENT = frozenset({429, 500, 502, 503, 504})

BACKOFF_FIRST = 0.5
"""Seconds before the first repetition; doubles each time."""
BACKOFF_MOST = 20.0
RETRY_AFTER_MOST = 120.0
"""Seconds. A server that asks for a longer pause is reported instead of obeyed."""
PAGES_MOST = 1000

#: What to check, by status of the answer.
ADVICE = {
    400: "Check the values given.",
    401: "Check api_token (or OCORE_API_TOKEN): it is wrong, revoked or expired. A JWT lives about one hour; "
    "an API key lives until it is revoked.",
    403: "The token is valid but not allowed to do this: changes need the permission manage:instances in the "
    "organization given by the option organization.",
    404: "Check api_url and organization, and that the instance exists in it.",
    409: "Something else is under way on the instance, or, for a new one, the slug or name is taken. Run the task again "
    "when what is under way has ended.",
    422: "Check the values given.",
    429: "Run fewer tasks at once, or raise retries.",
}
EXPIRED = (
    "The token was accepted at the start of this task and is refused now: it expired or was revoked meanwhile. "
    "Use an API key, or a fresh JWT, and run the task again."
)
NO_ORGANIZATION = "No organization was given: set organization (or OCORE_ORGANIZATION) to its slug."


class Client:
    """One conversation with oCore. May be used by several threads: each gets its own connection.

    :param caller: name of the module or plugin, for the User-Agent.
    :param warn: called with a sentence for each oddity worth telling.
    :param sleep: replaced in tests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        caller: str,
        warn: Warn,
        deadline: Any = None,
    ) -> None:
        self.scrub = Scrubber([settings.token])
        self._settings = settings
        self._user_agent = f"ocore.cloud/{VERSION} ({caller})"
        self._warn = warn
        self._sleep = deadline.pause if deadline is not None else time.sleep
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()
        self._pause_until = 0.0
        self._accepted = False

    def close(self) -> None:
        """Close the connections of all threads."""
        for session in self._sessions:
            session.close()

    def list_instances(self, server_id: str | None = None) -> Listing:
        """Read all instances of the organization, or of one server: one request, or one per page.

        :raises OcoreError: see the module's text.
        """
        attempt = "list the instances"
        query = {"server_id": server_id} if server_id else {}
        pages = [self._read("/instances", attempt, query)]
        cursors: set[str] = set()
        while (cursor := next_cursor(pages[-1])) is not None:
            if cursor in cursors or len(pages) >= PAGES_MOST:
                raise OcoreError(
                    "Cannot list the instances: oCore keeps announcing a further page, so the list would never be "
                    "complete. This collection follows next_cursor by the query parameter cursor."
                )
            cursors.add(cursor)
            pages.append(self._read("/instances", attempt, {**query, "cursor": cursor}))
        return parse_list(pages, self._warn)

    def get_instance(self, instance_id: str) -> Instance | None:
        """Read one instance; null when oCore answers 404."""
        try:
            raw = self._read(f"/instances/{_quote(instance_id)}", f"read instance {instance_id}")
        except OcoreError as error:
            if error.status == 404:
                return None
            raise
        return self._instance(raw, instance_id)

    def create_instance(self, fields: Mapping[str, Any]) -> Instance:
        """Send one create request (202: provisioning is queued).

        :param fields: snake_case names of ``CREATABLE``.
        :raises OcoreError: ``uncertain`` when the instance may exist all the same.
        """
        attempt = f"create instance {fields.get('slug') or fields.get('name')}"
        raw = self._send("POST", "/instances", attempt, body=fields)
        if not (isinstance(raw, dict) and raw.get("id")):
            raise OcoreError(
                f"Cannot {attempt}: oCore accepted the request, but its answer does not hold the instance's id.",
                uncertain=True,
            )
        return self._instance(raw, str(raw["id"]))

    def update_instance(self, instance: Instance, fields: Mapping[str, Any]) -> Instance:
        """Send a PUT with snake_case ``fields`` of ``UPDATABLE``; give the instance as the answer shows it."""
        raw = self._send("PUT", f"/instances/{_quote(instance.id)}", f"update instance {instance.label()}", body=fields)
        return self._instance(raw, instance.id)

    def delete_instance(self, instance: Instance) -> None:
        """Ask for the removal (202: cleanup is queued). An instance that is gone already is no error."""
        try:
            self._send(
                "DELETE", f"/instances/{_quote(instance.id)}", f"remove instance {instance.label()}", decode=False
            )
        except OcoreError as error:
            if error.status != 404:
                raise

    def control_instance(self, instance: Instance, action: str) -> None:
        """Ask for ``action``: start, stop or restart (202).

        :raises OcoreError: ``uncertain`` when the action may be under way all the same.
        """
        self._send(
            "POST",
            f"/instances/{_quote(instance.id)}/control",
            f"{action} instance {instance.label()}",
            body={"action": action},
            decode=False,
        )

    def get_health(self, instance: Instance) -> Health | None:
        """Read the health of an instance; null when there is none."""
        raw = self._read_about(instance, "health")
        return None if raw is None else parse(Health, raw, self._warn)

    def get_health_score(self, instance: Instance) -> HealthScore | None:
        """Read the health score with its factors; null when none has been computed (404, or no score in it)."""
        raw = self._read_about(instance, "health-score")
        score = None if raw is None else parse(HealthScore, raw, self._warn)
        return score if score is not None and score.score is not None else None

    def _instance(self, raw: object, instance_id: str) -> Instance:
        """Read an instance whose id is known from the request, and take its env values for secrets."""
        if isinstance(raw, dict) and not raw.get("id"):
            raw = {**raw, "id": instance_id}
        return self.protect(parse(Instance, raw, self._warn))

    def protect(self, instance: Instance) -> Instance:
        """Take the env values of an instance for secrets, and take all known ones out of its status message."""
        self.scrub.add(instance.secrets())
        if instance.status_message:
            instance.status_message = self.scrub(instance.status_message)
        return instance

    def _read_about(self, instance: Instance, what: str) -> Any:
        try:
            return self._read(
                f"/instances/{_quote(instance.id)}/{what}", f"read the {what} of instance {instance.label()}"
            )
        except OcoreError as error:
            if error.status == 404:
                return None
            raise

    def _read(self, path: str, attempt: str, query: Mapping[str, str] | None = None) -> Any:
        return self._send("GET", path, attempt, query=query)

    def _send(
        self,
        method: str,
        path: str,
        attempt: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        decode: bool = True,
    ) -> Any:
        """Send a request, repeat it where that is safe, and give the decoded answer.

        :param attempt: what is being done, for the error text: "update instance shop (id)".
        """
        if body and isinstance(body.get("env_vars"), dict):
            self.scrub.add(str(value) for value in body["env_vars"].values())
        tries = 0
        uncertain = False
        while True:
            self._wait_for_pause()
            try:
                return self._once(method, path, attempt, query, body, decode)
            except _FailedTry as failed:
                error, pause = failed.error, failed.pause
            if uncertain and error.status == 409:
                error.uncertain = True
                error.message += " It may be an earlier try of this request, which got no usable answer."
            uncertain = uncertain or error.uncertain
            repeatable = error.transient and (method != "POST" or not error.uncertain)
            if repeatable and pause is not None and pause > RETRY_AFTER_MOST:
                error.message += f" oCore asks to wait {pause:.0f} seconds before the next request."
                raise error
            if not repeatable or tries >= self._settings.retries:
                if tries:
                    error.message += f" Tried {tries + 1} times."
                raise error
            backoff = min(BACKOFF_MOST, BACKOFF_FIRST * 2**tries) * random.uniform(0.5, 1.0)  # noqa: S311
            if error.status == 429:
                self._pause(backoff if pause is None else pause)
            else:
                self._sleep(backoff if pause is None else pause)
            tries += 1

    def _pause(self, seconds: float) -> None:
        """Hold all threads back, so that a rate limit slows every one of them."""
        with self._lock:
            self._pause_until = max(self._pause_until, time.monotonic() + seconds)

    def _wait_for_pause(self) -> None:
        left = self._pause_until - time.monotonic()
        if left > 0:
            self._sleep(left)
            with self._lock:
                # With a replaced sleep the clock does not move: the pause was waited for all the same.
                self._pause_until = min(self._pause_until, time.monotonic())

    def _once(
        self,
        method: str,
        path: str,
        attempt: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        decode: bool,
    ) -> Any:
        settings = self._settings
        try:
            response = self._session().request(
                method,
                settings.api_url + path,
                params=query,
                json=None if body is None else to_wire(body),
                timeout=settings.timeout,
                verify=settings.verify,
                allow_redirects=False,
                proxies=None if settings.use_proxy else {"http": "", "https": ""},
            )
        except (OSError, HTTPError) as error:  # requests' own exceptions, and what it lets through
            raise _FailedTry(self._no_answer(error, attempt)) from None
        if response.ok and not response.is_redirect and response.status_code < 300:
            self._accepted = True
            if not decode:
                return None
            try:
                return response.json()
            except ValueError:
                raise _FailedTry(
                    OcoreError(
                        f"Cannot {attempt}: oCore's answer (HTTP {response.status_code}) is not complete JSON. "
                        "Check that api_url points at the API.",
                        transient=True,
                        uncertain=True,
                    )
                ) from None
        raise _FailedTry(self._refused(response, attempt), _retry_after(response))

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            if self._settings.verify is False:
                # The user has said so; urllib3 would repeat it for every request.
                warnings.simplefilter("ignore", InsecureRequestWarning)
            # An auth object keeps requests from replacing the header by an entry of ~/.netrc.
            session.auth = self._authorize
            session.headers.update({"Accept": "application/json", "User-Agent": self._user_agent})
            if self._settings.organization:
                session.headers["X-Org-Slug"] = self._settings.organization
            session.mount("http://", HTTPAdapter(max_retries=0))
            session.mount("https://", HTTPAdapter(max_retries=0))
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._settings.token}"
        return request

    def _no_answer(self, error: Exception, attempt: str) -> OcoreError:
        """Describe a request that got no (whole) answer."""
        host = urlsplit(self._settings.api_url).netloc
        words = self._words(_innermost(error))
        if refused := [item for item in _chain(error) if isinstance(item, ssl.SSLCertVerificationError)]:
            return OcoreError(
                f"Cannot {attempt}: the certificate of {host} is not trusted "
                f"({refused[0].verify_message}). If it is issued by a CA of your own, name its bundle in ca_path."
            )
        if "invalid path" in str(error) or _caused_by(error, FileNotFoundError):
            return OcoreError(
                f"Cannot {attempt}: the CA bundle can't be read ({words}). Check ca_path, or REQUESTS_CA_BUNDLE and "
                "CURL_CA_BUNDLE of the environment."
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return OcoreError(
                f"Cannot {attempt}: the proxy on the way to {host} gave no connection ({words}). "
                "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment.",
                transient=True,
            )
        if isinstance(error, requests.exceptions.ConnectTimeout) or _caused_by(error, NewConnectionError):
            return OcoreError(
                f"Cannot {attempt}: no connection to {host} ({words}). Check api_url and the network.",
                transient=True,
            )
        if isinstance(error, requests.exceptions.SSLError) and not _caused_by(error, ssl.SSLEOFError):
            return OcoreError(
                f"Cannot {attempt}: no TLS connection to {host} ({words}). Check api_url and ca_path.", uncertain=True
            )
        if _is_timeout(error):
            return OcoreError(
                f"Cannot {attempt}: {host} did not answer within {self._settings.timeout:g} seconds. "
                "Raise request_timeout if that is too short.",
                transient=True,
                uncertain=True,
            )
        if isinstance(error, (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            return OcoreError(
                f"Cannot {attempt}: the connection to {host} was closed before the answer was complete.",
                transient=True,
                uncertain=True,
            )
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return OcoreError(
                f"Cannot {attempt}: the answer of {host} can't be unpacked.", transient=True, uncertain=True
            )
        return OcoreError(f"Cannot {attempt}: {words.rstrip('.')}. Check api_url.", uncertain=True)

    def _words(self, text: str) -> str:
        """Give foreign words for a message: without secrets, on one line, not too long.

        Secrets go first, since one that is cut off, or whose line breaks are gone, would not be recognized any more.
        """
        line = " ".join(self.scrub(text).split())
        return line if len(line) <= 300 else line[:299] + "…"

    def _refused(self, response: requests.Response, attempt: str) -> OcoreError:
        """Describe an answer that is not a success."""
        status = response.status_code
        if 300 <= status < 400:
            target = urlsplit(response.headers.get("Location", ""))
            where = f" to {target.scheme}://{target.netloc}" if target.netloc else ""
            return OcoreError(
                f"Cannot {attempt}: oCore answered with a redirect (HTTP {status}){where}. Redirects are not followed, "
                "so that the token reaches no other host. Set api_url to the final address.",
                status=status,
            )
        code, said = (self._words(text) for text in _error_text(response))
        text = f"Cannot {attempt}: oCore answered HTTP {status}"
        text += f" ({code})" if code else ""
        text += f": {said.rstrip('.')}." if said else "."
        advice = EXPIRED if status == 401 and self._accepted else ADVICE.get(status)
        if advice:
            text += f" {advice}"
        if status in (400, 403, 404, 422) and not self._settings.organization and not self._accepted:
            text += f" {NO_ORGANIZATION}"
        return OcoreError(
            text,
            status=status,
            code=code or None,
            transient=status in TRANSIENT,
            uncertain=status >= 500,
        )


class _FailedTry(Exception):  # noqa: N818 - not an error of its own: it never leaves this file
    """One try that failed; ``pause`` is what the server asks for, in seconds."""

    def __init__(self, error: OcoreError, pause: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.pause = pause


def _quote(instance_id: str) -> str:
    """Give an id as one segment of a path; an id made of dots would climb out of it."""
    quoted = quote(instance_id, safe="")
    if not quoted.strip("."):
        raise OcoreError(f"{instance_id!r} is not the id of an instance.")
    return quoted


def _retry_after(response: requests.Response) -> float | None:
    """Read ``Retry-After`` (seconds or a date, RFC 9110 section 10.2.3); give seconds from now, or null."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
        # The server's own clock, where it tells it: the two clocks may differ.
        now = email.utils.parsedate_to_datetime(response.headers.get("Date", email.utils.formatdate(usegmt=True)))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _error_text(response: requests.Response) -> tuple[str, str]:
    """Find code and message in an error answer, whose shape is not documented; each may be empty."""
    try:
        body: Any = response.json()
    except ValueError:
        text = response.text
        if "<html" in text.lower() or "<!doctype" in text.lower():
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
            return "", f'an HTML page, "{title.group(1).strip()}"' if title else "an HTML page"
        return "", text
    if not isinstance(body, dict):
        return "", _plain(body) if body else ""
    inner = body.get("error")
    source: dict[str, Any] = {**body, **inner} if isinstance(inner, dict) else body
    said = [source.get("message") or source.get("detail") or source.get("title")]
    if not said[0]:
        said = [None if isinstance(inner, dict) else inner, source.get("error_description")]
    said += [source.get("details"), source.get("errors")]
    code = source.get("code")
    return "" if code is None else _plain(code), ". ".join(_plain(part).rstrip(".") for part in said if part)


def _plain(value: object) -> str:
    """Write a part of an error answer for people: ``{"name": ["is too long"]}`` as ``name: is too long``."""
    if isinstance(value, (list, tuple)):
        return "; ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        said = value.get("message") or value.get("msg") or value.get("detail")
        if said:
            where = value.get("field") or value.get("loc") or ""
            where = ".".join(str(step) for step in where) if isinstance(where, list) else str(where)
            return f"{where}: {_plain(said)}" if where else _plain(said)
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _chain(error: BaseException) -> list[BaseException]:
    """Give an exception and what it wraps, in any of the ways requests and urllib3 wrap."""
    found: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        item = todo.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            todo.extend([item.__cause__, item.__context__, getattr(item, "reason", None), *item.args])
    return found


def _caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(item, kind) for item in _chain(error))


def _innermost(error: BaseException) -> str:
    """Give the operating system's words for a failed connection, or else the exception's own."""
    for item in _chain(error):
        if isinstance(item, OSError) and item.strerror and not isinstance(item, requests.RequestException):
            return str(item.strerror)
    return str(error)


def _is_timeout(error: Exception) -> bool:
    """Tell whether time ran out; requests calls that a ConnectionError when it happens within the body."""
    return isinstance(error, requests.exceptions.Timeout) or _caused_by(error, ReadTimeoutError)
