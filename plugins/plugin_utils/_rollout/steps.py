# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The steps of a rollout on the controller, one task each, in the order of STEPS.

Each step reads the record, adds the results of the hosts, shows the progress, and returns the input of the next tasks:
their options, and

    load_task, accept_task           the option `via_controller` of the module in these tasks
    end                              whether the play ends here
    over                             whether the hosts of this wave have no task left
    load, watch, accept, rollback    the hosts that are patched, watched, accepted, or rolled back next
    hook                             what the hosts run of the user's tasks around a change, see hooks.py
    turn, phases                     after the load: the hosts that take part in the rest of the wave, and its phases

The input of later plays is a fact of localhost. It is kept small: facts can be cached on disk and are slow to read.

    hosts, sizes    patterns of the hosts to patch, in the order of the waves, and how many of them each wave has; they
                    are hosts_with_hooks if the user has tasks around the change of a host, and hosts_with_phases if
                    waves have phases before the acceptance
    rollback        patterns of the hosts to roll back
    due, after      patterns of the hosts to run livepatch_after on, before the first wave and after the rollback
    verdict         why the rollout was not successful, None after a success
    reporting_host  the host that fails with this verdict, or a pattern that matches none
"""

from __future__ import annotations

import gc
import typing as t
from collections.abc import Callable, Iterable

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import gate, outcomes
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import messages as lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.approval import ask
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.checking import check
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import (
    Call,
    next_tasks,
    phase_files,
    play_facts,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.ending import end, report_so_far
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.hooks import (
    due_hosts,
    has_hooks,
    hosts_to_end,
    judge_hook,
    start_hook,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.planning import plan_rollout
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.schedule import with_final_look
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.shard_steps import (
    stop_for_shard,
    tell_shards,
    wait_for_end,
    wait_for_waves,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import (
    hosts_of_wave,
    open_wave,
    read_record,
    write_record,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.wave_start import (
    fail_outside_window,
    reason_to_wait,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.rollback import judge_rollback

PROGRESS_SECONDS = 60  # seconds
TASKS_SKIPPED = {"failed": True, "msg": "Not all tasks of your files ran."}
# Stands for the wave when there is none: the role apply runs every step also then.
EMPTY_WAVE = {"number": 0, "title": "no hosts", "hosts": [], "approval": False, "state": "passed", "looks": []}


def _open(call: Call) -> dict[str, t.Any]:
    record = read_record(call.directory)
    unfinished = open_wave(record)
    if unfinished:
        return _stop_without_gate(call, record, unfinished)
    wave = next((wave for wave in record["waves"] if wave["state"] == "pending"), dict(EMPTY_WAVE))
    if record["alone"] and not call.check_mode and wave["hosts"] and fail_outside_window(call, record, wave):
        write_record(record, call.directory)
        return next_tasks(record)
    delay = wait_for_waves(call, record, wave)
    if delay and delay.kind == "breach":
        stop_for_shard(call, record, delay)
        write_record(record, call.directory)
        return _end_of_waves(record)
    waits_for, why = (delay.kind, delay.why) if delay else reason_to_wait(call, record, wave, ask)
    if waits_for:
        wave.update(state="waits", waits_for=waits_for, why=why)
        call.say(lines.waiting_line(record, wave))
        write_record(record, call.directory)
        return next_tasks(record, end=True, ansible_facts=play_facts())
    wave.update(state="open", opened=utc_timestamp(call.now()))
    if wave["hosts"]:
        call.say(lines.opening_line(record, wave))
    hosts = {} if record["breach"] or call.check_mode else hosts_of_wave(record, wave)
    turn = [name for name, host in hosts.items() if not host["failure"]]
    hook = start_hook(call, record, "before", turn if has_hooks(record) else [])
    write_record(record, call.directory)
    return next_tasks(record, load=[] if hook["hosts"] else turn, hook=hook)


def _before(call: Call) -> dict[str, t.Any]:
    """Record the results of `livepatch_before`, and load the patch on the hosts without a failure."""
    record = read_record(call.directory)
    wave = open_wave(record)
    if wave is None or not record["hook"]:
        return next_tasks(record, end=_is_stopped(record))
    turn = record["hook"]["hosts"]
    judge_hook(call, record)
    if gate.judge_budget(record, wave["number"]):
        return _close_wave(call, record, wave)
    write_record(record, call.directory)
    return next_tasks(record, load=[name for name in turn if not record["hosts"][name]["failure"]])


def _current_wave(record: Record) -> Record:
    return open_wave(record) or dict(EMPTY_WAVE)


def _is_stopped(record: Record) -> bool:
    """Whether the rollout was stopped. The tasks that are left in its wave do nothing then."""
    return bool(record["breach"]) or any(wave["state"] == "waits" for wave in record["waves"])


def _load(call: Call) -> dict[str, t.Any]:
    record = read_record(call.directory)
    if _is_stopped(record):
        return next_tasks(record, end=True)
    wave = _current_wave(record)
    if not call.check_mode:
        outcomes.record_load(
            record, wave, call.answers("__livepatch_load", wave["hosts"]), call.now(), record["options"]["trial"])
    wave["tick"] = call.tick()
    unwatched = gate.hosts_without_watch(gate.hosts_to_watch(record, wave))
    wave["phases"] = with_final_look(record["phases"]) if unwatched else record["phases"]
    return _continue_wave(call, record, wave)


def _watch(call: Call) -> dict[str, t.Any]:
    record = read_record(call.directory)
    wave = open_wave(record)
    if wave is None:  # stopped, or closed because no host was left
        return next_tasks(record, end=_is_stopped(record))
    phase = wave["phases"][call.phase - 1]
    hosts = gate.hosts_of_phase(record, wave, phase)
    if phase["kind"] == "tasks":
        outcomes.record_user_tasks(hosts, _user_task_failures(call, record, hosts))
    else:
        final = bool(phase.get("final"))
        outcomes.record_watch(hosts, call.answers("__livepatch_watch", hosts), call.now(), final)
        if hosts and not final:
            outcomes.record_look(record, wave, call.now(), call.tick() - wave["tick"])
    return _continue_wave(call, record, wave)


def _user_tasks_run(record: Record, phase: int) -> str:
    """The name of one run of the user's tasks: `phase` is the number of the phase before it."""
    return f"{record['id']} {phase}"


def _user_task_failures(call: Call, record: Record, hosts: Iterable[str]) -> dict[str, t.Any]:
    """The result for each host with a failed or a skipped task of the user."""
    failed, done = call.answers("__livepatch_user_tasks", hosts), call.answers("__livepatch_user_tasks_done", hosts)
    run = _user_tasks_run(record, call.phase - 1)
    return {host: failed[host] or TASKS_SKIPPED for host in hosts if failed[host] or done[host] != run}


def _continue_wave(call: Call, record: Record, wave: Record) -> dict[str, t.Any]:
    if gate.judge_budget(record, wave["number"]):
        return _close_wave(call, record, wave)
    if wave["hosts"] and not call.phase:
        call.say(lines.progress_line(record, wave))
    wave["next"] = call.phase
    write_record(record, call.directory)
    turn = gate.hosts_to_watch(record, wave)
    if not turn:
        return _roll_back_or_close(call, record, wave)
    if not call.phase:
        call.say(lines.trial_line(record, wave, turn.values()))
    _wait(call, record, wave, wave["phases"][wave["next"]]["after"])
    return _next_phase(record, wave)


def _next_phase(record: Record, wave: Record) -> dict[str, t.Any]:
    """The input of the tasks of the phase `next` of a wave."""
    phase = wave["phases"][wave["next"]]
    turn = gate.hosts_to_watch(record, wave)
    accepts = phase["kind"] == "accept"
    return next_tasks(
        record, user_tasks_run=_user_tasks_run(record, wave["next"]), turn=list(turn),
        phases=phase_files(wave["phases"]), unwatched=gate.hosts_without_watch(turn),
        watch=[] if accepts else list(gate.hosts_of_phase(record, wave, phase)),
        accept=gate.hosts_to_accept(record, wave) if accepts else [])


def _wait(call: Call, record: Record, wave: Record, share: float) -> None:
    """Wait until this share of the soak is over, and show the progress meanwhile."""
    end = wave["tick"] + record["options"]["soak"]
    due = wave["tick"] + record["options"]["soak"] * share
    while call.tick() < due:
        call.say(lines.progress_line(record, wave, round(end - call.tick())))
        call.sleep(min(PROGRESS_SECONDS, max(0.1, due - call.tick())))


def _accept(call: Call) -> dict[str, t.Any]:
    record = read_record(call.directory)
    wave = open_wave(record)
    if wave is None:  # stopped, or closed because no host was left
        return next_tasks(record, end=_is_stopped(record))
    if wave["phases"][wave["next"]]["kind"] != "accept":  # no host was asked to accept, because some need a look before
        return _next_phase(record, wave)
    turn = gate.hosts_to_accept(record, wave)
    if gate.hosts_to_watch(record, wave):
        outcomes.record_acceptance(record, wave, call.answers("__livepatch_accept", turn), call.now())
        outcomes.record_look(record, wave, call.now(), call.tick() - wave["tick"])
    return _roll_back_or_close(call, record, wave)


def _roll_back_or_close(call: Call, record: Record, wave: Record) -> dict[str, t.Any]:
    """The wave is over, unless failed hosts have to be rolled back first, or tasks of the user run at its end."""
    breached = gate.judge_budget(record, wave["number"])
    rollback, after = gate.failed_hosts_to_roll_back(record, wave), hosts_to_end(record, wave)
    if breached or not (rollback or after):
        return _close_wave(call, record, wave)
    hook = start_hook(call, record, "after", after)
    write_record(record, call.directory)
    return next_tasks(record, rollback=rollback, hook=hook)


def _close(call: Call) -> dict[str, t.Any]:
    record = read_record(call.directory)
    wave = _current_wave(record)
    _record_rollback(call, record, gate.failed_hosts_to_roll_back(record, wave))
    hook = start_hook(call, record, "after", hosts_to_end(record, wave))
    if not hook["hosts"]:
        return _close_wave(call, record, wave)
    write_record(record, call.directory)
    return next_tasks(record, hook=hook)


def _due(call: Call) -> dict[str, t.Any]:
    """Before the first wave, and after a rollout that was stopped: the hosts whose `livepatch_after` is due."""
    record = read_record(call.directory)
    hook = start_hook(call, record, "after", due_hosts(record))
    write_record(record, call.directory)
    return next_tasks(record, hook=hook)


def _after(call: Call) -> dict[str, t.Any]:
    """Record the results of `livepatch_after`, and close the wave if it was run at the end of one."""
    record = read_record(call.directory)
    judge_hook(call, record)
    wave = open_wave(record)
    if wave:
        gate.judge_after(record, wave["number"])
        return _close_wave(call, record, wave)
    stopped = not record["breach"] and gate.judge_after(record, gate.AT_PLAN)
    write_record(record, call.directory)
    return next_tasks(record, ansible_facts=play_facts()) if stopped else next_tasks(record)


def _close_wave(call: Call, record: Record, wave: Record) -> dict[str, t.Any]:
    passed = gate.close(record, wave, call.now())
    if wave["hosts"]:
        call.say(lines.closing_line(record, wave))
    write_record(record, call.directory)
    if "shard" in record:
        tell_shards(call, record)
        write_record(record, call.directory)
    report_so_far(call, record, wave)
    return next_tasks(record, over=True) if passed else _end_of_waves(record)


def _end_of_waves(record: Record) -> dict[str, t.Any]:
    """After a breach: the later plays roll back, and run what is due of the user's tasks."""
    return next_tasks(record, end=True, ansible_facts=play_facts(
        rollback=gate.hosts_to_roll_back(record), after=due_hosts(record)))


def _stop_without_gate(call: Call, record: Record, wave: Record) -> dict[str, t.Any]:
    kind = record["hook"] and record["hook"]["kind"]
    judge_hook(call, record)
    if kind == "after":
        gate.stop_after_hook(record, wave)
    else:
        gate.stop_without_gate(record, wave)
    return _close_wave(call, record, wave)


def _finish(call: Call) -> dict[str, t.Any]:
    """Stop the rollout if the last wave did not reach its gate, or if another shard has stopped."""
    record = read_record(call.directory)
    unfinished = open_wave(record)
    if unfinished:
        return _stop_without_gate(call, record, unfinished)
    if not wait_for_end(call, record):
        return next_tasks(record)
    write_record(record, call.directory)
    return _end_of_waves(record)


def _rollback(call: Call) -> dict[str, t.Any]:
    record = read_record(call.directory)
    _record_rollback(call, record, gate.hosts_to_roll_back(record))
    write_record(record, call.directory)
    return {"changed": False}


def _record_rollback(call: Call, record: Record, hosts: Iterable[str]) -> None:
    results, proofs = call.answers("__livepatch_rollback", hosts), call.answers("__livepatch_verify", hosts)
    gate.record_rollback(record, {name: judge_rollback(results[name], proofs[name]) for name in hosts}, call.now())


STEPS: dict[str, Callable[[Call], dict[str, t.Any]]] = {
    "check": check, "plan": plan_rollout, "due": _due, "open": _open, "before": _before, "load": _load, "watch": _watch,
    "accept": _accept, "close": _close, "after": _after, "finish": _finish, "rollback": _rollback, "end": end,
}


def take_step(step: str, call: Call) -> dict[str, t.Any]:
    """Take one step, without Python's search for garbage: with a record of many hosts, that takes most of the time."""
    searches = gc.isenabled()
    gc.disable()
    try:
        return STEPS[step](call)
    finally:
        if searches:
            gc.enable()
