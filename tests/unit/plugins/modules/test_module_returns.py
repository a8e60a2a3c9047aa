# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_check and patch_watch, and patch_info of a journal and a ledger, return is what their documentation says,
to the last key."""

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import write_watch
from ansible_collections.kernel.livepatch.plugins.modules import patch, patch_check, patch_hook, patch_info, patch_watch
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

RETURN = yaml.safe_load(patch_check.RETURN)
del RETURN["package"]  # only of a file on the host
OLD = SimulatedPatch("old", build_id="22" * 20)
# What a trial's process has seen.
SEEN = {
    "looks": 3, "first": "2026-11-21T09:16:54Z", "last": "2026-11-21T09:17:14Z",
    "health": [{"name": "web", "kind": "command", "ok": 1, "failed": 2, "in_a_row": 2, "message": "It ended."}],
    "calls": [{"object": "vmlinux", "name": "cmdline_proc_show", "sympos": 1, "calls": 3}],
    "findings": [finding("health-check-failed", "web", name="web", message="It ended.")]}
EVERY_TASK_HAS = {"changed", "failed", "msg"}
ALLOWED = {"str": (str,), "bool": (bool,), "int": (int,), "float": (float,), "dict": (dict,), "list": (list,)}


def undocumented(value, documented, where):
    """The keys of a result that the documentation lacks, those it has that are not there, and those of another type."""
    for key in sorted(set(value) ^ set(documented)):
        yield f"{where}{key}"
    for key in set(value) & set(documented):
        entry, inner = documented[key], value[key]
        if inner is not None and not isinstance(inner, ALLOWED[entry["type"]]):
            yield f"{where}{key}: {type(inner).__name__}"
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, dict):
                yield from undocumented(one, entry["contains"], f"{where}{key}.")


def undocumented_info(livepatch, keys):
    """The same for some keys of what patch_info returns."""
    documented = yaml.safe_load(patch_info.RETURN)["livepatch"]["contains"]
    return list(undocumented(
        {key: livepatch[key] for key in keys}, {key: documented[key] for key in keys}, ""))


@pytest.fixture
def lived_in(kernel, run, tmp_path):
    """A host with an enabled patch and a task that is asleep in its function."""
    path = tmp_path / "old.ko"
    path.write_bytes(OLD.image)
    assert run("patch", src="old.ko", offer=OLD.offer(str(path)))[0] == 0
    kernel.put("/proc/1/task/1/stack", "")
    kernel.hold(7)
    kernel.put("/proc/7/task/7/stack", "[<0>] cmdline_proc_show+0x1c/0x30\n")
    return kernel


@pytest.mark.parametrize("report_only", [False, True])
def test_a_result_with_everything_in_it_is_documented(lived_in, run, report_only):
    fix = SimulatedPatch(replace=True, symtab=False)
    result = run("patch_check", src="fix.ko", offer=fix.offer(), report_only=report_only)[1]
    assert result["forecast"]["replaces"] == ["old"]
    assert result["forecast"]["rollback"]["reasons"] and result["forecast"]["sleepers"]
    documented = {key: entry for key, entry in RETURN.items() if key != "code" or not report_only}
    told = {key: value for key, value in result.items() if key not in EVERY_TASK_HAS}
    assert list(undocumented(told, documented, "")) == []


def test_the_trial_of_another_patch_is_told_and_documented(kernel, run, tmp_path):
    path = tmp_path / "old.ko"
    path.write_bytes(OLD.image)
    assert run("patch", src="old.ko", offer=OLD.offer(str(path)), trial=60)[0] == 0
    kernel.sleep(20)
    result = run("patch_check", src="fix.ko", offer=SimulatedPatch().offer(), report_only=True)[1]
    assert (result["patch"]["state"], result["trial"]) == ("absent", {"name": "old", "seconds_left": 40})
    told = {key: value for key, value in result.items() if key not in EVERY_TASK_HAS}
    assert list(undocumented(told, {key: RETURN[key] for key in RETURN if key != "code"}, "")) == []


def test_the_result_of_a_host_without_a_build_is_documented(kernel, run):
    offer = dict(SimulatedPatch(release="5.10.0").offer(), kind="bundle")
    code, result = run("patch_check", src="patches", offer=offer)
    assert (code, result["patch"]["state"]) == (0, "no_build")
    documented = {key: entry for key, entry in RETURN.items() if key != "code"}
    told = {key: value for key, value in result.items() if key not in EVERY_TASK_HAS}
    assert list(undocumented(told, documented, "")) == []


def test_a_journal_and_a_running_change_are_documented(lived_in, run):
    lived_in.hold(7, directions=("disabling",))
    assert run("patch_rollback", to="original")[0] == 1
    who = {"controller_user": "alice", "controller_node": "control1", "user": "deploy", "address": "192.0.2.7"}
    with change_lock(lived_in, {"transaction": "x", "since": "2026-11-21T09:16:53Z", "who": who}):
        livepatch = run("patch_info")[1]["livepatch"]
        busy = run("patch", name="old", state="absent")[1]
    assert busy["holder"] == livepatch["changing"]
    assert [entry["outcome"] for entry in livepatch["journal"]] == ["failed", "done"]
    assert all(livepatch["journal"][0][key] for key in ("before", "patches", "code", "after"))
    assert undocumented_info(livepatch, ("changing", "journal", "journal_unreadable")) == []


def test_a_lease_is_documented_and_the_options_reach_the_job(kernel, run, tmp_path):
    path = tmp_path / "old.ko"
    path.write_bytes(OLD.image)
    offer = OLD.offer(str(path))
    code, loaded = run("patch", src="old.ko", trial=60, via_controller={"offer": offer, "run": "run-1"})
    assert code == 0
    livepatch = run("patch_info")[1]["livepatch"]
    assert livepatch["lease"]["run"] == "run-1"
    assert undocumented_info(livepatch, ("lease",)) == []
    by_another = {"via_controller": {"run": "run-2"}}
    for refused in (run("patch", name="old", state="absent", **by_another), run("patch_rollback", **by_another)):
        assert (refused[0], refused[1]["code"], refused[1]["lease"]) == (1, "host-leased", livepatch["lease"])
    by_another["via_controller"]["offer"] = offer
    assert run("patch", src="old.ko", take_lease=True, trial=60, **by_another)[0] == 0
    assert run("patch_info")[1]["livepatch"]["lease"]["run"] == "run-2"
    assert run("patch_rollback", to=loaded["transaction"], take_lease=True)[0] == 0
    assert run("patch_info")[1]["livepatch"]["lease"] is None


def test_the_mark_of_a_hook_is_documented_in_each_module_that_returns_it(kernel, run):
    begun = run("patch_hook", state="begun", seconds=60, via_controller={"run": "run-1"})[1]
    documented = {key: entry for key, entry in yaml.safe_load(patch_hook.RETURN).items()
                  if key not in ("code", "holder", "lease")}
    told = {key: value for key, value in begun.items() if key not in EVERY_TASK_HAS}
    assert list(undocumented(told, documented, "")) == [] and begun["hook"]["run"] == "run-1"
    livepatch = run("patch_info")[1]["livepatch"]
    assert undocumented_info(livepatch, ("hook",)) == [] and livepatch["hook"] == begun["hook"]
    checked = run("patch_check", src="fix.ko", offer=SimulatedPatch().offer(), report_only=True)[1]
    assert checked["hook"] == begun["hook"]
    assert list(undocumented({"hook": checked["hook"]}, {"hook": RETURN["hook"]}, "")) == []
    assert run("patch_hook", state="ended", via_controller={"run": "run-1"})[1]["hook"] is None


def test_what_the_ledger_tells_is_documented(kernel, run):
    build = {"name": "old", "build_id": OLD.build_id, "sha256": OLD.sha256}
    entry = dict(build, release=kernel.release(), parameters="", transaction="x", since="2026-11-21T09:16:53Z")
    check = {"name": "web", "kind": "command", "what": ["x"], "timeout": 5}
    trial = {
        "transaction": "x", "name": "old", "since": "2026-11-21T09:16:53Z", "seconds": 300, "ends": 310.0,
        "back_to": [dict(build, parameters="", accepted=True)], "baseline": None,
        "watch": {"interval": 10, "failures": 2, "kernel_warnings": True, "health_checks": [check]}}
    kernel.put("/proc/sys/kernel/random/boot_id", "2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11\n")
    write_ledger(kernel, dict(
        empty_ledger(), boot_id="2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11", accepted=[entry],
        quarantined=[dict(build, why="crashed-on-trial", transaction=None, since="2026-11-21T09:16:53Z")],
        trial=trial, failed_watch=dict(
            SEEN, **build, transaction="x", time="2026-11-21T09:16:53Z")))
    write_watch(kernel, dict(SEEN, transaction="x", since=trial["since"], seen=5.0, kernel_log=3))
    livepatch = run("patch_info")[1]["livepatch"]
    keys = ("accepted", "boot", "quarantined", "trial", "failed_watch", "drift")
    assert all(livepatch[key] for key in keys) and livepatch["trial"]["watch"]["health"]
    assert undocumented_info(livepatch, keys) == []


def test_everything_that_is_told_of_a_watched_host_is_documented(lived_in, run, tmp_path):
    fix = SimulatedPatch(replace=True)
    path = tmp_path / "fix.ko"
    path.write_bytes(fix.image)
    loaded = run("patch", src="fix.ko", offer=fix.offer(str(path)), trial=60, on_stall="wait")[1]
    documented = yaml.safe_load(patch.RETURN)["baseline"]["contains"]
    assert list(undocumented(loaded["baseline"], documented, "")) == []
    lived_in.say("BUG: x", priority=3)
    options = {"name": "fix", "baseline": loaded["baseline"], "health_checks": [{"unit": "x"}]}
    held = run("patch_watch", **options)[1]
    assert all(held[key] for key in ("blockers", "trial", "health", "kernel_log", "findings"))
    lived_in.let_go(7)
    lived_in.sleep(5)
    free = run("patch_watch", **options)[1]
    assert free["functions"] and free["verified"] is True
    for result in (held, free):
        told = {key: value for key, value in result.items() if key not in EVERY_TASK_HAS}
        assert list(undocumented(told, yaml.safe_load(patch_watch.RETURN), "")) == []


def test_the_verdict_of_an_acceptance_is_documented(kernel, run, tmp_path):
    fix = SimulatedPatch()
    path = tmp_path / "fix.ko"
    path.write_bytes(fix.image)
    offer = fix.offer(str(path))
    run("patch", src="fix.ko", offer=offer, state="accepted", watch={"health_checks": [{"command": "true"}]})
    result = run("patch", src="fix.ko", state="accepted", via_controller={"offer": offer, "fresh": True})[1]
    assert result["patch"]["state"] == "accepted" and result["watch"]["health"]
    documented = yaml.safe_load(patch.RETURN)["watch"]["contains"]
    assert list(undocumented(result["watch"], documented, "")) == []
