# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which build of an offer is a host's, and what the host asks the controller for."""

import gzip

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
NEXT_RELEASE = SimulatedPatch(release="6.1.0-57-amd64", build_id="57" * 20)
OTHER_ARCH = SimulatedPatch(arch="aarch64", build_id="64" * 20)
SECOND = SimulatedPatch("second", build_id="22" * 20)
STUB_KEYS = ("file", "name", "release", "arch", "sha256", "size", "build_id")


def bundle(*patches, delivered=()):
    builds = [patch.description for patch in patches]
    return {"kind": "bundle", "path": None, "builds": builds, "delivered": dict(delivered), "enclosed": None}


def failure(apply, **options):
    with pytest.raises(LivepatchError) as caught:
        apply(**options)
    return caught.value


def needs(apply, **options):
    with pytest.raises(ControllerRequest) as caught:
        apply(**options)
    return caught.value.request


def test_the_build_of_the_running_kernel_is_chosen(kernel, apply):
    assert needs(apply, offer=bundle(NEXT_RELEASE, OTHER_ARCH, FIX)) == {"file": FIX.sha256}
    assert kernel.loads == []


def test_several_patches_for_one_kernel_need_a_name(apply):
    error = failure(apply, offer=bundle(SECOND, FIX))
    assert error.code == "name-needed"
    assert "for kernel 6.1.0-56-amd64 (fix, second). Choose one with name" in error.message
    assert needs(apply, offer=bundle(SECOND, FIX), name="second") == {"file": SECOND.sha256}


def test_a_name_that_the_bundle_does_not_hold_is_an_error(apply):
    error = failure(apply, offer=bundle(SECOND, FIX), name="fxi")
    assert error.code == "name-not-in-bundle"
    assert "no patch called fxi. Correct name. It holds: fix, second." in error.message


def test_a_file_with_another_name_than_asked_for_is_an_error(apply):
    error = failure(apply, offer=FIX.offer(), name="second")
    assert error.code == "name-differs"
    assert "fix.ko holds the patch fix, not second" in error.message


@pytest.mark.parametrize("name, words", [(None, "no build of any patch"), ("fix", "no build of fix")])
def test_a_host_without_a_build_has_that_state_and_no_failure(kernel, apply, name, words):
    result = apply(offer=bundle(NEXT_RELEASE, OTHER_ARCH), name=name)
    assert (result["changed"], result["blockers"]) == (False, [])
    assert (result["patch"]["name"], result["patch"]["state"]) == (name, "no_build")
    assert [(found["code"], found["level"]) for found in result["findings"]] == [("no-build", "note")]
    assert result["findings"][0]["message"] == (
        f"The bundle has {words} for kernel 6.1.0-56-amd64 on x86_64. It has builds for: 6.1.0-56-amd64 on aarch64, "
        "6.1.0-57-amd64 on x86_64.")
    assert kernel.loads == []


def test_what_goes_away_by_name_needs_no_build(apply):
    apply(FIX)
    result = apply(offer=bundle(NEXT_RELEASE), name="fix", state="absent")
    assert (result["changed"], result["patch"]["state"]) == (True, "absent")


def test_an_empty_bundle_covers_nothing(apply):
    assert apply(offer=bundle())["findings"][0]["message"].endswith("It has builds for: nothing.")


def test_a_stub_of_the_host_s_own_build_is_asked_about(apply):
    stub = dict({key: FIX.description[key] for key in STUB_KEYS}, stub=True)
    offer = dict(bundle(NEXT_RELEASE), builds=[stub, NEXT_RELEASE.description])
    assert needs(apply, offer=offer) == {"description": FIX.sha256}
    apply(FIX)
    assert apply(offer=offer)["changed"] is False


def test_a_file_that_is_kept_is_not_asked_for_again(kernel, apply):
    apply(FIX)
    apply(FIX, state="disabled")
    assert apply(offer=FIX.offer())["patch"]["state"] == "enabled"
    assert kernel.loads == [("fix", ""), ("fix", "")]


def test_a_delivered_file_with_other_bytes_is_not_loaded(kernel, apply, tmp_path):
    delivered = tmp_path / "delivered.ko"
    delivered.write_bytes(SECOND.image)
    error = failure(apply, offer=FIX.offer(str(delivered)))
    assert error.code == "digest-mismatch"
    assert kernel.loads == []
    assert kernel.names("/var/lib/kernel-livepatch/patches") == []


def host_offer(*builds):
    return {"kind": "host", "path": "/srv/vendor.ko.gz", "builds": list(builds), "delivered": {}, "enclosed": None}


def test_a_file_of_the_host_is_read_by_the_controller_and_loaded_from_where_it_is(kernel, apply):
    kernel.put("/srv/vendor.ko.gz", gzip.compress(FIX.image))
    assert needs(apply, offer=host_offer()) == {"reading": {"path": "/srv/vendor.ko.gz", "sha256": FIX.sha256}}
    assert apply(offer=host_offer(FIX.description))["patch"]["state"] == "enabled"
    assert apply(offer=host_offer())["changed"] is False


def test_a_file_of_the_host_that_changed_since_it_was_read_is_read_again(kernel, apply):
    kernel.put("/srv/vendor.ko.gz", gzip.compress(SECOND.image))
    assert needs(apply, offer=host_offer(FIX.description)) == {
        "reading": {"path": "/srv/vendor.ko.gz", "sha256": SECOND.sha256}}
