# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of pull on one host: the modules' own code answers, on a simulated kernel, and the decision goes by that."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PULL_RUN
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.decision import begin, decide, finish
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.options import pull_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.release import parse_release
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import taken
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    V1,
    V2,
    accepted,
    patch_applier,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
    SimulatedKernel,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

SOAK, TRIAL = 300, 3600
CONTROLLER = {"user": "root", "node": "web1", "run": PULL_RUN}
ROLLOUT = {"user": "alice", "node": "control1", "run": "20261121T091500Z-aaaaaa"}


class Host:
    """A host with a simulated kernel. `pull` is one run for its ring, which is 0."""

    def __init__(self, directory):
        self.kernel = SimulatedKernel(directory / "host")
        self.kernel.put(BOOT_ID, "boot-1\n")
        SimulatedSystemd(self.kernel)
        self.apply = patch_applier(self.kernel, directory)
        self._directory = directory

    def pull(self, patch, up_to=0, halt=False):
        releases = [] if up_to is None else [{"src": "/p", "up_to": up_to}]
        document = {"rings": ["10%", "100%"], "soak": SOAK, "trial": TRIAL, "halt": halt, "releases": releases}
        release = parse_release(yaml.safe_dump(document).encode(), "release.yml")
        record = begin(pull_options({}, self._directory), release, 0)
        info = taken("patch_info", {"changed": False, "livepatch": host_inventory(self.kernel)})
        check = {}
        if record["release"]:
            check = taken("patch_check", check_host(self.kernel, patch.offer(), None, report_only=True))
        decided = decide(record, info, check)
        return finish(decided, self._change(decided, patch), False)

    def _change(self, record, patch):
        action = record["action"]
        if action == "load":
            return {"load": answer("patch", lambda: self.apply(patch, trial=TRIAL, controller=CONTROLLER))}
        if action == "accept":
            return {"accept": answer("patch", lambda: self.apply(
                patch, state="accepted", fresh=True, controller=CONTROLLER))}
        if action == "revert":
            return {
                "rollback": answer("patch_rollback", lambda: roll_back(
                    self.kernel, record["transaction"], 3, "reverse", controller=CONTROLLER)),
                "verify": answer("patch_verify", lambda: verify_host(self.kernel, None, None))}
        return {}

    def runs(self):
        return stack(self.kernel, interface_of(self.kernel))


def interface_of(kernel):
    from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.sysfs import SysfsInterface
    return SysfsInterface(kernel)


def answer(module, work):
    """What the controller gets from a module, also where that fails."""
    try:
        return taken(module, work())
    except LivepatchError as error:
        return taken(module, {"failed": True, "msg": error.message, "code": error.code, **error.details})


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_patch_is_loaded_by_one_run_and_accepted_by_a_later_one(host):
    assert host.pull(V1)["state"] == "on_trial" and host.runs() == [V1.name]
    assert (host.pull(V1)["state"], accepted(host.kernel)) == ("on_trial", [])
    host.kernel.sleep(SOAK)
    ended = host.pull(V1)
    assert (ended["state"], accepted(host.kernel)) == ("accepted", [V1.name]), ended["lines"]
    assert host.pull(V1)["action"] == "none"


def test_a_halt_reverts_a_trial_and_stops_a_host_that_has_not_begun(host):
    assert (host.pull(V1, halt=True)["state"], host.runs()) == ("halted", [])
    assert host.pull(V1)["state"] == "on_trial"
    ended = host.pull(V1, halt="slow")
    assert (ended["state"], host.runs()) == ("reverted", []), ended["problem"]
    assert host.pull(V1, halt="slow")["state"] == "halted"
    assert host.pull(V1)["state"] == "on_trial"


def test_a_halt_leaves_an_accepted_patch(host):
    host.pull(V1)
    host.kernel.sleep(SOAK)
    host.pull(V1)
    assert (host.pull(V1, halt=True)["state"], accepted(host.kernel)) == ("halted", [V1.name])


def test_a_release_that_is_withdrawn_reverts_the_trial(host):
    host.pull(V1)
    assert (host.pull(V1, up_to=None)["state"], host.runs()) == ("reverted", [])


def test_a_new_release_in_the_middle_of_a_trial_is_loaded_by_the_run_after(host):
    host.pull(V1)
    host.kernel.sleep(SOAK)
    host.pull(V1)
    assert host.pull(V2)["state"] == "on_trial" and host.runs() == [V2.name]
    ended = host.pull(V1)
    assert (ended["state"], host.runs()) == ("reverted", [V1.name]), ended["problem"]
    assert host.pull(V1)["state"] == "accepted"


SAME_NAME = SimulatedPatch(V1.name, build_id="99" * 20, objects={"vmlinux": ["meminfo_proc_show"]})


def test_another_build_of_the_released_name_is_not_the_released_one(host):
    host.pull(V1)
    host.kernel.sleep(SOAK)
    host.pull(V1)
    ended = host.pull(SAME_NAME)
    assert (ended["state"], ended["action"], ended["failure"][0]) == ("failed", "none", "name-taken-by-other-build")
    assert accepted(host.kernel) == [V1.name]
    host.apply(V1, state="absent")
    assert host.pull(SAME_NAME)["state"] == "on_trial"


def test_a_trial_of_another_build_of_the_released_name_ends_and_the_released_one_follows(host):
    host.pull(V1)
    host.kernel.sleep(SOAK)  # long enough to accept it
    ended = host.pull(SAME_NAME)
    assert (ended["state"], host.runs()) == ("reverted", []), ended["problem"]
    assert (host.pull(SAME_NAME)["state"], host.runs()) == ("on_trial", [SAME_NAME.name])
    host.kernel.sleep(SOAK)
    assert host.pull(SAME_NAME)["state"] == "accepted"


@pytest.mark.parametrize("halt", [False, "slow"])
def test_the_trial_of_a_rollout_is_left_alone(host, halt):
    host.apply(V1, trial=TRIAL, controller=ROLLOUT)
    host.kernel.sleep(SOAK)
    assert (host.pull(V1, halt=halt)["state"], host.runs(), accepted(host.kernel)) == ("foreign_trial", [V1.name], [])
