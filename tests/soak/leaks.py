# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of secrets: an API that repeats the token and env values, quoted in every way, in every place.

Nothing of them is in anything that people see or that is kept: results, warnings, progress, logs, caches, events, pages. Some
cases run ansible-playbook by ansible-runner, as loud as it gets, and look at its artifacts too.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import logging
import random
import re
import tempfile
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.utils.display import Display
from ansible_collections.ocore.cloud.extensions.emulator.settings import SWITCHES
from ansible_collections.ocore.cloud.tests.unit.helpers import loud

from . import hostile
from .campaign import Campaign, Verdict
from .door import API_URL

#: Each secret has one of these in it, so that a part of it, however quoted, is found.
TOKEN_MARK, OLD_MARK, NEW_MARK = "T0k3nM4rk77", "0ldP4ssM4rk77", "N3wP4ssM4rk77"
MARKS = (TOKEN_MARK, OLD_MARK, NEW_MARK)

#: Env values by name; MARK stands for the mark.
VALUES = {
    "word": "MARK",
    "quotes": 'it\'s "MARK" \\ back',
    "lines": "a long first line MARK\n\tand a long second line MARK\r\n",
    "markup": '<b title="x">MARK & co</b>',
    "percent": "%41MARK/+?=&%25",
    "unicode": "pä\U0001f511MARKключ",
    "json": '{"user": "odoo", "password": "MARK"}',
    "url": "postgres://odoo:MARK@db.example:5432/odoo?x=1",
    "key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhMARKkq\nhkiG9w0BAQEFAASCBKcMARK\n-----END PRIVATE KEY-----\n",
    "long": "x" * 3000 + "MARK" + "y" * 3000,
    "blanks": "  MARK  in  blanks  ",
    "braces": "{{ MARK }}{% MARK %}",
    "control": "\x1b[31mMARK\x07",
    "yaml": "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  MARK",
    "dollar": "$2b$12$MARK`id`$(id)",
    "backslashes": "\\\\MARK\\n\\u0041\\",
}
TOKENS = {"key": "ocore_k_MARK", "jwt": "eyJhbGciOi.MARK.c2lnbmF0dXJl_-", "signs": "ocore_k_<&>'MARK\"%41+/="}
#: How an API may quote what it repeats.
QUOTINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "python": repr,
    "json": json.dumps,
    "json_utf8": lambda text: json.dumps(text, ensure_ascii=False),
    "json_in_json": lambda text: json.dumps(json.dumps(text)),
    "go": lambda text: (
        json.dumps(text, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    ),
    "html": html.escape,
    "html_numbers": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "html_hex": lambda text: "".join(f"&#x{ord(c):X};" for c in text),
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "url_form": urllib.parse.quote_plus,
    "url_lower": lambda text: re.sub("%..", lambda part: part[0].lower(), urllib.parse.quote(text, safe="")),
    "url_all": lambda text: "".join(f"%{octet:02X}" for octet in text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64_url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
}
#: Where it repeats it: in fields of the sick instance as `hostile` names them, in errors, and as a whole body.
PLACES = (
    *("statusMessage", "unknownField", "health.statusMessage", "score.factors.0.details"),
    *("error/list", "error/get", "error/update", "error/control", "error/delete", "error/health", "redirect", "body"),
)


@dataclass(frozen=True)
class Case:
    """An env value and a token, quoted somewhere, and who reads it."""

    value: str
    token: str
    quoting: str
    place: str
    consumer: str

    @property
    def name(self) -> str:
        return "/".join((self.value, self.token, self.quoting, self.place.replace("/", ":"), self.consumer))

    @property
    def row(self) -> str:
        return self.consumer


class Stage(hostile.Stage):
    """An API that repeats what it was given."""

    def __init__(self, case: Case) -> None:
        self.token = TOKENS[case.token].replace("MARK", TOKEN_MARK)
        self.env_value = VALUES[case.value].replace("MARK", OLD_MARK)
        self.new_value = VALUES[case.value].replace("MARK", NEW_MARK)
        known = [getattr(self, name) for name in _known(case)]
        self.echo = " ".join(f"cannot take {QUOTINGS[case.quoting](secret)}." for secret in known)
        kind, _slash, operation = case.place.partition("/")
        super().__init__(hostile.Case("nowhere" if kind in FAULTS else kind, "echo", case.consumer), self.echo)
        if kind in FAULTS:
            self.door.world.settings.change({"error_shape": "text"})
            self.door.world.faults.add({**FAULTS[kind](self.echo), "operation": operation or "*", "count": None})


def _known(case: Case) -> list[str]:
    """Return the secrets that a task can know by then: the token, what it declares, and what it read before."""
    declared = {"unchanged": ["env_value"], "sick": ["new_value"]}.get(case.consumer, [])
    read = [] if case.place in FIRST else ["env_value"]
    return list(dict.fromkeys(["token", *declared, *read]))


#: Where nothing has been read before.
FIRST = ("error/list", "error/get", "redirect", "body")
FAULTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "error": lambda echo: {"kind": "error_before", "status": 422, "message": echo},
    "redirect": lambda echo: {"kind": "redirect", "location": f"https://elsewhere.example/?{urllib.parse.quote(echo)}"},
    "body": lambda echo: {"kind": "answer", "text": echo},
}


def _cache(stage: hostile.Stage) -> Iterator[str]:
    """Look at the files of an inventory's cache."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "x.ocore.yml")
        path.write_text(
            f"plugin: ocore.cloud.ocore\napi_url: {API_URL}\napi_token: {json.dumps(stage.token)}\nretries: 0\n"
            "request_timeout: 5\ngather: [health, health_score]\ncache: true\n"
            f"cache_plugin: ansible.builtin.jsonfile\ncache_connection: {directory}/cache\n"
        )
        plugin = inventory_loader.get("ocore.cloud.ocore")
        warn = mock.patch.object(Display, "warning", lambda _self, text, *_a, **_k: stage.texts.append(text))
        with stage.door.open(), warn:
            try:
                plugin.parse(InventoryData(), DataLoader(), str(path), cache=True)
                plugin.update_cache_if_changed()
            except AnsibleError as error:
                stage.texts.append(str(error))
        stage.texts += [f"{file.name} {file.read_text()}" for file in Path(directory, "cache").rglob("*")]
    yield from ()


#: Each reads what the API says, and leaves what people see in `stage.texts`.
CONSUMERS = {**hostile.CONSUMERS, "cache": _cache}


def traces(mark: str) -> list[str]:
    """Return what shows a mark: itself, and each way to write its letters and digits otherwise."""
    encoded = [base64.b64encode(b"x" * n + mark.encode()).decode() for n in range(3)]
    return [
        mark,
        "".join(f"&#{ord(c)};" for c in mark),
        "".join(f"&#x{ord(c):x};" for c in mark),
        "".join(f"%{ord(c):02x}" for c in mark),
        "".join(f"\\u{ord(c):04x}" for c in mark),
        # The edges depend on what stands beside it.
        *(text[4:-4] for text in encoded),
    ]


TRACES = [trace.lower() for mark in MARKS for trace in traces(mark)]


def leaks(texts: Iterable[str]) -> Iterator[str]:
    """Give the surroundings of each trace of a secret."""
    for text in texts:
        lower = text.lower()
        for trace in TRACES:
            if trace in lower:
                at = lower.index(trace)
                yield f"{trace} in {text[max(0, at - 120) : at + 80]!r}"


def _play(case: Case, _seed: int, verdict: Verdict) -> None:
    if case.consumer == "loud":
        return _play_loud(case, verdict)
    stage = Stage(case)
    log = hostile.Log(stage.texts)
    loggers = [logging.getLogger(name) for name in ("", "urllib3", "requests")]
    level = loggers[0].level
    loggers[0].addHandler(log)
    loggers[0].setLevel(logging.DEBUG)
    try:
        list(CONSUMERS[case.consumer](stage))
    finally:
        loggers[0].removeHandler(log)
        loggers[0].setLevel(level)
    verdict.counts["texts"] += len(stage.texts)
    for leak in leaks(stage.texts):
        verdict.add("secret", leak)
    return None


def _play_loud(case: Case, verdict: Verdict) -> None:
    """Run ansible-playbook by ansible-runner; the place of the case is the variable `ocore_in_process`."""
    # The environment holds no NUL, and the API key of this emulator is its own.
    values = {way: VALUES[case.value].replace("MARK", NEW_MARK) for way in loud.WAYS}
    with tempfile.TemporaryDirectory() as directory:
        run = loud.run(Path(directory), values, in_process=case.place, runner=True, echo=case.quoting)
    verdict.counts["texts"] += len(run.outputs)
    if run.returncode or not any("job_events" in name for name in run.outputs):
        verdict.add("useless", run.shown[-300:])
    for leak in leaks(text.replace("ocore_k_emulator", TOKEN_MARK) for text in run.outputs.values()):
        verdict.add("secret", leak)


#: How the emulator quotes what it repeats.
ECHOES = [word for word in SWITCHES["echo"].choices if word != "off"]


def _cases(size: int, seed: int) -> list[Case]:
    """Return the cases; one of 250 is a loud run, which takes long."""
    chance = random.Random(seed)
    louds = [Case(value, "key", echo, way, "loud") for value in VALUES for echo in ECHOES for way in ("true", "false")]
    every = [Case(*names) for names in itertools.product(VALUES, TOKENS, QUOTINGS, PLACES, CONSUMERS)]
    few = size // 250
    return chance.sample(every, min(size - few, len(every))) + chance.sample(louds, min(few, len(louds)))


def _find(name: str) -> Case:
    value, token, quoting, place, consumer = name.split("/")
    return Case(value, token, quoting, place.replace(":", "/"), consumer)


def _show(case: Case, _seed: int) -> None:
    if case.consumer != "loud":
        stage = Stage(case)
        list(CONSUMERS[case.consumer](stage))
        print(f"the API says: {stage.echo}", *stage.texts, sep="\n")


KINDS = {"secret": "a secret in what people see or what is kept", "useless": "a run that did not do what it should"}
CAMPAIGN = Campaign("secrets", _cases, _find, _play, KINDS, _show)
