# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx on the host: its version and features, its processes, and how its configuration files fit together."""

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


def directive_elsewhere(dump: str, directive: str, own_file: str) -> bool:
    """Return whether the output of ``nginx -T`` has the directive in another file than ours."""
    own = False
    for line in dump.splitlines():
        if line.startswith("# configuration file "):
            own = line[len("# configuration file ") :].rstrip(":") == own_file
        elif not own and line.split("#")[0].strip().startswith(directive + " "):
            return True
    return False


def rendered_sites(text: str) -> list[str]:
    """Return the slugs of the instances in the file that the role nginx renders, in its order."""
    return re.findall(r"^# ---- ([a-z0-9-]+)$", text, re.MULTILINE)


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


def pid_file(main_text: str, arguments: dict[str, str]) -> str:
    """Return where the master process writes its process id."""
    match = re.search(r"^\s*pid\s+([^;\s]+)\s*;", main_text, re.MULTILINE)
    return match.group(1) if match else arguments.get("pid-path", "/run/nginx.pid")


def workers(master: int, proc: str = "/proc") -> set[int]:
    """Return the process ids of the workers of ``master``, without those that only finish their open requests."""
    found = set()
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        try:
            with open(os.path.join(proc, entry, "stat"), encoding="utf-8", errors="replace") as handle:
                # The command name is in parentheses and may hold blanks: the parent id is the second field behind it.
                fields = handle.read().rpartition(")")[2].split()
            with open(os.path.join(proc, entry, "cmdline"), "rb") as handle:
                finishing = b"shutting down" in handle.read()
        except OSError:
            continue
        if len(fields) > 1 and fields[1] == str(master) and not finishing:
            found.add(int(entry))
    return found


def running_master(path: str) -> int | None:
    """Return the process id in the pid file if that process is an nginx, else ``None``."""
    try:
        with open(path, encoding="ascii") as handle:
            pid = int(handle.read().strip())
        with open(f"/proc/{pid}/comm", encoding="utf-8") as handle:
            return pid if handle.read().strip() == "nginx" else None
    except (OSError, ValueError):
        return None


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
