# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch`: choose the build, check it, and bring it to the state that is asked for."""

import os
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._change.acceptance import accept
from ansible_collections.kernel.livepatch.plugins.module_utils._change.patch_change import OnePatch
from ansible_collections.kernel.livepatch.plugins.module_utils._change.trial_renewal import move_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    check_ignorable,
    error_from,
    finding,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._health.baseline import baseline
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import boot_service_status
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import UNIT, UNITS
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.module_parameters import parameter_line
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    loaded_module,
    module_build_id,
    module_name,
    remove_module,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import (
    interface_or_none,
    unsupported,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.result import patch_result
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.selection import (
    no_build_note,
    select_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import still_in_kernel
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def bring_patch(host, wish, check_mode=False, controller=None):
    """Bring one patch to `wish.state`; `controller` is what the controller says of itself, see _persistence/actor.py.

    Returns a dict of `changed`, `transaction`, `patch`, `findings`, `blockers`, `diff` and `baseline` (see
    baseline.py); with `request` too where the patch is enabled and the controller has to come back to have it accepted.
    Raises ControllerRequest when the controller has to tell or send something first, and LivepatchError, which has
    `baseline` in its details too.
    """
    before = baseline(host)
    try:
        return dict(_bring_patch(host, wish, check_mode, controller), baseline=before)
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        error.details["baseline"] = before
        raise error from failure


def _bring_patch(host, wish, check_mode, controller):
    if wish.name is not None:
        wish = wish._replace(name=module_name(wish.name))
    check_ignorable(wish.ignore_findings)
    line = parameter_line(wish.params)
    store = Store(host)
    description = select_build(host, store, wish.offer, wish.name) if wish.offer else None
    brings_in = wish.state in ("enabled", "accepted")
    if wish.offer is None and brings_in:
        description = _kept_build(host, store, wish.name)
    elif description is None and (brings_in or wish.name is None):
        return _no_build(host, wish)  # what is to go away by name needs no build
    interface = interface_or_none(host)
    if interface is None and not brings_in:
        raise error_from([unsupported(host)])
    task = OnePatch(host, interface, store, wish, description, line)
    if not task.steps():
        return _at_rest(task, check_mode, controller)
    task.refuse_to_load_again()
    if check_mode:
        return task.forecast(task.check())
    task.check_before_lock()
    with open_transaction(host, "patch", controller, best_effort_records=not brings_in) as transaction:
        return _to_be_accepted(task, task.change(transaction))


def _at_rest(task, check_mode, controller):
    """The kernel has the patch where it is wanted; what the next boot does with it may be another matter."""
    if not check_mode:
        forget_gone(task, controller)
    if task.wish.state in ("disabled", "absent"):
        return _at_rest_for_good(task, controller, check_mode)
    if task.wish.state == "accepted" and not (task.is_accepted() and has_boot_part(task) and task.has_image()):
        if check_mode:
            return dict(task.answer("accepted", task.unchanged()["findings"]), changed=True)
        return accept(task, controller) if task.wish.fresh else dict(task.unchanged(), request=_new_connection(task))
    if task.moves_trial():
        return move_trial(task, controller, check_mode)
    return task.at_rest()


def _at_rest_for_good(task, controller, check_mode):
    """What is not enabled, and not to be, is not loaded by a boot or a trial's end either."""
    if not (task.is_to_come() or task.on_trial()):
        return task.unchanged()
    if check_mode:
        return dict(task.answer(task.previous, []), changed=True)
    with open_transaction(task.host, "patch", controller, best_effort_records=True) as transaction:
        return task.change(transaction)


def _to_be_accepted(task, answer):
    """What has just been loaded is accepted in a second call."""
    if task.wish.state == "accepted" and answer["patch"]["state"] == "enabled":
        answer["request"] = _new_connection(task)
    return answer


def _new_connection(task):
    """Whoever is to accept an enabled patch has to show first that new connections still reach the host."""
    return {"fresh": task.name}


def _kept_build(host, store, name):
    """What is accepted by its name is what is loaded under it; raises LivepatchError `file-unknown`."""
    description = store.of_build(name, module_build_id(host, name))
    if description is None:
        raise error_from([finding("file-unknown", name, name=name)])
    return description


def _no_build(host, wish):
    return {
        "changed": False, "transaction": None, "blockers": [],
        "findings": [no_build_note(host, wish.offer, wish.name)],
        "patch": patch_result(host, wish.name, state="no_build", previous_state="no_build"),
    }


def has_boot_part(task):
    """Whether what makes an accepted patch come back at boot is still in place; where it is not, accepting mends it."""
    part = boot_service_status(task.host)
    # An operator may have disabled or masked it, and means it.
    return part["installed"] or part["init"] == "none" or os.path.lexists(task.host.path(f"{UNITS}/{UNIT}"))


def forget_gone(task, controller):
    """Tidy up what ended without this collection: a transition that was left going, a run that was killed, a person.

    Modules of patches that were replaced then go, and the ledger remembers nothing as loaded that is not.
    """
    states = {entry["name"]: task.interface.state(entry["name"]) for entry in task.ledger["loaded"]}
    gone = [name for name, state in states.items() if state in ("absent", "disabled") and name != task.name]
    if not gone:
        return
    with suppress(LivepatchError), open_transaction(
            task.host, "patch", controller, best_effort_records=True) as transaction:
        for name in gone:
            module = loaded_module(task.host, name)
            if module and not module["refcnt"]:
                remove_module(task.host, name)
        transaction.update_ledger_best_effort(**still_in_kernel(task.interface.patches(), transaction.ledger))
