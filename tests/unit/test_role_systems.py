# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host roles on systems that no test host runs: which tasks they select, and what these would do.

Ansible runs the real tasks of a role with facts as such a system gives them. In place of each module that would look at a
host or change it, an action plugin records its name and arguments and gives the answer that the case prepares. All cases are
hosts of one play, since a process of Ansible for each costs more than what it runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ocore.cloud.plugins.plugin_utils._systems import SUPPORTED, system_problem
from ansible_collections.ocore.cloud.tests.unit.helpers.playbooks import HostRun, Playbooks, by_host

pytestmark = pytest.mark.programs

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
        host = self._task.args.get("host", task_vars["inventory_hostname"])
        with open(f"{host}.record", "a") as file:
            file.write(json.dumps([module, args], default=str) + "\\n")
        said = json.dumps(args, default=str)
        for (name, part), answer in json.load(open(f"{host}.answers")):
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
class Run(HostRun):
    calls: list[tuple[str, Any]]

    def args(self, module: str, part: str = "") -> list[Any]:
        return [args for name, args in self.calls if name == module and part in json.dumps(args)]


@dataclass(frozen=True)
class Case:
    role: str
    system: dict[str, Any]
    answers: Any
    variables: dict[str, Any]


CASES: dict[str, Case] = {}


def declare(host: str, role: str, system: dict[str, Any], answers: Any = (), **variables: Any) -> None:
    """Add a host to the play: it has these facts and variables, and runs this role.

    :param answers: ``((module, text in its arguments), result)``; the first that fits answers.
    """
    assert host not in CASES
    CASES[host] = Case(role, system, answers, variables)


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


def write_role(role: str, where: Path) -> None:
    """Copy a role of this collection, with the recorder in place of the modules."""
    for path in (ROOT / "roles" / role).rglob("*"):
        target = where / "roles" / role / path.relative_to(ROOT / "roles" / role)
        if path.is_file() and "meta" not in path.parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text()
            if "tasks" in path.parts or "handlers" in path.parts:
                text = yaml.safe_dump(stand_in(yaml.safe_load(text)), sort_keys=False)
            target.write_text(text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, playbooks: Playbooks) -> Mapping[str, Run]:
    """Run the roles of all cases in one play; return what each did on its host."""
    where = tmp_path_factory.mktemp("role_systems")
    for role in {case.role for case in CASES.values()}:
        write_role(role, where)
    (where / "action_plugins").mkdir()
    (where / "action_plugins" / "record.py").write_text(RECORDER)
    hosts = {}
    for host, case in CASES.items():
        hosts[host] = {"role_of_case": case.role, **case.variables}
        answers = [[["setup", ""], {"ansible_facts": case.system}], *case.answers]
        (where / f"{host}.answers").write_text(json.dumps(answers))
    (where / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    # A loop on one host costs one process, not one for each host.
    seen = {
        "name": "Use the recorded facts",
        "record": {"module": "setup", "args": {}, "host": "{{ item }}"},
        "loop": "{{ groups.all }}",
        "run_once": True,
        "delegate_to": "{{ item }}",
        "delegate_facts": True,
    }
    tasks = [seen, {"name": "Run the role", "ansible.builtin.include_role": {"name": "{{ role_of_case }}"}}]
    play = {"hosts": "all", "connection": "local", "gather_facts": False, "tasks": tasks}
    (where / "play.yml").write_text(yaml.safe_dump([play]))
    return {
        host: Run(
            run.code,
            run.text,
            [tuple(json.loads(line)) for line in (where / f"{host}.record").read_text().splitlines()],
        )
        for host, run in by_host(playbooks.run("-i", "hosts.yml", "play.yml", cwd=where), list(CASES)).items()
    }


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


ROLES = ("docker", "nginx", "certbot")
for each in ROLES:
    declare(f"{each}-raspbian", each, UNSUPPORTED["Raspbian 12"])


@pytest.mark.parametrize("role", ROLES)
def test_unsupported_system_is_refused_by_each_role_before_anything_else(role: str, runs: Mapping[str, Run]) -> None:
    run = runs[f"{role}-raspbian"]
    assert run.code == 2
    assert f"{role}-raspbian is Raspbian 12, which the host roles do not support" in run.said
    assert {module for module, _args in run.calls} == {"setup"}


REPOSITORIES = {
    "rocky": "centos/9",
    "almalinux": "centos/10",
    "centos": "centos/9",
    "oracle": "centos/9",
    "rhel": "centos/9",
    "fedora": "fedora/43",
}
for each in REPOSITORIES:
    declare(f"docker-{each}", "docker", SYSTEMS[each], docker_answers(**{"podman-docker": "5.6", "bash": "5.2"}))


@pytest.mark.parametrize(("system", "path"), REPOSITORIES.items())
def test_docker_repository_of_the_red_hat_family(system: str, path: str, runs: Mapping[str, Run]) -> None:
    run = runs[f"docker-{system}"]
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


NEEDED = "error: Failed dependencies:\n\trunc >= 1.0 is needed by (installed) podman-5.6.0-2.el9.x86_64\n"
declare(
    "docker-needed",
    "docker",
    SYSTEMS["rocky"],
    [[["command", "rpm"], {"rc": 1, "stdout": "", "stderr": NEEDED}], *docker_answers(runc="1.2")],
)


def test_docker_removes_nothing_that_other_packages_need_on_the_red_hat_family(runs: Mapping[str, Run]) -> None:
    run = runs["docker-needed"]
    assert run.code == 2
    assert "replace runc on docker-needed, and these packages need them: podman-5.6.0-2.el9.x86_64." in run.said
    assert not run.args("dnf")
    assert not run.args("yum_repository")


declare("docker-amazon-upstream", "docker", SYSTEMS["amazon"], docker_answers())
declare("docker-amazon", "docker", SYSTEMS["amazon"], docker_answers(runc="1.2"), docker_source="distribution")


def test_docker_on_amazon_linux_is_the_distributions(runs: Mapping[str, Run]) -> None:
    run = runs["docker-amazon-upstream"]
    assert run.code == 2
    assert "There are no Docker packages by Docker for Amazon" in run.said
    assert "Set docker_source: distribution" in run.said
    run = runs["docker-amazon"]
    assert run.code == 0, run.text
    (installed,) = run.args("dnf")
    assert installed["name"] == ["docker"]
    assert not run.args("yum_repository")


declare("docker-rocky-distribution", "docker", SYSTEMS["rocky"], docker_answers(), docker_source="distribution")


def test_docker_on_rocky_has_no_packages_of_the_distribution(runs: Mapping[str, Run]) -> None:
    run = runs["docker-rocky-distribution"]
    assert "There are no Docker packages of Rocky" in run.said
    assert "Set docker_source: upstream" in run.said


POLICY = [[["command", "apt-cache"], {"rc": 0, "stdout": "  Candidate: 28.2.2-0ubuntu1~24.04.1\n"}]]
for each in ("ubuntu", "jammy"):
    declare(f"docker-{each}", "docker", SYSTEMS[each], [*POLICY, *docker_answers()], docker_source="distribution")


@pytest.mark.parametrize(
    ("system", "packages"),
    [("ubuntu", ["docker.io", "docker-compose-v2"]), ("jammy", ["docker.io", "docker-compose-v2"])],
)
def test_docker_packages_of_ubuntu(system: str, packages: list[str], runs: Mapping[str, Run]) -> None:
    run = runs[f"docker-{system}"]
    assert run.code == 0, run.text
    assert [args["name"] for args in run.args("apt", "docker.io")] == [packages]


CERTBOT = [
    [["command", "systemctl"], {"rc": 0, "stdout": "Sat 2026-11-28"}],
    [["certbot_certificates", ""], {"certificates": []}],
]


ADVICE = {
    "rocky": "package epel-release",
    "almalinux": "package epel-release",
    "rhel": "Getting started with EPEL",
    "oracle": "package oracle-epel-release-el9",
    "amazon": "EPEL does not support Amazon Linux",
}
for each in ADVICE:
    declare(f"certbot-missing-{each}", "certbot", SYSTEMS[each], [[["command", "rpm"], {"rc": 1}], *CERTBOT])


@pytest.mark.parametrize(("system", "advice"), ADVICE.items())
def test_certbot_without_epel_is_refused_before_it_is_installed(
    system: str, advice: str, runs: Mapping[str, Run]
) -> None:
    run = runs[f"certbot-missing-{system}"]
    assert run.code == 2
    assert f"No enabled repository of certbot-missing-{system}" in run.said
    assert advice in run.said
    assert not run.args("package")


OFFERED = [
    [["command", "rpm"], {"rc": 1}],
    [["command", "repoquery"], {"rc": 0, "stdout": "certbot-0:4.0.0-1.noarch"}],
]
for each in ("rocky", "fedora"):
    declare(f"certbot-offered-{each}", "certbot", SYSTEMS[each], [*OFFERED, *CERTBOT])


@pytest.mark.parametrize("system", ["rocky", "fedora"])
def test_certbot_from_a_repository_that_offers_it(system: str, runs: Mapping[str, Run]) -> None:
    run = runs[f"certbot-offered-{system}"]
    assert run.code == 0, run.text
    assert run.args("package")[0]["name"] == ["certbot"]
    assert run.args("systemd_service", "certbot-renew.timer")


declare("certbot-installed", "certbot", SYSTEMS["rocky"], CERTBOT)


def test_certbot_that_is_installed_needs_no_repository(runs: Mapping[str, Run]) -> None:
    run = runs["certbot-installed"]
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


OFF = [[["command", "getsebool"], {"rc": 0, "stdout": "httpd_can_network_connect --> off"}]]
declare("nginx-selinux", "nginx", {**SYSTEMS["rocky"], "selinux": {"status": "enabled"}}, [*OFF, *NGINX])
declare("nginx-no-selinux", "nginx", SYSTEMS["rocky"], NGINX)


def test_nginx_installs_the_tools_of_selinux_before_it_uses_them(runs: Mapping[str, Run]) -> None:
    run = runs["nginx-selinux"]
    names = [args["name"] for args in run.args("package")]
    assert ["libselinux-utils", "policycoreutils"] in names, run.text
    tools = next(number for number, call in enumerate(run.calls) if "libselinux-utils" in str(call))
    used = next(number for number, call in enumerate(run.calls) if "getsebool" in str(call))
    assert tools < used
    assert run.args("command", "setsebool")


def test_nginx_needs_no_tools_of_selinux_where_it_is_off(runs: Mapping[str, Run]) -> None:
    run = runs["nginx-no-selinux"]
    assert not run.args("command", "getsebool")
    assert run.args("package"), run.text
    assert not run.args("package", "libselinux-utils")
