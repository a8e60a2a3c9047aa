# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated patch files: an image is the JSON text of what the simulated kernel shall do with it."""

import hashlib
import json

FUNCTION = "cmdline_proc_show"
BUILD_ID = "aa" * 20


class SimulatedPatch:
    """A patch file and its description, as the controller would send them.

    `objects` is {object: functions}, a function being its name or (name, sympos). `refused` is None, or the errno's
    name and the lines that the kernel logs when it refuses the load. `defect` is what the kernel does not do although
    the file claims it: `unlisted` (no directory of the functions), `unhooked` (no ftrace), or None. `replace_set` is
    what a kernel with replace sets finds in it; the description does not tell it.
    """

    def __init__(
            self, name="fix", build_id=BUILD_ID, objects=None, replace=False, refused=None, defect=None,
            replace_set=0, **described):
        objects = {"vmlinux": [FUNCTION]} if objects is None else objects
        functions = {
            entry: [(item, 0) if isinstance(item, str) else item for item in items] for entry, items in objects.items()}
        self.name = name
        self.build_id = build_id
        self.image = json.dumps({
            "name": name, "build_id": build_id, "objects": functions, "replace": replace, "refused": refused,
            "defect": defect, "replace_set": replace_set}, sort_keys=True).encode("utf-8")
        self.sha256 = hashlib.sha256(self.image).hexdigest()
        self.description = dict({
            "schema": 4, "file": f"{name}.ko", "name": name, "build_id": build_id, "sha256": self.sha256,
            "size": len(self.image), "release": "6.1.0-56-amd64", "arch": "x86_64", "livepatch": True, "opaque": False,
            "replace": replace, "parameters": {"count": "int", "text": "charp"},
            "objects": [{"name": entry, "callbacks": [],
                         "functions": [{"name": item, "sympos": sympos} for item, sympos in items]}
                        for entry, items in functions.items()],
            "vermagic": "6.1.0-56-amd64 SMP preempt mod_unload modversions ", "license": "GPL", "depends": [],
            "format": "source", "states": [], "shadow": [], "state_calls": [], "imports": [], "has_versions": True,
            "module_layout": 0x11111111, "symtab": True, "removable": True, "klp_symbols": [], "klp_relocations": [],
            "module_struct_size": 896, "signature": None, "orc": {"unwind": True, "header": None}, "btf": False,
            "btf_base": False,
        }, **described)

    def offer(self, delivered=None):
        """The offer of this one file; `delivered` is where its image has been put."""
        return {
            "kind": "file", "path": None, "builds": [self.description],
            "delivered": {self.sha256: delivered} if delivered else {}, "enclosed": None}
