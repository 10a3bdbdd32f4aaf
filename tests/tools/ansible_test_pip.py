# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let ansible-test make its environments where nothing but a package index can be reached.

ansible-test downloads a script that installs pip before it makes a virtual environment. This puts a script of the same
effect into ansible-test's cache: it uses the interpreter's own ensurepip and the configured package index. And a requirement
of a sanity test that names an archive elsewhere becomes the release that the index has. Run it with the interpreter that
holds ansible-core.
"""

from __future__ import annotations

import re
from pathlib import Path

import ansible_test._internal.python_requirements as requirements

# ansible-test clears the environment, so the system's CA bundle has to be named here.
SCRIPT = """\
import ensurepip, os, subprocess, sys
ensurepip.bootstrap()
bundle = "/etc/ssl/certs/ca-certificates.crt"
trust = ["--cert", bundle] if os.path.exists(bundle) else []
quiet = ["--disable-pip-version-check", "--quiet"]
subprocess.check_call([sys.executable, "-m", "pip", "install", *quiet, *trust, "pip=={version}"])
"""

cache = Path.home() / ".ansible/test/cache"
cache.mkdir(parents=True, exist_ok=True)
for version in sorted(set(re.findall(r"""['"](\d+\.\d+(?:\.\d+)?)['"]""", Path(requirements.__file__).read_text()))):
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(SCRIPT.format(version=version))

for file in (Path(requirements.__file__).parents[1] / "_data/requirements").glob("sanity.*.txt"):
    # ansible-core 2.22 names a commit of dill, which it needs for Python 3.15 only.
    lines = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"^(\w+) ?@ https?://\S+$", r"\1", lines, flags=re.MULTILINE), encoding="utf-8")
