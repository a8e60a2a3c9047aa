# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forecast of the next boot comes from what that boot needs, and state accepted repairs what is ours."""

import errno
import os
import shutil
import struct

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    JOURNAL,
    PROGRAM,
    STATE_DIRECTORY,
    STORE_DIRECTORY,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V1,
    accept,
    failure,
    kept_file_path,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    UNIT,
    UNIT_FILE,
    WANTED,
)

KEPT = f"{STORE_DIRECTORY}/{V1.sha256}.ko"
MOUNT = "25 1 8:1 / {} rw,relatime shared:1 - {} {} {}\n"


def rewrite(path, change):
    def damage(host):
        host.put(path, change(host.read_bytes(path)))
    return damage


def remove(path):
    return lambda host: os.unlink(host.path(path))


def replace(path, make):
    def damage(host):
        os.unlink(host.path(path))
        make(host.path(path))
    return damage


def mode(path, bits):
    return lambda host: os.chmod(host.path(path), bits)


def cut(content):
    return content[:len(content) // 2]


def garble(content):
    half = len(content) // 2  # another byte, whatever is there: compiled code has zeros
    return content[:half] + bytes([content[half] ^ 0xff]) + content[half + 1:]


def link(path):
    os.symlink("/nothing", path)


def other_python(host):
    os.unlink(host.path("/usr/bin/python3"))
    host.put("/usr/libexec/platform-python", "")
    os.chmod(host.path("/usr/libexec/platform-python"), 0o755)


# Each damage, the code that tells it, and whether accepting again repairs it.
DAMAGE = {
    "program cut": (rewrite(PROGRAM, cut), "boot-program-damaged"),
    "program garbled": (rewrite(PROGRAM, garble), "boot-program-damaged"),
    "program empty": (rewrite(PROGRAM, lambda _content: b""), "boot-program-damaged"),
    "program longer": (rewrite(PROGRAM, lambda content: content + b"x"), "boot-program-damaged"),
    "program gone": (remove(PROGRAM), "boot-program-damaged"),
    "program a directory": (replace(PROGRAM, os.mkdir), "boot-program-damaged"),
    "program a link": (replace(PROGRAM, link), "boot-program-damaged"),
    "unit emptied": (rewrite(UNIT_FILE, lambda _content: b""), "boot-unit-changed"),
    "unit edited": (
        rewrite(UNIT_FILE, lambda content: content.replace(b"ExecStart=-", b"ExecStart=-/bin/true ")),
        "boot-unit-changed"),
    "unit without its condition": (
        rewrite(UNIT_FILE, lambda content: content.replace(b"Before=ssh", b"After=ssh")), "boot-unit-changed"),
    "unit not text": (rewrite(UNIT_FILE, lambda content: b"\xff" + content), "boot-unit-changed"),
    "unit gone": (remove(UNIT_FILE), "boot-service-missing"),
    "unit a directory": (replace(UNIT_FILE, os.mkdir), "boot-service-missing"),
    "unit not enabled": (remove(WANTED), "boot-service-missing"),
    "a file for enabling": (replace(WANTED, lambda path: open(path, "w").close()), "boot-service-missing"),
    "Python gone": (other_python, "boot-interpreter-missing"),
    "state directory readable": (mode(STATE_DIRECTORY, 0o755), "boot-directory-refused"),
    "store readable": (mode(STORE_DIRECTORY, 0o711), "boot-directory-refused"),
    "kept file with other bytes": (rewrite(KEPT, garble), "accepted-file-damaged"),
    "kept file cut": (rewrite(KEPT, cut), "accepted-file-damaged"),
    "kept file empty": (rewrite(KEPT, lambda _content: b""), "accepted-file-damaged"),
    "kept file that others can write": (mode(KEPT, 0o666), "accepted-file-damaged"),
    "kept file a directory": (replace(KEPT, os.mkdir), "accepted-file-damaged"),
    "kept file a link": (replace(KEPT, link), "accepted-file-damaged"),
    "kept file gone": (remove(KEPT), "accepted-file-missing"),
}


@pytest.fixture
def accepted_host(host, apply, systemd):
    accept(apply, V1)
    return host


def forecast(host):
    """The patches of the next boot, and the codes about it."""
    inventory = host_inventory(host)
    return inventory["boot"]["patches"], [found["code"] for found in inventory["drift"]]


def boots(host, interface, systemd):
    reboot(host)
    systemd.stop_all()
    boot(host)
    return stack(host, interface)


def test_a_host_as_it_was_left_boots_with_its_patches(accepted_host, interface, apply, systemd):
    assert forecast(accepted_host) == (["v1"], [])
    assert apply(V1, state="accepted")["changed"] is False
    assert boots(accepted_host, interface, systemd) == ["v1"]


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_what_a_boot_needs_is_told_and_repaired(accepted_host, interface, apply, systemd, damage):
    host = accepted_host
    spoil, code = DAMAGE[damage]
    spoil(host)
    assert forecast(host) == ([], [code])
    check = apply(V1, state="accepted", check_mode=True)
    assert check["changed"] is True
    assert code in check["diff"]["before"]
    assert forecast(host) == ([], [code])  # check mode has repaired nothing
    assert apply(V1, state="accepted")["request"] == {"fresh": "v1"}
    result = apply(V1, state="accepted", fresh=True)
    assert (result["changed"], result["diff"]) == (True, check["diff"])
    assert forecast(host) == (["v1"], [])
    assert apply(V1, state="accepted")["changed"] is False
    assert boots(host, interface, systemd) == ["v1"]


def test_a_damaged_file_of_one_patch_leaves_the_others(accepted_host, interface, apply, systemd):
    accept(apply, ONE)
    DAMAGE["kept file cut"][0](accepted_host)
    assert forecast(accepted_host) == (["one"], ["accepted-file-damaged"])
    assert os.path.exists(kept_file_path(accepted_host, V1))  # a look removes nothing
    assert apply(ONE, state="accepted")["changed"] is False


@pytest.mark.parametrize("shown", ["bb" * 20, None], ids=["another", "not shown"])
def test_a_patch_that_is_tied_to_another_build_of_the_kernel_is_not_forecast(
        host, interface, apply, systemd, shown):
    def runs(build_id):
        note = struct.pack("=III", 4, 20, 3) + b"GNU\0" + bytes.fromhex(build_id) if build_id else b""
        host.put("/sys/kernel/notes", note)
    tied = SimulatedPatch("tied", build_id="77" * 20, metadata={"kernel_build_id": "aa" * 20})
    runs("aa" * 20)
    accept(apply, tied)
    accept(apply, ONE)
    assert forecast(host) == (["tied", "one"], [])
    runs(shown)
    reboot(host)
    systemd.stop_all()
    if shown:
        boot(host)
    else:
        assert failure(boot, host).code == "kernel-build-unknown"
    assert stack(host, interface) == ([] if shown else ["one"])
    # Without a build-id of the running kernel, only what names its kernel in bundle.yml cannot be loaded.
    others = ["tied", "one"] if shown else ["tied"]
    assert forecast(host) == (
        [] if shown else ["one"], ["accepted-for-other-kernel-build"] * len(others))


def test_without_its_file_a_damaged_one_is_told(accepted_host, apply):
    DAMAGE["kept file cut"][0](accepted_host)
    error = failure(apply, name="v1", state="accepted", fresh=True)
    assert (error.code, "with its file as src" in error.message) == ("kept-file-damaged", True)


def upgrade(host):
    """The name of the distribution's Python leads to another version."""
    os.rename(host.path("/usr/bin/python3"), host.path("/usr/bin/python3.12"))
    os.symlink("python3.12", host.path("/usr/bin/python3"))


def test_a_python_that_the_program_was_tested_with_is_not_run_again(accepted_host, apply):
    accepted_host.commands.clear()
    assert forecast(accepted_host) == (["v1"], [])
    apply(V1, state="accepted")
    assert not [argv for argv in accepted_host.commands if argv[-1] == "ready"]


def test_another_version_of_python_is_tested_and_then_known(accepted_host, apply):
    upgrade(accepted_host)
    accepted_host.commands.clear()
    assert forecast(accepted_host) == (["v1"], [])
    assert [argv[-1] for argv in accepted_host.commands if argv[-1] == "ready"] == ["ready"]
    assert apply(V1, state="accepted", fresh=True)["changed"] is True
    assert apply(V1, state="accepted")["changed"] is False
    accepted_host.commands.clear()
    assert forecast(accepted_host) == (["v1"], [])
    assert not [argv for argv in accepted_host.commands if argv[-1] == "ready"]


def test_a_python_that_an_update_can_remove_is_told_and_left_for_one_that_lasts(host, interface, apply, systemd):
    python = "/usr/bin/python3.11"
    os.rename(host.path("/usr/bin/python3"), host.path(python))
    host.interpreter = lambda: python
    findings = accept(apply, V1)["findings"] + apply(ONE, check_mode=True)["findings"]
    assert [found["code"] for found in findings] == ["interpreter-may-go"]
    assert forecast(host) == (["v1"], ["boot-interpreter-may-go"])  # it boots with it
    assert apply(V1, state="accepted")["changed"] is False
    os.symlink("python3.11", host.path("/usr/bin/python3"))
    host.answer, works = lambda argv: (1, "SyntaxError: x") if argv[-1] == "ready" else works(argv), host.answer
    assert apply(V1, state="accepted")["changed"] is False  # one that lasts and does not work is no help
    host.answer = works
    check = apply(V1, state="accepted", check_mode=True)
    assert "boot-interpreter-may-go" in check["diff"]["before"]
    assert apply(V1, state="accepted", fresh=True)["changed"] is True
    assert forecast(host) == (["v1"], [])
    assert apply(V1, state="accepted")["changed"] is False
    assert boots(host, interface, systemd) == ["v1"]


@pytest.mark.parametrize("output, told", [("SyntaxError: invalid syntax", True), ("ready", False)])
def test_a_python_that_cannot_run_the_program_is_told(accepted_host, apply, output, told):
    upgrade(accepted_host)
    answer = accepted_host.answer
    accepted_host.answer = lambda argv: (1, f"Traceback\n{output}") if argv[-1] == "ready" and told else answer(argv)
    patches, codes = forecast(accepted_host)
    assert (patches, codes) == (([], ["boot-program-fails"]) if told else (["v1"], []))
    if told:
        assert failure(apply, V1, state="accepted", fresh=True).code == "program-unusable"


def test_a_program_that_takes_too_long_is_no_finding(accepted_host):
    def run(argv, seconds):
        raise LivepatchError("command-timed-out", "x")

    upgrade(accepted_host)
    accepted_host.run = run
    assert forecast(accepted_host) == (["v1"], [])


def test_a_python_without_its_permission_to_run_is_told(accepted_host):
    os.chmod(accepted_host.path("/usr/bin/python3"), 0o644)
    assert forecast(accepted_host) == ([], ["boot-interpreter-missing"])


@pytest.mark.parametrize("path", [STATE_DIRECTORY, STORE_DIRECTORY])
def test_a_directory_that_others_can_write_is_not_trusted_again(accepted_host, apply, path):
    os.chmod(accepted_host.path(path), 0o777)
    assert forecast(accepted_host) == ([], ["boot-directory-refused"])
    assert failure(accept, apply, V1).code == "directory-not-private"
    assert os.stat(accepted_host.path(path)).st_mode & 0o777 == 0o777


def test_a_journal_that_cannot_be_written_is_told(accepted_host):
    os.unlink(accepted_host.path(JOURNAL))
    os.mkdir(accepted_host.path(JOURNAL))
    patches, codes = forecast(accepted_host)
    assert (patches, "boot-journal-unusable" in codes) == ([], True)


@pytest.mark.parametrize("path", [STORE_DIRECTORY, JOURNAL, PROGRAM])
def test_a_disk_that_gives_no_status_is_told_and_ends_no_look(accepted_host, monkeypatch, path):
    real = accepted_host.status

    def status(one):
        if one == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO), one)
        return real(one)
    monkeypatch.setattr(accepted_host, "status", status)
    patches, codes = forecast(accepted_host)
    told = {STORE_DIRECTORY: "boot-directory-refused", JOURNAL: "record-unusable", PROGRAM: "boot-program-damaged"}
    assert (codes, patches) == ([told[path]], ["v1"] if path == JOURNAL else [])


def test_a_masked_unit_is_told_and_left(accepted_host, apply):
    replace(UNIT_FILE, lambda path: os.symlink("/dev/null", path))(accepted_host)
    assert forecast(accepted_host) == ([], ["boot-service-missing"])
    assert apply(V1, state="accepted")["changed"] is False
    assert os.readlink(accepted_host.path(UNIT_FILE)) == "/dev/null"


def test_another_file_that_systemd_reads_instead_is_told(accepted_host, systemd, apply):
    systemd.fragment = "/etc/systemd/system.control/kernel-livepatch.service"
    assert forecast(accepted_host) == ([], ["boot-unit-overridden"])
    assert apply(V1, state="accepted")["changed"] is False  # it is not ours


def test_a_load_does_not_enable_a_unit_that_an_operator_disabled(accepted_host, apply):
    os.unlink(accepted_host.path(WANTED))
    apply(ONE)
    assert not os.path.lexists(accepted_host.path(WANTED))


def test_a_program_of_another_version_boots_and_accepting_updates_it(accepted_host, apply, monkeypatch):
    from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import installer

    monkeypatch.setattr(installer, "START", installer.START + "# another version\n")
    assert forecast(accepted_host) == (["v1"], [])
    assert apply(V1, state="accepted", fresh=True)["changed"] is True
    assert accepted_host.read_bytes(PROGRAM).rstrip().count(b"# another version\n") == 1
    assert apply(V1, state="accepted")["changed"] is False


MOUNTS = {
    "a disk": (MOUNT.format("/", "ext4", "/dev/sda1", "rw"), False),
    "memory": (MOUNT.format("/", "tmpfs", "tmpfs", "rw"), True),
    "memory below": (
        MOUNT.format("/", "ext4", "/dev/sda1", "rw") + MOUNT.format("/var/lib", "tmpfs", "tmpfs", "rw"), True),
    "memory elsewhere": (
        MOUNT.format("/", "ext4", "/dev/sda1", "rw") + MOUNT.format("/var/li", "tmpfs", "tmpfs", "rw")
        + MOUNT.format("/run", "tmpfs", "tmpfs", "rw"), False),
    "memory under a disk": (
        MOUNT.format("/var", "tmpfs", "tmpfs", "rw") + MOUNT.format("/var", "xfs", "/dev/sdb", "rw"), False),
    "a live image": (
        MOUNT.format("/", "overlay", "overlay", "rw,lowerdir=/l,upperdir=/run/live/rw,workdir=/w")
        + MOUNT.format("/run", "tmpfs", "tmpfs", "rw"), True),
    "a container": (MOUNT.format("/", "overlay", "overlay", "rw,upperdir=/var/lib/docker/1/diff"), True),
    "an overlay without its options": (MOUNT.format("/", "overlay", "overlay", "rw"), True),
    "an overlay on a disk": (
        MOUNT.format("/", "overlay", "overlay", "rw,upperdir=/media/rw/upper")
        + MOUNT.format("/media/rw", "ext4", "/dev/sdb", "rw"), False),
    "a disk in memory": (
        MOUNT.format("/", "ext4", "/dev/sda1", "rw") + MOUNT.format("/var/lib", "ext4", "/dev/zram1", "rw"), True),
    "an overlay on a disk in memory": (
        MOUNT.format("/", "overlay", "overlay", "rw,upperdir=/media/rw/upper")
        + MOUNT.format("/media/rw", "ext2", "/dev/ram0", "rw"), True),
    "a directory in memory": (
        MOUNT.format("/", "ext4", "/dev/sda1", "rw") + MOUNT.format(STATE_DIRECTORY, "tmpfs", "tmpfs", "rw"), True),
    "memory that is not freed": (MOUNT.format("/", "ramfs", "ramfs", "rw"), True),
    "an overlay that a crash loses": (
        MOUNT.format("/", "overlay", "overlay", "rw,upperdir=/media/rw/upper,volatile")
        + MOUNT.format("/media/rw", "ext4", "/dev/sdb", "rw"), True),
    "not known": ("nonsense\n1 2 3 - x\n", False),
}


@pytest.mark.parametrize("mounts", sorted(MOUNTS))
def test_a_directory_that_a_reboot_loses_is_told(host, interface, apply, systemd, mounts):
    text, lost = MOUNTS[mounts]
    host.put("/proc/self/mountinfo", text)
    told = ["state-not-persistent"] if lost else []
    assert [found["code"] for found in apply(V1, state="accepted")["findings"]] == told
    apply(V1, state="accepted", fresh=True)
    assert [found["code"] for found in apply(V1, state="accepted")["findings"]] == told
    assert forecast(host) == ([] if lost else ["v1"], told)


def test_a_user_who_may_not_read_the_ledger_gets_no_forecast(accepted_host):
    accepted_host.forbidden = (STATE_DIRECTORY,)
    assert host_inventory(accepted_host)["boot"] is None


def test_without_accepted_patches_nothing_is_needed(host, apply, systemd):
    apply(V1)
    shutil.rmtree(host.path("/etc/systemd"))
    host.commands.clear()
    assert host_inventory(host)["drift"][0]["code"] == "enabled-not-accepted"
    assert not [argv for argv in host.commands if argv[-1] == "ready"]


def test_a_host_that_loses_the_unit_has_trials_and_is_told_that_no_boot_is_covered(host, interface, apply, systemd):
    host.is_read_only = lambda path: path.startswith("/etc/")
    assert apply(ONE, trial=60)["findings"] == []
    result = accept(apply, ONE)
    assert [found["code"] for found in result["findings"]] == ["boot-service-missing"]
    assert (result["patch"]["state"], result["changed"]) == ("accepted", True)
    assert forecast(host) == ([], ["boot-service-missing"])
    assert "cannot be written on this host" in host_inventory(host)["boot"]["obstacle"]
    again = apply(ONE, state="accepted")
    assert (again["changed"], [found["code"] for found in again["findings"]]) == (False, ["boot-service-missing"])
    reboot(host)
    systemd.stop_all()
    assert forecast(host) == ([], ["boot-service-missing", "accepted-not-loaded"])
    accept(apply, ONE)  # as the message says
    assert stack(host, interface) == ["one"]
    assert UNIT in systemd.units
