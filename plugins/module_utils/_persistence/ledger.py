# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: the patches to keep, to roll back, and never to load again, in one small file replaced as a whole.

    /var/lib/kernel-livepatch/ledger.json     absent if the ledger is empty

The journal records past changes; the ledger records the current state, and the next boot acts on it.
"""

import contextlib
import json
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    private_directory,
    sync_directory,
    write_private,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import compare_builds, same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import (
    may_not_read,
    read_own,
    reason,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER, STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.versions import (
    in_current_form,
    refuse_newer,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import VERDICT
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
    parse_json,
)

SCHEMA = 1  # of the file; see versions.py
SET_ASIDE = (f"{LEDGER}.damaged", *(f"{LEDGER}.damaged.{number}" for number in range(2, 10)))

# One patch in one build, with its load parameters (one line) and the transaction that loaded or accepted it.
ENTRY = {
    "name": TEXT, "build_id": OPTIONAL_TEXT, "sha256": TEXT, "release": TEXT, "parameters": TEXT, "transaction": TEXT}
# One patch of a stack; sha256 is None if this host keeps no file of it.
LAYER = {"name": TEXT, "build_id": OPTIONAL_TEXT, "sha256": OPTIONAL_TEXT, "parameters": TEXT, "accepted": bool}
# The option `watch` of the module `patch`, with the checks as in options.py of _health. With `min_calls`, `functions`
# are those whose calls are counted, each with the symbol of its new code in the patch's module.
WATCH = {
    "interval": NUMBER, "failures": NUMBER, "kernel_warnings": bool, "min_calls": NUMBER,
    "functions": [{"object": TEXT, "name": TEXT, "sympos": NUMBER, "symbol": TEXT}],
    "health_checks": [{"name": TEXT, "kind": TEXT, "what": [TEXT], "timeout": NUMBER}]}
BASELINE = {
    "boot_id": OPTIONAL_TEXT, "taints": NUMBER, "uptime": NUMBER, "kernel_log": OPTIONAL_NUMBER}

# `boot_id`: the boot of the next four, None for none.
# `watched`: whether this host will record a clean end of this boot.
# `loaded`: patches loaded by this collection and not unloaded since, oldest first; written before the load.
# `trial`: the patch on trial and the stack to restore, or None; `ends` is on the clock of Host.now(). `watch`: what its
# process looks at, None for a trial of an older version, whose process does not look; `baseline`: see baseline.py.
# `booted`: patches loaded at boot; `confirmed` once the host has run long enough with them.
# `accepted`: patches to load at each boot of their release, oldest first. `untried` is None once the patch has run on
# that kernel; before, it has the codes of the blockers that its first load there ignores. `kernel_build_id`: of the
# kernel that the patch has run on, None if that is not known.
# `quarantined`: patches on trial, or just loaded at boot, when the host crashed; see quarantine.py.
# `failed_watch`: the patch that this host has reverted because its watch failed, until a later load; or None.
SHAPE = {
    "boot_id": OPTIONAL_TEXT,
    "watched": bool,
    "loaded": [ENTRY],
    "trial": (None, {"transaction": TEXT, "name": TEXT, "since": TEXT, "seconds": NUMBER, "ends": NUMBER,
                     "back_to": [LAYER], "watch": (None, WATCH), "baseline": (None, BASELINE)}),
    "booted": {"confirmed": bool, "patches": [ENTRY]},
    "accepted": [dict(ENTRY, since=TEXT, untried=(None, [TEXT]), kernel_build_id=OPTIONAL_TEXT)],
    "quarantined": [{"name": TEXT, "build_id": OPTIONAL_TEXT, "sha256": TEXT, "why": TEXT, "transaction": OPTIONAL_TEXT,
                     "since": TEXT}],
    "failed_watch": (None, dict(VERDICT, name=TEXT, build_id=OPTIONAL_TEXT, sha256=TEXT, transaction=TEXT, time=TEXT)),
}


def _rename_proven(ledger):
    """Schema 1 had `booted.proven` at first; it is `booted.confirmed` now."""
    booted = ledger.get("booted")
    if not isinstance(booted, dict) or "confirmed" in booted or "proven" not in booted:
        return ledger
    others = {key: value for key, value in booted.items() if key != "proven"}
    return dict(ledger, booted=dict(others, confirmed=booted["proven"]))


def _add_watch(ledger):
    """Schema 1 had neither `failed_watch` nor `watch` and `baseline` of a trial at first."""
    trial = {"trial": complete_trial(ledger["trial"])} if "trial" in ledger else {}
    return dict({"failed_watch": None}, **dict(ledger, **trial))


def _add_calls(ledger):
    """Schema 1 had no `calls` of a failed watch at first."""
    failed = ledger.get("failed_watch")
    return dict(ledger, failed_watch=dict({"calls": []}, **failed)) if isinstance(failed, dict) else ledger


def complete_trial(trial):
    """A trial in the form of SHAPE, also one of an older version; anything else unchanged."""
    if not isinstance(trial, dict):
        return trial
    trial = dict({"watch": None, "baseline": None}, **trial)
    if isinstance(trial["watch"], dict):
        trial["watch"] = dict({"min_calls": 0, "functions": []}, **trial["watch"])
    return trial


def _complete_accepted(ledger):
    """Schema 1 had neither `untried` nor `kernel_build_id` of an accepted patch at first: each of them had run."""
    accepted = ledger.get("accepted")
    if not isinstance(accepted, list):
        return ledger
    return dict(ledger, accepted=[
        dict({"untried": None, "kernel_build_id": None}, **entry) if isinstance(entry, dict) else entry
        for entry in accepted])


MIGRATIONS = ((1, _rename_proven), (1, _add_watch), (1, _add_calls), (1, _complete_accepted))


def empty_ledger():
    """An empty ledger; see SHAPE."""
    return {"boot_id": None, "watched": False, "loaded": [], "trial": None,
            "booted": {"confirmed": False, "patches": []}, "accepted": [], "quarantined": [], "failed_watch": None}


def read_ledger(host):
    """The ledger.

    Raises LivepatchError `ledger-damaged`, `ledger-unreadable`, `newer-version`, and OSError if it is not for this
    user.
    """
    try:
        content = read_own(host, LEDGER)
    except FileNotFoundError:
        return empty_ledger()
    except OSError as error:
        if may_not_read(host, error):
            raise
        raise LivepatchError(
            "ledger-unreadable",
            f"{LEDGER} cannot be read ({reason(error)}), so the accepted, trial and quarantined patches of this host "
            "are not known. Repair the disk, or move the file away and accept the patches for the next boot again."
        ) from error
    try:
        ledger = parse_json(content)
    except ValueError:
        ledger = None
    refuse_newer(ledger, SCHEMA, LEDGER)
    ledger = in_current_form(ledger, SCHEMA, MIGRATIONS)
    if ledger is None or not matches(ledger, SHAPE):
        raise LivepatchError(
            "ledger-damaged",
            f"{LEDGER} is damaged, so the accepted, trial and quarantined "
            "patches of this host are not known. Move the file away, and accept the patches for the next boot again.")
    return {key: value for key, value in ledger.items() if key != "schema"}


def write_ledger(host, ledger):
    """Replace the ledger on the disk as a whole; raises LivepatchError `no-space`, OSError, and keeps the earlier one.

    Raises LivepatchError `newer-version` for a ledger of a newer version: this version cannot keep all of it.
    """
    path = host.path(LEDGER)
    content = ledger_content(host)
    if content is not None:
        with contextlib.suppress(ValueError):
            refuse_newer(parse_json(content), SCHEMA, LEDGER)
    if not any(ledger[key] for key in ("loaded", "trial", "accepted", "quarantined", "failed_watch")):
        if os.path.lexists(path):
            os.unlink(path)
            sync_directory(os.path.dirname(path))
        return
    text = json.dumps(dict(ledger, schema=SCHEMA), sort_keys=True, indent=1).encode("utf-8") + b"\n"
    if content != text:
        private_directory(host.path(STATE_DIRECTORY))
        write_private(path, lambda stream: stream.write(text))


def ledger_content(host):
    """The bytes of the ledger, None for an unreadable one."""
    try:
        return read_own(host, LEDGER)
    except OSError:
        return None


def keep_damaged_copy(host):
    """Rename an unreadable ledger, so that the next write does not replace it; never over an earlier one."""
    free = next(path for path in SET_ASIDE if path == SET_ASIDE[-1] or not os.path.lexists(host.path(path)))
    with contextlib.suppress(OSError):
        os.rename(host.path(LEDGER), host.path(free))


def set_aside_ledgers(host):
    """The paths of damaged ledgers that a change has set aside."""
    return [path for path in SET_ASIDE if os.path.lexists(host.path(path))]


def contains_build(entries, build):
    """Whether one of the entries is of the same build."""
    return any(same_build(build, entry) for entry in entries)


def loaded_digest(ledger, build):
    """The digest of the loaded file, None if it is not known: files of one build can differ, as by a signature."""
    entries = ledger["loaded"] + ledger["booted"]["patches"]
    return next((one["sha256"] for one in entries if one["sha256"] and same_build(one, build)), None)


def accepted_for_running_kernel(host, ledger):
    """The accepted entries for the running kernel, oldest first; without those of another build of its release."""
    others = accepted_for_other_kernel_builds(host, ledger)
    return [entry for entry in accepted_for(ledger, host.release()) if entry not in others]


def accepted_for_other_kernel_builds(host, ledger):
    """The accepted entries for the running release whose patches have run on another build of that kernel.

    Empty if the kernel shows no build-id: nothing can be compared then.
    """
    known = [entry for entry in accepted_for(ledger, host.release()) if entry["kernel_build_id"]]
    running = kernel_build_id(host) if known else None
    return [entry for entry in known if running and entry["kernel_build_id"] != running]


def accepted_for(ledger, release):
    """The accepted entries for a kernel release, oldest first."""
    return [entry for entry in ledger["accepted"] if entry["release"] == release]


def is_untried(ledger, build):
    """Whether a build is accepted and has not run on its kernel yet."""
    return contains_build([entry for entry in ledger["accepted"] if entry["untried"] is not None], build)


def quarantine_entry(ledger, entry):
    """The quarantine's entry for a build, or None; a quarantined build must not be loaded."""
    return next((one for one in ledger["quarantined"] if same_build(one, entry)), None)


def entry_of_layer(host, layer, transaction):
    """The ENTRY of a stack's LAYER on the running kernel."""
    return {"name": layer["name"], "build_id": layer["build_id"], "sha256": layer["sha256"] or "",
            "release": host.release(), "parameters": layer["parameters"], "transaction": transaction}


def entry_of(description, parameters, transaction):
    """The ENTRY of a patch, made from its file's description; `parameters` is one line."""
    return {
        "name": description["name"], "build_id": description["build_id"], "sha256": description["sha256"],
        "release": description["release"], "parameters": parameters, "transaction": transaction}


def without(entries, name):
    """The entries without those of one name, in any build and release."""
    return [entry for entry in entries if entry["name"] != name]


def accepted_entry(entry, since, kernel_build, untried=None):
    """An ENTRY in the form of the ledger's `accepted`; see SHAPE."""
    return dict(entry, since=since, kernel_build_id=kernel_build, untried=untried)


def accepted_with(ledger, stack, entry, replaces):
    """The ledger's `accepted` with one more entry of it; entries that do not run stay, unless `replaces(entry)`.

    Entries that run are in the order of the stack, empty for another kernel than the running one.
    """
    release = entry["release"]
    elsewhere = [one for one in ledger["accepted"] if one["release"] != release]
    known = [one for one in ledger["accepted"] if one["release"] == release and one["name"] != entry["name"]]
    known.append(entry)
    running = [next((one for one in known if same_build(one, layer)), None) for layer in stack]
    running = [one for one in running if one]
    return elsewhere + in_order(known, [one for one in known if one not in running and not replaces(one)], running)


def in_order(known, idle, running):
    """The running entries, with each idle entry inserted before the entries that follow it in `known`."""
    merged = list(running)
    for entry in idle:
        later = known[known.index(entry) + 1:]
        place = next((number for number, one in enumerate(merged) if one in later), len(merged))
        merged.insert(place, entry)
    return merged


def without_patch(ledger, name):
    """The changes of a ledger before a patch is removed, so that no boot and no trial's end loads it again."""
    trial, failed = ledger["trial"], ledger["failed_watch"]
    return {
        "accepted": without(ledger["accepted"], name),
        "trial": dict(trial, back_to=without(trial["back_to"], name)) if trial else None,
        "failed_watch": None if failed and failed["name"] == name else failed,
    }


def effective_state(host, ledger, name, state):
    """A patch's state: `accepted` if it is enabled, not on trial, and accepted in this build for this kernel."""
    if state != "enabled" or trial_of(ledger, name):
        return state
    loaded = {"name": name, "build_id": module_build_id(host, name), "sha256": ""}
    return "accepted" if contains_build(accepted_for_running_kernel(host, ledger), loaded) else state


def trial_of(ledger, name):
    """The trial of a patch, or None."""
    return ledger["trial"] if ledger["trial"] and ledger["trial"]["name"] == name else None


def failed_watch_of(ledger, build):
    """The ledger's `failed_watch` unless it is of another build, or None."""
    failed = ledger["failed_watch"]
    return failed if failed and compare_builds(failed, build) is not False else None


def seconds_left(host, trial):
    """Whole seconds until a trial's end."""
    return max(0, round(trial["ends"] - host.now()))


def loaded_with(host, transaction, layers):
    """The ledger's `loaded` with LAYERs to load."""
    names = {layer["name"] for layer in layers}
    staying = [entry for entry in transaction.ledger["loaded"] if entry["name"] not in names]
    return staying + [entry_of_layer(host, layer, transaction.name) for layer in layers]


def still_loaded(patches, ledger):
    """The ledger's `loaded` without entries that are gone from the kernel, by an interface's patches."""
    return _in_kernel(patches, ledger["loaded"])


def still_in_kernel(patches, ledger):
    """The ledger's `loaded` and `booted`, without patches gone from the kernel: those are no suspects after a crash."""
    booted = ledger["booted"]
    return {"loaded": still_loaded(patches, ledger),
            "booted": dict(booted, patches=_in_kernel(patches, booted["patches"]))}


def _in_kernel(patches, entries):
    names = {patch["name"] for patch in patches if patch["state"] != "disabled"}
    return [entry for entry in entries if entry["name"] in names]
