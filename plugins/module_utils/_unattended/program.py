# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host keeps the program that acts without a controller, and how the program is started."""

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM

FLAGS = ("-I", "-B")  # nothing from the environment or a user's directories, and no compiled files left behind


def this_program(host):
    """The same words, when asked by the program itself."""
    return program_argv(host.interpreter())


def program_argv(interpreter):
    """The words that a command of the program is appended to."""
    return [interpreter, *FLAGS, PROGRAM]
