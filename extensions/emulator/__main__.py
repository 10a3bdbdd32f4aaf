# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the emulator: ``python extensions/emulator --help``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a directory, Python puts that directory itself first on its path: its parent is what holds the package.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        cli = importlib.import_module("emulator.cli")
    except ModuleNotFoundError as missing:
        needed = Path(__file__).resolve().parent / "requirements.txt"
        sys.exit(f"oCore emulator: {missing}; install what it needs: {sys.executable} -m pip install -r {needed}")
    sys.exit(cli.main())
