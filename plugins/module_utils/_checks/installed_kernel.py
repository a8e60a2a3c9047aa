# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a patch for a kernel that is installed and does not run: those of a load, as far as files can answer."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import CheckContext
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import OF_THE_MODULE, Facts
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.registry import run_checks
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.config import kernel_config
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import DIRECTORIES, module_index
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import signature_policy
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import required_kernel_build
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# Checks of the running kernel, of its loaded patches and modules, and of its condition now.
OF_RUNNING_KERNEL = frozenset((
    "wrong-release", "wrong-kernel-build", "kernel-build-unknown", "livepatch-unsupported", "not-permitted",
    "module-loading-disabled", "signature-missing", "locked-down", "signature-key-unknown", "module-blacklisted",
    "ftrace-disabled", "ftrace-dead", "transition-running", "trial-running", "name-taken-by-other-build",
    "name-not-a-livepatch", "name-pinned", "leftover-loaded", "earlier-patch-disabled", "little-memory",
    "crash-dump-not-armed", "other-mechanism-active", "other-tool-active", "other-tool-present",
    "selinux-denies-load", "restorecon-missing", "interpreter-may-go", "object-absent", "ineffective",
    "states-incompatible", "functions-taken-over", "replaces-foreign-patch"))
# A module that is not loaded now can be loaded by then.
UNCERTAIN = frozenset(("dependency-not-loaded",))
NOT_CHECKED = "not-checked"
# What no file shows, by the facts in facts.py.
FTRACE, CONFIG, KEY = "its functions for ftrace", "its configuration", "its keys for signatures"
UNKNOWN = {
    "symbols": "its symbols (System.map)", "sample": "its own modules", "in_tree": "its own modules",
    "strict_types": CONFIG, "traceable": FTRACE, "hooked": FTRACE, "kprobes": FTRACE,
    "ledger": "the quarantined patches"}


class InstalledFacts(Facts):
    """The Facts of an InstalledKernel."""

    def source_of(self, entry):
        return OF_THE_MODULE if self.origin(entry) else f"kernel {self.host.release()}"


def check_installed(kernel, running):
    """Raises LivepatchError `kernel-not-installed` for an InstalledKernel without modules; `running` is the host."""
    if module_index(kernel) is None:
        installed = sorted({name for parent in DIRECTORIES for name in running.names(parent)
                            if running.exists(f"{parent}/{name}/modules.dep")})
        raise LivepatchError(
            "kernel-not-installed",
            f"Kernel {kernel.release()} is not installed: this host has no modules of it (modules.dep below "
            f"{DIRECTORIES[0]}/{kernel.release()}). Install it first, or correct kernel. Installed are: "
            f"{', '.join(installed) or 'none'}.")


def checks_without_running(kernel, running, description, parameters):
    """The findings about a patch for an InstalledKernel; `running` is the host with its running kernel.

    Raises LivepatchError for a file that is not of this kernel.
    """
    _refuse_other_kernel(kernel, description)
    context = CheckContext(kernel, None, description, "absent", parameters, InstalledFacts(kernel, description))
    findings = run_checks(context, OF_RUNNING_KERNEL)
    unknown = [UNKNOWN.get(found["subject"], found["subject"]) for found in findings if found["code"] == NOT_CHECKED]
    findings = [found for found in findings if found["code"] not in UNCERTAIN.union((NOT_CHECKED,))]
    findings += _mechanism(kernel)
    signatures = list(_signatures(kernel, running, description))
    if kernel_config(kernel, "CONFIG_LIVEPATCH") is None:
        unknown.append(CONFIG)
    if description["signature"]:
        unknown.append(KEY)
    return [*findings, *signatures, finding(
        "first-boot-checks", kernel.release(), release=kernel.release(), file=description["file"],
        unknown=", ".join(dict.fromkeys([FTRACE, *unknown])))]


def _refuse_other_kernel(kernel, description):
    """Raises LivepatchError `no-vermagic`, `wrong-release`, `kernel-build-unknown`, `wrong-kernel-build`."""
    file, release = description["file"], kernel.release()
    if description["release"] is None:
        raise error_from([finding("no-vermagic", description["name"], file=file)])
    if description["release"] != release:
        raise LivepatchError(
            "wrong-release",
            f"{file} is built for kernel {description['release']}, and kernel is {release}. Use a build for {release}, "
            "or correct kernel.")
    wanted = required_kernel_build(description)
    found = wanted and kernel_build_id(kernel)
    if wanted and found is None:
        raise unknown_build(kernel)
    if wanted != found:
        raise LivepatchError(
            "wrong-kernel-build",
            f"{file} is built for the kernel with the build-id {wanted}, and the installed {release} is another build, "
            f"{found}. Use a build for this one, or correct kernel_build_id in bundle.yml.")


def unknown_build(kernel):
    """The LivepatchError about a kernel whose image does not show its build-id."""
    return LivepatchError(
        "kernel-build-unknown",
        f"The build is for one build of kernel {kernel.release()}, and the image of this kernel on the host does not "
        "show its build-id. Install the program zstd on the host if the image is compressed with it, or run the task "
        "after the boot into this kernel.")


def _mechanism(kernel):
    config = kernel_config(kernel, "CONFIG_LIVEPATCH")
    if config is not None and config.get("CONFIG_LIVEPATCH") != "y":
        yield finding("kernel-without-livepatch", kernel.release(), release=kernel.release())


def _signatures(kernel, running, description):
    if description["signature"] is not None:
        return
    config = kernel_config(kernel, "CONFIG_MODULE_SIG_FORCE") or {}
    policy = signature_policy(running)
    if config.get("CONFIG_MODULE_SIG_FORCE") == "y":
        yield finding("signature-missing", description["name"], file=description["file"],
                      policy="CONFIG_MODULE_SIG_FORCE")
    elif policy:
        yield finding("signature-likely-needed", description["name"], file=description["file"], policy=policy,
                      release=kernel.release())
