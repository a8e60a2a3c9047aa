# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running kernel's own modules on disk: which file is whose, and a sample that is surely of this kernel."""

import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import (
    loaded_in_tree,
    module_index,
    reference_module,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    simulated_module,
)

BASE = "/lib/modules/6.1.0-56-amd64"
INDEX = """\
kernel/net/sctp/sctp_diag.ko: kernel/net/sctp/sctp.ko
kernel/net/sctp/sctp.ko.xz: kernel/lib/libcrc32c.ko
kernel/drivers/snd-hda.ko.zst:
updates/dkms/zfs.ko: kernel/lib/libcrc32c.ko
/opt/vendor/agent.ko:
top.ko:
"""
THIS, OTHER = "ee" * 20, "dd" * 20


@pytest.mark.parametrize("parent", [
    "/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules",
    "/run/booted-system/kernel/lib/modules"])
def test_the_modules_are_found_where_the_distribution_has_them(kernel, parent):
    shutil.rmtree(kernel.path(BASE))
    kernel.put(f"{parent}/6.1.0-56-amd64/modules.dep", INDEX)
    assert module_index(kernel).path("top") == f"{parent}/6.1.0-56-amd64/top.ko"


@pytest.fixture
def tree(kernel):
    kernel.put(f"{BASE}/modules.dep", INDEX)
    return module_index(kernel)


@pytest.mark.parametrize("module, path", [
    ("sctp", f"{BASE}/kernel/net/sctp/sctp.ko.xz"), ("sctp_diag", f"{BASE}/kernel/net/sctp/sctp_diag.ko"),
    ("snd_hda", f"{BASE}/kernel/drivers/snd-hda.ko.zst"), ("zfs", f"{BASE}/updates/dkms/zfs.ko"),
    ("agent", "/opt/vendor/agent.ko"), ("top", f"{BASE}/top.ko"),
    ("diag", None), ("sct", None), ("sctp.", None), ("libcrc32c", None), ("hda", None), ("s.tp", None),
])
def test_a_module_is_found_by_its_whole_name_and_only_as_a_module_of_its_own(tree, module, path):
    assert tree.path(module) == path


def test_the_kernels_own_modules_are_told_from_others(tree):
    assert tree.in_tree_path("snd_hda") == f"{BASE}/kernel/drivers/snd-hda.ko.zst"
    assert [tree.in_tree_path(name) for name in ("zfs", "agent", "top", "absent")] == [None] * 4
    assert list(tree.in_tree_paths()) == [
        f"{BASE}/kernel/net/sctp/sctp_diag.ko", f"{BASE}/kernel/net/sctp/sctp.ko.xz",
        f"{BASE}/kernel/drivers/snd-hda.ko.zst"]


def test_what_is_built_in_is_known(kernel, tree):
    assert tree.built_in("zswap") is False  # and neither is it where there is no list
    kernel.put(f"{BASE}/modules.builtin", "kernel/mm/zswap.ko\nkernel/fs/9p-fs.ko\n")
    assert [tree.built_in(name) for name in ("zswap", "9p_fs", "swap", "zpool")] == [True, True, False, False]


def test_who_exports_a_symbol_is_known(kernel, tree):
    kernel.put(f"{BASE}/modules.symbols", "# x\nalias symbol:sctp_do_peeloff sctp\nalias symbol:snd_new snd-hda\n")
    assert [tree.exporter(name) for name in ("sctp_do_peeloff", "snd_new", "sctp_do", "new")] == [
        "sctp", "snd_hda", None, None]


def test_the_index_can_be_below_usr_or_gone(kernel, tree):
    shutil.copytree(kernel.path(BASE), kernel.path("/usr" + BASE))
    shutil.rmtree(kernel.path(BASE))
    assert module_index(kernel).path("top") == f"/usr{BASE}/top.ko"
    shutil.rmtree(kernel.path("/usr" + BASE))
    assert module_index(kernel) is None


def load(kernel, name, size, build_id):
    others = [line for line in kernel.read("/proc/modules").splitlines() if not line.startswith(f"{name} ")]
    shutil.rmtree(kernel.path(f"/sys/module/{name}"), ignore_errors=True)
    kernel.plain_module(name, build_id=build_id)
    kernel.put("/proc/modules", "".join(f"{line}\n" for line in [f"{name} {size} 0 - Live 0x0", *others]))


def sampled_size(kernel):
    sample = reference_module(kernel, module_index(kernel))
    return sample and sample.struct_size


def put_modules(kernel, **modules):
    kernel.put(f"{BASE}/modules.dep", "".join(f"kernel/{name}.ko:\n" for name in modules))
    for name, image in modules.items():
        kernel.put(f"{BASE}/kernel/{name}.ko", image)


def test_the_sample_is_the_smallest_loaded_module(kernel):
    put_modules(kernel, first=simulated_module(size=100), big=simulated_module(size=200),
                small=simulated_module(size=300))
    load(kernel, "big", 90000, THIS)
    load(kernel, "small", 8192, THIS)
    load(kernel, "elsewhere", 10, THIS)
    assert sampled_size(kernel) == 300


def test_a_very_large_module_is_not_read_for_a_sample(kernel):
    put_modules(kernel, big=simulated_module(size=200))
    load(kernel, "big", 8 << 20, THIS)
    assert list(loaded_in_tree(kernel, module_index(kernel))) == []
    load(kernel, "big", 1 << 20, THIS)
    assert list(loaded_in_tree(kernel, module_index(kernel))) == [("big", f"{BASE}/kernel/big.ko")]


def test_the_sample_tells_how_the_kernels_modules_are_built(kernel):
    put_modules(kernel, first=simulated_module(orc_header="ab" * 20))
    sample = reference_module(kernel, module_index(kernel))
    assert sample._asdict() == {
        "vermagic": "6.1.0-56-amd64 SMP preempt mod_unload modversions ", "struct_size": 896, "has_versions": True,
        "crcs": {"module_layout": 0x11111111}, "orc_unwind": True, "orc_header": "ab" * 20, "build_id": THIS}


def test_a_file_of_another_build_than_the_loaded_module_is_no_sample(kernel):
    put_modules(kernel, one=simulated_module(size=100, build_id=OTHER), two=simulated_module(size=200))
    load(kernel, "one", 4096, THIS)
    assert sampled_size(kernel) is None
    load(kernel, "two", 8192, THIS)
    assert sampled_size(kernel) == 200


def test_a_loaded_module_without_build_id_is_taken_at_its_name(kernel):
    put_modules(kernel, one=simulated_module(size=100, build_id=None))
    load(kernel, "one", 4096, THIS)
    assert sampled_size(kernel) == 100


@pytest.mark.parametrize("image", [
    b"\x28\xb5\x2f\xfd", simulated_module()[:-1], simulated_module(vermagic="6.1.0-55-amd64 SMP "),
    simulated_module(size=0),
])
def test_a_file_that_cannot_be_the_running_kernels_is_no_sample(kernel, image):
    put_modules(kernel, one=image)
    assert sampled_size(kernel) is None
    put_modules(kernel, one=image, two=simulated_module(size=200))
    assert sampled_size(kernel) == 200
