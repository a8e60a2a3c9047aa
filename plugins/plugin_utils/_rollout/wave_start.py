# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Whether a wave can start: what holds it up, and until when."""

from __future__ import annotations

import calendar
import time
import typing as t
from collections.abc import Callable, Iterator

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record, fail
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import Call
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.halt import halt_reason
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.interactive import (
    read_interactive,
    reason_not_to_ask,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.messages import heading, opening_line
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import hosts_of_wave, read_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.window import (
    Window,
    closed_window,
    parse_window,
    window_notes,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

PAUSE = 60  # seconds
# States of a failed host of an earlier wave that may still have the patch on trial.
MAYBE_ON_TRIAL = ("on_trial", "waiting", "reverting", "unknown")


class Hold(t.NamedTuple):
    """Why a wave cannot start before `until`, in seconds since 1970."""

    until: float
    why: str


def reason_to_wait(
        call: Call, record: Record, wave: Record, ask: Callable[[str], bool | None]) -> tuple[str | None, str | None]:
    """What a wave waits for that does not start in this run, and why: halt, trials, window, approval, or nothing.

    Waits for trials of this rollout itself, and for the answer of a person.
    """
    hold = _wait_for_trials(call, record, wave)
    halted = halt_reason(record["options"]["halt_file"])  # after the wait, which can be long
    if halted:
        return "halt", halted
    if hold:
        return "trials", hold.why
    closed = _closed_window(call)
    if not closed and wave["approval"]:
        refusal = _answer(call, record, ask, f"{opening_line(record, wave)}. Patch them?")
        if refusal:
            return "approval", refusal
        wave["approval"] = False
        closed = _closed_window(call)  # the answer can take hours
        halted = halt_reason(record["options"]["halt_file"])
        if halted:
            return "halt", halted
    return ("window", closed) if closed else (None, None)


def _answer(call: Call, record: Record, ask: Callable[[str], bool | None], question: str) -> str | None:
    """Ask a person, if there is one; returns why the wave is not approved, None if it is."""
    if "shard" in record:
        return "no person is asked for one of several shards"
    interactive = read_interactive(Values(read_options(call.directory)["values"]))
    reason = reason_not_to_ask(interactive, call.variables, call.environment)
    if reason:
        return reason
    answer = ask(question)
    if answer is None:
        return "there is no terminal to ask on"
    return None if answer else "it was not approved"


def start_notes(record: Record, window: Window, now: float) -> list[str]:
    """Notes for the plan: what the first wave waits for, and how far the window goes."""
    pending = [wave for wave in record["waves"] if wave["state"] == "pending"]
    hold = trials_in_the_way(record, pending[0], now) if pending else None
    notes = [f"Wave {pending[0]['number']} waits: {hold.why}."] if hold else []
    halted = halt_reason(record["options"]["halt_file"]) if pending else None
    notes += [f"No wave starts now: {halted}. Remove it to go on."] if halted else []
    return notes + window_notes(window, now, [wave["number"] for wave in pending], record["options"]["soak"])


def fail_outside_window(call: Call, record: Record, wave: Record) -> bool:
    """Without waves: fail every host to patch while the window is closed, and return whether it is."""
    closed = _closed_window(call)
    if closed:
        error = TaskError("outside-window", f"{closed}. Run again then.")
        for host in hosts_of_wave(record, wave).values():
            fail(host, "load", (error.code, error.message), "unchanged")
        wave.update(state="failed", why=closed)
    return bool(closed)


def _closed_window(call: Call) -> str | None:
    return closed_window(parse_window(Values(read_options(call.directory)["values"])), call.now())


def _wait_for_trials(call: Call, record: Record, wave: Record) -> Hold | None:
    """Wait for the trials of other hosts that leave no room for this wave; the Hold if that takes too long.

    Too long is longer than a trial of this rollout: such a trial is not of this rollout.
    """
    hold = trials_in_the_way(record, wave, call.now())
    if not hold or hold.until - call.now() > _longest_trial(record):
        return hold
    end = call.tick() + hold.until - call.now()
    call.say(f"{heading(record, wave)} waits: {hold.why}")
    while call.tick() < end:
        call.sleep(min(PAUSE, max(0.1, end - call.tick())))
    return None


def trials_in_the_way(record: Record, wave: Record, now: float) -> Hold | None:
    """What holds a wave up: a domain has too many other hosts on trial, from lost hosts or from before this run."""
    hosts = hosts_of_wave(record, wave)
    ends: dict[int, list[tuple[float, str]]] = {}
    for name, end in other_trials(record, wave, now):
        for place in record["hosts"][name]["domains"]:
            ends.setdefault(place, []).append((end, name))
    places = {domain["name"]: place for place, domain in enumerate(record["domains"])}
    for trial in record.get("shard", {}).get("trials", ()):  # of hosts of other shards
        for place in (places[name] for name in trial["domains"] if name in places):
            if trial["ends"] > now:
                ends.setdefault(place, []).append((trial["ends"], printable(trial["host"])))
    worst: Hold | None = None
    for place, others in ends.items():
        domain = record["domains"][place]
        mine = sum(place in host["domains"] for host in hosts.values())
        over = len(others) + mine - domain["most"]
        if not mine or over <= 0:
            continue
        others.sort()
        # The wave alone is never over the limit, so this many trials exist.
        until = others[over - 1][0]
        if not worst or until > worst.until:
            names = join_hosts([name for _end, name in others])
            worst = Hold(until, (
                f"{names} of {domain['name']} may still be on trial until {utc_timestamp(until)}, and the limit is "
                f"{domain['most']}"))
    return worst


def other_trials(record: Record, wave: Record, now: float) -> Iterator[tuple[str, float]]:
    """The hosts outside of this wave that are on trial, or may be, each with the end of its trial."""
    for name, host in record["hosts"].items() if record["domains"] else ():
        if not host["domains"] or host["wave"] == wave["number"]:
            continue
        loaded = host["wave"] and record["waves"][host["wave"] - 1]["loaded"]
        end = None if loaded else host["trial_until"]
        if loaded and host["failure"] and host["state"] in MAYBE_ON_TRIAL:
            end = _seconds(host["trial_ends"] or loaded) + (0 if host["trial_ends"] else _longest_trial(record))
        if end and end > now:
            yield name, end


def _longest_trial(record: Record) -> int:
    """Seconds from a load to the end of its trial; an unreachable host may still finish its transition before."""
    return record["options"]["trial"] + 2 * record["options"]["transition_timeout"]


def _seconds(timestamp: str) -> int:
    return calendar.timegm(time.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ"))
