#!/usr/bin/python
# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put one nginx configuration file in force, or leave everything as it was."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_config
short_description: Put one nginx configuration file in force, or leave everything as it was
version_added: 0.1.0
description:
  - Tests the new content with C(nginx -t) inside the host's real configuration before it replaces anything.
  - Reloads a running nginx and waits until it works with the new configuration, that is until the master process has
    started new workers and the old ones accept no more connections. If that fails, the old file is restored and the
    task fails.
  - Ensures that nginx serves the certificates on disk, and reloads it once if it still serves an older one.
author:
  - oCore collection contributors (@ocore)
options:
  content:
    description:
      - Text of the file.
      - A section begins with a line C(# ---- NAME) and ends before the next one. What stands before the first is shared by
        all of them.
    type: str
    required: true
  dest:
    description:
      - Path of the file. An C(include) of O(main) must cover it.
    type: path
    default: /etc/nginx/conf.d/ocore.conf
  main:
    description:
      - Main configuration file of nginx.
    type: path
    default: /etc/nginx/nginx.conf
  disable:
    description:
      - Files that conflict with O(dest), such as the default site of the distribution.
      - They are moved to the directory of O(main), with the prefix C(ocore-disabled-). To undo it, move them back.
    type: list
    elements: path
    default: []
  certificates:
    description:
      - Certificates that nginx must serve afterwards.
    type: list
    elements: dict
    default: []
    suboptions:
      server_name:
        description: Name to request in the TLS handshake.
        type: str
        required: true
      path:
        description: File that begins with the certificate.
        type: path
        required: true
  tls_port:
    description:
      - Port on V(127.0.0.1) where the certificates are served.
    type: int
    default: 443
  reload_command:
    description:
      - Command that reloads nginx. By default C(systemctl reload nginx) under systemd and C(nginx -s reload) elsewhere.
    type: list
    elements: str
  reload_timeout:
    description:
      - Seconds to wait for new workers, and for nginx to serve a new certificate.
    type: int
    default: 20
attributes:
  check_mode:
    description:
      - Can run in check mode without changing anything. The new content is tested there too, when nginx is installed.
    support: full
  diff_mode:
    description: Shows the difference of the file.
    support: full
  idempotent:
    description: Does nothing when the file has this content, nginx works with it and serves the certificates on disk.
    support: full
notes:
  - During the test there is a file C(.ocore-candidate-*) beside O(main), because nginx resolves relative includes from
    there.
"""

EXAMPLES = r"""
- name: Ensure nginx uses a rendered file
  ocore.cloud.nginx_config:
    content: "{{ lookup('ansible.builtin.template', 'ocore.conf.j2') }}"

- name: Ensure nginx uses it instead of the default site, and serves the new certificate
  ocore.cloud.nginx_config:
    content: "{{ lookup('ansible.builtin.template', 'ocore.conf.j2') }}"
    disable:
      - /etc/nginx/sites-enabled/default
    certificates:
      - server_name: shop.example.com
        path: /etc/letsencrypt/live/shop/fullchain.pem
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: [write, reload]
tested:
  description:
    - Whether C(nginx -t) accepted the content in this run. False when nginx is not installed yet.
  returned: success
  type: bool
left_out:
  description:
    - Sections that were left out, with the reason. Either a server block of another file has one of their server names on
      port 80 or 443, or nginx refuses the section by itself and accepts others.
  returned: success
  type: dict
  sample: {shop: "another server block has 'shop.example.com' in /etc/nginx/conf.d/old.conf:3, ..."}
disabled:
  description: Files that were moved away, from path to path.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_config import NginxConfig


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str", "required": True},
            "dest": {"type": "path", "default": "/etc/nginx/conf.d/ocore.conf"},
            "main": {"type": "path", "default": "/etc/nginx/nginx.conf"},
            "disable": {"type": "list", "elements": "path", "default": []},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "server_name": {"type": "str", "required": True},
                    "path": {"type": "path", "required": True},
                },
            },
            "tls_port": {"type": "int", "default": 443},
            "reload_command": {"type": "list", "elements": "str"},
            "reload_timeout": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    try:
        result = NginxConfig(module).run()
    except HostError as error:
        module.fail_json(msg=str(error), **error.details)
    except (OSError, UnicodeError) as error:
        module.fail_json(msg=f"Cannot put {module.params['dest']} in force: {to_native(error)}. Nothing was changed.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
