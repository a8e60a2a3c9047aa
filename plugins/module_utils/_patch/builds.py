# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether builds fit a kernel, and whether two builds are the same: one judge for the host and for the controller.

A build is a description of a patch file, or its stub. `metadata.kernel_build_id` ties it to one build of the kernel.
`series` ({stem, rank}) is its place among the versions of one patch; see plugin_utils/_bundle/series.py.
"""

from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import required_kernel_build, version_of
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import name_matches
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.version_order import compare_versions, split_name

# builds: the build of each name that fits. undecided: builds for one kernel build, on a kernel that does not show its
# own. passed_over: builds that fit, older than another of their series.
Choice = namedtuple("Choice", "builds undecided passed_over")
# What tells two builds of one patch apart, wherever patches are shown.
IDENTITY = ("name", "version", "build_id", "sha256")


def is_wanted(build, name=None, version=None):
    """Whether a build has a name, or one that fits a pattern, and a version, as a task gives them; None means any."""
    if not name_matches(name, build["name"]):
        return False
    own = version_of(build)
    return version is None or (own is not None and compare_versions(own, version) == 0)


def choose_builds(builds, release, arch, kernel_build, name=None, version=None):
    """The Choice for a kernel: its release, its machine, and its build-id or None if it does not show one.

    For one name, a build for exactly this kernel build is preferred to one for every kernel of the release. Of several
    versions the newest is taken, unless a version is given.
    """
    by_name = {}
    for build in builds:
        if (build["release"], build["arch"]) == (release, arch) and is_wanted(build, name, version):
            by_name.setdefault((build["name"], version_of(build)), []).append(build)
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


def label_of(build):
    """A build by its name and its version, if it has one."""
    return " ".join(filter(None, (build["name"], version_of(build))))


def is_older(build, other, by_names=True):
    """Whether a build is an older version of the same patch than `other`: with its name, or with the stem of it.

    Versions decide if both have one. Otherwise, or if they are equal, the versions in the names do if `by_names`.
    """
    (stem, key), (other_stem, other_key) = split_name(build["name"]), split_name(other["name"])
    if stem != other_stem:
        return False
    versions = (version_of(build), version_of(other))
    order = compare_versions(*versions) if all(versions) else 0
    return order < 0 if order or not by_names else key < other_key


def find_build(builds, wanted):
    """The first of `builds` that certainly is the wanted one, see compare_builds; or None.

    One with the wanted digest comes first: files of one build can differ, as by a signature.
    """
    same = [build for build in builds if compare_builds(build, wanted)]
    return next((build for build in same if build["sha256"] == wanted.get("sha256")), same[0] if same else None)


def same_build(one, other):
    """Whether two are the same build, also if only one of them is seen in the kernel, which shows no digest.

    Two without a build-id count as the same, because both were seen on this host.
    """
    same = compare_builds(one, other)
    return one["build_id"] == other["build_id"] if same is None else same


def compare_builds(one, other):
    """Whether two are the same build of a patch: True, False, or None if one of them shows too little.

    Every comparison of builds is made here, on hosts and on the controller.

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
