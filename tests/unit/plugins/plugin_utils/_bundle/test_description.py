# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a patch file beyond what it patches, and the errors for files that are none."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe, describe_image
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf import module_image
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError

KEYS = {
    "schema", "file", "compression", "sha256", "size", "name", "arch", "release", "vermagic", "build_id", "srcversion",
    "version", "license", "depends", "livepatch", "parameters", "format", "opaque", "replace", "objects", "states",
    "shadow", "state_calls", "imports", "has_versions", "klp_symbols", "klp_relocations", "module_struct_size",
    "signature", "orc", "btf", "btf_base", "module_layout", "symtab", "removable",
}  # fmt: skip

E_TYPE, E_MACHINE, E_SHOFF, E_SHENTSIZE, E_SHNUM = 16, 18, 40, 58, 60
SHN_LIVEPATCH = 0xFF20


def with_bytes(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


def without_bytes(data: bytes, text: bytes) -> bytes:
    assert text in data
    return data.replace(text, b"x" * len(text))


def test_every_description_has_the_same_keys(build_module):
    for source in ("plain", "source_several", "kpatch_build", "klp_build", "livepatch_symbols"):
        assert describe(build_module(source)).keys() == KEYS


def test_identity(build_module):
    module = build_module("source_several", '-DNAME="lp_fix"')
    description = describe(module)
    expected = {
        "schema": 4,
        "file": "source_several.ko",
        "compression": "none",
        "sha256": hashlib.sha256(module.read_bytes()).hexdigest(),
        "size": module.stat().st_size,
        "name": "lp_fix",
        "arch": "x86_64",
        "release": "6.1.0-56-amd64",
        "vermagic": "6.1.0-56-amd64 SMP preempt mod_unload modversions ",
        "build_id": "9bf7ad20a1c705f567b3a0c87606d18a344dcfe9",
        "srcversion": "533BB7E5866E52F63B9ACCB",
        "version": "2.1",
        "license": "GPL",
        "depends": [],
        "livepatch": True,
        "parameters": {"debug": "bool", "label": "charp"},
        "module_struct_size": 896,
        "signature": None,
        "orc": {"unwind": False, "header": None},
        "btf": False,
        "btf_base": False,
        "module_layout": 0x11111111,
        "symtab": True,
        "removable": False,
    }
    assert {key: description[key] for key in expected} == expected


@pytest.mark.parametrize(("content", "btf"), [(b"types", True), (b"", False)])
def test_an_empty_section_of_types_is_none_to_the_kernel(build_module, tmp_path, content, btf):
    (tmp_path / "types").write_bytes(content)
    module = tmp_path / "fix.ko"
    subprocess.run(
        ["objcopy", "--add-section", f".BTF={tmp_path / 'types'}", build_module("plain"), module], check=True)
    assert b".BTF\0" in module.read_bytes()
    assert describe(module)["btf"] is btf


def test_a_parameter_with_functions_of_its_own_is_known_without_a_type(build_module):
    known = describe(build_module("plain"))["parameters"]
    assert describe(build_module("plain", "-DPARAMETER"))["parameters"] == {**known, "level": ""}


@pytest.mark.parametrize("objects", [1, 2, 40])
def test_of_a_module_of_several_objects_the_unwinders_format_is_told_once(build_module, tmp_path, objects):
    (tmp_path / "header").write_bytes(bytes(range(20)) * objects)
    module = tmp_path / "with_header.ko"
    subprocess.run(
        ["objcopy", "--add-section", f".orc_header={tmp_path / 'header'}", build_module("plain"), module], check=True)
    assert describe(module)["orc"]["header"] == bytes(range(20)).hex()


@pytest.mark.parametrize("sections", [(), (".BTF",), (".BTF", ".BTF.base")])
def test_type_information_with_and_without_the_types_that_it_refers_to(build_module, tmp_path, sections):
    content, module = tmp_path / "content", tmp_path / "typed.ko"
    content.write_bytes(bytes(24))
    options = [word for name in sections for word in ("--add-section", f"{name}={content}")]
    subprocess.run(["objcopy", *options, build_module("plain"), module], check=True)
    description = describe(module)
    assert (description["btf"], description["btf_base"]) == (".BTF" in sections, ".BTF.base" in sections)


def test_what_a_module_does_not_say_is_null(build_module):
    description = describe(build_module("plain", "-DNO_VERMAGIC"))
    absent = ("release", "vermagic", "srcversion", "version")
    assert [description[key] for key in absent] == [None] * len(absent)
    assert (description["livepatch"], description["has_versions"]) == (False, False)


def test_imports_have_their_crcs(build_module):
    description = describe(build_module("source_several"))
    assert description["has_versions"] is True
    assert description["imports"] == [
        {"name": "klp_enable_patch", "crc": 0xCF1E4200, "weak": False},
        {"name": "klp_get_state", "crc": 0x0000ABCD, "weak": False},
        {"name": "klp_shadow_free_all", "crc": None, "weak": False},
        {"name": "klp_shadow_get", "crc": None, "weak": False},
        {"name": "optional_helper", "crc": None, "weak": True},
    ]


def test_extended_crcs_are_read(build_module):
    description = describe(build_module("extended_versions"))
    assert description["has_versions"] is True
    assert description["imports"] == [
        {"name": "a_name_that_is_much_longer_than_the_56_bytes_of_the_older_table", "crc": 7, "weak": False},
        {"name": "klp_enable_patch", "crc": 0xCF1E4200, "weak": False},
    ]


def test_of_two_crcs_for_a_symbol_the_first_counts(build_module):
    data = build_module("source_several").read_bytes()
    assert data.count(b"klp_get_state\0\0\0") == 1  # its name in __versions; in the string table, another name follows
    data = data.replace(b"klp_get_state\0\0\0", b"module_layout\0\0\0")
    assert describe_image(data, "fix.ko", "none")["module_layout"] == 0x11111111


def test_a_module_without_versions_has_no_module_layout(build_module):
    description = describe(build_module("plain"))
    assert (description["has_versions"], description["module_layout"]) == (False, None)


@pytest.mark.parametrize(
    ("flags", "removable"), [(("-DEXIT",), True), ((), False), (("-Dinit_module=not_init",), True)]
)
def test_a_module_with_init_and_without_exit_stays_for_ever(build_module, flags, removable):
    assert describe(build_module("plain", *flags))["removable"] is removable


def test_a_module_stripped_of_all_symbols_says_so(build_module):
    assert describe(build_module("plain"))["symtab"] is True
    data = build_module("plain").read_bytes()
    image = module_image.ModuleImage(data)
    table = next(section for section in image.sections if section.type == "SHT_SYMTAB")
    header = int.from_bytes(data[E_SHOFF : E_SHOFF + 8], "little") + 64 * table.shndx
    without_relocations = [  # what they refer to is gone with the symbols
        int.from_bytes(data[E_SHOFF : E_SHOFF + 8], "little") + 64 * section.shndx
        for section in image.sections
        if section.type == "SHT_RELA"
    ]
    for start in (header, *without_relocations):
        data = with_bytes(data, start + 32, bytes(8))
    assert describe_image(data, "fix.ko", "none")["symtab"] is False


def test_livepatch_symbols_and_relocations(build_module):
    data = build_module("livepatch_symbols").read_bytes()
    image = module_image.ModuleImage(data)
    table = next(section for section in image.sections if section.type == "SHT_SYMTAB")
    for index, symbol in enumerate(image.symbols):
        if symbol.name.startswith(".klp."):  # no assembler can write this section number
            data = with_bytes(data, table.offset + 24 * index + 6, SHN_LIVEPATCH.to_bytes(2, "little"))
    numbers = {symbol.name: index for index, symbol in enumerate(image.symbols)}
    for section, place, name in (
        (".klp.rela.vmlinux..text", 0, ".klp.sym.nfsd.nfsd_cache,2"),
        (".klp.rela.vmlinux..text", 1, ".klp.sym.vmlinux.jiffies_lock,0"),
        (".klp.rela.nfsd..text.new_one", 0, ".klp.sym.nfsd.nfsd_cache,2"),
    ):
        info = image.section(section).offset + 24 * place + 8
        data = with_bytes(data, info, (numbers[name] << 32).to_bytes(8, "little"))
    description = describe_image(data, "fixture.ko", "none")
    assert description["klp_symbols"] == [
        {"object": "vmlinux", "name": "jiffies_lock", "sympos": 0, "needed_by": ["vmlinux"]},
        {"object": "nfsd", "name": "nfsd_cache", "sympos": 2, "needed_by": ["nfsd", "vmlinux"]},
        {"object": "vmlinux", "name": "klp_shadow_alloc", "sympos": 0, "needed_by": []},
        {"object": "vmlinux", "name": "klp_get_state", "sympos": 0, "needed_by": []},
    ]
    assert (description["shadow"], description["state_calls"]) == (["klp_shadow_alloc"], ["klp_get_state"])
    assert description["klp_relocations"] == [
        {"object": "vmlinux", "section": ".text", "count": 2},
        {"object": "nfsd", "section": ".text.new_one", "count": 1},
    ]
    assert description["imports"] == []


def test_the_name_of_a_shuffled_struct_module_is_in_modinfo(build_module):
    data = build_module("plain", '-DNAME="named_twice"').read_bytes()
    in_struct = data.index(b"named_twice" + bytes(40))
    assert describe_image(with_bytes(data, in_struct, bytes(11)), "x.ko", "none")["name"] == "named_twice"


# (code, how a good module is spoilt)
SPOILT = [
    ("not-elf", lambda data: b""),
    ("not-elf", lambda data: b"#!/bin/sh\nexit 0\n"),
    ("truncated", lambda data: data[:40]),
    ("truncated", lambda data: data[: len(data) // 2]),
    ("not-a-module", lambda data: with_bytes(data, E_TYPE, b"\x02\x00")),
    ("not-a-module", lambda data: with_bytes(data, E_SHNUM, b"\x00\x00")),
    ("not-a-module", lambda data: without_bytes(data, b".modinfo")),
    ("not-a-module", lambda data: without_bytes(data, b".gnu.linkonce.this_module")),
    ("unsupported-machine", lambda data: with_bytes(data, E_MACHINE, b"\x08\x00")),
    ("malformed-elf", lambda data: with_bytes(data, 4, b"\x07")),
    ("malformed-elf", lambda data: with_bytes(data, E_SHENTSIZE, b"\x20\x00")),
    ("malformed-elf", lambda data: with_bytes(data, E_SHNUM, b"\xff\xff")),
    ("truncated", lambda data: with_bytes(data, E_SHOFF, b"\xff" * 7)),
    ("no-module-name", lambda data: data.replace(b"fixture\0", b"\1ixture\0")),
]


@pytest.mark.parametrize(("code", "spoil"), SPOILT)
def test_a_file_that_is_no_module_is_refused(build_module, code, spoil):
    with pytest.raises(PatchFileError) as caught:
        describe_image(spoil(build_module("source_several").read_bytes()), "fix.ko", "none")
    assert caught.value.code == code


def test_the_machine_decides_the_architecture(build_module):
    data = with_bytes(build_module("source_several").read_bytes(), E_MACHINE, b"\xb7\x00")
    assert describe_image(data, "fix.ko", "none")["arch"] == "aarch64"


def test_errors_name_the_file_and_make_a_sentence(tmp_path):
    path = tmp_path / "fix.ko"
    path.write_text("no module")
    with pytest.raises(PatchFileError) as caught:
        describe(path)
    expected = f"{path} is not an ELF file. Give a kernel module (.ko, .ko.gz, .ko.xz or .ko.zst)."
    assert str(caught.value) == expected


def test_unreadable_paths_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.ko")
    for name in ("missing.ko", "pipe.ko", ""):
        with pytest.raises(PatchFileError) as caught:
            describe(tmp_path / name)
        assert caught.value.code == "unreadable"


def test_a_missing_library_is_named(build_module, monkeypatch):
    monkeypatch.setattr(module_image, "HAS_ELFTOOLS", False)
    with pytest.raises(PatchFileError, match=f"pyelftools. Install it .* for {re.escape(sys.executable)}") as caught:
        describe(build_module("plain"))
    assert caught.value.code == "pyelftools-missing"
