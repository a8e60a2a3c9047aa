# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a patch for modules that are not loaded, against the files of those modules on this host.

Such a patch still loads. A mismatch only shows later: the kernel then refuses to load the module (klp_module_coming in
kernel/livepatch/core.c), without another sign of the patch.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import module_file
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

MOST_REASONS = 3  # in one message


def absent_objects(context):
    """The names of the patch's modules that are not loaded, in the file's order.

    Impossible module names are left to the finding `object-name-impossible`.
    """
    names = [entry["name"] for entry in context.description["objects"] if entry["name"] and "-" not in entry["name"]]
    return [name for name in names if name not in context.facts.present]


def _absent(context):
    for name in absent_objects(context):
        yield finding("object-absent", name, object=name, name=context.description["name"])


def _fits(context):
    if context.description["opaque"]:
        return  # its objects are guesses
    for name in absent_objects(context):
        tree = context.facts.in_tree
        path = tree.path(name)
        if path is None:
            built_in = tree.built_in(name)
            yield _unknown(context, name, "is part of the kernel itself" if built_in else "has no file on this host")
        else:
            yield from _file_findings(context, name, path)


def _file_findings(context, name, path):
    module = module_file(context.host, path)
    try:
        if module is None or not module.elf.has_symbols():
            yield _unknown(context, name, f"has a file that cannot be read ({path})")
            return
        reasons = list(_reasons(context.description, name, module))
    except ElfError:
        yield _unknown(context, name, f"has a damaged file ({path})")
        return
    if reasons:
        yield finding("object-would-be-refused", name, object=name, name=context.description["name"],
                      why=join_limited(reasons, MOST_REASONS))


def _reasons(description, name, module):
    """The reasons for klp_find_object_symbol and ftrace to refuse, in the kernel's order: symbols, then functions."""
    wanted = [(entry, False) for entry in description["klp_symbols"] if entry["object"] == name]
    for entry in description["objects"]:
        if entry["name"] == name:
            wanted += [(function, True) for function in entry["functions"]]
    for symbol, is_function in wanted:
        found = module.elf.symbols(symbol["name"])
        sympos = symbol["sympos"]
        if not found:
            yield f"it has no {symbol['name']}"
        elif sympos == 0 and len(found) > 1:
            yield f"it has {len(found)} symbols called {symbol['name']} and the patch gives no sympos"
        elif sympos > len(found):
            yield f"it has only {len(found)} called {symbol['name']} and the patch means number {sympos}"
        elif is_function and module.traceable(found[max(sympos - 1, 0)]) is False:
            yield f"ftrace cannot redirect {symbol['name']}"


def _unknown(context, name, why):
    return finding("object-unknown", name, object=name, why=why, file=context.description["file"])


CHECKS = (
    Check(("object-absent",), "fit", (), _absent),
    Check(("object-would-be-refused", "object-unknown"), "fit", ("in_tree",), _fits),
)
