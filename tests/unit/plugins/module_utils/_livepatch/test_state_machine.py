# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pair of a state and a wish, and the steps between them."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.steps import StepRunner
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.state_machine import STEPS, state_after, steps

PLAN = [
    ("absent", "enabled", "load enable_registered wait_enabled", "enabled"),
    ("disabled", "enabled", "remove load enable_registered wait_enabled", "enabled"),
    ("enabling", "enabled", "wait_enabled", "enabled"),
    ("disabling", "enabled", "enable wait_enabled", "enabled"),
    ("enabled", "enabled", "", "enabled"),
    ("absent", "disabled", "", "absent"),
    ("disabled", "disabled", "", "disabled"),
    ("enabling", "disabled", "disable wait_disabled", "disabled"),
    ("disabling", "disabled", "wait_disabled", "disabled"),
    ("enabled", "disabled", "disable wait_disabled", "disabled"),
    ("absent", "absent", "", "absent"),
    ("disabled", "absent", "remove", "absent"),
    ("enabling", "absent", "disable wait_disabled remove", "absent"),
    ("disabling", "absent", "wait_disabled remove", "absent"),
    ("enabled", "absent", "disable wait_disabled remove", "absent"),
]


@pytest.mark.parametrize("current, wanted, expected, state", PLAN)
def test_steps_between_two_states(current, wanted, expected, state):
    assert " ".join(steps(current, wanted)) == expected
    assert state_after(current, wanted) == state


def test_the_table_above_is_the_whole_plan():
    assert sorted(STEPS) == sorted((current, wanted) for current, wanted, _steps, _state in PLAN)


def test_every_step_is_a_method_of_change():
    assert [step for step in set().union(*STEPS.values()) if not callable(getattr(StepRunner, step, None))] == []
