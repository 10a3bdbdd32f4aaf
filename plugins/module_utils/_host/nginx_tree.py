# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration files of nginx say, read as nginx reads them: also while nginx itself refuses them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|(?P<punctuation>[{};])|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'"""
    r"""|(?P<word>(?:[^\s{};"'\\]|\\.|\$\{[^}]*\})(?:[^\s{};\\]|\\.|(?<=\$)\{[^}]*\})*)""",
    re.VERBOSE | re.DOTALL,
)
_FULL_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_INCLUDES_DEEP = 10


@dataclass
class Directive:
    """A directive with its file and line. A simple one has no block."""

    name: str
    arguments: list[str]
    file: str
    line: int
    block: list[Directive] | None = None


@dataclass
class Server:
    """A server block: where it stands, and what it answers for.

    :param names: its server names, in lower case.
    :param ports: the ports that it listens on.
    :param default_ports: those where it also answers for unknown names.
    """

    file: str
    line: int
    names: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)
    default_ports: set[int] = field(default_factory=set)


def _tokens(text: str) -> Iterator[tuple[str, bool, int]]:
    """Return each token with whether it is one of ``{};``, and its line. What is no token is skipped."""
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        end = match.end() if match else position + 1
        if match and match.lastgroup != "skip":
            yield str(match.group(str(match.lastgroup))), match.lastgroup == "punctuation", line
        line += text.count("\n", position, end)
        position = end


def _parse(tokens: Iterator[tuple[str, bool, int]], file: str) -> list[Directive]:
    """Return the directives up to the end of the block or of the file."""
    found: list[Directive] = []
    words: list[str] = []
    first_line = 0
    for word, punctuation, line in tokens:
        if not punctuation:
            first_line = first_line if words else line
            words.append(word)
            continue
        block = _parse(tokens, file) if word == "{" else None
        if words:
            found.append(Directive(words[0], words[1:], file, first_line, block))
        words = []
        if word == "}":
            break
    return found


def read_tree(main: str, without: Collection[str] = ()) -> tuple[list[Directive], set[str]]:
    """Return all directives with the includes put in their places, and the files and directories that they come from.

    :param main: the main configuration file. Relative includes are resolved from its directory, as nginx does.
    :param without: files that count as absent.
    """
    sources: set[str] = set()
    directory = os.path.dirname(main)

    def read(file: str, depth: int) -> list[Directive]:
        try:
            with open(file, encoding="utf-8", errors="replace") as handle:
                text = handle.read()
        except OSError:
            return []
        sources.add(file)
        return resolve(parse_text(text, file), depth)

    def resolve(directives: list[Directive], depth: int) -> list[Directive]:
        result: list[Directive] = []
        for directive in directives:
            if directive.name == "include" and directive.arguments and depth < _INCLUDES_DEEP:
                pattern = os.path.normpath(os.path.join(directory, directive.arguments[0]))
                if os.path.dirname(pattern) != directory:
                    sources.add(os.path.dirname(pattern))
                for path in sorted(set(glob.glob(pattern)) - set(without)):
                    result.extend(read(path, depth + 1))
                continue
            if directive.block is not None:
                directive.block = resolve(directive.block, depth)
            result.append(directive)
        return result

    return read(main, 0), sources


def parse_text(text: str, file: str) -> list[Directive]:
    """Return the directives of one text."""
    return _parse(_tokens(text), file)


def listen_port(address: str) -> int | None:
    """Return the port of the first argument of ``listen``; ``None`` for a UNIX socket or what cannot be read."""
    if address.startswith("unix:"):
        return None
    host, _colon, port = address.rpartition(":")
    if address.endswith("]") or (not host and not address.isdigit()):
        return 80
    return int(port) if port.isdigit() else None


def _server(directive: Directive) -> Server:
    server = Server(directive.file, directive.line)
    listens = [item for item in directive.block or [] if item.name == "listen" and item.arguments]
    for item in listens:
        port = listen_port(item.arguments[0])
        if port is not None:
            server.ports.add(port)
            if {"default_server", "default"} & set(item.arguments[1:]):
                server.default_ports.add(port)
    # nginx's own default.
    server.ports |= set() if listens else {80}
    for item in directive.block or []:
        if item.name == "server_name":
            server.names.extend(name.lower() for name in item.arguments)
    return server


def servers(directives: list[Directive]) -> list[Server]:
    """Return the server blocks, of a whole configuration or of a file for its ``http`` block."""
    inside = [item for http in directives if http.name == "http" for item in http.block or []]
    return [_server(item) for item in [*directives, *inside] if item.name == "server" and item.block is not None]


def directive_elsewhere(directives: list[Directive], name: str, own_file: str) -> bool:
    """Return whether a file other than ours has the directive in an ``http`` block or in one of its blocks."""
    return any(
        (item.name == name and item.file != own_file) or directive_elsewhere(item.block or [], name, own_file)
        for item in directives
    )


def names_elsewhere(found: list[Server], ports: Collection[int], own_file: str) -> dict[str, str]:
    """Return the names that server blocks of other files have on these ports, and where: name → ``FILE:LINE``.

    Only full names: a wildcard or a regular expression loses against our full name.
    """
    result: dict[str, str] = {}
    for server in found:
        if server.file == own_file or not server.ports & set(ports):
            continue
        # ".example.com" is short for "example.com *.example.com".
        for name in (name[1:] if name.startswith(".") else name for name in server.names):
            if _FULL_NAME.fullmatch(name):
                result.setdefault(name, f"{server.file}:{server.line}")
    return result


def defaults_elsewhere(found: list[Server], ports: Collection[int], own_file: str) -> list[str]:
    """Return where other files declare a default server on these ports, as ``FILE:LINE``."""
    return [
        f"{server.file}:{server.line}"
        for server in found
        if server.file != own_file and server.default_ports & set(ports)
    ]
