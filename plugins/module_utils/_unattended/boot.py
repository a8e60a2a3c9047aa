# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles live patches without a controller: when the host starts, some time after that, and when it shuts down."""

import contextlib

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.restore import StackRestore
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import (
    arm,
    armed,
    schedule_boot_confirmation,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import Systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import switched_off
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.clean_shutdown import record_clean_shutdown
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_for_other_kernel_builds,
    accepted_for_running_kernel,
    contains_build,
    read_ledger,
    still_loaded,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.program import this_program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

WAIT_SECONDS = 60  # for another change's end; at boot only after a soft reboot
TRANSITION_SECONDS = 30  # sshd waits for this; a longer transition continues in the kernel
# A crash within this time is blamed on the patches loaded at boot.
CONFIRMATION_SECONDS = 600


def boot(host):
    """Load the accepted patches of the running kernel, oldest first; raises LivepatchError with the first failure.

    Loads nothing if it has run in this boot before, or with kernel_livepatch=off on the kernel command line.
    Returns the result as sentences, or None.
    """
    ledger = read_ledger(host)
    if ledger["boot_id"] == host.read_or(BOOT_ID):
        _rearm(host, ledger)
        return None
    if switched_off(host):
        return None
    with open_transaction(host, "boot", wait=WAIT_SECONDS, seconds=TRANSITION_SECONDS) as transaction:
        transaction.update_ledger(watched=True)  # writes the ledger for this boot, also if the load fails
        messages = [f"{one['name']} is in quarantine since {one['since']} and is not loaded ({one['why']})."
                    for one in transaction.ledger["quarantined"]]
        messages += [
            finding("accepted-for-other-kernel-build", one["name"], name=one["name"], release=one["release"],
                    wanted=one["kernel_build_id"])["message"]
            for one in accepted_for_other_kernel_builds(host, transaction.ledger)]
        if accepted_for_running_kernel(host, transaction.ledger):
            messages.append(_load(host, transaction))
        return " ".join(messages)


def _rearm(host, ledger):
    """Arm the trial and the confirmation again after a soft reboot: it keeps kernel and patches, and ends processes."""
    trial, booted = ledger["trial"], ledger["booted"]
    if trial and not armed(host, trial["transaction"]):
        arm(host, trial["transaction"], [*this_program(host), "end-trial"])
    if booted["patches"] and not booted["confirmed"]:
        with contextlib.suppress(LivepatchError, OSError):  # it may be armed still
            _schedule_confirmation(host)


def _schedule_confirmation(host):
    schedule_boot_confirmation(host, [*this_program(host), "confirm-boot"], CONFIRMATION_SECONDS)


def confirm_boot(host):
    """Record that the host has run long enough with the patches loaded at boot."""
    with open_transaction(host, "boot", wait=CONFIRMATION_SECONDS) as transaction:
        booted = transaction.ledger["booted"]
        if booted["patches"]:
            transaction.update_ledger(booted=dict(booted, confirmed=True), accepted=[
                _tried(host, entry) if contains_build(booted["patches"], entry) else entry
                for entry in transaction.ledger["accepted"]])


def _tried(host, entry):
    """An accepted entry whose patch has run on this kernel."""
    return dict(entry, untried=None, kernel_build_id=entry["kernel_build_id"] or kernel_build_id(host))


def shut_down(host):
    """Record a clean shutdown, so that no patch is blamed for it; does nothing if only the service is stopped."""
    if not Systemd.runs(host) or Systemd(host).is_shutting_down():
        record_clean_shutdown(host)


def _load(host, transaction):
    interface = interface_adapter(host)
    before = interface.patches()
    stack = running_stack(host, before, transaction.ledger)
    wanted = accepted_for_running_kernel(host, transaction.ledger)
    running = {layer["name"] for layer in stack}
    # Another tool can have loaded a patch earlier in this boot: the same build is loaded once, and another one stays.
    others = [entry for entry in wanted if entry["name"] in running and not contains_build(stack, entry)]
    missing = [entry for entry in wanted if entry["name"] not in running]
    if not missing:
        _refuse_other_builds(host, others)
        return "All accepted live patches are loaded already."
    transaction.begin([
        {"name": entry["name"], "sha256": entry["sha256"], "build_id": entry["build_id"],
         "previous_state": interface.state(entry["name"]), "wanted_state": "accepted"} for entry in missing], before)
    transaction.update_ledger(loaded=[_loaded_entry(entry) for entry in wanted if entry not in missing + others])
    restore = StackRestore(host, interface, missing, TRANSITION_SECONDS, "wait")
    code, outcome = None, "failed"
    try:
        finished = restore.load_all(lambda entry: _record_load(transaction, entry))
        _refuse_other_builds(host, others)
        outcome = "done" if finished else "in-transition"
    except LivepatchError as error:
        code = error.code
        raise
    finally:
        with contextlib.suppress(LivepatchError, OSError):  # without it, a later crash is blamed on these patches
            _schedule_confirmation(host)
        transaction.update_ledger_best_effort(loaded=still_loaded(interface.patches(), transaction.ledger))
        seconds = {done["name"]: done["transition_seconds"] for done in restore.restored}
        transaction.end(outcome, [
            {"name": entry["name"], "state": interface.state(entry["name"]),
             "transition_seconds": seconds.get(entry["name"])} for entry in missing], interface.patches(), code=code)

    return f"Loaded the accepted live patches: {', '.join(seconds)}."


def _refuse_other_builds(host, others):
    """Raises LivepatchError `name-taken-by-other-build` for accepted entries that are loaded in another build."""
    blockers = [finding(
        "name-taken-by-other-build", entry["name"], name=entry["name"], state="enabled",
        loaded=module_build_id(host, entry["name"]) or "none", file=f"the accepted {entry['name']}",
        wanted=entry["build_id"] or "none") for entry in others]
    if blockers:
        raise error_from(blockers)


def _record_load(transaction, entry):
    """Write a patch to the ledger before its load; after a crash, this patch and the earlier ones are suspects."""
    ledger, entry = transaction.ledger, _loaded_entry(entry)
    transaction.update_ledger(loaded=[*ledger["loaded"], entry], booted=dict(
        ledger["booted"], patches=[*ledger["booted"]["patches"], entry]))


def _loaded_entry(entry):
    """An accepted entry in the form of the ledger's `loaded`."""
    return {key: value for key, value in entry.items() if key not in ("since", "untried", "kernel_build_id")}
