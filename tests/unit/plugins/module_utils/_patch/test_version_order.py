# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of versions, of any form."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import is_older, label_of
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import version_of
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.version_order import (
    compare_versions,
    split_name,
    version_keys,
)


@pytest.mark.parametrize("earlier, later", [
    ("1.9", "1.10"), ("1.0.dev1", "1.0a1"), ("1.0rc1", "1.0"), ("1.0", "1.0.post1"), ("1.0", "1.0+local.1"),
    ("2026.1", "1!1.0"), ("v1", "2"),
    # other forms
    ("klp-9", "klp-10"), ("6.1-deb12u9", "6.1-deb12u10"), ("1-el8", "1-el8-2"), ("beta-1", "1-1"),
    # one of the two in another form
    ("1.0", "1.0-el8"), ("1.9-el8", "1.10"),
    # as dpkg and rpm order them
    ("1.0~rc1", "1.0"), ("1.0~rc1", "1.0~rc2"), ("1.0~~", "1.0~"), ("1.0~rc1", "1.0rc1"), ("1.0-1~bpo12+1", "1.0-1"),
    ("1.0", "1.0+b1"), ("0.9", "1.0~beta"), ("2.0", "1:1.0"), ("9:9", "10:1"), ("6.1.0-56~deb12", "6.1.0-56"),
    ("6.1.0-55-amd64", "6.1.0-56~deb12-amd64"), ("1.0-el8-rc1", "1.0-el8"), ("1.0", "1.0-el8-rc1"),
])
def test_an_earlier_and_a_later_version(earlier, later):
    assert [compare_versions(*pair) for pair in ((earlier, later), (later, earlier))] == [-1, 1]


@pytest.mark.parametrize("one, other", [("1.0", "1"), ("V1.0", "1.0"), ("1.0-RC.1", "1.0rc1"), ("KLP-1", "klp_01")])
def test_equal_versions(one, other):
    assert [compare_versions(*pair) for pair in ((one, other), (other, one))] == [0, 0]


@pytest.mark.parametrize("versions", [
    ["1.0.dev1", "1.0rc1", "1.0", "1.0-el8"], ["1.0~rc1", "1.0rc1", "1.0", "1.0.1", "1:0.1"],
    ["9.0", "1!1.0", "2:1~a"]])
def test_one_version_of_another_form_does_not_change_the_order_of_the_rest(versions):
    """A bundle is ordered as a whole, and a host compares two."""
    assert sorted(versions, key=dict(zip(versions, version_keys(versions))).get) == versions
    pairs = list(zip(versions, versions[1:]))
    assert [compare_versions(*pair) for pair in pairs] == [-1] * len(pairs)


def test_a_long_number_is_no_trap():
    assert split_name("fix_" + "9" * 10000)[0] == "fix"
    assert version_of({"version": "9" * 10000}) is None


@pytest.mark.parametrize("build, version, label", [
    ({"version": "1.0"}, "1.0", "fix 1.0"), ({"version": "1.0", "metadata": {"version": "2"}}, "2", "fix 2"),
    ({"version": "1.0", "metadata": {"version": None}}, "1.0", "fix 1.0"), ({"version": ""}, None, "fix"),
    ({}, None, "fix")])
def test_the_bundle_overrules_the_version_in_the_file(build, version, label):
    assert version_of(build) == version
    assert label_of(dict(build, name="fix")) == label


@pytest.mark.parametrize("one, other, older", [
    (("fix", "1.0"), ("fix", "1.1"), True), (("fix", "1.1"), ("fix", "1.0"), False),
    (("fix", "1.0"), ("fix", "1.0"), False), (("fix", "1.0"), ("other", "1.1"), False),
    (("fix_1", None), ("fix_2", None), True), (("fix_2", "1.0"), ("fix_1", "1.1"), True),
    (("fix_1", "1.0"), ("fix_2", "1.0"), True), (("fix", None), ("fix", "1.0"), False),
    (("v1", None), ("v2", None), False), (("kpatch_6_1_0_55_fix_1", None), ("kpatch_6_1_0_56_fix_2", None), True)])
def test_a_build_is_older_than_another_of_the_same_patch(one, other, older):
    builds = [{"name": name, "version": version} for name, version in (one, other)]
    assert is_older(*builds) is older
