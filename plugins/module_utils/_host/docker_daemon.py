# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker daemon of a host: putting options in force, or leaving file and daemon as they were."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ocore.cloud.plugins.module_utils._host.daemon_json import (
    Change,
    keeps_containers_from_now_on,
    needs_restart,
    options_text,
    parse_options,
    parse_record,
    plan_change,
    record_text,
)
from ansible_collections.ocore.cloud.plugins.module_utils._host.errors import HostError

RECORD = "ocore-daemon-options.json"
UNIT = "docker.service"
# Lines of the daemon's log that say why it did not start or reload.
_COMPLAINT = re.compile(r"level=(error|fatal)|failed to start|unable to")


@dataclass(frozen=True)
class Engine:
    """What is installed and running.

    :param dockerd: path of the daemon's binary; ``None`` when it is not installed.
    :param active: whether the service runs.
    :param outdated: whether it runs another version than the installed one.
    :param flags: what the daemon is started with; the same option there and in the file keeps it from starting.
    :param file: the options file that such a flag names.
    """

    dockerd: str | None
    active: bool
    outdated: bool
    flags: tuple[str, ...] = ()
    file: str | None = None

    def options_by_flag(self) -> set[str]:
        """Return the names of the options that flags set, as the file calls them."""
        names = {flag.lstrip("-").partition("=")[0] for flag in self.flags if flag.startswith("--")}
        return {"log-opts" if name == "log-opt" else name for name in names}


class DockerDaemon:
    """One run of the module: read, plan, validate, write, apply."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        # A link stays one: its target is the file that is read and replaced.
        self.path: str = os.path.realpath(module.params["path"])
        self.record_path = os.path.join(os.path.dirname(module.params["path"]), RECORD)
        self.old_text = _read(self.path)
        self.old_record = _read(self.record_path)
        self.backup: str | None = None

    def _run(self, *command: str) -> tuple[int, str, str]:
        rc, out, err = self.module.run_command(list(command), environ_update={"LC_ALL": "C.UTF-8"})
        return int(rc), str(out), str(err)

    def run(self) -> dict[str, Any]:
        """Put the options in force. Return the result of the module.

        :raises HostError: when the file cannot be merged or the daemon refuses the options. It is as before then.
        """
        params = self.module.params
        before = parse_options(self.old_text or "", self.path)
        engine = self.engine()
        self._refuse_other_file(engine)
        by_flag = engine.options_by_flag()
        change = plan_change(
            before,
            parse_record(self.old_record or "", self.record_path),
            {name: value for name, value in params["defaults"].items() if name not in by_flag},
            params["options"],
            params["overwrite"],
        )
        actions = self.actions(change, engine)
        text = options_text(change.after) if "write" in actions else self.old_text or ""
        validated = "write" in actions and self.validate(text, engine)
        if not self.module.check_mode:
            self.apply(actions, text, engine)
            if record_text(change.ours) != self.old_record:
                self._write(self.record_path, record_text(change.ours))
        result = {
            "changed": bool(actions) or record_text(change.ours) != self.old_record,
            "actions": actions,
            "validated": validated,
            "kept": change.kept(),
            "diff": self.diff(text),
        }
        return {**result, "backup_file": self.backup} if self.backup else result

    def engine(self) -> Engine:
        """Return what is installed and running.

        :raises HostError: when there is no engine, outside of check mode.
        """
        dockerd = self.module.get_bin_path("dockerd")
        if not dockerd:
            if not self.module.check_mode:
                raise HostError("The Docker daemon (dockerd) is not installed on this host. Install the engine first.")
            return Engine(None, active=False, outdated=False)
        properties = ("ActiveState", "MainPID", "ExecStart")
        _rc, shown, _err = self._run("systemctl", "show", UNIT, *(f"--property={name}" for name in properties))
        active = "ActiveState=active" in shown.splitlines()
        flags, file = _without_file(_flags(shown))
        return Engine(dockerd, active, active and self._outdated(dockerd), flags, file)

    def _refuse_other_file(self, engine: Engine) -> None:
        """Raise HostError if the daemon reads another file than ours."""
        if engine.file and os.path.realpath(engine.file) != self.path:
            raise HostError(
                f"{UNIT} starts the daemon with --config-file {engine.file}, so options in {self.path} have no effect. "
                f"Remove the flag ('systemctl cat {UNIT}' shows where it is set), or set path to that file. Nothing was changed."
            )

    def _outdated(self, dockerd: str) -> bool:
        installed = self._run(dockerd, "--version")[1]
        running = self._run("docker", "version", "--format", "{{.Server.Version}}")[1].strip()
        return running not in installed

    def actions(self, change: Change, engine: Engine) -> list[str]:
        """Return what has to be done, in order: write, then start, restart or reload."""
        actions = ["write"] if change.names() or self.old_text is None else []
        if engine.dockerd is None or not engine.active:
            return [*actions, "start"]
        if engine.outdated:
            return [*actions, "restart"]
        if needs_restart(change):
            # The daemon that stops decides by its own options whether containers go on.
            return [*actions, "reload", "restart"] if keeps_containers_from_now_on(change) else [*actions, "restart"]
        return [*actions, "reload"] if change.names() else actions

    def validate(self, text: str, engine: Engine) -> bool:
        """Let the engine check the new file. Return whether it could.

        :raises HostError: when the engine refuses it.
        """
        if engine.dockerd is None:
            return False
        handle, candidate = tempfile.mkstemp(prefix="ocore-daemon-", suffix=".json", dir=self.module.tmpdir)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            rc, _out, err = self._run(engine.dockerd, "--validate", *engine.flags, "--config-file", candidate)
        finally:
            os.unlink(candidate)
        if rc == 0:
            return True
        if "unknown flag: --validate" in err:  # engines before 23.0
            return False
        said = re.sub(r"with file \S+: ", "", err).strip()
        raise HostError(
            f"The Docker daemon refuses the new {self.path}: {said}. Nothing was changed. Correct docker_daemon_options "
            "(options of the module) and run again."
        )

    def apply(self, actions: list[str], text: str, engine: Engine) -> None:
        """Write the file and have the daemon use it.

        :raises HostError: when the daemon does not; file and daemon are as before then.
        """
        if "write" in actions:
            self.replace(text)
        for action in actions:
            problem = None if action == "write" else self.reload() if action == "reload" else self._systemctl(action)
            if problem:
                outcome = self.put_back("write" in actions, problem, engine)
                if "write" not in actions:
                    raise HostError(f"The Docker daemon did not {action}: {outcome}")
                raise HostError(
                    f"The Docker daemon did not {action} with the new options: {outcome} Correct docker_daemon_options "
                    "(options of the module) and run again."
                )

    def replace(self, text: str) -> None:
        """Write the new file, and keep a copy of the old one."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        if self.old_text is not None:
            self.backup = str(self.module.backup_local(self.path))
        self._write(self.path, text)

    def _write(self, path: str, text: str) -> None:
        created = not os.path.exists(path)
        handle, partial = tempfile.mkstemp(prefix=".ocore-", dir=self.module.tmpdir)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        self.module.atomic_move(partial, path)
        if created:
            os.chmod(path, 0o644)

    def _systemctl(self, action: str) -> str | None:
        """Start or restart the daemon. Return ``None``, or what went wrong."""
        if action != "reload":
            # systemd refuses a start after a few others, whoever asked for those.
            self._run("systemctl", "reset-failed", UNIT)
        rc, out, err = self._run("systemctl", action, UNIT)
        return None if rc == 0 else f"'systemctl {action} {UNIT}' ended with {rc}: {(err or out).strip()}"

    def reload(self) -> str | None:
        """Reload the daemon and wait until it says so. Return ``None``, or what went wrong.

        A daemon that rejects the file writes a line to its log and goes on as before: only the event tells.
        """
        since = f"{time.time():.9f}"
        problem = self._systemctl("reload")
        if problem:
            return problem
        deadline = time.monotonic() + self.module.params["reload_timeout"]
        while True:
            command = ["docker", "events", "--since", since, "--until", "0s"]
            if self._run(*command, "--filter", "type=daemon", "--filter", "event=reload")[1].strip():
                return None
            if time.monotonic() >= deadline:
                return f"it reported no reload within {self.module.params['reload_timeout']} seconds"
            time.sleep(0.5)

    def put_back(self, replaced: bool, problem: str, engine: Engine) -> str:
        """Bring the old file and the daemon back. Return why the daemon failed and how things are now, as sentences."""
        why = self._complaint() or problem
        if replaced:
            if self.old_text is None:
                os.unlink(self.path)
            else:
                self._write(self.path, self.old_text)
            if self.backup:
                os.unlink(self.backup)
        # Failed starts count against the unit's limit.
        self._run("systemctl", "reset-failed", UNIT)
        problem_now = self._systemctl("start") if engine.active else None
        if problem_now:
            state = f"but the daemon does not start with it either: {problem_now}"
        else:
            state = "and the daemon runs with it" if engine.active else "and the daemon is not started"
        return f"{why.rstrip('.')}. {self.path} is what it was before {state}."

    def _complaint(self) -> str | None:
        """Return the last line of the daemon's log that says what went wrong."""
        command = ["journalctl", "--unit", UNIT, "--lines", "30", "--output", "cat", "--no-pager"]
        lines = [line for line in self._run(*command)[1].splitlines() if _COMPLAINT.search(line)]
        if not lines:
            return None
        message = re.search(r' msg="(.*)"$', lines[-1])
        return message.group(1).replace('\\"', '"') if message else lines[-1]

    def diff(self, text: str) -> dict[str, str]:
        """Return the change of the file for --diff."""
        return {
            "before": self.old_text or "",
            "after": text,
            "before_header": self.path,
            "after_header": self.path,
        }


def _flags(shown: str) -> tuple[str, ...]:
    """Return the flags of the daemon from the properties of its unit: those of the process, else those of the unit file."""
    pid = re.search(r"^MainPID=([1-9][0-9]*)$", shown, re.MULTILINE)
    command = (_read(f"/proc/{pid.group(1)}/cmdline") if pid else None) or ""
    if command:
        return tuple(command.rstrip("\0").split("\0")[1:])
    unit = re.search(r"argv\[\]=(.*?) ;", shown)
    # Variables of the unit are known to systemd only.
    return tuple(word for word in unit.group(1).split()[1:] if not word.startswith("$")) if unit else ()


def _without_file(flags: Iterable[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the flags without that of the options file, and the file that it names."""
    rest, file, words = [], None, iter(flags)
    for word in words:
        name, _equals, value = word.partition("=")
        if name == "--config-file":
            file = value or next(words, None)
        else:
            rest.append(word)
    return tuple(rest), file


def _read(path: str) -> str | None:
    """Return the text of a file; ``None`` when it does not exist."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
