# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a build has failed, from its logs: the likely cause, and the lines that show it.

The messages are those of kpatch-build, create-diff-object, klp-build, objtool, make, gcc and patch.
"""

import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

# pattern: of one line; its last group, if it has one, is the detail. message: `{detail}` is that, or the line.
Cause = namedtuple("Cause", "pattern code message")
CAUSES = tuple(Cause(re.compile(pattern), code, message) for pattern, code, message in (
    (r"No space left on device|Disk quota exceeded", "build-space-low",
     "The build host has no space left ({detail}). Free some space and run again."),
    (r"Killed signal terminated program|virtual memory exhausted|[Oo]ut of memory|Cannot allocate memory",
     "build-memory-low",
     "The build host ran out of memory ({detail}). Give a smaller number of jobs, or more memory."),
    (r"^(\S+\.[chS]:\d+:(?:\d+:)? (?:fatal )?error: .*)$", "build-compile-error",
     "The source does not compile: {detail}. Correct it for this kernel."),
    (r"(gcc/kernel version mismatch|clang/kernel version mismatch)", "compiler-mismatch",
     "The tool refuses the compiler on the build host: {detail}. Install the kernel's compiler."),
    (r"kernel option '(\w+)' not supported", "config-unsupported",
     "The tool does not support kernels with {detail}. Use another tool."),
    (r"(\.config mismatch)", "config-outdated",
     "The configuration does not fit the source tree: {detail}. Run make olddefconfig, and build the kernel with it."),
    (r"unsupported patch to (.*)$", "source-unsupported",
     "The tool cannot build a patch to {detail}. Remove this part, or patch the callers in C code."),
    (r"(?:file failed to apply|did not apply)", "source-misfit",
     "The source patch does not apply to the source tree ({detail}). Give a version of it for this kernel."),
    (r"(no functional changes found|no changed objects found|no changes detected)", "build-without-change",
     "The tool found no changed function: {detail}. Check whether the configuration and kernel: targets compile the "
     "changed code."),
    (r"Undefined symbols: (.*)$", "build-symbol-missing",
     "The patch uses symbols that the kernel does not have: {detail}. Add them to the source patch."),
    (r"(referencing altered exported kernel symbols.*)$", "build-change-unsupported",
     "The patch changes an interface of the kernel: {detail}. Keep exported functions and their structures."),
    (r"(?:^|: )(?:ERROR|error): (.*(?:unsupported|unreconcilable|not selected for inclusion|cannot |can't find|"
     r"invalid ancestor|two parent matches).*)$",
     "build-change-unsupported",
     "The tool cannot make a live patch of this change: {detail}. Change functions only, and use callbacks or shadow "
     "variables for data."),
    (r"^(?:error: objtool|objtool: error|.*objtool klp \S+ failed)(.*)$", "build-change-unsupported",
     "The tool cannot make a live patch of this change ({detail}). See the log."),
    (r"(?:^|: )([\w.+/-]+): (?:command )?not found$", "programs-missing",
     "The build needs the program {detail}. Install it on the build host."),
))
MEANINGFUL = re.compile(r"\b(?:error|ERROR|FAILED|failed|undefined|unsupported|mismatch|WARNING)\b|\*\*\*")
COMMAND = re.compile(r" -c -o |^\+ ")
LONGEST_LINE = 500
MOST_LINES, LAST_LINES = 30, 8


def likely_cause(text):
    """(code, message) for the text of a log; None without a known line."""
    lines = [line for line in text.split("\n") if not COMMAND.search(line)]
    for cause in CAUSES:
        for line in lines:
            found = cause.pattern.search(line)
            if found:
                groups = [group for group in found.groups() if group] or [line]
                detail = truncate(groups[-1].strip().rstrip("."), 300)
                return cause.code, cause.message.format(detail=detail)
    return None


def meaningful_lines(text):
    """The last lines of a log that tell of errors, and its very last lines."""
    lines = [line.rstrip() for line in text.split("\n") if line.strip() and not COMMAND.search(line)]
    last = max(0, len(lines) - LAST_LINES)
    chosen = [index for index, line in enumerate(lines) if index >= last or MEANINGFUL.search(line)]
    return [truncate(lines[index].replace("\t", " "), LONGEST_LINE) for index in chosen[-MOST_LINES:]]
