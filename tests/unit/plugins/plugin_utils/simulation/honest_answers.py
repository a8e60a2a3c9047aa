# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an honest host returns for each module: the samples in its documentation."""

from __future__ import annotations

import functools
import importlib

import yaml

MODULES = (
    "patch", "patch_build", "patch_check", "patch_hook", "patch_info", "patch_rollback", "patch_verify", "patch_watch")
DIFF = {"before_header": "live patches of 6.1.0-56-amd64", "after_header": "live patches of 6.1.0-56-amd64",
        "before": "no live patch\n", "after": "fix: enabled\n"}


# Documented, and made by the controller from the checked result.
OF_CONTROLLER = "ansible_facts"


@functools.cache
def documented(module):
    """RETURN of a module, as far as a host returns it; callers must not change it."""
    found = importlib.import_module(f"ansible_collections.kernel.livepatch.plugins.modules.{module}")
    return {key: entry for key, entry in yaml.safe_load(found.RETURN).items() if key != OF_CONTROLLER}


def is_of_failure_only(entry):
    """Whether a documented key is in failed results only."""
    return entry.get("returned", "").startswith(("on failure", "when the kernel refused", "when RV(code)"))


def sample(entry):
    """A value for a documented key."""
    if "contains" in entry:
        inside = {key: sample(inner) for key, inner in entry["contains"].items()}
        return [inside] if entry["type"] == "list" else inside
    return entry["sample"] if "sample" in entry else {"list": []}[entry["type"]]


def honest(module, **other):
    """A success of a module, with other values for some keys."""
    keys = {key: sample(entry) for key, entry in documented(module).items() if not is_of_failure_only(entry)}
    diff = {"diff": DIFF} if module in ("patch", "patch_build", "patch_rollback") else {}
    return {"changed": False, **keys, **diff, **other}


def failed(**other):
    return {"failed": True, "changed": False, "msg": "It did not work.", "code": "wrong-release", **other}
