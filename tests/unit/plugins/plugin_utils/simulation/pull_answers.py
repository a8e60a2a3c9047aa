# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: what a host that patches itself answers to the modules that the role pull calls."""

from __future__ import annotations

SHA = "5" * 64
SOAK, TRIAL = 600, 3600
RUN = "pull"


def info(trial=None, run=RUN, failed_watch=None):
    lease = {"run": run} if trial and run else None
    return {"livepatch": {"trial": trial, "lease": lease, "failed_watch": failed_watch}}


def trial(left=3500, name="fix", seconds=TRIAL):
    return {"name": name, "transaction": "t7", "seconds": seconds, "seconds_left": left}


def check(state="absent", findings=(), name="fix", **more):
    return {"compatible": not findings, "arch": "x86_64", "findings": list(findings), "trial": None,
            "patch": {"name": name, "state": state, "kernel": "6.1.0-1", "sha256": SHA}, **more}


def blocker(code):
    return {"code": code, "level": "blocker", "subject": "fix", "message": f"This is {code}."}


NO_BUILD = check("no_build", compatible=False)
LEASED = check("enabled", [blocker("host-leased")])


BACK = {"changed": True, "findings": [], "target": [], "removed": [{"name": "fix"}], "restored": []}
NONE_ENABLED = {
    "failed": True, "code": "nothing-enabled", "msg": "x", "patches": [], "findings": [blocker("nothing-enabled")]}


def patched(state):
    return {"changed": True, "patch": {"name": "fix", "state": state}}
