# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the Docker daemon go in force, or file and daemon stay as they were.

The engine and systemd are one small program here that keeps its state in files; what the module reads and writes is real.
A real engine is tested on the test hosts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.ocore.cloud.plugins.module_utils._host import docker_daemon
from ansible_collections.ocore.cloud.plugins.module_utils._host.daemon_json import (
    RELOADABLE,
    needs_restart,
    plan_change,
)
from ansible_collections.ocore.cloud.plugins.modules import docker_daemon_config

DEFAULTS = {"live-restore": True, "log-driver": "json-file", "log-opts": {"max-file": "5", "max-size": "10m"}}

ENGINE = """#!{python}
import json, pathlib, sys
state, path = pathlib.Path({state!r}), pathlib.Path({path!r})
name, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with open(state / "calls", "a") as calls:
    calls.write(" ".join([name, *arguments]) + "\\n")
def complain(text, code=1):
    with open(state / "log", "a") as log:
        log.write('time="2026-01-01T00:00:00Z" level=error msg="' + text + '"\\n')
    sys.exit(code)
def options():
    return json.loads(path.read_text()) if path.exists() else {{}}
if name == "dockerd" and arguments == ["--version"]:
    print("Docker version " + (state / "installed").read_text() + ", build 1")
elif name == "dockerd":
    if (state / "old").exists():
        print("unknown flag: --validate", file=sys.stderr); sys.exit(125)
    file = arguments[arguments.index("--config-file") + 1]
    given = json.loads(pathlib.Path(file).read_text())
    twice = [flag for flag in arguments if flag.startswith("--") and flag[2:].split("=")[0] in given]
    if twice:
        print("unable to configure the Docker daemon with file " + file + ": the following directives are specified both as a "
              "flag and in the configuration file: " + ", ".join(twice), file=sys.stderr)
        sys.exit(1)
    if "no-such-option" in given:
        print("unable to configure the Docker daemon with file " + file + ": unknown: no-such-option", file=sys.stderr)
        sys.exit(1)
elif name == "docker" and arguments[0] == "version":
    print((state / "running").read_text())
elif name == "docker":
    event = state / "event"
    if event.exists():
        print("daemon reload"); event.unlink()
elif name == "journalctl":
    print("Starting up"); print((state / "log").read_text() if (state / "log").exists() else "")
elif arguments[0] == "show":
    print("ActiveState=" + ("active" if (state / "active").exists() else "inactive"))
    flags = (state / "flags").read_text() if (state / "flags").exists() else "-H fd://"
    print("MainPID=0")
    print("ExecStart={{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd " + flags + " $DOCKER_OPTS ; ignore_errors=no ; }}")
elif arguments[0] == "reload":
    if "ftp" in str(options().get("registry-mirrors")):
        complain('invalid mirror: \\\\"ftp\\\\"', 0)
    (state / "event").touch()
elif arguments[0] in ("start", "restart"):
    if "neither" in str(options().get("exec-opts")) or (state / "dead").exists():
        (state / "active").unlink(missing_ok=True)
        complain("native.cgroupdriver option neither not supported")
    (state / "active").touch()
    (state / "running").write_text((state / "installed").read_text())
"""


class Host:
    """A directory with daemon.json, an engine of version 26.1 that runs, and a way to run the module."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.state, self.capsys = path, capsys
        self.file = path / "etc" / "docker" / "daemon.json"
        self.record = self.file.with_name("ocore-daemon-options.json")
        for name, text in {"installed": "26.1", "running": "26.1", "active": ""}.items():
            (path / name).write_text(text)
        self.bin = path / "bin"
        self.bin.mkdir()
        for name in ("dockerd", "docker", "systemctl", "journalctl"):
            (self.bin / name).write_text(ENGINE.format(python=sys.executable, state=str(path), path=str(self.file)))
            (self.bin / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        monkeypatch.setattr(docker_daemon.time, "sleep", lambda _seconds: None)

    def write(self, options: object) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(options if isinstance(options, str) else json.dumps(options))

    def run(self, options: dict[str, Any], check_mode: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {
            "options": options,
            "path": str(self.file),
            "reload_timeout": 0,
            "_ansible_check_mode": check_mode,
            "_ansible_tmpdir": str(self.state),
            **more,
        }
        (self.state / "calls").write_text("")
        with patch_module_args(arguments), pytest.raises(SystemExit):
            docker_daemon_config.main()
        return dict(json.loads(self.capsys.readouterr().out))

    def options(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.file.parent.iterdir()} if self.file.parent.exists() else {}

    def active(self) -> bool:
        return (self.state / "active").exists()

    def called(self, text: str) -> bool:
        return text in (self.state / "calls").read_text()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, monkeypatch, capsys)


def test_daemon_starts_with_its_options_and_a_second_run_does_nothing(host: Host) -> None:
    (host.state / "active").unlink()
    result = host.run({"log-opts": {"max-size": "20m"}}, defaults=DEFAULTS)
    assert (result["changed"], result["actions"], result["validated"]) == (True, ["write", "start"], True)
    assert host.options() == {**DEFAULTS, "log-opts": {"max-file": "5", "max-size": "20m"}}
    assert host.active()
    assert host.file.stat().st_mode & 0o777 == 0o644
    result = host.run({"log-opts": {"max-size": "20m"}}, defaults=DEFAULTS)
    assert (result["changed"], result["actions"], result["kept"]) == (False, [], [])


def test_daemon_options_of_an_administrator_stay(host: Host) -> None:
    theirs = {"dns": ["192.0.2.53"], "bip": "10.9.0.1/24", "live-restore": False, "log-driver": "journald"}
    host.write(theirs)
    result = host.run({"debug": True}, defaults=DEFAULTS)
    assert host.options() == {**theirs, "debug": True}
    assert result["kept"] == ["bip", "dns", "live-restore", "log-driver"]
    assert json.loads(Path(result["backup_file"]).read_text()) == theirs
    assert list(host.options())[:4] == list(theirs)
    assert host.run({"debug": True}, defaults=DEFAULTS)["changed"] is False


def test_daemon_option_that_is_no_longer_declared_is_removed(host: Host) -> None:
    host.write({"dns": ["192.0.2.53"]})
    host.run({"debug": True}, defaults=DEFAULTS)
    host.run({}, defaults=DEFAULTS)
    assert host.options() == {"dns": ["192.0.2.53"], **DEFAULTS}


def test_daemon_option_changed_by_hand_is_corrected_when_it_is_ours(host: Host) -> None:
    host.run({"debug": True})
    host.write({"debug": False})
    host.run({"debug": True})
    assert host.options() == {"debug": True}


def test_conflict_with_an_administrator_is_refused_by_name(host: Host) -> None:
    host.write({"log-driver": "journald", "dns": ["192.0.2.53"]})
    before = host.files()
    for check_mode in (True, False):
        result = host.run({"log-driver": "local", "dns": ["192.0.2.53"]}, check_mode=check_mode)
        assert result["failed"] is True
        assert 'log-driver is "journald" in the file and "local" in the options' in result["msg"]
        assert "dns is" not in result["msg"]
        assert "Nothing was changed" in result["msg"]
        assert host.files() == before
    host.run({"log-driver": "local"}, overwrite=True)
    assert host.options() == {"log-driver": "local", "dns": ["192.0.2.53"]}


def test_daemon_objects_are_shared_with_an_administrator_key_by_key(host: Host) -> None:
    host.write({"log-opts": {"tag": "{{.Name}}", "max-file": "3"}, "runtimes": {"kata": {"path": "/usr/bin/kata"}}})
    options = {"log-opts": {"max-size": "50m"}, "runtimes": {"crun": {"path": "/usr/bin/crun"}}}
    result = host.run(options, defaults=DEFAULTS)
    assert host.options()["log-opts"] == {"tag": "{{.Name}}", "max-file": "3", "max-size": "50m"}
    assert sorted(host.options()["runtimes"]) == ["crun", "kata"]
    assert result["kept"] == ["log-opts.max-file", "log-opts.tag", "runtimes.kata.path"]
    assert host.run(options, defaults=DEFAULTS)["changed"] is False
    host.run({}, defaults=DEFAULTS)
    assert host.options()["log-opts"] == {"tag": "{{.Name}}", "max-file": "3", "max-size": "10m"}
    assert sorted(host.options()["runtimes"]) == ["kata"]


def test_daemon_key_that_an_administrator_adds_to_an_object_of_ours_stays(host: Host) -> None:
    host.run({}, defaults=DEFAULTS)
    host.write({**DEFAULTS, "log-opts": {"max-file": "5", "max-size": "1m", "tag": "x"}})
    host.run({}, defaults=DEFAULTS)
    assert host.options() == {**DEFAULTS, "log-opts": {"max-file": "5", "max-size": "10m", "tag": "x"}}


def test_daemon_record_of_whole_objects_is_understood(host: Host) -> None:
    host.write(DEFAULTS)
    host.record.write_text(json.dumps({"options": sorted(DEFAULTS)}))
    host.run({"log-opts": {"max-size": "20m"}}, defaults=DEFAULTS)
    assert host.options()["log-opts"] == {"max-file": "5", "max-size": "20m"}


def test_conflict_names_the_key_of_an_object_and_overwrite_replaces_no_other(host: Host) -> None:
    host.write({"log-opts": {"tag": "x", "max-size": "5m"}, "dns": ["192.0.2.53"]})
    result = host.run({"log-opts": {"max-size": "50m"}})
    assert 'log-opts.max-size is "5m" in the file and "50m" in the options' in result["msg"]
    host.run({"log-opts": {"max-size": "50m"}}, overwrite=True)
    assert host.options() == {"log-opts": {"tag": "x", "max-size": "50m"}, "dns": ["192.0.2.53"]}


def test_conflict_of_an_object_and_another_value_is_refused(host: Host) -> None:
    host.write({"features": "all"})
    result = host.run({"features": {"buildkit": True}})
    assert 'features is "all" in the file and {"buildkit": true} in the options' in result["msg"]
    host.run({"features": {"buildkit": True}}, overwrite=True)
    assert host.options() == {"features": {"buildkit": True}}


def test_null_removes_a_key_of_an_object(host: Host) -> None:
    host.write({"log-opts": {"tag": "x", "max-size": "5m"}})
    host.run({"log-opts": {"tag": None, "max-file": None}}, defaults={"log-opts": {"max-file": "5"}})
    assert host.options() == {"log-opts": {"max-size": "5m"}}


def test_flag_of_the_unit_counts_as_the_administrators_value(host: Host) -> None:
    (host.state / "flags").write_text("-H fd:// --log-driver=journald --live-restore")
    host.run({"debug": True}, defaults={"live-restore": True, "log-driver": "json-file"})
    assert host.options() == {"debug": True}
    result = host.run({"debug": True, "log-driver": "local"})
    assert "both as a flag and in the configuration file: --log-driver=journald. Nothing was changed" in result["msg"]
    assert host.options() == {"debug": True}


def test_flag_with_another_options_file_is_refused(host: Host) -> None:
    for flags in ("--config-file /srv/daemon.json", "--config-file=/srv/daemon.json -H fd://"):
        (host.state / "flags").write_text(flags)
        result = host.run({"debug": True})
        assert "--config-file /srv/daemon.json, so options in" in result["msg"]
        assert host.files() == {}
    (host.state / "flags").write_text(f"--config-file {host.file}")
    assert host.run({"debug": True})["validated"] is True


def test_link_to_the_options_stays_one(host: Host) -> None:
    host.write({"dns": ["192.0.2.53"]})
    target = host.file.rename(host.state / "kept.json")
    host.file.symlink_to(target)
    host.run({"debug": True})
    assert host.file.is_symlink()
    assert json.loads(target.read_text()) == {"dns": ["192.0.2.53"], "debug": True}


def test_restart_comes_after_a_reload_that_makes_containers_survive_it(host: Host) -> None:
    host.write({"bip": "10.9.0.1/24"})
    result = host.run({"bip": None, "live-restore": True})
    assert result["actions"] == ["write", "reload", "restart"]
    calls = (host.state / "calls").read_text()
    assert calls.index("systemctl reload") < calls.index("systemctl restart")


def test_null_removes_an_option_whoever_wrote_it(host: Host) -> None:
    host.write({"data-root": "/srv/docker", "debug": True})
    host.run({"data-root": None})
    assert host.options() == {"debug": True}


def test_data_root_is_not_dropped_by_accident(host: Host) -> None:
    host.run({"data-root": "/srv/docker", "debug": True})
    before = host.files()
    result = host.run({"debug": True})
    for part in ('{"data-root": "/srv/docker"}', "Put data-root into docker_daemon_options", "Nothing was changed"):
        assert part in result["msg"]
    assert host.files() == before
    host.run({"debug": True, "data-root": None})
    assert host.options() == {"debug": True}


@pytest.mark.parametrize("driver", ["journald", "syslog"])
def test_default_log_options_are_left_out_for_drivers_that_do_not_know_them(host: Host, driver: str) -> None:
    host.run({"log-driver": driver}, defaults=DEFAULTS)
    assert host.options() == {"live-restore": True, "log-driver": driver}
    host.run({"log-driver": driver, "log-opts": {"tag": "x"}}, defaults=DEFAULTS)
    assert host.options()["log-opts"] == {"tag": "x"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"debug": true,\n "dns": ["192.0.2.53",]\n}', "daemon.json, line 2, column "),
        ('{"debug": NaN}', "daemon.json: NaN is not valid JSON"),
        ("[1]", "daemon.json holds a list"),
        ("{", "daemon.json, line 1, column 2"),
    ],
)
def test_syntax_error_names_file_and_line(host: Host, text: str, where: str) -> None:
    host.write(text)
    result = host.run({"debug": True})
    assert result["failed"] is True
    assert where in result["msg"]
    assert "Nothing was changed" in result["msg"] or "Correct it" in result["msg"]
    assert host.file.read_text() == text


def test_empty_file_has_no_options(host: Host) -> None:
    host.write(" \n")
    host.run({"debug": True})
    assert host.options() == {"debug": True}


def test_damaged_record_changes_nothing(host: Host) -> None:
    host.run({"debug": True})
    host.record.write_text("[]")
    result = host.run({})
    assert "ocore-daemon-options.json is damaged" in result["msg"]
    assert host.options() == {"debug": True}


def test_validation_refuses_before_anything_is_written(host: Host) -> None:
    host.run({"debug": True})
    before = host.files()
    for check_mode in (True, False):
        result = host.run({"debug": True, "no-such-option": 1}, check_mode=check_mode)
        assert result["failed"] is True
        assert "refuses the new" in result["msg"]
        assert "unknown: no-such-option. Nothing was changed." in result["msg"]
        assert "ocore-daemon-" not in result["msg"]
        assert host.files() == before
    assert host.called("--validate -H fd:// --config-file")


def test_validation_is_skipped_where_the_engine_has_none(host: Host) -> None:
    (host.state / "old").touch()
    result = host.run({"debug": True})
    assert (result["actions"], result["validated"]) == (["write", "reload"], False)


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ({}, {"debug": True}, "reload"),
        ({"labels": ["a"]}, {"labels": ["b"]}, "reload"),
        ({"max-concurrent-downloads": 5}, {}, "reload"),
        ({"debug": True}, {}, "restart"),
        ({}, {"bip": "10.9.0.1/24"}, "restart"),
        ({"debug": True}, {"debug": False, "bip": "10.9.0.1/24"}, "restart"),
    ],
)
def test_reload_or_restart_by_what_the_options_need(
    host: Host, before: dict[str, Any], after: dict[str, Any], action: str
) -> None:
    host.run(before)
    result = host.run(after)
    assert result["actions"] == ["write", action]
    assert host.called(f"systemctl {action} docker.service")


def test_restart_does_not_count_against_the_limit_of_the_unit(host: Host) -> None:
    host.run({"debug": True})
    host.run({"debug": True, "bip": "10.9.0.1/24"})
    calls = (host.state / "calls").read_text()
    assert calls.index("systemctl reset-failed") < calls.index("systemctl restart")


def test_restart_of_a_daemon_older_than_the_installed_one(host: Host) -> None:
    host.run({"debug": True})
    (host.state / "running").write_text("24.0.9")
    assert host.run({"debug": True})["actions"] == ["restart"]
    assert host.run({"debug": True})["actions"] == []


def test_put_back_when_the_daemon_ignores_the_reload(host: Host) -> None:
    host.run({"debug": True})
    before = host.files()
    result = host.run({"debug": True, "registry-mirrors": ["ftp://mirror.example"]})
    assert result["failed"] is True
    for part in (
        'did not reload with the new options: invalid mirror: "ftp".',
        "is what it was before and the daemon runs with it",
    ):
        assert part in result["msg"]
    assert host.files() == before


def test_put_back_when_the_daemon_does_not_start(host: Host) -> None:
    host.run({"debug": True})
    before = host.files()
    result = host.run({"debug": True, "exec-opts": ["native.cgroupdriver=neither"]})
    for part in ("did not restart", "native.cgroupdriver option neither not supported", "and the daemon runs with it"):
        assert part in result["msg"]
    assert host.files() == before
    assert host.active()
    assert host.called("systemctl reset-failed docker.service")


def test_put_back_of_the_first_file_removes_it(host: Host) -> None:
    (host.state / "active").unlink()
    result = host.run({"exec-opts": ["native.cgroupdriver=neither"]})
    assert "and the daemon is not started" in result["msg"]
    assert host.files() == {}
    assert not host.active()


def test_put_back_says_when_the_daemon_stays_down(host: Host) -> None:
    host.run({"debug": True})
    (host.state / "dead").touch()
    result = host.run({"bip": "10.9.0.1/24"})
    assert "but the daemon does not start with it either" in result["msg"]
    assert host.options() == {"debug": True}


def test_check_mode_changes_nothing_and_shows_the_difference(host: Host) -> None:
    host.write({"dns": ["192.0.2.53"]})
    before = host.files()
    result = host.run({"bip": "10.9.0.1/24"}, check_mode=True)
    assert (result["changed"], result["actions"], result["validated"]) == (True, ["write", "restart"], True)
    assert json.loads(result["diff"]["after"]) == {"dns": ["192.0.2.53"], "bip": "10.9.0.1/24"}
    assert host.files() == before
    assert not host.called("restart")


def test_check_mode_without_an_engine(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_daemon.AnsibleModule, "get_bin_path", lambda _self, _name: None)
    result = host.run({"debug": True}, check_mode=True)
    assert (result["actions"], result["validated"]) == (["write", "start"], False)
    assert "is not installed" in host.run({"debug": True})["msg"]


@pytest.mark.parametrize("name", sorted(RELOADABLE))
def test_plan_true_and_one_are_different_values(name: str) -> None:
    change = plan_change({name: 1}, [(name,)], {}, {name: True}, False)
    assert change.names() == {name}
    assert needs_restart(change) is False
