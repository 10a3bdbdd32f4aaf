# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The execution environment: its definition, and a real build where a Docker engine answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import COLLECTION, COLLECTIONS, ENV_VALUE, PROJECT, credentials, environment, run
from emulator.process import Emulator

DEFINITION = COLLECTION / "extensions/execution_environment"
IMAGE = "ocore-test-ee"


def test_introspection_shows_what_the_collection_needs(tmp_path: Path) -> None:
    result = run("ansible-builder", "introspect", COLLECTIONS.partition(os.pathsep)[0], env=environment(), cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    found = yaml.safe_load(result.stdout)
    ours = {
        kind: [line.partition("  #")[0] for line in lines if "ocore.cloud" in line] for kind, lines in found.items()
    }
    needed = (COLLECTION / "meta/ee-requirements.txt").read_text().splitlines()
    assert ours["python"] == [line for line in needed if not line.startswith("#")]
    assert all(">=" in requirement for requirement in ours["python"])
    assert "openssh-client [platform:dpkg]" in ours["system"]


def test_execution_environment_makes_a_build_context(tmp_path: Path) -> None:
    result = run("ansible-builder", "create", "-c", tmp_path / "context", env=environment(), cwd=DEFINITION)
    assert result.returncode == 0, result.stdout
    assert yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text()) == {
        "collections": [{"name": "ocore.cloud"}]
    }


def docker(*arguments: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    # The legacy builder is what a plain docker.io has.
    return run("docker", *arguments, env=environment(DOCKER_BUILDKIT="0"), cwd=Path.cwd(), timeout=timeout)


@pytest.fixture(scope="module")
def base_image() -> str:
    """Give the name of a Debian image that was made on this machine."""
    try:
        engine = docker("version", "--format", "{{.Server.Version}}")
    except FileNotFoundError:
        pytest.fail("There is no docker command. Install a Docker engine; on Debian: .ci/start-docker", pytrace=False)
    if engine.returncode:
        pytest.fail(f"No Docker engine answers ({engine.stdout.strip()}). On Debian: .ci/start-docker", pytrace=False)
    made = subprocess.run(
        [COLLECTION / "extensions/molecule/images/build", "trixie"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def context(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the build context of the definition, with this checkout in place of the collection from Galaxy."""
    where = tmp_path_factory.mktemp("ee")
    built = run(
        "ansible-galaxy", "collection", "build", COLLECTION, "--output-path", where, env=environment(), cwd=where
    )
    assert built.returncode == 0, built.stdout
    archive = next(where.glob("ocore-cloud-*.tar.gz"))
    definition = yaml.safe_load((DEFINITION / "execution-environment.yml").read_text())
    definition["dependencies"]["galaxy"] = {"collections": [{"name": f"/build/archive/{archive.name}", "type": "file"}]}
    definition["additional_build_files"] = [{"src": str(archive), "dest": "archive"}]
    (where / "execution-environment.yml").write_text(yaml.safe_dump(definition), encoding="utf-8")
    created = run("ansible-builder", "create", "-c", "context", env=environment(), cwd=where)
    assert created.returncode == 0, created.stdout
    return where / "context"


def build(context: Path, base: str, *options: str, timeout: float) -> subprocess.CompletedProcess[str]:
    arguments = ["--build-arg", f"EE_BASE_IMAGE={base}", "--build-arg", "ANSIBLE_GALAXY_CLI_COLLECTION_OPTS=--offline"]
    return docker("build", *arguments, *options, "-f", context / "Dockerfile", context, timeout=timeout)


@pytest.fixture(scope="module")
def image(context: Path, base_image: str) -> Iterator[str]:
    """Give the name of the built execution environment."""
    result = build(context, base_image, "--quiet", "-t", IMAGE, timeout=400)
    assert result.returncode == 0, result.stdout
    yield IMAGE
    docker("image", "rm", IMAGE)


@pytest.mark.docker
def test_image_runs_inventory_and_playbook(image: str, emulator: Emulator) -> None:
    env = [part for name, value in credentials(emulator).items() for part in ("-e", f"{name}={value}")]
    # The emulator listens on this machine's loopback.
    start = [
        "run",
        "--rm",
        "--network",
        "host",
        *env,
        "-v",
        f"{PROJECT}:/runner/project:ro",
        "-w",
        "/runner/project",
        image,
    ]

    listed = docker(*start, "ansible-inventory", "-i", "ocore.yml", "--list")
    assert listed.returncode == 0, listed.stdout
    assert len(json.loads(listed.stdout)["_meta"]["hostvars"]) == len(emulator.instances())

    played = docker(
        *start,
        *("ansible-playbook", "-i", "ocore.yml", "control.yml"),
        *("-e", "control_state=stopped", "-e", "control_hosts=ocore", "-e", "control_wait_interval=0.2"),
    )
    assert played.returncode == 0, played.stdout
    assert {i["status"] for i in emulator.instances()} == {"stopped"}
    assert ENV_VALUE not in listed.stdout + played.stdout


@pytest.mark.docker
def test_build_without_network_ends_with_what_is_missing(context: Path, base_image: str) -> None:
    result = build(
        context, base_image, "--no-cache", "--force-rm", "--network", "none", "-t", f"{IMAGE}-offline", timeout=120
    )
    assert result.returncode != 0
    last = [line for line in result.stdout.splitlines() if line.strip()][-2:]
    assert "This build needs a network" in " ".join(last), result.stdout
    assert docker("image", "inspect", f"{IMAGE}-offline").returncode != 0
