# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command and print what it took as JSON: launch.py OUTPUT COMMAND ...

A process of its own, since the kernel counts the memory of whoever starts a command as the command's.
"""

import json
import os
import subprocess
import sys
import time

with open(sys.argv[1], "wb") as output:
    began = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
scale = 1024 * 1024 if sys.platform == "darwin" else 1024
facts = {
    "failed": status != 0,
    "seconds": seconds,
    "cpu": usage.ru_utime + usage.ru_stime,
    "memory": usage.ru_maxrss / scale,
}
print(json.dumps(facts))
