# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged and hostile files: whatever the bytes are, there is a description or one PatchFileError, and soon."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf import ModuleImage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._errors import PatchFileError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._patch_file import describe_image

SECONDS = 1.0
SOURCES = ("source_several", "kpatch_build", "klp_build", "source_allocated")
HEADER_SIZE, SECTION_HEADER_SIZE = 64, 64
LIMITS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Numbers at which sizes, offsets and counts break.
EDGES = st.sampled_from([0, 1, 2, 7, 8, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1])


def describe_or_refuse(data: bytes) -> str | None:
    """Return the error's code, if there is one; any other exception fails the test."""
    started = time.process_time()
    try:
        describe_image(data, "fix.ko", "none")
        code = None
    except PatchFileError as error:
        assert error.problem
        code = error.code
    assert time.process_time() - started < SECONDS
    return code


def put(data: bytearray, offset: int, size: int, value: int) -> None:
    data[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def section_header(data: bytes, index: int) -> int:
    return struct.unpack_from("<Q", data, 40)[0] + index * SECTION_HEADER_SIZE


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_cut_at_any_boundary_is_refused(build_module, source):
    data = build_module(source).read_bytes()
    image = ModuleImage(data)
    boundaries = {place for section in image.sections for place in (section.offset, section.offset + section.size)}
    boundaries |= {section_header(data, section.index) for section in image.sections}
    for boundary in boundaries | set(range(HEADER_SIZE)):
        for size in {boundary - 1, boundary, boundary + 1} & set(range(len(data))):
            assert describe_or_refuse(data[:size]) in ("not-elf", "truncated", "malformed-elf", "not-a-module")


@LIMITS
@given(st.data())
def test_any_number_in_the_headers_is_survived(build_module, choices):
    data = bytearray(build_module(choices.draw(st.sampled_from(SOURCES))).read_bytes())
    headers = len(ModuleImage(bytes(data)).sections)
    for _change in range(choices.draw(st.integers(1, 4))):
        start = choices.draw(st.sampled_from([0, *(section_header(data, index) for index in range(headers))]))
        offset = start + choices.draw(st.integers(0, 15)) * 4
        put(data, offset, choices.draw(st.sampled_from([1, 2, 4, 8])), choices.draw(EDGES))
    describe_or_refuse(bytes(data))


@LIMITS
@given(st.data())
def test_any_number_in_the_tables_is_survived(build_module, choices):
    data = bytearray(build_module(choices.draw(st.sampled_from(SOURCES))).read_bytes())
    tables = [section for section in ModuleImage(bytes(data)).sections if section.size]
    for _change in range(choices.draw(st.integers(1, 8))):
        section = choices.draw(st.sampled_from(tables))
        offset = section.offset + choices.draw(st.integers(0, section.size - 1))
        put(data, offset, choices.draw(st.sampled_from([1, 4, 8])), choices.draw(EDGES))
    describe_or_refuse(bytes(data))


@LIMITS
@given(st.binary(max_size=2000))
def test_any_bytes_after_the_magic_are_survived(tail):
    assert describe_or_refuse(b"\x7fELF\x02\x01\x01" + tail) is not None


def test_sections_that_all_claim_the_whole_file_are_refused(build_module):
    data = bytearray(build_module("source_several").read_bytes())
    for section in ModuleImage(bytes(data)).sections[1:]:
        put(data, section_header(data, section.index) + 24, 8, 0)
        put(data, section_header(data, section.index) + 32, 8, len(data))
    assert describe_or_refuse(bytes(data)) == "malformed-elf"


def test_thousands_of_arrays_that_overlap_are_refused_soon(build_module):
    code = describe_or_refuse(build_module("hostile_arrays").read_bytes())
    assert code == "too-complex"


def test_objects_that_all_claim_the_same_functions_are_refused(build_module):
    data = build_module("hostile_counts").read_bytes()
    assert describe_or_refuse(data) == "too-complex"
