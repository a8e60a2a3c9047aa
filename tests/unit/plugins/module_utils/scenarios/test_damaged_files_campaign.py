# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each file of a simulated host, in each damage, under each action: what must hold whatever is broken.

No action ends with anything but its result or an error with a code; no trial stays past its end; what was accepted is
kept, or it is told that it is not known; a look changes nothing. Every n-th combination runs with the unit tests; all
run with KERNEL_LIVEPATCH_CAMPAIGN=all in the environment, and a part of them with FIRST:EVERY, as 3:7.
"""

import os
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.sysfs import SysfsInterface
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import paths
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import installer
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot, confirm_boot, shut_down
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import (
    ControllerRequest,
    LivepatchError,
    as_livepatch_error,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import without_surrogates
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation import damages
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import (
    taken as taken_by_controller,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    ONE,
    THREE,
    V1,
    V2,
    accept,
    patch_applier,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
    SimulatedKernel,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

# Every n-th of the combinations, from the first one on.
EVERY, FIRST = 37, 11
CHOSEN = os.environ.get("KERNEL_LIVEPATCH_CAMPAIGN", "")  # `all`, or FIRST:EVERY
TRIAL_SECONDS, DAMAGED_AT, ACTS_AT = 60, 30, 40
TWO_HOURS = 2 * 3600
MOST_SECONDS = 60  # of a combination, which takes a tenth of a second

KEPT = f"{paths.STORE_DIRECTORY}/{V1.sha256}"
TARGETS = {
    **dict.fromkeys(paths.DIRECTORIES, damages.OF_A_DIRECTORY),
    **dict.fromkeys(paths.FILES, damages.OF_A_FILE),
    f"{KEPT}.json": damages.OF_A_FILE, f"{KEPT}.ko": damages.OF_A_FILE,
    f"{paths.STORE_DIRECTORY}/{V2.sha256}.json": damages.OF_A_FILE,
}
NAMES = {path: path.replace(V1.sha256, "v1").replace(V2.sha256, "v2") for path in TARGETS}
# A disk that fails can be told as what it is.
FAILING_DISK = (damages.io_error, damages.read_only, damages.full)


class TooLongError(BaseException):
    """What ends a simulated wait that would never end; nothing catches it."""


class HangsError(BaseException):
    """What ends a combination that hangs, as in the opening of a pipe; nothing catches it."""


class CampaignHost:
    """A simulated host: v1 is accepted, `one` is enabled on top of it; with `trial`, v2 then replaces both on trial."""

    def __init__(self, directory, trial):
        directory.mkdir()
        self.kernel = SimulatedKernel(directory / "host")
        self.kernel.put(BOOT_ID, "boot-1\n")
        self.systemd = SimulatedSystemd(self.kernel)
        self.interface = SysfsInterface(self.kernel)
        self.apply = patch_applier(self.kernel, directory)
        accept(self.apply, V1)
        self.transaction = self.apply(ONE)["transaction"]
        if trial:
            self.apply(V2, trial=TRIAL_SECONDS)

    def enabled(self):
        return [patch["name"] for patch in self.interface.patches() if patch["state"] == "enabled"]

    def starts(self, damage):
        """The next boot, with the damage done before it."""
        reboot(self.kernel)
        self.systemd.stop_all()
        damage()
        boot(self.kernel)

    def tree(self):
        """Everything below the host's directories of this collection, as it is without following a link."""
        found = {}
        for top in (paths.STATE_DIRECTORY, paths.RUN_DIRECTORY, "/etc/systemd"):
            for folder, names, files in os.walk(self.kernel.path(top)):
                for name in [*names, *files]:
                    path = os.path.join(folder, name)
                    status = os.lstat(path)
                    found[path] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)
        return found


def taken(module, act):
    """The same action; the controller takes what it ends with as a result of this module."""
    def run(host):
        try:
            result = act(host)
        except LivepatchError as error:
            assert_taken(module, {"failed": True, "msg": error.message, "code": error.code, **error.details})
            raise
        assert_taken(module, {"changed": False, **result})
        return result
    return run


def assert_taken(module, result):
    """No key is dropped, and the result is not malformed (TaskError)."""
    answer = taken_by_controller(module, without_surrogates(result))
    assert set(result) <= set(answer), set(result) - set(answer)


def going_back(to):
    return taken("patch_rollback", lambda host: roll_back(
        host.kernel, to if to != "transaction" else host.transaction, 3, "reverse"))


def inventory(host):
    return {"livepatch": host_inventory(host.kernel)}


def drift_of(host):
    return {"findings": taken("patch_info", inventory)(host)["livepatch"]["drift"] or []}


# What is done while v2 is on trial, and what may be enabled of it afterwards: "" only if that failed with a code.
IN_A_TRIAL = {
    "accepted": lambda host: host.apply(V2, state="accepted", fresh=True),
    "disabled": lambda host: host.apply(name="v2", state="disabled"),
    "absent": lambda host: host.apply(name="v2", state="absent"),
    "previous": going_back("previous"),
    "original": going_back("original"),
    "transaction": going_back("transaction"),
    "enable another": lambda host: host.apply(THREE),
    "nothing": lambda host: None,
    "patch_info": drift_of,
    "patch_watch": taken("patch_watch", lambda host: watch_host(host.kernel, "v2", {}, [], None, report_only=True)),
    "patch_verify": taken("patch_verify", lambda host: verify_host(host.kernel, None, None)),
    "patch_check": taken(
        "patch_check", lambda host: check_host(host.kernel, THREE.offer(), None, report_only=True)),
}
LOOKS = ("patch_info", "patch_watch", "patch_verify", "patch_check")
MUST_GO_BACK = ("disabled", "absent", "original")
WITHOUT_A_TRIAL = {
    "enable": lambda host: host.apply(THREE),
    "trial": lambda host: host.apply(V2, trial=TRIAL_SECONDS),
    "rollback": going_back("previous"),
    "confirm-boot": lambda host: confirm_boot(host.kernel),
    "shutdown": lambda host: shut_down(host.kernel),
}
BOOT = "boot"
ACTIONS = (*IN_A_TRIAL, *WITHOUT_A_TRIAL, BOOT)
COMBINATIONS = [(target, damage, action) for target, kinds in TARGETS.items() for damage in kinds for action in ACTIONS]


def combinations(target):
    first, every = (0, 1) if CHOSEN == "all" else map(int, CHOSEN.split(":")) if CHOSEN else (FIRST, EVERY)
    chosen = COMBINATIONS[first::every]
    return [(damage, action) for one, damage, action in chosen if one == target]


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """What is in the program, and whether a disk does as it is told, is no matter of these tests."""
    monkeypatch.setattr(installer, "sources_of", lambda *_: {})
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def room():
    """A directory in memory where there is one."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        yield Path(directory)


class Outcome:
    """What an action ended with: `codes` of its error and its findings, and what it must not have done, `faults`."""

    def __init__(self, damage):
        self.damage = damage
        self.codes = []
        self.failed = False
        self.faults = []

    def of(self, call, *argv):
        """Call, and keep what it ends with."""
        try:
            result = call(*argv)
        except ControllerRequest:
            self.failed = True
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            self.failed = True
            self.codes.append(error.code)
            self.codes += [found["code"] for found in error.details.get("findings", ())]
            if error.code == "os-error" and self.damage not in FAILING_DISK:
                self.faults.append(f"os-error: {error.message}")
        except Exception as error:
            self.failed = True
            self.faults.append(f"{type(error).__name__}: {error}")
        else:
            if isinstance(result, dict):
                self.codes += [found["code"] for found in result["findings"]]


def run_in_a_trial(host, damage, action, outcome):
    """The trial's process waits from before the damage; the action comes before the end. Returns None."""
    def act():
        before = host.tree()
        outcome.of(IN_A_TRIAL[action], host)
        if action in LOOKS and host.tree() != before:
            outcome.faults.append("a look has changed something")
        if action in MUST_GO_BACK and "v2" in host.enabled():
            outcome.faults.append(f"v2 is enabled after {action}: {outcome.codes}")

    def too_long():
        raise TooLongError

    host.kernel.at(DAMAGED_AT, damage)
    host.kernel.at(ACTS_AT, act)
    host.kernel.at(host.kernel.now() + TWO_HOURS, too_long)
    ended = Outcome(outcome.damage)
    with suppress(TooLongError):  # a ledger that cannot be written keeps the process, and must not keep the patch
        ended.of(end_trial, host.kernel)
    outcome.faults += [f"the trial's end: {fault}" for fault in ended.faults]
    kept = action == "accepted" and not outcome.failed
    if "v2" in host.enabled() and not kept:
        outcome.faults.append(f"v2 is enabled after its trial: {outcome.codes} {ended.codes}")


def run_without_a_trial(host, damage, action, outcome):
    if action == BOOT:
        outcome.of(host.starts, damage)
        return
    damage()
    outcome.of(WITHOUT_A_TRIAL[action], host)
    if action == "trial" and not outcome.failed:
        host.kernel.at(host.kernel.now() + TWO_HOURS, lambda: damages.throw(TooLongError()))
        with suppress(TooLongError):
            outcome.of(end_trial, host.kernel)
    if action == "trial" and "v2" in host.enabled():
        outcome.faults.append(f"v2 is enabled after its trial: {outcome.codes}")


def silent_losses(host, action, outcome):
    """What was accepted and is neither kept nor told to be unknown."""
    look = Outcome(outcome.damage)
    look.of(drift_of, host)
    yield from (f"patch_info afterwards: {fault}" for fault in look.faults)
    told = {"ledger-damaged", "ledger-unreadable", "ledger-set-aside", "ledger-not-read", "ledger-not-written"}
    if told & {*look.codes, *outcome.codes} or action == "original" or (action == "accepted" and not outcome.failed):
        return
    try:
        accepted = names_of(read_ledger(host.kernel)["accepted"])
    except (LivepatchError, OSError):
        accepted = []
    if "v1" not in accepted:
        yield f"v1 is accepted no more, and nothing tells so: {outcome.codes} {look.codes}"


@contextmanager
def hangs_are_faults(outcome):
    """The simulated clock does not run while a call hangs."""
    def hangs(_number, _frame):
        raise HangsError
    earlier = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(MOST_SECONDS)
    try:
        yield
    except HangsError:
        outcome.faults.append("it hangs")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def faults_of(host, target, kind, action):
    outcome = Outcome(kind)
    with pytest.MonkeyPatch.context() as patched, hangs_are_faults(outcome):
        run = run_in_a_trial if action in IN_A_TRIAL else run_without_a_trial
        run(host, lambda: kind(host.kernel, target, patched), action, outcome)
        # A ledger that is gone leaves no trace.
        if (target, kind) != (paths.LEDGER, damages.missing) and not (
                target == paths.STATE_DIRECTORY and kind in (damages.missing, damages.a_file, damages.a_dangling_link)):
            outcome.faults += silent_losses(host, action, outcome)
    return outcome.faults


def test_there_are_enough_combinations():
    assert len(COMBINATIONS) >= 1000
    assert set(paths.FILES) | set(paths.DIRECTORIES) <= set(TARGETS)
    assert len(COMBINATIONS[FIRST::EVERY]) >= 100
    assert {action for _target, _damage, action in COMBINATIONS[FIRST::EVERY]} == set(ACTIONS)


@pytest.mark.parametrize("target", sorted(TARGETS), ids=lambda path: NAMES[path])
def test_a_damaged_file_closes_nothing(room, target):
    found = []
    for number, (kind, action) in enumerate(combinations(target)):
        host = CampaignHost(room / str(number), trial=action in IN_A_TRIAL)
        found += [f"{kind.__name__}, {action}: {fault}" for fault in faults_of(host, target, kind, action)]
    assert found == []
