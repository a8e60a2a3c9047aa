# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for the kernel's livepatch interface (Documentation/ABI/testing/sysfs-kernel-livepatch)."""

import errno

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import is_livepatch, loaded_module
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import errno_words

BASE = "/sys/kernel/livepatch"

# (enabled, transition): `enabled` is the target of the kernel, `transition` whether it is still in transition.
STATES = {
    ("1", "0"): "enabled",
    ("1", "1"): "enabling",
    ("0", "1"): "disabling",
    ("0", "0"): "disabled",
}


class SysfsInterface:
    """An adapter; each has `patches`, `patch`, `state`, `patch_in_transition`, `set_enabled` and `force`."""

    name = "livepatch"

    def __init__(self, host):
        self.host = host

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
        key = (self.host.read_or(f"{base}/enabled"), self.host.read_or(f"{base}/transition"))
        if key not in STATES:
            return None
        replace = self.host.read_or(f"{base}/replace")
        replace_set = self.host.read_or(f"{base}/replace_set")
        order = self.host.read_or(f"{base}/stack_order")
        return {
            "name": name,
            "state": STATES[key],
            "replace": None if replace is None else replace == "1",
            "replace_set": None if replace_set is None else int(replace_set),
            "stack_order": None if order is None else int(order),
            "objects": [self._object(base, entry) for entry in self.host.names(base)
                        if self.host.is_dir(f"{base}/{entry}") and entry != "power"],
        }

    def state(self, name):
        """`absent`, `disabled`, `enabled`, `enabling` or `disabling`; raises LivepatchError `name-not-a-livepatch`."""
        key = (self.host.read_or(f"{BASE}/{name}/enabled"), self.host.read_or(f"{BASE}/{name}/transition"))
        if key in STATES:
            return STATES[key]
        module = loaded_module(self.host, name)
        if module is None:
            return "absent"
        if not is_livepatch(module):
            raise error_from([finding("name-not-a-livepatch", name, name=name)])
        return "disabled"

    def patch_in_transition(self):
        """The name of the patch in transition, or None; there is at most one."""
        for name in self.host.names(BASE):
            if self.host.read_or(f"{BASE}/{name}/transition") == "1":
                return name
        return None

    def set_enabled(self, name, enabled):
        """Enable or disable a patch; the opposite direction reverses a running transition. Returns at once."""
        try:
            self.host.write(f"{BASE}/{name}/enabled", "1" if enabled else "0")
        except OSError as error:
            raise self._refusal(name, error) from error

    def force(self, name):
        """Force every task to count as switched; the kernel then keeps the module until a reboot."""
        try:
            self.host.write(f"{BASE}/{name}/force", "1")
        except OSError as error:
            raise self._refusal(name, error) from error

    def _object(self, base, name):
        functions = []
        for entry in self.host.names(f"{base}/{name}"):
            function, comma, sympos = entry.rpartition(",")
            if comma and sympos.isdigit():
                functions.append({"name": function, "sympos": int(sympos)})
        return {"name": name, "patched": self._patched(base, name), "functions": functions}

    def _patched(self, base, name):
        patched = self.host.read_or(f"{base}/{name}/patched")
        if patched is not None:
            return patched == "1"
        # Before 6.1 there is no such file, but the kernel refuses a module if it cannot patch it.
        return name == "vmlinux" or self.host.read_or(f"/sys/module/{name}/initstate") == "live"

    def _in_stack_order(self, patches):
        if all(patch["stack_order"] is not None for patch in patches):
            return sorted(patches, key=lambda patch: patch["stack_order"])
        # Before 6.14 no file has the order; /proc/modules lists the newest module first.
        newest_first = [line.split(" ", 1)[0] for line in self.host.read_or("/proc/modules", "").splitlines()]
        age = {name: position for position, name in enumerate(newest_first)}
        return sorted(patches, key=lambda patch: -age.get(patch["name"], -1))

    def _refusal(self, name, error):
        other = self.patch_in_transition()
        if error.errno == errno.EBUSY and other:
            return error_from([finding("transition-running", other, other=other)])
        if error.errno in (errno.EPERM, errno.EACCES):
            return LivepatchError(
                "not-permitted",
                f"The kernel does not let this user change the patch {name} ({errno_words(error.errno)}). Run the task "
                "with become: true.",
            )
        return LivepatchError(
            "change-refused",
            f"The kernel refused to change the patch {name} with {errno_words(error.errno)}. Its state may have "
            "changed meanwhile: see it with patch_info.",
        )
