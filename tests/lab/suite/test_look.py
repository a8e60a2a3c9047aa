# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""patch_verify, patch_info and patch_rollback against what the kernel shows."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess

import pytest


@pytest.mark.core
def test_verify_proves_each_function(play, guest, patches):
    assert play("patch", src=patches["cmdline_v2"]).code == 0
    outcome = play("patch_verify", src=patches["cmdline_v2"])
    assert outcome.code == 0, outcome.output
    assert outcome.result["verified"] is True
    proof = {"patch": "cmdline_v2", "object": "vmlinux", "sympos": 1, "claimed": True, "in_sysfs": True,
             "object_loaded": True, "ftrace": True, "overridden_by": None}
    assert outcome.result["functions"] == [
        {"name": "arch_report_meminfo", **proof}, {"name": "cmdline_proc_show", **proof}]
    assert outcome.trips == ["ssh"]


def test_verify_works_from_what_the_host_keeps(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    assert play("patch_verify").result["patches"] == ["cmdline_v1"]


@pytest.mark.exhaustive
def test_verify_fails_for_another_build(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    outcome = play("patch_verify", src=patches["cmdline_v1_rebuilt"])
    assert outcome.code == 2
    assert outcome.result["code"] == "other-build"
    assert outcome.result["verified"] is False


@pytest.mark.exhaustive
def test_verify_sees_that_a_later_patch_took_over(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    assert play("patch", src=patches["with_params"]).code == 0
    outcome = play("patch_verify", name="cmdline_v1")
    assert outcome.result["code"] == "function-overridden"
    assert play("patch_verify", name="with_params").result["verified"] is True


def test_verify_does_not_take_a_hand_loaded_patch_on_trust(play, guest, patches):
    guest.load(patches["cmdline_v1"])
    guest.wait("test $(cat /sys/kernel/livepatch/cmdline_v1/transition) = 0")
    assert play("patch_verify", name="cmdline_v1").result["code"] == "file-unknown"
    assert play("patch_verify", src=patches["cmdline_v1"]).result["verified"] is True


@pytest.mark.core
def test_verify_fails_for_what_is_not_there(play, guest, patches):
    assert play("patch_verify", src=patches["cmdline_v1"]).result["code"] == "not-loaded"
    assert play("patch_verify").result["code"] == "nothing-enabled"


@pytest.mark.core
def test_info_tells_what_the_kernel_shows(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    guest.load(patches["with_params"])
    guest.wait("test $(cat /sys/kernel/livepatch/with_params/transition) = 0")
    livepatch = play("patch_info").result["livepatch"]
    assert livepatch["interface"] == "livepatch"
    assert livepatch["kernel"]["release"] == guest.release()
    assert livepatch["kernel"]["boot_id"] == guest.read("/proc/sys/kernel/random/boot_id").strip()
    assert {"letter": "K", "meaning": "live patched"} in livepatch["kernel"]["taints"]
    assert [(patch["name"], patch["state"]) for patch in livepatch["patches"]] == [
        ("cmdline_v1", "enabled"), ("with_params", "enabled")]
    assert livepatch["transition"] is None
    assert [kept["name"] for kept in livepatch["kept"]] == ["cmdline_v1"]


def test_info_works_without_root(play, guest):
    outcome = play("patch_info", play_keywords={"vars": {"ansible_user": "operator"}})
    assert outcome.code == 0, outcome.output
    assert outcome.result["livepatch"]["kernel"]["release"] == guest.release()


@pytest.mark.exhaustive
def test_rollback_unloads_every_patch_newest_first(play, guest, patches):
    before = guest.read("/proc/cmdline")
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    guest.load(patches["with_params"])
    guest.wait("test $(cat /sys/kernel/livepatch/with_params/transition) = 0")
    planned = play("patch_rollback", "--check", to="original")
    assert planned.result["changed"] is True
    assert guest.live_patches() == ["cmdline_v1", "with_params"]
    outcome = play("patch_rollback", to="original")
    assert outcome.code == 0, outcome.output
    assert [patch["name"] for patch in outcome.result["removed"]] == ["with_params", "cmdline_v1"]
    assert guest.read("/proc/cmdline") == before
    assert guest.live_patches() == []
    assert not guest.has_module("cmdline_v1") and not guest.has_module("with_params")
    assert play("patch_rollback", to="original").result["changed"] is False


CVES = """
patches:
  cmdline_v1:
    cves: [CVE-2026-1111]
    not_covered: {CVE-2026-2222: the fix changes data that is in use}
    version: "1.10"
    expires: 2020-01-31
    effective_kernel: 6.1.0-99-amd64
"""
NOTE = "/sys/module/cmdline_v1/notes/.note.gnu.build-id"
FILES = ("/proc/sys/kernel/osrelease", "/sys/kernel/livepatch/cmdline_v1/enabled",
         "/sys/kernel/livepatch/cmdline_v1/transition", NOTE)


def scanned(guest, definitions, root):
    """What OpenSCAP says on this machine of the files that the kernel of the guest shows."""
    for path in FILES:
        copy = root / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(bytes.fromhex(guest.run(f"od -An -v -tx1 {path}")))
    done = subprocess.run(
        ["oscap", "oval", "eval", definitions], env={**os.environ, "OSCAP_PROBE_ROOT": str(root)}, check=True,
        stdout=subprocess.PIPE, text=True)
    return [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("Definition ")]


def test_the_host_tells_what_it_is_free_of_and_two_builds_of_one_name_apart(
        play, playbooks, guest, patches, tmp_path, seen):
    bundle, reports = tmp_path / "bundle", tmp_path / "reports"
    bundle.mkdir()
    shutil.copy(patches["cmdline_v1"], bundle / "cmdline_v1.ko")
    bundle.joinpath("bundle.yml").write_text(CVES, encoding="utf-8")
    status = ("-e", f"livepatch_src={bundle}", "-e", f"livepatch_report_dir={reports}")

    def told():
        for old in reports.glob("*"):
            old.unlink()
        assert playbooks.run_playbook("kernel.livepatch.status", *status).code == 0
        (row,) = csv.DictReader(next(reports.glob("*.csv")).read_text(encoding="utf-8").splitlines())
        vex = json.loads(next(reports.glob("*.openvex")).read_text(encoding="utf-8"))
        return row, {one["vulnerability"]["name"]: one["status"] for one in vex["statements"]}

    assert play("patch", src=bundle).code == 0
    found = play("patch_info").result["livepatch"]
    assert found["coverage"]["cves"] == ["CVE-2026-1111"]
    assert (found["coverage"]["expired"], found["coverage"]["effective_kernel"]) == (["cmdline_v1"], "6.1.0-99-amd64")
    assert found["coverage"]["reboot"]["closes"] == ["CVE-2026-2222"]
    (ours,) = found["patches"]
    assert (ours["verified"], ours["version"]) == (True, "1.10")
    assert ours["sha256"] == hashlib.sha256(patches["cmdline_v1"].read_bytes()).hexdigest()
    row, vex = told()
    assert [row[key] for key in ("build_id", "sha256", "cves_closed", "cves_open")] == [
        ours["build_id"], ours["sha256"], "CVE-2026-1111", "CVE-2026-2222"]
    assert vex == {"CVE-2026-1111": "fixed", "CVE-2026-2222": "affected"}
    definitions = shutil.copy(next(reports.glob("*.oval.xml")), tmp_path)
    assert scanned(guest, definitions, tmp_path / "ours") == ["true"]

    # A later patch has the function now.
    assert play("patch", src=patches["with_params"]).code == 0
    found = play("patch_info").result["livepatch"]
    assert found["coverage"]["cves"] == []
    assert found["coverage"]["unverified"] == [
        {"name": "cmdline_v1", "cves": ["CVE-2026-1111"], "codes": ["function-overridden"]}]

    guest.clean()
    assert play("patch", src=patches["cmdline_v1_rebuilt"]).code == 0
    found = play("patch_info").result["livepatch"]
    assert found["coverage"]["cves"] == []
    (other,) = found["patches"]
    assert other["name"] == ours["name"] and other["build_id"] != ours["build_id"]
    row, vex = told()
    assert (row["build_id"], row["cves_closed"]) == (other["build_id"], "")
    assert vex == {"CVE-2026-1111": "under_investigation"}
    assert scanned(guest, definitions, tmp_path / "other") == ["false"]
    seen("a patch with a CVE; a later patch over its function; another build of its name",
         "closed; not verified; not known, in patch_info, CSV, OpenVEX and OVAL")
