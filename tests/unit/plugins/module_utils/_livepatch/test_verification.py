# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a kernel can differ from what a file claims."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import MODULES
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch(objects={"vmlinux": ["one", ("two", 2)], "target": ["three"]})
BASE = "/sys/kernel/livepatch/fix"


def image_of(kernel, patch):
    """A descriptor of the image of a patch, as an operator's insmod has one."""
    kernel.put(f"/root/{patch.name}.ko", patch.image)
    return os.open(kernel.path(f"/root/{patch.name}.ko"), os.O_RDONLY)


@pytest.fixture
def enabled(kernel, apply):
    """A kernel with the fix in effect, its module `target` included."""
    kernel.plain_module("target")
    apply(FIX)
    return kernel


@pytest.fixture
def verify(kernel, interface):
    """verify(): the findings' codes and the evidence."""
    def job(*file, **options):
        description = file[0] if file else FIX.description
        findings, functions = verify_patch(kernel, interface, "fix", description, **options)
        return [found["code"] for found in findings], functions
    return job


def evidence(**known):
    return dict({"patch": "fix", "object": "vmlinux", "name": "one", "sympos": 1, "claimed": True, "in_sysfs": True,
                 "object_loaded": True, "ftrace": True, "overridden_by": None}, **known)


def test_all_is_as_the_file_says(enabled, verify):
    assert verify() == ([], [
        evidence(object="target", name="three"), evidence(), evidence(name="two", sympos=2)])


def test_not_loaded(verify):
    assert verify() == (["not-loaded"], [])


@pytest.mark.parametrize("state", ["enabling", "disabling"])
def test_not_enabled(kernel, apply, verify, state):
    kernel.hold(7, directions=(state,))
    apply(FIX, on_stall="wait")
    if state == "disabling":
        apply(name="fix", state="disabled", on_stall="wait")
    assert verify() == (["not-enabled"], [])


def test_disabled_and_still_loaded_is_not_enabled(apply, verify):
    apply(FIX)
    apply(name="fix", state="disabled")
    assert verify() == (["not-enabled"], [])


def test_another_build(enabled, verify):
    assert verify(dict(FIX.description, build_id="cc" * 20))[0] == ["other-build"]


def test_a_build_that_cannot_be_told(enabled, verify):
    assert verify(dict(FIX.description, build_id=None))[0] == ["build-unknown"]
    os.unlink(enabled.path("/sys/module/fix/notes/.note.gnu.build-id"))
    assert verify()[0] == ["build-unknown"]


def test_without_a_file_the_evidence_is_the_kernel_s_list(enabled, verify):
    codes, functions = verify(None)
    assert codes == ["file-unknown"]
    assert [function["name"] for function in functions] == ["three", "one", "two"]


def test_a_claimed_function_that_the_kernel_does_not_list(enabled, verify):
    os.rmdir(enabled.path(f"{BASE}/vmlinux/two,2"))
    codes, functions = verify()
    assert codes == ["function-missing"]
    assert functions[2] == evidence(name="two", sympos=2, in_sysfs=False)


def test_the_same_name_at_another_position_is_another_function(enabled, verify):
    os.rename(enabled.path(f"{BASE}/vmlinux/two,2"), enabled.path(f"{BASE}/vmlinux/two,1"))
    assert sorted(verify()[0]) == ["function-extra", "function-missing"]


def test_a_listed_function_that_the_file_does_not_claim(enabled, verify):
    os.mkdir(enabled.path(f"{BASE}/vmlinux/extra,1"))
    codes, functions = verify()
    assert codes == ["function-extra"]
    assert functions[1] == evidence(name="extra", claimed=False, ftrace=False)


def test_tables_made_at_run_time_are_not_compared(enabled, verify):
    opaque = dict(FIX.description, opaque=True, objects=[])
    codes, functions = verify(opaque)
    assert codes == ["tables-opaque"]
    assert [function["claimed"] for function in functions] == [True, True, True]


def test_a_function_that_ftrace_does_not_redirect(enabled, verify):
    enabled.put("/sys/kernel/tracing/enabled_functions", "one (1)   I  \nthree [target] (1)   I  \ntwo (1) R    \n")
    codes, functions = verify()
    assert codes == ["function-not-hooked"]
    assert functions[2] == evidence(name="two", sympos=2, ftrace=False)


def test_a_function_of_another_object_is_no_evidence(enabled, verify):
    enabled.put("/sys/kernel/tracing/enabled_functions", "one (1)   I  \ntwo (1)   I  \nthree (1)   I  \n")
    assert verify()[0] == ["function-not-hooked"]


@pytest.mark.parametrize("address, codes, ftrace", [
    ("ffffffff81000010", [], True),
    ("ffffffff81000020", ["function-not-hooked"], False),
    ("0000000000000000", [], None),
])
def test_ftrace_shows_one_of_several_names_of_a_function(enabled, verify, address, codes, ftrace):
    enabled.put("/proc/kallsyms", f"ffffffff81000010 t __do_one\n{address} t one\n")
    enabled.put("/sys/kernel/tracing/enabled_functions",
                "__do_one (1)   I  \nthree [target] (1)   I  \ntwo (1)   I  \n")
    found, functions = verify()
    assert found == codes
    assert functions[1] == evidence(name="one", ftrace=ftrace)


def test_ftrace_that_cannot_be_read_is_only_a_warning(enabled, verify):
    enabled.forbidden = ("/sys/kernel/tracing",)
    codes, functions = verify()
    assert codes == ["ftrace-unreadable"]
    assert [function["ftrace"] for function in functions] == [None, None, None]


def test_a_function_that_a_later_patch_has_taken_over(enabled, apply, verify):
    apply(SimulatedPatch("later", objects={"vmlinux": ["one"], "target": ["other"]}))
    codes, functions = verify()
    assert codes == ["function-overridden"]
    assert functions[1] == evidence(overridden_by="later")


def test_an_earlier_patch_overrides_nothing(kernel, apply, verify):
    kernel.plain_module("target")
    apply(SimulatedPatch("earlier", objects={"vmlinux": ["one"]}))
    apply(FIX)
    assert verify()[0] == []


def test_a_module_that_is_loaded_and_not_patched(enabled, verify):
    enabled.put(f"{BASE}/target/patched", "0\n")
    codes, functions = verify()
    assert codes == ["object-not-patched"]
    assert functions[0] == evidence(object="target", name="three", object_loaded=False)


def test_a_kernel_object_that_is_not_patched(enabled, verify):
    enabled.put(f"{BASE}/vmlinux/patched", "0\n")
    assert verify()[0] == ["object-not-patched"]


def test_a_module_that_is_not_loaded_is_only_a_note(kernel, apply, verify):
    apply(FIX)
    kernel.put("/sys/kernel/tracing/enabled_functions", "one (1)   I  \ntwo (1)   I  \n")
    codes, functions = verify()
    assert codes == ["object-absent"]
    assert functions[0] == evidence(object="target", name="three", object_loaded=False, ftrace=False)


@pytest.mark.parametrize("name", ["nf_tables.ko", "nf-tables", "a" * 56])
@pytest.mark.parametrize("beside", [{}, {"vmlinux": ["one"]}])
def test_an_object_that_can_never_be_loaded_is_not_verified(kernel, apply, interface, name, beside):
    patch = SimulatedPatch(objects=dict(beside, **{name: ["three"]}))
    kernel.finit_module(image_of(kernel, patch), "")
    kernel.sleep(1)
    for description in (patch.description, None, dict(patch.description, opaque=True)):
        found, _functions = verify_patch(kernel, interface, "fix", description)
        blocker, = (one for one in found if one["code"] == "object-never-patched")
        assert (blocker["level"], blocker["subject"]) == ("blocker", name)
        assert "no module can have this name: it has " in blocker["message"]
        assert ("ineffective" in [one["code"] for one in found]) is not bool(beside)
    with pytest.raises(LivepatchError) as caught:
        verify_host(kernel, None, "fix")
    assert caught.value.details["verified"] is False


def test_an_opaque_patch_of_such_an_object_is_removed_after_its_load(kernel, interface, apply):
    patch = SimulatedPatch(objects={"vmlinux": ["one"], "nf_tables.ko": ["three"]}, opaque=True)
    with pytest.raises(LivepatchError) as caught:
        apply(patch)
    assert caught.value.code == "object-never-patched"
    assert interface.state("fix") == "absent"


def test_an_object_that_is_built_in_is_not_verified(kernel, apply, interface):
    kernel.put(f"{MODULES}/modules.builtin", "kernel/net/unix/unix.ko\n")
    patch = SimulatedPatch(objects={"vmlinux": ["one"], "unix": ["three"]})
    apply(patch, ignore_findings=["object-built-in"])
    found, _functions = verify_patch(kernel, interface, "fix", patch.description)
    assert [(one["code"], one["level"]) for one in found] == [("object-never-loaded", "blocker")]


def test_a_task_in_the_old_code(enabled, verify):
    enabled.put("/proc/30/task/31/patch_state", "0\n")
    enabled.put("/proc/30/task/32/patch_state", "1\n")
    assert verify()[0] == ["task-left-behind"]
    assert verify(tasks=False)[0] == []


def test_a_task_that_holds_another_patch_s_transition_says_nothing_about_this_one(enabled, apply, verify):
    enabled.hold(7)
    apply(SimulatedPatch("slow", objects={"vmlinux": ["other"]}), on_stall="wait")
    assert verify()[0] == []
