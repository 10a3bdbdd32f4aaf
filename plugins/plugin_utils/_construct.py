# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no compatibility is promised to other users.

"""Groups and variables from expressions: the same as ansible-core's Constructable gives, without its cost.

Templating one expression takes about half a millisecond, most of it to compile the expression again for each host. Two
things spare it:

* An expression that is only a path into the host's variables (``ocore_domains[0].domain``), or joins such paths and texts
  (``'https://' ~ ocore_auto_subdomain``), is read from the variables.
* An expression made of variables and of functions that always give the same answer (``ocore_status == 'running'``) is
  templated once for each set of values that it reads.

Whatever is not surely one of the two is templated by ansible-core, host by host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleParserError, AnsibleValueOmittedError
from ansible.template import is_trusted_as_template
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import displayable
from jinja2 import Environment, TemplateError, nodes
from jinja2.parser import Parser

Evaluate = Callable[[Any, dict[str, Any]], Any]
"""Evaluates what a user wrote, given all variables of a host."""

Path = tuple[str | int, ...]
"""A variable and the steps from it: ``a.b[0]['c']`` is ``("a", ".b", 0, "=c")``. Jinja looks for an attribute elsewhere than
for a subscript, so texts say which of the two they are."""

#: Names that are no variables, even where a variable has that name.
_NO_VARIABLES = frozenset(
    str.split("and caller else false False if in is kwargs loop none None not omit or self super true True varargs")
)

#: What an expression may be made of so that it depends on nothing but its variables.
_PURE_NODES = (
    nodes.And, nodes.BinExpr, nodes.Call, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Const, nodes.Dict,
    nodes.Filter, nodes.Getattr, nodes.Getitem, nodes.Keyword, nodes.List, nodes.Name, nodes.Operand, nodes.Or, nodes.Pair,
    nodes.Slice, nodes.Test, nodes.Tuple, nodes.UnaryExpr,
)  # fmt: skip
_PURE_FILTERS = frozenset(
    str.split(
        "abs basename bool capitalize d default dirname first float int join last length list lower regex_escape "
        "regex_findall regex_replace regex_search replace reverse round split splitext string ternary title trim "
        "truncate upper urlsplit"
    )
)
_PURE_TESTS = frozenset(
    str.split(
        "boolean contains defined eq equalto false falsy ge greaterthan gt in integer float le lessthan lower lt match "
        "ne none number regex sameas search string true truthy undefined upper version != < <= == > >="
    )
)
_SCALARS = (str, int, float, bool, type(None))

_MISSING = object()
_UNSURE = object()


def failure(attempt: str, error: object) -> AnsibleParserError:
    """Return the error to raise about a failed attempt; the cause may quote texts of the API."""
    return AnsibleParserError(displayable(f"{attempt}: {error}"))


@dataclass(frozen=True)
class Evaluators:
    """What ansible-core does with the texts of an inventory file.

    :param expression: gives the value of an expression.
    :param condition: gives the truth of a condition; fails for what is neither true nor false.
    :param template: renders a template.
    :param group_name: makes a text usable as the name of a group.
    """

    expression: Evaluate
    condition: Evaluate
    template: Evaluate
    group_name: Callable[[str], str]


class Unresolved(Exception):  # noqa: N818 - an answer rather than an error: it never reaches a user
    """The expression has no value for this host."""


@dataclass
class Variables:
    """What the expressions see of one host.

    :param every: all variables by name.
    :param data: those of ``every`` that are data and surely no templates.
    """

    every: dict[str, Any]
    data: dict[str, Any]

    def add(self, composed: Mapping[str, Any]) -> None:
        """Take the variables that ``compose`` made. A text among them may be a template of the user's."""
        self.every.update(composed)
        for name, value in composed.items():
            if isinstance(value, _SCALARS) and not is_trusted_as_template(value):
                self.data[name] = value
            else:
                self.data.pop(name, None)


class Expression:
    """One expression of the inventory file, to be evaluated for host after host.

    :param text: what the user wrote.
    :param stock: evaluates the text over all variables, the way ansible-core does.
    :param hidden: names that ``stock`` gives another value than ``Variables`` has: extra variables.
    :param condition: the value has to be true or false; ``stock`` decides about anything else.
    """

    def __init__(
        self,
        text: Any,
        stock: Evaluate,
        *,
        strict: bool,
        hidden: Set[str] = frozenset(),
        condition: bool = False,
    ) -> None:
        self.text = text
        self._stock = stock
        self._strict = strict
        self._condition = condition
        node = parse(text)
        names = {name.name for name in node.find_all(nodes.Name)} if node else set()
        if isinstance(node, nodes.Name):
            names.add(node.name)
        own = node if hidden.isdisjoint(names) else None
        self._path = path_of(own)
        self._joined = joined_by(own)
        self._inputs = frozenset(names) if is_pure(own) else None
        self._known: dict[Any, Any] = {}

    def value(self, variables: Variables) -> Any:
        """Give the value for a host.

        :raises Exception: what ``stock`` raises. Unless strict, ``Unresolved`` may stand for it.
        """
        found = _UNSURE
        if self._path:
            found = follow(self._path, variables.data)
        elif self._joined:
            found = join(self._joined, variables.data)
        elif self._inputs is not None:
            return self._remembered(self._inputs, variables)
        if found is _MISSING and not self._strict:
            raise Unresolved
        if found is _MISSING or found is _UNSURE or (self._condition and not isinstance(found, bool)):
            return self._stock(self.text, variables.every)
        return found

    def _remembered(self, inputs: Set[str], variables: Variables) -> Any:
        """Template only when these values have not been seen before."""
        key = []
        for name in inputs:
            value = variables.data.get(name, _MISSING)
            if (value is _MISSING and name in variables.every) or not (
                value is _MISSING or isinstance(value, _SCALARS)
            ):
                return self._stock(self.text, variables.every)
            key.append((type(value), value))  # 1, 1.0 and true are equal, but no template shows them alike
        values = tuple(key)
        try:
            result = self._known[values]
        except KeyError:
            try:
                result = self._stock(self.text, variables.every)
            except Exception:
                if self._strict:
                    raise
                result = _MISSING
            self._known[values] = result
        if result is _MISSING:
            raise Unresolved
        return result


def parse(text: Any) -> nodes.Expr | None:
    """Parse an expression of the user's as Jinja's ``compile_expression`` does; null for what is none."""
    if not isinstance(text, str) or not is_trusted_as_template(text):
        return None
    try:
        parser = Parser(Environment(), str(text), state="variable")  # noqa: S701 - nothing is rendered
        node = parser.parse_expression()
        return node if parser.stream.eos else None
    except TemplateError:
        return None


def path_of(node: nodes.Node | None) -> Path | None:
    """Give the path that an expression consists of; null when it is anything else."""
    if isinstance(node, nodes.Name):
        return None if node.name in _NO_VARIABLES else (node.name,)
    if not isinstance(node, (nodes.Getattr, nodes.Getitem)):
        return None
    step: Any
    if isinstance(node, nodes.Getattr):
        step = f".{node.attr}"
    elif not isinstance(node.arg, nodes.Const):
        return None
    elif _is_plain_text(node.arg.value):
        step = f"={node.arg.value}"
    elif isinstance(node.arg.value, int) and not isinstance(node.arg.value, bool):
        step = node.arg.value
    else:
        return None
    start = path_of(node.node)
    return (*start, step) if start else None


def joined_by(node: nodes.Node | None) -> list[str | Path] | None:
    """Give the texts and paths that an expression joins by ``~``; null when it does anything else."""
    if not isinstance(node, nodes.Concat):
        return None
    parts: list[str | Path] = []
    for part in node.nodes:
        path = path_of(part)
        if path:
            parts.append(path)
        elif isinstance(part, nodes.Const) and _is_plain_text(part.value):
            parts.append(part.value)
        else:
            return None
    return parts


def _is_plain_text(value: Any) -> bool:
    """Tell whether a text constant means what it says: ansible-core may template it, or double its backslashes."""
    return isinstance(value, str) and value.isprintable() and "{" not in value and "\\" not in value


def join(parts: list[str | Path], data: Mapping[str, Any]) -> Any:
    """Give the texts and what the paths lead to as one text, or a marker as ``follow`` does."""
    texts = []
    for part in parts:
        value = part if isinstance(part, str) else follow(part, data)
        if value is _MISSING or not isinstance(value, _SCALARS):
            return value if value is _MISSING else _UNSURE
        texts.append(str(value))
    return "".join(texts)


def follow(path: Path, data: Mapping[str, Any]) -> Any:
    """Give what a path leads to; a marker when it surely leads nowhere, or when only Jinja can tell."""
    value = data.get(str(path[0]), _UNSURE)
    for step in path[1:]:
        if isinstance(step, int):
            if not isinstance(value, list):
                return _UNSURE
            if step >= len(value):
                return _MISSING
            value = value[step]
            continue
        kind, name = step[0], step[1:]
        if value is _UNSURE:
            return _UNSURE
        # a.items is the method, a['items'] the entry; without such an entry, the method again.
        method = hasattr(value, name) or name.startswith("_")
        if not isinstance(value, dict):
            return _UNSURE if method else _MISSING
        if method and (kind == "." or name not in value):
            return _UNSURE
        if name not in value:
            return _MISSING
        value = value[name]
    return value


def is_pure(node: nodes.Node | None) -> bool:
    """Tell whether an expression gives the same result whenever its variables have the same values."""
    return node is not None and all(_is_pure(part) for part in (node, *node.find_all(nodes.Node)))


def _is_pure(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name in _PURE_FILTERS
    if isinstance(node, nodes.Test):
        return node.name in _PURE_TESTS
    if isinstance(node, nodes.Call):
        return isinstance(node.node, nodes.Getattr)  # a method; functions such as lookup or now are not
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return "{" not in node.value  # ansible-core renders templates in the texts of a condition
    return isinstance(node, _PURE_NODES)


class KeyedGroup:
    """One entry of ``keyed_groups``.

    :param entry: what the user wrote.
    :param stock: evaluates an expression the way ansible-core does.
    :param template: templates a text the way ansible-core does.
    :param sanitize: makes a name usable for a group.
    :raises AnsibleParserError: when the entry can't be used.
    """

    def __init__(
        self,
        entry: Any,
        stock: Evaluate,
        template: Evaluate,
        sanitize: Callable[[str], str],
        *,
        strict: bool,
        leading_separator: bool,
        hidden: Set[str] = frozenset(),
    ) -> None:
        if not isinstance(entry, dict) or not entry:
            raise AnsibleParserError(f"Invalid keyed group entry, it must be a dictionary: {entry}")
        self._default = entry.get("default_value")
        self._trailing = entry.get("trailing_separator")
        if self._trailing is not None and self._default is not None:
            raise AnsibleParserError(
                "parameters are mutually exclusive for keyed groups: default_value|trailing_separator"
            )
        self._key = Expression(entry.get("key"), stock, strict=strict, hidden=hidden)
        self._separator = entry.get("separator", "_")
        prefix = entry.get("prefix", "")
        self._start = prefix if prefix == "" and leading_separator is False else f"{prefix}{self._separator}"
        self._parent = entry.get("parent_group")
        if not isinstance(self._parent, (str, type(None))):
            raise AnsibleParserError(f"parent_group of keyed group {self._key.text} must be a text: {self._parent}")
        self._template = template
        self._sanitize = sanitize
        self._strict = strict
        self._named: dict[str, str] = {}

    def groups(self, host: str, variables: Variables) -> Iterator[tuple[str, str | None]]:
        """Give the groups of a host, each with its parent or ``None``.

        :raises AnsibleParserError: when strict and the host has no key, and for a key that cannot name a group.
        """
        found, key = self._key_of(host, variables)
        if not found:
            return
        found, parent = self._parent_of(host, key, variables)
        if found:
            for name in self._names(host, key):
                yield self._group(f"{name}"), self._sanitize(parent) if parent else None

    def _key_of(self, host: str, variables: Variables) -> tuple[bool, Any]:
        """Return whether the host has a key, and the key: a string, a list or a dictionary, or ``None`` for a default."""
        try:
            key = self._key.value(variables)
        except Exception as error:
            if self._strict:
                raise failure(f"Could not generate group for host {host} from {self._key.text} entry", error) from None
            return False, None
        if isinstance(key, (bool, int, float)):
            return True, str(key)
        if self._default is not None and (key is None or key == ""):
            return True, None
        if not key and self._strict and key not in ([], {}):
            raise AnsibleParserError(f"No key or key resulted empty for {self._key.text} in host {host}, invalid entry")
        return bool(key), key

    def _parent_of(self, host: str, key: Any, variables: Variables) -> tuple[bool, str | None]:
        """Return whether the parent could be told, and its name or ``None``."""
        name: Any = self._parent
        try:
            if name and ("{" in name or name.startswith("#")):
                name = self._template(name, variables.every)
        except AnsibleValueOmittedError:
            return True, None
        except Exception as error:
            if self._strict:
                raise failure(
                    f"Could not generate parent group {self._parent!r} for group {key!r} of host {host}", error
                ) from None
            return False, None
        if name and not isinstance(name, str):
            raise failure(f"parent_group {self._parent!r} gives no text for host {host}", repr(name))
        return True, name

    def _names(self, host: str, key: Any) -> Iterator[Any]:
        """Give the names that a key makes, without prefix; a default takes the place of what is empty."""
        if key is None:
            yield self._default
        elif isinstance(key, str):
            yield key
        elif isinstance(key, list):
            for name in key:
                yield self._default if self._default is not None and (name is None or name == "") else name
        elif isinstance(key, Mapping):
            yield from self._pairs(key)
        else:
            raise AnsibleParserError(
                f"The key {self._key.text} of keyed_groups gives {type(key).__name__} for host {host}. It must give a "
                "string, a number, a boolean, a list or a dictionary."
            )

    def _pairs(self, key: Mapping[Any, Any]) -> Iterator[Any]:
        """Give the names that a dictionary makes."""
        for name, value in key.items():
            if value is not None and value != "":
                yield f"{name}{self._separator}{value}"
            elif self._default is not None:
                yield f"{name}{self._separator}{self._default}"
            else:
                yield name if self._trailing is False else f"{name}{self._separator}{value}"

    def _group(self, name: str) -> str:
        if name not in self._named:
            self._named[name] = self._sanitize(f"{self._start}{name}")
        return self._named[name]
