# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers the process that waits for a trial's end, once its modules are in its memory.

    /run/kernel-livepatch/trial-process       of the last process: `transaction`, `pid`, `started`, `seen` and `trial`

`seen` is on the clock of Host.now(); the process writes it again and again. `trial` is the ledger's: a process that is
started again finds it here if it cannot read the ledger.
"""

import json
import os
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory, replace_private
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity, process_state
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    SHAPE,
    complete_trial,
    read_ledger,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import only_root_writes, read_own
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import RUN_DIRECTORY, TRIAL_PROCESS
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import NUMBER, TEXT, matches, parse_json

START_SECONDS = 180  # for a busy host to start Python, and for Python to read its modules
REGISTERED = {"transaction": TEXT, "pid": NUMBER, "started": NUMBER, "seen": NUMBER, "trial": SHAPE["trial"]}
HUNG_SECONDS = 900  # without a sign of life; a restore of several patches can take minutes

ALIVE, STOPPED, HUNG, MISSING, UNKNOWN = "alive", "stopped", "hung", "missing", "unknown"


def register_trial_process(host):
    """Record that this process waits for the end of the running trial; ignores a full disk and an unreadable ledger."""
    with suppress(LivepatchError, OSError):
        show_sign_of_life(host, read_ledger(host)["trial"])


def show_sign_of_life(host, trial):
    """Write the registration of this process again, with the time; ignores a full disk."""
    if trial:
        process = dict(process_identity(host, "self"), transaction=trial["transaction"], seen=host.now(), trial=trial)
        content = json.dumps(process).encode("utf-8")
        with suppress(LivepatchError, OSError):
            if not only_root_writes(host, RUN_DIRECTORY):
                private_directory(host.path(RUN_DIRECTORY))
            replace_private(host.path(TRIAL_PROCESS), content)


def registered_trial(host):
    """The trial that the last trial process of this boot waited for, or None."""
    registered = _registered(host)
    return registered and registered["trial"]


def trial_process_alive(host, transaction):
    """Whether the process for a trial's end is alive; False also if this user may not see it."""
    return trial_process(host, transaction)[0] in (ALIVE, STOPPED, HUNG)


def trial_process(host, transaction):
    """The state of the process for a trial's end, and its number: ALIVE, STOPPED, HUNG, MISSING or UNKNOWN.

    HUNG is a process without a sign of life for HUNG_SECONDS; UNKNOWN, with None, is an unreadable registration.
    """
    registered = _registered(host)
    if registered is None:
        return UNKNOWN if os.path.lexists(host.path(TRIAL_PROCESS)) else MISSING, None
    pid = registered["pid"]
    identity = process_identity(host, pid)
    if identity != {"pid": pid, "started": registered["started"]} or registered["transaction"] != transaction:
        return MISSING, None
    if process_state(host, pid) in ("T", "t"):
        return STOPPED, pid
    return HUNG if host.now() - registered["seen"] > HUNG_SECONDS else ALIVE, pid


def _registered(host):
    try:
        registered = parse_json(read_own(host, TRIAL_PROCESS))
    except (OSError, ValueError):
        return None
    if isinstance(registered, dict) and "trial" in registered:
        registered["trial"] = complete_trial(registered["trial"])
    return registered if matches(registered, REGISTERED) and registered["trial"] else None
