# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the host under which the role is run: what begins and what ends each, as scripts for the host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """A fault. ``variables`` are for the run under it."""

    name: str
    begin: str
    end: str
    variables: dict[str, Any] = field(default_factory=dict)


def _full_disk(directory: str) -> Fault:
    """Return the fault that a directory lies on a disk of its own, which is full."""
    return Fault(
        f"the disk of {directory} is full",
        f"""
        mkdir -p /run/small
        mount -t tmpfs -o size=8m,mode=0755 small /run/small
        cp -a {directory}/. /run/small/
        mount --bind /run/small {directory}
        cat /dev/zero >{directory}/.fill 2>/dev/null || true
        """,
        f"""
        rm -f /run/small/.fill
        umount {directory}
        find {directory} -mindepth 1 -delete
        cp -a /run/small/. {directory}/
        umount /run/small
        """,
    )


FAULTS = (
    _full_disk("/etc/nginx"),
    _full_disk("/etc/letsencrypt"),
    _full_disk("/etc/docker"),
    _full_disk("/var/www"),
    Fault(
        "the ACME server is down",
        """
        nft add table inet campaign
        nft 'add chain inet campaign out { type filter hook output priority 0; }'
        nft add rule inet campaign out tcp dport 14000 reject with tcp reset
        """,
        "nft delete table inet campaign",
    ),
    Fault(
        "the clock is 200 days ahead",
        "true",
        "true",
        {
            "campaign_environment": {
                "LD_PRELOAD": "/usr/local/lib/libfaketime.so",
                "FAKETIME": "+200d",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            },
            # apt refuses an index that is 200 days old before anything else is tried.
            "odoo_host_manage_docker": False,
        },
    ),
    Fault(
        "the lock of the package manager is held, and a package is missing",
        """
        dpkg --remove docker-compose
        systemd-run --quiet --unit=lock python3 -c 'import fcntl, time
        file = open("/var/lib/dpkg/lock-frontend", "w")
        fcntl.lockf(file, fcntl.LOCK_EX)
        time.sleep(3600)'
        """.replace("\n        ", "\n"),
        "systemctl stop lock",
        {"odoo_host_package_lock_timeout": 3},
    ),
)
