# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file of nginx: testing it, putting it in force, or leaving everything as it was."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx import (
    candidate_main,
    parse_build,
    pid_file,
    read_text,
    running_master,
    workers,
)


def served_certificate(server_name: str, port: int) -> bytes | None:
    """Return the certificate (DER) that nginx on this host presents for a name; ``None`` without a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:  # noqa: SIM117 (Python 3.9 on hosts)
            with context.wrap_socket(connection, server_hostname=server_name) as tls:
                return tls.getpeercert(binary_form=True)
    except OSError:
        return None


def certificate_on_disk(path: str) -> bytes | None:
    """Return the first certificate of a PEM file as DER; ``None`` when there is none."""
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
        self.dest: str = self.params["dest"]
        self.main: str = self.params["main"]
        self.nginx = module.get_bin_path("nginx")
        self.actions: list[str] = []
        self.tested = False
        self.old = read_text(self.dest)
        self.disable = [path for path in self.params["disable"] if os.path.lexists(path)]
        self.moved: dict[str, str] = {}
        self.pid_file = "/run/nginx.pid"
        if self.nginx:
            _rc, out, err = module.run_command([self.nginx, "-V"])
            self.pid_file = pid_file(read_text(self.main) or "", parse_build(out + err)["arguments"])

    def run(self) -> dict[str, Any]:
        """Put the file in force. Return the result of the module.

        :raises HostError: when nginx does not accept it. The old file is in force then.
        """
        self.actions.extend(["disable"] if self.disable else [])
        self.actions.extend(["write"] if self.old != self.params["content"] else [])
        master = running_master(self.pid_file)
        if self.actions:
            self.put_in_force(master)
        if master and not (self.module.check_mode and "reload" in self.actions):
            self.ensure_served(master)
        return {
            "changed": bool(self.actions),
            "actions": self.actions,
            "tested": self.tested,
            "disabled": self.moved,
            "diff": {
                "before": self.old or "",
                "after": self.params["content"],
                "before_header": self.dest,
                "after_header": self.dest,
            },
        }

    def put_in_force(self, master: int | None) -> None:
        """Test and replace the file, and have a running nginx use it."""
        if self.nginx:
            self.test_candidate()
        if not self.module.check_mode:
            self.replace()
        if not master:
            return
        self.actions.append("reload")
        problem = None if self.module.check_mode else self.reload(master)
        if problem:
            self.put_back()
            raise self.error(f"The new {self.dest} passed the test, but {problem}. The old files were restored.")

    def error(self, message: str, **details: Any) -> HostError:
        """Return the error that ends the module."""
        return HostError(message, actions=self.actions, **details)

    def test_candidate(self) -> None:
        """Run ``nginx -t`` on the whole configuration as it would be.

        :raises HostError: when nginx refuses it. Nothing has been changed then.
        """
        main_text = read_text(self.main)
        if main_text is None:
            raise self.error(f"{self.main} does not exist, so {self.dest} cannot be tested. Nothing was changed.")
        directory = os.path.dirname(self.main)
        paths: list[str] = []
        try:
            candidate = self._candidate(directory, self.params["content"], paths)
            text = candidate_main(main_text, directory, self.dest, candidate, self.disable)
            if text is None:
                raise self.error(
                    f"No include of {self.main} covers {self.dest}. "
                    f"Add 'include {os.path.dirname(self.dest)}/*.conf;' to its http block. Nothing was changed."
                )
            wrapper = self._candidate(directory, text, paths)
            rc, out, err = self.module.run_command([self.nginx, "-t", "-q", "-c", wrapper])
        finally:
            for path in paths:
                os.unlink(path)
        if rc != 0:
            answer = (out + err).replace(candidate, self.dest).replace(wrapper, self.main).strip()
            raise self.error(
                f"nginx refused the new {self.dest}: {answer}. "
                "Nothing was changed, and nginx keeps running with the old configuration.",
                nginx_output=answer,
            )
        self.tested = True

    @staticmethod
    def _candidate(directory: str, text: str, paths: list[str]) -> str:
        """Write a temporary file and add its path to ``paths``. Return the path."""
        handle, path = tempfile.mkstemp(prefix=".ocore-candidate-", dir=directory)
        paths.append(path)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def _write(self, content: str) -> None:
        handle, path = tempfile.mkstemp(prefix=".ocore-", dir=self.module.tmpdir)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
        os.chmod(path, 0o644)
        self.module.atomic_move(path, self.dest)

    def replace(self) -> None:
        """Move the conflicting files away and write the new file, or do neither."""
        try:
            for path in self.disable:
                away = os.path.join(os.path.dirname(self.main), "ocore-disabled-" + os.path.basename(path))
                os.rename(path, away)
                self.moved[path] = away
            self._write(self.params["content"])
        except OSError:
            self.move_back()
            raise

    def move_back(self) -> None:
        """Bring the conflicting files back."""
        for path, away in self.moved.items():
            os.rename(away, path)

    def put_back(self) -> None:
        """Bring all old files back."""
        if self.old is None:
            os.unlink(self.dest)
        else:
            self._write(self.old)
        self.move_back()

    def reload(self, master: int) -> str | None:
        """Reload and wait for new workers. Return ``None``, or what went wrong."""
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
            # New ones exist before the old ones stop accepting: both must have happened.
            if now and not now & before:
                return None
            time.sleep(0.05)
        return (
            f"nginx started no worker with the new configuration within {self.params['reload_timeout']} seconds; "
            "see its error log (often another program holds a port)"
        )

    def stale(self) -> list[str]:
        """Return the names for which nginx presents another certificate than the one on disk."""
        return [
            item["server_name"]
            for item in self.params["certificates"]
            if served_certificate(item["server_name"], self.params["tls_port"]) != certificate_on_disk(item["path"])
        ]

    def ensure_served(self, master: int) -> None:
        """Reload nginx if it serves an old certificate, and wait until it serves the one on disk.

        :raises HostError: when it does not.
        """
        stale = self.stale()
        if not stale:
            return
        if "reload" not in self.actions:
            self.actions.append("reload")
            if self.module.check_mode:
                return
            problem = self.reload(master)
            if problem:
                raise self.error(
                    f"nginx serves an old certificate for {', '.join(stale)} and cannot be reloaded: {problem}."
                )
        deadline = time.monotonic() + self.params["reload_timeout"]
        while stale and time.monotonic() < deadline:
            time.sleep(0.2)
            stale = self.stale()
        if stale:
            raise self.error(
                f"After a reload nginx still does not serve the certificate on disk for {', '.join(stale)} on 127.0.0.1:"
                f"{self.params['tls_port']}. Look for another server block with this name, and see nginx's error log."
            )
