# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's findings for people: lines for a screen, and a report that can be attached to an issue.

The report is made of what findings say in their own words, and of the profile. Examples, which name things, stay out of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_finding import Finding, Verdict, count, several

Groups = Mapping[str, Sequence[Finding]]


def lines_of(groups: Groups) -> list[str]:
    """Return the findings as lines for a screen: one for each check, what to do below it, and a summary at the end."""
    lines: list[str] = []
    for title, findings in groups.items():
        lines += [f"--- {title}", *(line for finding in findings for line in _lines(finding))]
    return [*lines, "---", headline(groups)]


def _lines(finding: Finding) -> list[str]:
    lines = [f"{finding.verdict.value:<8} {finding.check:<21} {finding.seen}"]
    if finding.verdict is not Verdict.OK:
        lines += [f"{'':<30} {finding.advice}"] if finding.advice else []
    if finding.examples:
        lines.append(f"{'':<30} That is: {'; '.join(finding.examples)}")
    return lines


def headline(groups: Groups) -> str:
    """Return the counts as a sentence."""
    findings = [finding for group in groups.values() for finding in group]
    number = count(findings)
    parts = [f"{found} {verdict}" for verdict, found in number.items() if found]
    return f"{several(len(findings), 'check')}: {', '.join(parts)}."


def report_of(groups: Groups, profile: Mapping[str, Any]) -> str:
    """Return the report in Markdown, with the same as JSON at its end."""
    text = [
        "# oCore doctor",
        "",
        f"{headline(groups)} This report holds no hosts, names, slugs, ids or values, and can be attached to an issue.",
    ]
    for title, findings in groups.items():
        text += ["", f"## {title}", "", "| | check | seen | what to do |", "| --- | --- | --- | --- |"]
        text += [f"| {f.verdict.value} | {f.check} | {_cell(f.seen)} | {_cell(f.advice)} |" for f in findings]
    data = {
        "findings": [
            {"check": f.check, "verdict": f.verdict.value, "seen": f.seen} for group in groups.values() for f in group
        ],
        "profile": dict(profile),
    }
    return "\n".join(
        [*text, "", "## For machines", "", "```json", json.dumps(data, indent=1, sort_keys=True), "```", ""]
    )


def _cell(text: str) -> str:
    """Return a text that cannot break out of a cell of a table, or turn into markup."""
    return "".join(f"\\{c}" if c in "\\|`*_<>[]#" else c for c in " ".join(text.split()))
