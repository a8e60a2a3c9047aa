# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a reboot switches back, each on a machine of its own: what is found, and what the kernel says."""

from __future__ import annotations

import pytest
from causes import SWITCHES
from verdicts import assert_finds, assert_kernel_says


@pytest.mark.parametrize("switch", [
    pytest.param(switch, id=switch.name, marks=() if switch.name == "sig_enforce" else pytest.mark.exhaustive)
    for switch in SWITCHES])
def test_a_switch_that_only_a_reboot_undoes_is_found(start, patches, switch):
    guest, play = start(switch.kernel_words)
    guest.put(patches[name] for name in (*switch.needs, *(cause.file for cause in switch.causes)))
    guest.run_with_files(switch.made_by or "true")
    for cause in switch.causes:
        assert_finds(play("patch_check", src=patches[cause.file], report_only=True).result, cause)
        assert_kernel_says(guest, cause)
