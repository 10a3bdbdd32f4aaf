# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file is put in force or everything stays as it was, with a real nginx on free ports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.ocore.cloud.plugins.module_utils._host import nginx_config as nginx_config_run
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_process import workers
from ansible_collections.ocore.cloud.plugins.modules import nginx_config, nginx_info

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Nginx:
    """An nginx with a configuration directory of its own."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.etc = path / "etc"
        (self.etc / "conf.d").mkdir(parents=True)
        (self.etc / "sites-enabled").mkdir()
        self.main = self.etc / "nginx.conf"
        self.dest = self.etc / "conf.d" / "ocore.conf"
        self.port, self.tls_port = free_port(), free_port()
        temporary = "".join(
            f"{kind}_temp_path {path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.main.write_text(
            f"worker_processes 1;\npid {path}/pid;\nerror_log {path}/error.log;\nevents {{}}\n"
            f"http {{\naccess_log off; {temporary}\ninclude conf.d/*.conf;\ninclude sites-enabled/*;\n}}\n"
        )
        self.pid = path / "pid"
        self.command = [str(NGINX), "-c", str(self.main), "-e", f"{path}/error.log"]

    def start(self) -> None:
        subprocess.run(self.command, check=True, capture_output=True)

    def stop(self) -> None:
        # `nginx -t` leaves an empty file. `nginx -s stop` reads the configuration: a broken one would keep the server running.
        if self.pid.exists() and (pid := self.pid.read_text().strip()):
            os.kill(int(pid), signal.SIGTERM)
            end = time.monotonic() + 10
            while self.pid.exists() and time.monotonic() < end:
                time.sleep(0.02)

    def run(self, content: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {
            "content": content,
            "dest": str(self.dest),
            "main": str(self.main),
            "tls_port": self.tls_port,
            "reload_command": [*self.command, "-s", "reload"],
            "reload_timeout": 3,
            "_ansible_check_mode": check_mode,
            "_ansible_tmpdir": str(self.etc.parent),
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            nginx_config.main()
        return dict(json.loads(self.capsys.readouterr().out))

    def server(self, text: str, more: str = "") -> str:
        return f"server {{ listen 127.0.0.1:{self.port}; location / {{ return 200 {text}; }} {more} }}\n"

    def answer(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as response:
            return str(response.read().decode())

    def files(self) -> dict[str, str]:
        return {str(path.relative_to(self.etc)): path.read_text() for path in self.etc.rglob("*") if path.is_file()}


@pytest.fixture
def nginx(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Nginx]:
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    found = Nginx(tmp_path, capsys)
    yield found
    found.stop()


def test_idempotent_second_run_leaves_the_served_file(nginx: Nginx) -> None:
    nginx.start()
    result = nginx.run(nginx.server("one"))
    assert (result["changed"], result["actions"], result["tested"]) == (True, ["write", "reload"], True)
    assert nginx.answer() == "one"
    assert result["diff"]["after"] == nginx.server("one")
    assert nginx.run(nginx.server("one"))["actions"] == []
    nginx.run(nginx.server("two"))
    assert nginx.answer() == "two"


def test_candidate_that_nginx_refuses_changes_nothing(nginx: Nginx) -> None:
    nginx.start()
    nginx.run(nginx.server("one"))
    before = nginx.files()
    for check_mode in (True, False):
        result = nginx.run(nginx.server("two", "no_such_directive on;"), check_mode=check_mode)
        assert result["failed"] is True
        assert 'unknown directive "no_such_directive"' in result["msg"]
        assert str(nginx.dest) in result["msg"]
        assert ".ocore-candidate" not in result["msg"]
        assert (nginx.files(), nginx.answer()) == (before, "one")


def test_check_mode_changes_nothing(nginx: Nginx) -> None:
    nginx.start()
    default = nginx.etc / "sites-enabled" / "default"
    default.write_text("# default\n")
    before = nginx.files()
    result = nginx.run(nginx.server("one"), check_mode=True, disable=[str(default)])
    assert (result["changed"], result["actions"], result["tested"]) == (True, ["disable", "write", "reload"], True)
    assert nginx.files() == before


def test_reload_that_nginx_ignores_restores_the_old_files(nginx: Nginx) -> None:
    nginx.start()
    nginx.run(nginx.server("one"))
    default = nginx.etc / "sites-enabled" / "default"
    default.write_text("# default\n")
    before = nginx.files()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        result = nginx.run(nginx.server("two", f"listen 127.0.0.1:{taken};"), disable=[str(default)])
    assert result["failed"] is True
    assert "The old files were restored" in result["msg"]
    assert (nginx.files(), nginx.answer()) == (before, "one")


def test_reload_command_that_fails_restores_the_old_files(nginx: Nginx) -> None:
    nginx.start()
    before = nginx.files()
    result = nginx.run(nginx.server("one"), reload_command=["false"])
    assert "'false' ended with 1" in result["msg"]
    assert nginx.files() == before


def test_disabled_default_site_can_be_moved_back(nginx: Nginx) -> None:
    default = nginx.etc / "sites-enabled" / "default"
    default.write_text(nginx.server("default").replace("listen", "listen").replace(";", " default_server;", 1))
    nginx.start()
    declared = nginx.server("ours").replace(";", " default_server;", 1)
    refused = nginx.run(declared)["msg"]
    assert f"{default}:1 declares a default_server" in refused
    assert "nginx_default_server: false" in refused
    result = nginx.run(declared, disable=[str(default)])
    away = nginx.etc / "ocore-disabled-default"
    assert result["disabled"] == {str(default): str(away)}
    assert (default.exists(), away.exists(), nginx.answer()) == (False, True, "ours")
    assert nginx.run(declared, disable=[str(default)])["changed"] is False


def test_disabled_default_site_returns_when_the_file_cannot_be_written(
    nginx: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = nginx.etc / "sites-enabled" / "default"
    default.write_text("# default\n")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    before = nginx.files()
    for step in ("replace", "link", "fsync"):
        with monkeypatch.context() as patched:
            patched.setattr(nginx_config_run.os, step, full)
            nginx.dest.write_text("# old\n")
            before = nginx.files()
            result = nginx.run(nginx.server("one"), disable=[str(default)])
        assert "No space left on device" in result["msg"]
        assert "Nothing was changed" in result["msg"]
        assert nginx.files() == before, step


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own needs root")
def test_disk_that_is_full_changes_nothing(nginx: Nginx) -> None:
    default = nginx.etc / "sites-enabled" / "default"
    content = nginx.server("one") + "# filler\n" * 5000
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs"]
    if subprocess.run([*mount, str(nginx.etc / "conf.d")], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a file system")
    try:
        nginx.dest.write_text(nginx.server("old"))
        default.write_text("# default\n")
        nginx.start()
        (nginx.etc / "conf.d" / "filler").write_bytes(b"x" * 50_000)
        before = nginx.files()
        result = nginx.run(content, disable=[str(default)])
        assert "No space left on device" in result["msg"]
        assert (nginx.files(), nginx.answer()) == (before, "old")
    finally:
        subprocess.run(["umount", "--lazy", str(nginx.etc / "conf.d")], check=True)


def test_interrupted_run_is_noticed_and_nginx_reloaded(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    """As killed between write and reload: the file is new, and nginx works with the old one."""
    nginx.start()
    nginx.run(nginx.server("one"))
    nginx.dest.write_text(nginx.server("two"))
    assert nginx.answer() == "one"
    assert nginx.run(nginx.server("two"), check_mode=True)["actions"] == ["reload"]
    assert nginx.answer() == "one"
    assert nginx.run(nginx.server("two"))["actions"] == ["reload"]
    assert nginx.answer() == "two"
    assert nginx.run(nginx.server("two"))["changed"] is False


def test_edited_file_of_somebody_else_is_noticed_and_nginx_reloaded(nginx: Nginx) -> None:
    other = nginx.etc / "conf.d" / "zz.conf"
    other.write_text("# one\n")
    nginx.start()
    nginx.run(nginx.server("one"))
    for change in (lambda: other.write_text("# two\n"), other.unlink):
        change()
        assert nginx.run(nginx.server("one"))["actions"] == ["reload"]
        assert nginx.run(nginx.server("one"))["changed"] is False


def test_restored_file_with_an_old_date_is_noticed(nginx: Nginx) -> None:
    nginx.start()
    nginx.run(nginx.server("two"))
    nginx.dest.write_text(nginx.server("one"))
    os.utime(nginx.dest, (1, 1))
    assert nginx.run(nginx.server("one"))["actions"] == ["reload"]
    assert nginx.answer() == "one"


def test_reload_by_others_after_a_change_is_recognized(nginx: Nginx) -> None:
    """As after a renewal or a restart: the workers are new, and younger than every file."""
    nginx.start()
    nginx.run(nginx.server("one"))
    nginx.stop()
    nginx.start()
    assert nginx.run(nginx.server("one"))["changed"] is False


def test_worker_that_was_replaced_needs_no_reload_of_older_files(nginx: Nginx) -> None:
    nginx.start()
    nginx.run(nginx.server("one"))
    old = workers(int(nginx.pid.read_text()))
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    while not workers(int(nginx.pid.read_text())) - old:
        time.sleep(0.02)
    assert nginx.run(nginx.server("one"))["changed"] is False


def named(nginx: Nginx, name: str, more: str = "") -> str:
    return f"server {{ listen 127.0.0.1:{nginx.port}; server_name {name}; return 200 {name}; {more} }}\n"


def ask(nginx: Nginx, name: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{nginx.port}/", headers={"Host": name})
    with urllib.request.urlopen(request, timeout=5) as response:
        return str(response.read().decode())


def test_name_of_another_file_leaves_out_only_that_section(nginx: Nginx) -> None:
    nginx.start()
    declared = "# head\n" + "".join(f"# ---- {name}\n{named(nginx, f'{name}.example.com')}" for name in ("crm", "shop"))
    # One that nginx reads before ours, and one that it reads after it.
    for foreign in (nginx.etc / "conf.d" / "aa.conf", nginx.etc / "sites-enabled" / "zz"):
        foreign.write_text("\n" + named(nginx, "Shop.example.com").replace("return 200 Shop", "return 200 foreign"))
        result = nginx.run(declared)
        assert list(result["left_out"]) == ["shop"]
        assert f"'shop.example.com' in {foreign}:2" in result["left_out"]["shop"]
        assert (ask(nginx, "crm.example.com"), ask(nginx, "shop.example.com")) == (
            "crm.example.com",
            "foreign.example.com",
        )
        assert nginx.run(declared)["changed"] is False
        foreign.unlink()
        result = nginx.run(declared)
        assert (result["changed"], result["left_out"]) == (True, {})
        assert ask(nginx, "shop.example.com") == "shop.example.com"


def test_name_of_another_file_does_not_concern_another_port(nginx: Nginx) -> None:
    foreign = nginx.etc / "conf.d" / "aa.conf"
    foreign.write_text(f"server {{ listen 127.0.0.1:{free_port()}; server_name shop.example.com; }}\n")
    nginx.start()
    assert nginx.run(f"# ---- shop\n{named(nginx, 'shop.example.com')}")["left_out"] == {}


def test_name_that_only_nginx_finds_is_left_out_by_its_warning(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_config_run, "names_elsewhere", lambda *_arguments: {})
    (nginx.etc / "conf.d" / "aa.conf").write_text(named(nginx, "shop.example.com"))
    nginx.start()
    result = nginx.run(f"# ---- shop\n{named(nginx, 'shop.example.com')}")
    assert "'shop.example.com' in another file of nginx's configuration" in result["left_out"]["shop"]


def test_certificate_of_a_section_that_is_left_out_is_not_expected(nginx: Nginx, tmp_path: Path) -> None:
    pem = certificate(tmp_path, "a.example.com")
    other = tmp_path / "other"
    other.mkdir()
    certificate(other, "a.example.com")
    (nginx.etc / "conf.d" / "aa.conf").write_text(tls_server(nginx, other))
    nginx.start()
    declared = [{"server_name": "a.example.com", "path": str(pem)}]
    result = nginx.run(f"# ---- a\n{tls_server(nginx, tmp_path)}", certificates=declared)
    assert list(result["left_out"]) == ["a"]


def test_bad_section_is_left_out_alone(nginx: Nginx) -> None:
    nginx.start()
    good = "# ---- crm\n" + named(nginx, "crm.example.com")
    for bad in ("no_such_directive on;", "client_max_body_size 12x;", "}", "location / {"):
        result = nginx.run(f"{good}# ---- shop\n{named(nginx, 'shop.example.com', bad)}")
        assert list(result["left_out"]) == ["shop"], bad
        assert "nginx refuses its settings: " in result["left_out"]["shop"]
        assert ".ocore-candidate" not in result["left_out"]["shop"]
        assert ask(nginx, "crm.example.com") == "crm.example.com"
    assert nginx.run(f"{good}# ---- shop\n{named(nginx, 'shop.example.com', '}')}")["changed"] is False


def test_fault_that_all_sections_share_changes_nothing(nginx: Nginx) -> None:
    nginx.start()
    nginx.run(nginx.server("one"))
    before = nginx.files()
    declared = "".join(
        f"# ---- {name}\n{named(nginx, f'{name}.example.com', 'no_such_directive on;')}" for name in ("crm", "shop")
    )
    assert "Nothing was changed" in nginx.run(declared)["msg"]
    assert nginx.files() == before


def test_broken_file_of_somebody_else_is_reported_although_ours_is_unchanged(nginx: Nginx) -> None:
    nginx.start()
    nginx.run(nginx.server("one"))
    foreign = nginx.etc / "conf.d" / "zz.conf"
    foreign.write_text("no_such_directive on;\n")
    result = nginx.run(nginx.server("one"))
    assert f"{foreign}:1" in result["msg"]
    assert f"not because of {nginx.dest}" in result["msg"]
    assert "its start at the next boot, would fail" in result["msg"]
    assert nginx.answer() == "one"


def test_broken_file_of_somebody_else_is_named_although_a_section_is_bad_too(nginx: Nginx) -> None:
    nginx.start()
    foreign = nginx.etc / "conf.d" / "zz.conf"
    foreign.write_text("no_such_directive on;\n")
    result = nginx.run(f"# ---- shop\n{named(nginx, 'shop.example.com', 'another_unknown on;')}")
    assert f"{foreign}:1" in result["msg"]
    assert "another_unknown" not in result["msg"]


def test_port_that_another_program_holds_names_it(nginx: Nginx) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", nginx.port))
        squatter.listen()
        result = nginx.run(nginx.server("one"))
    name = Path("/proc/self/comm").read_text().strip()
    assert f"port {nginx.port} is held by {name} (process {os.getpid()})" in result["msg"]
    assert not nginx.dest.exists()


def test_reload_that_fails_for_a_taken_port_names_its_holder(nginx: Nginx) -> None:
    nginx.start()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        result = nginx.run(nginx.server("two", f"listen 127.0.0.1:{taken};"))
    assert f"port {taken} is held by" in result["msg"]
    assert f"(process {os.getpid()})" in result["msg"]


def test_no_copy_is_left_beside_the_file(nginx: Nginx) -> None:
    nginx.start()
    for text in ("one", "two"):
        nginx.run(nginx.server(text))
        nginx.run(nginx.server(text), reload_command=["false"])
    nginx.run(nginx.server("three"), reload_command=["false"])
    assert os.listdir(nginx.dest.parent) == ["ocore.conf"]


def test_reload_is_skipped_for_a_stopped_nginx(nginx: Nginx) -> None:
    result = nginx.run(nginx.server("one"))
    assert (result["actions"], result["tested"]) == (["write"], True)


def test_candidate_without_an_include_is_refused(nginx: Nginx) -> None:
    nginx.main.write_text("events {}\n")
    assert f"Add 'include {nginx.dest.parent}/*.conf;'" in nginx.run("")["msg"]
    nginx.main.unlink()
    assert "does not exist" in nginx.run("x")["msg"]


def certificate(path: Path, name: str) -> Path:
    files = ["-keyout", str(path / "privkey.pem"), "-out", str(path / "fullchain.pem")]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90"]
    subprocess.run(["openssl", "req", "-x509", *key, *names, *files], check=True, capture_output=True)
    return path / "fullchain.pem"


def tls_server(nginx: Nginx, path: Path) -> str:
    return (
        f"server {{ listen 127.0.0.1:{nginx.tls_port} ssl; server_name a.example.com; "
        f"ssl_certificate {path}/fullchain.pem; ssl_certificate_key {path}/privkey.pem; }}\n"
    )


def test_certificate_renewed_on_disk_is_served_after_one_reload(nginx: Nginx, tmp_path: Path) -> None:
    pem = certificate(tmp_path, "a.example.com")
    content = tls_server(nginx, tmp_path)
    nginx.start()
    declared = [{"server_name": "a.example.com", "path": str(pem)}]
    assert nginx.run(content, certificates=declared)["actions"] == ["write", "reload"]
    certificate(tmp_path, "a.example.com")
    assert nginx.run(content, certificates=declared, check_mode=True)["actions"] == ["reload"]
    assert nginx.run(content, certificates=declared)["actions"] == ["reload"]
    assert nginx.run(content, certificates=declared)["changed"] is False


def test_certificate_that_is_never_served_is_an_error(nginx: Nginx, tmp_path: Path) -> None:
    certificate(tmp_path, "a.example.com")
    other = tmp_path / "other"
    other.mkdir()
    pem = certificate(other, "a.example.com")
    nginx.start()
    declared = [{"server_name": "a.example.com", "path": str(pem)}]
    result = nginx.run(tls_server(nginx, tmp_path), certificates=declared, reload_timeout=1)
    assert "still does not serve the certificate on disk for a.example.com" in result["msg"]


def info(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        nginx_info.main()
    return dict(json.loads(capsys.readouterr().out))


def test_info_reads_nginx_certificates_and_ports(
    nginx: Nginx, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("shop", "broken", "nokey"):
        (tmp_path / name).mkdir()
        certificate(tmp_path / name, f"{name}.example.com")
    (tmp_path / "broken" / "fullchain.pem").write_text("nonsense")
    (tmp_path / "nokey" / "privkey.pem").unlink()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        thread = threading.Thread(target=listener.accept)
        thread.start()
        result = info(
            capsys,
            certificates_dir=str(tmp_path),
            certificates=["shop", "broken", "nokey", "absent"],
            ports=[port, free_port()],
        )
        thread.join()
    assert result["installed"] is True
    assert result["features"]["ssl_reject_handshake"] is True
    assert result["listening"] == [port]
    assert result["addresses"] == {str(port): ["127.0.0.1"]}
    found = result["certificates"]
    assert sorted(found) == ["broken", "nokey", "shop"]
    assert (found["shop"]["usable"], found["shop"]["trusted"]) == (True, False)
    assert (found["shop"]["names"], found["shop"]["key_type"]) == (["shop.example.com"], "ecdsa")
    assert "is not a readable certificate" in found["broken"]["problem"]
    assert (found["nokey"]["usable"], "privkey.pem is missing" in found["nokey"]["problem"]) == (False, True)


def test_info_on_a_host_without_nginx(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_info.AnsibleModule, "get_bin_path", lambda _self, _name: None)
    result = info(capsys)
    assert (result["installed"], result["version"], any(result["features"].values())) == (False, None, False)


def test_certificate_of_a_trusted_ca_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop").mkdir()
    pem = certificate(tmp_path / "shop", "shop.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    result = info(capsys, certificates_dir=str(tmp_path), certificates=["shop"])
    assert result["certificates"]["shop"]["trusted"] is True


def test_certificate_of_the_operator_is_read_from_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Key match, chain and end are looked at; a file that is missing is a problem, and not an absence."""
    for name in ("good", "other"):
        (tmp_path / name).mkdir()
        certificate(tmp_path / name, f"{name}.example.com")
    files = [
        {"name": "good", "cert": f"{tmp_path}/good/fullchain.pem", "key": f"{tmp_path}/good/privkey.pem"},
        {"name": "mixed", "cert": f"{tmp_path}/good/fullchain.pem", "key": f"{tmp_path}/other/privkey.pem"},
        {"name": "absent", "cert": f"{tmp_path}/absent.pem", "key": f"{tmp_path}/good/privkey.pem"},
    ]
    found = info(capsys, certificate_files=files)["certificates"]
    assert (found["good"]["usable"], found["good"]["days_left"], found["good"]["expired"]) == (True, 89, False)
    assert (found["good"]["trusted"], "self" in found["good"]["distrust"]) == (False, True)
    assert (found["mixed"]["usable"], "does not belong to" in found["mixed"]["problem"]) == (False, True)
    assert found["absent"]["problem"] == f"{tmp_path}/absent.pem does not exist"
