# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people answer to a survey, or set with -e, is checked before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ocore.cloud.plugins.filter.playbooks import FilterModule

input_problems = FilterModule().filters()["input_problems"]

COUNT = {"variable": "v", "type": "integer", "min": 1, "max": 20}
STATE = {"variable": "v", "type": "multiplechoice", "choices": ["on", "true"]}
KINDS = {"variable": "v", "type": "multiselect", "choices": ["a", "b"]}
NAME = {"variable": "v", "type": "text", "max": 5}
RELEASE = {"variable": "v", "type": "text", "max": 9, "pattern": r"[0-9]+\.[0-9]", "is": "a release such as 18.0"}
SECRET = {"variable": "v", "type": "password", "max": 5}


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        (COUNT, [1, 20, "1", "20", "", None]),
        (STATE, ["on", True, "true", "", None]),
        (KINDS, ["a", "a,b", "a, b", "a\nb", "", [], ["b"], None]),
        (NAME, ["12345", " x ", 7, "a\nb", "", None]),
        (RELEASE, ["18.0", " 18.0 ", 18.5, ""]),
        (SECRET, ["x", {"A": "a longer one"}, ""]),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else None,
)
def test_input_that_fits_is_no_problem(question: dict[str, Any], answers: list[Any]) -> None:
    assert input_problems(answers, [question] * len(answers)) == []


@pytest.mark.parametrize(
    ("question", "answer", "problem"),
    [
        (COUNT, 0, "v is 0. It must be a whole number from 1 to 20."),
        (COUNT, "21", "v is 21. It must be a whole number from 1 to 20."),
        (COUNT, "1.5", "v is 1.5. It must be a whole number from 1 to 20."),
        (COUNT, True, "v is True. It must be a whole number from 1 to 20."),
        (COUNT, "9" * 5000, f"v is {'9' * 5000}. It must be a whole number from 1 to 20."),
        (COUNT, " ", "v is  . It must be a whole number from 1 to 20."),
        (STATE, "off", "v is 'off'. It must be one of on, true."),
        (STATE, False, "v is 'False'. It must be one of on, true."),
        (KINDS, "a,c d", "v has 'c, d'. It must be of a, b."),
        (KINDS, ["c"], "v has 'c'. It must be of a, b."),
        (NAME, " ", "v is blank. It must have a value, or be left empty."),
        (NAME, "123456", "v has 6 characters. It must have at most 5."),
        (RELEASE, "18", "v is '18'. It must be a release such as 18.0."),
        (SECRET, "longer", "v has 6 characters. It must have at most 5."),
    ],
)
def test_input_that_does_not_fit_is_named(question: dict[str, Any], answer: Any, problem: str) -> None:
    assert input_problems([answer], [question]) == [problem]


def test_input_problems_are_all_named_at_once() -> None:
    questions = [{**COUNT, "variable": "count"}, NAME, {**STATE, "variable": "state"}]
    found = input_problems([0, "ok", "off"], questions)
    assert [problem.split()[0] for problem in found] == ["count", "state"]
