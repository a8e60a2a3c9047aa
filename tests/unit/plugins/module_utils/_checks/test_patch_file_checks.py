# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a patch file by itself."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.patch_file import CHECKS
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

CODES = [code for one in CHECKS for code in one.codes]


@pytest.fixture
def find(kernel):
    """find(patch): the findings of these checks alone."""
    return lambda patch: [
        entry for entry in check_host(kernel, patch.offer(), None, report_only=True)["findings"]
        if entry["code"] in CODES]


def codes(findings):
    return [entry["code"] for entry in findings]


@pytest.mark.parametrize("license", [
    "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"])
def test_what_the_kernel_calls_gpl_compatible_is(find, license):
    assert find(SimulatedPatch(license=license)) == []


@pytest.mark.parametrize("license, words", [
    ("Proprietary", "fix.ko has the licence 'Proprietary', and the kernel"),
    ("gpl", "has the licence 'gpl'"), ("GPL v3", "has the licence 'GPL v3'"), (None, "fix.ko has no licence, and"),
])
def test_another_licence_is_refused(find, license, words):
    findings = find(SimulatedPatch(license=license))
    assert codes(findings) == ["license-not-gpl"]
    assert words in findings[0]["message"]


def test_a_stripped_file_is_refused(find):
    assert codes(find(SimulatedPatch(symtab=False))) == ["module-stripped"]


@pytest.mark.parametrize("first, second", [(0, 0), (0, 1), (1, 1), (2, 2)])
def test_a_function_that_is_listed_twice_is_refused(find, first, second):
    findings = find(SimulatedPatch(objects={"vmlinux": [("start", first), ("start", second)]}))
    assert codes(findings) == ["duplicate-function"]
    assert findings[0]["subject"] == f"vmlinux:start,{second or 1}"


@pytest.mark.parametrize("objects", [
    {"vmlinux": [("start", 1), ("start", 2)]}, {"vmlinux": ["start"], "ext4": ["start"]}])
def test_functions_of_one_name_are_no_duplicates(find, objects):
    assert find(SimulatedPatch(objects=objects)) == []


def test_an_object_that_is_listed_twice_is_refused(find):
    patch = SimulatedPatch(objects={"ext4": ["start"]})
    patch.description["objects"].append({"name": "ext4", "callbacks": [], "functions": []})
    findings = find(patch)
    assert codes(findings) == ["duplicate-object"]
    assert "fix.ko patches the object ext4 twice" in findings[0]["message"]


@pytest.mark.parametrize("name, why", [
    ("nf-tables", "it has - in it, and module names have letters, digits and _ only"),
    ("nf_tables.ko", "it has . in it, and"), ("nf_tables.ko.xz", "it has . in it, and"),
    ("kernel/net/nf_tables", "it has / in it, and"), ("nf,tables", "it has , in it, and"),
    ("nf tables", "it has   in it, and"), ("nf!tables-1", "it has ! - in it, and"), ("", "it is empty"),
    ("a" * 56, "it has 56 characters, and the kernel takes 55"),
])
def test_an_object_that_no_module_can_be_called_is_a_blocker(find, name, why):
    finding, = find(SimulatedPatch(objects={"vmlinux": ["start"], name: ["start"], "nf_tables": ["stop"]}))
    assert (finding["code"], finding["level"], finding["subject"]) == ("object-name-impossible", "blocker", name)
    assert f" an object called {name}, and no module can have this name: {why}" in finding["message"]


@pytest.mark.parametrize("name", ["nf_tables", "8021q", "X25", "a" * 55, "vmlinux"])
def test_a_name_that_a_module_can_have(find, name):
    assert find(SimulatedPatch(objects={name: ["start"]})) == []


def test_a_name_that_no_module_has_is_not_called_absent_as_well(kernel):
    patch = SimulatedPatch(objects={"nf-tables": ["start"], "nf_tables": ["start"]})
    found = check_host(kernel, patch.offer(), None, report_only=True)["findings"]
    assert [entry["subject"] for entry in found if entry["code"] == "object-absent"] == ["nf_tables"]


def test_the_hints_of_an_opaque_file_are_not_held_against_it(find):
    patch = SimulatedPatch(objects={"nf-tables": ["start", "start"]}, opaque=True)
    patch.description["objects"].append({"name": None, "callbacks": [], "functions": []})
    assert codes(find(patch)) == ["tables-opaque"]


@pytest.mark.parametrize("described, code", [
    ({"symtab": False}, "module-stripped"), ({"arch": "s390x"}, "wrong-architecture")])
def test_a_file_that_cannot_be_read_for_a_graver_reason_is_not_called_opaque(find, described, code):
    assert codes(find(SimulatedPatch(opaque=True, **described))) == [code]


def test_a_file_for_another_kernel_is_read_all_the_same(find):
    assert codes(find(SimulatedPatch(release="5.10.0", symtab=False))) == ["wrong-release", "module-stripped"]


def test_what_is_wrong_with_a_loaded_file_is_not_said_any_more(find, apply):
    apply(SimulatedPatch())
    assert find(SimulatedPatch(license=None, symtab=False)) == []
