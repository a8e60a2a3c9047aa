# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook preflight on two real machines, and on entries of the inventory that are none."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml
from guest import Guest
from playbook import Playbooks

TASK = "kernel.livepatch.preflight : "


@pytest.fixture(scope="module")
def fleet(lab, machines, patches, tmp_path_factory):
    """The first machine and one more, on which another build of the patch is enabled."""
    second = Guest(lab.machines(1)[0])
    second.load(patches["cmdline_v1"])
    second.wait("test $(cat /sys/kernel/livepatch/cmdline_v1/transition) = 0")
    machines = [machines[0], second.machine]
    yield machines, Playbooks(tmp_path_factory.mktemp("fleet"), lab.write_inventory(machines, "fleet"))
    lab.end(second.machine)


@pytest.fixture
def preflight(fleet, guest, patches, tmp_path):
    """Run the playbook from a directory with the bundles `patches` and `other_kernels`.

    The inventory has two entries more: `alias`, the first machine under a second name, which is told to use the
    bundle without a build for it; and `gone`, where nothing listens.
    """
    machines, playbooks = fleet
    for bundle, build in (("patches", "cmdline_v1_rebuilt"), ("other_kernels", "wrong_release"), ("broken", "not_elf")):
        (tmp_path / bundle).mkdir()
        shutil.copyfile(patches[build], tmp_path / bundle / "cmdline_v1.ko")
    first = {"ansible_host": "127.0.0.1", "ansible_port": machines[0].ssh_port}
    hosts = {
        "alias": {**first, "livepatch_src": "other_kernels"},
        "gone": {"ansible_host": "127.0.0.1", "ansible_port": 1},
    }
    inventory = tmp_path / "more.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": {"livepatch_src": "patches/"}}}))

    def run(*flags):
        return playbooks.run_playbook("kernel.livepatch.preflight", "-i", str(inventory), *flags, start=tmp_path)
    return run


def test_the_summary_tells_who_would_take_the_patch_and_who_not(preflight, fleet, guest):
    (_first, second), _playbooks = fleet
    outcome = preflight()
    assert outcome.code == 2, outcome.output
    lines = outcome.results[TASK + "Show the preflight summary"]["msg"]
    assert lines[0] == f"{guest.release()} x86_64: 3 hosts: 1 compatible, 1 without a build, 1 blocked"
    text = "\n".join(lines)
    assert f"  blocker name-taken-by-other-build on {second.name}: Another build of cmdline_v1 is enabled" in text
    assert "  note no-build on alias: The bundle has no build of" in text
    assert re.search("^unreachable: gone: .*Connection refused", text, re.MULTILINE)
    assert lines[-1] == "4 hosts: 1 compatible, 1 without a build, 1 blocked, 1 unreachable"
    assert failed_hosts(outcome) == {second.name, "gone"}


def test_hosts_that_would_take_it_or_have_no_build_are_a_success_and_stay_as_they_are(preflight, fleet, guest):
    (first, _second), _playbooks = fleet
    before = guest.read("/proc/modules"), guest.run("find /var/lib /run/ansible /root | sort || true")
    outcome = preflight("--limit", f"{first.name},alias")
    assert outcome.code == 0, outcome.output
    assert failed_hosts(outcome) == set()
    assert (guest.read("/proc/modules"), guest.run("find /var/lib /run/ansible /root | sort || true")) == before


def test_a_bundle_that_cannot_be_read_is_told_once(preflight, fleet):
    (first, second), _playbooks = fleet
    outcome = preflight("--limit", f"{first.name},{second.name}", "-e", "livepatch_src=broken")
    assert outcome.code == 2
    lines = outcome.results[TASK + "Show the preflight summary"]["msg"]
    assert lines[0].startswith(f"could not be checked: {first.name}, {second.name}: not-elf: ")
    assert lines[1:] == ["2 hosts: 2 not checked"]


def failed_hosts(outcome):
    """The hosts that the recap calls failed."""
    return set(re.findall(r"^(\S+) .*\bfailed=[1-9]", outcome.output, re.MULTILINE))
