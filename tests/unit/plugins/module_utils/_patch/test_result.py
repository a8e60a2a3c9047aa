# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a result, and the diff of who provides which function."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import claimed_objects
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.result import (
    forecast_stack,
    patch_result,
    stack_text,
)

OBJECTS = [{"name": "vmlinux", "functions": [{"name": "one", "sympos": 1}, {"name": "two", "sympos": 2}]}]
IN_FILE = [{"name": "vmlinux", "functions": [{"name": "one", "sympos": 0}, {"name": "two", "sympos": 2}]}]
OLD = {"name": "old", "state": "enabled", "objects": OBJECTS}
NEW = {"name": "new", "state": "enabled", "objects": []}


def test_every_key_of_the_result_is_always_there(kernel):
    assert patch_result(kernel, "fix", state="absent") == {
        "name": "fix", "state": "absent", "previous_state": None, "kernel": "6.1.0-56-amd64", "sha256": None,
        "build_id": None, "objects": [], "replaces": [], "transition_seconds": None}


def test_a_key_that_is_none_of_the_result_is_a_bug(kernel):
    with pytest.raises(KeyError):
        patch_result(kernel, "fix", sate="absent")


def test_the_stack_as_text():
    assert stack_text([OLD, dict(NEW, state="enabling")]) == (
        "old: enabled\n  vmlinux:one,1\n  vmlinux:two,2\nnew: enabling\n")
    assert stack_text([]) == "no live patch\n"


@pytest.mark.parametrize("name, state, replace, after", [
    ("new", "enabled", False, [OLD, NEW]), ("new", "enabled", None, [OLD, NEW]), ("new", "enabled", True, [NEW]),
    ("old", "absent", None, []), ("old", "disabled", None, []), ("other", "absent", None, [OLD])])
def test_the_stack_after_a_change(name, state, replace, after):
    assert forecast_stack([OLD], name, state, {"replace": replace, "opaque": False, "objects": []}) == after


def test_a_file_claims_what_sysfs_will_show_and_hints_are_no_claims():
    assert claimed_objects({"opaque": False, "objects": IN_FILE}) == [{
        "name": "vmlinux", "patched": False,
        "functions": [{"name": "one", "sympos": 1}, {"name": "two", "sympos": 2}]}]
    assert claimed_objects({"opaque": True, "objects": IN_FILE}) == []
