# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin over real HTTP: an API that answers as each test says, and ansible-core's own loader and manager."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import inventory_loader
from ansible.template import is_trusted_as_template
from ansible.template import trust_as_template as trusted
from ansible.utils.display import Display
from ansible_collections.ocore.cloud.plugins.inventory import ocore
from ansible_collections.ocore.cloud.plugins.module_utils._api import transport

TOKEN = "ocore_k_planted-token"
SECRET = "planted-env-value"
SERVER = "6b1d6a52-53a5-4d8c-8f45-3b8c1d4f3a10"
ROOT = Path(__file__).parents[4]


def instance(number: int, **fields: Any) -> dict[str, Any]:
    """An instance as the API sends it."""
    return {
        "id": f"id-{number}",
        "name": f"Shop {number}",
        "slug": f"shop-{number}",
        "status": "running",
        "serverId": SERVER,
        "odooVersion": "17.0",
        "workers": 2,
        "envVars": {"SMTP_PASSWORD": SECRET},
        "domains": [{"domain": f"www{number}.example.com", "isPrimary": True}],
        "autoSubdomain": f"shop-{number}.ocore.example",
        **fields,
    }


def server(number: int, **fields: Any) -> dict[str, Any]:
    """A server as the API sends it."""
    return {
        "id": SERVER if number == 1 else f"server-id-{number}",
        "name": f"server {number}",
        "host": f"192.0.2.{number}",
        "port": 2200 + number,
        "sshUser": "ansible",
        "osName": "debian",
        "status": "active",
        **fields,
    }


class Api:
    """An API on loopback with these instances and servers; ``answers`` replaces what it says to a path."""

    def __init__(self, instances: list[dict[str, Any]]) -> None:
        self.instances = instances
        self.servers = [server(1), server(2, id="other")]
        self.answers: dict[str, Any] = {}
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.total: int | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def answer(self, path: str) -> tuple[int, Any]:
        parts = urlsplit(path)
        found = self.answers.get(parts.path.removeprefix("/api"))
        if isinstance(found, int):
            return found, {"message": f"refused, said the API about {TOKEN}"}
        if found is not None:
            return 200, found
        if parts.path == "/api/servers":
            return 200, {"servers": self.servers}
        server = parse_qs(parts.query).get("server_id", [None])[0]
        shown = [i for i in self.instances if not isinstance(i, dict) or server in (None, i.get("serverId"))]
        return 200, {"instances": shown, "total": len(shown) if self.total is None else self.total}

    def _handler(api) -> type[BaseHTTPRequestHandler]:  # noqa: N805 # pylint: disable=no-self-argument
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.requests.append(self.path)
                api.tokens.append(self.headers.get("Authorization"))
                status, body = api.answer(self.path)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api([instance(1), instance(2, status="stopped", serverId="other")])
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("OCORE_", "ANSIBLE_INVENTORY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(transport, "BACKOFF_FIRST", 0.001)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, msg, *_, **__: said.append(str(msg)))
    return said


Parse = Callable[..., InventoryData]


@pytest.fixture
def parse(api: Api, tmp_path: Path) -> Parse:
    """Give a function that parses a configuration with the given options into an inventory."""

    def run(text: str = "", use_cache: bool = True, into: InventoryData | None = None, **options: Any) -> InventoryData:
        path = tmp_path / "my.ocore.yml"
        base = {
            "plugin": "ocore.cloud.ocore",
            "api_url": api.url,
            "api_token": TOKEN,
            "organization": "acme",
            "retries": 1,
        }
        path.write_text(yaml.safe_dump({k: v for k, v in {**base, **options}.items() if v is not None}) + text)
        loader = DataLoader()
        plugin = inventory_loader.get("ocore.cloud.ocore")
        assert plugin.verify_file(str(path))
        inventory = InventoryData() if into is None else into
        inventory.current_source = str(path)
        plugin.parse(inventory, loader, str(path), cache=use_cache)
        if plugin.get_option("cache"):
            plugin.update_cache_if_changed()
        inventory.reconcile_inventory()
        return inventory

    return run


def members(inventory: InventoryData, group: str) -> list[str]:
    return [host.name for host in inventory.groups[group].get_hosts()] if group in inventory.groups else []


def failure(parse: Parse, *args: Any, **options: Any) -> str:
    """Parse what can't be parsed; give the words, after checking that nothing was added and nothing was given away."""
    inventory = options.setdefault("into", InventoryData())
    before = sorted(inventory.hosts), sorted(inventory.groups)
    with pytest.raises(AnsibleError) as caught:
        parse(*args, **options)
    assert (sorted(inventory.hosts), sorted(inventory.groups)) == before
    # Others are ansible-core's, about the type of an option.
    if type(caught.value) is AnsibleParserError:  # pylint: disable=unidiomatic-typecheck
        assert caught.value.__cause__ is None, "users would see a chain of errors"
    text = str(caught.value)
    assert TOKEN not in text
    assert SECRET not in text
    assert "\n" not in text
    return text


# What is published


def test_each_instance_is_a_host_with_its_record_as_prefixed_variables(parse: Parse, api: Api) -> None:
    inventory = parse()
    assert members(inventory, "ocore") == ["shop-1", "shop-2"]
    variables = inventory.hosts["shop-1"].vars
    assert variables["ocore_id"] == "id-1"
    assert variables["ocore_odoo_version"] == "17.0"
    assert variables["ocore_domains"][0]["domain"] == "www1.example.com"
    assert variables["ocore_status_message"] is None
    assert api.requests == ["/api/instances"]


def test_connection_address_is_not_made_up(parse: Parse) -> None:
    assert "ansible_host" not in parse().hosts["shop-1"].vars


def test_env_values_are_masked_unless_revealed(parse: Parse) -> None:
    assert parse().hosts["shop-1"].vars["ocore_env_vars"] == {"SMTP_PASSWORD": "********"}
    assert parse(reveal_env_vars=True).hosts["shop-1"].vars["ocore_env_vars"] == {"SMTP_PASSWORD": SECRET}


def test_organization_without_instances_is_an_empty_group(parse: Parse, api: Api) -> None:
    api.instances = []
    inventory = parse()
    assert inventory.hosts == {}
    assert "ocore" in inventory.groups


def test_deleted_instances_are_left_out_and_leaving_ones_stay(parse: Parse, api: Api) -> None:
    api.instances = [instance(1, status="Deleted"), instance(2, status="removing")]
    assert list(parse().hosts) == ["shop-2"]


def test_prefix_can_be_chosen(parse: Parse) -> None:
    assert parse(hostvars_prefix="odoo_").hosts["shop-1"].vars["odoo_slug"] == "shop-1"


@pytest.mark.parametrize("prefix", ["", "1_", "a-b", "ü_", "a b"])
def test_prefix_that_makes_no_variable_names_is_refused(parse: Parse, prefix: str) -> None:
    assert "hostvars_prefix" in failure(parse, hostvars_prefix=prefix)


def test_instance_listed_twice_is_one_host(parse: Parse, api: Api) -> None:
    api.instances = [instance(1), instance(1)]
    assert list(parse().hosts) == ["shop-1"]


def test_odd_records_cost_a_warning_not_the_inventory(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.instances = [{"id": "bare"}, *(instance(n, domains=n, workers=None) for n in range(8)), "junk"]
    inventory = parse()
    assert len(inventory.hosts) == 9
    assert inventory.hosts["bare"].vars["ocore_domains"] == []
    assert sum("domains" in text for text in warnings) == 6
    assert "3 more warnings of this kind: unusable values in domains." in warnings


def test_pagination_with_a_list_shorter_than_its_total_warns(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.total = 12
    parse()
    assert ["more instances than the 2 that it listed" in text for text in warnings] == [True]


def test_fields_that_this_release_does_not_know_can_be_used(parse: Parse, api: Api) -> None:
    api.instances = [instance(1, cluster={"zone": "eu"}), instance(2, cluster={"zone": "us"}), instance(3)]
    inventory = parse(
        filters=[{"exclude": "ocore_extra.cluster is undefined"}],
        keyed_groups=[{"key": "ocore_extra.cluster.zone", "prefix": "zone"}],
        hostnames=["ocore_slug ~ '-' ~ ocore_extra.cluster.zone"],
    )
    assert members(inventory, "zone_eu") == ["shop-1-eu"]
    assert members(inventory, "ocore") == ["shop-1-eu", "shop-2-us"]


# Templates


def test_data_is_never_a_template(parse: Parse, api: Api, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    evil = "{{ lookup('pipe', 'touch " + str(mark) + "') }}"
    api.instances = [
        instance(1, name=evil, status=evil, envVars={evil: evil}, domains=[{"domain": evil, "isPrimary": True}])
    ]
    inventory = parse(
        keyed_groups=[
            {"key": "ocore_name"},
            {"key": "ocore_status | upper"},
            {"key": "ocore_env_vars", "parent_group": "p"},
        ],
        compose={"copy": "ocore_name", "joined": "ocore_name ~ '!'", "first": "ocore_domains[0].domain | trim"},
        groups={"same": "ocore_name == ocore_status"},
        filters=[{"exclude": "ocore_name == 'x'"}],
        hostnames=["name"],
        reveal_env_vars=True,
    )
    (host,) = inventory.hosts.values()
    assert host.vars["copy"] == host.vars["first"] == host.vars["ocore_name"] == evil
    assert re.fullmatch(r"[\w.-]+", host.name)
    made = ("copy", "joined", "first", "ocore_name", "ocore_status")
    assert not any(is_trusted_as_template(host.vars[name]) for name in made)
    assert not is_trusted_as_template(host.vars["ocore_domains"][0]["domain"])
    assert members(inventory, "same") == [host.name]
    assert not mark.exists()


def test_trust_goes_to_every_text_that_cannot_be_a_template(parse: Parse, api: Api) -> None:
    api.instances = [instance(1, name="{{ x }}", statusMessage="#jinja2: x", envVars={"A": "b", "B": "{% x"})]
    variables = parse(
        reveal_env_vars=True,
        compose={"ansible_host": "ocore_domains[0].domain", "copies": "{'a': [ocore_slug, ocore_name]}"},
    )
    variables = variables.hosts["shop-1"].vars
    trusted_ones = [
        variables["ocore_slug"],
        variables["ocore_env_vars"]["A"],
        variables["ocore_domains"][0]["domain"],
        variables["ansible_host"],
        variables["copies"]["a"][0],
    ]
    assert all(is_trusted_as_template(value) for value in trusted_ones)
    others = [
        variables["ocore_name"],
        variables["ocore_status_message"],
        variables["ocore_env_vars"]["B"],
        variables["copies"]["a"][1],
    ]
    assert not any(is_trusted_as_template(value) for value in others)


def test_token_may_come_from_a_lookup(parse: Parse, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", f"{TOKEN}\n")
    parse(api_token="{{ lookup('ansible.builtin.env', 'MY_TOKEN') }}")
    assert api.tokens == [f"Bearer {TOKEN}"]


def test_token_may_come_from_the_environment(parse: Parse, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCORE_API_TOKEN", TOKEN)
    parse(api_token=None)
    assert api.tokens == [f"Bearer {TOKEN}"]


def test_token_may_come_from_a_vault(api: Api, tmp_path: Path) -> None:
    locked = VaultLib([("default", VaultSecret(b"key"))]).encrypt(TOKEN).decode()
    (tmp_path / "password").write_text("key")
    config = f"plugin: ocore.cloud.ocore\napi_url: {api.url}\napi_token: !vault |\n" + "".join(
        f"  {line}\n" for line in locked.splitlines()
    )
    assert "shop-1" in command(tmp_path, config, "--graph", "--vault-password-file", str(tmp_path / "password"))
    assert api.tokens == [f"Bearer {TOKEN}"]


def test_rendered_token_is_registered_as_a_secret(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    monkeypatch.setattr(ocore, "register_secret", registered.append)
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    parse(api_token="{{ lookup('ansible.builtin.env', 'MY_TOKEN') }}")
    assert registered == [TOKEN]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_token": None}, "OCORE_API_TOKEN"),
        ({"api_token": "{{ lookup('ansible.builtin.env', 'NOT_SET_ANYWHERE') }}"}, "OCORE_API_TOKEN"),
        ({"api_token": [TOKEN]}, "api_token must be a string"),
        ({"api_token": "{{ " + TOKEN.replace("-", "_") + " }}"}, "api_token"),
        ({"api_token": "{{ ['" + TOKEN + "'] }}"}, "must be a string"),
        ({"api_url": "http://ocore.example"}, "unencrypted"),
        ({"api_url": "nonsense"}, "api_url"),
        ({"request_timeout": "soon"}, "request_timeout"),
        ({"hostnames": ["label"]}, "'label', which does not name instances. Use primary_domain, slug, id or name"),
        ({"hostnames": ["ocore_slug ~"]}, "Cannot name instance id-1 by ocore_slug ~ of hostnames"),
        ({"hostnames": ["{{ ocore_slug "]}, "Cannot name instance id-1 by {{ ocore_slug of hostnames"),
        ({"hostnames": ["ocore_domains"]}, "instead of a string"),
        ({"hostnames": ["ocore_slug.nothing"], "strict": True}, "Cannot name instance id-1"),
        ({"hosts": "servers", "hostnames": ["slug"]}, "'slug', which does not name servers. Use name, id or host"),
        ({"hosts": "machines"}, "hosts"),
        ({"connect_with": "ssh"}, "connect_with"),
        ({"group": ""}, "group must begin"),
        ({"group": "my-shops"}, "group must begin"),
        ({"group": "all"}, "group of Ansible itself"),
        ({"gather": ["everything"]}, "gather"),
        ({"server_ids": ["{{ missing }}"]}, "server_ids"),
        ({"filters": ["ocore_status"]}, "filters"),
        ({"filters": [{"include": True, "exclude": True}]}, "filters"),
        ({"filters": [{"only": True}]}, "filters"),
        ({"filters": [{"include": "ocore_nothing"}]}, "shop-1"),
        ({"filters": [{"include": "ocore_slug"}]}, "boolean"),
        ({"compose": {"not-a-name": "ocore_slug"}}, "not-a-name"),
        ({"compose": {"x": "ocore_nothing"}, "strict": True}, "Could not set x for host shop-1"),
        ({"compose": {"x": "ocore_domains[4].domain"}, "strict": True}, "Could not set x for host shop-1"),
        ({"groups": {"g": "ocore_nothing"}, "strict": True}, "to group g"),
        ({"groups": {"g": "ocore_slug"}, "strict": True}, "to group g"),
        ({"groups": {"g": "ocore_status.x == 'y'"}, "strict": True}, "to group g"),
        ({"keyed_groups": [{"key": "ocore_nothing"}], "strict": True}, "ocore_nothing"),
        ({"keyed_groups": [{"key": "ocore_status_message"}], "strict": True}, "ocore_status_message"),
        ({"keyed_groups": [{"key": "ocore_slug", "parent_group": "{{ x }}"}], "strict": True}, "parent group"),
        ({"keyed_groups": [{"key": "ocore_slug", "parent_group": 5}]}, "parent_group"),
        ({"keyed_groups": [{"key": "'2026-11-25' | to_datetime('%Y-%m-%d')"}]}, "DateTime for host shop-1"),
        ({"server_ids": [" "]}, "server_ids has an entry that is empty"),
        ({"server_ids": ""}, "server_ids has an entry that is empty"),
        ({"server_ids": ["{{ lookup('ansible.builtin.env', 'NOT_SET_ANYWHERE') }}"]}, "server_ids has an entry that is empty"),
        ({"keyed_groups": ["ocore_slug"]}, "keyed group entry"),
        ({"keyed_groups": [{"key": "ocore_slug", "default_value": "a", "trailing_separator": False}]}, "mutually exclusive"),
        ({"keyed_groups": [{"key": "[none, '']", "separator": "", "default_value": ""}]}, "has no name"),
        ({"keyed_groups": [{"key": "ocore_status", "prefix": "a", "parent_group": "a_running"}]}, "contain each other"),
        ({"keyed_groups": [{"key": "['all']", "separator": "", "parent_group": "top"}]}, "contain each other"),
    ],
)  # fmt: skip
def test_configuration_that_can_not_work_adds_nothing_and_says_why(
    parse: Parse, options: dict[str, Any], words: str
) -> None:
    assert words in failure(parse, **options)


def test_parent_of_everything_is_possible(parse: Parse) -> None:
    inventory = parse(keyed_groups=[{"key": "ocore_status", "prefix": "is", "parent_group": "all"}])
    assert members(inventory, "is_stopped") == ["shop-2"]


def test_groups_may_not_close_a_loop_with_another_source(parse: Parse) -> None:
    inventory = InventoryData()
    inventory.add_group("top")
    inventory.add_group("is_running")
    inventory.add_child("is_running", "top")
    options = {"keyed_groups": [{"key": "ocore_status", "prefix": "is", "parent_group": "top"}]}
    assert "top" in failure(parse, into=inventory, **options)


def test_unknown_option_is_named(parse: Parse, warnings: list[str]) -> None:
    parse(keyed_group=[])
    assert ["keyed_group" in text for text in warnings] == [True]


def test_options_without_a_value_have_their_defaults(parse: Parse) -> None:
    inventory = parse(
        "compose:\nkeyed_groups:\ngroups:\nfilters:\nserver_ids:\ngather:\nhostnames:\nhostvars_prefix:\n"
    )
    assert inventory.hosts["shop-1"].vars["ocore_slug"] == "shop-1"


# Servers


CONNECTION = {"ansible_host": "192.0.2.1", "ansible_port": 2201, "ansible_user": "ansible"}


def connection(variables: dict[str, Any]) -> dict[str, Any]:
    return {name: variables[name] for name in CONNECTION if name in variables}


def test_servers_are_hosts_with_what_is_on_them(parse: Parse, api: Api) -> None:
    inventory = parse(hosts="servers", compose={"count": "ocore_instances | length"})
    assert members(inventory, "ocore_servers") == ["server_1", "server_2"]
    assert "ocore" not in inventory.groups
    first, second = (host.vars for host in inventory.hosts.values())
    assert connection(first) == CONNECTION
    assert (first["ocore_id"], first["ocore_name"], first["ocore_os_name"]) == (SERVER, "server 1", "debian")
    assert [record["slug"] for record in first["ocore_instances"]] == ["shop-1"]
    assert first["ocore_instances"][0]["env_vars"] == {"SMTP_PASSWORD": "********"}
    assert [record["slug"] for record in second["ocore_instances"]] == ["shop-2"]
    assert first["count"] == 1
    assert api.requests == ["/api/servers", "/api/instances"]
    assert is_trusted_as_template(first["ocore_instances"][0]["domains"][0]["domain"])


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        ({"hosts": "servers"}, ["/api/servers", "/api/instances"]),
        ({"hosts": "servers", "connect_with": "server"}, ["/api/servers", "/api/instances"]),
        ({"hosts": "servers", "server_ids": [SERVER]}, ["/api/servers", f"/api/instances?server_id={SERVER}"]),
        ({"hosts": "servers", "server_ids": [SERVER, "other"]}, ["/api/servers", "/api/instances"]),
        ({"connect_with": "server"}, ["/api/servers", "/api/instances"]),
        ({"connect_with": "none"}, ["/api/instances"]),
    ],
)
def test_requests_are_two_at_most(parse: Parse, api: Api, options: dict[str, Any], requests: list[str]) -> None:
    parse(**options)
    assert api.requests == requests


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"server_ids": ["OTHER"]}, ["server_2"]),
        ({"server_ids": [SERVER, "other"]}, ["server_1", "server_2"]),
        ({"hostnames": ["host"]}, ["192.0.2.1", "192.0.2.2"]),
        ({"hostnames": ["id"]}, [SERVER, "other"]),
        ({"hostnames": ["ocore_name | replace(' ', '-')"]}, ["server-1", "server-2"]),
        ({"filters": [{"exclude": "ocore_instances[0].slug == 'shop-2'"}]}, ["server_1"]),
        ({"filters": [{"include": "inventory_hostname == 'server_2'"}, {"exclude": True}]}, ["server_2"]),
    ],
)
def test_servers_can_be_chosen_and_named(parse: Parse, options: dict[str, Any], names: list[str]) -> None:
    assert list(parse(hosts="servers", **options).hosts) == names


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, CONNECTION),
        ({"host": " db.example.com "}, {**CONNECTION, "ansible_host": "db.example.com"}),
        ({"host": "2001:db8::1", "port": None, "sshUser": None}, {"ansible_host": "2001:db8::1"}),
        (
            {"host": "b\u00fccher.example", "sshUser": " "},
            {"ansible_host": "b\u00fccher.example", "ansible_port": 2201},
        ),
        ({"port": "22", "sshUser": "domain\\svc$"}, {**CONNECTION, "ansible_port": 22, "ansible_user": "domain\\svc$"}),
    ],
)
def test_servers_are_connected_to_as_ocore_does(
    parse: Parse, api: Api, fields: dict[str, Any], found: dict[str, Any]
) -> None:
    api.servers = [server(1, **fields)]
    assert connection(parse(hosts="servers").hosts["server_1"].vars) == found
    assert connection(parse(connect_with="server").hosts["shop-1"].vars) == found


@pytest.mark.parametrize(
    "fields",
    [
        {"host": None},
        {"host": " "},
        {"host": "-oProxyCommand=touch x"},
        {"host": "two words"},
        {"host": "{{ 7 * 7 }}"},
        {"host": "#jinja2: x"},
        {"port": 0},
        {"port": 22.5},
        {"port": 70000},
        {"sshUser": "-l root"},
        {"sshUser": "{{ lookup('pipe', 'id') }}"},
    ],
)
def test_server_without_a_usable_address_is_left_out_with_one_warning(
    parse: Parse, api: Api, warnings: list[str], fields: dict[str, Any]
) -> None:
    api.servers = [server(1, **fields), server(2, id="other")]
    assert list(parse(hosts="servers").hosts) == ["server_2"]
    assert ["for server_1. The inventory leaves them out" in text for text in warnings] == [True]
    del warnings[:]
    assert connection(parse(connect_with="server").hosts["shop-1"].vars) == {}
    assert ["for shop-1. These hosts get no connection" in text for text in warnings] == [True]


def test_server_without_an_address_stays_where_compose_or_another_source_has_one(
    parse: Parse, api: Api, warnings: list[str]
) -> None:
    api.servers = [server(1, host=None), server(2, id="other", host=None)]
    into = InventoryData()
    into.add_host("server_2")
    into.set_variable("server_2", "ansible_host", "192.0.2.77")
    compose = {"ansible_host": "'192.0.2.66' if ocore_name == 'server 1' else ansible_host"}
    inventory = parse(hosts="servers", compose=compose, into=into)
    assert [host.vars["ansible_host"] for host in inventory.hosts.values()] == ["192.0.2.77", "192.0.2.66"]
    assert not warnings


@pytest.mark.parametrize("status", [403, 404])
def test_servers_that_may_not_be_listed_fail_the_inventory_of_servers(parse: Parse, api: Api, status: int) -> None:
    api.answers["/servers"] = status
    text = failure(parse, hosts="servers")
    assert f"Cannot list the servers: oCore answered HTTP {status}" in text


@pytest.mark.parametrize("status", [403, 404])
def test_servers_that_may_not_be_listed_cost_instances_their_connection_with_one_warning(
    parse: Parse, api: Api, warnings: list[str], cached: dict[str, Any], status: int
) -> None:
    api.answers["/servers"] = status
    inventory = parse(connect_with="server", **cached)
    assert connection(inventory.hosts["shop-1"].vars) == {}
    assert [text.startswith("The instances get no connection") and TOKEN not in text for text in warnings] == [True]
    api.answers.clear()
    assert connection(parse(connect_with="server", **cached).hosts["shop-1"].vars) == CONNECTION, "it was not cached"


@pytest.mark.parametrize("options", [{"hosts": "servers"}, {"connect_with": "server"}])
@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/servers", 401, "Check api_token"),
        ("/servers", 500, "HTTP 500"),
        ("/servers", {"message": "no list"}, "holds no list"),
        ("/instances", 403, "not allowed"),
        ("/instances", 503, "HTTP 503"),
    ],
)
def test_one_list_that_fails_fails_both(
    parse: Parse, api: Api, options: dict[str, Any], path: str, answer: Any, words: str
) -> None:
    api.answers[path] = answer
    assert words in failure(parse, **options)


def test_servers_of_one_name_are_told_apart_by_id_with_one_warning(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.servers = [
        server(1, name="twin"),
        server(2, id="other", name="twin"),
        server(3, name=SERVER),
        server(4, name=None),
    ]
    assert list(parse(hosts="servers").hosts) == [f"twin_{SERVER}", "twin_other", SERVER, "server-id-4"]
    assert ["several servers share a name" in text and "Use id in hostnames" in text for text in warnings] == [True]


@pytest.mark.parametrize("name", ["ocore_servers", "all", "localhost"])
def test_server_with_a_reserved_name_gets_its_id(parse: Parse, api: Api, name: str) -> None:
    api.servers = [server(1, name=name)]
    assert list(parse(hosts="servers").hosts) == [f"{name}_{SERVER}"]


def test_instances_on_a_server_that_is_not_listed_are_warned_about(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.servers = [server(1)]
    inventory = parse(hosts="servers")
    assert [record["slug"] for host in inventory.hosts.values() for record in host.vars["ocore_instances"]] == [
        "shop-1"
    ]
    assert [text.startswith("oCore does not list the server other, although") for text in warnings] == [True]
    del warnings[:]
    assert parse(hosts="servers", server_ids=["nowhere"]).hosts == {}
    assert [text.startswith("oCore does not list the server nowhere, although") for text in warnings] == [True]


def test_instance_that_does_not_say_where_it_is_belongs_to_the_one_server_asked_for(parse: Parse, api: Api) -> None:
    api.answers["/instances"] = {"instances": [instance(1, serverId=None)]}
    (host,) = parse(hosts="servers", server_ids=[SERVER]).hosts.values()
    assert [record["slug"] for record in host.vars["ocore_instances"]] == ["shop-1"]
    hosts = parse(hosts="servers", server_ids=[SERVER, "other"]).hosts.values()
    assert not any(host.vars["ocore_instances"] for host in hosts)


def test_fields_of_servers_that_are_missing_are_null(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.servers = [{"id": SERVER, "host": "192.0.2.1"}, {"name": "without id"}, "junk"]
    (host,) = parse(hosts="servers").hosts.values()
    assert (host.name, host.vars["ocore_name"], connection(host.vars)) == (SERVER, None, {"ansible_host": "192.0.2.1"})


def test_secret_of_a_server_is_neither_published_nor_cached(parse: Parse, api: Api, cached: dict[str, Any]) -> None:
    api.servers = [server(1, sshPrivateKey=SECRET, rack="r1", statusMessage=f"refused {TOKEN}")]
    (host,) = parse(hosts="servers", **cached).hosts.values()
    assert host.vars["ocore_extra"] == {"sshPrivateKey": "********", "rack": "r1"}
    kept = "".join(entry.read_text() for entry in entries(cached))
    assert "r1" in kept
    assert TOKEN not in kept + str(host.vars)
    assert SECRET not in kept


def test_texts_of_servers_are_never_templates(parse: Parse, api: Api, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    evil = "{{ lookup('pipe', 'touch " + str(mark) + "') }}"
    api.servers = [server(1, name=evil, description=evil, osName=f"#jinja2: x\n{evil}")]
    inventory = parse(
        hosts="servers",
        hostnames=["ocore_name ~ ocore_os_name"],
        compose={"copy": "ocore_description"},
        keyed_groups=[{"key": "ocore_os_name"}, {"key": "ocore_name | upper"}],
    )
    (host,) = inventory.hosts.values()
    assert host.vars["copy"] == host.vars["ocore_name"] == evil
    assert not any(is_trusted_as_template(host.vars[name]) for name in ("copy", "ocore_name", "ocore_os_name"))
    assert not mark.exists()


# The API in trouble


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (401, "Check api_token"),
        (403, "not allowed"),
        (404, "Check api_url"),
        (500, "HTTP 500"),
        ({"message": "no list"}, "holds no list"),
    ],
)
def test_api_that_refuses_adds_nothing_and_says_why(parse: Parse, api: Api, answer: Any, words: str) -> None:
    api.answers["/instances"] = answer
    assert words in failure(parse)


def test_api_that_is_not_there_adds_nothing_and_says_why(parse: Parse, api: Api) -> None:
    api.stop()
    assert "no connection to 127.0.0.1" in failure(parse)


@pytest.mark.parametrize("answer", [500, 502, 503, 504, 403, 409, 422, "text", {"status": {"a": 1}}])
def test_one_health_request_that_fails_costs_its_value_not_the_inventory(
    parse: Parse, api: Api, warnings: list[str], answer: Any
) -> None:
    api.answers["/instances/id-1/health"] = {"status": "healthy"}
    api.answers["/instances/id-2/health"] = answer
    inventory = parse(gather=["health"])
    assert inventory.hosts["shop-1"].vars["ocore_health"]["status"] == "healthy"
    assert not (inventory.hosts["shop-2"].vars["ocore_health"] or {}).get("status")
    assert warnings


@pytest.mark.parametrize("status", [401, 503])
def test_failure_of_oCore_itself_while_gathering_adds_nothing(  # noqa: N802
    parse: Parse, api: Api, status: int
) -> None:
    if status == 503:  # about one instance alone it costs its value only
        api.instances = [instance(2)]
    api.answers["/instances/id-2/health"] = status
    assert f"health of instance shop-2 (id-2): oCore answered HTTP {status}" in failure(parse, gather=["health"])


@pytest.mark.parametrize("odd", ["..", {}, True, None, "a/b", "\ud800"])
def test_identity_that_cannot_be_used_costs_one_instance_not_the_inventory(
    parse: Parse, api: Api, warnings: list[str], odd: Any
) -> None:
    api.answers["/instances/id-1/health"] = {"status": "healthy"}
    api.instances = [instance(1), instance(2, id=odd)]
    inventory = parse(gather=["health"])
    assert "shop-1" in inventory.hosts
    assert inventory.hosts["shop-1"].vars["ocore_health"]["status"] == "healthy"


def test_library_that_is_missing_is_named(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = inventory_loader.get("ocore.cloud.ocore")
    monkeypatch.setitem(plugin.parse.__globals__, "library_problem", lambda: ("Failed to import requests", "traceback"))
    with pytest.raises(AnsibleParserError, match="requests"):
        plugin.parse(InventoryData(), DataLoader(), "x.ocore.yml")


# Selecting


def test_server_ids_of_one_server_are_left_to_the_api(parse: Parse, api: Api) -> None:
    assert list(parse(server_ids=[SERVER, f"{SERVER}\n"]).hosts) == ["shop-1"]
    assert api.requests == [f"/api/instances?server_id={SERVER}"]


def test_server_ids_of_several_servers_are_one_request(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.instances += [instance(3, serverId="third"), instance(4, serverId=None)]
    assert list(parse(server_ids=[SERVER.upper(), " third "]).hosts) == ["shop-1", "shop-3"]
    assert api.requests == ["/api/instances"]
    assert warnings == ["oCore does not say on which server 1 instances are, so they are left out."]


def test_api_that_ignores_the_server_brings_no_other_instances(parse: Parse, api: Api) -> None:
    api.answers["/instances"] = {"instances": [instance(1), instance(2, serverId="other"), instance(3, serverId=None)]}
    assert list(parse(server_ids=[SERVER.upper()]).hosts) == ["shop-1", "shop-3"]


@pytest.mark.parametrize(
    ("filters", "hosts"),
    [
        ([], "123"),
        ([{"include": "ocore_status == 'running'"}], "123"),
        ([{"include": "ocore_status == 'running'"}, {"exclude": True}], "13"),
        ([{"exclude": "ocore_status == 'running'"}], "2"),
        ([{"exclude": "ocore_slug == 'shop-3'"}, {"include": "ocore_status == 'running'"}, {"exclude": True}], "1"),
        ([{"exclude": "ocore_mcp_write_enabled"}], "12"),
        ([{"include": "inventory_hostname == 'shop-2'"}, {"exclude": "inventory_dir is defined"}], "2"),
    ],
)
def test_filter_that_holds_first_decides(parse: Parse, api: Api, filters: list[Any], hosts: str) -> None:
    api.instances = [
        instance(1, mcpWriteEnabled=False),
        instance(2, mcpWriteEnabled=False, status="stopped"),
        instance(3, mcpWriteEnabled=True),
    ]
    assert list(parse(filters=filters).hosts) == [f"shop-{n}" for n in hosts]


def test_gather_reads_more_about_each_instance(parse: Parse, api: Api) -> None:
    api.answers = {
        "/instances/id-1/health": {"status": "healthy"},
        "/instances/id-1/health-score": {"score": 91, "grade": "A"},
        "/instances/id-2/health": {"status": "down"},
        "/instances/id-2/health-score": 404,
    }
    inventory = parse(gather=["health_score", "health"], keyed_groups=[{"key": "ocore_health_score_details.grade"}])
    assert inventory.hosts["shop-1"].vars["ocore_health"]["status"] == "healthy"
    assert inventory.hosts["shop-1"].vars["ocore_health_score_details"]["score"] == 91
    assert inventory.hosts["shop-2"].vars["ocore_health_score_details"] is None
    assert members(inventory, "_A") == ["shop-1"]
    assert len(api.requests) == 5


# Names


@pytest.mark.parametrize(
    ("hostnames", "name"),
    [
        (["slug"], "shop-1"),
        (["id"], "id-1"),
        (["name"], "Shop_1"),
        (["primary_domain", "slug"], "www1.example.com"),
    ],
)
def test_hosts_are_called_by_preference(parse: Parse, hostnames: list[str], name: str) -> None:
    assert name in parse(hostnames=hostnames).hosts


def test_host_without_any_of_the_preferred_names_is_called_by_its_id(parse: Parse, api: Api) -> None:
    domains = [None, [], [{"domain": "a.example.com", "isPrimary": False}], [{"domain": None, "isPrimary": True}]]
    api.instances = [instance(n, domains=d, slug=None) for n, d in enumerate(domains)]
    assert list(parse(hostnames=["primary_domain", "slug"]).hosts) == ["id-0", "id-1", "id-2", "id-3"]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("Shop: prod, [eu]", "Shop__prod___eu_"),
        (" -x ", "_x"),
        ("a\nb", "a_b"),
        ("Bäckerei", "Bäckerei"),
        ("!all", "_all"),
    ],
)
def test_host_names_can_be_selected_by_limit(parse: Parse, api: Api, name: str, host: str) -> None:
    api.instances = [instance(1, name=name)]
    assert list(parse(hostnames=["name"]).hosts) == [host]


def test_instances_of_one_name_are_told_apart_by_id_with_one_warning(
    parse: Parse, api: Api, warnings: list[str]
) -> None:
    api.instances = [instance(n, name="twin") for n in (1, 2)] + [instance(3, name="other")]
    assert list(parse(hostnames=["name"]).hosts) == ["twin_id-1", "twin_id-2", "other"]
    assert ["twin_id-1" in text for text in warnings] == [True]


def test_names_do_not_depend_on_the_filters(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.instances = [instance(n, name="twin", status=s) for n, s in enumerate(("running", "stopped"))]
    inventory = parse(hostnames=["name"], filters=[{"exclude": "ocore_status == 'stopped'"}])
    assert list(inventory.hosts) == ["twin_id-0"]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "all", "ungrouped", "ocore"])
def test_name_that_ansible_uses_gets_the_id(parse: Parse, api: Api, name: str) -> None:
    api.instances = [instance(1, slug=name)]
    inventory = parse()
    assert list(inventory.hosts) == [f"{name}_id-1"]
    assert inventory.localhost is None


def test_made_name_that_is_taken_is_made_unique(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.instances = [instance(1, name="a"), instance(2, name="a"), instance(3, name="a_id-1")]
    api.instances += [instance(n, name=f"n{n // 2}") for n in range(10, 24)]
    inventory = parse(hostnames=["name"])
    assert list(inventory.hosts)[:3] == ["a_id-1_", "a_id-2", "a_id-1"]
    assert len(inventory.hosts) == len(api.instances)
    assert "and 3 more" in warnings[-1]


def test_host_called_like_a_group_keeps_its_variables_to_itself(parse: Parse, api: Api) -> None:
    api.instances = [instance(1, slug="status_running"), instance(2, slug="status_stopped")]
    inventory = InventoryData()
    inventory.add_group("status_stopped")
    parse(into=inventory, keyed_groups=[{"key": "ocore_status", "prefix": "status"}])
    assert inventory.hosts["status_running"].vars["ocore_id"] == "id-1"
    assert inventory.groups["status_running"].vars == {}
    assert inventory.hosts["status_stopped"].vars["ocore_id"] == "id-2"
    assert "ocore_id" not in inventory.groups["status_stopped"].vars


@pytest.mark.parametrize(
    ("hostnames", "names"),
    [
        (["ocore_slug ~ '.' ~ ocore_odoo_version"], ["shop-1.17.0", "shop-2.17.0"]),
        (["ocore_slug | upper"], ["SHOP-1", "SHOP-2"]),
        (["odoo-{{ ocore_slug }}"], ["odoo-shop-1", "odoo-shop-2"]),
        (["ocore_auto_subdomain"], ["shop-1.ocore.example", "shop-2.ocore.example"]),
        (["ocore_workers"], ["2_id-1", "2_id-2"]),
        (["ocore_status_message", "ocore_nothing.x", "ocore_env_vars.NONE", "ocore_slug ~ 1"], ["shop-11", "shop-21"]),
        (["ocore_nothing.x"], ["id-1", "id-2"]),
        (["ocore_status ~ ocore_workers if ocore_status == 'stopped' else ''", "slug"], ["shop-1", "stopped2"]),
        (["'all'"], ["all_id-1", "all_id-2"]),
    ],
)  # fmt: skip
def test_hosts_are_called_by_expressions(parse: Parse, hostnames: list[str], names: list[str]) -> None:
    assert list(parse(hostnames=hostnames).hosts) == names


def test_host_of_another_file_keeps_its_name_and_its_variables(parse: Parse, api: Api, warnings: list[str]) -> None:
    api.servers = [server(1, name="shop-1"), server(2, id="other")]
    inventory = parse(hosts="servers")
    parse(into=inventory)
    parse(into=inventory, keyed_groups=[{"key": "ocore_status"}])
    assert list(inventory.hosts) == ["shop-1", "server_2", "shop-1_id-1", "shop-2"]
    assert inventory.hosts["shop-1"].vars["ocore_id"] == SERVER
    assert inventory.hosts["shop-1_id-1"].vars["ocore_id"] == "id-1"
    assert "used by another inventory file: shop-1." in warnings[0]


# Groups


def test_group_of_all_hosts_can_be_chosen(parse: Parse, api: Api) -> None:
    api.instances.append(instance(3, slug="shops"))
    inventory = parse(group="shops", keyed_groups=[{"key": "ocore_status", "parent_group": "shops"}])
    assert members(inventory, "shops") == ["shop-1", "shop-2", "shops_id-3"]
    assert "ocore" not in inventory.groups
    assert members(parse(hosts="servers", group="machines"), "machines") == ["server_1", "server_2"]


def test_keyed_groups_take_booleans_and_numbers_as_their_text(parse: Parse, api: Api) -> None:
    api.instances = [
        instance(1, mcpWriteEnabled=False, restartCount=0, workers=None),
        instance(2, mcpWriteEnabled=True, restartCount=3, workers=2.5),
    ]
    inventory = parse(
        keyed_groups=[
            {"key": "ocore_mcp_write_enabled", "prefix": "mcp"},
            {"key": "ocore_restart_count", "prefix": "restarts"},
            {"key": "ocore_workers", "prefix": "workers", "default_value": "unknown"},
        ],
    )
    assert members(inventory, "mcp_False") == members(inventory, "restarts_0") == ["shop-1"]
    assert members(inventory, "mcp_True") == members(inventory, "restarts_3") == ["shop-2"]
    assert members(inventory, "workers_unknown") == ["shop-1"]
    assert members(inventory, "workers_2_5") == ["shop-2"]


def test_constructed_groups_and_variables(parse: Parse) -> None:
    inventory = parse(
        keyed_groups=[
            {"key": "ocore_status", "prefix": "status"},
            {"key": "ocore_odoo_version", "prefix": "odoo", "parent_group": "odoo"},
            {"key": "ocore_workers | string", "prefix": "workers"},
            {"key": "tier", "separator": ""},
        ],
        groups={"stopped": "ocore_status == 'stopped'"},
        compose={"url": "'https://' ~ ocore_auto_subdomain", "tier": "'gold' if ocore_workers > 1 else 'free'"},
    )
    assert members(inventory, "status_running") == ["shop-1"]
    assert members(inventory, "odoo") == members(inventory, "odoo_17_0") == ["shop-1", "shop-2"]
    assert members(inventory, "workers_2") == members(inventory, "gold") == ["shop-1", "shop-2"]
    assert members(inventory, "stopped") == ["shop-2"]
    assert inventory.hosts["shop-1"].vars["url"] == "https://shop-1.ocore.example"


def test_variables_of_other_sources_can_be_used(parse: Parse) -> None:
    inventory = InventoryData()
    inventory.current_source = "/elsewhere/hosts"
    inventory.add_host("shop-1")
    inventory.set_variable("shop-1", "owner", "team-a")
    inventory.set_variable("shop-1", "greeting", trusted("hello {{ ocore_slug }}"))
    parse(into=inventory, keyed_groups=[{"key": "owner"}, {"key": "greeting"}, {"key": "inventory_file"}])
    assert (
        members(inventory, "_team_a")
        == members(inventory, "_hello_shop_1")
        == members(inventory, "__elsewhere_hosts")
        == ["shop-1"]
    )


def test_answer_about_one_host_is_not_taken_for_another(parse: Parse) -> None:
    inventory = InventoryData()
    for host, owner in (("shop-1", "team-a"), ("shop-2", "team-b")):
        inventory.add_host(host)
        inventory.set_variable(host, "owner", owner)
    parse(into=inventory, groups={"ours": "owner == 'team-a'"})
    assert members(inventory, "ours") == ["shop-1"]


def test_extra_variables_can_be_used(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"stage": "eu", "ocore_status": trusted("{{ stage }}")}
    monkeypatch.setattr("ansible.plugins.inventory.load_extra_vars", lambda _loader: given)
    entries = [{"key": "ocore_status", "parent_group": "in_{{ stage }}"}]
    inventory = parse(keyed_groups=entries, use_extra_vars=True, server_ids=["{{ 'other' if stage == 'eu' }}"])
    assert members(inventory, "_eu") == members(inventory, "in_eu") == ["shop-2"]


# The cache


@pytest.fixture
def cached(tmp_path: Path) -> dict[str, Any]:
    directory = tmp_path / "cache"
    return {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(directory)}


def entries(cached: dict[str, Any]) -> list[Path]:
    return sorted(Path(cached["cache_connection"]).iterdir())


def test_cache_serves_while_the_api_is_away(parse: Parse, api: Api, cached: dict[str, Any]) -> None:
    first = parse(**cached)
    api.stop()
    second = parse(**cached, groups={"late": "ocore_status == 'stopped'"})
    assert {n: h.vars for n, h in second.hosts.items()} == {n: h.vars for n, h in first.hosts.items()}
    assert members(second, "late") == ["shop-2"], "the cache holds records, not groups"


def test_cache_gives_no_templates_either(parse: Parse, api: Api, cached: dict[str, Any]) -> None:
    api.instances = [instance(1, name="{{ 7 * 7 }}")]
    for _time in range(2):
        host = parse(**cached, compose={"copy": "ocore_name"}).hosts["shop-1"]
        assert host.vars["copy"] == "{{ 7 * 7 }}"
        assert not is_trusted_as_template(host.vars["ocore_name"])
    assert len(api.requests) == 1


def test_cache_that_expired_does_not_serve(parse: Parse, api: Api, cached: dict[str, Any]) -> None:
    parse(**cached)
    (entry,) = entries(cached)
    os.utime(entry, (0, 0))
    api.stop()
    assert "no connection" in failure(parse, **cached)


def test_serving_from_the_cache_does_not_renew_it(parse: Parse, cached: dict[str, Any]) -> None:
    parse(**cached)
    (entry,) = entries(cached)
    os.utime(entry, (entry.stat().st_atime, entry.stat().st_mtime - 1000))
    before = entry.stat().st_mtime
    parse(**cached)
    assert entry.stat().st_mtime == before


def test_cache_that_was_flushed_is_read_and_written_again(parse: Parse, api: Api, cached: dict[str, Any]) -> None:
    parse(**cached)
    api.instances = [instance(5)]
    assert list(parse(**cached).hosts) == ["shop-1", "shop-2"]
    (entry,) = entries(cached)
    os.utime(entry, (entry.stat().st_atime, entry.stat().st_mtime - 1000))
    before = entry.stat().st_mtime
    assert list(parse(**cached, use_cache=False).hosts) == ["shop-5"]
    assert entry.stat().st_mtime > before
    assert list(parse(**cached).hosts) == ["shop-5"]


def test_cache_stays_as_it_was_after_a_failed_refresh(parse: Parse, api: Api, cached: dict[str, Any]) -> None:
    parse(**cached)
    api.answers["/instances"] = 500
    with pytest.raises(AnsibleParserError):
        parse(**cached, use_cache=False)
    assert list(parse(**cached).hosts) == ["shop-1", "shop-2"]


@pytest.mark.parametrize(
    "change",
    [
        {"api_token": f"{TOKEN}-of-another"},
        {"organization": "globex"},
        {"server_ids": [SERVER]},
        {"gather": ["health"]},
        {"reveal_env_vars": True},
        {"hosts": "servers"},
        {"connect_with": "server"},
    ],
)
def test_cache_has_one_entry_per_question_and_asker(
    parse: Parse, api: Api, cached: dict[str, Any], change: dict[str, Any]
) -> None:
    parse(**cached)
    asked = len(api.requests)
    parse(**cached, **change)
    assert len(api.requests) > asked
    assert len(entries(cached)) == 2


def test_cache_has_one_entry_for_both_lists(parse: Parse, api: Api, cached: dict[str, Any]) -> None:
    first = parse(**cached, hosts="servers")
    asked = len(api.requests)
    api.servers, api.instances = [], []
    assert connection(parse(**cached, connect_with="server").hosts["shop-1"].vars) == CONNECTION
    second = parse(**cached, hosts="servers")
    assert {n: h.vars for n, h in second.hosts.items()} == {n: h.vars for n, h in first.hosts.items()}
    assert len(api.requests) == asked
    assert len(entries(cached)) == 1


@pytest.mark.parametrize("servers", [None, [{"name": "no id"}], [7]])
def test_cache_that_lacks_one_of_the_lists_is_replaced(
    parse: Parse, cached: dict[str, Any], warnings: list[str], servers: Any
) -> None:
    parse(**cached, hosts="servers")
    (entry,) = entries(cached)
    kept = json.loads(entry.read_text())
    kept["__payload__"] = json.dumps(json.dumps({**json.loads(json.loads(kept["__payload__"])), "servers": servers}))
    entry.write_text(json.dumps(kept))
    assert list(parse(**cached, hosts="servers").hosts) == ["server_1", "server_2"]
    assert any("cache" in said for said in warnings)


def test_cache_does_not_mind_the_order_of_servers_and_gather(parse: Parse, cached: dict[str, Any]) -> None:
    parse(**cached, server_ids=[SERVER, "other"], gather=["health", "health_score"])
    parse(**cached, server_ids=["other", SERVER], gather=["health_score", "health"])
    assert len(entries(cached)) == 1


def test_secret_is_not_in_the_cache(parse: Parse, cached: dict[str, Any]) -> None:
    parse(**cached)
    for entry in entries(cached):
        assert TOKEN not in entry.name + entry.read_text()
        assert SECRET not in entry.read_text()
        assert "shop-1" in entry.read_text()


@pytest.mark.parametrize("served", [False, True])
def test_cache_files_are_for_their_owner_only(parse: Parse, cached: dict[str, Any], served: bool) -> None:
    parse(**cached, reveal_env_vars=True)
    (entry,) = entries(cached)
    if served:  # one that an earlier release wrote
        entry.chmod(0o644)
        parse(**cached, reveal_env_vars=True)
    assert SECRET in entry.read_text()
    assert entry.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["no json", '"no json"', '"[1]"', '"{}"', '"[{}]"', "[]", "7"])
def test_cache_entry_that_is_broken_is_replaced(
    parse: Parse, cached: dict[str, Any], text: str, warnings: list[str]
) -> None:
    parse(**cached)
    (entry,) = entries(cached)
    entry.write_text(text)
    assert list(parse(**cached).hosts) == ["shop-1", "shop-2"]
    assert any("cache" in said for said in warnings)
    assert "shop-1" in entry.read_text()


# The whole way


def test_file_with_the_right_name_is_taken_and_no_other(tmp_path: Path) -> None:
    plugin = inventory_loader.get("ocore.cloud.ocore")
    for name, plugin_name, taken in (
        ("ocore.yml", "ocore.cloud.ocore", True),
        ("prod.ocore.yaml", "ocore.cloud.ocore", True),
        ("hosts.yml", "hetzner.hcloud.hcloud", False),
        ("ocore.json", "ocore.cloud.ocore", False),
    ):
        (tmp_path / name).write_text(f"plugin: {plugin_name}\n")
        assert plugin.verify_file(str(tmp_path / name)) is taken
    assert not plugin.verify_file(str(tmp_path / "missing.ocore.yml"))


@pytest.mark.parametrize("plugin_name", ["ocore.cloud.ocore", "'ocore.cloud.ocore'", '"ocore.cloud.ocore"  # ours'])
def test_file_name_that_is_wrong_is_answered_with_the_right_one(tmp_path: Path, plugin_name: str) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(f"---\nplugin: {plugin_name}\n")
    plugin = inventory_loader.get("ocore.cloud.ocore")
    assert plugin.verify_file(str(path))
    inventory = InventoryData()
    with pytest.raises(
        AnsibleParserError, match=r"must end in ocore\.yml or ocore\.yaml. Rename .* to hosts\.ocore\.yaml"
    ):
        plugin.parse(inventory, DataLoader(), str(path))
    assert not inventory.hosts


def test_file_leads_the_manager_to_the_plugin(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "ocore.yml"
    path.write_text(f"plugin: ocore.cloud.ocore\napi_url: {api.url}\napi_token: {TOKEN}\n")
    manager = InventoryManager(DataLoader(), sources=[str(path)])
    assert sorted(manager.hosts) == ["shop-1", "shop-2"]
    assert [host.name for host in manager.get_hosts("ocore:!shop-1")] == ["shop-2"]


def command(tmp_path: Path, config: str, *options: str) -> str:
    """Run ansible-inventory with most verbose output; give all that it said."""
    (tmp_path / "ocore.yml").write_text(config)
    ran = ansible(tmp_path, "inventory", "-i", str(tmp_path / "ocore.yml"), "-vvvv", *options)
    return ran.stdout + ran.stderr


def ansible(tmp_path: Path, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Ansible's."""
    script = f"from ansible.cli.{program} import main; main()"
    link = (
        ROOT.parents[2] if ROOT.parts[-3:] == ("ansible_collections", "ocore", "cloud") else ROOT / ".build/collections"
    )
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(link),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "HOME": str(tmp_path),
        "COLUMNS": "500",
    }
    return subprocess.run(
        [sys.executable, "-c", script, *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_secret_is_not_in_verbose_output_cache_or_errors(api: Api, tmp_path: Path) -> None:
    config = (
        "plugin: ocore.cloud.ocore\n"
        f"api_token: {TOKEN}\n"
        f"api_url: {api.url}\n"
        "cache: true\ncache_plugin: ansible.builtin.jsonfile\n"
        f"cache_connection: {tmp_path}/cache\n"
        "retries: 0\n"
    )
    listed = command(tmp_path, config, "--list")
    assert '"ocore_slug"' in listed
    again = command(tmp_path, config + "compose: {x: ocore_nothing.y}\nstrict: true\n", "--list")
    assert "Could not set x for host shop-1" in again
    api.answers["/instances"] = 403
    refused = command(tmp_path, config, "--list", "--flush-cache")
    assert "not allowed" in refused
    kept = "".join(entry.name + entry.read_text() for entry in (tmp_path / "cache").iterdir())
    for text in (listed, again, refused, kept):
        assert TOKEN not in text
        assert SECRET not in text
        assert "Traceback" not in text


HOSTILE_CONFIG = """\
plugin: ocore.cloud.ocore
api_token: {token}
api_url: {url}
reveal_env_vars: true
compose:
  ansible_host: ocore_domains[0].domain
  copy: ocore_name
  joined: "ocore_name ~ '!'"
keyed_groups:
  - key: ocore_name
  - {{key: ocore_status, prefix: is, parent_group: "{{{{ ocore_status }}}}"}}
"""
HOSTILE_PLAY = """\
- hosts: ocore
  gather_facts: false
  connection: local
  tasks:
    - name: Show what the API said
      ansible.builtin.debug:
        msg: ["{{ ocore_name }}", "{{ ocore_status_message }}", "{{ ocore_env_vars }}", "{{ copy }}", "{{ joined }}"]
    - name: Use it as a condition
      ansible.builtin.debug:
        msg: "{{ ocore_domains }}"
      when: ocore_name != ocore_status_message
"""


def hostile(mark: Path) -> list[dict[str, Any]]:
    """Give an instance whose texts would make a file if anything evaluated them."""
    call = f"lookup('pipe', 'touch {mark}')"
    return [
        instance(
            1,
            name="{{ " + call + " }}",
            statusMessage=f"#jinja2: variable_start_string: '[%', variable_end_string: '%]'\n[% {call} %]",
            envVars={"A": "{% set x = " + call + " %}", "{{ " + call + " }}": "[% " + call + " %]"},
            domains=[{"domain": "www.example.com", "isPrimary": True, "dnsStatus": "{# " + call + " #}"}],
        )
    ]


def test_hostile_texts_stay_inert_in_a_play_and_after_a_round_trip(api: Api, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    api.instances = hostile(mark)
    source = tmp_path / "ocore.yml"
    source.write_text(HOSTILE_CONFIG.format(token=TOKEN, url=api.url))
    listed = ansible(tmp_path, "inventory", "-i", str(source), "--list")
    again = tmp_path / "again.sh"
    again.write_text(f"#!/bin/sh\ncat {tmp_path}/listed.json\n")
    again.chmod(0o700)
    (tmp_path / "listed.json").write_text(listed.stdout)
    (tmp_path / "play.yml").write_text(HOSTILE_PLAY)
    relisted = ansible(tmp_path, "inventory", "-i", str(again), "--list")
    assert json.loads(relisted.stdout)["_meta"] == json.loads(listed.stdout)["_meta"]
    for inventory in (source, again):
        played = ansible(tmp_path, "playbook", "-i", str(inventory), str(tmp_path / "play.yml"))
        assert "failed=0" in played.stdout, played.stdout + played.stderr
        assert "touch" in played.stdout, "the texts are shown, not evaluated"
    assert not mark.exists()


@pytest.mark.parametrize(
    "task", ['debug: {msg: x}\n      when: "{{ ocore_name }}"', 'debug: {var: "{{ ocore_name }}"}']
)
def test_hostile_text_is_not_evaluated_as_an_expression(api: Api, tmp_path: Path, task: str) -> None:
    mark = tmp_path / "executed"
    api.instances = [instance(1, name=f"lookup('pipe', 'touch {mark}') == ''")]
    source = tmp_path / "ocore.yml"
    source.write_text(f"plugin: ocore.cloud.ocore\napi_token: {TOKEN}\napi_url: {api.url}\n")
    (tmp_path / "play.yml").write_text(
        f"- hosts: ocore\n  gather_facts: false\n  connection: local\n  tasks:\n    - {task}\n"
    )
    played = ansible(tmp_path, "playbook", "-i", str(source), str(tmp_path / "play.yml"))
    assert "untrusted template or expression" in played.stdout + played.stderr
    assert not mark.exists()


def test_listed_inventory_holds_plain_texts(api: Api, tmp_path: Path) -> None:
    source = tmp_path / "ocore.yml"
    source.write_text(HOSTILE_CONFIG.format(token=TOKEN, url=api.url))
    listed = json.loads(ansible(tmp_path, "inventory", "-i", str(source), "--list").stdout)
    variables = listed["_meta"]["hostvars"]["shop-1"]
    assert variables["ocore_status"] == "running", "AWX compares it with enabled_value"
    assert variables["ansible_host"] == "www1.example.com", "the provisioning callback looks it up"
    assert variables["joined"] == "Shop 1!"
    assert "__ansible_unsafe" not in json.dumps(listed)


def test_token_that_the_api_quotes_is_neither_published_nor_cached_nor_logged(api: Api, tmp_path: Path) -> None:
    quoted = f"pull failed for {TOKEN}"
    api.instances = [instance(1, statusMessage=quoted, domains=[{"domain": "a.example", "dnsStatus": quoted}])]
    api.answers["/instances/id-1/health"] = {"status": "running", "statusMessage": quoted}
    config = (
        f"plugin: ocore.cloud.ocore\napi_token: {TOKEN}\napi_url: {api.url}\ngather: [health]\n"
        f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {tmp_path}/cache\n"
    )
    said = command(tmp_path, config, "--list")
    kept = "".join(entry.read_text() for entry in (tmp_path / "cache").iterdir())
    assert "pull failed for ********" in said
    assert "pull failed for ********" in kept
    assert TOKEN not in said + kept
