# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of the kernel's symbols: from its headers if they are its own, else from its own modules."""

import gzip

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import modversions
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import module_index, reference_module
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modversions import symbol_versions
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import built_against
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    MODULE_LAYOUT,
    simulated_module,
)

BASE = "/lib/modules/6.1.0-56-amd64"
LIST = (
    f"0x{MODULE_LAYOUT:08x}\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n"
    "0x0000abcd\tseq_printf\tvmlinux\tEXPORT_SYMBOL\t\n"
    "0x00000007\tuser_of_dup\tdup\tEXPORT_SYMBOL\t\n"
    "0x00000008\tdup\tvmlinux\tEXPORT_SYMBOL_GPL\tNAMESPACE\n"
    "0x00000000\tno_crc\tvmlinux\tEXPORT_SYMBOL\t\n")
WANTED = ("module_layout", "seq_printf", "dup", "no_crc", "printf", "klp_enable_patch")
KNOWN = {"module_layout": MODULE_LAYOUT, "seq_printf": 0xABCD, "dup": 8}


def put_modules(kernel, **modules):
    """The kernel's own modules, all of them loaded; {name: crcs}."""
    kernel.put(f"{BASE}/modules.dep", "".join(f"kernel/{name}.ko:\n" for name in modules))
    for name, crcs in modules.items():
        kernel.put(f"{BASE}/kernel/{name}.ko", simulated_module(crcs=crcs, build_id="ee" * 20))
        kernel.plain_module(name, build_id="ee" * 20)
    # So that the first is the smallest in memory.
    lines = [f"{name} {size} 0 - Live 0x0\n" for size, name in enumerate(modules, 1000)]
    kernel.put("/proc/modules", "".join(lines))


def versions(kernel, wanted=WANTED):
    tree = module_index(kernel)
    return symbol_versions(kernel, tree, reference_module(kernel, tree), wanted)


@pytest.mark.parametrize("path, write", [
    (f"{BASE}/build/Module.symvers", bytes), ("/usr/src/linux-headers-6.1.0-56-amd64/Module.symvers", bytes),
    ("/usr/src/kernels/6.1.0-56-amd64/Module.symvers", bytes), ("/boot/symvers-6.1.0-56-amd64.gz", gzip.compress),
    (f"{BASE}/symvers.gz", gzip.compress),
])
def test_a_list_of_versions_is_read_where_distributions_put_it(kernel, path, write):
    put_modules(kernel, one={"module_layout": MODULE_LAYOUT})
    kernel.put(path, write(LIST.encode("utf-8")))
    assert versions(kernel) == KNOWN


def test_a_list_that_differs_from_the_kernels_own_modules_is_passed_over(kernel):
    put_modules(kernel, one={"module_layout": MODULE_LAYOUT, "seq_printf": 0x9999})
    kernel.put(f"{BASE}/build/Module.symvers", LIST)
    assert versions(kernel) == {"module_layout": MODULE_LAYOUT, "seq_printf": 0x9999}


def test_a_list_tells_nothing_of_a_module_that_another_one_is_installed_in_place_of(kernel):
    put_modules(kernel, one={"module_layout": MODULE_LAYOUT})
    lines = "0x00000001\tof_one\tdrivers/one/one\tEXPORT_SYMBOL\t\n0x00000002\tof_two\tdrivers/two\tEXPORT_SYMBOL\t\n"
    kernel.put(f"{BASE}/build/Module.symvers", LIST + lines)
    kernel.put(f"{BASE}/modules.dep", "kernel/one.ko:\nupdates/two.ko:\nkernel/three.ko: updates/two.ko\n")
    assert versions(kernel, ("of_one", "of_two", "dup")) == {"of_one": 1, "dup": 8}


def test_a_list_that_cannot_be_read_is_passed_over(kernel):
    put_modules(kernel, one={"module_layout": MODULE_LAYOUT})
    kernel.put("/boot/symvers-6.1.0-56-amd64.gz", gzip.compress(LIST.encode("utf-8"))[:-20])
    kernel.put(f"{BASE}/symvers.gz", gzip.compress(LIST.encode("utf-8")))
    assert versions(kernel) == KNOWN


def test_without_a_list_the_loaded_modules_tell_what_they_import(kernel):
    put_modules(kernel, one={"module_layout": 1}, two={"module_layout": 1, "seq_printf": 2}, three={"dup": 3, "x": 4})
    assert versions(kernel) == {"module_layout": 1, "seq_printf": 2, "dup": 3}


def read_paths(kernel, monkeypatch, wanted):
    paths = []

    def module_file(host, path, read=modversions.module_file):
        paths.append(path.rpartition("/")[2])
        return read(host, path)

    monkeypatch.setattr(modversions, "module_file", module_file)
    versions(kernel, wanted)
    return paths


def test_no_more_modules_are_read_than_it_takes(kernel, monkeypatch):
    put_modules(kernel, one={"module_layout": 1}, two={"seq_printf": 2}, three={"dup": 3})
    assert read_paths(kernel, monkeypatch, ("module_layout", "klp_enable_patch")) == []
    assert read_paths(kernel, monkeypatch, ("module_layout", "seq_printf")) == ["one.ko", "two.ko"]


@pytest.mark.parametrize("bound, most", [
    ("MOST_MODULES", 2), ("MOST_BYTES", 1 + len(simulated_module(crcs={"one": 1}))),
])
def test_the_number_and_the_bytes_of_modules_to_read_are_bounded(kernel, monkeypatch, bound, most):
    monkeypatch.setattr(modversions, bound, most)
    put_modules(kernel, one={"module_layout": 1}, two={"seq_printf": 2}, three={"dup": 3})
    assert read_paths(kernel, monkeypatch, ("absent",)) == ["one.ko", "two.ko"]


def test_a_slow_host_finds_as_much_as_a_fast_one(kernel):
    put_modules(kernel, one={"module_layout": 1}, two={"seq_printf": 2}, three={"dup": 3})
    kernel.now = iter(range(0, 10**6, 3600)).__next__
    assert versions(kernel) == {"module_layout": 1, "seq_printf": 2, "dup": 3}


def test_a_damaged_module_is_passed_over(kernel):
    put_modules(kernel, one={"module_layout": 1}, two={"seq_printf": 2}, three={"seq_printf": 3})
    image = bytearray(kernel.read_bytes(f"{BASE}/kernel/two.ko"))
    kernel.put(f"{BASE}/kernel/two.ko", bytes(image[:300]))
    assert versions(kernel) == {"module_layout": 1, "seq_printf": 3}


def test_a_kernel_that_compares_no_versions_has_none(kernel):
    put_modules(kernel, one=False)
    kernel.put(f"{BASE}/build/Module.symvers", LIST)
    assert versions(kernel) == {}


def test_a_file_is_built_against_its_imports_and_the_layout_of_modules():
    imports = [{"name": "a", "crc": 1, "weak": False}, {"name": "b", "crc": None, "weak": True}]
    assert built_against({"imports": imports, "module_layout": 2}) == {"a": 1, "module_layout": 2}
    assert built_against({"imports": imports, "module_layout": None}) == {"a": 1}
