# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of modules that wait (``ocore.cloud.wait``)."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the change has taken effect. oCore accepts a change at once and applies it later.
    type: bool
    default: true
  wait_timeout:
    description:
      - Time limit for the whole task in seconds, including requests, retries, and the pauses that oCore asks for.
      - When it is over, the task fails. Nothing is undone; run the task again to continue waiting.
      - The limit also applies with O(wait=false).
    type: int
    default: 600
  wait_interval:
    description:
      - Seconds before the first status check. The pauses between checks grow to 10 seconds, or stay at this value if it is
        longer.
    type: float
    default: 2.0
"""
