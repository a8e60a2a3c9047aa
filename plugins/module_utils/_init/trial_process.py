# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers the process that waits for a trial's end, once its modules are in its memory.

    /run/kernel-livepatch/trial-process       `transaction`, and `pid` and `started` of the last process
"""

import json
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    make_way,
    private_directory,
    write_private,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import RUN_DIRECTORY, TRIAL_PROCESS
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.small_files import read_object
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import TEXT

START_SECONDS = 180  # for a busy host to start Python, and for Python to read its modules
SHAPE = {"transaction": TEXT, "pid": int, "started": int}


def register_trial_process(host):
    """Record that this process waits for the end of the running trial; ignores a full disk."""
    with suppress(LivepatchError, OSError):
        trial = read_ledger(host)["trial"]
        if trial:
            process = dict(process_identity(host, "self"), transaction=trial["transaction"])
            private_directory(host.path(RUN_DIRECTORY))
            content = json.dumps(process).encode("utf-8")
            make_way(host.path(TRIAL_PROCESS))
            write_private(host.path(TRIAL_PROCESS), lambda stream: stream.write(content))


def trial_process_alive(host, transaction):
    """Whether the process for a trial's end is alive; False also if this user may not see it."""
    registered = read_object(host, TRIAL_PROCESS, SHAPE)
    process = process_identity(host, registered["pid"]) if registered else {}
    return bool(process) and registered == dict(process, transaction=transaction)
