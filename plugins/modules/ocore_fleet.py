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
  - Declares any number of instances in one task. It reads all instances with one request, plans everything, works on a few
    instances at a time, and waits for all of them together with one request every few seconds.
  - A fleet that is as declared costs one request, however large it is.
  - What is done to each instance is the same as with M(ocore.cloud.ocore_instance).
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth
  - ocore.cloud.wait
  - ocore.cloud.attributes
options:
  instances:
    description:
      - The instances. Each is recognized by O(instances[].id), O(instances[].slug), or O(instances[].name), in this order,
        in the whole organization.
      - Nothing is sent when one of them can't be meant as it is declared, or when an instance is declared twice.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description:
          - Id (UUID) of the instance.
        type: str
      slug:
        description:
          - Short identifier of the instance.
        type: str
      name:
        description:
          - Display name of the instance. Together with O(instances[].id) or O(instances[].slug), the name that it is to have.
          - Needed to create one.
        type: str
      state:
        description:
          - V(present) creates the instance or changes it, V(absent) removes it with its data.
          - V(present) if given nowhere.
        type: str
        choices: [present, absent]
      power:
        description:
          - Whether the instance is to run. Left as it is if not given; a new instance runs.
          - Has no meaning for an instance that is to be absent.
        type: str
        choices: [started, stopped]
      server_id:
        description:
          - Id (UUID) of the server. Needed to create an instance; fixed afterwards.
        type: str
      odoo_version:
        description:
          - Release of Odoo, for example V(18.0). Fixed after creation. oCore takes its latest stable one if not given.
        type: str
      odoo_edition:
        description:
          - Edition of Odoo, for example V(community) or V(enterprise). Fixed after creation.
        type: str
      template_id:
        description:
          - Id of the template to create the instance from. Fixed after creation.
        type: str
      project_id:
        description:
          - Id of the project to create the instance for. Used on creation only.
        type: str
      environment_type:
        description:
          - Type of the environment to create with the instance, for example V(production). Used on creation only.
        type: str
      branch:
        description:
          - Git branch to deploy. Used on creation only.
        type: str
      addons_path:
        description:
          - Path of custom modules.
        type: str
      env_vars:
        description:
          - Environment variables of the container. Numbers and booleans become text as YAML writes them. A null is refused.
          - The values are treated as secrets, and never shown unless O(reveal_env_vars=true).
        type: dict
      purge_env_vars:
        description:
          - Whether variables that are not declared are removed. If not, they are kept, which is the default.
        type: bool
      mcp_write_enabled:
        description:
          - Whether AI clients may write to the instance through MCP.
        type: bool
      restart_on_change:
        description:
          - Whether to restart the instance after a change, unless it is stopped or is to be. The default is not to.
        type: bool
  defaults:
    description:
      - Options for the instances that don't give them themselves. O(defaults.env_vars) and O(instances[].env_vars) are
        merged; the variables of the instance win.
    type: dict
    suboptions:
      state:
        description:
          - V(present) creates the instance or changes it, V(absent) removes it with its data.
          - V(present) if given nowhere.
        type: str
        choices: [present, absent]
      power:
        description:
          - Whether the instance is to run. Left as it is if not given; a new instance runs.
          - Has no meaning for an instance that is to be absent.
        type: str
        choices: [started, stopped]
      server_id:
        description:
          - Id (UUID) of the server. Needed to create an instance; fixed afterwards.
        type: str
      odoo_version:
        description:
          - Release of Odoo, for example V(18.0). Fixed after creation. oCore takes its latest stable one if not given.
        type: str
      odoo_edition:
        description:
          - Edition of Odoo, for example V(community) or V(enterprise). Fixed after creation.
        type: str
      template_id:
        description:
          - Id of the template to create the instance from. Fixed after creation.
        type: str
      project_id:
        description:
          - Id of the project to create the instance for. Used on creation only.
        type: str
      environment_type:
        description:
          - Type of the environment to create with the instance, for example V(production). Used on creation only.
        type: str
      branch:
        description:
          - Git branch to deploy. Used on creation only.
        type: str
      addons_path:
        description:
          - Path of custom modules.
        type: str
      env_vars:
        description:
          - Environment variables of the container. Numbers and booleans become text as YAML writes them. A null is refused.
          - The values are treated as secrets, and never shown unless O(reveal_env_vars=true).
        type: dict
      purge_env_vars:
        description:
          - Whether variables that are not declared are removed. If not, they are kept, which is the default.
        type: bool
      mcp_write_enabled:
        description:
          - Whether AI clients may write to the instance through MCP.
        type: bool
      restart_on_change:
        description:
          - Whether to restart the instance after a change, unless it is stopped or is to be. The default is not to.
        type: bool
  purge:
    description:
      - Whether instances that are not declared are removed, with their data, from the servers in O(purge_server_ids).
      - An instance is spared when a declaration that matched nothing, or that could not be planned, has its id, slug, or
        name.
    type: bool
    default: false
  purge_server_ids:
    description:
      - Ids (UUID) of the servers that O(purge) may remove instances from. It never reaches any other.
      - Needed with O(purge=true).
    type: list
    elements: str
  purge_all:
    description:
      - Confirms that O(purge) may remove every instance of these servers. It refuses to when O(instances) declares none as
        present, for example because a file came out empty.
    type: bool
    default: false
  max_parallel:
    description:
      - Number of instances that are worked on at once. Waiting does not count. When oCore asks for a pause, all of them
        pause.
    type: int
    default: 8
  on_error:
    description:
      - What a failing instance means for the others. The task fails in both cases.
      - V(continue) works on all others.
      - V(stop) begins nothing new. What was begun is finished and waited for. Nothing is sent at all when the failure shows
        while planning.
    type: str
    choices: [continue, stop]
    default: continue
  reveal_env_vars:
    description:
      - Whether the results and the diff hold the values of environment variables.
    type: bool
    default: false
notes:
  - O(wait_timeout) is for the whole task, so raise it for large fleets. When it is over, the task fails for the instances
    that are not ready; run it again to go on waiting.
  - While the task waits, it prints a line of progress for all instances when something changes, and every 15 seconds. It can
    do so only when it runs inside the Ansible worker, which is the default on the controller.
seealso:
  - module: ocore.cloud.ocore_instance
  - module: ocore.cloud.ocore_instance_control
  - plugin: ocore.cloud.ocore
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Run the shops of all regions
  ocore.cloud.ocore_fleet:
    organization: acme
    defaults:
      server_id: 4c0834c4-3d20-5ec5-8a7c-210089b98dcf
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

- name: Show where the new ones answer
  ansible.builtin.debug:
    msg: "{{ item.slug }}: https://{{ item.instance.auto_subdomain }}"
  loop: "{{ fleet.results | selectattr('actions', 'contains', 'create') }}"
  loop_control:
    label: "{{ item.slug }}"

- name: Have exactly the instances of a file on two servers, and stop at the first problem
  ocore.cloud.ocore_fleet:
    organization: acme
    instances: "{{ (lookup('ansible.builtin.file', 'fleet.yml') | from_yaml).instances }}"
    purge: true
    purge_server_ids:
      - 4c0834c4-3d20-5ec5-8a7c-210089b98dcf
      - ebf1e60d-312f-5639-8559-37192e779e10
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

- name: Give up all instances of a server
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
  description: One entry for each declared instance in the order of O(instances), then one for each purged one.
  returned: when the list of instances could be read
  type: list
  elements: dict
  contains:
    id:
      description: Id of the instance; null for one that does not exist yet.
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
      description: V(present) or V(absent), as declared.
      type: str
      returned: always
      sample: "present"
    outcome:
      description: One of V(unchanged), V(changed), V(failed), and V(skipped). The last was not begun, since another one failed
        with O(on_error=stop), or time ran out.
      type: str
      returned: always
      sample: "changed"
    changed:
      description: Whether something was done to the instance, also if it failed later.
      type: bool
      returned: always
      sample: true
    actions:
      description: What was done, or in check mode would be done, among V(create), V(update), V(delete), V(restart), V(start),
        and V(stop).
      type: list
      elements: str
      returned: always
      sample: ["create"]
    purged:
      description: Whether it was removed because nobody declares it.
      type: bool
      returned: always
      sample: false
    instance:
      description: The instance, with the same keys as the return value RV(ocore.cloud.ocore_instance#module:instance), or null
        when there is none.
      type: dict
      returned: always
      sample: {"slug": "shop-north", "status": "running"}
    error:
      description: Why it failed, or null.
      type: dict
      returned: always
      contains:
        msg:
          description: What was attempted, what came back, and what to do.
          type: str
          returned: always
        status:
          description: HTTP status of oCore's answer, or null.
          type: int
          returned: always
        code:
          description: oCore's own code, or null.
          type: str
          returned: always
summary:
  description: Numbers of instances, by outcome and by what was done to them.
  returned: when the list of instances could be read
  type: dict
  contains:
    total:
      description: All entries of RV(results).
      type: int
      returned: always
    unchanged:
      description: Instances that are as declared.
      type: int
      returned: always
    changed:
      description: Instances that something was done to.
      type: int
      returned: always
    failed:
      description: Instances that failed.
      type: int
      returned: always
    skipped:
      description: Instances that were not begun.
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
      description: Instances that were removed, the purged ones among them.
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
      description: Instances that were removed because nobody declares them.
      type: int
      returned: always
  sample: {"total": 3, "unchanged": 2, "changed": 1, "failed": 0, "skipped": 0, "created": 1, "updated": 0, "deleted": 0,
    "restarted": 0, "started": 0, "stopped": 0, "purged": 0}
error:
  description: Answer of oCore to the request for the list, for a task that failed; both keys are null when it is not to blame.
    Errors of single instances are in RV(results[].error).
  returned: failure
  type: dict
  contains:
    status:
      description: HTTP status.
      type: int
      returned: always
    code:
      description: oCore's own code.
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
