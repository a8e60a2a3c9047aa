# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for kpatch.ko 0.4 and later (dynup/kpatch: kmod/core/core.c, kmod/patch/kpatch-patch-hook.c).

A change stops every processor, and is refused with EBUSY while a task is in one of the functions: there is no
transition. The directory of a disabled patch stays until its module is unloaded.
"""

import errno

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.legacy_patches import KPATCH
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.adapter import Adapter, in_use


class KpatchInterface(Adapter):
    """kpatch's own module, for kernels without CONFIG_LIVEPATCH."""

    name = "kpatch"
    label = "kpatch.ko"
    ftrace_flag = "R"  # every version saves the registers; I came with Linux 3.19

    def patches(self):
        """Every patch in the kernel, oldest first; see SysfsInterface.patch. `replace` is None: nothing shows it."""
        found = [self.patch(name) for name in self.host.names(KPATCH)]
        return self.oldest_first([patch for patch in found if patch])

    def patch(self, name):
        """One patch, or None without its directory; see SysfsInterface.patch."""
        enabled = self.host.read_or(f"{KPATCH}/{name}/enabled")
        if enabled is None:
            return None
        base = f"{KPATCH}/{name}"
        return {
            "name": name, "state": "enabled" if enabled == "1" else "disabled",
            "replace": None, "replace_set": None, "stack_order": None,
            "objects": [{"name": entry, "patched": enabled == "1" and self.is_present(entry),
                         "functions": self.functions_below(f"{base}/{entry}")}
                        for entry in self.host.names(base) if self.host.is_dir(f"{base}/{entry}") and entry != "power"],
        }

    def set_enabled(self, name, enabled):
        """Enable or disable a patch; raises LivepatchError `function-in-use` while a task is in a function."""
        try:
            self.host.write(f"{KPATCH}/{name}/enabled", "1" if enabled else "0")
        except OSError as error:
            raise self.refusal(name, error) from error

    def _refusal(self, name, error):
        return in_use(name, error) if error.errno == errno.EBUSY else super()._refusal(name, error)
