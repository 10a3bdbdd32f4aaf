# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the host roles; each is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.ocore.cloud.plugins.plugin_utils import (
    _host_report,
    _instance_options,
    _server_report,
    _sites,
    _systems,
)


class FilterModule:
    """The filters that turn instance records into what a host has to do."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "nginx_sites": _sites.nginx_sites,
            "nginx_user_files": _instance_options.nginx_user_files,
            "site_certificates": _sites.site_certificates,
            "host_report": _host_report.host_report,
            "server_report": _server_report.server_report,
            "own_certificates": _sites.own_certificates,
            "instance_ports": _sites.instance_ports,
            "system_problem": _systems.system_problem,
        }
