# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host roles on systems that no test host runs: which tasks they select, and what these would do.

Ansible runs the real tasks of a role with facts as such a system gives them. In place of each module that would look at a
host or change it, an action plugin records its name and arguments and gives the answer that the case prepares.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ocore.cloud.plugins.plugin_utils._systems import SUPPORTED, system_problem
from checkout import collections_dir

ROOT = Path(__file__).resolve().parents[2]
#: Modules that run on the controller and decide; all others are recorded.
REAL = {"assert", "debug", "fail", "import_tasks", "include_tasks", "include_vars", "meta", "set_fact"}
KEYWORDS = {
    *(
        "name",
        "when",
        "vars",
        "register",
        "loop",
        "loop_control",
        "notify",
        "changed_when",
        "failed_when",
        "check_mode",
        "tags",
    ),
    *("environment", "block", "rescue", "always", "until", "retries", "delay"),
}
RECORDER = """
import json
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        module, args = self._task.args["module"], self._task.args["args"] or {}
        with open("record", "a") as file:
            file.write(json.dumps([module, args], default=str) + "\\n")
        said = json.dumps(args, default=str)
        for (name, part), answer in json.load(open("answers.json")):
            if name == module and part in said:
                return {"changed": False, **answer}
        return {"changed": False, "rc": 0, "stdout": "", "stderr": "", "stat": {"exists": False}}
"""


def facts(family: str, name: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "os_family": family,
        "distribution": name,
        "distribution_version": version,
        "distribution_major_version": version.split(".")[0],
        "architecture": "x86_64",
        **more,
    }


SYSTEMS = {
    "rocky": facts("RedHat", "Rocky", "9.6"),
    "almalinux": facts("RedHat", "AlmaLinux", "10.0"),
    "centos": facts("RedHat", "CentOS", "9"),
    "oracle": facts("RedHat", "OracleLinux", "9.6"),
    "rhel": facts("RedHat", "RedHat", "9.6"),
    "fedora": facts("RedHat", "Fedora", "43"),
    "amazon": facts("RedHat", "Amazon", "2023"),
    "debian": facts("Debian", "Debian", "13.1", distribution_release="trixie"),
    "testing": facts("Debian", "Debian", "n/a"),
    "ubuntu": facts("Debian", "Ubuntu", "24.04", distribution_release="noble", lsb={"id": "Ubuntu"}),
    "jammy": facts("Debian", "Ubuntu", "22.04"),
}
UNSUPPORTED = {
    "Debian 11": facts("Debian", "Debian", "11.11"),
    "Ubuntu 20.04": facts("Debian", "Ubuntu", "20.04"),
    "Rocky 8.10": facts("RedHat", "Rocky", "8.10"),
    "Fedora 41": facts("RedHat", "Fedora", "41"),
    "Amazon 2": facts("RedHat", "Amazon", "2"),
    "Kali 2025.3": facts("Debian", "Kali", "2025.3"),
    "Devuan 5": facts("Debian", "Devuan", "5"),
    # The facts of Ansible call it by the name of its origin.
    "Raspbian 12": facts("Debian", "Debian", "12", lsb={"id": "Raspbian"}),
    "Linux Mint 22": facts("Debian", "Linux Mint", "22"),
    "Pop 22.04": facts("Debian", "Ubuntu", "22.04", lsb={"id": "Pop"}),
    "TencentOS 3.1": facts("RedHat", "TencentOS", "3.1"),
    "openSUSE Leap 15.6": facts("Suse", "openSUSE Leap", "15.6"),
}


@dataclass
class Run:
    code: int
    text: str
    calls: list[tuple[str, Any]]

    def args(self, module: str, part: str = "") -> list[Any]:
        return [args for name, args in self.calls if name == module and part in json.dumps(args)]

    @property
    def said(self) -> str:
        return " ".join(self.text.replace('\\"', '"').split())


def stand_in(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks in which the recorder takes the place of the modules."""
    for task in tasks:
        for part in ("block", "rescue", "always"):
            stand_in(task.get(part, []))
        for key in set(task) - KEYWORDS:
            if key.rpartition(".")[2] not in REAL:
                args = task.pop(key)
                task["record"] = {"module": key.rpartition(".")[2], "args": args}
    return tasks


def run_role(role: str, system: dict[str, Any], where: Path, answers: Any = (), **variables: Any) -> Run:
    """Run a role of this collection with the recorder.

    :param answers: ``((module, text in its arguments), result)``; the first that fits answers.
    """
    for path in (ROOT / "roles" / role).rglob("*"):
        target = where / "roles" / role / path.relative_to(ROOT / "roles" / role)
        if path.is_file() and "meta" not in path.parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text()
            if "tasks" in path.parts or "handlers" in path.parts:
                text = yaml.safe_dump(stand_in(yaml.safe_load(text)), sort_keys=False)
            target.write_text(text)
    (where / "record").write_text("")
    (where / "action_plugins").mkdir(exist_ok=True)
    (where / "action_plugins" / "record.py").write_text(RECORDER)
    seen = {"name": "Use the recorded facts", "record": {"module": "setup", "args": {}}}
    (where / "answers.json").write_text(json.dumps([[["setup", ""], {"ansible_facts": system}], *answers]))
    play = {"hosts": "server", "connection": "local", "gather_facts": False, "vars": variables}
    tasks = [seen, {"name": "Run the role", "ansible.builtin.include_role": {"name": role}}]
    (where / "play.yml").write_text(yaml.safe_dump([{**play, "tasks": tasks}]))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "server,", "play.yml"],
        cwd=where,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections_dir()),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_INJECT_FACT_VARS": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    calls = [tuple(json.loads(line)) for line in (where / "record").read_text().splitlines()]
    return Run(done.returncode, done.stdout + done.stderr, calls)


def docker_answers(**packages: str) -> list[Any]:
    installed = {name: [{"version": version}] for name, version in packages.items()}
    return [
        [["package_facts", ""], {"ansible_facts": {"packages": installed}}],
        [["command", "dockerd --version"], {"rc": 0, "stdout": "Docker version 29.1.0, build 1"}],
        [["command", "docker compose version"], {"rc": 0, "stdout": "2.40.0"}],
        [["command", "rpm"], {"rc": 0, "stderr": "", "stdout": ""}],
    ]


@pytest.mark.parametrize("name", SYSTEMS)
def test_supported_systems(name: str) -> None:
    assert system_problem(SYSTEMS[name]) == ""


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_systems_are_named(name: str) -> None:
    problem = system_problem(UNSUPPORTED[name])
    assert problem.startswith(f"is {name.split()[0]}")
    assert name.split()[-1] in problem
    assert all(f"{known} {oldest}" in problem for known, oldest in SUPPORTED.items())


def test_missing_facts_are_named() -> None:
    assert "gather_facts: true" in system_problem({})


@pytest.mark.parametrize("role", ["docker", "nginx", "certbot"])
def test_unsupported_system_is_refused_by_each_role_before_anything_else(role: str, tmp_path: Path) -> None:
    run = run_role(role, UNSUPPORTED["Raspbian 12"], tmp_path)
    assert run.code == 2
    assert "server is Raspbian 12, which the host roles do not support" in run.said
    assert {module for module, _args in run.calls} == {"setup"}


@pytest.mark.parametrize(
    ("system", "path"),
    [
        ("rocky", "centos/9"),
        ("almalinux", "centos/10"),
        ("centos", "centos/9"),
        ("oracle", "centos/9"),
        ("rhel", "centos/9"),
        ("fedora", "fedora/43"),
    ],
)
def test_docker_repository_of_the_red_hat_family(system: str, path: str, tmp_path: Path) -> None:
    run = run_role("docker", SYSTEMS[system], tmp_path, docker_answers(**{"podman-docker": "5.6", "bash": "5.2"}))
    assert run.code == 0, run.text
    (repository,) = run.args("yum_repository")
    base = f"https://download.docker.com/linux/{path.split('/')[0]}"
    assert repository["baseurl"] == f"https://download.docker.com/linux/{path}/$basearch/stable"
    assert repository["gpgkey"] == f"{base}/gpg"
    assert repository["gpgcheck"] is True
    removed, installed = run.args("dnf")
    assert (removed["name"], removed["state"]) == (["podman-docker"], "absent")
    assert "docker-ce" in installed["name"]
    assert not run.args("apt")


def test_docker_removes_nothing_that_other_packages_need_on_the_red_hat_family(tmp_path: Path) -> None:
    said = "error: Failed dependencies:\n\trunc >= 1.0 is needed by (installed) podman-5.6.0-2.el9.x86_64\n"
    answers = [[["command", "rpm"], {"rc": 1, "stdout": "", "stderr": said}], *docker_answers(runc="1.2")]
    run = run_role("docker", SYSTEMS["rocky"], tmp_path, answers)
    assert run.code == 2
    assert "replace runc on server, and these packages need them: podman-5.6.0-2.el9.x86_64." in run.said
    assert not run.args("dnf")
    assert not run.args("yum_repository")


def test_docker_on_amazon_linux_is_the_distributions(tmp_path: Path) -> None:
    run = run_role("docker", SYSTEMS["amazon"], tmp_path, docker_answers())
    assert run.code == 2
    assert "There are no Docker packages by Docker for Amazon" in run.said
    assert "Set docker_source: distribution" in run.said
    run = run_role("docker", SYSTEMS["amazon"], tmp_path, docker_answers(runc="1.2"), docker_source="distribution")
    assert run.code == 0, run.text
    (installed,) = run.args("dnf")
    assert installed["name"] == ["docker"]
    assert not run.args("yum_repository")


def test_docker_on_rocky_has_no_packages_of_the_distribution(tmp_path: Path) -> None:
    run = run_role("docker", SYSTEMS["rocky"], tmp_path, docker_answers(), docker_source="distribution")
    assert "There are no Docker packages of Rocky" in run.said
    assert "Set docker_source: upstream" in run.said


@pytest.mark.parametrize(
    ("system", "packages"),
    [("ubuntu", ["docker.io", "docker-compose-v2"]), ("jammy", ["docker.io", "docker-compose-v2"])],
)
def test_docker_packages_of_ubuntu(system: str, packages: list[str], tmp_path: Path) -> None:
    policy = [[["command", "apt-cache"], {"rc": 0, "stdout": "  Candidate: 28.2.2-0ubuntu1~24.04.1\n"}]]
    run = run_role("docker", SYSTEMS[system], tmp_path, [*policy, *docker_answers()], docker_source="distribution")
    assert run.code == 0, run.text
    assert [args["name"] for args in run.args("apt", "docker.io")] == [packages]


CERTBOT = [
    [["command", "systemctl"], {"rc": 0, "stdout": "Sat 2026-11-28"}],
    [["certbot_certificates", ""], {"certificates": []}],
]


@pytest.mark.parametrize(
    ("system", "advice"),
    [
        ("rocky", "package epel-release"),
        ("almalinux", "package epel-release"),
        ("rhel", "Getting started with EPEL"),
        ("oracle", "package oracle-epel-release-el9"),
        ("amazon", "EPEL does not support Amazon Linux"),
    ],
)
def test_certbot_without_epel_is_refused_before_it_is_installed(system: str, advice: str, tmp_path: Path) -> None:
    run = run_role("certbot", SYSTEMS[system], tmp_path, [[["command", "rpm"], {"rc": 1}], *CERTBOT])
    assert run.code == 2
    assert "No enabled repository of server" in run.said
    assert advice in run.said
    assert not run.args("package")


@pytest.mark.parametrize("system", ["rocky", "fedora"])
def test_certbot_from_a_repository_that_offers_it(system: str, tmp_path: Path) -> None:
    offered = [
        [["command", "rpm"], {"rc": 1}],
        [["command", "repoquery"], {"rc": 0, "stdout": "certbot-0:4.0.0-1.noarch"}],
    ]
    run = run_role("certbot", SYSTEMS[system], tmp_path, [*offered, *CERTBOT])
    assert run.code == 0, run.text
    assert run.args("package")[0]["name"] == ["certbot"]
    assert run.args("systemd_service", "certbot-renew.timer")


def test_certbot_that_is_installed_needs_no_repository(tmp_path: Path) -> None:
    run = run_role("certbot", SYSTEMS["rocky"], tmp_path, CERTBOT)
    assert run.code == 0, run.text
    assert not run.args("command", "repoquery")


NGINX = [
    [
        ["nginx_info", ""],
        {
            "installed": True,
            "sites": [],
            "certificates": {},
            "version": "1.26.3",
            "features": {"ssl_reject_handshake": True},
        },
    ],
    [["nginx_config", ""], {"left_out": {}}],
]


def test_nginx_installs_the_tools_of_selinux_before_it_uses_them(tmp_path: Path) -> None:
    off = [[["command", "getsebool"], {"rc": 0, "stdout": "httpd_can_network_connect --> off"}]]
    run = run_role("nginx", {**SYSTEMS["rocky"], "selinux": {"status": "enabled"}}, tmp_path, [*off, *NGINX])
    names = [args["name"] for args in run.args("package")]
    assert ["libselinux-utils", "policycoreutils"] in names, run.text
    tools = next(number for number, call in enumerate(run.calls) if "libselinux-utils" in str(call))
    used = next(number for number, call in enumerate(run.calls) if "getsebool" in str(call))
    assert tools < used
    assert run.args("command", "setsebool")


def test_nginx_needs_no_tools_of_selinux_where_it_is_off(tmp_path: Path) -> None:
    run = run_role("nginx", SYSTEMS["rocky"], tmp_path, NGINX)
    assert not run.args("command", "getsebool")
    assert run.args("package"), run.text
    assert not run.args("package", "libselinux-utils")
