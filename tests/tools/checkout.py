# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Ansible finds this checkout as a collection: for tests, benchmarks and the demo. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("ANSIBLE_", "AWX_", "CONTROLLER_", "HCLOUD_", "OCORE_")
"""How variables begin that a user of this machine may have set for work of their own."""


def collections_dir() -> Path:
    """Give a directory in which this checkout is found as ``ansible_collections/ocore/cloud``, wherever it lies."""
    if ROOT.parts[-3:] == ("ansible_collections", "ocore", "cloud"):
        return ROOT.parents[2]
    link = ROOT / ".build/collections/ansible_collections/ocore/cloud"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT, target_is_directory=True)
    return ROOT / ".build/collections"


def environment(**more: str) -> dict[str, str]:
    """Give the environment for one of Ansible's commands: this process's without ``SETTINGS``, with this checkout as the
    collection, and ``more``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return {**clean, "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()), **more}
