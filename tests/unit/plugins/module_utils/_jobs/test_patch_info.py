# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_info tells, with root and without."""

import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs import patch_info
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.boot_loader import NextKernel
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import failure
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import NO_SYSTEMD
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.modules.test_module_returns import undocumented_info

FIX = SimulatedPatch()
NO_COVERAGE = {
    "cves": [], "not_covered": [], "unverified": [], "effective_kernel": None, "expires": None, "expired": [],
    "reboot": {"closes": [], "replaces": [], "next_kernel": None, "message": None}}


def test_a_kernel_without_patches(kernel):
    inventory = host_inventory(kernel)
    assert inventory.pop("kernel")["release"] == "6.1.0-56-amd64"
    assert inventory == {
        "interface": "livepatch", "patches": [], "transition": None, "leftovers": [], "kept": [], "other_tools": [],
        "changing": None, "hook": None, "lease": None, "journal": [], "journal_unreadable": 0, "accepted": [],
        "quarantined": [],
        "trial": None, "failed_watch": None, "drift": [], "coverage": NO_COVERAGE,
        "boot": dict(NO_SYSTEMD, patches=[], next={
            "loader": None, "entry": None, "kernel": None, "patches": None,
            "why": "neither a configuration of GRUB nor of systemd-boot is found"})}


def test_a_patch_with_its_module(kernel, apply):
    apply(FIX)
    inventory = host_inventory(kernel)
    assert inventory["patches"] == [{
        "name": "fix", "state": "enabled", "replace": None, "replace_set": None, "stack_order": None,
        "build_id": "aa" * 20, "sha256": FIX.sha256, "verified": True, "taint": "OEK", "refcnt": 1, "version": None,
        "metadata": None,
        "objects": [{
            "name": "vmlinux", "patched": True, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}],
    }]
    assert inventory["kept"] == [{
        "name": "fix", "release": "6.1.0-56-amd64", "arch": "x86_64", "sha256": FIX.sha256, "build_id": "aa" * 20,
        "size": len(FIX.image), "version": None}]
    assert (inventory["transition"], inventory["leftovers"]) == (None, [])


@pytest.mark.parametrize("state", ["enabling", "disabling"])
def test_a_transition_with_who_holds_it(kernel, apply, state):
    kernel.hold(7, directions=(state,))
    apply(FIX, on_stall="wait")
    if state == "disabling":
        apply(name="fix", state="disabled", on_stall="wait")
    transition = host_inventory(kernel)["transition"]
    assert (transition["name"], transition["state"]) == ("fix", state)
    assert [(blocker["tid"], blocker["reason"]) for blocker in transition["blockers"]] == [(7, "asleep-in-function")]


def test_what_is_left_of_patches_that_are_gone(kernel, apply):
    apply(FIX)
    apply(name="fix", state="disabled")
    kernel.sleep(1)  # by now the simulated kernel has freed it
    kernel.plain_module("pinned", taint="OEK", refcnt=1)
    kernel.plain_module("e1000", taint="OE")
    kernel.put("/sys/module/builtin/parameters/debug", "0\n")
    inventory = host_inventory(kernel)
    assert inventory["patches"] == []
    assert inventory["leftovers"] == [
        {"name": "fix", "build_id": "aa" * 20, "refcnt": 0}, {"name": "pinned", "build_id": "bb" * 20, "refcnt": 1}]


def test_without_root_it_tells_what_it_may_and_asks_the_kernel_nothing(kernel, apply):
    kernel.hold(7)
    apply(FIX, on_stall="wait")
    kernel.writes.clear()
    kernel.put("/proc/self/status", "CapEff:\t0000000000000000\n")
    kernel.forbidden = ("/proc/1/", "/proc/7/", "/proc/dynamic_debug", "/sys/kernel/tracing", "/sys/kernel/security")
    inventory = host_inventory(kernel)
    assert inventory["transition"] == {"name": "fix", "state": "enabling", "blockers": []}
    assert [patch["name"] for patch in inventory["patches"]] == ["fix"]
    assert inventory["kernel"]["lockdown"] is None
    assert kernel.writes == []


def test_the_other_tools_on_the_host_are_told(kernel):
    kernel.put("/usr/bin/kcarectl", "")
    assert [(tool["name"], tool["active"]) for tool in host_inventory(kernel)["other_tools"]] == [("KernelCare", False)]


def test_the_life_of_a_patch_on_a_host_without_systemd(kernel, apply):
    """As the changes themselves write ledger and journal; in test_drift.py those are written by hand."""
    def patches_and_drift():
        inventory = host_inventory(kernel)
        return ([(patch["name"], patch["state"]) for patch in inventory["patches"]],
                [found["code"] for found in inventory["drift"]])

    later = SimulatedPatch("later", build_id="cc" * 20, replace=True)
    kernel.put("/proc/sys/kernel/random/boot_id", "first\n")
    apply(FIX)
    assert patches_and_drift() == ([("fix", "enabled")], ["enabled-not-accepted"])
    apply(FIX, state="accepted", fresh=True)
    assert patches_and_drift() == ([("fix", "accepted")], ["boot-service-missing"])
    apply(later, trial=300)
    assert patches_and_drift() == ([("later", "enabled")], ["on-trial", "boot-service-missing"])
    assert host_inventory(kernel)["trial"]["back_to"] == ["fix"]
    for number, _command in enumerate(kernel.spawned, start=1):
        shutil.rmtree(kernel.path(f"/proc/{5000 + number}"))
    assert patches_and_drift() == (
        [("later", "enabled")], ["on-trial", "trial-process-missing", "boot-service-missing"])
    assert failure(apply, later, state="accepted", fresh=True).code == "watch-not-run"
    apply(later, trial=300)  # starts the process again
    apply(later, state="accepted", fresh=True)
    assert patches_and_drift() == ([("later", "accepted")], ["boot-service-missing"])
    apply(name="later", state="absent")
    assert patches_and_drift() == ([], [])
    assert [(entry["action"], [(layer["name"], layer["accepted"]) for layer in entry["after"]])
            for entry in host_inventory(kernel)["journal"]] == [
        ("patch", []), ("accept", [("later", True)]), ("patch", [("later", False)]), ("patch", [("later", False)]),
        ("accept", [("fix", True)]), ("patch", [("fix", False)])]


@pytest.mark.parametrize("directory", ["kpatch", "kgraft", "none"])
def test_a_kernel_with_another_interface_or_none_is_no_failure(kernel, directory):
    os.rename(kernel.path("/sys/kernel/livepatch"), kernel.path(f"/sys/kernel/{directory}"))
    inventory = host_inventory(kernel)
    assert inventory["interface"] == directory
    assert inventory["patches"] == []


OLD = SimulatedPatch("old", build_id="22" * 20, objects={"vmlinux": ["one"]}, version="0.9", metadata={
    "cves": ["CVE-2026-1111", "CVE-2026-2222"], "not_covered": [
        {"cve": "CVE-2026-3333", "reason": "later"}, {"cve": "CVE-2026-4444", "reason": "it changes data"}],
    "expires": "2027-03-01", "effective_kernel": "6.1.0-57-amd64", "summary": None, "advisory": None,
    "kernel_build_id": None, "version": None})
NEW = SimulatedPatch("new", build_id="33" * 20, objects={"vmlinux": ["other"]}, metadata={
    "cves": ["CVE-2026-3333"], "version": "1.0", "expires": "2027-02-01", "effective_kernel": "6.1.0-60-amd64"})


def test_any_controller_learns_what_the_enabled_patches_cover(kernel, apply):
    apply(OLD)
    apply(NEW)
    inventory = host_inventory(kernel)
    assert inventory["coverage"] == {
        "cves": ["CVE-2026-1111", "CVE-2026-2222", "CVE-2026-3333"],
        "not_covered": [{"cve": "CVE-2026-4444", "reason": "it changes data"}], "unverified": [],
        "effective_kernel": "6.1.0-60-amd64", "expires": "2027-02-01", "expired": [],
        "reboot": {
            "closes": ["CVE-2026-4444"], "replaces": [], "next_kernel": None,
            "message": "Reboot into a kernel with the fixes of CVE-2026-4444, because no live patch closes it."}}
    assert [patch["version"] for patch in inventory["patches"]] == ["0.9", "1.0"]
    assert inventory["patches"][0]["metadata"] == OLD.description["metadata"]
    assert inventory["patches"][1]["metadata"] == dict(
        dict.fromkeys(OLD.description["metadata"]), **NEW.description["metadata"], not_covered=[])
    assert [kept["version"] for kept in sorted(inventory["kept"], key=lambda one: one["name"])] == ["1.0", "0.9"]
    assert undocumented_info(inventory, ("coverage", "patches", "kept")) == []
    apply(name="new", state="absent")
    assert host_inventory(kernel)["coverage"]["effective_kernel"] == "6.1.0-57-amd64"


def test_a_patch_that_is_not_in_effect_covers_nothing(kernel, apply):
    later = SimulatedPatch(objects={"target": ["three"]}, metadata={"cves": ["CVE-2026-1111"]})
    apply(later, ignore_findings=["ineffective"])
    inventory = host_inventory(kernel)
    assert inventory["coverage"] == dict(
        NO_COVERAGE, unverified=[{"name": "fix", "cves": ["CVE-2026-1111"], "codes": ["ineffective"]}])
    assert inventory["patches"][0]["verified"] is False
    kernel.plain_module("target")
    kernel.put("/sys/kernel/livepatch/fix/target/patched", "1\n")
    inventory = host_inventory(kernel)
    assert inventory["coverage"] == dict(NO_COVERAGE, cves=["CVE-2026-1111"])
    assert inventory["patches"][0]["verified"] is True
    apply(name="fix", state="disabled")
    inventory = host_inventory(kernel)
    assert inventory["coverage"] == NO_COVERAGE
    assert [patch["verified"] for patch in inventory["patches"]] == [None] * len(inventory["patches"])


UNHOOKED = "# no function is hooked\n"


@pytest.mark.parametrize("path, text, code", [
    ("/sys/kernel/tracing/enabled_functions", UNHOOKED, "function-not-hooked"),
    ("/proc/1/task/1/patch_state", "0\n", "task-left-behind"),
    ("/sys/module/fix/notes/.note.gnu.build-id", None, None)])
def test_a_patch_closes_its_cves_only_if_each_function_is_verified(kernel, apply, path, text, code):
    apply(SimulatedPatch(metadata={
        "cves": ["CVE-2026-1111"], "not_covered": [{"cve": "CVE-2026-2222", "reason": "it changes data"}],
        "effective_kernel": "6.1.0-60-amd64"}))
    assert host_inventory(kernel)["coverage"]["cves"] == ["CVE-2026-1111"]
    if text is None:
        os.unlink(kernel.path(path))
    else:
        kernel.put(path, text)
    inventory = host_inventory(kernel)
    told, patch = inventory["coverage"], inventory["patches"][0]
    assert (told["cves"], told["effective_kernel"]) == ([], None)
    if code:
        assert told["unverified"] == [{"name": "fix", "cves": ["CVE-2026-1111"], "codes": [code]}]
        assert told["not_covered"] == [{"cve": "CVE-2026-2222", "reason": "it changes data"}]
        assert patch["verified"] is False
    else:  # without a build-id, the file of the loaded module is not known
        assert (told, patch["verified"], patch["sha256"]) == (NO_COVERAGE, None, None)
    assert undocumented_info(inventory, ("coverage", "patches")) == []


def test_what_a_later_patch_overrides_is_closed_by_the_later_patch_only(kernel, apply):
    apply(SimulatedPatch("early", build_id="22" * 20, objects={"vmlinux": ["one"]}, metadata={
        "cves": ["CVE-2026-1111", "CVE-2026-2222"]}))
    apply(SimulatedPatch("late", build_id="33" * 20, objects={"vmlinux": ["one"]}, metadata={
        "cves": ["CVE-2026-1111"]}))
    told = host_inventory(kernel)["coverage"]
    assert told["cves"] == ["CVE-2026-1111"]
    assert told["unverified"] == [{"name": "early", "cves": ["CVE-2026-2222"], "codes": ["function-overridden"]}]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("states", [("enabling",), ("enabling", "disabling")])
def test_a_transition_of_a_later_patch_leaves_a_cve_unproven(kernel, apply, replace, states):
    """Some tasks run the later patch, whose entry does not name the CVE."""
    apply(SimulatedPatch("early", build_id="22" * 20, objects={"vmlinux": ["one"]}, metadata={
        "cves": ["CVE-2026-1111"], "effective_kernel": "6.1.0-60-amd64"}))
    kernel.hold(7, directions=states)
    apply(SimulatedPatch("late", build_id="33" * 20, objects={"vmlinux": ["one"]}, replace=replace), on_stall="wait")
    if "disabling" in states:
        apply(name="late", state="disabled", on_stall="wait")
    inventory = host_inventory(kernel)
    assert inventory["transition"]["state"] == states[-1]
    told = inventory["coverage"]
    assert (told["cves"], told["effective_kernel"]) == ([], None)
    assert told["unverified"] == [{"name": "early", "cves": ["CVE-2026-1111"], "codes": ["function-overridden"]}]


def test_a_cve_that_an_entry_of_an_earlier_version_closes_and_leaves_open_is_open(kernel, apply):
    apply(SimulatedPatch(metadata={
        "cves": ["CVE-2026-1111", "CVE-2026-2222"],
        "not_covered": [{"cve": "CVE-2026-2222", "reason": "it changes data"}]}))
    told = host_inventory(kernel)["coverage"]
    assert told["cves"] == ["CVE-2026-1111"]
    assert told["not_covered"] == [{"cve": "CVE-2026-2222", "reason": "it changes data"}]
    assert told["reboot"]["closes"] == ["CVE-2026-2222"]


def test_of_two_files_of_one_build_the_loaded_one_is_told(kernel, apply):
    """A signature changes the file and not its build-id."""
    plain = SimulatedPatch(metadata={"cves": ["CVE-2026-1111"], "version": "1"})
    signed = SimulatedPatch(
        parameters={"signed": "int"}, replace_set=7, metadata={"cves": ["CVE-2026-2222"], "version": "2"})
    assert (signed.build_id, signed.sha256 != plain.sha256) == (plain.build_id, True)
    for first, second in ((plain, signed), (signed, plain)):
        apply(first)
        apply(name="fix", state="absent")
        apply(second)
        inventory = host_inventory(kernel)
        metadata = second.description["metadata"]
        assert [(patch["sha256"], patch["metadata"]["cves"], patch["version"]) for patch in inventory["patches"]] == [
            (second.sha256, metadata["cves"], metadata["version"])]
        assert inventory["coverage"]["cves"] == metadata["cves"]
        assert apply(name="fix", state="accepted", check_mode=True)["patch"]["sha256"] == second.sha256
        apply(name="fix", state="absent")


def test_a_user_who_may_not_read_the_store_is_told_no_coverage(kernel, apply, monkeypatch):
    apply(OLD)
    monkeypatch.setattr(Store, "is_readable", lambda store: False)
    assert host_inventory(kernel)["coverage"] is None


def test_a_patch_of_another_tool_has_the_version_of_its_module(kernel, apply):
    apply(FIX)
    shutil.rmtree(kernel.path("/var/lib/kernel-livepatch"))
    kernel.put("/sys/module/fix/version", "3.1\n")
    assert [(patch["version"], patch["metadata"]) for patch in host_inventory(kernel)["patches"]] == [("3.1", None)]


@pytest.mark.parametrize("expires, codes", [
    ("2026-11-21", []), ("2026-11-20", ["patch-expired"]), (None, []), ("2025-12-31", ["patch-expired"])])
def test_a_patch_after_its_last_day_is_drift(kernel, apply, expires, codes):
    """The simulated clock begins on 2026-11-21."""
    apply(SimulatedPatch(metadata={"expires": expires}))
    inventory = host_inventory(kernel)
    drift = [found for found in inventory["drift"] if found["code"] == "patch-expired"]
    assert [found["code"] for found in drift] == codes
    names = ["fix"] * len(codes)
    assert (inventory["coverage"]["expired"], inventory["coverage"]["reboot"]["replaces"]) == (names, names)
    message = inventory["coverage"]["reboot"]["message"]
    assert message == (f"Reboot into a kernel with the fixes of fix ({expires}), because its last day is over."
                       if codes else None)
    assert all(found["level"] == "warning" and expires in found["message"] for found in drift)


@pytest.mark.parametrize("release, words", [
    ("6.1.0-56-amd64", " The next boot starts 6.1.0-56-amd64 again, so install a fixed kernel first."),
    ("6.1.0-57-amd64", " The next boot starts 6.1.0-57-amd64. Make sure that it is such a kernel."), (None, "")])
def test_the_advice_to_reboot_names_the_kernel_of_the_next_boot(kernel, apply, monkeypatch, release, words):
    why = None if release else "no boot loader is known"
    monkeypatch.setattr(patch_info, "next_kernel", lambda host: NextKernel(None, None, release, why))
    apply(NEW)
    told = host_inventory(kernel)["coverage"]
    assert told["reboot"] == {"closes": [], "replaces": [], "next_kernel": release, "message": None}
    apply(OLD)
    inventory = host_inventory(kernel)
    assert inventory["coverage"]["reboot"]["message"] == (
        f"Reboot into a kernel with the fixes of CVE-2026-4444, because no live patch closes it.{words}")
    assert undocumented_info(inventory, ("coverage",)) == []


def test_what_the_bundle_says_later_reaches_the_host_also_for_an_enabled_patch(kernel, apply):
    apply(FIX)
    later = SimulatedPatch(metadata={"cves": ["CVE-2026-1111"]})
    assert apply(later, check_mode=True)["changed"] is True
    assert host_inventory(kernel)["coverage"] == NO_COVERAGE
    assert apply(later)["changed"] is True
    assert host_inventory(kernel)["coverage"]["cves"] == ["CVE-2026-1111"]
    assert apply(later)["changed"] is False
    assert apply(FIX)["changed"] is False  # a file without an entry says nothing
    assert host_inventory(kernel)["coverage"]["cves"] == ["CVE-2026-1111"]
    bundle = dict(FIX.offer(), kind="bundle")
    assert apply(offer=bundle)["changed"] is True
    assert host_inventory(kernel)["coverage"] == NO_COVERAGE


def test_a_patch_without_an_entry_is_unverified_too(kernel, apply):
    apply(FIX)
    kernel.put("/sys/kernel/tracing/enabled_functions", UNHOOKED)
    assert host_inventory(kernel)["coverage"] == dict(
        NO_COVERAGE, unverified=[{"name": "fix", "cves": [], "codes": ["function-not-hooked"]}])
