# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs, started by their absolute path, without a shell and without anything of this process."""

import os
import signal
import subprocess

from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def run(words, seconds):
    """See Host.run."""
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", env=ENVIRONMENT,
        start_new_session=True)
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired as error:
        raise LivepatchError(
            "command-timed-out",
            f"{' '.join(words)} was stopped because it took longer than {seconds} seconds: find out what holds it and "
            "run again.") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with its children, which could keep the pipe open
            process.wait()
        process.stdout.close()
    return process.returncode, output.decode("utf-8", "replace").rstrip("\n")


def spawn(words):
    """See Host.spawn."""
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        env=ENVIRONMENT, start_new_session=True).pid
