# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that differ: of one address, of an object and its module's file, of a patch and what it prints."""

from __future__ import annotations

import pytest

SLEEPERS = "/root/sleepers.py"
# Five tasks asleep in pause(2), with names that any user can choose.
PROGRAM = r"""
import ctypes, os
libc = ctypes.CDLL(None)
for name in (b"x) R 1 (\\n", b"\\xff\\xfe\\xc3(", b'"; {{7*7}}', b"\\x1b[31mred", b""):
    pid = os.fork()
    if pid == 0:
        libc.prctl(15, name, 0, 0, 0)
        os.setsid()
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        libc.syscall(34)
    print(pid)
"""
OWN_LINE = "sec-2026-0001: needs parameter ready=1 on this machine"


@pytest.fixture
def paused(guest):
    """The guest with five tasks asleep in pause(2), and their numbers."""
    guest.run(f"cat >{SLEEPERS} <<'END'\n{PROGRAM}\nEND")
    numbers = [int(line) for line in guest.run(f"python3 {SLEEPERS}").split()]
    for number in numbers:
        guest.wait(f"grep -q sys_pause /proc/{number}/stack")
    yield guest, numbers
    guest.run(f"kill -9 {' '.join(map(str, numbers))} || true")


def test_tasks_in_another_name_of_a_patched_system_call_are_seen(play, paused, patches):
    guest, numbers = paused
    assert "__x64_sys_pause" not in guest.read(f"/proc/{numbers[0]}/stack")  # the kernel prints another name
    result = play("patch_check", src=patches["pause_fix"], report_only=True).result
    assert {sleeper["pid"]: sleeper["function"] for sleeper in result["forecast"]["sleepers"]} == dict.fromkeys(
        numbers, "__x64_sys_pause")
    assert "task-in-function" in [found["code"] for found in result["findings"]]
    outcome = play("patch", src=patches["pause_fix"], transition_timeout=3)
    assert outcome.result["code"] == "transition-stalled"
    assert {blocker["pid"]: blocker["function"] for blocker in outcome.result["blockers"]} == dict.fromkeys(
        numbers, "__x64_sys_pause")
    assert "\x1b" not in outcome.output
    assert guest.live_patches() == []


def test_it_is_verified_where_nothing_sleeps(play, guest, patches):
    assert play("patch", src=patches["pause_fix"]).code == 0
    verified = play("patch_verify", name="pause_fix").result
    assert verified["verified"] is True
    assert [function["ftrace"] for function in verified["functions"]] == [True]


def test_a_reason_under_a_prefix_of_the_patch_s_own_is_shown(play, guest, patches):
    refused = play("patch", src=patches["own_prefix"])
    assert refused.code == 2, refused.output
    assert (refused.result["code"], refused.result["errno"]) == ("load-refused", "ENOENT")
    assert OWN_LINE in refused.result["kernel_log"]
    assert refused.result["msg"].startswith("The kernel refused to load own_prefix with ENOENT (2).")
    assert OWN_LINE in refused.result["msg"]
    assert play("patch", src=patches["own_prefix"], params={"ready": "1"}).code == 0
    assert guest.read("/proc/version") == "own_prefix\n"


@pytest.mark.parametrize("file", ["object_with_suffix", "object_with_dash"])
def test_an_object_that_no_module_can_be_called_is_refused_and_never_verified(play, guest, patches, file):
    refused = play("patch", src=patches[file])
    assert refused.code == 2, refused.output
    assert refused.result["code"] == "object-name-impossible"
    assert guest.live_patches() == []
    guest.load(patches[file])
    guest.wait(f"test $(cat /sys/kernel/livepatch/{file}/transition) = 0")
    guest.load(patches["lab_target"])
    assert guest.read(f"/sys/kernel/livepatch/{file}/enabled") == "1\n"
    assert guest.read("/proc/lab_target") == "original\n"
    verified = play("patch_verify", src=patches[file])
    assert verified.code == 2, verified.output
    assert verified.result["code"] == "object-never-patched"
    assert verified.result["verified"] is False
