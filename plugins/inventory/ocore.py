# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ocore
short_description: Odoo instances of oCore, or its servers, as hosts
version_added: 0.1.0
description:
  - Adds each Odoo instance of an oCore organization as a host, or each server with O(hosts=servers). All hosts are in one
    group, see O(group).
  - The fields of the instance are variables of the host with the prefix C(ocore_), such as C(ocore_status),
    C(ocore_odoo_version), C(ocore_server_id) and C(ocore_domains); see RV(ocore.cloud.ocore_instance_info#module:instances)
    for all of them.
  - A file needs one request, or two when servers are read as well.
  - The name of the configuration file must end in C(ocore.yml) or C(ocore.yaml).
  - Everything is read and evaluated before the first host is added. If something fails, the inventory gets nothing from
    this source. Set C(any_unparsed_is_failed=true) in the section C([inventory]) of C(ansible.cfg) to make Ansible stop
    in this case.
  - Values from oCore are never evaluated as templates. Texts that cannot be templates or call anything as expressions
    (without an opening brace, an opening parenthesis and a vertical bar, and not beginning with C(#)) are marked as trusted,
    so that C(ansible-inventory --list), and with it AWX, shows plain texts. All other texts stay untrusted.
notes:
  - An instance is not a machine to log in to, so the plugin does not set C(ansible_host) unless O(connect_with=server).
    Plays over these hosts usually have C(connection=local) and C(gather_facts=false) and call the modules of this
    collection.
  - Instances that are being removed remain hosts until oCore reports them as deleted. Use O(filters) to leave them out.
  - Host names consist of letters, digits, dots, hyphens and underscores; any other character becomes an underscore, so
    that C(--limit) can select each host. If several instances or servers share a name, if a name is reserved (V(localhost),
    V(all), V(ungrouped), the group of all hosts), or if it belongs to another instance or server in an inventory file that
    Ansible has read before, the plugin appends an underscore and the id and warns.
  - O(keyed_groups) accepts booleans and numbers as keys and uses their text, such as C(True) or C(3).
  - If the health of one instance cannot be read, its variable is null and a warning names the instance. The inventory
    fails if this happens for all instances, or if oCore refuses the token.
  - Everyone who can read the file can read a token in it. Take the token from the environment, a vault or a lookup.
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
  hosts:
    description:
      - What becomes a host.
      - V(instances) adds the Odoo instances.
      - V(servers) adds the servers of the organization, which takes a token that may list them. The fields of a server are
        variables of the host, such as C(ocore_id), C(ocore_status) and C(ocore_os_name); see
        RV(ocore.cloud.ocore_server_info#module:servers) for all of them. C(ocore_instances) holds the records of the
        instances on it, as the role P(ocore.cloud.odoo_host#role) takes them. C(ansible_host), C(ansible_port) and
        C(ansible_user) say how oCore connects to the server. A server without an address is left out with a warning, unless
        O(compose) sets C(ansible_host).
    type: str
    choices: [instances, servers]
    default: instances
  connect_with:
    description:
      - How Ansible connects to instances. O(hosts=servers) does not need this option.
      - V(none) sets no connection variables.
      - V(server) gives each instance C(ansible_host), C(ansible_port) and C(ansible_user) of its server, so that tasks run
        there. Instances whose server has no address in oCore get none, and neither does any instance if the token may not
        list servers; a warning says so.
    type: str
    choices: [none, server]
    default: none
  group:
    description:
      - Name of the group of all hosts. The default is V(ocore), or V(ocore_servers) with O(hosts=servers).
    type: str
  server_ids:
    description:
      - Ids (UUIDs) of the servers whose instances to read, or of the servers to add with O(hosts=servers). Without this
        option, all are read. With several ids, one request reads the instances on all servers, and the plugin selects.
      - Entries may be templates. Blanks around an entry are removed; an empty entry is refused.
    type: list
    elements: str
    default: []
  filters:
    description:
      - Conditions over the variables of a host that decide whether to include it. The first entry whose condition holds
        decides; a host for which none holds is included.
      - Write a condition as in C(when). A condition that cannot be evaluated fails the inventory, regardless of O(strict).
    type: list
    elements: dict
    default: []
    suboptions:
      include:
        description:
          - Includes the hosts for which this condition holds. V(true) includes all that are left.
        type: raw
      exclude:
        description:
          - Excludes the hosts for which this condition holds. V(true) excludes all that are left.
        type: raw
  hostnames:
    description:
      - What to name hosts by, in order of preference. A host gets the first name that is not empty, or else its id. The
        default is V([slug]), or V([name]) with O(hosts=servers).
      - For instances, V(primary_domain) (the name of the domain that is marked as primary), V(slug), V(id) and V(name). For
        servers, V(name), V(id) and V(host).
      - Any other entry is a Jinja expression over the variables of the host, such as C(ocore_name ~ '-' ~
        ocore_odoo_version), or a template. If a variable in it is undefined, the next entry is used, unless O(strict).
    type: list
    elements: str
  hostvars_prefix:
    description:
      - Prefix of the names of all variables. It cannot be empty, because fields such as C(name) and C(id) would collide
        with other variables.
    type: str
    default: ocore_
  gather:
    description:
      - Details to read in addition, by one request per instance and kind, at most eight at once.
      - V(health) adds the variable C(ocore_health), V(health_score) the variable C(ocore_health_score_details). Each is
        null if oCore has none, or if the request fails for this instance.
    type: list
    elements: str
    choices: [health, health_score]
    default: []
  reveal_env_vars:
    description:
      - Whether C(ocore_env_vars), and the cache, hold the values of environment variables. By default each value is
        C(********).
    type: bool
    default: false
  cache:
    description:
      - Whether to cache the instance records that oCore returns. Groups, composed variables and filters are evaluated
        again in each run.
      - The cache holds names, domains, states and all other fields of the records, but not the token. It holds values of
        environment variables only with O(reveal_env_vars). Cache files are readable by their owner only (mode 0600); other
        cache plugins, such as a database, protect the records by their own means.
      - An entry belongs to the URL, organization, token, O(server_ids), O(gather) and O(reveal_env_vars), and holds the
        servers too where these are needed. It is used until O(cache_timeout), even while oCore cannot be reached.
        C(--flush-cache) reads everything again.
seealso:
  - module: ocore.cloud.ocore_instance_info
  - module: ocore.cloud.ocore_server_info
  - module: ocore.cloud.ocore_instance_control
"""

EXAMPLES = r"""
---
# prod.ocore.yml: the environment variable OCORE_API_TOKEN holds the token
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
# servers.ocore.yml: the servers, with the instances on them. Set all of them up:
# ansible-playbook -i servers.ocore.yml ocore.cloud.provision_host
plugin: ocore.cloud.ocore
organization: acme
hosts: servers

---
# Instances by readable names, in groups below "odoo", with the connection of their server
plugin: ocore.cloud.ocore
organization: acme
connect_with: server
group: odoo
hostnames:
  - "ocore_slug ~ '-' ~ ocore_odoo_version | replace('.', '-')"
keyed_groups:
  - key: ocore_status
    prefix: status
    parent_group: odoo

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
# The token from a password manager, by a lookup that runs a command
plugin: ocore.cloud.ocore
organization: acme
api_token: "{{ lookup('ansible.builtin.pipe', 'pass show ocore/api-key') }}"

---
# Running instances on two servers, except those for tests, named by their domain
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
# Health scores, cached for ten minutes, since they cost one request per instance
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
# AWX and Automation Platform: select this file in an inventory source "sourced from a project", with a credential that
# sets OCORE_API_TOKEN and OCORE_ORGANIZATION. With "enabled variable" ocore_status and "enabled value" running, AWX
# disables the hosts of all other instances.
plugin: ocore.cloud.ocore
keyed_groups:
  - key: ocore_status
    prefix: status
"""

import contextlib
import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.cache import BaseFileCacheModule
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.path import basedir
from ansible.utils.vars import combine_vars
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import Client
from ansible_collections.ocore.cloud.plugins.module_utils._api.deadline import Deadline
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.failures import NO_SERVERS
from ansible_collections.ocore.cloud.plugins.module_utils._api.libraries import library_problem
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import (
    Scrubber,
    Warnings,
    displayable,
    scrubbed,
)
from ansible_collections.ocore.cloud.plugins.module_utils._api.settings import Settings
from ansible_collections.ocore.cloud.plugins.module_utils._ops.reading import gather_records, read_instances
from ansible_collections.ocore.cloud.plugins.plugin_utils._construct import Evaluators, Variables
from ansible_collections.ocore.cloud.plugins.plugin_utils._inventory_names import Names, check_word
from ansible_collections.ocore.cloud.plugins.plugin_utils._inventory_plan import (
    Additions,
    Rules,
    check_parents,
    plan_inventory,
)
from ansible_collections.ocore.cloud.plugins.plugin_utils._inventory_records import (
    INSTANCES,
    SERVERS,
    Entry,
    Kind,
    Lists,
    Record,
    instance_entries,
    server_entries,
)

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:  # ansible-core before 2.22 masks no output; nothing here shows the token anyway

    def register_secret(value: str, /) -> str:
        return value


CACHE_FORMAT = 2
"""Part of the cache key; to be raised when cached records change their shape."""
TEMPLATED = ("api_url", "api_token", "organization")
AUTH = (*TEMPLATED, "validate_certs", "ca_path", "request_timeout", "retries", "allow_http")
RULES = ("filters", "compose", "groups", "keyed_groups", "strict", "leading_separator")
NAMES = ("ocore.yml", "ocore.yaml")
"""How the name of an inventory file ends."""


@dataclass(frozen=True)
class Question:
    """What to ask oCore for.

    :param servers: whether the servers are needed as well.
    """

    settings: Settings
    server_ids: list[str]
    gather: list[str]
    reveal: bool
    servers: bool

    def cache_key(self) -> str:
        """Return the name under which the answer is cached; no token can be recovered from it."""
        token = hashlib.sha256(self.settings.token.encode()).hexdigest()
        asker = [self.settings.api_url, self.settings.organization, token]
        parts = [CACHE_FORMAT, *asker, sorted(self.server_ids), self.gather, self.reveal, self.servers]
        return "ocore_" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """The inventory plugin; Ansible calls ``verify_file``, ``parse`` and ``update_cache_if_changed``."""

    NAME = "ocore.cloud.ocore"

    def verify_file(self, path: str) -> bool:
        """Return whether ``path`` is a readable file for this plugin.

        One that names the plugin but has another name is taken as well, so that ``parse`` can say which name is right.
        """
        return bool(super().verify_file(path)) and (path.endswith(NAMES) or _names_this_plugin(path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts to the inventory.

        :param cache: false when cached records must not be used (``--flush-cache``, ``meta: refresh_inventory``).
        :raises AnsibleParserError: with a sentence for the user; nothing has been added then.
        """
        super().parse(inventory, loader, path, cache)
        _check_name(path)
        missing = library_problem()
        if missing is not None:
            raise AnsibleParserError(missing[0])
        unknown = set(self._configuration(path)) - set(self.get_options())
        if unknown:
            self.display.warning(
                f"{path} has options that the inventory plugin does not know: {', '.join(sorted(map(str, unknown)))}."
            )
        try:
            question = self._question()
        except OcoreError as error:
            raise AnsibleParserError(error.message) from None
        additions = self._plan(self._lists(question, cache), question.server_ids)
        for warning in additions.warnings:
            self.display.warning(warning)
        self._add(additions)

    def update_cache_if_changed(self) -> None:
        """Write the cache. Its files may hold secrets, so they are for their owner only."""
        super().update_cache_if_changed()
        plugin = self._cache._plugin
        if isinstance(plugin, BaseFileCacheModule):
            for key in self._cache:  # no public method names the file of a key
                with contextlib.suppress(OSError):  # expired and removed, or somebody else's
                    os.chmod(plugin._get_cache_file_name(plugin._get_key(key)), 0o600)

    # Reading

    def _configuration(self, path: str) -> dict[str, Any]:
        """Read the configuration file and apply its options."""
        try:
            config: dict[str, Any] = self._read_config_data(path)
        except AnsibleError as error:
            if "'api_token'" in str(error):
                # Ansible's words show the token.
                raise AnsibleParserError("The option api_token must be a string.") from None
            raise
        return config

    def _question(self) -> Question:
        return Question(
            self._settings(),
            self._server_ids(),
            sorted(set(self.get_option("gather"))),
            self.get_option("reveal_env_vars"),
            self._kind() is SERVERS or self.get_option("connect_with") == "server",
        )

    def _lists(self, question: Question, use_cache: bool) -> Lists:
        """Return the records, from the cache or from oCore."""
        if not self.get_option("cache"):
            return self._fetch(question)
        key = question.cache_key()
        cached = self._cached_lists(key, question) if use_cache else None
        if cached is not None:
            return cached
        lists = self._fetch(question)
        if question.servers == (lists.servers is not None):  # else the next run asks again
            # As one text: Ansible makes a deep copy of what is cached, which takes longer than to read it from oCore.
            self._cache[key] = json.dumps(vars(lists))
        return lists

    def _kind(self) -> Kind:
        return SERVERS if self.get_option("hosts") == "servers" else INSTANCES

    def _settings(self) -> Settings:
        options = {name: self.get_option(name) for name in AUTH}
        for name in TEMPLATED:
            value = self._template_option(name)
            if value is not None and not isinstance(value, str):
                raise AnsibleParserError(f"The option {name} must be a string.")
            options[name] = value
        settings = Settings.from_options(options)
        register_secret(settings.token)
        return settings

    def _server_ids(self) -> list[str]:
        """Return the ids of servers, each once. An empty one must not turn into all servers."""
        servers = []
        for value in self._template_option("server_ids"):
            server = value.strip() if isinstance(value, str) else ""
            if not server:
                raise AnsibleParserError(
                    "The option server_ids has an entry that is empty or not a string. Give the ids of servers, or leave "
                    "the option out to read the instances on all servers."
                )
            servers.append(server)
        return list(dict.fromkeys(servers))

    def _template_option(self, name: str) -> Any:
        self.templar.available_variables = self._vars
        try:
            return self.templar.template(self.get_option(name))
        except AnsibleError as error:
            raise AnsibleParserError(f"Cannot evaluate the option {name}: {error}") from None

    def _cached_lists(self, key: str, question: Question) -> Lists | None:
        """Return the records that the cache holds and that have not expired, or ``None``."""
        try:
            text = self._cache.get(key)
            if text is None:
                return None
            lists = Lists(**json.loads(text))
            if not _are_records(lists.instances) or (question.servers and not _are_records(lists.servers)):
                raise ValueError("it holds no records")
        except (AnsibleError, TypeError, ValueError) as error:
            self.display.warning(f"Cannot use the inventory cache, so everything is read from oCore: {error}")
            return None
        return lists

    def _fetch(self, question: Question) -> Lists:
        """Read the servers, if they are needed, and the instances from oCore."""
        scrub = Scrubber([question.settings.token])
        warn = Warnings(self.display.warning, scrub)
        deadline = Deadline()
        client = Client(question.settings, caller="ocore inventory", warn=warn, deadline=deadline)
        try:
            servers = self._read_servers(client, warn) if question.servers else None
            instances = read_instances(client, question.server_ids, warn)
            records = gather_records(client, instances, question.gather, question.reveal, warn)
            lists = {"instances": records, "servers": servers}
            return Lists(**scrubbed(lists, scrub))  # texts of the API may quote the token
        except OcoreError as error:
            raise AnsibleParserError(displayable(scrub(error.message))) from None
        finally:
            deadline.stop()  # after Ctrl-C no thread sends another request
            client.close()
            warn.close()

    def _read_servers(self, client: Client, warn: Warnings) -> list[Record] | None:
        """Return the servers; ``None`` when the token may not list them and instances can do without."""
        try:
            return [server.record() for server in client.list_servers()]
        except OcoreError as error:
            if self._kind() is SERVERS or error.status not in NO_SERVERS:
                raise
            warn(f"The instances get no connection, because connect_with=server needs the servers. {error.message}")
            return None

    # Planning

    def _plan(self, lists: Lists, server_ids: list[str]) -> Additions:
        kind = self._kind()
        prefix, group = self.get_option("hostvars_prefix"), self.get_option("group")
        group = kind.group if group is None else group
        check_word("hostvars_prefix", prefix)
        check_word("group", group, {"all", "ungrouped"})
        evaluate = Evaluators(self._compose, self._condition, self._template, self._sanitize_group_name)
        hidden = frozenset(self._vars or {}) if self.get_option("use_extra_vars") else frozenset()
        hosts, groups = self.inventory.hosts, self.inventory.groups
        names = Names(
            self.get_option("hostnames") or kind.hostnames,
            kind,
            evaluate,
            group=group,
            strict=self.get_option("strict"),
            hidden=hidden,
            others={name: host.vars[f"{prefix}id"] for name, host in hosts.items() if f"{prefix}id" in host.vars},
        )
        rules = Rules({name: self.get_option(name) for name in RULES}, evaluate, hidden)
        entries, warnings = self._entries(lists, prefix, server_ids)
        additions = plan_inventory(entries, kind, rules, names, group=group, variables_of=self._variables)
        additions.warnings += warnings
        check_parents(additions, {name: {above.name for above in groups[name].parent_groups} for name in groups})
        return additions

    def _entries(self, lists: Lists, prefix: str, server_ids: list[str]) -> tuple[list[Entry], list[str]]:
        """Return what becomes a host, and warnings."""
        if self._kind() is SERVERS:
            return server_entries(lists, prefix, server_ids)
        connect = self.get_option("connect_with") == "server" and lists.servers is not None
        return instance_entries(lists, prefix, connect), []

    def _variables(self, name: str, own: dict[str, Any]) -> Variables:
        """Return what expressions see: the variables that the host will have, those of other sources too."""
        source = self.inventory.current_source
        where = {"inventory_file": source, "inventory_dir": basedir(source) if source else None}
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

    # Adding

    def _add(self, additions: Additions) -> None:
        """Add what was planned. Nothing in here depends on data, so that it does not stop half-way."""
        inventory = self.inventory
        # Hosts before groups: the name of a host that is called like a group would mean the group from then on.
        for planned in additions.hosts:
            inventory.add_host(planned.name)
            host = inventory.hosts[planned.name]
            # Not by inventory.set_variable: it copies each value, to mark where it comes from, and takes as long as all else.
            if host.vars.keys().isdisjoint(planned.variables):
                host.vars.update(planned.variables)
            else:
                for key, value in planned.variables.items():
                    host.set_variable(key, value)
        for group in additions.groups:
            inventory.add_group(group)
        for parent, child in additions.parents:
            inventory.add_child(parent, child)
        for planned in additions.hosts:
            for group in planned.groups:
                inventory.add_host(planned.name, group)


def _names_this_plugin(path: str) -> bool:
    """Return whether a YAML file has our plugin as its ``plugin``."""
    if not path.endswith((".yml", ".yaml")):
        return False
    try:
        with open(path, encoding="utf-8") as file:
            return re.search(r"""^plugin: *['"]?ocore\.cloud\.ocore\b""", file.read(), re.MULTILINE) is not None
    except (OSError, ValueError):
        return False


def _check_name(path: str) -> None:
    if not path.endswith(NAMES):
        stem, extension = os.path.splitext(os.path.basename(path))
        raise AnsibleParserError(
            f"The name of an inventory file for the plugin ocore.cloud.ocore must end in {' or '.join(NAMES)}. "
            f"Rename {path} to {stem}.ocore{extension}, for example."
        )


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"] for item in value
    )
