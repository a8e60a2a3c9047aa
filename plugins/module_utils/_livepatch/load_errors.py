# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds one cause of a refused load in errno and log lines (kernel/module/main.c, kernel/livepatch/core.c)."""

import errno
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import (
    errno_words,
    number_of,
    truncate,
)

REBUILD = "Build the patch against the running kernel"
MOST_LINES = 100  # of the log in a result
LONGEST_LINE = 500  # characters
LONGEST_IN_MESSAGE = 200
KERNEL = 0  # the facility of records that no process has written

# Log text, code, message for the operator. The first text found in the lines of the load wins.
LOG_CAUSES = (
    (r"version magic '(?P<have>[^']*)' should be '(?P<want>[^']*)'", "vermagic-mismatch",
     "it is built for '{have}' and the kernel wants '{want}'. " + REBUILD),
    (r"disagrees about version of symbol (?P<symbol>\S+)", "symbol-version-mismatch",
     "the kernel's {symbol} has another version (CRC) than it was built with. " + REBUILD),
    (r"Unknown symbol (?P<symbol>\S+) \(err", "symbol-not-exported",
     "nothing in the kernel exports {symbol}. Load the module with this symbol, or rebuild the patch against the "
     "running kernel"),
    (r"livepatch support is disabled", "livepatch-unsupported",
     "the kernel has no live-patch support. Boot a kernel with CONFIG_LIVEPATCH=y"),
    # Before Linux 5.4, the distributions' own lockdown; most of them name no process.
    (r"Lockdown: (?:.*: )?(?P<what>[^:]*\bmodules?\b[^:]*) is restricted", "locked-down",
     "the kernel is locked down and takes signed modules only ({what}). Sign the patch with a key trusted by it"),
    (r"[Ll]oading of unsigned module is rejected", "signature-missing",
     "it is not signed and the kernel enforces signatures. Sign it with a key trusted by the kernel"),
    (r"[Ll]oading of module with unavailable key is rejected", "signature-key-unknown",
     "it is signed with a key unknown to the kernel, and the kernel enforces signatures. Enrol the key, or "
     "sign it with a trusted one"),
    (r"[Ll]oading of (?P<what>.*) is rejected", "signature-rejected",
     "the kernel enforces signatures ({what}). Sign the patch with a key trusted by it"),
    (r"is blacklisted", "module-blacklisted", "its name is in module_blacklist on the kernel command line."
     " Boot without that entry, or give the patch another name"),
    (r"symbol '(?P<symbol>[^']+)' not found in symbol table", "symbol-missing",
     "the kernel has no function {symbol}. " + REBUILD),
    (r"unresolvable ambiguity for symbol '(?P<symbol>[^']+)' in object '(?P<object>[^']+)'", "symbol-ambiguous",
     "{object} has more than one {symbol} and the patch has no sympos for it. Give a sympos"),
    (r"symbol position (?P<sympos>\d+) for symbol '(?P<symbol>[^']+)' in object '(?P<object>[^']+)' not found",
     "sympos-out-of-range", "{object} has no {symbol} number {sympos}. Correct the sympos"),
    (r"invalid access to vmlinux symbol '(?P<symbol>[^']+)' from module-specific", "symbol-misplaced",
     "it refers to {symbol} of the kernel in a section for a module, which this kernel does not allow. Rebuild it with "
     "a newer version of its builder"),
    (r"failed to find location for function '(?P<symbol>[^']+)'", "function-not-traceable",
     "ftrace cannot redirect {symbol}: it is notrace, or inlined. Patch its callers"),
    (r"failed to set ftrace filter for function '(?P<symbol>[^']+)'", "function-not-traceable",
     "ftrace cannot redirect {symbol}: it is notrace, or inlined. Patch its callers"),
    (r"failed to register ftrace handler for function '(?P<symbol>[^']+)'", "ftrace-busy",
     "another user of ftrace, such as a kprobe or a BPF program, holds {symbol}, or kernel.ftrace_enabled is 0. Stop "
     "that user, or set kernel.ftrace_enabled to 1"),
    (r"pre-patch callback failed for object '(?P<object>[^']+)'", "callback-refused",
     "its own pre-patch callback for {object} refused. Ask its author for the reason"),
    (r"is not compatible with the already installed livepatches", "states-incompatible",
     "its states do not fit the patches that are enabled. Use a patch that replaces them"),
    (r"kpatch: activeness safety check failed for (?P<symbol>\S+)", "function-in-use",
     "a task is in {symbol}, and kpatch.ko changes a function only while no task is in it. Run again, or stop that "
     "task (see kernel_log)"),
    (r"kgr: can't patch, another patching not yet finalized", "transition-running",
     "another kGraft patch is still in transition. Wait until it ends"),
    (r"livepatch: func (?P<symbol>\S+) size less than limit", "function-too-short",
     "{symbol} is too short for the jump that this kernel writes into it. Patch its callers"),
    (r"livepatch: module '(?P<module>[^']+)' not loaded", "dependency-not-loaded",
     "this kernel patches loaded modules only, and {module} is not loaded. Run modprobe {module} first"),
    (r"failed to validate module \[[^\]]*\] BTF", "btf-mismatch",
     "its type information is of another kernel. " + REBUILD),
    (r"module has no symbols", "module-stripped",
     "it was stripped of its symbols. Rebuild it, and strip debug information only"),
    (r"duplicate filename '/kernel/livepatch/[^/']+/(?P<object>[^/']+)/(?P<symbol>[^/']+)'", "duplicate-function",
     "it replaces {object}:{symbol} twice. Correct the patch"),
    # Newer kernels replace the errno, and EBUSY alone would mean that a later load can succeed (do_init_module).
    (r"init suspiciously returned -EEXIST", "load-refused",
     "its own init function refused with EEXIST, for which this kernel says EBUSY. Ask its author for the reason"),
)

# The usual meaning of an errno if no log text matches. The patch's own init function can return any of them.
ERRNO_CAUSES = {
    errno.EPERM: (
        "not-permitted",
        "this process may not load modules, or kernel.modules_disabled is 1. Run the task with become: true"),
    errno.EACCES: ("denied-by-security-module", "a security module (SELinux, IMA) denies it. See the audit log"),
    errno.EBUSY: (
        "transition-running",
        "another patch is in transition, or a module of that name is being loaded or unloaded. Wait until it ends"),
    errno.EAGAIN: ("kernel-busy", "another process changes a BPF program at one of its functions. Run again"),
    errno.EEXIST: (
        "name-loaded", "a module of that name is loaded. Give the patch another name, or unload that module"),
    errno.ENOEXEC: ("not-loadable", "it is not a module for this kernel. " + REBUILD),
    errno.EBADMSG: ("signature-corrupt", "its signature is damaged. Fetch the file again"),
    errno.EKEYREJECTED: (
        "signature-rejected", "its signature is not valid. Fetch the file again, or sign it with a trusted key"),
    errno.ETXTBSY: ("file-being-written", "another process has the file open for writing. Run again when it has ended"),
    errno.ENOMEM: ("no-memory", "the kernel has no memory for it. Free some memory"),
}


def load_error(name, error, records, overwritten=False):
    """The LivepatchError for a load that failed with OSError `error`.

    `records`: the Records logged during the load (see kmsg.py), None if the log cannot be read; `overwritten`: whether
    some of them are lost. Its details: `errno` (the name) and `kernel_log` (the lines, those about this load first).
    """
    lines = None if records is None else [record for record in records if record.facility == KERNEL]
    relevant = [record for record in lines or [] if _pattern(name).search(record.text)]
    others = [record for record in lines or [] if record not in relevant]
    found = _logged_cause(relevant)
    if found:
        code, message = found[0], f"{_refused(name, error)}: {found[1]}."
    else:
        code, why = ERRNO_CAUSES.get(error.errno, (
            "load-refused", f"its own init function refused ({error.strerror}). Ask its author for the reason"))
        message = f"{_refused(name, error)}. The usual cause: {why}. {_log_words(lines, overwritten)}"
    return LivepatchError(
        code, message, errno=errno.errorcode.get(error.errno, str(error.errno)),
        kernel_log=_shown(relevant + others, overwritten))


def _refused(name, error):
    return f"The kernel refused to load {name} with {errno_words(error.errno)}"


def _pattern(name):
    """What a line about one load has, among all lines of that time; a line without it can be about it too."""
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)|livepatch:|kpatch:|kgr:|Lockdown:|[Ll]oading of ")


def _logged_cause(records):
    text = "\n".join(record.text for record in records)
    for pattern, code, why in LOG_CAUSES:
        match = re.search(pattern, text)
        if match:
            return code, why.format(**match.groupdict())
    return None


def _log_words(records, overwritten):
    """The kernel log of the time of the load in one sentence, which concludes nothing from it.

    The line shown is the first of the most severe ones: a module reports its failure with pr_err as a rule.
    """
    if records is None:
        return "The kernel log (/dev/kmsg) could not be read. Read it on the host."
    if not records:
        return "Its log of that time was overwritten." if overwritten else "It logged nothing during the load."
    worst = truncate(min(records, key=lambda record: (record.level, record.number)).text, LONGEST_IN_MESSAGE)
    return f"It logged {number_of(len(records), 'line')} during the load (see kernel_log). The most severe: {worst}"


def _shown(records, overwritten):
    """The texts for a result, bounded in lines and bytes, with a mark for each that is left out."""
    lines = [truncate(record.text, LONGEST_LINE) for record in records[:MOST_LINES]]
    if len(records) > MOST_LINES:
        lines.append(f"({number_of(len(records) - MOST_LINES, 'more line')} left out)")
    if overwritten:
        lines.append("(the kernel has overwritten other lines of that time)")
    return lines
