# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the state a patch is in to the state it shall be in: the steps, as a table."""


# Each step is a method of Change; during a transition `turn_on` and `turn_off` reverse it, `settle_*` wait for its end.
STEPS = {
    ("absent", "enabled"): ("load", "settle_on"),
    ("disabled", "enabled"): ("remove", "load", "settle_on"),
    ("enabling", "enabled"): ("settle_on",),
    ("disabling", "enabled"): ("turn_on", "settle_on"),
    ("enabled", "enabled"): (),

    ("absent", "disabled"): (),
    ("disabled", "disabled"): (),
    ("disabling", "disabled"): ("settle_off",),
    ("enabling", "disabled"): ("turn_off", "settle_off"),
    ("enabled", "disabled"): ("turn_off", "settle_off"),

    ("absent", "absent"): (),
    ("disabled", "absent"): ("remove",),
    ("disabling", "absent"): ("settle_off", "remove"),
    ("enabling", "absent"): ("turn_off", "settle_off", "remove"),
    ("enabled", "absent"): ("turn_off", "settle_off", "remove"),
}


def steps(current, wanted):
    """The names of the steps, in order; none when there is nothing to do."""
    return STEPS[current, wanted]


def reached(current, wanted):
    """The state after the steps: what is absent already stays absent when `disabled` is asked for."""
    return current if not steps(current, wanted) else wanted
