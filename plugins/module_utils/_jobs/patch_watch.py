# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_watch`: check whether a patched host is well."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    blockers_in,
    error_from,
    finding,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._health.checks import check_health
from ansible_collections.kernel.livepatch.plugins.module_utils._health.kernel_log import Since, kernel_warnings
from ansible_collections.kernel.livepatch.plugins.module_utils._health.options import health_checks
from ansible_collections.kernel.livepatch.plugins.module_utils._health.taints import new_taints
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID, taint_mask
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    module_build_id,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import (
    blockers_sentence,
    describe_blockers,
    tasks_are_readable,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import (
    interface_or_none,
    live_patch_names,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import module_name, resolve_name
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    effective_state,
    seconds_left,
    trial_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import read_ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import (
    failure_of,
    read_watch,
    verdict_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

MOST_BLOCKERS, MOST_NAMES = 50, 5
IN_TRANSITION = ("enabling", "disabling")


def watch_host(host, name, earlier, checks, fetch, report_only=False):
    """Check a host on which the patch `name` should run; changes nothing.

    `earlier` is the result of baseline.baseline() before the change, or parts of it; without it nothing is compared.
    `checks` is the option health_checks, `fetch` that of url.py. Returns a dict of `well`, `state`, `verified`,
    `functions`, `blockers`, `health`, `boot_id`, `taints`, `kernel_log`, `trial`, `watch` (the verdict of the trial's
    process, see watch_record.py) and `findings`. Raises LivepatchError `bad-option`, `bad-name`, `name-ambiguous`,
    `name-not-a-livepatch`, and the first blocker's unless `report_only`.
    """
    name = resolve_name(module_name(name), live_patch_names(host, interface_or_none(host)))
    checks = health_checks(checks)
    health = check_health(host, checks, fetch)  # first: they may cause kernel warnings
    earlier = {key: value for key, value in (earlier or {}).items() if value is not None}
    result, findings, watched = _patch(host, name)
    rebooted = list(_rebooted(earlier, name, host.read_or(BOOT_ID)))
    changed, lines = ([], []) if rebooted else _since(host, name, earlier)
    failed = [finding("health-check-failed", check["name"], name=check["name"], message=check["message"])
              for check in health if not check["ok"]]
    findings = _joined(rebooted + findings + changed + failed, watched)
    blockers = blockers_in(findings)
    result.update(
        changed=False, well=not blockers, health=health, boot_id=host.read_or(BOOT_ID), taints=taint_mask(host),
        kernel_log=lines, findings=findings)
    if blockers and not report_only:
        error = error_from(blockers)
        error.details.update(result)
        raise error
    return result


def _patch(host, name):
    """The patch's part of the result, its findings, and those of the trial's process."""
    interface = interface_or_none(host)
    ledger = read_ledger_for_this_boot(host, best_effort=True)
    trial = trial_of(ledger, name)
    in_kernel = interface.state(name) if interface else "absent"
    result = {
        "state": effective_state(host, ledger, name, in_kernel), "verified": False, "functions": [], "blockers": [],
        "trial": trial and {"seconds_left": seconds_left(host, trial)}}
    findings = []
    result["watch"], watched = _watch(host, ledger, trial, name)
    if in_kernel not in ("enabled", "enabling"):
        findings.append(finding("patch-not-running", name, name=name, state=in_kernel))
    if in_kernel in IN_TRANSITION:
        patch = interface.patch(name)
        blockers = describe_blockers(host, patch) if patch else []
        findings.append(finding(
            "transition-unfinished", name, name=name, how="continues", blockers=blockers_sentence(blockers)))
        result.update(verified=None, blockers=blockers[:MOST_BLOCKERS])
    elif in_kernel == "enabled" and not tasks_are_readable(host):
        findings.append(finding("tasks-unreadable", host.release()))
    elif in_kernel == "enabled":
        result["verified"], result["functions"], found = _compared(host, interface, name)
        findings += found
    return result, findings, watched


def _joined(findings, watched):
    """The findings, and those of the trial's process that are about something else."""
    seen = {(found["code"], found["subject"]) for found in findings}
    return findings + [found for found in watched if (found["code"], found["subject"]) not in seen]


def _watch(host, ledger, trial, name):
    """The verdict of the host's own watch of the patch, None without one, and the findings about it."""
    failed = ledger["failed_watch"]
    if trial:
        record = read_watch(host, trial)
        return verdict_of(record), blockers_in(record["findings"]) if record else []
    if failed and failed["name"] == name:
        return verdict_of(failed), [finding(
            "watch-failed", name, name=name, time=failed["time"], why=failure_of(failed))]
    return None, []


def _compared(host, interface, name):
    """Whether an enabled patch matches its file (None without a kept file and blockers), functions, findings."""
    kept = Store(host).of_build(name, module_build_id(host, name))
    findings, functions = verify_patch(host, interface, name, kept)
    verified = not blockers_in(findings, ("file-unknown",))
    findings = [_of_watch(interface, name, found) for found in findings]
    return None if verified and kept is None else verified, functions, findings


def _of_watch(interface, name, found):
    """A finding of the comparison as a finding about the host: some of these are no fault of it."""
    if found["code"] == "file-unknown":  # the patch was loaded by hand
        return finding("file-not-kept", name, name=name)
    if found["code"] == "ineffective":  # its modules were unloaded, or come later
        objects = [entry["name"] for entry in (interface.patch(name) or {"objects": []})["objects"]]
        return finding("no-object-loaded", name, name=name, objects=join_limited(objects, MOST_NAMES))
    return found


def _rebooted(earlier, name, boot_id):
    if earlier.get("boot_id") not in (None, boot_id):
        yield finding("host-rebooted", name, name=name, then=earlier["boot_id"], now=boot_id)


def _since(host, name, earlier):
    """Changes of the kernel in this boot since `earlier`: findings, and lines of its log."""
    findings, lines = [], []
    if "taints" in earlier:
        findings += new_taints(host, name, earlier["taints"])
    if "uptime" in earlier or "kernel_log" in earlier:
        warnings, lines = kernel_warnings(host, Since(earlier.get("kernel_log"), earlier.get("uptime", 0)))
        findings += warnings
    return findings, lines
