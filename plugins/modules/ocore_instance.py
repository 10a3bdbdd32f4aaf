#!/usr/bin/python

# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocore_instance
short_description: Create, change, and remove Odoo instances of oCore
version_added: 0.1.0
description:
  - Declares an Odoo instance that oCore runs on one of your servers.
  - An instance is recognized by O(id), O(slug), or O(name) in the whole organization, whatever its server.
    One that is being removed does not count.
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
      - V(present) creates the instance or changes it, and waits for one that is still being created.
      - V(absent) removes it. Its data is lost.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Display name of the instance. Together with O(id) or O(slug), the name that it is to have.
      - Needed to create one.
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
      - Edition of Odoo, for example V(community) or V(enterprise). Fixed after creation. Compared without regard to case.
    type: str
  template_id:
    description:
      - Id of the template to create the instance from. Fixed after creation.
    type: str
  project_id:
    description:
      - Id of the project to create the instance for. Used on creation only, since oCore does not show it afterwards.
    type: str
  environment_type:
    description:
      - Type of the environment to create with the instance, for example V(production), V(staging), or V(development).
      - Used on creation only, since oCore does not show it afterwards.
    type: str
  branch:
    description:
      - Git branch to deploy. Used on creation only, since oCore does not show it afterwards.
    type: str
  addons_path:
    description:
      - Path of custom modules.
    type: str
  env_vars:
    description:
      - Environment variables of the container. Numbers and booleans become text as YAML writes them (V(8069), V(true)).
        A null is refused.
      - The values are treated as secrets, and never shown unless O(reveal_env_vars=true).
      - Whether a change takes effect before the next restart is not documented by oCore; see O(restart_on_change).
    type: dict
  purge_env_vars:
    description:
      - Whether variables that are not in O(env_vars) are removed. If not, they are kept.
    type: bool
    default: false
  mcp_write_enabled:
    description:
      - Whether AI clients may write to the instance through MCP. oCore takes it in an update only, so a new instance is
        created first and updated then.
    type: bool
  restart_on_change:
    description:
      - Whether to restart the instance after a change, unless it is stopped.
    type: bool
    default: false
  reveal_env_vars:
    description:
      - Whether the result and the diff hold the values of environment variables.
    type: bool
    default: false
notes:
  - oCore can change O(name), O(addons_path), O(env_vars), and O(mcp_write_enabled) of an instance. When another given field
    differs the task fails and nothing is sent; an instance is never removed and created anew.
  - When a request to create an instance gets no answer, the instance is looked for and taken over, so that there are never
    two.
seealso:
  - module: ocore.cloud.ocore_instance_control
  - module: ocore.cloud.ocore_instance_info
  - plugin: ocore.cloud.ocore
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Run a shop on one of our servers
  ocore.cloud.ocore_instance:
    organization: acme
    name: Shop production
    slug: shop-prod
    server_id: 4c0834c4-3d20-5ec5-8a7c-210089b98dcf
    odoo_version: "18.0"
    odoo_edition: community
    env_vars:
      SMTP_HOST: mail.acme.example
      SMTP_PORT: 587
  register: shop

- name: Show where it answers
  ansible.builtin.debug:
    msg: "{{ shop.instance.auto_subdomain }} is {{ shop.instance.status }}"

- name: Set one variable, keep the others, and restart only if something changed
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-prod
    env_vars:
      SMTP_PASSWORD: "{{ vault_smtp_password }}"
    restart_on_change: true

- name: Have exactly these variables
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-prod
    env_vars:
      SMTP_HOST: mail.acme.example
    purge_env_vars: true

- name: Start two creations at once, wait for both later
  ocore.cloud.ocore_instance:
    organization: acme
    name: "{{ item }}"
    slug: "{{ item }}"
    server_id: 4c0834c4-3d20-5ec5-8a7c-210089b98dcf
    wait: false
  loop: [north, south]

- name: Remove an instance and its data
  ocore.cloud.ocore_instance:
    organization: acme
    slug: shop-test
    state: absent
"""

RETURN = r"""
instance:
  description:
    - The instance, or null when there is none any more. In check mode, as it would be; what oCore fills in is null.
  returned: always
  type: dict
  contains:
    id:
      description: Id (UUID).
      type: str
      returned: always
      sample: "93831ec5-7aeb-5868-aa0b-00f81681a1e7"
    name:
      description: Display name.
      type: str
      returned: always
      sample: "Shop production"
    slug:
      description: Short identifier; fixed after creation.
      type: str
      returned: always
      sample: "shop-prod"
    status:
      description: What the instance is doing, in oCore's words, for example C(creating), C(running), C(stopped), or
        C(failed). The words are not enumerated by the API.
      type: str
      returned: always
      sample: "running"
    status_message:
      description: Explanation of the status, mostly of a failure.
      type: str
      returned: always
    server_id:
      description: Id of the server that it runs on.
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
      description: Id of the template that it was created from.
      type: str
      returned: always
    addons_path:
      description: Path of custom modules.
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
      description: Active side of a deployment with two sides.
      type: str
      returned: always
      sample: "blue"
    http_port:
      description: HTTP port of Odoo.
      type: int
      returned: always
      sample: 8069
    http_port_host:
      description: HTTP port on the server.
      type: int
      returned: always
      sample: 20000
    longpolling_port:
      description: Port of Odoo's live channel.
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
      description: Soft memory limit; the unit is not documented.
      type: int
      returned: always
      sample: 2147483648
    limit_memory_hard:
      description: Hard memory limit; the unit is not documented.
      type: int
      returned: always
      sample: 2684354560
    limit_time_cpu:
      description: CPU time limit of a request; the unit is not documented, Odoo's own is seconds.
      type: int
      returned: always
      sample: 60
    limit_time_real:
      description: Time limit of a request; the unit is not documented, Odoo's own is seconds.
      type: int
      returned: always
      sample: 120
    log_level:
      description: Log level of Odoo.
      type: str
      returned: always
      sample: "info"
    health_score:
      description: Health score as mirrored on the instance; the scale is not documented.
      type: float
      returned: always
      sample: 96
    health_score_grade:
      description: Grade of the health score.
      type: str
      returned: always
      sample: "A"
    health_score_updated_at:
      description: Time of the health score.
      type: str
      returned: always
      sample: "2026-11-23T10:00:00Z"
    restart_count:
      description: Restarts since creation.
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
      description: Build of the Enterprise code.
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
          description: Whether it is the main one.
          type: bool
          returned: always
        is_auto_generated:
          description: Whether oCore created it.
          type: bool
          returned: always
        dns_status:
          description: State of the DNS check.
          type: str
          returned: always
        dns_provider:
          description: Provider, where oCore manages DNS.
          type: str
          returned: always
        dns_record_id:
          description: Record, where oCore manages DNS.
          type: str
          returned: always
        ssl_status:
          description: State of the certificate.
          type: str
          returned: always
        ssl_expires_at:
          description: End of the certificate.
          type: str
          returned: always
        created_at:
          description: Time of creation.
          type: str
          returned: always
actions:
  description:
    - What was done, in this order, or would be done in check mode. Some of V(create), V(update), V(delete), V(restart).
    - Also part of a failure, where it tells what was done before.
  returned: always
  type: list
  elements: str
  sample: [create]
diff:
  description:
    - Only what differs. Values of environment variables are shown as V(********), unless O(reveal_env_vars=true); a
      changed one as V(******** (changed\)).
  returned: always
  type: dict
  sample: {"before": {"name": "Shop"}, "after": {"name": "Shop production"}}
error:
  description: What oCore answered, for a task that failed; both keys are null when it did not answer.
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
from ansible_collections.ocore.cloud.plugins.module_utils._ops.instance import OPERATION


def main() -> None:
    run_module(OPERATION)


if __name__ == "__main__":
    main()
