# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options that tell which instance is meant (``ocore.cloud.identity``)."""

    DOCUMENTATION = r"""
options:
  id:
    description:
      - Id (UUID) of the instance. The most specific of O(id), O(slug), and O(name) that is given decides which instance
        is meant.
    type: str
  slug:
    description:
      - Short identifier of the instance.
    type: str
  name:
    description:
      - Display name of the instance. oCore does not keep names unique; when several instances have it, the task fails and
        lists them.
    type: str
"""
