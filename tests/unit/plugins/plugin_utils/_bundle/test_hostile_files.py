# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged and hostile files: whatever the bytes are, there is a description or one PatchFileError, and soon."""

from __future__ import annotations

import struct
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe_image
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import ModuleImage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError
from ansible_collections.kernel.livepatch.tests.unit.plugins.work import at_most

STEPS = 4_000_000
SOURCES = ("source_several", "kpatch_build", "klp_build", "source_allocated")
HEADER_SIZE, SECTION_HEADER_SIZE = 64, 64
LIMITS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Numbers at which sizes, offsets and counts break.
EDGES = st.sampled_from([0, 1, 2, 7, 8, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1])


def describe_or_refuse(data: bytes) -> str | None:
    """Return the error's code, if there is one; any other exception fails the test."""
    try:
        with at_most(STEPS):
            describe_image(data, "fix.ko", "none")
        code = None
    except PatchFileError as error:
        assert error.problem
        code = error.code
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
    boundaries |= {section_header(data, section.shndx) for section in image.sections}
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
        put(data, section_header(data, section.shndx) + 24, 8, 0)
        put(data, section_header(data, section.shndx) + 32, 8, len(data))
    assert describe_or_refuse(bytes(data)) == "malformed-elf"


def test_thousands_of_arrays_that_overlap_are_refused_soon(build_module):
    code = describe_or_refuse(build_module("hostile_arrays").read_bytes())
    assert code == "too-complex"


def test_objects_that_all_claim_the_same_functions_are_refused(build_module):
    data = build_module("hostile_counts").read_bytes()
    assert describe_or_refuse(data) == "too-complex"


def test_objects_from_source_that_all_claim_the_same_functions_are_refused(build_module):
    assert describe_or_refuse(build_module("hostile_shared", "-DCOUNT=100").read_bytes()) is None
    assert describe_or_refuse(build_module("hostile_shared").read_bytes()) == "too-complex"


def with_section(data: bytes, name: str, content: bytes) -> bytes:
    """The module with other bytes in a section, which move to the file's end."""
    changed = bytearray(data) + bytes(-len(data) % 8)
    index = ModuleImage(data).section(name).shndx
    put(changed, section_header(data, index) + 24, 8, len(changed))
    put(changed, section_header(data, index) + 32, 8, len(content))
    return bytes(changed + content)


def symbols(count: int, name: int = 0, step: int = 0) -> bytes:
    """A table of undefined global symbols, each with its name `step` bytes after that of the one before."""
    return b"".join(struct.pack("<IBBHQQ", name + number * step, 0x10, 0, 0, 0, 0) for number in range(count))


# (section, more in it than any module of a distribution has)
HUGE = {
    "symbols": (".symtab", lambda: symbols(300_001)),
    "imports": (".symtab", lambda: symbols(50_001, name=1, step=8)),
    "names of symbols": (".symtab", lambda: symbols(17_000, name=1 + 8 * 50_001)),
    "modinfo": (".modinfo", lambda: b"a=b\0" * 300_000),
    "versions": ("__versions", lambda: bytes(64 * 50_001)),
    "relocations": (".rela.data", lambda: struct.pack("<QQq", 0, 1 << 32 | 1, 0) * 1_000_001),
}


@pytest.mark.parametrize(("name", "content"), HUGE.values(), ids=HUGE)
def test_tables_beyond_any_real_module_are_refused_soon(build_module, name, content):
    names = b"\0" + b"".join(b"%07d\0" % number for number in range(50_001)) + b"n" * 1000 + b"\0"
    data = with_section(build_module("source_several").read_bytes(), ".strtab", names)
    assert describe_or_refuse(data) is None
    assert describe_or_refuse(with_section(data, name, content())) == "too-complex"


def test_more_objects_of_klp_build_than_any_real_patch_has_are_refused(build_module):
    data = with_section(build_module("klp_build").read_bytes(), ".init.klp_objects", bytes(64 * 10_001))
    assert describe_or_refuse(data) == "too-complex"


def test_sections_that_share_one_long_name_are_refused(build_module):
    data = build_module("plain").read_bytes()
    names = bytes(ModuleImage(data).contents(ModuleImage(data).section(".shstrtab")))
    data = with_section(data, ".shstrtab", names + b"n" * 1000 + b"\0")
    headers = len(ModuleImage(data).sections) * SECTION_HEADER_SIZE
    start = section_header(data, 0)
    table = data[start : start + headers] + struct.pack("<I60x", len(names)) * 4500
    changed = bytearray(data)
    put(changed, 40, 8, len(data))
    put(changed, 60, 2, len(table) // SECTION_HEADER_SIZE)
    assert describe_or_refuse(bytes(changed) + table) == "too-complex"


def test_a_signature_larger_than_any_real_one_is_refused(build_module):
    size = 2 * 1024 * 1024
    trailer = struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, size) + b"~Module signature appended~\n"
    assert describe_or_refuse(build_module("plain").read_bytes() + bytes(size) + trailer) == "corrupt-signature"


def test_a_build_id_larger_than_any_real_one_is_none(build_module):
    data = build_module("plain").read_bytes()
    note = struct.pack("<III4s", 4, 1000, 3, b"GNU\0") + bytes(1000)
    assert describe_image(with_section(data, ".note.gnu.build-id", note), "x.ko", "none")["build_id"] is None


def test_an_orc_header_larger_than_any_real_one_is_refused(build_module, tmp_path):
    for header, code in ((bytes(20), None), (bytes(range(256)), "malformed-elf"), (bytes(250_000), "malformed-elf")):
        (tmp_path / "header").write_bytes(header)
        command = ["objcopy", "--add-section", f".orc_header={tmp_path / 'header'}", build_module("plain")]
        subprocess.run([*command, tmp_path / "with_header.ko"], check=True)
        assert describe_or_refuse((tmp_path / "with_header.ko").read_bytes()) == code


def test_a_message_has_nothing_in_it_that_controls_a_terminal(build_module):
    data = build_module("source_several").read_bytes()
    nowhere = with_section(data, ".rela.data", struct.pack("<QQq", 0, 99_999 << 32 | 1, 0))
    message = refusal(nowhere)
    assert "section .rela.data has a relocation to nowhere" in message
    index = ModuleImage(data).section(".rela.data").shndx
    assert f"section number {index} has" in refusal(nowhere.replace(b".rela.data", b".rela\x1b[7m1"))


def test_a_description_has_nothing_in_it_that_controls_a_terminal(build_module):
    data = build_module("source_several").read_bytes()
    hostile = {
        b"license=GPL": b"license=\x1b[m", b"version=2.1": b"version=\r\n1",
        b"vermagic=6.1.0-56": b"vermagic=6.1.0\xe2\x80\xae", b"parmtype=debug:bool": b"parmtype=de\x07ug:b\x08ol",
        b"optional_helper": b"optional\xc2\x9b\x1bhelp"}
    for plain, text in hostile.items():
        assert plain in data and len(plain) == len(text)
        data = data.replace(plain, text)
    signer = b"Acme\x1b[2J"
    trailer = struct.pack(">BBBBB3xI", 1, 4, 1, len(signer), 0, 4)
    description = describe_image(data + signer + bytes(4) + trailer + b"~Module signature appended~\n", "x.ko", "none")
    assert description["license"] == "?[m"
    assert description["version"] == "??1"
    assert description["release"] == "6.1.0?-amd64"
    assert description["parameters"]["de?ug"] == "b?ol"
    assert description["signature"]["signer"] == "Acme?[2J"
    assert "optional??help" in [entry["name"] for entry in description["imports"]]
    assert all(text.isprintable() for text in texts(description))


def texts(value) -> list[str]:
    if isinstance(value, dict):
        return [text for part in (*value, *value.values()) for text in texts(part)]
    return [text for part in value for text in texts(part)] if isinstance(value, (list, tuple)) else (
        [value] if isinstance(value, str) else [])


def refusal(data: bytes) -> str:
    with pytest.raises(PatchFileError) as caught:
        describe_image(data, "fix.ko", "none")
    return caught.value.message
