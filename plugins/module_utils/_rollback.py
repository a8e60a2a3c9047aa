# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_rollback`: take live patches out of a running kernel, newest first."""

from ansible_collections.kernel.livepatch.plugins.module_utils._change import Change
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError, known_error
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding, refusal
from ansible_collections.kernel.livepatch.plugins.module_utils._interfaces import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import (
    leftovers,
    module_build_id,
    wait_until_released,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._report import stack_diff
from ansible_collections.kernel.livepatch.plugins.module_utils._store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._transaction import transaction


def roll_back_to_original(host, timeout, on_stall, check_mode=False, told=None):
    """Disable and remove every live patch; `told` is what the controller says of itself, see _operator.py.

    Returns a dict of `changed`, `transaction`, `rolled_back` (a list of `name` and `transition_seconds`), `findings`,
    `blockers` and `diff`. Raises LivepatchError; its details tell in `rolled_back` what was taken out before.
    """
    interface = interface_adapter(host)
    before = interface.patches()
    done = {"changed": False, "transaction": None, "rolled_back": [], "findings": [], "blockers": []}
    names = _names(host, interface)
    if not names:
        return dict(done, diff=stack_diff(host, before, before))
    blockers = list(permission(host))
    if blockers:
        raise refusal(blockers)
    if check_mode:
        forecast = [{"name": name, "transition_seconds": None} for name in _names(host, interface, held=False)]
        return dict(done, changed=bool(forecast), rolled_back=forecast, diff=stack_diff(host, before, []))
    with transaction(host, "rollback", told) as recorded:
        before = interface.patches()
        changes = [Change(host, interface, name, timeout, on_stall) for name in _names(host, interface)]
        if _names(host, interface, held=False):
            _begin(recorded, changes, before)
        _take_all_out(changes, done, recorded)
    return dict(done, diff=stack_diff(host, before, interface.patches()))


def _take_all_out(changes, done, recorded):
    """Take the patches out in this order, up to the first whose transition is left going."""
    outcome = "done"
    for change in changes:
        if recorded.id is None:
            # Nothing but modules that the kernel holds, perhaps for ever: no change, unless it lets go of one.
            if not _released(change, done):
                continue
            _begin(recorded, changes, change.interface.patches())
        try:
            going_on = _take_out(change, done)
        except LivepatchError as error:
            error.details.update(
                findings=error.details["findings"] + _end(recorded, "failed", changes, error.code),
                transaction=recorded.id)
            raise
        if not going_on:
            outcome = "left-going"
            break
    if recorded.id:
        done["transaction"] = recorded.id
        done["findings"] += _end(recorded, outcome, changes)


def _begin(recorded, changes, before):
    recorded.begin([{
        "name": change.name, "sha256": None, "build_id": module_build_id(change.host, change.name),
        "previous_state": change.interface.state(change.name), "wanted_state": "absent",
    } for change in changes], before)


def _end(recorded, outcome, changes, code=None):
    patches = [{"name": change.name, "state": change.interface.state(change.name),
                "transition_seconds": change.seconds} for change in changes]
    return recorded.end(outcome, patches, changes[0].interface.patches(), code=code)


def _released(change, done):
    """Whether the kernel lets go of a module without effect; notes in `done` when it does not."""
    try:
        wait_until_released(change.host, change.name)
    except LivepatchError as error:
        done["findings"].append(_kept(change, error))
        return False
    return True


def _kept(change, error):
    return finding("module-kept", change.name, name=change.name, why=error.message)


def _take_out(change, done):
    """Take one patch out and note in `done` what came of it; returns False when its transition was left going."""
    previous = change.interface.state(change.name)
    try:
        change.run(previous, "absent")
    except (LivepatchError, OSError) as failure:
        error = known_error(failure)
        state = change.interface.state(change.name)
        if state != "disabled":
            error.details.update(
                changed=done["changed"] or state != previous, rolled_back=done["rolled_back"],
                findings=done["findings"] + change.findings)
            raise error from failure
        # Without effect already, so it must not keep the other patches in effect.
        done["findings"].append(_kept(change, error))
    state = change.interface.state(change.name)
    done["changed"] = done["changed"] or state != previous
    done["findings"] += change.findings
    done["blockers"] += change.blockers
    if state not in ("absent", "disabled"):
        return False
    if state != previous:
        done["rolled_back"].append({"name": change.name, "transition_seconds": change.seconds})
    if state == "absent":
        Store(change.host).forget(change.name)
    return True


def _names(host, interface, held=True):
    """What there is to take out: the patch in transition first, then newest first, then modules without effect.

    `held` counts in those modules that the kernel refers to, as it does for ever after a forced transition.
    """
    newest_first = [patch for patch in reversed(interface.patches()) if patch["state"] != "disabled"]
    moving_first = sorted(newest_first, key=lambda patch: patch["state"] == "enabled")
    names = [patch["name"] for patch in moving_first]
    return names + [module["name"] for module in leftovers(host, names) if held or not module["refcnt"]]
