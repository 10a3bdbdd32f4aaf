# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of modules that wait (``ocore.cloud.wait``)."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until what was asked for has taken effect. oCore only queues it.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds for the whole task. A task that ran out of time can be run again and goes on waiting.
    type: int
    default: 600
  wait_interval:
    description:
      - Seconds before the first look at the instance. The pauses grow by half each time, to 10 seconds at the most.
    type: float
    default: 2.0
"""
