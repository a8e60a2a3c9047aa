# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine around the kernel: space, memory, crash dumps, other live-patch tools."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.other_tools import TOOLS, other_tools
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import ensure_program
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V1,
    V2,
    accept,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

MARGIN = 64 * 1024
PROGRAM_SIZE = 3 << 20


def test_no_space_is_told_before_the_file_is_sent(kernel, apply, monkeypatch):
    fix = SimulatedPatch()
    wanted = fix.description["size"] + MARGIN + PROGRAM_SIZE
    asked = []
    monkeypatch.setattr(kernel, "free_space", lambda path: asked.append(path) or (wanted - 1, 1000))
    with pytest.raises(LivepatchError) as caught:
        apply(fix)
    assert caught.value.code == "no-space"
    assert f"patches has {(wanted - 1) // 1024} KiB free, and fix.ko needs {wanted // 1024} KiB" in (
        caught.value.message)
    assert asked == ["/var/lib/kernel-livepatch/patches"]
    assert kernel.loads == []


@pytest.mark.parametrize("free, program, codes", [
    ((SimulatedPatch().description["size"] + MARGIN + PROGRAM_SIZE, 5), False, []),
    ((SimulatedPatch().description["size"] + MARGIN, 4), True, []),
    ((1 << 30, None), False, []), ((1 << 30, 4), False, ["no-space"]), ((1 << 30, 3), True, ["no-space"])])
def test_just_enough_space_is_enough_and_files_count_where_they_are_counted(
        kernel, apply, monkeypatch, free, program, codes):
    if program:
        kernel.put(PROGRAM, "")
    monkeypatch.setattr(kernel, "free_space", lambda path: free)
    try:
        findings = apply(SimulatedPatch(), check_mode=True)["findings"]
    except LivepatchError as error:
        findings = error.details["findings"]
        assert f"{free[1]} files free, and fix.ko needs {free[1] + 1} files" in error.message
    assert [found["code"] for found in findings] == codes


def test_a_program_has_less_than_the_space_that_is_asked_for_it(kernel):
    ensure_program(kernel)
    assert os.stat(kernel.path(PROGRAM)).st_size < PROGRAM_SIZE


def test_a_file_that_is_kept_already_takes_no_space(kernel, apply, monkeypatch):
    apply(SimulatedPatch())
    apply(name="fix", state="disabled")
    monkeypatch.setattr(kernel, "free_space", lambda path: (0, 0))
    assert apply(SimulatedPatch())["patch"]["state"] == "enabled"
    apply(name="fix", state="disabled")
    os.unlink(kernel.path(PROGRAM))
    with pytest.raises(LivepatchError, match=r"program\.pyz needs 3072 KiB"):
        apply(SimulatedPatch())


def test_a_file_system_that_cannot_be_written_is_told_before_a_change_and_only_then(kernel, apply, monkeypatch):
    apply(SimulatedPatch("other"))
    monkeypatch.setattr(kernel, "is_read_only", lambda path: path == "/var/lib/kernel-livepatch/patches")
    with pytest.raises(LivepatchError, match=r"is mounted read-only, and .* its journal there. Mount it writable"):
        apply(SimulatedPatch())
    assert apply(SimulatedPatch("other"))["changed"] is False


@pytest.mark.parametrize("kib, expected", [(16 * 1024, ["little-memory"]), (17 * 1024, []), (None, [])])
def test_little_memory_is_told(kernel, apply, kib, expected):
    if kib:
        kernel.put("/proc/meminfo", f"MemTotal: 8 kB\nMemFree: 9 kB\nMemAvailable:  {kib} kB\n")
    findings = apply(SimulatedPatch())["findings"]
    assert [(found["code"], found["level"]) for found in findings] == [(code, "warning") for code in expected]
    if expected:
        assert findings[0]["message"].startswith("This host has 16 MiB of memory left, and loading fix.ko needs 17 MiB")


@pytest.mark.parametrize("loaded, expected", [("0", ["crash-dump-not-armed"]), ("1", []), (None, [])])
def test_a_crash_kernel_that_is_not_loaded_is_noted(kernel, apply, loaded, expected):
    if loaded:
        kernel.put("/sys/kernel/kexec_crash_loaded", loaded + "\n")
    findings = apply(SimulatedPatch())["findings"]
    assert [(found["code"], found["level"]) for found in findings] == [(code, "note") for code in expected]


# Tool: what shows that it is installed (None where nothing does before it is at work), what shows that it is at work.
R = "6.1.0-56-amd64"
WANTS = "/etc/systemd/system/multi-user.target.wants"
SIGHTS = {
    "kpatch.service": (
        {"/usr/sbin/kpatch": ""}, {f"{WANTS}/kpatch.service": "", f"/var/lib/kpatch/{R}/kpatch_1.ko": ""}),
    "dnf kpatch plugin": (
        {"/etc/dnf/plugins/kpatch.conf": "[main]\nautoupdate = False\n"},
        {"/etc/dnf/plugins/kpatch.conf": "[main]\nautoupdate = True\n"}),
    "kpatch.ko": (None, {"/sys/module/kpatch/initstate": "live\n"}),
    "Canonical Livepatch": (
        {"/snap/canonical-livepatch/current/x": ""}, {"/var/snap/canonical-livepatch/common/machine-token": "t"}),
    "KernelCare": ({"/usr/bin/kcarectl": ""}, {"/proc/kcare/effective_version": "6.1\n"}),
    "Ksplice": ({"/usr/sbin/uptrack-upgrade": ""}, {"/sys/module/ksplice_abc_vmlinux_new/initstate": "live\n"}),
    "SUSE live patching": ({"/usr/bin/klp": ""}, {f"/lib/modules/{R}/livepatch/livepatch-1.ko.zst": ""}),
    "SysCare": ({"/usr/bin/syscare": ""}, {f"{WANTS}/syscare.service": "", "/usr/lib/syscare/patches/1/x": ""}),
}


def put(kernel, files):
    for path, text in files.items():
        kernel.put(path, text)


def seen(kernel):
    return [(tool["name"], tool["active"]) for tool in other_tools(kernel)]


def test_every_tool_is_tested():
    assert [tool.name for tool in TOOLS] == list(SIGHTS)


@pytest.mark.parametrize("name", SIGHTS)
def test_a_tool_is_seen_installed_and_at_work(kernel, name):
    installed, at_work = SIGHTS[name]
    assert seen(kernel) == []
    if installed:
        put(kernel, installed)
        assert seen(kernel) == [(name, False)]
    put(kernel, at_work)
    assert seen(kernel) == [(name, True)]


@pytest.mark.parametrize("units", [  # the last two: installed from source, and /lib that is no link
    "/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/usr/local/lib/systemd/system",
    "/lib/systemd/system"])
@pytest.mark.parametrize("link", ["multi-user.target.wants", "multi-user.target.requires"])
def test_kpatch_service_is_seen_in_each_directory_of_units(kernel, units, link):
    kernel.put(f"{units}/kpatch.service", "")
    assert seen(kernel) == [("kpatch.service", False)]
    put(kernel, {f"{units}/{link}/kpatch.service": "", f"/var/lib/kpatch/{R}/kpatch_1.ko": ""})
    assert seen(kernel) == [("kpatch.service", True)]


@pytest.mark.parametrize("files", [
    {f"{WANTS}/kpatch.service": "", "/var/lib/kpatch/6.1.0-57-amd64/kpatch_1.ko": ""},
    {f"/var/lib/kpatch/{R}/kpatch_1.ko": ""},
    {f"{WANTS}/kpatch.service": "", f"/var/lib/kpatch/{R}/notes": ""},
    {f"{WANTS}/kpatch.service": "", f"/var/lib/kpatch/{R}/kpatch_1.ko": "", "/proc/cmdline": "quiet kpatch.enable=0\n"},
])
def test_kpatch_service_is_at_work_only_where_it_would_load_something(kernel, files):
    put(kernel, dict(files, **{"/usr/sbin/kpatch": ""}))
    assert seen(kernel) == [("kpatch.service", False)]


@pytest.mark.parametrize("directory", ["/etc/systemd/system", "/run/systemd/system"])
@pytest.mark.parametrize("name", ["kpatch.service", "SysCare"])
def test_a_masked_unit_loads_nothing_at_boot(kernel, directory, name):
    installed, at_work = SIGHTS[name]
    put(kernel, {**installed, **at_work})
    unit = next(path for path in at_work if path.startswith(WANTS)).rpartition("/")[2]
    assert seen(kernel) == [(name, True)]
    os.makedirs(kernel.path(directory), exist_ok=True)
    os.symlink("/dev/null", kernel.path(f"{directory}/{unit}"))
    assert seen(kernel) == [(name, False)]


def test_the_packages_for_kgraft_load_at_boot_too(kernel):
    put(kernel, {f"/lib/modules/{R}/kgraft/kgraft-patch-2-1.ko": ""})
    assert seen(kernel) == [("SUSE live patching", True)]


def test_a_tool_at_work_is_a_warning_and_one_that_is_only_installed_a_note(kernel, apply):
    put(kernel, SIGHTS["Canonical Livepatch"][1])
    put(kernel, SIGHTS["kpatch.service"][0])
    findings = apply(SimulatedPatch())["findings"]
    assert [(found["code"], found["level"], found["subject"]) for found in findings] == [
        ("other-tool-present", "note", "kpatch.service"), ("other-tool-active", "warning", "Canonical Livepatch")]
    assert [found["message"] for found in findings] == [
        "kpatch.service is installed on this host and not active. When it is active, at each boot it loads every "
        "patch below /var/lib/kpatch for the running kernel.",
        "Canonical Livepatch is active on this host: it loads its vendor's patches automatically, at any time. Make "
        "sure that only one tool patches its kernel."]


@pytest.mark.parametrize("name, command", [
    ("KernelCare", "kcarectl --unload"), ("Ksplice", "ksplice kernel remove --all or uptrack-remove --all")])
def test_a_tool_with_a_mechanism_of_its_own_at_work_refuses_a_load(kernel, apply, name, command):
    put(kernel, SIGHTS[name][0])
    assert [found["code"] for found in apply(SimulatedPatch("fix"))["findings"]] == ["other-tool-present"]
    put(kernel, SIGHTS[name][1])
    with pytest.raises(LivepatchError, match=f"Remove its patches with {command} and keep") as caught:
        apply(SimulatedPatch("second"))
    assert caught.value.code == "other-mechanism-active"
    assert [loaded[0] for loaded in kernel.loads] == ["fix"]
    assert apply(SimulatedPatch("fix"))["changed"] is False  # it is loaded already
    apply(SimulatedPatch("second"), ignore_findings=["other-mechanism-active"])
    assert [loaded[0] for loaded in kernel.loads] == ["fix", "second"]


def test_a_mechanism_at_work_stops_no_revert(kernel, apply, interface):
    accept(apply, V1)
    apply(V2, trial=60)
    put(kernel, SIGHTS["KernelCare"][1])
    kernel.sleep(100)
    end_trial(kernel)
    assert stack(kernel, interface) == ["v1"]
