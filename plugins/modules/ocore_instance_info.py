#!/usr/bin/python

# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocore_instance_info
short_description: Read Odoo instances of oCore
version_added: 0.1.0
description:
  - Returns all instances of an organization, those on one server, or a single one, optionally with their health.
  - Makes one request however many instances there are, plus one for each instance and each kind in O(gather).
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth
  - ocore.cloud.identity
  - ocore.cloud.attributes
attributes:
  diff_mode:
    support: none
    details:
      - This module changes nothing.
options:
  id:
    description:
      - UUID of the instance. Without O(id), O(slug), and O(name), all instances are returned.
      - Leading and trailing blanks are ignored in all three. A value that is empty is refused; omit the option instead.
  name:
    description:
      - Display name of the instance. If several instances share it, all of them are returned.
  server_id:
    description:
      - UUID of a server. Returns only the instances on it.
    type: str
  gather:
    description:
      - Health data to read for each instance. V(health) adds the key RV(instances[].health), V(health_score) the key
        RV(instances[].health_score_details).
      - Up to eight requests run at the same time.
    type: list
    elements: str
    choices: [health, health_score]
    default: []
  reveal_env_vars:
    description:
      - Whether to include the values of environment variables in the result.
    type: bool
    default: false
seealso:
  - module: ocore.cloud.ocore_instance
  - plugin: ocore.cloud.ocore
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Read all instances of the organization
  ocore.cloud.ocore_instance_info:
    organization: acme
  register: all

- name: List the instances that do not run
  ansible.builtin.debug:
    msg: "{{ all.instances | rejectattr('status', 'equalto', 'running') | map(attribute='slug') }}"

- name: Read one instance with its health score
  ocore.cloud.ocore_instance_info:
    organization: acme
    slug: shop-prod
    gather: [health_score]
  register: shop

- name: Stop the play if the instance is unhealthy
  ansible.builtin.assert:
    that: shop.instances[0].health_score_details.score >= 80

- name: Read the instances of a server
  ocore.cloud.ocore_instance_info:
    organization: acme
    server_id: 4c0834c4-3d20-5ec5-8a7c-210089b98dcf
"""

RETURN = r"""
instances:
  description: Matching instances; an empty list if there are none. Deleted instances that oCore still lists are omitted.
  returned: success
  type: list
  elements: dict
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
    health:
      description: Answer of the health check, or null if there is none.
      type: dict
      returned: with O(gather) holding V(health)
      contains:
        id:
          description: Id of the instance.
          type: str
          returned: always
        slug:
          description: Short identifier of the instance.
          type: str
          returned: always
        status:
          description: Status.
          type: str
          returned: always
        status_message:
          description: Explanation of the status.
          type: str
          returned: always
        last_seen_at:
          description: Time at which oCore last saw the instance.
          type: str
          returned: always
    health_score_details:
      description: Health score with its factors, or null if none has been computed yet.
      type: dict
      returned: with O(gather) holding V(health_score)
      contains:
        score:
          description: Health score. oCore does not document the scale.
          type: float
          returned: always
        grade:
          description: Grade.
          type: str
          returned: always
        computed_at:
          description: Time at which the score was computed.
          type: str
          returned: always
        factors:
          description: Components of the score.
          type: list
          elements: dict
          returned: always
          contains:
            name:
              description: Name of the factor.
              type: str
              returned: always
            score:
              description: Score of the factor.
              type: float
              returned: always
            weight:
              description: Weight of the factor.
              type: float
              returned: always
            weighted:
              description: Score times weight.
              type: float
              returned: always
            details:
              description: Explanation.
              type: str
              returned: always
total:
  description: Number of instances in RV(instances).
  returned: success
  type: int
  sample: 1
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
from ansible_collections.ocore.cloud.plugins.module_utils._ops.info import OPERATION


def main() -> None:
    run_module(OPERATION)


if __name__ == "__main__":
    main()
