# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and entries that are put into a bundle, by one controller and by two."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from pathlib import PosixPath, PurePosixPath

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle import writer
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import read_bundle
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.writer import BundleWriter
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import BundleError

RELEASE = "6.1.0-56-amd64"
A, B = "aa" * 20, "bb" * 20


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "cache").mkdir()
    return ParseCache(tmp_path / "cache")


@pytest.fixture
def bundle(tmp_path, cache):
    return BundleWriter(tmp_path / "patches", cache)


@pytest.fixture
def fix(build_module):
    return build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=1").read_bytes()


def put(bundle, content, **entry):
    entry = {"provenance": {"inputs": "in" + hashlib.sha256(content).hexdigest()}, **entry}
    return bundle.put(content, bundle._cache.describe_bytes(content, "fix.ko"), entry)


def test_a_bundle_is_made_with_its_first_file(bundle, fix, cache):
    path, before, after = put(bundle, fix, cves=["CVE-2026-1111"], kernel_build_id=A, version="2")
    assert path == bundle.path / RELEASE / "livepatch_fix.ko" and path.read_bytes() == fix
    assert (before, after) == ("", (bundle.path / "bundle.yml").read_text())
    (build,) = read_bundle(bundle.path, cache).builds
    goes_to_hosts = {key: value for key, value in build["metadata"].items() if value}
    assert goes_to_hosts == {"cves": ["CVE-2026-1111"], "kernel_build_id": A, "version": "2"}
    assert yaml.safe_load(after)["patches"][f"{RELEASE}/livepatch_fix.ko"]["sha256"] == hashlib.sha256(fix).hexdigest()


def test_the_permissions_are_the_usual_ones(bundle, fix):
    before = os.umask(0o027)
    try:
        path = put(bundle, fix)[0]
    finally:
        os.umask(before)
    assert [file.stat().st_mode & 0o777 for file in (path, bundle.path / "bundle.yml")] == [0o640, 0o640]
    assert not [name for name in os.listdir(path.parent) if name.startswith(".new")]


def test_known_inputs_are_those_of_unchanged_files(bundle, fix):
    path = put(bundle, fix)[0]
    inputs = "in" + hashlib.sha256(fix).hexdigest()
    assert bundle.known_inputs() == {inputs: PurePosixPath(RELEASE, "livepatch_fix.ko")}
    path.write_bytes(fix + b"\0")
    assert bundle.known_inputs() == {}
    path.unlink()
    assert bundle.known_inputs() == {}


def test_a_newer_build_replaces_the_file_and_its_entry(bundle, fix, build_module, cache):
    put(bundle, fix, kernel_build_id=A, summary="Old")
    newer = build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=0").read_bytes()
    path, before, after = put(BundleWriter(bundle.path, cache), newer, kernel_build_id=A)
    assert path.read_bytes() == newer and before != after
    (build,) = read_bundle(bundle.path, cache).builds
    assert build["metadata"]["summary"] == "Old"


def test_another_kernel_of_the_same_release_gets_its_own_place(bundle, fix, build_module, cache):
    put(bundle, fix, kernel_build_id=A)
    other = build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=0").read_bytes()
    path = put(bundle, other, kernel_build_id=B)[0]
    assert path == bundle.path / RELEASE / f"x86_64-{B[:12]}" / "livepatch_fix.ko"
    assert put(bundle, other, kernel_build_id=B)[0] == path
    assert sorted(build["metadata"]["kernel_build_id"] for build in read_bundle(bundle.path, cache).builds) == [A, B]


def test_a_second_file_for_one_build_is_refused(bundle, fix, build_module):
    bundle.path.mkdir()
    (bundle.path / "elsewhere.ko").write_bytes(
        build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=0").read_bytes())
    with pytest.raises(BundleError) as caught:
        put(bundle, fix)
    assert caught.value.code == "bundle-duplicate" and "elsewhere.ko" in caught.value.message
    assert not (bundle.path / RELEASE).exists() and not (bundle.path / "bundle.yml").exists()


@pytest.mark.parametrize("damage, code", [
    (lambda path: path.write_text("x"), "bundle-unreadable"),
    (lambda path: (path.mkdir(), (path / "bundle.yml").write_text("patches: [")), "bundle-yml-invalid"),
    (lambda path: (path.mkdir(), (path / "bundle.yml").write_text("patches: {a: {other: 1}}")),
     "bundle-yml-unknown-key"),
    (lambda path: (path.mkdir(), (path / "bundle.yml").write_text("patches: {}", "utf-16")), "bundle-yml-invalid"),
    (lambda path: (path.mkdir(), (path / "x.ko").write_text("x")), "not-elf"),
    (lambda path: path.symlink_to("nowhere"), "bundle-unreadable")])
def test_a_bundle_that_cannot_be_used_is_refused_before_a_build(bundle, damage, code):
    damage(bundle.path)
    with pytest.raises(Exception) as caught:
        bundle.check()
    assert caught.value.code == code


def test_a_bundle_that_is_not_there_or_empty_can_be_used(bundle):
    bundle.check()
    bundle.path.mkdir()
    bundle.check()
    assert bundle.known_inputs() == {}


@pytest.mark.parametrize("place", ["patches", "."])
@pytest.mark.parametrize("depth", ["", "deeper", "deeper/still"])
def test_a_directory_that_cannot_be_written_is_refused_before_a_build(tmp_path, cache, monkeypatch, place, depth):
    directory = tmp_path / place
    directory.mkdir(exist_ok=True)
    monkeypatch.setattr(writer.os, "access", lambda path, mode: os.fspath(path) != os.fspath(directory))
    with pytest.raises(BundleError) as caught:
        BundleWriter(directory / depth, cache).check()
    assert (caught.value.code, "Permission denied" in caught.value.message) == ("bundle-unwritable", True)
    assert (f"for {directory}" in caught.value.message) == bool(depth)


@pytest.mark.parametrize("depth", ["patches", "patches/deeper"])
def test_a_file_above_a_bundle_is_refused_before_a_build(tmp_path, cache, depth):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError) as caught:
        BundleWriter(tmp_path / "file" / depth, cache).check()
    assert caught.value.code == "bundle-unwritable"
    assert f"{tmp_path / 'file'} is not a directory" in caught.value.message


def test_a_relative_bundle_is_below_the_current_directory(tmp_path, cache, monkeypatch):
    monkeypatch.chdir(tmp_path)
    BundleWriter(PosixPath("deeper/patches"), cache).check()
    assert os.listdir(tmp_path) == ["cache"]


@pytest.mark.parametrize("written", [0, 1])
def test_what_cannot_be_written_is_told_and_the_bundle_stays_as_it_was(
        bundle, fix, build_module, cache, monkeypatch, written):
    newer = build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=0").read_bytes()
    synced = []

    def full(_descriptor):
        synced.append(1)
        if len(synced) > written:
            raise OSError(28, "No space left on device")
    for content, files in ((fix, []), (newer, ["bundle.yml", "livepatch_fix.ko"])):
        with monkeypatch.context() as patched:
            patched.setattr(writer.os, "fsync", full)
            with pytest.raises(BundleError) as caught:
                put(BundleWriter(bundle.path, cache), content)
        assert caught.value.code == "bundle-unwritable" and "No space left on device" in caught.value.message
        assert sorted(path.name for path in bundle.path.rglob("*") if path.is_file()) == [".bundle.lock", *files]
        bundle.check()
        synced.clear()
        put(bundle, fix)
    assert read_bundle(bundle.path, cache).builds[0]["sha256"] == hashlib.sha256(fix).hexdigest()


def test_a_bundle_that_another_controller_holds_is_waited_for_and_then_refused(bundle, fix, monkeypatch):
    bundle.path.mkdir()
    descriptor = os.open(bundle.path / ".bundle.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    clock = [0.0]
    monkeypatch.setattr(writer.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(writer.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    with pytest.raises(BundleError) as caught:
        put(bundle, fix)
    assert (caught.value.code, clock[0] >= writer.LOCK_SECONDS) == ("bundle-busy", True)
    os.close(descriptor)
    assert put(bundle, fix)[0].exists()


def test_two_controllers_lose_no_entry(tmp_path, build_module, cache):
    builds = [build_module("kpatch_build", f'-DNAME="fix_{number}"').read_bytes() for number in range(8)]

    def one(content):
        put(BundleWriter(tmp_path / "patches", cache), content)
    threads = [threading.Thread(target=one, args=(content,)) for content in builds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [build["name"] for build in read_bundle(tmp_path / "patches", cache).builds] == [
        f"fix_{number}" for number in range(8)]
    entries = yaml.safe_load((tmp_path / "patches" / "bundle.yml").read_text())["patches"]
    assert sorted(entries) == [f"{RELEASE}/fix_{number}.ko" for number in range(8)]


def planned(**facts):
    return {"name": "livepatch_fix", "release": RELEASE, "arch": "x86_64", "tool": "klp-build", "inputs": "1", **facts}


def test_an_entry_that_clashes_with_the_operators_own_keys_is_refused_before_anything_is_written(bundle, fix, cache):
    put(bundle, fix)
    text = (bundle.path / "bundle.yml").read_text() + '    not_covered: {CVE-2026-2222: "It needs a reboot."}\n'
    (bundle.path / "bundle.yml").write_text(text)
    entry = {"cves": ["CVE-2026-1111", "CVE-2026-2222"]}
    file = PurePosixPath(RELEASE, "livepatch_fix.ko")
    for change in (
            lambda: put(BundleWriter(bundle.path, cache), fix + b"\0", **entry), lambda: bundle.update(file, entry),
            lambda: bundle.update(file, entry, write=False), lambda: bundle.predict(planned(), entry)):
        with pytest.raises(BundleError) as caught:
            change()
        assert caught.value.code == "bundle-yml-invalid"
        assert "CVE-2026-2222 in cves and in not_covered of the entry" in caught.value.message
        assert (bundle.path / "bundle.yml").read_text() == text
        assert (bundle.path / file).read_bytes() == fix
    read_bundle(bundle.path, cache)


@pytest.mark.parametrize("first, second, refused", [
    ({}, {}, True), ({}, {"version": "2"}, False), ({"version": "1"}, {"version": "2"}, False),
    ({"version": "1"}, {"version": "1"}, True), ({"kernel_build_id": A}, {"kernel_build_id": B}, False),
    ({"kernel_build_id": A}, {"kernel_build_id": A}, True)])
def test_a_file_elsewhere_is_refused_if_the_bundle_could_not_be_read(
        bundle, fix, build_module, cache, first, second, refused):
    """A prediction refuses it too: before the build."""
    bundle.path.mkdir()
    (bundle.path / "old.ko").write_bytes(
        build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=0").read_bytes())
    (bundle.path / "bundle.yml").write_text(yaml.safe_dump({"patches": {"old.ko": first}}))
    for change in (lambda: bundle.predict(planned(), second), lambda: put(bundle, fix, **second)):
        if refused:
            with pytest.raises(BundleError) as caught:
                change()
            assert caught.value.code == "bundle-duplicate" and "old.ko" in caught.value.message
        else:
            change()
    assert len(read_bundle(bundle.path, cache).builds) == (1 if refused else 2)


@pytest.mark.parametrize("first, second", [(None, None), (A, None), (None, B), (A, A)])
def test_two_kernels_of_one_run_that_nothing_tells_apart_are_refused(bundle, fix, build_module, first, second):
    entries = [{"kernel_build_id": kernel_build} if kernel_build else {} for kernel_build in (first, second)]
    bundle.predict(planned(inputs="1"), entries[0])
    bundle.predict(planned(inputs="1"), entries[0])
    with pytest.raises(BundleError) as caught:
        bundle.predict(planned(inputs="2"), entries[1])
    assert caught.value.code == "bundle-duplicate" and "Set vmlinux of each" in caught.value.message
    put(bundle, fix, **entries[0])
    with pytest.raises(BundleError) as caught:  # a release that only the build tells
        put(bundle, build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=0").read_bytes(), **entries[1])
    assert caught.value.code == "bundle-duplicate" and "Set vmlinux of each" in caught.value.message


def test_two_kernels_of_one_run_with_a_build_id_each_are_both_written(bundle, fix, build_module):
    for inputs, kernel_build, replace in (("1", A, 1), ("2", B, 0)):
        bundle.predict(planned(inputs=inputs), {"kernel_build_id": kernel_build})
        put(bundle, build_module("kpatch_build", '-DNAME="livepatch_fix"', f"-DREPLACE={replace}").read_bytes(),
            kernel_build_id=kernel_build)


@pytest.mark.parametrize("old, kept", [
    ({"kernel_build_id": A, "provenance": {"kernel_build_id": A, "inputs": "1"}}, None),
    ({"kernel_build_id": A, "provenance": {"inputs": "1"}}, A),  # written by the operator
    ({"kernel_build_id": A, "provenance": {"kernel_build_id": B, "inputs": "1"}}, A)])
def test_a_newer_build_for_an_unknown_kernel_build_keeps_no_build_id_of_the_older_one(
        bundle, fix, cache, build_module, old, kept):
    put(bundle, fix, summary="Mine", **old)
    text = (bundle.path / "bundle.yml").read_text()
    (bundle.path / "bundle.yml").write_text(text.replace("patches:", "patches:  # of ours"))
    newer = build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=0").read_bytes()
    put(BundleWriter(bundle.path, cache), newer, provenance={"inputs": "2", "kernel_build_id": None})
    (build,) = read_bundle(bundle.path, cache).builds
    assert (build["metadata"]["kernel_build_id"], build["metadata"]["summary"]) == (kept, "Mine")
    text = (bundle.path / "bundle.yml").read_text()
    assert yaml.safe_load(text)["patches"][f"{RELEASE}/livepatch_fix.ko"]["provenance"] == {"inputs": "2"}
    assert "# of ours" in text


def test_a_prediction_changes_nothing(bundle):
    before, after = bundle.update(PurePosixPath("6.1/fix.ko"), {"summary": "x"}, write=False)
    assert (before, "summary" in after, bundle.path.exists()) == ("", True, False)
