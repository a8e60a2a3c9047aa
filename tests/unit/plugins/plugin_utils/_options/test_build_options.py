# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the playbook build, in their own types and as a survey has them."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import BUILD_OPTIONS, KERNEL_OPTIONS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.builds import BUILD_NAMES, build_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values


def read(**options):
    given = {"src": "fix.patch", "kernels": ["6.1.0-56-amd64"], **options}
    return build_options(Values({f"livepatch_{name}": value for name, value in given.items()}))


def test_each_build_has_the_options_of_the_module():
    record = read()
    (build,) = record["builds"]
    assert record["parallel"] == 2
    assert set(build) == set(BUILD_OPTIONS) and set(build["kernel"]) == set(KERNEL_OPTIONS)
    defaults = {name: option["default"] for name, option in BUILD_OPTIONS.items() if "default" in option}
    assert {name: build[name] for name in defaults} == defaults
    assert (build["src"], build["bundle"], build["kernel"]["release"]) == (["fix.patch"], "patches", "6.1.0-56-amd64")
    assert set(BUILD_OPTIONS) - {"kernel"} | {"kernels", "build_parallel"} == set(BUILD_NAMES)


@pytest.mark.parametrize("kernels, releases", [
    (["6.1", "6.2"], ["6.1", "6.2"]), ("6.1, 6.2", ["6.1", "6.2"]), ({"release": "6.1"}, ["6.1"]),
    ('[{"release": "6.1"}, "6.2"]', ["6.1", "6.2"]), ([{"source": "/usr/src/linux"}], [None])])
def test_kernels_can_be_written_in_each_of_these_ways(kernels, releases):
    assert [build["kernel"]["release"] for build in read(kernels=kernels)["builds"]] == releases


def test_a_kernel_can_have_its_own_source_patch():
    builds = read(kernels=["6.1", {"release": "6.2", "src": ["other.patch"], "targets": ["fs/"]}])["builds"]
    assert [build["src"] for build in builds] == [["fix.patch"], ["other.patch"]]
    assert builds[1]["kernel"]["targets"] == ["fs/"] and "src" not in builds[1]["kernel"]
    assert read(src="", kernels=[{"release": "6.2", "src": "other.patch"}])["builds"][0]["src"] == ["other.patch"]


@pytest.mark.parametrize("options, values", [
    ({"replace": "no", "jobs": "8", "space": 100, "build_parallel": "3"}, {"replace": False, "jobs": 8, "space": 100}),
    ({"cves": "CVE-2026-1, CVE-2026-2"}, {"cves": ["CVE-2026-1", "CVE-2026-2"]}),
    ({"src": ["a.patch", "b.patch"]}, {"src": ["a.patch", "b.patch"]}), ({"tool": "klp-build"}, {"tool": "klp-build"}),
    ({"remote_src": "yes", "name": "fix", "version": "1.2"}, {"remote_src": True, "name": "fix", "version": "1.2"})])
def test_values_of_a_survey_are_read(options, values):
    (build,) = read(**options)["builds"]
    assert {name: build[name] for name in values} == values


@pytest.mark.parametrize("options, words", [
    ({"kernels": ""}, "livepatch_kernels is not set"), ({"kernels": []}, "livepatch_kernels is not set"),
    ({"kernels": 6}, "livepatch_kernels is 6"), ({"kernels": [6]}, "has 6 in it"),
    ({"kernels": [{"relase": "6.1"}]}, "relase"), ({"kernels": "[6"}, "no JSON"),
    ({"src": ""}, "livepatch_src is not set"),
    ({"jobs": 0}, "from 1 to 1024"), ({"jobs": "many"}, "whole number"), ({"build_parallel": 65}, "from 1 to 64"),
    ({"tool": "gcc"}, "kpatch-build, klp-build or kbuild"), ({"replace": "maybe"}, "true or false"),
    ({"bundle": 3}, "give a directory".capitalize())])
def test_a_wrong_value_is_refused(options, words):
    with pytest.raises(TaskError) as caught:
        read(**options)
    assert caught.value.code == "bad-option" and words in caught.value.message
