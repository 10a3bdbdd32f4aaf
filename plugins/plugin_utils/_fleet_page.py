# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forms of the fleet report that people read: HTML and Markdown, each from a template of the role ``fleet_report``.

They are rendered here, not by Ansible, for safety: in an environment of our own every value is escaped unless it is
declared safe. Ansible's environment escapes nothing, and ignores ``autoescape``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.plugin_utils import _fleet_words
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup

_GOOD_SCORE = 90
_MARKDOWN_LONGEST = 120
"""Characters of one value in Markdown, where nothing folds it away."""
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]#|<>~&])")
_HOST_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.IGNORECASE)
# Marks that turn or hide the text around them. HTML isolates them; a chat has no such means.
_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def render(report: dict[str, Any], template: str) -> str:
    """Return a report as a text for people.

    :param report: the report as ``fleet_report`` returns it.
    :param template: path of the template. For one that ends in ``.html.j2`` values are escaped for HTML, for any other
        for Markdown; ``.css`` and ``.js`` files of the same name go into the page.
    :raises OcoreError: when the template cannot be read or does not fit the report.
    """
    path = Path(template)
    html = path.name.endswith(".html.j2")
    try:
        sources = {kind: _source(path, kind) for kind in ("css", "js")} if html else {}
        return _environment(path.parent, html).get_template(path.name).render(report=report, **sources)
    except (OSError, TemplateError) as error:
        raise OcoreError(f"The fleet report could not be made from {template}: {error}") from error


@lru_cache
def _environment(directory: Path, html: bool) -> Environment:
    """Return the environment for the templates of a directory; kept, because it keeps what it has compiled."""
    environment = Environment(
        loader=FileSystemLoader(directory),
        autoescape=html,  # noqa: S701 - Markdown is escaped by finalize
        finalize=None if html else _markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        day=_fleet_words.day,
        gibibytes=_fleet_words.gibibytes,
        minute=_fleet_words.minute,
        number=_fleet_words.number,
        score_band=score_band,
        url=domain_url,
    )
    return environment


def domain_url(domain: str | None) -> str | None:
    """Return the address of a domain, or ``None`` for what is no host name and so must not become a link."""
    return f"https://{domain}/" if domain and _HOST_NAME.fullmatch(domain) else None


def score_band(score: float | None, limit: float) -> str:
    """Return the band of a health score on the page: good, fair, low, zero or none."""
    if score is None:
        return "none"
    if score >= max(_GOOD_SCORE, limit):
        return "good"
    if score >= limit:
        return "fair"
    return "low" if score > 0 else "zero"


def _source(template: Path, kind: str) -> dict[str, Markup]:
    """Return the style or script beside a template, and the hash by which the page's own policy allows it."""
    text = template.with_name(template.name.removesuffix(".html.j2") + f".{kind}").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": Markup(f"'sha256-{digest}'")}  # noqa: S704 - our own files


def _markdown(value: object) -> str:
    """Escape a value for one line of Markdown, also for chats that call people at an @ or link what looks like one."""
    text = " ".join(_INVISIBLE.sub("\ufffd", str(value)).split())
    if len(text) > _MARKDOWN_LONGEST:
        text = text[: _MARKDOWN_LONGEST - 1] + "…"
    return _MARKDOWN_SPECIAL.sub(r"\\\1", text).replace("@", "@\u200b").replace("://", ":\u200b//")
