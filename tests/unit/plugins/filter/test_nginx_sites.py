# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host serves for instance records: names, ports, certificates, and why something is left out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.ocore.cloud.plugins.filter.sites import FilterModule
from ansible_collections.ocore.cloud.plugins.plugin_utils._host_report import host_report
from ansible_collections.ocore.cloud.plugins.plugin_utils._instance_options import nginx_user_files
from ansible_collections.ocore.cloud.plugins.plugin_utils._sites import (
    host_name,
    instance_ports,
    nginx_sites,
    odoo_major,
    own_certificates,
    port_number,
    resolve,
    site_certificates,
    valid_slug,
)


def record(slug: object = "shop", **fields: Any) -> dict[str, Any]:
    return {
        "id": f"id-{slug}",
        "slug": slug,
        "status": "running",
        "odoo_version": "17.0",
        "workers": 2,
        "http_port_host": 20000,
        "longpolling_port_host": 20001,
        "domains": [{"domain": f"{slug}.example.com", "is_primary": True, "dns_status": "verified"}],
        **fields,
    }


def certificate(*names: str, **fields: Any) -> dict[str, Any]:
    return {
        "usable": True,
        "problem": None,
        "names": list(names),
        "trusted": True,
        "expired": False,
        "fullchain": "/c/fullchain.pem",
        "key": "/c/privkey.pem",
        "not_after": "2027-01-01T00:00:00+00:00",
        "serial": "3A",
        **fields,
    }


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("shop", True),
        ("0-shop", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("-shop", False),
        ("Shop", False),
        ("shop\n", False),
        ("shop; }", False),
        ("../etc", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_slug_of_a_record(value: object, good: bool) -> None:
    assert valid_slug(value) is good


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Shop.Example.COM.", "shop.example.com"),
        (" shop.example.com", "shop.example.com"),
        ("xn--caf-dma.example", "xn--caf-dma.example"),
        ("café.example", "xn--caf-dma.example"),
        ("Straße.example", "xn--strae-oqa.example"),
        ("BÜRO.例え.example.", "xn--bro-hoa.xn--r8jz45g.example"),
        ("a\u2014b_.example", None),
        ("\u0300.example", None),
        ("*.example.com", None),
        ("localhost", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("-a.example.com", None),
        ("a-.example.com", None),
        ("a_b.example.com", None),
        ("a..example.com", None),
        ("a.example.com; return 200", None),
        ("a.example.com\n", None),
        ("$host.example.com", None),
        ("a" * 64 + ".example.com", None),
        (".".join(["a" * 63] * 4), None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_domain_as_host_name(value: object, name: str | None) -> None:
    assert host_name(value) == name


@pytest.mark.parametrize(
    ("value", "port"),
    [
        (1, 1),
        (65535, 65535),
        ("8069", 8069),
        (0, None),
        (65536, None),
        (True, None),
        (8069.0, None),
        ("80 ", None),
        ("٣", None),
        (None, None),
    ],
)
def test_port_of_a_record(value: object, port: int | None) -> None:
    assert port_number(value) == port


@pytest.mark.parametrize(
    ("value", "major"),
    [
        ("17.0", 17),
        (17, 17),
        (17.0, 17),
        ("saas-17.4", 17),
        ("saas~18.1", 18),
        ("17.0-20260101", 17),
        ("master", None),
        (None, None),
        (True, None),
    ],
)
def test_odoo_version_major(value: object, major: int | None) -> None:
    assert odoo_major(value) == major


@pytest.mark.parametrize(
    ("fields", "path", "port"),
    [
        ({"odoo_version": "14.0"}, "/longpolling", 20001),
        ({"odoo_version": "15.0"}, "/longpolling", 20001),
        ({"odoo_version": "15.0", "workers": 0}, "/longpolling", 20000),
        ({"odoo_version": "16.0"}, "/websocket", 20001),
        ({"odoo_version": "19.0", "workers": 0}, "/websocket", 20000),
        ({"odoo_version": None}, "/websocket", 20001),
        ({"workers": None}, "/websocket", 20001),
        ({"workers": None, "longpolling_port_host": None}, "/websocket", 20000),
        ({"longpolling_port_host": None}, "/websocket", 20000),
        ({"longpolling_port_host": 20000}, "/websocket", 20000),
        ({"workers": False}, "/websocket", 20001),
    ],
)
def test_live_channel_by_version_and_workers(fields: dict[str, Any], path: str, port: int) -> None:
    [site], _left_out = resolve([record(**fields)])
    assert (site["live_path"], site["live_port"]) == (path, port)


def test_live_channel_without_a_port_is_reported_only_with_workers() -> None:
    [site], _left_out = resolve([record(longpolling_port_host=None)])
    assert site["notes"] == ["longpolling_port_host is missing or not usable: the live channel uses http_port_host"]
    [site], _left_out = resolve([record(longpolling_port_host=None, workers=0)])
    assert site["notes"] == []


@pytest.mark.parametrize(
    ("limit", "timeout"), [(1200, 1230), (None, 150), (0, 150), (-5, 150), ("60; x", 150), (True, 150), (10**9, 150)]
)
def test_read_timeout_follows_limit_time_real(limit: object, timeout: int) -> None:
    [site], _left_out = resolve([record(limit_time_real=limit)])
    assert site["read_timeout"] == timeout


def test_domain_order_primary_then_own_then_generated() -> None:
    domains = [
        {"domain": "auto.apps.example.com", "is_auto_generated": True},
        {"domain": "z.example.com"},
        {"domain": "a.example.com"},
        {"domain": "main.example.com", "is_primary": True},
        {"domain": "A.example.com."},
    ]
    [site], _left_out = resolve([record(domains=domains, auto_subdomain="shop.apps.example.com")])
    assert site["names"] == [
        "main.example.com",
        "a.example.com",
        "z.example.com",
        "auto.apps.example.com",
        "shop.apps.example.com",
    ]


def test_auto_subdomain_that_is_a_label_needs_the_zone() -> None:
    [site], _left_out = resolve([record(auto_subdomain="shop")])
    assert site["names"] == ["shop.example.com"]
    assert site["notes"] == ["auto_subdomain 'shop' is only a label: set odoo_host_auto_subdomain_zone to complete it"]
    [site], _left_out = resolve([record(auto_subdomain="shop")], auto_subdomain_zone="apps.example.com")
    assert site["names"] == ["shop.example.com", "shop.apps.example.com"]


def test_domain_of_two_instances_stays_with_the_older_one() -> None:
    old = record("zeta", created_at="2026-01-01T00:00:00Z", domains=[{"domain": "x.example.com"}])
    new = record(
        "alpha",
        created_at="2026-02-01T00:00:00Z",
        http_port_host=1,
        longpolling_port_host=2,
        domains=[{"domain": "x.example.com"}, {"domain": "y.example.com"}],
    )
    for order in ([old, new], [new, old]):
        sites, _left_out = resolve(order)
        assert {site["slug"]: site["names"] for site in sites} == {
            "zeta": ["x.example.com"],
            "alpha": ["y.example.com"],
        }
        assert sites[0]["notes"] == ["domain 'x.example.com' already belongs to instance 'zeta'"]


def test_domain_of_a_failed_and_a_running_instance_goes_to_the_running_one() -> None:
    failed = record("old", created_at="2026-01-01", status="build_failed", domains=[{"domain": "x.example.com"}])
    running = record("new", created_at="2026-02-01", domains=[{"domain": "x.example.com"}])
    for order in ([failed, running], [running, failed]):
        [site], [left_out] = resolve(order)
        assert (site["slug"], site["names"]) == ("new", ["x.example.com"])
        assert (left_out["slug"], left_out["notes"][-1]) == (
            "old",
            "domain 'x.example.com' already belongs to instance 'new'",
        )


def test_domain_that_is_a_wildcard_is_named_as_one() -> None:
    [site], _left_out = resolve([record(domains=[{"domain": "*.example.com"}, {"domain": "a.example.com"}])])
    assert site["names"] == ["a.example.com"]
    assert site["notes"] == [
        "domain '*.example.com' is a wildcard, which cannot be validated over HTTP: declare each host name"
    ]


def test_port_of_two_instances_leaves_the_younger_one_out() -> None:
    old = record("old", created_at="2026-01-01")
    new = record("new", created_at="2026-02-01", http_port_host=20001, longpolling_port_host=20002)
    sites, [left_out] = resolve([new, old])
    assert [site["slug"] for site in sites] == ["old"]
    assert left_out["notes"] == ["port 20001 is already used by instance 'old'"]


def test_port_of_a_stopped_instance_is_free() -> None:
    sites, left_out = resolve([record("old", created_at="1", status="Stopped"), record("new", created_at="2")])
    assert [(site["slug"], site["maintenance"]) for site in sites] == [("new", False), ("old", True)]
    assert left_out == []


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (record("bad slug"), "slug 'bad slug' is not valid"),
        (record(None), "slug 'None' is not valid"),
        (record(domains=None), "no usable domain"),
        (record(domains=[{"domain": None}, "x"]), "no usable domain"),
        (record(domains="shop.example.com"), "no usable domain"),
        (record(http_port_host=None), "http_port_host 'None' is not a usable port"),
        (record(http_port_host=443), "http_port_host '443' is not a usable port"),
        (record(http_port_host="1; }"), "http_port_host '1; }' is not a usable port"),
        ("text", "instance record 'text' is not an object"),
        ({}, "slug 'None' is not valid"),
    ],
)
def test_left_out_record_has_a_reason_and_breaks_no_other(item: object, reason: str) -> None:
    other = record("other", http_port_host=1, longpolling_port_host=2)
    sites, [left_out] = resolve([item, other])
    assert [site["slug"] for site in sites] == ["other"]
    assert left_out["notes"][0].startswith(reason)
    assert left_out["removed"] is False


def test_slug_given_twice_is_served_once() -> None:
    sites, [left_out] = resolve([record(created_at="1"), record(created_at="2", domains=[{"domain": "x.example.com"}])])
    assert [site["names"] for site in sites] == [["shop.example.com"]]
    assert left_out["notes"] == ["slug 'shop' is used by another instance"]


@pytest.mark.parametrize("status", ["removing", "Deleting", "DELETED"])
def test_removed_instance_frees_its_name(status: str) -> None:
    sites, [left_out] = resolve(
        [record(status=status, created_at="1"), record("new", domains=[{"domain": "shop.example.com"}])]
    )
    assert [site["slug"] for site in sites] == ["new"]
    assert left_out["removed"] is True


def test_certificate_decides_which_names_get_https_and_which_is_canonical() -> None:
    item = record(
        domains=[
            {"domain": "main.example.com", "is_primary": True},
            {"domain": "b.example.com"},
            {"domain": "c.example.com"},
        ]
    )
    [site] = nginx_sites([item], {"ocore-shop": certificate("b.example.com", "c.example.com")})["sites"]
    assert (site["canonical"], site["redirect_code"], site["tls_names"]) == (
        "b.example.com",
        302,
        ["b.example.com", "c.example.com"],
    )
    [site] = nginx_sites([item], {"ocore-shop": certificate("main.example.com")})["sites"]
    assert (site["canonical"], site["redirect_code"]) == ("main.example.com", 301)
    assert "the certificate does not cover 'b.example.com'" in site["notes"]


def test_certificate_with_a_wildcard_covers_one_label() -> None:
    item = record(domains=[{"domain": "a.example.com"}, {"domain": "b.a.example.com"}])
    [site] = nginx_sites([item], {"ocore-shop": certificate("*.example.com")})["sites"]
    assert site["tls_names"] == ["a.example.com"]


def test_certificate_that_cannot_be_used_is_not_rendered() -> None:
    model = nginx_sites(
        [record()], {"ocore-shop": {"usable": False, "problem": "the key doesn't fit", "names": ["shop.example.com"]}}
    )
    assert model["sites"][0]["tls"] is None
    assert model["sites"][0]["notes"] == ["the certificate cannot be used: the key doesn't fit"]
    assert model["served"] == []


def test_maintenance_by_option() -> None:
    [site] = nginx_sites([record()], {}, {"shop": {"maintenance": True}})["sites"]
    assert site["maintenance"] is True


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"alow": ["192.0.2.0/24"]},
            "Instance 'shop' has an unknown setting 'alow'. The known ones are access_log, allow, ",
        ),
        ({"basic_auth": "/x"}, "unknown setting 'basic_auth'"),
        ({"allow": "192.0.2.0/24"}, "Setting 'allow' of instance 'shop' must be a list of texts, not '192.0.2.0/24'."),
        ({"allow": [1]}, "must be a list of texts"),
        ({"maintenance": "perhaps"}, "Setting 'maintenance' of instance 'shop' must be a boolean, not 'perhaps'."),
        ({"basic_auth_file": ["/x"]}, "must be a text"),
        (
            {"hsts": {"maxage": 1}},
            "must be a dictionary with no other keys than max_age, include_subdomains, preload, not",
        ),
        ({"redirects": [{"from": "/a"}]}, "and at least from, to"),
        ({"login_burst": "many"}, "must be a whole number"),
        ("closed", "The settings of instance 'shop' must be a dictionary"),
    ],
)
def test_instance_options_are_refused_by_name(settings: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=re.escape(message)):
        nginx_sites([record()], {}, {"shop": settings})


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"allow": ["here"]}, "its setting allow cannot be used: 'here' is not an address or a network"),
        ({"maintenance_allow": ["192.0.2.0/24; }"]}, "setting maintenance_allow"),
        ({"client_max_body_size": "big"}, "'big' is not a size such as 128m"),
        ({"login_rate": "10/m"}, "'10/m' is not a rate such as"),
        ({"hsts": {"max_age": -1}}, "-1 is less than 0"),
        ({"rpc_burst": 0}, "0 is less than 1"),
        ({"hsts": {"preload": True}}, "preload needs include_subdomains and a max_age of at least 31536000"),
        ({"redirects": [{"from": "old", "to": "/new"}]}, "from 'old' is not a path"),
        ({"redirects": [{"from": "/old", "to": "javascript:x"}]}, "to 'javascript:x' is neither a path nor a URL"),
        ({"redirects": [{"from": "/old", "to": "/$host"}]}, "neither a path nor a URL"),
        ({"redirects": [{"from": "/old", "to": "/new", "code": 200}]}, "code 200 is none of"),
        ({"basic_auth_file": "htpasswd"}, "'htpasswd' is not the full path of a file"),
        ({"basic_auth_users": [{"name": "a:b", "password": "x"}]}, "setting basic_auth_users cannot be used: a name"),
        ({"basic_auth_users": [{"name": "a", "password": ""}]}, "the password of 'a' is empty"),
        (
            {"basic_auth_file": "/x", "basic_auth_users": [{"name": "a", "password": "b"}]},
            "basic_auth_file and basic_auth_users exclude each other",
        ),
    ],
)
def test_instance_options_that_cannot_be_used_leave_out_their_instance_only(settings: Any, reason: str) -> None:
    other = record("other", http_port_host=1, longpolling_port_host=2)
    model = nginx_sites([record(), other], {}, {"shop": settings, "other": {"login_rate": "5r/m"}})
    assert [site["slug"] for site in model["sites"]] == ["other"]
    [left_out] = model["left_out"]
    assert (left_out["slug"], left_out["running"]) == ("shop", True)
    assert reason in left_out["notes"][0]


def test_passwords_are_in_no_model_and_no_error() -> None:
    users = [{"name": "anna", "password": "Secret-1"}]
    assert "Secret-1" not in str(nginx_sites([record()], {}, {"shop": {"basic_auth_users": users}}))
    assert nginx_user_files({"shop": {"basic_auth_users": users}, "crm": {}}) == [{"name": "shop", "users": users}]
    for bad in ({"anna": "Secret-1"}, ["Secret-1"], [{"name": "anna", "pasword": "Secret-1"}]):
        with pytest.raises(AnsibleFilterError) as caught:
            nginx_sites([record()], {}, {"shop": {"basic_auth_users": bad}})
        assert "Secret-1" not in str(caught.value)
    model = nginx_sites(
        [record()], {}, {"shop": {"basic_auth_users": [*users, {"name": "a:", "password": "Secret-1"}]}}
    )
    assert "Secret-1" not in str(model)


@pytest.mark.parametrize(
    ("fields", "ports"),
    [({}, (20000, 20001)), ({"status": "stopped"}, (None, None)), ({"http_port_host": None}, (None, None))],
)
def test_maintenance_that_some_clients_pass_keeps_the_ports(fields: dict[str, Any], ports: tuple[Any, Any]) -> None:
    options = {"shop": {"maintenance": True, "maintenance_allow": ["192.0.2.0/24"]}}
    [site] = nginx_sites([record(**fields)], {}, options)["sites"]
    assert site["maintenance"] is True
    assert (site["http_port"], site["live_port"]) == ports


@pytest.mark.parametrize(("text", "value"), [("true", True), ("no", False), (True, True), (0, False)])
def test_instance_options_as_text_are_booleans(text: object, value: bool) -> None:
    [site] = nginx_sites([record()], {}, {"shop": {"noindex": text, "maintenance": text}})["sites"]
    assert (site["options"]["noindex"], site["maintenance"]) == (value, value)


def test_instance_options_of_a_slug_that_no_record_has() -> None:
    model = nginx_sites([record(), record("gone", status="deleted")], {}, {"shop-staging": {}, "shop": {}, "gone": {}})
    assert model["unknown"] == ["shop-staging"]


def test_certificates_of_instances() -> None:
    needed = site_certificates(
        [
            record(
                domains=[
                    {"domain": "a.example.com", "dns_status": "verified"},
                    {"domain": "b.example.com", "dns_status": "PENDING"},
                ]
            ),
            record("noport", http_port_host=None),
            record("gone", status="deleted"),
            record("Bad"),
        ],
        refuse_dns_status=["pending", "failed"],
    )
    assert needed == [
        {"name": "ocore-noport", "former_name": "noport", "domains": [], "left_out": {}},
        {
            "name": "ocore-shop",
            "former_name": "shop",
            "domains": ["a.example.com"],
            "left_out": {"b.example.com": "dns_status is pending"},
        },
    ]


OWN = {"shop": {"certificate": {"cert": "/etc/ssl/shop.pem", "key": "/etc/ssl/shop.key"}}}


def test_certificate_of_the_operator_is_not_ordered() -> None:
    assert [item["name"] for item in site_certificates([record(), record("crm")], "", [], OWN)] == ["ocore-crm"]
    assert own_certificates({**OWN, "crm": {}}) == [
        {"name": "ocore-shop", "cert": "/etc/ssl/shop.pem", "key": "/etc/ssl/shop.key"}
    ]
    bad = {"shop": {"certificate": {"cert": "shop.pem", "key": "/k"}}}
    assert own_certificates(bad) == []
    assert site_certificates([record()], "", [], bad) == []
    assert "'shop.pem' is not the full path of a file" in nginx_sites([record()], {}, bad)["left_out"][0]["notes"][0]


@pytest.mark.parametrize(
    ("found", "served", "reason"),
    [
        ({"days_left": 60}, True, None),
        ({"days_left": 13}, True, "the certificate /c/fullchain.pem ends at 2027-01-01T00:00:00+00:00: replace it"),
        (
            {"days_left": 60, "trusted": False, "distrust": "unable to get local issuer certificate"},
            True,
            "this host does not trust the chain of /c/fullchain.pem (unable to get local issuer certificate)",
        ),
        ({"expired": True, "trusted": False}, False, "the certificate ended at 2027-01-01T00:00:00+00:00"),
        ({"names": ["other.example.com"]}, False, "the certificate does not cover 'shop.example.com'"),
        ({"usable": False, "problem": "/c/fullchain.pem does not exist"}, False, "/c/fullchain.pem does not exist"),
    ],
)
def test_certificate_of_the_operator_in_the_report(found: dict[str, Any], served: bool, reason: str | None) -> None:
    certificates = {"ocore-shop": certificate("shop.example.com", **found)}
    [entry] = host_report([record()], nginx_sites([record()], certificates, OWN), certificates, [20000, 20001])
    assert (entry["served"], entry["unserved"]) == (served, not served)
    assert any(reason in text for text in entry["reasons"]) if reason else entry["reasons"] == []


def test_certificate_of_certbot_may_be_untrusted_without_a_word() -> None:
    certificates = {"ocore-shop": certificate("shop.example.com", trusted=False, distrust="self-signed", days_left=1)}
    assert nginx_sites([record()], certificates)["sites"][0]["notes"] == []


def test_certificate_under_the_plain_slug_serves_until_ours_is_there() -> None:
    early, ours = (
        certificate("shop.example.com", fullchain="/early"),
        certificate("shop.example.com", fullchain="/ours"),
    )
    for found, path in (({"shop": early}, "/early"), ({"shop": early, "ocore-shop": ours}, "/ours")):
        model = nginx_sites([record()], found)
        assert model["served"] == [{"server_name": "shop.example.com", "path": path}]
        [entry] = host_report([record()], model, found, listening=[20000, 20001])
        assert (entry["served"], entry["certificate"]["serial"]) == (True, "3A")


def test_ports_of_instances() -> None:
    assert instance_ports([record(), record(http_port_host="7", longpolling_port_host=None), {}, "x"]) == [
        7,
        20000,
        20001,
    ]


def report(item: dict[str, Any], found: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    certificates = {"ocore-shop": found} if found else {}
    more.setdefault("listening", [20000, 20001])
    [entry] = host_report([item], nginx_sites([item], certificates), certificates, **more)
    return entry


def test_report_of_a_served_instance() -> None:
    entry = report(record(active_color="blue"), certificate("shop.example.com"))
    assert entry == {
        "slug": "shop",
        "id": "id-shop",
        "served": True,
        "unserved": False,
        "maintenance": False,
        "url": "https://shop.example.com/",
        "names": ["shop.example.com"],
        "active_color": "blue",
        "certificate": {"expires_at": "2027-01-01T00:00:00+00:00", "serial": "3A", "trusted": True},
        "reasons": [],
        "drift": [],
    }


@pytest.mark.parametrize(
    ("fields", "found", "more", "unserved"),
    [
        ({}, None, {}, True),
        ({}, None, {"plain_http": True}, False),
        ({"domains": None}, None, {"plain_http": True}, True),
        ({"http_port_host": 443}, certificate("shop.example.com"), {}, True),
        ({"slug": "Bad"}, None, {}, True),
        ({}, certificate("other.example.com"), {}, True),
        ({"status": "stopped"}, None, {}, False),
        ({"status": "creating"}, None, {}, False),
        ({"status": "deleted"}, None, {}, False),
        ({"status": "error"}, None, {}, False),
    ],
)
def test_report_of_a_running_instance_that_is_not_served(
    fields: dict[str, Any], found: dict[str, Any] | None, more: dict[str, Any], unserved: bool
) -> None:
    assert report(record(**fields), found, **more)["unserved"] is unserved


def test_report_of_an_instance_that_nginx_refuses() -> None:
    found = {"ocore-shop": certificate("shop.example.com")}
    model = nginx_sites([record()], found, refused={"shop": "unknown directive"})
    [entry] = host_report([record()], model, found)
    assert (entry["served"], entry["unserved"], entry["reasons"]) == (False, True, ["unknown directive"])


def test_report_of_a_host_behind_a_proxy_that_ends_tls() -> None:
    entry = report(record(domains=[{"domain": "shop.example.com", "ssl_status": "active"}]), None, https_before=True)
    assert (entry["served"], entry["unserved"], entry["url"]) == (True, False, "https://shop.example.com/")
    assert (entry["names"], entry["reasons"], entry["drift"]) == (["shop.example.com"], [], [])
    assert report(record(domains=None), None, https_before=True)["unserved"] is True


def test_report_says_why_an_instance_is_not_served() -> None:
    entry = report(
        record(),
        None,
        orders=[{"name": "ocore-shop", "left_out": {"shop.example.com": "not reachable"}, "error": "certbot failed"}],
    )
    assert entry["served"] is False
    assert entry["reasons"] == ["there is no certificate yet", "'shop.example.com': not reachable", "certbot failed"]


@pytest.mark.parametrize(
    ("recorded", "found", "expected"),
    [
        ({"ssl_status": "active"}, certificate("shop.example.com"), []),
        ({"ssl_status": "active"}, None, [("ssl_status", "active", "none")]),
        ({"ssl_status": "pending"}, certificate("shop.example.com"), [("ssl_status", "pending", "active")]),
        (
            {"ssl_status": "active"},
            certificate("shop.example.com", expired=True),
            [("ssl_status", "active", "expired")],
        ),
        ({"ssl_expires_at": "2027-01-01T12:00:00Z"}, certificate("shop.example.com"), []),
        ({"ssl_expires_at": "2027-01-01"}, certificate("shop.example.com"), []),
        (
            {"ssl_expires_at": "2026-12-01T00:00:00Z"},
            certificate("shop.example.com"),
            [("ssl_expires_at", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00+00:00")],
        ),
        ({"ssl_expires_at": "2026-12-01T00:00:00Z"}, None, [("ssl_expires_at", "2026-12-01T00:00:00Z", None)]),
        ({"ssl_expires_at": "soon", "ssl_status": None}, None, []),
        # An unset time of the API: no certificate ever ended then.
        ({"ssl_expires_at": "0001-01-01T00:00:00Z"}, certificate("shop.example.com"), []),
        ({"ssl_expires_at": "0001-01-01T00:00:00Z"}, None, []),
    ],
)
def test_drift_of_certificates(
    recorded: dict[str, Any], found: dict[str, Any] | None, expected: list[tuple[Any, ...]]
) -> None:
    entry = report(record(domains=[{"domain": "shop.example.com", **recorded}]), found)
    assert [(drift["field"], drift["ocore"], drift["host"]) for drift in entry["drift"]] == expected


@pytest.mark.parametrize(
    ("fields", "listening", "expected"),
    [
        ({}, [20000, 20001], []),
        ({}, [20000], ["longpolling_port_host"]),
        ({}, [], ["http_port_host", "longpolling_port_host"]),
        ({"workers": 0}, [20000], []),
        # It runs, and is not served.
        ({"domains": None}, [], ["http_port_host", "longpolling_port_host"]),
        ({"domains": None}, [20000, 20001], []),
        ({"domains": None, "workers": 0}, [], ["http_port_host"]),
        ({"domains": None, "http_port_host": None}, [], []),
        ({"domains": None, "status": "creating"}, [], []),
        ({"status": "stopped"}, [], []),
        ({"status": "stopped"}, [20000], ["status"]),
        ({"status": "deleting"}, [20000], ["status"]),
    ],
)
def test_drift_of_ports_and_status(fields: dict[str, Any], listening: list[int], expected: list[str]) -> None:
    entry = report(record(**fields), certificate("shop.example.com"), listening=listening)
    assert [drift["field"] for drift in entry["drift"]] == expected


def test_documentation_exists_for_every_filter() -> None:
    from pathlib import Path

    import ansible_collections.ocore.cloud.plugins.filter.sites as module

    documented = {path.stem for path in Path(str(module.__file__)).parent.glob("*.yml")}
    assert set(FilterModule().filters()) <= documented
