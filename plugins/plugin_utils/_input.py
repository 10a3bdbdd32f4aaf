# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no compatibility is promised to other users.

"""Check what people answered to a survey, or set with ``-e``, before a playbook changes anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Question = Mapping[str, Any]


def input_problems(answers: Iterable[Any], questions: Iterable[Question]) -> list[str]:
    """Return a sentence for each answer that does not fit its question; an empty answer counts as not given.

    :param answers: one for each question.
    :param questions: in the form of an AWX survey: ``variable``, ``type`` (integer, multiplechoice, multiselect, text,
        textarea or password), and its limits ``min``, ``max`` and ``choices``. A text may also have a ``pattern``, and what
        it ``is``, in words.
    """
    found = ((question, _problem(answer, question)) for answer, question in zip(answers, questions, strict=True))
    return [f"{question['variable']} {problem}." for question, problem in found if problem]


def _problem(answer: Any, question: Question) -> str | None:
    text = "" if answer is None else str(answer)
    return _CHECKS[question["type"]](answer, text, question) if text else None


def _integer(_answer: Any, text: str, question: Question) -> str | None:
    if re.fullmatch("-?[0-9]{1,9}", text) and question["min"] <= int(text) <= question["max"]:
        return None
    return f"is {text}. It must be a whole number from {question['min']} to {question['max']}"


def _choice(answer: Any, text: str, question: Question) -> str | None:
    if (text.lower() if isinstance(answer, bool) else text) in question["choices"]:
        return None
    return f"is '{text}'. It must be one of {', '.join(question['choices'])}"


def _choices(answer: Any, text: str, question: Question) -> str | None:
    chosen = answer if isinstance(answer, Sequence) and not isinstance(answer, str) else re.split(r"[,\s]+", text)
    unknown = [str(item) for item in chosen if item and item not in question["choices"]]
    if not unknown:
        return None
    return f"has '{', '.join(unknown)}'. It must be of {', '.join(question['choices'])}"


def _text(answer: Any, text: str, question: Question) -> str | None:
    if isinstance(answer, Mapping):  # a variable of the command line may be what a survey can only ask for as text
        return None
    if not text.strip():
        return "is blank. It must have a value, or be left empty"
    if len(text) > question["max"]:
        return f"has {len(text)} characters. It must have at most {question['max']}"
    if not re.fullmatch(question.get("pattern", "(?s:.*)"), text.strip()):
        return f"is '{text}'. It must be {question['is']}"
    return None


_CHECKS: dict[str, Callable[[Any, str, Question], str | None]] = {
    "integer": _integer,
    "multiplechoice": _choice,
    "multiselect": _choices,
    "text": _text,
    "textarea": _text,
    "password": _text,
}
