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
  - Reads the certificates on disk (names, ACME server, type of key, end of validity) and calls C(certbot) only for those
    that differ from the declared ones, one after the other.
  - Before it orders anything, it fetches each name over HTTP as a certificate authority does, from each of its addresses,
    IPv6 first. A name that does not lead to this host is left out and reported. It costs no failed validation, and the other
    names of the certificate are issued without it.
  - A certificate that cannot be issued does not stop the others, and a failed order never removes an existing
    certificate.
  - For certbot older than 4.1, writes the renewal window by lifetime (a third of it, half of it under ten days). Such a
    certbot would otherwise renew 30 days before the end, which for a short-lived certificate means at every run.
author:
  - oCore collection contributors (@ocore)
requirements:
  - certbot 1.21 or newer
  - the Python library cryptography, which certbot's own package brings
options:
  certificates:
    description:
      - The declared certificates.
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
          - Host names, the main one first. A wildcard needs O(dns_plugin); it cannot be validated over HTTP.
          - With an empty list an existing certificate stays and nothing is ordered.
        type: list
        elements: str
        required: true
      left_out:
        description:
          - Names that the caller has left out, with the reason. They are reported, and may stay in an existing
            certificate.
        type: dict
        default: {}
      former_name:
        description:
          - Name that an earlier release gave this certificate. If that release ordered it, the module renames it to
            O(certificates[].name) instead of ordering a new one. It archives and deletes the old copy once nginx no longer
            uses it.
        type: str
  server:
    description:
      - Directory URL of the ACME server. A certificate from another server is issued again.
    type: str
    default: https://acme-v02.api.letsencrypt.org/directory
  email:
    description:
      - Contact address of the ACME account. Without it the account has no contact. A change is sent to the ACME server.
    type: str
  ca_bundle:
    description:
      - File with the CA certificates that verify the ACME server itself, for a private CA.
    type: path
  key_type:
    description:
      - Type of key. A certificate with another type is issued again.
    type: str
    choices: [ecdsa, rsa]
    default: ecdsa
  webroot:
    description:
      - Directory that the web server publishes for C(/.well-known/acme-challenge/).
    type: path
    default: /var/www/ocore-acme
  dns_plugin:
    description:
      - Plugin of certbot that validates over DNS, without the C(dns-) of its name, for example V(rfc2136) or V(cloudflare). It
        must be installed. All certificates are then validated in this way, and no name is fetched over HTTP.
      - Without it names are validated over HTTP, by O(webroot). A certificate that is renewed in another way is issued again.
    type: str
  dns_credentials:
    description:
      - File on the host with the credentials of O(dns_plugin), as the plugin documents it. Nobody but its owner may read it
        (mode V(0600)). certbot reads it at each renewal too.
    type: path
  dns_propagation_seconds:
    description:
      - Seconds to wait until the CA can see a record. By default what the plugin considers right.
    type: int
  eab_kid:
    description:
      - Key identifier for the external account binding that some CAs require for a new account.
    type: str
  eab_hmac_key:
    description:
      - Key for the external account binding, base64url-encoded. It is handed to certbot in a temporary file.
    type: str
  config_dir:
    description:
      - Configuration directory of certbot.
    type: path
    default: /etc/letsencrypt
  check_names:
    description:
      - Whether to fetch each name over HTTP before it is ordered, from all of its addresses, those of IPv6 first.
      - An AAAA record that leads elsewhere leaves the name out, although some CAs fall back to IPv4. If this host has no
        IPv6, it cannot tell, and only the other addresses count.
      - A name that C(/etc/hosts) answers is asked at the name servers of the host, as a CA does, unless O(ca_bundle) is set.
    type: bool
    default: true
  check_address:
    description:
      - Address (C(host) or C(host:port)) to which the check connects instead of resolving the name, for hosts that
        cannot reach their own public address.
    type: str
  check_timeout:
    description:
      - Seconds for the check of one name.
    type: int
    default: 10
  lock_timeout:
    description:
      - Seconds to wait for another certbot that is running.
    type: int
    default: 180
  retry_now:
    description:
      - Whether to repeat a failed order at once. By default the same order waits for 15 minutes after its first failure, then for
        1, 4, 16 and 24 hours, so that repeated runs do not use up the limits of the CA. Until then it counts as failed.
      - An order whose names, ACME server, type of key, contact address, CA bundle or webroot differ is tried at once.
    type: bool
    default: false
  purge:
    description:
      - Whether to delete certificates that are not in O(certificates). Deletes only those that this module has issued or
        that were declared before, and none that nginx still uses.
      - A deleted certificate is archived in C(ocore-deleted) in O(config_dir). To restore it, unpack the archive in
        O(config_dir).
    type: bool
    default: false
  take_over_only:
    description:
      - Whether to do nothing but take over certificates that have a O(certificates[].former_name). Needs neither certbot
        nor the ACME server.
    type: bool
    default: false
  on_error:
    description:
      - Whether a failed order fails the task at the end (V(fail)) or only causes a warning (V(report)).
    type: str
    choices: [fail, report]
    default: fail
attributes:
  check_mode:
    description:
      - Can run in check mode without changing certificates. The names are fetched then too, with a temporary file in
        O(webroot).
    support: full
  diff_mode:
    description: Shows names, server and type of key per certificate before and after.
    support: full
  idempotent:
    description: Does nothing for a certificate that matches its declaration.
    support: full
notes:
  - The certificates that this module has ordered are listed in C(ocore-certificates.json) in O(config_dir). All other
    certificates there stay as they are. If one of them has a declared name, that declaration fails, and the other ones are
    carried out.
  - Failed orders and the contact address of each account are remembered in C(ocore-orders.json) in O(config_dir).
  - A certificate within its renewal window is issued again. The timer of certbot usually renews it earlier.
"""

EXAMPLES = r"""
- name: Ensure there is a certificate for a shop and its second name
  ocore.cloud.certbot_certificates:
    email: admin@example.com
    certificates:
      - name: shop
        domains: [shop.example.com, www.shop.example.com]

- name: Ensure the staging server issues a certificate; the production server issues it again later
  ocore.cloud.certbot_certificates:
    server: https://acme-staging-v02.api.letsencrypt.org/directory
    certificates:
      - name: shop
        domains: [shop.example.com]

- name: Ensure there is a wildcard certificate, validated over DNS
  ocore.cloud.certbot_certificates:
    dns_plugin: rfc2136
    dns_credentials: /etc/letsencrypt/rfc2136.ini
    certificates:
      - name: apps
        domains: ["*.apps.example.com"]

- name: Ensure a private CA issues the declared certificates and no other managed ones exist
  ocore.cloud.certbot_certificates:
    server: https://ca.internal.example/acme/directory
    ca_bundle: /etc/ssl/certs/internal.pem
    purge: true
    certificates: "{{ instances | ocore.cloud.site_certificates }}"
"""

RETURN = r"""
certificates:
  description: One entry per certificate in O(certificates), and one per deleted certificate.
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
        - V(unchanged), V(issued), V(taken_over) (renamed from its former name) or V(deleted). V(missing) when there is no
          certificate and none could be ordered, V(failed) when an order or a deletion failed. In check mode V(issued),
          V(taken_over) and V(deleted) are predictions.
      type: str
      returned: always
    why:
      description: Why it was issued, renamed, or deleted.
      type: list
      elements: str
      returned: always
    domains:
      description: Names that the certificate on disk covers now.
      type: list
      elements: str
      returned: always
    left_out:
      description: Declared names that were not ordered, with the reason.
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
      why: [there is no certificate]
      domains: [shop.example.com]
      left_out: {}
      not_after: "2027-02-20T10:00:00+00:00"
      serial: 3A
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.ocore.cloud.plugins.module_utils._host.certificate import CryptographyMissingError
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError
from ansible_collections.ocore.cloud.plugins.module_utils._host.reconciliation import Outcome, Reconciler


def finish(module: AnsibleModule, outcome: Outcome) -> None:
    """End the module with what was done: warnings, and a failure where an order failed."""
    for entry in outcome.certificates:
        for name, why in sorted(entry["left_out"].items()):
            module.warn(f"certificate '{entry['name']}': left out '{name}': {why}")
    errors = outcome.errors()
    for error in errors:
        module.warn(error)
    if errors and module.params["on_error"] == "fail":
        module.fail_json(
            msg=f"{len(errors)} of {len(outcome.certificates)} certificates failed, the others are done. {errors[0]}",
            **outcome.result(),
        )
    module.exit_json(**outcome.result())


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
                    "former_name": {"type": "str"},
                },
            },
            "server": {"type": "str", "default": "https://acme-v02.api.letsencrypt.org/directory"},
            "email": {"type": "str"},
            "ca_bundle": {"type": "path"},
            "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "default": "ecdsa", "no_log": False},
            "webroot": {"type": "path", "default": "/var/www/ocore-acme"},
            "dns_plugin": {"type": "str"},
            "dns_credentials": {"type": "path"},
            "dns_propagation_seconds": {"type": "int"},
            "eab_kid": {"type": "str"},
            "eab_hmac_key": {"type": "str", "no_log": True},
            "config_dir": {"type": "path", "default": "/etc/letsencrypt"},
            "check_names": {"type": "bool", "default": True},
            "check_address": {"type": "str"},
            "check_timeout": {"type": "int", "default": 10},
            "lock_timeout": {"type": "int", "default": 180},
            "retry_now": {"type": "bool", "default": False},
            "purge": {"type": "bool", "default": False},
            "take_over_only": {"type": "bool", "default": False},
            "on_error": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
        },
        required_together=[("eab_kid", "eab_hmac_key")],
        required_by={"dns_credentials": "dns_plugin", "dns_propagation_seconds": "dns_plugin"},
        supports_check_mode=True,
    )
    try:
        outcome = Reconciler(module).run()
    except HostError as error:
        module.fail_json(msg=str(error), **error.details)
    except CryptographyMissingError:
        module.fail_json(
            msg=missing_required_lib("cryptography", reason="to read the certificates on this host"), certificates=[]
        )
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Cannot reconcile the certificates: {to_native(error)}", certificates=[])
    finish(module, outcome)


if __name__ == "__main__":
    main()
