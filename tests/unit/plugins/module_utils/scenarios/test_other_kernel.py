# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build for an installed kernel that does not run: kept, checked by files, loaded and judged at its first boot."""

import gzip
import struct

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot, confirm_boot
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V1,
    accept,
    delete_kept_file,
    failure,
    kept_file_path,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    simulated_module,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

NEXT = "6.1.0-57-amd64"
VERMAGIC = f"{NEXT} SMP preempt mod_unload modversions "
OF_NEXT = {"release": NEXT, "vermagic": VERMAGIC}
FIX = SimulatedPatch("v1", build_id="66" * 20, replace=True, **OF_NEXT)
LATER = SimulatedPatch("v2", build_id="77" * 20, replace=True, **OF_NEXT)
BESIDE = SimulatedPatch("beside", build_id="88" * 20, objects={"vmlinux": ["one"]}, **OF_NEXT)
TREE = f"/lib/modules/{NEXT}"
METADATA = {
    "cves": [], "summary": None, "advisory": None, "kernel_build_id": None, "version": None, "not_covered": [],
    "expires": None, "effective_kernel": None}
SYMBOLS = "".join(f"ffffffff8{number:07x} T {name}\n" for number, name in enumerate((
    "cmdline_proc_show", "one", "two", "two", "klp_enable_patch", "__ksymtab_klp_enable_patch")))


@pytest.fixture
def host(host, systemd):
    """A host with a second kernel installed, as a directory of modules."""
    host.put(f"{TREE}/modules.dep", "kernel/target.ko:\n")
    return host


@pytest.fixture
def keep(host, apply):
    """keep(patch): accept a patch for the kernel that does not run."""
    def keep(patch=FIX, **options):
        return apply(patch, state="accepted", kernel=NEXT, **options)
    return keep


def codes(findings):
    return [found["code"] for found in findings]


def accepted(host):
    return [(entry["name"], entry["release"], entry["untried"]) for entry in read_ledger(host)["accepted"]]


def test_a_build_is_kept_and_nothing_is_loaded(host, interface, apply, keep):
    accept(apply, V1)
    loads = len(host.loads)
    result = keep()
    patch = result["patch"]
    assert (result["changed"], "request" in result, len(host.loads)) == (True, False, loads)
    assert (patch["name"], patch["state"], patch["previous_state"], patch["kernel"]) == (
        "v1", "accepted", "absent", NEXT)
    assert patch["objects"][0]["functions"][0]["name"] == "cmdline_proc_show"
    assert result["diff"]["before"] == "no live patch\n"
    assert result["diff"]["after"].startswith("v1: accepted")
    assert accepted(host) == [("v1", "6.1.0-56-amd64", None), ("v1", NEXT, [])]
    change = history(host)["journal"][0]
    assert (change["action"], change["outcome"], change["transaction"]) == ("accept", "done", result["transaction"])
    assert [(one["kernel"], one["previous_state"], one["state"]) for one in change["patches"]] == [
        (NEXT, "absent", "accepted")]
    assert stack(host, interface) == ["v1"]


def test_a_second_run_changes_nothing(host, keep):
    keep()
    again = keep()
    assert (again["changed"], again["patch"]["previous_state"], again["transaction"]) == (False, "accepted", None)
    assert again["diff"]["before"] == again["diff"]["after"]


def test_check_mode_keeps_nothing(host, keep):
    forecast = keep(check_mode=True)
    assert (forecast["changed"], accepted(host)) == (True, [])
    assert keep()["diff"] == forecast["diff"]
    assert keep(check_mode=True)["changed"] is False


@pytest.mark.parametrize("damage", [
    lambda host: delete_kept_file(host, FIX), lambda host: open(kept_file_path(host, FIX), "wb").close()])
def test_a_file_that_is_damaged_meanwhile_is_sent_again(host, keep, damage):
    keep()
    damage(host)
    assert keep()["changed"] is True
    with open(kept_file_path(host, FIX), "rb") as stream:
        assert stream.read() == FIX.image


def test_other_parameters_are_a_change(host, keep):
    keep()
    assert keep(params={"count": 3})["changed"] is True
    assert [entry["parameters"] for entry in read_ledger(host)["accepted"]] == ["count=3"]


def test_the_first_boot_of_the_kernel_loads_it_and_ten_minutes_confirm_it(host, interface, apply, keep):
    accept(apply, V1)
    keep()
    assert [entry["untried"] for entry in host_inventory(host)["accepted"]] == [False, True]
    reboot(host, release=NEXT)
    boot(host)
    assert stack(host, interface) == ["v1"]
    assert [patch["state"] for patch in host_inventory(host)["patches"]] == ["accepted"]
    confirm_boot(host)
    assert [entry["untried"] for entry in host_inventory(host)["accepted"]] == [False, False]


def test_the_same_task_finds_it_accepted_after_the_reboot(host, keep):
    keep()
    reboot(host, release=NEXT)
    boot(host)
    result = keep()
    assert (result["changed"], result["patch"]["state"], result["patch"]["previous_state"]) == (
        False, "accepted", "accepted")


def test_the_running_kernel_loads_none_of_it_at_its_own_boot(host, interface, keep):
    keep()
    reboot(host)
    boot(host)
    assert stack(host, interface) == []


def test_a_crash_in_the_first_boot_quarantines_only_what_had_not_run_there(host, apply, keep):
    keep(BESIDE)
    reboot(host, release=NEXT)
    boot(host)
    confirm_boot(host)
    untried = SimulatedPatch("untried", build_id="99" * 20, objects={"vmlinux": ["other"]}, **OF_NEXT)
    reboot(host, "boot-3", release="6.1.0-56-amd64")
    keep(untried)
    reboot(host, "boot-4", release=NEXT)
    boot(host)
    reboot(host, "boot-5", clean=False)
    boot(host)
    info = host_inventory(host)
    assert [(entry["name"], entry["why"]) for entry in info["quarantined"]] == [("untried", "crashed-after-boot")]
    assert [patch["name"] for patch in info["patches"]] == ["beside"]
    reboot(host, "boot-6", release="6.1.0-56-amd64")
    assert failure(keep, untried).code == "quarantined"
    assert keep(untried, ignore_findings=["quarantined"])["changed"] is True


def test_the_first_boot_obeys_a_blocker_that_a_later_boot_ignores(host, interface, keep):
    """unknown-parameter can be ignored, so no boot of a patch that has run stops at it."""
    keep(params={"count": 1})
    host.put("/sys/module/kernel/parameters/module_blacklist", "v1")
    reboot(host, release=NEXT)
    host.put("/sys/module/kernel/parameters/module_blacklist", "v1")
    assert failure(lambda: boot(host)).code == "module-blacklisted"
    assert stack(host, interface) == []


def test_what_the_task_ignored_is_ignored_at_the_first_boot(host, interface, keep):
    other = {"nothing": "int"}
    assert failure(keep, params=other).code == "unknown-parameter"
    keep(params=other, ignore_findings=["unknown-parameter"])
    reboot(host, release=NEXT)
    boot(host)
    assert stack(host, interface) == ["v1"]


def test_absent_with_a_kernel_ends_it_for_that_kernel_alone(host, apply, keep):
    accept(apply, V1)
    keep()
    forecast = apply(name="v1", state="absent", kernel=NEXT, check_mode=True)
    assert (forecast["changed"], len(accepted(host))) == (True, 2)
    result = apply(name="v1", state="absent", kernel=NEXT)
    assert (result["changed"], result["patch"]["previous_state"], result["patch"]["state"]) == (
        True, "accepted", "absent")
    assert result["diff"]["after"] == "no live patch\n"
    assert accepted(host) == [("v1", "6.1.0-56-amd64", None)]
    assert apply(name="v1", state="absent", kernel=NEXT)["changed"] is False


def test_a_later_build_that_replaces_takes_the_place_of_the_earlier(host, keep):
    keep()
    keep(LATER)
    assert accepted(host) == [("v2", NEXT, [])]


def test_builds_that_do_not_replace_are_kept_beside_each_other(host, keep):
    keep(BESIDE)
    keep(SimulatedPatch("more", build_id="99" * 20, objects={"vmlinux": ["other"]}, **OF_NEXT))
    assert [entry[0] for entry in accepted(host)] == ["beside", "more"]


def test_a_reboot_to_come_is_no_drift(host, keep):
    keep()
    assert host_inventory(host)["drift"] == []
    reboot(host, release="6.1.0-58-amd64")
    assert codes(host_inventory(host)["drift"]) == ["kernel-changed"]


# What is checked

def test_a_kernel_without_modules_is_refused(host, apply):
    error = failure(apply, FIX, state="accepted", kernel="6.1.0-58-amd64")
    assert error.code == "kernel-not-installed"
    assert f"Installed are: 6.1.0-56-amd64, {NEXT}." in error.message
    assert accepted(host) == []


def test_a_file_for_another_kernel_is_refused(host, keep):
    error = failure(keep, V1)
    assert (error.code, "built for kernel 6.1.0-56-amd64, and kernel is 6.1.0-57-amd64" in error.message) == (
        "wrong-release", True)


def test_a_name_alone_does_not_tell_the_build(host, apply):
    assert failure(apply, name="v1", state="accepted", kernel=NEXT).code == "bad-option"


def test_a_bundle_without_a_build_for_it_is_no_failure(host, apply):
    offer = dict(V1.offer(), kind="bundle")
    result = apply(offer=offer, state="accepted", kernel=NEXT)
    assert (result["changed"], result["patch"]["state"], codes(result["findings"])) == (False, "no_build", ["no-build"])
    assert f"for kernel {NEXT} on x86_64" in result["findings"][0]["message"]


def test_the_build_of_that_kernel_is_taken_from_a_bundle(host, apply, keep):
    keep()
    offer = dict(V1.offer(), kind="bundle", builds=[V1.description, FIX.description])
    result = apply(offer=offer, state="accepted", kernel=NEXT)
    assert (result["changed"], result["patch"]["sha256"]) == (False, FIX.sha256)


KPATCH_FILE, SUSE_FILE = f"/var/lib/kpatch/{NEXT}/vendor-fix.ko", f"{TREE}/livepatch/vendor-fix.ko"


def load_at_boot(host, path):
    host.put("/etc/systemd/system/multi-user.target.wants/kpatch.service", "")
    host.put(path, "")


@pytest.mark.parametrize("path, help", [
    (KPATCH_FILE, f"Run kpatch uninstall -k {NEXT} vendor-fix.ko, or accept"), (SUSE_FILE, "Remove the package")])
@pytest.mark.parametrize("adopt", [False, True])
def test_the_first_boot_never_loads_the_patches_of_two_tools(host, keep, path, help, adopt):
    load_at_boot(host, path)
    error = failure(keep, adopt=adopt)
    assert error.code == "other-tool-loads-at-boot"
    assert path in error.message and help in error.message
    assert accepted(host) == [] and host.exists(path)
    assert keep(ignore_findings=["other-tool-loads-at-boot"])["patch"]["state"] == "accepted"


@pytest.mark.parametrize("path", [KPATCH_FILE, SUSE_FILE])
def test_a_tool_that_joins_later_is_drift(host, keep, path):
    keep()
    load_at_boot(host, path)
    again = keep()
    assert again["changed"] is False and "boot-shared" in codes(again["findings"])


@pytest.mark.parametrize("path", [
    "/var/lib/kpatch/6.1.0-56-amd64/vendor-fix.ko", "/lib/modules/6.1.0-56-amd64/livepatch/vendor-fix.ko"])
def test_what_another_tool_loads_into_the_running_kernel_is_no_concern_of_the_next(host, keep, path):
    load_at_boot(host, path)
    assert keep()["changed"] is True


def test_what_no_file_shows_is_said(host, keep):
    found = keep()["findings"]
    assert codes(found) == ["first-boot-checks"]
    for unknown in ("its symbols (System.map)", "its own modules", "its configuration", "its functions for ftrace"):
        assert unknown in found[0]["message"]


MODULE = f"{TREE}/kernel/target.ko"


@pytest.mark.parametrize("path, content, code", [
    (MODULE, simulated_module(vermagic=f"{NEXT} SMP preempt mod_unload RANDSTRUCT "), "vermagic-mismatch"),
    (MODULE, simulated_module(vermagic=VERMAGIC, size=960), "struct-module-size"),
    (f"/boot/config-{NEXT}", "CONFIG_X86=y\n# CONFIG_LIVEPATCH is not set\n", "kernel-without-livepatch"),
    (f"/boot/config-{NEXT}", "CONFIG_LIVEPATCH=y\nCONFIG_MODULE_SIG_FORCE=y\n", "signature-missing"),
    (f"/boot/System.map-{NEXT}", SYMBOLS.replace("cmdline_proc_show", "other"), "symbol-missing")])
def test_the_files_of_that_kernel_decide_and_not_the_running_one(host, keep, path, content, code):
    host.put(path, content)
    error = failure(keep)
    assert code in codes(error.details["findings"]) and error.code == code
    assert accepted(host) == []


def test_files_that_fit_leave_less_unknown(host, keep):
    host.put(MODULE, simulated_module(vermagic=VERMAGIC))
    host.put(f"/boot/config-{NEXT}", "CONFIG_LIVEPATCH=y\n")
    host.put(f"/boot/System.map-{NEXT}", SYMBOLS)
    found = keep()["findings"]
    assert codes(found) == ["first-boot-checks"]
    assert "does not show its functions for ftrace. " in found[0]["message"]


def test_a_system_map_that_names_another_package_shows_nothing(host, keep):
    host.put(f"/boot/System.map-{NEXT}", "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg\n")
    assert "its symbols (System.map)" in keep()["findings"][0]["message"]


def test_a_host_that_demands_signatures_now_may_do_so_then(host, keep):
    host.put("/sys/module/module/parameters/sig_enforce", "Y\n")
    assert "signature-likely-needed" in codes(keep()["findings"])


def test_a_build_for_one_build_of_that_kernel_needs_its_image(host, keep):
    tied = SimulatedPatch("v1", build_id="66" * 20, metadata={"kernel_build_id": "0a" * 20}, **OF_NEXT)
    assert failure(keep, tied).code == "kernel-build-unknown"
    host.put(f"/boot/vmlinuz-{NEXT}", kernel_image("0b" * 20))
    assert failure(keep, tied).code == "wrong-kernel-build"
    host.put(f"/boot/vmlinuz-{NEXT}", kernel_image("0a" * 20))
    assert keep(tied)["changed"] is True


def kernel_image(build_id):
    """A kernel's image for x86: a setup header, and an ELF file with one segment of notes as its payload."""
    note = struct.pack("<III", 4, 20, 3) + b"GNU\0" + bytes.fromhex(build_id)
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 4, 8192, 0, 0, len(note), len(note), 4)
    payload = gzip.compress((header + segment).ljust(8192, b"\0") + note + bytes(4096))
    head = bytearray(2 * 512)
    head[0x1F1], head[0x202:0x206] = 1, b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x20F)
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    return bytes(head) + payload


# What the next boot starts

def with_next(host, release):
    host.put("/proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet\n")
    host.put("/boot/grub/grub.cfg", f"menuentry 'Linux' {{\nlinux /boot/vmlinuz-{release} ro\n}}\n")
    host.put(f"/boot/vmlinuz-{release}", "")
    host.put(f"/lib/modules/{release}/modules.dep", "kernel/target.ko:\n")


def test_a_next_kernel_without_a_build_is_told_before_the_reboot(host, apply, keep):
    accept(apply, V1)
    with_next(host, NEXT)
    info = host_inventory(host)
    assert (info["boot"]["next"]["kernel"], info["boot"]["next"]["patches"]) == (NEXT, [])
    assert codes(info["drift"]) == ["next-kernel-uncovered"]
    keep()
    info = host_inventory(host)
    assert (info["boot"]["patches"], info["boot"]["next"]["patches"], info["drift"]) == (["v1"], ["v1"], [])


def fixed_in(kernel, **of_kernel):
    return SimulatedPatch("v1", build_id="11" * 20, metadata=dict(METADATA, effective_kernel=kernel), **of_kernel)


@pytest.mark.parametrize("fixed, expected", [(NEXT, []), ("6.1.0-58-amd64", ["next-kernel-uncovered"])])
def test_a_next_kernel_with_the_same_fixes_needs_no_patch(host, apply, fixed, expected):
    accept(apply, fixed_in(fixed))
    with_next(host, NEXT)
    assert codes(host_inventory(host)["drift"]) == expected
    reboot(host, release=NEXT)
    assert codes(host_inventory(host)["drift"]) == ["kernel-changed"] * len(expected)


def test_a_kernel_has_the_fixes_of_the_kernels_before_it(host, apply, keep):
    accept(apply, fixed_in(NEXT))
    keep(fixed_in("6.1.0-58-amd64", **OF_NEXT))
    reboot(host, release="6.1.0-58-amd64")
    assert codes(host_inventory(host)["drift"]) == []
    reboot(host, "boot-3", release="6.1.0-59-amd64")
    assert codes(host_inventory(host)["drift"]) == ["kernel-changed"]


def test_one_patch_without_its_fix_in_the_kernel_is_told(host, apply):
    accept(apply, fixed_in(NEXT))
    accept(apply, ONE)
    reboot(host, release=NEXT)
    assert codes(host_inventory(host)["drift"]) == ["kernel-changed"]


def test_the_running_kernel_as_the_next_one(host, apply):
    accept(apply, V1)
    with_next(host, "6.1.0-56-amd64")
    info = host_inventory(host)
    assert (info["boot"]["next"]["patches"], info["drift"]) == (["v1"], [])


def test_a_next_kernel_that_is_not_known_is_no_drift(host, apply):
    accept(apply, ONE)
    info = host_inventory(host)
    assert info["boot"]["next"] == {
        "loader": None, "entry": None, "kernel": None, "patches": None,
        "why": "neither a configuration of GRUB nor of systemd-boot is found"}
    assert info["drift"] == []
