# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_info`: report the live patches of a host; without root, as far as the kernel allows."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._init.boot_forecast import (
    service_faults,
    service_notes,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import armed, boot_service_status
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import UNKNOWN, trial_process
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.boot_loader import next_kernel
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import running_kernel
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import disabled_modules, loaded_module
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import may_load_modules
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import describe_blockers
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.boot_loads import boot_loads
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import (
    interface_name,
    interface_or_none,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.other_tools import other_tools
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import find_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.coverage import add_next_kernel, coverage
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import (
    complete_metadata,
    required_kernel_build,
    version_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.condition import (
    persistence_findings,
    record_findings,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.drift import HostState, drift, is_accepted
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.hook import hook_findings, read_hook
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import describe_lease, read_lease
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_for_other_kernel_builds,
    accepted_for_running_kernel,
    loaded_digest,
    read_ledger,
    seconds_left,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.next_boot import (
    describe_next,
    next_boot_findings,
    patches_at_boot,
    superfluous,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import (
    ledger_for_this_boot,
    read_ledger_for_this_boot,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import (
    Store,
    newer_descriptions,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.trial_drift import trial_drift
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.versions import NEWER, newer_message
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import (
    VERDICT,
    read_watch,
    verdict_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

NOT_KNOWN = {"accepted": None, "boot": None, "quarantined": None, "trial": None, "failed_watch": None, "drift": None}
ACCEPTED = ("name", "sha256", "build_id", "release", "parameters", "transaction", "since")
FAILED_WATCH = ("name", "build_id", "sha256", "transaction", "time", *VERDICT)
QUARANTINED = ("name", "sha256", "build_id", "why", "transaction", "since")


def host_inventory(host):
    """The inventory of live patches on this host; changes nothing.

    Shape: `kernel`, `interface`, `patches` (oldest first), `coverage` (see coverage.py; None if this user may not read
    the store), `transition` (None, or `name`, `state` and `blockers`), `leftovers`, `kept`, `other_tools`, `changing`,
    `lease` (None, or see describe_lease), `hook` (see read_hook), `journal` and `journal_unreadable` (see history), and
    from the ledger: `accepted`, `boot`, `quarantined`, `trial`, `failed_watch`, `drift` (findings).
    """
    descriptions = Store(host).descriptions()
    lease, _damaged = read_lease(host)  # a damaged one is told of by record_findings
    inventory = {
        "kernel": running_kernel(host), "interface": interface_name(host), "kept": _kept(descriptions),
        "other_tools": other_tools(host), "lease": lease and describe_lease(host, lease), "hook": read_hook(host),
        **_in_the_kernel(host, interface_or_none(host), descriptions),
        **history(host),
    }
    inventory["coverage"] = coverage(
        [patch for patch in inventory["patches"] if patch["state"] == "enabled"],
        _today(host)) if Store(host).is_readable() else None
    inventory.update(_remembered(host, inventory))
    if inventory["coverage"] and inventory["boot"]:
        add_next_kernel(inventory["coverage"]["reboot"], inventory["kernel"]["release"],
                        inventory["boot"]["next"]["kernel"])
    for patch in inventory["patches"]:
        faults = patch.pop("faults")
        patch["verified"] = None if faults is None else not faults
    return inventory


def _in_the_kernel(host, interface, descriptions):
    """`patches`, `transition` and `leftovers`."""
    found = {"patches": [], "transition": None, "leftovers": []}
    if interface is None:
        return found
    patches, ledger = interface.patches(), read_ledger_for_this_boot(host, best_effort=True)
    found["patches"] = [_with_identity(host, interface, patch, descriptions, ledger) for patch in patches]
    found["leftovers"] = disabled_modules(host, {patch["name"] for patch in patches})
    for patch in patches:
        if patch["state"] in ("enabling", "disabling"):
            found["transition"] = {
                "name": patch["name"], "state": patch["state"],
                # Only root may see the blocking tasks, or ask the kernel for the reason.
                "blockers": describe_blockers(host, patch) if may_load_modules(host) else [],
            }
    return found


def _remembered(host, inventory):
    """The part of the inventory from the ledger; NOT_KNOWN if this user may not read it.

    The ledger of an earlier boot is judged as in the next change. `since` of a new quarantine entry is None until then.
    """
    records = record_findings(host, inventory["journal_unreadable"])
    try:
        ledger = ledger_for_this_boot(host, read_ledger(host), None)
    except LivepatchError as error:
        return dict(NOT_KNOWN, drift=[finding(error.code, LEDGER, why=error.message), *records])
    except OSError:
        return NOT_KNOWN
    kept, newer = {entry["sha256"] for entry in inventory["kept"]}, _newer_descriptions(host, ledger)
    host_state = HostState(
        release=inventory["kernel"]["release"], boot_id=inventory["kernel"]["boot_id"], patches=inventory["patches"],
        ledger=ledger, boot=boot_service_status(host), kept=kept | set(newer),
        trial_process_alive=_trial_process_alive(host, ledger["trial"]), journal=inventory["journal"] or [],
        changing=inventory["changing"], boot_faults=_boot_faults(host) if ledger["accepted"] else [],
        damaged=_damaged_files(host, ledger, kept | set(newer)), other_kernel=_of_other_kernel_builds(host, ledger),
        superfluous=superfluous(host, ledger, inventory["kernel"]["release"]))
    following = next_kernel(host)
    return {
        "patches": [dict(patch, state="accepted" if is_accepted(host_state, patch) else patch["state"],
                         sha256=loaded_digest(ledger, patch) or patch["sha256"]) for patch in host_state.patches],
        "accepted": [dict({key: entry[key] for key in ACCEPTED}, kept=entry["sha256"] in kept,
                          untried=entry["untried"] is not None)
                     for entry in ledger["accepted"]],
        "boot": dict(host_state.boot, patches=patches_at_boot(host_state, host_state.release),
                     next=describe_next(host_state, following)),
        "quarantined": [{key: entry[key] for key in QUARANTINED} for entry in ledger["quarantined"]],
        "trial": ledger["trial"] and _on_trial(host, ledger["trial"]),
        "failed_watch": ledger["failed_watch"] and {key: ledger["failed_watch"][key] for key in FAILED_WATCH},
        "drift": _with_records(
            [*drift(host_state), *_expired(inventory), *newer.values(), *_about_trial(host, host_state),
             *_boot_notes(host, host_state), *next_boot_findings(host, host_state, following), *hook_findings(host)],
            records, ledger["accepted"]),
    }


def _trial_process_alive(host, trial):
    """Whether a process will end the trial; True also without a trial, or if it cannot be known."""
    try:
        return (trial is None or armed(host, trial["transaction"])
                or trial_process(host, trial["transaction"])[0] == UNKNOWN)
    except (LivepatchError, OSError):
        return True


def _about_trial(host, host_state):
    """The findings about a trial that is over, and about its process."""
    trial = host_state.ledger["trial"]
    if not trial:
        return []
    state = next((one["state"] for one in host_state.patches if one["name"] == trial["name"]), "absent")
    process, pid = trial_process(host, trial["transaction"])
    return trial_drift(host, trial, state, process, pid, host_state.changing)


def _with_records(findings, records, accepted):
    """The findings, and those about records that no other one names; accepted files have findings of their own."""
    def is_named(path):
        named = re.compile(re.escape(path) + r"(?![\w/-])")
        return any(entry["sha256"] in path for entry in accepted) or any(
            named.search(found["message"]) for found in findings)
    return findings + [found for found in records
                       if found["code"] != "record-unusable" or not is_named(found["subject"])]


def _boot_faults(host):
    """The findings about a boot that cannot load patches, or whose records do not last until then."""
    return persistence_findings(host) + service_faults(host)


def _boot_notes(host, host_state):
    """The findings about a boot that loads patches today, and about other tools that load some at the same boot."""
    if not host_state.ledger["accepted"]:
        return []
    shared = boot_loads(host) if accepted_for_running_kernel(host, host_state.ledger) else []
    return ([] if host_state.boot_faults else service_notes(host)) + [
        finding("boot-shared", load.name, tool=load.tool, name=load.name, path=load.path) for load in shared]


def _newer_descriptions(host, ledger):
    """The finding, by digest, about each accepted file that a newer version of this collection described."""
    return {digest: finding(NEWER, path, why=newer_message(path))
            for digest, path in newer_descriptions(host, ledger).items()}


def _damaged_files(host, ledger, kept):
    """The reason, by digest, of each damaged file of an accepted patch."""
    digests = {entry["sha256"] for entry in ledger["accepted"]} & kept
    faults = {digest: Store(host).fault(digest) for digest in digests}
    return {digest: why for digest, why in faults.items() if why}


def _of_other_kernel_builds(host, ledger):
    """The build-id of the kernel, by digest, of each patch accepted for the running release and for another build."""
    running = kernel_build_id(host)
    others = {entry["sha256"]: entry["kernel_build_id"] for entry in accepted_for_other_kernel_builds(host, ledger)}
    for entry in accepted_for_running_kernel(host, ledger):
        description = Store(host).description(entry["sha256"])
        required = required_kernel_build(description) if description else None
        if required not in (None, running):
            others[entry["sha256"]] = required
    return others


def _on_trial(host, trial):
    return {
        "transaction": trial["transaction"], "name": trial["name"], "since": trial["since"],
        "seconds": trial["seconds"], "seconds_left": seconds_left(host, trial),
        "back_to": names_of(trial["back_to"]), "watch": verdict_of(read_watch(host, trial)),
    }


def _with_identity(host, interface, patch, descriptions, ledger):
    """The patch with what its module shows, and with what the host knows of its file.

    `faults`: the codes of what the verification of an enabled patch found; None without a kept file of it.
    """
    module = loaded_module(host, patch["name"]) or {"build_id": None, "taint": "", "refcnt": None}
    build = {"name": patch["name"], "build_id": module["build_id"], "sha256": None}
    kept = find_build(descriptions, dict(build, sha256=loaded_digest(ledger, build)))
    faults = _faults(host, interface, kept) if kept and patch["state"] == "enabled" else None
    shown = kept or {"version": host.read_or(f"/sys/module/{patch['name']}/version")}
    return dict(
        patch, build_id=module["build_id"], taint=module["taint"], refcnt=module["refcnt"], version=version_of(shown),
        sha256=kept and kept["sha256"], metadata=complete_metadata(shown), faults=faults)


def _faults(host, interface, description):
    """The codes of the blockers that verify_patch finds, each once."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch

    findings, _functions = verify_patch(host, interface, description["name"], description)
    return list(dict.fromkeys(found["code"] for found in blockers_in(findings)))


def _kept(descriptions):
    return [dict({key: description[key] for key in ("name", "release", "arch", "sha256", "build_id", "size")},
                 version=version_of(description)) for description in descriptions]


def _expired(inventory):
    """A finding for each enabled patch that was meant to run until an earlier day."""
    expired = inventory["coverage"]["expired"] if inventory["coverage"] else []
    for patch in inventory["patches"]:
        if patch["name"] in expired:
            yield finding(
                "patch-expired", patch["name"], name=patch["name"], expires=patch["metadata"]["expires"])


def _today(host):
    return utc_timestamp(host.wall_clock())[:len("2026-11-21")]
