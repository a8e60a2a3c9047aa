# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job shows: its events, in the private data directory of the real ansible-runner. The hosts are simulated."""

from __future__ import annotations

from collections import Counter

import pytest

HOSTS = {f"web{number}": {} for number in range(1, 7)}
# A run of a task on a host begins and ends with an event; an item of a loop has one.
OF_HOST = ("runner_on_start", "runner_on_ok", "runner_item_on_ok")


def own(events):
    """The events of each host, without those of tasks that the controller runs for all hosts."""
    delegated = {
        event["event_data"]["task_uuid"] for event in events
        if event["event"] == "runner_on_ok" and "-> localhost" in event["stdout"]}
    of_hosts = (event for event in events if event["event"] in OF_HOST)
    return [event for event in of_hosts if event["event_data"]["task_uuid"] not in delegated]


# AWX keeps each event in a database, and a person scrolls past each line. The first host of a wave has more events: it
# runs includes for all others.
@pytest.mark.parametrize(("looks", "most_events", "most_lines"), [("", 10, 3), ("1", 16, 4)])
def test_a_host_of_a_clean_rollout_has_few_events_and_no_task_is_skipped(job, looks, most_events, most_lines):
    ended = job(HOSTS, livepatch_looks=looks).run("rollout.yml")
    assert ended.code == 0, ended.output
    assert "skipping: [" not in ended.output and "skipped" not in ended.output.replace("skipped=0", "")
    assert {event["event"] for event in ended.events} - set(OF_HOST) == {
        "verbose", "playbook_on_start", "playbook_on_play_start", "playbook_on_task_start", "playbook_on_include",
        "playbook_on_no_hosts_matched", "playbook_on_stats"}
    counts = Counter(event["event_data"]["host"] for event in own(ended.events))
    lines = Counter(
        event["event_data"]["host"] for event in own(ended.events)
        if event["event"] == "runner_on_ok" and event["stdout"])
    assert set(lines) == set(counts) == set(HOSTS)
    assert max(counts.values()) <= most_events and max(lines.values()) <= most_lines, (counts, lines)


def test_the_lines_of_a_rollout_are_whole_and_in_order(job):
    ended = job(HOSTS).run("rollout.yml")
    said = [line for event in ended.events if event["event"] == "verbose" for line in event["stdout"].splitlines()]
    shown = [line for line in ended.output.splitlines() if line.startswith("==> ")]
    assert said == shown
    assert [line for line in shown if "passed" in line] == [
        "==> wave 1 of 2 passed: 1 accepted", "==> wave 2 of 2 passed: 5 accepted"]
