# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which builds fit a kernel of a release that exists in several builds, and which of several versions is taken."""

import ast
import json
import re
import struct
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import choose_builds, compare_builds
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import metadata_digest
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

HERE, THERE = "0a" * 20, "0b" * 20
STUB_KEYS = ("file", "name", "release", "arch", "sha256", "size", "build_id", "metadata")


def of_kernel(kernel_build, name="fix", **described):
    metadata = {"cves": [], "summary": None, "advisory": None, "kernel_build_id": kernel_build}
    build_id = f"{sum(map(ord, f'{kernel_build}{name}')):040x}"
    return SimulatedPatch(name, build_id=build_id, metadata=metadata, **described)


OURS, OTHERS, EVERY = of_kernel(HERE), of_kernel(THERE), SimulatedPatch()


def series(name, rank, stem="kpatch", **described):
    return SimulatedPatch(name, build_id=f"{rank:040x}", series={"stem": stem, "rank": rank}, **described)


@pytest.fixture
def runs(kernel):
    """runs(build_id): the kernel shows this build-id, or none."""
    def show(build_id):
        note = b"" if build_id is None else struct.pack("=III", 4, 20, 3) + b"GNU\0" + bytes.fromhex(build_id)
        kernel.put("/sys/kernel/notes", note)
    return show


def bundle(*patches, **more):
    builds = [one.description for one in patches]
    return dict({"kind": "bundle", "path": None, "builds": builds, "delivered": {}, "enclosed": None},
                **more)


def requested(apply, **options):
    with pytest.raises(ControllerRequest) as caught:
        apply(**options)
    return caught.value.request["file"]


@pytest.mark.parametrize("patches", [
    (OTHERS, OURS), (OURS, OTHERS), (EVERY, OURS, OTHERS), (OTHERS, OURS, EVERY), (OURS, EVERY)])
def test_the_build_for_the_running_kernel_build_is_chosen(apply, runs, patches):
    runs(HERE)
    assert requested(apply, offer=bundle(*patches)) == OURS.sha256


@pytest.mark.parametrize("shown", [THERE, None])
def test_a_build_for_every_kernel_of_the_release_fits_as_before(apply, runs, shown):
    runs(shown)
    assert requested(apply, offer=bundle(OURS, EVERY)) == EVERY.sha256


def test_builds_for_other_kernel_builds_only_are_no_build(kernel, apply, runs):
    runs(HERE)
    result = apply(offer=bundle(OTHERS))
    assert (result["patch"]["state"], kernel.loads) == ("no_build", [])
    assert result["findings"][0]["message"] == (
        f"The bundle has no build of any patch for kernel 6.1.0-56-amd64 on x86_64 with the build-id {HERE}. It has "
        f"builds for: 6.1.0-56-amd64 on x86_64 with the build-id {THERE}.")


@pytest.mark.parametrize("patches", [(OTHERS,), (OURS, OTHERS), (OURS, SimulatedPatch("other"))])
def test_a_kernel_without_a_build_id_is_not_guessed(kernel, apply, patches):
    with pytest.raises(LivepatchError) as caught:
        apply(offer=bundle(*patches))
    assert caught.value.code == "kernel-build-unknown"
    assert "does not show the build-id of its kernel in /sys/kernel/notes" in caught.value.message
    assert kernel.loads == []


def test_the_build_of_a_chosen_name_decides_not_the_other_ones(apply):
    other = SimulatedPatch("other")
    assert requested(apply, offer=bundle(OURS, other), name="other") == other.sha256


def test_a_stub_says_the_kernel_build_and_the_kept_description_does_not_overrule_it(kernel, apply, runs):
    runs(HERE)
    apply(OURS)
    apply(OURS, state="disabled")
    runs(THERE)
    stub = dict(
        {key: OURS.description[key] for key in STUB_KEYS}, stub=True, metadata={"kernel_build_id": HERE},
        metadata_digest=metadata_digest(OURS.description))
    assert apply(offer=bundle(builds=[stub]))["patch"]["state"] == "no_build"
    runs(HERE)
    assert apply(offer=bundle(builds=[stub]))["patch"]["state"] == "enabled"
    del stub["metadata"], stub["metadata_digest"]  # the bundle says nothing of the kernel today
    with pytest.raises(ControllerRequest) as caught:
        apply(offer=bundle(builds=[stub]))
    assert caught.value.request == {"description": OURS.sha256}


@pytest.mark.parametrize("shown, code", [(THERE, "wrong-kernel-build"), (None, "kernel-build-unknown")])
def test_a_single_file_for_another_kernel_build_is_a_blocker(kernel, apply, runs, shown, code):
    runs(shown)
    result = check_host(kernel, OURS.offer(), None, report_only=True)
    assert [found["code"] for found in result["findings"] if found["level"] == "blocker"] == [code]
    assert HERE in result["findings"][0]["message"]
    with pytest.raises(LivepatchError) as caught:
        apply(offer=OURS.offer(), ignore_findings=[])
    assert (caught.value.code, kernel.loads) == (code, [])


def test_a_kept_file_is_tied_to_its_kernel_build_too(kernel, apply, runs):
    """An accepted patch stays where the next kernel has the same release and another build."""
    runs(HERE)
    apply(OURS)
    kept = json.loads(kernel.read(f"/var/lib/kernel-livepatch/patches/{OURS.sha256}.json"))
    assert kept["metadata"]["kernel_build_id"] == HERE
    apply(name="fix", state="disabled")
    runs(THERE)
    with pytest.raises(LivepatchError) as caught:
        apply(OURS)
    assert (caught.value.code, len(kernel.loads)) == ("wrong-kernel-build", 1)


@pytest.mark.parametrize("metadata", [["x"], "text", 1, {"kernel_build_id": 5}, {"kernel_build_id": ["0a"]}])
def test_a_damaged_kept_description_is_sent_again(kernel, apply, metadata):
    apply(EVERY)
    apply(EVERY, state="disabled")
    path = f"/var/lib/kernel-livepatch/patches/{EVERY.sha256}.json"
    kernel.put(path, json.dumps(dict(json.loads(kernel.read(path)), metadata=metadata)))
    assert requested(apply, offer=EVERY.offer()) == EVERY.sha256
    assert apply(EVERY)["patch"]["state"] == "enabled"


def test_a_kernel_build_that_the_bundle_names_later_is_kept_with_the_file(kernel, apply, runs):
    runs(HERE)
    apply(EVERY)
    apply(EVERY, state="disabled")
    tied = dict(EVERY.description, metadata={"kernel_build_id": HERE})
    apply(offer=bundle(builds=[tied]))
    kept = json.loads(kernel.read(f"/var/lib/kernel-livepatch/patches/{EVERY.sha256}.json"))
    assert kept["metadata"] == {"kernel_build_id": HERE}


def test_the_newest_version_is_taken_and_the_others_are_told(kernel, apply):
    old, new = series("kpatch_6_1_0_56_1_1", 0), series("kpatch_6_1_0_56_1_2", 1)
    assert requested(apply, offer=bundle(new, old)) == new.sha256
    result = check_host(kernel, bundle(old, new), None, report_only=True)
    assert result["patch"]["name"] == "kpatch_6_1_0_56_1_2"
    told = [found for found in result["findings"] if found["code"] == "older-versions-passed-over"]
    assert [found["level"] for found in told] == ["note"]
    assert "passed over: kpatch_6_1_0_56_1_1." in told[0]["message"]
    assert requested(apply, offer=bundle(old, new), name="kpatch_6_1_0_56_1_1") == old.sha256


def test_what_was_passed_over_is_not_kept_with_the_file(kernel, apply):
    old, new = series("kpatch_1", 0), series("kpatch_2", 1)
    kernel.put("/srv/new.ko", new.image)
    apply(offer=bundle(old, new, delivered={new.sha256: kernel.path("/srv/new.ko")}))
    kept = json.loads(kernel.read(f"/var/lib/kernel-livepatch/patches/{new.sha256}.json"))
    assert not {"series", "passed_over"} & set(kept)


@pytest.mark.parametrize("patches, names", [
    ((series("a_1", 0, "a"), series("b_1", 0, "b")), "a_1, b_1"),
    ((series("a_1", 0, "a"), series("a_2", 1, "a"), series("b_1", 0, "b")), "a_2, b_1"),
    ((series("a_1", 0, "a"), series("a_2", 1, "a"), series("a_02", 1, "a")), "a_02, a_1, a_2"),
    ((series("a_1", 0, "a"), SimulatedPatch("fix")), "a_1, fix"),
])
def test_other_patches_for_one_kernel_still_need_a_name(apply, patches, names):
    with pytest.raises(LivepatchError) as caught:
        apply(offer=bundle(*patches))
    assert caught.value.code == "name-needed"
    assert f"({names}). Choose one with name, in a playbook with livepatch_name." in caught.value.message


def test_a_newer_version_for_another_kernel_build_passes_nothing_over():
    old = dict(series("kpatch_1", 0).description)
    new = dict(series("kpatch_2", 1).description, metadata={"kernel_build_id": THERE})
    choice = choose_builds([old, new], "6.1.0-56-amd64", "x86_64", HERE)
    assert (choice.builds, choice.undecided, choice.passed_over) == ([old], [], [])
    assert choose_builds([old, new], "6.1.0-56-amd64", "x86_64", None).undecided == [new]
    assert choose_builds([old, new], "6.1.0-56-amd64", "x86_64", THERE).builds == [new]


def versions(*numbers):
    """Builds of one name in these versions, the earliest first."""
    return [SimulatedPatch(
        "fix", build_id=f"{rank:040x}", series={"stem": "fix", "rank": rank}, version=number)
        for rank, number in enumerate(numbers)]


def test_of_one_name_in_several_versions_the_newest_is_taken(kernel, apply):
    old, middle, new = versions("1.0", "1.9", "1.10")
    assert requested(apply, offer=bundle(middle, new, old)) == new.sha256
    result = check_host(kernel, bundle(new, old, middle), "fix", report_only=True)
    told = [found for found in result["findings"] if found["code"] == "older-versions-passed-over"]
    assert "passed over: fix 1.0, fix 1.9." in told[0]["message"]


def test_a_version_is_chosen(kernel, apply):
    old, new = versions("1.0", "1.10")
    for version in ("1.0", "1", "v1"):
        assert requested(apply, offer=bundle(old, new), version=version) == old.sha256
    result = check_host(kernel, bundle(old, new), None, "1.0", report_only=True)
    assert "older-versions-passed-over" not in [found["code"] for found in result["findings"]]


def test_a_version_that_the_bundle_lacks_is_told_with_those_it_has(kernel, apply):
    offer = bundle(*versions("1.0", "1.10"), SimulatedPatch("other", version="3"))
    for call in (lambda: apply(offer=offer, name="fix", version="3"), lambda: verify_host(kernel, offer, "fix", "3")):
        with pytest.raises(LivepatchError) as caught:
            call()
        assert caught.value.code == "version-not-in-bundle"
        assert caught.value.message == (
            "The bundle holds no version 3 of fix. Correct version. It holds: fix 1.0, fix 1.10.")


def test_a_version_of_another_kernel_only_is_no_build(apply):
    old, new = versions("1.0", "2.0")
    elsewhere = dict(new.description, release="6.1.0-57-amd64")
    result = apply(offer=bundle(builds=[old.description, elsewhere]), version="2.0")
    assert result["patch"]["state"] == "no_build"
    assert result["findings"][0]["message"] == (
        "The bundle has no build of any patch 2.0 for kernel 6.1.0-56-amd64 on x86_64. It has builds for: "
        "6.1.0-57-amd64 on x86_64.")


@pytest.mark.parametrize("described, words", [({"version": "1.0"}, "the version 1.0"), ({}, "no version")])
def test_a_single_file_of_another_version_is_refused(apply, described, words):
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch(**described), version="2.0")
    assert caught.value.code == "version-differs"
    assert f"fix.ko has {words}, not the version 2.0." in caught.value.message


def test_a_stub_is_chosen_by_its_version(apply):
    builds = [dict({key: one.description[key] for key in (*STUB_KEYS, "version", "series") if key in one.description},
                   stub=True) for one in versions("1.0", "1.10")]
    with pytest.raises(ControllerRequest) as caught:
        apply(offer=bundle(builds=builds), version="1.0")
    assert caught.value.request == {"description": builds[0]["sha256"]}


@pytest.mark.parametrize("one, other, same", [
    ({"build_id": "a"}, {"build_id": "a"}, True), ({"build_id": "a"}, {"build_id": "b"}, False),
    ({"build_id": None}, {"build_id": "a"}, None), ({}, {"build_id": None}, None), ({}, {}, None),
    ({"sha256": "1"}, {"sha256": "1"}, True), ({"sha256": "1"}, {"sha256": "2"}, False),
    ({"sha256": "1", "build_id": "a"}, {"sha256": "2", "build_id": "a"}, True),
    ({"sha256": "1", "build_id": "a"}, {"sha256": "1", "build_id": "b"}, True),
    ({"sha256": "1"}, {"build_id": "a"}, None), ({"name": "other", "build_id": "a"}, {"build_id": "a"}, False)])
def test_builds_are_compared_by_digest_and_build_id(one, other, same):
    for first, second in ((one, other), (other, one)):
        assert compare_builds(dict({"name": "fix"}, **first), dict({"name": "fix"}, **second)) is same


PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
BUILD_OF_PATCH = re.compile(r"(?<!kernel_)build_id\b")


def own_comparisons(source):
    """The comparisons with the build-id of a patch's build; a test for None compares nothing."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
    return [
        ast.unparse(node) for node in found
        if any(isinstance(one, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) for one in node.ops)
        and any(BUILD_OF_PATCH.search(ast.unparse(side).partition(" for ")[0])
                for side in (node.left, *node.comparators) if not isinstance(side, ast.List))]


@pytest.mark.skipif(not hasattr(ast, "unparse"), reason="Python 3.9 and later turn a tree into text again")
def test_one_file_compares_builds():
    assert own_comparisons("loaded['build_id'] == wanted\nmodule_build_id(host, name) not in wanted") != []
    assert own_comparisons("build_id is None\nkernel_build_id(host) != wanted") == []
    found = {path.relative_to(PLUGINS).as_posix(): own_comparisons(path.read_text(encoding="utf-8"))
             for path in PLUGINS.rglob("*.py")}
    assert found.pop("module_utils/_patch/builds.py") != []
    assert found.pop("module_utils/_kernel/depmod.py") == ["running == reference.build_id"]  # of the kernel
    assert {path: texts for path, texts in found.items() if texts} == {}
