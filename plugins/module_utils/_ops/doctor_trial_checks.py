# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's checks of what was tried on a scratch instance. Nothing here sends a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import normalized_name
from ansible_collections.ocore.cloud.plugins.module_utils._api.redaction import is_mask
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_finding import (
    Finding,
    Words,
    differs,
    failed,
    ok,
    several,
    unknown,
)
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_profile import echoed
from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor_trial import ADDED, ENV, Trial
from ansible_collections.ocore.cloud.plugins.module_utils._ops.lifecycle import is_known_word

GROUP = "Changes, tried on a scratch instance"
CHECKS = (
    *("trial", "cleanup", "manage", "create", "progress_words", "slug", "name", "taken_slug", "read_lag"),
    *("env_shown", "put_env", "put_missing", "put_empty_env", "put_restart", "busy", "concurrent_updates"),
    *("restart", "after_delete", "echo"),
)
_NOT_TRIED = ("not tried", "The trial ended before; see trial.")


def check_trial(trial: Trial, words: Words) -> list[Finding]:
    """Return the findings about what was tried."""
    findings = [_trial(trial), _cleanup(trial), _manage(trial)]
    if trial.created is None:
        return [*findings, *(unknown(check, *_NOT_TRIED) for check in CHECKS[3:])]
    return [
        *findings,
        _create(trial),
        _progress_words(trial, words),
        _slug(trial),
        _name(trial),
        _taken_slug(trial),
        _read_lag(trial),
        _env_shown(trial),
        _put_env(trial),
        _put_missing(trial),
        _put_empty(trial),
        _put_restart(trial),
        _busy(trial),
        _concurrent(trial),
        _restart(trial),
        _after_delete(trial, words),
        _echo(trial),
    ]


def _trial(trial: Trial) -> Finding:
    if not trial.ended:
        return ok("trial", "created, changed, restarted, stopped, started and removed")
    if trial.created is None:
        return failed("trial", "nothing was tried", "Look at the reason below.", [trial.ended])
    return failed("trial", "ended early", "Look at the reason below; what was seen until then follows.", [trial.ended])


def _cleanup(trial: Trial) -> Finding:
    if trial.left:
        number = several(len(trial.left), "thing")
        return failed("cleanup", f"{number} could not be removed", "Remove what is named below yourself.", trial.left)
    if trial.created is None:
        return ok("cleanup", "nothing was created, so nothing had to be removed")
    return ok("cleanup", "everything that was created is removed again")


def _manage(trial: Trial) -> Finding:
    if trial.manages is False:
        advice = "Changes need the permission manage:instances. A token that only reads is right for inventories and reports."
        return failed("manage", "the token may not change instances (HTTP 403)", advice)
    if trial.manages is None:
        return unknown("manage", *_NOT_TRIED)
    return ok("manage", "the token may create, change and remove instances")


def _create(trial: Trial) -> Finding:
    if trial.create_seconds is None:
        return unknown("create", "the instance was not seen to be ready", "Raise wait_timeout, or look at it in oCore.")
    return ok("create", f"ready after {trial.create_seconds:.0f} s", "wait_timeout has to be longer than that.")


def _progress_words(trial: Trial, words: Words) -> Finding:
    check = "progress_words"
    seen = [word for _operation, word in trial.words if word]
    strange = sorted({word for word in seen if not is_known_word(word)})
    path = " > ".join(words(word) for position, word in enumerate(seen) if position == 0 or seen[position - 1] != word)
    if strange:
        advice = "They count as in progress, so tasks wait while they are shown. Report them."
        return differs(check, f"not known: {words.list(strange)} (in order: {path})", advice)
    return ok(check, path or "none")


def _slug(trial: Trial) -> Finding:
    stored, sent = trial.created.slug if trial.created else None, trial.sent_slug
    if not stored:
        return differs("slug", "the answer shows no slug", "Identify instances by id or name.")
    if stored == sent and sent == trial.slug:
        return ok("slug", "taken as sent; capitals and underscores are refused")
    if stored == sent:
        return ok("slug", "taken as sent, capitals included", "Slugs are compared without regard to case.")
    if stored == trial.slug:
        advice = "A declared slug is compared without regard to case. Declare it as oCore stores it."
        return differs("slug", "rewritten: capitals or underscores are replaced", advice)
    advice = (
        "A declared slug is never found again, so each run would create one more: identify instances by name or id."
    )
    return differs("slug", "rewritten, with something added", advice)


def _name(trial: Trial) -> Finding:
    stored, sent = trial.created.name if trial.created else None, trial.sent_name
    if stored == sent:
        return ok("name", "stored as sent, blanks around it included", "Names are compared without them.")
    if stored == sent.strip():
        return ok("name", "stored without blanks around it", "Names are compared without them.")
    if stored and normalized_name(stored) == normalized_name(sent):
        return ok("name", "stored trimmed, and with composed Unicode (NFC)", "Names are compared in that form.")
    advice = "A declared name differs in every run, and is written each time. Declare it as oCore stores it."
    return differs("name", "stored in another way", advice)


def _taken_slug(trial: Trial) -> Finding:
    if not trial.taken:
        return unknown("taken_slug", *_NOT_TRIED)
    if trial.taken.startswith("refused"):
        return ok("taken_slug", trial.taken, "Two tasks at once cannot create the same instance twice.")
    advice = "Two tasks at once may create an instance twice. The collection looks before it creates, and reports twins by id: "
    return differs("taken_slug", f"a second instance is {trial.taken}", advice + "let one job at a time create.")


def _read_lag(trial: Trial) -> Finding:
    if trial.list_unseen is None or trial.get_unseen is None:
        advice = (
            "A creation that got no answer cannot be looked for. Without a visible instance, nothing is created twice."
        )
        return differs("read_lag", "a new instance stayed invisible", advice)
    looks = ((trial.list_unseen, "list", "lists"), (trial.get_unseen, "read by id", "reads by id"))
    lags = [several(number, one, many) for number, one, many in looks if number]
    if lags:
        return differs(
            "read_lag",
            f"a new instance is missing in {' and '.join(lags)} at first",
            "For 15 seconds after a change, what is missing counts as not visible yet.",
        )
    return ok("read_lag", "a new instance is visible at once, in the list and by id")


def _env_shown(trial: Trial) -> Finding:
    shown = trial.shown_env
    if not shown:
        advice = "Declared values cannot be compared: they are written in every run."
        return differs("env_shown", "env_vars that were sent are not shown", advice)
    if all(shown.get(name) == value for name, value in ENV.items()):
        return ok("env_shown", "shown as they were sent")
    if all(is_mask(shown.get(name)) for name in ENV):
        advice = "Only names are compared. To change values, give env_vars in full, with purge_env_vars: true."
        return differs("env_shown", "all are masked", advice)
    if any(is_mask(shown.get(name)) for name in ENV):
        advice = "Values of these are not compared. To change one, give env_vars in full, with purge_env_vars: true."
        return differs("env_shown", "those whose name sounds secret are masked", advice)
    advice = "This cannot be told from a value: a playbook writes its values in every run, and an update would send these back."
    return differs("env_shown", "shown as something else, which does not look like a mask", advice)


def _put_env(trial: Trial) -> Finding:
    env = trial.env_after_partial
    if env is None:
        return unknown("put_env", *_NOT_TRIED)
    if merges(env):
        advice = "purge_env_vars and remove_env_vars cannot remove anything; a task that asks for it says so."
        return differs("put_env", "env_vars of an update are added to those there", advice)
    if ADDED not in env:
        return differs(
            "put_env", "env_vars of an update are not visible afterwards", "Changes are compared, and reported."
        )
    return ok("put_env", "env_vars of an update replace those there", "The collection always sends all of them.")


def merges(env: Mapping[str, Any]) -> bool:
    """Return whether env vars outlive an update that does not name them."""
    return any(name in env for name in ENV)


def _put_missing(trial: Trial) -> Finding:
    if trial.kept_after_partial is None:
        return unknown("put_missing", *_NOT_TRIED)
    if trial.kept_after_partial:
        return ok("put_missing", "what an update leaves out stays")
    advice = "The collection always sends all four fields, so nothing is lost. Other clients must do the same."
    return differs("put_missing", "what an update leaves out is emptied", advice)


def _put_empty(trial: Trial) -> Finding:
    if trial.empty_refused is not None:
        advice = "The last env var cannot be removed by an update. Keep one."
        return differs(
            "put_empty_env", f"an update with empty env_vars is refused (HTTP {trial.empty_refused})", advice
        )
    if trial.env_after_empty is None:
        return unknown("put_empty_env", *_NOT_TRIED)
    if trial.env_after_empty:
        return differs(
            "put_empty_env", "empty env_vars change nothing", "The last env var cannot be removed by an update."
        )
    return ok("put_empty_env", "empty env_vars remove all of them", "They are sent only where a task declares them.")


def _put_restart(trial: Trial) -> Finding:
    if trial.restarts_after_put is None:
        return unknown("put_restart", *_NOT_TRIED)
    if trial.restarts_after_put:
        advice = (
            "restart_on_change is not needed, and would restart once more. Expect a short downtime with each change."
        )
        return differs("put_restart", "an update restarts the instance by itself", advice)
    return ok(
        "put_restart",
        "an update does not restart the instance",
        "Set restart_on_change where a change has to take effect.",
    )


def _busy(trial: Trial) -> Finding:
    if not trial.busy:
        return unknown("busy", *_NOT_TRIED)
    if trial.busy.startswith("refused"):
        advice = "The collection waits for the operation in progress before it sends its own."
        return ok("busy", f"an update while a restart is in progress is {trial.busy}", advice)
    return ok("busy", "an update while a restart is in progress is accepted", "The collection waits all the same.")


def _concurrent(trial: Trial) -> Finding:
    if not trial.rivals:
        return unknown("concurrent_updates", *_NOT_TRIED)
    if trial.rivals == "the last one wins":
        advice = (
            "The collection reads just before it writes, and reports what was lost. Let one job at a time change it."
        )
        return differs("concurrent_updates", "of two updates at once, the last one wins and the other is lost", advice)
    return ok("concurrent_updates", f"of two updates at once, {trial.rivals}")


def _restart(trial: Trial) -> Finding:
    status, counted = trial.restart_shows_status, trial.restart_is_counted
    if status is None:
        return unknown("restart", *_NOT_TRIED)
    if status and counted:
        return ok("restart", "shows in status, and in restart_count or last_restart_at")
    if counted:
        return ok("restart", "shows in restart_count or last_restart_at only", "Waiting goes by these.")
    if status:
        return differs(
            "restart", "shows in status only, and is not counted", "A restart that is over between two looks times out."
        )
    advice = "Restarts time out although they work. Use wait: false, and look at the instance."
    return differs("restart", "does not show at all", advice)


_LISTED = {"no": "not listed", "yes": "still listed", "for a while": "listed for a while"}


def _after_delete(trial: Trial, words: Words) -> Finding:
    if not trial.get_after_delete:
        return unknown("after_delete", *_NOT_TRIED)
    get = "HTTP 404" if trial.get_after_delete == "404" else f"status {words(trial.get_after_delete)}"
    listed = _LISTED.get(trial.listed_after_delete, "whether it is listed was not seen")
    if (get, listed) == ("HTTP 404", "not listed"):
        return ok("after_delete", f"{get}, {listed}")
    return differs(
        "after_delete", f"{get}, {listed}", "It counts as gone, and its slug as free as far as oCore allows."
    )


def _echo(trial: Trial) -> Finding:
    how = echoed(trial)
    if how is None:
        return ok("echo", "neither status messages nor errors quote values of env vars")
    advice = "They are masked in all results, in this form too. Report it to whoever runs oCore."
    return differs("echo", f"status messages or errors quote values of env vars ({how})", advice)
