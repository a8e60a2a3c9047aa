# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What a rollout leaves: its reports, its artifact, and its errors."""

from __future__ import annotations

import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record, failed_hosts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import write_report
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import gate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import messages as lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import Call, play_facts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.shard_steps import tell_shards
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import (
    read_record,
    report_record,
    write_record,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

REPORTS = 20  # during a rollout, since each costs time for the whole fleet, and a large fleet has many waves


def report_so_far(call: Call, record: Record, wave: Record) -> None:
    """Write a report after each wave, but not more than REPORTS and one: a killed run leaves no artifact."""
    after = sum(len(one["hosts"]) for one in record["waves"] if one["closed"])
    before, share = after - len(wave["hosts"]), len(record["hosts"]) / REPORTS
    due = record["breach"] or not before or before // share < after // share
    if record["options"]["report_dir"] and due:
        try:
            write_report(report_record(record), record["options"]["report_dir"])
        except (OSError, TaskError) as error:  # a report must not end the rollout
            call.say(f"no report for now: {error}")


def end(call: Call) -> dict[str, t.Any]:
    """The last step: the summary, the record, the artifact, and what fails which host."""
    record = read_record(call.directory)
    gate.end(record, call.now())
    record["lines"] = lines.end_lines(record)
    write_record(record, call.directory)
    verdict = None if record["ok"] else lines.verdict_sentence(record)
    if "shard" in record:
        tell_shards(call, record, verdict or record["lines"][-1])
    return {
        "lines": record["lines"], "record": report_record(record), "artifact": _artifact(record),
        "problems": lines.problems(record), "verdict": verdict, "report_dir": record["options"]["report_dir"],
        "ansible_facts": play_facts(verdict=verdict, reporting_host=_reporting_host(call, record))}


def _reporting_host(call: Call, record: Record) -> str:
    """The host that fails for the rollout: with --limit, Ansible skips plays on localhost."""
    if not call.limited:
        return "localhost"
    fine = [name for name, host in record["hosts"].items() if not host["failure"]]
    return next((name for name in fine if record["hosts"][name]["state"] == "pending"), (fine or ["localhost"])[0])


def _artifact(record: Record) -> dict[str, t.Any]:
    """The artifact for later jobs: about 100 bytes for each host."""
    return {
        **{key: record[key] for key in ("id", "started", "ended", "outcome", "ok", "counts", "failures", "breach")},
        "waves": [
            {**{key: wave[key] for key in ("number", "title", "state")}, "hosts": len(wave["hosts"])}
            for wave in record["waves"]],
        "hosts": {
            name: {"state": host["state"], "wave": host["wave"],
                   "failure": host["failure"] and (host["failure"]["code"] or host["failure"]["message"])}
            for name, host in record["hosts"].items()},
        "failed": failed_hosts(record),
    }
