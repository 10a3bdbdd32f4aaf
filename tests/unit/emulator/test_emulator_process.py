# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator as a program: its command line, its log and state, and the surface that steers it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from ansible_collections.ocore.cloud.extensions.emulator.process import Emulator
from ansible_collections.ocore.cloud.tests.unit.emulator.emulator_client import Client, until

PROGRAM = str(Path(__file__).resolve().parents[3] / "extensions/emulator")


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *options], capture_output=True, text=True, timeout=60, check=False)


def test_process_prints_one_line_when_it_accepts_connections_and_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    where = tmp_path / "port"
    where.write_text("http://stale.example/api\n")
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "--port-file", str(where)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    url = line.removeprefix("oCore emulator: ").strip()
    assert where.read_text() == f"{url}\n"
    assert requests.get(f"{url}/instances", timeout=30).status_code == 401
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    assert not where.exists()


def test_process_stops_though_a_request_is_in_progress(tmp_path: Path) -> None:
    emulator = Emulator().start()
    emulator.fault("slow", seconds=1000)
    with socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2]))) as hanging:
        hanging.sendall(b"GET /api/instances HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: len(emulator.log()) == 1)
        assert emulator.stop() == 0


def test_process_stops_with_the_process_named() -> None:
    with subprocess.Popen(["sleep", "1000"]) as other:
        process = subprocess.Popen([sys.executable, PROGRAM, "--stop-with", str(other.pid)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        assert process.poll() is None
        other.kill()
    assert process.communicate(timeout=60) == (b"", None)
    assert process.returncode == 0


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    where = tmp_path / "port"
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "--quiet", "--port-file", str(where)], stdout=subprocess.PIPE, text=True
    )
    until(where.exists)
    process.terminate()
    assert process.communicate(timeout=60)[0] == ""


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--set", "nosuch=1"], "nosuch"),
        (["--set", "deleted=maybe"], "listed_for_a_while"),
        (["--set", "deleted"], "SWITCH=VALUE"),
        (["--seed", "-1"], "whole number"),
        (["--seed", "1", "--servers", "0"], "no server"),
        (["--seed", "30000", "--servers", "1"], "no free port"),
        (["--port", "70000"], "0-65535"),
        (["--host", "192.0.2.1"], "assign"),
        (["--tls-cert", "/nowhere.pem"], "/nowhere.pem"),
        (["--log", "/nowhere/log"], "/nowhere/log"),
    ],
)
def test_options_that_cannot_be_end_it_with_a_sentence(options: list[str], word: str) -> None:
    ended = run(*options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert word in ended.stderr
    assert "Traceback" not in ended.stderr


def test_answers_do_not_wait_for_acknowledgements() -> None:
    from ansible_collections.ocore.cloud.extensions.emulator.cli import _listen

    # asyncio sets TCP_NODELAY on connections of sockets with this protocol and no other.
    with _listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_help_names_every_switch_and_every_fault() -> None:
    from ansible_collections.ocore.cloud.extensions.emulator.faults import KINDS
    from ansible_collections.ocore.cloud.extensions.emulator.settings import SWITCHES

    text = run("--help").stdout
    words = [w for switch in SWITCHES.values() for w in (switch.name, *switch.choices)] + list(KINDS)
    assert [word for word in words if word not in text] == []


def test_jwt_that_was_printed_is_accepted(api: Client) -> None:
    assert api("GET", "/instances", token=run("--print-jwt").stdout.strip()).status_code == 200
    assert (
        api("GET", "/instances", token=run("--print-jwt", "--jwt-expires-in", "-1").stdout.strip()).status_code == 401
    )


def test_credentials_and_organizations_can_be_chosen() -> None:
    options = ["--token", "ocore_k_mine", "--viewer-token", "ocore_k_look", "--organization", "solo", "--servers", "3"]
    with Emulator(*options) as emulator:
        api = Client(emulator)
        assert api("GET", "/instances").status_code == 401
        assert api("GET", "/instances", token="ocore_k_mine").status_code == 200
        assert api("POST", "/instances", {}, token="ocore_k_look").status_code == 403
        assert api("GET", "/instances", token="ocore_k_mine", headers={"X-Org-Slug": "acme"}).status_code == 404
        assert len(emulator.server_ids("solo")) == 3


def test_process_serves_https(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    bundle, chain, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(str(bundle))
    certificate.private_key_pem.write_to_path(str(key))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(chain), append=True)
    with Emulator("--tls-cert", str(chain), "--tls-key", str(key)) as emulator:
        assert emulator.api_url.startswith("https://127.0.0.1:")
        api = Client(emulator)
        assert api("GET", "/instances", verify=str(bundle)).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            api("GET", "/instances")
        emulator.fault("drop_before")
        emulator.fault("reset")
        for _try in range(2):
            with pytest.raises(requests.ConnectionError):
                api("GET", "/instances", verify=str(bundle))


def test_same_seed_gives_the_same_instances(emulator: Emulator) -> None:
    known = ("id", "slug", "name", "serverId", "status", "odooVersion", "httpPortHost", "envVars")
    with Emulator("--seed", "5") as other:
        assert [[i[k] for k in known] for i in other.instances()] == [
            [i[k] for k in known] for i in emulator.instances()
        ]


def test_large_organization_is_varied_and_consistent() -> None:
    with Emulator("--seed", "1000") as emulator:
        instances = emulator.instances()
    assert {i["status"] for i in instances} == {"running", "stopped", "failed"}
    assert {i["odooVersion"] for i in instances} == {f"{v}.0" for v in range(14, 20)}
    for name in ("id", "slug", "name"):
        assert len({i[name] for i in instances}) == 1000
    assert len({(i["serverId"], i[p]) for i in instances for p in ("httpPortHost", "longpollingPortHost")}) == 2000
    assert {sum(d["isPrimary"] for d in i["domains"]) for i in instances} == {1}


def test_state_outlives_the_process_and_goes_on_where_it_was(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with Emulator("--state", str(state), "--seed", "2", step_by="call") as emulator:
        gone = emulator.instances()[0]["id"]
        Client(emulator).delete(gone)
        made = Client(emulator).create("Kept", envVars={"A": "1"})
        before = emulator.instances()
    with Emulator("--state", str(state), "--seed", "2", step_by="call") as emulator:
        assert emulator.instances() == before
        assert emulator.instance("kept")["busy"]
        assert Client(emulator).get(made["id"])["status"] == "creating"
        assert Client(emulator)("GET", f"/instances/{gone}").status_code == 404
        assert Client(emulator).create("Kept")["slug"] == "kept-2"


def test_state_is_written_while_it_runs(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with Emulator("--state", str(state)) as emulator:
        Client(emulator).create("Kept")
        until(lambda: "kept" in state.read_text())
        os.kill(emulator.pid, signal.SIGKILL)
    with Emulator("--state", str(state)) as emulator:
        assert emulator.instance("kept")
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_file_that_holds_no_state_is_refused_and_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "precious.json"
    state.write_text('{"mine": true}')
    ended = run("--state", str(state))
    assert (ended.returncode, "not a state file" in ended.stderr) == (2, True)
    assert state.read_text() == '{"mine": true}'


def test_log_says_what_was_asked_but_no_secret(api: Client, emulator: Emulator) -> None:
    api.create("Shop", envVars={"A": "marker-env-value"})
    emulator.clear_log()
    instance = emulator.instance("shop")["id"]
    api(
        "PUT",
        f"/instances/{instance}?x=1",
        {"envVars": {"A": "marker-env-value"}, "name": "New"},
        headers={"X-Org-Slug": "acme"},
    )
    api("POST", f"/instances/{instance}/control", {"action": "stop"}, headers={"User-Agent": "tester/1"})
    api("GET", "/elsewhere")
    update, control, elsewhere = emulator.log()
    assert (update["seq"], update["method"], update["path"]) == (1, "PUT", f"/api/instances/{instance}")
    assert (update["operation"], update["id"], update["status"]) == ("update", instance, 200)
    assert (update["body_keys"], update["query"]) == (["envVars", "name"], {"x": "1"})
    assert (update["organization_header"], control["organization_header"]) == (True, False)
    assert (control["action"], control["user_agent"]) == ("stop", "tester/1")
    assert (elsewhere["operation"], elsewhere["status"]) == (None, 404)
    assert emulator.log("control") == [control]
    assert emulator.log(since=2) == [elsewhere]
    text = json.dumps(emulator.log())
    assert "marker-env-value" not in text
    assert emulator.token not in text


def test_log_can_be_a_file(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with Emulator("--log", str(log)) as emulator:
        Client(emulator)("GET", "/instances")
        assert [json.loads(line) for line in log.read_text().splitlines()] == emulator.log()


def test_reset_brings_back_the_start(api: Client, emulator: Emulator) -> None:
    before = emulator.instances()
    api.create()
    api.delete(before[0]["id"])
    emulator.set(deleted="word", step_time=9, step_by="time")
    emulator.fault("reset", count=None)
    emulator.reset()
    assert emulator.instances() == before
    assert emulator.settings()["deleted"] == "404"
    assert (emulator.settings()["step_time"], emulator.settings()["step_by"]) == (1, "call")
    assert (emulator.faults(), emulator.log()) == ([], [])


def test_forced_fields_show_until_the_next_operation(api: Client, emulator: Emulator) -> None:
    instance = emulator.instances()[0]
    emulator.force(instance["id"], status="suspended", healthScore=12, name=None)
    shown = api.get(instance["id"])
    assert (shown["status"], shown["healthScore"], shown["name"]) == ("suspended", 12, None)
    assert api.list()["instances"][0] == shown
    assert api("GET", f"/instances/{instance['id']}/health").json()["status"] == "suspended"
    assert api("GET", f"/instances/{instance['id']}/health-score").json()["score"] == 12
    api.control(instance["id"], "start")
    assert api.get(instance["id"])["status"] == "running"


def test_more_can_be_seeded(api: Client, emulator: Emulator) -> None:
    made = emulator.seed(3, status="stopped", name="Twin", serverId=emulator.server_ids()[1])
    shown = [api.get(instance) for instance in made]
    assert {(i["status"], i["name"], i["serverId"]) for i in shown} == {("stopped", "Twin", emulator.server_ids()[1])}
    assert len({i["slug"] for i in shown}) == 3
    emulator.seed(1, organization="globex")
    assert (len(emulator.instances("globex")), len(emulator.instances("acme"))) == (1, 8)


def test_instances_without_ports_can_be_seeded(emulator: Emulator) -> None:
    server = emulator.server_ids()[0]
    emulator.seed(1, serverId=server, httpPortHost=30000, longpollingPortHost=None)
    emulator.seed(1, serverId=server, httpPortHost=None, longpollingPortHost=None)
    emulator.seed(1, serverId=server)
    assert emulator.instances()[-1]["httpPortHost"] == 30001


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/seed", {"count": 0}),
        ("POST", "/seed", {"count": 1, "organization": "nobody"}),
        ("POST", "/seed", []),
        ("PATCH", "/settings", []),
        ("PATCH", "/instances/nobody", {}),
        ("POST", "/token", {"expires_in": []}),
        ("GET", "/log?since=x", None),
        ("GET", "/nothing", None),
        ("PUT", "/log", None),
    ],
)
def test_admin_surface_says_what_it_cannot_do(emulator: Emulator, method: str, path: str, body: object) -> None:
    with pytest.raises(RuntimeError, match="error"):
        emulator.admin(method, path, body)


def test_admin_surface_is_not_in_the_log(emulator: Emulator) -> None:
    assert emulator.admin("GET", "/health") == {"status": "ok", "instances": 5}
    assert emulator.log() == []
