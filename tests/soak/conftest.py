# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make `ansible_collections.ocore.cloud` importable from a checkout, the way ansible-core itself does it."""

from __future__ import annotations

from checkout import make_importable

make_importable()
