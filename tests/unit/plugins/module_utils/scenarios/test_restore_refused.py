# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way back that cannot be gone is refused while what runs still runs, and a trial without one does not begin."""

import errno
import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._engine import restore
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    ONE,
    THREE,
    TWO,
    V1,
    V2,
    accept,
    accepted,
    failure,
    kept_file_path,
    quarantined,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

BAD = SimulatedPatch("x", build_id="a1" * 20, objects={"vmlinux": ["one"]})
MENDED = SimulatedPatch("x", build_id="b2" * 20, objects={"vmlinux": ["one"]})


@pytest.fixture
def host(kernel):
    kernel.put(BOOT_ID, "boot-1\n")
    kernel.systemd = SimulatedSystemd(kernel)
    return kernel


def restart(host, **options):
    reboot(host, **options)
    host.systemd.stop_all()


def damage(path):
    with open(path, "r+b") as stream:
        stream.write(b"#")


def test_a_build_in_quarantine_is_not_loaded_over_a_mended_one_of_its_name(host, apply):
    apply(BAD)
    second = apply(TWO)["transaction"]  # its starting point is the bad one
    restart(host, clean=False)
    boot(host)
    assert quarantined(host) == ["x", "two"]
    apply(MENDED)
    host.loads.clear()
    assert failure(roll_back, host, second, 3, "reverse").code == "quarantined"
    assert host.loads == []


@pytest.mark.parametrize("other_build", [False, True])
def test_what_comes_back_is_checked_whatever_has_its_name_now(host, interface, apply, other_build):
    apply(BAD)
    gone = apply(name="x", state="absent")["transaction"]
    if other_build:
        apply(MENDED)
    running = stack(host, interface)
    host.put("/proc/kallsyms", "0000000000000002 t klp_enable_patch\n")  # `one` is not there any more
    assert failure(roll_back, host, gone, 3, "reverse").code == "symbol-missing"
    assert stack(host, interface) == running


def test_a_damaged_file_is_found_before_anything_is_taken_out(host, interface, apply):
    apply(ONE)
    apply(V2)
    damage(kept_file_path(host, ONE))
    assert failure(roll_back, host, "previous", 3, "reverse").code == "kept-file-damaged"
    assert stack(host, interface) == ["v2"]


def content(host):
    """Each path of this collection's directory, with its mode and bytes."""
    found = {}
    for path, _directories, names in os.walk(host.path(STATE_DIRECTORY)):
        for one in [path, *(os.path.join(path, name) for name in names)]:
            data = None
            if os.path.isfile(one) and not os.path.islink(one):
                with open(one, "rb") as stream:
                    data = stream.read()
            found[one] = (os.lstat(one).st_mode, data)
    return found


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("spoil, code", [
    (damage, "kept-file-damaged"), (lambda path: os.chmod(path, 0o666), "kept-file-damaged"),
    (lambda path: (os.unlink(path), os.symlink("/nothing", path)), "earlier-file-missing kept-file-damaged"),
    (lambda path: (os.unlink(path), os.mkfifo(path)), "kept-file-damaged"),
    (lambda path: os.chmod(os.path.dirname(path), 0o755), "directory-not-private"),
    (lambda path: shutil.rmtree(os.path.dirname(path)), "earlier-file-missing")])
def test_a_refused_rollback_and_check_mode_change_nothing(host, interface, apply, spoil, code, check_mode):
    apply(ONE)
    apply(V2)
    spoil(kept_file_path(host, ONE))
    before = content(host)
    assert failure(roll_back, host, "previous", 3, "reverse", check_mode=check_mode).code in code.split()
    assert (content(host), stack(host, interface)) == (before, ["v2"])


def test_a_trial_whose_way_back_is_damaged_does_not_begin(host, interface, apply):
    apply(ONE)
    damage(kept_file_path(host, ONE))
    error = failure(apply, V2, trial=60)
    assert error.code == "trial-without-rollback" and "is damaged" in error.message
    assert (stack(host, interface), read_ledger(host)["trial"]) == (["one"], None)


def test_forcing_a_trials_transition_in_a_second_run_is_refused_too(host, apply):
    accept(apply, V1)
    host.hold(7)
    assert apply(V2, trial=600, timeout=1, on_stall="wait")["patch"]["state"] == "enabling"
    assert failure(apply, V2, trial=600, timeout=1, on_stall="force").code == "trial-without-rollback"
    host.let_go(7)
    assert apply(V2, trial=600, timeout=9, on_stall="wait")["patch"]["state"] == "enabled"


def test_a_transition_that_is_on_no_trial_can_be_forced_in_a_second_run(host, apply):
    accept(apply, V1)
    host.hold(7)
    assert apply(V2, timeout=1, on_stall="wait")["patch"]["state"] == "enabling"
    assert apply(V2, timeout=1, on_stall="force")["patch"]["state"] == "enabled"


def test_a_way_that_cannot_be_begun_leaves_accepted_what_was(host, interface, apply, monkeypatch):
    apply(V1)
    accept(apply, V2)
    real, looks = restore.evaluate, []

    def evaluate(context):
        looks.append(context)
        if len(looks) > 1:  # the first is before the lock
            raise OSError(errno.EIO, os.strerror(errno.EIO), "/lib/modules")
        return real(context)
    monkeypatch.setattr(restore, "evaluate", evaluate)
    error = failure(roll_back, host, "previous", 3, "reverse")
    assert (error.code, stack(host, interface), accepted(host)) == ("os-error", ["v2"], ["v2"])
    assert error.details["transaction"]


def test_the_way_back_leads_to_the_very_file_that_was_loaded(host, apply):
    """Files of one build differ by a signature, for example."""
    files = [SimulatedPatch("v1", build_id="11" * 20, replace=True, objects={
        "vmlinux": ["cmdline_proc_show", f"function_{number}"]}) for number in range(2)]
    for loaded, other in (files, files[::-1]):
        apply(other)
        apply(name="v1", state="absent")
        accept(apply, loaded)
        apply(V2, trial=60)
        assert [layer["sha256"] for layer in read_ledger(host)["trial"]["back_to"]] == [loaded.sha256]
        apply(name="v2", state="absent")


def test_undoing_a_change_keeps_accepted_what_this_boot_has_not_loaded(host, interface, apply):
    accept(apply, ONE)
    restart(host)
    host.put("/proc/cmdline", "quiet kernel_livepatch=off\n")
    apply(THREE, trial=600)
    roll_back(host, "previous", 3, "reverse")
    assert (stack(host, interface), accepted(host)) == ([], ["one"])
    roll_back(host, "original", 3, "reverse")
    assert accepted(host) == []


def test_undoing_a_change_keeps_the_order_of_what_is_accepted(host, interface, apply):
    accept(apply, ONE)
    accept(apply, TWO)
    restart(host)
    host.hold(7)
    boot(host)  # the first stays on its way, and the second is not loaded
    host.let_go(7)
    host.sleep(5)
    apply(THREE)
    roll_back(host, "previous", 3, "reverse")
    assert (stack(host, interface), accepted(host)) == (["one"], ["one", "two"])


def test_what_was_accepted_by_an_undone_change_is_not_accepted_any_more_though_it_does_not_run(host, apply):
    accept(apply, ONE)
    second = accept(apply, TWO)["transaction"]
    restart(host)
    host.put("/proc/cmdline", "quiet kernel_livepatch=off\n")
    load = next(entry["transaction"] for entry in read_ledger(host)["accepted"] if entry["name"] == "two")
    assert load != second
    roll_back(host, load, 3, "reverse")
    assert accepted(host) == ["one"]
