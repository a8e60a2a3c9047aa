# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task patches a running kernel, and the kernel says so."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import subprocess

import pytest


@pytest.mark.core
def test_one_task_patches_the_running_kernel(play, guest, patches):
    before = guest.read("/proc/cmdline").rstrip("\n")
    outcome = play("patch", src=patches["cmdline_v1"])
    assert outcome.code == 0, outcome.output
    assert guest.read("/proc/cmdline") == f"{before} livepatch=v1\n"
    assert guest.hooked("cmdline_proc_show")
    assert guest.live_patches() == ["cmdline_v1"]
    assert outcome.result["changed"] is True
    patch = outcome.result["patch"]
    assert patch["transition_seconds"] < 30
    assert len(patch["build_id"]) == 40
    del patch["transition_seconds"], patch["build_id"]
    assert patch == {
        "name": "cmdline_v1", "state": "enabled", "previous_state": "absent", "kernel": guest.release(), "replaces": [],
        "sha256": hashlib.sha256(patches["cmdline_v1"].read_bytes()).hexdigest(),
        "objects": [{"name": "vmlinux", "patched": True, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}],
    }


@pytest.mark.core
def test_a_second_run_changes_nothing_in_one_round_trip(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).result["changed"] is True
    again = play("patch", src=patches["cmdline_v1"])
    assert again.result["changed"] is False
    assert again.result["patch"]["previous_state"] == "enabled"
    assert again.trips == ["ssh"]


def test_check_mode_shows_the_change_and_makes_none(play, guest, patches):
    before = guest.read("/proc/cmdline")
    outcome = play("patch", "--check", "--diff", src=patches["cmdline_v1"])
    assert outcome.code == 0, outcome.output
    assert outcome.result["changed"] is True
    assert outcome.result["patch"]["state"] == "enabled"
    assert "+cmdline_v1: enabled\n+  vmlinux:cmdline_proc_show,1\n" in outcome.output
    assert outcome.trips == ["ssh"]
    assert guest.read("/proc/cmdline") == before
    assert guest.live_patches() == []
    assert guest.kept_files() == []


@pytest.mark.exhaustive
def test_compressed_files_load_as_what_they_hold(play, guest, patches, tmp_path):
    plain = patches["cmdline_v1"].read_bytes()
    files = {"gz": gzip.compress(plain), "xz": lzma.compress(plain)}
    for kind, content in files.items():
        tmp_path.joinpath(f"fix.ko.{kind}").write_bytes(content)
    shutil.copy(patches["cmdline_v1"], tmp_path / "fix.ko")
    subprocess.run(["zstd", "-q", tmp_path / "fix.ko", "-o", tmp_path / "fix.ko.zst"], check=True)
    for kind in ("gz", "xz", "zst"):
        outcome = play("patch", src=tmp_path / f"fix.ko.{kind}")
        assert outcome.code == 0, outcome.output
        assert outcome.result["patch"]["sha256"] == hashlib.sha256(plain).hexdigest()
        assert guest.read("/proc/cmdline").endswith(" livepatch=v1\n")
        guest.clean()


@pytest.mark.exhaustive
def test_a_file_of_the_host_is_read_once_and_then_known(play, guest, patches, tmp_path):
    tmp_path.joinpath("vendor.ko.xz").write_bytes(lzma.compress(patches["cmdline_v1"].read_bytes()))
    guest.machine.push(tmp_path / "vendor.ko.xz", "/root/vendor.ko.xz")
    first = play("patch", src="/root/vendor.ko.xz", remote_src=True)
    assert first.code == 0, first.output
    assert guest.read("/proc/cmdline").endswith(" livepatch=v1\n")
    again = play("patch", src="/root/vendor.ko.xz", remote_src=True)
    assert again.result["changed"] is False
    assert again.trips == ["ssh"]


def test_a_bundle_gives_each_host_its_own_build(play, guest, patches, tmp_path):
    for name, folder in (("cmdline_v1", "here"), ("wrong_release", "elsewhere"), ("target_fix", "here")):
        tmp_path.joinpath(folder).mkdir(exist_ok=True)
        shutil.copy(patches[name], tmp_path / folder / f"{name}.ko")
    outcome = play("patch", src=tmp_path, name="cmdline_v1")
    assert outcome.code == 0, outcome.output
    assert guest.live_patches() == ["cmdline_v1"]
    several = play("patch", src=tmp_path)
    assert several.code == 2
    assert several.result["code"] == "name-needed"


def test_builds_of_one_release_are_told_apart_by_the_build_id_of_the_kernel(play, guest, patches, tmp_path):
    running = play("patch_info").result["livepatch"]["kernel"]["build_id"]
    other = "00" * 20
    for name in ("cmdline_v1", "cmdline_v1_rebuilt"):
        shutil.copy(patches[name], tmp_path / f"{name}.ko")
    entries = {"cmdline_v1.ko": other, "cmdline_v1_rebuilt.ko": running.upper()}

    def say():
        tmp_path.joinpath("bundle.yml").write_text("patches:\n" + "".join(
            f'  {file}: {{kernel_build_id: "{build_id}"}}\n' for file, build_id in entries.items()))

    say()
    outcome = play("patch", src=tmp_path)
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["sha256"] == hashlib.sha256(patches["cmdline_v1_rebuilt"].read_bytes()).hexdigest()
    assert play("patch", src=tmp_path).result["changed"] is False
    guest.clean()
    refused = play("patch", src=tmp_path / "cmdline_v1.ko")
    assert (refused.code, refused.result["code"]) == (2, "wrong-kernel-build")
    entries["cmdline_v1_rebuilt.ko"] = "11" * 20
    say()
    assert play("patch", src=tmp_path).result["patch"]["state"] == "no_build"
    assert guest.live_patches() == []


def test_the_newest_version_of_a_patch_in_a_bundle_is_loaded(play, guest, patches, tmp_path):
    for name in ("cmdline_v1", "cmdline_v2"):
        shutil.copy(patches[name], tmp_path / f"{name}.ko")
    outcome = play("patch", src=tmp_path)
    assert outcome.code == 0, outcome.output
    assert guest.live_patches() == ["cmdline_v2"]
    assert "older-versions-passed-over" in [found["code"] for found in outcome.result["findings"]]


def test_a_host_that_a_bundle_has_no_build_for_is_not_a_failure(play, guest, patches, tmp_path):
    shutil.copy(patches["wrong_release"], tmp_path / "elsewhere.ko")
    outcome = play("patch", src=tmp_path)
    assert outcome.code == 0, outcome.output
    assert outcome.result["changed"] is False
    assert outcome.result["patch"]["state"] == "no_build"
    assert [found["code"] for found in outcome.result["findings"]] == ["no-build"]
    assert guest.live_patches() == []


def test_module_parameters_reach_the_patch(play, guest, patches):
    outcome = play("patch", src=patches["with_params"], params={"text": "two words", "number": 7})
    assert outcome.code == 0, outcome.output
    assert guest.read("/proc/cmdline").endswith(" livepatch=two words:7\n")


def test_disabled_then_enabled_then_absent(play, guest, patches):
    before = guest.read("/proc/cmdline")
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    off = play("patch", name="cmdline_v1", state="disabled")
    assert off.result["patch"]["state"] == "disabled"
    assert guest.read("/proc/cmdline") == before
    assert guest.has_module("cmdline_v1")
    assert play("patch", src=patches["cmdline_v1"]).result["patch"]["previous_state"] == "disabled"
    assert guest.read("/proc/cmdline").endswith(" livepatch=v1\n")
    gone = play("patch", "--diff", name="cmdline_v1", state="absent")
    assert gone.result["patch"]["state"] == "absent"
    assert "-cmdline_v1: enabled\n-  vmlinux:cmdline_proc_show,1\n+no live patch\n" in gone.output
    assert guest.read("/proc/cmdline") == before
    assert not guest.has_module("cmdline_v1")
    assert len(guest.kept_files()) == 2  # for the way back
    assert play("patch", name="cmdline_v1", state="absent").result["changed"] is False


@pytest.mark.exhaustive
def test_a_cumulative_patch_replaces_the_one_before(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    outcome = play("patch", src=patches["cmdline_v2"])
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["replaces"] == ["cmdline_v1"]
    assert guest.read("/proc/cmdline").endswith(" livepatch=v2\n")
    assert "Livepatch:      v2\n" in guest.read("/proc/meminfo")
    assert guest.live_patches() == ["cmdline_v2"]
    assert not guest.has_module("cmdline_v1")


def test_a_patch_for_a_loaded_module(play, guest, patches):
    guest.load(patches["lab_target"])
    assert guest.read("/proc/lab_target") == "original\n"
    outcome = play("patch", src=patches["target_fix"])
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["objects"] == [
        {"name": "lab_target", "patched": True, "functions": [{"name": "lab_target_show", "sympos": 1}]}]
    assert guest.read("/proc/lab_target") == "fixed\n"
    assert guest.hooked("lab_target_show")


def test_a_patch_for_a_module_that_comes_later(play, guest, patches):
    refused = play("patch", src=patches["target_fix"])
    assert (refused.code, refused.result["code"]) == (2, "ineffective")
    outcome = play("patch", src=patches["target_fix"], ignore_findings=["ineffective"])
    assert outcome.code == 0, outcome.output
    assert {found["code"] for found in outcome.result["findings"] if found["level"] != "note"} == {
        "ineffective", "object-unknown"}
    assert play("patch_verify", name="target_fix").result["code"] == "ineffective"
    assert "object-absent" in [found["code"] for found in outcome.result["findings"]]
    assert outcome.result["patch"]["objects"][0]["patched"] is False
    guest.load(patches["lab_target"])
    assert guest.read("/proc/lab_target") == "fixed\n"
    assert play("patch_verify", name="target_fix").result["verified"] is True


@pytest.mark.exhaustive
def test_a_patch_of_kpatch_service_is_adopted_found_again_and_given_back(play, guest, patches):
    """The unit is made up, and the file is loaded as the service loads it: kpatch itself is not on the machine."""
    place, unit = f"/var/lib/kpatch/{guest.release()}", "/etc/systemd/system/kpatch.service"
    link = "/etc/systemd/system/multi-user.target.wants/kpatch.service"
    guest.machine.push(patches["cmdline_v1"], "/root/cmdline_v1.ko")
    guest.run(f"mkdir -p {place} $(dirname {link}) && cp /root/cmdline_v1.ko {place} && touch {unit}"
              f" && ln -sf {unit} {link} && insmod {place}/cmdline_v1.ko"
              " && while grep -q 1 /sys/kernel/livepatch/cmdline_v1/transition; do sleep 0.2; done")
    theirs = {"src": "/var/lib/kpatch", "remote_src": True}
    try:
        refused = play("patch", state="accepted", **theirs)
        assert (refused.code, refused.result["code"]) == (2, "other-tool-loads-at-boot"), refused.output
        adopted = play("patch", state="accepted", adopt=True, **theirs)
        assert adopted.code == 0, adopted.output
        assert [found["code"] for found in adopted.result["findings"]] == ["adopted"]
        aside = guest.run(f"ls {place}").strip()
        assert aside == f"cmdline_v1.ko.kernel-livepatch-{adopted.result['transaction']}"
        again = play("patch", state="accepted", adopt=True, **theirs)
        assert (again.result["changed"], again.result["patch"]["state"]) == (False, "accepted"), again.output
        assert play("patch_verify", **theirs).result["verified"] is True
        back = play("patch_rollback", to=adopted.result["transaction"])
        assert [found["code"] for found in back.result["findings"]] == ["given-back"], back.output
        assert guest.run(f"ls {place}").strip() == "cmdline_v1.ko"
        assert guest.live_patches() == ["cmdline_v1"]
    finally:
        guest.run(f"rm -rf {link} {unit} /var/lib/kpatch")
