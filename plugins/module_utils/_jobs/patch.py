# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch`: choose the build, check it, and change it to the requested state.

Imports within functions are of what only some requests need: a host compiles each file of a module anew in each task.
"""

from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._change.patch_change import PatchChange
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    check_ignorable,
    error_from,
    finding,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._health.baseline import baseline
from ansible_collections.kernel.livepatch.plugins.module_utils._health.watch_options import watch_options
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.module_parameters import parameter_line
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    loaded_module,
    module_build_id,
    remove_module,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import (
    interface_or_none,
    live_patch_names,
    unsupported,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import module_name, resolve_name
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.remote_source import (
    located,
    package_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.result import patch_result
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.selection import (
    no_build_note,
    select_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import check_run, refuse_leased
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import loaded_digest, still_in_kernel
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import read_ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def open_transaction(*arguments, **options):
    """The same as in transaction.py, which a patch without anything to change does not need."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import (
        open_transaction as begin,
    )

    return begin(*arguments, **options)


def apply_request(host, request, check_mode=False, controller=None):
    """Change one patch to `request.state`; `controller` as in open_transaction.

    Returns a dict of `changed`, `transaction`, `patch`, `findings`, `blockers`, `diff`, `watch` (the verdict on an
    accepted trial, see watch_record.py) and `baseline` (see baseline.py), for a file on the host `package` (see
    packages.py), and also `request` if the patch is enabled and the controller must return to accept it. Raises
    ControllerRequest if the controller must first answer or send a file, and LivepatchError with `baseline` in its
    details too.
    """
    before = baseline(host)
    try:
        watch = {"watch": watch_options(request.watch), "baseline": before}
        return dict(_apply_request(host, request, watch, check_mode, controller), baseline=before)
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        error.details["baseline"] = before
        raise error from failure


def _apply_request(host, request, watch, check_mode, controller):
    if request.name is not None:
        request = request._replace(name=module_name(request.name))
    check_ignorable(request.ignore_findings)
    check_run((controller or {}).get("run"))
    if request.kernel not in (None, host.release()):
        return _for_other_kernel(host, request, check_mode, controller)
    request = request._replace(offer=located(host, request.offer, request.name, request.version))
    result = _change_patch(host, request, watch, check_mode, controller)
    if check_mode and result["changed"]:
        refuse_leased(host, controller)
    return dict(result, **package_of(host, request.offer))


def _for_other_kernel(host, request, check_mode, controller):
    from ansible_collections.kernel.livepatch.plugins.module_utils._change.other_kernel import apply_for_other_kernel

    return apply_for_other_kernel(host, Store(host), request, check_mode, controller)


def _change_patch(host, request, watch, check_mode, controller):
    line = parameter_line(request.params)
    store, description = Store(host), None
    if request.offer:
        description = select_build(host, store, request.offer, request.name, request.version)
    enables = request.state in ("enabled", "accepted")
    if description is None and request.name is not None and not (request.offer and enables):
        request = request._replace(name=_name_on_host(host, request.name))
    if request.offer is None and enables:
        description = _kept_build(host, store, request)
    elif description is None and (enables or request.name is None):
        return _no_build(host, request)  # a removal by name needs no build
    interface = interface_or_none(host)
    if interface is None and not enables:
        raise error_from([unsupported(host)])
    change = PatchChange(host, interface, store, request, description, line, watch)
    if not change.steps():
        return _already_in_state(change, check_mode, controller)
    refuse_leased(host, controller)  # first: the checks would only tell of the other run's trial
    change.refuse_expired_trial()
    if check_mode:
        return change.forecast(change.check())
    change.check_before_lock()
    with open_transaction(
            host, "patch", controller, best_effort_records=not enables, seconds=6 * request.timeout) as transaction:
        return _request_acceptance(change, change.apply(transaction))


def _already_in_state(change, check_mode, controller):
    """The result if the kernel needs no change; the ledger, the boot service or the trial may still need one."""
    if not check_mode:
        forget_unloaded(change, controller)
    if change.request.state in ("disabled", "absent"):
        return _already_inactive(change, controller, check_mode)
    if change.request.state == "accepted":
        result = _accept_enabled(change, check_mode, controller)
        if result:
            return result
    if change.renews_trial():
        from ansible_collections.kernel.livepatch.plugins.module_utils._change.trial_renewal import renew_trial

        return renew_trial(change, controller, check_mode)
    result = change.finish_unchanged()
    return _with_new_metadata(change, result, controller, check_mode) if change.has_new_metadata() else result


def _accept_enabled(change, check_mode, controller):
    """The result of the acceptance of an enabled patch; None if it is accepted and the next boot loads it."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._change.acceptance import accept, refuse_to_accept
    from ansible_collections.kernel.livepatch.plugins.module_utils._change.boot_repair import boot_repairs, with_repairs

    accepted = change.is_accepted()
    faults = boot_repairs(change) if accepted else []
    if accepted and not faults:
        return None
    refuse_leased(change.host, controller)
    refuse_to_accept(change)
    if check_mode:
        result = dict(change.task_result("accepted", change.unchanged()["findings"]), changed=True)
        return dict(result, diff=with_repairs(result["diff"], faults))
    if change.request.fresh:
        return accept(change, controller, faults)
    return dict(change.unchanged(), request=_new_connection(change))


def _with_new_metadata(change, result, controller, check_mode):
    """Keep what the bundle says today of an enabled patch."""
    if not check_mode:
        with open_transaction(change.host, "patch", controller):
            change.store.update(change.description)
    return dict(result, changed=True)


def _already_inactive(change, controller, check_mode):
    """Make sure that neither a boot nor a trial's end loads a patch that must stay inactive."""
    if not (change.is_scheduled() or change.on_trial()):
        return change.unchanged()
    if check_mode:
        return dict(change.task_result(change.previous, []), changed=True)
    with open_transaction(change.host, "patch", controller, best_effort_records=True) as transaction:
        return change.apply(transaction)


def _request_acceptance(change, result):
    """Ask the controller for a second call to accept the patch, if it has just been loaded."""
    if change.request.state == "accepted" and result["patch"]["state"] == "enabled":
        result["request"] = _new_connection(change)
    return result


def _new_connection(change):
    """The request for a new connection: it proves that the host is reachable before the patch is accepted."""
    return {"fresh": change.name}


def _kept_build(host, store, request):
    """The description of the build loaded under a name.

    Raises LivepatchError `file-unknown` without a kept file, and `watch-failed` if this host has reverted it.
    """
    name, build_id = request.name, module_build_id(host, request.name)
    loaded = {"name": name, "build_id": build_id, "sha256": None}
    digest = loaded_digest(read_ledger_for_this_boot(host, best_effort=True), loaded)
    description = store.of_build(name, build_id, digest)
    if description is None:
        if request.state == "accepted":
            from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import (
                refuse_failed_watch,
            )

            refuse_failed_watch(read_ledger_for_this_boot(host), loaded)
        raise error_from([finding("file-unknown", name, name=name)])
    return description


def _name_on_host(host, wanted):
    """The name of the one patch that fits a pattern: one in the kernel, or else an accepted one.

    Returns `wanted` if none fits; raises LivepatchError `name-ambiguous`.
    """
    loaded = live_patch_names(host, interface_or_none(host))
    accepted = [entry["name"] for entry in read_ledger_for_this_boot(host, best_effort=True)["accepted"]]
    return resolve_name(resolve_name(wanted, loaded), accepted)


def _no_build(host, request):
    return {
        "changed": False, "transaction": None, "blockers": [], "watch": None,
        "findings": [no_build_note(host, request.offer, request.name, request.version)],
        "patch": patch_result(host, request.name, state="no_build", previous_state="no_build"),
    }


def forget_unloaded(change, controller):
    """Clean up after changes that ended without this collection: a late transition, a killed run, a manual change.

    Unloads the idle modules of those patches, and removes them from the ledger's `loaded`.
    """
    states = {entry["name"]: change.interface.state(entry["name"]) for entry in change.ledger["loaded"]}
    gone = [name for name, state in states.items() if state in ("absent", "disabled") and name != change.name]
    if not gone:
        return
    with suppress(LivepatchError), open_transaction(
            change.host, "patch", controller, best_effort_records=True, going_back=False) as transaction:
        for name in gone:
            module = loaded_module(change.host, name)
            if module and not module["refcnt"]:
                remove_module(change.host, name)
        transaction.update_ledger_best_effort(**still_in_kernel(change.interface.patches(), transaction.ledger))
