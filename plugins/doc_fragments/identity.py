# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options that identify an instance (``ocore.cloud.identity``)."""

    DOCUMENTATION = r"""
options:
  id:
    description:
      - UUID of the instance. Takes precedence over O(slug), which takes precedence over O(name).
      - Leading and trailing blanks are ignored in all three. A value that is empty is refused; omit the option instead.
    type: str
  slug:
    description:
      - Short identifier of the instance, for example V(shop-prod).
    type: str
  name:
    description:
      - Display name of the instance. oCore does not require names to be unique. If several instances share the name, the
        task fails and lists them.
    type: str
"""
