# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The world that the examples speak of, and at the end a list of the examples that were only checked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from checkout import environment
from emulator.process import Emulator
from extract import Example

BIN = Path(sys.executable).parent
VAULT_PASSWORD = "examples"

#: Instances that are there besides two seeded ones (aarhus-bakery-1, bergen-cycles-2), by the file whose examples name
#: them. The first server of the emulator has the id that all examples use.
PRESENT = {
    "README.md": [],
    "docs/docsite/rst/guide_fleets.rst": ["shop-old"],
    "docs/docsite/rst/guide_getting_started.rst": [],
    "plugins/modules/ocore_fleet.py": ["shop-old", "shop-forgotten"],
    "plugins/modules/ocore_instance.py": ["shop-test"],
}
USUALLY_PRESENT = ["shop-prod", "shop-test", "test-crm", "north", "south"]

#: Variables that examples use without setting them: vaults, and what a task before them would have registered.
RECORD = {
    "id": "93831ec5-7aeb-5868-aa0b-00f81681a1e7",
    "slug": "shop",
    "name": "Shop",
    "status": "running",
    "odoo_version": "18.0",
    "http_port_host": 10000,
    "longpolling_port_host": 10001,
    "domains": [{"domain": "shop.example.com", "is_primary": True, "dns_status": "verified"}],
}
VARIABLES: dict[str, Any] = {
    "vault_ocore_token": Emulator.token,
    "vault_smtp_password": "smtp-s3cret",
    "vault_north": "north-s3cret",
    "vault_south": "south-s3cret",
    "instances": [RECORD],
    "all": {"instances": [RECORD]},
    "odoo_host_report": [{"slug": "shop", "served": False, "reasons": ["no certificate"]}],
    "odoo_host_server_report": {"docker_version": "29.1.0", "disks": [], "drift": []},
}

INVENTORY = """\
plugin: ocore.cloud.ocore
keyed_groups:
  - {key: ocore_status, prefix: status}
compose:
  ansible_connection: "'local'"
"""


@dataclass
class World:
    """An emulator of oCore, and a directory where the examples of one file are at work."""

    ocore: Emulator
    where: Path

    def prepare(self, source: str) -> None:
        """Have exactly the instances that the examples of a file speak of."""
        self.ocore.reset()
        server = self.ocore.server_ids()[0]
        for slug in PRESENT.get(source, USUALLY_PRESENT):
            self.ocore.seed(
                1,
                slug=slug,
                name=slug.replace("-", " ").capitalize(),
                serverId=server,
                odooVersion="18.0",
                odooEdition="community",
                status="running",
                healthScore=90,
            )

    def write(self, name: str, text: str) -> Path:
        path = self.where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def save(self, example: Example, name: str | None = None) -> Path:
        """Write an example to a file, by its own name or that of its source, on the lines that it has there."""
        return self.write(name or example.filename or f"{Path(example.source).name}.yml", example.padded)

    def run(self, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command with the credentials of the emulator; output and errors are in ``stdout``."""
        variables = environment(
            PATH=os.pathsep.join([str(self.where / "bin"), str(BIN), os.environ["PATH"]]),
            HOME=str(self.where / "home"),
            ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true",
            ANSIBLE_LOCALHOST_WARNING="false",
            ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
            ANSIBLE_NOCOLOR="true",
            ANSIBLE_PYTHON_INTERPRETER=sys.executable,
            OCORE_API_URL=self.ocore.api_url,
            OCORE_API_TOKEN=self.ocore.token,
            OCORE_ORGANIZATION="acme",
            MY_OCORE_TOKEN=self.ocore.token,
        )
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.where,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="session")
def ocore() -> Iterator[Emulator]:
    with Emulator("--seed", "2", step_by="requests") as emulator:
        yield emulator


@pytest.fixture
def world(ocore: Emulator, tmp_path: Path) -> World:
    made = World(ocore, tmp_path)
    made.write("home/.vault-password", VAULT_PASSWORD)
    made.write("world.ocore.yml", INVENTORY)
    # Stands in for the password manager of that name.
    made.write("bin/pass", f"#!/bin/sh\n[ \"$*\" = 'show ocore/api-key' ] && echo {Emulator.token}\n").chmod(0o755)
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    checked = sorted(value for report in reports for name, value in report.user_properties if name == "checked")
    if checked:
        terminalreporter.section("checked, not run")
        for line in checked:
            terminalreporter.write_line(line)
