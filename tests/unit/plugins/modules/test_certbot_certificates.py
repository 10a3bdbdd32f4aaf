# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates on disk and the declared ones: when certbot is called, with what, and what is left alone.

certbot is a small program here that writes real files; what the module reads and writes is real. Orders from a real ACME
server are tested on the test hosts.
"""

from __future__ import annotations

import errno
import http.server
import json
import os
import stat
import sys
import tarfile
import threading
import urllib.error
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.ocore.cloud.plugins.module_utils._host import certbot, name_check, reconciliation
from ansible_collections.ocore.cloud.plugins.module_utils._host.name_check import split_address
from ansible_collections.ocore.cloud.plugins.modules import certbot_certificates as module

SERVER = "https://acme.example/dir"

# Changes the directories as certbot does, records its calls, and fails on request.
FAKE_CERTBOT = """#!{python}
import json, os, pathlib, shutil, subprocess, sys
state = pathlib.Path({state!r})
arguments = sys.argv[1:]
with open(state / "calls", "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
if arguments == ["--version"]:
    print("certbot", (state / "version").read_text()); sys.exit()
busy = state / "busy"
if busy.exists():
    busy.unlink(); print("Another instance of Certbot is already running.", file=sys.stderr); sys.exit(1)
def option(name):
    return arguments[arguments.index(name) + 1]
config = pathlib.Path(option("--config-dir"))
if arguments[0] == "update_account":
    sys.exit((state / "fail-account").exists())
name = option("--cert-name")
if (state / ("debris-" + name)).exists():
    for part in ("live", "archive"):
        (config / part / name).mkdir(parents=True)
if (state / ("fail-" + name)).exists():
    print("Some challenges have failed.", file=sys.stderr); sys.exit(1)
if arguments[0] == "delete":
    shutil.rmtree(config / "live" / name); shutil.rmtree(config / "archive" / name)
    (config / "renewal" / (name + ".conf")).unlink(); sys.exit()
domains = [arguments[i + 1] for i, item in enumerate(arguments) if item == "--domain"]
command = [sys.executable, {maker!r}, str(config), name, option("--server"), option("--key-type"), "90", *domains]
subprocess.run(command, check=True)
if "--config" in arguments:
    (state / "binding").write_text(pathlib.Path(option("--config")).read_text())
if "--authenticator" in arguments:
    plugin = option("--authenticator")
    path = config / "renewal" / (name + ".conf")
    text = path.read_text().partition("[[webroot_map]]")[0].replace("webroot_path", plugin.replace("-", "_") + "_credentials")
    text = text.replace("authenticator = webroot", "authenticator = " + plugin)
    path.write_text(text.replace(str(config.parent / "webroot") + ",", option("--" + plugin + "-credentials")))
"""

MAKER = """
import pathlib, sys
from datetime import UTC, datetime, timedelta
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
config, name, server, key_type, days, *domains = sys.argv[1:]
age = float(days.partition("/")[2] or 0)
days = float(days.partition("/")[0])
key = ec.generate_private_key(ec.SECP256R1()) if key_type == "ecdsa" else rsa.generate_private_key(65537, 2048)
start = datetime.now(UTC) - timedelta(days=age)
subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domains[0])])
builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
builder = builder.not_valid_after(start + timedelta(days=days))
builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(item) for item in domains]), critical=False)
config = pathlib.Path(config)
live, archive, renewal = config / "live" / name, config / "archive" / name, config / "renewal"
for directory in (live, archive, renewal):
    directory.mkdir(parents=True, exist_ok=True)
pem = serialization.Encoding.PEM
plain = serialization.NoEncryption()
number = 1 + len(list(archive.glob("privkey*")))
for file, content in (
    ("fullchain", builder.sign(key, hashes.SHA256()).public_bytes(pem)),
    ("privkey", key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)),
):
    (archive / f"{file}{number}.pem").write_bytes(content)
    (archive / f"{file}{number}.pem").chmod(0o600 if file == "privkey" else 0o644)
    (live / f"{file}.pem").unlink(missing_ok=True)
    (live / f"{file}.pem").symlink_to(f"../../archive/{name}/{file}{number}.pem")
(live / "README").write_text("This directory contains your keys and certificates.")
webroot = config.parent / "webroot"
text = f'''# renew_before_expiry = 30 days
version = 2.1.0
archive_dir = {archive}
fullchain = {live}/fullchain.pem
privkey = {live}/privkey.pem

# Options used in the renewal process
[renewalparams]
account = 0123
authenticator = webroot
webroot_path = {webroot},
server = {server}
key_type = {key_type}
[[webroot_map]]
'''
for domain in domains:
    text += f"{domain} = {webroot}" + chr(10)
(renewal / (name + ".conf")).write_text(text)
"""


class Host:
    """A directory of certificates, a certbot and a way to run the module."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.capsys = path, capsys
        self.config = path / "letsencrypt"
        self.webroot = path / "webroot"
        self.config.mkdir()
        (path / "version").write_text("2.1.0")
        self.maker = path / "maker.py"
        self.maker.write_text(MAKER)
        program = path / "bin" / "certbot"
        program.parent.mkdir()
        program.write_text(FAKE_CERTBOT.format(python=sys.executable, state=str(path), maker=str(self.maker)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        monkeypatch.setattr(certbot.time, "sleep", lambda _seconds: None)

    def certificate(
        self, name: str, *domains: str, server: str = SERVER, key_type: str = "ecdsa", days: str = "90"
    ) -> None:
        """Write a certificate as the module orders it, and list it. days: lifetime, or lifetime/age."""
        self.foreign(name, *domains, server=server, key_type=key_type, days=days)
        how = {"authenticator": "webroot", "webroot_path": str(self.webroot)}
        path = self.config / "ocore-certificates.json"
        listed = json.loads(path.read_text())["certificates"] if path.exists() else {}
        path.write_text(json.dumps({"certificates": {**listed, name: how}}))

    def foreign(
        self, name: str, *domains: str, server: str = SERVER, key_type: str = "ecdsa", days: str = "90"
    ) -> None:
        """Write a certificate that is not listed."""
        import subprocess

        subprocess.run([sys.executable, self.maker, self.config, name, server, key_type, days, *domains], check=True)

    def edit_renewal(self, name: str, old: str, new: str) -> None:
        path = self.config / "renewal" / f"{name}.conf"
        path.write_text(path.read_text().replace(old, new))

    def early_list(self, *names: str) -> None:
        """Write the list of an early release: every declared name, whoever had made the certificate."""
        (self.config / "ocore-certificates.json").write_text(json.dumps({"certificates": sorted(names)}))

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.config)): path.read_bytes() for path in self.config.rglob("*") if path.is_file()
        }

    def run(self, *declared: dict[str, Any], check_mode: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {
            "certificates": list(declared),
            "server": SERVER,
            "config_dir": str(self.config),
            "webroot": str(self.webroot),
            "check_names": False,
            "_ansible_check_mode": check_mode,
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(self.capsys.readouterr().out))

    def orders(self) -> list[list[str]]:
        """The calls of certbot since the last look, but for --version."""
        calls = self.path / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return [call for call in map(json.loads, lines) if call != ["--version"]]

    def ordered(self) -> list[str]:
        return [call[call.index("--cert-name") + 1] for call in self.orders()]

    def renewal(self, name: str) -> str:
        return (self.config / "renewal" / f"{name}.conf").read_text()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, monkeypatch, capsys)


def declared(name: str, *domains: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "domains": list(domains), **more}


def states(result: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["state"] for item in result["certificates"]}


def test_idempotent_second_run_orders_nothing(host: Host) -> None:
    result = host.run(declared("shop", "a.example.com", "b.example.com"), email="x@example.com")
    assert (result["changed"], states(result)) == (True, {"shop": "issued"})
    [call] = host.orders()
    assert call[:3] == ["certonly", "--cert-name", "shop"]
    assert [call[i + 1] for i, item in enumerate(call) if item == "--domain"] == ["a.example.com", "b.example.com"]
    assert call[call.index("--email") + 1] == "x@example.com"
    entry = result["certificates"][0]
    assert (entry["why"], sorted(entry["domains"])) == (["there is no certificate"], ["a.example.com", "b.example.com"])
    assert entry["serial"]
    result = host.run(declared("shop", "b.example.com", "A.example.com"))
    assert (result["changed"], states(result), host.orders()) == (False, {"shop": "unchanged"}, [])


@pytest.mark.parametrize(
    ("there", "why"),
    [
        ({"server": "https://staging.example/dir"}, "it was issued by https://staging.example/dir"),
        ({"key_type": "rsa"}, "its key type is rsa"),
        ({"days": "90/91"}, "it has expired"),
        ({"days": "90/61"}, "it expires at "),
        ({"days": "6/4"}, "it expires at "),
    ],
)
def test_order_for_a_certificate_that_differs(host: Host, there: dict[str, str], why: str) -> None:
    host.certificate("shop", "a.example.com", **there)
    result = host.run(declared("shop", "a.example.com"))
    assert states(result) == {"shop": "issued"}
    assert result["certificates"][0]["why"][0].startswith(why)
    assert host.ordered() == ["shop"]


@pytest.mark.parametrize("days", ["90/59", "6/2", "1/0.4", "45/29"])
def test_renewal_waits_for_the_window(host: Host, days: str) -> None:
    host.certificate("shop", "a.example.com", days=days)
    assert states(host.run(declared("shop", "a.example.com"))) == {"shop": "unchanged"}
    assert host.orders() == []


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("a.example.com", "b.example.com"), "it does not cover b.example.com"),
        (("a.example.com",), "it covers x.example.com, which is no longer declared"),
    ],
)
def test_order_for_changed_names_happens_once(host: Host, names: tuple[str, ...], why: str) -> None:
    host.certificate("shop", "a.example.com", *(["x.example.com"] if "covers x" in why else []))
    assert host.run(declared("shop", *names))["certificates"][0]["why"] == [why]
    assert host.ordered() == ["shop"]
    assert host.run(declared("shop", *names))["changed"] is False
    assert host.orders() == []


def test_left_out_name_stays_in_a_good_certificate(host: Host) -> None:
    host.certificate("shop", "a.example.com", "b.example.com")
    result = host.run(declared("shop", "a.example.com", left_out={"b.example.com": "dns_status is pending"}))
    assert host.orders() == []
    assert result["certificates"][0]["left_out"] == {"b.example.com": "dns_status is pending"}


def test_order_for_a_key_of_another_certificate(host: Host) -> None:
    host.certificate("shop", "a.example.com")
    host.certificate("other", "o.example.com")
    os.replace(host.config / "archive" / "other" / "privkey1.pem", host.config / "archive" / "shop" / "privkey1.pem")
    result = host.run(declared("shop", "a.example.com"))
    assert "does not belong" in result["certificates"][0]["why"][0]


def test_order_for_a_file_that_is_not_a_certificate(host: Host) -> None:
    host.certificate("shop", "a.example.com")
    (host.config / "live" / "shop" / "fullchain.pem").write_text("nonsense")
    assert states(host.run(declared("shop", "a.example.com"))) == {"shop": "issued"}


def test_check_mode_orders_nothing_and_predicts(host: Host) -> None:
    host.certificate("old", "o.example.com")
    host.run(declared("old", "o.example.com"))
    host.orders()
    before = host.files()
    result = host.run(declared("shop", "a.example.com"), check_mode=True, purge=True)
    assert (result["changed"], states(result)) == (True, {"shop": "issued", "old": "deleted"})
    assert result["diff"]["after"]["shop"] == {"domains": ["a.example.com"], "server": SERVER, "key_type": "ecdsa"}
    assert result["diff"]["after"]["old"] is None
    assert host.orders() == []
    assert host.files() == before


def test_failed_order_does_not_stop_the_others(host: Host) -> None:
    (host.path / "fail-bad").touch()
    result = host.run(declared("bad", "bad.example.com"), declared("good", "good.example.com"))
    assert result["failed"] is True
    assert states(result) == {"bad": "failed", "good": "issued"}
    for part in (
        "1 of 2",
        "'bad'",
        "bad.example.com",
        SERVER,
        "There is still no certificate",
        "Some challenges have failed",
    ):
        assert part in result["msg"]


def test_a_failed_order_leaves_the_old_certificate(host: Host) -> None:
    host.certificate("shop", "a.example.com")
    before = (host.config / "live" / "shop" / "fullchain.pem").read_bytes()
    (host.path / "fail-shop").touch()
    result = host.run(declared("shop", "a.example.com", "b.example.com"), on_error="report")
    assert "failed" not in result
    assert "The existing certificate is unchanged" in result["certificates"][0]["error"]
    assert (host.config / "live" / "shop" / "fullchain.pem").read_bytes() == before


def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(reconciliation.time, "time", lambda: now[0])
    return now


def test_failed_order_is_repeated_after_growing_pauses(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock(monkeypatch)
    (host.path / "fail-shop").touch()
    item = declared("shop", "a.example.com")
    for pause in (900, 3600, 4 * 3600, 16 * 3600, 24 * 3600, 24 * 3600):
        assert "Some challenges have failed" in host.run(item)["msg"]
        assert host.ordered() == ["shop"]
        for later in (0, pause - 1):
            now[0] += later
            result = host.run(item, check_mode=later == 0)
            assert (host.orders(), states(result), result["changed"]) == ([], {"shop": "failed"}, False)
            assert "is tried again after" in result["msg"]
            assert "Some challenges have failed" in result["msg"]
        now[0] += 1
    (host.path / "fail-shop").unlink()
    assert states(host.run(item)) == {"shop": "issued"}
    assert json.loads(host.files()["ocore-orders.json"])["failed_orders"] == {}


@pytest.mark.parametrize(
    "change",
    [
        {"retry_now": True},
        {"email": "x@example.com"},
        {"server": "https://other.example/dir"},
        {"domains": ["b.example.com"]},
    ],
)
def test_failed_order_that_changes_is_repeated_at_once(
    host: Host, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    clock(monkeypatch)
    (host.path / "fail-shop").touch()
    item = declared("shop", "a.example.com")
    host.run(item)
    host.orders()
    options = {key: value for key, value in change.items() if key != "domains"}
    host.run({**item, **({"domains": change["domains"]} if "domains" in change else {})}, **options)
    assert host.ordered() == ["shop"]


def test_failed_order_with_a_damaged_memory_is_repeated(host: Host) -> None:
    (host.path / "fail-shop").touch()
    for damage in ("{", "[]", '{"failed_orders": {"shop": {}}}'):
        (host.config / "ocore-orders.json").write_text(damage)
        host.run(declared("shop", "a.example.com"))
        assert host.ordered() == ["shop"]


def test_failed_order_for_the_lock_is_not_remembered(host: Host) -> None:
    (host.path / "busy").touch()
    host.run(declared("shop", "a.example.com"), lock_timeout=0)
    assert states(host.run(declared("shop", "a.example.com"))) == {"shop": "issued"}


def test_failed_first_order_leaves_no_parts(host: Host) -> None:
    (host.path / "fail-shop").touch()
    (host.path / "debris-shop").touch()
    host.run(declared("shop", "a.example.com"))
    assert (
        sorted(os.listdir(host.config)) == ["archive", "live", "ocore-orders.json"]
        or not (host.config / "live/shop").exists()
    )
    assert not (host.config / "archive" / "shop").exists()


def test_full_disk_orders_nothing_and_leaves_everything(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.certificate("shop", "a.example.com")
    before = host.files()
    real = os.statvfs(host.config)
    full = os.statvfs_result((real.f_bsize, real.f_frsize, real.f_blocks, 0, 0, *tuple(real)[5:]))
    monkeypatch.setattr(certbot.os, "statvfs", lambda _path: full)
    result = host.run(declared("shop", "a.example.com", "b.example.com"))
    assert "is full (0 KiB" in result["msg"]
    assert host.orders() == []
    assert set(before) == set(host.files())
    assert host.files()["renewal/shop.conf"] == before["renewal/shop.conf"] or "renew_before" in host.renewal("shop")


def test_full_disk_leaves_no_part_of_a_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    host.certificate("shop", "a.example.com")
    before = host.files()
    monkeypatch.setattr(certbot.os, "replace", full)
    assert (
        "No space left on device" in host.run(declared("shop", "a.example.com"), declared("b", "b.example.com"))["msg"]
    )
    assert host.files() == before


def account(host: Host) -> None:
    directory = host.config / "accounts" / "acme.example" / "dir" / "0123"
    directory.mkdir(parents=True)
    (directory / "regr.json").write_text("{}")


def test_contact_that_changes_reaches_the_account_once(host: Host) -> None:
    host.run(declared("shop", "a.example.com"), email="x@example.com")
    account(host)
    host.orders()
    for email, call in (
        ("x@example.com", None),
        ("y@example.com", ["update_account", "--server", SERVER, "--email", "y@example.com", "--no-eff-email"]),
        (None, ["update_account", "--server", SERVER, "--register-unsafely-without-email"]),
    ):
        options = {"email": email} if email else {}
        assert host.run(declared("shop", "a.example.com"), check_mode=True, **options)["changed"] is (call is not None)
        assert host.orders() == []
        assert host.run(declared("shop", "a.example.com"), **options)["changed"] is (call is not None)
        assert [made[: len(call or [])] for made in host.orders()] == ([call] if call else [])
        assert host.run(declared("shop", "a.example.com"), **options)["changed"] is False
        assert host.orders() == []


def test_contact_of_an_account_stays_without_an_address_of_ours(host: Host) -> None:
    account(host)
    host.run()
    assert host.orders() == []


def test_contact_that_cannot_be_changed_is_tried_again(host: Host) -> None:
    account(host)
    (host.path / "fail-account").touch()
    for _time in range(2):
        assert host.run(email="x@example.com")["changed"] is False
        assert [call[0] for call in host.orders()] == ["update_account"]


def test_lock_of_another_certbot_is_waited_for(host: Host) -> None:
    (host.path / "busy").touch()
    assert states(host.run(declared("shop", "a.example.com"))) == {"shop": "issued"}
    assert host.ordered() == ["shop", "shop"]


def test_lock_wait_times_out(host: Host) -> None:
    (host.path / "busy").touch()
    result = host.run(declared("shop", "a.example.com"), lock_timeout=0)
    assert "already running" in result["msg"]


def test_purge_deletes_only_what_was_managed_before(host: Host) -> None:
    host.foreign("foreign", "f.example.com")
    host.run(declared("shop", "a.example.com"), declared("old", "o.example.com"))
    host.orders()
    assert states(host.run(declared("shop", "a.example.com"))) == {"shop": "unchanged"}
    result = host.run(declared("shop", "a.example.com"), purge=True)
    assert (result["changed"], states(result)) == (True, {"shop": "unchanged", "old": "deleted"})
    assert host.ordered() == ["old"]
    assert sorted(os.listdir(host.config / "live")) == ["foreign", "shop"]
    [archive] = (host.config / "ocore-deleted").iterdir()
    assert (archive.name[:4], archive.stat().st_mode & 0o777) == ("old-", 0o600)
    with tarfile.open(archive) as packed:
        assert {"live/old/fullchain.pem", "live/old/privkey.pem", "renewal/old.conf"} <= set(packed.getnames())
    assert host.run(declared("shop", "a.example.com"), purge=True)["changed"] is False


def test_purge_stops_at_a_damaged_list_of_managed_certificates(host: Host) -> None:
    host.run(declared("shop", "a.example.com"))
    for damage in ("{", "[]", "{}", '{"certificates": {"shop": 1}}'):
        (host.config / "ocore-certificates.json").write_text(damage)
        result = host.run(purge=True)
        assert "ocore-certificates.json is damaged. Restore it, or remove it" in result["msg"]
        assert (host.config / "live" / "shop").is_dir()


def test_ownership_without_a_list_is_read_from_the_renewal_files(host: Host) -> None:
    host.run(
        declared("ocore-shop", "a.example.com"),
        declared("ocore-old", "o.example.com"),
        declared("mine", "m.example.com"),
    )
    host.orders()
    host.foreign("ocore-nginx", "n.example.com")
    host.edit_renewal("ocore-nginx", "authenticator = webroot", "authenticator = nginx")
    (host.config / "ocore-certificates.json").unlink()
    result = host.run(declared("ocore-shop", "a.example.com"), purge=True)
    assert states(result) == {"ocore-shop": "unchanged", "ocore-old": "deleted"}
    assert sorted(os.listdir(host.config / "live")) == ["mine", "ocore-nginx", "ocore-shop"]
    assert host.run(declared("ocore-shop", "a.example.com"), purge=True)["changed"] is False


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("authenticator = webroot", "authenticator = nginx\ninstaller = nginx"),
        ("/webroot", "/html"),
        ("authenticator = webroot", "authenticator = standalone"),
    ],
)
def test_ownership_of_a_certificate_made_by_hand_under_a_declared_name(host: Host, old: str, new: str) -> None:
    host.foreign("shop", "x.example.com", days="90/80")
    host.edit_renewal("shop", old, new)
    before = host.files()
    result = host.run(declared("shop", "a.example.com"), declared("good", "g.example.com"), purge=True)
    assert states(result) == {"shop": "failed", "good": "issued"}
    assert "has one of this name that this collection has not made" in result["msg"]
    assert host.ordered() == ["good"]
    assert before.items() <= host.files().items()
    assert list(json.loads(host.files()["ocore-certificates.json"])["certificates"]) == ["good"]


def test_ownership_ends_when_somebody_makes_the_certificate_otherwise(host: Host) -> None:
    host.certificate("shop", "a.example.com")
    host.edit_renewal("shop", "authenticator = webroot", "authenticator = standalone")
    assert states(host.run(declared("shop", "a.example.com", "b.example.com"), purge=True)) == {"shop": "failed"}
    assert host.run(purge=True)["certificates"] == []
    assert (host.config / "live" / "shop").is_dir()


def test_ownership_of_what_an_interrupted_run_has_ordered(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module.Reconciler, "record_owned", lambda _self: None)
        host.run(declared("shop", "a.example.com"))
    assert states(host.run(declared("shop", "a.example.com"))) == {"shop": "unchanged"}


FORMER = {"former_name": "shop"}


def test_takeover_renames_without_an_order(host: Host) -> None:
    host.foreign("shop", "a.example.com")
    host.early_list("shop")
    served = (host.config / "live" / "shop" / "fullchain.pem").read_bytes()
    result = host.run(declared("ocore-shop", "a.example.com", **FORMER), take_over_only=True)
    assert (result["changed"], states(result), host.orders()) == (True, {"ocore-shop": "taken_over"}, [])
    # The web server reads the former one until it is told otherwise.
    for name in ("shop", "ocore-shop"):
        assert (host.config / "live" / name / "fullchain.pem").read_bytes() == served
    assert os.readlink(host.config / "live" / "ocore-shop" / "privkey.pem") == "../../archive/ocore-shop/privkey1.pem"
    assert (host.config / "archive" / "ocore-shop" / "privkey1.pem").stat().st_mode & 0o777 == 0o600
    assert host.renewal("ocore-shop") == host.renewal("shop").replace("/shop", "/ocore-shop")
    assert host.run(declared("ocore-shop", "a.example.com", **FORMER), take_over_only=True)["changed"] is False

    result = host.run(declared("ocore-shop", "a.example.com", **FORMER))
    assert states(result) == {"ocore-shop": "unchanged", "shop": "deleted"}
    assert [call[0] for call in host.orders()] == ["delete"]
    assert sorted(os.listdir(host.config / "live")) == ["ocore-shop"]
    assert len(list((host.config / "ocore-deleted").iterdir())) == 1
    result = host.run(declared("ocore-shop", "a.example.com", **FORMER), purge=True)
    assert (result["changed"], states(result)) == (False, {"ocore-shop": "unchanged"})


def test_takeover_in_one_run_and_an_order_for_what_differs(host: Host) -> None:
    host.foreign("shop", "a.example.com")
    host.foreign("crm", "c.example.com")
    host.early_list("shop", "crm")
    items = [
        declared("ocore-shop", "a.example.com", **FORMER),
        declared("ocore-crm", "c.example.com", "d.example.com", former_name="crm"),
    ]
    predicted = host.run(*items, check_mode=True)
    assert states(predicted) == {"ocore-shop": "taken_over", "ocore-crm": "issued"}
    result = host.run(*items)
    assert states(result) == {"ocore-shop": "taken_over", "ocore-crm": "issued", "shop": "deleted", "crm": "deleted"}
    assert [call[:3] for call in host.orders() if call[0] == "certonly"] == [["certonly", "--cert-name", "ocore-crm"]]
    assert host.run(*items)["changed"] is False


def test_takeover_keeps_the_former_one_while_nginx_uses_it(host: Host) -> None:
    host.foreign("shop", "a.example.com")
    host.early_list("shop")
    nginx = host.path / "bin" / "nginx"
    nginx.write_text(f"#!/bin/sh\necho 'ssl_certificate {host.config}/live/shop/fullchain.pem;'\n")
    nginx.chmod(0o755)
    result = host.run(declared("ocore-shop", "a.example.com", **FORMER))
    assert states(result) == {"ocore-shop": "taken_over", "shop": "kept"}
    assert host.run(declared("ocore-shop", "a.example.com", **FORMER))["changed"] is False
    nginx.write_text("#!/bin/sh\n")
    assert states(host.run(declared("ocore-shop", "a.example.com", **FORMER)))["shop"] == "deleted"


@pytest.mark.parametrize(
    ("listed", "old", "new"),
    [
        (False, "", ""),
        (True, "/webroot", "/html"),
        (True, "authenticator = webroot", "authenticator = nginx\ninstaller = nginx"),
        (True, "account = 0123", "account = 0123\nrenew_hook = systemctl reload postfix"),
    ],
)
def test_takeover_leaves_the_certificates_of_others(host: Host, listed: bool, old: str, new: str) -> None:
    host.foreign("shop", "a.example.com")
    host.edit_renewal("shop", old, new)
    if listed:
        host.early_list("shop")
    before = host.files()
    item = declared("ocore-shop", "a.example.com", **FORMER)
    assert host.run(item, take_over_only=True)["certificates"] == []
    assert states(host.run(item, purge=True)) == {"ocore-shop": "issued"}
    assert states(host.run(purge=True)) == {"ocore-shop": "deleted"}
    before.pop("ocore-certificates.json", None)
    assert before.items() <= host.files().items()


def test_takeover_that_was_interrupted_is_completed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.foreign("shop", "a.example.com")
    host.early_list("shop")
    item = declared("ocore-shop", "a.example.com", **FORMER)
    with monkeypatch.context() as patch:
        patch.setattr(certbot.ConfigDir, "write_renewal", lambda *_arguments: sys.exit(1))
        with (
            pytest.raises(SystemExit),
            patch_module_args(
                {
                    "certificates": [item],
                    "config_dir": str(host.config),
                    "webroot": str(host.webroot),
                    "take_over_only": True,
                }
            ),
        ):
            module.main()
    assert states(host.run(item)) == {"ocore-shop": "taken_over", "shop": "deleted"}
    assert [call[0] for call in host.orders()] == ["delete"]


def test_takeover_that_fails_is_ordered(host: Host) -> None:
    host.foreign("shop", "a.example.com")
    host.early_list("shop")
    (host.config / "archive" / "shop").rename(host.config / "archive" / "away")
    assert states(host.run(declared("ocore-shop", "a.example.com", **FORMER)))["ocore-shop"] == "issued"


@pytest.mark.parametrize("name", ["../x", "ocore-shop", ""])
def test_takeover_of_a_name_that_is_not_valid(host: Host, name: str) -> None:
    result = host.run(declared("ocore-shop", "a.example.com", former_name=name))
    assert f"former_name '{name}' of certificate 'ocore-shop' is not valid" in result["msg"]


def test_purge_keeps_everything_while_the_configuration_of_nginx_is_broken(host: Host) -> None:
    host.run(declared("old", "o.example.com"))
    nginx = host.path / "bin" / "nginx"
    nginx.write_text("#!/bin/sh\nexit 1\n")
    nginx.chmod(0o755)
    assert "its configuration has an error" in host.run(purge=True)["msg"]
    assert (host.config / "live" / "old").is_dir()


def test_purge_keeps_a_declared_certificate_without_domains(host: Host) -> None:
    host.run(declared("shop", "a.example.com"))
    host.orders()
    result = host.run(declared("shop"), declared("never"), purge=True)
    assert (result["changed"], states(result), host.orders()) == (False, {"shop": "unchanged", "never": "missing"}, [])


def test_purge_keeps_what_nginx_still_uses(host: Host) -> None:
    host.run(declared("old", "o.example.com"))
    nginx = host.path / "bin" / "nginx"
    nginx.write_text(f"#!/bin/sh\necho 'ssl_certificate {host.config}/live/old/fullchain.pem;'\n")
    nginx.chmod(0o755)
    result = host.run(purge=True)
    assert result["failed"] is True
    assert "nginx still uses it" in result["msg"]
    assert (host.config / "live" / "old").is_dir()


@pytest.mark.parametrize(
    ("version", "days", "line"),
    [
        ("2.1.0", "90", "renew_before_expiry = 720 hours"),
        ("4.0.0", "45", "renew_before_expiry = 360 hours"),
        ("2.1.0", "6", "renew_before_expiry = 72 hours"),
        ("2.1.0", "0.04", "renew_before_expiry = 1 hours"),
        ("4.1.0", "90", None),
        ("5.8.0", "6", None),
    ],
)
def test_renewal_window_is_written_for_old_certbot(host: Host, version: str, days: str, line: str | None) -> None:
    (host.path / "version").write_text(version)
    host.certificate("shop", "a.example.com", days=days)
    result = host.run(declared("shop", "a.example.com"))
    lines = host.renewal("shop").splitlines()
    assert ([item for item in lines if item.startswith("renew")] or [None]) == [line]
    if line:
        assert result["changed"] is True
        assert lines.index(line) < lines.index("[renewalparams]")
    assert host.run(declared("shop", "a.example.com"))["changed"] is False


def test_renewal_window_is_removed_when_certbot_needs_none(host: Host) -> None:
    host.certificate("shop", "a.example.com")
    host.run(declared("shop", "a.example.com"))
    (host.path / "version").write_text("5.8.0")
    assert host.run(declared("shop", "a.example.com"))["changed"] is True
    assert "\nrenew_before_expiry" not in host.renewal("shop")
    assert "# renew_before_expiry = 30 days" in host.renewal("shop")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([declared("../x", "a.example.com")], "Certificate name '../x' is not valid"),
        ([declared("a", "a.example.com"), declared("a", "b.example.com")], "declared twice"),
        ([declared("a", "*.example.com")], "is a wildcard, which cannot be validated over HTTP"),
        ([declared("a", "a.example.com --server x")], "is not a host name"),
        ([declared("a", "--help")], "is not a host name"),
        ([declared("a", "a.example.com", "A.example.com")], "the same domain twice"),
    ],
)
def test_input_is_refused_before_anything_is_done(host: Host, bad: list[dict[str, Any]], message: str) -> None:
    result = host.run(*bad)
    assert result["failed"] is True
    assert message in result["msg"]
    assert "Nothing was changed" in result["msg"]
    assert host.orders() == []


@pytest.fixture
def over_dns(host: Host) -> dict[str, Any]:
    credentials = host.path / "rfc2136.ini"
    credentials.write_text("dns_rfc2136_secret = x")
    credentials.chmod(0o600)
    return {"dns_plugin": "rfc2136", "dns_credentials": str(credentials), "check_names": True}


def test_dns_validates_wildcards_once_and_fetches_no_name(host: Host, over_dns: dict[str, Any]) -> None:
    item = declared("apps", "apps.example.com", "*.apps.example.com")
    result = host.run(item, dns_propagation_seconds=5, **over_dns)
    assert (states(result), result["certificates"][0]["left_out"]) == ({"apps": "issued"}, {})
    [call] = host.orders()
    start = call.index("--authenticator")
    assert call[start : start + 6] == [
        "--authenticator",
        "dns-rfc2136",
        "--dns-rfc2136-credentials",
        over_dns["dns_credentials"],
        "--dns-rfc2136-propagation-seconds",
        "5",
    ]
    assert "--webroot" not in call
    assert host.run(item, **over_dns)["changed"] is False
    assert states(host.run(**over_dns, purge=True)) == {"apps": "deleted"}


def test_dns_instead_of_http_orders_again_once(host: Host, over_dns: dict[str, Any]) -> None:
    host.certificate("shop", "a.example.com")
    item = declared("shop", "a.example.com")
    assert host.run(item, **over_dns)["certificates"][0]["why"] == [
        f"it is renewed by authenticator webroot, webroot_path {host.webroot}"
    ]
    assert host.run(item, **over_dns)["changed"] is False
    assert host.run(item)["certificates"][0]["why"] == ["it is renewed by authenticator dns-rfc2136"]
    assert host.run(item)["changed"] is False


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_dns_credentials_that_others_can_read_are_refused(host: Host, over_dns: dict[str, Any], mode: int) -> None:
    os.chmod(over_dns["dns_credentials"], mode)
    result = host.run(declared("shop", "a.example.com"), **over_dns)
    assert f"have mode {mode:04o}, so others can read them. Set mode 0600. Nothing was changed." in result["msg"]
    assert host.orders() == []


def test_dns_credentials_that_are_missing_are_refused(host: Host, over_dns: dict[str, Any]) -> None:
    os.unlink(over_dns["dns_credentials"])
    assert "cannot be read: No such file" in host.run(declared("shop", "a.example.com"), **over_dns)["msg"]


def test_dns_plugin_that_is_not_a_name_is_refused(host: Host) -> None:
    assert "is not the name of a plugin" in host.run(declared("a", "a.example.com"), dns_plugin="--help")["msg"]


def test_external_account_binding_is_not_in_the_arguments(host: Host) -> None:
    host.run(declared("shop", "a.example.com"), eab_kid="kid-1", eab_hmac_key="c2VjcmV0")
    [call] = host.orders()
    assert "c2VjcmV0" not in " ".join(call)
    assert (host.path / "binding").read_text() == "eab-kid = kid-1\neab-hmac-key = c2VjcmV0\n"
    assert (os.stat(call[call.index("--config") + 1]).st_mode & 0o777) == 0o600


def test_certbot_missing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(module.AnsibleModule, "get_bin_path", lambda _self, _name: None)
    assert "certbot is not installed" in host.run(declared("shop", "a.example.com"))["msg"]
    assert states(host.run(declared("shop", "a.example.com"), check_mode=True)) == {"shop": "issued"}


@pytest.fixture
def web(host: Host) -> Iterator[Callable[[dict[str, str]], str]]:
    """A web server that publishes the webroot; single names can answer otherwise."""
    answers: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = answers.get(str(self.headers["Host"]), "good")
            path = host.webroot / self.path.lstrip("/")
            body = path.read_bytes() if path.is_file() else b""
            if kind == "redirect" and not self.path.endswith("?again"):
                self.send_response(302)
                self.send_header("Location", f"http://{self.headers['Host']}{self.path}?again")
                self.end_headers()
                return
            if kind == "redirect":
                body = (host.webroot / self.path.removesuffix("?again").lstrip("/")).read_bytes()
            self.send_response(404 if kind == "404" else 200)
            self.end_headers()
            self.wfile.write(b"somebody else" if kind == "other" else body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def tell(kinds: dict[str, str]) -> str:
        answers.clear()
        answers.update(kinds)
        return f"127.0.0.1:{server.server_port}"

    yield tell
    server.shutdown()
    server.server_close()
    thread.join()


def test_name_check_leaves_out_bad_names(
    host: Host, web: Callable[[dict[str, str]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    address = web({"x.example.com": "404", "y.example.com": "other", "r.example.com": "redirect"})
    item = declared("shop", "a.example.com", "x.example.com", "y.example.com", "r.example.com")
    result = host.run(item, check_names=True, check_address=address)
    entry = result["certificates"][0]
    assert sorted(entry["domains"]) == ["a.example.com", "r.example.com"]
    assert entry["left_out"] == {
        "x.example.com": "HTTP 404 instead of the file on this host: the name leads to another server",
        "y.example.com": "another server answers for it: check its DNS record",
    }
    assert [warning.partition(": ")[0] for warning in warnings] == ["certificate 'shop'"] * 2
    assert "left out 'x.example.com': HTTP 404" in warnings[0]
    assert os.listdir(host.webroot / ".well-known" / "acme-challenge") == []
    host.orders()
    # It stays bad: nothing is ordered again. It becomes good: ordered once.
    for check_mode in (False, True):
        result = host.run(item, check_names=True, check_address=address, check_mode=check_mode)
        assert (result["changed"], host.orders()) == (False, [])
    web({})
    assert host.run(item, check_names=True, check_address=address)["certificates"][0]["why"] == [
        "it does not cover x.example.com, y.example.com"
    ]
    assert host.ordered() == ["shop"]


def test_name_check_orders_nothing_when_every_name_is_bad(host: Host, web: Callable[[dict[str, str]], str]) -> None:
    address = web({"a.example.com": "404"})
    result = host.run(declared("shop", "a.example.com"), check_names=True, check_address=address)
    assert (result["changed"], states(result), host.orders()) == (False, {"shop": "missing"}, [])


def test_name_check_ignores_a_certified_name_that_went_bad(host: Host, web: Callable[[dict[str, str]], str]) -> None:
    host.certificate("shop", "a.example.com", "b.example.com")
    address = web({"b.example.com": "404"})
    host.run(declared("shop", "a.example.com", "b.example.com"), check_names=True, check_address=address)
    assert host.orders() == []


def test_name_check_of_a_certified_name_does_not_spoil_an_order(
    host: Host, web: Callable[[dict[str, str]], str]
) -> None:
    host.certificate("shop", "a.example.com", "b.example.com")
    address = web({"b.example.com": "404"})
    result = host.run(
        declared("shop", "a.example.com", "b.example.com", "c.example.com"), check_names=True, check_address=address
    )
    assert sorted(result["certificates"][0]["domains"]) == ["a.example.com", "c.example.com"]
    assert result["certificates"][0]["why"] == ["it does not cover c.example.com"]


def test_name_check_without_a_listener(host: Host) -> None:
    result = host.run(declared("shop", "a.example.com"), check_names=True, check_address="127.0.0.1:1")
    assert "not reachable over HTTP" in result["certificates"][0]["left_out"]["a.example.com"]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"192.0.2.1": None}, None),
        ({"192.0.2.1": None, "2001:db8::1": None}, None),
        ({"192.0.2.1": "bad"}, "bad"),
        ({"192.0.2.1": None, "192.0.2.2": "bad"}, "its address 192.0.2.2: bad"),
        (
            {"192.0.2.1": None, "2001:db8::1": "bad"},
            "its AAAA record 2001:db8::1 leads elsewhere, and a CA uses it first: correct or remove it (bad)",
        ),
    ],
)
def test_name_check_asks_every_address(
    answers: dict[str, str | None], problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answer(_self: object, address: tuple[str, int], *_arguments: str) -> str | None:
        asked.append(address[0])
        return answers[address[0]]

    family = {True: name_check.socket.AF_INET6, False: name_check.socket.AF_INET}
    found = [(family[":" in address], 1, 6, "", (address, 80)) for address in answers for _twice in range(2)]
    monkeypatch.setattr(name_check.socket, "getaddrinfo", lambda *_arguments, **_options: found)
    monkeypatch.setattr(name_check.NameCheck, "_problem_at", answer)
    check = name_check.NameCheck("/webroot", None, 1)
    assert check._problem("a.example.com", "token", "content") == problem
    assert asked == sorted(answers, key=lambda address: ":" not in address)[: len(asked)]


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [
        (["2001:db8::1", "127.0.0.1"], None),
        (["2001:db8::1"], "it has IPv6 addresses only, and this host has no IPv6: add an A record"),
    ],
)
def test_name_check_on_a_host_without_ipv6(
    addresses: list[str], problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_raised: object) -> None: ...

        def read(self, _size: int) -> bytes:
            return b"content"

        def open(self, *_arguments: object, **_options: object) -> Self:
            return self

    class NoRoute:
        def open(self, *_arguments: object, **_options: object) -> None:
            raise urllib.error.URLError(OSError(errno.ENETUNREACH, "Network is unreachable"))

    monkeypatch.setattr(name_check, "_opener", lambda address, _name: NoRoute() if ":" in address[0] else Answer())
    monkeypatch.setattr(name_check, "_addresses", lambda _name: addresses)
    assert name_check.NameCheck("/webroot", None, 1)._problem("a.example.com", "token", "content") == problem


class FixedResolver:
    """/etc/hosts answers for every name, and the name servers know these addresses."""

    def __init__(self, addresses: list[str] | None) -> None:
        self.known = addresses

    def overridden(self, _name: str) -> bool:
        return True

    def addresses(self, _name: str) -> list[str]:
        if self.known is None:
            raise OSError("timed out")
        return self.known


@pytest.mark.parametrize(
    ("known", "problem"),
    [
        (["192.0.2.1"], None),
        (["192.0.2.9"], "bad (as DNS says; /etc/hosts of this host says otherwise)"),
        ([], "only /etc/hosts of this host has an address for it, which a CA does not read: add a DNS record"),
        # Nobody can be asked: what the system says counts.
        (None, None),
    ],
)
def test_name_check_does_not_believe_the_hosts_file(
    known: list[str] | None, problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_check, "_addresses", lambda _name: ["192.0.2.1"])
    good = {"192.0.2.1": None, "192.0.2.9": "bad"}
    monkeypatch.setattr(name_check.NameCheck, "_problem_at", lambda _self, address, *_more: good[address[0]])
    check = name_check.NameCheck("/webroot", None, 1, FixedResolver(known))
    assert check._problem("a.example.com", "token", "content") == problem


def test_name_check_of_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_arguments: object, **_options: object) -> None:
        raise name_check.socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(name_check.socket, "getaddrinfo", nothing)
    problem = name_check.NameCheck("/webroot", None, 1)._problem("a.example.com", "token", "content")
    assert problem
    assert problem.startswith("not reachable over HTTP (")
    assert "check its DNS record" in problem


@pytest.mark.parametrize(
    ("text", "address"),
    [("h", ("h", 80)), ("192.0.2.1:8080", ("192.0.2.1", 8080)), ("[::1]:81", ("::1", 81)), ("", None), (None, None)],
)
def test_check_address(text: str | None, address: tuple[str, int] | None) -> None:
    assert split_address(text) == address


def test_check_address_that_is_not_valid(host: Host) -> None:
    assert "neither host nor host:port" in host.run(declared("a", "a.example.com"), check_address="http://x/")["msg"]


def test_renewal_window_by_lifetime() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert now + timedelta(seconds=certbot.renewal_window(90 * 86400)) == datetime(2026, 1, 31, tzinfo=UTC)
    assert certbot.renewal_window(6 * 86400) == 3 * 86400
