# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What all API modules have in common: attributes, and how they run (``ocore.cloud.attributes``)."""

    DOCUMENTATION = r"""
options: {}
notes:
  - On the controller the task runs inside the Ansible worker, which is faster than starting a module. Set the variable
    C(ocore_in_process) to V(false) to run the module instead.
    R(How tasks run,ansible_collections.ocore.cloud.docsite.guide_execution) explains the differences.
attributes:
  action_group:
    description:
      - Set the connection options once for all modules with C(group/ocore.cloud.ocore) in C(module_defaults).
      - Options that only some of the modules have, such as O(ignore:wait_timeout), belong under the name of each module.
    support: full
    membership:
      - ocore.cloud.ocore
  check_mode:
    description: Predicts what would change, without changing it.
    support: full
  diff_mode:
    description: Shows the difference between the current and the declared state, in check mode too.
    support: full
  idempotent:
    description: Running the same task again changes nothing.
    support: full
"""
