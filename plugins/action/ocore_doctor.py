# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor import OPERATION
from ansible_collections.ocore.cloud.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    operation = OPERATION
