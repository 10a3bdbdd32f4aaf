# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the campaign: `python tests/soak --cases 6000 --seed 1`, or one case of it: `--only NAME`."""

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
    campaign = importlib.import_module("ansible_collections.ocore.cloud.tests.soak.campaign")

    parser = argparse.ArgumentParser(prog="python tests/soak", description="Faults against every operation.")
    parser.add_argument("--cases", type=int, default=6000, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), metavar="N", help="which ones (the time)")
    parser.add_argument("--seconds", type=float, default=1200, metavar="N", help="stop after so many (%(default)s)")
    parser.add_argument("--only", metavar="NAME", help="play one case, and show what it does")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="failures shown of a kind (%(default)s)")
    options = parser.parse_args()
    if options.only:
        sys.exit(campaign.show(options.only, options.seed))
    sys.exit(campaign.main(options.cases, options.seed, options.seconds, options.examples))
