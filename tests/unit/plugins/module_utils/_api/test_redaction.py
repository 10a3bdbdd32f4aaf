# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in every quoting, masks, characters that steer a terminal, and warnings that stay few."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.ocore.cloud.plugins.module_utils._api import redaction
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import (
    MASK,
    Scrubber,
    Warnings,
    displayable,
    is_mask,
    scrubbed,
)
from hypothesis import given

SECRET = "p<w&\"1'/ü+=two words"


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(json.dumps({"a": SECRET})),
        json.dumps(SECRET, ensure_ascii=False)[1:-1].replace("<", "\\u003c").replace("&", "\\u0026"),
        repr(SECRET),
        html.escape(SECRET),
        html.escape(SECRET).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        "".join(c if c.isascii() and c.isalnum() else f"&#{ord(c)};" for c in SECRET),
        "".join(c if c.isascii() and c.isalnum() else f"&#x{ord(c):x};" for c in SECRET),
        urllib.parse.quote(SECRET),
        urllib.parse.quote_plus(SECRET),
        urllib.parse.quote(SECRET, safe="").replace("%3C", "%3c").replace("%C3%BC", "%c3%bc").lower(),
        "".join(f"%{byte:02X}" for byte in SECRET.encode()),
        "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    ],
)
def test_secret_is_masked_in_every_quoting(shown: str) -> None:
    masked = Scrubber([SECRET])(f"before {shown} after")
    assert not any(words in masked for words in ("two words", "two+words", "two%20words"))
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", [b"", b"u", b"us", b"user:"])
def test_secret_is_masked_in_base64_of_a_longer_text(encode: Any, before: bytes) -> None:
    secret = "correct-horse-battery>>>???staple"
    shown = encode(before + secret.encode() + b":end").decode()
    masked = Scrubber([secret])(f"Authorization: Basic {shown}")
    assert MASK in masked
    assert encode(secret.encode()).decode()[4:-4] not in masked


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n    "])
def test_secret_of_several_lines_is_masked_with_other_indentation_and_line_ends(ending: str) -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAoI\n-----END KEY-----\n"
    masked = Scrubber([key])("bad key:" + key.replace("\n", ending))
    assert "MIIEvQIBADANBgkqhkiG9w0" not in masked
    assert "BAQEFAASCBKcwggSjAgEAAoI" not in masked


@pytest.mark.parametrize("entity", ["&#27;", "&#x1b;", "&#X01B;", "&amp;#027;"])
def test_secret_with_a_control_character_is_masked_as_an_html_entity(entity: str) -> None:
    # html.unescape drops the entities of control characters, so that such a value was not recognized.
    assert Scrubber(["\x1b[31mcorrect-horse"])(f"bad value {entity}[31mcorrect-horse.") == f"bad value {MASK}."


def test_secret_of_three_characters_is_shown() -> None:
    assert Scrubber(["abc"])("abc") == "abc"


@pytest.mark.parametrize("value", ["***", "********", "•••••", "●●●", "****1234", "sk_****", "xxx", "XXXXXXXX"])
def test_mask_is_recognized(value: str) -> None:
    assert is_mask(value)


@pytest.mark.parametrize(
    "value", ["pa***word", "a***b", "**", "", None, 5, "sk-***1234", "12345****", "xx", "xxl", "maxxx"]
)
def test_mask_is_not_seen_in_a_real_value(value: object) -> None:
    assert not is_mask(value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("ünï", "ünï"),
        ("two\nlines\tand tabs", "two lines and tabs"),
        ("\x1b[31mred", "\ufffd[31mred"),
        ("\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        ("a\u202eb", "a\ufffdb"),
        ("a\u200bb", "a\ufffdb"),
        ("ok\r\nok: [localhost]", "ok ok: [localhost]"),
    ],
)
def test_terminal_is_not_steered_by_what_the_api_sends(text: str, shown: str) -> None:
    assert displayable(text) == shown


def test_warnings_of_one_kind_are_a_handful_and_the_rest_is_counted() -> None:
    shown: list[str] = []
    warn = Warnings(shown.append, Scrubber())
    for number in range(2000):
        warn(f"record {number} is odd", "odd records")
    warn("another", None)
    warn("another", None)
    warn.close()
    assert shown == [
        *(f"record {number} is odd" for number in range(5)),
        "another",
        "1995 more warnings of this kind: odd records.",
    ]


@pytest.mark.parametrize(
    "quotings",
    [
        pytest.param((json.dumps, json.dumps, json.dumps), id="JSON in JSON in JSON"),
        pytest.param((json.dumps, html.escape), id="JSON in HTML"),
        pytest.param((urllib.parse.quote, json.dumps), id="URL in JSON"),
        pytest.param((html.escape, html.escape), id="HTML in HTML"),
        pytest.param((urllib.parse.quote, urllib.parse.quote), id="URL in URL"),
        pytest.param((repr, repr), id="repr of a repr"),
    ],
)
def test_secret_is_masked_in_a_quoting_of_a_quoting(quotings: tuple[Any, ...]) -> None:
    shown = SECRET
    for quoting in quotings:
        shown = quoting(shown)
    masked = Scrubber([SECRET])(f"before {shown} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert MASK in masked
    assert "two" not in masked


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=12),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
    encode=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_secret_is_found_in_base64_by_few_secrets_as_by_many(
    secret: str, before: bytes, after: bytes, encode: Any
) -> None:
    # Of few secrets base64 is looked at only where it may hold one; of many it is always decoded.
    text = f"Authorization: {encode(before + secret.encode() + after).decode()}"
    many = Scrubber([secret, *(f"{number:04}-another" for number in range(redaction.FEW_STARTS + 1))])
    assert Scrubber([secret]).finds(text) == many.finds(text)


def test_secret_that_is_read_but_not_located_hides_the_whole_text() -> None:
    # Half of it is percent-encoded twice over, and then written as entities: no pattern foresees that.
    shown = "".join(f"&#{ord(c)};" for c in urllib.parse.quote("hunter%2", safe="")) + "-and-more"
    assert Scrubber(["hunter%2-and-more"])(f"before {shown} after") == MASK


def test_secret_mask_that_the_api_sent_as_a_value_is_no_secret() -> None:
    assert Scrubber(["****1234", MASK])("****1234 stays") == "****1234 stays"


def test_secret_lookup_costs_the_length_of_the_text_and_not_the_number_of_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A fleet of 10,000 instances with a secret each took 80 ms for every text.
    scrub = Scrubber(f"{number:05d}-secret" for number in range(10_000))
    looked_at: list[str] = []

    class Text(str):
        def startswith(self, prefix: Any, *where: Any) -> bool:
            looked_at.append(prefix)
            return super().startswith(prefix, *where)

    monkeypatch.setattr(redaction, "_views", lambda text, _may_be_encoded: [Text(text)])
    assert scrub("the container ended with 12345") == "the container ended with 12345"
    assert len(looked_at) <= 20


@pytest.mark.parametrize("secrets", [1, redaction.FEW_STARTS + 5])
@pytest.mark.parametrize("texts", [redaction.LOOKED_AT_EACH - 9, 400])
def test_secret_is_masked_in_many_texts_as_in_each(secrets: int, texts: int) -> None:
    scrub = Scrubber([SECRET, *(f"{number}-further secret" for number in range(secrets - 1))])
    hidden = [
        SECRET,
        json.dumps(json.dumps(SECRET)),
        f"see {html.escape(SECRET)}",
        base64.b64encode(SECRET.encode()).decode(),
    ]
    plain = [f"text {number} \\ & % + {'a' * (number % 7)}" for number in range(texts)]
    found = [*plain[: texts // 2], *hidden, *plain[texts // 2 :], "p<w&", "\"1'/ü+=two words", ""]
    value = {"list": found, "deep": [{"again": text, "number": 1} for text in found], SECRET: None}
    shown = [scrub(text) for text in found]
    assert scrubbed(value, scrub) == {
        "list": shown,
        "deep": [{"again": text, "number": 1} for text in shown],
        SECRET: None,
    }
    assert [text for text in shown if MASK in text] != []
    assert shown[-3:] == found[-3:], "halves of a secret in two texts are none"
