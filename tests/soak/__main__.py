# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the campaigns, `python tests/soak --seed 1`, or one case: `--campaign hostile --only NAME`."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1] / "tools")
    from checkout import make_importable

    make_importable()
    parser = argparse.ArgumentParser(
        prog="python tests/soak", description="Thousands of cases that no API should give."
    )
    parser.add_argument(
        "--campaign",
        choices=["faults", "hostile"],
        help="faults of the network against every operation, or answers with wrong values for every reader (both)",
    )
    parser.add_argument(
        "--cases", type=int, default=20_000, metavar="N", help="how many of each, at most (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()), metavar="N", help="which ones (the time)")
    parser.add_argument(
        "--seconds", type=float, default=1200, metavar="N", help="stop each after so many (%(default)s)"
    )
    parser.add_argument("--only", metavar="NAME", help="play one case, and show what it does")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="failures shown of a kind (%(default)s)")
    options = parser.parse_args()
    package = "ansible_collections.ocore.cloud.tests.soak"
    modules = {name: importlib.import_module(f"{package}.{name}") for name in ("faults", "hostile")}
    if options.only:
        sys.exit(modules[options.campaign or "faults"].show(options.only, options.seed))
    chosen = [options.campaign] if options.campaign else list(modules)
    limits = options.cases, options.seed, options.seconds, options.examples
    sys.exit(max([modules[name].main(*limits) for name in chosen]))
