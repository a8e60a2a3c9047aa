# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host does by itself, killed or ended by a power cut at each of its phases: a trial's end, and a boot.

Without --every-phase only at a change of the kernel's patches, see test_phases.py.
"""

from __future__ import annotations

import pytest
from guest import STORE
from phases import Phases, after_the_change, first_of_each, some_of
from wholeness import assert_settled, changes, codes, states

from tests.lab.errors import LabError

pytestmark = pytest.mark.exhaustive

TRIAL_IS_ON = f"grep -q '\"trial\": {{' {STORE}/ledger.json"


@pytest.fixture
def phases(guest):
    the_phases = Phases(guest)
    yield the_phases
    the_phases.no_plan()


def enable(play, file, **options):
    outcome = play("patch", src=file, **options)
    assert outcome.code == 0, outcome.output


def at_each_step(steps, attempt, every_phase, every=1):
    """Call attempt(number) for each phase, or `every` so many; fails with every error, by step.

    If not `every_phase`, at the one right after the kernel was told to change its patches.

    Returns at how many of how many it was tried, for the table.
    """
    assert len(steps) > 5, steps
    wrong = []
    chosen = some_of(steps, every) if every_phase else after_the_change(steps)
    assert chosen, steps
    for number, text in chosen:
        try:
            attempt(number)
        except (AssertionError, LabError) as error:
            wrong.append(f"step {number}, {text}: {error}")
    assert not wrong, "\n".join(wrong)
    return f"{len(chosen)} of {len(steps)} phases"


@pytest.mark.parametrize("how", ["kill", "reset"])
def test_the_end_of_a_trial(request, play, guest, phases, patches, seen, how):
    def on_trial(number):
        guest.machine.wait_for_ssh()
        phases.no_plan()
        guest.clean()
        enable(play, patches["cmdline_cumulative_1"], state="accepted")
        phases.plan("end-trial", number, how)
        boot_id = guest.boot_id()
        outcome = play("patch", src=patches["cmdline_cumulative_2"], trial=1, transition_timeout=6)
        # The trial is so short that a reset at its end can come before the task has told that it is on.
        assert outcome.code == 0 or (outcome.code == 4 and how == "reset" and number), outcome.output
        return boot_id

    def attempt(number):
        boot_id = on_trial(number)
        if how == "reset":
            guest.wait_for_new_boot(boot_id)
        guest.wait(f"! {TRIAL_IS_ON} && ! pgrep -f '[p]rogram.pyz end-trial'")
        livepatch = assert_settled(guest, play)
        assert (guest.version(), states(livepatch)) == ("c1", {"cmdline_cumulative_1": "accepted"})
        assert livepatch["trial"] is None
        assert changes(livepatch).count("trial interrupted") <= 1 and "trial failed" not in changes(livepatch)
        assert codes(livepatch["drift"]) <= {"in-quarantine", "gone-after-reboot"}
        assert {entry["name"] for entry in livepatch["quarantined"]} <= {"cmdline_cumulative_2"}

    on_trial(0)
    guest.wait(f"! {TRIAL_IS_ON} && ! pgrep -f '[p]rogram.pyz end-trial'")
    tried = at_each_step(first_of_each(phases.steps("end-trial")), attempt, request.config.getoption("--every-phase"))
    seen(f"{'kill -9 of' if how == 'kill' else 'power cut during'} a trial's end, at {tried}",
         "the accepted patch runs, and the trial is over")


@pytest.mark.parametrize("how", ["kill", "reset"])
def test_the_boot(request, play, guest, phases, patches, seen, how):
    def boot(number):
        phases.no_plan()
        guest.clean()
        enable(play, patches["cmdline_v1"], state="accepted")
        phases.plan("boot", number, how)
        guest.reboot()

    def attempt(number):
        boot(number)
        phases.no_plan()
        livepatch = assert_settled(guest, play)
        if not livepatch["patches"]:
            assert codes(livepatch["drift"]) & {"accepted-not-loaded", "in-quarantine"}, livepatch
        assert changes(livepatch).count("boot interrupted") <= 1
        enable(play, patches["cmdline_v1"], state="accepted", ignore_findings=["quarantined"])
        assert guest.version() == "v1"
        assert codes(play("patch_info").result["livepatch"]["drift"]) == set()

    boot(0)
    steps, every_phase = first_of_each(phases.steps("boot")), request.config.getoption("--every-phase")
    # Each takes two boots, and a load at boot does what any load does.
    tried = at_each_step(steps, attempt, every_phase, every=2)
    seen(f"{'kill -9 of' if how == 'kill' else 'power cut during'} the load at boot, at {tried}",
         "the host is up, drift names the missing patch, and patch loads it")
