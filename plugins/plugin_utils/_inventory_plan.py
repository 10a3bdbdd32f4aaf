# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan an inventory: the hosts, variables and groups that records make by the rules of an inventory file.

Pure: records, options and the functions that evaluate expressions go in, ``Additions`` come out, and nothing is read or
added. A plan that fails therefore leaves no half of an inventory behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.template import trust_as_template
from ansible.utils.vars import combine_vars, validate_variable_name
from ansible_collections.ocore.cloud.plugins.plugin_utils._construct import (
    Evaluate,
    Evaluators,
    Expression,
    KeyedGroup,
    Unresolved,
    Variables,
    failure,
)
from ansible_collections.ocore.cloud.plugins.plugin_utils._inventory_names import Names
from ansible_collections.ocore.cloud.plugins.plugin_utils._inventory_records import Entry, Kind, some_of

_ACTIVE = frozenset("{(|")
"""A text without any of these is no template, and calls no function and no filter as an expression."""


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
    :param warnings: sentences for the user.
    """

    hosts: list[Host] = field(default_factory=list)
    groups: dict[str, None] = field(default_factory=dict)
    parents: dict[tuple[str, str], None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

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
    entries: Sequence[Entry],
    kind: Kind,
    rules: Rules,
    names: Names,
    *,
    group: str,
    variables_of: Callable[[str, dict[str, Any]], Variables],
) -> Additions:
    """Evaluate everything for all records.

    :param kind: what the entries are.
    :param group: the name of the group of all hosts.
    :param variables_of: gives what expressions see of a host, from its name and its own variables.
    :raises AnsibleParserError: when something cannot be evaluated and has to be.
    """
    additions = Additions(groups={group: None})
    renamed: list[tuple[str, str]] = []
    unreachable: list[str] = []
    for entry, (host, wanted) in zip(entries, names.of(entries), strict=True):
        own = entry.variables
        variables = variables_of(host, own)
        if not rules.include(host, variables):
            continue
        if host != wanted:
            renamed.append((wanted, host))
        composed = rules.composed(host, variables)
        variables.add(composed)
        if entry.connects and "ansible_host" not in variables.every:
            unreachable.append(host)
            if kind.needs_address:
                continue
        groups = {group: None}
        for name, parent in rules.groups(host, variables):
            groups[additions.add_group(name, parent)] = None
        additions.hosts.append(Host(host, combine_vars(own, composed) if composed else own, list(groups)))
    additions.warnings = [*_warning_of_renamed(renamed, kind), *_warning_of_unreachable(unreachable, kind)]
    _trust_plain_texts(additions.hosts)
    return additions


def _warning_of_renamed(renamed: Sequence[tuple[str, str]], kind: Kind) -> Iterator[str]:
    """Give the warning about hosts that have another name than the one that they would have if that were free."""
    if renamed:
        yield (
            f"{len(renamed)} hosts have the id of their {kind.noun} in their name, such as "
            f"{min(name for _wanted, name in renamed)}, because several {kind.noun}s share a name, or it is reserved or used "
            f"by another inventory file: {some_of(wanted for wanted, _name in renamed)}. Use {kind.unique} in hostnames for "
            "names that are unique in the organization."
        )


def _warning_of_unreachable(hosts: Sequence[str], kind: Kind) -> Iterator[str]:
    """Give the warning about hosts that nothing can connect to."""
    if hosts:
        yield (
            f"oCore has no usable address (host, port and ssh_user of a server) for {some_of(hosts)}. {kind.fate}, unless "
            "compose sets ansible_host."
        )


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
