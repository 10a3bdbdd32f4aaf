#!/usr/bin/python
# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what nginx on a host is, and which certificates and ports it can serve."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_info
short_description: Read the features of nginx, certificates and open ports of a host
version_added: 0.1.0
description:
  - Reads the version of nginx, the OpenSSL that it runs with, and which features follow from both.
  - Reads any number of certificates and checks any number of local ports in one call, so that its cost hardly grows with
    the number of sites.
  - Does not fail when nginx is not installed. RV(installed) is then false, and so are all features.
author:
  - oCore collection contributors (@ocore)
requirements:
  - python3-cryptography on the host, when there is a certificate to read
options:
  certificates_dir:
    description:
      - Directory with one directory per certificate, which holds C(fullchain.pem) and C(privkey.pem).
    type: path
    default: /etc/letsencrypt/live
  certificates:
    description:
      - Names of the certificates to read, that is of directories in O(certificates_dir).
    type: list
    elements: str
    default: []
  certificate_files:
    description:
      - Further certificates to read, by the paths of their files. One that is missing is in RV(certificates) too, with a
        problem.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name in RV(certificates).
        type: str
        required: true
      cert:
        description: File with the certificate and its chain.
        type: path
        required: true
      key:
        description: File with its key.
        type: path
        required: true
  ports:
    description:
      - Ports on V(127.0.0.1) to check.
    type: list
    elements: int
    default: []
  public_ports:
    description:
      - Ports that visitors must reach. If the firewall of this host (firewalld, ufw or nftables) visibly closes one of them,
        the module warns, and says what opens it. A firewall in front of the host is not seen.
    type: list
    elements: int
    default: []
  own_file:
    description:
      - The file that the caller renders. Its directives do not count for RV(names_hash_set), and RV(sites) are read from it.
    type: path
    default: /etc/nginx/conf.d/ocore.conf
  main:
    description:
      - Main configuration file of nginx.
    type: path
    default: /etc/nginx/nginx.conf
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
  idempotent:
    description: Returns the same result as long as the host does not change.
    support: full
"""

EXAMPLES = r"""
- name: Read the features of nginx
  ocore.cloud.nginx_info:
  register: nginx

- name: Show which HTTP/2 syntax it supports
  ansible.builtin.debug:
    msg: "{{ 'http2 on' if nginx.features.http2_directive else 'listen ... http2' }}"

- name: Read two certificates and check whether their instances listen
  ocore.cloud.nginx_info:
    certificates: [shop, crm]
    ports: [20000, 20010]
"""

RETURN = r"""
installed:
  description: Whether nginx is installed.
  returned: always
  type: bool
version:
  description: Version of nginx.
  returned: always
  type: str
  sample: 1.26.3
openssl:
  description: Version of the OpenSSL that nginx runs with.
  returned: always
  type: str
  sample: 3.5.4
features:
  description:
    - Whether this nginx supports C(proxy_cookie_flags), C(ssl_reject_handshake), C(safe_session_tickets),
      C(http2_directive), C(keepalive_min_timeout), and the curve X25519MLKEM768 (C(hybrid_curve)).
  returned: always
  type: dict
  sample: {http2_directive: true, hybrid_curve: true}
ipv6:
  description: Whether a socket can be bound to an IPv6 address on this host.
  returned: always
  type: bool
names_hash_set:
  description: Whether another configuration file sets C(server_names_hash_bucket_size) already.
  returned: always
  type: bool
closed_ports:
  description: Those of O(public_ports) that the firewall of this host visibly closes, with a sentence about it.
  returned: always
  type: dict
  sample: {"443": "ufw closes port 443: 'ufw allow 443/tcp' opens it."}
sites:
  description: Slugs of the instances in O(own_file), as it is now.
  returned: always
  type: list
  elements: str
  sample: [crm, shop]
certificates:
  description: The certificates that exist, by name.
  returned: always
  type: dict
  contains:
    usable:
      description: Whether certificate and key can be read and belong together.
      type: bool
      returned: always
    problem:
      description: Why it cannot be used.
      type: str
      returned: always
    names:
      description: DNS names of the certificate.
      type: list
      elements: str
      returned: when the certificate can be read
    trusted:
      description: Whether a client on this host accepts it.
      type: bool
      returned: when the certificate can be read
    distrust:
      description: Why a client on this host does not accept it.
      type: str
      returned: when the certificate can be read
    days_left:
      description: Whole days until its end.
      type: int
      returned: when the certificate can be read
    not_after:
      description: End of validity, ISO 8601 in UTC.
      type: str
      returned: when the certificate can be read
    serial:
      description: Serial number in hexadecimal.
      type: str
      returned: when the certificate can be read
  sample: {shop: {usable: true, names: [shop.example.com], trusted: true}}
listening:
  description: Those of O(ports) that accept a connection.
  returned: always
  type: list
  elements: int
addresses:
  description:
    - The addresses at which something listens on O(ports), by port. A port that nothing listens on has no entry.
  returned: always
  type: dict
  sample: {"20000": ["127.0.0.1"]}
"""

import os
import ssl
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.ocore.cloud.plugins.module_utils._host.certificate import (
    CryptographyMissingError,
    UnreadableCertificate,
    read_certificate,
    trust_context,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.firewall import closed_port
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx import (
    accepts,
    features,
    has_ipv6,
    parse_build,
    read_text,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_sections import split_sections
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_tree import directive_elsewhere, read_tree
from ansible_collections.ocore.cloud.plugins.module_utils._host.ports import listening_addresses


def certificate_records(directory: str, names: list[str], trust: ssl.SSLContext) -> dict[str, dict[str, Any]]:
    """Return the records of the certificates that exist, by name."""
    found = {
        name: read_certificate(
            os.path.join(directory, name, "fullchain.pem"), os.path.join(directory, name, "privkey.pem"), trust
        )
        for name in names
    }
    return {name: certificate.record() for name, certificate in found.items() if certificate}


def file_records(files: list[dict[str, str]], trust: ssl.SSLContext) -> dict[str, dict[str, Any]]:
    """Return the records of certificates that are given by their files, by name."""
    found = {
        item["name"]: read_certificate(item["cert"], item["key"], trust)
        or UnreadableCertificate(item["cert"], item["key"], f"{item['cert']} does not exist")
        for item in files
    }
    return {name: certificate.record() for name, certificate in found.items()}


def warn_about_firewall(module: AnsibleModule) -> dict[str, str]:
    """Return port → sentence for the public ports that the firewall visibly closes, and warn about each."""

    def run(command: Sequence[str]) -> str | None:
        path = module.get_bin_path(command[0])
        rc, out, _err = (
            module.run_command([path, *command[1:]], environ_update={"LC_ALL": "C"}) if path else (1, "", "")
        )
        return str(out) if rc == 0 else None

    closed = {str(port): closed_port(run, port) for port in module.params["public_ports"]}
    found = {port: sentence for port, sentence in closed.items() if sentence}
    for sentence in found.values():
        module.warn(f"Visitors cannot reach this host: {sentence}")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "certificates_dir": {"type": "path", "default": "/etc/letsencrypt/live"},
            "certificates": {"type": "list", "elements": "str", "default": []},
            "certificate_files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "cert": {"type": "path", "required": True},
                    "key": {"type": "path", "required": True, "no_log": False},
                },
            },
            "ports": {"type": "list", "elements": "int", "default": []},
            "public_ports": {"type": "list", "elements": "int", "default": []},
            "own_file": {"type": "path", "default": "/etc/nginx/conf.d/ocore.conf"},
            "main": {"type": "path", "default": "/etc/nginx/nginx.conf"},
        },
        supports_check_mode=True,
    )
    params = module.params
    nginx = module.get_bin_path("nginx")
    build: dict[str, Any] = {"version": None, "openssl": None}
    names_hash_set = False
    if nginx:
        _rc, out, err = module.run_command([nginx, "-V"])
        build = parse_build(out + err)
        tree, _sources = read_tree(params["main"])
        names_hash_set = directive_elsewhere(tree, "server_names_hash_bucket_size", params["own_file"])
    found: dict[str, Any] = {}
    try:
        trust = trust_context()
        found = certificate_records(params["certificates_dir"], params["certificates"], trust)
        found.update(file_records(params["certificate_files"], trust))
    except CryptographyMissingError:
        reason = f"to read the certificates in {params['certificates_dir']}"
        module.fail_json(msg=missing_required_lib("cryptography", reason=reason))
    module.exit_json(
        changed=False,
        installed=bool(nginx),
        version=build["version"],
        openssl=build["openssl"],
        features=features(build["version"], build["openssl"]),
        ipv6=has_ipv6(),
        names_hash_set=names_hash_set,
        closed_ports=warn_about_firewall(module),
        sites=list(split_sections(read_text(params["own_file"]) or "").parts),
        certificates=found,
        listening=[port for port in params["ports"] if accepts(port)],
        addresses={str(port): found for port, found in listening_addresses(set(params["ports"])).items()},
    )


if __name__ == "__main__":
    main()
