# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses a Python for what a host does without a controller, at a trial's end and at boot, perhaps in years.

The Python that Ansible has found need not last: a virtual environment can be deleted, and an update of the distribution
can remove `/usr/bin/python3.11`. The distribution's own names lead to its present Python for as long as it has one.
"""

import os
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._host.trust import resolve_trusted

# The first is of RHEL 8, where /usr/bin/python3 is an operator's choice. NixOS and Guix set their names, the last two,
# before systemd starts.
LASTING = (
    "/usr/libexec/platform-python", "/usr/bin/python3", "/run/current-system/sw/bin/python3",
    "/run/current-system/profile/bin/python3")
PLAIN = re.compile(r"(/[A-Za-z0-9._+-]+)+\Z")  # a path without characters to quote
# Writable by other users, not mounted at boot, or closed to services by SELinux.
ELSEWHERE = ("/home/", "/root/", "/tmp/", "/var/tmp/", "/run/", "/dev/")


def usable_interpreters(host):
    """The Pythons that only root can replace, the best first, and the reasons in words against the others.

    A name in LASTING stays as it is; for the running Python, the list has its file.
    """
    usable, reasons = [], []
    for choice in filter(None, [*LASTING, host.interpreter()]):
        real = host.resolved(choice)
        reason = interpreter_fault(host, real)
        if reason is None:
            # A name that leads through a link of another user is not run at boots; its file is.
            path = choice if choice in LASTING and resolve_trusted(host, choice)[0] == real else real
            if real not in map(host.resolved, usable):
                usable.append(path)
        elif os.path.lexists(host.path(choice)):
            reasons.append(f"{choice}: {reason}")
    return sorted(usable, key=lambda path: path not in LASTING), reasons


def lasts(path):
    """Whether a Python's path is a name that the distribution keeps."""
    return path in LASTING


def interpreter_fault(host, path):
    """The reason not to run the Python of a path without symbolic links, in words, or None."""
    if not PLAIN.match(path):
        return f"{path} has characters that a unit would have to quote"
    if path.startswith(ELSEWHERE):
        return f"{path} is in a directory for users or temporary files"
    real, reason = resolve_trusted(host, path)
    return reason if real is None else None if real == path else f"{path} has just been changed"
