# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx on a host is and can do, and how its files fit together. Runs on the target, standard library only."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
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
    """'1.26.3' → (1, 26, 3); () for None."""
    return tuple(int(part) for part in re.findall(r"\d+", text or "")[:3])


def parse_build(text: str) -> dict[str, Any]:
    """From the output of ``nginx -V``: version, openssl (the one it runs with; None without TLS), arguments (dict)."""
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
    """Which gated features this nginx has. All are false when nginx isn't installed."""
    found = version_tuple(version)
    result = {name: found >= first for name, first in NGINX_FEATURES.items()}
    result["hybrid_curve"] = bool(found) and version_tuple(openssl) >= HYBRID_CURVE_OPENSSL
    return result


def directive_elsewhere(dump: str, directive: str, own_file: str) -> bool:
    """Whether ``nginx -T`` output has the directive in another file than ours."""
    own = False
    for line in dump.splitlines():
        if line.startswith("# configuration file "):
            own = line[len("# configuration file ") :].rstrip(":") == own_file
        elif not own and line.split("#")[0].strip().startswith(directive + " "):
            return True
    return False


def candidate_main(main_text: str, conf_dir: str, dest: str, candidate: str, without: list[str]) -> str | None:
    """The main configuration with ``candidate`` in the place of ``dest`` and the files of ``without`` left out.

    Every include whose pattern concerns one of them is written out file by file; the rest stays as it is. None when no
    include of the main file takes in ``dest``.
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
    """Where the master process writes its process id."""
    match = re.search(r"^\s*pid\s+([^;\s]+)\s*;", main_text, re.MULTILINE)
    return match.group(1) if match else arguments.get("pid-path", "/run/nginx.pid")


def workers(master: int, proc: str = "/proc") -> set[int]:
    """Process ids of the children of ``master``, but for those that only finish what they have begun."""
    found = set()
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        try:
            with open(os.path.join(proc, entry, "stat"), encoding="utf-8", errors="replace") as handle:
                # The command name is in parentheses and may hold blanks: the parent id is the second field behind it.
                fields = handle.read().rpartition(")")[2].split()
            with open(os.path.join(proc, entry, "cmdline"), "rb") as handle:
                leaving = b"shutting down" in handle.read()
        except OSError:
            continue
        if len(fields) > 1 and fields[1] == str(master) and not leaving:
            found.add(int(entry))
    return found


def running_master(path: str) -> int | None:
    """The process id in the pid file, when that process is an nginx."""
    try:
        with open(path, encoding="ascii") as handle:
            pid = int(handle.read().strip())
        with open(f"/proc/{pid}/comm", encoding="utf-8") as handle:
            return pid if handle.read().strip() == "nginx" else None
    except (OSError, ValueError):
        return None
