# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions behind ``make``: each tests one thing in an environment of its own.

``nox --list`` shows them; ``nox -s unit`` runs one; what follows ``--`` goes to the tool that it runs. An environment is
installed once and used again until a requirement changes; ``make clean`` removes all.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests/tools"))
from checkout import BUILD, collections_dir, copy_tree  # noqa: E402


@dataclass(frozen=True)
class Core:
    """A series of ansible-core, and the interpreter that it is tested with."""

    series: str
    python: str
    requirement: str
    final: bool = True


CORES = (
    Core("2.19", "3.11", "ansible-core==2.19.*"),
    Core("2.20", "3.12", "ansible-core==2.20.*"),
    Core("2.21", "3.13", "ansible-core==2.21.*"),
    Core("2.22", "3.13", "ansible-core>=2.22.0rc1,<2.23.0.dev0", final=False),
)
#: Sanity is tested with it too, once an index has a pre-release of it.
DEVEL = Core("devel", "3.13", "ansible-core>=2.23.0.dev0", final=False)
#: The one whose integration targets run as modules too, which takes long. ``test_parity.py`` compares some tasks on each.
BOTH_DOORS = "2.20"

RUNTIME = ("-r", "meta/ee-requirements.txt")
EMULATOR = ("-r", "extensions/emulator/requirements.txt")
#: Releases and hashes of what is developed with, but for ansible-core, of which each session has its own. Sessions take it with
#: the variable LOCKED=1, and `nox -s lock` renews it.
LOCKED = "tests/tools/locked.txt"

#: The lines that hold the version of the collection.
VERSIONS = {"galaxy.yml": "version: {}", "plugins/module_utils/_api/transport.py": 'VERSION = "{}"'}

LICENCE = "# SPDX-FileCopyrightText: oCore collection contributors\n# SPDX-License-Identifier: GPL-3.0-or-later\n"
#: What the archive holds: what runs, what documents it, and what the platforms around Ansible read.
ARCHIVED = (
    *(
        "CHANGELOG.md",
        "CHANGELOG.rst",
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "REUSE.toml",
        "SECURITY.md",
    ),
    *("FILES.json", "MANIFEST.json", "LICENSES/", "changelogs/", "docs/"),
    *("extensions/audit/", "extensions/eda/", "extensions/emulator/", "extensions/execution_environment/"),
    *("meta/", "playbooks/", "plugins/", "roles/"),
)
#: What servers run with a Python of their own, 3.9 on Rocky 9; all else runs where the playbook does.
HOST_MODULES = ("nginx_*", "certbot_*", "docker_*")


def _find_interpreters() -> None:
    """Let nox find the interpreters that pyenv holds but does not put on the path."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    bins = sorted(str(path.parent) for path in versions.glob("3.*/bin/python3"))
    os.environ["PATH"] = os.pathsep.join([*reversed(bins), os.environ["PATH"]])


def _newest() -> Core:
    """Return the newest release of ansible-core for which this machine has the interpreter."""
    final = [core for core in CORES if core.final]
    return next((core for core in reversed(final) if shutil.which(f"python{core.python}")), final[-1])


_find_interpreters()
NEWEST = _newest()

nox.options.sessions = ["lint", "unit", "integration"]
nox.options.default_venv_backend = "uv|venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
# Interpreters are those of the machine: a missing one is a session that is skipped, and named.
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")


def _settings_of_pip(locked: bool = False) -> dict[str, str]:
    """Return pip's settings for a package index as the variables that uv reads, which knows no configuration of pip.

    :param locked: use one index only: files of the same name elsewhere may differ from those that are locked.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)=(.*)$", listed.stdout, re.MULTILINE)
    settings = {name: " ".join(str(ast.literal_eval(value)).split()) for name, value in sorted(found, reverse=True)}
    known = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
        "constraint": "UV_CONSTRAINT",
        "trusted-host": "UV_INSECURE_HOST",
    }
    if locked:
        known = {pip: uv for pip, uv in known.items() if pip not in ("extra-index-url", "find-links")}
    given = {uv: settings[pip] for pip, uv in known.items() if settings.get(pip) and not os.environ.get(uv)}
    # As pip does it: the best version of all indexes, not the first index that knows the name.
    return {**given, "UV_INDEX_STRATEGY": "unsafe-best-match"}


def _install(session: nox.Session, *requirements: str, lockable: bool = True) -> None:
    """Install into the environment of a session, unless it holds just these requirements.

    :param lockable: whether ``LOCKED=1`` decides about releases; not for a session that chooses them itself.
    """
    files = [ROOT / name for option, name in itertools.pairwise(requirements) if option == "-r"]
    said = "\n".join([*requirements, *(path.read_text(encoding="utf-8") for path in files)])
    digest = hashlib.sha256(f"{said}{os.environ.get('LOCKED')}".encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / ".requirements"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    locked = ("--constraint", LOCKED) if os.environ.get("LOCKED") and lockable else ()
    session.install(*requirements, *locked, env=_settings_of_pip(locked=bool(locked)))
    stamp.write_text(digest, encoding="utf-8")


def _collections(where: Path | None = None) -> dict[str, str]:
    """Return the variable that names the directory of the collection, of the checkout by default."""
    return {"ANSIBLE_COLLECTIONS_PATH": str(where or collections_dir())}


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, imports, dead code, licences, workflows and changelog fragments."""
    _install(session, "-r", "tests/tools/lint-requirements.txt")
    collections = str(collections_dir())
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy", "-p", "ansible_collections.ocore.cloud.plugins", env={"MYPYPATH": collections})
    session.run("lint-imports", "--no-logo", "--cache-dir", str(BUILD / "imports"), env={"PYTHONPATH": collections})
    session.run("vulture")
    session.run("yamllint", "--strict", ".")
    session.run("reuse", "lint", "--quiet")
    modules = [path for pattern in HOST_MODULES for path in (ROOT / "plugins/modules").glob(f"{pattern}.py")]
    host_side = ["plugins/module_utils/_host", *sorted(str(path.relative_to(ROOT)) for path in modules)]
    session.run("vermin", "--quiet", "--no-tips", "--target=3.9-", "--violations", *host_side)
    session.run("actionlint", *map(str, sorted((ROOT / ".github/workflows").glob("*.yml"))))
    session.run("zizmor", "--offline", "--quiet", ".github/workflows")
    session.run("antsibull-changelog", "lint")
    session.run("antsibull-changelog", "lint-changelog-yaml", "--strict", "changelogs/changelog.yaml")
    with session.chdir(copy_tree("lint")):
        session.run("ansible-lint", "--offline", "--strict", env=_collections(BUILD / "lint"))


@nox.session(python=NEWEST.python)
def docs(session: nox.Session) -> None:
    """Check the documentation and every reference in it, and build the site; any warning is an error."""
    _install(session, NEWEST.requirement, *RUNTIME, "-r", "docs/requirements.txt")
    with session.chdir(copy_tree("docs")):
        options = ("--plugin-docs", "--validate-collection-refs=self", "--check-extra-docs-refs")
        session.run("antsibull-docs", "lint-collection-docs", *options, ".", env=_collections(BUILD / "docs"))
    site = BUILD / "site"
    source = site / "rst"
    shutil.rmtree(site, ignore_errors=True)
    source.mkdir(mode=0o700, parents=True)
    options = ("--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(source))
    session.run("antsibull-docs", "collection", *options, "ocore.cloud", env=_collections())
    shutil.copy2(ROOT / "docs" / "index.rst", source / "index.rst")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-c", "docs", str(source), str(site / "html"))
    session.log(f"The site is in {site / 'html' / 'index.html'}")


def _unit(session: nox.Session, core: Core, *coverage: str) -> None:
    """Run the unit tests: all, or what the arguments choose."""
    _install(session, core.requirement, *RUNTIME, "-r", "tests/unit/requirements.txt", *EMULATOR)
    everything = ("-q", "-n", "auto", "--dist", "loadfile", *coverage)
    env = {**_collections(), "COVERAGE_FILE": str(BUILD / f"coverage-{core.series}")}
    session.run("pytest", *(session.posargs or everything), env=env)


def _integration(session: nox.Session, core: Core, *options: str) -> None:
    """Run integration targets: all, or those that the arguments name."""
    _install(session, core.requirement, "-r", "tests/integration/requirements.txt")
    session.run("python", "tests/tools/integration.py", "--core", core.series, *options, *session.posargs)


def _sanity(session: nox.Session, core: Core) -> None:
    """Run the sanity tests of ansible-test; there is no ignore file."""
    _install(session, core.requirement)
    _ansible_test(session, copy_tree(f"sanity-{core.series}"), "sanity", "--requirements")


def _ansible_test(session: nox.Session, where: Path, *args: str) -> None:
    """Run ansible-test in a copy of the checkout, with the interpreter of the session."""
    session.run("python", "tests/tools/ansible_test_pip.py", silent=True)
    env = {"PATH": f"{session.bin}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_FORCE_COLOR": "0"}
    with session.chdir(where):
        session.run("ansible-test", *args, "--local", "--python", str(session.python), *session.posargs, env=env)


@nox.session(python=NEWEST.python)
def unit(session: nox.Session) -> None:
    """Run the unit tests on the newest ansible-core, and measure their coverage."""
    _unit(session, NEWEST, "--cov", "--cov-report=term")


@nox.session(python=NEWEST.python)
def integration(session: nox.Session) -> None:
    """Run the integration targets on the newest ansible-core, inside the Ansible worker."""
    _integration(session, NEWEST)


@nox.session(python=NEWEST.python)
def sanity(session: nox.Session) -> None:
    """Run all sanity tests of the newest ansible-core."""
    _sanity(session, NEWEST)


@nox.session(python=NEWEST.python)
def ansible_units(session: nox.Session) -> None:
    """Run the unit tests as ansible-test does, in a tree of collections."""
    _install(
        session,
        NEWEST.requirement,
        *RUNTIME,
        "mock",
        "pytest-mock",
        "pyyaml",
        "-r",
        "tests/unit/requirements.txt",
        *EMULATOR,
    )
    _ansible_test(session, copy_tree("units"), "units")


def _for_each_core() -> None:
    """Define the sessions of the matrix, such as ``unit-2.19``; ``integration`` and ``sanity`` likewise."""

    def define(name: str, core: Core, doc: str, run: object) -> None:
        run.__doc__ = doc
        nox.session(run, name=f"{name}-{core.series}", python=core.python)

    for core in CORES:
        both = ("--door", "worker", "--door", "module") if core.series == BOTH_DOORS else ()
        where = f"on ansible-core {core.series}"
        how = "inside the worker and as modules" if both else "inside the worker"
        define("unit", core, f"Run the unit tests {where}.", lambda s, c=core: _unit(s, c))
        define(
            "integration", core, f"Run the targets {where}, {how}.", lambda s, c=core, o=both: _integration(s, c, *o)
        )
        define("sanity", core, f"Run all sanity tests {where}.", lambda s, c=core: _sanity(s, c))


_for_each_core()


@nox.session(name="unit-lowest", python=CORES[0].python)
def unit_lowest(session: nox.Session) -> None:
    """Run the unit tests of what imports libraries with the oldest releases of these that are supported."""
    oldest = re.sub(">=([0-9.]+)", r"==\1.*", (ROOT / RUNTIME[1]).read_text(encoding="utf-8"))
    _install(
        session,
        CORES[0].requirement,
        *[line for line in oldest.splitlines() if not line.startswith("#")],
        "urllib3==1.26.*",  # the oldest series that the oldest requests takes
        "-r",
        "tests/unit/requirements.txt",
        *EMULATOR,
        lockable=False,
    )
    paths = session.posargs or ("-m", "not programs", "tests/unit/plugins", "--ignore=tests/unit/plugins/modules")
    session.run("pytest", "-q", "-n", "auto", "--dist", "loadfile", *paths, env=_collections())


@nox.session(name="sanity-devel", python=DEVEL.python)
def sanity_devel(session: nox.Session) -> None:
    """Run all sanity tests of the coming ansible-core, where the index has a pre-release of it."""
    index = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(BUILD / "devel"),
            DEVEL.requirement,
        ],
        capture_output=True,
        check=False,
    )
    if index.returncode:
        session.skip(f"the package index has no {DEVEL.requirement}")
    _sanity(session, DEVEL)


@nox.session
def contract(session: nox.Session) -> None:
    """Check the OpenAPI document, and the emulator against it."""
    _install(session, *EMULATOR, "-r", "tests/contract/requirements.txt")
    session.run("pytest", "-q", "-p", "no:cacheprovider", "tests/contract", *session.posargs)


@nox.session(python=NEWEST.python)
def soak(session: nox.Session) -> None:
    """Run small campaigns: faults, wrong answers, secrets, variants and more against everything."""
    _campaigns(session)
    session.run("pytest", "-q", "-n", "2", *(session.posargs or ["tests/soak"]))


@nox.session(python=NEWEST.python)
def campaigns(session: nox.Session) -> None:
    """Run the campaigns at full size, which takes about an hour, or what the arguments choose."""
    _campaigns(session)
    session.run("python", "tests/soak", *session.posargs)


def _campaigns(session: nox.Session) -> None:
    _install(session, NEWEST.requirement, *RUNTIME, "-r", "tests/soak/requirements.txt", *EMULATOR)


@nox.session(python=NEWEST.python)
def render(session: nox.Session) -> None:
    """Render the nginx configuration for every combination and parse it."""
    _install(session, NEWEST.requirement, "-r", "tests/end_to_end/render/requirements.txt")
    session.run("pytest", "-q", *(session.posargs or ["tests/end_to_end/render"]), env=_collections())


@nox.session(python=NEWEST.python)
def examples(session: nox.Session) -> None:
    """Run the examples of guides, READMEs and plugin documentation against the emulator."""
    _install(session, NEWEST.requirement, *RUNTIME, "-r", "tests/end_to_end/examples/requirements.txt", *EMULATOR)
    session.run("pytest", "-q", "-n", "auto", *(session.posargs or ["tests/end_to_end/examples"]))


@nox.session(python=NEWEST.python)
def report(session: nox.Session) -> None:
    """Run the playbook of the fleet report, and look at the page in Chromium where it is installed."""
    _install(session, NEWEST.requirement, *RUNTIME, "-r", "tests/end_to_end/report/requirements.txt", *EMULATOR)
    session.run("pytest", "-q", *(session.posargs or ["tests/end_to_end/report"]), env=_collections())


@nox.session
def platform(session: nox.Session) -> None:
    """Run the collection in what AWX and event-driven Ansible run it in: ansible-runner, -navigator and -rulebook."""
    java = shutil.which("java")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr if java else ""
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < 17:
        session.error("ansible-rulebook needs Java 17 or newer. On Debian: apt-get install openjdk-17-jre-headless")
    _install(session, *RUNTIME, "-r", "tests/end_to_end/platform/requirements.txt", *EMULATOR)
    chosen = session.posargs or ["tests/end_to_end/platform"]
    session.run("pytest", "-q", "-n", "auto", "-m", "not docker", *chosen)


@nox.session(python=NEWEST.python)
def build(session: nox.Session) -> None:
    """Build the archive twice, import it as Galaxy does, install it, run what a user runs first, and try a release."""
    _install(session, NEWEST.requirement, "-r", "tests/tools/build-requirements.txt", *RUNTIME)
    out = BUILD / "archive"
    shutil.rmtree(out, ignore_errors=True)
    archive = _build(session, out)
    with tarfile.open(archive) as opened:
        strays = [entry.name for entry in opened if entry.isfile() and not entry.name.startswith(ARCHIVED)]
    if strays:
        session.error(f"Not meant for the archive (build_ignore in galaxy.yml keeps it out): {', '.join(strays)}")
    session.run("python", "tests/tools/sbom.py", str(archive))
    copy = copy_tree("release")
    _build_again(session, archive, copy)
    with session.chdir(copy):
        session.run("antsibull-changelog", "release", "--version", "999.0.0", silent=True, env=_collections())
    with session.chdir(out):
        _import(session, archive)
        _use(session, archive)


def _build(session: nox.Session, out: Path) -> Path:
    session.run("python", "tests/tools/archive.py", str(out), silent=True)
    return next(out.glob("ocore-cloud-*.tar.gz"))


def _build_again(session: nox.Session, archive: Path, copy: Path) -> None:
    """Build the archive of a copy, whose files have another order and other times; its bytes have to be the same."""
    time = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()
    out = archive.parent / "again"
    with session.chdir(copy):
        session.run("python", "tests/tools/archive.py", str(out), silent=True, env={"SOURCE_DATE_EPOCH": time})
    again = next(out.glob("ocore-cloud-*.tar.gz"))
    if again.read_bytes() != archive.read_bytes():
        session.error(f"Two builds of the same files differ: {archive} and {again}")
    shutil.rmtree(out)


def _import(session: nox.Session, archive: Path) -> None:
    """Import the archive as Galaxy does, without other collections; any complaint is an error."""
    command = ("python", "-m", "galaxy_importer.main", archive.name)
    said = str(session.run(*command, silent=True, stderr=subprocess.STDOUT))
    complaints = [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))]
    if complaints:
        session.error("\n".join(["The importer complains:", *complaints]))


def _use(session: nox.Session, archive: Path) -> None:
    """Install the archive, read the documentation of every plugin and check the syntax of every playbook."""
    env = _collections(archive.parent / "installed")
    install = ("ansible-galaxy", "collection", "install", "--offline", archive.name, "-p", "installed")
    session.run(*install, silent=True, env=env)
    installed = archive.parent.joinpath("installed/ansible_collections/ocore/cloud")
    # A file of filters holds several; each has a documentation file of its own.
    for kind, pattern in (("module", "modules/[!_]*.py"), ("inventory", "inventory/*.py"), ("filter", "filter/*.yml")):
        plugins = [f"ocore.cloud.{plugin.stem}" for plugin in sorted((installed / "plugins").glob(pattern))]
        session.run("ansible-doc", "-t", kind, *plugins, env=env, silent=True)
    playbooks = [f"ocore.cloud.{playbook.stem}" for playbook in sorted((installed / "playbooks").glob("*.yml"))]
    session.run("ansible-playbook", "--syntax-check", *playbooks, env=env, silent=True)


@nox.session(python=NEWEST.python)
def release(session: nox.Session) -> None:
    """Give the collection a version and write its changelog: nox -s release -- 0.2.0."""
    if len(session.posargs) != 1:
        session.error("Say which version: nox -s release -- 0.2.0")
    _install(session, NEWEST.requirement, "-r", "tests/tools/build-requirements.txt", *RUNTIME)
    version = session.posargs[0]
    for name, line in VERSIONS.items():
        path = ROOT / name
        text, count = re.subn(
            f"^{line.format('.*')}$", line.format(version), path.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        if count != 1:
            session.error(f"{name} has {count} lines with a version")
        path.write_text(text, encoding="utf-8")
    with session.chdir(collections_dir() / "ansible_collections/ocore/cloud"):
        session.run("antsibull-changelog", "release", "--version", version, env=_collections())


@nox.session
def lock(session: nox.Session) -> None:
    """Renew the lock of what is developed with: the newest releases, with their hashes."""
    _install(session, "uv>=0.8")
    files = sorted(
        str(path) for top in ("docs", "extensions", "meta", "tests") for path in Path(top).rglob("*requirements.txt")
    )
    quiet = ("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    without = [option for name in ("ansible-core", "ansible") for option in ("--no-emit-package", name)]
    command = (
        "uv",
        "pip",
        "compile",
        "--universal",
        "--python-version",
        CORES[0].python,
        "--generate-hashes",
        "--upgrade",
    )
    session.run(*command, *quiet, *without, *files, "--output-file", LOCKED, env=_settings_of_pip(locked=True))
    path = ROOT / LOCKED
    path.write_text(f"{LICENCE}{path.read_text(encoding='utf-8')}", encoding="utf-8")


@nox.session(python=NEWEST.python)
def bench(session: nox.Session) -> None:
    """Measure this collection beside others; no verdict, but figures."""
    _install(session, NEWEST.requirement, "-r", "tests/bench/requirements.txt")
    session.run("python", "tests/bench", *session.posargs)


@nox.session
def roles(session: nox.Session) -> None:
    """Run the roles on real hosts: systemd in containers, Docker, nginx, certbot and an ACME server."""
    _install(session, *RUNTIME, "-r", "extensions/molecule/requirements.txt", *EMULATOR)
    session.run("python", "extensions/molecule/run", *session.posargs)


@nox.session
def soak_hosts(session: nox.Session) -> None:
    """Kill runs of the host roles at each task, and break the host under them: what was served stays served."""
    _install(session, *RUNTIME, "-r", "extensions/molecule/requirements.txt", *EMULATOR)
    session.run("python", "-u", "extensions/molecule/campaign", *session.posargs)


@nox.session
def execution_environment(session: nox.Session) -> None:
    """Build the execution environment on a base image made here, and run an inventory and a playbook in it."""
    _install(session, "pytest", "ansible-core>=2.19", "ansible-builder>=3.1", *EMULATOR)
    chosen = session.posargs or ["tests/end_to_end/platform/test_execution_environment.py"]
    session.run("pytest", "-q", "-m", "docker", *chosen)
