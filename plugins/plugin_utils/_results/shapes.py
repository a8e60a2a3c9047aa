# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The shape of each module's result: the keys in RETURN of plugins/modules, with the type and the bound of each.

A unit test compares this with RETURN. Names and digests identify something, so a longer one does not fit. Texts for
people are truncated. Findings, tasks and log lines can be many on an honest host: the worst or the first are kept. Of
everything else, no honest host has as many as the bound.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import (
    LEVELS,
    Flag,
    Items,
    Keys,
    Kind,
    Number,
    Text,
)

LONGEST_NAME = 128  # of a patch or a module; the kernel's MODULE_NAME_LEN is 56 (include/linux/module.h)
MOST_PATCHES = 200
STATES = ("accepted", "enabled", "disabled", "absent", "enabling", "disabling", "no_build")
STATES_IN_KERNEL = ("accepted", "enabled", "disabled", "enabling", "disabling")
CHECKS = ("command", "url", "unit")
REASONS = ("running", "unreliable-stack", "asleep-in-function", "unknown")

WHOLE, MAYBE_WHOLE = Number(whole=True), Number(whole=True, null=True)
MAYBE_NUMBER, FLAG, MAYBE_FLAG = Number(null=True), Flag(), Flag(null=True)
NAME, MAYBE_NAME = Text(LONGEST_NAME), Text(LONGEST_NAME, null=True)
SYMBOL, MAYBE_SYMBOL = Text(512), Text(512, null=True)  # KSYM_NAME_LEN (include/linux/kallsyms.h)
MAYBE_DIGEST = Text(128, null=True)
RELEASE, MAYBE_RELEASE = Text(LONGEST_NAME), Text(LONGEST_NAME, null=True)
MAYBE_TRANSACTION, MAYBE_TIME, MAYBE_BOOT = Text(128, null=True), Text(64, null=True), Text(64, null=True)
MAYBE_PARAMETERS = Text(8192, cut=True, null=True)  # for people; no task uses it
CODE, MAYBE_CODE = Text(80, pattern="[a-z0-9-]+"), Text(80, null=True)
NAMES, MAYBE_NAMES = Items(NAME, MOST_PATCHES), Items(NAME, MOST_PATCHES, null=True)
LOG = Items(Text(1000, cut=True), 100, keep="first", title="kernel_log")
STACK = Items(SYMBOL, 64, keep="first", title="stack")  # the kernel saves as many entries (fs/proc/base.c)

FINDING = Keys({
    "code": CODE, "level": Text(16, choices=LEVELS), "subject": Text(1000, cut=True, null=True),
    "message": Text(4000, cut=True)})
FINDINGS = Items(FINDING, 1000, keep="worst", title="findings")
OBJECTS = Items(Keys({
    "name": SYMBOL, "patched": FLAG,
    "functions": Items(Keys({"name": SYMBOL, "sympos": MAYBE_WHOLE}), 20000)}), 2000)
PATCH = Keys({
    "name": MAYBE_NAME, "state": Text(16, choices=STATES), "previous_state": Text(16, choices=STATES, null=True),
    "kernel": RELEASE, "sha256": MAYBE_DIGEST, "build_id": MAYBE_DIGEST, "objects": OBJECTS, "replaces": NAMES,
    "transition_seconds": MAYBE_NUMBER})
TASK: Mapping[str, Kind] = {"pid": WHOLE, "tid": WHOLE, "comm": Text(128, cut=True), "kthread": FLAG}
BLOCKERS = Items(
    Keys({**TASK, "reason": Text(32, choices=REASONS), "function": MAYBE_SYMBOL, "stack": STACK}),
    500, keep="first", title="blockers")
EVIDENCE = Items(Keys({
    "patch": NAME, "object": SYMBOL, "name": SYMBOL, "sympos": MAYBE_WHOLE, "claimed": FLAG, "in_sysfs": FLAG,
    "object_loaded": FLAG, "ftrace": MAYBE_FLAG, "overridden_by": MAYBE_NAME}), 20000)
_ACTOR = Text(256, cut=True, null=True)
WHO = Keys({"controller_user": _ACTOR, "controller_node": _ACTOR, "user": _ACTOR, "address": _ACTOR}, null=True)
CHANGING = Keys({"transaction": MAYBE_TRANSACTION, "since": MAYBE_TIME, "pid": MAYBE_WHOLE, "who": WHO}, null=True)
LEASE = Keys({"run": Text(64), "who": WHO, "since": MAYBE_TIME, "until": MAYBE_TIME}, null=True)
HOOK = Keys({"run": Text(64, null=True), "who": WHO, "since": MAYBE_TIME}, null=True)
BUILDS: Mapping[str, Kind] = {"builds": Items(Keys({"name": NAME, "build_id": MAYBE_DIGEST}), MOST_PATCHES)}
MOVES = Items(Keys({"name": NAME, "transition_seconds": MAYBE_NUMBER}), MOST_PATCHES)
BASELINE = Keys({
    "boot_id": MAYBE_BOOT, "taints": MAYBE_WHOLE, "uptime": MAYBE_NUMBER, "kernel_log": MAYBE_WHOLE})
VERDICT: Mapping[str, Kind] = {
    "looks": WHOLE, "first": MAYBE_TIME, "last": MAYBE_TIME,
    "findings": Items(
        Keys({**FINDING.must, "level": Text(16, choices=LEVELS[:2])}), 1000, keep="worst", title="watch.findings"),
    "health": Items(Keys({
        "name": Text(500, cut=True), "kind": Text(16, choices=CHECKS), "ok": WHOLE, "failed": WHOLE, "in_a_row": WHOLE,
        "message": Text(1000, cut=True, null=True)}), 100),
    "calls": Items(Keys({"object": SYMBOL, "name": SYMBOL, "sympos": WHOLE, "calls": MAYBE_WHOLE}), 500)}
WATCH = Keys(VERDICT, null=True)

_LAYERS = Items(Keys({
    "name": NAME, "build_id": MAYBE_DIGEST, "sha256": MAYBE_DIGEST, "parameters": MAYBE_PARAMETERS,
    "accepted": MAYBE_FLAG}), MOST_PATCHES, null=True)
_JOURNAL = Items(Keys({
    "transaction": MAYBE_TRANSACTION, "action": Text(32, null=True), "outcome": Text(32, null=True), "code": MAYBE_CODE,
    "why": Text(2000, cut=True, null=True), "began": MAYBE_TIME, "ended": MAYBE_TIME, "seconds": MAYBE_NUMBER,
    "boot_id": MAYBE_BOOT, "kernel": MAYBE_RELEASE, "who": WHO,
    "patches": Items(Keys({
        "name": NAME, "build_id": MAYBE_DIGEST, "sha256": MAYBE_DIGEST, "previous_state": Text(32, null=True),
        "wanted_state": Text(32, null=True), "kernel": MAYBE_RELEASE, "state": Text(32, null=True),
        "transition_seconds": MAYBE_NUMBER}),
        MOST_PATCHES),
    "replaces": NAMES, "before": _LAYERS, "after": _LAYERS}), 100, null=True)
_KERNEL = Keys({
    "release": RELEASE, "arch": Text(64), "version": Text(512, cut=True, null=True), "build_id": MAYBE_DIGEST,
    "boot_id": MAYBE_BOOT,
    "taints": Items(Keys({"letter": Text(8), "meaning": Text(200, cut=True)}), 128),
    "lockdown": Text(64, cut=True, null=True), "signatures": Keys({"enforced": MAYBE_FLAG}),
    "modules_disabled": MAYBE_FLAG})
_CVE, _DAY, MAYBE_VERSION = Text(64), Text(16, null=True), Text(128, null=True)
_CVES = Items(_CVE, 5000, keep="first", title="cves")
_NOT_COVERED = Items(
    Keys({"cve": _CVE, "reason": Text(1000, cut=True)}), 5000, keep="first", title="not_covered")
_METADATA = Keys({
    "cves": _CVES, "not_covered": _NOT_COVERED, "summary": Text(4000, cut=True, null=True),
    "advisory": Text(2000, cut=True, null=True), "version": MAYBE_VERSION, "expires": _DAY,
    "effective_kernel": MAYBE_RELEASE, "kernel_build_id": MAYBE_DIGEST}, null=True)
_LIVEPATCH = Keys({
    "kernel": _KERNEL,
    "interface": Text(16, choices=("livepatch", "kpatch", "kgraft", "none")),
    "patches": Items(Keys({
        "name": NAME, "state": Text(16, choices=STATES_IN_KERNEL), "replace": MAYBE_FLAG, "replace_set": MAYBE_WHOLE,
        "stack_order": MAYBE_WHOLE,
        "objects": OBJECTS, "build_id": MAYBE_DIGEST, "sha256": MAYBE_DIGEST, "verified": MAYBE_FLAG,
        "taint": Text(64, null=True), "refcnt": MAYBE_WHOLE,
        "version": MAYBE_VERSION, "metadata": _METADATA}),
        MOST_PATCHES),
    "coverage": Keys({
        "cves": _CVES, "not_covered": _NOT_COVERED, "effective_kernel": MAYBE_RELEASE, "expires": _DAY,
        "unverified": Items(Keys({"name": NAME, "cves": _CVES, "codes": Items(CODE, 100)}), MOST_PATCHES),
        "expired": NAMES,
        "reboot": Keys({"closes": _CVES, "replaces": NAMES, "next_kernel": MAYBE_RELEASE,
                        "message": Text(4000, cut=True, null=True)})}, null=True),
    "transition": Keys({
        "name": NAME, "state": Text(16, choices=("enabling", "disabling")), "blockers": BLOCKERS}, null=True),
    "leftovers": Items(Keys({"name": NAME, "build_id": MAYBE_DIGEST, "refcnt": MAYBE_WHOLE}), MOST_PATCHES),
    "kept": Items(Keys({
        "name": NAME, "release": RELEASE, "arch": Text(64), "sha256": MAYBE_DIGEST, "build_id": MAYBE_DIGEST,
        "size": MAYBE_WHOLE, "version": MAYBE_VERSION}), 5000),
    "other_tools": Items(Keys({"name": Text(128, cut=True), "active": FLAG, "effect": Text(1000, cut=True)}), 100),
    "changing": CHANGING,
    "lease": LEASE,
    "hook": HOOK,
    "journal": _JOURNAL,
    "journal_unreadable": MAYBE_WHOLE,
    "accepted": Items(Keys({
        "name": NAME, "sha256": MAYBE_DIGEST, "build_id": MAYBE_DIGEST, "release": MAYBE_RELEASE,
        "parameters": MAYBE_PARAMETERS, "transaction": MAYBE_TRANSACTION, "since": MAYBE_TIME, "kept": FLAG,
        "untried": FLAG}), 5000, null=True),
    "boot": Keys({
        "init": Text(32), "installed": FLAG, "enabled": FLAG, "obstacle": Text(1000, cut=True, null=True),
        "switched_off": FLAG, "patches": NAMES,
        "next": Keys({
            "loader": Text(32, null=True), "entry": Text(500, cut=True, null=True), "kernel": MAYBE_RELEASE,
            "why": Text(1000, cut=True, null=True), "patches": MAYBE_NAMES})}, null=True),
    "quarantined": Items(Keys({
        "name": NAME, "sha256": MAYBE_DIGEST, "build_id": MAYBE_DIGEST, "why": Text(64, null=True),
        "transaction": MAYBE_TRANSACTION, "since": MAYBE_TIME}), 1000, null=True),
    "trial": Keys({
        "transaction": MAYBE_TRANSACTION, "name": NAME, "since": MAYBE_TIME, "seconds": MAYBE_WHOLE,
        "seconds_left": WHOLE, "back_to": NAMES, "watch": WATCH}, null=True),
    "failed_watch": Keys({
        "name": NAME, "build_id": MAYBE_DIGEST, "sha256": MAYBE_DIGEST, "transaction": MAYBE_TRANSACTION,
        "time": MAYBE_TIME, **VERDICT}, null=True),
    "drift": Items(
        Keys({**FINDING.must, "level": Text(16, choices=LEVELS[1:])}), 1000, keep="worst", title="drift", null=True)})


@dataclasses.dataclass(frozen=True)
class Shape:
    """The result of a module: the keys of a success, and those that only a failure has beside them.

    `may`: keys that a success need not have. `diff`: whether the module returns one. `asks`: whether it can request
    something from the controller.
    """

    success: Mapping[str, Kind]
    failure: Mapping[str, Kind] = dataclasses.field(default_factory=dict)
    may: Mapping[str, Kind] = dataclasses.field(default_factory=dict)
    diff: bool = False
    asks: bool = False


# Of a load that the kernel has refused.
REFUSED: Mapping[str, Kind] = {"errno": Text(32), "attempts": WHOLE, "kernel_log": LOG}
# Of a file on the host.
PACKAGE: Mapping[str, Kind] = {"package": Keys({
    "name": Text(256), "version": Text(256), "manager": Text(16, choices=("dpkg", "rpm", "pacman"))}, null=True)}

BUILD = Keys({
    "name": NAME, "release": MAYBE_RELEASE, "arch": Text(64), "kernel_build_id": MAYBE_DIGEST, "tool": Text(32),
    "tool_version": Text(128, cut=True), "compiler": Text(256, cut=True, null=True), "source": Text(128),
    "inputs": Text(128), "replace": FLAG, "signed": FLAG, "sha256": MAYBE_DIGEST, "size": MAYBE_WHOLE})

SHAPES = {
    "patch": Shape(
        {"patch": PATCH, "transaction": MAYBE_TRANSACTION, "baseline": BASELINE, "findings": FINDINGS,
         "blockers": BLOCKERS, "watch": WATCH},
        {"holder": CHANGING, "lease": LEASE, **REFUSED}, PACKAGE, diff=True, asks=True),
    "patch_build": Shape(
        {"state": Text(16, choices=("built", "unchanged", "planned", "running")), "job": Text(128),
         "remote_file": Text(4096), "file": Text(4096, null=True), "build": BUILD,
         "progress": Keys({"step": Text(200, cut=True), "compiled": WHOLE, "seconds": WHOLE}), "findings": FINDINGS},
        {"log": Items(Text(1000, cut=True), 100, keep="first", title="log"), "log_path": Text(4096)}, diff=True),
    "patch_check": Shape({
        "compatible": FLAG, "patch": PATCH, "has_file": FLAG, "arch": Text(64), "kernel_build_id": MAYBE_DIGEST,
        "findings": FINDINGS,
        "forecast": Keys({
            "replaces": NAMES,
            "rollback": Keys({"possible": MAYBE_FLAG, "to": NAMES, "reasons": FINDINGS}),
            "sleepers": Items(
                Keys({**TASK, "function": SYMBOL, "stack": STACK, "seen": WHOLE}), 500, keep="first",
                title="sleepers")}),
        "trial": Keys({"name": NAME, "seconds_left": WHOLE}, null=True), "hook": HOOK}, may=PACKAGE, asks=True),
    "patch_hook": Shape({"hook": HOOK, "findings": FINDINGS}, {"holder": CHANGING, "lease": LEASE}),
    "patch_info": Shape({"livepatch": _LIVEPATCH}),
    "patch_rollback": Shape(
        {"removed": MOVES, "restored": MOVES, "target": NAMES, "transaction": MAYBE_TRANSACTION, "findings": FINDINGS,
         "blockers": BLOCKERS},
        {"holder": CHANGING, "lease": LEASE, **REFUSED}, BUILDS, diff=True),
    "patch_verify": Shape(
        {"verified": FLAG, "patches": NAMES, "functions": EVIDENCE, "findings": FINDINGS},
        may={**PACKAGE, **BUILDS}, asks=True),
    "patch_watch": Shape({
        "well": FLAG, "state": Text(16, choices=STATES[:-1]), "verified": MAYBE_FLAG, "functions": EVIDENCE,
        "blockers": BLOCKERS,
        "health": Items(Keys({
            "name": Text(500, cut=True), "kind": Text(16, choices=CHECKS), "ok": FLAG,
            "message": Text(1000, cut=True), "seconds": MAYBE_NUMBER}), 1000),
        "boot_id": MAYBE_BOOT, "taints": MAYBE_WHOLE, "kernel_log": LOG,
        "trial": Keys({"seconds_left": WHOLE}, null=True), "watch": WATCH, "findings": FINDINGS}),
}
