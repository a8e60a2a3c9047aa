# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of patches as tasks give them, and patterns for names that hold a release."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import (
    module_name,
    name_matches,
    resolve_name,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    accept,
    accepted,
    failure,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

HERE = SimulatedPatch("kpatch_6_1_0_56_fix", build_id="33" * 20, objects={"vmlinux": ["one"]})
OTHER = SimulatedPatch("kpatch_6_1_0_56_net", build_id="44" * 20, objects={"vmlinux": ["other"]})
OLD_KERNEL = SimulatedPatch("kpatch_6_1_0_55_fix", build_id="55" * 20, release="6.1.0-55-amd64")


@pytest.mark.parametrize("text, name", [
    ("fix", "fix"), ("livepatch-cve-2026-1234", "livepatch_cve_2026_1234"), ("a_b.c", "a_b.c"),
    ("kpatch-*-[0-9]", "kpatch_*_[0-9]")])
def test_a_name_as_the_kernel_spells_it(text, name):
    assert module_name(text) == name


@pytest.mark.parametrize("text", ["", "a b", "../etc", "a/b", "."])
def test_an_impossible_name_is_refused(text):
    with pytest.raises(LivepatchError) as caught:
        module_name(text)
    assert caught.value.code == "bad-name"


@pytest.mark.parametrize("wanted, name, fits", [
    ("fix", "fix", True), ("fix", "fix_2", False), ("Fix", "fix", False), ("a-b", "a_b", True), ("a_b", "a-b", True),
    ("kpatch-*-fix", "kpatch_6_1_0_56_fix", True), ("kpatch_*_net", "kpatch_6_1_0_56_fix", False),
    ("fix_[0-9]", "fix_7", True), ("fix_?", "fix_10", False), (None, "any", True)])
def test_a_name_or_a_pattern_fits(wanted, name, fits):
    assert name_matches(wanted, name) is fits


def test_a_pattern_becomes_the_one_name_that_fits():
    assert resolve_name("kpatch_*_fix", ["kpatch_1_fix", "kpatch_1_net"]) == "kpatch_1_fix"
    assert resolve_name("kpatch_*", []) == "kpatch_*"
    assert resolve_name("fix", ["other"]) == "fix"
    error = failure(resolve_name, "kpatch_*", ["kpatch_b", "kpatch_a"])
    assert error.code == "name-ambiguous"
    assert "several patches of this host fit: kpatch_a, kpatch_b." in error.message


def test_a_pattern_chooses_from_a_bundle_whose_names_hold_the_release(apply):
    offer = {"kind": "bundle", "path": None, "delivered": {}, "enclosed": None,
             "builds": [one.description for one in (OLD_KERNEL, HERE, OTHER)]}
    with pytest.raises(ControllerRequest) as caught:
        apply(offer=offer, name="kpatch-*-fix")
    assert caught.value.request == {"file": HERE.sha256}
    assert failure(apply, offer=offer, name="kpatch-*").code == "name-needed"
    error = failure(apply, offer=offer, name="kpatch-*-mm")
    assert (error.code, "called kpatch_*_mm." in error.message) == ("name-not-in-bundle", True)
    assert failure(apply, offer=HERE.offer(), name="livepatch_*").code == "name-differs"


@pytest.mark.parametrize("state", ["disabled", "absent"])
def test_a_pattern_removes_the_one_patch_that_fits(kernel, interface, apply, state):
    apply(HERE)
    apply(OTHER)
    error = failure(apply, name="kpatch-*", state=state)
    assert error.code == "name-ambiguous"
    assert "kpatch_6_1_0_56_fix, kpatch_6_1_0_56_net" in error.message
    assert apply(name="kpatch-*-fix", state=state)["patch"]["name"] == "kpatch_6_1_0_56_fix"
    assert [interface.state(one.name) for one in (HERE, OTHER)] == [state, "enabled"]
    again = apply(name="kpatch-*-fix", state=state)
    assert (again["changed"], again["patch"]["state"]) == (False, state)


def test_a_pattern_that_fits_nothing_is_absent_already(apply):
    result = apply(name="kpatch-*", state="absent")
    assert (result["changed"], result["patch"]["name"], result["patch"]["state"]) == (False, "kpatch_*", "absent")


def test_a_host_without_a_build_needs_no_one_name(apply):
    apply(HERE)
    apply(OTHER)
    offer = {"kind": "bundle", "path": None, "delivered": {}, "enclosed": None, "builds": [OLD_KERNEL.description]}
    result = apply(offer=offer, name="kpatch-*")
    assert (result["patch"]["state"], result["patch"]["name"]) == ("no_build", "kpatch_*")
    assert failure(apply, offer=offer, name="kpatch-*", state="absent").code == "name-ambiguous"
    assert apply(offer=offer, name="kpatch-*-fix", state="absent")["patch"]["name"] == HERE.name


def test_a_pattern_ends_the_acceptance_of_a_patch_that_is_not_loaded(kernel, apply):
    kernel.put(BOOT_ID, "boot-1\n")
    accept(apply, HERE)
    reboot(kernel)
    assert apply(name="kpatch-*-fix", state="absent")["changed"]
    assert accepted(kernel) == []


def test_a_pattern_accepts_the_enabled_patch(kernel, apply):
    apply(HERE)
    apply(name="kpatch-*", state="accepted", fresh=True)
    assert accepted(kernel) == [HERE.name]


def test_a_pattern_verifies_each_patch_that_fits_and_watches_one(kernel, apply):
    apply(HERE)
    apply(OTHER)
    assert verify_host(kernel, None, "kpatch-*")["patches"] == [HERE.name, OTHER.name]
    assert verify_host(kernel, None, "kpatch-*-net")["patches"] == [OTHER.name]
    assert failure(verify_host, kernel, None, "kgraft-*").code == "not-loaded"
    assert watch_host(kernel, "kpatch-*-net", None, [], None)["verified"] is True
    assert failure(watch_host, kernel, "kpatch-*", None, [], None).code == "name-ambiguous"
