# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates on disk against the declared ones: the plan (pure), and carrying it out one certificate after the other."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ocore.cloud.plugins.module_utils._host.certbot import (
    BUSY,
    Certbot,
    ConfigDir,
    Lineage,
    dns_method,
    method_of,
    ordered_by,
    renewal_window,
    webroot_method,
    window_line,
    with_window_line,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.certificate import UnreadableCertificate
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError
from ansible_collections.ocore.cloud.plugins.module_utils._host.name_check import NameCheck, split_address
from ansible_collections.ocore.cloud.plugins.module_utils._host.order_memory import fingerprint
from ansible_collections.ocore.cloud.plugins.module_utils._host.resolver import Resolver

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DOMAIN = re.compile(r"(?=.{1,253}$)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True)
class Declared:
    """A declared certificate.

    :param domains: host names in lower case, the main one first. Without any, what is there is kept.
    :param left_out: names that the caller has left out, with the reason.
    :param former_name: name under which an earlier release kept it, or ``None``.
    """

    name: str
    domains: tuple[str, ...]
    left_out: Mapping[str, str]
    former_name: str | None


@dataclass(frozen=True)
class Issuance:
    """How certificates are to be issued.

    :param method: the settings of a renewal file that such an order leaves, see :func:`certbot.ordered_by`.
    """

    server: str
    key_type: str
    method: Mapping[str, str]


@dataclass(frozen=True)
class Decision:
    """What to do for a declared certificate.

    :param domains: the names to order.
    :param left_out: names that are declared and not ordered, with the reason.
    :param why: why it is ordered, as sentences; empty when it is not.
    """

    name: str
    domains: tuple[str, ...]
    left_out: dict[str, str]
    why: list[str]


def parse_declared(items: Sequence[Mapping[str, Any]], wildcards: bool = False) -> list[Declared]:
    """Return the declared certificates.

    :param wildcards: whether they can be validated.
    :raises HostError: for a name or domain that cannot be ordered.
    """
    declared = [
        Declared(
            item["name"],
            tuple(domain.lower() for domain in item["domains"]),
            dict(item["left_out"]),
            item["former_name"],
        )
        for item in items
    ]
    names: set[str] = set()
    for item in declared:
        problem = _name_problem(item.name, names) or _former_problem(item) or _domains_problem(item, wildcards)
        if problem:
            raise HostError(f"{problem} Nothing was changed.", certificates=[])
        names.add(item.name)
    return declared


def _name_problem(name: str, seen: Collection[str]) -> str | None:
    if not _NAME.fullmatch(name):
        return f"Certificate name '{name}' is not valid: letters, digits, '.', '_' and '-' only."
    return f"Certificate name '{name}' is declared twice." if name in seen else None


def _former_problem(item: Declared) -> str | None:
    if item.former_name is None or (_NAME.fullmatch(item.former_name) and item.former_name != item.name):
        return None
    return f"former_name '{item.former_name}' of certificate '{item.name}' is not valid: another name in the same characters."


def _credentials_problem(path: str) -> str | None:
    """Return what keeps a file with credentials from use, as the end of a sentence, or ``None``."""
    try:
        found = os.stat(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}. Put the file there, with mode 0600."
    if found.st_mode & 0o077:
        return f"have mode {found.st_mode & 0o777:04o}, so others can read them. Set mode 0600."
    return None


def _domains_problem(item: Declared, wildcards: bool) -> str | None:
    for domain in item.domains:
        if domain.startswith("*.") and not wildcards:
            return (
                f"'{domain}' of certificate '{item.name}' is a wildcard, which cannot be validated over HTTP. "
                "Declare each host name, or validate over DNS (certbot_dns_plugin)."
            )
        if not _DOMAIN.fullmatch(domain[2:] if domain.startswith("*.") else domain):
            return f"'{domain}' of certificate '{item.name}' is not a host name."
    if len(set(item.domains)) != len(item.domains):
        return f"Certificate '{item.name}' declares the same domain twice."
    return None


def differences(
    lineage: Lineage | None, domains: Collection[str], tolerated: Collection[str], issuance: Issuance, now: datetime
) -> list[str]:
    """Return why the certificate on disk is not the declared one, as sentences; empty when it is.

    :param tolerated: names that it may cover or not: one that was fine when the certificate was issued, and is not any
        more, is no reason to order again.
    """
    if lineage is None:
        return ["there is no certificate"]
    certificate = lineage.certificate
    if isinstance(certificate, UnreadableCertificate) or certificate.problem is not None:
        return [str(certificate.problem)]
    why = []
    covered = set(certificate.names)
    if set(domains) - covered:
        why.append("it does not cover " + ", ".join(sorted(set(domains) - covered)))
    surplus = sorted(covered - set(domains) - set(tolerated))
    if surplus:
        why.append(f"it covers {', '.join(surplus)}, which {'is' if len(surplus) == 1 else 'are'} no longer declared")
    if not ordered_by(lineage.renewal, issuance.method):
        why.append(f"it is renewed by {method_of(lineage.renewal)}")
    if lineage.server != issuance.server:
        why.append(f"it was issued by {lineage.server}")
    if certificate.key_type != issuance.key_type:
        why.append(f"its key type is {certificate.key_type}")
    left = (certificate.not_after - now).total_seconds()
    if left <= 0:
        why.append("it has expired")
    elif left <= renewal_window(certificate.lifetime):
        why.append(f"it expires at {certificate.not_after.isoformat()}")
    return why


def covered_names(lineage: Lineage | None) -> set[str]:
    """Return the names that the certificate on disk covers."""
    if lineage is None or isinstance(lineage.certificate, UnreadableCertificate):
        return set()
    return set(lineage.certificate.names)


def decide(
    item: Declared, lineage: Lineage | None, bad: Mapping[str, str], issuance: Issuance, now: datetime
) -> Decision:
    """Return what to do for a declared certificate.

    :param bad: names that do not lead to this host, with the reason.
    """
    left_out = {**item.left_out, **{name: bad[name] for name in item.domains if name in bad}}
    domains = tuple(name for name in item.domains if name not in left_out)
    why = differences(lineage, domains, left_out, issuance, now) if domains else []
    return Decision(item.name, domains, left_out, why)


@dataclass
class Outcome:
    """What a run has done so far: the module's result."""

    certificates: list[dict[str, Any]] = field(default_factory=list)
    changed: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    def add(self, lineage: Lineage | None, **entry: Any) -> None:
        """Add the entry of a certificate, as it is on disk now."""
        record = lineage.certificate.record() if lineage else {}
        self.certificates.append(
            {
                **entry,
                "domains": record.get("names", []),
                "not_after": record.get("not_after"),
                "serial": record.get("serial"),
            }
        )

    def names(self, state: str) -> set[str]:
        """Return the names of the certificates in this state."""
        return {entry["name"] for entry in self.certificates if entry["state"] == state}

    def errors(self) -> list[str]:
        """Return what went wrong, a sentence for each."""
        return [entry["error"] for entry in self.certificates if "error" in entry]

    def result(self) -> dict[str, Any]:
        """Return it as the module returns it."""
        return {
            "changed": self.changed,
            "certificates": self.certificates,
            "diff": {"before": self.before, "after": self.after},
        }


class Reconciler:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.config = ConfigDir(self.params["config_dir"])
        self.issuance = Issuance(self.params["server"], self.params["key_type"], self.method())
        self.check = NameCheck(
            self.params["webroot"],
            split_address(self.params["check_address"]),
            self.params["check_timeout"],
            # A private CA may know its names from elsewhere, as this host does.
            None if self.params["ca_bundle"] else Resolver(),
        )
        path = module.get_bin_path("certbot")
        self.certbot = Certbot(module, path) if path else None
        self.outcome = Outcome()
        self.owned = self.config.owned(self.params["webroot"])
        self.memory = self.config.memory()

    def method(self) -> dict[str, str]:
        """Return how orders are validated.

        :raises HostError: when the credentials cannot be used, or others could read them.
        """
        plugin, credentials = self.params["dns_plugin"], self.params["dns_credentials"]
        if not plugin:
            return webroot_method(self.params["webroot"])
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", plugin):
            raise HostError(
                f"dns_plugin '{plugin}' is not the name of a plugin, such as rfc2136. Nothing was changed.",
                certificates=[],
            )
        if credentials:
            problem = _credentials_problem(credentials)
            if problem:
                raise HostError(f"The DNS credentials {credentials} {problem} Nothing was changed.", certificates=[])
        return dns_method(plugin, credentials)

    def run(self) -> Outcome:
        """Bring the certificates in line with the declared ones. Return what was done.

        :raises HostError: when nothing can be done.
        """
        declared = parse_declared(self.params["certificates"], wildcards=bool(self.params["dns_plugin"]))
        taken_over = {item.name: item.former_name for item in declared if self.take_over(item)}
        if self.params["take_over_only"]:
            self.report_taken_over(taken_over)
        else:
            self.reconcile(declared, taken_over)
        self.record_owned()
        return self.outcome

    def reconcile(self, declared: list[Declared], taken_over: Mapping[str, str | None]) -> None:
        """Order what differs, and remove what is surplus."""
        if not self.certbot and not self.module.check_mode:
            raise HostError(
                "certbot is not installed on this host. Install the package certbot first.", certificates=[]
            )
        self.update_contact()
        mine = [item for item in declared if not self.refuse(item)]
        # Check mode renames nothing, so a certificate may still have its former name.
        lineages = {
            item.name: self.config.lineage(item.name) or self.config.lineage(taken_over.get(item.name) or item.name)
            for item in mine
        }
        for decision in self.decisions(mine, lineages):
            self.apply(decision, lineages[decision.name], taken_over.get(decision.name))
        names = {item.name for item in declared}
        former = {
            item.former_name: item.name for item in declared if item.former_name and item.former_name not in names
        }
        self.remove(
            {name: f"'{new}' has taken its place" for name, new in former.items() if self.replaced(name, new)}, "kept"
        )
        if self.params["purge"]:
            self.remove(dict.fromkeys(set(self.owned) - set(former) - names, "it is no longer declared"), "failed")

    def take_over(self, item: Declared) -> bool:
        """Copy a certificate that an earlier release kept under another name. Return whether that is, or would be, done.

        The former one stays until nothing uses it: a web server reads it meanwhile.
        """
        former = item.former_name
        if former is None or former not in self.owned or not self.config.renewal(former):
            return False
        if self.config.renewal(item.name) or (self.config.exists(item.name) and item.name not in self.owned):
            return False
        self.owned[item.name] = self.owned[former]
        if not self.module.check_mode:
            # First, so that what an interrupted run leaves behind is known to be ours.
            self.config.write_owned(self.owned)
            try:
                self.config.copy(former, item.name)
            except OSError as error:
                self.config.discard(item.name)
                self.module.warn(
                    f"Cannot rename certificate '{former}' to '{item.name}': {error}. Ordering a new one instead."
                )
                return False
        self.outcome.changed = True
        return True

    def report_taken_over(self, taken_over: Mapping[str, str | None]) -> None:
        """Add an entry for each certificate that was renamed."""
        for name, former in taken_over.items():
            entry = {"name": name, "state": "taken_over", "why": [f"it was named '{former}' before"], "left_out": {}}
            self.outcome.add(self.config.lineage(name), **entry)

    def replaced(self, former: str, name: str) -> bool:
        """Return whether a former certificate of ours has done its service."""
        return former in self.owned and name in self.owned and bool(self.config.renewal(name))

    def refuse(self, item: Declared) -> bool:
        """Report a declared certificate that somebody else has made, and leave it alone. Return whether it is one."""
        if item.name in self.owned or not self.config.exists(item.name):
            return False
        self.outcome.add(
            self.config.lineage(item.name),
            name=item.name,
            state="failed",
            why=[],
            left_out=dict(item.left_out),
            error=(
                f"Certificate '{item.name}' was not ordered: {self.config.path} has one of this name that this collection "
                f"has not made ({method_of(self.config.renewal(item.name))}). It stays as it is. Declare another name, or "
                f"delete it: certbot delete --cert-name {item.name}."
            ),
        )
        return True

    def decisions(self, declared: list[Declared], lineages: dict[str, Lineage | None]) -> list[Decision]:
        """Return what to do, after checking the names that matter.

        New names are checked first: one that stays bad must not cause an order at every run. The known names of a
        certificate are checked only when it is ordered.
        """
        now = datetime.now(timezone.utc)  # noqa: UP017 (Python 3.9 on hosts)
        new = {name for item in declared for name in set(item.domains) - covered_names(lineages[item.name])}
        bad = self.unreachable(new)
        first = {item.name: decide(item, lineages[item.name], bad, self.issuance, now) for item in declared}
        pending = [item for item in declared if first[item.name].why]
        also_bad = self.unreachable({name for item in pending for name in item.domains} - new)
        for item in pending:
            first[item.name] = decide(item, lineages[item.name], {**bad, **also_bad}, self.issuance, now)
        return list(first.values())

    def unreachable(self, names: Collection[str]) -> dict[str, str]:
        """Return the names that do not lead to this host, with the reason."""
        if not names or not self.params["check_names"] or self.params["dns_plugin"]:
            return {}
        if self.module.check_mode and not os.path.isdir(self.params["webroot"]):
            return {}
        return self.check.unreachable(sorted(names))

    def apply(self, decision: Decision, lineage: Lineage | None, former: str | None) -> None:
        """Carry out the decision for one certificate.

        :param former: its name before this run renamed it, or ``None``.
        """
        name = decision.name
        entry: dict[str, Any] = {"name": name, "state": "unchanged", "why": decision.why, "left_out": decision.left_out}
        before = lineage.shown() if lineage else None
        if decision.why:
            error = self.order(decision)
            entry.update({"state": "failed", "error": error} if error else {"state": "issued"})
            self.outcome.changed |= error is None
            lineage = self.config.lineage(name)
        elif former is not None:
            entry.update(state="taken_over", why=[f"it was named '{former}' before"])
        elif lineage is None:
            entry["state"] = "missing"
        if lineage is not None and self.set_window(name, lineage):
            self.outcome.changed = True
        self.outcome.before[name] = before
        self.outcome.after[name] = self._planned(decision) if entry["state"] == "issued" else before
        self.outcome.add(lineage, **entry)

    def _planned(self, decision: Decision) -> dict[str, Any]:
        return {
            "domains": sorted(decision.domains),
            "server": self.issuance.server,
            "key_type": self.issuance.key_type,
        }

    def order(self, decision: Decision) -> str | None:
        """Issue a certificate, but not in check mode. Return ``None``, or what went wrong."""
        name = decision.name
        order = self.fingerprint(decision)
        obstacle = None if self.params["retry_now"] else self.memory.paused(name, order, time.time())
        if os.path.isdir(self.config.path):
            obstacle = obstacle or self.config.lacks_space()
        if obstacle:
            return f"Certificate '{name}' is missing or out of date. {obstacle}"
        if self.module.check_mode or self.certbot is None:
            return None
        first = not self.config.exists(name)
        self.owned[name] = dict(self.issuance.method)
        # First, so that what an interrupted run has ordered is known to be ours.
        self.config.write_owned(self.owned)
        problem = self.certbot.order(name, list(decision.domains))
        if problem is not None and first and not self.config.renewal(name):
            # certbot would stumble over the parts.
            self.config.discard(name)
        self.remember(name, order, problem)
        if problem is None:
            return None
        kept = (
            "The existing certificate is unchanged." if self.config.lineage(name) else "There is still no certificate."
        )
        return (
            f"certbot could not issue '{name}' for {', '.join(decision.domains)} from {self.issuance.server}. {kept} "
            f"certbot ended with {problem}"
        )

    def fingerprint(self, decision: Decision) -> str:
        """Return what an order depends on: a change of any of it is worth a try."""
        settings = {key: self.params[key] for key in ("server", "key_type", "email", "ca_bundle", "eab_kid")}
        return fingerprint({**settings, **self.issuance.method, "domains": sorted(decision.domains)})

    def remember(self, name: str, order: str, problem: str | None) -> None:
        """Remember how an order ended; that another certbot was running is no failure."""
        if problem is None:
            self.memory.success(name)
            self.memory.contacts.setdefault(self.params["server"], self.params["email"] or "")
        elif BUSY not in problem:
            self.memory.failure(name, order, problem, time.time())
        self.config.write_memory(self.memory)

    def update_contact(self) -> None:
        """Tell the ACME server a contact address that has changed. An account without an order of ours keeps its own."""
        server, email = self.params["server"], self.params["email"] or ""
        known = self.memory.contacts.get(server, "")
        if email == known or not self.config.has_account(server):
            return
        if not self.module.check_mode and self.certbot is not None:
            problem = self.certbot.update_contact()
            if problem is not None:
                self.module.warn(
                    f"The contact address of the account with {server} is still '{known}'. certbot ended with {problem}"
                )
                return
            self.memory.contacts[server] = email
            self.config.write_memory(self.memory)
        self.outcome.changed = True

    def set_window(self, name: str, lineage: Lineage) -> bool:
        """Write the renewal window. Return whether the renewal file differed."""
        text, certificate = self.config.renewal(name), lineage.certificate
        if not text or self.certbot is None or isinstance(certificate, UnreadableCertificate) or not certificate.usable:
            return False
        needed = with_window_line(text, window_line(certificate.lifetime, self.certbot.version()))
        if needed == text:
            return False
        if not self.module.check_mode:
            self.config.write_renewal(name, needed)
        return True

    def remove(self, surplus: Mapping[str, str], otherwise: str) -> None:
        """Archive and delete certificates of ours.

        :param surplus: name → why.
        :param otherwise: state of one that cannot be deleted.
        """
        lineages = {name: self.config.lineage(name) for name in sorted(surplus) if self.config.exists(name)}
        used = self.used_by_nginx() if lineages else ""
        for name, lineage in lineages.items():
            error = self.delete(name, used)
            entry = {"name": name, "state": "deleted", "why": [surplus[name]], "left_out": {}}
            if error:
                entry.update({"error": error} if otherwise == "failed" else {"why": [error]}, state=otherwise)
            else:
                self.outcome.changed = True
                self.outcome.before[name], self.outcome.after[name] = lineage.shown() if lineage else None, None
            self.outcome.add(lineage, **entry)

    def used_by_nginx(self) -> str | None:
        """Return the configuration of nginx; ``None`` when it cannot be read."""
        nginx = self.module.get_bin_path("nginx")
        if not nginx:
            return ""
        rc, out, _err = self.module.run_command([nginx, "-T", "-q"])
        return out if rc == 0 else None

    def delete(self, name: str, used: str | None) -> str | None:
        """Archive and delete a certificate, but not in check mode. Return ``None``, or what keeps it.

        :param used: the configuration of nginx.
        """
        kept = f"Certificate '{name}' was not deleted:"
        if used is None:
            return f"{kept} nginx may still use it, and its configuration has an error. Run nginx -t, and correct it first."
        if f"{self.config.live(name)}/" in used:
            return f"{kept} nginx still uses it. Remove it from the configuration of nginx first."
        if self.module.check_mode or self.certbot is None:
            return None
        self.config.archive(name)
        problem = self.certbot.delete(name)
        return f"certbot could not delete '{name}'. It ended with {problem}" if problem else None

    def record_owned(self) -> None:
        """Write down which certificates are managed."""
        gone, coming = self.outcome.names("deleted"), self.outcome.names("issued") | self.outcome.names("taken_over")
        here = {
            name: method
            for name, method in {**{name: dict(self.issuance.method) for name in coming}, **self.owned}.items()
            if name not in gone and (name in coming or self.config.exists(name))
        }
        listed = self.config.listed()
        if here == listed or not (here or listed):
            return
        self.outcome.changed = True
        if not self.module.check_mode:
            self.config.write_owned(here)
