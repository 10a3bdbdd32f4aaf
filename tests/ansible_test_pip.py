# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let ansible-test make its environments where nothing but a package index can be reached.

ansible-test downloads a script that installs pip before it makes a virtual environment. This puts a script of the same
effect into ansible-test's cache: it uses the interpreter's own ensurepip and the configured package index. Run it with the
interpreter that holds ansible-core.
"""

from __future__ import annotations

import re
from pathlib import Path

import ansible_test._internal.python_requirements as requirements

SCRIPT = """\
import ensurepip, subprocess, sys
ensurepip.bootstrap()
subprocess.check_call([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "pip=={version}"])
"""

cache = Path.home() / ".ansible/test/cache"
cache.mkdir(parents=True, exist_ok=True)
for version in sorted(set(re.findall(r"""['"](\d+\.\d+(?:\.\d+)?)['"]""", Path(requirements.__file__).read_text()))):
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if not script.exists():
        script.write_text(SCRIPT.format(version=version))
