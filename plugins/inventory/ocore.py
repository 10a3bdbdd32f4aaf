# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ocore
short_description: Odoo instances of oCore as hosts
version_added: 0.1.0
description:
  - Makes a host of each Odoo instance of an oCore organization. All hosts are in the group C(ocore).
  - The fields of the instance are variables of the host with the prefix C(ocore_), such as C(ocore_status),
    C(ocore_odoo_version), C(ocore_server_id) and C(ocore_domains); see RV(ocore.cloud.ocore_instance_info#module:instances)
    for all of them.
  - The name of the configuration file has to end in C(ocore.yml) or C(ocore.yaml).
  - Everything is read and evaluated before the first host is added. When anything fails, the inventory gets nothing from
    this source. Set C(any_unparsed_is_failed=true) in the section C([inventory]) of C(ansible.cfg) so that Ansible stops
    then.
  - Values from oCore are never taken for templates, whatever they contain.
notes:
  - An instance is no machine to log in to, so C(ansible_host) is not set. Plays over these hosts usually have
    C(connection=local) and C(gather_facts=false) and call the modules of this collection. Set C(ansible_host) with
    O(compose) where a play needs it.
  - Instances that are being removed are hosts until oCore says that they are deleted. Leave them out with O(filters) where
    that matters.
  - A host name holds letters, digits, dots, hyphens and underscores only; any other character becomes an underscore, so
    that C(--limit) can select each host. Where instances would share a name, or have one that means something else to
    Ansible (V(localhost), V(all), V(ungrouped), V(ocore)), an underscore and the id of the instance are added, and a
    warning says so.
  - A key of O(keyed_groups) has to be a text, list or dictionary. Write V(ocore_workers | string) for a number.
  - A token given as text in the file is read by everyone who can read the file. Take it from the environment, a vault or a
    lookup.
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth.plugin
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description:
      - The name of this plugin.
    type: str
    required: true
    choices: [ocore.cloud.ocore]
  server_ids:
    description:
      - Only instances on the servers with these ids (UUID). One request is made for each. Without it, one for all.
      - May be templates.
    type: list
    elements: str
    default: []
  filters:
    description:
      - Conditions over the variables of a host that say whether it is in the inventory. The first entry whose condition
        holds decides; an instance for which none holds is included.
      - A condition is written as for C(when). One that can't be evaluated fails the inventory, whatever O(strict) says.
    type: list
    elements: dict
    default: []
    suboptions:
      include:
        description:
          - Keeps the instances for which this holds. V(true) is possible.
        type: raw
      exclude:
        description:
          - Leaves out the instances for which this holds. V(true) is possible.
        type: raw
  hostnames:
    description:
      - What a host is called. The first of these that the instance has is taken, and its id when it has none of them.
      - V(primary_domain) is the name of the domain that is marked as primary.
    type: list
    elements: str
    choices: [primary_domain, slug, id, name]
    default: [slug]
  hostvars_prefix:
    description:
      - What the names of the variables begin with. It can't be empty, since fields such as C(name) and C(id) would
        collide with other variables.
    type: str
    default: ocore_
  gather:
    description:
      - What else to read about each instance, by one request for each instance and kind, up to eight at once.
      - V(health) adds the variable C(ocore_health), V(health_score) the variable C(ocore_health_score_details). Either is
        null when oCore has none.
    type: list
    elements: str
    choices: [health, health_score]
    default: []
  reveal_env_vars:
    description:
      - Whether C(ocore_env_vars), and the cache, hold the values of environment variables. Otherwise each value is
        C(********).
    type: bool
    default: false
  cache:
    description:
      - Whether to keep what oCore answered. Groups, composed variables and filters are made anew in each run.
      - What is kept belongs to the address, organization, token, O(server_ids), O(gather) and O(reveal_env_vars). It
        serves until O(cache_timeout), also while oCore can't be reached, and is read and written anew with
        C(--flush-cache).
seealso:
  - module: ocore.cloud.ocore_instance_info
  - module: ocore.cloud.ocore_instance_control
"""

EXAMPLES = r"""
---
# prod.ocore.yml: the token comes from the environment variable OCORE_API_TOKEN, the organization too or from here
plugin: ocore.cloud.ocore
organization: acme

---
# Groups such as status_running, odoo_17_0 (below the group odoo) and server_4c0834c4_...
plugin: ocore.cloud.ocore
organization: acme
keyed_groups:
  - key: ocore_status
    prefix: status
  - key: ocore_odoo_version
    prefix: odoo
    parent_group: odoo
  - key: ocore_server_id
    prefix: server
  - key: ocore_health_score_grade
    prefix: grade
    default_value: unknown
groups:
  has_staging_name: ocore_slug is match('.*-staging$')
  expiring: ocore_domains | selectattr('ssl_status', 'equalto', 'expiring') | length > 0
compose:
  url: "'https://' ~ ocore_auto_subdomain"
  ansible_connection: "'local'"

---
# The token from a vault: ansible-vault encrypt_string --name api_token
plugin: ocore.cloud.ocore
organization: acme
api_token: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  39386636653632353139363934343934653534356161646664663064353530376433386266353837
  6231653564313239646439386637393466623165316663390a616230343765363865643239313761
  62303736623961376433613235653238396462666237616331666439616337313931303063343563
  6562616133356165370a316330653065386638353836616231616337336331356266323966666536
  37303461383738326636616631643765383037306265633361386539363461346239

---
# The token from a password manager, by any lookup; this one runs a command
plugin: ocore.cloud.ocore
organization: acme
api_token: "{{ lookup('ansible.builtin.pipe', 'pass show ocore/api-key') }}"

---
# Running instances of two servers, without those for tests, called by their domain
plugin: ocore.cloud.ocore
organization: acme
server_ids:
  - 4c0834c4-3d20-5ec5-8a7c-210089b98dcf
  - ebf1e60d-312f-5639-8559-37192e779e10
filters:
  - exclude: ocore_slug is match('test-')
  - include: ocore_status == 'running'
  - exclude: true
hostnames: [primary_domain, slug]

---
# Health scores, and a cache for ten minutes: one request an instance is worth keeping
plugin: ocore.cloud.ocore
organization: acme
gather: [health_score]
groups:
  needs_attention: (ocore_health_score_details.score | default(100)) < 60
strict: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible-ocore
cache_timeout: 600

---
# AWX and Automation Platform: an inventory source "sourced from a project" names this file. Its credential, of a type
# that injects OCORE_API_TOKEN and OCORE_ORGANIZATION into the environment, does the rest.
plugin: ocore.cloud.ocore
keyed_groups:
  - key: ocore_status
    prefix: status
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ansible import constants as C  # noqa: N812 - its usual name
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.path import basedir
from ansible.utils.vars import combine_vars, validate_variable_name
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.libraries import library_problem
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber, Warnings, displayable
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._ops.reading import gather_records, read_instances
from ansible_collections.ocore.cloud.plugins.plugin_utils._construct import (
    Expression,
    KeyedGroup,
    Unresolved,
    Variables,
)

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:  # ansible-core before 2.22 masks no output; nothing here shows the token anyway

    def register_secret(value: str, /) -> str:
        return value


Record = dict[str, Any]

GROUP = "ocore"
CACHE_FORMAT = 1
"""Part of the cache key; to be raised when what is kept changes its shape."""
TEMPLATED = ("api_url", "api_token", "organization")
AUTH = (*TEMPLATED, "validate_certs", "ca_path", "request_timeout", "retries", "allow_http")
SHOWN = 5
"""So many warnings of one kind, or names in one warning, are shown."""


@dataclass
class Plan:
    """What will be added to the inventory, in this order."""

    groups: dict[str, None] = field(default_factory=dict)
    parents: dict[tuple[str, str], None] = field(default_factory=dict)
    """(parent, child)"""
    hosts: list[tuple[str, dict[str, Any], dict[str, None]]] = field(default_factory=list)
    """name, variables, groups"""


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """The inventory plugin; Ansible calls ``verify_file`` and ``parse``."""

    NAME = "ocore.cloud.ocore"

    def verify_file(self, path: str) -> bool:
        """Tell whether ``path`` is a readable file with a name for this plugin."""
        return bool(super().verify_file(path)) and path.endswith(("ocore.yml", "ocore.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the instances to the inventory.

        :param cache: false when what is kept must not be used (``--flush-cache``, ``meta: refresh_inventory``).
        :raises AnsibleParserError: with a sentence for the user; nothing has been added then.
        """
        super().parse(inventory, loader, path, cache)
        missing = library_problem()
        if missing is not None:
            raise AnsibleParserError(missing[0])
        unknown = set(self._configuration(path)) - set(self.get_options())
        if unknown:
            self.display.warning(
                f"{path} has options that the inventory plugin does not know: {', '.join(sorted(map(str, unknown)))}."
            )
        try:
            found = self._records(cache)
            plan = self._plan(found)
            _check_loops(plan, inventory)
        except OcoreError as error:
            raise AnsibleParserError(error.message) from None
        self._add(plan)

    # Reading

    def _configuration(self, path: str) -> dict[str, Any]:
        """Read the configuration file and take over its options."""
        try:
            config: dict[str, Any] = self._read_config_data(path)
        except AnsibleError as error:
            if "'api_token'" in str(error):
                raise AnsibleParserError(
                    "The option api_token must be a text."
                ) from None  # Ansible's words show the token
            raise
        return config

    def _records(self, use_cache: bool) -> list[Record]:
        """Give the instance records, from the cache or from oCore."""
        options = {name: self.get_option(name) for name in AUTH}
        for name in TEMPLATED:
            options[name] = self._option_text(name)
        settings = Settings.from_options(options)
        register_secret(settings.token)
        servers = list(dict.fromkeys(self._template_option("server_ids")))
        gather = sorted(set(self.get_option("gather")))
        reveal = self.get_option("reveal_env_vars")
        if not self.get_option("cache"):
            return self._fetch(settings, servers, gather, reveal)
        key = cache_key(settings, servers, gather, reveal)
        kept = self._kept(key) if use_cache else None
        if kept is not None:
            return kept
        found = self._fetch(settings, servers, gather, reveal)
        # As one text: Ansible makes a deep copy of what is kept, which takes longer than to read it from oCore.
        self._cache[key] = json.dumps(found)
        return found

    def _template_option(self, name: str) -> Any:
        self.templar.available_variables = self._vars
        try:
            return self.templar.template(self.get_option(name))
        except AnsibleError as error:
            raise AnsibleParserError(f"The option {name} can't be evaluated: {error}") from None

    def _option_text(self, name: str) -> str | None:
        value = self._template_option(name)
        if value is not None and not isinstance(value, str):
            raise AnsibleParserError(f"The option {name} must be a text.")
        return value

    def _kept(self, key: str) -> list[Record] | None:
        """Give what the cache holds and has not expired, or null."""
        try:
            text = self._cache.get(key)
            if text is None:
                return None
            found: list[Record] = json.loads(text)
            if not isinstance(found, list) or not all(isinstance(record, dict) and "id" in record for record in found):
                raise ValueError("it holds no records")
        except (AnsibleError, TypeError, ValueError) as error:
            self.display.warning(f"The inventory cache can't be used, so oCore is asked: {error}")
            return None
        return found

    def _fetch(self, settings: Settings, servers: Sequence[str], gather: Sequence[str], reveal: bool) -> list[Record]:
        """Read all instances from oCore."""
        warnings = Warnings(self.display.warning, scrub := Scrubber([settings.token]))
        client = Client(settings, caller="ocore inventory", warn=warnings)
        try:
            return gather_records(client, read_instances(client, servers, warnings), gather, reveal, warnings)
        except OcoreError as error:
            error.message = displayable(scrub(error.message))
            raise
        finally:
            client.close()
            warnings.close()

    # Evaluating

    def _plan(self, found: Sequence[Record]) -> Plan:
        """Evaluate everything for all instances.

        :raises AnsibleParserError: when something can't be evaluated and has to be.
        """
        prefix = self.get_option("hostvars_prefix")
        if not re.fullmatch(r"[A-Za-z_]\w*", prefix, re.ASCII):
            raise AnsibleParserError(
                f"hostvars_prefix must begin with a letter or underscore and hold only these and digits, not {prefix!r}."
            )
        strict = self.get_option("strict")
        hidden = frozenset(self._vars or {}) if self.get_option("use_extra_vars") else frozenset()
        filters = self._filters()
        compose = {
            _variable(name): Expression(text, self._compose, strict=strict, hidden=hidden)
            for name, text in self.get_option("compose").items()
        }
        conditions = [
            (self._sanitize_group_name(name), Expression(text, self._condition, strict=strict, condition=True))
            for name, text in self.get_option("groups").items()
        ]
        keyed = [
            KeyedGroup(
                entry,
                self._compose,
                self._template,
                self._sanitize_group_name,
                strict=strict,
                leading_separator=self.get_option("leading_separator"),
                hidden=hidden,
            )
            for entry in self.get_option("keyed_groups")
        ]
        plan = Plan(groups={GROUP: None})
        names = host_names(found, self.get_option("hostnames"))
        renamed = []
        source = self.inventory.current_source
        where = {"inventory_file": source, "inventory_dir": basedir(source) if source else None}
        keys = {name: f"{prefix}{name}" for record in found for name in record}
        for record, (name, wanted) in zip(found, names, strict=True):
            own = {keys[field]: value for field, value in record.items()}
            variables = self._variables(name, own, where)
            if not _included(filters, name, variables):
                continue
            if name != wanted:
                renamed.append((wanted, name))
            composed = dict(_composed(compose, name, variables, strict))
            variables.add(composed)
            groups = {GROUP: None}
            for group in _conditional(conditions, name, variables, strict):
                groups[_group(group, plan)] = None
            for entry in keyed:
                for group, parent in entry.groups(name, variables):
                    groups[_group(group, plan)] = None
                    if parent:
                        plan.parents[_group(parent, plan), group] = None
            plan.hosts.append((name, combine_vars(own, composed) if composed else own, groups))
        self._warn_of_renamed(renamed)
        return plan

    def _variables(self, name: str, own: dict[str, Any], where: Mapping[str, Any]) -> Variables:
        """Give what expressions see: the variables that the host will have, of other sources too."""
        data = {**own, **where, "inventory_hostname": name, "inventory_hostname_short": name.split(".")[0]}
        known = self.inventory.hosts.get(name)
        if known is None:
            return Variables(data.copy(), data)
        # The first source of a host gives its inventory_file and inventory_dir.
        data = {**data, **{key: known.vars.get(key) for key in where}}
        return Variables({**known.get_vars(), **data}, data)

    def _condition(self, text: Any, variables: dict[str, Any]) -> bool:
        self.templar.available_variables = variables
        return bool(self.templar.evaluate_conditional(text))

    def _template(self, text: str, variables: dict[str, Any]) -> Any:
        extra = self.get_option("use_extra_vars")
        self.templar.available_variables = combine_vars(variables, self._vars) if extra else variables
        return self.templar.template(text)

    def _filters(self) -> list[tuple[bool, Expression]]:
        """Give the filters: whether the entry includes, and its condition."""
        filters = []
        for entry in self.get_option("filters"):
            if not isinstance(entry, Mapping) or len(entry) != 1 or not {"include", "exclude"}.issuperset(entry):
                raise AnsibleParserError(
                    f"Each of the filters has to be one include or exclude with a condition, not {entry}."
                )
            ((kind, text),) = entry.items()
            filters.append((kind == "include", Expression(text, self._condition, strict=True, condition=True)))
        return filters

    def _warn_of_renamed(self, renamed: Sequence[tuple[str, str]]) -> None:
        if renamed:
            wanted = sorted({wanted for wanted, _name in renamed})
            more = f" and {len(wanted) - SHOWN} more" if len(wanted) > SHOWN else ""
            self.display.warning(
                f"{len(renamed)} hosts have the id of their instance in their name, such as "
                f"{min(name for _wanted, name in renamed)}, because several share a name or it is "
                f"reserved: {', '.join(wanted[:SHOWN])}{more}. Names that are unique "
                "in the organization come from slug or id in hostnames."
            )

    # Adding

    def _add(self, plan: Plan) -> None:
        """Add what was planned. Nothing in here depends on data, so that it does not stop half-way."""
        inventory = self.inventory
        # Hosts before groups: the name of a host that is called like a group would mean the group from then on.
        for name, variables, _groups in plan.hosts:
            inventory.add_host(name)
            host = inventory.hosts[name] if name in inventory.groups else None
            for key, value in variables.items():
                if host is None:
                    inventory.set_variable(name, key, value)
                else:
                    host.set_variable(key, value)
        for group in plan.groups:
            inventory.add_group(group)
        for parent, child in plan.parents:
            inventory.add_child(parent, child)
        for name, _variables, groups in plan.hosts:
            for group in groups:
                inventory.add_host(name, group)


def cache_key(settings: Settings, servers: Sequence[str], gather: Sequence[str], reveal: bool) -> str:
    """Give the name under which the answer to these questions is kept; the token goes in, but can't be got out."""
    token = hashlib.sha256(settings.token.encode()).hexdigest()
    parts = [CACHE_FORMAT, settings.api_url, settings.organization, token, sorted(servers), list(gather), reveal]
    return "ocore_" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def host_names(found: Sequence[Record], preference: Sequence[str]) -> list[tuple[str, str]]:
    """Give the host name for each record, and beside it the one that it would have if that were free."""
    wanted = [_wanted_name(record, preference) for record in found]
    count = Counter(wanted)
    reserved = {"all", "ungrouped", GROUP, *C.LOCALHOST}
    taken = {name for name in wanted if count[name] == 1 and name not in reserved}
    names = []
    for record, name in zip(found, wanted, strict=True):
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
        if source == "primary_domain":
            text = next(
                (entry["domain"] for entry in record["domains"] if entry["is_primary"] and entry["domain"]), None
            )
        else:
            text = record[source]
        name = _usable(text or "")
        if name:
            return name
    raise AssertionError("each record has an id")


def _usable(text: str) -> str:
    """Give a text as a host name that --limit can select."""
    return re.sub(r"^[.-]|[^\w.-]", "_", text.strip())


def _variable(name: Any) -> str:
    try:
        validate_variable_name(name)
    except AnsibleError:
        raise AnsibleParserError(f"compose can't set {name!r}: that is no name for a variable.") from None
    return str(name)


def _included(filters: Sequence[tuple[bool, Expression]], host: str, variables: Variables) -> bool:
    for includes, condition in filters:
        try:
            if condition.value(variables):
                return includes
        except Exception as error:
            raise AnsibleParserError(
                f"The filter {condition.text} can't be evaluated for host {host}: {error}"
            ) from None
    return True


def _composed(
    compose: Mapping[str, Expression], host: str, variables: Variables, strict: bool
) -> Iterator[tuple[str, Any]]:
    for name, expression in compose.items():
        try:
            yield name, expression.value(variables)
        except Unresolved:
            continue
        except Exception as error:
            if strict:
                raise AnsibleParserError(f"Could not set {name} for host {host}: {error}") from None


def _conditional(
    conditions: Sequence[tuple[str, Expression]], host: str, variables: Variables, strict: bool
) -> Iterator[str]:
    for group, condition in conditions:
        try:
            if condition.value(variables):
                yield group
        except Unresolved:
            continue
        except Exception as error:
            if strict:
                raise AnsibleParserError(f"Could not add host {host} to group {group}: {error}") from None


def _group(name: str, plan: Plan) -> str:
    if not name:
        raise AnsibleParserError("A group of keyed_groups or groups has no name; give it a prefix or a default_value.")
    plan.groups[name] = None
    return name


def _check_loops(plan: Plan, inventory: Any) -> None:
    """Refuse groups that would contain themselves: Ansible would notice only when half of them are there."""
    if not plan.parents:
        return
    above: dict[str, set[str]] = {
        name: {p.name for p in group.parent_groups} for name, group in inventory.groups.items()
    }
    for parent, child in plan.parents:
        above.setdefault(child, set()).add(parent)
        if parent != "all":
            above.setdefault(parent, set()).add("all")
    try:
        TopologicalSorter(above).prepare()
    except CycleError as error:
        raise AnsibleParserError(
            f"parent_group makes groups contain each other: {' < '.join(dict.fromkeys(error.args[1]))}."
        ) from None
