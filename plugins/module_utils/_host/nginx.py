# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx on the host: its version and features, and its main configuration with another file in place of ours."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import socket
from typing import Any

_INCLUDE = re.compile(r"^([ \t]*)include\s+([^;#]+?)\s*;", re.MULTILINE)

# feature → first nginx version that has it, from nginx's own change log.
NGINX_FEATURES = {
    "proxy_cookie_flags": (1, 19, 3),
    "ssl_reject_handshake": (1, 19, 4),
    "safe_session_tickets": (1, 23, 2),
    "http2_directive": (1, 25, 1),
    "keepalive_min_timeout": (1, 27, 4),
}
# X25519MLKEM768: an older OpenSSL keeps nginx from starting.
HYBRID_CURVE_OPENSSL = (3, 5)


def version_tuple(text: str | None) -> tuple[int, ...]:
    """Return '1.26.3' as (1, 26, 3), and () for ``None``."""
    return tuple(int(part) for part in re.findall(r"\d+", text or "")[:3])


def parse_build(text: str) -> dict[str, Any]:
    """Return version, openssl (that it runs with; ``None`` without TLS) and arguments from the output of ``nginx -V``."""
    version = re.search(r"nginx version: \S*?/(\d+(?:\.\d+)+)", text)
    # "built with OpenSSL 3.0.9 ... (running with OpenSSL 3.0.11 ...)": the running one counts.
    openssl = re.search(r"running with OpenSSL (\d+(?:\.\d+)+)", text) or re.search(
        r"built with OpenSSL (\d+(?:\.\d+)+)", text
    )
    return {
        "version": version.group(1) if version else None,
        "openssl": openssl.group(1) if openssl else None,
        "arguments": dict(re.findall(r"--([a-z0-9-]+)=(\S+)", text)),
    }


def features(version: str | None, openssl: str | None) -> dict[str, bool]:
    """Return which features this nginx has. All are false when nginx is not installed."""
    found = version_tuple(version)
    result = {name: found >= first for name, first in NGINX_FEATURES.items()}
    result["hybrid_curve"] = bool(found) and version_tuple(openssl) >= HYBRID_CURVE_OPENSSL
    return result


def read_text(path: str) -> str | None:
    """Return the text of a file; ``None`` when it does not exist."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def candidate_main(main_text: str, conf_dir: str, dest: str, candidate: str, without: list[str]) -> str | None:
    """Return the main configuration with ``candidate`` in the place of ``dest`` and without the files of ``without``.

    Every include whose pattern matches one of them is written out file by file; the rest stays as it is.

    :returns: ``None`` when no include of the main file covers ``dest``.
    """
    reached = False

    def expand(match: re.Match[str]) -> str:
        nonlocal reached
        indent, pattern = match.group(1), match.group(2).strip("\"'")
        full = os.path.normpath(os.path.join(conf_dir, pattern))
        ours = fnmatch.fnmatch(dest, full)
        if not ours and not any(fnmatch.fnmatch(path, full) for path in without):
            return match.group(0)
        files = set(glob.glob(full)) - set(without)
        if ours:
            reached = True
            files.add(dest)
        lines = [f"{indent}include {candidate if path == dest else path};" for path in sorted(files)]
        return "\n".join(lines) or f"{indent}# nothing left of: include {pattern}"

    text = _INCLUDE.sub(expand, main_text)
    return text if reached else None


def has_ipv6() -> bool:
    """Return whether a socket can be bound to an IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def accepts(port: int) -> bool:
    """Return whether something accepts a connection on this local port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
