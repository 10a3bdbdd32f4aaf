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
  - Reloads a running nginx and waits until it really works with the new configuration, that is until the master
    process has started new
    workers and the old ones accept nothing more. When it hasn't, the old file is put back and the task fails.
  - Makes sure that nginx serves the certificates that are on disk, and reloads it once where it still serves an older
    one.
author:
  - oCore collection contributors (@ocore)
options:
  content:
    description:
      - Text of the file.
    type: str
    required: true
  dest:
    description:
      - The file. An C(include) of O(main) must take it in.
    type: path
    default: /etc/nginx/conf.d/ocore.conf
  main:
    description:
      - Main configuration file of nginx.
    type: path
    default: /etc/nginx/nginx.conf
  disable:
    description:
      - Files that can't be in force together with O(dest), such as the default site of the distribution.
      - They are moved to the directory of O(main), with the prefix C(ocore-disabled-). Moving one back undoes it.
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
        description: Name to ask for in the TLS handshake.
        type: str
        required: true
      path:
        description: File with the certificate first.
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
      - Can run in check mode without changing anything. The candidate is tested there too, when nginx is installed.
    support: full
  diff_mode:
    description: Shows the difference of the file.
    support: full
  idempotent:
    description: Does nothing when the file has this content and nginx serves the certificates on disk.
    support: full
notes:
  - While the test runs there is a file C(.ocore-candidate-*) beside O(main), because nginx resolves relative includes
    from there.
"""

EXAMPLES = r"""
- name: Put a rendered file in force
  ocore.cloud.nginx_config:
    content: "{{ lookup('ansible.builtin.template', 'ocore.conf.j2') }}"

- name: Replace the default site and insist on the new certificate
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
    - Whether C(nginx -t) accepted the candidate in this run. False when nothing differs or nginx is not installed yet.
  returned: success
  type: bool
disabled:
  description: Files moved away, from path to path.
  returned: success
  type: dict
"""

import os
import socket
import ssl
import tempfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx import (
    candidate_main,
    parse_build,
    pid_file,
    running_master,
    workers,
)


def served_certificate(server_name: str, port: int) -> bytes | None:
    """The certificate (DER) that nginx on this host presents for a name, or None when there is no handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:  # noqa: SIM117 (Python 3.8 on hosts)
            with context.wrap_socket(connection, server_hostname=server_name) as tls:
                return tls.getpeercert(binary_form=True)
    except OSError:
        return None


def certificate_on_disk(path: str) -> bytes | None:
    """The first certificate of a PEM file as DER, or None when there is none."""
    try:
        with open(path, encoding="ascii") as handle:
            text = handle.read()
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)].strip())
    except (OSError, ValueError):
        return None


class NginxConfig:
    """One run of the module: compare, test, replace, reload, verify."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.nginx = module.get_bin_path("nginx")
        self.actions: list[str] = []
        self.tested = False
        self.old = self._read(self.params["dest"])
        self.disable = [path for path in self.params["disable"] if os.path.lexists(path)]
        self.moved: dict[str, str] = {}
        self.pid_file = "/run/nginx.pid"
        if self.nginx:
            _rc, out, err = module.run_command([self.nginx, "-V"])
            self.pid_file = pid_file(self._read(self.params["main"]) or "", parse_build(out + err)["arguments"])

    @staticmethod
    def _read(path: str) -> str | None:
        try:
            with open(path, encoding="utf-8") as handle:
                return handle.read()
        except FileNotFoundError:
            return None

    def fail(self, message: str, **details: Any) -> None:
        self.module.fail_json(msg=message, actions=self.actions, **details)

    # -- the candidate ---------------------------------------------------------------------------------------

    def test_candidate(self) -> None:
        """``nginx -t`` on the whole configuration as it would be. Fails the task; nothing has been changed then."""
        main, dest = self.params["main"], self.params["dest"]
        main_text = self._read(main)
        if main_text is None:
            self.fail(f"{main} doesn't exist, so {dest} can't be tested. Nothing was changed.")
            return
        directory = os.path.dirname(main)
        paths = []
        try:
            handle, candidate = tempfile.mkstemp(prefix=".ocore-candidate-", dir=directory)
            paths.append(candidate)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(self.params["content"])
            text = candidate_main(main_text, directory, dest, candidate, self.disable)
            if text is None:
                self.fail(
                    f"{main} has no include that takes in {dest}. "
                    f"Add 'include {os.path.dirname(dest)}/*.conf;' to its http block. Nothing was changed."
                )
                return
            handle, wrapper = tempfile.mkstemp(prefix=".ocore-candidate-", dir=directory)
            paths.append(wrapper)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            rc, out, err = self.module.run_command([self.nginx, "-t", "-q", "-c", wrapper])
        finally:
            for path in paths:
                os.unlink(path)
        if rc != 0:
            answer = (out + err).replace(candidate, dest).replace(wrapper, main).strip()
            self.fail(
                f"nginx refused the new {dest}: {answer}. "
                "Nothing was changed, nginx runs on with the old configuration.",
                nginx_output=answer,
            )
        self.tested = True

    # -- replace and put back --------------------------------------------------------------------------------

    def _write(self, content: str) -> None:
        dest = self.params["dest"]
        handle, path = tempfile.mkstemp(prefix=".ocore-", dir=self.module.tmpdir)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
        os.chmod(path, 0o644)
        self.module.atomic_move(path, dest)

    def replace(self) -> None:
        try:
            for path in self.disable:
                away = os.path.join(os.path.dirname(self.params["main"]), "ocore-disabled-" + os.path.basename(path))
                os.rename(path, away)
                self.moved[path] = away
            self._write(self.params["content"])
        except OSError:
            self.move_back()
            raise

    def move_back(self) -> None:
        for path, away in self.moved.items():
            os.rename(away, path)

    def put_back(self) -> None:
        if self.old is None:
            os.unlink(self.params["dest"])
        else:
            self._write(self.old)
        self.move_back()

    # -- reload ----------------------------------------------------------------------------------------------

    def reload(self, master: int) -> str | None:
        """Reload and wait for new workers. Returns None, or what went wrong."""
        before = workers(master)
        command = self.params["reload_command"]
        if not command:
            systemd = os.path.isdir("/run/systemd/system")
            command = ["systemctl", "reload", "nginx"] if systemd else [self.nginx, "-s", "reload"]
        rc, out, err = self.module.run_command(command)
        if rc != 0:
            return f"'{' '.join(command)}' ended with {rc}: {(out + err).strip()}"
        deadline = time.monotonic() + self.params["reload_timeout"]
        while time.monotonic() < deadline:
            now = workers(master)
            # New ones are there before the old ones stop accepting: both must have happened.
            if now and not now & before:
                return None
            time.sleep(0.05)
        return (
            f"nginx started no worker with the new configuration within {self.params['reload_timeout']} s; "
            "its error log says why (often a port that another program holds)"
        )

    # -- certificates ----------------------------------------------------------------------------------------

    def stale(self) -> list[str]:
        """Names for which nginx presents another certificate than the one on disk."""
        return [
            item["server_name"]
            for item in self.params["certificates"]
            if served_certificate(item["server_name"], self.params["tls_port"]) != certificate_on_disk(item["path"])
        ]

    def ensure_served(self, master: int) -> None:
        stale = self.stale()
        if not stale:
            return
        if "reload" not in self.actions:
            self.actions.append("reload")
            if self.module.check_mode:
                return
            problem = self.reload(master)
            if problem:
                self.fail(f"nginx serves an old certificate for {', '.join(stale)} and can't be reloaded: {problem}.")
        deadline = time.monotonic() + self.params["reload_timeout"]
        while stale and time.monotonic() < deadline:
            time.sleep(0.2)
            stale = self.stale()
        if stale:
            self.fail(
                f"After a reload nginx still doesn't serve the certificate on disk for {', '.join(stale)} on 127.0.0.1:"
                f"{self.params['tls_port']}. Look for another server block with this name, and into nginx's error log."
            )

    # -- all of it -------------------------------------------------------------------------------------------

    def apply(self) -> None:
        self.actions.extend(["disable"] if self.disable else [])
        self.actions.extend(["write"] if self.old != self.params["content"] else [])
        master = running_master(self.pid_file)
        if self.actions:
            if self.nginx:
                self.test_candidate()
            if not self.module.check_mode:
                self.replace()
            if master:
                self.actions.append("reload")
                problem = None if self.module.check_mode else self.reload(master)
                if problem:
                    self.put_back()
                    self.fail(
                        f"The new {self.params['dest']} passed the test, but {problem}. "
                        "The old file is back in its place."
                    )
        if master and not (self.module.check_mode and "reload" in self.actions):
            self.ensure_served(master)

    def run(self) -> None:
        self.apply()
        dest = self.params["dest"]
        self.module.exit_json(
            changed=bool(self.actions),
            actions=self.actions,
            tested=self.tested,
            disabled=self.moved,
            diff={
                "before": self.old or "",
                "after": self.params["content"],
                "before_header": dest,
                "after_header": dest,
            },
        )


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
        NginxConfig(module).run()
    except (OSError, UnicodeError) as error:
        module.fail_json(msg=f"Can't put {module.params['dest']} in force: {to_native(error)}")


if __name__ == "__main__":
    main()
