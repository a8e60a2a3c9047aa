# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks before a load find: the one table of what each code means and what to do about it."""


# code: (level, may be ignored, message). What may not be ignored, neither the tool nor the kernel can work in spite of.
PRELOAD = {
    # the file by itself
    "not-a-livepatch": (
        "blocker", False,
        "{file} is a kernel module but not a live patch (its modinfo has no livepatch=Y): give a module built by "
        "kpatch-build, klp-build or from livepatch source."),
    "wrong-architecture": (
        "blocker", False,
        "{file} is built for {arch} and this host is {machine}: use a build for {machine}."),
    "no-vermagic": (
        "blocker", False,
        "{file} does not say which kernel it was built for (it has no vermagic), and only forced loading would take "
        "it: rebuild it."),
    "wrong-release": (
        "blocker", False,
        "{file} is built for kernel {release} and this host runs {running}: use a build for {running}, "
        "since a kernel can accept the wrong one and crash."),
    "not-permitted": (
        "blocker", False,
        "Loading and removing kernel modules needs CAP_SYS_MODULE on the host itself, which this process lacks: run "
        "the task with become: true, and not in a container."),
    "module-loading-disabled": (
        "blocker", False,
        "No module can be loaded or removed on this host until its next reboot (kernel.modules_disabled is 1)."),
    "transition-running": (
        "blocker", False,
        "The kernel is in the middle of the transition of the patch {other} and does one at a time: wait until it is "
        "over, or reverse it."),
    "name-taken-by-other-build": (
        "blocker", False,
        "Another build of {name} is {state} (build-id {loaded}; {file} has {wanted}): give the new build a name of its "
        "own and let it replace the old one, or bring {name} to state absent first."),
    "unknown-parameter": (
        "blocker", True,
        "{file} has no module parameter {parameter} (it has: {known}), and the kernel would ignore it: correct "
        "params, or name this code in ignore_findings."),
    "functions-taken-over": (
        "warning", False,
        "{file} takes functions over from {others} and does not replace it: make sure that it is the later version."),
    "no-build": (
        "note", False,
        "The bundle has no build of {name} for kernel {running} on {machine}; it has builds for: {builds}."),
    "license-not-gpl": (
        "blocker", False,
        "{file} has {license} and the kernel gives its live patching to GPL modules only: ask its author."),
    "module-stripped": (
        "blocker", False,
        "{file} was stripped of its symbols, and the kernel takes no such module: rebuild it, stripping debug "
        "information only."),
    "duplicate-object": (
        "blocker", False,
        "{file} has {object} twice among the objects that it patches, which the kernel refuses: correct the patch."),
    "duplicate-function": (
        "blocker", False,
        "{file} replaces {object}:{function},{sympos} twice, which the kernel refuses: correct the patch."),
    "object-name-impossible": (
        "warning", False,
        "{file} patches an object called {object}, and no module is ever called that (the kernel writes _ for -), so "
        "nothing would be patched in it: correct the patch."),
    # the kernel's policy
    "livepatch-unsupported": (
        "blocker", False,
        "The running kernel {running} cannot be live patched ({why}): boot a kernel with CONFIG_LIVEPATCH=y."),
    "signature-missing": (
        "blocker", False,
        "{file} is not signed and this kernel takes signed modules only ({policy}): sign it with a key that "
        "the kernel trusts."),
    "signature-key-unknown": (
        "blocker", True,
        "{file} is signed with a key ({signer}) that this kernel does not have, and it takes modules signed with a "
        "trusted key only ({policy}): enrol the key, sign with one that the kernel trusts, or let the kernel judge by "
        "naming this code in ignore_findings."),
    "locked-down": (
        "blocker", False,
        "{file} is not signed and this kernel is locked down ({policy}): sign it with a key that the kernel trusts."),
    "module-blacklisted": (
        "blocker", False,
        "The kernel command line's module_blacklist names {name}, so this kernel refuses it: boot without that, or "
        "give the patch another name."),
    "ftrace-disabled": (
        "blocker", False,
        "ftrace is switched off on this host and live patches work through it: set kernel.ftrace_enabled to 1 with "
        "sysctl."),
    "ftrace-dead": (
        "blocker", False,
        "ftrace has shut itself down after an internal error, and live patches work through it: read the kernel log, "
        "and reboot."),
    # the patches and modules that are loaded
    "name-not-a-livepatch": (
        "blocker", False,
        "A module called {name} is loaded and is not a live patch: the name is taken, so give the patch another one."),
    "name-pinned": (
        "blocker", False,
        "A disabled {name} is still loaded and cannot be taken out ({why}): give the patch another name, or reboot."),
    "leftover-loaded": (
        "note", False,
        "A disabled {name} is still loaded; it is taken out first."),
    "quarantined": (
        "blocker", True,
        "This very build of {name} is in quarantine since {since}: when this host crashed, {why}. Find out what the "
        "crash was before it is loaded again, or name this code in ignore_findings."),
    "trial-running": (
        "blocker", False,
        "The patch {other} is on trial here since {since}, and its end would take back what is loaded meanwhile: bring "
        "{other} to state accepted or absent first."),
    "trial-without-way-back": (
        "blocker", False,
        "{file} may replace {other}, and {why}, so that a trial's end could not load {other} again: load without "
        "a trial, or make that possible first."),
    "already-enabled": ("note", False, "{name} is enabled already."),
    "states-incompatible": (
        "blocker", False,
        "{file} does not fit the states of the enabled {other} ({why}), so the kernel refuses it: use a later build."),
    "states-unknown": (
        "note", False,
        "Whether the states of {file} fit those of the enabled {other} is only told by the load, because {why}."),
    "replaces-foreign-patch": (
        "blocker", True,
        "{file} would replace {other}, which this collection did not load, and does not contain {functions} of it: "
        "where these fixes may go, name this code in ignore_findings."),
    "functions-dropped": (
        "warning", False,
        "{file} would replace {other} and does not contain {functions} of it: make sure that it is the later version."),
    "replace-unknown": (
        "warning", False,
        "Whether {file} replaces the enabled {others}, and what it keeps of it, is decided when it is loaded: ask its "
        "author."),
    # how it was built, compared with the kernel's own modules
    "no-versions": (
        "blocker", False,
        "{file} has no symbol versions (__versions), which this kernel compares, and only forced loading would take "
        "it: rebuild it with the running kernel's configuration."),
    "struct-module-size": (
        "blocker", False,
        "{file} is built with a struct module of {have} bytes and this kernel's own modules with one of {want}: build "
        "it with the running kernel's configuration."),
    # What these three are judged by are files on the disk, and the kernel judges again by what it runs.
    "vermagic-mismatch": (
        "blocker", True,
        "{file} is built for '{have}' and this kernel's own modules for '{want}': build it with the running kernel's "
        "configuration, or name this code in ignore_findings to leave it to the kernel."),
    "symbol-version-mismatch": (
        "blocker", True,
        "{file} was built with other versions (CRCs) than this kernel's of {symbols}: rebuild it against the running "
        "kernel, or name this code in ignore_findings to leave it to the kernel."),
    "symbol-not-exported": (
        "blocker", True,
        "Nothing on this host exports {symbols}, which {file} needs: rebuild it against the running kernel, or name "
        "this code in ignore_findings to leave it to the kernel."),
    "dependency-not-loaded": (
        "blocker", False,
        "{file} needs {symbols} of the module {module}, which is not loaded: modprobe {module} first."),
    "orc-missing": (
        "warning", False,
        "{file} has no data for unwinding its stacks (.orc_unwind), so a task asleep in its functions can hold every "
        "later transition for ever: rebuild it with objtool."),
    "orc-mismatch": (
        "blocker", True,
        "{file} has data for unwinding its stacks in another format than this kernel's, which would misread them: "
        "rebuild it against the running kernel, or name this code in ignore_findings if its author says that it fits."),
    "btf-strict": (
        "warning", False,
        "{file} carries type information (.BTF), and this kernel refuses a module where it does not fit exactly: build "
        "it against this very kernel, or strip .BTF."),
    # the functions
    "symbol-missing": (
        "blocker", False,
        "{object} of this kernel has no {symbol}, which {file} {use}: build the patch against the running kernel."),
    "symbol-ambiguous": (
        "blocker", False,
        "{object} of this kernel has {count} symbols called {symbol}, and {file}, which {use} one, does not say which: "
        "give a sympos."),
    "sympos-out-of-range": (
        "blocker", False,
        "{object} of this kernel has {count} symbols called {symbol}, and {file} {use} number {sympos}: correct the "
        "sympos."),
    "function-not-traceable": (
        "blocker", False,
        "ftrace cannot redirect {object}:{function} (it is notrace, or was for booting only): patch its callers."),
    "object-would-be-refused": (
        "blocker", True,
        "The module {object} is not loaded, and while {name} is enabled the kernel would refuse to load it, because "
        "{why}: build the patch against the running kernel, or, where {object} is never wanted, name this code in "
        "ignore_findings."),
    "object-unknown": (
        "warning", False,
        "The module {object}, which {file} is for, is not loaded and {why}, so the patch may change nothing in it: "
        "make sure that it is meant for this kernel."),
    "ftrace-busy": (
        "blocker", False,
        "Something else than a live patch redirects {object}:{function} already (I in enabled_functions; a kprobe with "
        "a post_handler does), and there can be one: stop it."),
    "function-attached": (
        "warning", False,
        "A BPF program or another direct caller is attached to {object}:{function}: should the kernel refuse the load, "
        "detach it, and otherwise see that it still does what it should."),
    "function-probed": (
        "warning", False,
        "A kprobe sits inside {object}:{function} ({places}) and will not be hit any more once the function is "
        "replaced: move it to the entry, where it goes on being hit."),
    # the machine around the kernel
    "read-only": (
        "blocker", False,
        "The file system of {path}, where this host keeps patches and the journal of changes, is mounted read-only: "
        "mount it writable."),
    "no-space": (
        "blocker", False,
        "The file system of {path} has {free} free and keeping {file} takes {wanted}: make room."),
    "little-memory": (
        "warning", False,
        "This host has {free} MiB of memory left, and {wanted} MiB are wanted for loading {file}: free some first."),
    "crash-dump-not-armed": (
        "note", False,
        "No crash kernel is loaded, so if the kernel crashed there would be no dump of it: set up kdump if you want "
        "one."),
    "other-tool-active": (
        "warning", False, "{tool} is at work on this host: {effect}."),
    "other-tool-present": (
        "note", False, "{tool} is installed on this host and not at work; once it is, {effect}."),
    # what stands against the way back
    "rollback-not-removable": (
        "warning", False,
        "{file} has no exit function, so it can be disabled and not be taken out of memory, and no other build of that "
        "name can be loaded until a reboot."),
    "rollback-callbacks": (
        "warning", False,
        "{file} has callbacks ({callbacks}), and none of them runs when {other} replaces it: go back by disabling it."),
    "rollback-states": (
        "warning", False,
        "The kernel would not let {other} replace {file} ({why}): go back by disabling it."),
    "rollback-shadow-variables": (
        "warning", False,
        "{file} attaches shadow variables to the kernel's data, which stay when it goes unless it frees them: ask its "
        "author."),
    "rollback-gap": (
        "note", False,
        "{other} does not replace other patches, so going back to it means a moment with neither it nor {file}."),
    "rollback-file-missing": (
        "blocker", False,
        "{file} would replace {other}, of which this host keeps no file, so {other} could not be brought back."),
    "rollback-pinned": (
        "blocker", False,
        "{file} would replace {other}, which could not be taken out of memory then ({why}), so {other} could not be "
        "brought back until a reboot."),
    "task-in-function": (
        "warning", False,
        "{tasks} asleep in {function} all the time that this was looked at, and a task that never leaves it holds the "
        "transition: see what it waits for."),
    # what could not be looked at
    "not-checked": ("note", False, "{why}, so this was not checked before the load: {codes}."),
}
