# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered file in sections: a head that all share, and a section per instance that can be left out."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_tree import parse_text, servers

_MARK = re.compile(r"^# ---- ([a-z0-9-]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sections:
    """A text in sections.

    :param head: what stands before the first mark.
    :param parts: name → text of each section, with its mark.
    """

    head: str
    parts: dict[str, str] = field(default_factory=dict)

    def text(self, without: Collection[str] = ()) -> str:
        """Return the text without some of the sections."""
        return self.head + "".join(part for name, part in self.parts.items() if name not in without)

    def alone(self, name: str) -> str:
        """Return the text with only one section."""
        return self.head + self.parts[name]

    def names(self, section: str) -> set[str]:
        """Return the server names of a section."""
        return {name for server in servers(parse_text(self.parts[section], section)) for name in server.names}


def split_sections(text: str) -> Sections:
    """Return the text in sections. One begins with a line ``# ---- NAME`` and ends before the next."""
    marks = list(_MARK.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    head = text[: marks[0].start()] if marks else text
    return Sections(head, {mark.group(1): text[mark.start() : end] for mark, end in zip(marks, ends)})  # noqa: B905 (Python 3.9)
