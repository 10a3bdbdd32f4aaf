# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the Python that runs has the libraries that the collection needs."""

from __future__ import annotations

import sys
import traceback

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import PYDANTIC_IMPORT_ERROR
from ansible_collections.ocore.cloud.plugins.module_utils._api.wire import REQUESTS_IMPORT_ERROR

#: The oldest releases that serve, as in meta/ee-requirements.txt.
NEEDED = {"requests": (2, 32), "pydantic": (2, 7)}


def library_problem() -> tuple[str, str] | None:
    """Return what is wrong with the libraries, as message and traceback; ``None`` when all is well."""
    for name, import_error in (("requests", REQUESTS_IMPORT_ERROR), ("pydantic", PYDANTIC_IMPORT_ERROR)):
        found = _version(name)
        if found is None:
            return _message(name, "is not installed"), import_error or traceback.format_exc()
        if _numbers(found) < NEEDED[name]:
            return _message(name, f"is {found}, which is too old"), import_error or ""
        if import_error is not None:
            return _message(name, f"{found} cannot be imported ({import_error.strip().splitlines()[-1]})"), import_error
    return None


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are in use."""
    return {name: _version(name) or "missing" for name in NEEDED}


def _version(name: str) -> str | None:
    """Return the version of a library, read from the module: its metadata may be missing or belong to another copy."""
    try:
        module = __import__(name)
    except ImportError:
        return None
    return str(getattr(module, "VERSION", None) or getattr(module, "__version__", "0"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _message(name: str, problem: str) -> str:
    needed = ".".join(map(str, NEEDED[name]))
    return (
        f"The Python library {name} {problem} for {sys.executable}; ocore.cloud needs {name} {needed} or newer. Install it "
        f"with: {sys.executable} -m pip install '{name}>={needed}'"
    )
