# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch names a function by one name, and the kernel prints another name of the same address, in every place."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import describe_blockers
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

KALLSYMS = "/proc/kallsyms"
# Of each address, the kernel prints the first name. `show` is also another function.
SYMBOLS = """\
ffffffff81000010 t __do_sys_pause
ffffffff81000010 T __ia32_sys_pause
ffffffff81000010 T __x64_sys_pause
ffffffff81000020 t __memcpy
ffffffff81000020 W memcpy
ffffffff81000030 t show
ffffffff81000030 t show_alias
ffffffff81000040 t show
ffffffff81000050 t __do_sys_pause.cold
ffffffff81000060 T klp_enable_patch
ffffffffc0000010 t first\t[target]
ffffffffc0000010 t second\t[target]
ffffffffc0000010 t third\t[target]
ffffffff81000010 t __do_sys_pause\t[other]
"""
# object, name in the patch, name that the kernel prints
NAMES = [
    ("vmlinux", "__x64_sys_pause", "__do_sys_pause"),
    ("vmlinux", "__ia32_sys_pause", "__do_sys_pause"),
    ("vmlinux", "memcpy", "__memcpy"),
    ("target", "third", "first"),
]
every_name = pytest.mark.parametrize("entry, name, printed", NAMES)


@pytest.fixture
def host(kernel):
    kernel.plain_module("target")
    kernel.plain_module("other")
    kernel.put(KALLSYMS, SYMBOLS)
    kernel.put("/proc/1/task/1/stack", "")
    kernel.put("/sys/kernel/tracing/available_filter_functions", "__do_sys_pause\n__memcpy\nshow\nfirst [target]\n")
    return kernel


def hide(kernel):
    """Addresses as with kernel.kptr_restrict=2."""
    kernel.put(KALLSYMS, "".join(f"{'0' * 16}{line[16:]}\n" for line in SYMBOLS.splitlines()))


def shown(entry, name):
    return name if entry == "vmlinux" else f"{name} [{entry}]"


def sleep_in(kernel, tid, *functions):
    kernel.hold(tid)
    kernel.put(f"/proc/{tid}/task/{tid}/stack", "".join(
        "[<0>] {0[0]}+0x1c/0x30{0[1]}{0[2]}\n".format(shown(*one).partition(" ")) for one in functions))


def check(kernel, entry, name, **described):
    result = check_host(kernel, SimulatedPatch(objects={entry: [name]}, **described).offer(), None, report_only=True)
    return result["forecast"]["sleepers"], {
        found["code"]: found for found in result["findings"] if found["code"] != "crash-dump-not-armed"}


@every_name
def test_a_task_asleep_in_it_is_seen(host, entry, name, printed):
    sleep_in(host, 7, ("vmlinux", "schedule"), (entry, printed))
    sleep_in(host, 8, ("other", "__do_sys_pause"), ("vmlinux", "show"))
    sleepers, findings = check(host, entry, name)
    assert [(task["tid"], task["function"], task["stack"]) for task in sleepers] == [(7, name, ["schedule", printed])]
    assert findings["task-in-function"]["subject"] == name


@every_name
def test_with_hidden_addresses_it_is_said_that_a_task_may_be_unseen(host, entry, name, printed):
    hide(host)
    sleep_in(host, 7, (entry, printed))
    sleepers, findings = check(host, entry, name)
    assert sleepers == []
    assert findings["not-checked"]["message"].startswith("This kernel hides the addresses of its symbols")
    sleep_in(host, 7, (entry, name))
    assert [task["function"] for task in check(host, entry, name)[0]] == [name]


def test_the_unlikely_part_of_a_function_is_told_and_holds_nothing(host):
    """klp_check_stack_func() compares with the range of the function, and its cold part is elsewhere."""
    sleep_in(host, 7, ("vmlinux", "__do_sys_pause.cold"))
    sleepers, findings = check(host, "vmlinux", "__x64_sys_pause")
    assert [task["function"] for task in sleepers] == ["__do_sys_pause.cold"]
    assert "task-in-function" not in findings


@every_name
def test_who_holds_a_transition_is_told_with_the_name_in_the_patch(host, entry, name, printed):
    sleep_in(host, 7, ("vmlinux", "schedule"), (entry, printed))
    host.put("/proc/7/task/7/patch_state", "0\n")
    patch = {"state": "enabling", "objects": [{"name": entry, "functions": [{"name": name, "sympos": 1}]}]}
    assert [(task["function"], task["stack"]) for task in describe_blockers(host, patch)] == [
        (name, ["schedule", printed])]
    hide(host)
    assert [task["function"] for task in describe_blockers(host, patch)] == [None]


def test_the_function_of_that_name_in_another_object_holds_nothing(host):
    sleep_in(host, 7, ("other", "__do_sys_pause"))
    host.put("/proc/7/task/7/patch_state", "0\n")
    patch = {"state": "enabling", "objects": [
        {"name": "vmlinux", "functions": [{"name": "__x64_sys_pause", "sympos": 1}]}]}
    assert [task["function"] for task in describe_blockers(host, patch)] == [None]


@every_name
@pytest.mark.parametrize("flags, code", [("R I  ", "ftrace-busy"), ("    D", "function-attached")])
def test_what_else_uses_ftrace_there_is_seen(host, entry, name, printed, flags, code):
    host.put("/sys/kernel/tracing/enabled_functions", f"{shown(entry, printed)} (1) {flags}\n")
    _sleepers, findings = check(host, entry, name)
    assert findings[code]["subject"] == f"{entry}:{name}"
    hide(host)
    findings = check(host, entry, name)[1]
    assert code not in findings and "not-checked" in findings


def test_a_printed_name_of_several_functions_proves_nothing(host):
    host.put("/sys/kernel/tracing/enabled_functions", "show (1) R I  \n")
    assert "ftrace-busy" not in check(host, "vmlinux", "show_alias")[1]


@every_name
def test_a_live_patch_has_the_function_by_another_name(host, apply, entry, name, printed):
    apply(SimulatedPatch("old", objects={entry: [printed]}))
    findings = check(host, entry, name)[1]
    assert "ftrace-busy" not in findings
    assert findings["functions-taken-over"]["message"].startswith("fix.ko overrides functions of old")
    assert "functions-dropped" not in check(host, entry, name, replace=True)[1]
    dropped = check(host, "vmlinux", "show_alias", replace=True)[1]
    assert f"does not contain {entry}:{printed} of it" in dropped["functions-dropped"]["message"]


@pytest.mark.parametrize("mine, theirs, taken_over", [
    (("show", 1), "show_alias", True), (("show", 2), "show_alias", False), ("show_alias", ("show", 1), True),
    ("show_alias", ("show", 2), False),
])
def test_of_several_functions_with_one_name_the_position_counts(host, apply, mine, theirs, taken_over):
    apply(SimulatedPatch("old", objects={"vmlinux": [theirs]}))
    assert ("functions-taken-over" in check(host, "vmlinux", mine)[1]) is taken_over


@every_name
def test_a_later_patch_overrides_it_by_another_name(host, apply, interface, entry, name, printed):
    apply(SimulatedPatch(objects={entry: [name]}))
    apply(SimulatedPatch("later", objects={entry: [printed]}))
    found, functions = verify_patch(
        host, interface, "fix", SimulatedPatch(objects={entry: [name]}).description, tasks=False)
    assert [one["code"] for one in found] == ["function-overridden"]
    assert functions[0]["overridden_by"] == "later"


@every_name
def test_a_kprobe_inside_it_is_seen(host, entry, name, printed):
    module = "" if entry == "vmlinux" else entry
    host.put("/sys/kernel/debug/kprobes/list", f"0  k  {printed}+0x6  {module}\n0  k  {printed}+0x0  {module}\n")
    findings = check(host, entry, name)[1]
    assert findings["function-probed"]["message"].startswith(f"A kprobe sits inside {entry}:{name} ({printed}+0x6)")
    hide(host)
    findings = check(host, entry, name)[1]
    assert "function-probed" not in findings and "not-checked" in findings


def test_a_kprobe_anywhere_in_the_unlikely_part_is_inside(host):
    host.put("/sys/kernel/debug/kprobes/list", "0  k  __do_sys_pause.cold+0x0  \n0  k  show+0x4  \n")
    message = check(host, "vmlinux", "__x64_sys_pause")[1]["function-probed"]["message"]
    assert "(__do_sys_pause.cold+0x0)" in message


@every_name
def test_ftrace_lists_it_by_another_name(host, entry, name, printed):
    assert "function-not-traceable" not in check(host, entry, name)[1]
    host.put("/sys/kernel/tracing/available_filter_functions", "other\n")
    assert "function-not-traceable" in check(host, entry, name)[1]


def test_the_symbols_are_read_once_for_all_of_this(host):
    for tid, (entry, _name, printed) in enumerate(NAMES, start=7):
        sleep_in(host, tid, (entry, printed))
    host.put("/sys/kernel/tracing/enabled_functions", "".join(
        f"{shown(entry, printed)} (1) R I  \n" for entry, _name, printed in NAMES))
    reads = []
    plain = host.read_bytes
    host.read_bytes = lambda path: (reads.append(path), plain(path))[1]
    check(host, "vmlinux", "__x64_sys_pause")
    assert reads.count(KALLSYMS) == 1
