# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``make test`` and ``make test-roles`` run, each session in an environment of its own.

``nox --list`` shows the sessions; ``nox -s lint`` runs one; everything after ``--`` goes to the tool that it runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests/tools"))
from checkout import collections_dir  # noqa: E402

BUILD = ROOT / ".build"

#: The interpreters and the ansible-core that each is tested with: the oldest supported, and one for every release since.
MATRIX = [
    nox.param("3.11", "2.19", id="core-2.19"),
    nox.param("3.12", "2.20", id="core-2.20"),
    nox.param("3.13", "2.21", id="core-2.21"),
    nox.param("3.13", "2.22", id="core-2.22"),
]
#: What the archive holds: what runs, what documents it, and what the platforms around Ansible read.
ARCHIVED = (
    *("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md", "REUSE.toml", "SECURITY.md"),
    *("FILES.json", "MANIFEST.json", "LICENSES/", "changelogs/", "docs/"),
    *(
        "extensions/audit/",
        "extensions/awx/credential_type/",
        "extensions/awx/surveys/",
        "extensions/eda/",
        "extensions/emulator/",
    ),
    *("extensions/execution_environment/", "meta/", "playbooks/", "plugins/", "roles/"),
)
PRE_RELEASES = {"2.22": "2.22.0rc1"}
RUNTIME = ["-r", "meta/ee-requirements.txt"]

#: What servers run with a Python of their own, 3.9 on Rocky 9; all else runs where the playbook does.
HOST_SIDE = [
    "plugins/modules/certbot_certificates.py",
    "plugins/modules/docker_daemon_config.py",
    "plugins/modules/nginx_config.py",
    "plugins/modules/nginx_info.py",
    "plugins/module_utils/_host",
]

nox.options.sessions = [
    "lint",
    "docs_lint",
    "docs",
    "sanity",
    "contract",
    "render",
    "examples",
    "tests",
    "report",
    "platform",
    "build",
]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False


def _find_interpreters() -> None:
    """Let nox find the interpreters that pyenv holds but does not put on the path."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    bins = sorted(str(path.parent) for path in versions.glob("3.*/bin/python3"))
    os.environ["PATH"] = os.pathsep.join([*reversed(bins), os.environ["PATH"]])


_find_interpreters()


def _core(core: str) -> list[str]:
    """Give the requirement for the newest release of an ansible-core series."""
    if core in PRE_RELEASES:
        return ["--pre", f"ansible-core>={PRE_RELEASES[core]},<{core}.999"]
    return [f"ansible-core=={core}.*"]


def _tracked() -> list[str]:
    """Give the files of the checkout that git tracks or would track."""
    listed = subprocess.check_output(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], text=True
    )
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _tree(name: str) -> Path:
    """Copy the checkout to where ansible-test and the importers want it; give the collection's directory."""
    target = BUILD / name / "ansible_collections" / "ocore" / "cloud"
    shutil.rmtree(target, ignore_errors=True)
    for path in _tracked():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path)
    # A repository of its own: inside the ignored .build the tools would find no file, and say that all is well.
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", "-C", str(target), *command], check=True)
    return target


def _ansible_test(session: nox.Session, where: Path, *args: str) -> None:
    """Run ansible-test in a copy of the checkout, with the interpreter of the session."""
    session.run("python", str(ROOT / "tests/tools/ansible_test_pip.py"), silent=True)
    version = session.run("python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])", silent=True)
    with session.chdir(where):
        session.run(
            "ansible-test",
            *args,
            "--local",
            "--python",
            str(version).strip(),
            env={"PATH": f"{session.bin}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_FORCE_COLOR": "0"},
        )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, licences and changelog fragments."""
    session.install("-r", "tests/tools/lint-requirements.txt")
    collections = str(collections_dir())
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy", "-p", "ansible_collections.ocore.cloud.plugins", env={"MYPYPATH": collections})
    session.run("yamllint", "--strict", ".")
    session.run("reuse", "lint", "--quiet")
    session.run("vermin", "--quiet", "--no-tips", "--target=3.9-", "--violations", *HOST_SIDE)
    session.run("actionlint", *map(str, sorted((ROOT / ".github/workflows").glob("*.yml"))))
    session.run("zizmor", "--offline", "--quiet", ".github/workflows")
    session.run("antsibull-changelog", "lint")
    session.run("antsibull-changelog", "lint-changelog-yaml", "--strict", "changelogs/changelog.yaml")
    with session.chdir(_tree("lint")):
        session.run("ansible-lint", "--offline", "--strict", env={"ANSIBLE_COLLECTIONS_PATH": str(BUILD / "lint")})


@nox.session
def docs_lint(session: nox.Session) -> None:
    """Check the documentation of plugins and roles, and every reference in it."""
    session.install("antsibull-docs>=2.28", "ansible-core>=2.19", *RUNTIME)
    with session.chdir(_tree("docs")):
        session.run(
            "antsibull-docs",
            "lint-collection-docs",
            "--plugin-docs",
            "--validate-collection-refs=self",
            "--check-extra-docs-refs",
            ".",
            env={"ANSIBLE_COLLECTIONS_PATH": str(BUILD / "docs")},
        )


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site; any warning is an error."""
    session.install("-r", "docs/requirements.txt", *RUNTIME)
    source = BUILD / "site" / "rst"
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    source.mkdir(mode=0o700, parents=True)
    session.run(
        "antsibull-docs",
        "collection",
        "--use-current",
        "--squash-hierarchy",
        "--fail-on-error",
        "--dest-dir",
        str(source),
        "ocore.cloud",
        env={"ANSIBLE_COLLECTIONS_PATH": str(collections_dir())},
    )
    shutil.copy2(ROOT / "docs" / "index.rst", source / "index.rst")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-c", "docs", str(source), str(BUILD / "site" / "html"))
    session.log(f"The site is in {BUILD / 'site' / 'html' / 'index.html'}")


@nox.session
@nox.parametrize("python,core", [MATRIX[0], MATRIX[2]])
def sanity(session: nox.Session, core: str) -> None:
    """Run all sanity tests of ansible-test; there is no ignore file."""
    session.install(*_core(core))
    _ansible_test(session, _tree(f"sanity-{core}"), "sanity", "--requirements", *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """Check the OpenAPI document, and the emulator against it."""
    session.install("pytest", "-r", "extensions/emulator/requirements.txt", "-r", "tests/contract/requirements.txt")
    session.run("pytest", "-q", "-p", "no:cacheprovider", "tests/contract", *session.posargs)


@nox.session
def render(session: nox.Session) -> None:
    """Render the nginx configuration for every combination and parse it."""
    session.install("pytest", "ansible-core>=2.19", "-r", "tests/end_to_end/render/requirements.txt")
    session.run(
        "pytest",
        "-q",
        "tests/end_to_end/render",
        *session.posargs,
        env={"ANSIBLE_COLLECTIONS_PATH": str(collections_dir())},
    )


@nox.session
def examples(session: nox.Session) -> None:
    """Run the examples of guides, READMEs and plugin documentation against the emulator."""
    session.install(
        "ansible-core>=2.19",
        *RUNTIME,
        "-r",
        "tests/end_to_end/examples/requirements.txt",
        "-r",
        "extensions/emulator/requirements.txt",
    )
    session.run("pytest", "-q", "-n", "auto", "tests/end_to_end/examples", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """Run the playbook of the fleet report, and look at the page in Chromium where it is installed."""
    session.install(
        "ansible-core>=2.19",
        *RUNTIME,
        "-r",
        "tests/end_to_end/report/requirements.txt",
        "-r",
        "extensions/emulator/requirements.txt",
    )
    session.run(
        "pytest",
        "-q",
        "tests/end_to_end/report",
        *session.posargs,
        env={"ANSIBLE_COLLECTIONS_PATH": str(collections_dir())},
    )


@nox.session
@nox.parametrize("python,core", MATRIX)
def tests(session: nox.Session, core: str) -> None:
    """Run the unit tests and the integration targets with one interpreter and one ansible-core.

    The targets run inside the Ansible worker, and with one ansible-core as modules too, which takes longer. What each task
    gave is compared then; ``test_parity.py`` compares some with every ansible-core.
    """
    session.install(
        *_core(core), *RUNTIME, "-r", "tests/unit/requirements.txt", "-r", "extensions/emulator/requirements.txt"
    )
    env = {"ANSIBLE_COLLECTIONS_PATH": str(collections_dir()), "COVERAGE_FILE": str(BUILD / f"coverage-{core}")}
    if session.posargs:
        session.run("pytest", *session.posargs, env=env)
    else:
        session.run("pytest", "-q", "-n", "auto", "--dist", "loadfile", "--cov", "--cov-report=term", env=env)
        tree = _tree(f"integration-{core}")
        records = []
        for in_process in ("true", "false") if core == "2.21" else ("true",):
            records.append(BUILD / f"results-{core}-in-process-{in_process}.jsonl")
            records[-1].unlink(missing_ok=True)
            config = tree / "tests/integration/integration_config.yml"
            config.write_text(f"---\nocore_in_process: {in_process}\nsetup_emulator_record: {records[-1]}\n", "utf-8")
            _ansible_test(session, tree, "integration")
        if len(records) > 1:
            session.run("python", "tests/tools/same_results.py", *map(str, records))


@nox.session
def platform(session: nox.Session) -> None:
    """Run the collection in what AWX and event-driven Ansible run it in: ansible-runner, -navigator and -rulebook."""
    java = shutil.which("java")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr if java else ""
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < 17:
        session.error("ansible-rulebook needs Java 17 or newer. On Debian: apt-get install openjdk-17-jre-headless")
    session.install(
        *RUNTIME, "-r", "tests/end_to_end/platform/requirements.txt", "-r", "extensions/emulator/requirements.txt"
    )
    session.run("pytest", "-q", "-n", "auto", "-m", "not docker", *(session.posargs or ["tests/end_to_end/platform"]))


@nox.session
def build(session: nox.Session) -> None:
    """Build the archive, import it as Galaxy does, install it and run what a user runs first."""
    # The package ansible brings the collections that playbooks and roles use, which the importer's linter looks up.
    session.install("ansible>=12,<13", "galaxy-importer>=0.4.30", *RUNTIME)
    out = BUILD / "archive"
    shutil.rmtree(out, ignore_errors=True)
    session.run("ansible-galaxy", "collection", "build", "--output-path", str(out), silent=True)
    archive = next(out.glob("ocore-cloud-*.tar.gz"))
    with tarfile.open(archive) as opened:
        strays = [entry.name for entry in opened if entry.isfile() and not entry.name.startswith(ARCHIVED)]
    if strays:
        session.error(f"Not meant for the archive (build_ignore in galaxy.yml keeps it out): {', '.join(strays)}")
    env = {"ANSIBLE_COLLECTIONS_PATH": str(out / "installed")}
    with session.chdir(out):
        session.run(
            "ansible-galaxy", "collection", "install", "--offline", archive.name, "-p", "installed", silent=True
        )
        said = str(
            session.run(
                "python", "-m", "galaxy_importer.main", archive.name, silent=True, stderr=subprocess.STDOUT, env=env
            )
        )
        complaints = [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))]
        if complaints:
            session.error("\n".join(["The importer complains:", *complaints]))
        installed = out / "installed/ansible_collections/ocore/cloud"
        # A file of filters holds several; each has a documentation file of its own.
        kinds = (("module", "modules/[!_]*.py"), ("inventory", "inventory/*.py"), ("filter", "filter/*.yml"))
        for kind, pattern in kinds:
            for plugin in sorted((installed / "plugins").glob(pattern)):
                session.run("ansible-doc", "-t", kind, f"ocore.cloud.{plugin.stem}", env=env, silent=True)
        for playbook in sorted((installed / "playbooks").glob("*.yml")):
            session.run("ansible-playbook", "--syntax-check", f"ocore.cloud.{playbook.stem}", env=env, silent=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this collection beside others; no verdict, but figures."""
    session.install("-r", "tests/bench/requirements.txt")
    session.run("python", "tests/bench", *session.posargs)


@nox.session
def roles(session: nox.Session) -> None:
    """Run the roles on real hosts: systemd in containers, Docker, nginx, certbot and an ACME server."""
    session.install(
        *RUNTIME, "-r", "extensions/molecule/requirements.txt", "-r", "extensions/emulator/requirements.txt"
    )
    session.run("python", "extensions/molecule/run", *session.posargs)


@nox.session
def execution_environment(session: nox.Session) -> None:
    """Build the execution environment on a base image made here, and run an inventory and a playbook in it."""
    session.install(
        "pytest", "ansible-core>=2.19", "ansible-builder>=3.1", "-r", "extensions/emulator/requirements.txt"
    )
    session.run(
        "pytest",
        "-q",
        "-m",
        "docker",
        *(session.posargs or ["tests/end_to_end/platform/test_execution_environment.py"]),
    )
