#!/usr/bin/python

# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocore_fleet
short_description: Create, change, start, stop, and remove many Odoo instances of oCore at once
version_added: 0.1.0
description:
  - Ensures that any number of instances match their declarations, in one task.
  - Reads all instances with one request, plans every change, works on a few instances at a time, and waits for all of them
    together with one request every few seconds. If nothing differs, the task makes one request, however large the fleet is,
    and one more if servers are given by their names.
  - Each instance is handled as by M(ocore.cloud.ocore_instance).
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth
  - ocore.cloud.wait
  - ocore.cloud.attributes
options:
  instances:
    description:
      - Declarations of the instances. Each instance is identified by O(instances[].id), else O(instances[].slug), else
        O(instances[].name), across the whole organization.
      - If a declaration is invalid, or two declare the same instance, the task fails and sends nothing.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description:
          - UUID of the instance. Takes precedence over O(instances[].slug), which takes precedence over
            O(instances[].name).
          - Leading and trailing blanks are ignored in all three. A value that is empty is refused; omit the option instead.
        type: str
      slug:
        description:
          - Short identifier of the instance, for example V(shop-prod).
        type: str
      name:
        description:
          - Display name of the instance. Required to create one.
          - Together with O(instances[].id) or O(instances[].slug), an existing instance is renamed to it.
        type: str
      <<: &declaration
        state:
          description:
            - V(present) creates the instance if it does not exist, and updates it if it differs.
            - V(absent) removes the instance. Its data is lost.
            - V(present) applies if neither the instance nor O(defaults) gives a state.
          type: str
          choices: [present, absent]
        power:
          description:
            - Whether the instance is V(started) or V(stopped). If not given, a new instance runs and an existing one is left
              as it is.
            - Ignored for instances with the state V(absent).
          type: str
          choices: [started, stopped]
        server:
          description:
            - Name or UUID of the server to run the instance on. Required to create one; cannot be changed afterwards.
            - All names of the task are looked up by one request. If no server or several servers have a name, the task fails
              and lists them. A value in the form of a UUID is always taken as an id.
            - Ignored for instances with the state V(absent).
          type: str
        server_id:
          description:
            - UUID of the server to run the instance on. Use either this or C(server); what an instance gives replaces both in
              O(defaults).
          type: str
        odoo_version:
          description:
            - Odoo release to install, for example V(18.0). Quote it, so that YAML does not turn it into a number.
            - oCore installs its latest stable release if not given. Cannot be changed afterwards.
          type: str
        odoo_edition:
          description:
            - Odoo edition to install, for example V(community) or V(enterprise). Compared case-insensitively.
            - Cannot be changed afterwards.
          type: str
        template_id:
          description:
            - UUID of the template to create the instance from. Cannot be changed afterwards.
          type: str
        project_id:
          description:
            - UUID of the project to create the instance in. Only used on creation, because oCore does not return it.
          type: str
        environment_type:
          description:
            - Environment to create with the instance, for example V(production). Only used on creation, because oCore does
              not return it.
          type: str
        branch:
          description:
            - Git branch to deploy. Only used on creation, because oCore does not return it.
          type: str
        addons_path:
          description:
            - Directory of custom Odoo modules.
          type: str
        env_vars:
          description:
            - Environment variables of the container. Numbers and booleans become strings as YAML writes them. A null value
              is refused.
            - Values are secrets. Results, diffs, and logs show V(********) instead, unless O(reveal_env_vars=true). In
              messages of oCore, values of fewer than four characters and the words V(true), V(false), V(null), and V(none)
              are not masked.
          type: dict
        purge_env_vars:
          description:
            - Whether to remove the environment variables that are not declared. They are kept by default.
          type: bool
        remove_env_vars:
          description:
            - Names of environment variables to remove; all others stay as they are. A name that is also in C(env_vars) is
              refused.
          type: list
          elements: str
        mcp_write_enabled:
          description:
            - Whether AI clients may write to the instance through MCP.
          type: bool
        restart_on_change:
          description:
            - Whether to restart the instance after an update. An instance that is stopped, or declared as stopped, is not
              restarted. The default is not to.
          type: bool
  defaults:
    description:
      - Options for all instances that do not set them themselves.
      - O(defaults.env_vars) and O(instances[].env_vars) are merged. Where both set a variable, that of the instance wins.
    type: dict
    suboptions: *declaration
  purge:
    description:
      - Whether to remove undeclared instances, with their data, from the servers in O(purge_servers) and
        O(purge_server_ids).
      - If a declaration could not be planned or matched no instance, instances that share its id, slug, or name are kept.
    type: bool
    default: false
  purge_servers:
    description:
      - Names or UUIDs of the servers that O(purge) may remove instances from. Instances on other servers are never purged.
      - This or O(purge_server_ids) is required with O(purge=true).
    type: list
    elements: str
  purge_server_ids:
    description:
      - UUIDs of the servers that O(purge) may remove instances from, in addition to O(purge_servers).
    type: list
    elements: str
  purge_all:
    description:
      - Whether O(purge) may remove every instance of these servers.
      - Without it, the task fails if O(instances) declares none as present, for example because a file came out empty.
    type: bool
    default: false
  max_parallel:
    description:
      - Number of instances to work on at the same time. Instances that are only being waited for do not count. A pause that
        oCore asks for applies to all of them.
    type: int
    default: 8
  on_error:
    description:
      - Whether to go on with the other instances after one has failed. The task fails in both cases.
      - V(continue) works on all others.
      - V(stop) starts nothing new, but finishes what was started and waits for it. If planning fails for an instance,
        nothing is sent.
    type: str
    choices: [continue, stop]
    default: continue
  reveal_env_vars:
    description:
      - Whether to include the values of environment variables in the results and the diff.
    type: bool
    default: false
notes:
  - O(wait_timeout) covers all instances together. Raise it for large fleets.
  - While it waits, the task prints a line of progress when something changes, and every 15 seconds. It can do so only inside
    the Ansible worker.
seealso:
  - module: ocore.cloud.ocore_instance
  - module: ocore.cloud.ocore_instance_control
  - plugin: ocore.cloud.ocore
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Ensure the shops of all regions match their declarations
  ocore.cloud.ocore_fleet:
    organization: acme
    defaults:
      server: server-1
      odoo_version: "18.0"
      odoo_edition: community
      env_vars:
        SMTP_HOST: mail.acme.example
        SMTP_PASSWORD: "{{ vault_smtp_password }}"
    instances:
      - name: Shop north
        slug: shop-north
      - name: Shop south
        slug: shop-south
        env_vars:
          WORKERS: 4
      - name: Shop trial
        slug: shop-trial
        power: stopped
      - slug: shop-old
        state: absent
  register: fleet

- name: Show the addresses of the new instances
  ansible.builtin.debug:
    msg: "{{ item.slug }}: https://{{ item.instance.auto_subdomain }}"
  loop: "{{ fleet.results | selectattr('actions', 'contains', 'create') }}"
  loop_control:
    label: "{{ item.slug }}"

- name: Ensure two servers run exactly the instances of a file, and stop at the first problem
  ocore.cloud.ocore_fleet:
    organization: acme
    instances: "{{ (lookup('ansible.builtin.file', 'fleet.yml') | from_yaml).instances }}"
    purge: true
    purge_servers: [server-1, server-2]
    on_error: stop
    wait_timeout: 3600

- name: Stop two instances for the night
  ocore.cloud.ocore_fleet:
    organization: acme
    defaults:
      power: stopped
    instances:
      - slug: shop-trial
      - id: 93831ec5-7aeb-5868-aa0b-00f81681a1e7

- name: Remove all instances of a server
  ocore.cloud.ocore_fleet:
    organization: acme
    instances: []
    purge: true
    purge_all: true
    purge_server_ids:
      - ebf1e60d-312f-5639-8559-37192e779e10
"""

RETURN = r"""
results:
  description: One entry for each declared instance, in the order of O(instances), then one for each purged instance.
  returned: when the list of instances could be read
  type: list
  elements: dict
  contains:
    id:
      description: UUID of the instance, or null if it does not exist yet.
      type: str
      returned: always
      sample: "93831ec5-7aeb-5868-aa0b-00f81681a1e7"
    slug:
      description: Short identifier of the instance.
      type: str
      returned: always
      sample: "shop-north"
    name:
      description: Display name of the instance.
      type: str
      returned: always
      sample: "Shop north"
    state:
      description: Declared state, V(present) or V(absent).
      type: str
      returned: always
      sample: "present"
    outcome:
      description: One of V(unchanged), V(changed), V(failed), and V(skipped). A skipped instance was not started, because
        another one failed with O(on_error=stop) or the time was over.
      type: str
      returned: always
      sample: "changed"
    changed:
      description: Whether something was done to the instance, even if it failed later.
      type: bool
      returned: always
      sample: true
    actions:
      description: What was done, or would be done in check mode. Any of V(create), V(update), V(delete), V(restart),
        V(start), and V(stop).
      type: list
      elements: str
      returned: always
      sample: ["create"]
    purged:
      description: Whether O(purge) selected the instance because it is not declared.
      type: bool
      returned: always
      sample: false
    instance:
      description: The instance, with the keys of RV(ocore.cloud.ocore_instance#module:instance), or null if it does not
        exist.
      type: dict
      returned: always
      sample: {"slug": "shop-north", "status": "running"}
    error:
      description: Reason of the failure, or null.
      type: dict
      returned: always
      contains:
        msg:
          description: What was attempted, what came back, and what to do.
          type: str
          returned: always
        status:
          description: HTTP status of oCore's answer, or null if there was no such answer.
          type: int
          returned: always
        code:
          description: Error code of oCore, or null.
          type: str
          returned: always
summary:
  description: Number of instances by outcome and by action.
  returned: when the list of instances could be read
  type: dict
  contains:
    total:
      description: Number of entries in RV(results).
      type: int
      returned: always
    unchanged:
      description: Instances that match their declaration.
      type: int
      returned: always
    changed:
      description: Instances that were changed.
      type: int
      returned: always
    failed:
      description: Instances that failed.
      type: int
      returned: always
    skipped:
      description: Instances that were not started.
      type: int
      returned: always
    created:
      description: Instances that were created.
      type: int
      returned: always
    updated:
      description: Instances whose settings were changed.
      type: int
      returned: always
    deleted:
      description: Instances that were removed, including purged ones.
      type: int
      returned: always
    restarted:
      description: Instances that were restarted.
      type: int
      returned: always
    started:
      description: Instances that were started.
      type: int
      returned: always
    stopped:
      description: Instances that were stopped.
      type: int
      returned: always
    purged:
      description: Instances that were selected by O(purge).
      type: int
      returned: always
  sample: {"total": 3, "unchanged": 2, "changed": 1, "failed": 0, "skipped": 0, "created": 1, "updated": 0, "deleted": 0,
    "restarted": 0, "started": 0, "stopped": 0, "purged": 0}
error:
  description: Answer of oCore to the request for the list, if that made the task fail. Both keys are null otherwise.
    Errors of single instances are in RV(results[].error).
  returned: failure
  type: dict
  contains:
    status:
      description: HTTP status.
      type: int
      returned: always
    code:
      description: Error code of oCore.
      type: str
      returned: always
  sample: {"status": 403, "code": "forbidden"}
"""

from ansible_collections.ocore.cloud.plugins.module_utils._ops.entry import run_module
from ansible_collections.ocore.cloud.plugins.module_utils._ops.fleet import OPERATION


def main() -> None:
    run_module(OPERATION)


if __name__ == "__main__":
    main()
