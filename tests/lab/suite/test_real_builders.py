# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kpatch-build and klp-build make goes through the same tasks as any other patch.

The patches take long to build: without --builders, only those that were built before are tested.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from built_lab import built_lab
from guest import UNIT
from playbook import Playbooks
from wholeness import assert_whole, codes, states

from tests.lab.builders.fixes import FIX
from tests.lab.builders.session import LABS

V1, V2, BINFMT, READERS, MEMINFO = (
    f"livepatch_{name}" for name in ("cmdline_v1", "cmdline_v2", "binfmt_misc", "readers", "meminfo"))
FIXED = f"livepatch_{FIX.cve.replace('-', '_')}"

STATUS, ENTRY = "/run/binfmt/status", "/run/binfmt/lab"
MOUNT = "mkdir -p /run/binfmt && mount -t binfmt_misc none /run/binfmt"
UNMOUNT = "! mountpoint -q /run/binfmt || umount /run/binfmt; ! test -e /sys/module/binfmt_misc || rmmod binfmt_misc"
REGISTER = "echo :lab:M::lab-magic::/bin/true: >/run/binfmt/register"
READER = "/root/hold_in_fault.py"
HELD = "grep -qs bm_entry_read /proc/$(systemctl show --value -p MainPID reader)/stack"


@pytest.fixture(scope="module", params=LABS)
def lab(request):
    """Machines of the kernel that one of the builders has made patches for."""
    the_lab = LABS[request.param](make=request.config.getoption("--builders"))
    with built_lab(request.config, the_lab, f"{request.param} runs with --kernel {the_lab.kernel.name}"):
        yield the_lab


@pytest.fixture(scope="module")
def patches(lab):
    """The built files by the names of their source patches."""
    return lab.patches


@pytest.fixture(scope="module")
def machines(lab):
    return lab.machines(1)


@pytest.fixture(scope="module")
def playbooks(lab, machines, tmp_path_factory):
    return Playbooks(tmp_path_factory.mktemp("playbooks"), lab.write_inventory(machines))


@pytest.fixture
def without_binfmt(guest):
    """The guest, on which the module binfmt_misc is not loaded, also afterwards."""
    yield guest
    guest.clean()
    guest.run(UNMOUNT)


@pytest.fixture
def reading(without_binfmt):
    """The guest, with a process inside bm_entry_read()."""
    guest = without_binfmt
    guest.machine.push(Path(__file__).with_name("hold_in_fault.py"), READER)
    guest.run(f"{MOUNT} && {REGISTER}")
    guest.run(f"systemd-run --quiet --collect --unit=reader python3 {READER} {ENTRY}")
    guest.wait(HELD)
    yield guest
    guest.run("systemctl kill --signal=KILL reader 2>/dev/null || true")
    guest.wait("! systemctl is-active --quiet reader")


def claimed(result):
    """The functions of a result of patch_verify that are in effect, as {(object, name)}."""
    return {
        (entry["object"], entry["name"]) for entry in result["functions"]
        if entry["claimed"] and entry["in_sysfs"] and entry["ftrace"] and not entry["overridden_by"]}


def test_checked_loaded_and_verified(play, guest, patches, seen):
    check = play("patch_check", src=patches["cmdline-v1"])
    assert (check.code, check.result["compatible"], check.result["forecast"]["replaces"]) == (0, True, []), check.output
    on = play("patch", src=patches["cmdline-v1"])
    assert on.code == 0, on.output
    assert (guest.version(), guest.live_patches()) == ("v1", [V1])
    assert guest.hooked("cmdline_proc_show")
    verify = play("patch_verify", src=patches["cmdline-v1"])
    assert verify.result["verified"] is True, verify.output
    assert claimed(verify.result) == {("vmlinux", "cmdline_proc_show")}
    again = play("patch", src=patches["cmdline-v1"])
    assert (again.result["changed"], again.trips) == (False, ["ssh"])
    assert_whole(guest, play, "patch done")
    seen("a patch for vmlinux", "compatible; loaded; its function is redirected")


def test_what_a_load_replaces_is_known_before(play, guest, patches, seen):
    assert play("patch", src=patches["cmdline-v1"]).code == 0
    check = play("patch_check", src=patches["cmdline-v2"])
    assert check.result["forecast"]["replaces"] == [V1]
    on = play("patch", src=patches["cmdline-v2"])
    assert (on.code, on.result["patch"]["replaces"]) == (0, [V1]), on.output
    assert (guest.version(), guest.live_patches()) == ("v2", [V2])
    assert "VMALLOCCHUNK" in guest.read("/proc/meminfo")
    verify = play("patch_verify", src=patches["cmdline-v2"])
    assert claimed(verify.result) == {("vmlinux", "cmdline_proc_show"), ("vmlinux", "meminfo_proc_show")}
    back = play("patch_rollback")
    assert (back.code, back.result["target"], guest.version()) == (0, [V1], "v1"), back.output
    off = play("patch_rollback", to="original")
    assert (off.code, guest.live_patches(), guest.version()) == (0, [], ""), off.output
    assert_whole(guest, play, "rollback done", "rollback done", "patch done", "patch done")
    seen("v2 over v1, rolled back to v1 and to no live patch", "v2 replaces v1, as forecast; v1 runs again, then none")


def test_a_trial_ends_by_itself(play, guest, patches, seen):
    assert play("patch", src=patches["cmdline-v1"]).code == 0
    on = play("patch", src=patches["cmdline-v2"], trial=5)
    assert (on.code, on.result["patch"]["replaces"]) == (0, [V1]), on.output
    guest.wait_until_back(V2)
    assert (guest.version(), guest.live_patches()) == ("v1", [V1])
    assert_whole(guest, play, "trial done", "patch done", "patch done")
    seen("v1, then v2 on trial and not accepted", "v1 runs again after the trial")


def test_one_that_does_not_replace_is_stacked(play, guest, patches, seen):
    assert play("patch", src=patches["cmdline-v1"]).code == 0
    assert play("patch_check", src=patches["meminfo"]).result["forecast"]["replaces"] == []
    on = play("patch", src=patches["meminfo"])
    assert (on.code, on.result["patch"]["replaces"]) == (0, []), on.output
    assert guest.live_patches() == [V1, MEMINFO]
    assert (guest.version(), "VMALLOCCHUNK" in guest.read("/proc/meminfo")) == ("v1", True)
    assert play("patch_verify").result["patches"] == [V1, MEMINFO]
    assert play("patch", name=MEMINFO, state="absent").code == 0
    assert guest.live_patches() == [V1]
    seen("a patch built without replacement, over v1", "stacked on it, as forecast; removed alone")


def test_accepted_and_loaded_at_boot(start, patches, seen):
    guest, play = start()
    assert play("patch", src=patches["cmdline-v1"], state="accepted").code == 0
    assert play("patch", src=patches["cmdline-v2"], state="accepted").code == 0
    guest.reboot()
    assert (guest.version(), guest.live_patches()) == ("v2", [V2])
    livepatch = assert_whole(guest, play, "boot done", *["accept done", "patch done"] * 2)
    assert (states(livepatch), codes(livepatch["drift"])) == ({V2: "accepted"}, set())
    assert play("patch_verify").result["verified"] is True
    assert guest.run(f"systemctl is-failed {UNIT} || true").strip() == "active"
    seen("v1 and v2 accepted, reboot", "v2 is loaded at boot, and verified")


def test_a_module_that_comes_later(play, without_binfmt, patches, seen):
    guest = without_binfmt
    assert play("patch", src=patches["binfmt-misc"]).result["code"] == "ineffective"
    on = play("patch", src=patches["binfmt-misc"], ignore_findings=["ineffective"])
    assert on.code == 0, on.output
    assert [entry["patched"] for entry in on.result["patch"]["objects"]] == [False]
    guest.run(MOUNT)
    assert guest.read(STATUS) == "enabled and patched\n"
    verify = play("patch_verify", src=patches["binfmt-misc"])
    functions = {("binfmt_misc", "bm_status_read"), ("binfmt_misc", "bm_entry_read")}
    assert (verify.result["verified"], claimed(verify.result)) == (True, functions)
    assert play("patch", name=BINFMT, state="absent").code == 0
    assert guest.read(STATUS) == "enabled\n"
    seen("a patch for a module that is loaded later", "in effect when the module comes, and verified")


def test_a_stalled_load_is_reversed(play, reading, patches, seen):
    outcome = play("patch", src=patches["binfmt-misc"], transition_timeout=5)
    assert (outcome.code, outcome.result["code"]) == (2, "transition-stalled"), outcome.output
    assert [blocker["function"] for blocker in outcome.result["blockers"]] == ["bm_entry_read"]
    assert reading.live_patches() == []
    assert not reading.has_module(BINFMT)
    reading.run("systemctl kill --signal=KILL reader")
    assert play("patch", src=patches["binfmt-misc"]).code == 0
    assert reading.read(STATUS) == "enabled and patched\n"
    seen("a process inside the function of a patch for a module", "the load is reversed and names the process")


def test_callbacks_and_shadow_variables(play, guest, patches, seen):
    guest.run("dmesg --clear")
    on = play("patch", src=patches["readers"])
    assert on.code == 0, on.output
    first, second = (int(guest.version().removeprefix("readers")) for _time in range(2))
    assert second > first > 0
    off = play("patch", name=READERS, state="absent")
    assert off.code == 0, off.output
    said = [line.rpartition(" ")[2] for line in guest.run("dmesg").splitlines() if "lab: p" in line]
    assert said == ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"]
    assert guest.version() == ""
    seen("a patch with callbacks and a shadow variable", "all four callbacks ran; removed without a trace")


def test_the_fix_of_a_real_vulnerability(play, guest, patches, seen):
    guest.run("modprobe nfsd")
    on = play("patch", src=patches[FIX.cve])
    assert on.code == 0, on.output
    assert guest.live_patches() == [FIXED]
    assert guest.hooked("nfsd4_sequence")
    verify = play("patch_verify", src=patches[FIX.cve])
    assert (verify.result["verified"], claimed(verify.result)) == (True, {("nfsd", "nfsd4_sequence")})
    seen(f"the fix of {FIX.cve}, in the module nfsd", "loaded; its function is redirected")
