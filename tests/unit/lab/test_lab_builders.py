# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab drives the builders of live patches; what these make is tested where it was made."""

from __future__ import annotations

import importlib
import re
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.lab.builders import build_root, builds, fixes, kpatch_host, small_kernel
from tests.lab.builders.session import KeptCache
from tests.lab.children import Children
from tests.lab.errors import LabError

SUITE = Path(__file__).resolve().parents[2] / "lab" / "suite"


def vmlinuz(path, line):
    """A kernel image with nothing but the version line, and the place where the boot protocol says it is."""
    head = bytearray(0x400)
    struct.pack_into("<H", head, 0x20E, 0x400 - 0x200)
    path.write_bytes(bytes(head) + line.encode() + b"\0more")
    return path


def test_the_package_of_a_kernel_is_read_out_of_its_version_line(tmp_path):
    line = "6.1.0-56-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16) "
    assert kpatch_host.package_version(vmlinuz(tmp_path / "vmlinuz", line)) == "6.1.192-2"
    with pytest.raises(LabError) as refused:
        kpatch_host.package_version(vmlinuz(tmp_path / "other", "7.2.12-small (root@lab) #1 SMP"))
    assert refused.value.code == "not-debian"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "entry").mkdir()
    return build_root.BuildRoot(tmp_path / "entry", Children(), tmp_path / "log")


def test_a_build_root_is_used_again_after_a_build(root):
    with root.locked():
        pass
    with root.locked():
        pass


def test_a_build_that_fails_by_itself_leaves_the_source_as_it_was(root):
    with pytest.raises(LabError, match="no objects"), root.locked():
        raise LabError("tool-failed", "no objects")
    with root.locked():
        pass


def test_a_source_in_which_a_builder_was_killed_is_not_trusted(root):
    with pytest.raises(KeyboardInterrupt), root.locked():
        raise KeyboardInterrupt
    with pytest.raises(LabError) as refused, root.locked():
        pass
    assert refused.value.code == "source-changed"


def test_module_symvers_is_shortened_to_what_patches_can_import(tmp_path):
    lines = {name: f"0x0\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n" for name in ("seq_puts", "seq_putc", "klp_enable_patch")}
    listing = tmp_path / "Module.symvers"
    listing.write_text("".join(lines.values()))
    kpatch_host.shorten_symvers(listing, {"seq_puts", "klp_enable_patch", "seq"})
    assert listing.read_text() == lines["seq_puts"] + lines["klp_enable_patch"]


@pytest.fixture
def builders(tmp_path):
    nothing = SimpleNamespace()
    return {
        builds.KPATCH_BUILD: builds.KpatchBuild("6.1.0-56-amd64", tmp_path, nothing, nothing, nothing),
        builds.KLP_BUILD: builds.KlpBuild(tmp_path, nothing, nothing, nothing),
    }


@pytest.mark.parametrize(("builder", "option"), [(builds.KPATCH_BUILD, "-R"), (builds.KLP_BUILD, "--no-replace")])
def test_only_a_patch_that_does_not_replace_is_built_so(builders, builder, option):
    with_option = {patch.name for patch in builds.PATCHES if option in builders[builder].command(patch)}
    assert with_option == {patch.name for patch in builds.PATCHES if not patch.replaces} == {"meminfo"}


def test_each_patch_has_a_source_patch_for_each_builder(builders):
    for builder in builders.values():
        for patch in builds.PATCHES:
            if patch.name != fixes.FIX.cve:
                assert re.search(r"^--- a/", builder.diff(patch).read_text(), re.MULTILINE), patch


def test_what_was_not_built_is_told_and_not_built(tmp_path):
    cache = KeptCache(tmp_path, print)
    (tmp_path / "kind-1").mkdir()
    assert cache.entry("kind", "1", None) == tmp_path / "kind-1"
    with pytest.raises(LabError) as refused:
        cache.entry("kind", "2", None)
    assert refused.value.code == "not-built"


def test_directories_are_made_before_what_is_in_them(tmp_path):
    (tmp_path / "7.2.12-small/kernel/fs").mkdir(parents=True)
    (tmp_path / "7.2.12-small/modules.dep").touch()
    (tmp_path / "7.2.12-small/kernel/fs/binfmt_misc.ko").touch()
    release = tmp_path / "7.2.12-small"
    assert small_kernel._copy_commands(tmp_path, "/usr/lib/modules") == [
        "mkdir /usr/lib/modules/7.2.12-small",
        "mkdir /usr/lib/modules/7.2.12-small/kernel",
        f"write {release}/modules.dep /usr/lib/modules/7.2.12-small/modules.dep",
        "mkdir /usr/lib/modules/7.2.12-small/kernel/fs",
        f"write {release}/kernel/fs/binfmt_misc.ko /usr/lib/modules/7.2.12-small/kernel/fs/binfmt_misc.ko",
    ]


def report(node, when="call", **more):
    plain = {"failed": False, "skipped": False, "longrepr": None, "user_properties": []}
    return SimpleNamespace(nodeid=f"tests/lab/suite/{node}", when=when, **{**plain, **more})


def test_each_builder_is_a_column_of_the_table_of_its_tests(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SUITE)
    page = tmp_path / "page.rst"
    page.write_text("Results\n\n")
    recorder = importlib.import_module("builder_cases").BuilderRecorder(
        page, SUITE.parents[2], [builds.KPATCH_BUILD, builds.KLP_BUILD])
    test = "test_real_builders.py::test_a_trial_ends_by_itself"
    skipped = ("", 1, "Skipped: not about this kernel: klp-build runs with --kernel 7.2")
    for each in (
        report(f"{test}[kpatch-build]"), report(f"{test}[kpatch-build]", "teardown"),
        report(f"{test}[klp-build]", "setup", skipped=True, longrepr=skipped), report(f"{test}[klp-build]", "teardown"),
        report("test_load.py::test_a_patch"), report("test_load.py::test_a_patch", "teardown"),
    ):
        recorder.pytest_runtest_logreport(each)
    cells = [line.partition("- ")[2] for line in page.read_text().splitlines() if "- " in line]
    assert cells == [
        "Test file", "Case", "kpatch-build", "klp-build", "real_builders", "a trial ends by itself",
        "passed", "not run"]
