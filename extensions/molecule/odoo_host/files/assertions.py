# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: PT009, PT027 (unittest, because the hosts have no pytest)
"""What a browser, an ACME server and an attacker see of the provisioned host. Runs on the host itself, standard
library only.

python3 assertions.py -v               runs all
python3 assertions.py -v CLASS.test    runs one
python3 assertions.py load NAME FILE   opens new connections to NAME until FILE is gone, prints the counts as JSON
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import os
import secrets
import socket
import ssl
import sys
import threading
import time
import unittest
import warnings

WEBROOT = "/var/www/ocore-acme/.well-known/acme-challenge"
FORWARDED = ("x-forwarded-host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-real-ip")
HSTS = "max-age=63072000"


@functools.cache
def trusting() -> ssl.SSLContext:
    """Read the authorities of the host once: that takes longer than a request."""
    return ssl.create_default_context()


class Tls(http.client.HTTPSConnection):
    """HTTPS to this host under any name, with the certificate and the name checked as a browser does."""

    def connect(self) -> None:
        raw = socket.create_connection(("127.0.0.1", 443), timeout=10, source_address=self.source_address)
        self.sock = trusting().wrap_socket(raw, server_hostname=self.host)


class Plain(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", 80), timeout=10)


def ask(
    name: str,
    path: str = "/",
    method: str = "GET",
    tls: bool = True,
    body: str | None = None,
    source: str = "127.0.0.1",
):
    connection = (Tls if tls else Plain)(name, source_address=(source, 0))
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    return answer, text


def upgrade(name: str, path: str) -> tuple[int, dict[str, str], ssl.SSLSocket]:
    connection = Tls(name)
    connection.connect()
    sock = connection.sock
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        received = sock.recv(1)
        if not received:
            break
        head += received
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split(" ")[1]), {name.lower(): value for name, value in headers.items()}, sock


def echo(sock: ssl.SSLSocket, text: str) -> str:
    mask, data = secrets.token_bytes(4), text.encode()
    sock.sendall(bytes([0x81, 0x80 | len(data)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))
    first, length = sock.recv(1)[0], sock.recv(1)[0]
    assert first == 0x81
    received = b""
    while len(received) < length:
        received += sock.recv(length - len(received))
    return received.decode()


class BrowsersPath(unittest.TestCase):
    def test_http_redirects_to_https_on_the_primary_domain(self) -> None:
        for name in ("shop.example.test", "www.shop.example.test"):
            answer, _text = ask(name, "/odoo/x?a=1&b=2", tls=False)
            self.assertEqual(
                (answer.status, answer.headers["Location"]), (301, "https://shop.example.test/odoo/x?a=1&b=2")
            )

    def test_https_on_another_domain_redirects_to_the_primary_one(self) -> None:
        answer, _text = ask("www.shop.example.test", "/odoo?a=1")
        self.assertEqual((answer.status, answer.headers["Location"]), (301, "https://shop.example.test/odoo?a=1"))

    def test_https_on_the_primary_domain_reaches_the_instance(self) -> None:
        for name, port in (("shop", "20000"), ("crm", "20010"), ("solo", "20020")):
            answer, text = ask(f"{name}.example.test", "/web")
            self.assertEqual((answer.status, json.loads(text)["name"], json.loads(text)["port"]), (200, name, port))

    def test_the_session_cookie_is_secure(self) -> None:
        answer, _text = ask("shop.example.test")
        self.assertIn("Secure", answer.headers["Set-Cookie"])
        self.assertIn("SameSite=Lax", answer.headers["Set-Cookie"])

    def test_http2_is_offered(self) -> None:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", 443)) as raw,
            context.wrap_socket(raw, server_hostname="shop.example.test") as tls,
        ):
            self.assertEqual(tls.selected_alpn_protocol(), "h2")

    def test_tls_below_1_2_is_refused(self) -> None:
        warnings.simplefilter("ignore", DeprecationWarning)
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", 443)) as raw, self.assertRaises(ssl.SSLError):
            context.wrap_socket(raw, server_hostname="shop.example.test")


class LiveChannel(unittest.TestCase):
    def check(self, name: str, path: str, standin: str) -> None:
        status, headers, sock = upgrade(name, path)
        with sock:
            self.assertEqual((status, headers.get("x-standin")), (101, standin))
            self.assertEqual(echo(sock, "hello"), "hello")
            self.assertEqual(set(FORWARDED) - set(json.loads(headers["x-seen"])), set())

    def test_websocket_reaches_the_second_port_with_workers(self) -> None:
        self.check("shop.example.test", "/websocket?version=17.0", "shop 20001")

    def test_websocket_reaches_the_first_port_without_workers(self) -> None:
        self.check("solo.example.test", "/websocket", "solo 20020")

    def test_longpolling_on_15_reaches_the_second_port(self) -> None:
        answer, text = ask("crm.example.test", "/longpolling/poll", method="POST", body="{}")
        self.assertEqual((answer.status, json.loads(text)["port"]), (200, "20011"))

    def test_longpolling_is_nothing_special_on_17(self) -> None:
        _answer, text = ask("shop.example.test", "/longpolling/poll")
        self.assertEqual(json.loads(text)["port"], "20000")


class Headers(unittest.TestCase):
    def test_all_forwarded_headers_arrive_on_every_location(self) -> None:
        paths = (
            "/",
            "/web/static/x.css",
            "/web/login",
            "/de/web/login",
            "/jsonrpc",
            "/json/2/res.partner",
            "/websocket/health",
        )
        for path in paths:
            _answer, text = ask("shop.example.test", path)
            headers = json.loads(text)["headers"]
            self.assertEqual(set(FORWARDED) - set(headers), set(), path)
            self.assertEqual(headers["host"], "shop.example.test", path)
            self.assertEqual(
                (headers["x-forwarded-host"], headers["x-forwarded-proto"]), ("shop.example.test", "https"), path
            )

    def test_exactly_one_hsts_header_on_every_kind_of_answer(self) -> None:
        cases = (
            ("shop.example.test", "/", 200),
            ("shop.example.test", "/web/static/x.css", 200),
            ("shop.example.test", "/web/database/manager", 403),
            ("shop.example.test", "/status/404", 404),
            ("shop.example.test", "/.well-known/acme-challenge/none", 404),
            ("www.shop.example.test", "/", 301),
            ("down.example.test", "/", 502),
            ("halted.example.test", "/", 503),
        )
        for name, path, status in cases:
            answer, _text = ask(name, path)
            self.assertEqual(
                (answer.status, answer.headers.get_all("Strict-Transport-Security")), (status, [HSTS]), name + path
            )

    def test_no_hsts_over_plain_http(self) -> None:
        answer, _text = ask("shop.example.test", tls=False)
        self.assertIsNone(answer.headers["Strict-Transport-Security"])

    def test_static_files_are_cached(self) -> None:
        answer, _text = ask("shop.example.test", "/web/static/x.css")
        self.assertIn("max-age=604800", answer.headers["Cache-Control"])


class Strangers(unittest.TestCase):
    def test_unknown_host_on_port_80_gets_an_empty_reply(self) -> None:
        with self.assertRaises(http.client.RemoteDisconnected):
            ask("unknown.example.test", tls=False)

    def test_unknown_name_in_the_handshake_gets_an_alert(self) -> None:
        with self.assertRaises(ssl.SSLError) as caught:
            ask("unknown.example.test")
        self.assertIn("UNRECOGNIZED_NAME", str(caught.exception).upper().replace(" ", "_"))

    def test_names_of_bad_records_are_not_served(self) -> None:
        for name in ("evil.example.test", "thief.example.test"):
            with self.assertRaises(http.client.RemoteDisconnected):
                ask(name, tls=False)

    def test_a_name_that_belongs_to_another_instance_stays_there(self) -> None:
        _answer, text = ask("shop.example.test")
        self.assertEqual(json.loads(text)["name"], "shop")


class Challenge(unittest.TestCase):
    def setUp(self) -> None:
        self.token = "test-" + secrets.token_hex(8)
        os.makedirs(WEBROOT, exist_ok=True)
        with open(os.path.join(WEBROOT, self.token), "w", encoding="ascii") as handle:
            handle.write("proof")
        self.addCleanup(os.unlink, os.path.join(WEBROOT, self.token))

    def test_the_challenge_path_works_on_every_server(self) -> None:
        path = f"/.well-known/acme-challenge/{self.token}"
        plain = (
            "unknown.example.test",
            "shop.example.test",
            "www.shop.example.test",
            "halted.example.test",
            "down.example.test",
        )
        for name in plain:
            answer, text = ask(name, path, tls=False)
            self.assertEqual((answer.status, text), (200, "proof"), f"http {name}")
        for name in plain[1:]:
            answer, text = ask(name, path)
            self.assertEqual((answer.status, text), (200, "proof"), f"https {name}")


class Abuse(unittest.TestCase):
    def setUp(self) -> None:
        # A client of its own, whose requests nobody has counted yet.
        self.source = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"

    def test_login_burst_gets_429_and_gets_do_not(self) -> None:
        name = "solo.example.test"
        posts = [ask(name, "/web/login", method="POST", body="x", source=self.source)[0].status for _time in range(20)]
        self.assertEqual(set(posts), {200, 429})
        self.assertEqual(posts[:11], [200] * 11)
        gets = [ask(name, "/web/login", source=self.source)[0].status for _time in range(20)]
        self.assertEqual(set(gets), {200})

    def test_the_limit_of_one_instance_is_not_that_of_another(self) -> None:
        for _time in range(20):
            ask("solo.example.test", "/web/login", method="POST", body="x", source=self.source)
        answer, _text = ask("crm.example.test", "/web/login", method="POST", body="x", source=self.source)
        self.assertEqual(answer.status, 200)

    def test_the_database_manager_is_closed(self) -> None:
        for path in (
            "/web/database/manager",
            "/web/database/selector",
            "/web/database",
            "//web//database/manager",
            "/web/%64atabase/manager",
        ):
            self.assertEqual(ask("shop.example.test", path)[0].status, 403, path)
        self.assertEqual(ask("shop.example.test", "/xmlrpc/2/db", method="POST", body="x")[0].status, 403)


class Unavailable(unittest.TestCase):
    def test_a_stopped_instance_answers_503_with_retry_after(self) -> None:
        for path in ("/", "/web/login", "/web/static/x.css"):
            answer, text = ask("halted.example.test", path)
            self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "300"), path)
            self.assertIn("stopped for maintenance", text)

    def test_an_instance_that_is_down_answers_502_with_our_page(self) -> None:
        answer, text = ask("down.example.test", "/web")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (502, "300"))
        self.assertIn("not available right now", text)


class BadName(unittest.TestCase):
    def test_one_bad_name_among_three_blocks_nobody(self) -> None:
        self.assertEqual(ask("one.mixed.example.test", "/web")[0].status, 200)
        self.assertEqual(ask("two.mixed.example.test", "/")[0].headers["Location"], "https://one.mixed.example.test/")
        with self.assertRaises(ssl.SSLError):
            ask("bad.mixed.example.test")


class OurFiles(unittest.TestCase):
    def test_our_files_carry_the_mark(self) -> None:
        for path in (
            "/etc/nginx/conf.d/ocore.conf",
            "/etc/letsencrypt/renewal-hooks/deploy/ocore-nginx",
            "/etc/systemd/system/certbot.service.d/ocore-ca.conf",
            "/etc/letsencrypt/ocore-certificates.json",
            "/var/www/ocore-pages/unavailable.html",
        ):
            with open(path, encoding="utf-8") as handle:
                self.assertIn("Ansible managed: ocore.cloud", handle.read(), path)

    def test_no_candidate_or_token_is_left_behind(self) -> None:
        left = [name for name in os.listdir("/etc/nginx") if "candidate" in name] + os.listdir(WEBROOT)
        self.assertEqual(left, [])


def load(name: str, flag: str) -> None:
    """New connections by four clients until the file is gone (fifteen minutes at most), some forty in a second: more would only
    slow down what they are there to watch."""
    counts = {"ok": 0, "failed": 0}
    errors: list[str] = []
    end = time.monotonic() + 900
    lock = threading.Lock()

    def client() -> None:
        while os.path.exists(flag) and time.monotonic() < end:
            try:
                answer, _text = ask(name, "/web")
                problem = None if answer.status == 200 else f"status {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
            with lock:
                counts["failed" if problem else "ok"] += 1
                if problem:
                    errors.append(problem)
            time.sleep(0.1)

    threads = [threading.Thread(target=client) for _time in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({**counts, "errors": errors[:5]}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load(sys.argv[2], sys.argv[3])
    else:
        unittest.main()
