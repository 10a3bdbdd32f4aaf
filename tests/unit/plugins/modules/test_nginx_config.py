# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file is put in force or everything stays as it was, with a real nginx on free ports."""

from __future__ import annotations

import json
import os
import shutil
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
        if self.pid.exists():
            subprocess.run([*self.command, "-s", "stop"], check=False, capture_output=True)
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
    assert "a duplicate default server" in nginx.run(declared)["msg"]
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

    monkeypatch.setattr(nginx_config.NginxConfig, "_write", full)
    before = nginx.files()
    result = nginx.run(nginx.server("one"), disable=[str(default)])
    assert "No space left on device" in result["msg"]
    assert nginx.files() == before


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
