# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a patch without anything to change imports while it runs: a host compiles each file anew in each task."""

import builtins

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
OF_CHANGES = {
    "_livepatch.kgraft", "_livepatch.kpatch", "_persistence.transaction", "_persistence.lock", "_persistence.journal",
    "_persistence.retention", "_elf.reader", "_elf.compression", "_elf.kernel_module", "_elf.image_file",
    "_host.packages", "_kernel.depmod", "_kernel.modversions", "_kernel.keyrings", "_checks.forecast"}


@pytest.fixture
def imported_during(monkeypatch):
    """imported_during(call): the names that functions of the host half import while the call runs."""
    def names(call):
        found, real = set(), builtins.__import__

        def note(name, *more, **named):
            found.add(name.rpartition(".module_utils.")[2])
            return real(name, *more, **named)
        with monkeypatch.context() as context:
            context.setattr(builtins, "__import__", note)
            call()
        return found
    return names


def test_a_second_patch_imports_nothing_of_a_change(kernel, apply, imported_during):
    first = imported_during(lambda: apply(FIX, "enabled"))
    assert {"_persistence.transaction", "_kernel.depmod"} <= first
    assert imported_during(lambda: apply(FIX, "enabled")) & OF_CHANGES == set()
