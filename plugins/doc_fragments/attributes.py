# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of the API modules (``ocore.cloud.attributes``)."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/ocore.cloud.ocore) in C(module_defaults) to say once for all these modules how to reach oCore.
      - Options that not all of them have, such as those for waiting, go there under the name of each module.
    support: full
    membership:
      - ocore.cloud.ocore
  check_mode:
    description: Can run in check mode and tell what would be done, without doing it.
    support: full
  diff_mode:
    description: Tells what changes, or would change, in check mode.
    support: full
  idempotent:
    description: When run twice in a row, the second run changes nothing.
    support: full
"""
