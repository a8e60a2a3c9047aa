# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real causes on a stock kernel: what patch_check has to find, and what the kernel itself says to a load.

A verdict is what insmod prints, and a part of what the kernel logs. LOADS is the verdict where the kernel takes the
patch: either the finding is no blocker, or the kernel takes what it should not, which `why` then explains.
"""

from __future__ import annotations

import typing as t

LOADS = ""
# insmod's words for the errors of finit_module.
ENOENT = "Unknown symbol in module"
EPERM = "Operation not permitted"
EBUSY = "Device or resource busy"
EEXIST = "File exists"
EINVAL = "Invalid parameters"
ENOEXEC = "Invalid module format"
EKEYREJECTED = "Key was rejected by service"


class Cause(t.NamedTuple):
    """`file` is a patch of the lab; `made_by` are commands that make the cause on a guest and `undone_by` others.

    `kernels` are those of the lab that it is about, all of them when there are none, and `needs` is an option that
    those are built with. `way` tells apart what else would have the same name. `beside` has the codes of others.
    """

    file: str
    code: str
    level: str
    says: str
    log: str = ""
    made_by: str = ""
    undone_by: str = ""
    why: str = ""
    kernels: tuple[str, ...] = ()
    needs: str = ""
    way: str = ""
    beside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.code, self.file, self.way)))

    def not_about(self, kernel: str, configured_with: t.Callable[[str], bool]) -> str:
        """Why it is not about one of the lab's kernels; empty where it is."""
        if self.kernels and kernel not in self.kernels:
            return f"it is about {', '.join(self.kernels)}"
        return f"it is built without {self.needs}" if self.needs and not configured_with(self.needs) else ""


def by_name(causes: t.Iterable[Cause]) -> dict[str, list[Cause]]:
    """The causes that are the same case, of which each kernel has one."""
    cases: dict[str, list[Cause]] = {}
    for cause in causes:
        cases.setdefault(cause.name, []).append(cause)
    return cases


# The cause is in the file.
FILES = [
    Cause("wrong_release", "wrong-release", "blocker", LOADS, why="it passes over the release where the CRCs match",
          kernels=("5.10", "6.1", "6.12")),
    Cause("wrong_release", "wrong-release", "blocker", ENOEXEC, "version magic '", kernels=("7.2",)),
    Cause("other_arch", "wrong-architecture", "blocker", ENOEXEC, kernels=("5.10",)),
    Cause("other_arch", "wrong-architecture", "blocker", ENOEXEC, "Invalid architecture in ELF header: 183",
          kernels=("6.1", "6.12", "7.2")),
    Cause("lab_target", "not-a-livepatch", "blocker", LOADS, why="it is a good module"),
    Cause("no_vermagic", "no-vermagic", "blocker", LOADS, "bad vermagic: kernel tainted", why="forced loading"),
    Cause("no_versions", "no-versions", "blocker", LOADS, why="forced loading, with the taint F",
          needs="CONFIG_MODVERSIONS"),
    Cause("other_vermagic", "vermagic-mismatch", "blocker", ENOEXEC, "version magic '"),
    Cause("larger_struct_module", "struct-module-size", "blocker", LOADS, why="it does not compare",
          kernels=("5.10", "6.1")),
    Cause("larger_struct_module", "struct-module-size", "blocker", ENOEXEC, "section size must match",
          kernels=("6.12", "7.2")),
    Cause("other_symbol_version", "symbol-version-mismatch", "blocker", EINVAL, "about version of symbol seq_printf",
          needs="CONFIG_MODVERSIONS"),
    Cause("other_module_layout", "symbol-version-mismatch", "blocker", ENOEXEC, "version of symbol module_layout",
          needs="CONFIG_MODVERSIONS"),
    Cause("unknown_import", "symbol-not-exported", "blocker", ENOENT, "Unknown symbol seq_lab_no (err -2)"),
    Cause("needs_module", "dependency-not-loaded", "blocker", ENOENT, "Unknown symbol cordic_calc_iq (err -2)"),
    Cause("not_gpl", "license-not-gpl", "blocker", ENOENT, "Unknown symbol klp_enable_patch (err -2)"),
    Cause("stripped", "module-stripped", "blocker", ENOEXEC, "module has no symbols (stripped?)"),
    Cause("missing_symbol", "symbol-missing", "blocker", EINVAL, "symbol 'lab_no_such_function' not found"),
    Cause("missing_klp_symbol", "symbol-missing", "blocker", EINVAL, "symbol 'saved_command_lime' not found"),
    Cause("ambiguous_function", "symbol-ambiguous", "blocker", EINVAL, "ambiguity for symbol 'full_scans_show'"),
    Cause("third_of_two", "sympos-out-of-range", "blocker", EINVAL, "symbol position 3 for symbol 'full_scans_show'"),
    Cause("notrace_function", "function-not-traceable", "blocker", EINVAL, "ftrace filter for function 'sched_clock'",
          kernels=("5.10",)),
    Cause("notrace_function", "function-not-traceable", "blocker", EINVAL, "find location for function 'sched_clock'",
          kernels=("6.1", "6.12", "7.2")),
    Cause("object_with_dash", "object-name-impossible", "blocker", LOADS, why="it waits for a module that never comes"),
    Cause("object_with_suffix", "object-name-impossible", "blocker", LOADS, why="it waits for one that never comes"),
    Cause("duplicate_function", "duplicate-function", "blocker", EEXIST, "cannot create duplicate filename",
          kernels=("5.10", "6.1", "6.12")),
    # Since then insmod is to read EEXIST as "loaded already", so that no module's own code may say it.
    Cause("duplicate_function", "duplicate-function", "blocker", EBUSY, "cannot create duplicate filename",
          kernels=("7.2",)),
]

# Files that patch_check itself never sees, since the controller refuses them; the kernel does too.
UNREADABLE = [
    Cause("truncated", "truncated", "blocker", ENOEXEC),
    Cause("not_elf", "not-elf", "blocker", ENOEXEC),
]

# Patches of modules that are not loaded: the kernel takes them, and none of their functions is in effect.
WITHOUT_EFFECT = ("holder_fix", "target_fix", "target_misfit")
# Patches that the kernel takes, each with the warnings that it gets on a kernel without patches and lab modules.
HEALTHY = {
    "cmdline_cumulative_1": set(),
    "cmdline_v1": set(),
    "cmdline_v1_rebuilt": set(),
    "cmdline_v2": set(),
    "holder_fix": {"object-unknown"},
    "klp_symbol": set(),
    "no_orc": {"orc-missing"},
    "panic_soon": set(),
    "pause_fix": set(),
    "second_of_two": set(),
    "side_effects": set(),
    "signed_elsewhere": set(),
    "states_v1": set(),
    "states_v2": set(),
    "tables_at_run_time": {"tables-opaque"},
    "target_fix": {"object-unknown"},
    "target_misfit": {"object-unknown"},
    "warn_soon": set(),
    "with_params": set(),
}


def load(*names: str) -> str:
    """Commands that insert patches by hand, and wait for each transition."""
    return " && ".join(
        f"insmod $FILES/{name}.ko && until test $(cat /sys/kernel/livepatch/{name}/transition) = 0; do sleep 0.1; done"
        for name in names)


HOLD = ("insmod $FILES/lab_holder.ko"
        " && until test $(cat /sys/module/lab_holder/parameters/held_by) = original; do sleep 0.1; done")
DISABLE = "echo 0 >/sys/kernel/livepatch/{0}/enabled && until test ! -e /sys/kernel/livepatch/{0}; do sleep 0.1; done"
PROBE = "insmod $FILES/lab_kprobe.ko "
UNPROBE = "rmmod lab_kprobe"
ATTACH = ("python3 $FILES/attach_bpf.py cmdline_proc_show >/dev/null 2>&1 & echo $! >/run/attach_bpf.pid;"
          " timeout 60 sh -c 'until grep -q \"^cmdline_proc_show.* D\" /sys/kernel/tracing/enabled_functions;"
          " do sleep 0.1; done'")
DETACH = "kill $(cat /run/attach_bpf.pid)"
STORE = "/var/lib/kernel-livepatch"

# The cause is in what the guest does, and a command undoes it or the next test's clean guest does.
STATES = [
    Cause("cmdline_v1_rebuilt", "name-taken-by-other-build", "blocker", EEXIST, made_by=load("cmdline_v1")),
    Cause("taken_name", "name-not-a-livepatch", "blocker", EEXIST, made_by="insmod $FILES/lab_target.ko"),
    Cause("cmdline_v1", "already-enabled", "note", EEXIST, made_by=load("cmdline_v1")),
    Cause("cmdline_v1", "leftover-loaded", "note", EEXIST,
          made_by=load("cmdline_v1") + " && " + DISABLE.format("cmdline_v1"), why="patch takes it out first"),
    Cause("cmdline_v1", "transition-running", "blocker", EBUSY, made_by=f"{HOLD} && insmod $FILES/holder_fix.ko"),
    Cause("holder_fix", "task-in-function", "warning", LOADS, made_by=HOLD),
    Cause("with_params", "functions-taken-over", "warning", LOADS, made_by=load("cmdline_v1")),
    Cause("tables_at_run_time", "replace-unknown", "warning", LOADS, made_by=load("cmdline_v1")),
    Cause("states_v1", "states-unknown", "note", EINVAL, "is not compatible with the already installed livepatches",
          made_by=load("states_v2"), why="only a patch that the collection loaded has a file to be compared with",
          beside=("older-version",)),
    Cause("cmdline_v2", "replaces-foreign-patch", "blocker", LOADS,
          made_by="insmod $FILES/lab_target.ko && " + load("target_fix"), why="fixes of somebody else would be gone"),
    Cause("cmdline_v1", "ftrace-disabled", "blocker", EBUSY, "failed to register ftrace handler for function",
          made_by="sysctl -q kernel.ftrace_enabled=0", undone_by="sysctl -q kernel.ftrace_enabled=1"),
    Cause("cmdline_v1", "ftrace-busy", "blocker", EBUSY, "failed to register ftrace handler for function",
          made_by=PROBE + "post_handler=1", undone_by=UNPROBE),
    # Behind the call of ftrace, before which kernels with X86_KERNEL_IBT have an endbr64.
    Cause("cmdline_v1", "function-probed", "warning", LOADS, made_by=PROBE + "offset=5", undone_by=UNPROBE,
          kernels=("5.10", "6.1")),
    Cause("cmdline_v1", "function-probed", "warning", LOADS, made_by=PROBE + "offset=9", undone_by=UNPROBE,
          kernels=("6.12", "7.2")),
    Cause("cmdline_v1", "ftrace-busy", "blocker", EBUSY, "failed to register ftrace handler for function",
          made_by=ATTACH, undone_by=DETACH, kernels=("5.10",), way="by BPF"),
    Cause("cmdline_v1", "function-attached", "warning", LOADS, made_by=ATTACH, undone_by=DETACH,
          kernels=("6.1", "6.12", "7.2")),
    Cause("cmdline_v1", "no-space", "blocker", LOADS, why="the tool has to keep the file, and the kernel has not",
          made_by=f"mkdir -p -m 700 {STORE} && mount -t tmpfs -o size=64k none {STORE}", undone_by=f"umount {STORE}"),
]


class Switch(t.NamedTuple):
    """What cannot be undone before a reboot, and so has a machine of its own.

    `made_by` uses the files of `needs`; `kernel_words` end the kernel's command line.
    """

    name: str
    causes: tuple[Cause, ...]
    made_by: str = ""
    needs: tuple[str, ...] = ()
    kernel_words: str = ""


# Forced while the thread is inside the patch's function: the patch is off, and its module is never let go again.
FORCE = (
    f"{HOLD} && echo 1 >/sys/module/lab_holder/parameters/release && {load('holder_fix')}"
    " && echo 0 >/sys/module/lab_holder/parameters/release"
    " && until test $(cat /sys/module/lab_holder/parameters/held_by) = fixed; do sleep 0.1; done"
    " && cd /sys/kernel/livepatch/holder_fix && echo 0 >enabled && echo 1 >force"
    " && cd / && until test ! -e /sys/kernel/livepatch/holder_fix; do sleep 0.1; done"
)

SWITCHES = [
    Switch("sig_enforce", (
        Cause("cmdline_v1", "signature-missing", "blocker", EKEYREJECTED, "Loading of unsigned module is rejected"),
        Cause("signed_elsewhere", "signature-key-unknown", "blocker", EKEYREJECTED,
              "Loading of module with unavailable key is rejected"),
    ), made_by="echo Y >/sys/module/module/parameters/sig_enforce"),
    Switch("lockdown", (
        Cause("cmdline_v1", "locked-down", "blocker", EPERM, "unsigned module loading is restricted"),
        Cause("signed_elsewhere", "signature-key-unknown", "blocker", EPERM, "unsigned module loading is restricted"),
    ), made_by="echo integrity >/sys/kernel/security/lockdown"),
    Switch("modules_disabled", (
        Cause("cmdline_v1", "module-loading-disabled", "blocker", EPERM),
    ), made_by="sysctl -q kernel.modules_disabled=1"),
    Switch("module_blacklist", (
        Cause("cmdline_v1", "module-blacklisted", "blocker", EPERM, "Module cmdline_v1 is blacklisted"),
    ), kernel_words="module_blacklist=other,cmdline_v1"),
    Switch("no_exit_function", (
        Cause("no_exit", "name-pinned", "blocker", EEXIST),
    ), made_by=load("no_exit") + " && " + DISABLE.format("no_exit")),
    Switch("forced", (
        Cause("holder_fix", "name-pinned", "blocker", EEXIST),
    ), made_by=FORCE, needs=("lab_holder",)),
]
