# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What goes wrong while patch files and bundles are read on the controller."""

from __future__ import annotations


class TaskError(Exception):
    """A task that cannot go on for another reason than its patch file; `message` is one sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class PatchFileError(Exception):
    """A patch file that cannot be used.

    `code` is stable and kebab-case; `file` and `problem` make one sentence: "fix.ko" "is not an ELF file; give ...".
    Code that works on bytes leaves `file` empty; whoever knows the path fills it in with `named()`.
    """

    def __init__(self, code: str, problem: str, file: str | None = None) -> None:
        super().__init__(code, problem, file)
        self.code = code
        self.problem = problem
        self.file = file

    @property
    def message(self) -> str:
        """One sentence that names the file."""
        return f"{self.file or 'The patch file'} {self.problem}."

    def __str__(self) -> str:
        return self.message

    def named(self, file: str) -> PatchFileError:
        """The same error, about this file."""
        return type(self)(self.code, self.problem, file)


def too_complex() -> PatchFileError:
    """The error for a file whose tables are so large that they were made to cost time and memory."""
    return PatchFileError("too-complex", "has tables that no real patch has; check where the file comes from")


class BundleError(PatchFileError):
    """A bundle directory, or its bundle.yml, that cannot be used; its codes begin with `bundle-`."""
