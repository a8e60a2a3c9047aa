# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forecasts whether the boot service can load patches at the next boot, from the same conditions as that boot.

In this order: the unit, the directories, the journal, the Python in the unit, the program, the policy of SELinux, and
for a Python that the program was not tested with, a run of it.
"""

import os
import re
import stat

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.interpreters import lasts
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import boot_service_status
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import FRAGMENT, UNIT, Systemd, unit_path
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import START_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.selinux import denied_service, module_label
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import directory_fault
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    JOURNAL,
    PROGRAM,
    STATE_DIRECTORY,
    STORE_DIRECTORY,
    TESTED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import is_sealed
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

START = re.compile(rf"^ExecStart=-((?:\S+ )+{re.escape(PROGRAM)}) boot$", re.MULTILINE)
MOST_HEAD = 16384  # bytes, for the first three lines of the program
MOST_CHARACTERS = 200  # of the program's own message
CHANGED = "it has other bytes than this collection wrote"
# Codes of faults that accepting a patch again cannot repair.
NOT_OURS = ("boot-unit-overridden", "boot-denied-by-selinux")


def service_faults(host):
    """The findings about an installed and enabled boot service that will not load patches; changes nothing.

    A service that is not installed or not enabled has none; see boot_service_status.
    """
    status = boot_service_status(host)
    if not (status["installed"] and status["enabled"]):
        return []
    found = [*_unit_faults(host), *_directory_faults(host)]
    argv = unit_argv(host)
    if argv is None:
        return found
    faults = [*_interpreter_faults(host, argv[0]), *_program_faults(host), *_policy_faults(host, argv[0])]
    if not found and not faults:
        faults = [] if _is_tested(host, argv) else list(_run_faults(host, argv))
    return found + faults


def service_notes(host):
    """The findings about a boot service that loads patches today, and may not after an update of the host."""
    argv = unit_argv(host)
    if argv and not lasts(argv[0]):
        return [finding("boot-interpreter-may-go", argv[0], path=argv[0])]
    return []


def unit_argv(host):
    """The command line of the program in the unit; None if the unit is damaged."""
    content = _content(host, unit_path(host))
    start = START.search(content.decode("ascii", "replace")) if content and is_sealed(content) else None
    return start.group(1).split(" ") if start else None


def _unit_faults(host):
    path = unit_path(host)
    content = _content(host, path)
    if content is None or not is_sealed(content):
        yield finding("boot-unit-changed", UNIT, path=path, why=CHANGED)
        return
    try:
        other = Systemd(host).properties(UNIT, [FRAGMENT]).get(FRAGMENT)
    except (LivepatchError, OSError):
        return  # the next boot reads the files
    if other and other != path:
        yield finding("boot-unit-overridden", UNIT, path=path, other=other)


def _interpreter_faults(host, path):
    try:
        status = host.status(host.resolved(path))
    except OSError as error:
        yield finding("boot-interpreter-missing", path, path=path, why=error.strerror)
        return
    if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o111:
        yield finding("boot-interpreter-missing", path, path=path, why="it is not an executable file")


def _program_faults(host):
    content = _content(host, PROGRAM)
    if content is None:
        yield finding("boot-program-damaged", PROGRAM, path=PROGRAM, why="it is missing or cannot be read")
    elif not is_sealed(content):
        yield finding("boot-program-damaged", PROGRAM, path=PROGRAM, why=CHANGED)


def _policy_faults(host, interpreter):
    domain = denied_service(host, interpreter)
    if domain:
        yield finding("boot-denied-by-selinux", domain, domain=domain, label=module_label(host))


def _directory_faults(host):
    """See private_directory and append_record: a boot refuses these directories, and writes the journal."""
    for path in (STATE_DIRECTORY, STORE_DIRECTORY):
        why = directory_fault(host, path)
        if why:
            yield finding("boot-directory-refused", path, path=path, why=why)
    try:
        is_file = stat.S_ISREG(host.status(JOURNAL).st_mode)
    except OSError:  # absent, or below a directory that is reported already
        return
    if not is_file:
        yield finding("boot-journal-unusable", JOURNAL, path=JOURNAL)


def _is_tested(host, argv):
    """Whether the program was tested with this Python; a run is slow, and another file is another version."""
    head = (_content(host, PROGRAM) or b"")[:MOST_HEAD]
    return TESTED + os.fsencode(host.resolved(argv[0])) + b"\n" in head


def _run_faults(host, argv):
    """Run the program as a boot would; it only reads. No finding if it takes too long, as on a busy host."""
    try:
        output = host.run([*argv, "ready"], START_SECONDS)[1]
    except OSError as error:
        output = error.strerror or str(error)
    except LivepatchError:
        return
    if output != "ready":
        last = truncate(output.rpartition("\n")[2] or "no output", MOST_CHARACTERS)
        yield finding("boot-program-fails", PROGRAM, interpreter=argv[0], output=last)


def _content(host, path):
    """The bytes of a regular file, or None."""
    try:
        return host.read_bytes(path) if stat.S_ISREG(host.status(path).st_mode) else None
    except OSError:
        return None
