# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw the figures that matter most as one SVG: bars by panel, for light and dark pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from measure import Figure

WIDTH, LABEL, ROW, GAP = 860, 250, 26, 34
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 14px }
.ours { fill: #0969da } .other { fill: #8c959f } .value { font-variant-numeric: tabular-nums }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #4493f8 } .other { fill: #6e7681 } }
"""
PANELS = [
    ("One task that has nothing to do, in a loop of 20: milliseconds each", r"no-op, loop of 20, each: (?P<name>.*)"),
    ("ansible-inventory --list of 10,000 instances: seconds", r"inventory of 10,000, --list: (?P<name>[^/]*)"),
    ("ocore_fleet with nothing to do, one request: seconds above an empty playbook",
     r"fleet no-op of (?P<name>[\d,]+), above empty"),
]  # fmt: skip
OURS = re.compile(r"ours|[\d,]+$")
LABELS = {
    "debug": "ansible.builtin.debug (the floor)",
    "uri": "ansible.builtin.uri",
    "hcloud.server": "hetzner.hcloud.server",
    "ours in the worker": "ocore_instance, in the worker",
    "ours as a module": "ocore_instance, as a module",
    "script": "a script that prints the same",
    "hcloud": "hetzner.hcloud.hcloud",
    "ours, cold": "ocore.cloud.ocore",
    "ours, from cache": "ocore.cloud.ocore, from cache",
}


def draw(figures: Iterable[Figure]) -> str:
    """Give the picture; a panel without figures is left out.

    :param figures: what was measured, found by its words.
    """
    shapes: list[str] = []
    top = 10
    for title, pattern in PANELS:
        found = [(m["name"], f) for f in figures if f.unit != "MiB" and (m := re.fullmatch(pattern, f.what))]
        if not found:
            continue
        if not found[0][0][0].isdigit():  # sizes keep their order
            found.sort(key=lambda pair: pair[1].value)
        most = max(figure.value for _name, figure in found)
        top += GAP
        shapes.append(f'<text class="title" x="10" y="{top - 12}">{escape(title)}</text>')
        for name, figure in found:
            # The numbers stand right of the bars, so that these may take the rest of the width.
            length = max(2.0, (WIDTH - LABEL - 90) * max(figure.value, 0) / most)
            kind = "ours" if OURS.match(name) else "other"
            label = LABELS.get(name, f"{name} instances")
            middle = top + ROW / 2 + 1
            shapes += [
                f'<text x="{LABEL - 10}" y="{middle}" text-anchor="end">{escape(label)}</text>',
                f'<rect class="{kind}" x="{LABEL}" y="{top - 1}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>',
                f'<text class="value" x="{LABEL + length + 8:.1f}" y="{middle}">{_number(figure)}</text>',
            ]
            top += ROW
    height = top + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Measured times of ocore.cloud beside others">\n<style>{STYLE}</style>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def _number(figure: Figure) -> str:
    return f"{figure.value:.0f} ms" if figure.unit == "ms" else f"{figure.value:.2f} s"
