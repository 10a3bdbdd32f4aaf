# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role fleet_report; each is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.plugin_utils import _fleet_page, _fleet_report


def _with_ansible_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except OcoreError as error:
            raise AnsibleFilterError(error.message) from error

    return call


class FilterModule:
    """The filters that make a report about a fleet."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "fleet_report": _with_ansible_errors(_fleet_report.fleet_report),
            "fleet_report_text": _with_ansible_errors(_fleet_page.render),
        }
