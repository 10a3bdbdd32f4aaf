# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of the Hetzner Cloud API as hetzner.hcloud asks for here, on loopback: servers, by pages or by name.

Runs as a process of its own: `python hcloud_api.py 1000` prints its address. Field names: docs.hetzner.cloud, "Servers".
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOCATION = {
    "id": 1,
    "name": "fsn1",
    "description": "Falkenstein",
    "country": "DE",
    "city": "Falkenstein",
    "network_zone": "eu",
}


def server(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"server-{number}",
        "status": "off" if number % 12 == 0 else "running",
        "created": "2025-03-01T08:00:00+00:00",
        "server_type": {
            "id": number % 6,
            "name": f"cx{number % 6}",
            "architecture": "x86",
            "cores": 2,
            "memory": 4.0,
            "disk": 40,
            "prices": [],
        },
        "public_net": {
            "ipv4": {"id": number, "ip": f"192.0.2.{number % 250}", "blocked": False, "dns_ptr": "a.example"},
            "ipv6": {"id": number, "ip": "2001:db8::/64", "blocked": False, "dns_ptr": []},
            "floating_ips": [],
            "firewalls": [],
        },
        "private_net": [],
        "datacenter": {"id": 1, "name": "fsn1-dc1", "description": "Falkenstein 1", "location": LOCATION},
        "location": LOCATION,
        "image": {"id": 1, "name": "debian-12", "description": "Debian 12", "os_flavor": "debian", "type": "system"},
        "labels": {"version": f"{14 + number % 6}", "tier": "gold"},
        "volumes": [],
        "load_balancers": [],
        "iso": None,
        "placement_group": None,
        "primary_disk_size": 40,
        "rescue_enabled": False,
        "locked": False,
        "backup_window": None,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": 0,
        "protection": {"delete": False, "rebuild": False},
    }


@contextmanager
def hcloud_api(count: int) -> Iterator[str]:
    """Serve so many servers in a process; give the address."""
    process = subprocess.Popen([sys.executable, __file__, str(count)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    servers: list[dict[str, Any]] = []  # noqa: RUF012 - set once, before the first request

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        page, size = int(query.get("page", 1)), int(query.get("per_page", 25))
        kind = parts.path.rsplit("/", 1)[-1]
        found = self.servers if kind == "servers" else [LOCATION]
        if "name" in query:
            found = [one for one in found if one["name"] == query["name"]]
        last = max(1, -(-len(found) // size))
        pagination = {
            "page": page,
            "per_page": size,
            "previous_page": page - 1 or None,
            "next_page": page + 1 if page < last else None,
            "last_page": last,
            "total_entries": len(found),
        }
        body = json.dumps({kind: found[(page - 1) * size : page * size], "meta": {"pagination": pagination}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    Handler.servers = [server(number) for number in range(1, int(sys.argv[1]) + 1)]
    api = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{api.server_port}/v1", flush=True)
    api.serve_forever()
