# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Once accepted, a patch stays so until somebody says otherwise, and comes back at boot whatever else is the matter."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot, confirm_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    THREE,
    TWO,
    V1,
    V2,
    accept,
    accepted,
    kept_file_path,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import load
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    UNIT_FILE,
)


def restart(host, systemd, **options):
    reboot(host, **options)
    systemd.stop_all()


def codes(result):
    return [found["code"] for found in result["findings"]]


# Another acceptance

def test_accepting_a_third_keeps_what_boot_has_not_loaded(host, interface, apply, systemd):
    accept(apply, ONE)
    accept(apply, TWO)
    restart(host, systemd)
    host.hold(7)
    boot(host)  # the first stays on its way, and the second is not loaded
    host.let_go(7)
    host.sleep(5)
    assert stack(host, interface) == ["one"]
    accept(apply, THREE)
    assert accepted(host) == ["one", "two", "three"]


def test_accepting_what_is_stacked_keeps_what_an_unaccepted_patch_has_replaced(host, interface, apply, systemd):
    accept(apply, V1)
    apply(V2)
    accept(apply, ONE)
    assert (stack(host, interface), accepted(host)) == (["v2", "one"], ["v1", "one"])


def test_accepting_what_replaces_all_drops_all_others(host, apply):
    accept(apply, ONE)
    apply(TWO)
    accept(apply, V1)
    assert accepted(host) == ["v1"]


def test_an_acceptance_below_a_trial_outlives_that(host, interface, apply):
    apply(ONE)
    apply(TWO, trial=60)
    accept(apply, ONE)
    end_trial(host)
    assert (stack(host, interface), accepted(host)) == (["one"], ["one"])


# The boot part

def test_a_service_that_was_removed_is_mended_by_accepting_again(host, apply, systemd):
    accept(apply, V1)
    os.unlink(host.path(UNIT_FILE))
    assert apply(V1, state="accepted", check_mode=True)["changed"] is True
    assert apply(V1, state="accepted")["request"] == {"fresh": "v1"}
    assert apply(V1, state="accepted", fresh=True)["changed"] is True
    assert host.exists(UNIT_FILE)
    assert apply(V1, state="accepted")["changed"] is False


def test_a_service_that_was_masked_is_left_so_and_accepted_once(host, apply, systemd):
    os.makedirs(os.path.dirname(host.path(UNIT_FILE)))
    os.symlink("/dev/null", host.path(UNIT_FILE))
    accept(apply, V1)
    for check_mode in (True, False):
        again = apply(V1, state="accepted", check_mode=check_mode)
        assert ("request" in again, again["changed"]) == (False, False)
    assert os.readlink(host.path(UNIT_FILE)) == "/dev/null"


# Other parameters than those that were accepted

def test_other_parameters_are_on_trial_though_the_build_is_accepted(host, interface, apply):
    accept(apply, ONE, params={"count": 3})
    reboot(host)
    apply(ONE, trial=60, params={"count": 9})
    assert (host.loads[-1], read_ledger(host)["trial"]["name"]) == (("one", "count=9"), "one")
    end_trial(host)
    assert stack(host, interface) == []


def test_other_parameters_are_those_of_the_next_boot_once_they_are_accepted(host, apply, systemd):
    accept(apply, ONE, params={"count": 3})
    restart(host, systemd)
    accept(apply, ONE, params={"count": 9})
    assert [entry["parameters"] for entry in read_ledger(host)["accepted"]] == ["count=9"]
    restart(host, systemd, boot_id="boot-3")
    boot(host)
    assert host.loads[-1] == ("one", "count=9")


# What is in the way at boot

@pytest.mark.parametrize("fails", ["does not start", "takes too long"])
def test_patches_are_loaded_at_boot_though_nothing_will_prove_them(host, interface, apply, systemd, monkeypatch, fails):
    accept(apply, V1)
    restart(host, systemd)
    real = host.run

    def run(argv, seconds):
        if "systemd-run" in argv[0]:
            raise OSError(errno.ENOENT, fails) if fails == "does not start" else LivepatchError("timed-out", fails)
        return real(argv, seconds)
    monkeypatch.setattr(host, "run", run)
    boot(host)
    assert (stack(host, interface), history(host)["journal"][0]["outcome"]) == (["v1"], "done")
    assert read_ledger(host)["booted"]["confirmed"] is False


def test_a_file_that_cannot_be_read_at_boot_keeps_no_other_patch_out(host, interface, apply, systemd, monkeypatch):
    accept(apply, ONE)
    accept(apply, TWO)
    restart(host, systemd)
    real = os.open

    def refused(path, *options, **more):
        if str(path) == kept_file_path(host, ONE):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, *options, **more)
    monkeypatch.setattr(os, "open", refused)
    with pytest.raises((LivepatchError, OSError)):
        boot(host)
    assert stack(host, interface) == ["two"]


def test_a_boot_that_breaks_off_is_not_done(host, apply, systemd, monkeypatch):
    accept(apply, ONE)
    restart(host, systemd)
    monkeypatch.setattr(host, "finit_module", lambda *_words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        boot(host)
    assert history(host)["journal"][0]["outcome"] == "failed"


# Check mode, and a second time

def everything(host):
    """All files and directories that a change of the simulated host could change."""
    found = {}
    for top in ("var", "run", "etc", "sys"):
        for folder, _folders, files in os.walk(os.path.join(host.root, top)):
            found[folder] = None
            for name in files:
                with open(os.path.join(folder, name), "rb") as stream:
                    found[os.path.join(folder, name)] = stream.read()
    return found


FIRST = {
    "nothing": lambda _bring: None, "enabled": lambda apply: apply(V1), "accepted": lambda apply: accept(apply, V1),
    "on trial": lambda apply: apply(V1, trial=60)}


@pytest.mark.parametrize("state", ["enabled", "accepted", "disabled", "absent"])
@pytest.mark.parametrize("first", sorted(FIRST))
def test_check_mode_only_tells_what_will_be_and_a_second_time_is_no_change(host, apply, first, state):
    FIRST[first](apply)
    before = everything(host)
    forecast = apply(V1, state=state, check_mode=True)
    if first != "nothing":
        roll_back(host, "previous", 3, "reverse", check_mode=True)
    assert everything(host) == before
    result = apply(V1, state=state)
    if "request" in result:
        result = dict(apply(V1, state=state, fresh=True), changed=True)
    assert (forecast["changed"], forecast["patch"]["state"]) == (result["changed"], result["patch"]["state"])
    again = apply(V1, state=state)
    assert (again["changed"], again["transaction"], "request" in again) == (False, None, False)


# What a boot needs

def test_what_somebody_else_has_loaded_is_accepted_with_its_file(host, interface, apply, systemd):
    load(host, ONE)
    with pytest.raises(ControllerRequest) as caught:
        accept(apply, None, offer=ONE.offer())
    assert caught.value.request == {"file": ONE.sha256}
    accept(apply, ONE)
    assert read_ledger(host)["watched"]
    restart(host, systemd)
    boot(host)
    assert stack(host, interface) == ["one"]


def test_a_file_that_was_lost_is_put_back_by_accepting_again(host, apply, systemd):
    accept(apply, ONE)
    os.unlink(kept_file_path(host, ONE))
    assert accept(apply, ONE)["changed"]
    assert os.path.exists(kept_file_path(host, ONE))
    assert not apply(ONE, state="accepted")["changed"]


def test_the_ledger_is_of_this_boot_before_the_boot_part_is_started(host, apply, systemd, monkeypatch):
    accept(apply, ONE)
    restart(host, systemd)  # and the boot part does not run
    load(host, TWO)
    seen = []
    real = systemd._start
    monkeypatch.setattr(systemd, "_start", lambda argv: seen.append(read_ledger(host)) or real(argv))
    accept(apply, TWO)
    assert [(ledger["boot_id"], names_of(ledger["loaded"])) for ledger in seen] == [("boot-2", ["two"])]


def test_a_ledger_knows_nothing_of_a_patch_whose_acceptance_failed(host, apply, systemd):
    load(host, ONE)
    systemd.broken["start"] = "no"
    with pytest.raises(LivepatchError):
        accept(apply, ONE)
    assert (read_ledger(host)["loaded"], accepted(host)) == ([], [])


def test_a_soft_reboot_has_the_host_prove_itself_again(host, apply, systemd):
    accept(apply, ONE)
    restart(host, systemd)
    boot(host)
    systemd.stop_all()
    boot(host)
    assert [argv[-1] for argv in systemd.timers.values()] == ["confirm-boot"]
    confirm_boot(host)
    systemd.stop_all()
    boot(host)
    assert systemd.timers == {}
