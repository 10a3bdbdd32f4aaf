# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of Sphinx for ``make docs``. Needs no network: references into Ansible's own site are not resolved."""

from __future__ import annotations

project = "ocore.cloud"
author = project_copyright = "oCore collection contributors"
html_title = html_short_title = "ocore.cloud"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_use_index = False
html_copy_source = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
# The changelog has no title until the first release.
suppress_warnings = ["toc.no_title"]
nitpicky = True
nitpick_ignore_regex = [
    ("std:ref", r"(?!ansible_collections\.ocore\.).*"),
    ("any", r"(?!ansible_collections\.ocore\.).*"),
    ("envvar", r"ANSIBLE_.*"),
    ("ansplugin", r"ansible\..*"),
    ("ansopt", r"ansible\..*"),
]
