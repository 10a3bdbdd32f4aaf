# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and hashed passwords in files of nginx: hashes, rights, what stays and what is shown."""

from __future__ import annotations

import grp
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.ocore.cloud.plugins.module_utils._host.basic_auth import parse_users, worker_group
from ansible_collections.ocore.cloud.plugins.modules import nginx_users

ANNA = {"name": "anna", "password": "Geheim-1"}
BOB = {"name": "bob", "password": "Geheim-2"}


class Users:
    """The module with a directory of its own."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.directory = path / "users"
        self.main = path / "nginx.conf"
        self.main.write_text(f"user root {grp.getgrgid(os.getgid()).gr_name};\n")
        self.shown = ""

    def run(self, check_mode: bool = False, **files: list[dict[str, str]]) -> dict[str, Any]:
        arguments = {
            "files": [{"name": name, "users": users} for name, users in files.items()],
            "directory": str(self.directory),
            "main": str(self.main),
            "_ansible_check_mode": check_mode,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            nginx_users.main()
        result = dict(json.loads(self.capsys.readouterr().out))
        # ansible-core 2.22 tells the controller what it has to hide wherever it shows something.
        result.pop("_ansible_new_secrets", None)
        self.shown = json.dumps(result)
        return result

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()


@pytest.fixture
def users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Users:
    return Users(tmp_path, capsys)


def test_users_are_written_hashed_and_only_once(users: Users) -> None:
    result = users.run(shop=[BOB, ANNA], crm=[ANNA])
    assert (result["changed"], sorted(result["files"])) == (True, [f"{users.directory}/crm", f"{users.directory}/shop"])
    text = users.text("shop")
    assert list(parse_users(text)) == ["anna", "bob"]
    assert "Geheim" not in text + users.shown
    assert parse_users(text)["anna"] != parse_users(users.text("crm"))["anna"]
    assert users.run(shop=[ANNA, BOB], crm=[ANNA])["changed"] is False
    assert users.text("shop") == text


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_users_have_the_hash_that_openssl_computes(users: Users) -> None:
    users.run(shop=[ANNA])
    hashed = parse_users(users.text("shop"))["anna"]
    command = ["openssl", "passwd", "-6", "-salt", hashed.split("$")[2], "-stdin"]
    result = subprocess.run(command, input=ANNA["password"], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == hashed


def test_users_change_one_by_one(users: Users) -> None:
    users.run(shop=[ANNA, BOB])
    before = parse_users(users.text("shop"))
    result = users.run(shop=[{**ANNA, "password": "new"}, {"name": "carl", "password": "x"}])
    after = parse_users(users.text("shop"))
    assert (result["changed"], list(after)) == (True, ["anna", "carl"])
    assert after["anna"] != before["anna"]
    assert result["diff"] == {
        "before": {f"{users.directory}/shop": ["anna", "bob"]},
        "after": {f"{users.directory}/shop": ["anna", "carl"]},
    }


def test_users_that_are_not_declared_are_stale_and_stay(users: Users) -> None:
    users.run(shop=[ANNA], crm=[BOB])
    result = users.run(shop=[ANNA])
    assert (result["changed"], result["stale"]) == (False, [f"{users.directory}/crm"])
    assert users.run()["stale"] == [f"{users.directory}/{name}" for name in ("crm", "shop")]


def test_users_without_any_need_no_directory(users: Users) -> None:
    assert (users.run()["changed"], users.directory.exists()) == (False, False)


def test_users_in_check_mode_are_not_written(users: Users) -> None:
    assert users.run(check_mode=True, shop=[ANNA])["changed"] is True
    assert not users.directory.exists()


def test_users_are_for_root_and_the_workers_only(users: Users) -> None:
    users.run(shop=[ANNA])
    path = users.directory / "shop"
    assert (users.directory.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o750, 0o640)
    path.chmod(0o644)
    assert users.run(shop=[ANNA])["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "user", "message"),
    [
        ("../x", ANNA, "'../x' is not the name of a file"),
        ("shop", {**ANNA, "name": "a:b"}, "A user of 'shop' has"),
        ("shop", {**ANNA, "name": "a\nb"}, "A user of 'shop' has"),
        ("shop", {**ANNA, "password": ""}, "A user of 'shop' has"),
    ],
)
def test_users_that_do_not_fit_into_a_file_are_refused(
    name: str, user: dict[str, str], message: str, users: Users
) -> None:
    result = users.run(**{name: [user]})
    assert (result["failed"], message in result["msg"], "Geheim" in users.shown) == (True, True, False)
    assert not users.directory.exists()


@pytest.mark.parametrize(
    ("main", "arguments", "group"),
    [
        ("user root;", {}, 0),
        ("user  nobody root;", {}, 0),
        ("# user x;\nevents {}", {"user": "root"}, 0),
        ("", {"user": "nobody", "group": "root"}, 0),
        ("user no-such-user;", {}, None),
    ],
)
def test_group_of_the_workers(main: str, arguments: dict[str, str], group: int | None) -> None:
    assert worker_group(main, arguments) == group
