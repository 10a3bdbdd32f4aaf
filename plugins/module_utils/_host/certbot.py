# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""certbot and its directory on the host: the commands it is given, and the files that it keeps."""

from __future__ import annotations

import json
import os
import re
import ssl
import tarfile
import time
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ocore.cloud.plugins.module_utils._host.certificate import (
    Certificate,
    UnreadableCertificate,
    read_certificate,
    trust_context,
)

MARK = "Ansible managed: ocore.cloud"
OWNERSHIP_FILE = "ocore-certificates.json"
ARCHIVE_DIR = "ocore-deleted"
# From this version on certbot computes the window from the lifetime (4.0 documents it, but does not do it yet).
WINDOW_BY_LIFETIME = (4, 1)
SHORT_LIFETIME = 10 * 86400


def renewal_window(lifetime: int) -> int:
    """Return the seconds before the end when a certificate of this lifetime (seconds) is due: a third, under ten days half."""
    return lifetime // 2 if lifetime < SHORT_LIFETIME else lifetime // 3


def window_line(lifetime: int, version: tuple[int, ...]) -> str | None:
    """Return the line of the renewal file that this certbot needs, or ``None`` when it needs none."""
    if version >= WINDOW_BY_LIFETIME:
        return None
    return f"renew_before_expiry = {max(round(renewal_window(lifetime) / 3600), 1)} hours"


def with_window_line(text: str, line: str | None) -> str:
    """Return the text of a renewal file with exactly this ``renew_before_expiry`` line, or with none."""
    kept = [row for row in text.splitlines() if not re.match(r"\s*renew_before_expiry\s*=", row)]
    if line is not None:
        # In front of the first setting: behind a [section] it would belong to that section.
        first = next(
            (index for index, row in enumerate(kept) if row.strip() and not row.lstrip().startswith("#")), len(kept)
        )
        kept.insert(first, line)
    return "\n".join(kept) + "\n"


def renewal_server(text: str) -> str | None:
    """Return the ACME server in the text of a renewal file."""
    match = re.search(r"^\s*server\s*=\s*(\S+)", text, re.MULTILINE)
    return match.group(1) if match else None


@dataclass(frozen=True)
class Lineage:
    """A certificate that certbot keeps: what is on disk, and the ACME server that issued it."""

    certificate: Certificate | UnreadableCertificate
    server: str | None

    def shown(self) -> dict[str, Any] | None:
        """Return what --diff shows; ``None`` for a certificate that cannot be read."""
        if isinstance(self.certificate, UnreadableCertificate):
            return None
        return {
            "domains": sorted(self.certificate.names),
            "server": self.server,
            "key_type": self.certificate.key_type,
        }


class ConfigDir:
    """The configuration directory of certbot."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.trust: ssl.SSLContext = trust_context()

    def live(self, name: str) -> str:
        """Return the directory of a certificate's files."""
        return os.path.join(self.path, "live", name)

    def lineage(self, name: str) -> Lineage | None:
        """Return the certificate of this name, or ``None``."""
        live = self.live(name)
        found = read_certificate(os.path.join(live, "fullchain.pem"), os.path.join(live, "privkey.pem"), self.trust)
        return None if found is None else Lineage(found, renewal_server(self.renewal(name)))

    def renewal(self, name: str) -> str:
        """Return the text of a renewal file, empty when there is none."""
        return self._text("renewal", f"{name}.conf")

    def write_renewal(self, name: str, text: str) -> None:
        """Replace a renewal file."""
        self._write(os.path.join(self.path, "renewal", f"{name}.conf"), text)

    def owned(self) -> set[str]:
        """Return the names of the certificates that this collection manages.

        :raises ValueError: when the list is damaged.
        """
        text = self._text(OWNERSHIP_FILE)
        try:
            return {str(name) for name in json.loads(text)["certificates"]} if text else set()
        except (ValueError, KeyError, TypeError) as error:
            path = os.path.join(self.path, OWNERSHIP_FILE)
            raise ValueError(
                f"{path} is damaged. Remove it: the declared certificates are listed again, and no other one is ever purged"
            ) from error

    def write_owned(self, names: set[str]) -> None:
        """Replace the list of managed certificates."""
        text = json.dumps({"comment": MARK, "certificates": sorted(names)}, indent=2) + "\n"
        self._write(os.path.join(self.path, OWNERSHIP_FILE), text)

    def archive(self, name: str) -> str:
        """Pack the files of a certificate, with its key, into a file that only root can read. Return its path."""
        directory = os.path.join(self.path, ARCHIVE_DIR)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        target = os.path.join(directory, f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz")
        private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(private, "wb") as handle, tarfile.open(fileobj=handle, mode="w:gz") as packed:
            for part in (f"live/{name}", f"archive/{name}", f"renewal/{name}.conf"):
                if os.path.lexists(os.path.join(self.path, part)):
                    packed.add(os.path.join(self.path, part), arcname=part)
        return target

    def _text(self, *parts: str) -> str:
        try:
            with open(os.path.join(self.path, *parts), encoding="utf-8") as handle:
                return handle.read()
        except FileNotFoundError:
            return ""

    def _write(self, path: str, text: str) -> None:
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
        partial = path + ".ocore-new"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as handle:
            handle.write(text)
        os.replace(partial, path)


class Certbot:
    """The certbot of this host.

    :param path: its program.
    """

    def __init__(self, module: AnsibleModule, path: str) -> None:
        self.module = module
        self.params = module.params
        self.path = path
        self._version: tuple[int, ...] | None = None

    def version(self) -> tuple[int, ...]:
        """Return major and minor version; ``(0,)`` when it cannot be read."""
        if self._version is None:
            _rc, out, err = self.module.run_command([self.path, "--version"])
            match = re.search(r"certbot (\d+)\.(\d+)", out + err)
            self._version = tuple(int(part) for part in match.groups()) if match else (0,)
        return self._version

    def order(self, name: str, domains: list[str]) -> str | None:
        """Issue one certificate. Return ``None``, or exit code and output of certbot."""
        arguments = ["certonly", "--cert-name", name, "--webroot", "--webroot-path", self.params["webroot"]]
        for domain in domains:
            arguments += ["--domain", domain]
        arguments += ["--server", self.params["server"], "--key-type", self.params["key_type"], "--agree-tos"]
        # The decision is made already, so certbot must not make its own.
        arguments += ["--force-renewal", "--renew-with-new-domains"]
        email = self.params["email"]
        arguments += ["--email", email, "--no-eff-email"] if email else ["--register-unsafely-without-email"]
        return self._run(arguments)

    def delete(self, name: str) -> str | None:
        """Delete one certificate. Return ``None``, or exit code and output of certbot."""
        return self._run(["delete", "--cert-name", name])

    def _run(self, arguments: list[str]) -> str | None:
        """Run certbot, waiting while another one runs."""
        command = [self.path, *arguments, "--non-interactive", "--config-dir", self.params["config_dir"]]
        environment = {"LC_ALL": "C.UTF-8"}
        if self.params["ca_bundle"]:
            environment["REQUESTS_CA_BUNDLE"] = self.params["ca_bundle"]
        deadline = time.monotonic() + self.params["lock_timeout"]
        while True:
            rc, out, err = self.module.run_command(command, environ_update=environment)
            if rc == 0:
                return None
            output = "\n".join(line for line in (out + "\n" + err).splitlines() if line.strip())
            if "already running" not in output or time.monotonic() >= deadline:
                return f"exit code {rc}: {output[-1500:]}"
            time.sleep(2)
