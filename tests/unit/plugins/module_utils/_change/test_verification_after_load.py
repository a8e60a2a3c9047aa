# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load that the kernel took and that is not what the file says: it is taken out again."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

UNHOOKED = SimulatedPatch(defect="unhooked")


def failure(apply, patch, **options):
    with pytest.raises(LivepatchError) as caught:
        apply(patch, **options)
    return caught.value


@pytest.mark.parametrize("defect, code", [("unlisted", "function-missing"), ("unhooked", "function-not-hooked")])
def test_a_patch_that_is_not_as_its_file_says_is_taken_out_again(kernel, interface, apply, defect, code):
    error = failure(apply, SimulatedPatch(defect=defect))
    assert error.code == code
    assert error.message.endswith(" The patch was removed again.")
    assert [found["code"] for found in error.details["findings"]] == [code]
    assert (error.details["changed"], error.details["patch"]["state"]) == (False, "absent")
    assert interface.state("fix") == "absent"
    assert not kernel.exists("/sys/module/fix")


def test_a_way_back_that_stalls_is_told_after_what_was_wrong(kernel, interface, apply):
    kernel.hold(7, directions=("disabling",))
    error = failure(apply, UNHOOKED)
    assert error.code == "function-not-hooked"
    assert "The patch could not be removed again. The transition of fix did not end within 3 s" in error.message
    assert (error.details["changed"], interface.state("fix")) == (True, "enabled")


def test_a_way_back_that_is_left_going_is_not_called_done(kernel, interface, apply):
    kernel.hold(7, directions=("disabling",))
    error = failure(apply, UNHOOKED, on_stall="wait")
    assert error.code == "function-not-hooked"
    assert error.message.endswith("Its removal has not ended: it is disabling.")
    assert (error.details["changed"], interface.state("fix")) == (True, "disabling")


def test_a_patch_that_was_enabled_before_the_task_is_not_taken_out(kernel, interface, apply):
    apply(SimulatedPatch())
    kernel.put("/sys/kernel/tracing/enabled_functions", "")
    error = failure(apply, SimulatedPatch())
    assert error.code == "function-not-hooked"
    assert interface.state("fix") == "enabled"


def test_a_function_that_a_later_patch_has_taken_over_is_no_failure(kernel, interface, apply):
    apply(SimulatedPatch())
    apply(SimulatedPatch("later"))
    assert [found["code"] for found in apply(SimulatedPatch())["findings"]] == ["function-overridden"]
    kernel.hold(7, directions=("disabling",))
    apply(name="fix", state="disabled", on_stall="wait")
    kernel.let_go(7)
    result = apply(SimulatedPatch())
    assert (result["patch"]["previous_state"], result["patch"]["state"]) == ("disabling", "enabled")
    assert [found["code"] for found in result["findings"]] == ["function-overridden"]
    assert interface.state("fix") == "enabled"
