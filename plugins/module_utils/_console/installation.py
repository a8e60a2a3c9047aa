# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the command for the person at the console, and its manual page.

    /usr/local/sbin/kernel-livepatch
    /usr/local/share/man/man8/kernel-livepatch.8

/usr belongs to the packages of the distribution, and /usr/local to the host: it can also be written on images, where it
leads to /var. Where it cannot, the program is called directly.
"""

import stat
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.public_files import PublicDirectory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import reason
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM

COMMAND = "kernel-livepatch"
COMMANDS_DIRECTORY, MANUAL_DIRECTORY = "/usr/local/sbin", "/usr/local/share/man/man8"
MANUAL = "kernel-livepatch.8"
NOT_ROOT = 3  # exit status
MOST_HEAD = 4096  # bytes, for the first line of the program

LAUNCHER = """\
#!/bin/sh
# Written by the Ansible collection kernel.livepatch. See kernel-livepatch(8), or run: kernel-livepatch help
if [ "$(id -u)" != 0 ]; then
    echo "not-permitted: Only root can use kernel-livepatch. Run it with sudo." >&2
    exit {not_root}
fi
exec {program} "$@"
"""


def install_command(host, manual):
    """Install the command for the program of this host, and its manual page `manual`, where they are missing or differ.

    Returns the finding about a command that cannot be installed. Without the program there is nothing to install.
    """
    argv = installed_argv(host)
    if argv is None:
        return []
    launcher = LAUNCHER.format(program=" ".join(argv), not_root=NOT_ROOT).encode("ascii")
    try:
        with _directory(host, COMMANDS_DIRECTORY) as directory:
            _write(directory, COMMAND, launcher, 0o755)
    except OSError as error:
        return [finding("command-not-installed", COMMAND, directory=COMMANDS_DIRECTORY, why=reason(error),
                        command=" ".join([*argv, "status"]), name=COMMAND)]
    with suppress(OSError), _directory(host, MANUAL_DIRECTORY, create=True) as directory:
        _write(directory, MANUAL, manual.encode("ascii"), 0o644)  # `kernel-livepatch help` prints it too
    return []


def installed_argv(host):
    """The command line of the installed program, as its first line has it; None without one."""
    try:
        if not stat.S_ISREG(host.status(PROGRAM).st_mode):
            return None
        first = host.read_small(PROGRAM, MOST_HEAD).partition(b"\n")[0].decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return [*first[2:].split(" "), PROGRAM] if first.startswith("#!/") else None


def _directory(host, path, create=False):
    return PublicDirectory(host, path, of_root=True, create=create)


def _write(directory, name, content, mode):
    if not directory.has(name, content, mode):
        directory.write(name, content, mode)
