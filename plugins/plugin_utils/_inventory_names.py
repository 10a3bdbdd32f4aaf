# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of an inventory's hosts, groups and variables: what the user asks for, made usable and unique."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from ansible import constants as C  # noqa: N812 - its usual name
from ansible.errors import AnsibleParserError, AnsibleUndefinedVariable
from ansible_collections.ocore.cloud.plugins.plugin_utils._construct import (
    Evaluators,
    Expression,
    Unresolved,
    Variables,
    failure,
)
from ansible_collections.ocore.cloud.plugins.plugin_utils._inventory_records import Entry, Kind, Record

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class Names:
    """Gives each host its name.

    :param preference: the entries of ``hostnames``.
    :param group: the name of the group of all hosts, which no host can have.
    :param others: the ids of what the hosts of other inventory files stand for, by their names.
    :raises AnsibleParserError: when an entry cannot be used.
    """

    def __init__(
        self,
        preference: Sequence[str],
        kind: Kind,
        evaluate: Evaluators,
        *,
        group: str,
        strict: bool,
        hidden: Set[str] = frozenset(),
        others: Mapping[str, Any] | None = None,
    ) -> None:
        self._kind = kind
        self._evaluate = evaluate
        self._strict = strict
        self._hidden = hidden
        self._reserved = {"all", "ungrouped", group, *C.LOCALHOST}
        self._others = others or {}
        self._sources = [self._source(text) for text in preference]

    def of(self, entries: Sequence[Entry]) -> list[tuple[str, str]]:
        """Return the name for each entry, and beside it the one that it would have if that were free."""
        wanted = [self._wanted(entry) for entry in entries]
        count = Counter(wanted)
        mine = {
            name
            for entry, name in zip(entries, wanted, strict=True)
            if count[name] == 1 and name not in self._reserved and not self._belongs_to_another(name, entry.record)
        }
        taken = set(mine)
        names = []
        for entry, name in zip(entries, wanted, strict=True):
            unique = name
            if name not in mine:
                unique = f"{name}_{_usable(entry.record['id'])}"
                while unique in taken:
                    unique += "_"
                taken.add(unique)
            names.append((unique, name))
        return names

    def _belongs_to_another(self, name: str, record: Record) -> bool:
        return bool(self._others.get(name, record["id"]) != record["id"])

    def _wanted(self, entry: Entry) -> str:
        for source in self._sources:
            name = _usable(source(entry) or "")
            if name:
                return name
        return _usable(entry.record["id"])

    def _source(self, text: str) -> Callable[[Entry], str | None]:
        """Return what gives the name of an entry by one entry of ``hostnames``."""
        if text == "primary_domain" and text in self._kind.sources:
            return lambda entry: _primary_domain(entry.record)
        if text in self._kind.sources:
            return lambda entry: entry.record[text]
        if _NAME.fullmatch(text):
            return lambda entry: self._variable(text, entry)
        if "{{" in text or "{%" in text:
            return lambda entry: self._evaluated(text, self._evaluate.template, entry)
        expression = Expression(text, self._evaluate.expression, strict=True, hidden=self._hidden)
        return lambda entry: self._evaluated(
            text, lambda _text, every: expression.value(Variables(every, every)), entry
        )

    def _variable(self, name: str, entry: Entry) -> str | None:
        """Return the value of a variable; a word that is none is a mistake rather than an undefined variable."""
        if name not in entry.variables:
            sources = self._kind.sources
            raise AnsibleParserError(
                f"hostnames has the entry {name!r}, which does not name {self._kind.noun}s. Use "
                f"{', '.join(sources[:-1])} or {sources[-1]}, or an expression over the variables of a host."
            )
        return self._text(name, entry.variables[name], entry)

    def _evaluated(self, text: str, evaluate: Callable[[Any, dict[str, Any]], Any], entry: Entry) -> str | None:
        """Return what an expression gives; ``None`` where one of its variables is undefined, unless strict."""
        try:
            return self._text(text, evaluate(text, entry.variables), entry)
        except (AnsibleUndefinedVariable, Unresolved) as error:
            if self._strict:
                raise self._failure(text, entry, error) from None
            return None
        except AnsibleParserError:
            raise
        except Exception as error:
            raise self._failure(text, entry, error) from None

    def _text(self, text: str, value: Any, entry: Entry) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        raise self._failure(text, entry, f"it gives {type(value).__name__} instead of a string")

    def _failure(self, text: str, entry: Entry, error: object) -> AnsibleParserError:
        return failure(f"Cannot name {self._kind.noun} {entry.record['id']} by {text} of hostnames", error)


def check_word(option: str, text: str, reserved: Set[str] = frozenset()) -> None:
    """Refuse a text that cannot be (the beginning of) the name of a variable or a group.

    :param option: the option that holds the text.
    """
    if not _NAME.fullmatch(text):
        raise AnsibleParserError(
            f"{option} must begin with a letter or an underscore and consist of letters, digits and underscores, "
            f"not {text!r}."
        )
    if text in reserved:
        raise AnsibleParserError(f"{option} cannot be {text!r}, which is a group of Ansible itself.")


def _primary_domain(record: Record) -> str | None:
    return next((entry["domain"] for entry in record["domains"] if entry["is_primary"] and entry["domain"]), None)


def _usable(text: str) -> str:
    """Return a text as a host name that ``--limit`` can select."""
    return re.sub(r"^[.-]|[^\w.-]", "_", text.strip())
