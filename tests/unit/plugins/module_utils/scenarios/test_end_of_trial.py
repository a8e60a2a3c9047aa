# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch on trial on a simulated kernel: what is on the disk before the load, and how the host finds back."""

import errno
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._change import safeguards
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V1,
    V2,
    failure,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

STACKED = SimulatedPatch("stacked", build_id="44" * 20, objects={"vmlinux": ["other"]})
UNHOOKED = SimulatedPatch("unhooked", build_id="55" * 20, replace=True, objects={"vmlinux": ["one"]}, defect="unhooked")
OTHER = SimulatedPatch("other", build_id="33" * 20, objects={"vmlinux": ["one"]})


def test_the_way_back_is_armed_before_the_load(host, apply, monkeypatch):
    seen = []
    real = host.finit_module
    monkeypatch.setattr(host, "finit_module", lambda *argv: seen.append(
        (read_ledger(host), len(host.spawned))) or real(*argv))
    result = apply(V1, trial=60)
    ledger, processes = seen[0]
    assert ledger["trial"] == {
        "transaction": result["transaction"], "name": "v1", "since": "2026-11-21T09:16:53Z", "seconds": 60,
        "ends": 63, "back_to": [], "baseline": result["baseline"],
        "watch": {"interval": 10, "failures": 2, "kernel_warnings": True, "min_calls": 0,
                  "functions": [], "health_checks": []}}
    assert [entry["name"] for entry in ledger["loaded"]] == ["v1"]
    assert (ledger["watched"], ledger["boot_id"], processes) == (True, "boot-1", 1)
    assert host.spawned[0][-2:] == ["end-trial", "detached"]
    assert read_ledger(host)["trial"]["ends"] == host.now() + 60


def test_at_its_end_what_was_replaced_runs_again(host, interface, apply):
    apply(V1, params={"count": 3})
    apply(V2, trial=60)
    assert stack(host, interface) == ["v2"]
    end_trial(host)
    assert 60 <= host.now() < 75
    assert stack(host, interface) == ["v1"]
    assert host.loads == [("v1", "count=3"), ("v2", ""), ("v1", "count=3")]
    assert host.names("/sys/module") == ["v1"]
    entry = history(host)["journal"][0]
    assert (entry["action"], entry["outcome"]) == ("trial", "done")
    assert (names_of(entry["before"]), names_of(entry["after"])) == (["v2"], ["v1"])
    ledger = read_ledger(host)
    assert (ledger["trial"], [entry["name"] for entry in ledger["loaded"]]) == (None, ["v1"])
    end_trial(host)
    assert len(history(host)["journal"]) == 3


def test_a_trial_with_an_older_systemd_ends_the_same_way(host, systemd, interface, apply):
    systemd.too_old = "systemd-run: unrecognized option '--collect'"
    apply(V1)
    apply(V2, trial=60)
    assert [name for name in systemd.units if "-trial-" in name]
    end_trial(host)
    assert stack(host, interface) == ["v1"]
    assert not [name for name in host.names("/run/systemd/system") if "-trial-" in name]


def tried(host):
    """The Pythons that were asked to run the program."""
    return [argv[0] for argv in host.commands if argv[-1] == "ready"]


def test_a_trial_does_not_try_the_python_that_it_is_begun_with(host, systemd, apply):
    """Its process shows before the load that the program runs."""
    apply(V1)
    host.commands.clear()
    apply(V2, trial=60)
    assert tried(host) == []


def test_a_trial_tries_another_python_and_uses_the_next_if_it_fails(host, systemd, apply):
    apply(V1)
    host.put("/opt/python/bin/python3.12", "")
    host.interpreter = lambda: "/opt/python/bin/python3.12"
    works, fails = host.answer, ("/usr/bin/python3", "ready")
    host.answer = lambda argv: (1, "SyntaxError: x") if (argv[0], argv[-1]) == fails else works(argv)
    host.commands.clear()
    apply(V2, trial=60)
    assert tried(host) == ["/usr/bin/python3", "/opt/python/bin/python3.12"]
    assert [argv[0] for name, argv in systemd.units.items() if "-trial-" in name] == ["/opt/python/bin/python3.12"]
    assert host.read("/etc/systemd/system/kernel-livepatch.service").count("/opt/python/bin/python3.12 ") == 2


def test_there_is_no_moment_without_either(host, interface, apply):
    apply(V1)
    apply(V2, trial=60)
    host.writes.clear()
    end_trial(host)
    assert [path for path, text in host.writes if path.endswith("/enabled")] == []  # nothing was disabled by hand


def test_what_was_stacked_goes_alone(host, interface, apply):
    apply(V1)
    apply(OTHER, trial=60)
    end_trial(host)
    assert (stack(host, interface), host.loads) == (["v1"], [("v1", ""), ("other", "")])


def test_a_trial_that_is_over_before_its_end_is_left_alone(host, interface, apply):
    apply(V1, trial=60)
    host.at(30, lambda: roll_back(host, "original", 3, "reverse"))
    end_trial(host)
    assert host.now() < 60
    assert [entry["action"] for entry in history(host)["journal"]] == ["rollback", "patch"]


def test_a_trial_of_another_boot_is_none(host, interface, apply):
    apply(V1, trial=60)
    host.put("/proc/sys/kernel/random/boot_id", "boot-2\n")
    end_trial(host)
    assert stack(host, interface) == ["v1"]


def test_a_transition_that_is_held_is_gone_on_with_until_it_ends(host, interface, apply):
    apply(V1, trial=60)
    host.hold(7, directions=("disabling",))
    host.at(400, lambda: host.let_go(7))
    end_trial(host)
    assert stack(host, interface) == []
    outcomes = [entry["outcome"] for entry in history(host)["journal"]]
    assert (outcomes[0], set(outcomes[1:-1])) == ("done", {"in-transition"})


def test_where_the_earlier_patch_cannot_come_back_the_one_on_trial_goes_all_the_same(host, interface, apply):
    apply(V1)
    apply(V2, trial=60)
    host.put(f"/var/lib/kernel-livepatch/patches/{V1.sha256}.ko", "damaged")
    error = failure(end_trial, host)
    assert error.code == "kept-file-damaged"
    assert stack(host, interface) == []
    assert read_ledger(host)["trial"] is None
    assert [entry["outcome"] for entry in history(host)["journal"][:2]] == ["done", "failed"]


def test_a_load_that_fails_leaves_no_trial(host, apply):
    failure(apply, SimulatedPatch(refused=("EINVAL", [])), trial=60)
    assert read_ledger(host) == empty_ledger()


def test_a_trial_that_cannot_be_armed_loads_nothing(host, apply, monkeypatch):
    def broken(*_arguments):
        raise LivepatchError("trial-not-armed", "It does not run.")
    monkeypatch.setattr(safeguards, "arm", broken)
    assert failure(apply, V1, trial=60).code == "trial-not-armed"
    assert (host.loads, read_ledger(host)) == ([], empty_ledger())
    assert history(host)["journal"][0]["code"] == "trial-not-armed"


def test_one_trial_at_a_time(host, interface, apply):
    apply(V1, trial=60)
    error = failure(apply, OTHER)
    assert error.code == "trial-running"
    apply(name="v1", state="absent")
    assert read_ledger(host) == empty_ledger()
    assert apply(OTHER)["changed"] is True


def test_an_enabled_patch_is_not_put_on_trial(apply):
    apply(V1)
    assert [found["code"] for found in apply(V1, trial=60)["findings"]] == ["trial-not-begun"]


def test_a_trial_needs_a_way_back(host, apply):
    host.plain_module("foreign", taint="OEK", refcnt=1)
    host.put("/sys/kernel/livepatch/foreign/enabled", "1\n")
    host.put("/sys/kernel/livepatch/foreign/transition", "0\n")
    assert failure(apply, V1, trial=60).code == "trial-without-rollback"
    assert host.loads == []


def test_a_patch_that_is_taken_out_meanwhile_does_not_come_back(host, interface, apply):
    apply(OTHER)
    apply(SimulatedPatch("third", objects={"vmlinux": ["other"]}), trial=60)
    apply(name="other", state="absent")
    end_trial(host)
    assert stack(host, interface) == []


def test_what_a_failed_load_has_taken_along_comes_back_by_the_end_of_its_trial(host, interface, apply, monkeypatch):
    apply(OTHER)
    real = host.finit_module
    refused = []

    def finit_module(descriptor, parameters):
        if len(host.loads) == 2 and not refused:
            refused.append(descriptor)
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return real(descriptor, parameters)
    monkeypatch.setattr(host, "finit_module", finit_module)
    error = failure(apply, UNHOOKED, trial=60)
    assert (error.code, error.details["changed"], stack(host, interface)) == ("function-not-hooked", True, [])
    end_trial(host)
    assert host.now() < 60
    assert (stack(host, interface), read_ledger(host)["trial"]) == (["other"], None)


def test_a_trial_ends_though_its_ledger_is_moved_away(host, interface, apply):
    apply(V1)
    apply(V2, trial=60)
    host.at(20, lambda: os.unlink(host.path(LEDGER)))
    end_trial(host)
    assert (host.now() >= 60, stack(host, interface), read_ledger(host)["trial"]) == (True, ["v1"], None)


def test_a_trial_ends_though_another_change_has_begun_a_damaged_ledger_anew(host, interface, apply):
    apply(OTHER)
    apply(STACKED, trial=60)

    def damage():
        host.put(LEDGER, "{")
        apply(name="other", state="absent")
    host.at(20, damage)
    end_trial(host)
    assert host.now() >= 60 and "stacked" not in stack(host, interface)


def test_a_patch_that_was_taken_out_by_hand_is_not_on_trial_any_more(host, interface, apply):
    apply(V1)
    apply(V2, trial=60)
    host.at(20, lambda: apply(name="v2", state="absent"))
    end_trial(host)
    assert (host.now() < 60, stack(host, interface)) == (True, [])


def test_a_disk_that_fills_up_in_a_load_does_not_hide_why_that_failed(host, apply, monkeypatch):
    real = transaction.write_ledger
    full = []

    def write(host, ledger):
        if full:
            raise LivepatchError("no-space", "There is no space.")
        real(host, ledger)

    def load(*argv):
        full.append(True)
        raise OSError(errno.ENOMEM, "Cannot allocate memory")
    monkeypatch.setattr(transaction, "write_ledger", write)
    monkeypatch.setattr(host, "finit_module", load)
    error = failure(apply, V1, trial=60)
    assert (error.code, history(host)["journal"][0]["outcome"]) == ("no-memory", "failed")
    assert "ledger-not-written" in [found["code"] for found in error.details["findings"]]
