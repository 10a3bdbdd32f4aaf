#!/usr/bin/python
# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reconcile the certificates of a host with a list, by the host's own certbot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certbot_certificates
short_description: Reconcile the certificates of a host with a list, by the host's own certbot
version_added: 0.1.0
description:
  - Reads from disk which certificates there are, for which names, from which ACME server, with which kind of key and
    until when. Calls
    C(certbot) only for those that differ, one after the other.
  - Before anything is ordered, each name is fetched over HTTP the way the CA does it. A name that doesn't reach this
    host is left out and
    reported. It costs no failed validation, and the other names of the certificate are issued without it.
  - A certificate that can't be issued doesn't stop the others, and a certificate that is there is never removed by a
    failed order.
  - Writes the renewal window by lifetime (a third of it, half of it under ten days) for certbot older than 4.1, which
    otherwise
    renews 30 days before the end, that is at every run for a short-lived certificate.
author:
  - oCore collection contributors (@ocore)
requirements:
  - certbot 1.21 or newer
  - the Python library cryptography, which certbot's own package brings
options:
  certificates:
    description:
      - The certificates wanted.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the certificate, as in C(certbot --cert-name).
        type: str
        required: true
      domains:
        description:
          - Host names, the main one first. Wildcards can't be proven over HTTP and are refused.
          - An empty list keeps what is there and orders nothing.
        type: list
        elements: str
        required: true
      left_out:
        description:
          - Names that the caller has left out already, with the reason. Handed on to the result.
        type: dict
        default: {}
  server:
    description:
      - Directory URL of the ACME server. A certificate from another one is issued again.
    type: str
    default: https://acme-v02.api.letsencrypt.org/directory
  email:
    description:
      - Contact address of the ACME account. Without it the account has none.
    type: str
  ca_bundle:
    description:
      - File with the CA certificates that prove the ACME server itself, for a private CA.
    type: path
  key_type:
    description:
      - Kind of key. A certificate with another kind is issued again.
    type: str
    choices: [ecdsa, rsa]
    default: ecdsa
  webroot:
    description:
      - Directory that the web server publishes for C(/.well-known/acme-challenge/).
    type: path
    default: /var/www/ocore-acme
  config_dir:
    description:
      - Configuration directory of certbot.
    type: path
    default: /etc/letsencrypt
  check_names:
    description:
      - Fetch each name over HTTP before it is ordered.
    type: bool
    default: true
  check_address:
    description:
      - Connect to this address (C(host) or C(host:port)) for the check instead of resolving the name, for hosts that
        can't reach
        their own public address.
    type: str
  check_timeout:
    description:
      - Seconds for one name.
    type: int
    default: 10
  lock_timeout:
    description:
      - Seconds to wait for another certbot that is running.
    type: int
    default: 180
  purge:
    description:
      - Delete certificates that are not in O(certificates). Only those that this module has issued or been asked for
        before are deleted, and
        none that nginx still uses.
    type: bool
    default: false
  on_error:
    description:
      - What to do at the end when an order failed. V(fail) fails the task, V(report) only warns.
    type: str
    choices: [fail, report]
    default: fail
attributes:
  check_mode:
    description:
      - Can run in check mode without changing anything. Names are fetched then too, with a passing file in O(webroot).
    support: full
  diff_mode:
    description: Shows names, server and key type per certificate before and after.
    support: full
  idempotent:
    description: Does nothing for a certificate that is as wanted.
    support: full
notes:
  - The certificates that belong to this module are listed in C(ocore-certificates.json) in O(config_dir). Everything
    else there stays certbot's own.
  - A certificate that has entered its renewal window is issued again. The timer of certbot usually does it earlier.
"""

EXAMPLES = r"""
- name: One certificate for a shop and its second name
  ocore.cloud.certbot_certificates:
    email: admin@example.com
    certificates:
      - name: shop
        domains: [shop.example.com, www.shop.example.com]

- name: Try it with the staging server first; the production server issues all of them again
  ocore.cloud.certbot_certificates:
    server: https://acme-staging-v02.api.letsencrypt.org/directory
    certificates:
      - name: shop
        domains: [shop.example.com]

- name: A private CA, and nothing that is no longer in the list
  ocore.cloud.certbot_certificates:
    server: https://ca.internal.example/acme/directory
    ca_bundle: /etc/ssl/certs/internal.pem
    purge: true
    certificates: "{{ instances | ocore.cloud.site_certificates }}"
"""

RETURN = r"""
certificates:
  description: One entry per certificate in O(certificates), and one per certificate that was deleted.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the certificate.
      type: str
      returned: always
    state:
      description:
        - V(unchanged), V(issued) or V(deleted). V(missing) when there is none and none could be ordered, V(failed)
          when an order
          failed. In check mode V(issued) and V(deleted) say what would be done.
      type: str
      returned: always
    why:
      description: Why it was issued or deleted.
      type: list
      elements: str
      returned: always
    domains:
      description: Names of the certificate on disk now.
      type: list
      elements: str
      returned: always
    left_out:
      description: Names that are wanted and were not ordered, with the reason.
      type: dict
      returned: always
    not_after:
      description: End of validity, ISO 8601 in UTC.
      type: str
      returned: always
    serial:
      description: Serial number in hexadecimal.
      type: str
      returned: always
    error:
      description: What went wrong, and what to do.
      type: str
      returned: when O(ignore:state=failed)
  sample:
    - name: shop
      state: issued
      why: [there is none]
      domains: [shop.example.com]
      left_out: {}
      not_after: "2027-02-20T10:00:00+00:00"
      serial: 3A
"""

import http.client
import json
import os
import re
import secrets
import ssl
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.ocore.cloud.plugins.module_utils._host.certificate import (
    CryptographyMissingError,
    read_certificate,
    trust_context,
)

MARK = "Ansible managed: ocore.cloud"
OWNERSHIP_FILE = "ocore-certificates.json"
CHALLENGE_PATH = ".well-known/acme-challenge"
# certbot itself computes the window from the lifetime from here on (4.0 says so and doesn't do it yet).
WINDOW_BY_LIFETIME = (4, 1)
SHORT_LIFETIME = 10 * 86400
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DOMAIN = re.compile(r"(?=.{1,253}$)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]{1,63}(?<!-)")


def renewal_window(lifetime: int) -> int:
    """Seconds before the end when a certificate of this lifetime (seconds) is due: a third, under ten days a half."""
    return lifetime // 2 if lifetime < SHORT_LIFETIME else lifetime // 3


def wanted_window_line(lifetime: int, version: tuple[int, ...]) -> str | None:
    """The line of the renewal file that this certbot needs, or None when it does the right thing by itself."""
    if version >= WINDOW_BY_LIFETIME:
        return None
    return f"renew_before_expiry = {max(round(renewal_window(lifetime) / 3600), 1)} hours"


def with_window_line(text: str, line: str | None) -> str:
    """The text of a renewal file with exactly this ``renew_before_expiry`` line, or with none."""
    kept = [row for row in text.splitlines() if not re.match(r"\s*renew_before_expiry\s*=", row)]
    if line is not None:
        # In front of the first setting: behind a [section] it would belong to that section.
        first = next(
            (index for index, row in enumerate(kept) if row.strip() and not row.lstrip().startswith("#")), len(kept)
        )
        kept.insert(first, line)
    return "\n".join(kept) + "\n"


def renewal_server(text: str) -> str | None:
    """The ACME server in the text of a renewal file."""
    match = re.search(r"^\s*server\s*=\s*(\S+)", text, re.MULTILINE)
    return match.group(1) if match else None


def differences(
    current: dict[str, Any] | None, domains: list[str], tolerated: set[str], server: str, key_type: str, now: datetime
) -> list[str]:
    """Why the certificate on disk isn't the wanted one, as sentences; empty when it is.

    ``current`` is what :func:`read_certificate` says plus the key server, or None. ``tolerated`` names may be in it or
    not: one that was fine when the certificate was issued and is not now is no reason to issue it again.
    """
    if current is None:
        return ["there is none"]
    if not current["usable"]:
        return [str(current["problem"])]
    why = []
    have, want = set(current["names"]), set(domains)
    if want - have:
        why.append("it lacks " + ", ".join(sorted(want - have)))
    surplus = have - want - tolerated
    if surplus:
        why.append("it has " + ", ".join(sorted(surplus)) + " too many")
    if current["server"] != server:
        why.append(f"it comes from {current['server']}")
    if current["key_type"] != key_type:
        why.append(f"its key is {current['key_type']}")
    left = (datetime.fromisoformat(current["not_after"]) - now).total_seconds()
    if left <= 0:
        why.append("it has expired")
    elif left <= renewal_window(current["lifetime"]):
        why.append(f"it ends at {current['not_after']}")
    return why


class _Connection(http.client.HTTPConnection):
    """An HTTP connection to a fixed address, whatever the name in the URL."""

    fixed_host = ""
    fixed_port = 0

    def connect(self) -> None:
        if self.fixed_host:
            self.host, self.port = self.fixed_host, self.fixed_port
        super().connect()


def _opener(address: tuple[str, int] | None) -> urllib.request.OpenerDirector:
    class Connection(_Connection):
        pass

    if address:
        Connection.fixed_host, Connection.fixed_port = address

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, req)

    # As the CA does it: no proxy, redirects are followed, and a certificate behind a redirect may be any.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), Handler(), urllib.request.HTTPSHandler(context=context)
    )


def split_address(text: str | None) -> tuple[str, int] | None:
    """'host', 'host:port' or '[::1]:port' as (host, port); port 80 when there is none. Raises ValueError."""
    if not text:
        return None
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+))(?::(\d{1,5}))?", text)
    if not match:
        raise ValueError(f"'{text}' is neither host nor host:port")
    return match.group(1) or match.group(2), int(match.group(3) or 80)


def check_name(name: str, token: str, content: str, address: tuple[str, int] | None, timeout: int) -> str | None:
    """Fetch the token file of this host under ``name``. Returns None when it is ours, else why not."""
    url = f"http://{name}/{CHALLENGE_PATH}/{token}"
    try:
        with _opener(address).open(url, timeout=timeout) as answer:
            text = answer.read(1024).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code} instead of the file on this host: the name leads to another server"
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"not reachable over HTTP ({reason}): check its DNS record and port 80"
    return None if text == content else "another server answers for it: check its DNS record"


class Reconciler:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.config_dir: str = self.params["config_dir"]
        self.certbot = module.get_bin_path("certbot")
        self.trust = trust_context()
        self.address = split_address(self.params["check_address"])
        self.results: list[dict[str, Any]] = []
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self.changed = False
        self._version: tuple[int, ...] | None = None

    # -- reading ---------------------------------------------------------------------------------------------

    def _text(self, *parts: str) -> str:
        try:
            with open(os.path.join(self.config_dir, *parts), encoding="utf-8") as handle:
                return handle.read()
        except FileNotFoundError:
            return ""

    def read(self, name: str) -> dict[str, Any] | None:
        live = os.path.join(self.config_dir, "live", name)
        current = read_certificate(os.path.join(live, "fullchain.pem"), os.path.join(live, "privkey.pem"), self.trust)
        if current is not None:
            current["server"] = renewal_server(self._text("renewal", f"{name}.conf"))
        return current

    def owned(self) -> set[str]:
        text = self._text(OWNERSHIP_FILE)
        try:
            return {str(name) for name in json.loads(text)["certificates"]} if text else set()
        except (ValueError, KeyError, TypeError) as error:
            path = os.path.join(self.config_dir, OWNERSHIP_FILE)
            raise ValueError(
                f"{path} is damaged. Remove it: the certificates in the list are taken up again, others are never purged"
            ) from error

    def write_owned(self, names: set[str]) -> None:
        text = json.dumps({"comment": MARK, "certificates": sorted(names)}, indent=2) + "\n"
        if names == self.owned():
            return
        self.changed = True
        if not self.module.check_mode:
            self._write(os.path.join(self.config_dir, OWNERSHIP_FILE), text)

    def _write(self, path: str, text: str) -> None:
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
        partial = path + ".ocore-new"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as handle:
            handle.write(text)
        os.replace(partial, path)

    # -- certbot ---------------------------------------------------------------------------------------------

    def run_certbot(self, arguments: list[str]) -> tuple[int, str]:
        """Run certbot, waiting while another one runs. Returns its exit code and what it said."""
        command = [self.certbot, *arguments, "--non-interactive", "--config-dir", self.config_dir]
        environment = {"LC_ALL": "C.UTF-8"}
        if self.params["ca_bundle"]:
            environment["REQUESTS_CA_BUNDLE"] = self.params["ca_bundle"]
        deadline = time.monotonic() + self.params["lock_timeout"]
        while True:
            rc, out, err = self.module.run_command(command, environ_update=environment)
            said = "\n".join(line for line in (out + "\n" + err).splitlines() if line.strip())
            if rc == 0 or "already running" not in said or time.monotonic() >= deadline:
                return rc, said
            time.sleep(2)

    def version(self) -> tuple[int, ...]:
        if self._version is None:
            _rc, out, err = self.module.run_command([self.certbot, "--version"])
            match = re.search(r"certbot (\d+)\.(\d+)", out + err)
            self._version = tuple(int(part) for part in match.groups()) if match else (0,)
        return self._version

    def order(self, name: str, domains: list[str]) -> str | None:
        """Issue one certificate. Returns None, or what went wrong."""
        arguments = ["certonly", "--cert-name", name, "--webroot", "--webroot-path", self.params["webroot"]]
        for domain in domains:
            arguments += ["--domain", domain]
        arguments += ["--server", self.params["server"], "--key-type", self.params["key_type"], "--agree-tos"]
        # The decision is made here, so certbot isn't asked for its own.
        arguments += ["--force-renewal", "--renew-with-new-domains"]
        email = self.params["email"]
        arguments += ["--email", email, "--no-eff-email"] if email else ["--register-unsafely-without-email"]
        rc, said = self.run_certbot(arguments)
        if rc == 0:
            return None
        kept = "The certificate that was there is unchanged." if self.read(name) else "There is still no certificate."
        return (
            f"certbot couldn't issue '{name}' for {', '.join(domains)} from {self.params['server']} (exit code {rc}). "
            f"{kept} It said: {said[-1500:]}"
        )

    def delete(self, name: str) -> str | None:
        rc, said = self.run_certbot(["delete", "--cert-name", name])
        return None if rc == 0 else f"certbot couldn't delete '{name}' (exit code {rc}). It said: {said[-1500:]}"

    def set_window(self, name: str, current: dict[str, Any]) -> bool:
        """Write the renewal window. Returns whether the renewal file differed."""
        path = os.path.join(self.config_dir, "renewal", f"{name}.conf")
        text = self._text("renewal", f"{name}.conf")
        if not text or not current["usable"] or not self.certbot:
            return False
        wanted = with_window_line(text, wanted_window_line(current["lifetime"], self.version()))
        if wanted == text:
            return False
        if not self.module.check_mode:
            self._write(path, wanted)
        return True

    # -- names -----------------------------------------------------------------------------------------------

    def unreachable(self, names: list[str]) -> dict[str, str]:
        """Names that don't lead to this host, with the reason. Fetches them side by side."""
        if not names or not self.params["check_names"]:
            return {}
        if self.module.check_mode and not os.path.isdir(self.params["webroot"]):
            return {}
        token, content = f"ocore-check-{secrets.token_urlsafe(16)}", secrets.token_urlsafe(32)
        directory = os.path.join(self.params["webroot"], CHALLENGE_PATH)
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, token)
        with open(path, "w", encoding="ascii") as handle:
            handle.write(content)
        os.chmod(path, 0o644)
        try:
            with ThreadPoolExecutor(max_workers=16) as pool:
                answers = list(
                    pool.map(
                        lambda name: check_name(name, token, content, self.address, self.params["check_timeout"]), names
                    )
                )
        finally:
            os.unlink(path)
        return {name: why for name, why in zip(names, answers) if why}  # noqa: B905 (Python 3.8 on hosts)

    # -- the plan --------------------------------------------------------------------------------------------

    def reconcile(self, wanted: list[dict[str, Any]]) -> None:
        now = datetime.now(timezone.utc)  # noqa: UP017
        current = {item["name"]: self.read(item["name"]) for item in wanted}

        def reasons(item: dict[str, Any], domains: list[str]) -> list[str]:
            tolerated = set(item["left_out"])
            return differences(
                current[item["name"]], domains, tolerated, self.params["server"], self.params["key_type"], now
            )

        # First only the names that are new: a name that stays bad must not cause an order at every run.
        new = sorted(
            {
                name
                for item in wanted
                for name in set(item["domains"]) - set((current[item["name"]] or {}).get("names", []))
            }
        )
        bad = self.unreachable(new)
        pending = [
            item for item in wanted if item["domains"] and reasons(item, [n for n in item["domains"] if n not in bad])
        ]
        known = sorted({name for item in pending for name in item["domains"]} - set(new))
        bad_known = self.unreachable(known)
        for item in wanted:
            ordered = item in pending
            left_out = {**item["left_out"], **{name: bad[name] for name in item["domains"] if name in bad}}
            if ordered:
                left_out.update({name: bad_known[name] for name in item["domains"] if name in bad_known})
            domains = [name for name in item["domains"] if name not in left_out]
            self.one(
                item["name"],
                domains,
                left_out,
                reasons(item, domains) if ordered and domains else [],
                current[item["name"]],
            )

    def one(
        self, name: str, domains: list[str], left_out: dict[str, str], why: list[str], current: dict[str, Any] | None
    ) -> None:
        result: dict[str, Any] = {"name": name, "state": "unchanged", "why": why, "left_out": left_out}
        self.before[name] = self.shown(current)
        if why:
            error = None if self.module.check_mode else self.order(name, domains)
            result["state"] = "failed" if error else "issued"
            if error:
                result["error"] = error
            else:
                self.changed = True
                current = self.read(name) if not self.module.check_mode else current
        elif current is None:
            result["state"] = "missing"
        if current is not None and self.set_window(name, current):
            self.changed = True
        planned = {"domains": sorted(domains), "server": self.params["server"], "key_type": self.params["key_type"]}
        self.after[name] = planned if result["state"] == "issued" else self.shown(current)
        current = current or {}
        result.update(
            domains=current.get("names", []), not_after=current.get("not_after"), serial=current.get("serial")
        )
        self.results.append(result)

    @staticmethod
    def shown(current: dict[str, Any] | None) -> dict[str, Any] | None:
        if current is None or "names" not in current:
            return None
        return {"domains": sorted(current["names"]), "server": current["server"], "key_type": current["key_type"]}

    def purge(self, wanted: set[str]) -> None:
        candidates = sorted(name for name in self.owned() - wanted if self.read(name) is not None)
        nginx = self.module.get_bin_path("nginx") if candidates else None
        used = self.module.run_command([nginx, "-T", "-q"])[1] if nginx else ""
        for name in candidates:
            current = self.read(name) or {}
            result: dict[str, Any] = {
                "name": name,
                "state": "deleted",
                "why": ["it is no longer wanted"],
                "left_out": {},
            }
            error = None
            if f"{os.path.join(self.config_dir, 'live', name)}/" in used:
                error = (
                    f"'{name}' is not deleted: nginx still uses it. Remove it from the configuration of nginx first."
                )
            elif not self.module.check_mode:
                error = self.delete(name)
            if error:
                result.update(state="failed", error=error)
            else:
                self.changed = True
                self.before[name], self.after[name] = self.shown(current), None
            result.update(
                domains=current.get("names", []), not_after=current.get("not_after"), serial=current.get("serial")
            )
            self.results.append(result)

    def run(self) -> None:
        wanted = [
            {**item, "domains": [name.lower() for name in item["domains"]]} for item in self.params["certificates"]
        ]
        problem = input_problem(wanted)
        if problem:
            self.module.fail_json(msg=problem, certificates=[])
        if not self.certbot and not self.module.check_mode:
            self.module.fail_json(
                msg="certbot isn't installed on this host. Install the package certbot first.", certificates=[]
            )
        names = {item["name"] for item in wanted}
        self.reconcile(wanted)
        if self.params["purge"]:
            self.purge(names)
        gone = {item["name"] for item in self.results if item["state"] == "deleted"}
        here = {name for name in self.owned() | names if self.read(name) is not None}
        if self.module.check_mode:
            here |= {item["name"] for item in self.results if item["state"] == "issued"}
        self.write_owned(here - gone)
        self.finish()

    def finish(self) -> None:
        for item in self.results:
            for name, why in sorted(item["left_out"].items()):
                self.module.warn(f"certificate '{item['name']}': left out '{name}': {why}")
        errors = [item["error"] for item in self.results if "error" in item]
        for error in errors:
            self.module.warn(error)
        result = {
            "changed": self.changed,
            "certificates": self.results,
            "diff": {"before": self.before, "after": self.after},
        }
        if errors and self.params["on_error"] == "fail":
            self.module.fail_json(
                msg=f"{len(errors)} of {len(self.results)} certificates failed, the others are done. {errors[0]}",
                **result,
            )
        self.module.exit_json(**result)


def input_problem(wanted: list[dict[str, Any]]) -> str | None:
    """What is wrong with the list of certificates, as a sentence, or None."""
    seen: set[str] = set()
    for item in wanted:
        name = item["name"]
        if not _NAME.fullmatch(name):
            return f"certificate name '{name}' is not valid: letters, digits, '.', '_' and '-' only. Nothing was done."
        if name in seen:
            return f"certificate name '{name}' is given twice. Nothing was done."
        seen.add(name)
        for domain in item["domains"]:
            if domain.startswith("*."):
                return (
                    f"'{domain}' of certificate '{name}': a wildcard can't be proven over HTTP. Name each host. "
                    "Nothing was done."
                )
            if not _DOMAIN.fullmatch(domain):
                return f"'{domain}' of certificate '{name}' is not a host name. Nothing was done."
        if len(set(item["domains"])) != len(item["domains"]):
            return f"certificate '{name}' has the same domain twice. Nothing was done."
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "certificates": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "domains": {"type": "list", "elements": "str", "required": True},
                    "left_out": {"type": "dict", "default": {}},
                },
            },
            "server": {"type": "str", "default": "https://acme-v02.api.letsencrypt.org/directory"},
            "email": {"type": "str"},
            "ca_bundle": {"type": "path"},
            "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "default": "ecdsa", "no_log": False},
            "webroot": {"type": "path", "default": "/var/www/ocore-acme"},
            "config_dir": {"type": "path", "default": "/etc/letsencrypt"},
            "check_names": {"type": "bool", "default": True},
            "check_address": {"type": "str"},
            "check_timeout": {"type": "int", "default": 10},
            "lock_timeout": {"type": "int", "default": 180},
            "purge": {"type": "bool", "default": False},
            "on_error": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
        },
        supports_check_mode=True,
    )
    try:
        Reconciler(module).run()
    except CryptographyMissingError:
        module.fail_json(
            msg=missing_required_lib("cryptography", reason="to read the certificates on this host"), certificates=[]
        )
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Can't reconcile the certificates: {to_native(error)}", certificates=[])


if __name__ == "__main__":
    main()
