# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instructions between the load of an address and a call; the words are those of the GNU assembler."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.passed_addresses import (
    harmless_on_aarch64,
    harmless_on_ppc64le,
)

AARCH64 = [
    ("add x0, x0, #8", 0x91002000, True), ("mov x29, sp", 0x910003FD, True),
    ("stp x29, x30, [sp, #-16]!", 0xA9BF7BFD, True), ("strb w1, [x0, #24]", 0x39006001, False),
    ("ldr x0, [x1]", 0xF9400020, False), ("bl .", 0x94000000, False), ("cbz x0, .", 0xB4000000, False),
    ("ret", 0xD65F03C0, False),
]
PPC64LE = [
    ("addi 3,3,8", 0x38630008, True), ("ld 9,0(3)", 0xE9230000, True), ("mflr 0", 0x7C0802A6, True),
    ("mr 3,9", 0x7D234B78, True), ("std 0,16(1)", 0xF8010010, True), ("stdu 1,-32(1)", 0xF821FFE1, True),
    ("stb 9,24(3)", 0x99230018, False), ("stbx 9,3,4", 0x7D2321AE, False), ("stxv 0,0(3)", 0xF4030005, False),
    ("bl .", 0x48000001, False), ("bctrl", 0x4E800421, False),
]


@pytest.mark.parametrize(("text", "word", "harmless"), AARCH64)
def test_an_instruction_of_aarch64(text, word, harmless):
    assert harmless_on_aarch64(word) is harmless, text


@pytest.mark.parametrize(("text", "word", "harmless"), PPC64LE)
def test_an_instruction_of_ppc64le(text, word, harmless):
    assert harmless_on_ppc64le(word) is harmless, text
