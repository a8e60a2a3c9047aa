# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether builds fit a kernel, and whether two builds are the same: one judge for the host and for the controller.

A build is a description of a patch file, or its stub. `metadata.kernel_build_id` ties it to one build of the kernel.
`series` ({stem, rank}) is its place among the versions of one patch; see plugin_utils/_bundle/series.py.
"""

from collections import namedtuple

# builds: the build of each name that fits. undecided: builds for one kernel build, on a kernel that does not show its
# own. passed_over: builds that fit, older than another of their series.
Choice = namedtuple("Choice", "builds undecided passed_over")


def required_kernel_build(build):
    """The build-id of the one kernel that a build is for, as hex, or None for every kernel of its release."""
    return (build.get("metadata") or {}).get("kernel_build_id")


def has_metadata_in_shape(build):
    """Whether `metadata` of a kept description can be read: a file on a disk can be damaged."""
    metadata = build.get("metadata") or {}
    return isinstance(metadata, dict) and isinstance(metadata.get("kernel_build_id") or "", str)


def choose_builds(builds, release, arch, kernel_build, name=None):
    """The Choice for a kernel: its release, its machine, and its build-id or None if it does not show one.

    For one name, a build for exactly this kernel build is preferred to one for every kernel of the release.
    """
    by_name = {}
    for build in builds:
        if (build["release"], build["arch"]) == (release, arch) and name in (None, build["name"]):
            by_name.setdefault(build["name"], []).append(build)
    fitting, undecided = [], []
    for named in by_name.values():
        exact = [build for build in named if required_kernel_build(build) == (kernel_build or "unknown")]
        best = exact or [build for build in named if required_kernel_build(build) is None]
        if best:
            fitting.append(best[0])
        elif kernel_build is None:
            undecided.append(named[0])
    newest = [build for build in fitting if not any(_is_passed_over(build, other, fitting) for other in fitting)]
    return Choice(newest, undecided, [build for build in fitting if build not in newest])


def _is_passed_over(build, other, fitting):
    """Whether `other` is the one newest build of the series, and `build` an older one."""
    one, newer = build.get("series"), other.get("series")
    if not one or not newer or one["stem"] != newer["stem"] or newer["rank"] <= one["rank"]:
        return False
    ranks = [each["series"]["rank"] for each in fitting if (each.get("series") or {}).get("stem") == one["stem"]]
    return newer["rank"] == max(ranks) and ranks.count(max(ranks)) == 1


def compare_builds(one, other):
    """Whether two are the same build of a patch: True, False, or None if one of them shows too little.

    Each has `name`, and `build_id` and `sha256`, if known.
    """
    if one["name"] != other["name"]:
        return False
    digests = (one.get("sha256"), other.get("sha256"))
    if digests[0] and digests[0] == digests[1]:
        return True
    if one.get("build_id") and other.get("build_id"):
        return one["build_id"] == other["build_id"]
    return False if all(digests) else None
