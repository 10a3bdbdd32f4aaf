# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan an inventory: the hosts, variables and groups that instance records make by the rules of an inventory file.

Pure: records, options and the functions that evaluate expressions go in, ``Additions`` come out, and nothing is read or
added. A plan that fails therefore leaves no half of an inventory behind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ansible import constants as C  # noqa: N812 - its usual name
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.template import trust_as_template
from ansible.utils.vars import combine_vars, validate_variable_name
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import displayable
from ansible_collections.ocore.cloud.plugins.plugin_utils._construct import (
    Expression,
    KeyedGroup,
    Unresolved,
    Variables,
)

Record = dict[str, Any]
Evaluate = Callable[[Any, dict[str, Any]], Any]
"""Evaluates what a user wrote, given all variables of a host."""

_ACTIVE = frozenset("{(|")
"""A text without any of these is no template, and calls no function and no filter as an expression."""

GROUP = "ocore"
"""The group of all hosts."""


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


@dataclass
class Host:
    """A host to add, with its own variables and the names of its groups."""

    name: str
    variables: dict[str, Any]
    groups: list[str]


@dataclass
class Additions:
    """What the inventory gets, in this order.

    :param groups: the names of all groups; a dict, because it keeps their order.
    :param parents: pairs of parent and child group, likewise.
    :param renamed: the names that hosts would have if these were free, and the names that they have instead.
    """

    hosts: list[Host] = field(default_factory=list)
    groups: dict[str, None] = field(default_factory=dict)
    parents: dict[tuple[str, str], None] = field(default_factory=dict)
    renamed: list[tuple[str, str]] = field(default_factory=list)

    def add_group(self, name: str, parent: str | None = None) -> str:
        """Add a group, and its parent, and return the group's name."""
        if not name or parent == "":
            raise AnsibleParserError(
                "A group of keyed_groups or groups has no name; give it a prefix or a default_value."
            )
        self.groups[name] = None
        if parent:
            self.groups[parent] = None
            self.parents[parent, name] = None
        return name


class Rules:
    """The filters, compose, groups and keyed_groups of an inventory file, parsed once for all hosts.

    :param options: these options, ``strict`` and ``leading_separator`` by name.
    :param hidden: names of extra variables, which take precedence over variables of hosts.
    :raises AnsibleParserError: when one of the options cannot be used.
    """

    def __init__(self, options: Mapping[str, Any], evaluate: Evaluators, hidden: Set[str] = frozenset()) -> None:
        self._strict = strict = bool(options["strict"])
        self._filters = [_filter(entry, evaluate.condition) for entry in options["filters"]]
        self._compose = {
            _variable_name(name): Expression(text, evaluate.expression, strict=strict, hidden=hidden)
            for name, text in options["compose"].items()
        }
        self._conditions = [
            (evaluate.group_name(name), Expression(text, evaluate.condition, strict=strict, condition=True))
            for name, text in options["groups"].items()
        ]
        self._keyed = [
            KeyedGroup(
                entry,
                evaluate.expression,
                evaluate.template,
                evaluate.group_name,
                strict=strict,
                leading_separator=options["leading_separator"],
                hidden=hidden,
            )
            for entry in options["keyed_groups"]
        ]

    def include(self, host: str, variables: Variables) -> bool:
        """Return whether the first filter that holds includes the host; true when none holds."""
        for includes, condition in self._filters:
            try:
                if condition.value(variables):
                    return includes
            except Exception as error:
                raise failure(f"Cannot evaluate the filter {condition.text} for host {host}", error) from None
        return True

    def composed(self, host: str, variables: Variables) -> dict[str, Any]:
        """Return the variables that ``compose`` makes; one without a value is left out unless strict."""
        found = {}
        for name, expression in self._compose.items():
            try:
                found[name] = expression.value(variables)
            except Unresolved:
                continue
            except Exception as error:
                if self._strict:
                    raise failure(f"Could not set {name} for host {host}", error) from None
        return found

    def groups(self, host: str, variables: Variables) -> Iterator[tuple[str, str | None]]:
        """Give the groups of the host, each with its parent or ``None``."""
        for group, condition in self._conditions:
            try:
                if condition.value(variables):
                    yield group, None
            except Unresolved:
                continue
            except Exception as error:
                if self._strict:
                    raise failure(f"Could not add host {host} to group {group}", error) from None
        for entry in self._keyed:
            yield from entry.groups(host, variables)


def plan_inventory(
    records: Sequence[Record],
    rules: Rules,
    *,
    prefix: str,
    hostnames: Sequence[str],
    variables_of: Callable[[str, dict[str, Any]], Variables],
) -> Additions:
    """Evaluate everything for all records.

    :param prefix: what the names of variables begin with.
    :param hostnames: fields that name a host, by preference.
    :param variables_of: gives what expressions see of a host, from its name and its own variables.
    :raises AnsibleParserError: when something cannot be evaluated and has to be.
    """
    check_prefix(prefix)
    additions = Additions(groups={GROUP: None})
    names = {name: f"{prefix}{name}" for record in records for name in record}
    for record, (host, wanted) in zip(records, host_names(records, hostnames), strict=True):
        own = {names[name]: value for name, value in record.items()}
        variables = variables_of(host, own)
        if not rules.include(host, variables):
            continue
        if host != wanted:
            additions.renamed.append((wanted, host))
        composed = rules.composed(host, variables)
        variables.add(composed)
        groups = {GROUP: None}
        for group, parent in rules.groups(host, variables):
            groups[additions.add_group(group, parent)] = None
        additions.hosts.append(Host(host, combine_vars(own, composed) if composed else own, list(groups)))
    _trust_plain_texts(additions.hosts)
    return additions


def _trust_plain_texts(hosts: Iterable[Host]) -> None:
    """Mark the texts that cannot be templates as trusted, now that everything has been evaluated.

    Nothing can happen to them in a template, and ``ansible-inventory --list`` prints them as they are. It wraps every other
    text, which programs that read its output, AWX among them, do not expect.
    """
    trust = _Trust()
    for host in hosts:
        host.variables = trust(host.variables)


class _Trust:
    """Marks texts; remembers them, since a mark costs more than a look-up and most texts come again."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if value.__class__ is str:  # a text that Ansible has tagged stays as it is
            found = self._known.get(value)
            if found is None:
                found = self._known[value] = _trusted(value)
            return found
        if isinstance(value, Mapping):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self(item) for item in value]
        return _trusted(value) if isinstance(value, str) else value


def _trusted(text: str) -> str:
    """Return ``text``, marked as trusted when it cannot be a template.

    Every delimiter of Jinja has a brace, unless a text that begins with ``#jinja2:`` sets others. Some keywords evaluate a
    trusted text once more as an expression, without delimiters (``when: "{{ ocore_name }}"``): what could call something
    there stays untrusted too.
    """
    if text.startswith("#") or not _ACTIVE.isdisjoint(text):
        return text
    marked: str = trust_as_template(text)
    return marked


def failure(attempt: str, error: Exception) -> AnsibleParserError:
    """Return the error to raise about a failed attempt; the cause may quote texts of the API."""
    return AnsibleParserError(displayable(f"{attempt}: {error}"))


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that makes no names of variables."""
    if not re.fullmatch(r"[A-Za-z_]\w*", prefix, re.ASCII):
        raise AnsibleParserError(
            "hostvars_prefix must begin with a letter or an underscore and consist of letters, digits and underscores, "
            f"not {prefix!r}."
        )


def host_names(records: Sequence[Record], preference: Sequence[str]) -> list[tuple[str, str]]:
    """Return the host name for each record, and beside it the one that it would have if that were free."""
    wanted = [_wanted_name(record, preference) for record in records]
    count = Counter(wanted)
    reserved = {"all", "ungrouped", GROUP, *C.LOCALHOST}
    taken = {name for name in wanted if count[name] == 1 and name not in reserved}
    names = []
    for record, name in zip(records, wanted, strict=True):
        unique = name
        if name not in taken:
            unique = f"{name}_{_usable(record['id'])}"
            while unique in taken:
                unique += "_"
            taken.add(unique)
        names.append((unique, name))
    return names


def _wanted_name(record: Record, preference: Sequence[str]) -> str:
    for source in (*preference, "id"):
        name = _usable((_primary_domain(record) if source == "primary_domain" else record[source]) or "")
        if name:
            return name
    raise AssertionError("each record has an id")


def _primary_domain(record: Record) -> str | None:
    return next((entry["domain"] for entry in record["domains"] if entry["is_primary"] and entry["domain"]), None)


def _usable(text: str) -> str:
    """Return a text as a host name that ``--limit`` can select."""
    return re.sub(r"^[.-]|[^\w.-]", "_", text.strip())


def _variable_name(name: Any) -> str:
    try:
        validate_variable_name(name)
    except AnsibleError:
        raise AnsibleParserError(f"compose cannot set {name!r}: it is not a valid variable name.") from None
    return str(name)


def _filter(entry: Any, evaluate: Evaluate) -> tuple[bool, Expression]:
    """Return whether an entry of ``filters`` includes, and its condition."""
    if not isinstance(entry, Mapping) or len(entry) != 1 or not {"include", "exclude"}.issuperset(entry):
        raise AnsibleParserError(
            f"Each entry of filters must be either include or exclude with one condition, not {entry}."
        )
    ((kind, text),) = entry.items()
    return kind == "include", Expression(text, evaluate, strict=True, condition=True)


def check_parents(additions: Additions, existing: Mapping[str, Set[str]]) -> None:
    """Refuse groups that would contain themselves: Ansible would notice only after it has added half of them.

    :param existing: the groups that the inventory has, each with its parents.
    """
    if not additions.parents:
        return
    above = {name: set(parents) for name, parents in existing.items()}
    for parent, child in additions.parents:
        above.setdefault(child, set()).add(parent)
        if parent != "all":
            above.setdefault(parent, set()).add("all")
    try:
        TopologicalSorter(above).prepare()
    except CycleError as error:
        raise AnsibleParserError(
            f"parent_group makes groups contain each other: {' < '.join(dict.fromkeys(error.args[1]))}."
        ) from None
