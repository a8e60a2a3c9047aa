# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts in a vmlinux: one that gcc has made, and damaged ones."""

import subprocess

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.vmlinux import read_vmlinux, release_in


def test_what_is_read_is_what_readelf_shows(build_host):
    path = build_host.vmlinux()
    shown = subprocess.check_output(["readelf", "-n", path]).decode()
    facts = read_vmlinux(path, "/vmlinux")
    assert facts.build_id and f"Build ID: {facts.build_id}" in shown
    assert (facts.path, facts.debug) == ("/vmlinux", True)
    assert facts.banner.startswith("Linux version 6.1.0-56-amd64 ") and facts.banner.endswith("(2026-10-01)")
    assert release_in(facts.banner) == "6.1.0-56-amd64"


def test_a_file_without_debug_information(build_host):
    assert read_vmlinux(build_host.vmlinux("-g0"), "x").debug is False


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\0" * 100, b"MZ" * 100,
                                     b"\x7fELF\x02\x01" + b"\xff" * 100])
def test_another_file_is_none(tmp_path, content):
    path = tmp_path / "vmlinux"
    path.write_bytes(content)
    assert read_vmlinux(str(path), "x") is None
    assert read_vmlinux(str(tmp_path / "missing"), "x") is None


def test_a_file_that_is_cut_short_is_no_error(build_host, tmp_path):
    with open(build_host.vmlinux(), "rb") as stream:
        content = stream.read()
    path = tmp_path / "cut"
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        assert read_vmlinux(str(path), "x") is None
