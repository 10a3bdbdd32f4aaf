# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file of nginx: testing it, putting it in force, or leaving everything as it was."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx import candidate_main, parse_build, read_text
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_process import (
    STAMP,
    in_force,
    pid_file,
    record_reload,
    running_master,
    workers,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_sections import Sections, split_sections
from ansible_collections.ocore.cloud.plugins.module_utils._host.nginx_tree import (
    Server,
    defaults_elsewhere,
    names_elsewhere,
    parse_text,
    read_tree,
    servers,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.ports import other_holders

_CONFLICT = re.compile(r'conflicting server name "([^"]+)" on ')


def served_certificate(server_name: str, port: int) -> bytes | None:
    """Return the certificate (DER) that nginx on this host presents for a name; ``None`` without a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:  # noqa: SIM117 (Python 3.9 on hosts)
            with context.wrap_socket(connection, server_hostname=server_name) as tls:
                return tls.getpeercert(binary_form=True)
    except OSError:
        return None


def certificate_on_disk(path: str) -> bytes | None:
    """Return the first certificate of a PEM file as DER; ``None`` when there is none."""
    try:
        with open(path, encoding="ascii") as handle:
            text = handle.read()
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)].strip())
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class Answer:
    """What ``nginx -t`` said.

    :param refused: whether nginx would not start with the configuration.
    :param text: its errors and warnings.
    """

    refused: bool
    text: str


class NginxConfig:
    """One run of the module: test, compare, replace, reload, verify."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.dest: str = self.params["dest"]
        self.main: str = self.params["main"]
        self.nginx = module.get_bin_path("nginx")
        self.actions: list[str] = []
        self.tested = False
        self.old = read_text(self.dest)
        self.content: str = self.params["content"]
        self.left_out: dict[str, str] = {}
        self.disable = [path for path in self.params["disable"] if os.path.lexists(path)]
        self.moved: dict[str, str] = {}
        self.pid_file = "/run/nginx.pid"
        if self.nginx:
            _rc, out, err = module.run_command([self.nginx, "-V"])
            self.pid_file = pid_file(read_text(self.main) or "", parse_build(out + err)["arguments"])
        self.stamp = os.path.join(os.path.dirname(self.pid_file), STAMP)

    def run(self) -> dict[str, Any]:
        """Put the file in force. Return the result of the module.

        :raises HostError: when nginx does not accept it. The old file is in force then.
        """
        master = running_master(self.pid_file)
        if self.nginx:
            self.refuse_taken_ports(master)
            self.choose_content()
        self.actions.extend(["disable"] if self.disable else [])
        self.actions.extend(["write"] if self.old != self.content else [])
        if self.actions and not self.module.check_mode:
            self.replace()
        if master:
            self.ensure_in_force(master)
        if not self.module.check_mode:
            self.forget_copies()
        return {
            "changed": bool(self.actions),
            "actions": self.actions,
            "tested": self.tested,
            "disabled": self.moved,
            "left_out": self.left_out,
            "diff": {
                "before": self.old or "",
                "after": self.content,
                "before_header": self.dest,
                "after_header": self.dest,
            },
        }

    def error(self, message: str, **details: Any) -> HostError:
        """Return the error that ends the module."""
        return HostError(message, actions=self.actions, **details)

    # ports

    def ports(self) -> set[int]:
        """Return the ports that the declared content listens on."""
        return {port for server in servers(parse_text(self.params["content"], self.dest)) for port in server.ports}

    def others(self) -> list[Server]:
        """Return the server blocks of all other files, as they would be."""
        return servers(read_tree(self.main, without={self.dest, *self.disable})[0])

    def taken_ports(self) -> str:
        """Return which ports of the content another program holds, as words; empty when none."""
        return " and ".join(f"port {port} is held by {holder}" for port, holder in other_holders(self.ports()).items())

    def refuse_taken_ports(self, master: int | None) -> None:
        """Refuse to prepare a start that cannot succeed. A running nginx shows at its reload."""
        taken = "" if master else self.taken_ports()
        if taken:
            raise self.error(
                f"nginx is not running and could not start with {self.dest}: {taken}. Stop that program and keep it from "
                "starting at boot, or let it listen on another port. Nothing was changed."
            )

    # what nginx accepts

    def choose_content(self) -> None:
        """Test the declared content, and leave out the sections that stand in the way of the others.

        :raises HostError: when that does not help. Nothing has been changed then.
        """
        sections = split_sections(self.params["content"])
        answer = self.test(self.params["content"])
        self.left_out = self.claimed_elsewhere(sections, answer.text)
        if self.left_out:
            answer = self.test(sections.text(self.left_out))
        if answer.refused:
            self.refuse_broken_elsewhere()
        if answer.refused:
            self.left_out.update(self.refused_alone(sections))
            answer = self.test(sections.text(self.left_out))
        if answer.refused:
            raise self.refused(answer.text)
        self.content = sections.text(self.left_out)
        self.tested = True

    def claimed_elsewhere(self, sections: Sections, answer: str) -> dict[str, str]:
        """Return the sections with a server name that another file has too: section → reason.

        :param answer: what nginx said about all of them; its warnings count where our reading of the files falls short.
        """
        elsewhere = names_elsewhere(self.others(), self.ports(), self.dest)
        places = {**dict.fromkeys(_CONFLICT.findall(answer), "another file of nginx's configuration"), **elsewhere}
        found = {}
        for section in sections.parts:
            claimed = sorted(sections.names(section) & set(places))
            if claimed:
                where = " and ".join(f"'{name}' in {places[name]}" for name in claimed)
                found[section] = (
                    f"another server block has {where}, so nginx would not reliably lead its visitors here. "
                    "Remove the name there, or the domain from the instance"
                )
        return found

    def refused_alone(self, sections: Sections) -> dict[str, str]:
        """Return the sections that nginx refuses each by itself: section → reason. Empty when it refuses all of them.

        What all have in common is no fault of a single one.
        """
        tested = [name for name in sections.parts if name not in self.left_out]
        answers = {name: self.test(sections.alone(name)) for name in tested}
        bad = {name: answer.text for name, answer in answers.items() if answer.refused}
        if len(bad) == len(tested):
            return {}
        return {name: f"nginx refuses its settings: {text}" for name, text in bad.items()}

    def refuse_broken_elsewhere(self) -> None:
        """Refuse to go on if nginx refuses the configuration without anything in our file, too.

        :raises HostError: with the fault in somebody else's file.
        """
        answer = self.test("")
        if answer.refused:
            raise self.error(
                f"nginx refuses the configuration of this host, and not because of {self.dest}: {answer.text}. A running "
                "nginx keeps what it has loaded, but its next reload, and its start at the next boot, would fail. Correct "
                "that file and run again. Nothing was changed.",
                nginx_output=answer.text,
            )

    def refused(self, answer: str) -> HostError:
        """Return the error for a fault in the declared content."""
        if "a duplicate default server" in answer:
            others = " and ".join(defaults_elsewhere(self.others(), self.ports(), self.dest)) or "another file"
            return self.error(
                f"{others} declares a default_server, as {self.dest} does, and nginx accepts one for each port. Remove the "
                "parameter there, or set nginx_default_server: false so that the other file answers for unknown names. "
                "Nothing was changed.",
                nginx_output=answer,
            )
        return self.error(
            f"nginx refused the new {self.dest}: {answer}. "
            "Nothing was changed, and nginx keeps running with the old configuration.",
            nginx_output=answer,
        )

    def test(self, content: str) -> Answer:
        """Run ``nginx -t`` on the whole configuration with this content.

        :raises HostError: when it cannot be tested.
        """
        main_text = read_text(self.main)
        if main_text is None:
            raise self.error(f"{self.main} does not exist, so {self.dest} cannot be tested. Nothing was changed.")
        directory = os.path.dirname(self.main)
        paths: list[str] = []
        try:
            candidate = self._candidate(directory, content, paths)
            text = candidate_main(main_text, directory, self.dest, candidate, self.disable)
            if text is None:
                raise self.error(
                    f"No include of {self.main} covers {self.dest}. "
                    f"Add 'include {os.path.dirname(self.dest)}/*.conf;' to its http block. Nothing was changed."
                )
            wrapper = self._candidate(directory, text, paths)
            rc, out, err = self.module.run_command([self.nginx, "-t", "-c", wrapper])
        finally:
            for path in paths:
                os.unlink(path)
        said = (out + err).replace(candidate, self.dest).replace(wrapper, self.main)
        lines = [line for line in said.splitlines() if "configuration file" not in line or "[emerg]" in line]
        return Answer(rc != 0, "\n".join(lines).strip())

    @staticmethod
    def _candidate(directory: str, text: str, paths: list[str]) -> str:
        """Write a temporary file and add its path to ``paths``. Return the path."""
        handle, path = tempfile.mkstemp(prefix=".ocore-candidate-", dir=directory)
        paths.append(path)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    # files

    def _beside(self, kind: str) -> str:
        """Return the path of a file beside ours that no include covers, since its name begins with a dot."""
        directory, name = os.path.split(self.dest)
        return os.path.join(directory, f".{name}.{kind}")

    def replace(self) -> None:
        """Move the conflicting files away and put the new file in the place of the old one, or do neither.

        Everything that needs space comes first, so that a full disk changes nothing and the way back needs none.
        """
        new, kept = self._beside("new"), self._beside("old")
        try:
            self._write(new)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(kept)
            if self.old is not None:
                os.link(self.dest, kept)
            for path in self.disable:
                away = os.path.join(os.path.dirname(self.main), "ocore-disabled-" + os.path.basename(path))
                os.rename(path, away)
                self.moved[path] = away
            os.replace(new, self.dest)
        except OSError:
            self.move_back()
            self.forget_copies()
            raise

    def _write(self, path: str) -> None:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(self.content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(path, 0o644)

    def move_back(self) -> None:
        """Bring the conflicting files back."""
        for path, away in self.moved.items():
            os.rename(away, path)

    def forget_copies(self) -> None:
        """Remove the files beside ours."""
        for kind in ("new", "old"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._beside(kind))

    def put_back(self) -> None:
        """Bring all old files back."""
        if self.old is None:
            os.unlink(self.dest)
        else:
            os.replace(self._beside("old"), self.dest)
        self.move_back()

    # the running nginx

    def ensure_in_force(self, master: int) -> None:
        """Have a running nginx work with the files, and serve the certificates on disk.

        :raises HostError: when it does not. Files that were replaced are the old ones then.
        """
        replaced = bool(self.actions)
        if replaced or not in_force(master, self.sources(), self.stamp):
            self.actions.append("reload")
            problem = None if self.module.check_mode else self.reload(master)
            if problem and replaced:
                self.put_back()
                raise self.error(f"The new {self.dest} passed the test, but {problem}. The old files were restored.")
            if problem:
                raise self.error(
                    f"nginx works with an older configuration than the one on disk, and cannot be reloaded: {problem}."
                )
        if not (self.module.check_mode and "reload" in self.actions):
            self.ensure_served(master)

    def sources(self) -> set[str]:
        """Return the files of the configuration, and the directories whose files are included."""
        return read_tree(self.main)[1]

    def reload(self, master: int) -> str | None:
        """Reload and wait for new workers. Return ``None``, or what went wrong."""
        before = workers(master)
        command = self.params["reload_command"]
        if not command:
            systemd = os.path.isdir("/run/systemd/system")
            command = ["systemctl", "reload", "nginx"] if systemd else [self.nginx, "-s", "reload"]
        rc, out, err = self.module.run_command(command)
        if rc != 0:
            return f"'{' '.join(command)}' ended with {rc}: {(out + err).strip()}"
        deadline = time.monotonic() + self.params["reload_timeout"]
        while time.monotonic() < deadline:
            now = workers(master)
            # New ones exist before the old ones stop accepting: both must have happened.
            if now and not now & before:
                # Without the record the next run goes by the age of the workers.
                with contextlib.suppress(OSError):
                    record_reload(master, self.sources(), self.stamp)
                return None
            time.sleep(0.05)
        taken = self.taken_ports()
        return (
            f"nginx started no worker with the new configuration within {self.params['reload_timeout']} seconds: "
            + (taken or "see its error log")
        )

    def stale(self) -> list[str]:
        """Return the names for which nginx presents another certificate than the one on disk."""
        sections = split_sections(self.params["content"])
        left_out = {name for section in self.left_out for name in sections.names(section)}
        return [
            item["server_name"]
            for item in self.params["certificates"]
            if item["server_name"] not in left_out
            and served_certificate(item["server_name"], self.params["tls_port"]) != certificate_on_disk(item["path"])
        ]

    def ensure_served(self, master: int) -> None:
        """Reload nginx if it serves an old certificate, and wait until it serves the one on disk.

        :raises HostError: when it does not.
        """
        stale = self.stale()
        if not stale:
            return
        if "reload" not in self.actions:
            self.actions.append("reload")
            if self.module.check_mode:
                return
            problem = self.reload(master)
            if problem:
                raise self.error(
                    f"nginx serves an old certificate for {', '.join(stale)} and cannot be reloaded: {problem}."
                )
        deadline = time.monotonic() + self.params["reload_timeout"]
        while stale and time.monotonic() < deadline:
            time.sleep(0.2)
            stale = self.stale()
        if stale:
            raise self.error(
                f"After a reload nginx still does not serve the certificate on disk for {', '.join(stale)} on 127.0.0.1:"
                f"{self.params['tls_port']}. Look for another server block with this name, and see nginx's error log."
            )
