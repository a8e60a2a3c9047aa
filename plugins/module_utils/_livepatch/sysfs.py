# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for the kernel's livepatch interface (Documentation/ABI/testing/sysfs-kernel-livepatch).

Older kernels and those of openEuler differ, and are told apart by their files:

- Without `transition` (before Linux 4.12, openEuler), a change is over when the write returns, or it is refused.
- With `signal` (Linux 4.15 to 5.0), the kernel wakes the tasks that hold a transition when this file is written.
- Before Linux 5.1, a disabled patch keeps its directory until its module is unloaded, and the patches are a stack: the
  kernel enables none above a disabled one, and disables the last enabled one only (__klp_enable_patch in
  kernel/livepatch/core.c).
- openEuler's kernels only register a patch that is loaded (klp_register_patch): `enabled` is 0, and 1 enables it.
"""

import errno
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.config import kernel_config
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.adapter import Adapter, in_use

BASE = "/sys/kernel/livepatch"
WITHOUT_FTRACE = "CONFIG_LIVEPATCH_WO_FTRACE"

# (enabled, transition): `enabled` is the target of the kernel, `transition` whether it is still in transition.
STATES = {
    ("1", "0"): "enabled",
    ("1", "1"): "enabling",
    ("0", "1"): "disabling",
    ("0", "0"): "disabled",
}


class SysfsInterface(Adapter):
    """The kernel's own mechanism (kernel/livepatch)."""

    name = "livepatch"
    label = "livepatch"

    def patches(self):
        """Every patch in the kernel, oldest first; see `patch`."""
        found = [self.patch(name) for name in self.host.names(BASE) if self.host.is_dir(f"{BASE}/{name}")]
        return self._in_stack_order([patch for patch in found if patch])

    def patch(self, name):
        """One patch, or None without its directory.

        Shape: `name`, `state`, `replace` (None before Linux 6.11), `replace_set` (None on a kernel without replace
        sets, see replacement.py), `stack_order` (None before 6.14), `objects`: a list of `name`, `patched`,
        `functions`: a list of `name` and `sympos`.
        """
        base = f"{BASE}/{name}"
        state = self._shown_state(name)
        if state is None:
            return None
        replace = self.host.read_or(f"{base}/replace")
        replace_set = self.host.read_or(f"{base}/replace_set")
        order = self.host.read_or(f"{base}/stack_order")
        return {
            "name": name,
            "state": state,
            "replace": None if replace is None else replace == "1",
            "replace_set": None if replace_set is None else int(replace_set),
            "stack_order": None if order is None else int(order),
            "objects": [self._object(base, entry, state) for entry in self.host.names(base)
                        if self.host.is_dir(f"{base}/{entry}") and entry != "power"],
        }

    def state(self, name):
        """See Adapter."""
        return self._shown_state(name) or self.state_of_module(name)

    def patch_in_transition(self):
        """See Adapter."""
        for name in self.host.names(BASE):
            if self.host.read_or(f"{BASE}/{name}/transition") == "1":
                return name
        return None

    def is_registered(self, name):
        """See Adapter; the directory of a patch that was disabled goes on its own since Linux 5.1."""
        return self._shown_state(name) == "disabled"

    def disabled_in_stack(self):
        """See Adapter; later kernels remove the directory of a disabled patch within milliseconds.

        openEuler's kernels keep such a stack only with CONFIG_LIVEPATCH_STACK.
        """
        return [name for name in self.host.names(BASE) if self._shown_state(name) == "disabled"]

    def set_enabled(self, name, enabled):
        """Enable or disable a patch; the opposite direction reverses a running transition. Returns at once."""
        self._write(name, "enabled", "1" if enabled else "0")

    def send_signals(self, name):
        """See Adapter; later kernels do it by themselves and have no such file."""
        if not self.host.exists(f"{BASE}/{name}/signal"):
            return False
        with suppress(OSError):  # the transition has ended meanwhile
            self.host.write(f"{BASE}/{name}/signal", "1")
        return True

    def can_force(self, name):
        """See Adapter; since Linux 4.15."""
        return self.host.exists(f"{BASE}/{name}/force") or self._shown_state(name) is None

    def force(self, name):
        """Force every task to count as switched; the kernel then keeps the module until a reboot."""
        self._write(name, "force", "1")

    def uses_ftrace(self):
        """See Adapter; before the first patch, only the configuration of openEuler's kernels shows it."""
        return kernel_config(self.host, WITHOUT_FTRACE) != {WITHOUT_FTRACE: "y"}

    def redirects_without_ftrace(self, name):
        """See Adapter; openEuler's kernels write a jump into the function (CONFIG_LIVEPATCH_WO_FTRACE)."""
        return not self.host.exists(f"{BASE}/{name}/transition")

    def _shown_state(self, name):
        enabled = self.host.read_or(f"{BASE}/{name}/enabled")
        transition = self.host.read_or(f"{BASE}/{name}/transition")
        if transition is None and self.host.exists(f"{BASE}/{name}/enabled"):  # not a directory that just went
            transition = "0"
        return STATES.get((enabled, transition))

    def _object(self, base, name, state):
        patched = self.host.read_or(f"{base}/{name}/patched")
        if patched is None:
            # Before 6.1 there is no such file, but the kernel refuses a module if it cannot patch it.
            patched = "1" if state != "disabled" and self.is_present(name) else "0"
        return {"name": name, "patched": patched == "1", "functions": self.functions_below(f"{base}/{name}")}

    def _in_stack_order(self, patches):
        if all(patch["stack_order"] is not None for patch in patches):
            return sorted(patches, key=lambda patch: patch["stack_order"])
        return self.oldest_first(patches)  # before 6.14 no file has the order

    def _write(self, name, attribute, text):
        try:
            self.host.write(f"{BASE}/{name}/{attribute}", text)
        except OSError as error:
            raise self.refusal(name, error) from error

    def _refusal(self, name, error):
        busy = error.errno in (errno.EBUSY, errno.EAGAIN)  # the second after some tries of the kernel itself
        if busy and self._shown_state(name) and self.redirects_without_ftrace(name):
            return in_use(name, error)
        above = self._enabled_above(name) if error.errno == errno.EBUSY and self.patch_in_transition() is None else []
        if above:
            return self.cannot(name, f"disable {name} below the enabled {', '.join(above)} on this kernel",
                               "Disable the patches from the last loaded one on")
        return super()._refusal(name, error)

    def _enabled_above(self, name):
        """The names of the enabled patches above an enabled one, on a kernel that only disables the last one."""
        base = f"{BASE}/{name}"
        if self._shown_state(name) != "enabled" or (
                self.host.exists(f"{base}/force") and not self.host.exists(f"{base}/signal")):
            return []
        names = [patch["name"] for patch in self.patches() if patch["state"] == "enabled"]
        return names[names.index(name) + 1:] if name in names else []
