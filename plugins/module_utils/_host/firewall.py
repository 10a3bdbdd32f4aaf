# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the firewall of this host visibly keeps visitors away from a port.

*Visibly*: what may let them in counts as open, such as a rule for some addresses. Only the host's own firewall is seen,
not one in front of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Runs a command. Returns its standard output; ``None`` when it is missing or fails.
Runner = Callable[[Sequence[str]], "str | None"]

_SERVICE = {80: "http", 443: "https"}


def _spec_covers(spec: str, port: int) -> bool:
    """Return whether ``80,443``, ``8000:8100``, ``8000-8100`` or such with ``/tcp`` covers a TCP port."""
    ports, _slash, protocol = spec.partition("/")
    if protocol not in ("", "tcp"):
        return False
    for part in ports.split(","):
        first, _between, last = part.replace("-", ":").partition(":")
        if first.isdigit() and int(first) <= port <= int(last if last.isdigit() else first):
            return True
    return False


def ufw_closes(status: str, port: int) -> bool:
    """Return whether ufw closes a port, from the output of ``ufw status verbose``."""
    if "Status: active" not in status or not re.search(r"^Default: (deny|reject) \(incoming\)", status, re.MULTILINE):
        return False
    for line in status.splitlines():
        rule = re.match(r"(.+?)\s+(?:ALLOW|LIMIT)(?: IN)?\s", line)
        words = rule.group(1).split() if rule else []
        if words and (words[0] == "Anywhere" or any(_spec_covers(word, port) for word in words)):
            return False
    return True


def firewalld_closes(zone: str, services: Mapping[str, str], port: int) -> bool:
    """Return whether a zone of firewalld closes a port.

    :param zone: the output of ``firewall-cmd --list-all``.
    :param services: name → the output of ``firewall-cmd --info-service``, for the services of the zone.
    """
    values = dict(re.findall(r"^\s*([a-z-]+(?: rules)?):[ \t]*(.*)$", zone, re.MULTILINE))
    rich_rules = zone.partition("rich rules:")[2].strip()
    if values.get("target") == "ACCEPT" or rich_rules or "ports" not in values:
        return False
    specs = values["ports"].split()
    for text in services.values():
        specs += dict(re.findall(r"^\s*([a-z-]+):[ \t]*(.*)$", text, re.MULTILINE)).get("ports", "").split()
    return not any(_spec_covers(spec, port) for spec in specs)


def _set_covers(right: object, port: int) -> bool:
    """Return whether the right side of a match may cover a port; a named set or a map may."""
    if isinstance(right, dict) and "set" in right:
        return any(_set_covers(item, port) for item in right["set"])
    if isinstance(right, dict) and "range" in right:
        first, last = right["range"]
        return bool(first <= port <= last)
    return right == port if isinstance(right, int) else True


def _lets_in(match: Mapping[str, Any], port: int) -> bool:
    """Return whether a match may be true for the first packet of a visitor of a port."""
    left, right = match.get("left"), match.get("right")
    if match.get("op") not in ("==", "in") or not isinstance(left, dict):
        return True
    payload, meta, state = left.get("payload", {}), left.get("meta", {}), left.get("ct", {})
    if payload.get("field") == "dport":
        return payload.get("protocol") in ("tcp", "th") and _set_covers(right, port)
    if meta.get("key") in ("iif", "iifname"):
        return right != "lo"
    if meta.get("key") == "l4proto" or payload.get("field") in ("protocol", "nexthdr"):
        return not isinstance(right, str) or right == "tcp"
    if payload.get("protocol") in ("icmp", "icmpv6", "udp", "igmp"):
        return False
    if state.get("key") == "state":
        states = right.get("set", right) if isinstance(right, dict) else right
        return "new" in (states if isinstance(states, (list, str)) else ["new"])
    return True


class _Ruleset:
    """The rules of nftables by chain."""

    def __init__(self, ruleset: Mapping[str, Any]) -> None:
        self.base: list[dict[str, Any]] = []
        self.rules: dict[tuple[str, str, str], list[list[dict[str, Any]]]] = {}
        for item in ruleset.get("nftables", []):
            chain, rule = item.get("chain"), item.get("rule")
            if chain and chain.get("hook") == "input" and chain.get("type") == "filter":
                self.base.append(chain)
            if rule:
                key = (rule["family"], rule["table"], rule["chain"])
                self.rules.setdefault(key, []).append(rule.get("expr", []))

    def may_accept(self, chain: tuple[str, str, str], port: int, seen: frozenset[Any] = frozenset()) -> bool:
        """Return whether a rule of the chain, or of one that it leads to, may accept a visitor."""
        return any(self._rule_may_accept(expressions, chain, port, seen) for expressions in self.rules.get(chain, []))

    def _rule_may_accept(
        self, expressions: list[dict[str, Any]], chain: tuple[str, str, str], port: int, seen: frozenset[Any]
    ) -> bool:
        if not all(_lets_in(item["match"], port) for item in expressions if "match" in item):
            return False
        for item in expressions:
            # What cannot be read (xt: a rule of iptables; vmap: a table of verdicts) may accept.
            if {"accept", "xt", "vmap", "queue"} & set(item):
                return True
            target = str((item.get("jump") or item.get("goto") or {}).get("target", ""))
            key = (chain[0], chain[1], target)
            if target and key not in seen and self.may_accept(key, port, seen | {key}):
                return True
        return False


def nftables_closes(ruleset: str, port: int) -> str | None:
    """Return the chain that closes a port, as ``FAMILY TABLE CHAIN``, from ``nft --json list ruleset``; ``None`` if none does."""
    try:
        rules = _Ruleset(json.loads(ruleset))
    except ValueError:
        return None
    for chain in rules.base:
        key = (chain["family"], chain["table"], chain["name"])
        ours = chain["family"] in ("inet", "ip") and chain.get("policy") == "drop" and chain["table"] != "firewalld"
        if ours and not rules.may_accept(key, port):
            return " ".join(key)
    return None


def _firewalld_zone(run: Runner, port: int) -> str | None:
    """Return the zone that closes a port, if every zone does that traffic may go through."""
    if (run(["firewall-cmd", "--state"]) or "").strip() != "running":
        return None
    zones = re.findall(r"^(\S+)", run(["firewall-cmd", "--get-active-zones"]) or "", re.MULTILINE)
    # An interface without a zone is in the default one, which is not called active before firewalld 2.
    zones += (run(["firewall-cmd", "--get-default-zone"]) or "").split()
    for zone in dict.fromkeys(zones):
        text = run(["firewall-cmd", f"--zone={zone}", "--list-all"]) or ""
        names = dict(re.findall(r"^\s*([a-z-]+):[ \t]*(.*)$", text, re.MULTILINE)).get("services", "").split()
        services = {name: run(["firewall-cmd", f"--info-service={name}"]) or "" for name in names}
        if not firewalld_closes(text, services, port):
            return None
    return zones[0] if zones else None


def closed_port(run: Runner, port: int) -> str | None:
    """Return a sentence if the firewall of this host visibly closes a port, with what opens it; else ``None``."""
    zone = _firewalld_zone(run, port)
    if zone:
        opens = f"--add-service={_SERVICE[port]}" if port in _SERVICE else f"--add-port={port}/tcp"
        command = f"firewall-cmd --permanent --zone={zone} {opens}"
        return f"firewalld closes port {port} in the zone {zone}: '{command}' and 'firewall-cmd --reload' open it."
    if ufw_closes(run(["ufw", "status", "verbose"]) or "", port):
        return f"ufw closes port {port}: 'ufw allow {port}/tcp' opens it."
    chain = nftables_closes(run(["nft", "--json", "list", "ruleset"]) or "", port)
    if chain:
        return f"nftables closes port {port}: no rule of the chain {chain}, whose policy is drop, accepts it."
    return None
