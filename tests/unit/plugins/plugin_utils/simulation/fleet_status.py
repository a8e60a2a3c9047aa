# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated patch_info results of a fleet in which one patch name has two builds."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import status_record
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.example_records import START

KERNEL = "6.1.0-56-amd64"
OURS, OTHER = ("a1" * 20, "4f" * 32), ("b2" * 20, "5e" * 32)
REASON = "the fix changes data that is in use"
BUILD = {
    "name": "fix", "release": KERNEL, "arch": "x86_64", "build_id": OURS[0], "sha256": OURS[1], "file": "fix.ko",
    "version": "1.10", "objects": [], "metadata": {"cves": ["CVE-2026-1111", "CVE-2026-2222"]}}


def metadata(*cves, version="1.10"):
    return {"cves": list(cves), "not_covered": [{"cve": "CVE-2026-3333", "reason": REASON}], "version": version,
            "expires": "2027-01-31", "effective_kernel": None, "summary": None, "advisory": None,
            "kernel_build_id": None}


def patch(build=OURS, version="1.10", cves=("CVE-2026-1111", "CVE-2026-2222"), state="accepted", verified=True, **more):
    return {"name": "fix", "state": state, "version": version, "build_id": build[0], "sha256": build[1],
            "verified": verified, "metadata": metadata(*cves, version=version),
            "objects": [{"name": "vmlinux", "patched": True, "functions": [{"name": "one", "sympos": 1}]}], **more}


def coverage(*cves, **more):
    return {"cves": list(cves), "not_covered": [{"cve": "CVE-2026-3333", "reason": REASON}], "unverified": [],
            "effective_kernel": None, "expires": "2027-01-31", "expired": [],
            "reboot": {"closes": ["CVE-2026-3333"], "replaces": [], "message": "Reboot into a fixed kernel."}, **more}


def info(*patches, told=None, **more):
    return {"livepatch": {
        "kernel": {"release": KERNEL, "arch": "x86_64", "build_id": "0a" * 20}, "interface": "livepatch",
        "patches": list(patches), "transition": None, "changing": None, "trial": None, "quarantined": [], "drift": [],
        "coverage": told, **more}}


BOTH = ("CVE-2026-1111", "CVE-2026-2222")
NOTHING = coverage(not_covered=[], reboot={"closes": [], "replaces": [], "message": None}, expires=None)
FLEET = {
    "ours": info(patch(), told=coverage(*BOTH)),
    "other": info(patch(OTHER, "1.9", BOTH[:1]), told=coverage(*BOTH[:1])),
    "trying": info(patch(state="enabled"), told=coverage(*BOTH), trial={"name": "fix", "seconds_left": 60}),
    "broken": info(patch(state="enabled", verified=False), told=coverage(
        unverified=[{"name": "fix", "cves": list(BOTH), "codes": ["function-not-hooked"]}])),
    "bare": info(told=NOTHING),
    "untold": info(patch(state="enabled", verified=None, metadata=None, sha256=None), drift=None, quarantined=None),
    "gone": {"unreachable": True, "msg": "Connection refused"},
}


def record(answers=None, builds=(BUILD,)):
    made = status_record(FLEET if answers is None else answers, {}, None, builds and list(builds), {}, START)
    return dict(made, id="20261121T160211Z-1a2b3c", operator={"user": "alice", "node": "control1"})
