# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of the host half: a stable code, a message, and details."""

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import errno_words


class LivepatchError(Exception):
    """An error for the operator; `code` is stable and kebab-case, `details` goes into the task's result."""

    def __init__(self, code, message, **details):
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


def as_livepatch_error(failure):
    """A LivepatchError unchanged, or one with the code `os-error` for an unexpected OSError."""
    if isinstance(failure, LivepatchError):
        return failure
    where = f"{failure.filename}: " if failure.filename else ""
    number = f" ({errno_words(failure.errno)})" if failure.errno else ""
    return LivepatchError(
        "os-error", f"Unexpected error from the operating system: {where}{failure.strerror or failure}{number}.")


class ControllerRequest(Exception):
    """Ends the task for now; the controller answers and runs it again.

    `request` is a dict with one or more of: `description` (a digest: the full description of that build of the offer),
    `reading` (`path` and `sha256`: read this file of the host and describe it), `file` (a digest: send this image).
    """

    def __init__(self, **request):
        super().__init__(f"needs {', '.join(sorted(request))}")
        self.request = request
