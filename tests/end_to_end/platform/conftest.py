# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the platforms share: the collection, an emulator and the commands of this environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "tests/tools"), str(ROOT / "extensions"), str(Path(__file__).parent)]

import checkout  # noqa: E402
from emulator.process import Emulator  # noqa: E402

COLLECTION = ROOT
BIN = Path(sys.executable).parent
PROJECT = ROOT / "extensions/awx/project"
#: Values that no event, artifact or log may hold.
ENV_VALUE = "pg-pass-8f1c0d"


COLLECTIONS = f"{checkout.collections_dir()}{os.pathsep}{sysconfig.get_path('purelib')}"
checkout.make_importable()


def environment(**more: str) -> dict[str, str]:
    """Give the environment of a process: this one's, without settings of Ansible and oCore, and ``more``."""
    return checkout.environment(
        PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
        ANSIBLE_COLLECTIONS_PATH=COLLECTIONS,
        ANSIBLE_NOCOLOR="1",
        **more,
    )


def credentials(emulator: Emulator, token: str | None = None) -> dict[str, str]:
    """Give the variables that the AWX credential injects, for an emulator."""
    return {
        "OCORE_API_URL": emulator.api_url,
        "OCORE_API_TOKEN": token or emulator.token,
        "OCORE_ORGANIZATION": "acme",
    }


def run(
    *command: str | Path, env: Mapping[str, str], cwd: Path, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment to its end, output and errors in ``stdout``."""
    return subprocess.run(
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Give an oCore with six instances whose environment variables hold a secret."""
    with Emulator(step_by="requests") as running:
        running.seed(6, envVars={"DB_PASSWORD": ENV_VALUE})
        running.clear_log()
        yield running
