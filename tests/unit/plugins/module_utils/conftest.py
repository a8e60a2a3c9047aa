# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated kernel for every test, and the job of the module `patch` on it.

The collection is imported in the fixtures: pytest reads this file before ../../conftest.py has made it importable.
"""

import functools
from contextlib import contextmanager

import pytest


@pytest.fixture(scope="session", autouse=True)
def code_compiled_once():
    """Each simulated host gets the program; compiling its files anew was a third of the time of all these tests."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import installer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(installer, "compiled", functools.lru_cache(maxsize=None)(installer.compiled))
        yield


@pytest.fixture
def kernel(tmp_path):
    """A simulated kernel, 6.1.0-56-amd64, without any patch."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
        SimulatedKernel,
    )

    return SimulatedKernel(tmp_path / "host")


@pytest.fixture
def interface(kernel):
    """The adapter for the simulated kernel's livepatch interface."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.sysfs import SysfsInterface

    return SysfsInterface(kernel)


@pytest.fixture
def apply(kernel, tmp_path):
    """apply(patch, state): what the module `patch` does, with the image of a SimulatedPatch delivered."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import patch_applier

    return patch_applier(kernel, tmp_path)


@pytest.fixture
def before_the_lock(monkeypatch):
    """before_the_lock(module, call): that happens once, after a module's look without the lock and before it has it."""
    def let_happen(module, call):
        real, calls = module.open_transaction, [call]

        @contextmanager
        def late(*arguments, **options):
            if calls:
                calls.pop()()
            with real(*arguments, **options) as transaction:
                yield transaction
        monkeypatch.setattr(module, "open_transaction", late)
    return let_happen
