# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host over time: a simulated kernel in its first boot, and a systemd for it.

The collection is imported in the fixtures: pytest can read this file before the collection is importable.
"""

import pytest


@pytest.fixture
def host(kernel):
    """The simulated kernel, with the identity of its first boot."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import BOOT_ID

    kernel.put(BOOT_ID, "boot-1\n")
    return kernel


@pytest.fixture
def systemd(host):
    """The init system of the host."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
        SimulatedSystemd,
    )

    return SimulatedSystemd(host)
