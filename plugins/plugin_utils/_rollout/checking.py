# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The first step of a rollout: everything that can be refused before any host is contacted."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Iterable

from ansible import constants

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.builds import read_builds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import require_signature
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.host_variables import HostVariables
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.inventory import check_inventory
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import Shard
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import check_report_dir
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import Call, check_task, play_facts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.hooks import check_hooks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.interactive import refuse_slice
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import NAMES, Options, rollout_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.schedule import largest_wave, rollout_bounds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.shards import ShardFiles
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import write_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import plan_waves
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    to_plain,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import number_of

# For the role apply: all hosts at once, and no host stops another.
ALONE = {
    "livepatch_waves": "100%", "livepatch_failure_budget": "100%", "livepatch_on_breach": "hold",
    "livepatch_approve": "", "livepatch_approved": "", "livepatch_interactive": "",
    "livepatch_longest_trial": "", "livepatch_halt_file": "", "livepatch_shard": "", "livepatch_shard_dir": "",
    "livepatch_shard_timeout": ""}


def check(call: Call) -> dict[str, t.Any]:
    """Read the variables, and validate them, the patch and the report directory before any host is contacted.

    Later steps read no variable of the user: a host that has answered can override it by its facts.
    """
    hosts = HostVariables(call.variables)
    hosts.check()
    if not call.alone:
        refuse_slice(call.variables)
    values = to_plain({**call.given, **(ALONE if call.alone else {})})
    unread = check_inventory(call.unread(), Values(values))
    options = rollout_options(values)
    hosts.check_same(NAMES)
    require_signature(options.require_signature, run_cache())  # of every file that this run reads
    src = call.find(options.src)
    size = max(build["size"] for build in read_builds(src, options.name, options.version))
    groups = call.variables["groups"]
    if not call.alone:
        _check_localhost(groups.get("all", ()))
    if options.shard:
        _check_share(options.shard, len(call.variables["ansible_play_hosts_all"]), len(groups.get("all", ())))
    plan_waves(options.waves, {}, groups.get, list(groups))  # whether there are such groups
    _check_task_files(call, options)
    check_hooks(options, call.directory)
    if options.report_dir:
        check_report_dir(options.report_dir)
    forks = int(call.variables.get("ansible_forks") or 5)
    if not call.alone:
        largest_wave(options, forks, size)  # whether any wave has so short a trial
    read = {"values": values, "src": str(src), "alone": call.alone, "forks": forks, "size": size, "unread": unread}
    write_options(read, call.directory)
    if options.shard:
        ShardFiles(str(options.shard_dir), options.shard).claim()  # at last: a refused run uses no directory up
    return {
        "check_task": check_task(str(src), options.name, options.version), "timeouts": rollout_bounds(options, size),
        "ansible_facts": play_facts()}


def _check_share(shard: Shard, hosts: int, of: int) -> None:
    """Refuse a shard that was not known when Ansible chose the hosts of the run."""
    if of and hosts > math.ceil(of / shard.of):
        raise bad_option(
            "shard", f"is '{shard}', but this run has {hosts} of {number_of(of, 'host')}",
            "set it as an extra variable, with -e: Ansible chooses the hosts before it knows variables of groups")


def _check_task_files(call: Call, options: Options) -> None:
    own = [one["tasks"] for one in options.health_checks if "tasks" in one]
    for name, paths in (("health_checks", own), ("before", options.before), ("after", options.after)):
        for path in paths:
            call.check_tasks(path, name)


def _check_localhost(hosts: Iterable[str]) -> None:
    """Refuse an inventory with another host as localhost: later plays find the plan on localhost."""
    taken = sorted(set(constants.LOCALHOST).intersection(hosts))
    if taken and "localhost" not in taken:
        raise TaskError(
            "no-localhost",
            f"The inventory has {taken[0]} but no localhost, so later plays would not find the plan. Rename the host "
            f"and set ansible_host: {taken[0]}, or add localhost.")
