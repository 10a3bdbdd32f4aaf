#!/usr/bin/python

# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocore_instance_control
short_description: Start, stop, and restart Odoo instances of oCore
version_added: 0.1.0
description:
  - Starts, stops, or restarts an existing instance and waits for it.
  - If another operation on the instance is in progress, the module waits for it first.
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth
  - ocore.cloud.wait
  - ocore.cloud.identity
  - ocore.cloud.attributes
attributes:
  idempotent:
    support: partial
    details:
      - With O(state=restarted) each run restarts the instance.
options:
  state:
    description:
      - V(started) starts the instance unless it runs. If it is starting already, the module only waits.
      - V(stopped) stops the instance. Its database and settings are kept.
      - V(restarted) restarts the instance on every run. The restart is complete when the instance is ready again and its
        restart count or time has changed, or a status other than ready was seen in between.
    type: str
    required: true
    choices: [started, stopped, restarted]
  min_health_score:
    description:
      - Health score to wait for after O(state=started) or O(state=restarted). Only scores computed after the last restart
        count.
      - oCore does not document the scale. Read the current score with M(ocore.cloud.ocore_instance_info) first.
      - No score is waited for if not given.
    type: int
seealso:
  - module: ocore.cloud.ocore_instance
  - module: ocore.cloud.ocore_instance_info
"""

EXAMPLES = r"""
- name: Stop the test instance over the weekend
  ocore.cloud.ocore_instance_control:
    organization: acme
    slug: shop-test
    state: stopped

- name: Restart the instances of the inventory one by one, each time waiting for a health score of 80
  ocore.cloud.ocore_instance_control:
    organization: acme
    id: "{{ item }}"
    state: restarted
    min_health_score: 80
  loop: "{{ groups['ocore'] | map('extract', hostvars, 'ocore_id') }}"

- name: Start the instance that the play runs for (hosts from the inventory plugin ocore.cloud.ocore)
  ocore.cloud.ocore_instance_control:
    organization: acme
    id: "{{ ocore_id }}"
    state: started
  delegate_to: localhost
"""

RETURN = r"""
instance:
  description: The instance as last read from oCore, or null if the task failed before it was read.
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
      description: Environment variables of the container. Each value is shown as V(********).
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
  description: What was done, or would be done in check mode. V(start), V(stop), V(restart), or an empty list.
  returned: always
  type: list
  elements: str
  sample: [restart]
diff:
  description: Status of the instance before and after.
  returned: when the action could be planned
  type: dict
  sample: {"before": {"status": "stopped"}, "after": {"status": "running"}}
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

from ansible_collections.ocore.cloud.plugins.module_utils._ops.control import OPERATION
from ansible_collections.ocore.cloud.plugins.module_utils._ops.entry import run_module


def main() -> None:
    run_module(OPERATION)


if __name__ == "__main__":
    main()
