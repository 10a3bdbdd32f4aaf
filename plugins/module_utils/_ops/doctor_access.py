# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's checks of the way to oCore, and of what the token may do there. Nothing here sends a request."""

from __future__ import annotations

import base64
import binascii
import json
import platform
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.ansible_release import __version__ as ansible_version
from ansible_collections.ocore.cloud.plugins.module_utils._api.libraries import versions
from ansible_collections.ocore.cloud.plugins.module_utils._api.transport import VERSION
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_finding import (
    Finding,
    differs,
    failed,
    ok,
    several,
    unknown,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_look import Evidence, Seen

CERTIFICATE_DAYS = 14
CLOCK_SECONDS = 30
"""Seconds by which two clocks may differ; a JWT lives an hour, so less does no harm."""
JWT_SHORT = timedelta(hours=2)

GROUP = "Connection and access"


def check_access(seen: Evidence, tried: bool) -> list[Finding]:
    """Return the findings about connection, token, organization and permissions.

    :param tried: whether changes were tried, and allowed.
    """
    return [
        _software(),
        _address(seen),
        _name(seen),
        *_certificate(seen),
        _answer(seen),
        _clock(seen),
        _token(seen),
        _access(seen),
        _organization(seen),
        _organization_header(seen),
        _unknown_organization(seen),
        _permissions(seen, tried),
    ]


def _software() -> Finding:
    libraries = ", ".join(f"{name} {version}" for name, version in versions().items())
    python = platform.python_version()
    return ok("software", f"ocore.cloud {VERSION}, ansible-core {ansible_version}, Python {python}, {libraries}")


def _address(seen: Evidence) -> Finding:
    parts = urlsplit(seen.settings.api_url)
    port = f", port {parts.port}" if parts.port else ""
    if not parts.path.endswith("/api"):
        return differs(
            "address",
            f"{parts.scheme}{port}, and a path that does not end in /api",
            "oCore's documentation shows /api only. Check api_url if the list of instances fails.",
        )
    if parts.scheme == "http" and seen.settings.use_proxy:
        return differs(
            "address",
            f"http{port}, path ends in /api",
            "The token is sent unencrypted. Use https wherever the network is not your own.",
        )
    return ok("address", f"{parts.scheme}{port}, path ends in /api")


def _name(seen: Evidence) -> Finding:
    endpoint = seen.endpoint
    if endpoint.proxy:
        return ok("dns", "a proxy of the environment stands in between; it resolves the name")
    if endpoint.stage == "name":
        return failed(
            "dns", "the host name of api_url has no address", f"Check api_url and the resolver: {_system(seen)}."
        )
    found = ", ".join(
        several(number, f"{name} address", f"{name} addresses") for name, number in endpoint.families.items()
    )
    return ok("dns", found)


def _system(seen: Evidence) -> str:
    """Return a sentence of the operating system or OpenSSL, without what it may quote."""
    host = urlsplit(seen.settings.api_url).hostname or ""
    text = seen.endpoint.problem.replace(host, "the host").rstrip(".") if host else seen.endpoint.problem
    return text if len(text) < 120 and text.isascii() and text.isprintable() else "no reason was given"


def _certificate(seen: Evidence) -> list[Finding]:
    endpoint = seen.endpoint
    if not endpoint.secure:
        return [ok("certificate", "plain http, so there is no certificate")]
    if endpoint.proxy:
        return [unknown("certificate", "not looked at behind a proxy", "The requests themselves check it.")]
    if endpoint.stage == "name":
        return [unknown("certificate", "no address to look at", "Mend dns first.")]
    if endpoint.stage == "connection":
        advice = f"Check that the port of api_url is right, and firewalls in between: {_system(seen)}."
        return [failed("certificate", "no connection to the port", advice)]
    if endpoint.stage == "tls":
        return [failed("certificate", "no TLS connection", f"Check that the port speaks https: {_system(seen)}.")]
    if endpoint.stage == "certificate":
        return [_untrusted(seen)]
    return [_trusted(seen)]


def _untrusted(seen: Evidence) -> Finding:
    if seen.settings.verify is False:
        return differs(
            "certificate",
            f"not trusted: {_system(seen)}. validate_certs is false, so it is not checked",
            "Anybody in between can read the token. Name the CA in ca_path, and set validate_certs back to true.",
        )
    advice = "If a CA of your own issued it, name its bundle in ca_path. If it has expired, renew it on the server."
    return failed("certificate", f"not trusted: {_system(seen)}", advice)


def _trusted(seen: Evidence) -> Finding:
    endpoint = seen.endpoint
    days = (endpoint.ends - seen.now).days if endpoint.ends else None
    when = "its end is not shown" if days is None else f"ends in {several(days, 'day')}"
    words = f"{endpoint.tls or 'TLS'}, trusted, {when}"
    issuer = (f"issued by {endpoint.issuer}",) if endpoint.issuer else ()
    if days is not None and days < CERTIFICATE_DAYS:
        return differs("certificate", words, "Renew it on the server: all requests fail once it has ended.", issuer)
    if seen.settings.verify is False:
        return differs("certificate", words, "validate_certs is false without need: set it back to true.", issuer)
    finding = ok("certificate", words)
    return Finding(finding.check, finding.verdict, finding.seen, finding.advice, issuer)


def _answer(seen: Evidence) -> Finding:
    """Say whether oCore answers at all; why not is said by the client's own sentence, on the screen only."""
    error = seen.listed.error
    if seen.listed.status is None:
        why = error.message if error else ""
        return failed("answer", "no answer to the list of instances", "Look at the message below.", [why])
    if error is not None and 200 <= seen.listed.status < 300:
        return failed(
            "answer",
            f"HTTP {seen.listed.status}, but not with the list of instances in JSON",
            "A login page or a proxy may have answered instead of oCore. Check api_url.",
            [error.message],
        )
    if 300 <= seen.listed.status < 400:
        return failed(
            "answer",
            f"a redirect, HTTP {seen.listed.status}",
            "Redirects are not followed, so that the token reaches no other host. Set api_url to the final address.",
            [error.message if error else ""],
        )
    if error is not None and seen.listed.status >= 500:
        advice = (
            "oCore, or a gateway in front of it, is in trouble. Run the doctor again later, or ask whoever runs it."
        )
        return failed("answer", f"HTTP {seen.listed.status} to the list of instances", advice, [error.message])
    return ok(
        "answer", f"HTTP {seen.listed.status}, from an API that speaks JSON" if error is None else _refusal(seen.listed)
    )


def _refusal(seen: Seen) -> str:
    return f"HTTP {seen.status} to the list of instances"


def clock_difference(seen: Evidence) -> int | None:
    """Return the seconds by which oCore's clock is ahead of this machine's, by the last Date header."""
    for exchange in reversed(seen.exchanges):
        try:
            theirs = parsedate_to_datetime(exchange.answer.headers.get("Date", ""))
        except (TypeError, ValueError):
            continue
        if theirs.tzinfo is not None:
            return round((theirs - seen.now).total_seconds())
    return None


def _clock(seen: Evidence) -> Finding:
    seconds = clock_difference(seen)
    if seconds is None:
        return unknown("clock", "no answer had a Date header", "Compare the clock of this machine with another one.")
    if abs(seconds) <= CLOCK_SECONDS:
        return ok("clock", "this machine and oCore agree on the time")
    how = "ahead of" if seconds > 0 else "behind"
    return differs(
        "clock",
        f"oCore's clock is {several(abs(seconds), 'second')} {how} the one of this machine",
        "JWTs may be refused, and ages of certificates are off. Let both machines use NTP. Retry-After is read by "
        "oCore's own clock.",
    )


def _token(seen: Evidence) -> Finding:
    token = seen.settings.token
    if token.startswith("ocore_"):
        return ok("token", "an API key, which lives until it is revoked or expires")
    claims = jwt_claims(token)
    if claims is None:
        return differs(
            "token",
            "neither an API key (ocore_...) nor a JWT",
            "It is sent as it is. Check where api_token is read from if oCore refuses it.",
        )
    return _jwt(claims, seen.now)


def jwt_claims(token: str) -> dict[str, Any] | None:
    """Return what a JWT says, without checking its signature; ``None`` for any other token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def _jwt(claims: dict[str, Any], now: datetime) -> Finding:
    try:
        left = datetime.fromtimestamp(float(claims["exp"]), UTC) - now
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return differs("token", "a JWT that does not say when it expires", "Use an API key for what runs by itself.")
    minutes = int(left.total_seconds() // 60)
    if left <= timedelta(0):
        return failed(
            "token", "a JWT that has expired", "Use an API key (ocore_...), or sign in again for a fresh JWT."
        )
    advice = "Runs that take longer end with HTTP 401. Use an API key (ocore_...) for what runs by itself."
    if left < JWT_SHORT:
        return differs("token", f"a JWT that expires in {several(minutes, 'minute')}", advice)
    return ok("token", f"a JWT that expires in {several(minutes // 60, 'hour')}", advice)


def _access(seen: Evidence) -> Finding:
    status = seen.listed.status
    if seen.listed.error is None:
        return ok("access", "the token is accepted")
    said = [seen.listed.error.message]
    if status == 401:
        return failed(
            "access", "the token is refused (HTTP 401)", "It is wrong, revoked or expired. Set api_token anew.", said
        )
    if status == 403:
        advice = (
            "The token needs a permission to read instances in this organization. Check its role, and organization."
        )
        return failed("access", "the token is valid, but may not list instances (HTTP 403)", advice, said)
    if status == 429:
        advice = "oCore asks to slow down. Run fewer tasks at once, and the doctor again later."
        return failed("access", "too many requests (HTTP 429)", advice, said)
    if status in (400, 404):
        advice = "Check organization, and that api_url ends in /api."
        return failed("access", f"the list of instances is refused (HTTP {status})", advice, said)
    return unknown("access", "there was no usable answer", "Mend the finding about the answer first.")


def _organization(seen: Evidence) -> Finding:
    given = bool(seen.settings.organization)
    if seen.listed.error is None:
        if given:
            return ok("organization", "given, and accepted")
        return ok(
            "organization",
            "not given; oCore takes one by itself",
            "Set organization where the token sees several, so that all tasks mean the same one.",
        )
    if not given and seen.listed.status in (400, 403, 404):
        return failed("organization", "not given", "Set organization, or OCORE_ORGANIZATION, to its slug.")
    return unknown("organization", "no list was read", "Mend the findings above first.")


def _organization_header(seen: Evidence) -> Finding:
    check = "organization_header"
    if seen.listed.error is not None:
        return unknown(check, "no list was read", "Mend the findings above first.")
    if not seen.settings.organization:
        return ok(check, "requests without X-Org-Slug are answered")
    status = seen.without_organization.status if seen.without_organization else None
    if status == 200:
        return ok(
            check,
            "requests without X-Org-Slug are answered too",
            "The collection sends it whenever organization is set.",
        )
    if status in (400, 401, 403, 404, 422):
        return ok(
            check,
            f"requests without X-Org-Slug are refused (HTTP {status})",
            "Set organization in every playbook and inventory, or OCORE_ORGANIZATION.",
        )
    return unknown(check, "the question got no clear answer", "Set organization everywhere.")


def _unknown_organization(seen: Evidence) -> Finding:
    check = "unknown_organization"
    status = seen.wrong_organization.status if seen.wrong_organization else None
    if status in (400, 401, 403, 404, 422):
        return ok(check, f"an organization that does not exist is refused (HTTP {status})")
    if status == 200:
        return differs(
            check,
            "an organization that does not exist is accepted",
            "A misspelled organization goes unnoticed: the token, or oCore, decides alone. Check what the list shows.",
        )
    return unknown(check, "the question got no clear answer", "Check the spelling of organization yourself.")


def _permissions(seen: Evidence, tried: bool) -> Finding:
    check = "permissions"
    if seen.listed.error is not None:
        return unknown(check, "no list was read", "Mend the findings above first.")
    if tried:
        return ok(check, "may read and change instances")
    servers = "servers" if seen.servers and seen.servers.error is None else "no servers"
    return unknown(
        check,
        f"may read instances, {servers}; whether it may change them shows only when it is tried",
        "Changes need manage:instances. The doctor tries them with write: true.",
    )
