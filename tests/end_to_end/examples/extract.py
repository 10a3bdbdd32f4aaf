# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the examples in guides, READMEs and plugin documentation, with the line that each begins at."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]

_RST_BLOCK = re.compile(r"^( *)\.\. (code-block|code|sourcecode|literalinclude|highlight)::(?: +(\S+))?$")
_FENCE = re.compile(r"^( *)```(\S*)$")


@dataclass(frozen=True)
class Example:
    """One example: ``text`` begins at ``line`` of the file ``source``, a path in the checkout."""

    source: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"

    @property
    def padded(self) -> str:
        """The text with as many lines before it as in its file, so that the line in an error message is the file's."""
        return "\n" * (self.line - 1) + self.text

    @property
    def filename(self) -> str | None:
        """The name that a reader saves it by: the one in its first line, such as ``# shop.yml``."""
        found = re.match(r"# (\S+\.(?:yml|yaml|cfg))$", self.text.splitlines()[0])
        return found[1] if found else None

    @property
    def data(self) -> Any:
        """What the YAML says; a tagged value (``!vault``) is its text."""
        return yaml.load(self.padded, Loader=_Loader)  # noqa: S506 - a SafeLoader


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def examples() -> list[Example]:
    """Give all examples of the checkout, file by file."""
    found: list[Example] = []
    for path in sorted((ROOT / "docs/docsite/rst").glob("*.rst")):
        found += _blocks(path, _RST_BLOCK)
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "roles").glob("*/README.md"))]:
        found += _blocks(path, _FENCE)
    for path in [*sorted((ROOT / "plugins/modules").glob("*.py")), *sorted((ROOT / "plugins/inventory").glob("*.py"))]:
        found += _plugin(path)
    for path in sorted((ROOT / "plugins/filter").glob("*.yml")):
        found += _sidecar(path)
    return found


def _blocks(path: Path, opening: re.Pattern[str]) -> Iterator[Example]:
    """Give the code blocks of a text: indented ones after a directive, or fenced ones."""
    source = str(path.relative_to(ROOT))
    lines = path.read_text(encoding="utf-8").splitlines()
    index = 0
    while index < len(lines):
        begin = opening.match(lines[index])
        index += 1
        if begin is None:
            continue
        fenced = opening is _FENCE
        if not fenced and begin[2] != "code-block":
            raise ValueError(f"{source}:{index}: write '.. code-block::', which is what the tests look for")
        first = index if fenced else index + 1
        end = first
        while end < len(lines) and (
            not lines[end].startswith("```") if fenced else not lines[end] or lines[end].startswith(begin[1] + "  ")
        ):
            end += 1
        body = lines[first:end]
        indent = min((len(line) - len(line.lstrip()) for line in body if line), default=0)
        text = "\n".join(line[indent:] for line in body).rstrip() + "\n"
        language = begin[2] if fenced else begin[3]
        if not language:
            raise ValueError(f"{source}:{index}: an example names its language")
        yield Example(source, first + 1, language, text)
        index = end + 1 if fenced else end


def _plugin(path: Path) -> Iterator[Example]:
    """Give the documents in the EXAMPLES of a Python file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
            assert isinstance(node.value, ast.Constant)
            yield from _documents(str(path.relative_to(ROOT)), node.value.lineno, str(node.value.value))


def _sidecar(path: Path) -> Iterator[Example]:
    """Give the documents in the EXAMPLES of a YAML file beside a filter."""
    mapping = yaml.compose(path.read_text(encoding="utf-8"))
    for key, value in mapping.value:
        if key.value == "EXAMPLES":
            yield from _documents(str(path.relative_to(ROOT)), value.start_mark.line + 2, value.value)


def _documents(source: str, line: int, text: str) -> Iterator[Example]:
    """Split a text at the lines that begin a YAML document; ``line`` is that of its first character."""
    begin: int | None = None
    lines = text.splitlines()
    for index in range(len(lines) + 1):
        if index == len(lines) or lines[index] == "---":
            part = lines[begin:index] if begin is not None else lines[:index]
            if any(entry.strip() for entry in part):
                yield Example(source, line + (begin or 0), "yaml", "\n".join(part).rstrip() + "\n")
            begin = index + 1
