# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running nginx: its master and workers, and whether they work with the configuration on disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Collection

STAMP = "ocore-nginx-reload.json"
#: Seconds. The kernel counts the start of a process in ticks of 10 ms, and the time of a file hardly better.
_CLOCK_ERROR = 0.05


def pid_file(main_text: str, arguments: dict[str, str]) -> str:
    """Return where the master process writes its process id."""
    match = re.search(r"^\s*pid\s+([^;\s]+)\s*;", main_text, re.MULTILINE)
    return match.group(1) if match else arguments.get("pid-path", "/run/nginx.pid")


def _stat_fields(pid: str, proc: str) -> list[str]:
    """Return what ``/proc/PID/stat`` says behind the command name, which may hold blanks."""
    with open(os.path.join(proc, pid, "stat"), encoding="utf-8", errors="replace") as handle:
        return handle.read().rpartition(")")[2].split()


def workers(master: int, proc: str = "/proc") -> set[int]:
    """Return the process ids of the workers of ``master``, without those that only finish their open requests."""
    found = set()
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        try:
            fields = _stat_fields(entry, proc)
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


def worker_starts(master: int, proc: str = "/proc") -> dict[str, int]:
    """Return process id → start (ticks since the boot) of the workers of ``master``."""
    found = {}
    for pid in workers(master, proc):
        try:
            found[str(pid)] = int(_stat_fields(str(pid), proc)[19])
        except (OSError, IndexError, ValueError):
            continue
    return found


def digest(sources: Collection[str]) -> str:
    """Return a digest of the content of all configuration files."""
    result = hashlib.sha256()
    for path in sorted(sources):
        if os.path.isfile(path):
            with open(path, "rb") as handle:
                result.update(f"{path}\0".encode() + handle.read() + b"\0")
    return result.hexdigest()


def _newest_change(sources: Collection[str]) -> float:
    """Return when the newest of these files and directories was changed; a restored file is as new as its restoring."""
    changes = [os.stat(path).st_ctime for path in sources if os.path.exists(path)]
    return max(changes, default=0.0)


def in_force(master: int, sources: Collection[str], stamp: str) -> bool:
    """Return whether the workers work with the configuration on disk.

    They do if nothing has changed since the reload that the stamp records, or if all of them are younger than every file.

    :param sources: the configuration files, and the directories whose files are included.
    :param stamp: what :func:`record_reload` wrote.
    """
    starts = worker_starts(master)
    if not starts:
        return True
    try:
        with open(stamp, encoding="utf-8") as handle:
            recorded = json.load(handle)
    except (OSError, ValueError):
        recorded = {}
    if recorded == {"digest": digest(sources), "workers": starts}:
        return True
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    oldest = booted + min(starts.values()) / os.sysconf("SC_CLK_TCK")
    return oldest > _newest_change(sources) + _CLOCK_ERROR


def record_reload(master: int, sources: Collection[str], stamp: str) -> None:
    """Record which workers work with which configuration. The record lies beside the pid file and ends with the boot."""
    text = json.dumps({"digest": digest(sources), "workers": worker_starts(master)})
    with open(f"{stamp}.new", "w", encoding="utf-8") as handle:
        handle.write(text)
    os.replace(f"{stamp}.new", stamp)
