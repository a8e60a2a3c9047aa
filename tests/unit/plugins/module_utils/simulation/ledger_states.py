# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with something to remember: ledgers and journals as changes leave them, and patches loaded by hand."""

import os
from io import BytesIO
from types import SimpleNamespace

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import WHY_NO_BOOT_SERVICE
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.journal import append_record
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
REBUILT = SimulatedPatch(build_id="ab" * 20)  # another build of the same name
LATER = SimulatedPatch("later", build_id="cc" * 20, replace=True)
HERE = "6.1.0-56-amd64"
THIS_BOOT = "2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11"
EARLIER_BOOT = "00000000-7a54-4c1c-8d55-7a8f3d0c9d11"
WHO = {"controller_user": None, "controller_node": None, "user": "root", "address": None}
SYSTEMD = {"installed": True, "enabled": True, "obstacle": None, "switched_off": False, "init": "systemd"}
NO_SYSTEMD = {
    "installed": False, "enabled": False, "obstacle": WHY_NO_BOOT_SERVICE["no-systemd"], "switched_off": False,
    "init": "none"}


def simulated_init_system(kernel, monkeypatch):
    """What stands for the init system: `boot` is what it tells, `armed` the transactions whose trial it will end.

    `faults` are the findings about the boot service.
    """
    kernel.put("/proc/sys/kernel/random/boot_id", f"{THIS_BOOT}\n")
    stand_in = SimpleNamespace(boot=dict(SYSTEMD), armed=(), faults=[])
    inventory = "ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info"
    monkeypatch.setattr(f"{inventory}.boot_service_status", lambda _host: dict(stand_in.boot))
    monkeypatch.setattr(f"{inventory}.armed", lambda _host, transaction: transaction in stand_in.armed)
    monkeypatch.setattr(f"{inventory}.service_faults", lambda _host: list(stand_in.faults))
    return stand_in


def load(kernel, patch):
    """The kernel has it enabled, or as far as its holders let it; whoever did it."""
    path = f"/tmp/{patch.sha256}.ko"
    kernel.put(path, patch.image)
    descriptor = os.open(kernel.path(path), os.O_RDONLY)
    kernel.finit_module(descriptor, "")
    os.close(descriptor)
    kernel.sleep(2)


def unload(kernel, interface, name):
    interface.set_enabled(name, False)
    kernel.sleep(1)
    kernel.sleep(1)
    kernel.delete_module(name)


def store_file(kernel, patch):
    Store(kernel).put(BytesIO(patch.image), patch.description)


def entry(patch, since="2026-11-21T09:00:00Z", **more):
    """What the ledger has of a patch; of `loaded` without `since`."""
    known = {"name": patch.name, "build_id": patch.build_id, "sha256": patch.sha256, "release": HERE,
             "parameters": "count=3", "transaction": "first"}
    return dict(known, since=since, **more) if since else dict(known, **more)


def layer(patch, accepted=False):
    return {"name": patch.name, "build_id": patch.build_id, "sha256": patch.sha256, "parameters": "",
            "accepted": accepted}


def store_ledger(kernel, boot_id=THIS_BOOT, **known):
    """Write a ledger of this boot."""
    write_ledger(kernel, dict(empty_ledger(), boot_id=boot_id, **known))


def on_trial(patch, back_to=()):
    return {"transaction": "trial", "name": patch.name, "since": "2026-11-21T09:10:00Z", "seconds": 300, "ends": 120.6,
            "back_to": [layer(one, accepted=True) for one in back_to], "watch": None, "baseline": None}


def quarantined(patch, since="2026-11-21T09:05:00Z", why="crashed-on-trial"):
    return {"name": patch.name, "build_id": patch.build_id, "sha256": patch.sha256, "why": why, "transaction": "first",
            "since": since}


def change(kernel, name, action="patch", boot_id=THIS_BOOT, patches=(), before=(), after=(), outcome="done", code=None,
           replaces=()):
    """A change in the journal; one without `outcome` was interrupted."""
    append_record(kernel, "begin", {
        "transaction": name, "time": "2026-11-21T09:00:00Z", "boot_id": boot_id, "kernel": HERE, "action": action,
        "who": WHO, "before": list(before), "patches": [
            {"name": patch.name, "sha256": patch.sha256, "build_id": patch.build_id, "previous_state": "absent",
             "wanted_state": "enabled"} for patch in patches]})
    if outcome:
        append_record(kernel, "end", {
            "transaction": name, "time": "2026-11-21T09:00:01Z", "outcome": outcome, "code": code, "why": None,
            "seconds": 1.0, "replaces": list(replaces), "after": list(after), "patches": []})


def drift_codes(kernel):
    return [(found["code"], found["subject"]) for found in host_inventory(kernel)["drift"]]


def drift_messages(kernel):
    return {found["code"]: found["message"] for found in host_inventory(kernel)["drift"]}
