# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Threads that leave signals to the main thread."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor


def leave_signals_to_main() -> None:
    """Block the signals that end a task in the thread that calls this.

    Any thread may be given a signal, but Python runs its handler in the main thread: one that waits for others would not
    wake up, and Ctrl-C would be answered when all requests have timed out.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


def thread_pool(size: int) -> ThreadPoolExecutor:
    """Return a pool of at most ``size`` threads of that kind."""
    return ThreadPoolExecutor(size, initializer=leave_signals_to_main)
