# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `ansible_collections.ocore.cloud` importable from a checkout, the way ansible-core itself does it."""

from __future__ import annotations

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from checkout import collections_dir

_AnsibleCollectionFinder(paths=[str(collections_dir())])._install()
