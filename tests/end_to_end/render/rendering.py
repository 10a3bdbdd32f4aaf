# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx template for made-up instances, rendered as the role does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from checkout import collections_dir

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "nginx"


# Ansible's own loader makes the collection importable, as in a playbook.
init_plugin_loader([str(collections_dir())])
from ansible_collections.ocore.cloud.plugins.module_utils._host.basic_auth import Crypt, users_text  # noqa: E402
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx import features  # noqa: E402
from ansible_collections.ocore.cloud.plugins.plugin_utils._sites import nginx_sites  # noqa: E402

GATES = {
    "old": ("1.18.0", "1.1.1"),
    "debian12": ("1.22.1", "3.0.17"),
    "debian13": ("1.26.3", "3.5.4"),
    "new": ("1.30.6", "3.6.0"),
}


def instance(number: int, version: str, workers: int, domains: int, **more: Any) -> dict[str, Any]:
    slug = f"i{number}"
    return {
        "slug": slug,
        "status": "running",
        "odoo_version": version,
        "workers": workers,
        "http_port_host": 20000 + 2 * number,
        "longpolling_port_host": 20001 + 2 * number,
        "limit_time_real": 1200,
        "domains": [
            {"domain": f"d{index}.{slug}.example.com", "is_primary": index == 1, "dns_status": "verified"}
            for index in range(domains)
        ],
        # Without a domain of its own an instance still has the generated one.
        "auto_subdomain": f"{slug}.apps.example.com",
        **more,
    }


def hashed(users: list[dict[str, str]]) -> str:
    """A file of users as the module writes it."""
    return users_text(users, "", Crypt(), "Ansible managed")


def certificates_for(instances: list[dict[str, Any]], pem: Path) -> dict[str, dict[str, Any]]:
    return {
        item["slug"]: {
            "usable": True,
            "problem": None,
            "names": [f"{item['slug']}.apps.example.com", *(domain["domain"] for domain in item["domains"])],
            "trusted": item.get("trusted", True),
            "fullchain": str(pem),
            "key": str(pem),
        }
        for item in instances
        if item.get("with_certificate")
    }


def render(instances: list[dict[str, Any]], gate: str, pem: Path, **settings: Any) -> str:
    """The file as the role renders it, by Ansible's own templating (in plain Jinja an empty macro isn't None)."""
    variables = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    variables.update(yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8")))
    variables["__nginx_logs"] = str(pem.parent)
    variables.update(settings)
    variables["__nginx_placeholder"] = str(pem)
    variables = {
        name: trust_as_template(value) if isinstance(value, str) else value for name, value in variables.items()
    }
    version, openssl = GATES[gate]
    variables["__nginx_info"] = {"features": features(version, openssl), "ipv6": True, "names_hash_set": False}
    variables["__nginx_model"] = nginx_sites(
        instances, certificates_for(instances, pem), variables["nginx_instance_options"]
    )
    return render_template("ocore.conf.j2", variables)


def render_template(name: str, variables: dict[str, Any] | None = None) -> str:
    """A template of the role with these variables, or with the constants of the role."""
    if variables is None:
        constants = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
        variables = {key: constants[key] for key in ("__nginx_mark",)}
    templar = Templar(loader=DataLoader(), variables=variables)
    text = templar.template(
        trust_as_template(f"{{{{ lookup('ansible.builtin.template', '{ROLE}/templates/{name}') }}}}")
    )
    assert isinstance(text, str)
    return str(text)
