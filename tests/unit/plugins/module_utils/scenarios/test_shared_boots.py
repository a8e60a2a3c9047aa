# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches that kpatch.service or a package of SUSE loads at each boot, and that are to be accepted; both are simulated.

A boot never loads a patch twice: the other tool's file is set aside, or the patch is not accepted.
"""

import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    TWO,
    V1,
    accept,
    accepted,
    failure,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import (
    load,
    store_file,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

RELEASE = "6.1.0-56-amd64"
KPATCH = f"/var/lib/kpatch/{RELEASE}"
SUSE = (f"/lib/modules/{RELEASE}/livepatch", f"/lib/modules/{RELEASE}/kgraft")
OTHER_BUILD = SimulatedPatch("one", build_id="99" * 20, objects={"vmlinux": ["one"]})


@pytest.fixture
def kpatch(host, systemd):
    """kpatch.service is enabled, and has loaded `one`; returns what it does at a boot."""
    host.put("/etc/systemd/system/multi-user.target.wants/kpatch.service", "")
    host.put(f"{KPATCH}/one.ko", ONE.image)

    def boots():
        for file in host.names(KPATCH):
            if file.endswith(".ko"):
                load(host, next(one for one in (ONE, TWO, V1) if file == f"{one.name}.ko"))
    boots()
    return boots


def is_aside(host):
    (name,) = host.names(KPATCH)
    return name.startswith("one.ko.kernel-livepatch-2026")


def codes(findings):
    return [found["code"] for found in findings]


def drift(host):
    return codes(host_inventory(host)["drift"])


def starts(host, systemd, first=lambda: None, then=lambda: None):
    """The next boot: what other tools do before and after the boot service."""
    reboot(host)
    systemd.stop_all()
    first()
    boot(host)
    then()


def test_a_patch_that_kpatch_loads_at_boot_is_not_accepted_without_being_adopted(host, apply, kpatch):
    for options in ({}, {"check_mode": True}, {"fresh": True}):
        error = failure(apply, ONE, state="accepted", **options)
        assert error.code == "other-tool-loads-at-boot"
        assert f"({KPATCH}/one.ko), and a boot would load" in error.message
        assert "Set adopt to true, so that only this collection" in error.message
        assert "or run kpatch uninstall one.ko" in error.message
    assert (host.names(KPATCH), accepted(host)) == (["one.ko"], [])
    assert apply(ONE)["changed"] is False  # to be enabled is not to be loaded at boot


def test_an_adopted_patch_is_loaded_at_boot_once_and_by_this_collection(host, interface, apply, systemd, kpatch):
    result = accept(apply, ONE, adopt=True)
    assert (codes(result["findings"]), result["patch"]["state"]) == (["adopted"], "accepted")
    assert is_aside(host)
    assert drift(host) == []
    assert apply(ONE, state="accepted", adopt=True)["changed"] is False
    loads = len(host.loads)
    starts(host, systemd, first=kpatch, then=kpatch)
    assert (stack(host, interface), len(host.loads) - loads) == (["one"], 1)


def test_a_rollback_gives_the_file_back(host, interface, apply, systemd, kpatch):
    transaction = accept(apply, ONE, adopt=True)["transaction"]
    result = roll_back(host, transaction, 3, "reverse")
    assert codes(result["findings"]) == ["given-back"]
    assert (host.names(KPATCH), accepted(host)) == (["one.ko"], [])
    starts(host, systemd, first=kpatch)
    assert stack(host, interface) == ["one"]


@pytest.mark.parametrize("how", ["absent", "original"])
def test_a_patch_that_is_removed_is_not_given_back(host, interface, apply, systemd, kpatch, how):
    accept(apply, ONE, adopt=True)
    if how == "absent":
        apply(name="one", state="absent")
    else:
        roll_back(host, "original", 3, "reverse")
    assert is_aside(host)
    starts(host, systemd, first=kpatch)
    assert stack(host, interface) == []


def test_a_newer_file_in_its_place_is_told_and_left(host, apply, kpatch):
    transaction = accept(apply, ONE, adopt=True)["transaction"]
    host.put(f"{KPATCH}/one.ko", "a package has written it")
    assert drift(host) == ["boot-shared"]
    (found,) = roll_back(host, transaction, 3, "reverse")["findings"]
    assert (found["code"], f"to {KPATCH}/one.ko (File exists)" in found["message"]) == ("not-given-back", True)
    assert host.read(f"{KPATCH}/one.ko") == "a package has written it"


def test_an_accepted_patch_that_kpatch_was_given_since_is_adopted_by_the_next_run(host, apply, kpatch):
    accept(apply, ONE, adopt=True)
    host.put(f"{KPATCH}/one.ko", ONE.image)
    assert apply(ONE, state="accepted")["changed"] is False
    check = apply(ONE, state="accepted", adopt=True, check_mode=True)
    assert (check["changed"], "one: boot-shared\n" in check["diff"]["before"]) == (True, True)
    assert codes(accept(apply, ONE, adopt=True)["findings"]) == ["adopted"]
    assert [name for name in host.names(KPATCH) if name.endswith(".ko")] == []


def test_a_patch_that_replaces_those_of_kpatch_takes_their_files_aside(host, interface, apply, systemd, kpatch):
    store_file(host, ONE)  # the end of a trial needs it, as ever
    error = failure(apply, V1, state="accepted", ignore_findings=["replaces-foreign-patch"])
    assert (error.code, stack(host, interface)) == ("other-tool-loads-at-boot", ["one"])
    result = accept(apply, V1, adopt=True, ignore_findings=["replaces-foreign-patch"])
    assert (codes(result["findings"]), is_aside(host)) == (["adopted"], True)
    starts(host, systemd, then=kpatch)
    assert stack(host, interface) == ["v1"]


def test_a_rollback_of_the_patch_that_replaced_it_gives_its_file_back(host, interface, apply, systemd, kpatch):
    store_file(host, ONE)  # a rollback needs it, as ever
    accept(apply, V1, adopt=True, ignore_findings=["replaces-foreign-patch"])
    result = roll_back(host, "previous", 3, "reverse")
    assert codes(result["findings"]) == ["given-back"]
    assert (stack(host, interface), host.names(KPATCH), accepted(host)) == (["one"], ["one.ko"], [])


def test_a_patch_beside_one_of_kpatch_waits_until_that_is_accepted(host, interface, apply, systemd, kpatch):
    error = failure(apply, TWO, state="accepted", adopt=True)
    assert error.code == "other-tool-loads-at-boot"
    assert "Set one to state accepted first, with adopt and this file as src" in error.message
    assert host.names(KPATCH) == ["one.ko"]
    accept(apply, ONE, adopt=True)
    accept(apply, TWO)
    starts(host, systemd, then=kpatch)
    assert stack(host, interface) == ["one", "two"]


def test_whoever_ignores_it_has_a_boot_that_loads_nothing_twice(host, interface, apply, systemd, kpatch):
    accept(apply, ONE, ignore_findings=["other-tool-loads-at-boot"])
    assert (host.names(KPATCH), drift(host)) == (["one.ko"], ["boot-shared"])
    loads = len(host.loads)
    starts(host, systemd, first=kpatch)
    assert (stack(host, interface), len(host.loads) - loads) == (["one"], 1)
    assert drift(host) == ["boot-shared"]


def test_another_build_of_that_name_stays_and_is_told(host, interface, apply, systemd):
    accept(apply, ONE)
    accept(apply, TWO)
    error = failure(starts, host, systemd, first=lambda: load(host, OTHER_BUILD))
    assert error.code == "name-taken-by-other-build"
    assert host.read_bytes("/sys/module/one/notes/.note.gnu.build-id").endswith(bytes.fromhex(OTHER_BUILD.build_id))
    assert stack(host, interface) == ["one", "two"]
    assert drift(host) == ["loaded-by-hand", "other-build-than-accepted"]
    at_boot = host_inventory(host)["journal"][0]
    assert (at_boot["action"], at_boot["outcome"], at_boot["code"]) == ("boot", "failed", "name-taken-by-other-build")


def test_a_file_that_cannot_be_renamed_is_told(host, apply, kpatch, monkeypatch):
    def refuse(path, target):
        if "kpatch" in path:
            raise OSError(30, "Read-only file system")
        return rename(path, target)
    rename = os.rename
    apply(ONE, state="accepted", adopt=True)
    monkeypatch.setattr(os, "rename", refuse)
    error = failure(apply, ONE, state="accepted", adopt=True, fresh=True)
    assert (error.code, "(Read-only file system)" in error.message) == ("not-adopted", True)
    assert (accepted(host), error.details["patch"]["state"]) == (["one"], "accepted")
    assert drift(host) == ["boot-shared"]
    monkeypatch.undo()
    assert accept(apply, ONE, adopt=True)["changed"] is True
    assert drift(host) == []


@pytest.mark.parametrize("directory", SUSE)
def test_what_a_package_of_suse_loads_is_not_taken_from_it(host, apply, systemd, directory):
    host.put(f"{directory}/livepatch-1.ko.zst", "")
    error = failure(apply, ONE, state="accepted", adopt=True)
    assert error.code == "other-tool-loads-at-boot"
    assert f"SUSE live patching loads livepatch_1 at each boot ({directory}/livepatch-1.ko.zst)" in error.message
    assert "Remove the package that owns this file" in error.message
    accept(apply, ONE, ignore_findings=["other-tool-loads-at-boot"])
    assert drift(host) == ["boot-shared"]
    shutil.rmtree(host.path(directory))
    assert drift(host) == []


def test_a_masked_service_loads_nothing(host, apply, kpatch):
    os.symlink("/dev/null", host.path("/etc/systemd/system/kpatch.service"))
    assert accept(apply, ONE)["patch"]["state"] == "accepted"
    assert (host.names(KPATCH), drift(host)) == (["one.ko"], [])


def test_a_service_that_is_not_enabled_loads_nothing(host, apply, kpatch):
    os.unlink(host.path("/etc/systemd/system/multi-user.target.wants/kpatch.service"))
    assert accept(apply, ONE)["patch"]["state"] == "accepted"
    assert (host.names(KPATCH), drift(host)) == (["one.ko"], [])
