# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against replacing functions of vmlinux and of loaded modules, and what must not be taken for it."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._change.patch_change import PatchChange
from ansible_collections.kernel.livepatch.plugins.module_utils._checks import functions, registry
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import CheckContext
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import Facts
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

KALLSYMS = "/proc/kallsyms"
AVAILABLE = "/sys/kernel/tracing/available_filter_functions"
ENABLED = "/sys/kernel/tracing/enabled_functions"
KPROBES = "/sys/kernel/debug/kprobes/list"
SYMBOLS = """\
ffffffff81000010 T alone
ffffffff81000010 T alias
ffffffff81000020 t twice
ffffffff81000030 d twice
ffffffff81000040 t suffixed.llvm.1234
ffffffff81000050 t listed
ffffffff81000060 T klp_enable_patch
ffffffffc0000000 t in_module\t[target]
ffffffffc0000000 t listed\t[absent]
"""


@pytest.fixture
def findings(kernel, interface, monkeypatch):
    """findings(objects, ...): the findings about a patch's functions, on a kernel with SYMBOLS of which all but the
    data can be redirected by their first names."""
    monkeypatch.setattr(registry, "CHECKS", functions.CHECKS)
    kernel.plain_module("target")
    kernel.put(KALLSYMS, SYMBOLS)
    kernel.put(AVAILABLE, "alone\ntwice\nsuffixed.llvm.1234\nlisted\nklp_enable_patch\nin_module [target]\n")

    def ask(objects=None, **described):
        description = SimulatedPatch(objects=objects or {}, **described).description
        context = CheckContext(kernel, interface, description, "absent", {}, Facts(kernel, description))
        return registry.run_checks(context)

    return ask


def codes(found):
    return [(one["code"], one["subject"]) for one in found]


@pytest.mark.parametrize("objects", [
    {"vmlinux": ["alone", "listed"], "target": ["in_module"]},
    {"vmlinux": [("alone", 1), ("twice", 1), ("twice", 2)]},
    {"vmlinux": ["alias"]},
    {"vmlinux": ["suffixed"]},
    {"absent": ["listed", "gone"]},
    {None: ["gone"]},
    {},
])
def test_what_the_kernel_would_load_has_no_finding(findings, objects):
    assert findings(objects) == []


@pytest.mark.parametrize("objects, code, subject, words", [
    ({"vmlinux": ["gone"]}, "symbol-missing", "vmlinux:gone",
     "fix.ko patches gone, and vmlinux of this kernel does not have it"),
    ({"target": ["alone"]}, "symbol-missing", "target:alone",
     "fix.ko patches alone, and target of this kernel does not have it"),
    ({"vmlinux": ["in_module"]}, "symbol-missing", "vmlinux:in_module",
     "fix.ko patches in_module, and vmlinux of this kernel does not have it"),
    ({"vmlinux": [("gone", 2)]}, "symbol-missing", "vmlinux:gone,2",
     "fix.ko patches gone, and vmlinux of this kernel does not have it"),
    ({"vmlinux": ["twice"]}, "symbol-ambiguous", "vmlinux:twice",
     "fix.ko patches twice without a sympos, and vmlinux of this kernel has 2 symbols of that name"),
    ({"vmlinux": [("twice", 3)]}, "sympos-out-of-range", "vmlinux:twice,3",
     "fix.ko patches twice number 3, and vmlinux of this kernel has 2 symbols of that name"),
    ({"target": [("in_module", 2)]}, "sympos-out-of-range", "target:in_module,2",
     "fix.ko patches in_module number 2, and target of this kernel has 1 symbol of that name"),
])
def test_a_function_that_the_kernel_would_not_find(findings, objects, code, subject, words):
    found, = findings(objects)
    assert (found["code"], found["level"], found["subject"]) == (code, "blocker", subject)
    assert found["message"].startswith(words)


def klp_symbol(entry, name, sympos, needed_by=None):
    return {"klp_symbols": [{"object": entry, "name": name, "sympos": sympos, "needed_by": needed_by or [entry]}]}


def test_symbols_that_the_core_resolves_are_looked_up_like_functions(findings):
    found, = findings(**klp_symbol("vmlinux", "gone", 0))
    assert found["code"] == "symbol-missing"
    assert "fix.ko refers to gone, and vmlinux of this kernel does not have it. Build" in found["message"]
    assert codes(findings(**klp_symbol("target", "in_module", 2))) == [("sympos-out-of-range", "target:in_module,2")]
    assert codes(findings(**klp_symbol("vmlinux", "twice", 0))) == [("symbol-ambiguous", "vmlinux:twice")]
    assert findings(**klp_symbol("vmlinux", "twice", 2)) == []
    assert findings(**klp_symbol("absent", "gone", 0)) == []


def test_a_symbol_without_a_relocation_is_never_looked_up(findings):
    assert findings(**klp_symbol("target", "gone", 0, needed_by=["absent"])) == []


def test_a_symbol_of_another_module_than_the_patched_one_is_looked_up_too(kernel, findings):
    found, = findings(**klp_symbol("target", "gone", 0, needed_by=["absent", "vmlinux"]))
    assert (found["code"], found["subject"]) == ("symbol-missing", "target:gone")
    assert findings(**klp_symbol("target", "in_module", 1, needed_by=["vmlinux"])) == []


def test_a_symbol_of_a_module_that_is_not_loaded_cannot_be_found(findings):
    symbols = [klp_symbol("absent", name, 0, needed_by=["target"])["klp_symbols"][0] for name in ("gone", "listed")]
    found, = findings(klp_symbols=symbols)
    assert (found["code"], found["level"], found["subject"]) == ("dependency-not-loaded", "blocker", "absent")
    assert found["message"] == (
        "fix.ko needs gone, listed of the module absent, and this module is not loaded. Run modprobe absent first.")


def test_hints_are_not_judged(findings):
    assert findings({"vmlinux": ["gone", "twice"]}, opaque=True) == []
    assert len(findings(opaque=True, **klp_symbol("vmlinux", "gone", 0))) == 1


def test_a_file_for_another_kernel_is_not_compared(findings):
    assert findings({"vmlinux": ["gone"]}, release="6.1.0-57-amd64") == []


def test_a_function_that_ftrace_does_not_list(kernel, findings):
    kernel.put(AVAILABLE, "listed\nalone [target]\n")
    found = findings({"vmlinux": ["alone", "listed"], "target": ["in_module"]})
    assert codes(found) == [
        ("function-not-traceable", "target:in_module"), ("function-not-traceable", "vmlinux:alone")]
    assert found[0]["level"] == "blocker"
    assert found[1]["message"].startswith("ftrace cannot redirect vmlinux:alone: ")


def test_a_function_that_ftrace_lists_by_another_name_of_its_address(findings):
    assert findings({"vmlinux": ["alias"]}) == []


def test_where_addresses_are_hidden_another_name_is_not_ruled_out(kernel, findings):
    kernel.put(KALLSYMS, SYMBOLS.replace("ffffffff81", "0000000000").replace("00000010", "00000000"))
    found, = findings({"vmlinux": ["alias"]})
    assert found["code"] == "not-checked"
    assert found["message"] == (
        "This kernel hides the addresses of its symbols (kernel.kptr_restrict). These checks were skipped: "
        "function-not-traceable.")
    os.unlink(kernel.path(KALLSYMS))
    assert {one["message"].partition(".")[0] for one in findings({"vmlinux": ["alias"]})} == {
        "This kernel does not show its symbols (/proc/kallsyms)"}


def test_a_missing_function_is_not_called_untraceable_as_well(findings):
    assert codes(findings({"vmlinux": ["gone"]})) == [("symbol-missing", "vmlinux:gone")]


def test_a_function_that_something_else_redirects(kernel, findings):
    kernel.put(ENABLED, "listed (1) R I  \nin_module [target] (2) R I  \nalone (1) R    \n")
    found = findings({"vmlinux": ["alone", "listed"], "target": ["in_module"]})
    assert codes(found) == [("ftrace-busy", "target:in_module"), ("ftrace-busy", "vmlinux:listed")]
    assert found[0]["level"] == "blocker"


def live_patch(kernel, name, *functions):
    kernel.put(f"/sys/kernel/livepatch/{name}/enabled", "1\n")
    kernel.put(f"/sys/kernel/livepatch/{name}/transition", "0\n")
    for function in functions:
        kernel.put(f"/sys/kernel/livepatch/{name}/{function}/x", "")


def test_a_function_of_other_live_patches_is_free(kernel, findings):
    kernel.put(ENABLED, "listed (1) R I  \nin_module [target] (1)   I  \n")
    live_patch(kernel, "older", "vmlinux/listed,1")
    live_patch(kernel, "old", "vmlinux/listed,1", "target/in_module,1")
    assert findings({"vmlinux": ["listed"], "target": ["in_module"]}) == []


def test_a_live_patch_for_another_object_does_not_explain_it(kernel, findings):
    kernel.put(ENABLED, "listed (1) R I  \n")
    live_patch(kernel, "old", "target/listed,1")
    assert codes(findings({"vmlinux": ["listed"]})) == [("ftrace-busy", "vmlinux:listed")]


def test_of_several_symbols_it_is_not_known_which_one_is_redirected(kernel, findings):
    kernel.put(ENABLED, "twice (1) R I  \n")
    assert findings({"vmlinux": [("twice", 1)]}) == []


def test_a_live_patch_can_hold_it_by_another_name_of_its_address(kernel, findings):
    kernel.put(ENABLED, "alone (1) R I  \nlisted (1) R I  \n")
    live_patch(kernel, "old", "vmlinux/alias,1")
    assert codes(findings({"vmlinux": ["alone", "listed"]})) == [("ftrace-busy", "vmlinux:listed")]


def test_a_direct_caller_is_told(kernel, findings):
    kernel.put(ENABLED, "listed (1) R   D \n\tdirect-->bpf_trampoline_1+0x0/0x1\nalone (1) R I D\n")
    live_patch(kernel, "old", "vmlinux/alone,1")
    found = findings({"vmlinux": ["alone", "listed"]})
    assert codes(found) == [("function-attached", "vmlinux:alone"), ("function-attached", "vmlinux:listed")]
    assert found[0]["level"] == "warning"


def test_a_direct_caller_that_leaves_no_room_is_a_blocker(kernel, findings):
    kernel.put(ENABLED, "listed (1) R I D \n")
    assert codes(findings({"vmlinux": ["listed"]})) == [("ftrace-busy", "vmlinux:listed")]


def test_kprobes_inside_a_function_are_told_and_those_at_its_entry_are_not(kernel, findings):
    kernel.put(KPROBES, (
        "0  k  listed+0x0    [FTRACE]\n0  r  listed+0x0    [FTRACE]\n"
        "0  k  alone+0x4    [FTRACE]\n0  k  alone+0x0    \n"))
    assert findings({"vmlinux": ["alone", "listed"]}) == []
    kernel.put(KPROBES, "0  k  listed+0x1f    \n0  k  listed+0x6    [OPTIMIZED]\n0  k  listed+0x6  target \n")
    found, = findings({"vmlinux": ["alone", "listed"]})
    assert (found["code"], found["level"], found["subject"]) == ("function-probed", "warning", "vmlinux:listed")
    assert found["message"].startswith("A kprobe sits inside vmlinux:listed (listed+0x6, listed+0x1f) and is not")


@pytest.mark.parametrize("path, unchecked", [
    (KALLSYMS, ["symbol-missing, symbol-ambiguous, sympos-out-of-range, dependency-not-loaded, ftrace-busy, "
                "function-attached"]),
    (AVAILABLE, ["function-not-traceable"]),
    (ENABLED, ["ftrace-busy, function-attached"]),
    (KPROBES, ["function-probed"]),
])
def test_what_the_kernel_hides_is_named_and_no_blocker(kernel, findings, path, unchecked):
    os.remove(kernel.path(path))
    found = findings({"vmlinux": ["listed"]})
    assert [(one["code"], one["level"], one["message"].partition("checks were skipped: ")[2]) for one in found] == [
        ("not-checked", "note", f"{codes_in_words}.") for codes_in_words in unchecked]


def test_what_another_run_changed_before_this_one_had_the_lock_is_looked_at_anew(kernel, interface, apply, monkeypatch):
    patch = SimulatedPatch(objects={"vmlinux": ["function_1"]})
    apply(SimulatedPatch("other", objects={"vmlinux": ["function_1"]}))

    def change(runner, *arguments, unhindered=PatchChange.apply):
        interface.set_enabled("other", False)
        kernel.sleep(1)  # the transition
        kernel.sleep(1)  # and its directory goes
        return unhindered(runner, *arguments)

    monkeypatch.setattr(PatchChange, "apply", change)
    assert apply(patch)["patch"]["state"] == "enabled"
