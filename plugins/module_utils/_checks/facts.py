# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the host, for checks to compare with a patch; each is read once, on first use.

Imports within functions are of what only some facts need: a host compiles each file of a module anew in each task.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.config import kernel_config
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.ftrace import (
    hooked_functions,
    traceable_functions,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import KernelSymbols, PrintedNames
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kprobes import placed_kprobes
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import present_objects
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import signature_policy
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import built_against
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

OF_THE_MODULE = "the source of this module"
# Fact: the explanation if the host does not show it. Checks that need the fact are then skipped.
SOURCES = {
    "signer_known": "This kernel loads signed modules only, and does not show whether it has the key of this one",
    "ledger": "This user may not read the accepted, trial and quarantined patches of this host",
    "strict_types": "This kernel's configuration is not found (/proc/config.gz, /boot/config-*, /lib/modules/*/config)",
    "in_tree": "This host has no list of this kernel's modules (modules.dep below /lib/modules)",
    "sample": "None of this kernel's own modules can be read on this host (below /lib/modules)",
    "symbols": "This kernel does not show its symbols (/proc/kallsyms)",
    "traceable":
        "This kernel does not show the functions that ftrace can redirect (available_filter_functions in tracefs)",
    "hooked": "This kernel does not show the functions redirected by ftrace (enabled_functions in tracefs)",
    "kprobes": "This kernel does not show its kprobes (kprobes/list in debugfs)",
}


class Facts:
    """The facts; None for a fact that the host does not show, and with `best_effort_ledger` for a damaged ledger."""

    def __init__(self, host, description, best_effort_ledger=False):
        self.host = host
        self.description = description
        self._best_effort_ledger = best_effort_ledger

    @cached_property
    def ledger(self):
        """The ledger for this boot (see ledger.py); raises LivepatchError `ledger-damaged`, `ledger-unreadable`."""
        try:
            return ledger_for_this_boot(self.host, read_ledger(self.host), utc_timestamp(self.host.wall_clock()))
        except PermissionError:
            return None
        except LivepatchError:
            if not self._best_effort_ledger:
                raise
            return None

    @cached_property
    def kernel_symbols(self):
        """The KernelSymbols of this run: one read for every question about names and addresses."""
        return KernelSymbols(self.host)

    @cached_property
    def symbols(self):
        """{name: [object, ...]} of every symbol name in the file (see KernelSymbols.objects in kallsyms.py).

        For an import, `__ksymtab_NAME` is included as well: a kernel with `__ksymtab_klp_enable_patch` among its
        symbols shows every export in this form.
        """
        description = self.description
        exports = {"klp_enable_patch"}.union(entry["name"] for entry in description["imports"])
        names = {function["name"] for entry in description["objects"] for function in entry["functions"]}
        names.update(entry["name"] for entry in description["klp_symbols"])
        names.update(exports, ("__ksymtab_" + name for name in exports))
        return self.kernel_symbols.objects(names)

    @cached_property
    def present(self):
        return present_objects(self.host)

    @cached_property
    def replaced(self):
        """{(object, name)} of the functions replaced as soon as the file is loaded; none for an opaque file."""
        objects = [] if self.description["opaque"] else self.description["objects"]
        return {(entry["name"], function["name"])
                for entry in objects if entry["name"] in self.present for function in entry["functions"]}

    @cached_property
    def printed(self):
        """The PrintedNames of the functions in `replaced`."""
        return PrintedNames(self.kernel_symbols, self.replaced)

    @cached_property
    def traceable(self):
        """Those of `replaced` that ftrace lists by their names."""
        return traceable_functions(self.host, self.replaced)

    @cached_property
    def hooked(self):
        """The functions redirected by ftrace (see hooked_functions in ftrace.py); none if `replaced` is empty."""
        return hooked_functions(self.host) if len(self.replaced) > 0 else {}

    @cached_property
    def kprobes(self):
        """Every armed kprobe (see placed_kprobes in kprobes.py); none if `replaced` is empty."""
        return placed_kprobes(self.host) if len(self.replaced) > 0 else []

    @cached_property
    def in_tree(self):
        """The kernel's modules on disk (see ModuleIndex in depmod.py)."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import module_index

        return module_index(self.host)

    @cached_property
    def _origins(self):
        return {}

    def origin(self, entry):
        """Where a module comes from that is not the kernel's own, in words; None for any other object."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import foreign_origin

        if entry not in self._origins:
            self._origins[entry] = foreign_origin(self.host, self.in_tree, entry)
        return self._origins[entry]

    def source_of(self, entry):
        """What a patch of an object has to be built against, in words."""
        return OF_THE_MODULE if self.origin(entry) else "the running kernel"

    @cached_property
    def sample(self):
        """The build settings of the kernel's own modules (see ReferenceModule in depmod.py)."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import reference_module

        return self.in_tree and reference_module(self.host, self.in_tree)

    @cached_property
    def symbol_versions(self):
        """{symbol: CRC} on this host, of the symbols that the file was built against; needs the sample."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modversions import symbol_versions

        return symbol_versions(self.host, self.in_tree, self.sample, built_against(self.description))

    @cached_property
    def signer_known(self):
        """Whether the kernel has the key of the file's signature; True for an unsigned file or without a policy."""
        signature = self.description["signature"]
        if not (signature and signature_policy(self.host)):
            return True
        from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.keyrings import has_signing_key

        return has_signing_key(self.host, signature)

    @cached_property
    def strict_types(self):
        """Whether the kernel refuses a module whose type information is not of exactly this kernel; False without any.

        Source: btf_module_notify() in kernel/bpf/btf.c. With .BTF.base, btf_parse_module() finds the kernel's types by
        name (btf_relocate); only the build of a kernel that does so writes that section.
        """
        if not self.description["btf"] or self.description["btf_base"]:
            return False
        options = kernel_config(self.host, "CONFIG_DEBUG_INFO_BTF_MODULES", "CONFIG_MODULE_ALLOW_BTF_MISMATCH")
        return None if options is None else options == {"CONFIG_DEBUG_INFO_BTF_MODULES": "y"}
