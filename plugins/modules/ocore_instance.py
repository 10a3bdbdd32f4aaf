#!/usr/bin/python

# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocore_instance
short_description: Create, change, start, stop, and remove Odoo instances of oCore
version_added: 0.1.0
description:
  - Ensures that an Odoo instance on one of your servers matches its declaration. The module waits until a new instance runs,
    and until a removed one is gone.
  - Instances are identified by O(id), else O(slug), else O(name), across the whole organization. Instances that are being
    removed are ignored.
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth
  - ocore.cloud.wait
  - ocore.cloud.identity
  - ocore.cloud.attributes
options:
  state:
    description:
      - V(present) creates the instance if it does not exist, and updates it if it differs. If it is still being created,
        the module waits for it.
      - V(absent) removes the instance. Its data is lost.
    type: str
    choices: [present, absent]
    default: present
  power:
    description:
      - Whether the instance is V(started) or V(stopped). If not given, a new instance runs and an existing one is left as it
        is.
      - Starting and stopping is part of the same plan, so check mode and diff show it. A new instance with V(stopped) is
        created first and stopped afterwards.
      - Ignored with O(state=absent). To restart an instance, use M(ocore.cloud.ocore_instance_control).
    type: str
    choices: [started, stopped]
  name:
    description:
      - Display name of the instance. Required to create one.
      - Together with O(id) or O(slug), an existing instance is renamed to it.
      - oCore does not require names to be unique. If O(name) alone identifies the instance and several share it, the task
        fails and lists them.
  server:
    description:
      - Name or UUID of the server to run the instance on. Required to create one; cannot be changed afterwards.
      - A name is looked up by one more request. If no server or several servers have it, the task fails and lists them. A
        value in the form of a UUID is always taken as an id.
      - Ignored with O(state=absent). Cannot be combined with O(server_id).
    type: str
  server_id:
    description:
      - UUID of the server to run the instance on, instead of O(server).
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
      - Environment to create with the instance, for example V(production), V(staging), or V(development).
      - Only used on creation, because oCore does not return it.
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
      - Environment variables of the container. Numbers and booleans become strings as YAML writes them (V(8069), V(true)).
        A null value is refused.
      - Variables that are not listed are kept, unless O(purge_env_vars=true) or O(remove_env_vars) removes them.
      - Values are secrets. Results, diffs, and logs show V(********) instead, unless O(reveal_env_vars=true). In messages
        of oCore, values of fewer than four characters and the words V(true), V(false), V(null), and V(none) are not masked.
      - oCore does not document whether a change takes effect before the next restart; see O(restart_on_change).
    type: dict
  purge_env_vars:
    description:
      - Whether to remove the environment variables that O(env_vars) does not list.
    type: bool
    default: false
  remove_env_vars:
    description:
      - Names of environment variables to remove; all others stay as they are. A name that the instance does not have is
        ignored. A name that is also in O(env_vars) is refused.
    type: list
    elements: str
  mcp_write_enabled:
    description:
      - Whether AI clients may write to the instance through MCP.
      - oCore accepts this in an update only, so a new instance is created first and updated afterwards.
    type: bool
  restart_on_change:
    description:
      - Whether to restart the instance after an update. An instance that is stopped, or declared as stopped with O(power), is
        not restarted.
      - It is also restarted, with a warning, when oCore's times show that it was changed after its last restart, for example by
        a task that ended before it could restart. Such times may move for other reasons.
    type: bool
    default: false
  reveal_env_vars:
    description:
      - Whether to include the values of environment variables in the result and the diff.
    type: bool
    default: false
notes:
  - oCore can change O(name), O(addons_path), O(env_vars), and O(mcp_write_enabled) of an existing instance. If any other
    option differs from the instance, the task fails and sends nothing. The module never deletes and re-creates an instance.
  - If a request to create an instance gets no answer, the module looks for the instance before it tries again, so that no
    second one is created.
seealso:
  - module: ocore.cloud.ocore_instance_control
  - module: ocore.cloud.ocore_instance_info
  - module: ocore.cloud.ocore_fleet
  - plugin: ocore.cloud.ocore
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Ensure the production shop exists
  ocore.cloud.ocore_instance:
    organization: acme
    name: Shop production
    slug: shop-prod
    server: server-1
    odoo_version: "18.0"
    odoo_edition: community
    env_vars:
      SMTP_HOST: mail.acme.example
      SMTP_PORT: 587
  register: shop

- name: Show the address of the shop
  ansible.builtin.debug:
    msg: "{{ shop.instance.auto_subdomain or shop.instance.slug }} is {{ shop.instance.status }}"

- name: Set one variable, keep the others, and restart the shop if something changed
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-prod
    env_vars:
      SMTP_PASSWORD: "{{ vault_smtp_password }}"
    restart_on_change: true

- name: Ensure the shop has exactly these variables
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-prod
    env_vars:
      SMTP_HOST: mail.acme.example
    purge_env_vars: true

- name: Remove one environment variable and keep all others
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-prod
    remove_env_vars: [SMTP_HOST]

- name: Create two instances without waiting for either
  ocore.cloud.ocore_instance:
    organization: acme
    name: "{{ item }}"
    slug: "{{ item }}"
    server_id: 4c0834c4-3d20-5ec5-8a7c-210089b98dcf
    wait: false
  loop: [north, south]

- name: Ensure the test instance exists and is stopped
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-test
    power: stopped

- name: Remove the test instance and its data
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-test
    state: absent
"""

RETURN = r"""
instance:
  description:
    - The instance after the task, or null if it does not exist or the task failed before it was read.
    - In check mode, the instance as it would be. Fields that only oCore can fill in are null.
  returned: always
  type: dict
  contains:
    id:
      description: UUID of the instance.
      type: str
      returned: always
      sample: "93831ec5-7aeb-5868-aa0b-00f81681a1e7"
    name:
      description: Display name.
      type: str
      returned: always
      sample: "Shop production"
    slug:
      description: Short identifier. Never changes.
      type: str
      returned: always
      sample: "shop-prod"
    status:
      description: Status word of oCore, for example C(creating), C(running), C(stopped), or C(failed). The API reference
        does not list all of them.
      type: str
      returned: always
      sample: "running"
    status_message:
      description: Explanation of the status, usually of a failure.
      type: str
      returned: always
    server_id:
      description: UUID of the server that the instance runs on.
      type: str
      returned: always
      sample: "4c0834c4-3d20-5ec5-8a7c-210089b98dcf"
    odoo_version:
      description: Release of Odoo.
      type: str
      returned: always
      sample: "18.0"
    odoo_edition:
      description: Edition of Odoo.
      type: str
      returned: always
      sample: "community"
    template_id:
      description: UUID of the template that the instance was created from.
      type: str
      returned: always
    addons_path:
      description: Directory of custom Odoo modules.
      type: str
      returned: always
      sample: "/mnt/extra-addons"
    env_vars:
      description: Environment variables of the container. Each value is shown as V(********), unless
        O(reveal_env_vars=true).
      type: dict
      returned: always
      sample: {"SMTP_HOST": "********"}
    mcp_write_enabled:
      description: Whether AI clients may write through MCP.
      type: bool
      returned: always
      sample: false
    auto_subdomain:
      description: Host name that oCore generated.
      type: str
      returned: always
      sample: "shop-prod.apps.ocore.example"
    active_color:
      description: Active side of a two-colour deployment.
      type: str
      returned: always
      sample: "blue"
    http_port:
      description: HTTP port of Odoo.
      type: int
      returned: always
      sample: 8069
    http_port_host:
      description: HTTP port of Odoo on the server.
      type: int
      returned: always
      sample: 20000
    longpolling_port:
      description: Port of Odoo's live channel (websocket).
      type: int
      returned: always
      sample: 8072
    longpolling_port_host:
      description: Port of the live channel on the server.
      type: int
      returned: always
      sample: 20001
    workers:
      description: Number of Odoo workers.
      type: int
      returned: always
      sample: 2
    max_cron_threads:
      description: Number of threads for scheduled actions.
      type: int
      returned: always
      sample: 1
    limit_memory_soft:
      description: Soft memory limit. oCore does not document the unit.
      type: int
      returned: always
      sample: 2147483648
    limit_memory_hard:
      description: Hard memory limit. oCore does not document the unit.
      type: int
      returned: always
      sample: 2684354560
    limit_time_cpu:
      description: CPU time limit of a request. oCore does not document the unit; Odoo uses seconds.
      type: int
      returned: always
      sample: 60
    limit_time_real:
      description: Time limit of a request. oCore does not document the unit; Odoo uses seconds.
      type: int
      returned: always
      sample: 120
    log_level:
      description: Log level of Odoo.
      type: str
      returned: always
      sample: "info"
    health_score:
      description: Latest health score. oCore does not document the scale.
      type: float
      returned: always
      sample: 96
    health_score_grade:
      description: Grade of the health score.
      type: str
      returned: always
      sample: "A"
    health_score_updated_at:
      description: Time at which the health score was computed.
      type: str
      returned: always
      sample: "2026-11-23T10:00:00Z"
    restart_count:
      description: Number of restarts since creation.
      type: int
      returned: always
      sample: 3
    last_restart_at:
      description: Time of the last restart.
      type: str
      returned: always
      sample: "2026-11-23T10:00:00Z"
    last_seen_at:
      description: Time at which oCore last saw the instance.
      type: str
      returned: always
      sample: "2026-11-23T10:00:00Z"
    enterprise_build_id:
      description: Build of the Odoo Enterprise code.
      type: str
      returned: always
    enterprise_deployed_at:
      description: Time at which that build was deployed.
      type: str
      returned: always
    enterprise_update_available:
      description: Whether a newer build is available.
      type: bool
      returned: always
      sample: false
    wkhtmltopdf_status:
      description: State of wkhtmltopdf.
      type: str
      returned: always
      sample: "ok"
    wkhtmltopdf_version:
      description: Version of wkhtmltopdf.
      type: str
      returned: always
      sample: "0.12.6"
    extra:
      description: Fields that oCore sends and this release does not know, under the names that oCore uses. Values of fields
        that could be secrets by their names are shown as V(********).
      type: dict
      returned: always
      sample: {}
    created_at:
      description: Time of creation.
      type: str
      returned: always
      sample: "2026-11-20T09:00:00Z"
    updated_at:
      description: Time of the last change.
      type: str
      returned: always
      sample: "2026-11-23T10:00:00Z"
    domains:
      description: Host names of the instance.
      type: list
      elements: dict
      returned: always
      contains:
        id:
          description: Id of the domain.
          type: str
          returned: always
        domain:
          description: The host name.
          type: str
          returned: always
        is_primary:
          description: Whether this is the primary domain.
          type: bool
          returned: always
        is_auto_generated:
          description: Whether oCore generated it.
          type: bool
          returned: always
        dns_status:
          description: State of the DNS check.
          type: str
          returned: always
        dns_provider:
          description: DNS provider, if oCore manages DNS.
          type: str
          returned: always
        dns_record_id:
          description: Id of the DNS record, if oCore manages DNS.
          type: str
          returned: always
        ssl_status:
          description: State of the certificate.
          type: str
          returned: always
        ssl_expires_at:
          description: Time at which the certificate expires.
          type: str
          returned: always
        created_at:
          description: Time of creation.
          type: str
          returned: always
actions:
  description:
    - What was done, in this order, or would be done in check mode. Any of V(create), V(update), V(delete), V(restart),
      V(start), and V(stop).
    - A failed task returns it too, with what was done before the failure.
  returned: always
  type: list
  elements: str
  sample: [create]
diff:
  description:
    - Fields that differ, before and after. Values of environment variables are shown as V(********), changed ones as
      V(******** (changed\)), unless O(reveal_env_vars=true).
  returned: when the changes could be planned
  type: dict
  sample: {"before": {"name": "Shop"}, "after": {"name": "Shop production"}}
error:
  description: Answer of oCore that made the task fail. Both keys are null if there was no such answer.
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
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import OPERATION


def main() -> None:
    run_module(OPERATION)


if __name__ == "__main__":
    main()
