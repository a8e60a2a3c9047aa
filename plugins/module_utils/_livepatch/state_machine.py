# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from the current state of a patch to the wanted state, as a table."""


# Each step is a method of StepRunner; during a transition `enable` and `disable` reverse it, `wait_*` wait for its end.
STEPS = {
    ("absent", "enabled"): ("load", "enable_registered", "wait_enabled"),
    ("disabled", "enabled"): ("remove", "load", "enable_registered", "wait_enabled"),
    ("enabling", "enabled"): ("wait_enabled",),
    ("disabling", "enabled"): ("enable", "wait_enabled"),
    ("enabled", "enabled"): (),

    ("absent", "disabled"): (),
    ("disabled", "disabled"): (),
    ("disabling", "disabled"): ("wait_disabled",),
    ("enabling", "disabled"): ("disable", "wait_disabled"),
    ("enabled", "disabled"): ("disable", "wait_disabled"),

    ("absent", "absent"): (),
    ("disabled", "absent"): ("remove",),
    ("disabling", "absent"): ("wait_disabled", "remove"),
    ("enabling", "absent"): ("disable", "wait_disabled", "remove"),
    ("enabled", "absent"): ("disable", "wait_disabled", "remove"),
}


def steps(current, wanted):
    """The names of the steps, in order; none if the patch has the wanted state."""
    return STEPS[current, wanted]


def state_after(current, wanted):
    """The state after the steps; an absent patch stays absent if `disabled` is wanted."""
    return current if not steps(current, wanted) else wanted
