# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make ``ansible_collections.ocore.cloud`` importable from a checkout, the way ansible-core itself does it."""

from __future__ import annotations

from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).parents[2]


def _collections_dir() -> Path:
    """Give a directory in which this checkout is found as ``ansible_collections/ocore/cloud``."""
    if ROOT.parts[-3:] == ("ansible_collections", "ocore", "cloud"):
        return ROOT.parents[2]
    link = ROOT / ".build/collections/ansible_collections/ocore/cloud"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT, target_is_directory=True)
    return ROOT / ".build/collections"


_AnsibleCollectionFinder(paths=[str(_collections_dir())])._install()
