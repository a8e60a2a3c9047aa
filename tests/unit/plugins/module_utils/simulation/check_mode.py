# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module `patch` finds in check mode, with the fixture `apply`, whether the patch is refused or not."""

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)


def findings_of(apply, **described):
    """(code, level, message) of the findings on a SimulatedPatch that is described like this."""
    try:
        findings = apply(SimulatedPatch(**described), check_mode=True)["findings"]
    except LivepatchError as error:
        findings = error.details["findings"]
    return [(found["code"], found["level"], found["message"]) for found in findings]


def codes(apply, **described):
    return [code for code, _level, _message in findings_of(apply, **described)]
