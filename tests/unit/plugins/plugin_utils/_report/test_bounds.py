# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host cannot make a summary, an artifact, a record or a page large, nor hide what other hosts returned.

The results here did not pass the action of a module: filters and roles can be given any.
"""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.openvex import openvex
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import (
    preflight_record,
    rollback_record,
    status_record,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.table import csv_text
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import by_code
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import report_record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.preflight import summarize
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.rollback import summarize_rollback
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.status import summarize_status
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    Rollout,
)

MOST_BYTES = 400_000
MANY = 100_000
LONG = "x\x1b" * 5_000_000  # 10 MB


def deep():
    value = []
    for _level in range(10_000):
        value = [value]
    return value


FINDING = {"code": "x", "level": "warning", "subject": "fix", "message": "m"}
BLOCKER = honest("patch")["blockers"][0]
# What a host puts in the place of any key.
VALUES = {
    "findings": [dict(FINDING, message=f"m{number}") for number in range(MANY)],
    "codes": [dict(FINDING, code=f"c{number}", level="blocker") for number in range(MANY)],
    "long findings": [dict(FINDING, code=LONG, message=LONG, subject=LONG)] * 40,
    "blockers": [dict(BLOCKER, comm=f"task{number}") for number in range(MANY)],
    "long blockers": [dict(BLOCKER, comm=LONG)] * 60,
    "names": [{"name": f"n{number}", "state": "enabled", "patched": True, "functions": []} for number in range(MANY)],
    "as many names as possible": [
        {"name": f"{number:03}" + "n" * 125, "state": "enabled", "code": "x"} for number in range(200)],
    "functions": [{"name": "vmlinux", "patched": True, "functions": [
        {"name": f"{number}" + "f" * 500, "sympos": 1} for number in range(MANY)]}],
    "texts": [f"t{number}" for number in range(MANY)],
    "long text": LONG,
    "deep": deep(),
    "cves": [f"{number}" + "c" * 70 for number in range(MANY)],
    "reasons": [{"cve": f"{number}" + "c" * 70, "reason": LONG[:900]} for number in range(MANY)],
    "unverified": [
        {"name": f"n{number}", "cves": [f"{number}-{one}" for one in range(100)], "codes": ["x" * 80] * 100}
        for number in range(300)],
    "patches with CVEs": [
        {"name": f"n{number}", "state": "enabled", "verified": True, "metadata": {
            "cves": [f"{number}-{one}" + "c" * 60 for one in range(500)],
            "not_covered": [{"cve": f"{number}-{one}", "reason": "x" * 900} for one in range(500)]}}
        for number in range(200)],
    "keys": {f"key{number}": number for number in range(MANY)},
}
PLACES = {
    "patch_check": ("findings", "arch", "patch.name", "patch.kernel", "patch.state", "patch.objects", "code", "msg",
                    "forecast.rollback.reasons", "trial"),
    "patch_info": ("livepatch.patches", "livepatch.drift", "livepatch.kernel.release", "livepatch.interface",
                   "livepatch.transition.blockers", "livepatch.transition.name", "livepatch.changing.who",
                   "livepatch.changing.since", "livepatch.quarantined", "livepatch.coverage.cves",
                   "livepatch.coverage.not_covered", "livepatch.coverage.unverified", "livepatch.coverage.expired",
                   "livepatch.coverage.reboot.message", "livepatch.coverage.effective_kernel", "livepatch.trial", "msg",
                   "code"),
    "patch_rollback": ("removed", "restored", "target", "findings", "blockers", "transaction", "msg", "code"),
    "patch_verify": ("functions", "patches", "findings", "msg", "code"),
}


def at(answer, place, value):
    """A copy of a result with this value at this place."""
    key, _dot, rest = place.partition(".")
    return {**answer, key: at(answer.get(key) or {}, rest, value) if rest else value}


def hostile(module):
    for place in PLACES[module]:
        for value in VALUES.values():
            yield at(honest(module), place, value)
            if place in ("msg", "code", "findings"):
                yield at({**honest(module), "failed": True, "msg": "x"}, place, value)


def size(value):
    return len(json.dumps(value))


def test_a_preflight_with_its_artifact_its_record_and_its_page_is_bounded():
    for answer in hostile("patch_check"):
        summary = summarize({"bad": answer, "good": honest("patch_check")})
        assert size(summary) < MOST_BYTES
        assert summary["hosts"] == 2
        record = preflight_record({"bad": answer, "good": honest("patch_check")}, {}, None, {}, 1.0)
        assert size(record) < MOST_BYTES
        assert len(render(record)) < MOST_BYTES


def test_a_status_with_its_artifact_its_record_and_its_page_is_bounded():
    for answer in hostile("patch_info"):
        answers = {"bad": answer, "good": honest("patch_info")}
        assert size(summarize_status(answers, fail_on_drift=True)) < MOST_BYTES
        record = status_record(answers, {}, None, None, {"fail_on_drift": True}, 1.0)
        assert size(record) < MOST_BYTES
        assert len(render(record)) < MOST_BYTES
        assert len(csv_text(record)) < MOST_BYTES
        assert size(openvex(record)) < 2 * MOST_BYTES  # a statement for each of 1,300 CVEs


@pytest.mark.parametrize("module", ["patch_rollback", "patch_verify"])
def test_a_rollback_with_its_artifact_its_record_and_its_page_is_bounded(module):
    for answer in hostile(module):
        answers, proofs = {"bad": honest("patch_rollback")}, {"bad": honest("patch_verify")}
        (answers if module == "patch_rollback" else proofs)["bad"] = answer
        assert size(summarize_rollback(answers, proofs)) < MOST_BYTES
        record = rollback_record(answers, proofs, False, {}, 1.0)
        assert size(record) < MOST_BYTES
        assert len(render(record)) < MOST_BYTES


@pytest.mark.parametrize("step", ["check", "load", "look", "keep", "back", "proof"])
def test_a_rollout_with_its_record_its_lines_and_its_page_is_bounded(step, tmp_path, build_module):
    src = tmp_path / "fix.ko"
    src.write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())
    good = {"check": "patch_check", "load": "patch", "look": "patch_watch", "keep": "patch", "back": "patch_rollback",
            "proof": "patch_verify"}[step]
    for number, name in enumerate(("codes", "long findings", "blockers", "functions", "long text", "deep")):
        value = VALUES[name]
        answer = {**honest(good), **dict.fromkeys(("findings", "blockers", "functions", "health"), value)}
        for bad in (answer, {**answer, "failed": True, "msg": value, "code": value}):
            directory = tmp_path / f"{number}{'failed' in bad}"
            directory.mkdir()
            hosts = {"bad": {step: bad}, "good": {"look": "ill"} if step in ("back", "proof") else {}}
            rollout = Rollout(hosts, directory, src, livepatch_failure_budget="100%")
            record = rollout.run()
            assert size(report_record(record)) < MOST_BYTES
            assert size(rollout.said) < MOST_BYTES
            assert len(render(report_record(record))) < MOST_BYTES


def test_one_host_does_not_hide_the_codes_and_the_messages_of_another():
    groups = by_code({
        "bad": VALUES["codes"] + [dict(FINDING, message=f"{number}") for number in range(MANY)],
        "good": [dict(FINDING, message="mine"), dict(FINDING, code="y", level="note")]})
    found = {(group["code"], group["level"]): group for group in groups}
    assert found["x", "warning"]["messages"][-1] == "mine" and found["x", "warning"]["hosts"][-1] == "good"
    assert found["y", "note"]["hosts"] == ["good"]
    assert found["findings-left-out", "warning"]["hosts"] == ["bad"]
    assert len(groups) == 33  # 30 codes of the bad host, the group of its others, and two of the good one
