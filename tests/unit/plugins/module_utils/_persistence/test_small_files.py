# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of a host that are damaged: each counts as absent, and the next write repairs it."""

import json
import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import arm, armed
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import paths
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.clean_shutdown import (
    record_clean_shutdown,
    reserve_space,
    was_clean,
    withdraw_clean_shutdown,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock, running_change
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import shut_down
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.cli import main
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V1,
    accept,
    accepted,
    quarantined,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

BOOT = "8f3c6a5e-0d1b-4b57-9a53-2f6c1de0a7b4"
EARLIER = "00000000-0d1b-4b57-9a53-2f6c1de0a7b4"
TRIAL = {"transaction": "trial", "name": "fix", "since": "2026-11-21T09:16:53Z", "seconds": 300, "ends": 390,
         "back_to": []}
CHANGE = {"transaction": "change", "since": "2026-11-21T09:16:53Z", "who": {
    "controller_user": None, "controller_node": None, "user": "root", "address": None}}


def directory(path):
    os.unlink(path)
    os.mkdir(path)
    with open(os.path.join(path, "inside"), "w", encoding="ascii") as stream:
        stream.write("x")


def replaced(make):
    def damage(path):
        os.unlink(path)
        make(path)
    return damage


def rewritten(change):
    def damage(path):
        with open(path, "rb") as stream:
            content = stream.read()
        with open(path, "wb") as stream:
            stream.write(change(content))
    return damage


# Name to what does the damage, and whether the content can still be known after it.
DAMAGE = {
    "a byte that is not ASCII at the begin": (rewritten(lambda content: b"\xff" + content), True),
    "a byte that is not ASCII at the end": (rewritten(lambda content: content.rstrip() + b"\xff\n"), True),
    "a byte that is not ASCII inside": (rewritten(lambda content: content[:12] + b"\xff" + content[13:]), False),
    "NULs only": (rewritten(lambda content: bytes(len(content))), False),
    "a NUL inside": (rewritten(lambda content: content[:12] + b"\0" + content[13:]), False),
    "NULs behind": (rewritten(lambda content: content.rstrip() + bytes(4096)), True),
    "empty": (rewritten(lambda _content: b""), False),
    "huge": (rewritten(lambda _content: b"x" * (1 << 18)), False),
    "huge behind": (rewritten(lambda content: content.rstrip() + b"\n" * (1 << 18) + b"x"), True),
    "cut": (rewritten(lambda content: content.strip()[:20]), False),
    "another type": (rewritten(lambda _content: b'[{"pid": {}}]'), False),
    "a number": (rewritten(lambda _content: b"7"), False),
    "nested": (rewritten(lambda _content: b"[" * 100000), False),
    "CR LF": (rewritten(lambda content: content.replace(b"\n", b"\r\n")), True),
    "CR": (rewritten(lambda content: content.replace(b"\n", b"\r")), True),
    "a directory": (directory, False),
    "a FIFO": (replaced(os.mkfifo), False),
    "a link": (replaced(lambda path: os.symlink("/dev/zero", path)), False),
    "a link to nothing": (replaced(lambda path: os.symlink("nothing", path)), False),
    "absent": (os.unlink, False),
}
ALL = pytest.mark.parametrize("damage", sorted(DAMAGE))


@pytest.fixture
def host(kernel):
    kernel.put(BOOT_ID, f"{BOOT}\n")
    write_ledger(kernel, dict(empty_ledger(), boot_id=BOOT, trial=TRIAL))
    return kernel


def spoil(kernel, path, damage):
    DAMAGE[damage][0](kernel.path(path))


@ALL
def test_a_damaged_mark_is_repaired_by_the_next_clean_shutdown(host, damage):
    record_clean_shutdown(host)
    spoil(host, paths.CLEAN_SHUTDOWN, damage)
    host.put(BOOT_ID, f"{EARLIER}\n")
    shut_down(host)
    assert was_clean(host, EARLIER)
    if not DAMAGE[damage][1]:
        assert not was_clean(host, BOOT)
    status = os.lstat(host.path(paths.CLEAN_SHUTDOWN))
    assert (status.st_mode, status.st_size) == (0o100600, 1024)


@ALL
def test_a_damaged_mark_is_never_that_of_another_boot(host, damage):
    record_clean_shutdown(host)
    spoil(host, paths.CLEAN_SHUTDOWN, damage)
    assert not was_clean(host, EARLIER)
    assert was_clean(host, BOOT) in ((True,) if DAMAGE[damage][1] else (False,))


@ALL
def test_a_damaged_mark_stops_neither_a_boot_nor_its_withdrawal(host, damage):
    record_clean_shutdown(host)
    spoil(host, paths.CLEAN_SHUTDOWN, damage)
    reserve_space(host)
    withdraw_clean_shutdown(host)
    assert not was_clean(host, BOOT)
    assert main(["shutdown"], host) == 0
    assert was_clean(host, BOOT)


@ALL
def test_accepted_patches_outlive_a_mark_that_was_damaged_before_a_clean_shutdown(host, apply, damage):
    os.unlink(host.path(paths.LEDGER))
    systemd = SimulatedSystemd(host)
    accept(apply, V1)
    for boot in ("boot-2", "boot-3"):
        if not os.path.lexists(host.path(paths.CLEAN_SHUTDOWN)):
            host.put(paths.CLEAN_SHUTDOWN, f"{EARLIER}\n" * 2)
        spoil(host, paths.CLEAN_SHUTDOWN, damage)
        systemd.state = "stopping"
        assert main(["shutdown"], host) == 0
        systemd.stop_all()
        reboot(host, boot_id=boot, clean=False)
        assert main(["boot"], host) == 0
    assert (accepted(host), quarantined(host)) == (["v1"], [])


def test_a_directory_that_others_can_read_keeps_no_clean_shutdown_from_its_mark(host):
    os.chmod(host.path(paths.STATE_DIRECTORY), 0o755)
    shut_down(host)
    assert was_clean(host, BOOT)


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o702])
def test_a_directory_that_others_can_write_gets_no_mark(host, mode, capsys):
    os.chmod(host.path(paths.STATE_DIRECTORY), mode)
    assert main(["shutdown"], host) == 1
    assert capsys.readouterr().err.startswith("directory-not-private: ")
    assert not was_clean(host, BOOT)


@ALL
def test_a_damaged_lock_names_no_change_and_the_next_change_writes_it(host, damage):
    with change_lock(host, CHANGE):
        assert running_change(host)["transaction"] == "change"
        spoil(host, paths.LOCK, damage)
        known = running_change(host)
    assert known is None or (DAMAGE[damage][1] and known["transaction"] == "change")
    if os.path.isfile(host.path(paths.LOCK)) and not os.path.islink(host.path(paths.LOCK)):
        with change_lock(host, CHANGE):
            assert running_change(host)["transaction"] == "change"


@pytest.mark.parametrize("wrong", [
    {"pid": "1/../4711"}, {"pid": None}, {"pid": [4711]}, {"pid": -1}, {"who": None}, {"who": []}, {"since": 7},
    {"transaction": None}, {"started": "12345"}])
def test_a_lock_with_a_value_of_another_type_names_no_change(host, wrong):
    with change_lock(host, CHANGE):
        holder = json.loads(host.read(paths.LOCK))
        host.put(paths.LOCK, json.dumps(dict(holder, **wrong)))
        assert running_change(host) is None


def test_a_lock_with_a_name_of_another_type_has_an_unknown_user(host):
    with change_lock(host, CHANGE):
        holder = json.loads(host.read(paths.LOCK))
        host.put(paths.LOCK, json.dumps(dict(holder, who={"user": {"name": "x"}, "address": "\x1b[2J"})))
        assert running_change(host)["who"] == {
            "controller_user": None, "controller_node": None, "user": None, "address": "?[2J"}


@ALL
def test_a_damaged_record_of_the_trial_process_is_repaired_by_the_next_one(host, damage):
    SimulatedSystemd(host)
    end = ["/usr/bin/python3", "-I", "-B", paths.PROGRAM, "end-trial"]
    arm(host, "trial", end)
    spoil(host, paths.TRIAL_PROCESS, damage)
    armed(host, "trial")  # whatever it says
    shutil.rmtree(host.path("/run/systemd"))  # the record decides without systemd
    if not DAMAGE[damage][1]:
        assert not armed(host, "trial")
    arm(host, "trial", end)
    assert armed(host, "trial")
