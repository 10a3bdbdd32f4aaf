# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: read the options, serve, say where, stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from .app import build
from .auth import DEFAULT_KEY, DEFAULT_SECRET, DEFAULT_VIEWER_KEY, Auth
from .errors import ApiError
from .faults import KINDS, OPERATIONS
from .settings import SWITCHES, Settings
from .transport import Protocol
from .world import World

SAVE_INTERVAL = 1.0
PROFILE_FORMAT = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    options = _parser().parse_args(argv)
    auth = Auth(options.token or [DEFAULT_KEY], options.viewer_token or [DEFAULT_VIEWER_KEY], options.jwt_secret)
    if options.print_jwt:
        print(auth.mint(options.jwt_expires_in))
        return 0
    try:
        world = World(
            auth,
            options.organization or ("acme", "globex"),
            options.servers,
            options.seed,
            _switches(options),
            options.state,
            options.log,
        )
        listening = _listen(options.host, options.port)
        config = _config(world, options)
        if options.port_file:
            # What an earlier run left must not be taken for this one's.
            options.port_file.unlink(missing_ok=True)
    except (ApiError, OSError, OverflowError, ValueError) as wrong:
        print(f"oCore emulator: {wrong}", file=sys.stderr)
        return 2
    scheme = "https" if options.tls_cert else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"{scheme}://{host}:{listening.getsockname()[1]}/api"
    asyncio.run(_serve(_Server(config), world, listening, url, options))
    return 0


def _config(world: World, options: argparse.Namespace) -> uvicorn.Config:
    config = uvicorn.Config(
        build(world),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # each answer has its own
        timeout_keep_alive=75,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    try:
        config.load()
    except OSError as wrong:
        raise ValueError(f"certificate {options.tls_cert}, key {options.tls_key}: {wrong}") from None
    return config


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise the signal again when it is done, so that the process would not end with 0."""
        yield


async def _serve(
    server: _Server, world: World, listening: socket.socket, url: str, options: argparse.Namespace
) -> None:
    port_file: Path | None = options.port_file
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if port_file:
        part = port_file.with_name(f".{port_file.name}.{os.getpid()}")
        part.write_text(f"{url}\n", encoding="utf-8")
        part.replace(port_file)
    if not options.quiet:
        print(f"oCore emulator: {url}", flush=True)
    stopped = asyncio.create_task(stop.wait())
    while not serving.done() and not stopped.done():
        await asyncio.wait([serving, stopped], timeout=SAVE_INTERVAL, return_when=asyncio.FIRST_COMPLETED)
        try:
            world.save()
        except OSError as wrong:
            print(f"oCore emulator: the state is not saved: {wrong}", file=sys.stderr)
        if options.stop_with and not _runs(options.stop_with):
            stop.set()
    if port_file:
        port_file.unlink(missing_ok=True)
    # Not asked to finish but cancelled: a server that is told to stop would wait for requests that hang on purpose.
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # someone else's, but there
    return True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only with the protocol named does asyncio switch Nagle's algorithm off; with it, every answer waits 40 ms for an
    # acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(1024)
    return listening


def _switches(options: argparse.Namespace) -> dict[str, object]:
    given = {"step_time": options.step_time, "latency": options.latency}
    switches: dict[str, object] = _profile(options.profile) if options.profile else {}
    switches.update({name: value for name, value in given.items() if value is not None})
    for item in options.set:
        name, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"--set takes SWITCH=VALUE, not {item!r}")
        switches[name] = value
    return switches


def _profile(path: Path) -> dict[str, object]:
    """Return the switches of a profile; ValueError when it is none."""
    try:
        profile = json.loads(path.read_text(encoding="utf-8"))
        switches = profile["switches"]
        if profile["format"] != PROFILE_FORMAT or not isinstance(switches, dict):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} is not a profile of ocore.cloud.doctor that this emulator can read") from None
    try:
        Settings(switches)
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from None
    return switches


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python extensions/emulator",
        description="An oCore API on loopback. Instances live, stop, start, fail and go as oCore's do; what its "
        "documentation leaves open is a switch; what a network does to a client is a fault.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0 takes a free one (%(default)s)")
    add("--port-file", type=Path, metavar="FILE", help="write the URL of the API there when it accepts connections")
    add("--tls-cert", metavar="FILE", help="certificate (PEM): serve https")
    add("--tls-key", metavar="FILE", help="its private key (PEM)")
    add("--step-time", type=float, metavar="SECONDS", help="one step of an instance's life (1.0)")
    add("--latency", type=float, metavar="SECONDS", help="time that every answer takes (0.0)")
    add(
        "--profile",
        type=Path,
        metavar="FILE",
        help="behave like the API of which ocore.cloud.doctor wrote this profile (JSON); options and --set have the last word",
    )
    add(
        "--seed",
        type=_count,
        default=0,
        metavar="N",
        help="instances in the first organization, the same every time (0)",
    )
    add("--servers", type=_count, default=2, metavar="N", help="servers of each organization (%(default)s)")
    add("--organization", action="append", metavar="SLUG", help="organization; repeatable (acme, globex)")
    add("--token", action="append", metavar="KEY", help=f"accepted API key; repeatable ({DEFAULT_KEY})")
    add("--viewer-token", action="append", metavar="KEY", help=f"key that may only read ({DEFAULT_VIEWER_KEY})")
    add("--jwt-secret", default=DEFAULT_SECRET, metavar="TEXT", help="JWTs signed with it (HS256) are accepted")
    add("--print-jwt", action="store_true", help="print a JWT for that secret and exit")
    add("--jwt-expires-in", type=float, default=3600, metavar="SECONDS", help="life of the printed JWT (%(default)s)")
    add(
        "--state",
        type=Path,
        metavar="FILE",
        help="read the instances from there if it exists, and keep them there (JSON)",
    )
    add("--set", action="append", default=[], metavar="SWITCH=VALUE", help="set a switch; repeatable")
    add("--log", type=Path, metavar="FILE", help="append every request there (JSON lines)")
    add("--stop-with", type=int, metavar="PID", help="stop when this process has ended, however it ended")
    add("--quiet", action="store_true", help="don't print the address")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _epilog() -> str:
    lines = ["switches (--set NAME=VALUE, or PATCH /_emulator/settings at run time; the first value is the default):"]
    for switch in SWITCHES.values():
        default = str(switch.default).lower() if isinstance(switch.default, bool) else switch.default
        lines.append(f"  {switch.name}: {switch.help}" + ("" if switch.choices else f" ({default})"))
        lines.extend(f"      {word:<20} {meaning}" for word, meaning in switch.choices.items())
    lines += ["", "faults (POST /_emulator/faults):"]
    lines.extend(f"  {kind:<22} {meaning}" for kind, meaning in KINDS.items())
    more = (
        f"Each takes operation (* or {', '.join(OPERATIONS)}), count (1; null: every time), after (so many matching "
        "requests go through first), and what is named above: status, message, seconds, retry_after, when, location."
    )
    lines += textwrap.wrap(more, 100, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)
