# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patch files that no compiler makes."""

from __future__ import annotations

import pytest

from tests.lab import derived
from tests.lab.image import Image

HEADER = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x01\x00\x3e\x00" + bytes(44)


def module(release):
    return HEADER + b"license=GPL\0vermagic=" + release + b" SMP preempt mod_unload \0rest"


@pytest.mark.parametrize(("release", "successor"), [
    (b"6.1.0-56-amd64", b"6.1.0-57-amd64"),
    (b"6.1.0-9-amd64", b"6.1.0-0-amd64"),
    (b"6.1.0-109-amd64", b"6.1.0-110-amd64"),
    (b"6.12.117+deb13-amd64", b"6.12.118+deb13-amd64"),
])
def test_wrong_release_changes_one_number_alone(release, successor):
    assert derived.wrong_release(module(release)) == module(successor)


def test_wrong_release_wants_a_number():
    with pytest.raises(ValueError, match="no vermagic"):
        derived.wrong_release(module(b"next"))


def test_other_arch_changes_the_machine_alone():
    original = module(b"6.1.0-56-amd64")
    changed = derived.other_arch(original)
    assert changed[18:20] == b"\xb7\x00"
    assert changed[:18] + b"\x3e\x00" + changed[20:] == original


def test_truncated_is_the_first_half():
    assert derived.truncated(b"0123456789") == b"01234"


def test_not_elf_has_no_elf_magic():
    assert not derived.not_elf(HEADER).startswith(b"\x7fELF")


def test_a_replacement_has_to_be_found_once():
    with pytest.raises(ValueError, match="license"):
        derived.not_gpl(b"\0license=MIT\0")
    assert derived.not_gpl(b"\0license=GPL\0") == b"\0license=BSD\0"


@pytest.mark.parametrize(("config", "made"), [
    ("CONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\n", {"not_elf", "other_symbol_version"}),
    ("CONFIG_MODULES=y\n# CONFIG_MODVERSIONS is not set\n", {"not_elf"}),
])
def test_a_file_that_the_kernels_build_has_no_part_for_is_not_made(tmp_path, monkeypatch, config, made):
    tmp_path.joinpath("config").write_text(config)
    tmp_path.joinpath("cmdline_v1.ko").write_bytes(HEADER)
    files = {
        "not_elf": derived.DERIVED["not_elf"],
        "other_symbol_version": derived.DERIVED["other_symbol_version"]._replace(derive=bytes),
    }
    monkeypatch.setattr(derived, "DERIVED", files)
    derived.make_derived(tmp_path, Image(tmp_path))
    assert {path.stem for path in tmp_path.glob("*.ko")} == {"cmdline_v1", *made}
