# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A firewall that visibly closes a port is recognized, and one that may not is left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._host.firewall import (
    closed_port,
    firewalld_closes,
    nftables_closes,
    ufw_closes,
)

# As `ufw status verbose` of Debian 12 prints it.
UFW = """\
Status: active
Logging: on (low)
Default: deny (incoming), allow (outgoing), deny (routed)
New profiles: skip

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW IN    Anywhere
80/tcp (Nginx HTTP)        ALLOW IN    Anywhere
8000:8100/tcp              ALLOW IN    Anywhere
8443/tcp                   LIMIT IN    10.0.0.0/8
22/tcp (v6)                ALLOW IN    Anywhere (v6)
"""


@pytest.mark.parametrize(
    ("status", "port", "closed"),
    [
        (UFW, 443, True),
        (UFW, 80, False),
        (UFW, 8050, False),
        (UFW, 8443, False),
        (UFW.replace("deny (incoming)", "allow (incoming)"), 443, False),
        (UFW.replace("Status: active", "Status: inactive"), 443, False),
        (UFW.replace("22/tcp   ", "Anywhere  "), 443, False),
        (UFW.replace("22/tcp   ", "80,443/tcp  "), 443, False),
        (UFW.replace("22/tcp   ", "443/udp  "), 443, True),
        ("ERROR: You need to be root to run this script", 443, False),
        ("", 443, False),
    ],
)
def test_firewall_ufw(status: str, port: int, closed: bool) -> None:
    assert ufw_closes(status, port) is closed


# The format of `firewall-cmd --list-all`, from its documentation.
ZONE = """\
public (active)
  target: default
  icmp-block-inversion: no
  interfaces: eth0
  sources:
  services: cockpit dhcpv6-client ssh
  ports: 8000-8100/tcp
  protocols:
  forward: yes
  masquerade: no
  forward-ports:
  source-ports:
  icmp-blocks:
  rich rules:
"""
SERVICES = {"ssh": "ssh\n  ports: 22/tcp\n  protocols:\n"}


@pytest.mark.parametrize(
    ("zone", "services", "port", "closed"),
    [
        (ZONE, SERVICES, 80, True),
        (ZONE, SERVICES, 8080, False),
        (ZONE, {"web": "web\n  ports: 80/tcp 443/tcp\n"}, 443, False),
        (ZONE.replace("target: default", "target: ACCEPT"), SERVICES, 80, False),
        (ZONE + "\trule family=ipv4 service name=http accept\n", SERVICES, 80, False),
        ("", {}, 80, False),
    ],
)
def test_firewall_firewalld(zone: str, services: dict[str, str], port: int, closed: bool) -> None:
    assert firewalld_closes(zone, services, port) is closed


def ruleset(rules: str, policy: str = "drop") -> str:
    """Return what nftables makes of rules, in a network namespace of its own."""
    if shutil.which("nft") is None or os.geteuid() != 0:
        pytest.skip("nftables is not installed, or root is missing")
    text = (
        f"table inet filter {{\nchain other {{\ntcp dport 400-450 accept\nudp dport 80 accept\n}}\n"
        f"chain input {{\ntype filter hook input priority 0; policy {policy};\n{rules}\n}}\n}}\n"
    )
    command = ["unshare", "--net", "sh", "-c", "nft --file - && nft --json list ruleset"]
    found = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if found.returncode and "Operation not permitted" in found.stderr:
        pytest.skip("this machine does not let root make a network namespace")
    assert found.returncode == 0, found.stderr
    return found.stdout


USUAL = """\
iif lo accept
iifname "lo" accept
ct state established,related accept
ip protocol icmp accept
meta l4proto udp accept
"""


@pytest.mark.parametrize(
    ("rules", "port", "closed"),
    [
        (USUAL, 80, True),
        (USUAL + "jump other", 80, True),
        (USUAL + "jump other", 443, False),
        (USUAL + "tcp dport { 22, 80 } accept", 80, False),
        (USUAL + "tcp dport { 22, 80 } accept", 443, True),
        (USUAL + "ct state new tcp dport 443 accept", 443, False),
        (USUAL + "ip saddr 192.0.2.0/24 accept", 443, False),
        (USUAL + "ip saddr 192.0.2.0/24 tcp dport 22 accept", 443, True),
        (USUAL + "tcp dport != 25 accept", 443, False),
        (USUAL + "tcp dport vmap { 22 : accept, 443 : accept }", 443, False),
        ("accept", 443, False),
        ("", 443, True),
    ],
)
def test_firewall_nftables(rules: str, port: int, closed: bool) -> None:
    assert nftables_closes(ruleset(rules), port) == ("inet filter input" if closed else None)


def test_firewall_nftables_that_accepts_by_default() -> None:
    assert nftables_closes(ruleset("", policy="accept"), 80) is None
    assert nftables_closes("", 80) is None
    assert nftables_closes('{"nftables": []}', 80) is None


def answers(**outputs: str) -> object:
    """Return a runner that answers by the first word of a command, or by its last one."""

    def run(command: Sequence[str]) -> str | None:
        return outputs.get(command[-1].lstrip("-").replace("-", "_")) or outputs.get(command[0].replace("-", "_"))

    return run


def test_firewall_sentence_says_what_opens_the_port() -> None:
    assert closed_port(answers(ufw=UFW), 443) == "ufw closes port 443: 'ufw allow 443/tcp' opens it."
    found = closed_port(answers(state="running\n", get_active_zones="public\n  interfaces: eth0\n", list_all=ZONE), 80)
    assert found == (
        "firewalld closes port 80 in the zone public: 'firewall-cmd --permanent --zone=public --add-service=http' and "
        "'firewall-cmd --reload' open it."
    )
    assert closed_port(answers(), 80) is None


def test_firewall_of_an_interface_without_a_zone_is_the_default_zone() -> None:
    # firewalld 1.3 calls no zone active then, and the closed ports went unnoticed.
    found = closed_port(answers(state="running\n", get_active_zones="", get_default_zone="public\n", list_all=ZONE), 80)
    assert found is not None
    assert found.startswith("firewalld closes port 80 in the zone public: ")
