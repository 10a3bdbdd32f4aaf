#!/usr/bin/python
# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write files with users and hashed passwords for nginx's basic authentication."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_users
short_description: Write users and hashed passwords for nginx's basic authentication
version_added: 0.1.0
description:
  - Writes a file for C(auth_basic_user_file) per entry of O(files). Passwords are hashed on the host, with SHA-512 and a salt
    each, by the function that nginx compares them with. A password that has not changed keeps its hash.
  - nginx reads such a file at every request, so that no reload is needed.
  - Only root and the group of nginx's workers can read the files.
author:
  - oCore collection contributors (@ocore)
options:
  files:
    description:
      - The files.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the file in O(directory), usually the slug of an instance.
        type: str
        required: true
      users:
        description: The users. A user with another name in the file is removed.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name to log in with. It cannot hold a colon.
            type: str
            required: true
          password:
            description: Password in plain text.
            type: str
            required: true
  directory:
    description:
      - Directory of the files. All files in it belong to this module.
    type: path
    default: /etc/nginx/ocore-users
  main:
    description:
      - Main configuration file of nginx, which names the user of its workers.
    type: path
    default: /etc/nginx/nginx.conf
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Shows names, and never a password or a hash.
    support: full
  idempotent:
    description: Does nothing for a user whose password matches the hash in the file.
    support: full
notes:
  - Files in O(directory) that O(files) does not name are listed in RV(stale) and stay, since nginx may still use them.
"""

EXAMPLES = r"""
- name: Ensure two users can open the staging system
  ocore.cloud.nginx_users:
    files:
      - name: shop-staging
        users:
          - name: anna
            password: "{{ vault_anna }}"
          - name: customer
            password: "{{ vault_customer }}"
"""

RETURN = r"""
files:
  description: Files that were written, or would be written in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/ocore-users/shop-staging]
stale:
  description: Files in O(directory) that are not declared.
  returned: success
  type: list
  elements: str
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.ocore.cloud.plugins.module_utils._host.basic_auth import (
    Crypt,
    parse_users,
    set_rights,
    users_text,
    worker_group,
    write_private,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx import parse_build, read_text

MARK = "Ansible managed: ocore.cloud"


def check_names(files: list[dict[str, Any]]) -> None:
    """Refuse names that do not fit into a file.

    :raises HostError: for the first one.
    """
    for item in files:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", item["name"]):
            raise HostError(f"'{item['name']}' is not the name of a file: letters, digits, '.', '_' and '-' only.")
        for user in item["users"]:
            if not re.fullmatch(r"[^\s:#\x00-\x1f][^:\x00-\x1f]*", user["name"]) or not user["password"]:
                raise HostError(
                    f"A user of '{item['name']}' has an empty password, or a name that is empty or holds a colon."
                )


def write_files(module: AnsibleModule) -> dict[str, Any]:
    """Write what differs. Return the result of the module."""
    params = module.params
    check_names(params["files"])
    directory, texts, old = params["directory"], {}, {}
    crypt = Crypt() if params["files"] else None
    for item in params["files"]:
        path = os.path.join(directory, item["name"])
        old[path] = read_text(path) or ""
        if crypt:
            texts[path] = users_text(item["users"], old[path], crypt, MARK)
    differing = [path for path, text in texts.items() if text != old[path]]
    changed = bool(differing)
    if texts and not module.check_mode:
        changed |= ensure_written(module, {path: texts[path] for path in differing}, list(texts))
    there = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return {
        "changed": changed,
        "files": differing,
        "stale": [path for path in (os.path.join(directory, name) for name in there) if path not in texts],
        "diff": {
            side: {path: sorted(parse_users(text)) for path, text in every.items()}
            for side, every in (("before", old), ("after", texts))
        },
    }


def ensure_written(module: AnsibleModule, texts: dict[str, str], paths: list[str]) -> bool:
    """Write these texts, and give all files their rights. Return whether rights differed."""
    nginx = module.get_bin_path("nginx")
    arguments: dict[str, Any] = {}
    if nginx:
        _rc, out, err = module.run_command([nginx, "-V"])
        arguments = parse_build(out + err)["arguments"]
    group = worker_group(read_text(module.params["main"]) or "", arguments)
    os.makedirs(module.params["directory"], mode=0o750, exist_ok=True)
    changed = set_rights(module.params["directory"], 0o750, group)
    for path, text in texts.items():
        write_private(path, text, group)
    return any([changed, *[set_rights(path, 0o640, group) for path in paths]])


def main() -> None:
    user = {"name": {"type": "str", "required": True}, "password": {"type": "str", "required": True, "no_log": True}}
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "users": {"type": "list", "elements": "dict", "required": True, "options": user},
                },
            },
            "directory": {"type": "path", "default": "/etc/nginx/ocore-users"},
            "main": {"type": "path", "default": "/etc/nginx/nginx.conf"},
        },
        supports_check_mode=True,
    )
    try:
        result = write_files(module)
    except HostError as error:
        module.fail_json(msg=f"Cannot write users for nginx: {error} Nothing was changed.")
    except (OSError, UnicodeError) as error:
        module.fail_json(msg=f"Cannot write users for nginx in {module.params['directory']}: {to_native(error)}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
