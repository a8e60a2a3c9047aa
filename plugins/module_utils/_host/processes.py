# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts other programs by their absolute path, without a shell, and with nothing from this process."""

import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

MOST_BYTES = 1 << 16  # of an output; endless output must not fill the memory
SILENT_SECONDS = 0.5  # of the output, between two looks whether the command has ended
# The last is NixOS's; only root can change it.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin", "LC_ALL": "C"}


def run(argv, seconds, own_session=True, **place):
    """See Host.run. `place` has other arguments of Popen: `cwd`, `env`, `preexec_fn`.

    Without `own_session`, the command stays in the group of this process, and they end together.
    """
    end, has_ended = time.monotonic() + seconds, False
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=own_session, **dict({"cwd": "/", "env": ENVIRONMENT}, **place))
    try:
        output, has_ended = _output(process, end)
        if not has_ended:
            process.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise LivepatchError(
            "command-timed-out",
            f"{' '.join(argv)} was stopped because it took longer than {seconds} s. Run it on the host to find "
            "the cause, then run the task again.") from error
    finally:
        if process.returncode is None:
            # Also its children, because they could keep the pipe open. Its number is not reused before wait().
            if own_session or not has_ended:
                os.killpg(process.pid if own_session else 0, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    return process.returncode, output.decode("utf-8", "replace").rstrip("\n")


def _output(process, end):
    """The output until the pipe is closed, and whether the command has ended and something else keeps the pipe open.

    That is a process that it leaves behind, for example the master of a shared ssh connection. The output then ends
    when nothing more comes. Raises subprocess.TimeoutExpired.
    """
    output, descriptor, has_ended = b"", process.stdout.fileno(), False
    while time.monotonic() <= end:
        seconds = 0 if has_ended else min(SILENT_SECONDS, max(0, end - time.monotonic()))
        if select.select([descriptor], [], [], seconds)[0]:
            printed = os.read(descriptor, MOST_BYTES)
            if not printed:
                return output, False
            output = (output + printed)[-MOST_BYTES:]
        elif has_ended:
            return output, True
        else:
            has_ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    raise subprocess.TimeoutExpired([], 0)


def spawn(argv, keep=()):
    """See Host.spawn; the process also has the open descriptors in `keep`."""
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        env=ENVIRONMENT, start_new_session=True, pass_fds=keep).pid


class Child:
    """A function that runs in a child process, and its value; this process never waits for it.

    With its end, or with `kill`, everything that it has started ends too that has not left its process group.
    """

    def __init__(self, function):
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._content = b""
        self._ended = self._reaped = False
        try:
            self.pid = os.fork()
        except OSError:  # a busy host refuses it now and then, for as long as the trial takes
            os.close(self._reader)
            os.close(writer)
            raise
        if not self.pid:
            _serve(function, writer)
        os.close(writer)
        with suppress(OSError):  # the child does it too: whoever comes first
            os.setpgid(self.pid, self.pid)

    def fileno(self):
        """For select(2): readable when there is something to `poll`."""
        return self._reader

    def poll(self):
        """Read what the child has written; returns whether it has ended."""
        while not self._ended:
            try:
                content = os.read(self._reader, MOST_BYTES)
            except BlockingIOError:
                return False
            self._content = (self._content + content)[-MOST_BYTES:]
            self._ended = not content
        if not self._reaped:  # its number is not reused before
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self.reap()
        return True

    def value(self):
        """What the function returned, once the child has ended; None if it was killed or failed."""
        try:
            return json.loads(self._content.decode("utf-8"))
        except ValueError:
            return None

    def kill(self):
        """End the child and close its pipe; see `reap`."""
        if not self._reaped:
            for kill, number in ((os.killpg, self.pid), (os.kill, self.pid)):
                with suppress(OSError):  # the group is gone, or is not one yet
                    kill(number, signal.SIGKILL)
        self.close()
        self.reap()

    def close(self):
        """Close the pipe."""
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    def reap(self):
        """Whether the child is gone. A killed one can stay for as long as the kernel does not answer it (state D)."""
        if not self._reaped:
            try:
                self._reaped = os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
            except ChildProcessError:
                self._reaped = True
        return self._reaped


def _serve(function, writer):
    """Run the function in the child, and never return."""
    status = 1
    try:
        os.setpgid(0, 0)
        _close_inherited(writer)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
            stream.write("0")  # a trial process is never the victim when memory runs out, and its children can be
        content = json.dumps(function()).encode("utf-8")
        while content:
            content = content[os.write(writer, content):]
        status = 0
    finally:
        os._exit(status)


def _close_inherited(kept):
    """Close the files of the parent: the kernel keeps a trace event armed until the last process has closed it."""
    with suppress(OSError):  # without /proc, the files stay open
        for number in map(int, os.listdir("/proc/self/fd")):
            if number > 2 and number != kept:
                with suppress(OSError):  # the directory of the list itself
                    os.close(number)


def wait_readable(sources, seconds):
    """See Host.wait_readable."""
    select.select(sources, [], [], seconds)


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
