# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of the initramfs, in an order in which each finds what it needs."""

from __future__ import annotations

import pytest

from tests.lab.initramfs import modules_in_load_order

# As depmod writes it: all dependencies of a module, the ones to load first at the end.
MODULES_DEP = """\
kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko
kernel/fs/jbd2/jbd2.ko:
kernel/fs/mbcache.ko:
kernel/lib/crc16.ko:
kernel/drivers/virtio/virtio_pci.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio_ring.ko.xz:
kernel/drivers/char/hw_random/virtio-rng.ko: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
"""


@pytest.fixture
def directory(tmp_path):
    tmp_path.joinpath("modules.dep").write_text(MODULES_DEP)
    tmp_path.joinpath("modules.builtin").write_text("kernel/crypto/crc32c_generic.ko\n")
    return tmp_path


def names(directory, *wanted):
    return [path.name for path in modules_in_load_order(directory, wanted)]


def test_dependencies_come_first(directory):
    assert names(directory, "virtio_pci") == ["virtio_ring.ko.xz", "virtio.ko.xz", "virtio_pci.ko.xz"]


def test_each_module_comes_once(directory):
    assert names(directory, "virtio_pci", "virtio_rng") == [
        "virtio_ring.ko.xz", "virtio.ko.xz", "virtio_pci.ko.xz", "virtio-rng.ko",
    ]


def test_paths_are_in_the_modules_directory(directory):
    assert modules_in_load_order(directory, ("mbcache",)) == [directory / "kernel/fs/mbcache.ko"]


def test_built_in_module_needs_no_file(directory):
    assert names(directory, "crc32c_generic", "mbcache") == ["mbcache.ko"]


def test_the_module_that_some_kernels_have_no_need_for_may_be_missing(directory):
    directory.joinpath("modules.builtin").write_text("")
    assert names(directory, "crc32c_generic", "mbcache") == ["mbcache.ko"]
    with pytest.raises(KeyError, match="virtio_net"):
        names(directory, "virtio_net")
