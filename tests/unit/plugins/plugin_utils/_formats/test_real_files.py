# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that kpatch-build and klp-build made in the lab, against what readelf and the builders say of them.

They hold the kernel's code, so they are not in the repository: `python3 -m tests.lab builders` makes them in minutes to
an hour, and the tests run where it has. The fixtures kpatch_build.c and klp_build.c stand for them elsewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import ModuleImage

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kernel-livepatch", "lab")
KPATCH, KLP = "kpatch-build", "klp-build"
ALL_CALLBACKS = ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"]

# name of the source patch: (replace, {object: functions}, callbacks)
PATCHES = {
    "cmdline-v1": (True, {"vmlinux": ["cmdline_proc_show"]}, []),
    "cmdline-v2": (True, {"vmlinux": ["cmdline_proc_show", "meminfo_proc_show"]}, []),
    "binfmt-misc": (True, {"binfmt_misc": ["bm_entry_read", "bm_status_read"]}, []),
    "readers": (True, {"vmlinux": ["cmdline_proc_show"]}, ALL_CALLBACKS),
    "meminfo": (False, {"vmlinux": ["meminfo_proc_show"]}, []),
    "CVE-2026-99362": (True, {"nfsd": ["nfsd4_sequence"]}, []),
}


def built(builder: str, name: str) -> Path:
    """The newest file that the builder has made; skips the test where there is none."""
    files = sorted(CACHE.glob(f"{builder}-{name}-*/livepatch-{name}.ko"), key=lambda path: path.stat().st_mtime)
    files = [path for path in files if path.parent.suffix != ".partial"]
    if not files:
        pytest.skip(f"{builder} has not made {name} here; `python3 -m tests.lab builders` does")
    return files[-1]


@pytest.fixture(params=[(builder, name) for builder in (KPATCH, KLP) for name in PATCHES], ids="-".join)
def real(request):
    """(builder, name, file)"""
    return *request.param, built(*request.param)


def readelf(path: Path, *options: str) -> str:
    return subprocess.run(["readelf", "--wide", *options, path], check=True, capture_output=True, text=True).stdout


def test_the_tables_say_what_was_patched(real):
    builder, name, file = real
    replace, functions, callbacks = PATCHES[name]
    description = describe(file)
    assert (description["format"], description["opaque"], description["replace"]) == (builder, False, replace)
    found = {entry["name"]: sorted(each["name"] for each in entry["functions"]) for entry in description["objects"]}
    assert found == functions
    assert [entry["callbacks"] for entry in description["objects"]] == [callbacks] * len(functions)


def test_the_builder_says_the_same_functions(real):
    _builder, _name, file = real
    said = re.findall(r"changed function: (\S+)", (file.parent / "builder.log").read_text())
    assert said
    found = [each["name"] for entry in describe(file)["objects"] for each in entry["functions"]]
    assert sorted(found) == sorted(said)


def test_modinfo_says_the_same(real):
    _builder, name, file = real
    said = dict(re.findall(r"^ +\[ *[0-9a-f]+\] +(\w+)=(.*)$", readelf(file, "-p", ".modinfo"), re.MULTILINE))
    description = describe(file)
    assert (description["name"], description["license"], description["vermagic"]) == (
        said["name"], said["license"], said["vermagic"].rstrip() + " ")
    assert description["name"] == f"livepatch_{name.replace('-', '_')}"
    assert (description["livepatch"], "livepatch" in said) == (True, True)
    assert description["depends"] == [word for word in said["depends"].split(",") if word]
    assert description["release"] == said["vermagic"].split()[0]


def test_readelf_says_the_same(real):
    _builder, _name, file = real
    description = describe(file)
    notes = readelf(file, "--notes")
    assert re.search(r"Build ID: (\w+)", notes).group(1) == description["build_id"]
    names = re.findall(r"UND (\S+)$", readelf(file, "--symbols"), re.MULTILINE)
    assert sorted(each["name"] for each in description["imports"]) == sorted(
        each for each in names if not each.startswith(".klp."))
    special = re.findall(r"(?:OS \[0xff20\]|0xff20) +\.klp\.sym\.(\S+)$", readelf(file, "--symbols"), re.MULTILINE)
    assert sorted(f"{each['object']}.{each['name']},{each['sympos']}" for each in description["klp_symbols"]) == sorted(
        special)
    relocated = re.findall(r"\] +\.klp\.rela\.(\S+)", readelf(file, "--section-headers"))
    assert sorted(f"{each['object']}.{each['section']}" for each in description["klp_relocations"]) == sorted(relocated)
    assert all(each["count"] for each in description["klp_relocations"])


def test_what_attaches_shadow_variables_is_noticed(real):
    _builder, name, file = real
    assert describe(file)["shadow"] == (
        ["klp_shadow_free_all", "klp_shadow_get_or_alloc"] if name == "readers" else [])


def test_every_import_has_its_crc_where_the_kernel_has_versions(real):
    builder, _name, file = real
    description = describe(file)
    assert description["has_versions"] is (builder == KPATCH)  # the small kernel is built without CONFIG_MODVERSIONS
    assert {each["crc"] is not None for each in description["imports"]} == {description["has_versions"]}


# The builders' own sections, and the words of an entry in each.
OWN = {
    ".kpatch.funcs": 7, **{f".kpatch.callbacks.{name}": 2 for name in ALL_CALLBACKS},
    ".init.klp_objects": 8, ".init.klp_funcs": 3,
}


def shape(path: Path) -> dict[str, tuple]:
    """Of each of these sections: its type, its flags, and which words of its entries are pointers."""
    image = ModuleImage(path.read_bytes())
    return {
        section.name: (section.type, section.flags, {
            offset // image.word % OWN[section.name] for offset in image.pointers(section)})
        for section in image.sections if section.name in OWN}


@pytest.mark.parametrize(("builder", "fixture", "flags"), [
    (KPATCH, "kpatch_build", ("-DREPLACE=true",)), (KLP, "klp_build", ())])
def test_the_fixture_has_the_shape_of_the_real_files(build_module, builder, fixture, flags):
    real: dict[str, tuple] = {}
    for name in PATCHES:
        for section, (kind, flags_of_it, pointers) in shape(built(builder, name)).items():
            others = real.get(section, (kind, flags_of_it, set()))[2]
            real[section] = kind, flags_of_it, pointers | others
    ours = shape(build_module(fixture, *flags))
    assert ours.keys() == real.keys()
    for section, (kind, flags_of_it, pointers) in ours.items():
        assert (kind, flags_of_it) == real[section][:2], section
        assert pointers <= real[section][2], section
