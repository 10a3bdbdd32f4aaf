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
    soak = importlib.import_module("ansible_collections.ocore.cloud.tests.soak")
    about = "\n".join(f"  {name:12} {plan.about}" for name, plan in soak.CAMPAIGNS.items())
    parser = argparse.ArgumentParser(
        prog="python tests/soak",
        description=f"Thousands of cases that must not do harm.\n\ncampaigns:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--campaign",
        action="append",
        choices=list(soak.CAMPAIGNS),
        help="one of those above (all); can be given again",
    )
    parser.add_argument("--cases", type=int, metavar="N", help="how many of each, at most (the campaign's full size)")
    parser.add_argument("--seed", type=int, default=int(time.time()), metavar="N", help="which ones (the time)")
    parser.add_argument(
        "--seconds", type=float, default=1200, metavar="N", help="stop each after so many (%(default)s)"
    )
    parser.add_argument("--only", metavar="NAME", help="play one case, and show what it does")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="failures shown of a kind (%(default)s)")
    options = parser.parse_args()
    chosen = options.campaign or list(soak.CAMPAIGNS)
    if options.only:
        sys.exit(soak.load(chosen[0]).play_one(options.only, options.seed))
    statuses = [
        soak.load(name).main(
            options.cases or soak.CAMPAIGNS[name].full, options.seed, options.seconds, options.examples
        )
        for name in chosen
    ]
    sys.exit(max(statuses))
