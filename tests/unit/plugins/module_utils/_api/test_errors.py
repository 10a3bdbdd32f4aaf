# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be shown, in whatever dress it comes."""

from __future__ import annotations

import html
import json
import urllib.parse

import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api import redaction
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import MASK, Scrubber

KEY = 'line one & "two"\n  line\\three é '


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(KEY, id="as it is"),
        pytest.param(KEY.strip(), id="without blanks around it"),
        pytest.param(" ".join(KEY.split()), id="on one line"),
        pytest.param(json.dumps(KEY), id="in JSON"),
        pytest.param(json.dumps(KEY, ensure_ascii=False), id="in JSON with letters kept"),
        pytest.param(repr({"a": KEY}), id="in a Python repr"),
        pytest.param(html.escape(KEY), id="in HTML"),
        pytest.param(urllib.parse.quote(KEY), id="in a URL"),
        pytest.param(urllib.parse.quote_plus(KEY), id="in a form"),
    ],
)
def test_secret_is_replaced_however_it_is_quoted(shown: str) -> None:
    text = Scrubber([KEY])(f"before {shown} after")
    assert MASK in text
    assert "line" not in text
    assert text.startswith("before ")
    assert text.endswith("after")


def test_longer_of_two_secrets_goes_first() -> None:
    assert Scrubber(["hunter", "hunter2-and-more"])("x hunter2-and-more y") == f"x {MASK} y"


@pytest.mark.parametrize("harmless", ["1", "no", "abc", "true", "False", "null"])
def test_short_values_and_words_of_yaml_are_left_alone(harmless: str) -> None:
    assert Scrubber([harmless])(f"purge: {harmless}") == f"purge: {harmless}"


def test_secret_with_half_a_character_is_no_trouble() -> None:
    assert Scrubber(["pass\udcffword"])("x pass\udcffword") == f"x {MASK}"


def test_secret_free_text_stays() -> None:
    assert Scrubber()("text") == "text"


def test_facts_of_an_answer_are_kept_beside_the_text() -> None:
    assert OcoreError("no", status=403, code="forbidden").details() == {"status": 403, "code": "forbidden"}
    assert OcoreError("no").details() == {"status": None, "code": None}


def test_secrets_that_are_not_in_a_text_cost_no_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    # A pattern of all env values of a large fleet, compiled anew for each warning, took minutes.
    scrub = Scrubber(f"secret-{n}" for n in range(1000))
    assert scrub("nothing to hide") == "nothing to hide"  # quotes the new ones once
    monkeypatch.setattr(redaction.re, "sub", None)
    assert scrub("nothing to hide") == "nothing to hide"
