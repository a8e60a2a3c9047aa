# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a simulated host over time: changes, acceptances, reboots and crashes, and what it has then."""

import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch import apply_request
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PatchRequest
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of, running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import assert_fits
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

BOOT_ID = "/proc/sys/kernel/random/boot_id"
MARK = f"{STATE_DIRECTORY}/clean-shutdown"
REQUEST = {
    "offer": None, "name": None, "version": None, "state": "enabled", "timeout": 3, "on_stall": "reverse",
    "ignore_findings": [], "params": {}, "trial": 0, "fresh": False, "adopt": False, "watch": None, "kernel": None}

V1 = SimulatedPatch("v1", build_id="11" * 20, replace=True)  # each of these two replaces all others
V2 = SimulatedPatch("v2", build_id="22" * 20, replace=True)
ONE = SimulatedPatch("one", build_id="33" * 20, objects={"vmlinux": ["one"]})
TWO = SimulatedPatch("two", build_id="44" * 20, objects={"vmlinux": ["other"]})
THREE = SimulatedPatch("three", build_id="55" * 20, objects={"vmlinux": ["function_1"]})


def patch_applier(kernel, directory):
    """apply(patch, state): what the module `patch` does, with a SimulatedPatch's image delivered in `directory`."""
    def apply(patch=None, state="enabled", check_mode=False, controller=None, **options):
        request = dict(REQUEST, state=state)
        if patch:
            delivered = directory / f"{patch.sha256}.ko"
            delivered.write_bytes(patch.image)
            request["offer"] = patch.offer(str(delivered))
        request.update(options)
        try:
            result = apply_request(kernel, PatchRequest(**request), check_mode=check_mode, controller=controller)
        except LivepatchError as error:
            assert_fits("patch", {"failed": True, "msg": error.message, "code": error.code, **error.details})
            raise
        assert_fits("patch", result)
        return result
    return apply


def accept(apply, patch, **options):
    """Both calls of the controller; the second is over a new connection."""
    apply(patch, state="accepted", **options)
    return apply(patch, state="accepted", fresh=True, **options)


def reboot(kernel, boot_id="boot-2", clean=True, release=None):
    """Every patch, every module and all of /run/kernel-livepatch is gone."""
    if clean:
        kernel.put(MARK, kernel.read(BOOT_ID) + "\n")
    kernel.forget_all()
    shutil.rmtree(kernel.path("/run/kernel-livepatch"), ignore_errors=True)
    kernel.put(BOOT_ID, f"{boot_id}\n")
    if release:
        kernel.put("/proc/sys/kernel/osrelease", release)


def stack(kernel, interface):
    """The names of the enabled patches, oldest first."""
    kernel.sleep(1)  # what was replaced is gone by then
    return names_of(running_stack(kernel, interface.patches(), empty_ledger()))


def accepted(kernel):
    return names_of(read_ledger(kernel)["accepted"])


def quarantined(kernel):
    return names_of(read_ledger(kernel)["quarantined"])


def kept_file_path(kernel, patch):
    """Where the host keeps the file of a patch."""
    return kernel.path(f"{STATE_DIRECTORY}/patches/{patch.sha256}.ko")


def delete_kept_file(kernel, patch):
    os.unlink(kept_file_path(kernel, patch))


def failure(call, *arguments, **options):
    with pytest.raises(LivepatchError) as caught:
        call(*arguments, **options)
    return caught.value
