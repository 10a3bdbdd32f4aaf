# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals are for the main thread: one that another thread got would not wake it, and Ctrl-C would wait for all requests."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from ansible_collections.ocore.cloud.plugins.module_utils._api import threads, wire
from ansible_collections.ocore.cloud.plugins.module_utils._api.threads import thread_pool

PLUGINS = Path(threads.__file__).parents[2]
ENDS = {signal.SIGINT, signal.SIGTERM}


def blocked() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, []))


def test_signals_that_end_a_task_are_blocked_in_the_threads_of_a_pool() -> None:
    assert not blocked() & ENDS
    with thread_pool(1) as pool:
        assert pool.submit(blocked).result() >= ENDS
    assert not blocked() & ENDS


def test_signals_that_end_a_task_are_blocked_in_the_thread_of_a_connection() -> None:
    line = wire._Line(wire.requests.Session())
    line.orders.put(blocked)  # type: ignore[arg-type]
    assert line.outcomes.get(timeout=60) >= ENDS  # type: ignore[operator]
    line.close()


def test_no_thread_is_started_that_takes_signals() -> None:
    started = re.compile(r"ThreadPoolExecutor\(|Thread\(target=")
    for path in sorted(PLUGINS.glob("module_utils/_[ao]p*/*.py")):
        text = path.read_text(encoding="utf-8")
        assert not started.search(text) or "leave_signals_to_main" in text, path.name
