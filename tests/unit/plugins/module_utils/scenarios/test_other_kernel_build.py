# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two builds of one kernel release: a patch that was accepted on one is not loaded at a boot of the other."""

import os
import struct

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot, confirm_boot
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V1,
    accept,
    accepted,
    failure,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

OLD_KERNEL, NEW_KERNEL = "0a" * 20, "0b" * 20


def show_kernel_build(kernel, build_id):
    kernel.put("/sys/kernel/notes", struct.pack("=III", 4, 20, 3) + b"GNU\0" + bytes.fromhex(build_id))


@pytest.fixture(autouse=True)
def with_boot_service(systemd):
    """Without it, the drift says that nothing is loaded at boot."""


@pytest.mark.parametrize("shown, code, loads", [
    (OLD_KERNEL, None, 2), (NEW_KERNEL, None, 1), (None, "kernel-build-unknown", 1)])
def test_another_build_of_the_kernel_release_does_not_get_the_patch_at_its_boot(host, apply, shown, code, loads):
    tied = SimulatedPatch("tied", build_id="77" * 20, metadata={"kernel_build_id": OLD_KERNEL})
    show_kernel_build(host, OLD_KERNEL)
    accept(apply, tied)
    reboot(host)
    os.unlink(host.path("/sys/kernel/notes"))
    if shown:
        show_kernel_build(host, shown)
    if code:
        assert failure(lambda: boot(host)).code == code
    else:
        boot(host)
    assert len(host.loads) == loads


def boots_into(host, interface, kernel_build, boot_id):
    """The stack after a boot of this build of the kernel, what the boot says, and the codes of the drift."""
    reboot(host, boot_id)
    show_kernel_build(host, kernel_build)
    told = boot(host)
    return stack(host, interface), told, [found["code"] for found in host_inventory(host)["drift"]]


def test_a_kernel_that_was_built_again_does_not_get_what_was_accepted_on_the_earlier_build(host, interface, apply):
    show_kernel_build(host, OLD_KERNEL)
    accept(apply, V1)
    loaded, told, drift = boots_into(host, interface, NEW_KERNEL, "boot-2")
    assert (loaded, drift) == ([], ["accepted-for-other-kernel-build"])
    assert f"v1 is accepted for kernel {host.release()} with the build-id {OLD_KERNEL}" in told
    # The new build is patched like a new kernel: on trial first, and accepted only then.
    assert apply(V1, trial=60)["patch"]["state"] == "enabled"
    assert (read_ledger(host)["trial"]["name"], accepted(host)) == ("v1", ["v1"])
    accept(apply, V1)
    assert boots_into(host, interface, NEW_KERNEL, "boot-3")[::2] == (["v1"], [])
    assert boots_into(host, interface, OLD_KERNEL, "boot-4")[::2] == ([], ["accepted-for-other-kernel-build"])


def test_the_earlier_build_of_a_kernel_keeps_its_patches_through_a_rollback_of_the_new_one(host, interface, apply):
    show_kernel_build(host, OLD_KERNEL)
    accept(apply, V1)
    boots_into(host, interface, NEW_KERNEL, "boot-2")
    accept(apply, ONE)
    roll_back(host, "original", 3, "reverse")
    assert accepted(host) == ["v1"]
    assert boots_into(host, interface, OLD_KERNEL, "boot-3")[::2] == (["v1"], [])


def test_the_build_of_a_kernel_is_known_once_a_patch_has_run_on_it(host, interface, apply):
    accept(apply, V1)  # the kernel shows no build-id, as if an earlier version had accepted it
    assert boots_into(host, interface, OLD_KERNEL, "boot-2")[::2] == (["v1"], [])
    assert boots_into(host, interface, NEW_KERNEL, "boot-3")[::2] == (["v1"], [])
    confirm_boot(host)
    assert boots_into(host, interface, OLD_KERNEL, "boot-4")[::2] == ([], ["accepted-for-other-kernel-build"])
