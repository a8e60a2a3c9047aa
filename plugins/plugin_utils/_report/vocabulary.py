# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What reports call things: the states of hosts, functions and waves, and the options of a rollout."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from datetime import datetime, timezone

KINDS = ("rollout", "status", "rollback")


class Word(t.NamedTuple):
    """How a state is shown: in words, as a sign, whether it is good, and what it means.

    `tone` is `good`, `calm`, `warn` or `bad`, for its colour only; sign and words say the same without colour.
    """

    words: str
    sign: str
    tone: str
    means: str


_PATCHED = {
    "accepted": Word("accepted", "✓", "good", "the patch runs, and is loaded again at each boot"),
    "enabled": Word("enabled", "✓", "good", "the patch runs until the next boot"),
    "on_trial": Word("on trial", "◔", "warn", "the patch runs, and the host goes back by itself unless it is accepted"),
}
_ROLLOUT = {
    **_PATCHED,
    "waiting": Word("in transition", "…", "warn", "tasks hold the transition, and run the old code meanwhile"),
    "goes_back": Word("going back by itself", "↶", "warn", "the patch is on trial, or may be, until its trial ends"),
    "unknown": Word("in an unknown state", "?", "bad", "something may have been changed, and nobody could look"),
    "rolled_back": Word("rolled back", "↩", "calm", "what ran before runs again, and that was verified"),
    "unchanged": Word("unchanged", "-", "calm", "nothing was loaded"),
    "pending": Word("not reached", "○", "calm", "nothing was touched"),
    "uncovered": Word("uncovered", "∅", "calm", "there is no build for the kernel"),
}
# By kind of record, in the order in which they are counted; a plan is a rollout of which no more was wanted.
STATES: Mapping[str, Mapping[str, Word]] = {
    "rollout": _ROLLOUT,
    "plan": {**_ROLLOUT, "pending": Word("to be patched", "○", "calm", "the patch would be loaded")},
    "status": {
        **_PATCHED,
        "in_transition": Word("in transition", "…", "warn", "a patch is on its way in or out"),
        "unpatched": Word("no live patch", "○", "calm", "no live patch is in effect"),
        "unsupported": Word("unsupported", "∅", "calm", "the kernel has no interface that this collection drives"),
        "unchecked": Word("could not be asked", "✗", "bad", "the question failed"),
        "lost": Word("lost", "✗", "bad", "there was no connection"),
        "unanswered": Word("no answer", "?", "bad", "not asked, or lost before"),
    },
    "rollback": {
        "rolled_back": Word("rolled back", "✓", "good", "what was to be reached runs, and that was verified"),
        "planned": Word("would go back", "○", "calm", "the live patches of before would run again"),
        "unchanged": Word("unchanged", "✓", "good", "what was to be reached ran before"),
        "left_going": Word("left going", "…", "warn", "a transition goes on"),
        "failed": Word("failed", "✗", "bad", "what was to be reached does not run, or could not be proved"),
        "lost": Word("lost", "✗", "bad", "there was no connection, before or after"),
        "unanswered": Word("no answer", "?", "bad", "its turn did not come, or it was lost before"),
    },
}
# States in which nobody can be sure what a host runs.
UNSURE = ("goes_back", "unknown", "unchecked", "unanswered", "lost", "failed")
UNHEARD = Word("something else", "?", "bad", "this report does not know the state")

FUNCTIONS: Mapping[str, Word] = {
    "patched": Word("patched", "✓", "good", "runs the patched code"),
    "pending": Word("pending", "…", "warn", "not yet: tasks still run the old code, or the module is not loaded"),
    "unseen": Word("not known", "?", "warn", "was patched when the host was last seen"),
    "overridden": Word("overridden", "≠", "bad", "a later patch has taken it over"),
    "absent": Word("not patched", "-", "calm", "runs the original code, or that of an earlier patch"),
}

WAVES: Mapping[str, Word] = {
    "passed": Word("passed", "✓", "good", "it was judged good"),
    "open": Word("open", "…", "warn", "it was not judged"),
    "waits": Word("waits for approval", "…", "warn", "a person has to approve it"),
    "failed": Word("failed", "✗", "bad", "it was judged bad"),
    "skipped": Word("skipped", "-", "calm", "it was never begun, because an earlier wave has failed"),
    "pending": Word("not begun", "○", "calm", "it was never begun"),
}

BREACH: Mapping[str, str] = {
    "rollback_wave": "The hosts of this wave were to be taken back.",
    "rollback_all": "The hosts of this wave and of all earlier ones were to be taken back.",
    "hold": "Every host was to be left as it is.",
}

STEPS: Mapping[str, str] = {
    "check": "before anything was loaded",
    "load": "while it was loaded",
    "look": "while it was watched",
    "accept": "when it was to be accepted",
    "back": "when it was to be taken back",
}

# Of the options of a rollout, in the order in which they are shown.
OPTIONS: Mapping[str, str] = {
    "src": "Patch or bundle",
    "name": "Which patch",
    "state": "Brought to",
    "waves": "Waves",
    "cohort_by": "Cohorts split by",
    "budget": "Failures allowed",
    "on_breach": "On more failures",
    "soak": "Each wave watched for",
    "trial": "Trial",
    "asked_trial": "Trial that was asked for",
    "transition_timeout": "Kernel may take",
    "on_stall": "When it takes longer",
    "health_checks": "Health checks",
    "approve": "Waves to approve",
    "approved": "Approved in advance",
    "ignore_findings": "Findings ignored",
    "params": "Module parameters",
    "report_dir": "Reports",
    "to": "Back to",
}
SECONDS = ("soak", "trial", "asked_trial", "transition_timeout")


def state_words(record: Mapping[str, t.Any]) -> Mapping[str, Word]:
    """The states that the hosts of a record can have."""
    return STATES["plan" if record.get("outcome") == "planned" else record["kind"]]


def state_word(record: Mapping[str, t.Any], host: Mapping[str, t.Any]) -> Word:
    return state_words(record).get(host.get("state"), UNHEARD)


def moment(text: t.Any) -> float | None:
    """A time of a record in seconds since 1970; None for none, and for what is no time."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def clock(text: t.Any, day: bool = False) -> str | None:
    """A time of a record for people, in UTC; with its day if that is wanted."""
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
