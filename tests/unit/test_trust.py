# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is claimed names a command or file that exists, and what never ran is called untested everywhere."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

import pytest
from ansible_collections.ocore.cloud.tests.soak import CAMPAIGNS

ROOT = Path(__file__).parents[2]
PAGES = ("docs/trust.md", "docs/checklist.md", "README.md", "SECURITY.md", "CONTRIBUTING.md")
SYSTEMS = r"real oCore|real AWX|Ubuntu|Rocky"


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code(name: str) -> list[str]:
    """Return what a page writes as code, on a line or in blocks."""
    text = page(name)
    return [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^\$ ([^#\n]*)", text, re.MULTILINE)]


def sessions() -> set[str]:
    text = page("noxfile.py")
    named = set(re.findall(r"^@nox\.session.*\ndef (\w+)", text, re.MULTILINE))
    return named | set(re.findall(r'name="([\w-]+)"', text)) - {"session"}


@pytest.mark.parametrize("name", PAGES)
def test_trust_every_make_target_and_session_that_a_page_names_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    lines = code(name)
    named = [target for line in lines for target in re.findall(r"\bmake ([a-z][a-z-]*)", line)]
    assert set(named) <= targets
    chosen = [part for line in lines for part in re.findall(r'SESSIONS="?([\w -]+)', line)]
    chosen += [part for line in lines for part in re.findall(r"nox -s ([\w-]+)", line)]
    assert {word for part in chosen for word in part.split()} <= sessions()
    assert {part for line in lines for part in re.findall(r"--campaign (\w+)", line)} <= set(CAMPAIGNS)
    targets_of_tests = {part for line in lines for part in re.findall(r"TARGET=(\w+)", line)}
    assert all((ROOT / "tests/integration/targets" / part).is_dir() for part in targets_of_tests)


@pytest.mark.parametrize("name", PAGES)
def test_trust_every_file_and_test_that_a_page_names_exists(name: str) -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for text in code(name):
        if re.fullmatch(
            r"(?:docs|tests|plugins|roles|playbooks|extensions|changelogs|meta|\.github|\.ci)/[\w./-]*\w", text
        ):
            assert (ROOT / text).exists(), text
        elif re.fullmatch(r"test_\w+", text):
            assert f"def {text}(" in tests, text


def test_trust_every_promise_names_a_command() -> None:
    table = page("docs/trust.md").partition("## Promises")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"`make [^`]+` \|$", row) and "---" not in row] == []


@pytest.mark.parametrize(
    "name", ["docs/trust.md", "README.md", "docs/checklist.md", ".ci/run", "roles/nginx/README.md"]
)
def test_trust_what_never_ran_is_called_untested(name: str) -> None:
    text = re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)
    assert not re.search(r"(?i)not tested|never ran|never run|nobody has run|has not been run", text)
    assert re.search(rf"(?i)untested[^.]*(?:{SYSTEMS})|(?:{SYSTEMS})[^.]*untested", text)


def test_trust_the_licences_of_all_requirements_are_listed() -> None:
    listed = dict(re.findall(r"^\|[^|]*\| (\w+) \| ([A-Z][\w.-]+) \|$", page("docs/trust.md"), re.MULTILINE))
    needed = [page("meta/ee-requirements.txt"), page("extensions/emulator/requirements.txt")]
    names = re.findall(r"^([a-z]+)>=", "\n".join(needed), re.MULTILINE)
    assert set(listed) == {*names}
    for name in names:
        said = metadata(name)
        words = f"{said.get('License-Expression')} {said.get('License')} {said.get_all('Classifier')}"
        assert listed[name].partition("-")[0] in words, (name, words)


def test_trust_the_lock_names_no_index_and_hashes_everything() -> None:
    text = page("tests/tools/locked.txt")
    assert "://" not in text
    packages = re.findall(r"^[\w.-]+(?:\[[\w,]+\])?==[^\n]*\n(    --hash=sha256:)?", text, re.MULTILINE)
    assert len(packages) > 50
    assert all(packages)
