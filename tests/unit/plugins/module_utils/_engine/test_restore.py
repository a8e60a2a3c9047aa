# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to the stack of patches that there was before: previous, a transaction's starting point, or none."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    TWO,
    V1,
    V2,
    accept,
    failure,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)


def names(entries):
    return [entry["name"] for entry in entries]


def enabled(kernel, interface):
    kernel.sleep(1)
    return [patch["name"] for patch in interface.patches() if patch["state"] == "enabled"]


def restore(kernel, to="previous", **options):
    return roll_back(kernel, to, 3, "reverse", **options)


def test_a_cumulative_patch_comes_back_over_the_later_one(kernel, interface, apply):
    apply(V1, params={"count": 3})
    apply(V2)
    kernel.writes.clear()
    forecast = restore(kernel, check_mode=True)
    assert (names(forecast["removed"]), names(forecast["restored"])) == (["v2"], ["v1"])
    assert forecast["diff"]["after"].startswith("v1: enabled\n")
    assert kernel.writes == []
    result = restore(kernel)
    assert (result["changed"], result["target"]) == (True, ["v1"])
    assert (names(result["removed"]), names(result["restored"])) == (["v2"], ["v1"])
    assert result["restored"][0]["transition_seconds"] >= 0.5
    assert result["diff"]["after"].startswith("v1: enabled\n")
    assert kernel.loads[-1] == ("v1", "count=3")
    assert enabled(kernel, interface) == ["v1"]
    assert kernel.names("/sys/module") == ["v1"]
    assert [path for path, _text in kernel.writes if path.endswith("/enabled")] == []


def test_a_second_time_changes_nothing(kernel, interface, apply):
    apply(V1)
    apply(V2)
    restore(kernel)
    again = restore(kernel)
    assert (again["changed"], again["transaction"], enabled(kernel, interface)) == (False, None, ["v1"])


def test_stacked_patches_go_newest_first_and_come_in_their_order(kernel, interface, apply):
    for patch in (ONE, TWO):
        apply(patch)
    transaction = apply(V1)["transaction"]
    result = restore(kernel, transaction)
    assert names(result["removed"]) == ["v1"]
    assert names(result["restored"]) == ["one", "two"]
    assert enabled(kernel, interface) == ["one", "two"]


def test_what_was_taken_out_comes_back(kernel, interface, apply):
    apply(ONE)
    apply(name="one", state="absent")
    assert names(restore(kernel)["restored"]) == ["one"]
    assert enabled(kernel, interface) == ["one"]


def test_a_transaction_further_back(kernel, interface, apply):
    first = apply(V1)["transaction"]
    apply(V2)
    apply(ONE)
    assert names(restore(kernel, first)["removed"]) == ["one", "v2"]
    assert enabled(kernel, interface) == []


@pytest.mark.parametrize("to, code", [("previous", "no-previous"), ("20261121T091653Z-00", "transaction-unknown")])
def test_nothing_to_go_back_to(kernel, to, code):
    assert failure(restore, kernel, to).code == code


def test_a_failed_change_is_not_what_is_undone(kernel, interface, apply):
    apply(V1)
    apply(ONE)
    failure(apply, SimulatedPatch(refused=("EINVAL", [])))
    assert names(restore(kernel)["removed"]) == ["one"]


def test_without_the_file_nothing_is_changed(kernel, interface, apply):
    apply(V1)
    apply(V2)
    kernel.writes.clear()
    for kind in ("ko", "json"):
        os.unlink(kernel.path(f"/var/lib/kernel-livepatch/patches/{V1.sha256}.{kind}"))
    error = failure(restore, kernel)
    assert (error.code, enabled(kernel, interface), kernel.writes) == ("earlier-file-missing", ["v2"], [])


def test_a_pinned_module_cannot_come_back_and_nothing_is_changed(kernel, interface, apply):
    apply(V1)
    kernel.hold(7)
    kernel.at(kernel.now() + 7, lambda: kernel.let_go(7))
    apply(V2, on_stall="force")  # from now on the kernel keeps v1
    error = failure(restore, kernel)
    assert (error.code, enabled(kernel, interface)) == ("name-pinned", ["v2"])


def test_a_stall_on_the_way_is_turned_round(kernel, interface, apply):
    apply(V1)
    apply(V2)
    kernel.hold(7)
    error = failure(restore, kernel)
    assert (error.code, error.details["changed"], enabled(kernel, interface)) == ("transition-stalled", False, ["v2"])
    assert history(kernel)["journal"][0]["code"] == "transition-stalled"


def test_a_patch_that_moves_is_brought_to_rest_first(kernel, interface, apply):
    apply(V1)
    kernel.hold(7)
    transaction = apply(V2, timeout=1, on_stall="wait")["transaction"]
    result = restore(kernel, transaction)
    assert (names(result["removed"]), result["restored"]) == (["v2"], [])
    assert enabled(kernel, interface) == ["v1"]


def test_what_the_next_boot_loads_goes_back_too(kernel, interface, apply):
    kernel.put("/proc/sys/kernel/random/boot_id", "boot-1\n")
    for patch in (V1, V2):
        accept(apply, patch)
    assert names(read_ledger(kernel)["accepted"]) == ["v2"]
    restore(kernel)
    ledger = read_ledger(kernel)
    assert (names(ledger["accepted"]), ledger["trial"]) == (["v1"], None)
    restore(kernel, "original")
    assert read_ledger(kernel)["accepted"] == []
    assert names_of(history(kernel)["journal"][0]["before"]) == ["v1"]
