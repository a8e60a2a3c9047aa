# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch for a module that is not loaded: whether the kernel would refuse that module later."""

import os

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils._checks.test_build import findings_of
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import MODULES
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    simulated_module,
)

NOTE = ("object-absent", "note", "The module target is not loaded, so fix changes nothing in it until it is.")


ABSENT = (
    "ineffective", "blocker",
    "fix patches only modules that are not loaded (target), so none of its functions is in effect. Make sure that it "
    "is meant for this host, and load such a module. To load the patch for a module that comes later, name this code "
    "in ignore_findings.")
OWN = ("intree=Y",)


def put(kernel, symbols, traced, name="target", modinfo=OWN):
    kernel.put(f"{MODULES}/modules.dep", f"kernel/{name}.ko:\n")
    kernel.put(f"{MODULES}/kernel/{name}.ko", simulated_module(
        symbols=symbols, traced=traced, build_id="bb" * 20, modinfo=modinfo))


def klp_symbol(name, sympos, entry="target"):
    return {"object": entry, "name": name, "sympos": sympos, "needed_by": ["target"]}


def test_a_module_whose_file_has_the_functions_is_only_noted(apply):
    assert findings_of(apply, objects={"target": ["three", ("other", 1)]}) == [NOTE, ABSENT]
    beside = findings_of(apply, objects={"vmlinux": ["one"], "target": ["three"]})
    assert [code for code, _level, _message in beside] == ["object-absent"]


def test_a_module_that_is_loaded_is_not_looked_for(kernel, apply):
    kernel.plain_module("target")
    os.unlink(kernel.path(f"{MODULES}/kernel/target.ko"))
    assert [code for code, _level, _message in findings_of(apply, objects={"target": ["three"]})] == ["not-checked"]


@pytest.mark.parametrize("function, why", [
    ("absent", "it has no absent"),
    ("twice", "it has 2 symbols called twice and the patch gives no sympos"),
    (("twice", 3), "it has only 2 symbols called twice and the patch means number 3"),
    (("three", 2), "it has only 1 symbol called three and the patch means number 2"),
    ("inlined", "ftrace cannot redirect inlined"),
    (("twice", 2), "ftrace cannot redirect twice"),
    (("twice", 1), None),
    (("three", 1), None),
    ("three", None),
])
def test_what_the_kernel_would_refuse_the_module_for(kernel, apply, function, why):
    put(kernel, ["three", "twice", "inlined", "twice"], traced=[0, 1])
    findings = findings_of(apply, objects={"target": [function]})
    assert findings[:2] == [NOTE, ABSENT]
    assert findings[2:] == ([] if why is None else [(
        "object-would-be-refused", "blocker",
        f"The module target is not loaded, and the kernel would refuse to load it while fix is enabled: {why}. "
        "Build the patch against the running kernel. If target is never wanted, name this code in ignore_findings.")])


def test_symbols_that_the_patch_refers_to_count_too_and_need_not_be_functions(kernel, apply):
    put(kernel, ["three", "data", "data"], traced=[0])
    symbols = [klp_symbol("data", 2), klp_symbol("elsewhere", 0, "vmlinux")]
    assert "data" not in str(findings_of(apply, objects={"target": ["three"]}, klp_symbols=symbols))
    symbols.append(klp_symbol("data", 0))
    assert "it has 2 symbols called data" in findings_of(
        apply, objects={"target": ["three"]}, klp_symbols=symbols)[2][2]


def test_no_more_reasons_are_told_than_one_can_read(apply):
    message = findings_of(apply, objects={"target": ["a", "b", "c", "d", "e"]})[2][2]
    assert "enabled: it has no a, it has no b, it has no c and 2 more. Build" in message


def unknown(findings):
    [(code, level, message)] = findings
    assert (code, level) == ("object-unknown", "warning")
    return message


def test_a_module_without_a_file_is_unknown(apply):
    findings = findings_of(apply, objects={"lab_other": ["three"]})
    assert unknown(findings[2:]) == (
        "fix.ko patches the module lab_other. It is not loaded and modules.dep of this kernel does not list it, so the "
        "patch may change nothing in it. Make sure that the patch is meant for this kernel.")


@pytest.mark.parametrize("objects", [{"zswap": ["three"]}, {"vmlinux": ["one"], "zswap": ["three"]}])
def test_a_module_that_is_built_in_never_comes(kernel, apply, objects):
    kernel.put(f"{MODULES}/modules.builtin", "kernel/mm/zswap.ko\n")
    code, level, message = findings_of(apply, objects=objects)[-1]
    assert (code, level) == ("object-built-in", "blocker")
    assert message.startswith("fix.ko patches the module zswap, and this kernel has its code built in, so ")


def foreign(findings):
    return [(level, message) for code, level, message in findings if code == "object-out-of-tree"]


def words(origin, entry="target"):
    return [("warning", (
        f"fix.ko patches the module {entry}, and on this host this is not the kernel's own module ({origin}). Build "
        "the patch against the source of exactly this module, or install the kernel's own."))]


@pytest.mark.parametrize("directory", ["updates/dkms", "extra", "weak-updates/vendor", "misc"])
@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_a_module_outside_the_kernel_s_directory_is_not_its_own(kernel, apply, directory, suffix):
    path = f"{MODULES}/{directory}/target.ko{suffix}"
    kernel.put(f"{MODULES}/modules.dep", f"{directory}/target.ko{suffix}:\n")
    kernel.put(path, simulated_module(symbols=("three",), traced=(0,)))
    assert foreign(findings_of(apply, objects={"target": ["three"]})) == words(f"not loaded, file {path}")


def test_a_file_among_the_kernel_s_that_was_built_elsewhere_is_not_its_own(kernel, apply):
    put(kernel, ["other"], traced=[0], modinfo=())
    findings = findings_of(apply, objects={"target": ["three"]})
    assert foreign(findings) == words(f"not loaded, file {MODULES}/kernel/target.ko built out of tree")
    refused, = (message for code, _level, message in findings if code == "object-would-be-refused")
    assert "it has no three. Build the patch against the source of this module. If target" in refused


@pytest.mark.parametrize("taint, own", [("", True), ("E", True), ("OE", False), ("POE", False)])
def test_a_loaded_module_s_taint_tells_where_it_comes_from(kernel, apply, taint, own):
    kernel.plain_module("target", taint=taint)
    kernel.put("/sys/module/target/version", "9-vendor\n")
    findings = findings_of(apply, objects={"target": ["three"]})
    assert foreign(findings) == ([] if own else words(f"loaded with the taint {taint}, out of tree, version 9-vendor"))
    kernel.put(f"{MODULES}/modules.dep", "updates/dkms/target.ko:\n")
    findings = findings_of(apply, objects={"target": ["three"]})
    assert foreign(findings) == ([] if own else words(
        f"loaded with the taint {taint}, out of tree, version 9-vendor, file {MODULES}/updates/dkms/target.ko"))


def test_a_function_that_such_a_module_lacks_is_not_blamed_on_the_kernel(kernel, apply):
    kernel.plain_module("target", taint="OE")
    findings = findings_of(apply, objects={"target": ["gone"], "vmlinux": ["gone_too"]})
    assert {code: message for code, _level, message in findings if "gone," in message} == {
        "symbol-missing": "fix.ko patches gone, and target of this kernel does not have it. Build the patch against "
        "the source of this module."}
    assert any("gone_too, and vmlinux of this kernel does not have it. Build the patch against the running kernel."
               in message for _code, _level, message in findings)
    assert len(foreign(findings)) == 1


def link_nowhere(image):
    symtab_header = image.index((2).to_bytes(4, "little") + (2).to_bytes(8, "little"), len(image) // 2)
    return image[:symtab_header + 36] + b"\xff\xff" + image[symtab_header + 38:]


@pytest.mark.parametrize("damage, why", [
    (lambda image: b"#!/bin/sh", "cannot be read (/lib/modules/6.1.0-56-amd64/kernel/other_one.ko)"),
    (lambda image: image[:-1], "cannot be read"),
    # The symbols' string table becomes that of a section that is not there.
    (link_nowhere, "has a damaged file"),
])
def test_a_file_that_cannot_be_read_is_told(kernel, apply, damage, why):
    kernel.put(f"{MODULES}/modules.dep", "kernel/target.ko:\nkernel/other_one.ko:\n")
    kernel.put(f"{MODULES}/kernel/other_one.ko", damage(simulated_module(symbols=("three",))))
    assert why in unknown(findings_of(apply, objects={"other_one": ["three"]})[2:])


def test_the_guesses_of_an_opaque_file_are_no_blockers(apply):
    findings = findings_of(apply, objects={"target": ["absent"]}, opaque=True)
    assert "object-would-be-refused" not in [code for code, _level, _message in findings]
    assert NOTE in findings


def test_a_kernel_without_its_list_of_modules_is_told(kernel, apply):
    os.unlink(kernel.path(f"{MODULES}/modules.dep"))
    findings = findings_of(apply, objects={"target": ["absent"]})
    assert findings[0] == NOTE
    assert "(modules.dep below /lib/modules). These checks were skipped: object-would" in findings[-1][2]
