# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's checks of instances: their status, fields, values and health. Nothing here sends a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import Health, HealthScore, Instance
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import Scrubber, is_mask
from ansible_collections.ocore.cloud.plugins.module_utils._api.shape import Shape, shape_of
from ansible_collections.ocore.cloud.plugins.module_utils._api.times import parse_time
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_finding import (
    Finding,
    Words,
    differs,
    failed,
    ok,
    several,
    unknown,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_look import Evidence
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import Phase, is_known_word, phase

GROUP = "Instances"
MEGABYTES_MOST = 1_000_000
"""A memory limit below this is no number of bytes: Odoo could not start with so few."""
_TIMES = ("created_at", "updated_at", "last_restart_at", "last_seen_at", "health_score_updated_at")
_MOVING = frozenset({*_TIMES, "status", "status_message", "restart_count", "active_color", "domains"}) | {
    *("health_score", "health_score_grade"),
}
"""Fields that may change between two answers."""

CHECKS = (
    *("get", "list_and_get", "status", "status_case", "fields_missing", "fields_null", "fields_new", "fields_type"),
    *("env_values", "messages", "edition", "memory_unit", "auto_subdomain", "times", "health", "health_score"),
)


def check_fields(seen: Evidence, words: Words) -> list[Finding]:
    """Return the findings about the instances themselves."""
    if not seen.instances:
        reason = "there is no instance" if seen.listed.error is None else "no list was read"
        advice = "Create one, or let the doctor do so with write: true." if seen.listed.error is None else "See above."
        return [unknown(check, reason, advice) for check in CHECKS]
    shapes = [shape_of(Instance, sample.raw) for sample in seen.samples]
    listed = [shape_of(Instance, raw) for raw in seen.entries]
    return [
        _get(seen),
        _list_and_get(seen, words),
        _status(seen, words),
        _status_case(seen),
        _missing(shapes, words),
        _null(shapes, words),
        _new(listed, words),
        _type(listed, shapes, words),
        _env_values(shapes),
        _messages(seen),
        _edition(seen),
        _memory(shapes),
        _subdomain(seen),
        _times(seen),
        _health(seen, words),
        _score(seen, words),
    ]


def _get(seen: Evidence) -> Finding:
    broken = [sample for sample in seen.samples if sample.read.error is not None]
    absent = [sample for sample in seen.samples if sample.read.error is None and sample.read.value is None]
    number = several(len(seen.samples), "instance")
    if absent:
        return differs(
            "get",
            f"{len(absent)} of {number} of the list cannot be read by id (HTTP 404)",
            "A task that finds an instance in the list, and then not by id, waits a little, and fails. Reads may lag.",
        )
    if broken:
        error = broken[0].read.error
        said = [error.message] if error else []
        status = f"HTTP {broken[0].read.status}" if broken[0].read.status else "no answer"
        advice = "Changes of env_vars read by id first, and fail. Look at the message, or ask whoever runs oCore."
        verdict = failed if len(broken) == len(seen.samples) else differs
        return verdict("get", f"{len(broken)} of {number} cannot be read by id ({status})", advice, said)
    return ok("get", f"{number} read by id")


def _list_and_get(seen: Evidence, words: Words) -> Finding:
    check = "list_and_get"
    different: set[str] = set()
    left_out: set[str] = set()
    compared = [sample for sample in seen.samples if isinstance(sample.read.raw, dict)]
    for sample in compared:
        listed, read = shape_of(Instance, sample.listed).sent, shape_of(Instance, sample.raw).sent
        left_out |= set(read) - set(listed)
        different |= {name for name in set(read) & set(listed) if read[name] != listed[name]} - _MOVING
    if not compared:
        return unknown(check, "no instance was read by id", "Mend the finding about get first.")
    if different:
        advice = "An update is always planned on the instance as read by id, never on the list."
        return differs(check, f"they disagree about {words.list(different)}", advice)
    if left_out:
        advice = "Facts and inventories show null there; what compares these fields reads each instance by id."
        return differs(check, f"the list leaves out {words.list(left_out)}", advice)
    return ok(check, "they agree")


def _status(seen: Evidence, words: Words) -> Finding:
    found = Counter(instance.status or "" for instance in seen.instances)
    strange = [word for word in found if word and not is_known_word(word)]
    silent = [instance.label() for instance in seen.instances if not instance.status]
    if silent:
        advice = "It counts as in progress: tasks wait for it until wait_timeout."
        return differs("status", f"{several(len(silent), 'instance')} without a status", advice, silent)
    shown = ", ".join(f"{number:,} {words(word)}" for word, number in found.most_common(6))
    if strange:
        return differs(
            "status",
            f"{shown}; not known: {words.list(strange)}",
            "An unknown word counts as in progress: a task waits for it until wait_timeout, and quotes it. Report the word.",
        )
    return ok("status", shown)


def _status_case(seen: Evidence) -> Finding:
    words = {instance.status for instance in seen.instances if instance.status}
    if all(word == word.lower() for word in words):
        return ok("status_case", "lower case")
    advice = "Case does not count in the collection; conditions in your own playbooks should use | lower."
    return differs("status_case", "status words are not in lower case", advice)


def _missing(shapes: Iterable[Shape], words: Words) -> Finding:
    missing = set().union(*(shape.missing for shape in shapes))
    if not missing:
        return ok("fields_missing", "all documented fields are sent")
    important = missing & {"status", "slug", "name", "server_id"}
    seen = f"{several(len(missing), 'field')}: {words.list(missing)}"
    if important:
        advice = f"Without {', '.join(sorted(important))} much cannot be compared. Report it to whoever runs oCore."
        return differs("fields_missing", seen, advice)
    return differs(
        "fields_missing",
        seen,
        "They are null in results. What is left out counts as empty, so nothing is changed over it.",
    )


def _null(shapes: Iterable[Shape], words: Words) -> Finding:
    shapes = list(shapes)
    null = set().union(*(shape.null for shape in shapes))
    empty = set().union(*(shape.empty for shape in shapes))
    if "status" in null or "id" in null:
        return differs(
            "fields_null", f"null: {words.list(null)}", "An instance without a status counts as in progress."
        )
    if null:
        return ok(
            "fields_null",
            f"without a value: {words.list(null)} (null)",
            "null and empty mean the same to the collection.",
        )
    if empty:
        return ok(
            "fields_null",
            f"without a value: {words.list(empty)} (empty)",
            "null and empty mean the same to the collection.",
        )
    return ok("fields_null", "nothing is sent without a value")


def _new(shapes: Iterable[Shape], words: Words) -> Finding:
    new = set().union(*(shape.unknown for shape in shapes))
    if new:
        return differs(
            "fields_new", f"{several(len(new), 'field')}: {words.list(new)}", "They do no harm. Report them."
        )
    return ok("fields_new", "no field that is not documented")


def _type(listed: Iterable[Shape], read: Iterable[Shape], words: Words) -> Finding:
    odd: dict[str, str] = {}
    for shape in (*listed, *read):
        odd.update(shape.odd)
    if not odd:
        return ok("fields_type", "all fields have the documented type")
    shown = ", ".join(f"{words(name)} ({kind})" for name, kind in sorted(odd.items())[:4])
    return differs(
        "fields_type",
        f"{several(len(odd), 'field')}: {shown}",
        "Numbers become text where text is documented; anything else counts as null, with a warning. Report it.",
    )


def env_pairs(shapes: Iterable[Shape]) -> list[tuple[str, str]]:
    """Return the names and values of all env vars that were seen, as sent."""
    pairs = []
    for shape in shapes:
        env = shape.sent.get("env_vars")
        pairs += [(str(key), value) for key, value in (env if isinstance(env, Mapping) else {}).items()]
    return [(key, value) for key, value in pairs if isinstance(value, str) and value]


def looks_crossed_out(value: str) -> bool:
    """Return whether a value consists of one letter x again and again: a mask that no client can be sure of."""
    return len(value) > 2 and set(value.lower()) == {"x"}


def _env_values(shapes: Iterable[Shape]) -> Finding:
    check = "env_values"
    shapes = list(shapes)
    pairs = env_pairs(shapes)
    if not pairs:
        if all("env_vars" in shape.missing for shape in shapes):
            advice = (
                "If values are never sent, every declared env var is written in every run. Set one, and look again."
            )
            return unknown(check, "env_vars is not sent", advice)
        return unknown(
            check, "no instance that was looked at has env vars", "Set one, or run the doctor with write: true."
        )
    masked = [value for _name, value in pairs if is_mask(value)]
    crossed = [value for _name, value in pairs if looks_crossed_out(value)]
    if crossed:
        return differs(
            check,
            "values look as if each character were replaced by x",
            "This cannot be told from a real value, so it is taken for one: a playbook would write its values in every run, "
            "and an update would send these back. Give env_vars in full, with purge_env_vars: true.",
        )
    if not masked:
        return ok(check, "shown as they are", "The collection masks them in results; use a token that few people have.")
    how = "all are masked" if len(masked) == len(pairs) else f"{len(masked)} of {len(pairs)} are masked"
    return differs(
        check,
        how,
        "Only names are compared, so a changed value alone goes unnoticed. An update that does not give all masked values "
        "is refused, so that no mask overwrites a value: give env_vars in full, with purge_env_vars: true.",
    )


def _messages(seen: Evidence) -> Finding:
    token = Scrubber([seen.settings.token])
    values = Scrubber(value for instance in seen.instances for value in instance.secrets())
    told = [text for entry in seen.entries if isinstance(text := entry.get("statusMessage"), str)]
    if any(token(text) != text for text in told):
        advice = "The token is masked in all results, but others may see it in oCore. Replace it, and report this."
        return differs("messages", "a status message quotes the token", advice)
    if any(values(text) != text for text in told):
        advice = "They are masked in all results. Report it to whoever runs oCore."
        return differs("messages", "a status message quotes values of env vars", advice)
    return ok("messages", "status messages quote neither the token nor values of env vars")


def _edition(seen: Evidence) -> Finding:
    found = sorted({instance.odoo_edition for instance in seen.instances if instance.odoo_edition})
    known = [edition for edition in found if edition.lower() in ("community", "enterprise")]
    if not found:
        return unknown("edition", "not shown", "A declared odoo_edition cannot be compared; a warning says so.")
    if len(known) < len(found):
        return differs("edition", "other words than community and enterprise", "Declare them as oCore spells them.")
    if any(edition != edition.lower() for edition in found):
        return differs("edition", ", ".join(found), "Case does not count when a declaration is compared.")
    return ok("edition", ", ".join(found))


def _memory(shapes: Iterable[Shape]) -> Finding:
    limits = [
        value
        for shape in shapes
        for name in ("limit_memory_soft", "limit_memory_hard")
        if isinstance(value := shape.sent.get(name), (int, float)) and value
    ]
    if not limits:
        return unknown("memory_unit", "no limit is shown", "Nothing in the collection depends on it.")
    if max(limits) < MEGABYTES_MOST:
        return differs(
            "memory_unit", "megabytes, not bytes as in odoo.conf", "Results show the number as oCore sends it."
        )
    return ok("memory_unit", "bytes, as in odoo.conf")


def _subdomain(seen: Evidence) -> Finding:
    names = [instance.auto_subdomain for instance in seen.instances if instance.auto_subdomain]
    if not names:
        return unknown("auto_subdomain", "not shown", "An inventory takes host names from domains, or from the slug.")
    if any("." not in name for name in names):
        advice = "It is no host name: use domains in playbooks, or add your own domain."
        return differs("auto_subdomain", "a label without a domain", advice)
    return ok("auto_subdomain", "a whole host name")


def _times(seen: Evidence) -> Finding:
    given = [(name, value) for i in seen.instances for name in _TIMES if (value := getattr(i, name))]
    # Go writes an unset time as the year 1.
    unread = sorted({name for name, value in given if parse_time(value) is None and not value.startswith("0001-")})
    if not given:
        return unknown("times", "not shown", "Whether a restart is owed cannot be told.")
    if unread:
        advice = (
            "They cannot be compared: an owed restart, or the age of a certificate, goes unnoticed. Report the format."
        )
        return differs("times", f"not RFC 3339 with a time zone: {', '.join(unread)}", advice)
    return ok("times", "RFC 3339, with a time zone")


def _health(seen: Evidence, words: Words) -> Finding:
    question = seen.health
    if question is None or question.status is None:
        return unknown("health", "the question got no answer", "gather: [health] may fail.")
    if question.error is not None:
        return differs("health", f"refused (HTTP {question.status})", "Leave health out of gather.")
    if question.value is None:
        return differs("health", "none (HTTP 404)", "gather: [health] gives null.")
    shape = shape_of(Health, question.raw) if isinstance(question.raw, dict) else None
    about = seen.about
    if shape and about and shape.sent.get("status") not in (None, about.status):
        return differs(
            "health", "its status is not that of the instance", "Each is shown as it is; waiting uses the instance's."
        )
    if shape and (shape.unknown or shape.odd):
        return differs(
            "health", f"new or of another type: {words.list([*shape.unknown, *shape.odd])}", "They are left out."
        )
    return ok("health", "answers, and agrees with the instance")


def _score(seen: Evidence, words: Words) -> Finding:
    check, question = "health_score", seen.score
    ready = seen.about is not None and phase(seen.about) is Phase.READY
    if question is None or question.status is None:
        return unknown(check, "the question got no answer", "min_health_score may fail.")
    if question.error is not None:
        return differs(
            check,
            f"refused (HTTP {question.status})",
            "Leave health_score out of gather, and min_health_score out of tasks.",
        )
    if question.value is None:
        how = "none (HTTP 404)" if question.status == 404 else "an answer without a score"
        why = "" if ready else "; the instance does not run"
        return differs(check, f"{how}{why}", "min_health_score waits until there is one, and fails at wait_timeout.")
    return _scale(question.value, shape_of(HealthScore, question.raw), words)


def is_whole(number: int | float) -> bool:
    """Return whether a number has no fraction; an integer may be too large for a float."""
    return isinstance(number, int) or number.is_integer()


def _scale(score: HealthScore, shape: Shape, words: Words) -> Finding:
    check = "health_score"
    number = score.score if score.score is not None else 0
    weights = [factor.weight for factor in score.factors or [] if factor.weight is not None]
    whole = all(is_whole(value) for value in (number, *weights))
    scale = "0 to 1" if 0 < number <= 1 and not is_whole(number) else "0 to 100"
    graded = ", with a grade" if score.grade else ""
    if scale == "0 to 1" or number > 100:
        advice = "Give min_health_score on the same scale; the report's score_warning too."
        return differs(
            check, f"it looks like a scale of {'0 to 1' if number <= 1 else 'more than 100'}{graded}", advice
        )
    if shape.unknown or shape.odd:
        return differs(
            check, f"new or of another type: {words.list([*shape.unknown, *shape.odd])}", "They are left out."
        )
    if not whole:
        return differs(
            check, f"fits {scale}, with fractions{graded}", "Fractions are read; the documentation shows whole numbers."
        )
    return ok(check, f"fits {scale}, {several(len(weights), 'factor')}{graded}")
