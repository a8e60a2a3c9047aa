# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that is killed, cut off or ended by a power cut before each of its steps: nothing is left half done.

The steps are learnt from an undisturbed run, and the first one of each function of the collection is a phase. A change
is ended at the phase right after the kernel was told to change its patches. With --every-phase, a load and a trial are
killed at each phase, a trial is cut off at each phase too, and the rest is done at a part of the phases.
"""

from __future__ import annotations

import typing as t

import pytest
from guest import RUN, STORE, UNINSTALL
from phases import Phases, after_the_change, first_of_each, some_of
from wholeness import assert_settled, states

from tests.lab.errors import LabError

TRIAL = {"trial": 3, "transition_timeout": 6}
V1 = {"src": "cmdline_v1"}
C1, C2 = {"src": "cmdline_cumulative_1"}, {"src": "cmdline_cumulative_2"}


class Scenario(t.NamedTuple):
    """Tasks that come before (module, options), the task that is ended, and the patches with their states after it."""

    before: tuple[tuple[str, dict], ...]
    change: tuple[str, dict]
    after: dict[str, str]


SCENARIOS = {
    "load": Scenario((), ("patch", V1), {"cmdline_v1": "enabled"}),
    "trial": Scenario((), ("patch", {**V1, **TRIAL}), {"cmdline_v1": "enabled"}),
    "accept": Scenario((), ("patch", {**V1, "state": "accepted"}), {"cmdline_v1": "accepted"}),
    "replace": Scenario(
        (("patch", {**C1, "state": "accepted"}),), ("patch", {**C2, **TRIAL}), {"cmdline_cumulative_2": "enabled"}),
    "remove": Scenario(
        (("patch", {**V1, "state": "accepted"}),), ("patch", {"name": "cmdline_v1", "state": "absent"}), {}),
    "rollback": Scenario(
        (("patch", {**C1, "state": "accepted"}), ("patch", C2)), ("patch_rollback", {}),
        {"cmdline_cumulative_1": "accepted"}),
}


# scenario: how many phases to the next one that is tried, besides those around the load
KILL = {"load": 1, "trial": 1, "accept": 3, "replace": 4, "remove": 4, "rollback": 4}
CUT = {"trial": 1, "rollback": 8}
RESET = {"trial": 2, "rollback": 8}


def scenarios():
    """All of them for --exhaustive, the trial alone, and only killed, without."""
    return [pytest.param(name, marks=() if name == "trial" else pytest.mark.exhaustive) for name in KILL]


class Stage:
    """A guest, brought to where a scenario begins again and again."""

    def __init__(self, scenario, guest, play, patches, every_phase):
        self.guest = guest
        self.phases = Phases(guest)
        self.scenario = scenario
        self.on_trial = "trial" in scenario.change[1]
        self._play = play
        self._patches = patches
        self._every_phase = every_phase

    def run(self, step):
        """Run a task of the scenario."""
        module, options = step
        return self._play(module, **self.options(options))

    def options(self, options):
        return {**options, "src": self._patches[options["src"]]} if "src" in options else options

    def begin(self):
        """Bring the guest to where the scenario begins; for the plain load, as a host that has never had a patch."""
        self.phases.no_plan()
        self.guest.clean()
        if self.scenario is SCENARIOS["load"]:
            self.guest.run(UNINSTALL)
        for step in self.scenario.before:
            outcome = self.run(step)
            assert outcome.code == 0, outcome.output

    def steps(self):
        """Number and text of all phases, from an undisturbed run."""
        self.begin()
        if self.scenario is not SCENARIOS["load"] and self.guest.run(f"test -e {STORE}/program.pyz || echo none"):
            # The first patch on a host takes more steps than the next ones, since it installs the program.
            assert self.run(("patch", V1)).code == 0
            self.begin()
        self.stack = states(self.settled())
        self.phases.plan("module")
        outcome = self.run(self.scenario.change)
        found = first_of_each(self.phases.steps("module"))
        self.assert_done(outcome)
        assert len(found) > 5, found
        return found

    def settled(self):
        return assert_settled(self.guest, self._play)

    def at_each_step(self, attempt, seen, what, came_of_it, every):
        """Call attempt(number) for the chosen phases; fails with every error, by step.

        With --every-phase, those are each, or `every` so many.
        """
        steps = self.steps()
        chosen = some_of(steps, every) if self._every_phase else after_the_change(steps)
        assert chosen, steps
        wrong = []
        for number, text in chosen:
            try:
                self.begin()
                attempt(number)
            except (AssertionError, LabError) as error:
                wrong.append(f"step {number}, {text}: {error}")
        assert not wrong, "\n".join(wrong)
        seen(f"{what}, at {len(chosen)} of {len(steps)} phases", came_of_it)

    def wait_until_quiet(self):
        """Wait until the trial, where one is on, is over, and neither the kernel nor a process changes patches."""
        if self.on_trial:
            self.guest.wait(f"! grep -q '\"trial\": {{' {STORE}/ledger.json 2>/dev/null")
        self.guest.wait("! grep -q 1 /sys/kernel/livepatch/*/transition 2>/dev/null")
        self.guest.wait(f"test ! -s {RUN}/lock || ! kill -0 $(sed 's/.*\"pid\": \\([0-9]*\\).*/\\1/' {RUN}/lock)")

    def assert_told(self, *allowed):
        """After a change that was ended, and a trial's end: it is back where it began, and the journal tells it so.

        `allowed` are outcomes; no more than one change can be interrupted. Returns what patch_info says.
        """
        livepatch = self.settled()
        told = [entry["outcome"] for entry in livepatch["journal"]]
        assert set(told) <= set(allowed) and told.count("interrupted") <= 1, told
        if self.on_trial:
            assert states(livepatch) == self.stack
        return livepatch

    def assert_goes_on(self, **more):
        """The same task again ends where it would have ended undisturbed."""
        module, options = self.scenario.change
        outcome = self.run((module, {**options, **more}))
        self.assert_done(outcome)

    def assert_done(self, outcome):
        """It ended as it should, according to the kernel; of a trial, which is short, according to itself."""
        assert outcome.code == 0, outcome.output
        if self.on_trial:
            patch = outcome.result["patch"]
            assert {patch["name"]: patch["state"]} == self.scenario.after
        else:
            assert states(self.settled()) == self.scenario.after


@pytest.fixture
def stage(request, guest, play, patches):
    """stage(name of the scenario)"""
    made = []

    def make(name):
        made.append(Stage(SCENARIOS[name], guest, play, patches, request.config.getoption("--every-phase")))
        return made[0]
    yield make
    for one in made:
        one.phases.no_plan()


@pytest.mark.parametrize("name", scenarios())
def test_kill(stage, seen, name):
    here = stage(name)

    def attempt(number):
        here.phases.plan("module", number, "kill")
        assert here.run(here.scenario.change).code != 0
        here.wait_until_quiet()
        here.assert_told("done", "interrupted")
        here.assert_goes_on()
    here.at_each_step(
        attempt, seen, f"kill -9 of the module ({name})", "the trial ends on the host; the next run continues",
        KILL[name])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CUT)
def test_cut(stage, seen, beside, name):
    here = stage(name)

    def attempt(number):
        here.phases.plan("module", number, "stop")
        module, options = here.scenario.change
        lost = beside(here.guest, module, **here.options(options))
        process = here.phases.wait_for_stop()
        here.guest.machine.disconnect()
        assert lost.result().code == 4
        here.guest.run(f"kill -CONT {process}")
        here.guest.wait(f"test ! -e /proc/{process}")
        here.wait_until_quiet()
        here.assert_told("done")
        here.assert_goes_on()
    here.at_each_step(
        attempt, seen, f"ssh connection cut ({name})", "the change ends on the host; the next run continues", CUT[name])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RESET)
def test_reset(stage, seen, beside, name):
    here = stage(name)

    def attempt(number):
        boot_id = here.guest.boot_id()
        here.phases.plan("module", number, "reset")
        module, options = here.scenario.change
        lost = beside(here.guest, module, **here.options(options))
        here.guest.wait_for_new_boot(boot_id)
        assert lost.result().code != 0
        livepatch = here.assert_told("done", "interrupted")
        assert livepatch["trial"] is None
        assert list(states(livepatch)) == livepatch["boot"]["patches"]
        assert set(states(livepatch)) <= {*here.stack, *here.scenario.after}
        assert {entry["name"] for entry in livepatch["quarantined"]} <= {*here.scenario.after, "cmdline_cumulative_2"}
        if here.scenario.change[0] == "patch" and "src" in options:
            here.assert_goes_on(ignore_findings=["quarantined"])
    here.at_each_step(
        attempt, seen, f"power cut ({name})", "up again without patches not accepted", RESET[name])
