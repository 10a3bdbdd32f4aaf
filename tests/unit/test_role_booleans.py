# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booleans of the host roles that arrive as text, from surveys and ``-e``, count as what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
HOST_ROLES = ("certbot", "docker", "nginx", "odoo_host")


def booleans(role: str) -> list[str]:
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return sorted(name for name, spec in specs["main"]["options"].items() if spec["type"] == "bool")


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in HOST_ROLES for name in booleans(role)])
def test_boolean_of_a_role_is_converted_wherever_it_is_used(role: str, name: str) -> None:
    """It is converted by ``| bool``, or by the module or role that it is handed to as a whole."""
    uses = 0
    for path in sorted(path for part in ("tasks", "templates", "vars") for path in (ROLES / role).glob(f"{part}/*")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            for use in re.finditer(rf"\b{name}\b(?!:)", line):
                uses += 1
                converted = line[use.end() :].startswith(" | bool") or f'"{{{{ {name} }}}}"' in line
                assert converted, f"{path.name}, line {number}: {line.strip()}"
    assert uses > 0
