# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a patch for modules that are not loaded, against the files of those modules on this host.

Such a patch still loads. A mismatch only shows later: the kernel then refuses to load the module (klp_module_coming in
kernel/livepatch/core.c), without another sign of the patch.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import OF_THE_MODULE
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import why_impossible
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, number_of

MOST_REASONS = 3  # in one message


def absent_objects(context):
    """The names of the patch's modules that are not loaded, in the file's order.

    Impossible module names are left to the finding `object-name-impossible`.
    """
    names = [entry["name"] for entry in context.description["objects"]
             if entry["name"] is not None and not why_impossible(entry["name"])]
    return [name for name in names if name not in context.facts.present]


def _absent(context):
    absent, patch = absent_objects(context), context.description["name"]
    for name in absent:
        yield finding("object-absent", name, object=name, name=patch)
    if context.description["opaque"]:
        return  # its objects are guesses
    if absent and not any(entry["name"] in context.facts.present for entry in context.description["objects"]):
        yield finding("ineffective", patch, name=patch, objects=join_limited(absent, MOST_REASONS))


def _foreign(context):
    if context.description["opaque"]:
        return  # its objects are guesses
    for name in dict.fromkeys(entry["name"] for entry in context.description["objects"]):
        origin = None if name == "vmlinux" else context.facts.origin(name)
        if origin:
            yield _out_of_tree(context, name, origin)


def _out_of_tree(context, name, origin):
    return finding("object-out-of-tree", name, file=context.description["file"], object=name, origin=origin)


def _fits(context):
    if context.description["opaque"]:
        return  # its objects are guesses
    for name in absent_objects(context):
        tree = context.facts.in_tree
        path = tree.path(name)
        if path is None:
            if tree.built_in(name):
                yield finding("object-built-in", name, object=name, file=context.description["file"])
            else:
                yield _unknown(context, name, "modules.dep of this kernel does not list it")
        else:
            yield from _file_findings(context, name, path)


def _file_findings(context, name, path):
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import module_file
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError

    module = module_file(context.host, path)
    try:
        if module is None or not module.elf.has_symbols():
            yield _unknown(context, name, f"has a file that cannot be read ({path})")
            return
        reasons = list(_reasons(context.description, name, module))
        foreign = "intree" not in module.modinfo  # modpost writes it in the kernel's own tree only
    except ElfError:
        yield _unknown(context, name, f"has a damaged file ({path})")
        return
    if foreign and not context.facts.origin(name):
        yield _out_of_tree(context, name, f"not loaded, file {path} built out of tree")
    if reasons:
        source = OF_THE_MODULE if foreign else context.facts.source_of(name)
        yield finding("object-would-be-refused", name, object=name, name=context.description["name"],
                      why=join_limited(reasons, MOST_REASONS), source=source)


def _reasons(description, name, module):
    """The reasons for klp_find_object_symbol and ftrace to refuse, in the kernel's order: symbols, then functions."""
    wanted = [(entry, False) for entry in description["klp_symbols"]
              if entry["object"] == name and name in entry["needed_by"]]
    for entry in description["objects"]:
        if entry["name"] == name:
            wanted += [(function, True) for function in entry["functions"]]
    for symbol, is_function in wanted:
        found = module.elf.symbols(symbol["name"])
        sympos = symbol["sympos"]
        if not found:
            yield f"it has no {symbol['name']}"
        elif sympos == 0 and len(found) > 1:
            yield f"it has {number_of(len(found), 'symbol')} called {symbol['name']} and the patch gives no sympos"
        elif sympos > len(found):
            has = number_of(len(found), "symbol")
            yield f"it has only {has} called {symbol['name']} and the patch means number {sympos}"
        elif is_function and module.traceable(found[max(sympos - 1, 0)]) is False:
            yield f"ftrace cannot redirect {symbol['name']}"


def _unknown(context, name, why):
    return finding("object-unknown", name, object=name, why=why, file=context.description["file"])


CHECKS = (
    Check(("object-absent", "ineffective"), "fit", (), _absent),
    Check(("object-out-of-tree",), "fit", (), _foreign),
    Check(("object-would-be-refused", "object-built-in", "object-unknown"), "fit", ("in_tree",), _fits),
)
