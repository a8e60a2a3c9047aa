# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the program that acts on a host without a controller."""

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM

FLAGS = ("-I", "-B")  # ignore the environment and a user's directories, and leave no compiled files


def this_program(host):
    """The command line of the program that runs now, to append a command to."""
    return program_argv(host.interpreter())


def program_argv(interpreter):
    """The command line of the program, to append a command to."""
    return [interpreter, *FLAGS, PROGRAM]
