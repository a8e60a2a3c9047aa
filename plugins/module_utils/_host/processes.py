# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts other programs by their absolute path, without a shell, and with nothing from this process."""

import os
import select
import signal
import subprocess
import time

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

MOST_BYTES = 1 << 16  # of an output; endless output must not fill the memory
# The last is NixOS's; only root can change it.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin", "LC_ALL": "C"}


def run(argv, seconds, **place):
    """See Host.run. `place` has other arguments of Popen: `cwd`, `env`, `preexec_fn`."""
    end = time.monotonic() + seconds
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        **dict({"cwd": "/", "env": ENVIRONMENT}, **place))
    try:
        output = _output(process.stdout.fileno(), end)
        process.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise LivepatchError(
            "command-timed-out",
            f"{' '.join(argv)} was stopped because it took longer than {seconds} s. Run it on the host to find "
            "the cause, then run the task again.") from error
    finally:
        if process.returncode is None:
            # Also its children, because they could keep the pipe open. Its number is not reused before wait().
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    return process.returncode, output.decode("utf-8", "replace").rstrip("\n")


def _output(descriptor, end):
    """The output until the pipe is closed; raises subprocess.TimeoutExpired."""
    output = b""
    while select.select([descriptor], [], [], max(0, end - time.monotonic()))[0]:
        printed = os.read(descriptor, MOST_BYTES)
        if not printed:
            return output
        output = (output + printed)[-MOST_BYTES:]
        if time.monotonic() > end:
            break
    raise subprocess.TimeoutExpired([], 0)


def spawn(argv, keep=()):
    """See Host.spawn; the process also has the open descriptors in `keep`."""
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        env=ENVIRONMENT, start_new_session=True, pass_fds=keep).pid


def process_identity(host, process):
    """`pid` and `started` (ticks since the boot) of a process or of `self`; an empty dict if it does not run.

    Source: fields 1, 3 and 22 of /proc/PID/stat in proc(5).
    """
    number, fields = _stat(host, process)
    if len(fields) < 20 or fields[0] in ("Z", "X"):
        return {}
    return {"pid": int(number.split()[0]), "started": int(fields[19])}


def process_state(host, process):
    """The letter of a process's state, as `T` for stopped, or None if it does not exist; proc(5)."""
    fields = _stat(host, process)[1]
    return fields[0] if fields else None


def _stat(host, process):
    number, _parenthesis, rest = host.read_or(f"/proc/{process}/stat", "").rpartition(")")
    return number, rest.split()
