# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a name leads to this host: its challenge directory is fetched over HTTP, as a certificate authority does."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import re
import secrets
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.ocore.cloud.plugins.module_utils._host.resolver import Resolver

CHALLENGE_PATH = ".well-known/acme-challenge"

# What connecting to an IPv6 address ends with on a host that has no IPv6.
_NO_IPV6 = {errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


class _CannotTellError(Exception):
    """An address cannot be asked from this host."""


@dataclass(frozen=True)
class NameCheck:
    """How names are checked.

    :param webroot: directory that the web server publishes.
    :param address: where to connect instead of resolving the name, or ``None``.
    :param timeout: seconds for one name.
    :param resolver: what is asked about a name that /etc/hosts answers; ``None`` if the CA may read the same file.
    """

    webroot: str
    address: tuple[str, int] | None
    timeout: int
    resolver: Resolver | None = None

    def unreachable(self, names: Sequence[str]) -> dict[str, str]:
        """Return the names that do not lead to this host, with the reason. They are fetched side by side."""
        token, content = f"ocore-check-{secrets.token_urlsafe(16)}", secrets.token_urlsafe(32)
        directory = os.path.join(self.webroot, CHALLENGE_PATH)
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, token)
        try:
            with open(path, "w", encoding="ascii") as handle:
                handle.write(content)
            os.chmod(path, 0o644)
            with ThreadPoolExecutor(max_workers=16) as pool:
                problems = list(pool.map(lambda name: self._problem(name, token, content), names))
        finally:
            os.unlink(path)
        return {name: problem for name, problem in zip(names, problems) if problem}  # noqa: B905 (Python 3.9 on hosts)

    def _problem(self, name: str, token: str, content: str) -> str | None:
        """Fetch the file of this host from each address of ``name``. Return ``None`` when it is ours, else why not."""
        if self.address:
            return self._problem_at(self.address, name, token, content)
        try:
            addresses, asked = self._addresses(name)
        except OSError as error:
            return f"not reachable over HTTP ({error}): check its DNS record and port 80"
        if not addresses:
            return "only /etc/hosts of this host has an address for it, which a CA does not read: add a DNS record"
        problem = self._problem_of(addresses, name, token, content)
        return f"{problem} (as DNS says; /etc/hosts of this host says otherwise)" if problem and asked else problem

    def _addresses(self, name: str) -> tuple[list[str], bool]:
        """Return all addresses of a name, those of IPv6 first, and whether name servers were asked past /etc/hosts.

        :raises OSError: when it has none.
        """
        if self.resolver and self.resolver.overridden(name):
            # If no name server answers, what the system says is all there is.
            with contextlib.suppress(OSError):
                return self.resolver.addresses(name), True
        return _addresses(name), False

    def _problem_of(self, addresses: Sequence[str], name: str, token: str, content: str) -> str | None:
        """Return why one of the addresses does not lead to this host, or ``None``.

        An IPv6 address that this host cannot reach at all, having no IPv6, is left to the CA.
        """
        answers = 0
        for address in addresses:
            try:
                problem = self._problem_at((address, 80), name, token, content)
            except _CannotTellError:
                continue
            answers += 1
            if problem and ":" in address:
                return f"its AAAA record {address} leads elsewhere, and a CA uses it first: correct or remove it ({problem})"
            if problem:
                return problem if len(addresses) == 1 else f"its address {address}: {problem}"
        if not answers:
            return "it has IPv6 addresses only, and this host has no IPv6: add an A record"
        return None

    def _problem_at(self, address: tuple[str, int], name: str, token: str, content: str) -> str | None:
        url = f"http://{name}/{CHALLENGE_PATH}/{token}"
        try:
            with _opener(address, name if address != self.address else None).open(url, timeout=self.timeout) as answer:
                text = answer.read(1024).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP {error.code} instead of the file on this host: the name leads to another server"
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            if ":" in address[0] and address != self.address and getattr(reason, "errno", None) in _NO_IPV6:
                raise _CannotTellError from None
            return f"not reachable over HTTP ({reason}): check its DNS record and port 80"
        return None if text == content else "another server answers for it: check its DNS record"


def split_address(text: str | None) -> tuple[str, int] | None:
    """Return 'host', 'host:port' or '[::1]:port' as (host, port), with port 80 by default; ``None`` for no text.

    :raises ValueError: when it is neither.
    """
    if not text:
        return None
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+))(?::(\d{1,5}))?", text)
    if not match:
        raise ValueError(f"check_address '{text}' is neither host nor host:port")
    return match.group(1) or match.group(2), int(match.group(3) or 80)


def _addresses(name: str) -> list[str]:
    """Return all addresses of a name, those of IPv6 first.

    :raises OSError: when it has none.
    """
    found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    ordered = sorted(found, key=lambda entry: entry[0] != socket.AF_INET6)
    return list(dict.fromkeys(str(entry[4][0]) for entry in ordered))


class _Connection(http.client.HTTPConnection):
    """An HTTP connection to a fixed address, for one name or for every name in a URL."""

    fixed_name: str | None = None
    fixed_host = ""
    fixed_port = 0

    def connect(self) -> None:
        if self.fixed_name in (None, self.host):
            self.host, self.port = self.fixed_host, self.fixed_port
        super().connect()


def _opener(address: tuple[str, int], name: str | None) -> urllib.request.OpenerDirector:
    """Return what fetches from an address.

    :param name: the only name for which it stands; ``None`` for every one, also behind a redirect.
    """

    class Connection(_Connection):
        fixed_name = name
        fixed_host, fixed_port = address

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, req)

    # As a CA does it: no proxy, redirects are followed, and a certificate behind a redirect may be any.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), Handler(), urllib.request.HTTPSHandler(context=context)
    )
