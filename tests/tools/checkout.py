# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Ansible finds this checkout as a collection: for tests, benchmarks and the demo. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
NAMESPACE = ("ansible_collections", "ocore", "cloud")
SETTINGS = ("ANSIBLE_", "AWX_", "CONTROLLER_", "HCLOUD_", "OCORE_")
"""How variables begin that a user of this machine may have set for work of their own."""


def collections_dir() -> Path:
    """Return a directory in which this checkout is found as ``ansible_collections/ocore/cloud``, wherever it lies."""
    if ROOT.parts[-3:] == NAMESPACE:
        return ROOT.parents[2]
    link = BUILD.joinpath("collections", *NAMESPACE)
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        # Several processes may do this at once: a link is put into place whole.
        new = link.with_name(f".{os.getpid()}")
        new.symlink_to(ROOT, target_is_directory=True)
        new.replace(link)
    return BUILD / "collections"


def make_importable() -> None:
    """Make ``ansible_collections.ocore.cloud`` importable, unless ansible-test has done so already."""
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    if not any(isinstance(finder, _AnsibleCollectionFinder) for finder in sys.meta_path):
        _AnsibleCollectionFinder(paths=[str(collections_dir())])._install()


def environment(**more: str) -> dict[str, str]:
    """Return the environment for one of Ansible's commands: this process's without ``SETTINGS``, with this checkout as the
    collection, and ``more``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return {**clean, "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()), **more}


def copy_tree(name: str) -> Path:
    """Copy the checkout to where ansible-test and linters want a collection.

    :param name: of a directory in .build; an earlier copy there is replaced.
    :returns: the collection's directory.
    """
    target = BUILD.joinpath(name, *NAMESPACE)
    shutil.rmtree(target, ignore_errors=True)
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for path in filter(None, subprocess.check_output(listing, text=True).split("\0")):
        if (ROOT / path).is_file():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target / path)
    # A repository of its own: inside the ignored .build the tools would find no file, and say that all is well.
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", "-C", str(target), *command], check=True)
    return target
