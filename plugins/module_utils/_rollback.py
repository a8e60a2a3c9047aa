# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_rollback`: take live patches out of a running kernel, newest first."""

from ansible_collections.kernel.livepatch.plugins.module_utils._change import Change
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError, known_error
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding, refusal
from ansible_collections.kernel.livepatch.plugins.module_utils._interfaces import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import leftovers
from ansible_collections.kernel.livepatch.plugins.module_utils._lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._report import stack_diff
from ansible_collections.kernel.livepatch.plugins.module_utils._store import Store


def roll_back_to_original(host, timeout, on_stall, check_mode=False):
    """Disable and remove every live patch.

    Returns a dict of `changed`, `rolled_back` (a list of `name` and `transition_seconds`), `findings`, `blockers` and
    `diff`. Raises LivepatchError; its details tell in `rolled_back` what was taken out before.
    """
    interface = interface_adapter(host)
    before = interface.patches()
    done = {"changed": False, "rolled_back": [], "findings": [], "blockers": []}
    names = _names(host, interface)
    if not names:
        return dict(done, diff=stack_diff(host, before, before))
    blockers = list(permission(host))
    if blockers:
        raise refusal(blockers)
    if check_mode:
        forecast = [{"name": name, "transition_seconds": None} for name in _names(host, interface, held=False)]
        return dict(done, changed=bool(forecast), rolled_back=forecast, diff=stack_diff(host, before, []))
    with change_lock(host):
        before = interface.patches()
        for name in _names(host, interface):
            if not _take_out(Change(host, interface, name, timeout, on_stall), done):
                break
    return dict(done, diff=stack_diff(host, before, interface.patches()))


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
        done["findings"].append(finding("module-kept", change.name, name=change.name, why=error.message))
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
