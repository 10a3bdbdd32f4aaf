# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which systems the host roles support, by the facts of a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Distributions as the facts name them, with the oldest release that is supported.
SUPPORTED = {
    "Debian": "12",
    "Ubuntu": "22.04",
    "Rocky": "9",
    "AlmaLinux": "9",
    "CentOS": "9",
    "OracleLinux": "9",
    "RedHat": "9",
    "Fedora": "43",
    "Amazon": "2023",
}


def system_problem(facts: Mapping[str, Any]) -> str:
    """Return why the host roles do not support the host with these facts, as the end of a sentence; empty if they do."""
    if not facts.get("distribution"):
        return "has no fact distribution. Gather facts before the role (gather_facts: true)."
    name, version = _name(facts), str(facts.get("distribution_version") or "")
    oldest = SUPPORTED.get(name)
    if oldest and not _older(version, oldest):
        return ""
    supported = ", ".join(f"{known} {release}" for known, release in SUPPORTED.items())
    return f"is {name} {version}, which the host roles do not support. They support {supported}, and newer releases of these."


def _name(facts: Mapping[str, Any]) -> str:
    """Return the name of the distribution; the fact distribution calls some derivatives by the name of their origin."""
    distribution = str(facts["distribution"])
    told = str((facts.get("lsb") or {}).get("id") or "")
    return (
        told
        if distribution in ("Debian", "Ubuntu") and told and told.casefold() != distribution.casefold()
        else distribution
    )


def _older(version: str, oldest: str) -> bool:
    """Return whether a release is older; one without a number, such as Debian's next, is not."""
    return _numbers(version) < _numbers(oldest) if _numbers(version) else False


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"[0-9]+", version)]
