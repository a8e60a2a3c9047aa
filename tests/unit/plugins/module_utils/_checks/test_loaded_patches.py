# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch against the patches and the modules that are loaded."""

import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.loaded_patches import CHECKS
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    accept,
    failure,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

CODES = [code for one in CHECKS for code in one.codes]
STORE = "/var/lib/kernel-livepatch"
BOTH = {"vmlinux": ["cmdline_proc_show", "meminfo_proc_show"]}
OTHER_ID = "22" * 20


@pytest.fixture
def find(kernel):
    """find(patch): the findings of these checks alone."""
    return lambda patch: [
        entry for entry in check_host(kernel, patch.offer(), None, report_only=True)["findings"]
        if entry["code"] in CODES]


@pytest.fixture
def enabled(kernel, apply):
    """enabled(described): a patch called old that is enabled; the host keeps its file unless it is foreign."""
    def enable(foreign=False, **described):
        patch = SimulatedPatch("old", build_id=OTHER_ID, **described)
        assert apply(patch)["patch"]["state"] == "enabled"
        if foreign:
            shutil.rmtree(kernel.path(STORE))
        return patch

    return enable


def states(*pairs):
    return [{"id": number, "version": version} for number, version in pairs]


def summary(findings):
    return [(entry["code"], entry["level"]) for entry in findings]


def test_an_ordinary_module_of_that_name_is_one_finding_among_others(kernel, find):
    kernel.plain_module("fix", taint="OE")
    result = check_host(kernel, SimulatedPatch(release="5.10.0").offer(), None, report_only=True)
    codes = [entry["code"] for entry in result["findings"] if entry["level"] == "blocker"]
    assert codes == ["wrong-release", "name-not-a-livepatch"]
    assert result["patch"]["state"] == "absent"


def test_another_build_of_that_name_is_told_once(kernel, apply):
    apply(SimulatedPatch())
    result = check_host(kernel, SimulatedPatch(build_id=OTHER_ID).offer(), None, report_only=True)
    assert summary(result["findings"]) == [("name-taken-by-other-build", "blocker")]
    assert result["patch"]["state"] == "enabled"


def test_a_leftover_is_worth_a_note(apply, find):
    apply(SimulatedPatch())
    apply(name="fix", state="disabled")
    assert summary(find(SimulatedPatch())) == [("leftover-loaded", "note")]


def test_a_leftover_that_the_kernel_is_about_to_let_go_is_no_obstacle(kernel, find):
    kernel.plain_module("fix", taint="OEK", refcnt=1)
    kernel.at(4, lambda: kernel.put("/sys/module/fix/refcnt", "0\n"))
    assert summary(find(SimulatedPatch())) == [("leftover-loaded", "note")]


def test_a_leftover_that_goes_while_it_is_looked_at_is_nothing(kernel, find):
    kernel.plain_module("fix", taint="OEK", refcnt=1)
    kernel.at(1, lambda: shutil.rmtree(kernel.path("/sys/module/fix")))
    assert find(SimulatedPatch()) == []


def test_a_leftover_that_the_kernel_never_lets_go_stands_in_the_way(kernel, find):
    kernel.plain_module("fix", taint="OEK", refcnt=1)
    findings = find(SimulatedPatch())
    assert summary(findings) == [("name-pinned", "blocker")]
    assert ": the kernel still holds it, as it always does after a forced transition." in findings[0]["message"]


def test_a_leftover_that_another_module_uses_stands_in_the_way_at_once(kernel, find):
    kernel.plain_module("fix", taint="OEK", refcnt=1)
    kernel.put("/sys/module/fix/holders/user", "")
    findings = find(SimulatedPatch())
    assert summary(findings) == [("name-pinned", "blocker")]
    assert ": it is used by user." in findings[0]["message"]
    assert kernel.now() == 0


def test_a_leftover_without_an_exit_function_stands_in_the_way(kernel, find):
    kernel.plain_module("fix", taint="OEK")
    kernel.put("/proc/modules", "other 16384 0 - Live 0x0\nfix 16384 0 [permanent], Live 0x0 (OEK)\n")
    findings = find(SimulatedPatch())
    assert summary(findings) == [("name-pinned", "blocker")]
    assert ": it has no exit function." in findings[0]["message"]


@pytest.mark.parametrize("old, new, replace, why", [
    (states((5, 2)), states((5, 1)), True, "it has state 5 in version 1, which is older than 2"),
    (states((5, 2)), states((5, 1)), False, "it has state 5 in version 1, which is older than 2"),
    (states((5, 2), (6, 0)), states((5, 2)), True, "it lacks state 6"),
    (states((5, 2)), [], True, "it lacks state 5"),
    (states((5, 2)), states((5, 1), (5, 3)), True, "it has state 5 in version 1"),
])
def test_states_that_the_kernel_would_refuse(enabled, find, old, new, replace, why):
    enabled(states=old)
    findings = [
        entry for entry in find(SimulatedPatch(states=new, replace=replace)) if entry["code"].startswith("states")]
    assert summary(findings) == [("states-incompatible", "blocker")]
    assert why in findings[0]["message"]


@pytest.mark.parametrize("old, new, replace", [
    (states((5, 2)), states((5, 2)), True), (states((5, 2)), states((5, 3)), True),
    (states((5, 2)), [], False), (states((5, 2)), [], None), ([], states((5, 2)), True),
])
def test_states_that_the_kernel_takes(enabled, find, old, new, replace):
    enabled(states=old)
    found = find(SimulatedPatch(states=new, replace=replace))
    assert [entry["code"] for entry in found if entry["code"].startswith("states")] == []


@pytest.mark.parametrize("foreign, old, new, words", [
    (True, {}, {"states": states((5, 1))}, "this host keeps no file of the enabled one"),
    (False, {"opaque": True}, {"states": states((5, 1))}, "this host keeps no file of the enabled one"),
    (False, {"states": states((5, 1))}, {"opaque": True}, "fix.ko builds its tables then"),
])
def test_states_that_only_the_kernel_can_compare(enabled, find, foreign, old, new, words):
    enabled(foreign=foreign, **old)
    findings = [entry for entry in find(SimulatedPatch(**new)) if entry["code"].startswith("states")]
    assert summary(findings) == [("states-unknown", "note")]
    assert words in findings[0]["message"]


def test_states_that_nobody_has_are_not_spoken_of(enabled, find):
    enabled(foreign=True)
    assert summary(find(SimulatedPatch(replace=True))) == []


@pytest.mark.parametrize("foreign, expected", [
    (True, ("replaces-foreign-patch", "blocker")), (False, ("functions-dropped", "warning"))])
def test_functions_that_would_go_with_the_replaced_patch(enabled, find, foreign, expected):
    enabled(foreign=foreign, objects=BOTH)
    findings = find(SimulatedPatch(replace=True))
    assert summary(findings) == [expected]
    assert "vmlinux:meminfo_proc_show of it" in findings[0]["message"]


def test_many_functions_are_counted(enabled, find):
    enabled(objects={"vmlinux": [f"function_{number}" for number in range(8)]})
    message = find(SimulatedPatch(replace=True))[0]["message"]
    assert "vmlinux:function_4 and 3 more of it" in message


@pytest.mark.parametrize("foreign", [True, False])
def test_a_patch_that_has_all_that_it_replaces_is_the_later_one(enabled, find, foreign):
    enabled(foreign=foreign)
    assert find(SimulatedPatch(replace=True, objects=BOTH)) == []


def test_another_patch_in_the_way_can_be_replaced_on_purpose(enabled, apply, interface):
    enabled(foreign=True, objects=BOTH)
    result = apply(SimulatedPatch(replace=True), ignore_findings=["replaces-foreign-patch"])
    assert result["patch"]["replaces"] == ["old"]


@pytest.mark.parametrize("described", [{"replace": None}, {"replace": True, "opaque": True}])
def test_what_is_decided_by_the_load_is_said_so(enabled, find, described):
    enabled(objects=BOTH)
    findings = find(SimulatedPatch(**described))
    assert summary(findings) == [("replace-unknown", "warning")]
    assert "replaces the enabled old" in findings[0]["message"]


def test_without_another_patch_it_does_not_matter_what_would_be_replaced(find):
    assert find(SimulatedPatch(replace=None)) == []


def test_a_file_for_another_kernel_is_not_compared_with_the_patches_of_this_one(enabled, find):
    enabled(foreign=True, objects=BOTH)
    assert find(SimulatedPatch(replace=True, release="5.10.0")) == []


OLDER = ("older-version", "blocker")


@pytest.mark.parametrize("replace", [True, False])
def test_an_older_version_than_the_enabled_one_is_a_blocker_that_can_be_ignored(kernel, apply, find, replace):
    new = SimulatedPatch("fix_2", build_id=OTHER_ID, replace=True)
    old = SimulatedPatch("fix_1", replace=replace)
    apply(new)
    told = [entry for entry in find(old) if entry["code"] == "older-version"]
    assert summary(told) == [OLDER]
    assert told[0]["message"].startswith("fix_1.ko holds fix_1, and the later fix_2 is enabled on this host.")
    assert OLDER not in summary(find(SimulatedPatch("fix_3", replace=True)))
    assert OLDER not in summary(find(SimulatedPatch("other_1", replace=True)))
    assert failure(apply, old).code == "older-version"
    assert apply(old, ignore_findings=["older-version"])["patch"]["state"] == "enabled"


def test_a_number_in_a_name_says_nothing_of_a_patch_beside_it(apply, find):
    """Neither replaces the other, and they have no function in common: the numbers may be those of two fixes."""
    apply(SimulatedPatch("fix_2", build_id=OTHER_ID))
    beside = {"objects": {"vmlinux": ["one"]}}
    assert OLDER not in summary(find(SimulatedPatch("fix_1", **beside)))
    assert OLDER in summary(find(SimulatedPatch("fix_1", replace=True, **beside)))
    assert OLDER in summary(find(SimulatedPatch("fix_1", replace=None, **beside)))


def test_the_versions_of_the_bundle_and_of_the_file_decide(kernel, apply, find):
    apply(SimulatedPatch("fix_1", build_id=OTHER_ID, version="1.0", metadata={"version": "1.10"}))
    assert OLDER in summary(find(SimulatedPatch("fix_2", version="1.9")))
    assert OLDER not in summary(find(SimulatedPatch("fix_2", version="1.9", metadata={"version": "1.11"})))


def test_an_older_version_than_a_foreign_patch_is_found_by_what_the_kernel_shows(kernel, enabled, find):
    enabled(foreign=True)
    kernel.put("/sys/module/old/version", "2.0\n")
    assert OLDER in summary(find(SimulatedPatch("old_1", version="1.0", objects={"vmlinux": ["one"]})))
    assert OLDER not in summary(find(SimulatedPatch("old_1", version="2.1", objects={"vmlinux": ["one"]})))


def test_an_older_version_than_an_accepted_one_is_a_blocker(kernel, apply, find):
    """The accepted build is not enabled, and the older one has its name."""
    kernel.put(BOOT_ID, "boot-1\n")
    accept(apply, SimulatedPatch(build_id=OTHER_ID, version="1.10"))
    reboot(kernel)
    told = [entry for entry in find(SimulatedPatch(version="1.9")) if entry["code"] == "older-version"]
    assert summary(told) == [OLDER]
    assert "the later fix 1.10 is accepted on this host" in told[0]["message"]
    assert OLDER not in summary(find(SimulatedPatch(version="1.11")))
    apply(name="fix", state="absent")
    assert OLDER not in summary(find(SimulatedPatch(version="1.9")))
