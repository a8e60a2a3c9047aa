# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads source patches (unified diffs for `patch -p1`) before any program gets them. Nothing in them is trusted.

Sources: the manual of GNU diffutils (Unified Format), git-diff(1) for the extended headers.
"""

import difflib
import fnmatch
import re
from collections import namedtuple

# old, new: paths below the source tree, None for /dev/null.
FileChange = namedtuple("FileChange", "old new")
HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
LINK_MODE = re.compile(r"(?:new file|new|old|deleted file) mode 1[26]0000")  # a symbolic link, a submodule
NOTHING = "/dev/null"
HEADER = re.compile(rb"^\+\+\+ [^\n]*$", re.MULTILINE)
PLAIN = re.compile(r"[A-Za-z0-9._+,@-]+(/[A-Za-z0-9._+,@-]+)*\Z")

# What no builder takes: the pattern of a path, and why. Sources: check_unsupported_patches of klp-build;
# verify_patch_files of kpatch-build, and the objects that kpatch-cc passes over.
UNSUPPORTED = (
    ("lib/*", "code below lib/ is part of other programs too"),
    ("*/vdso/*", "the vDSO runs in user space"),
    ("*/vdso32/*", "the vDSO runs in user space"),
    ("*/vdso64/*", "the vDSO runs in user space"),
    ("*/realmode/rm/*", "this code runs before the kernel"),
    ("arch/*/boot/*", "this code runs before the kernel"),
    ("drivers/firmware/efi/libstub/*", "this code runs before the kernel"),
    ("arch/*/purgatory/*", "this code runs after the kernel, in kexec"),
    ("*.S", "assembly cannot be replaced function by function"),
)
# More that kpatch-build compiles and does not compare (kpatch-cc): it is silent about a change there.
PASSED_OVER = {"kpatch-build": tuple((pattern, "it passes over this file without a word") for pattern in (
    "arch/x86/realmode/*", "arch/x86/tools/*", "arch/powerpc/kernel/prom_init.c", "init/version.c",
    "init/version-timestamp.c"))}
# Not of the kernel itself. A fix can have a test below tools/, and then the rest of it counts.
BESIDE_THE_KERNEL = ("tools/", "scripts/", "samples/", "usr/", "Documentation/")


class SourceError(Exception):
    """A source patch that must not be used: `code` is source-unreadable or source-path-unsafe; `path` and `why`."""

    def __init__(self, code, why, path=None):
        super().__init__(why)
        self.code = code
        self.why = why
        self.path = path


def read_changes(text):
    """The FileChange of each file in the text of a patch, in its order; raises SourceError."""
    lines = _lines(text)
    changes = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if LINK_MODE.match(line):
            raise SourceError("source-path-unsafe", "it makes or changes a symbolic link", _last_path(lines, at))
        if line.startswith(("GIT binary patch", "Binary files ")):
            raise SourceError("source-unreadable", "it has a binary part")
        if line.startswith(("rename from ", "copy from ")):
            raise SourceError("source-unreadable", "it renames or copies a file")
        if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            changes.append(_change(line[4:], lines[at + 1][4:]))
            at = _behind_hunks(lines, at + 2)
        else:
            at += 1
    if not changes:
        raise SourceError("source-unreadable", "it changes no file")
    return changes


def with_plain_line_ends(content):
    """The bytes of a patch without the carriage returns that a mail or Windows adds; `patch` drops these too.

    klp-build takes them as parts of file names, and finds that out when it has built the kernel.
    """
    headers = HEADER.findall(content)
    return content.replace(b"\r\n", b"\n") if headers and all(line.endswith(b"\r") for line in headers) else content


def make_patch(texts):
    """One patch for (path, text before, text after) of several files; "" stands for no file."""
    parts = []
    for path, before, after in texts:
        names = (f"a/{path}" if before else NOTHING, f"b/{path}" if after else NOTHING)
        for line in difflib.unified_diff(_with_ends(before), _with_ends(after), *names):
            parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)


def _with_ends(text):
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])


def unsupported(changes, tool):
    """(path, why) of the first file that a tool cannot take, or None."""
    for path in paths_of(changes):
        for pattern, why in (*UNSUPPORTED, *PASSED_OVER.get(tool, ())):
            if fnmatch.fnmatchcase(path, pattern):
                return path, why
    return None


def paths_of(changes):
    """The paths of all files in some changes, sorted."""
    return sorted({path for change in changes for path in (change.old, change.new) if path})


def _lines(text):
    """The lines as `patch` sees them: only a newline ends one. Sources of the kernel have form feeds in them."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line[:-1] if line.endswith("\r") else line for line in lines]  # patch drops these too


def _change(old, new):
    change = FileChange(_path(old), _path(new))
    if change == FileChange(None, None):
        raise SourceError("source-unreadable", "it has a change without a file")
    return change


def _path(written):
    """The path below the tree of a name in `---` or `+++`; None for /dev/null."""
    name = written.split("\t")[0].rstrip()
    if name == NOTHING:
        return None
    first, slash, path = name.partition("/")
    if not slash:
        raise SourceError("source-unreadable", f"{name} has no directory such as a/ before it")
    if not first or not PLAIN.match(path) or {"..", "."} & set(path.split("/")):
        raise SourceError("source-path-unsafe", "this is no plain path below the source tree", name)
    return path


def _behind_hunks(lines, at):
    """The index of the first line behind the hunks that begin at `at`: a line of a hunk can look like a header."""
    hunks = 0
    while at < len(lines):
        hunk = HUNK.match(lines[at])
        if not hunk:
            break
        old, new = (1 if count is None else int(count) for count in hunk.groups())
        at += 1
        hunks += 1
        while (old > 0 or new > 0) and at < len(lines):
            mark = lines[at][:1]
            old -= mark in ("-", " ", "")
            new -= mark in ("+", " ", "")
            if mark not in ("+", "-", " ", "", "\\"):
                raise SourceError("source-unreadable", f"line {at + 1} is no part of a hunk")
            at += 1
        if old or new:
            raise SourceError(
                "source-unreadable", f"it is cut short, or a hunk before line {at + 1} has a wrong length")
        if at < len(lines) and lines[at].startswith("\\"):
            at += 1
    if not hunks:
        raise SourceError("source-unreadable", f"line {at + 1} is no hunk")
    return at


def _last_path(lines, at):
    """The path in the last line `diff --git` before a line, for a message."""
    found = next((line for line in reversed(lines[:at]) if line.startswith("diff --git ")), "")
    return found.rpartition(" ")[2] or "a file"
