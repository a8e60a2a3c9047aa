# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads descriptions of patch files, and compares their states (struct klp_state) like kernel/livepatch/state.c."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import has_metadata_in_shape
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
)

# The used keys; `name` of an object, `sympos` and the like can be unknown in an opaque file.
SHAPE = {
    "file": TEXT, "name": TEXT, "release": OPTIONAL_TEXT, "arch": TEXT, "size": NUMBER, "build_id": OPTIONAL_TEXT,
    "livepatch": bool, "format": OPTIONAL_TEXT, "opaque": bool, "replace": (bool, type(None)),
    "objects": [{"name": OPTIONAL_TEXT, "callbacks": [TEXT],
                 "functions": [{"name": OPTIONAL_TEXT, "sympos": OPTIONAL_NUMBER}]}],  # and new_symbol, see below
    "parameters": {TEXT: TEXT}, "states": [{"id": NUMBER, "version": NUMBER}], "shadow": [TEXT], "state_calls": [TEXT],
    "imports": [{"name": TEXT, "crc": OPTIONAL_NUMBER}], "has_versions": bool, "module_layout": OPTIONAL_NUMBER,
    "symtab": bool, "removable": bool,
    "klp_symbols": [{"object": TEXT, "name": TEXT, "sympos": NUMBER, "needed_by": [TEXT]}],
    "klp_relocations": [{"object": TEXT, "section": TEXT, "count": NUMBER}],
    "license": OPTIONAL_TEXT, "vermagic": OPTIONAL_TEXT, "depends": [TEXT], "module_struct_size": NUMBER,
    "signature": (None, {}), "orc": {"unwind": bool, "header": OPTIONAL_TEXT}, "btf": bool,
    "btf_base": bool,
}
USED_KEYS = frozenset(SHAPE)
FUNCTION_SYMBOL = re.compile(r"[A-Za-z_.$][A-Za-z0-9_.$]{0,510}\Z")
# The mechanism that a file without livepatch=Y is made for, by its format.
LEGACY_MECHANISMS = {"kpatch-core": "kpatch", "kgraft": "kgraft"}
SCHEMA = 4  # of a description; another number is from another version of the collection


def mechanism(description):
    """The mechanism that loads the file: `livepatch`, `kpatch`, `kgraft`; None if it is not a live patch."""
    return "livepatch" if description["livepatch"] else LEGACY_MECHANISMS.get(description["format"])


def state_conflict(patch, enabled, replaces):
    """The reason for the kernel to refuse `patch` beside `enabled` (descriptions), in words, or None.

    The patch must have each state of the enabled one in the same or a later version. A patch that does not replace the
    enabled one may also omit a state.
    """
    versions = {state["id"]: state["version"] for state in reversed(patch["states"])}  # the kernel takes the first
    for state in enabled["states"]:
        number, version = state["id"], state["version"]
        if number not in versions:
            if replaces:
                return f"it lacks state {number}"
        elif versions[number] < version:
            return f"it has state {number} in version {versions[number]}, which is older than {version}"
    return None


def claimed_objects(description):
    """The objects and functions that a file patches, with sympos as sysfs shows it; `patched` is false.

    None are listed if the file builds its tables at run time, because the description then only has hints.
    """
    objects = [] if description["opaque"] else description["objects"]
    return [{"name": entry["name"], "patched": False, "functions": [
        {"name": function["name"], "sympos": function["sympos"] or 1} for function in entry["functions"]]}
        for entry in objects]


def is_usable(description, sha256):
    """Whether a value is a description of exactly this file, by this version of the collection."""
    return (
        isinstance(description, dict) and description.get("schema") == SCHEMA and description.get("sha256") == sha256
        and matches(description, SHAPE) and has_metadata_in_shape(description)
        and matches(description.get("replace_set"), OPTIONAL_NUMBER))


def built_against(description):
    """{symbol: CRC} of every symbol that the file was built against."""
    versions = {entry["name"]: entry["crc"] for entry in description["imports"] if entry["crc"] is not None}
    if description["module_layout"] is not None:
        versions["module_layout"] = description["module_layout"]
    return versions


def new_symbol(function):
    """The name of a function's new code in the patch's module, None if the file does not show a unique one."""
    symbol = function.get("new_symbol", function["name"])
    return symbol if isinstance(symbol, str) and FUNCTION_SYMBOL.match(symbol) else None


def function_keys(objects):
    """{(object, function, sympos)} of a description's or an adapter's objects; sysfs shows sympos 0 as 1."""
    return {(entry["name"], function["name"], function["sympos"] or 1)
            for entry in objects for function in entry["functions"]}
