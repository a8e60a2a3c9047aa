# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The context of every check, and the shape of a check."""

from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_module, module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.state_machine import steps
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import mechanism
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import required_kernel_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.replacement import replacement
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property

# run(context) yields findings with these codes. needs: names of the required facts (see facts.py).
# when: `always`, also for an enabled patch; `change`, if the patch must change its state; `load`, if the module must be
# loaded; `fit`, like `load`, and the file is a live patch for the running kernel: a comparison of any other file with
# this kernel means nothing.
Check = namedtuple("Check", "codes when needs run")


class CheckContext:
    """The patch and the host for the checks before the patch is enabled.

    `description`: of the patch file; `state`: of that name now; `parameters`: the requested ones; `interface`: the
    adapter, or None; `facts`: see Facts.
    """

    def __init__(self, host, interface, description, state, parameters, facts):
        self.host = host
        self.interface = interface
        self.description = description
        self.state = state
        self.parameters = parameters
        self.facts = facts
        self.patches = interface.patches() if interface else []

    def changes(self):
        """Whether enabling the patch takes any step."""
        return bool(steps(self.state, "enabled"))

    def loads(self):
        """Whether enabling the patch loads its module."""
        return "load" in steps(self.state, "enabled")

    def needs_ftrace(self):
        """Whether the kernel needs ftrace for a patch; true also without a mechanism, which another finding reports."""
        return self.interface is None or self.interface.uses_ftrace()

    def suits_interface(self):
        """Whether the kernel's mechanism is the one that the file is made for.

        Without any mechanism, the other checks still judge a file for the kernel's own.
        """
        return mechanism(self.description) == (self.interface.name if self.interface else "livepatch")

    def fits(self):
        """Whether the file is a live patch for the running kernel."""
        described, wanted = self.description, required_kernel_build(self.description)
        return (
            mechanism(described) is not None and self.suits_interface() and described["arch"] == self.host.machine()
            and described["release"] == self.host.release()
            and (wanted is None or wanted == kernel_build_id(self.host)))

    def other_patches(self):
        """The enabled patches other than this one, oldest first."""
        name = self.description["name"]
        return [patch for patch in self.patches if patch["name"] != name and patch["state"] == "enabled"]

    @cached_property
    def replacement(self):
        """The Replacement among the other enabled patches; see replacement.py."""
        return replacement(self.description, self.other_patches())

    @cached_property
    def kept_descriptions(self):
        """{name: description of the kept file, or None} for each of the other enabled patches."""
        store = Store(self.host)
        return {patch["name"]: store.of_build(patch["name"], module_build_id(self.host, patch["name"]))
                for patch in self.other_patches()}


def observed_state(host, interface, name):
    """The state of a name; `absent` without an interface, or for an ordinary module: the checks report both."""
    module = loaded_module(host, name)
    if interface is None or (module and not module["livepatch"]):
        return "absent"
    return interface.state(name)
