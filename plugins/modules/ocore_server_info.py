#!/usr/bin/python

# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocore_server_info
short_description: Read the servers of oCore
version_added: 0.1.0
description:
  - Returns the servers of an organization, on which its instances run, by one request.
  - Credentials of servers are never part of the result.
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth
  - ocore.cloud.attributes
attributes:
  diff_mode:
    support: none
    details:
      - This module changes nothing.
options:
  id:
    description:
      - UUID of a server. Without O(id) and O(name), all servers are returned. Cannot be combined with O(name).
      - Leading and trailing blanks are ignored in both. A value that is empty is refused; omit the option instead.
    type: str
  name:
    description:
      - Name of a server. If several servers have it, all of them are returned.
    type: str
seealso:
  - module: ocore.cloud.ocore_instance
  - plugin: ocore.cloud.ocore
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Read the servers of the organization
  ocore.cloud.ocore_server_info:
    organization: acme
  register: found

- name: List the names and the memory of the servers
  ansible.builtin.debug:
    msg: "{{ found.servers | items2dict(key_name='name', value_name='ram_total_bytes') }}"

- name: Read one server
  ocore.cloud.ocore_server_info:
    organization: acme
    name: server-1
  register: server

- name: Stop the play if oCore cannot reach the server
  ansible.builtin.assert:
    that: server.servers[0].status != 'unreachable'
"""

RETURN = r"""
servers:
  description: Matching servers; an empty list if there are none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: UUID of the server.
      type: str
      returned: always
      sample: "4c0834c4-3d20-5ec5-8a7c-210089b98dcf"
    name:
      description: Display name. oCore does not keep names unique.
      type: str
      returned: always
      sample: "alpha"
    description:
      description: Description.
      type: str
      returned: always
    host:
      description: Host name or address of the server.
      type: str
      returned: always
      sample: "192.0.2.7"
    port:
      description: SSH port.
      type: int
      returned: always
      sample: 22
    ssh_user:
      description: User that oCore logs in as.
      type: str
      returned: always
      sample: "root"
    auth_method:
      description: How oCore logs in, V(key) or V(password). The credentials themselves are never part of the result.
      type: str
      returned: always
      sample: "key"
    max_ssh_sessions:
      description: Number of SSH sessions that oCore opens at most.
      type: int
      returned: always
      sample: 10
    status:
      description: Status word of oCore, for example C(active) or C(unreachable). The API reference does not list them.
      type: str
      returned: always
      sample: "active"
    status_message:
      description: Explanation of the status.
      type: str
      returned: always
    provisioning_step:
      description: Step that the preparation of the server has reached.
      type: str
      returned: always
    os_name:
      description: Operating system.
      type: str
      returned: always
      sample: "debian"
    os_version:
      description: Release of the operating system.
      type: str
      returned: always
      sample: "12"
    cpu_cores:
      description: Number of CPU cores.
      type: int
      returned: always
      sample: 8
    ram_total_bytes:
      description: Memory in bytes.
      type: int
      returned: always
      sample: 17179869184
    proxy_type:
      description: Reverse proxy of the server. oCore does not document the values.
      type: str
      returned: always
      sample: "nginx"
    last_seen_at:
      description: Time at which oCore last saw the server.
      type: str
      returned: always
      sample: "2026-11-23T10:00:00Z"
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
    extra:
      description: Fields that oCore sends and this release does not know, under the names that oCore uses. Values of fields
        that could be secrets by their names are shown as V(********).
      type: dict
      returned: always
      sample: {}
total:
  description: Number of servers in RV(servers).
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
from ansible_collections.ocore.cloud.plugins.module_utils._ops.servers import OPERATION


def main() -> None:
    run_module(OPERATION)


if __name__ == "__main__":
    main()
