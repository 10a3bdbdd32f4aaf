# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups and variables of the inventory are those of ansible-core's Constructable, whatever the records hold."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest import mock

import pytest
from ansible import constants as C  # noqa: N812
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.template import trust_as_template as trusted
from ansible_collections.ocore.cloud.plugins.inventory.ocore import InventoryModule
from ansible_collections.ocore.cloud.plugins.plugin_utils._construct import Expression, Variables
from ansible_collections.ocore.cloud.plugins.plugin_utils._inventory_records import Lists
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

DEFAULTS = {
    "compose": {},
    "groups": {},
    "keyed_groups": [],
    "filters": [],
    "strict": False,
    "leading_separator": True,
    "use_extra_vars": False,
    "hosts": "instances",
    "connect_with": "none",
    "group": None,
    "hostnames": None,
    "hostvars_prefix": "ocore_",
}


class Stock(BaseInventoryPlugin, Constructable):
    """Adds hosts the way most inventory plugins do, but for a boolean or a number as a key, which we take as its text."""

    NAME = "stock"
    keys = False

    def _compose(self, template: Any, variables: dict[str, Any], *options: Any) -> Any:
        value = super()._compose(template, variables, *options)
        return str(value) if self.keys and isinstance(value, (bool, int, float)) else value

    def _add_host_to_keyed_groups(self, *args: Any, **options: Any) -> None:
        self.keys = True
        super()._add_host_to_keyed_groups(*args, **options)
        self.keys = False

    def run(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            name = record["slug"]
            self.inventory.add_group("ocore")
            self.inventory.add_host(name, "ocore")
            for key, value in record.items():
                self.inventory.set_variable(name, f"ocore_{key}", value)
            strict = self.get_option("strict")
            variables = self.inventory.get_host(name).get_vars()
            self._set_composite_vars(self.get_option("compose"), variables, name, strict)
            self._add_host_to_composed_groups(self.get_option("groups"), {}, name, strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, name, strict)
        self.inventory.reconcile_inventory()


class Ours(InventoryModule):
    def run(self, records: list[dict[str, Any]]) -> None:
        self._add(self._plan(Lists(records), []))
        self.inventory.reconcile_inventory()


def built(kind: type, records: list[dict[str, Any]], options: dict[str, Any], extra: dict[str, Any]) -> InventoryData:
    plugin = kind()
    plugin.inventory = InventoryData()
    plugin.loader = DataLoader()
    plugin._vars = extra
    plugin.get_option = {**DEFAULTS, **options}.__getitem__
    plugin.run(json.loads(json.dumps(records)))
    return plugin.inventory


def shown(inventory: InventoryData) -> str:
    """Everything that a user sees of an inventory, as a text that tells 1 from true."""
    text = json.dumps(
        {
            "groups": {
                name: [[host.name for host in group.hosts], [child.name for child in group.child_groups]]
                for name, group in inventory.groups.items()
            },
            "hosts": {name: dict(sorted(host.vars.items())) for name, host in inventory.hosts.items()},
        },
        indent=1,
    )
    return re.sub("0x[0-9a-f]+", "0x", text)  # where a method lies in memory


def compare(records: list[dict[str, Any]], options: dict[str, Any], extra: dict[str, Any] | None = None) -> str:
    """Build both ways; give what came out."""
    outcomes = []
    for kind in (Stock, Ours):
        try:
            outcomes.append(shown(built(kind, records, options, extra or {})))
        except Exception as error:
            outcomes.append(f"failed: {type(error).__name__}")
    if any(outcome.startswith("failed") for outcome in outcomes):
        assert [outcome.startswith("failed") for outcome in outcomes] == [True, True], outcomes
    else:
        assert outcomes[1] == outcomes[0]
    return outcomes[1]


TEXTS = st.one_of(
    st.sampled_from(
        ["", "running", "stopped", "17.0", "a-b c", "{{ 7 * 7 }}", "{{ lookup('pipe', 'id') }}", "1", "ünï", "'"]
    ),
    st.text(max_size=6),
)
SCALARS = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(-3, 70), st.sampled_from([0.5, 1.0]))
NAMES = st.sampled_from(["a", "b", "items", "keys", "_private", "x-y", "count", ""])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=5,
)
FIELDS = ("status", "n", "env", "domains", "other")
RECORDS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES)), min_size=1, max_size=4).map(
    lambda found: [{"id": f"id-{n}", "slug": f"host-{n}", **record} for n, record in enumerate(found)]
)

ROOTS = st.sampled_from(
    [*(f"ocore_{name}" for name in FIELDS), "ocore_slug", "made", "made2", "missing", "extra", "inventory_hostname"]
)
STEPS = st.sampled_from(
    [".a", ".b", ".items", ".keys", "._private", ".missing", ".upper", ".real", "['a']", '["x-y"]', "['items']", "['']",
     "[0]", "[1]", "[7]", "[-1]", ".0", "['missing']", "['__class__']", "[0:1]"]
)  # fmt: skip
PATHS = st.builds(lambda root, steps: root + "".join(steps), ROOTS, st.lists(STEPS, max_size=2))
CONSTANTS = st.sampled_from(
    ["'x'", '"a-b"', "'{{ 7 * 7 }}'", r"'a\\b'", "''", "1", "none", "true", "omit", "'tab\\t'", "[1]"]
)
JOINS = st.lists(st.one_of(PATHS, CONSTANTS), min_size=2, max_size=3).map(" ~ ".join)
FORMS = st.sampled_from(
    ["{} | upper", "{} | default('d')", "{} | default(omit)", "{} == 'running'", "{} != 'a'", "{} in ['running', 17]",
     "{} is defined", "{} is match('r')", "[{}, 'z']", "{{'k': {}}}", "{} | length > 2", "not {}", "{}.split('-')",
     "{} if {} else 'none'", "{} + 'x'", "-{}", "{} and true", "{} | string", "({})", " {}\n", "{} | first", "{} | list",
     "{} | bool", "{} | int < 17"]
)  # fmt: skip
EXPRESSIONS = st.one_of(
    PATHS,
    PATHS,
    JOINS,
    st.builds(lambda form, path: form.format(*[path] * form.count("{}")), FORMS, PATHS),
    st.sampled_from(
        [
            "",
            "a b",
            "ocore_",
            "{{ ocore_status }}",
            "now",
            "range",
            "true",
            "none",
            "'text'",
            "['a', 'b']",
            "}}",
            "a }}{{ b",
        ]
    ),
).map(trusted)
ENTRIES = st.fixed_dictionaries(
    {"key": EXPRESSIONS},
    optional={
        "prefix": st.sampled_from(["", "p", "a b", None]),
        "separator": st.sampled_from(["", "_", "-", "__"]),
        "parent_group": st.sampled_from(
            [None, "", "up", "p_running", "up-2", "all", trusted("{{ ocore_status }}"), trusted("{{ missing }}"),
             "{{ untrusted }}", trusted("{{ omit }}"), trusted("in_{{ ocore_n | string }}")]
        ),
        "default_value": st.sampled_from([None, "", "unknown", 5]),
        "trailing_separator": st.sampled_from([None, True, False]),
    },
).filter(lambda entry: entry.get("default_value") is None or entry.get("trailing_separator") is None)  # fmt: skip
OPTIONS = st.fixed_dictionaries(
    {
        "compose": st.dictionaries(st.sampled_from(["made", "made2", "ocore_status"]), EXPRESSIONS, max_size=2),
        "groups": st.dictionaries(
            st.sampled_from(["g1", "g 2", "ocore", "9"]), st.one_of(EXPRESSIONS, st.booleans()), max_size=2
        ),
        "keyed_groups": st.lists(ENTRIES, max_size=3),
        "strict": st.sampled_from([False, False, True]),
        "leading_separator": st.booleans(),
        "use_extra_vars": st.booleans(),
    }
)
EXTRA = st.sampled_from(
    [{}, {"extra": "plain", "ocore_status": trusted("{{ ocore_slug }}")}, {"extra": ["x"], "ocore_n": 3}]
)


@given(RECORDS, OPTIONS, EXTRA, st.sampled_from(["always", "never", "ignore", "silently"]))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_groups_and_variables_are_those_of_ansible_core(
    records: list[dict[str, Any]], options: dict[str, Any], extra: dict[str, Any], transform: str
) -> None:
    with mock.patch.object(C, "TRANSFORM_INVALID_GROUP_CHARS", transform):
        event("failed" if compare(records, options, extra).startswith("failed") else "built")


RECORD = {
    "id": "a",
    "slug": "one",
    "status": "running",
    "n": 1,
    "env": {"items": "x", "a": None, "_p": "q"},
    "domains": [{"d": "x"}],
}
TWO = [RECORD, {**RECORD, "id": "b", "slug": "two", "n": True, "env": {}, "domains": []}]


@pytest.mark.parametrize(
    "expression",
    [
        "ocore_status == '{{ ocore_slug }}'",
        "'{{ ocore_slug }}' == 'one'",
        "ocore_slug == 'one'",
        "ocore_slug ~ '{{ ocore_n }}'",
        r"ocore_slug ~ 'a\nb'",
        r"ocore_slug ~ 'a\\b'",
        "ocore_slug ~ 'a\nb'",
        "ocore_slug ~ ocore_n ~ ocore_domains[0].d",
        "ocore_slug ~ ocore_domains",
        "ocore_slug ~ none",
        "ocore_n | string",
        "ocore_n == 1",
        "ocore_n",
        "ocore_env.items",
        "ocore_env['items']",
        "ocore_env['keys']",
        "ocore_env._p",
        "ocore_env['__class__']",
        "ocore_env.a.b",
        "ocore_domains[0]",
        "ocore_domains[0]['d']",
        "ocore_slug[0]",
        "ocore_slug.upper",
        "lookup('ansible.builtin.pipe', 'echo ' ~ ocore_slug)",
        "query('ansible.builtin.vars', 'ocore_slug')",
        "ocore_status | map('string') | first",
        "made ~ '-x'",
        "made",
        "templated",
        "templated ~ 'x'",
        "templated == 'one'",
        "templated is defined and made == 'running'",
        "extra",
        "extra ~ 'x'",
        "extra == 'one'",
        "missing is defined",
        "omit",
        "none",
        "(1, 2)",
    ],
)
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("use_extra_vars", [False, True])
def test_expressions_mean_what_they_mean_to_ansible_core(expression: str, strict: bool, use_extra_vars: bool) -> None:
    text = trusted(expression)
    extra = {"extra": trusted("{{ ocore_slug }}"), "ocore_status": trusted("{{ ocore_slug }}")}
    for options in (
        {"compose": {"result": text}},
        {"groups": {"result": text}},
        {"keyed_groups": [{"key": text, "parent_group": "up"}]},
    ):
        made = {"made": trusted("ocore_status"), "templated": trusted("'{{ ocore_slug }}'")}
        full = {"strict": strict, "use_extra_vars": use_extra_vars, "compose": {**made, **options.pop("compose", {})}}
        compare(TWO, {**full, **options}, extra)


@pytest.mark.parametrize(
    "parent", ["{{ ocore_domains }}", "{{ ocore_slug }}", "{{ missing }}", "{{ omit }}", "up-{{ ocore_n }}"]
)
@pytest.mark.parametrize("strict", [False, True])
def test_parents_are_templated_as_ansible_core_does(parent: str, strict: bool) -> None:
    compare(TWO, {"keyed_groups": [{"key": "ocore_status", "parent_group": trusted(parent)}], "strict": strict})
    compare(
        TWO, {"keyed_groups": [{"key": trusted("ocore_status"), "parent_group": trusted(parent)}], "strict": strict}
    )


def test_text_that_the_user_did_not_write_is_not_evaluated() -> None:
    compare(TWO, {"compose": {"a": "ocore_slug", "b": "ocore_slug == 'one'"}})
    compare(TWO, {"keyed_groups": [{"key": "ocore_slug"}], "strict": True})


def test_composed_template_does_not_count_as_data() -> None:
    variables = Variables({"a": "x", "b": "y"}, {"a": "x", "b": "y"})
    variables.add({"a": trusted("{{ ocore_slug }}"), "b": ["y"], "c": "z"})
    assert variables.data == {"c": "z"}
    assert set(variables.every) == {"a", "b", "c"}


def test_templating_is_spared_where_values_repeat() -> None:
    """What the speed of large inventories rests on: the same answer, asked for once."""
    asked = []

    def stock(text: str, variables: dict[str, Any]) -> Any:
        asked.append(str(text))
        return variables["ocore_status"] == "running"

    expressions = [
        Expression(trusted(text), stock, strict=False)
        for text in ("ocore_status == 'running'", "ocore_slug", "'x' ~ ocore_slug", "lookup('env', ocore_status)")
    ]
    for number in range(10):
        data = {"ocore_status": "running" if number % 2 else "stopped", "ocore_slug": f"s{number}"}
        for expression in expressions:
            expression.value(Variables(data, data))
    assert sorted(asked) == ["lookup('env', ocore_status)"] * 10 + ["ocore_status == 'running'"] * 2
