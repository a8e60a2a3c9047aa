# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for kGraft of SUSE Linux Enterprise 12 (kernel/kgraft.c, kernel/kgraft_files.c).

A patch begins to be applied when its module is loaded. It is reverted by a write, and cannot be applied again without
a new load. One patch at a time is in transition, and nothing reverses that. Older versions list no object of a
function; then `objects` is empty.
"""

import errno

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.legacy_patches import (
    KGRAFT,
    kgraft_directories,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_module
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.adapter import Adapter

# The numbers of enum kgr_patch_state in the last column of the file `state`.
SLOW, APPLIED, REVERT_SLOW, SKIPPED = "1", "2", "3", "5"


class KgraftInterface(Adapter):
    """SUSE's own mechanism before livepatch."""

    name = "kgraft"
    label = "kGraft"
    reverses = False
    ftrace_flag = "R"

    def patches(self):
        """Every patch in the kernel, oldest first; see SysfsInterface.patch."""
        tables = self._tables()
        return self.oldest_first([self._patch(name, tables) for name in tables])

    def patch(self, name):
        """One patch, or None without its directory; see SysfsInterface.patch.

        The kernel cuts the list of functions at one page, at some 70 functions.
        """
        tables = self._tables()
        return self._patch(name, tables) if name in tables else None

    def patch_in_transition(self):
        """See Adapter; with a patch that replaces all others, some functions of these are reverted meanwhile."""
        return self._in_transition(self._tables())

    def set_enabled(self, name, enabled):
        """Disable a patch; returns at once. Raises LivepatchError `interface-cannot` for everything else."""
        if enabled:
            raise self.cannot(name, "enable a patch again", "Load it again when its transition has ended")
        directory = kgraft_directories(self.host).get(name, f"{KGRAFT}/{name}")
        self._write(name, f"{directory}/revert", "1")

    def force(self, name):
        """Count every task as switched, of whichever patch is in transition."""
        self._write(name, f"{KGRAFT}/in_progress", "0")

    def _tables(self):
        """{module: (directory, [{column: text}, ...])} of every patch."""
        found = {}
        for name, directory in kgraft_directories(self.host).items():
            text = self.host.read_or(f"{directory}/state")
            if text is not None:
                found[name] = (directory, _rows(text))
        return found

    def _patch(self, name, tables):
        directory, rows = tables[name]
        replace = self.host.read_or(f"{directory}/replace_all")
        functions = {}
        for row in rows:
            if "Object" in row:
                functions.setdefault(row["Object"], []).append(row)
        return {
            "name": name, "state": self._state(name, rows, self._in_transition(tables)),
            "replace": None if replace is None else replace == "1", "replace_set": None, "stack_order": None,
            "objects": [_object(entry, functions[entry]) for entry in sorted(functions)],
        }

    def _state(self, name, rows, moving):
        states = {row["State"] for row in rows}
        if name == moving:
            return "disabling" if REVERT_SLOW in states and SLOW not in states else "enabling"
        if states - {SKIPPED}:
            return "enabled" if states & {APPLIED, REVERT_SLOW} else "disabled"
        return "enabled" if self._is_held(name) else "disabled"  # functions of absent modules say nothing

    def _is_held(self, name):
        """Whether the kernel holds the module of a patch, as it does until the end of the revert (kgr_finalize)."""
        module = loaded_module(self.host, name)
        return bool(module and module["refcnt"])

    def _in_transition(self, tables):
        for number in (SLOW, REVERT_SLOW):
            for name in sorted(tables):
                if any(row["State"] == number for row in tables[name][1]):
                    return name
        if self.host.read_or(f"{KGRAFT}/in_progress") != "1":
            return None
        # A patch for absent modules only. It can be reverted too: nothing tells which of the two it is.
        idle = [{"name": name} for name, (_directory, rows) in tables.items()
                if {row["State"] for row in rows} <= {SKIPPED} and self._is_held(name)]
        return self.oldest_first(idle)[-1]["name"] if idle else None

    def _write(self, name, path, text):
        try:
            self.host.write(path, text)
        except OSError as error:
            raise self.refusal(name, error) from error

    def _refusal(self, name, error):
        if error.errno == errno.EBUSY:  # `refs` counts the patches above this one
            return self.cannot(name, f"disable {name} before the patches loaded after it", "Disable these first")
        return super()._refusal(name, error)


def _rows(text):
    """The table of a patch's functions as a list of {column: text}; a row that the kernel has cut is left out."""
    lines = [line.split() for line in text.splitlines()]
    return [dict(zip(lines[0], words)) for words in lines[1:] if len(words) == len(lines[0]) and words[-1].isdigit()]


def _object(name, rows):
    return {
        "name": name, "patched": any(row["State"] in (SLOW, APPLIED, REVERT_SLOW) for row in rows),
        "functions": [{"name": row["Function"], "sympos": int(row.get("Sympos", 0)) or 1} for row in rows]}
