# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small interface to every live-patching mechanism, and what adapters have in common."""

import errno

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_module, loaded_names
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import errno_words


class Adapter:
    """One mechanism. Patches have the names of their modules.

    An adapter adds `patches`, `patch` and `set_enabled`; see SysfsInterface. Everything else here fits a mechanism
    without transitions, and an adapter overrides it as far as its mechanism can do more.
    """

    name = None  # as patch_info reports it
    label = None  # for messages
    reverses = True  # whether it can reverse a transition; True also without transitions
    ftrace_flag = "I"  # of a patched function in enabled_functions (see ftrace.py)

    def __init__(self, host):
        self.host = host

    def state(self, name):
        """`absent`, `disabled`, `enabled`, `enabling` or `disabling`; raises LivepatchError `name-not-a-livepatch`."""
        patch = self.patch(name)
        return patch["state"] if patch else self.state_of_module(name)

    def patch_in_transition(self):
        """The name of the patch in transition, or None; there is at most one."""
        return None

    def is_registered(self, name):
        """Whether the kernel has loaded a patch without enabling it, and `set_enabled` enables it."""
        return False

    def disabled_in_stack(self):
        """The names of the disabled patches that can keep the kernel from enabling a patch loaded after them."""
        return []

    def send_signals(self, name):
        """Have the kernel wake the tasks that hold the transition of a patch; returns whether it was asked to."""
        return False

    def can_force(self, name):
        """Whether `force` can end the transition of a patch."""
        return True

    def force(self, name):
        """Force every task to count as switched."""
        raise self.cannot(name, "force a change", "Stop the tasks in the functions of the patch, and run again")

    def uses_ftrace(self):
        """Whether the kernel redirects functions with ftrace; what ftrace cannot do then forbids a load."""
        return True

    def redirects_without_ftrace(self, name):
        """Whether ftrace need not show the functions of this patch."""
        return False

    def state_of_module(self, name):
        """The state of a name for which the mechanism shows no patch, by the loaded module of that name."""
        module = loaded_module(self.host, name)
        if module is None:
            return "absent"
        if not module["livepatch"]:
            raise error_from([finding("name-not-a-livepatch", name, name=name)])
        return "disabled"

    def functions_below(self, directory):
        """The functions of an object's directory, which has one directory NAME,SYMPOS for each of them."""
        names = (entry.rpartition(",") for entry in self.host.names(directory))
        return [{"name": name, "sympos": int(sympos)} for name, comma, sympos in names if comma and sympos.isdigit()]

    def is_present(self, entry):
        """Whether vmlinux or a module is there to be patched, where the kernel has no file about it."""
        return entry == "vmlinux" or self.host.read_or(f"/sys/module/{entry}/initstate") == "live"

    def oldest_first(self, patches):
        """Patches in the order of their load: /proc/modules lists the newest module first."""
        age = {name: position for position, name in enumerate(loaded_names(self.host))}
        return sorted(patches, key=lambda patch: -age.get(patch["name"], -1))

    def cannot(self, name, what, instead):
        """The LivepatchError for what the mechanism has no means for; `instead` is the help, without a full stop."""
        return error_from([finding("interface-cannot", name, interface=self.label, what=what, instead=instead)])

    def refusal(self, name, error):
        """The LivepatchError for a refused write, with the name of the `errno` in its details."""
        refused = self._refusal(name, error)
        refused.details["errno"] = errno.errorcode.get(error.errno, str(error.errno))
        return refused

    def _refusal(self, name, error):
        other = self.patch_in_transition()
        if error.errno in (errno.EBUSY, errno.EAGAIN) and other:
            return error_from([finding("transition-running", other, other=other)])
        if error.errno in (errno.EPERM, errno.EACCES):
            return LivepatchError(
                "not-permitted",
                f"The kernel does not let this user change the patch {name} ({errno_words(error.errno)}). Run the task "
                "with become: true.")
        return LivepatchError(
            "change-refused",
            f"The kernel refused to change the patch {name} with {errno_words(error.errno)}. Its state may have "
            "changed meanwhile: see it with patch_info.")


def in_use(name, error):
    """The LivepatchError for a change that is refused while a task is in one of the functions (stop_machine)."""
    return LivepatchError(
        "function-in-use",
        f"The kernel did not change the patch {name} ({errno_words(error.errno)}), because a task is in one of its "
        "functions, a patch loaded later is enabled, or one loaded earlier is disabled. See the kernel log, then run "
        "again.")
