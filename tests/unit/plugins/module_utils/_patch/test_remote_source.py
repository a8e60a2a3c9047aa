# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory on the host as the source: which build in it is this host's."""

import gzip
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._patch import remote_source
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.remote_source import located
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    simulated_module,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

SOURCE = "/usr/lib/kpatch"
HERE, NEXT = "6.1.0-56-amd64", "6.1.0-57-amd64"
REST = " SMP preempt mod_unload modversions "


def module(name="fix", release=HERE, live=True, **more):
    modinfo = [f"name={name}"] + (["livepatch=Y"] if live else [])
    return simulated_module(vermagic=release + REST, modinfo=tuple(modinfo), **more)


def offer(path=SOURCE, *builds):
    return {"kind": "host", "path": path, "builds": list(builds), "delivered": {}, "enclosed": None}


def error(call, *arguments, **options):
    with pytest.raises(LivepatchError) as caught:
        call(*arguments, **options)
    return caught.value


def test_the_build_for_the_running_kernel_is_found_at_any_depth(kernel):
    kernel.put(f"{SOURCE}/{NEXT}/fix.ko", module(release=NEXT))
    kernel.put(f"{SOURCE}/{HERE}/deeper/fix.ko.gz", gzip.compress(module()))
    kernel.put(f"{SOURCE}/{HERE}/driver.ko", module("driver", live=False))
    kernel.put(f"{SOURCE}/{HERE}/notes.txt", "livepatch=Y")
    kernel.put(f"{SOURCE}/{HERE}/broken.ko", "no module")
    assert located(kernel, offer(), None) == offer(f"{SOURCE}/{HERE}/deeper/fix.ko.gz")
    assert located(kernel, offer(f"{SOURCE}/"), "fix") == offer(f"{SOURCE}/{HERE}/deeper/fix.ko.gz")


def test_any_other_source_is_left_as_it_is(kernel):
    kernel.put("/srv/fix.ko", module())
    for one in (None, offer("/srv/fix.ko"), offer("/srv/absent.ko"), dict(offer("/srv"), kind="bundle")):
        assert located(kernel, one, None) is one


def test_several_patches_for_the_running_kernel_need_a_name(kernel):
    for name in ("fix", "second-fix"):
        kernel.put(f"{SOURCE}/{name}.ko", module(name))
    failure = error(located, kernel, offer(), None)
    assert failure.code == "name-needed"
    assert f"{SOURCE} on the host holds several patches for kernel {HERE} (fix, second_fix)" in failure.message
    assert located(kernel, offer(), "second_fix")["path"] == f"{SOURCE}/second-fix.ko"
    failure = error(located, kernel, offer(), "third")
    assert (failure.code, "It holds: fix, second_fix." in failure.message) == ("name-not-in-bundle", True)


@pytest.mark.parametrize("options", [
    {"modinfo": ("name=fix", "livepatch=N")}, {"modinfo": ("name=fix", "livepatch=")},  # the kernel ignores the value
    {"modinfo": ("name=fix",), "sections": (".kpatch.funcs",)},  # for kpatch.ko
    {"modinfo": ("name=fix",), "symbols": (("kgr_patch_kernel", 0),)},  # for kGraft
])
def test_a_patch_for_any_mechanism_is_found(kernel, options):
    kernel.put(f"{SOURCE}/{HERE}/fix.ko", simulated_module(vermagic=HERE + REST, **options))
    kernel.put(f"{SOURCE}/{HERE}/kgraft.ko", simulated_module(vermagic=HERE + REST, symbols=("kgr_patch_kernel",)))
    assert located(kernel, offer(), None)["path"] == f"{SOURCE}/{HERE}/fix.ko"


def versions(kernel, *files):
    for number, (name, version) in enumerate(files):
        more = (f"version={version}",) if version else ()
        kernel.put(f"{SOURCE}/{number}.ko", simulated_module(
            vermagic=HERE + REST, modinfo=(f"name={name}", "livepatch=Y", *more), build_id=f"{number:02x}" * 20))


@pytest.mark.parametrize("files, newest, passed_over", [
    ([("kpatch_6_1_0_56_1_9", None), ("kpatch_6_1_0_56_1_10", None)], 1, ["kpatch_6_1_0_56_1_9"]),
    ([("fix", "10"), ("fix", "9"), ("fix", "1")], 0, ["fix 1", "fix 9"]),
    ([("fix_2", "1"), ("fix_1", "2")], 1, ["fix_2 1"]),
])
def test_of_several_versions_the_newest_is_taken(kernel, apply, files, newest, passed_over):
    versions(kernel, *files)
    found = located(kernel, offer(), "*")
    assert (found["path"], found["passed_over"]) == (f"{SOURCE}/{newest}.ko", passed_over)
    name, version = files[1 - newest]
    assert located(kernel, offer(), name, version)["path"] == f"{SOURCE}/{1 - newest}.ko"


def test_versions_of_one_patch_beside_another_patch_need_a_name(kernel):
    versions(kernel, ("fix_1", None), ("fix_2", None), ("other", None))
    failure = error(located, kernel, offer(), None)
    assert (failure.code, "(fix_2, other)" in failure.message) == ("name-needed", True)


def test_the_versions_that_were_passed_over_are_told(kernel):
    fix = SimulatedPatch()
    kernel.put(f"{SOURCE}/fix.ko", fix.image)
    found = dict(offer(f"{SOURCE}/fix.ko", fix.description), passed_over=["fix 1"])
    (note,) = [entry for entry in check_host(kernel, found, None)["findings"]
               if entry["code"] == "older-versions-passed-over"]
    assert "fix 1" in note["message"]


def test_copies_of_one_build_are_one_and_two_builds_are_refused(kernel):
    kernel.put(f"{SOURCE}/a/fix.ko", module())
    kernel.put(f"{SOURCE}/b/fix.ko.gz", gzip.compress(module()))
    os.symlink("../a/fix.ko", kernel.path(f"{SOURCE}/b/linked.ko"))
    os.symlink("..", kernel.path(f"{SOURCE}/b/loop"))
    assert located(kernel, offer(), None)["path"] == f"{SOURCE}/a/fix.ko"
    kernel.put(f"{SOURCE}/b/other.ko", module(build_id="dd" * 20))
    failure = error(located, kernel, offer(), None)
    assert failure.code == "several-builds"
    assert f"{SOURCE}/a/fix.ko, " in failure.message and f"{SOURCE}/b/other.ko" in failure.message


def test_a_file_that_adopt_has_set_aside_is_found_unless_an_ordinary_one_fits(kernel):
    aside = f"{SOURCE}/{HERE}/fix.ko.kernel-livepatch-20261130T041046.974085Z-2f81da4e"
    kernel.put(aside, module())
    kernel.put(f"{SOURCE}/{HERE}/fix.ko.old", module("old"))
    assert located(kernel, offer(), None)["path"] == aside
    assert located(kernel, offer(), "fix")["path"] == aside
    kernel.put(f"{SOURCE}/{HERE}/newer.ko", module("newer"))
    assert located(kernel, offer(), None)["path"] == f"{SOURCE}/{HERE}/newer.ko"


def test_a_directory_of_the_whole_kernel_is_refused(kernel, monkeypatch):
    monkeypatch.setattr(remote_source, "MOST_FILES", 3)
    for number in range(4):
        kernel.put(f"{SOURCE}/{number}.ko", "x")
    failure = error(located, kernel, offer(), None)
    assert failure.code == "too-many-files"
    assert f"{SOURCE} on the host has more than 3 kernel modules" in failure.message


def test_a_file_that_cannot_be_read_is_told_if_no_other_one_fits(kernel):
    kernel.put(f"{SOURCE}/bad.ko.gz", gzip.compress(module())[:-20])
    failure = error(located, kernel, offer(), None)
    assert (failure.code, f"{SOURCE}/bad.ko.gz" in failure.message) == ("corrupt-compression", True)
    kernel.put(f"{SOURCE}/good.ko", module())
    assert located(kernel, offer(), None)["path"] == f"{SOURCE}/good.ko"


@pytest.mark.parametrize("release, builds", [(NEXT, f"{NEXT} on x86_64"), (None, "nothing")])
def test_a_host_without_a_build_does_not_fail(kernel, apply, release, builds):
    os.makedirs(kernel.path(SOURCE))
    if release:
        kernel.put(f"{SOURCE}/fix.ko", module(release=release))
    results = [
        apply(offer=offer()), check_host(kernel, offer(), None), verify_host(kernel, offer(), None)]
    for result in results:
        (found,) = result["findings"]
        assert (found["code"], result["changed"], result["package"]) == ("no-build", False, None)
        assert found["message"].endswith(f"It has builds for: {builds}.")
    assert [result["patch"]["state"] for result in results[:2]] == ["no_build"] * 2


def test_the_chosen_file_is_read_by_the_controller_and_loaded_and_its_package_named(kernel, apply, monkeypatch):
    """The file is a simulated patch, so its place in the directory is told in place of reading it."""
    fix = SimulatedPatch()
    path = f"{SOURCE}/{HERE}/fix.ko"
    kernel.put(path, fix.image)
    chosen = remote_source.LivePatchFile(path, "fix", HERE, None)
    monkeypatch.setattr(remote_source, "_live_patches", lambda _host, _source: ([chosen], None))
    with pytest.raises(ControllerRequest) as caught:
        apply(offer=offer())
    assert caught.value.request == {"reading": {"path": path, "sha256": fix.sha256}}
    kernel.put("/usr/bin/rpm", "")
    answer = kernel.answer
    kernel.answer = lambda argv: (0, "kpatch-patch 1-2") if argv[0] == "/usr/bin/rpm" else answer(argv)
    package = {"name": "kpatch-patch", "version": "1-2", "manager": "rpm"}
    assert check_host(kernel, offer(SOURCE, fix.description), None)["package"] == package
    result = apply(offer=offer(SOURCE, fix.description))
    assert (result["patch"]["state"], result["package"]) == ("enabled", package)
    assert verify_host(kernel, offer(), None)["package"] == package
    assert "package" not in apply(name="fix", state="absent")
