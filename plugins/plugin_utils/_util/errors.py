# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Errors of the controller half."""

from __future__ import annotations

import os

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import escape


class TaskError(Exception):
    """A failure of a task that is not about its patch file; `message` has the problem and the action."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = escape(message)


class PatchFileError(Exception):
    """An unusable patch file.

    `code` is stable and kebab-case; `file` and `problem` make the message: "fix.ko" "is not an ELF file. Give ...".
    Code that works on bytes leaves `file` empty. A caller that knows the path adds it with `with_file()`.
    """

    def __init__(self, code: str, problem: str, file: str | None = None) -> None:
        super().__init__(code, problem, file)
        self.code = code
        self.problem = problem
        self.file = file

    @property
    def message(self) -> str:
        """The message, with the file's name, for a terminal and for JSON."""
        return escape(f"{self.file or 'The patch file'} {self.problem}.")

    def __str__(self) -> str:
        return self.message

    def with_file(self, file: str) -> PatchFileError:
        """The same error, about this file."""
        return type(self)(self.code, self.problem, file)


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that neither JSON nor a terminal can show; raises PatchFileError file-name-unusable.

    Linux takes every byte but NUL in a name. Python reads bytes that are not UTF-8 as lone surrogates.
    """
    if not os.fspath(path).isprintable():
        problem = (
            "has a character in its path that is not UTF-8 or does not print, shown here with a backslash. Rename the "
            "file or its directory")
        raise PatchFileError("file-name-unusable", problem, os.fspath(path))


def too_complex() -> PatchFileError:
    """The error for a file with tables far larger than those of any real patch."""
    return PatchFileError("too-complex", "has larger tables than any real patch. Check where the file comes from")


class BundleError(PatchFileError):
    """An unusable bundle directory or bundle.yml; its codes begin with `bundle-`."""
