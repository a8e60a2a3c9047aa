# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout does for the whole fleet it does a bounded number of times, however many waves there are."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import ending, wave_start
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.limits import Limit, domains_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import read_record, write_record
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    Rollout,
)


@pytest.fixture
def rollout(build_module, tmp_path):
    def begin(hosts, **more):
        return Rollout(hosts, tmp_path, build_module("source_simple", '-DNAME="fix"'), livepatch_soak=0, **more)
    return begin


@pytest.fixture
def reports(monkeypatch):
    """The number of hosts of the waves that were closed when each report was written."""
    written = []
    monkeypatch.setattr(ending, "write_report", lambda record, directory: written.append(
        sum(len(wave["hosts"]) for wave in record["waves"] if wave["closed"])))
    return written


def test_many_small_waves_have_few_reports(rollout, reports, tmp_path):
    hosts = {f"web{number}": {} for number in range(60)}
    record = rollout(hosts, livepatch_waves="1", livepatch_report_dir=str(tmp_path)).run()
    assert (len(record["waves"]), record["ok"]) == (60, True)
    assert reports == [1, *range(3, 61, 3)]


def test_few_large_waves_have_a_report_each(rollout, reports, tmp_path):
    hosts = {f"web{number}": {} for number in range(60)}
    rollout(hosts, livepatch_waves="canary, 10%, 50%, 100%", livepatch_report_dir=str(tmp_path)).run()
    assert reports == [1, 6, 30, 60]


def test_a_wave_that_fails_has_its_report(rollout, reports, tmp_path):
    hosts = {f"web{number}": {} for number in range(60)}
    order = [wave["hosts"][0] for wave in rollout(hosts, livepatch_waves="1").run()["waves"]]
    rollout(
        {**hosts, order[1]: {"load": "failed"}}, livepatch_waves="1", livepatch_report_dir=str(tmp_path)).run()
    assert reports == [1, 2]


def test_the_record_is_written_by_the_fast_encoder(tmp_path, monkeypatch):
    """json.dump takes ten times as long for the record of 10,000 hosts, which every step writes."""
    monkeypatch.setattr(json.encoder, "_make_iterencode", pytest.fail)
    write_record({"hosts": {}, "counts": {}, "failures": 0}, tmp_path)
    assert read_record(tmp_path)["hosts"] == {}


def test_the_variables_of_a_host_are_read_once_for_all_limits():
    read = []

    class Variables(dict):
        def __getitem__(self, host):
            read.append(host)
            return super().__getitem__(host)
    names = [f"web{number}" for number in range(9)]
    limits = [Limit(name, "1", 1) for name in ("rack", "zone", "cluster")]
    domains_of(limits, names, Variables({name: {} for name in names}), "one_domain")
    assert read == names


def test_only_hosts_that_may_be_on_trial_have_their_times_read(rollout, monkeypatch):
    """The start of a wave looks at each host, and at no time of the waves before."""
    times = []
    seconds = wave_start._seconds
    monkeypatch.setattr(wave_start, "_seconds", lambda text: times.append(text) or seconds(text))
    hosts = {f"web{number}": {"variables": {"rack": "r1"}} for number in range(20)}
    record = rollout(hosts, livepatch_waves="100%", livepatch_limits="rack: 1").run()
    assert (len(record["waves"]), record["ok"], times) == (20, True, [])
