# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_check forecasts, beside what then happens; and the findings that take more than one command to cause."""

from __future__ import annotations

import pytest
from causes import EINVAL, EPERM, HOLD, PROBE, STORE, load
from guest import Guest
from verdicts import codes

HITS = "/sys/module/lab_kprobe/parameters/hits"
TARGET_PLACE = "/lib/modules/$(uname -r)/updates"


@pytest.fixture(scope="module")
def files(machines, patches):
    """The files that the tests' commands use, on the first machine."""
    names = (
        "cmdline_v1", "cmdline_v2", "holder_fix", "lab_holder", "lab_kprobe", "lab_target", "needs_module", "states_v1",
        "target_fix")
    Guest(machines[0]).put(patches[name] for name in names)


@pytest.fixture
def check(play, files, patches):
    """Run patch_check for a file of the lab, which does not fail: check("cmdline_v1") -> its result."""
    def check_one(file):
        outcome = play("patch_check", src=patches[file], report_only=True)
        assert outcome.code == 0, outcome.output
        return outcome.result
    return check_one


def reasons(result):
    return {reason["code"]: reason["level"] for reason in result["forecast"]["rollback"]["reasons"]}


def test_a_clean_way_there_and_back(check):
    assert check("cmdline_v1")["forecast"] == {
        "replaces": [], "rollback": {"possible": True, "to": [], "reasons": []}, "sleepers": []}


@pytest.mark.exhaustive
def test_what_would_be_replaced_comes_back_where_the_host_keeps_its_file(check, play, patches, guest):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    result = check("cmdline_v2")
    assert result["forecast"]["replaces"] == ["cmdline_v1"]
    assert result["forecast"]["rollback"]["possible"] is True
    assert result["forecast"]["rollback"]["to"] == ["cmdline_v1"]
    assert reasons(result) == {"rollback-gap": "note"}
    guest.insmod("cmdline_v2")
    guest.wait("test $(cat /sys/kernel/livepatch/cmdline_v2/transition) = 0")
    assert guest.live_patches() == ["cmdline_v2"]


def test_a_patch_loaded_by_hand_cannot_be_restored(check, guest):
    guest.run_with_files(load("cmdline_v1"))
    result = check("cmdline_v2")
    assert result["forecast"]["rollback"]["possible"] is False
    assert reasons(result)["rollback-file-missing"] == "blocker"


@pytest.mark.exhaustive
def test_the_blockers_of_a_rollback_to_an_earlier_patch(check, play, patches):
    assert set(reasons(check("no_exit"))) == {"rollback-not-removable"}
    assert set(reasons(check("side_effects"))) == {"rollback-shadow-variables"}
    assert play("patch", src=patches["cmdline_v2"]).code == 0
    assert set(reasons(check("states_v2"))) == {"rollback-states"}
    assert set(reasons(check("side_effects"))) == {"rollback-shadow-variables", "rollback-callbacks"}


@pytest.mark.exhaustive
def test_a_kprobe_inside_a_patched_function_is_no_longer_hit_and_one_at_its_entry_is(check, guest, lab):
    # Behind the call of ftrace, and the endbr64 before it.
    inside = 9 if lab.image.configured_with("CONFIG_X86_KERNEL_IBT") else 5
    for offset, warned in ((inside, {"function-probed"}), (0, set())):
        guest.run_with_files(f"{PROBE} offset={offset}")
        guest.read("/proc/cmdline")
        before = int(guest.read(HITS))
        assert before > 0
        assert codes(check("cmdline_v1"), "warning") == warned
        guest.run_with_files(load("cmdline_v1"))
        after_load = int(guest.read(HITS))
        guest.read("/proc/cmdline")
        assert (int(guest.read(HITS)) > after_load) is not bool(warned)
        guest.clean()


def test_a_task_that_would_hold_the_transition_does(check, guest):
    guest.run_with_files(HOLD)
    sleeper, = check("holder_fix")["forecast"]["sleepers"]
    assert (sleeper["comm"], sleeper["kthread"], sleeper["function"]) == ("lab_holder", True, "lab_hold")
    guest.insmod("holder_fix")
    guest.wait(f"test $(cat /proc/{sleeper['pid']}/patch_state) = 0 -a $(cat /proc/$$/patch_state) = 1")
    assert guest.read("/sys/kernel/livepatch/holder_fix/transition") == "1\n"
    guest.run("echo 1 >/sys/module/lab_holder/parameters/release")
    guest.wait("test $(cat /sys/kernel/livepatch/holder_fix/transition) = 0")


@pytest.mark.exhaustive
def test_states_are_compared_with_those_of_a_patch_whose_file_is_kept(check, play, patches, guest):
    assert play("patch", src=patches["states_v2"]).code == 0
    assert codes(check("states_v1"), "blocker") == {"older-version", "states-incompatible"}
    verdict = guest.insmod("states_v1")
    assert verdict.says == EINVAL
    assert "is not compatible with the already installed livepatches" in verdict.log


@pytest.mark.exhaustive
def test_dropping_functions_of_an_own_patch_is_a_warning(check, play, patches, guest):
    guest.run_with_files("insmod $FILES/lab_target.ko")
    assert play("patch", src=patches["target_fix"]).code == 0
    assert guest.read("/proc/lab_target") == "fixed\n"
    result = check("cmdline_v2")
    assert codes(result, "blocker") == set()
    assert codes(result, "warning") == {"functions-dropped"}
    guest.insmod("cmdline_v2")
    guest.wait("test $(cat /sys/kernel/livepatch/cmdline_v2/transition) = 0")
    assert guest.read("/proc/lab_target") == "original\n"


def test_a_dependency_that_is_loaded_is_no_finding_any_more(check, guest):
    guest.run("modprobe cordic")
    try:
        assert codes(check("needs_module"), "blocker", "warning") == set()
        guest.run_with_files(load("needs_module"))
        assert guest.read("/proc/cmdline") == "cordic 0\n"
        guest.clean()
    finally:
        guest.run("rmmod cordic")


def test_without_the_right_to_load_there_is_no_other_blocker(play, files, patches, guest):
    outcome = play(
        "patch_check", src=patches["cmdline_v1"], report_only=True,
        play_keywords={"vars": {"ansible_user": "operator"}})
    assert codes(outcome.result, "blocker") == {"not-permitted"}
    guest.run_with_files("install -m 644 $FILES/cmdline_v1.ko /tmp")
    refused = guest.machine.ssh("/sbin/insmod /tmp/cmdline_v1.ko", user="operator", check=False)
    assert EPERM in refused.stderr


def test_another_tool_is_named_from_its_files_alone(check, guest):
    """The files are made up and empty: kpatch itself is not on the machine."""
    unit, modules = "/etc/systemd/system/kpatch.service", "/var/lib/kpatch"
    link = "/etc/systemd/system/multi-user.target.wants/kpatch.service"
    guest.run(f"mkdir -p $(dirname {link}) {modules}/$(uname -r)"
              f" && touch {unit} {modules}/$(uname -r)/theirs.ko && ln -sf {unit} {link}")
    try:
        assert "other-tool-active" in codes(check("cmdline_v1"), "warning")
    finally:
        guest.run(f"rm -r {link} {unit} {modules}")
    assert "other-tool-active" not in codes(check("cmdline_v1"), "warning")


@pytest.mark.exhaustive
def test_a_module_on_the_disk_is_read_before_the_kernel_refuses_it(start, patches):
    guest, play = start()
    guest.put(patches[name] for name in ("lab_target", "target_fix", "target_misfit"))
    guest.run_with_files(f"mkdir {TARGET_PLACE} && cp $FILES/lab_target.ko {TARGET_PLACE} && depmod")
    good = play("patch_check", src=patches["target_fix"])
    assert codes(good.result, "blocker", "warning") == {"ineffective", "object-out-of-tree"}, good.output
    bad = play("patch_check", src=patches["target_misfit"])
    assert bad.code == 2
    assert codes(bad.result, "blocker") == {"object-would-be-refused", "ineffective"}
    guest.run_with_files(load("target_misfit"))
    refused = guest.machine.ssh("modprobe lab_target", check=False)
    assert "Invalid argument" in refused.stderr
    assert "refusing to load module 'lab_target'" in guest.run("dmesg")
    assert guest.run(f"ls -A {STORE} 2>/dev/null || true") == ""
