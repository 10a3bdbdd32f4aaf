#!/usr/bin/python
# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put options of the Docker daemon in force, or leave file and daemon as they were."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon_config
short_description: Put options of the Docker daemon in force, or leave everything as it was
version_added: 0.1.0
description:
  - Merges options into C(daemon.json), has the engine validate the result (C(dockerd --validate)), writes it, and
    starts, reloads or restarts the daemon, whichever the changed options need.
  - When the daemon refuses the options, the old file and the daemon are brought back, and the task fails with the
    daemon's own words.
  - Options of the file that an administrator wrote stay; in an object such as C(log-opts) that holds for each key. The module
    records the names of its own options in C(ocore-daemon-options.json) beside the file; one of those that is no longer declared
    is removed.
  - Options that the unit gives the daemon on its command line count as the administrator's. They cannot be in the file as well.
author:
  - oCore collection contributors (@ocore)
requirements:
  - systemd
options:
  options:
    description:
      - The options by their names in C(daemon.json). Objects, such as C(log-opts), are merged over those of
        O(defaults).
      - V(null) removes an option, whoever wrote it.
    type: dict
    default: {}
  defaults:
    description:
      - Values for options that neither O(options) nor the administrator's file sets.
      - Their C(log-opts) are left out with a C(log-driver) other than C(json-file) and C(local), which would not know
        them.
    type: dict
    default: {}
  overwrite:
    description:
      - Replace the administrator's value of an option that O(options) declares with another value. By default the
        task fails and names the option and both values.
    type: bool
    default: false
  path:
    description:
      - The options file of the daemon.
    type: path
    default: /etc/docker/daemon.json
  reload_timeout:
    description:
      - Seconds to wait until the daemon reports that it reloaded.
    type: int
    default: 5
attributes:
  check_mode:
    description:
      - Can run in check mode without changing anything. The engine validates the result there too, when it is
        installed.
    support: full
  diff_mode:
    description: Shows the difference of the file.
    support: full
  idempotent:
    description: Does nothing when the file has these options and the daemon runs the installed version.
    support: full
notes:
  - The task fails instead of dropping C(data-root), C(storage-driver) or C(userns-remap), without which the daemon would
    not find its containers. Declare them with V(null) to remove them.
  - A copy of the replaced file stays beside it, see RV(backup_file).
"""

EXAMPLES = r"""
- name: Ensure logs rotate and containers survive a restart of the daemon
  ocore.cloud.docker_daemon_config:
    defaults:
      live-restore: true
    options:
      log-driver: local
      log-opts:
        max-size: 50m

- name: Ensure the daemon no longer uses a mirror
  ocore.cloud.docker_daemon_config:
    options:
      registry-mirrors: null
"""

RETURN = r"""
actions:
  description:
    - What was done, or would be done in check mode. V(write), and V(start), V(reload) or V(restart). Where a restart would stop
      containers that the new options let survive it, V(reload) comes before V(restart).
  returned: success
  type: list
  elements: str
  sample: [write, reload]
validated:
  description:
    - Whether the engine accepted the new file in this run. False when nothing differs, or when the engine cannot
      validate (before 23.0).
  returned: success
  type: bool
kept:
  description: Names of the options in the file that are not this module's, such as V(log-opts.tag) for a key of an object.
  returned: success
  type: list
  elements: str
  sample: [bip, dns]
backup_file:
  description: Copy of the file as it was.
  returned: when a file was replaced
  type: str
  sample: /etc/docker/daemon.json.4711.2026-11-25@08:00:00~
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.ocore.cloud.plugins.module_utils._host.docker_daemon import DockerDaemon
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "options": {"type": "dict", "default": {}},
            "defaults": {"type": "dict", "default": {}},
            "overwrite": {"type": "bool", "default": False},
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "reload_timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    try:
        result = DockerDaemon(module).run()
    except HostError as error:
        module.fail_json(msg=str(error), **error.details)
    except (OSError, UnicodeError) as error:
        module.fail_json(msg=f"Cannot put the options of {module.params['path']} in force: {to_native(error)}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
