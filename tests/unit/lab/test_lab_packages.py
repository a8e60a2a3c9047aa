# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages hold a kernel, and where a command in a root directory runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import chroot, packages, patches
from tests.lab.cache import Cache
from tests.lab.errors import LabError
from tests.lab.kernels import KERNELS, Kernel

BACKPORTS = Kernel("7.2", "trixie", (), packages="7.2.*+deb13-amd64", archive="trixie-backports")
ARCHIVE = [
    "linux-image-amd64", "linux-image-7.2.9+deb13-amd64", "linux-image-7.2.12+deb13-amd64",
    "linux-image-7.2.13+deb13-cloud-amd64", "linux-image-7.2.13+deb13-amd64-dbg", "linux-image-7.3.4+deb13-amd64",
]


@pytest.fixture
def archive(monkeypatch):
    """The names in a simulated archive; `asked` counts how often it is asked."""
    names = list(ARCHIVE)

    def listed(kernel, prefix, target, children, log):
        names.append("asked")
        target.mkdir()
        return names
    monkeypatch.setattr(chroot, "package_names", listed)
    return names


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path, lambda text: None)


def found(kernel, cache):
    return packages.cached_packages(kernel, cache, None, lambda text: None)


def test_the_newest_kernel_of_that_name_is_taken_from_its_archive_with_its_own_headers(archive, cache):
    assert found(BACKPORTS, cache) == packages.Packages(
        "linux-image-7.2.12+deb13-amd64/trixie-backports", "linux-headers-7.2.12+deb13-amd64/trixie-backports")


def test_what_was_found_is_kept_so_that_image_and_toolchain_agree(archive, cache):
    before = found(BACKPORTS, cache)
    archive.append("linux-image-7.2.20+deb13-amd64")
    assert found(BACKPORTS, cache) == before
    assert archive.count("asked") == 1


def test_a_name_without_a_star_is_taken_as_it_is(archive, cache):
    assert found(Kernel("6.1", "bookworm", ()), cache) == packages.Packages("linux-image-amd64", "linux-headers-amd64")
    assert "asked" not in archive


def test_a_kernel_that_the_archive_no_longer_has_is_told_with_its_name(archive, cache):
    archive[:] = ["linux-image-7.3.4+deb13-amd64"]
    with pytest.raises(LabError, match=r"linux-image-7\.2\.\*\+deb13-amd64") as caught:
        found(BACKPORTS, cache)
    assert caught.value.code == "no-package"


def test_another_list_of_tools_makes_another_toolchain(archive, cache, monkeypatch):
    monkeypatch.setattr(chroot, "make_chroot", lambda *arguments: None)

    def toolchain():
        return patches.cached_toolchain(KERNELS["6.1"], cache, None, lambda text: None)
    first = toolchain()
    assert toolchain() == first
    monkeypatch.setattr(patches, "TOOLS", (*patches.TOOLS, "patchutils"))
    assert toolchain() != first


def test_a_command_in_a_root_directory_sees_a_proc_of_its_own():
    words = chroot.command_in(Path("/toolchain/root"), "make", "-j2")
    assert "--mount-proc=/toolchain/root/proc" in words[:words.index("--")]
    assert words[words.index("--"):] == ["--", "chroot", "/toolchain/root", "make", "-j2"]
