# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the kernel refused a patch: errno and log lines to one cause (kernel/module/main.c, kernel/livepatch/core.c)."""

import errno
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

REBUILD = "build the patch against the running kernel"

# Log text, code, what the operator is told. The first text found in the lines of the load wins.
LOG_CAUSES = (
    (r"version magic '(?P<have>[^']*)' should be '(?P<want>[^']*)'", "vermagic-mismatch",
     "it is built for '{have}' and the kernel wants '{want}': " + REBUILD),
    (r"disagrees about version of symbol (?P<symbol>\S+)", "symbol-version-mismatch",
     "the kernel's {symbol} has another version (CRC) than it was built with: " + REBUILD),
    (r"Unknown symbol (?P<symbol>\S+) \(err", "symbol-not-exported",
     "nothing in the kernel exports {symbol}: load the module that does, or " + REBUILD),
    (r"livepatch support is disabled", "livepatch-unsupported", "the kernel has no live-patch support"),
    (r"Lockdown: .*?: (?P<what>.*) is restricted", "locked-down",
     "the kernel is locked down and takes signed modules only ({what}): sign the patch with a key it trusts"),
    (r"Loading of unsigned module is rejected", "signature-missing",
     "it is not signed and the kernel enforces signatures: sign it with a key the kernel trusts"),
    (r"Loading of module with unavailable key is rejected", "signature-key-unknown",
     "it is signed with a key that the kernel does not trust, and the kernel enforces signatures: enrol the key, or "
     "sign it with a trusted one"),
    (r"Loading of (?P<what>.*) is rejected", "signature-rejected",
     "the kernel enforces signatures ({what}): sign the patch with a key it trusts"),
    (r"is blacklisted", "module-blacklisted", "its name is on the kernel command line's module_blacklist"),
    (r"symbol '(?P<symbol>[^']+)' not found in symbol table", "symbol-missing",
     "the kernel has no function {symbol}: " + REBUILD),
    (r"unresolvable ambiguity for symbol '(?P<symbol>[^']+)' in object '(?P<object>[^']+)'", "symbol-ambiguous",
     "{object} has more than one {symbol} and the patch does not say which: give a sympos"),
    (r"symbol position (?P<sympos>\d+) for symbol '(?P<symbol>[^']+)' in object '(?P<object>[^']+)' not found",
     "sympos-out-of-range", "{object} has no {symbol} number {sympos}: correct the sympos"),
    (r"failed to find location for function '(?P<symbol>[^']+)'", "function-not-traceable",
     "ftrace cannot redirect {symbol} (notrace, or gone into its callers)"),
    (r"failed to set ftrace filter for function '(?P<symbol>[^']+)'", "function-not-traceable",
     "ftrace cannot redirect {symbol} (notrace, or gone into its callers)"),
    (r"failed to register ftrace handler for function '(?P<symbol>[^']+)'", "ftrace-busy",
     "ftrace does not give {symbol} away: a kprobe or a BPF program holds it, or kernel.ftrace_enabled is 0"),
    (r"pre-patch callback failed for object '(?P<object>[^']+)'", "callback-refused",
     "its own pre-patch callback for {object} refused: ask its author why it does"),
    (r"is not compatible with the already installed livepatches", "states-incompatible",
     "its states do not fit the patches that are enabled: use a patch that replaces them"),
    (r"failed to validate module \[[^\]]*\] BTF", "btf-mismatch",
     "its type information is of another kernel: " + REBUILD),
    (r"module has no symbols", "module-stripped",
     "it was stripped of its symbols: rebuild it, stripping debug information only"),
)

# What an errno means where the log says nothing.
ERRNO_CAUSES = {
    errno.EPERM: ("not-permitted", "this process may not load modules, or kernel.modules_disabled is 1"),
    errno.EACCES: ("denied-by-security-module", "a security module (SELinux, IMA) denies it: see the audit log"),
    errno.EBUSY: ("transition-running", "another patch is in transition: wait until it is over"),
    errno.EEXIST: ("name-loaded", "a module of that name is loaded"),
    errno.ENOEXEC: ("not-loadable", "it is not a module for this kernel"),
    errno.EBADMSG: ("signature-corrupt", "its signature is damaged: fetch the file again"),
    errno.EKEYREJECTED: (
        "signature-rejected", "its signature is not valid: fetch the file again, or sign it with a trusted key"),
    errno.ETXTBSY: ("file-being-written", "something has the file open for writing"),
    errno.ENOMEM: ("no-memory", "the kernel has no memory for it"),
}


def load_error(name, error, lines):
    """The LivepatchError for a load that failed with OSError `error`, `lines` being what the kernel logged meanwhile.

    Its details: `errno` (the name) and `kernel_log` (the lines that speak of this load).
    """
    relevant = relevant_lines(name, lines)
    code, why = _cause(error, relevant)
    return LivepatchError(
        code, f"The kernel refused to load {name}: {why}.",
        errno=errno.errorcode.get(error.errno, str(error.errno)), kernel_log=relevant)


def relevant_lines(name, lines):
    """The lines about one load among everything the kernel logged at that time."""
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)|livepatch:|Lockdown:|Loading of ")
    return [line for line in lines if pattern.search(line)]


def _cause(error, lines):
    text = "\n".join(lines)
    for pattern, code, why in LOG_CAUSES:
        match = re.search(pattern, text)
        if match:
            return code, why.format(**match.groupdict())
    if error.errno in ERRNO_CAUSES:
        return ERRNO_CAUSES[error.errno]
    return "load-refused", f"{error.strerror} (its init function failed, and the kernel log says no more)"
