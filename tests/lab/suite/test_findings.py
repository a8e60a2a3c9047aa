# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each finding from a real cause, beside what the kernel itself says; and none on patches that the kernel takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from causes import FILES, HEALTHY, PROBE, STATES, UNREADABLE, WITHOUT_EFFECT, by_name
from guest import Guest
from playbook import task
from verdicts import assert_finds, assert_kernel_says, codes

# With --exhaustive only: the quick set has another one like each of these.
MORE = ("name-not-a-livepatch", "leftover-loaded", "functions-taken-over", "states-unknown", "replaces-foreign-patch",
        "function-attached")


def named(causes):
    return pytest.mark.parametrize("cause", [
        pytest.param(same, id=name, marks=pytest.mark.exhaustive if same[0].code in MORE else ())
        for name, same in by_name(causes).items()], indirect=True)


@pytest.fixture
def cause(request, lab):
    """A cause, where one of those that are the same case is about the kernel under test."""
    reasons = [cause.not_about(lab.kernel.name, lab.image.configured_with) for cause in request.param]
    if all(reasons):
        pytest.skip(f"not about this kernel: {reasons[0]}")
    return request.param[reasons.index("")]


@pytest.fixture(scope="module")
def all_files(machines, patches):
    """The first machine, with every file of the lab and the program that attaches one of BPF."""
    guest = Guest(machines[0])
    guest.put([*patches.values(), Path(__file__).with_name("attach_bpf.py")])
    return guest


@pytest.fixture(scope="module")
def checked(request, all_files, playbooks, patches):
    """The result of patch_check for each file of the tests to run, on a kernel without patches, out of one playbook."""
    all_files.clean()
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = {"cmdline_v1", *(params["file"] for params in asked if "file" in params)}
    wanted |= {params["cause"][0].file for params in asked if "cause" in params}
    known = dict.fromkeys((*HEALTHY, *(cause.file for cause in FILES)))
    files = [file for file in known if file in wanted and file in patches]
    tasks = [task(file, "patch_check", src=patches[file], report_only=True) for file in files]
    outcome = playbooks.run(tasks, all_files.name)
    assert outcome.code == 0, outcome.output
    assert not any(result["changed"] for result in outcome.results.values())
    return outcome.results


@pytest.mark.parametrize(("file", "warnings"), HEALTHY.items(), ids=HEALTHY)
def test_what_the_kernel_takes_has_no_blocker(checked, guest, file, warnings):
    result = checked[file]
    blockers = {"ineffective"} if file in WITHOUT_EFFECT else set()
    assert result["compatible"] is not bool(blockers), result["findings"]
    assert codes(result, "blocker") == blockers
    assert codes(result, "warning") == warnings
    assert guest.insmod(file).says == ""


def test_a_machine_without_a_crash_kernel_is_a_note(checked, guest):
    assert guest.read("/sys/kernel/kexec_crash_loaded") == "0\n"
    assert codes(checked["cmdline_v1"], "note") == {"crash-dump-not-armed"}


@named(FILES)
def test_what_is_wrong_with_a_file_is_found(checked, guest, cause):
    assert_finds(checked[cause.file], cause)
    assert_kernel_says(guest, cause)


@named(UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused_by_the_controller(play, all_files, patches, cause):
    outcome = play("patch_check", src=patches[cause.file], report_only=True)
    assert outcome.code == 2
    assert outcome.result["code"] == cause.code
    assert outcome.trips == []
    assert_kernel_says(all_files, cause)


@named(STATES)
def test_what_is_wrong_on_the_host_is_found(play, all_files, guest, patches, cause):
    guest.run_with_files(cause.made_by)
    try:
        assert_finds(play("patch_check", src=patches[cause.file], report_only=True).result, cause)
        assert_kernel_says(guest, cause)
    finally:
        guest.run_with_files(cause.undone_by or "true")


def test_every_blocker_is_told_at_once(play, all_files, guest, patches):
    """One cause is in the file, and one on the host."""
    guest.run_with_files(PROBE + "post_handler=1")
    outcome = play("patch_check", src=patches["not_gpl"])
    assert outcome.code == 2, outcome.output
    assert codes(outcome.result, "blocker") == {"license-not-gpl", "ftrace-busy"}
    assert outcome.trips == ["ssh"]
