# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which patches a patch replaces, by what the kernel offers.

A patch with `replace` replaces every other one (klp_patch.replace in include/linux/livepatch.h). A kernel with replace
sets replaces the one patch of the same set, and lets patches of different sets have no function in common. They are
proposed for Linux (https://www.mail-archive.com/live-patching@vger.kernel.org/msg00602.html). No kernel seen so far has
them. Such a kernel shows the set of each loaded patch in sysfs, as `replace_set`. The set of a file is known once a
kernel has shown it (see Store.keep_replace_set).
"""

from collections import namedtuple

# Names of enabled patches, oldest first. replaced: by the load of a file. unknown: only the load shows it.
Replacement = namedtuple("Replacement", "replaced unknown")


def has_replace_sets(patches):
    """Whether the kernel has replace sets, by an interface's patches; False also if it has no patch."""
    return any(patch.get("replace_set") is not None for patch in patches)


def replacement(description, patches):
    """The Replacement among `patches`, an interface's, if the file is loaded."""
    names = [patch["name"] for patch in patches]
    if has_replace_sets(patches):
        own = description.get("replace_set")
        if own is None:
            return Replacement([], names)
        return Replacement([patch["name"] for patch in patches if patch["replace_set"] == own], [])
    if description["replace"] is None:
        return Replacement([], names)
    return Replacement(names if description["replace"] else [], [])
