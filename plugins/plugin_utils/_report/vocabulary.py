# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The words of reports: for states of hosts, functions and waves, and for the options of a rollout."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from datetime import datetime, timezone

KINDS = ("rollout", "status", "rollback", "preflight")


class StateLabel(t.NamedTuple):
    """How a state is shown: its words, its sign, its tone, and its meaning.

    `tone` is `good`, `calm`, `warn` or `bad`, for its colour only; sign and words say the same without colour.
    """

    words: str
    sign: str
    tone: str
    means: str


_PATCHED = {
    "accepted": StateLabel("accepted", "✓", "good", "the patch runs, and is loaded again at each boot"),
    "enabled": StateLabel("enabled", "✓", "good", "the patch runs until the next boot"),
    "on_trial": StateLabel(
        "on trial", "◔", "warn", "the patch runs, and the host reverts automatically unless it accepts the patch"),
}
_ROLLOUT = {
    **_PATCHED,
    "waiting": StateLabel("in transition", "…", "warn", "tasks hold the transition and still run the old code"),
    "reverting": StateLabel(
        "reverting automatically", "↶", "warn", "the patch is possibly still on trial until the trial ends"),
    "unknown": StateLabel("in an unknown state", "?", "bad", "the host may have changed, and could not be checked"),
    "rolled_back": StateLabel("rolled back", "↩", "calm", "the earlier live patches run again, verified"),
    "unchanged": StateLabel("unchanged", "-", "calm", "nothing was loaded"),
    "pending": StateLabel("not patched", "○", "calm", "nothing was changed"),
    "no_build": StateLabel("without a build", "∅", "calm", "there is no build for the kernel"),
}
# By kind of record, in the order of the counts; a plan is the record of a rollout in check mode.
STATES: Mapping[str, Mapping[str, StateLabel]] = {
    "rollout": _ROLLOUT,
    "plan": {**_ROLLOUT, "pending": StateLabel("to be patched", "○", "calm", "the patch would be loaded")},
    "status": {
        **_PATCHED,
        "in_transition": StateLabel("in transition", "…", "warn", "a patch is being enabled or disabled"),
        "unpatched": StateLabel("no live patch", "○", "calm", "no live patch is in effect"),
        "unsupported": StateLabel(
            "unsupported", "∅", "calm", "the kernel has no interface supported by this collection"),
        "unchecked": StateLabel("query failed", "✗", "bad", "the host returned an error"),
        "unreachable": StateLabel("unreachable", "✗", "bad", "the connection failed"),
        "no_result": StateLabel("without a result", "?", "bad", "skipped, or unreachable in an earlier play"),
    },
    "rollback": {
        "rolled_back": StateLabel("rolled back", "✓", "good", "the requested live patches run, verified"),
        "planned": StateLabel("would be rolled back", "○", "calm", "the earlier live patches would run again"),
        "unchanged": StateLabel("unchanged", "✓", "good", "the requested live patches ran before"),
        "in_transition": StateLabel("in transition", "…", "warn", "a transition is still running"),
        "failed": StateLabel("failed", "✗", "bad", "the requested live patches do not run, or could not be verified"),
        "unreachable": StateLabel("unreachable", "✗", "bad", "the connection failed, before or after the rollback"),
        "no_result": StateLabel("without a result", "?", "bad", "skipped, or unreachable in an earlier play"),
    },
    "preflight": {
        "compatible": StateLabel("compatible", "✓", "good", "nothing blocks the patch, or it is enabled already"),
        "no_build": StateLabel("without a build", "∅", "calm", "there is no build for the kernel"),
        "blocked": StateLabel("blocked", "✗", "bad", "the patch cannot be loaded until the blocker is fixed"),
        "unchecked": StateLabel("not checked", "✗", "bad", "the check returned an error"),
        "unreachable": StateLabel("unreachable", "✗", "bad", "the connection failed"),
        "no_result": StateLabel("without a result", "?", "bad", "skipped, or unreachable in an earlier play"),
    },
}
# States in which it is uncertain what a host runs.
UNCERTAIN_STATES = ("reverting", "unknown", "unchecked", "no_result", "unreachable", "failed")
UNKNOWN_STATE = StateLabel("something else", "?", "bad", "this report does not know the state")

FUNCTIONS: Mapping[str, StateLabel] = {
    "patched": StateLabel("patched", "✓", "good", "runs the patched code"),
    "pending": StateLabel("pending", "…", "warn", "not yet: tasks still run the old code, or the module is not loaded"),
    "unseen": StateLabel("not known", "?", "warn", "was patched at the last check of the host"),
    "overridden": StateLabel("overridden", "≠", "bad", "replaced by a later patch"),
    "absent": StateLabel("not patched", "-", "calm", "runs the original code, or that of an earlier patch"),
}

WAVES: Mapping[str, StateLabel] = {
    "passed": StateLabel("passed", "✓", "good", "the wave passed the gate"),
    "open": StateLabel("open", "…", "warn", "the wave did not reach its gate"),
    "waits": StateLabel("waits", "…", "warn", "for an approval, the window, other hosts or shards, or a halt"),
    "failed": StateLabel("failed", "✗", "bad", "the wave did not pass the gate"),
    "skipped": StateLabel("skipped", "-", "calm", "not started, because the rollout stopped before it"),
    "pending": StateLabel("not started", "○", "calm", "its turn has not come"),
}

STEPS: Mapping[str, str] = {
    "check": "before the load",
    "before": "in livepatch_before",
    "load": "during the load",
    "look": "during the soak",
    "accept": "during the acceptance",
    "back": "during the rollback",
    "after": "in livepatch_after",
}

# Of the options of a rollout, in display order.
OPTIONS: Mapping[str, str] = {
    "src": "Patch or bundle",
    "name": "Which patch",
    "version": "Which version",
    "state": "Requested state",
    "waves": "Waves",
    "limits": "Hosts on trial at once",
    "without_domain": "Hosts without the variable of a limit",
    "window": "When waves may start",
    "halt_file": "File that stops waves",
    "shard": "Shard",
    "cohort_by": "Cohorts split by",
    "budget": "Failure budget",
    "on_breach": "When the budget is exceeded",
    "soak": "Soak of each wave",
    "looks": "Looks in the soak",
    "trial": "Trial",
    "asked_trial": "Requested trial",
    "longest_trial": "Longest trial of a wave",
    "transition_timeout": "Transition timeout",
    "on_stall": "On a stalled transition",
    "health_checks": "Health checks",
    "before": "Tasks before the load",
    "after": "Tasks at the end",
    "hook_timeout": "Timeout of each of these tasks",
    "min_calls": "Calls of each function before the acceptance",
    "approve": "Waves to approve",
    "approved": "Approved in advance",
    "ignore_findings": "Findings ignored",
    "adopt": "Take over from kpatch.service",
    "take_lease": "Take over hosts of another run",
    "partial_inventory": "Without unread inventory sources",
    "params": "Module parameters",
    "report_dir": "Reports",
    "to": "Roll back to",
}
SECONDS = ("soak", "trial", "asked_trial", "longest_trial", "transition_timeout", "hook_timeout")


def state_words(record: Mapping[str, t.Any]) -> Mapping[str, StateLabel]:
    """The states that the hosts of a record can have."""
    return STATES["plan" if record.get("outcome") == "planned" else record["kind"]]


def state_word(record: Mapping[str, t.Any], host: Mapping[str, t.Any]) -> StateLabel:
    return state_words(record).get(str(host.get("state")), UNKNOWN_STATE)


def moment(text: t.Any) -> float | None:
    """A time of a record in seconds since 1970; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def clock(text: t.Any, day: bool = False) -> str | None:
    """A time of a record in UTC for people, optionally with the day."""
    seconds = moment(text)
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC" if day else "%H:%M:%S")


def duration(seconds: t.Any) -> str:
    """A number of seconds for people: 0.42 s, 12 s, 5 min, 1 h 30 min."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds < 1e10:
        return "-"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.2g} s"
    whole = round(seconds)
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2]) or "0 s"
