# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make ``ansible_collections.ocore.cloud`` importable from a checkout, the way ansible-core itself does it.

The property tests try the same examples every time, so that what is tested does not depend on luck;
``--hypothesis-profile=search`` looks for new ones instead, and for long. What it finds becomes a test of its own.
"""

from __future__ import annotations

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from checkout import collections_dir
from hypothesis import settings

_AnsibleCollectionFinder(paths=[str(collections_dir())])._install()

settings.register_profile("same", derandomize=True, max_examples=40)
settings.register_profile("search", max_examples=2000)
settings.load_profile("same")
