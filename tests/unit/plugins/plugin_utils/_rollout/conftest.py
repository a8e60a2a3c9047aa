# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout over simulated hosts."""

from __future__ import annotations

import pytest


@pytest.fixture
def rollout(build_module, tmp_path):
    """rollout({host: how it behaves}, **variables): six hosts in waves of 1, 2 and 3, if nothing else is said."""
    # Not importable before pytest is configured.
    from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import (
        rollout_of_simulated_hosts as simulation,
    )

    def begin(hosts=None, **more):
        file = build_module("source_simple", '-DNAME="fix"')
        options = {"livepatch_waves": "canary, 50%, 100%", **more}
        return simulation.Rollout({**{name: {} for name in simulation.SIX}, **(hosts or {})}, tmp_path, file, **options)
    return begin
