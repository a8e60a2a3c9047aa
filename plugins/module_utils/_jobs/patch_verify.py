# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_verify`: prove function by function that patches are running."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    blockers_in,
    error_from,
    finding,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_build, module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import tasks_are_readable
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import module_name, name_matches
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.remote_source import (
    located,
    package_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.selection import (
    no_build_note,
    select_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store


def verify_host(host, offer, name, version=None):
    """Verify the patch of an offer, the patches called `name`, or every enabled patch.

    Returns a dict of `verified`, `patches` (names), `builds` (`name` and `build_id` of each of these, as it is loaded),
    `functions` and `findings`, for a file on the host also `package` (see packages.py). Raises ControllerRequest, and
    LivepatchError with the first blocker's code if a patch is not verified. A host without a build in the bundle is
    neither verified nor an error.
    """
    interface = interface_adapter(host)
    if not tasks_are_readable(host):
        raise error_from([finding("tasks-unreadable", host.release())], verified=False)
    name = name if name is None else module_name(name)
    offer = located(host, offer, name, version)
    subjects = _subjects(host, interface, offer, name, version)
    findings, functions = [], []
    for patch, description in subjects:
        found, evidence = verify_patch(host, interface, patch, description)
        findings.extend(entry for entry in found if entry not in findings)
        functions.extend(evidence)
    if not subjects:
        findings.append(
            no_build_note(host, offer, name, version) if offer else finding("nothing-enabled", host.release()))
    # First what is not a consequence of another one, such as of a later patch in transition.
    blockers = sorted(blockers_in(findings), key=lambda entry: entry["code"] in TOLERATED)
    result = {
        "changed": False, "verified": bool(subjects) and not blockers,
        "patches": [patch for patch, _description in subjects],
        "builds": [loaded_build(host, patch) for patch, _description in subjects],
        "functions": functions, "findings": findings,
        **package_of(host, offer),
    }
    if blockers:
        raise error_from(blockers, **result)
    return result


def _subjects(host, interface, offer, name, version):
    """The patches to verify: a list of (name, description or None)."""
    store = Store(host)
    if offer:
        description = select_build(host, store, offer, name, version)
        return [(description["name"], description)] if description else []
    # The kernel still shows a disabled patch for a moment before it is gone.
    enabled = [patch["name"] for patch in interface.patches() if patch["state"] != "disabled"]
    names = [one for one in enabled if name_matches(name, one)] or [name] * bool(name)
    return [(one, store.of_build(one, module_build_id(host, one))) for one in names]
