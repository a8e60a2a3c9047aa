# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with SELinux, which is simulated: the labels of our files, and what its policy does not allow."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM, STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V1,
    V2,
    accept,
    failure,
    kept_file_path,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_selinux import (
    LOGIN,
    MODULE,
    OTHER,
    SERVICE,
    SimulatedSelinux,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    UNIT_FILE,
    WANTED,
)


@pytest.fixture
def selinux(host, systemd):
    return SimulatedSelinux(host)


def codes(findings):
    return [found["code"] for found in findings]


def relabel(selinux, host):
    """As `touch /.autorelabel` and a reboot."""
    for path in list(selinux.labels):
        if path != host.path("/lib/modules"):
            del selinux.labels[path]


def test_a_patch_is_loaded_by_a_task_at_boot_and_at_the_end_of_a_trial(host, interface, apply, systemd, selinux):
    assert codes(accept(apply, V1)["findings"]) == []
    assert selinux.label(kept_file_path(host, V1)) == MODULE
    relabel(selinux, host)
    selinux.domain = SERVICE
    reboot(host)
    systemd.stop_all()
    boot(host)
    assert stack(host, interface) == ["v1"]
    selinux.domain = LOGIN
    apply(V2, trial=60)
    relabel(selinux, host)
    selinux.domain = SERVICE
    host.sleep(100)
    end_trial(host)
    assert stack(host, interface) == ["v1"]


def test_the_policys_labels_are_given_to_the_other_files(host, apply, selinux):
    apply(ONE)
    assert selinux.restored == [[STATE_DIRECTORY, PROGRAM, UNIT_FILE]]
    os.unlink(host.path(WANTED))
    os.symlink(host.path(UNIT_FILE), host.path(WANTED))  # a link that this host can follow
    accept(apply, ONE)
    assert selinux.restored[-1] == [STATE_DIRECTORY, PROGRAM, UNIT_FILE, WANTED]


@pytest.mark.parametrize("enforcing, code", [(True, "labels-not-set"), (False, None)])
def test_labels_that_cannot_be_set_stop_a_load_if_selinux_is_enforcing(host, apply, systemd, enforcing, code):
    selinux = SimulatedSelinux(host, enforcing)
    selinux.broken = "a warning\nrestorecon: Operation not permitted"
    if code:
        error = failure(apply, ONE)
        assert error.code == code
        assert "(restorecon: Operation not permitted)" in error.message
        assert host.loads == []
    else:
        assert codes(apply(ONE)["findings"]) == ["labels-not-restored"]
        assert codes(accept(apply, ONE)["findings"]) == ["labels-not-restored"]


@pytest.mark.parametrize("enforcing, told", [(True, ["restorecon-missing"]), (False, [])])
def test_a_host_without_restorecon_is_told(host, apply, systemd, enforcing, told):
    SimulatedSelinux(host, enforcing)
    os.unlink(host.path("/usr/sbin/restorecon"))
    assert codes(apply(ONE)["findings"]) == told


@pytest.mark.parametrize("domain, who", [
    (LOGIN, "this task"), (SERVICE, "the service that ends trials and loads patches at boot")])
def test_a_policy_that_denies_the_load_is_told_before_it(host, apply, selinux, domain, who):
    selinux.allowed = {one for one in selinux.allowed if one[0] != domain}
    error = failure(apply, ONE)
    assert (error.code, host.loads) == ("selinux-denies-load", [])
    assert f"does not let {domain} ({who}) load modules from files with the label {MODULE}" in error.message
    selinux.flags = 1  # the domain is permissive
    assert codes(apply(ONE, check_mode=True)["findings"]) == []
    selinux.flags = 0
    if domain == SERVICE:
        apply(ONE, ignore_findings=["selinux-denies-load"])


def test_a_policy_that_no_longer_lets_the_boot_load_is_drift(host, apply, selinux):
    accept(apply, ONE)
    assert host_inventory(host)["boot"]["patches"] == ["one"]
    selinux.allowed = {(LOGIN, None)}
    inventory = host_inventory(host)
    assert (inventory["boot"]["patches"], codes(inventory["drift"])) == ([], ["boot-denied-by-selinux"])
    assert f"({SERVICE})" in inventory["drift"][0]["message"]
    assert apply(ONE, state="accepted")["changed"] is False  # it is not ours to repair
    host.put("/sys/fs/selinux/enforce", "0")
    assert host_inventory(host)["drift"] == []


@pytest.mark.parametrize("path", [
    "/sys/fs/selinux/class/system/perms/module_load", "/sys/fs/selinux/class/system/index", "/proc/self/attr/current"])
def test_what_the_policy_does_not_say_is_not_denied(host, apply, selinux, path):
    selinux.allowed = {(SERVICE, MODULE)}
    selinux.domain = SERVICE
    os.unlink(host.path(path))
    assert codes(apply(ONE)["findings"]) == []


def test_a_host_without_selinux_is_left_alone(host, apply, systemd, monkeypatch):
    def no_call(*_arguments):
        raise AssertionError("asked")
    for method in ("label", "set_label", "ask"):
        monkeypatch.setattr(host, method, no_call)
    host.put("/usr/sbin/restorecon", "")
    accept(apply, ONE)
    assert not [argv for argv in host.commands if "restorecon" in argv[0]]


def test_a_file_system_without_labels_has_none(tmp_path):
    host = Host()
    assert host.label(str(tmp_path / "absent")) is None
    host.set_label(str(tmp_path / "absent"), OTHER)
