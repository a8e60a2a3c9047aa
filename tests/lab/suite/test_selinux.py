# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with SELinux enforcing: what loads in a task also loads at the end of a trial and at boot."""

from __future__ import annotations

import pytest
from guest import STORE
from wholeness import assert_whole, codes, states

from tests.lab.selinux import SelinuxLab

LABELS = f"stat --format=%C {STORE}/patches/*/*.ko {STORE}/patches/*.ko 2>/dev/null || true"
DENIED = "dmesg | grep -E 'avc: +denied.*(module_load|kernel-livepatch)' || true"


@pytest.fixture(scope="module")
def lab(request):
    """A lab with SELinux enforcing."""
    with SelinuxLab(request.config.getoption("--kernel")) as the_lab:
        yield the_lab


def test_with_selinux_enforcing_a_patch_is_loaded_at_boot_and_a_trial_ends(start, lab, seen):
    guest, play = start()
    assert guest.run("getenforce").strip() == "Enforcing"
    on = play("patch", src=lab.patches["cmdline_v1"], state="accepted")
    assert on.code == 0, on.output
    assert guest.version() == "v1"
    assert all(":modules_object_t:" in label for label in guest.run(LABELS).split())
    trial = play("patch", src=lab.patches["cmdline_v2"], trial=20)
    assert trial.code == 0, trial.output
    guest.wait_until_back("cmdline_v2")
    assert guest.version() == "v1"
    guest.reboot()
    assert (guest.run("getenforce").strip(), guest.version()) == ("Enforcing", "v1")
    livepatch = assert_whole(guest, play, "boot done", "trial done", "patch done", "accept done", "patch done")
    assert (states(livepatch), codes(livepatch["drift"])) == ({"cmdline_v1": "accepted"}, set())
    assert guest.run(DENIED) == ""
    seen("SELinux enforcing: accepted, a trial that ends, reboot", "loaded in the task, at the trial's end and at boot")
