# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_check`: check whether a patch would work on this host."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import CheckContext, observed_state
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import Facts
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.forecast import empty_forecast, forecast
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.registry import evaluate
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    blockers_in,
    error_from,
    finding,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_or_none
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import claimed_objects
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import module_name
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.remote_source import (
    located,
    package_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.result import patch_result
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.selection import (
    no_build_note,
    select_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.hook import read_hook
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import lease_findings
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import effective_state, seconds_left
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import read_ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store


def check_host(host, offer, name, version=None, report_only=False):
    """Check everything about enabling a patch on this host; changes nothing.

    Returns a dict of `compatible`, `patch`, `has_file`, `arch`, `kernel_build_id`, `findings`, `forecast`, `trial` and
    `hook` (see hook.py), and for a file on the host `package` (see packages.py). Raises ControllerRequest, and
    LivepatchError with the first blocker's code unless `report_only`. A host without a build in the bundle is neither
    compatible nor an error.
    """
    name = name if name is None else module_name(name)
    offer = located(host, offer, name, version)
    store = Store(host)
    description = select_build(host, store, offer, name, version)
    ledger = read_ledger_for_this_boot(host, best_effort=True)
    if description is None:
        patch = patch_result(host, name, state="no_build", previous_state="no_build")
        note = no_build_note(host, offer, name, version)
        return dict(_result(host, False, patch, False, [note], empty_forecast(), ledger), **package_of(host, offer))
    interface = interface_or_none(host)
    state = observed_state(host, interface, description["name"])
    context = CheckContext(host, interface, description, state, {}, Facts(host, description))
    patch = _patch(context, ledger)
    # An accepted patch needs no change, so no lease refuses it, unless a run is between its hooks.
    unchanged = patch["state"] == "accepted" and not read_hook(host)
    findings = ([] if unchanged else lease_findings(host)) + evaluate(context)
    blockers = blockers_in(findings, TOLERATED)
    if not context.changes() and not blockers:
        findings.insert(0, finding("already-enabled", description["name"], name=description["name"]))
    prediction, sleeper_findings = forecast(context)
    has_file = offer["kind"] == "host" or store.has(description["sha256"])
    result = _result(host, not blockers, patch, has_file, findings + sleeper_findings, prediction, ledger)
    result.update(package_of(host, offer))
    if blockers and not report_only:
        raise error_from(blockers, **result)
    return result


def _result(host, compatible, patch, has_file, findings, prediction, ledger):
    trial = ledger["trial"]
    return {
        "changed": False, "compatible": compatible, "patch": patch, "has_file": has_file, "arch": host.machine(),
        "kernel_build_id": kernel_build_id(host), "findings": findings,
        "forecast": prediction, "trial": trial and {"name": trial["name"], "seconds_left": seconds_left(host, trial)},
        "hook": read_hook(host),
    }


def _patch(context, ledger):
    """The patch in its state now; if it is not loaded, with the objects that its file would patch."""
    description = context.description
    state = effective_state(context.host, ledger, description["name"], context.state)
    shown = None if context.loads() else context.interface.patch(description["name"])
    return patch_result(
        context.host, description["name"], state=state, previous_state=state, sha256=description["sha256"],
        build_id=description["build_id"], objects=shown["objects"] if shown else claimed_objects(description))
