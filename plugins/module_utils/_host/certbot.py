# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""certbot and its directory on the host: the commands it is given, and the files that it keeps."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
import ssl
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ocore.cloud.plugins.module_utils._host.certificate import (
    Certificate,
    UnreadableCertificate,
    read_certificate,
    trust_context,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.order_memory import OrderMemory

MARK = "Ansible managed: ocore.cloud"
OWNERSHIP_FILE = "ocore-certificates.json"
MEMORY_FILE = "ocore-orders.json"
# A certificate with its key needs less than a tenth of it.
NEEDED_BYTES, NEEDED_FILES = 1 << 20, 20
BUSY = "already running"
ARCHIVE_DIR = "ocore-deleted"
OWN_PREFIX = "ocore-"
# An order of this collection never sets these.
FOREIGN_SETTINGS = ("installer", "pre_hook", "post_hook", "renew_hook", "deploy_hook")
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


def renewal_settings(text: str) -> dict[str, set[str]]:
    """Return the settings of a renewal file by which certbot orders: name → values.

    The directories of ``[[webroot_map]]`` count as values of webroot_path.
    """
    found: dict[str, set[str]] = {}
    section = ""
    for row in (line.strip() for line in text.splitlines()):
        name, equals, value = (part.strip() for part in row.partition("="))
        if row.startswith("["):
            section = row.strip("[]")
        elif equals and not row.startswith("#") and section in ("renewalparams", "webroot_map"):
            values = found.setdefault("webroot_path" if section == "webroot_map" else name, set())
            values.update(part.strip() for part in value.split(",") if part.strip())
    return found


def ordered_by(text: str, method: Mapping[str, str]) -> bool:
    """Return whether the text of a renewal file orders by this method.

    :param method: settings of the renewal file, such as ``{"authenticator": "webroot", "webroot_path": "/var/www/x"}``.
    """
    settings = renewal_settings(text)
    return all(settings.get(name) == {value} for name, value in method.items())


def method_of(text: str) -> str:
    """Return by which authenticator a renewal file orders, and where it says so, for a message."""
    settings = renewal_settings(text)
    where = [f"{name} {value}" for name in ("authenticator", "webroot_path") for value in settings.get(name, ())]
    return ", ".join(where) or "no authenticator"


def webroot_method(webroot: str) -> dict[str, str]:
    """Return the method that answers over HTTP from a directory."""
    return {"authenticator": "webroot", "webroot_path": os.path.normpath(webroot)}


def dns_method(plugin: str, credentials: str | None) -> dict[str, str]:
    """Return the method that answers over DNS by a plugin of certbot."""
    method = {"authenticator": f"dns-{plugin}"}
    if credentials:
        method[f"dns_{plugin.replace('-', '_')}_credentials"] = credentials
    return method


@dataclass(frozen=True)
class Lineage:
    """A certificate that certbot keeps.

    :param renewal: the text of its renewal file.
    """

    certificate: Certificate | UnreadableCertificate
    renewal: str

    @property
    def server(self) -> str | None:
        """Return the ACME server that issued it."""
        return next(iter(renewal_settings(self.renewal).get("server", ())), None)

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
        if found is None:
            return None
        return Lineage(found, self.renewal(name))

    def exists(self, name: str) -> bool:
        """Return whether anything of a certificate of this name is on disk."""
        return any(os.path.lexists(os.path.join(self.path, part)) for part in self._parts(name))

    def renewal(self, name: str) -> str:
        """Return the text of a renewal file, empty when there is none."""
        return self._text("renewal", f"{name}.conf")

    def write_renewal(self, name: str, text: str) -> None:
        """Replace a renewal file."""
        self._write(os.path.join(self.path, "renewal", f"{name}.conf"), text)

    def owned(self, webroot: str) -> dict[str, dict[str, str]]:
        """Return the certificates that this collection has ordered, with the method of each.

        An earlier release listed every declared name, also that of a certificate which somebody else had made. Of such
        a list, and where there is none, those count that are renewed as that release ordered: through our webroot and
        without a hook.

        :param webroot: the directory through which an earlier release has ordered.
        :raises ValueError: when the list is damaged.
        """
        listed = self.listed()
        if not isinstance(listed, dict):
            early = webroot_method(webroot)
            return {name: early for name in listed if self._is_early(name, early)}
        return {
            name: method
            for name, method in listed.items()
            if not self.exists(name) or not self.renewal(name) or ordered_by(self.renewal(name), method)
        }

    def _is_early(self, name: str, method: Mapping[str, str]) -> bool:
        text = self.renewal(name)
        settings = renewal_settings(text)
        hooked = any(settings.get(setting, {"None"}) != {"None"} for setting in FOREIGN_SETTINGS)
        return ordered_by(text, method) and not hooked

    def listed(self) -> list[str] | dict[str, dict[str, str]]:
        """Return the list of managed certificates as it is on disk; without one, the names that only ours have.

        :raises ValueError: when it is damaged.
        """
        path = os.path.join(self.path, OWNERSHIP_FILE)
        text = self._text(OWNERSHIP_FILE)
        if not text:
            files = glob.glob(os.path.join(glob.escape(self.path), "renewal", f"{OWN_PREFIX}*.conf"))
            return sorted(os.path.basename(file)[: -len(".conf")] for file in files)
        try:
            listed = json.loads(text)["certificates"]
            if isinstance(listed, list):
                return [str(name) for name in listed]
            return {str(name): {str(key): str(value) for key, value in how.items()} for name, how in listed.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} is damaged. Restore it, or remove it: certificates named '{OWN_PREFIX}...' are then recognized by "
                "their renewal files, and no other one is changed or deleted"
            ) from error

    def write_owned(self, owned: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the list of managed certificates."""
        entries = {name: dict(owned[name]) for name in sorted(owned)}
        text = json.dumps({"comment": MARK, "certificates": entries}, indent=2) + "\n"
        self._write(os.path.join(self.path, OWNERSHIP_FILE), text)

    def copy(self, source: str, name: str) -> None:
        """Make a certificate of another name out of one that is there. The renewal file comes last, and completes it."""
        live, archive, _renewal = (os.path.join(self.path, part) for part in self._parts(name))
        self.discard(name)
        shutil.copytree(os.path.join(self.path, "archive", source), archive, symlinks=True)
        os.makedirs(live, mode=0o755)
        for file in os.listdir(self.live(source)):
            path = os.path.join(self.live(source), file)
            if os.path.islink(path):
                os.symlink(f"../../archive/{name}/{os.path.basename(os.readlink(path))}", os.path.join(live, file))
            else:
                shutil.copy2(path, live)
        text = re.sub(
            rf"(?<=/)(live|archive)/{re.escape(source)}(?=/|$)", rf"\1/{name}", self.renewal(source), flags=re.M
        )
        self.write_renewal(name, text)

    def discard(self, name: str) -> None:
        """Remove the files of a certificate that was not completed."""
        for part in self._parts(name)[:2]:
            shutil.rmtree(os.path.join(self.path, part), ignore_errors=True)

    def _parts(self, name: str) -> tuple[str, str, str]:
        return f"live/{name}", f"archive/{name}", f"renewal/{name}.conf"

    def memory(self) -> OrderMemory:
        """Return what is remembered about orders."""
        return OrderMemory(self._text(MEMORY_FILE))

    def write_memory(self, memory: OrderMemory) -> None:
        """Replace what is remembered about orders. Nobody but root has to read it."""
        self._write(os.path.join(self.path, MEMORY_FILE), memory.text(MARK), 0o600)

    def has_account(self, server: str) -> bool:
        """Return whether certbot has an account with this ACME server."""
        parts = urlsplit(server)
        directory = os.path.join(self.path, "accounts", parts.netloc, parts.path.lstrip("/"))
        return bool(glob.glob(os.path.join(glob.escape(directory), "*", "regr.json")))

    def lacks_space(self) -> str | None:
        """Return that there is no room for a certificate, as a sentence, or ``None``."""
        room = os.statvfs(self.path)
        free = room.f_bavail * room.f_frsize
        if free >= NEEDED_BYTES and (room.f_favail >= NEEDED_FILES or not room.f_files):
            return None
        return f"The file system of {self.path} is full ({free >> 10} KiB and {room.f_favail} files free). Make room first."

    def archive(self, name: str) -> str:
        """Pack the files of a certificate, with its key, into a file that only root can read. Return its path."""
        directory = os.path.join(self.path, ARCHIVE_DIR)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        target = os.path.join(directory, f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz")
        private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(private, "wb") as handle, tarfile.open(fileobj=handle, mode="w:gz") as packed:
            for part in self._parts(name):
                if os.path.lexists(os.path.join(self.path, part)):
                    packed.add(os.path.join(self.path, part), arcname=part)
        return target

    def _text(self, *parts: str) -> str:
        try:
            with open(os.path.join(self.path, *parts), encoding="utf-8") as handle:
                return handle.read()
        except FileNotFoundError:
            return ""

    def _write(self, path: str, text: str, mode: int = 0o644) -> None:
        if os.path.exists(path):
            mode = os.stat(path).st_mode & 0o777
        partial = path + ".ocore-new"
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as handle:
                handle.write(text)
            os.replace(partial, path)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
            raise


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
        arguments = ["certonly", "--cert-name", name, *self._validation()]
        for domain in domains:
            arguments += ["--domain", domain]
        arguments += ["--server", self.params["server"], "--key-type", self.params["key_type"], "--agree-tos"]
        # The decision is made already, so certbot must not make its own.
        arguments += ["--force-renewal", "--renew-with-new-domains"]
        return self._run(arguments + self._contact() + self._account_binding())

    def _validation(self) -> list[str]:
        """Return the arguments for the kind of validation."""
        plugin, credentials = self.params["dns_plugin"], self.params["dns_credentials"]
        if not plugin:
            return ["--webroot", "--webroot-path", self.params["webroot"]]
        arguments = ["--authenticator", f"dns-{plugin}"]
        if credentials:
            arguments += [f"--dns-{plugin}-credentials", credentials]
        if self.params["dns_propagation_seconds"] is not None:
            arguments += [f"--dns-{plugin}-propagation-seconds", str(self.params["dns_propagation_seconds"])]
        return arguments

    def _account_binding(self) -> list[str]:
        """Return the arguments that bind a new account. The key travels in a file: everybody can read arguments."""
        if not self.params["eab_kid"]:
            return []
        path = os.path.join(self.module.tmpdir, "ocore-eab.ini")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
            handle.write(f"eab-kid = {self.params['eab_kid']}\neab-hmac-key = {self.params['eab_hmac_key']}\n")
        return ["--config", path]

    def update_contact(self) -> str | None:
        """Set the contact address of the account that is there. Return ``None``, or exit code and output of certbot."""
        return self._run(["update_account", "--server", self.params["server"], *self._contact()])

    def _contact(self) -> list[str]:
        email = self.params["email"]
        return ["--email", email, "--no-eff-email"] if email else ["--register-unsafely-without-email"]

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
            if BUSY not in output or time.monotonic() >= deadline:
                return f"exit code {rc}: {output[-1500:]}"
            time.sleep(2)
