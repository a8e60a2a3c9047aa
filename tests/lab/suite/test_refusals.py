# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused, with one sentence, a stable code, and nothing changed."""

from __future__ import annotations

import pytest
from guest import STORE

# file, code, a part of the sentence; none of these needs the host to have the file.
REFUSED_BEFORE_SENDING = [
    ("wrong_release", "wrong-release", "Use a build for"),
    ("other_arch", "wrong-architecture", "is built for aarch64 and this host is x86_64"),
    ("lab_target", "not-a-livepatch", "not a live patch"),
    ("not_elf", "not-elf", "not_elf"),
    ("truncated", "truncated", "truncated"),
    ("missing_symbol", "symbol-missing", "lab_no_such_function"),
]

REFUSED_BY_THE_KERNEL = [
    ("callback_refuses", "callback-refused", "ENODEV"),
    ("own_prefix", "load-refused", "ENOENT"),
]


@pytest.mark.core
@pytest.mark.parametrize("file, code, sentence", REFUSED_BEFORE_SENDING)
def test_a_bad_file_is_refused_before_it_is_sent(play, guest, patches, file, code, sentence):
    outcome = play("patch", src=patches[file])
    assert outcome.code == 2, outcome.output
    assert outcome.result["code"] == code
    assert sentence in outcome.result["msg"]
    assert "Traceback" not in outcome.output
    assert outcome.trips in ([], ["ssh"])
    assert guest.kept_files() == []
    assert guest.live_patches() == []


def test_a_disk_with_room_for_the_file_and_not_for_the_program_is_told_before_either_is_written(play, guest, patches):
    guest.run(f"mkdir -p -m 700 {STORE} && mount -t tmpfs -o size=2m,mode=700 none {STORE}")
    try:
        outcome = play("patch", src=patches["cmdline_v1"])
        assert (outcome.code, outcome.result["code"], outcome.trips) == (2, "no-space", ["ssh"]), outcome.output
        assert guest.run(f"ls {STORE}") == ""
    finally:
        guest.run(f"umount {STORE}")
    assert guest.live_patches() == []
    assert play("patch", src=patches["cmdline_v1"]).result["patch"]["state"] == "enabled"


@pytest.mark.parametrize("file, code, errno", REFUSED_BY_THE_KERNEL)
def test_what_the_kernel_refuses_is_told_with_its_cause(play, guest, patches, file, code, errno):
    outcome = play("patch", src=patches[file])
    assert outcome.code == 2, outcome.output
    assert outcome.result["code"] == code
    assert outcome.result["errno"] == errno
    assert f"with {errno} (" in outcome.result["msg"]
    assert outcome.result["kernel_log"]
    assert outcome.result["patch"]["state"] == "absent"
    assert guest.live_patches() == []
    assert not guest.has_module(file)
    assert guest.kept_files() == []


@pytest.mark.core
def test_the_same_name_with_another_build_is_its_own_finding(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    outcome = play("patch", src=patches["cmdline_v1_rebuilt"])
    assert outcome.code == 2
    assert outcome.result["code"] == "name-taken-by-other-build"
    assert guest.read("/proc/cmdline").endswith(" livepatch=v1\n")


def test_an_unknown_parameter_is_refused(play, guest, patches):
    outcome = play("patch", src=patches["with_params"], params={"colour": "red"})
    assert outcome.result["code"] == "unknown-parameter"
    assert "number, text" in outcome.result["msg"]
    assert guest.live_patches() == []


def test_a_misspelt_option_is_named(play, guest, patches):
    outcome = play("patch", scr=patches["cmdline_v1"])
    assert outcome.code == 2
    assert "Unsupported parameters" in outcome.result["msg"] and "scr" in outcome.result["msg"]


def test_without_root_the_task_says_to_become(play, guest, patches):
    outcome = play("patch", src=patches["cmdline_v1"], play_keywords={"vars": {"ansible_user": "operator"}})
    assert outcome.code == 2, outcome.output
    assert outcome.result["code"] == "not-permitted"
    assert "become: true" in outcome.result["msg"]
    assert guest.live_patches() == []


def test_a_name_that_belongs_to_an_ordinary_module_is_left_alone(play, guest, patches):
    guest.load(patches["lab_target"])
    outcome = play("patch", name="lab_target", state="absent")
    assert outcome.result["code"] == "name-not-a-livepatch"
    assert guest.has_module("lab_target")


def test_kernel_warnings_do_not_come_with_any_of_this(guest):
    assert guest.run("dmesg | grep -c -e 'Call Trace' -e 'BUG:' -e 'WARNING:' || true") == "0\n"
