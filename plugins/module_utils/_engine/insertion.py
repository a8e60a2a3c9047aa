# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inserts the module of a patch, or enables or disables it, again while the kernel only says that it is busy.

finit_module(2) gives EBUSY while another patch is in transition (klp_enable_patch in kernel/livepatch/core.c), and
while a module of that name is being loaded or unloaded (kernel/module/main.c). It gives EAGAIN while another process
changes a BPF program at one of the functions (kernel/bpf/trampoline.c, bpf_tramp_ftrace_ops_func). kpatch.ko and
kernels without transitions give EBUSY while a task is in one of the functions.

Each load goes through here: of a task, of a rollback, of a trial's end and of a boot.
"""

import os

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import KernelLog
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_module
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.selinux import label_as_module
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.load_errors import load_error
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import number_of

MOST_ATTEMPTS = 6
# Seconds, at most the timeout of a transition. A task waits for a transition that it sees before it arms a trial, so
# only one that begins in between is waited for here, and the trial's end leaves time for one timeout.
LONGEST_RETRY = 30
FIRST_PAUSE = 0.25  # seconds; doubled after each attempt
# The causes that end without the operator, each as errno and code; a cause found in the kernel log does not.
PASSING = frozenset((
    ("EBUSY", "transition-running"), ("EAGAIN", "transition-running"), ("EAGAIN", "kernel-busy"),
    ("EAGAIN", "ftrace-busy"), ("EBUSY", "function-in-use"), ("EAGAIN", "function-in-use"),
    # A change beside another patch's transition that has ended since, so nothing shows it any more.
    ("EBUSY", "change-refused"), ("EAGAIN", "change-refused")))


def insert_module(host, interface, name, image, parameters, timeout):
    """Insert the open file `image`; returns the time when the successful attempt began (host.now()).

    Raises LivepatchError (see load_errors.py), with `attempts` in its details.
    """
    label_as_module(host, image)
    return _while_busy(host, interface, name, timeout, lambda: _insertion(host, name, image, parameters))


def set_enabled(host, interface, name, enabled, timeout):
    """Enable or disable a patch; raises LivepatchError (see adapter.py), with `attempts` in its details."""
    _while_busy(host, interface, name, timeout, lambda: _change(interface, name, enabled))


def _while_busy(host, interface, name, timeout, request):
    """Repeat `request` until it gives None or a LivepatchError that does not pass; returns when the last one began."""
    end = host.now() + min(timeout, LONGEST_RETRY)
    pause = FIRST_PAUSE
    for attempt in range(1, MOST_ATTEMPTS + 1):
        started = host.now()
        failure = request()
        if failure is None:
            return started
        failure.details["attempts"] = attempt
        passing = (failure.details.get("errno"), failure.code) in PASSING
        if not passing or attempt == MOST_ATTEMPTS or not _settled(host, interface, name, pause, end):
            break
        pause *= 2
    tried = f" It was tried {number_of(attempt, 'time')}." if attempt > 1 else ""
    raise LivepatchError(failure.code, failure.message + tried, **failure.details)


def _change(interface, name, enabled):
    """The LivepatchError of one attempt to enable or disable, or None."""
    try:
        interface.set_enabled(name, enabled)
    except LivepatchError as error:
        return error
    return None


def _insertion(host, name, image, parameters):
    """The LivepatchError of one attempt, or None."""
    os.lseek(image, 0, os.SEEK_SET)
    with KernelLog(host) as log:
        try:
            host.finit_module(image, parameters)
        except OSError as error:
            records = log.records()
            return load_error(name, error, records, log.overwritten)
    return None


def _settled(host, interface, name, pause, end):
    """Wait for a pause, and until nothing visible keeps the kernel busy; returns whether that came before `end`."""
    if host.now() + pause >= end:
        return False
    host.sleep(pause)
    return poll_until(host, lambda: _is_quiet(host, interface, name), end - host.now())


def _is_quiet(host, interface, name):
    module = loaded_module(host, name)
    return interface.patch_in_transition() is None and (module is None or module["state"] == "live")
