# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The second step of a rollout: the plan, from the results of all hosts and, with shards, from those of all shards."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.builds import read_builds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.operator import operator
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.inventory import partial_note
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record, new_record, patches_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import gate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import messages as lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.approval import (
    check_wave_names,
    mark_approvals,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import (
    CHECK,
    Call,
    next_tasks,
    play_facts,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.hooks import (
    due_hosts,
    has_hooks,
    hook_notes,
    hooks_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import Options, rollout_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.plan import (
    describe_hosts,
    number_with_build,
    plan,
    play_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.schedule import (
    largest_wave,
    number_of_looks,
    rollout_bounds,
    trial_seconds,
    wave_phases,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.shard_steps import (
    agree_on_plan,
    gather_shards,
    leave_shards,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.shards import share_of_budget
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import read_options, write_record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.wave_start import start_notes
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError


def plan_rollout(call: Call) -> dict[str, t.Any]:
    """The step `plan`. Its errors are errors of this shard, so the other shards need not wait for it."""
    read = read_options(call.directory)
    options = rollout_options(read["values"])
    try:
        return _plan(call, read, options)
    except TaskError as error:
        leave_shards(options, error.message)
        raise


def _plan(call: Call, read: Record, options: Options) -> dict[str, t.Any]:
    src = Path(read["src"])
    record = new_record(
        dict(options.as_record(), src=str(src)), patches_of(read_builds(src, options.name, options.version)),
        operator(), call.check_mode, call.now())
    record["alone"] = read["alone"]
    hosts = call.variables["ansible_play_batch" if record["alone"] else "ansible_play_hosts_all"]
    queried = set(call.variables["ansible_play_hosts"])
    hostvars = dict(call.host_variables(hosts))
    answers = {
        host: hostvars[host].get(CHECK) or {} if host in queried and host in hostvars else {}
        for host in hosts}
    record.update(hooks=hooks_of(options, read["forks"]), hook=None, hook_runs=0)
    describe_hosts(record, options, answers, call.now())
    elsewhere = gather_shards(call, record, options, answers, read["forks"])
    if options.limits or options.cohort_by:  # of these alone, the plan needs variables of other hosts
        hostvars.update(call.host_variables(host for host in elsewhere.shard_of if host not in hostvars))
    forks = elsewhere.forks or read["forks"]

    def largest(covered: int) -> int | None:
        tolerant = options.failure_budget.allowed(covered) > 0
        return None if record["alone"] else largest_wave(options, forks, read["size"], tolerant)
    waves = plan(record, options, answers, hostvars, call.variables["groups"], largest, elsewhere)
    covered = number_with_build(record) + elsewhere.covered
    names, sizes = _complete(call, record, read, options, covered)
    stopped = gate.judge_budget(record, gate.AT_PLAN)
    call.say(*lines.plan_lines(record))
    if record["waves"] and not stopped:
        check_wave_names(options.approve, record["waves"])
    stopped = not agree_on_plan(call, record, waves)
    write_record(record, call.directory)
    if stopped or call.check_mode:
        names, sizes = [], []
    return next_tasks(record, ansible_facts=play_facts(
        names, sizes, play=_play_of_waves(record), due=due_hosts(record)))


def _complete(
        call: Call, record: Record, read: Record, options: Options, covered: int) -> tuple[list[str], list[int]]:
    """Fill in what follows from the waves; returns the hosts to patch and the size of each wave."""
    # With passwords, unlike the record's options: those are in reports.
    record["checks"] = list(options.health_checks)
    record["timeouts"] = rollout_bounds(options, read["size"])
    record["phases"] = wave_phases(options)
    record["options"].update(
        options.as_record(covered), src=read["src"], asked_trial=options.trial, looks=number_of_looks(options),
        report_dir=options.report_dir)
    if options.shard:
        fleet = record["options"]["budget"]["hosts"]
        record["options"]["budget"]["hosts"] = share_of_budget(fleet, options.shard)
        record["notes"] += lines.shard_notes(record, covered, fleet)
    names, sizes = play_of(record)
    record["options"]["trial"], record["trial_raised"] = trial_seconds(
        options, sizes, read["forks"], read["size"], options.failure_budget.allowed(covered) > 0)
    mark_approvals(record["waves"], options.approve, options.approved)
    record["notes"] += [partial_note(read["unread"])] if read["unread"] else []
    record["notes"] += hook_notes(record)
    record["notes"] += start_notes(record, options.window, call.now())
    return names, sizes


def _play_of_waves(record: Record) -> str:
    """The fact with the hosts to patch. In the play of `hosts`, only the acceptance follows the load."""
    if has_hooks(record):
        return "hosts_with_hooks"
    untried = any(host["untried"] and not host["done"] for host in record["hosts"].values())
    final_look = untried or record["options"]["on_stall"] == "wait"
    return "hosts_with_phases" if final_look or len(record["phases"]) > 1 else "hosts"
