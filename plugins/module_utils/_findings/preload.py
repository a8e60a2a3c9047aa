# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of the checks before a load: the meaning of each code, and the action against it."""


# code: (level, may be ignored, message). A finding must not be ignored if the change cannot work despite it.
PRELOAD = {
    # the file
    "not-a-livepatch": (
        "blocker", False,
        "{file} is a kernel module but not a live patch: its modinfo has no livepatch=Y. Give a module built by "
        "kpatch-build, by klp-build or from livepatch source."),
    "wrong-interface": (
        "blocker", False,
        "{file} is a patch for {wanted}, and this host has {interface}. {help}."),
    "wrong-architecture": (
        "blocker", False,
        "{file} is built for {arch} and this host is {machine}. Use a build for {machine}."),
    "no-vermagic": (
        "blocker", False,
        "{file} has no vermagic, so it can only be loaded by force. Rebuild it."),
    "wrong-release": (
        "blocker", False,
        "{file} is built for kernel {release} and this host runs {running}. Use a build for {running}: "
        "a kernel can load the wrong one and crash."),
    "wrong-kernel-build": (
        "blocker", False,
        "{file} is built for the kernel with the build-id {wanted}, and this host runs another build of {release}, "
        "{running}. Use a build for this one, or correct kernel_build_id in bundle.yml."),
    "kernel-build-unknown": (
        "blocker", False,
        "{file} is built for the kernel with the build-id {wanted}, and this host does not show the build-id of its "
        "kernel in /sys/kernel/notes. Mount sysfs there, or remove kernel_build_id of {file} from bundle.yml."),
    "not-permitted": (
        "blocker", False,
        "This process may not load or unload kernel modules: {why}. Run the task with become: true, and not in a "
        "container."),
    "module-loading-disabled": (
        "blocker", False,
        "No module can be loaded or unloaded on this host until its next reboot (kernel.modules_disabled is 1). Reboot "
        "the host without this setting."),
    "transition-running": (
        "blocker", False,
        "The patch {other} is in transition, and the kernel does one transition at a time. Wait until it ends, or "
        "reverse it with patch_rollback."),
    "name-taken-by-other-build": (
        "blocker", False,
        "Another build of {name} is {state} (build-id {loaded}; {file} has {wanted}). Give the new build its own name "
        "and let it replace the old one, or set {name} to state absent first."),
    "unknown-parameter": (
        "blocker", True,
        "{file} has no module parameter {parameter} (it has: {known}), and the kernel would ignore it. Correct "
        "params, or name this code in ignore_findings."),
    "functions-taken-over": (
        "warning", False,
        "{file} overrides functions of {others} and does not replace it. Make sure that {file} is the later version."),
    "no-build": (
        "note", False,
        "The bundle has no build of {name} for kernel {kernel}. It has builds for: {builds}."),
    "older-versions-passed-over": (
        "note", False,
        "{file} is the newest version in the bundle for this kernel, and these older ones were passed over: {others}. "
        "To load one of them, choose it with name or version."),
    "license-not-gpl": (
        "blocker", False,
        "{file} has {license}, and the kernel allows live patches under the GPL only. Ask its author for a GPL build."),
    "module-stripped": (
        "blocker", False,
        "{file} has no symbols, and the kernel refuses such a module. Rebuild it, and strip debug information only."),
    "duplicate-object": (
        "blocker", False,
        "{file} patches the object {object} twice, and the kernel refuses this. Correct the patch."),
    "duplicate-function": (
        "blocker", False,
        "{file} replaces {object}:{function},{sympos} twice, and the kernel refuses this. Correct the patch."),
    "object-name-impossible": (
        "blocker", False,
        "{file} patches an object called {object}, and no module can have this name: {why}. Correct the patch, because "
        "it would change nothing in this object."),
    # the kernel's policy
    "livepatch-unsupported": (
        "blocker", False,
        "The running kernel {running} cannot be live patched: {why}. Boot a kernel with CONFIG_LIVEPATCH=y."),
    "signature-missing": (
        "blocker", False,
        "{file} is not signed, and this kernel loads signed modules only ({policy}). Sign it with a key trusted by "
        "the kernel."),
    "signature-key-unknown": (
        "blocker", True,
        "{file} is signed with a key ({signer}) unknown to this kernel, and it loads modules with a known key only "
        "({policy}). Enrol the key, or sign the patch with a trusted one. To let the kernel decide, name this code in "
        "ignore_findings."),
    "locked-down": (
        "blocker", False,
        "{file} is not signed, and this kernel is locked down ({policy}). Sign it with a key trusted by the kernel."),
    "module-blacklisted": (
        "blocker", False,
        "The kernel command line names {name} in module_blacklist, so this kernel refuses it. Boot without that entry, "
        "or give the patch another name."),
    "ftrace-disabled": (
        "blocker", False,
        "ftrace is disabled on this host, and live patches need it. Set kernel.ftrace_enabled to 1 with sysctl."),
    "ftrace-dead": (
        "blocker", False,
        "ftrace has shut down after an internal error, and live patches need it. Read the kernel log, then reboot the "
        "host."),
    # the loaded patches and modules
    "name-not-a-livepatch": (
        "blocker", False,
        "A module called {name} is loaded, and it is not a live patch. Give the patch another name, or unload that "
        "module."),
    "name-pinned": (
        "blocker", False,
        "A disabled {name} is still loaded and cannot be unloaded: {why}. Give the patch another name, or reboot the "
        "host."),
    "leftover-loaded": (
        "note", False,
        "A disabled {name} is still loaded. It is unloaded first."),
    "earlier-patch-disabled": (
        "blocker", True,
        "The patch {other} is disabled and still loaded, and this kernel enables no patch after such a one. Set "
        "{other} to state absent first. To let the kernel decide, name this code in ignore_findings."),
    "quarantined": (
        "blocker", True,
        "This build of {name} is in quarantine since {since}: when this host crashed, {why}. Find the cause of the "
        "crash before you load it again, or name this code in ignore_findings."),
    "trial-running": (
        "blocker", False,
        "The patch {other} is on trial on this host since {since}, and the end of that trial would undo this load. Set "
        "{other} to state accepted or absent first."),
    "trial-without-rollback": (
        "blocker", False,
        "{file} may replace {other}, and the host could not load {other} again when the trial ends: {why}. Load {file} "
        "without a trial. To keep the trial, load {other} with its file first, and do not use on_stall: force."),
    "host-leased": (
        "blocker", False,
        "The run {run} of {who} holds this host since {since}, until {until}. Wait until then, or take the lease over "
        "with take_lease: true (in a playbook livepatch_take_lease: true)."),
    "lease-damaged": (
        "warning", False,
        "{path} cannot be used as the lease of this host ({why}), so it is not known whether another run holds it. The "
        "next change replaces the file."),
    "calls-not-countable": (
        "blocker", False,
        "This host cannot count the calls of {file}, as min_calls demands: {why}. Load it without min_calls, or "
        "correct this."),
    "already-enabled": ("note", False, "{name} is enabled already."),
    "states-incompatible": (
        "blocker", False,
        "{file} does not fit the states of the enabled {other}, so the kernel refuses it: {why}. Use a later build."),
    "states-unknown": (
        "note", False,
        "Only the load shows whether the states of {file} fit those of the enabled {other}: {why}."),
    "replaces-foreign-patch": (
        "blocker", True,
        "{file} would replace {other}, which this collection did not load, and does not contain {functions} of it. Use "
        "a patch with these fixes, or name this code in ignore_findings to drop them."),
    "functions-dropped": (
        "warning", False,
        "{file} would replace {other} and does not contain {functions} of it. Make sure that {file} is the later "
        "version."),
    "older-version": (
        "blocker", True,
        "{file} holds {version}, and the later {other} is {state} on this host. Load a version that is not older. To "
        "load this one all the same, name this code in ignore_findings."),
    "replace-unknown": (
        "warning", False,
        "Only the load shows whether {file} replaces the enabled {others}, and how much of it stays. Ask its "
        "author."),
    # its build, compared with the kernel's own modules
    "no-versions": (
        "blocker", False,
        "{file} has no symbol versions (__versions), and this kernel compares them, so it can only be loaded by force. "
        "Rebuild it with the running kernel's configuration."),
    "struct-module-size": (
        "blocker", False,
        "{file} has a struct module of {have} bytes and this kernel's own modules have one of {want}. Build "
        "it with the running kernel's configuration."),
    # These three are judged by files on the disk; the kernel judges again by its own data.
    "vermagic-mismatch": (
        "blocker", True,
        "{file} is built for '{have}' and this kernel's own modules for '{want}'. Build it with the running kernel's "
        "configuration. To let the kernel decide, name this code in ignore_findings."),
    "symbol-version-mismatch": (
        "blocker", True,
        "{file} was built with other versions (CRCs) of {symbols} than this kernel has. Rebuild it against the running "
        "kernel. To let the kernel decide, name this code in ignore_findings."),
    "symbol-not-exported": (
        "blocker", True,
        "{file} needs {symbols}, and neither the running kernel nor its list of modules shows them as exported. "
        "Rebuild it against the running kernel. To let the kernel decide, name this code in ignore_findings."),
    "dependency-not-loaded": (
        "blocker", False,
        "{file} needs {symbols} of the module {module}, and this module is not loaded. Run modprobe {module} first."),
    "orc-missing": (
        "warning", False,
        "{file} has no data for unwinding its stacks (.orc_unwind), so a task asleep in its functions can hold every "
        "later transition. Rebuild it with objtool."),
    "orc-mismatch": (
        "blocker", True,
        "{file} has data for unwinding its stacks in another format than this kernel's, and the kernel would misread "
        "it. Rebuild it against the running kernel, or name this code in ignore_findings if its author confirms that "
        "it fits."),
    "btf-strict": (
        "warning", False,
        "{file} has type information (.BTF), and this kernel refuses a module if that does not fit exactly. Build "
        "it against exactly this kernel, or strip .BTF."),
    # the functions
    "symbol-missing": (
        "blocker", False,
        "{file} {use} {symbol}, and {object} of this kernel does not have it. Build the patch against {source}."),
    "symbol-ambiguous": (
        "blocker", False,
        "{file} {use} {symbol} without a sympos, and {object} of this kernel has {symbols} of that name. Give a "
        "sympos."),
    "sympos-out-of-range": (
        "blocker", False,
        "{file} {use} {symbol} number {sympos}, and {object} of this kernel has {symbols} of that name. Correct the "
        "sympos."),
    "function-not-traceable": (
        "blocker", False,
        "ftrace cannot redirect {object}:{function}: it is notrace, or the kernel used it at boot only. Patch its "
        "callers."),
    "object-would-be-refused": (
        "blocker", True,
        "The module {object} is not loaded, and the kernel would refuse to load it while {name} is enabled: {why}. "
        "Build the patch against {source}. If {object} is never wanted, name this code in ignore_findings."),
    "object-built-in": (
        "blocker", True,
        "{file} patches the module {object}, and this kernel has its code built in, so the patch would never change "
        "anything in it. Build the patch against the running kernel. To load it for its other objects, name this code "
        "in ignore_findings."),
    "object-out-of-tree": (
        "warning", False,
        "{file} patches the module {object}, and on this host this is not the kernel's own module ({origin}). Build "
        "the patch against the source of exactly this module, or install the kernel's own."),
    "object-unknown": (
        "warning", False,
        "{file} patches the module {object}. It is not loaded and {why}, so the patch may change nothing in it. Make "
        "sure that the patch is meant for this kernel."),
    "ftrace-busy": (
        "blocker", False,
        "Another user of ftrace redirects {object}:{function}, for example a kprobe with a post_handler, and only one "
        "can (flag I in enabled_functions). Stop it."),
    "function-attached": (
        "warning", False,
        "A BPF program or another direct caller is attached to {object}:{function}. Detach it if the kernel refuses "
        "the load. Otherwise check after the load that it still works."),
    "function-probed": (
        "warning", False,
        "A kprobe sits inside {object}:{function} ({places}) and is not hit once the function is "
        "replaced. Move it to the entry of the function."),
    # the machine around the kernel
    "read-only": (
        "blocker", False,
        "The file system of {path} is mounted read-only, and this host keeps patches and its journal there. Mount it "
        "writable."),
    "state-not-persistent": (
        "warning", False,
        "This host keeps accepted patches in {path}, and {why}. Mount a disk at /var/lib before you rely on a boot or "
        "on the quarantine."),
    "selinux-denies-load": (
        "blocker", True,
        "SELinux is enforcing, and its policy does not let {domain} ({who}) load modules from files with the label "
        "{label}. Allow it in the policy, or name this code in ignore_findings to let the kernel decide."),
    "restorecon-missing": (
        "warning", False,
        "SELinux is enforcing, and this host has no restorecon, so the files of this collection keep the labels of "
        "their directories. Install restorecon (policycoreutils)."),
    "labels-not-restored": (
        "warning", False,
        "{program} could not set the SELinux labels of the files of this collection ({why}). SELinux is permissive. "
        "Correct this before you make it enforcing."),
    "interpreter-may-go": (
        "warning", False,
        "This host has no Python under a name that its distribution keeps, so {path} ends trials and loads patches at "
        "boot. An update of the host can remove it. Install the distribution's python3."),
    "no-space": (
        "blocker", False,
        "The file system of {path} has {free} free, and {file} needs {wanted}. Free some space."),
    "little-memory": (
        "warning", False,
        "This host has {free} MiB of memory left, and loading {file} needs {wanted} MiB. Free some memory first."),
    "crash-dump-not-armed": (
        "note", False,
        "No crash kernel is loaded, so a crash would leave no dump. Set up kdump if you want one."),
    "other-tool-loads-at-boot": (
        "blocker", True,
        "{tool} loads {name} at each boot ({path}), and a boot would load the accepted patches as well. {action}, or "
        "name this code in ignore_findings."),
    "other-mechanism-active": (
        "blocker", True,
        "{tool} is active on this host: {effect}. Two mechanisms that change one function can crash the kernel. Remove "
        "its patches with {unload} and keep it from loading them again, or name this code in ignore_findings."),
    "other-tool-active": (
        "warning", False, "{tool} is active on this host: {effect}. Make sure that only one tool patches its "
        "kernel."),
    "other-tool-present": (
        "note", False, "{tool} is installed on this host and not active. When it is active, {effect}."),
    # a kernel that does not run yet
    "kernel-without-livepatch": (
        "blocker", False,
        "Kernel {release} is configured without CONFIG_LIVEPATCH=y, so it cannot load a live patch. Install a kernel "
        "with it."),
    "signature-likely-needed": (
        "warning", False,
        "{file} is not signed, and the running kernel loads signed modules only ({policy}). Kernel {release} may do so "
        "too. Sign {file} with a key trusted by the kernel."),
    "first-boot-checks": (
        "note", False,
        "Kernel {release} does not run, so this host does not show {unknown}. The first boot of this kernel runs all "
        "checks again, and loads {file} only if they find no blocker."),
    # limits of a rollback
    "rollback-not-removable": (
        "warning", False,
        "{file} has no exit function, so it can be disabled but not unloaded. No other build of that "
        "name can be loaded until a reboot."),
    "rollback-callbacks": (
        "warning", False,
        "{file} has callbacks ({callbacks}), and none of them runs when {other} replaces it. To roll back, set the "
        "patch to state disabled or absent."),
    "rollback-states": (
        "warning", False,
        "The kernel would not let {other} replace {file}: {why}. To roll back, set the patch to state disabled or "
        "absent."),
    "rollback-shadow-variables": (
        "warning", False,
        "{file} attaches shadow variables to the kernel's data. They stay when the patch is unloaded, unless it frees "
        "them. Ask its author."),
    "rollback-gap": (
        "note", False,
        "{other} does not replace other patches. During a rollback to it, neither {other} nor {file} is enabled for a "
        "moment."),
    "rollback-file-missing": (
        "blocker", False,
        "{file} would replace {other}, and this host keeps no file of {other}, so a rollback could not load it again. "
        "Load {other} with patch and its file first."),
    "rollback-pinned": (
        "blocker", False,
        "{file} would replace {other}. {other} could then not be unloaded ({why}), so a rollback could load it again "
        "only after a reboot. Accept that, or do not load {file}."),
    "task-in-function": (
        "warning", False,
        "{tasks} asleep in {function} in every sample. A task holds the transition until it leaves the function. Find "
        "out why it waits, from its stack in forecast.sleepers."),
    # skipped checks
    "not-checked": ("note", False, "{why}. These checks were skipped: {codes}."),
}

# Why a file system does not keep its files, by its type in /proc/self/mountinfo.
NOT_PERSISTENT = {
    "tmpfs": "this file system is in memory (tmpfs), so a reboot loses it",
    "ramfs": "this file system is in memory (ramfs), so a reboot loses it",
    "rootfs": "this file system is in memory (rootfs), so a reboot loses it",
    "zram": "this file system is on a disk in memory (zram), so a reboot loses it",
    "ram": "this file system is on a disk in memory (ram), so a reboot loses it",
    "volatile": "this is an overlay mounted with the option volatile, so a crash can lose it",
    "overlay": "this is an overlay, as of a live image or a container, so a reboot can lose it",
}
