# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepts a build for an installed kernel that does not run, so that the first boot of it loads the patch."""

from ansible_collections.kernel.livepatch.plugins.module_utils._change.adoption import shared_boots_of
from ansible_collections.kernel.livepatch.plugins.module_utils._change.boot_repair import (
    boot_obstacles,
    file_faults,
    repair_directories,
    service_repairs,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._change.image import fetch_image
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.installed_kernel import (
    check_installed,
    checks_without_running,
    unknown_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, error_from, merge
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import (
    install_boot_service,
    own_paths,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.installed_kernel import InstalledKernel
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.module_parameters import parameter_line
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.selinux import restore_labels
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_or_none
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import claimed_objects
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import resolve_name
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.remote_source import located, package_of
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.replacement import has_replace_sets
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.result import patch_result
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.selection import no_build_note, select_build
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import refuse_leased
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_entry,
    accepted_for,
    accepted_with,
    entry_of,
    same_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import read_ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import ensure_program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def apply_for_other_kernel(host, store, request, check_mode, controller):
    """Accept a build for the kernel `request.kernel`, or with state `absent` end that; returns the task's result.

    Raises ControllerRequest, and LivepatchError with nothing changed.
    """
    kernel = InstalledKernel(host, request.kernel)
    ledger = read_ledger_for_this_boot(host)
    if request.state == "absent":
        return _remove(host, kernel, ledger, request, check_mode, controller)
    if request.offer is None:
        raise LivepatchError(
            "bad-option",
            f"src is missing. Name a patch file or a bundle: the build for kernel {request.kernel} is not loaded now, "
            "so its name alone does not tell it.")
    check_installed(kernel, host)
    request = request._replace(offer=located(kernel, request.offer, request.name, request.version))
    description = _select(kernel, store, request)
    if description is None:
        patch = patch_result(kernel, request.name, state="no_build", previous_state="no_build")
        result = _unchanged(kernel, ledger, patch, [
            no_build_note(kernel, request.offer, request.name, request.version)])
    else:
        result = _accept(host, kernel, store, ledger, request, description, check_mode, controller)
    return dict(result, **package_of(host, request.offer))


def _select(kernel, store, request):
    try:
        return select_build(kernel, store, request.offer, request.name, request.version)
    except LivepatchError as error:
        if error.code == "kernel-build-unknown":
            raise unknown_build(kernel) from error
        raise


def _accept(host, kernel, store, ledger, request, description, check_mode, controller):
    entry = entry_of(description, parameter_line(request.params), "")
    earlier = next((one for one in accepted_for(ledger, kernel.release()) if same_build(one, entry)), None)
    known = earlier is not None and earlier["parameters"] == entry["parameters"]
    previous = "accepted" if earlier else "absent"
    patch = patch_result(kernel, entry["name"], state="accepted", previous_state=previous, sha256=entry["sha256"],
                         build_id=entry["build_id"], objects=claimed_objects(description))
    findings = checks_without_running(kernel, host, description, request.params) + shared_boots_of(kernel, known)
    blockers = blockers_in(findings, request.ignore_findings)
    if blockers:
        raise error_from(blockers, findings=findings, patch=dict(patch, state=previous))
    findings += boot_obstacles(host)
    faults = file_faults(store, description)
    if known and not (faults or store.has_other_metadata(description) or service_repairs(host)):
        return _unchanged(kernel, ledger, patch, findings)
    refuse_leased(host, controller)

    def accepted(now, transaction):
        untried = earlier["untried"] if known else sorted(request.ignore_findings)
        kernel_build = earlier["kernel_build_id"] if known else None
        added = accepted_entry(dict(entry, transaction=transaction.name if transaction else ""),
                               transaction.now() if transaction else "", kernel_build, untried)
        return accepted_with(now, [], added,
                             lambda one: one["name"] != entry["name"] and _replaces_others(host, description))
    result = _changed(kernel, ledger, accepted(ledger, None), patch, findings)
    if check_mode:
        return result
    repair_directories(host)
    with open_transaction(host, "accept", controller) as transaction:
        if faults:
            fetch_image(host, store, request.offer, description)
        else:
            store.update(description)

        def keep():
            transaction.update_ledger()  # the program reads it, and does nothing in a boot that it names
            watched = install_boot_service(host, ensure_program(host, probe=True), enable=True)
            now = transaction.ledger
            transaction.update_ledger(accepted=accepted(now, transaction), watched=watched, quarantined=[
                one for one in now["quarantined"] if not same_build(one, entry)])
            return restore_labels(host, own_paths(host))
        more = _journaled(host, transaction, patch, previous, keep)
    return dict(result, findings=merge(findings, more), transaction=transaction.id)


def _replaces_others(host, description):
    """Whether the patch replaces the others of its kernel; with replace sets, only a kernel that runs tells that."""
    interface = interface_or_none(host)
    return description["replace"] is not False and not (interface and has_replace_sets(interface.patches()))


def _remove(host, kernel, ledger, request, check_mode, controller):
    here = accepted_for(ledger, kernel.release())
    name = resolve_name(request.name, [entry["name"] for entry in here])
    gone = next((entry for entry in here if entry["name"] == name), None)
    if gone is None:
        return _unchanged(kernel, ledger, patch_result(kernel, name, state="absent", previous_state="absent"), [])
    refuse_leased(host, controller)
    patch = patch_result(kernel, name, state="absent", previous_state="accepted", sha256=gone["sha256"],
                         build_id=gone["build_id"])
    result = _changed(kernel, ledger, _without(ledger, gone), patch, [])
    if check_mode:
        return result
    with open_transaction(host, "accept", controller) as transaction:
        def remove():
            transaction.update_ledger(accepted=_without(transaction.ledger, gone))
            return []
        findings = _journaled(host, transaction, patch, "accepted", remove)
    return dict(result, findings=findings, transaction=transaction.id)


def _without(ledger, gone):
    return [entry for entry in ledger["accepted"]
            if (entry["name"], entry["release"]) != (gone["name"], gone["release"])]


def _journaled(host, transaction, patch, previous, act):
    """Do `act` between the two records of the journal; returns its findings and those about the records.

    `patch`: of the result. `previous`: its state before.
    """
    interface = interface_or_none(host)
    patches = interface.patches() if interface else []
    transaction.begin([
        {"name": patch["name"], "sha256": patch["sha256"], "build_id": patch["build_id"], "previous_state": previous,
         "wanted_state": patch["state"], "kernel": patch["kernel"]}], patches)
    reached = {"name": patch["name"], "state": patch["state"], "transition_seconds": None}
    try:
        findings = act()
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        more = transaction.end("failed", [dict(reached, state=previous)], patches, code=error.code)
        error.details["findings"] = error.details.get("findings", []) + more
        error.details.update(transaction=transaction.id, patch=dict(patch, state=previous))
        raise error from failure
    return findings + transaction.end("done", [reached], patches)


def _unchanged(kernel, ledger, patch, findings):
    return dict(_changed(kernel, ledger, ledger["accepted"], patch, findings), changed=False)


def _changed(kernel, ledger, accepted, patch, findings):
    """The task's result; `accepted`: of the ledger afterwards."""
    where = f"patches for the next boot of {kernel.release()}"
    return {
        "changed": True, "transaction": None, "watch": None, "patch": patch, "findings": findings, "blockers": [],
        "diff": {"before_header": where, "after_header": where, "before": _text(kernel, ledger["accepted"]),
                 "after": _text(kernel, accepted)}}


def _text(kernel, accepted):
    return "".join(
        " ".join(filter(None, (f"{entry['name']}: accepted, sha256", entry["sha256"], entry["parameters"]))) + "\n"
        for entry in accepted if entry["release"] == kernel.release()) or "no live patch\n"
