# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patches of each format claim to patch."""

from __future__ import annotations

import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle import description as descriptions

CMDLINE = {"name": "cmdline_proc_show", "sympos": 0}
SIMPLE = [{"name": "vmlinux", "functions": [CMDLINE], "callbacks": []}]
TWICE = [*SIMPLE, {"name": "nfsd", "functions": [CMDLINE], "callbacks": []}]
SEVERAL = [
    {"name": "vmlinux", "functions": [CMDLINE, {"name": "meminfo_proc_show", "sympos": 2}], "callbacks": []},
    {
        "name": "nfsd",
        "functions": [{"name": "nfsd_dispatch.isra.0", "sympos": 1}],
        "callbacks": ["pre_patch", "post_unpatch"],
    },
]
LITERALS = [
    {
        "name": "ext4",
        "functions": [
            {"name": "ext4_one", "sympos": 0},
            {"name": "ext4_two", "sympos": 0},
            {"name": "ext4_three", "sympos": 0},
        ],
        "callbacks": [],
    },
    {"name": "xfs", "functions": [{"name": "xfs_one", "sympos": 0}], "callbacks": []},
]
CALLBACKS = [
    {"name": "vmlinux", "functions": [], "callbacks": ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"]},
    {"name": "virtio_blk", "functions": [], "callbacks": ["post_patch"]},
]
KPATCH = [
    {
        "name": "vmlinux",
        "functions": [{"name": "cmdline_proc_show", "sympos": 1}, {"name": "meminfo_proc_show", "sympos": 3}],
        "callbacks": [],
    },
    {"name": "nfsd", "functions": [{"name": "nfsd_dispatch", "sympos": 1}], "callbacks": ["pre_patch"]},
]
KLP = [
    {"name": "vmlinux", "functions": [CMDLINE, {"name": "meminfo_proc_show", "sympos": 2}], "callbacks": []},
    {"name": "nfsd", "functions": [{"name": "nfsd_dispatch", "sympos": 1}], "callbacks": ["pre_patch"]},
]

# (source, flags of gcc, format, replace, objects)
READABLE = [
    ("plain", (), "none", None, []),
    ("source_simple", (), "source", False, SIMPLE),
    ("source_simple", ("-DREPLACE=true",), "source", True, SIMPLE),
    ("source_simple", ("-DNOT_MARKED",), "source", False, SIMPLE),
    ("source_several", (), "source", True, SEVERAL),
    ("source_literals", (), "source", True, LITERALS),
    ("source_statics", (), "source", False, SIMPLE),
    ("source_callbacks", (), "source", False, CALLBACKS),
    ("kpatch_build", ("-DREPLACE=true",), "kpatch-build", True, KPATCH),
    ("kpatch_build", ("-DREPLACE=false",), "kpatch-build", False, KPATCH),
    ("kpatch_build", (), "kpatch-build", None, KPATCH),
    ("kpatch_build", ("-DREPLACE=true", "-DBEFORE_STATES"), "kpatch-build", True, KPATCH),
    ("kpatch_build", ("-DREPLACE=false", "-DBEFORE_STATES"), "kpatch-build", False, KPATCH),
    ("kpatch_build", ("-DREGISTERED",), "kpatch-build", False, KPATCH),
    ("kpatch_build", ("-DREGISTERED", "-DREPLACE=true", "-DBEFORE_STATES"), "kpatch-build", False, KPATCH),
    ("kpatch_build", ("-DCORE",), "kpatch-core", None, KPATCH),
    ("klp_build", (), "klp-build", True, KLP),
]
NEW_SYMBOLS = {"source_simple": "new_cmdline", "kpatch_build": "new_one", "klp_build": "new_one"}
STRIPPED = [None, "--strip-debug", "--strip-unneeded"]


def describe(data):
    """The description without the symbols of the new code: a stripped file does not show them."""
    described = descriptions.describe(data)
    for entry in described["objects"]:
        for function in entry["functions"]:
            function.pop("new_symbol", None)
    return described


def new_symbols(data):
    return {function["name"]: function.get("new_symbol", function["name"])
            for entry in descriptions.describe(data)["objects"] for function in entry["functions"]}


@pytest.mark.parametrize("source", ["source_simple", "kpatch_build", "klp_build"])
def test_the_symbol_of_the_new_code_is_read(build_module, source):
    assert new_symbols(build_module(source))["cmdline_proc_show"] == NEW_SYMBOLS[source]
    assert new_symbols(build_module(source, strip="--strip-unneeded"))["cmdline_proc_show"] is None


@pytest.mark.parametrize("strip", STRIPPED)
@pytest.mark.parametrize(("source", "flags", "kind", "replace", "objects"), READABLE)
def test_a_patch_tells_what_it_patches(build_module, source, flags, kind, replace, objects, strip):
    description = describe(build_module(source, "-g", *flags, strip=strip))
    found = {key: description[key] for key in ("format", "opaque", "replace", "objects")}
    assert found == {"format": kind, "opaque": False, "replace": replace, "objects": objects}


@pytest.mark.parametrize("strip", STRIPPED)
def test_a_patch_for_kgraft_is_known_and_its_tables_are_not(build_module, strip):
    description = describe(build_module("kgraft", strip=strip))
    assert [description[key] for key in ("format", "livepatch", "opaque", "replace", "objects")] == [
        "kgraft", False, True, None, []]


# Kernels with lock debugging and kobject debugging have larger structs.
@pytest.mark.parametrize("strip", STRIPPED)
@pytest.mark.parametrize("tail", [8, 56, 136])
def test_the_size_of_structs_is_found(build_module, tail, strip):
    description = describe(build_module("source_literals", f"-DTAIL={tail}", strip=strip))
    assert (description["objects"], description["opaque"]) == (LITERALS, False)


@pytest.mark.parametrize("strip", STRIPPED)
@pytest.mark.parametrize("name", [
    "nf_tables.ko", "nf-tables", "kernel/net/nf_tables", "nf,tables", "a" * 60, "ko.ko.xz"])
def test_any_name_of_an_object_is_read(build_module, name, strip):
    """The host's checks refuse a name that no module can have, so the tables must not be opaque for it."""
    description = describe(build_module("source_simple", f'-DOBJECT="{name}"', strip=strip))
    assert (description["opaque"], [entry["name"] for entry in description["objects"]]) == (False, [name])


def test_structs_of_twice_the_usual_size_need_symbols(build_module):
    with_symbols = describe(build_module("source_literals", "-DTAIL=184"))
    assert (with_symbols["objects"], with_symbols["opaque"]) == (LITERALS, False)
    assert describe(build_module("source_literals", "-DTAIL=184", strip="--strip-unneeded"))["opaque"] is True


@pytest.mark.parametrize(
    ("flags", "replace"),
    [(("-DREPLACE=true",), True), (("-DREPLACE=false",), False), (("-DREPLACE=true", "-DREGISTER"), None)],
    ids=["5.1 replacing", "5.1 not replacing", "4.12 immediate"],
)
def test_replace_in_kernels_without_states(build_module, flags, replace):
    assert describe(build_module("source_simple", "-DWITHOUT_STATES", *flags))["replace"] is replace


# (what the init function does, opaque, replace)
RUN_TIME = [
    ("patch.replace = parameter", False, None),
    ("patch.replace = true", False, None),
    ("patch.objs = later_objs", True, False),
    ("objs[1].name = \"ext4\"", True, False),
    ("patch.states = later_states", False, None),
    ("funcs[0].old_sympos = parameter", True, False),
]


@pytest.mark.parametrize("strip", STRIPPED)
@pytest.mark.parametrize(("statement", "opaque", "replace"), RUN_TIME)
def test_what_code_sets_is_not_claimed(build_module, statement, opaque, replace, strip):
    description = describe(build_module("source_run_time", f"-DSET={statement}", strip=strip))
    assert (description["opaque"], description["replace"]) == (opaque, replace)
    assert description["objects"] == TWICE


def test_tables_made_at_run_time_are_opaque_with_hints(build_module):
    description = describe(build_module("source_allocated"))
    hints = [CMDLINE, {"name": "meminfo_proc_show", "sympos": 1}]
    assert (description["format"], description["opaque"], description["replace"]) == ("source", True, None)
    assert description["objects"] == [{"name": None, "functions": hints, "callbacks": []}]


@pytest.mark.parametrize(
    ("source", "flag"), [("kpatch_build", "-DWITHOUT_NAME"), ("klp_build", "-DCOUNT=2"), ("klp_build", "-DCOUNT=9999")]
)
def test_a_table_with_a_wrong_entry_is_opaque(build_module, source, flag):
    assert describe(build_module(source, flag))["opaque"] is True


def test_states_and_calls_are_listed(build_module):
    description = describe(build_module("source_several"))
    assert description["states"] == [{"id": 5, "version": 2}, {"id": 9, "version": 0}]
    assert description["shadow"] == ["klp_shadow_free_all", "klp_shadow_get"]
    assert description["state_calls"] == ["klp_get_state"]


CROSS = [  # compiler, uname -m
    ("aarch64-linux-gnu-gcc", "aarch64"), ("powerpc64le-linux-gnu-gcc", "ppc64le"), ("s390x-linux-gnu-gcc", "s390x")]


@pytest.fixture(params=CROSS, ids=[arch for _compiler, arch in CROSS])
def machine(request):
    """A cross compiler, and its machine as `uname -m` prints it."""
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"{request.param[0]} is not installed")
    return request.param


def test_other_machines(build_module, machine):
    compiler, arch = machine
    several = describe(build_module("source_several", compiler=compiler))
    assert (several["arch"], several["objects"], several["replace"]) == (arch, SEVERAL, True)
    assert several["states"] == [{"id": 5, "version": 2}, {"id": 9, "version": 0}]
    assert describe(build_module("source_simple", compiler=compiler))["replace"] is False
    assert describe(build_module("klp_build", compiler=compiler))["objects"] == KLP
    assert describe(build_module("kpatch_build", compiler=compiler))["objects"] == KPATCH


@pytest.mark.parametrize("statement", [statement for statement, _opaque, _replace in RUN_TIME])
def test_on_other_machines_replace_is_not_claimed_where_code_can_set_it(build_module, machine, statement):
    """Code there stores to a member through the address of the variable, without a relocation of the member."""
    description = describe(build_module("source_run_time", f"-DSET={statement}", compiler=machine[0]))
    assert description["replace"] is None


# It loads the addresses of the patch and of the function, one after the other, before it sets replace.
INDIRECT = (
    'struct klp_patch *one = &patch; __asm__ volatile("" : "+r"(one)); '
    'int (*enable)(struct klp_patch *) = klp_enable_patch; __asm__ volatile("" : "+r"(enable)); '
    "one->replace = true; return enable(one)")
# What the init function does directly before it enables the patch.
ALWAYS = [
    ("patch.replace = true", ()), ("take(&patch)", ()), ("pointer->replace = true", ("-DPOINTER",)), (INDIRECT, ())]


@pytest.mark.parametrize(("statement", "flags"), ALWAYS)
def test_on_other_machines_the_address_is_followed_up_to_the_call(build_module, machine, statement, flags):
    flags = ("-DALWAYS", f"-DSET={statement}", *flags)
    assert describe(build_module("source_run_time", *flags, compiler=machine[0]))["replace"] is None


@pytest.mark.parametrize(("flags", "known"), [
    ((), "aarch64 ppc64le s390x"), (("-Dstatic=",), "aarch64 ppc64le s390x"), (("-DREADS",), "aarch64 s390x")])
def test_on_other_machines_reading_another_variable_sets_nothing(build_module, machine, flags, known):
    """ppc64le first loads the address of that variable, and it is in one section with the patch here.

    s390x finds a variable that is not static through the table of the linker (R_390_GOTENT).
    """
    description = describe(build_module("source_run_time", "-DALWAYS", "-DSET=", *flags, compiler=machine[0]))
    assert description["replace"] is (False if machine[1] in known else None)


def test_a_pointer_to_the_patch_can_set_replace(build_module):
    description = describe(build_module("source_run_time", "-DALWAYS", "-DSET=pointer->replace = true", "-DPOINTER"))
    assert description["replace"] is None


@pytest.mark.parametrize(("flags", "replace"), [((), False), (("-DPARAMETER",), None)])
def test_a_module_parameter_can_set_replace(build_module, flags, replace):
    assert describe(build_module("source_simple", *flags))["replace"] is replace
