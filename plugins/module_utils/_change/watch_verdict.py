# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a host whether the patch on trial may be accepted: its watch must have run, and must have found nothing.

The acceptance looks once more itself, at what can have come since the last look of the trial's process.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import WATCH_FAILED
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, merge
from ansible_collections.kernel.livepatch.plugins.module_utils._health.call_counts import calls_of
from ansible_collections.kernel.livepatch.plugins.module_utils._health.kernel_log import Since, kernel_warnings
from ansible_collections.kernel.livepatch.plugins.module_utils._health.taints import new_taints
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import Systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import (
    ALIVE,
    HUNG,
    MISSING,
    STOPPED,
    trial_process,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    failed_watch_of,
    read_ledger,
    trial_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import read_ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import (
    failure_of,
    read_ended_watch,
    read_watch,
    verdict_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import number_of

LATE_SECONDS = 30  # more than the interval since the last look, for a busy host


def refuse_failed_watch(ledger, build):
    """Raise LivepatchError `watch-failed` if this host has reverted the build; `build` has its digest and build-id."""
    failed = failed_watch_of(ledger, build)
    if failed:
        raise LivepatchError("watch-failed", WATCH_FAILED.format(
            name=failed["name"], time=failed["time"], why=failure_of(failed)), watch=verdict_of(failed))


def await_verdict(host, build):
    """Wait for the verdict on the build's trial, if it is on trial; raises as watch_verdict and refuse_failed_watch.

    Without the lock, because a watch that fails needs it.
    """
    ledger = read_ledger_for_this_boot(host)
    refuse_failed_watch(ledger, build)
    trial = trial_of(ledger, build["name"])
    if trial:
        watch_verdict(host, trial)


def watch_verdict(host, trial, patience=True):
    """The verdict (see watch_record.py) on the trial of a ledger, None for a trial without a watch.

    Waits for the first look, or for a health check that has just failed, with `patience`. Raises LivepatchError
    `watch-failed`, `watch-not-run`, `watch-undecided`, `calls-not-counted`, `too-few-calls`.
    """
    watch = trial["watch"]
    if not watch:
        return None
    timeouts = [check["timeout"] for check in watch["health_checks"]]
    seconds = LATE_SECONDS + max(timeouts, default=0) + (watch["interval"] if timeouts else 0)
    poll_until(host, lambda: _is_decided(host, trial), seconds if patience else 0)
    record = _with_last_look(host, trial, read_watch(host, trial))
    _refuse_failed(trial, record)
    why = _why_unseen(host, trial, record)
    if why:
        raise _not_run(host, trial, record, why)
    failing = _failing(record)
    if failing:
        raise LivepatchError(
            "watch-undecided",
            f"The last result of the health check {failing['name']} was a failure, so {trial['name']} is not accepted. "
            f"It is on trial until its time is over. Run again. The message of the check: {failing['message']}",
            watch=verdict_of(record))
    _refuse_few_calls(host, trial, record)
    return verdict_of(record)


def ended_verdict(host, ledger, build):
    """The verdict on the ended trial of an enabled build, None without one; for a controller that asks again.

    Its first call may have reached this host without the answer, or a person may have accepted the patch meanwhile.
    """
    entry = next((one for one in ledger["loaded"] if same_build(one, build)), None)
    return entry and verdict_of(read_ended_watch(host, entry["transaction"]))


def await_revert(host, trial, seconds):
    """Wait until the host itself has ended this trial, if it reverts now: the watch failed, or the time is over.

    At most `seconds`, and only for as long as its process runs.
    """
    record = read_watch(host, trial)
    if trial["ends"] <= host.now() or (record and blockers_in(record["findings"])):
        poll_until(host, lambda: not _goes_on(host, trial), seconds)


def _goes_on(host, trial):
    if trial_process(host, trial["transaction"])[0] != ALIVE:
        return False
    try:
        now = read_ledger(host)["trial"]
    except (LivepatchError, OSError):  # it is not known any more, so there is nothing to wait for
        return False
    return bool(now) and now["transaction"] == trial["transaction"]


def refuse_failed_trial(host, trial):
    """Raise LivepatchError `watch-failed` if the watch of this trial has failed and the host is about to revert."""
    _refuse_failed(trial, read_watch(host, trial))


def _refuse_failed(trial, record):
    if record and blockers_in(record["findings"]):
        raise LivepatchError(
            "watch-failed",
            f"The watch of {trial['name']} failed, so its trial goes no further, and this host reverts. "
            f"{failure_of(record)}", watch=verdict_of(record))


def _is_decided(host, trial):
    """Whether waiting changes nothing: everything was seen and is well, something has failed, or no process looks."""
    record = read_watch(host, trial)
    process = trial_process(host, trial["transaction"])[0]
    # systemd starts a killed process again, and the process writes a damaged registration again.
    is_gone = process in (STOPPED, HUNG) or (process == MISSING and not Systemd.runs(host))
    if is_gone or (record and blockers_in(record["findings"])):
        return True
    if _why_unseen(host, trial, record) or _failing(record):
        return False
    return not _seldom_called(host, trial, _with_calls(host, trial, record))


def _why_unseen(host, trial, record):
    """Why the watch has not seen this patch until now, as a clause, or None."""
    state = trial_process(host, trial["transaction"])[0]
    if state != ALIVE:
        return f"the process that watches it is {state}"
    if not record or record["seen"] is None:
        return "nothing was looked at since the load"
    if host.now() - record["seen"] > trial["watch"]["interval"] + LATE_SECONDS:
        return f"the last look was at {record['last']}"
    unseen = next((one["name"] for one in record["health"] if one["ok"] + one["failed"] == 0), None)
    return unseen and f"the health check {unseen} has no result yet"


def _seldom_called(host, trial, record):
    """The `calls` of functions in effect with fewer calls than demanded; a function without a count comes first.

    A module that is not loaded has no callers.
    """
    patch = interface_adapter(host).patch(trial["name"]) or {"objects": []}
    present = {entry["name"] for entry in patch["objects"] if entry["patched"]}
    few = [one for one in record["calls"]
           if one["object"] in present and (one["calls"] or 0) < trial["watch"]["min_calls"]]
    return sorted(few, key=lambda one: one["calls"] is not None)


def _refuse_few_calls(host, trial, record):
    few = _seldom_called(host, trial, record)
    if not few:
        return
    first, name, wanted = few[0], trial["name"], trial["watch"]["min_calls"]
    if first["calls"] is None:
        why = next((found["message"] for found in record["findings"] if found["code"] == "calls-not-counted"),
                   "Renew the trial without min_calls.")
        raise LivepatchError(
            "calls-not-counted", f"{name} is not accepted, because the calls of {first['name']} are not counted. {why}",
            watch=verdict_of(record))
    more = f" ({len(few) - 1} more in watch.calls)" if len(few) > 1 else ""
    raise LivepatchError(
        "too-few-calls",
        f"{name} is not accepted, because its {first['name']} was called {number_of(first['calls'], 'time')} during "
        f"the trial, and min_calls is {wanted}{more}. It is on trial until its time is over. Use what the patch "
        "changes, then run again.", watch=verdict_of(record))


def _failing(record):
    return next((one for one in record["health"] if one["in_a_row"]), None)


def _with_calls(host, trial, record):
    """The record with the kernel's counts of now, as far as it still has them."""
    counted = {(one["object"], one["name"], one["sympos"]): one["calls"] for one in record["calls"]}
    return dict(record, calls=[
        one if one["calls"] is not None else dict(one, calls=counted.get((one["object"], one["name"], one["sympos"])))
        for one in calls_of(host, trial)])


def _with_last_look(host, trial, record):
    """The record with what the kernel has said and counted since it was written."""
    record = record and _with_calls(host, trial, record)
    if not record or not trial["watch"]["kernel_warnings"]:
        return record
    baseline = trial["baseline"] or {"kernel_log": None, "uptime": 0, "taints": None}
    number = baseline["kernel_log"] if record["kernel_log"] is None else record["kernel_log"]
    found = kernel_warnings(host, Since(number, baseline["uptime"]))[0]
    if baseline["taints"] is not None:
        found += new_taints(host, trial["name"], baseline["taints"])
    return dict(record, findings=merge(record["findings"], blockers_in(found)))


def _not_run(host, trial, record, why):
    process, pid = trial_process(host, trial["transaction"])
    if process == STOPPED:
        action = f"Continue it with kill -CONT {pid}, then run again"
    elif process == ALIVE:
        action = "Find out why with journalctl -t kernel-livepatch, then run again"
    else:
        action = "Renew the trial with state enabled and trial, or remove the patch"
    return LivepatchError(
        "watch-not-run",
        f"{trial['name']} is not accepted, because {why}. {action}.",
        watch=verdict_of(record))
