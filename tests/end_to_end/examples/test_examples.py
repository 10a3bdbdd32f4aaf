# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example of guides, READMEs and plugin documentation is run against the emulator, or checked where it can't be.

What an example is shows in its form: a list of plays or tasks, an inventory, a file of a fleet, a rulebook, variables,
commands. A new form fails here until it is known.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import VARIABLES, World
from extract import ROOT, Example, examples

EXAMPLES = examples()
YAML = [example for example in EXAMPLES if example.language == "yaml"]
CONSOLE = [example for example in EXAMPLES if example.language == "console"]

#: Modules that work on a server. Their tasks are parsed, and their options looked up.
HOST_MODULES = {
    "ocore.cloud.certbot_certificates": "orders certificates; make test-roles runs it",
    "ocore.cloud.docker_daemon_config": "restarts the Docker daemon; make test-roles runs it",
    "ocore.cloud.nginx_config": "replaces the configuration of nginx; make test-roles runs it",
    "ocore.cloud.nginx_users": "writes files of nginx; make test-roles runs it",
}
HOST_ROLES = "provisions servers; make test-roles runs its roles"

#: Commands that are not run, with the reason. The files, variables and targets that they name are looked up.
COMMANDS = {
    r"ansible-galaxy collection install (ocore\.cloud|awx\.awx)\b": "needs Galaxy",
    r"ansible-galaxy collection (install \.$|build$|install ocore-cloud-)": "the session build builds and installs the archive",
    r"pip install ": "needs a package index; the requirements are compared with those of the collection",
    r"git clone |cd ": "needs the repository of the collection",
    r"ansible-builder build -f decision-environment\.yml ": "needs a container engine; the session platform creates its context",
    r"ansible-builder build |docker push ": "needs a container engine; make test-roles builds this definition",
    r"ansible-rulebook --rulebook ocore\.cloud\.restart_failed ": "needs Java; the session platform runs this rulebook",
    r"ansible-playbook ocore\.cloud\.awx_setup ": "needs AWX; the session platform runs it against a stand-in",
    r"jq .* /var/log/nginx/": "reads a log of a server; make test-roles reads such a log",
    r"ansible-playbook (-i \S+ )?ocore\.cloud\.provision_host\b": HOST_ROLES,
    r"make [a-z-]+": "is a run of tests of its own",
    r"\.venv/bin/nox ": "is a run of tests of its own",
}

Report = Callable[[str, object], None]


def parametrized(found: Iterable[Example]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [pytest.param(example, id=str(example)) for example in found])


def succeeds(done: subprocess.CompletedProcess[str], example: Example | str) -> str:
    """Give the output of a command that must have succeeded, without a warning."""
    assert done.returncode == 0, f"{example}\n{done.stdout}"
    assert "[WARNING]" not in done.stdout, f"{example}\n{done.stdout}"
    assert "[DEPRECATION" not in done.stdout, f"{example}\n{done.stdout}"
    return done.stdout


def form(data: Any) -> str:
    """Say what YAML is, by its shape."""
    if isinstance(data, dict):
        if "plugin" in data:
            return "inventory"
        if "instances" in data:
            return "fleet"
        if any(isinstance(value, dict) and "hosts" in value for value in data.values()):
            return "servers"
        return "variables"
    if all(isinstance(entry, dict) for entry in data):
        if all("rules" in entry for entry in data):
            return "rulebook"
        if all("hosts" in entry or "ansible.builtin.import_playbook" in entry for entry in data):
            return "plays"
        if all(any("." in key for key in entry) for entry in data):
            return "tasks"
    return "result"


@parametrized(YAML)
def test_yaml(example: Example, world: World, record_property: Report) -> None:
    world.prepare(example.source)
    for earlier in EXAMPLES:
        if earlier.source == example.source and earlier.line < example.line and earlier.filename:
            world.save(earlier)
    reason = FORMS[form(example.data)](example, world)
    if reason:
        record_property("checked", f"{example}: {reason}")


# --- plays and tasks


def run_plays(example: Example, world: World) -> str | None:
    path = world.save(example)
    if touches_servers(example.data):
        servers = {play["hosts"]: {"hosts": {"server1.example.com": None}} for play in example.data}
        inventory = world.write("servers.yml", json.dumps(servers))
        succeeds(world.run("ansible-playbook", "--syntax-check", "-i", inventory, path), example)
        check_options(example)
        return HOST_ROLES
    done = world.run(
        "ansible-playbook", "-i", "world.ocore.yml", path, "-e", json.dumps(VARIABLES | redirected(world, example))
    )
    did_something(succeeds(done, example), example)
    return None


def run_tasks(example: Example, world: World) -> str | None:
    tasks = world.save(example)
    # What a play could not know is set here, and how fast to look: the emulator needs no two seconds.
    pace = {"wait_interval": 0.1}
    play = {
        "name": "Run an example",
        "hosts": "aarhus-bakery-1",
        "gather_facts": False,
        "module_defaults": {
            f"ocore.cloud.{name}": pace for name in ("ocore_instance", "ocore_instance_control", "ocore_fleet")
        },
        "tasks": [{"name": "Run it", "ansible.builtin.import_tasks": tasks.name}],
    }
    wrapper = world.write("wrapper.yml", json.dumps([play]))
    world.write(
        "fleet.yml",
        json.dumps({"instances": [{"slug": "shop-north"}, {"slug": "shop-trial"}, {"slug": "aarhus-bakery-1"}]}),
    )
    world.write("ticket.md.j2", "{{ report.headline }}\n")
    command = ["ansible-playbook", "-i", "world.ocore.yml", str(wrapper), "-e", json.dumps(VARIABLES)]
    reasons = {HOST_MODULES[key] for task in example.data for key in task if key in HOST_MODULES}
    if reasons:
        succeeds(world.run(*command, "--syntax-check"), example)
        check_options(example)
        return ", ".join(sorted(reasons))
    did_something(succeeds(world.run(*command), example), example)
    return None


def did_something(output: str, example: Example) -> None:
    """An example that matches no host, or skips everything, shows nothing."""
    assert "no hosts matched" not in output, f"{example}\n{output}"
    assert "PLAY RECAP" in output, f"{example}\n{output}"
    if any(play.get("tasks") or play.get("roles") for play in example.data if "hosts" in play):
        assert re.search(r"ok=[1-9]", output), f"{example}\n{output}"


def redirected(world: World, example: Example) -> dict[str, str]:
    """Give directories for those that an example writes to and that need root."""
    if "fleet_report_directory: /" in example.text:
        return {"fleet_report_directory": str(world.where / "report")}
    return {}


def touches_servers(plays: list[dict[str, Any]]) -> bool:
    return any(play.get("become") for play in plays)


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Give every mapping in a structure."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def role_options() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        found |= set(yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"])
    return found


def check_options(example: Example) -> None:
    """Look up the options of modules and the variables of roles that an example uses."""
    prefixes = tuple(f"{path.name}_" for path in (ROOT / "roles").iterdir())
    known = role_options()
    for mapping in walk(example.data):
        for key, value in mapping.items():
            if isinstance(key, str) and key.startswith(prefixes) and key not in REGISTERED:
                assert key in known, f"{example}: no role has the variable {key}"
            module = ROOT / f"plugins/modules/{str(key).removeprefix('ocore.cloud.')}.py"
            if str(key).startswith("ocore.cloud.") and isinstance(value, dict) and module.exists():
                documented = module.read_text(encoding="utf-8")
                for option in value:
                    assert re.search(rf"^  {option}:$", documented, re.MULTILINE) or option in CONNECTION, (
                        f"{example}: {key} has no option {option}"
                    )


#: Looks like a variable of a role, and is one of a server: which one it is in oCore.
REGISTERED = {"odoo_host_server_id"}
CONNECTION = {"organization", "api_url", "api_token", "id", "slug", "name", "wait_timeout"}


# --- files


def run_inventory(example: Example, world: World) -> str | None:
    path = world.save(example, "example.ocore.yml")
    listed = json.loads(succeeds(world.run("ansible-inventory", "-i", path, *VAULT, "--list"), example))
    everybody = "ocore_servers" if example.data.get("hosts") == "servers" else "ocore"
    assert listed.get(example.data.get("group", everybody), {}).get("hosts"), f"{example}: the inventory is empty"
    for group in [
        *example.data.get("groups", {}),
        *[entry["prefix"] for entry in example.data.get("keyed_groups", [])],
    ]:
        assert group in EMPTY_GROUPS or any(name.startswith(group) for name in listed), f"{example}: no group {group}"
    return None


VAULT = ("--vault-password-file", "home/.vault-password")

#: Groups that nothing in the emulator belongs to.
EMPTY_GROUPS = {"outdated", "has_staging_name", "expiring", "needs_attention", "slow"}


def run_fleet(example: Example, world: World) -> str | None:
    path = world.save(example, "fleet.yml")
    done = world.run("ansible-playbook", "ocore.cloud.fleet", "-e", f"fleet_file={path}", "-e", json.dumps(VARIABLES))
    succeeds(done, example)
    return None


def check_servers(example: Example, world: World) -> str | None:
    path = world.save(example, "servers.yml")
    listed = json.loads(succeeds(world.run("ansible-inventory", "-i", path, "--list"), example))
    assert listed["_meta"]["hostvars"], f"{example}: the inventory has no hosts"
    check_options(example)
    return None


def check_variables(example: Example, _world: World) -> str:
    playbooks = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").rglob("*.yml"))
    for name in example.data:
        known = name in role_options() or name in VARIABLES or re.search(rf"\b{name}\b", playbooks)
        assert known, f"{example}: nothing knows the variable {name}"
    return "variables, which are looked up"


def check_rulebook(example: Example, _world: World) -> str:
    schema = json.loads(
        (ROOT / "extensions/eda/plugins/event_source/schemas/instances.json").read_text(encoding="utf-8")
    )
    for ruleset in example.data:
        for source in ruleset["sources"]:
            unknown = set(source["ocore.cloud.instances"]) - set(schema["properties"])
            assert not unknown, f"{example}: the event source has no option {unknown}"
        for rule in ruleset["rules"]:
            assert {"name", "condition", "action"} <= set(rule), f"{example}: {rule}"
    return "needs Java and AWX; the options of the event source are looked up"


def check_result(example: Example, _world: World) -> str:
    """The only one is a sample of the report of a host, whose keys the filter documents."""
    documented = (ROOT / "plugins/filter/host_report.yml").read_text(encoding="utf-8")
    for entry in example.data:
        for key in entry:
            assert f"C({key})" in documented, f"{example}: {key}"
    return "sample of a result; its keys are looked up"


FORMS: dict[str, Callable[[Example, World], str | None]] = {
    "fleet": run_fleet,
    "inventory": run_inventory,
    "plays": run_plays,
    "result": check_result,
    "rulebook": check_rulebook,
    "servers": check_servers,
    "tasks": run_tasks,
    "variables": check_variables,
}


# --- commands


@pytest.mark.parametrize("source", sorted({example.source for example in CONSOLE}))
def test_commands(source: str, world: World, record_property: Report) -> None:
    """The commands of a file are run one after the other, in a directory with the files that it showed until then."""
    world.prepare(source)
    for example in [example for example in EXAMPLES if example.source == source]:
        if example.filename:
            world.save(example)
        if example.language == "console":
            for line, command, shown in commands(example):
                place = f"{source}:{line}"
                reason = run_command(command, shown, world, place)
                if reason:
                    record_property("checked", f"{place}: {command.split(' #')[0].strip()}: {reason}")


def commands(example: Example) -> Iterator[tuple[int, str, list[str]]]:
    """Give the commands of a console: line, command, and the output shown for it."""
    command, begin, shown = "", 0, []
    lines = example.text.splitlines()
    assert lines[0].startswith("$ "), f"{example}: a console begins with a command"
    index = 0
    while index < len(lines):
        if lines[index].startswith("$ "):
            if command:
                yield begin, command, shown
            begin, command, shown = example.line + index, lines[index][2:], []
            while command.endswith("\\"):
                index += 1
                command = f"{command[:-1].rstrip()} {lines[index].strip()}"
        else:
            shown.append(lines[index])
        index += 1
    yield begin, command, shown


def run_command(command: str, shown: list[str], world: World, place: str) -> str | None:
    """Run a command; the reason, when it was only checked."""
    words = shlex.split(command, comments=True)
    if words[0] == "export":
        check_environment(words[1:], place)
        return None
    for pattern, reason in COMMANDS.items():
        if re.match(pattern, command):
            check_command(words, place)
            return reason
    if words[:2] == ["python", "extensions/emulator"]:
        start_emulator(words[2:], place)
        return None
    if words[0] in ("echo", "curl") or re.search(r"\b(ansible|ansible-[a-z]+) ", command):
        # The address in a text is that of somebody's emulator.
        here = re.sub(r"http://127\.0\.0\.1:\d+(/api)?", lambda found: world.ocore.url + (found[1] or ""), command)
        here = here.replace("curl ", "curl --fail --silent --show-error ")
        for name in re.findall(r"your-playbook\.yml", here):
            world.write(name, json.dumps([{"hosts": "localhost", "tasks": [{"ocore.cloud.ocore_instance_info": {}}]}]))
        output = succeeds(world.run("bash", "-ec", here), place)
        if "--graph" in words:
            assert not shown or set(shown) == set(output.splitlines()), f"{place}\n{output}"
        elif words[0] == "ansible-playbook":
            missing = {alike(line) for line in shown} - {alike(line) for line in output.splitlines()}
            assert not missing, f"{place}: not in the output: {missing}\n{output}"
        return None
    raise AssertionError(f"{place}: nothing is known about this command: {command}")


def alike(line: str) -> str:
    """Return a line of output without what differs from run to run: ids, seconds, and the asterisks behind a name."""
    return re.sub(r"\([0-9a-f]{8}-[0-9a-f.-]+\)|\(\d+ s\)|(?<=\]) \*+$", "", line)


def check_environment(assignments: list[str], place: str) -> None:
    documented = (ROOT / "plugins/doc_fragments/auth.py").read_text(encoding="utf-8")
    for assignment in assignments:
        name = assignment.split("=")[0]
        assert f"E({name})" in documented or name in {"CONTROLLER_HOST", "CONTROLLER_OAUTH_TOKEN"}, f"{place}: {name}"


def check_command(words: list[str], place: str) -> None:
    """Look up what a command names that is the project's own."""
    for word in words:
        if found := re.search(r"(?:^|cloud/)((?:extensions|meta|tests)/\S+)$", word):
            assert (ROOT / found[1]).exists(), f"{place}: there is no {found[1]}"
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"{place}: {words[1]}"
    sessions = [word.removeprefix("SESSIONS=") for word in words if word.startswith("SESSIONS=")]
    if words[0].endswith("/nox"):
        sessions += [words[words.index("-s") + 1]]
    for session in " ".join(sessions).split():
        defined = re.search(rf"^def {session.split('(')[0]}\(", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
        assert defined, f"{place}: there is no session {session}"
    if words[:2] == ["pip", "install"] and "-r" not in words:
        needed = re.findall(r"^[a-z].*$", (ROOT / "meta/ee-requirements.txt").read_text(), re.MULTILINE)
        assert sorted(words[2:]) == sorted(needed), f"{place}: {needed}"
    if words[0] == "ansible-playbook":
        name = next(word for word in words if word.startswith("ocore.cloud."))
        text = (ROOT / f"playbooks/{name.removeprefix('ocore.cloud.')}.yml").read_text(encoding="utf-8")
        for flag, value in itertools.pairwise(words):
            if flag == "-e" and "=" in value:
                variable = value.split("=")[0]
                assert variable in text or variable in role_options(), f"{place}: {name} knows no {variable}"


def start_emulator(options: list[str], place: str) -> None:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "extensions/emulator"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.terminate()
    process.wait(timeout=30)
    process.stdout.close()
    assert first.startswith("oCore emulator: http://127.0.0.1:"), f"{place}: {first}"


@parametrized([example for example in EXAMPLES if example.language not in ("yaml", "console")])
def test_settings(example: Example, world: World) -> None:
    assert example.language == "ini", f"{example}: a new language; say here how it is tested"
    path = world.save(example, "ansible.cfg")
    succeeds(world.run("ansible-config", "validate", "--config", path, "--format", "ini"), example)


def test_examples_exist_in_every_form_of_documentation() -> None:
    """That the files are found and split: a change of their layout would leave nothing to run."""
    places = {Path(example.source).parts[0] for example in EXAMPLES}
    assert places == {"CONTRIBUTING.md", "README.md", "docs", "plugins", "roles"}
    assert {form(example.data) for example in YAML} == set(FORMS)
    for path in (ROOT / "plugins/modules").glob("*.py"):
        assert any(example.source.endswith(path.name) for example in EXAMPLES), path
