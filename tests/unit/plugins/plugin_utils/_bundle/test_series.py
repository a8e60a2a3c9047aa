# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of one patch, recognised by their names, and ordered."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.series import series_of


def order(*names):
    """The names in one series, the oldest first; None unless they are one series with a clear order."""
    series = series_of([{"name": name} for name in names])
    if None in series or len({one["stem"] for one in series}) != 1:
        return None
    ranks = {name: one["rank"] for name, one in zip(names, series, strict=True)}
    return sorted(names, key=ranks.get) if len(set(ranks.values())) == len(names) else None


@pytest.mark.parametrize("names", [
    ("kpatch_4_18_0_553_1_1", "kpatch_4_18_0_553_1_2"),
    ("kpatch_4_18_0_553_1_9", "kpatch_4_18_0_553_1_10"),
    ("kpatch_5_14_0_427_13_1_1_2", "kpatch_5_14_0_427_13_1_1_3"),
    ("livepatch_9", "livepatch_10"),
    ("livepatch_v9", "livepatch_v10"),
    ("livepatch-2", "livepatch_10"),
    ("fix", "fix_2", "fix_3"),
    ("kgraft_patch_4_12_14_default_1", "kgraft_patch_4_12_14_default_2"),
    ("kpatch_4_18_0_el8_10_x86_64_1", "kpatch_4_18_0_el8_10_x86_64_2"),
    ("fix_2_rc_1", "fix_2"),
    ("livepatch_cve_2026_1234", "livepatch_cve_2026_1234_2"),
    ("livepatch_cve_2026_1234_2", "livepatch_cve_2026_1234_3"),
    ("lkp_20261105", "lkp_20261106"),
])
def test_versions_of_one_patch_have_an_order(names):
    assert order(*names) == list(names)
    assert order(*reversed(names)) == list(names)


@pytest.mark.parametrize("names", [
    ("fix", "second"), ("fix_a", "fix_b"), ("fix_1_a", "fix_1_b"), ("kpatch_1_net", "kpatch_1_ext4"),
    ("livepatch_cve_2026_1234", "livepatch_cve_2026_5678"), ("CVE-2025-1", "CVE-2026-1"), ("fix_bug_12", "fix_bug_13"),
    ("kgraft_patch_4_default_1", "kgraft_patch_4_rt_2"), ("fix_1", "fix_01"), ("fix_1", "fix_1_0"),
    ("fix_1_cve_2026_1", "fix_1_cve_2026_2"),
])
def test_other_patches_have_none(names):
    assert order(*names) is None


def test_a_name_alone_is_in_no_series():
    assert series_of([{"name": name} for name in ("kpatch_1", "other_2", "kpatch_1")]) == [None] * 3


@pytest.mark.parametrize(("builds", "ranks"), [
    ((("fix", "1.9"), ("fix", "1.10"), ("fix", "1.10rc1")), [0, 2, 1]),
    ((("fix_2", "1.0"), ("fix_1", "1.1")), [0, 1]),  # each has a version
    ((("fix_2", "1.0"), ("fix_1", None)), [1, 0]),  # not each has one: the names come first
    ((("fix_1", "1.0"), ("fix_2", "1.0")), [0, 1]),
    ((("fix", None), ("fix", "1.0")), [0, 1]),
    ((("fix", "1.0"), ("fix", "1")), [0, 0]),
    ((("fix", "1.0-el8"), ("fix", "1.10"), ("fix", "1.9")), [0, 2, 1]),
])
def test_versions_order_builds_before_their_names_do(builds, ranks):
    series = series_of([{"name": name, "version": version} for name, version in builds])
    assert [one["rank"] for one in series] == ranks


def test_the_version_of_the_bundle_counts():
    builds = [{"name": "fix", "version": "1.0", "metadata": {"version": version}} for version in ("3", "2")]
    assert [one["rank"] for one in series_of(builds)] == [1, 0]
