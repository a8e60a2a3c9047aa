# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every check is asked about, and the shape of a check."""

from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    is_livepatch,
    loaded_module,
    module_build_id,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.state_machine import steps
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property

# run(context) yields findings with these codes. needs: names of facts (see facts.py) that it cannot do without.
# when: `always`, also of a patch that is enabled already; `change`, when there is something to do; `load`, when the
# module is going to be loaded; `fit`, when moreover the file is a live patch for the running kernel, because a
# comparison of anything else with this kernel says nothing.
Check = namedtuple("Check", "codes when needs run")


class CheckContext:
    """May this patch be brought to `enabled` here?

    `description`: of the patch file; `state`: of that name now; `parameters`: asked for; `interface`: the adapter, None
    where the kernel has none; `facts`: see Facts.
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
        """Whether there is anything to do."""
        return bool(steps(self.state, "enabled"))

    def loads(self):
        """Whether the module is going to be loaded."""
        return "load" in steps(self.state, "enabled")

    def fits(self):
        """Whether the file is a live patch for the running kernel."""
        described = self.description
        return (
            described["livepatch"] and described["arch"] == self.host.machine()
            and described["release"] == self.host.release())

    def other_patches(self):
        """The enabled patches other than this one, oldest first."""
        name = self.description["name"]
        return [patch for patch in self.patches if patch["name"] != name and patch["state"] == "enabled"]

    @cached_property
    def kept_descriptions(self):
        """{name: the description of the file that this host keeps of it, None without one} of each of the others."""
        store = Store(self.host)
        return {patch["name"]: store.of_build(patch["name"], module_build_id(self.host, patch["name"]))
                for patch in self.other_patches()}


def observed_state(host, interface, name):
    """The state of a name where what is in the way is to be a finding: `absent` without an interface to ask, or when
    the name belongs to an ordinary module."""
    module = loaded_module(host, name)
    if interface is None or (module and not is_livepatch(module)):
        return "absent"
    return interface.state(name)
