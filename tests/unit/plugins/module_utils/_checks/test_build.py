# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a patch was built, against the running kernel's own modules and its exports."""

import os

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.check_mode import (
    codes,
    findings_of,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import MODULES
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    simulated_module,
)

SYMBOL = "0000000000000000 {} {}\n"
ORC = {"unwind": True, "header": "ab" * 20}


def build(kernel, **sample):
    """Have the kernel's own modules be built like this."""
    kernel.put(f"{MODULES}/kernel/target.ko", simulated_module(**sample))


def imports(*names, **crcs):
    return [{"name": name, "crc": crcs.get(name), "weak": False} for name in [*names, *crcs]]


def show(kernel, *entries):
    """More symbols in /proc/kallsyms: "name", or "name [module]", those of the kernel first."""
    lines = kernel.read("/proc/kallsyms").splitlines()
    lines += [SYMBOL.format("r", entry.replace(" ", "\t")).rstrip("\n") for entry in entries]
    kernel.put("/proc/kallsyms", "".join(f"{line}\n" for line in sorted(lines, key=lambda line: "\t[" in line)))


def test_a_patch_that_is_built_like_the_kernels_own_modules_has_no_finding(apply):
    assert findings_of(apply) == []


@pytest.mark.parametrize("sample, file", [
    ("SMP preempt mod_unload ", "SMP preempt mod_unload modversions "),
    ("SMP preempt mod_unload modversions", "SMP preempt mod_unload modversions "),
    ("SMP preempt mod_unload modversions RANDSTRUCT_PLUGIN_1", "SMP preempt mod_unload modversions "),
])
def test_the_words_of_the_vermagic_are_compared_as_the_kernel_does(kernel, apply, sample, file):
    build(kernel, vermagic=f"6.1.0-56-amd64 {sample}")
    [(code, level, message)] = findings_of(apply, vermagic=f"6.1.0-56-amd64 {file}")
    assert (code, level) == ("vermagic-mismatch", "blocker")
    assert f"'6.1.0-56-amd64 {file.strip()}'" in message
    assert f"'6.1.0-56-amd64 {sample.strip()}'" in message


def test_a_file_without_versions_is_refused_where_the_kernel_compares_them(kernel, apply):
    described = {"has_versions": False, "module_layout": None}
    [(code, level, _message)] = findings_of(apply, **described)
    assert (code, level) == ("no-versions", "blocker")
    build(kernel, crcs=False)
    assert findings_of(apply, **described) == []
    assert findings_of(apply) == []


def test_another_size_of_struct_module_is_refused(apply):
    [(code, level, message)] = findings_of(apply, module_struct_size=960)
    assert (code, level) == ("struct-module-size", "blocker")
    assert "960 bytes and this kernel's own modules have one of 896" in message


def test_symbols_of_another_version_are_listed_together(kernel, apply):
    build(kernel, crcs={"module_layout": 0x22222222, "one": 1, "two": 2, "other": 3})
    [(code, level, message)] = findings_of(apply, imports=imports(one=1, two=7, other=8))
    assert (code, level) == ("symbol-version-mismatch", "blocker")
    assert "(CRCs) of two, other, module_layout than this kernel has." in message


def test_many_symbols_of_another_version_are_counted(kernel, apply):
    names = [f"s{number}" for number in range(20)]
    show(kernel, *names)
    build(kernel, crcs=dict.fromkeys([*names, "module_layout"], 1))
    [(_code, _level, message)] = findings_of(apply, imports=imports(**dict.fromkeys(names, 2)))
    assert "s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11 and 9 more" in message


@pytest.mark.parametrize("shown", [(), ("__ksymtab_klp_enable_patch", "__ksymtab_one")])
def test_an_import_that_is_there_has_no_finding(kernel, apply, shown):
    show(kernel, *shown)
    assert findings_of(apply, imports=imports("one")) == []


def test_an_import_that_nothing_exports_is_refused(kernel, apply):
    [(code, level, message)] = findings_of(apply, imports=imports("one", "no_such", "nor_this"))
    assert (code, level) == ("symbol-not-exported", "blocker")
    assert message.startswith(
        "fix.ko needs no_such, nor_this, and neither the running kernel nor its list of modules shows them")


def test_a_symbol_that_the_kernel_has_and_does_not_export_is_refused(kernel, apply):
    assert findings_of(apply, imports=imports("one")) == []
    show(kernel, "__ksymtab_klp_enable_patch")
    assert codes(apply, imports=imports("one")) == ["symbol-not-exported"]


def test_a_weak_import_may_be_absent(apply):
    assert findings_of(apply, imports=[{"name": "no_such", "crc": None, "weak": True}]) == []


@pytest.mark.parametrize("entry", ["__ksymtab_exported [target]", "exported [target]"])
def test_a_loaded_module_exports_as_well(kernel, apply, entry):
    show(kernel, "__ksymtab_klp_enable_patch", entry)
    assert codes(apply, imports=imports("exported")) == ["symbol-not-exported"]
    kernel.plain_module("target")
    assert findings_of(apply, imports=imports("exported")) == []


def test_the_module_that_exports_an_import_has_to_be_loaded(kernel, apply):
    kernel.put(f"{MODULES}/modules.symbols", "alias symbol:exported the-exporter\nalias symbol:more the-exporter\n")
    [(code, level, message)] = findings_of(apply, imports=imports("exported", "more"), depends=["the_exporter"])
    assert (code, level) == ("dependency-not-loaded", "blocker")
    assert "fix.ko needs exported, more of the module the_exporter, and this module is not loaded" in message
    kernel.plain_module("the_exporter")
    show(kernel, "exported [the_exporter]")
    assert codes(apply, imports=imports("exported", "more")) == ["symbol-not-exported"]


def test_a_module_that_only_the_file_names_has_to_be_loaded_for_what_is_missing(kernel, apply):
    kernel.put(f"{MODULES}/modules.builtin", "kernel/built-in.ko\n")
    assert codes(apply, imports=imports("exported"), depends=["built_in"]) == ["symbol-not-exported"]
    assert codes(apply, imports=imports("exported"), depends=["built_in", "elsewhere"]) == ["dependency-not-loaded"]
    # The kernel itself looks at symbols alone.
    assert findings_of(apply, imports=imports("one"), depends=["elsewhere"]) == []


def test_data_for_the_unwinder_has_to_be_there(kernel, apply):
    [(code, level, _message)] = findings_of(apply, orc={"unwind": False, "header": None})
    assert (code, level) == ("orc-missing", "warning")
    build(kernel, orc=False)
    assert findings_of(apply, orc={"unwind": False, "header": None}) == []


def test_data_for_the_unwinder_has_to_have_the_kernels_format(kernel, apply):
    build(kernel, orc_header="cd" * 20)
    assert [entry[:2] for entry in findings_of(apply, orc=ORC)] == [("orc-mismatch", "blocker")]
    build(kernel, orc_header="ab" * 20)
    assert findings_of(apply, orc=ORC) == []
    assert findings_of(apply, orc={"unwind": True, "header": None}) == []


def test_what_cannot_be_compared_is_told(kernel, apply):
    os.unlink(kernel.path(f"{MODULES}/kernel/target.ko"))
    [(code, level, message)] = findings_of(apply, vermagic="6.1.0-56-amd64 other", module_struct_size=1)
    assert (code, level) == ("not-checked", "note")
    assert message == (
        "None of this kernel's own modules can be read on this host (below /lib/modules). These checks were "
        "skipped: vermagic-mismatch, no-versions, struct-module-size, symbol-version-mismatch, orc-missing, "
        "orc-mismatch.")


def test_nothing_is_compared_with_a_kernel_that_the_patch_is_not_for(apply):
    assert codes(apply, release="6.1.0-55-amd64", vermagic="6.1.0-55-amd64 other", module_struct_size=1) == [
        "wrong-release"]
