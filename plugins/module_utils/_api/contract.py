# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects of oCore's API: wire names on one side, Python names on the other.

Source of every field: the API reference pages "Instances" and "Servers". They mark nothing as required or nullable and show
no enumerations, so each field may be missing or null, unknown fields do no harm, and a value of an unexpected type costs
that field, never the object.
"""

from __future__ import annotations

import json
import traceback
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ansible_collections.ocore.cloud.plugins.module_utils._api.errors import OcoreError
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import (
    MASK,
    Scrubber,
    Warn,
    displayable,
    scrubbed,
    without_secret_fields,
)

PYDANTIC_IMPORT_ERROR: str | None = None
try:
    from pydantic import BaseModel, ValidationError
    from pydantic.alias_generators import to_camel
except ImportError:
    PYDANTIC_IMPORT_ERROR = traceback.format_exc()
    BaseModel = object  # type: ignore[assignment,misc]
    ValidationError = ValueError  # type: ignore[assignment,misc]
    to_camel = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pydantic import ConfigDict

#: What a PUT can change. Everything else is fixed when the instance is created.
UPDATABLE = ("name", "addons_path", "env_vars", "mcp_write_enabled")

#: Fixed at creation and present in the answer, so that a declared value can be compared with it.
IMMUTABLE = ("slug", "server_id", "odoo_version", "odoo_edition", "template_id")

#: Taken by the create request; mcp_write_enabled is not among them, and the last three never come back.
CREATABLE = ("name", "addons_path", "env_vars", *IMMUTABLE, "project_id", "environment_type", "branch")

Model = TypeVar("Model", bound="WireModel")


class WireModel(BaseModel):
    """Base of the API's objects; reads camelCase, gives snake_case."""

    model_config: ClassVar[ConfigDict] = {
        "alias_generator": to_camel,
        "coerce_numbers_to_str": True,
        "extra": "ignore",
        "allow_inf_nan": False,
    }

    def was_sent(self, field: str) -> bool:
        """Return whether the answer held the field at all; null counts, a missing field does not."""
        return field in self.model_fields_set

    def unknown(self) -> dict[str, Any]:
        """Return what the API sent and no field takes, under the API's names; fields named like a secret are masked."""
        found: dict[str, Any] = without_secret_fields(self.model_extra or {})
        return found


class Domain(WireModel):
    """A host name of an instance (``domains[]``)."""

    id: str | None = None
    domain: str | None = None
    is_primary: bool | None = None
    is_auto_generated: bool | None = None
    dns_status: str | None = None
    dns_provider: str | None = None
    dns_record_id: str | None = None
    ssl_status: str | None = None
    ssl_expires_at: str | None = None
    created_at: str | None = None


class Instance(WireModel):
    """An Odoo instance. Times are texts as the API gives them; the units of the memory limits are not documented."""

    model_config: ClassVar[ConfigDict] = {"extra": "allow"}

    id: str = ""
    name: str | None = None
    slug: str | None = None
    status: str | None = None
    status_message: str | None = None
    server_id: str | None = None
    odoo_version: str | None = None
    odoo_edition: str | None = None
    template_id: str | None = None
    addons_path: str | None = None
    env_vars: dict[str, str | None] | None = None
    mcp_write_enabled: bool | None = None
    domains: list[Domain] | None = None
    auto_subdomain: str | None = None
    active_color: str | None = None
    http_port: int | float | None = None
    http_port_host: int | float | None = None
    longpolling_port: int | float | None = None
    longpolling_port_host: int | float | None = None
    workers: int | float | None = None
    max_cron_threads: int | float | None = None
    limit_memory_soft: int | float | None = None
    limit_memory_hard: int | float | None = None
    limit_time_cpu: int | float | None = None
    limit_time_real: int | float | None = None
    log_level: str | None = None
    health_score: int | float | None = None
    health_score_grade: str | None = None
    health_score_updated_at: str | None = None
    restart_count: int | float | None = None
    last_restart_at: str | None = None
    last_seen_at: str | None = None
    enterprise_build_id: str | None = None
    enterprise_deployed_at: str | None = None
    enterprise_update_available: bool | None = None
    wkhtmltopdf_status: str | None = None
    wkhtmltopdf_version: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    def label(self) -> str:
        """Return the words by which messages name this instance."""
        name = self.slug or self.name
        return displayable(f"{name} ({self.id})" if name else self.id)

    def secrets(self) -> list[str]:
        """Return the env values: what must not be shown."""
        return [value for value in (self.env_vars or {}).values() if value]

    def record(self, reveal_env_vars: bool = False) -> dict[str, Any]:
        """Return the instance record: every field in snake_case, lists and dicts never ``None``, env values masked.

        ``extra`` holds what this release does not know.
        """
        # Not model_dump: it would mix unknown fields with the known ones.
        record: dict[str, Any] = {**self.__dict__, "extra": self.unknown()}
        record["id"] = self.id or None  # one that is not created yet
        record["domains"] = [dict(domain.__dict__) for domain in self.domains or []]
        record["env_vars"] = dict(self.env_vars or {})
        if not reveal_env_vars:
            record["env_vars"] = dict.fromkeys(record["env_vars"], MASK)
            # A failed start may quote a password that did not work.
            for name in ("status_message", "extra"):
                if record[name]:
                    record[name] = scrubbed(record[name], Scrubber(self.secrets()))
        return record


class Server(WireModel):
    """A server that instances run on. Credentials are no part of it; whatever the API sends besides stays, masked."""

    model_config: ClassVar[ConfigDict] = {"extra": "allow"}

    id: str = ""
    name: str | None = None
    description: str | None = None
    host: str | None = None
    port: int | float | None = None
    ssh_user: str | None = None
    auth_method: str | None = None
    max_ssh_sessions: int | float | None = None
    status: str | None = None
    status_message: str | None = None
    provisioning_step: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    cpu_cores: int | float | None = None
    ram_total_bytes: int | float | None = None
    proxy_type: str | None = None
    last_seen_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    def label(self) -> str:
        """Return the words by which messages name this server."""
        return displayable(f"{self.name} ({self.id})" if self.name else self.id)

    def record(self) -> dict[str, Any]:
        """Return the server record: every field in snake_case, and under ``extra`` what this release does not know."""
        # Not model_dump: it would mix unknown fields with the known ones.
        return {**self.__dict__, "extra": self.unknown()}


class Health(WireModel):
    """Answer of ``/instances/{id}/health``."""

    id: str | None = None
    slug: str | None = None
    status: str | None = None
    status_message: str | None = None
    last_seen_at: str | None = None


class HealthFactor(WireModel):
    """One factor of a health score; scale and weights are not documented."""

    name: str | None = None
    score: int | float | None = None
    weight: int | float | None = None
    weighted: int | float | None = None
    details: str | None = None


class HealthScore(WireModel):
    """Answer of ``/instances/{id}/health-score``."""

    score: int | float | None = None
    grade: str | None = None
    computed_at: str | None = None
    factors: list[HealthFactor] | None = None

    def record(self) -> dict[str, Any]:
        """Return the score with snake_case keys; ``factors`` is never ``None``."""
        record: dict[str, Any] = self.model_dump()
        record["factors"] = record["factors"] or []
        return record


def parse(model: type[Model], raw: object, warn: Warn) -> Model:
    """Read one object of an answer.

    :param model: the class to read.
    :param raw: the decoded JSON value.
    :param warn: called with a sentence for each value that could not be read and counts as null.
    :raises OcoreError: when ``raw`` is not a JSON object.
    """
    if not isinstance(raw, dict):
        raise OcoreError(
            f"oCore answered with {type(raw).__name__} where an object was expected. Check api_url.", about_one=True
        )
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = _problems(error)
    usable = _without_unusable(raw, problems, warn)
    try:
        return model.model_validate(usable)
    except ValidationError as error:
        for problem in _problems(error):
            usable.pop(str(problem["loc"][0]), None)
    return model.model_validate(usable)


def _problems(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_input=False, include_context=False))


def _without_unusable(raw: dict[str, Any], problems: Sequence[Any], warn: Warn) -> dict[str, Any]:
    """Return an answer without the values that validation refuses; warn about each."""
    usable = dict(raw)
    name = raw.get("slug") or raw.get("id")
    label = name if isinstance(name, str) else "an object"
    warned: set[str] = set()
    for problem in problems:
        where = ".".join(map(str, _value_path(usable, problem["loc"])))
        if where in warned:  # one value is reported once for each type that it might have had
            continue
        warned.add(where)
        fate = _replace(usable, _value_path(usable, problem["loc"]))
        warn(
            f"oCore sent an unusable value in {where} of {label}: {problem['msg']}. It is treated as {fate}.",
            f"unusable values in {_value_path(usable, problem['loc'])[0]}",
        )
    for key, value in usable.items():
        if isinstance(value, list):
            usable[key] = [item for item in value if item is not None]
    return usable


def _value_path(raw: Mapping[str, Any], location: Sequence[int | str]) -> list[int | str]:
    """Return the part of an error's location that leads to a value; the rest names types that it might have had."""
    holder: Any = raw
    path: list[int | str] = []
    for step in location:
        if isinstance(holder, dict):
            found = step in holder
        else:
            found = isinstance(holder, list) and isinstance(step, int) and step < len(holder)
        if not found:
            break
        path.append(step)
        holder = holder[step]
    return path


def _replace(raw: dict[str, Any], path: Sequence[int | str]) -> str:
    """Put null in place of the value at ``path``, or its text for an env var, and return which of them.

    An env value becomes text, since an update sends the other variables back and must not lose this one. What leads to the
    value is copied, so that the answer itself stays as it is.
    """
    holder: Any = raw
    for step in path[:-1]:
        holder[step] = holder[step].copy()
        holder = holder[step]
    # JSON has no tuples: this one stands for a number that is none.
    if path[0] == "envVars" and len(path) > 1 and not isinstance(holder[path[-1]], tuple):
        try:
            holder[path[-1]] = json.dumps(holder[path[-1]])
        except RecursionError:
            pass
        else:
            return "text"
    holder[path[-1]] = None
    return "null"


def to_wire(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request body: the field names in camelCase, the values (and the names of env vars) as they are."""
    return {to_camel(name): value for name, value in fields.items()}


def is_on_server(server_id: object, wanted: str) -> bool:
    """Return whether an instance with this ``server_id`` is on the server ``wanted``.

    UUIDs are compared without regard to case. An instance that does not say where it is counts as being there: an API
    that leaves the field out has filtered by itself.
    """
    return not server_id or str(server_id).casefold() == wanted.casefold()


def normalized_name(text: str) -> str:
    """Return a name in the form in which names are compared: an API may store it trimmed, with single blanks, and composed
    (Unicode NFC)."""
    return unicodedata.normalize("NFC", " ".join(text.split()))
