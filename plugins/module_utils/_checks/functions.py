# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the functions to replace, and of the symbols for the livepatch core to resolve.

They cover vmlinux and the loaded modules; for other modules see unloaded_objects.py.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import SOURCES
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.ftrace import traceable_functions
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import HIDDEN, is_cold
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import function_keys
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, number_of

MOST_NAMES = 5  # in one message


def _symbols(context):
    """Judge symbols as klp_find_object_symbol() in kernel/livepatch/core.c does."""
    wanted, absent = [], {}
    for use, entry, name, sympos in _wanted(context):
        if entry in context.facts.present:
            wanted.append((use, entry, name, sympos))
        else:
            absent.setdefault(entry, []).append(name)
    for module, names in sorted(absent.items()):
        yield finding("dependency-not-loaded", module, file=context.description["file"], module=module,
                      symbols=join_limited(names, MOST_NAMES))
    looked_up = (_unresolved(context, *each) for each in wanted)
    found = [unresolved for unresolved in looked_up if unresolved]
    suffixed = context.facts.kernel_symbols.suffixed({symbol for _code, symbol, _facts in found})
    for code, symbol, facts in found:
        if symbol not in suffixed or facts["object"] != "vmlinux":
            yield finding(code, _subject(facts["object"], symbol, facts["sympos"]), symbol=symbol, **facts)


def _wanted(context):
    """(use, object, name, sympos) of every symbol that the kernel looks up during the load of the file."""
    description, present = context.description, context.facts.present
    for entry in [] if description["opaque"] else description["objects"]:
        if entry["name"] in present:
            for function in entry["functions"]:
                yield "patches", entry["name"], function["name"], function["sympos"]
    # A symbol is looked up for the relocations of each object in the kernel, whatever module the symbol is of.
    for entry in description["klp_symbols"]:
        if not present.isdisjoint(entry["needed_by"]):
            yield "refers to", entry["object"], entry["name"], entry["sympos"]


def _unresolved(context, use, entry, name, sympos):
    count = context.facts.symbols[name].count(entry)
    facts = {"file": context.description["file"], "use": use, "object": entry, "sympos": sympos,
             "symbols": number_of(count, "symbol"), "source": context.facts.source_of(entry)}
    if count == 0:
        return "symbol-missing", name, facts
    if sympos == 0 and count > 1:
        return "symbol-ambiguous", name, facts
    if sympos > count:
        return "sympos-out-of-range", name, facts
    return None


def _traceable(context):
    facts = context.facts
    unlisted = {function for function in facts.replaced - facts.traceable if _symbol_count(context, function) != 0}
    if not (unlisted and context.needs_ftrace()):
        return
    known = unlisted - facts.printed.hidden
    others = {(entry, alias) for entry, name in known for alias in facts.printed.names((entry, name))}
    listed = traceable_functions(context.host, others) or set()
    for entry, name in sorted(known):
        if not any((entry, alias) in listed for alias in facts.printed.names((entry, name))):
            yield finding("function-not-traceable", _subject(entry, name), object=entry, function=name)
    if unlisted - known:
        yield _hidden(context, "function-not-traceable", "function-not-traceable")


def _hidden(context, subject, codes):
    """The finding that other names of an address were not seen; it rules nothing out."""
    why = HIDDEN if context.facts.kernel_symbols.readable else SOURCES["symbols"]
    return finding("not-checked", subject, codes=codes, why=why)


def _hooks(context):
    if not (context.facts.hooked and context.needs_ftrace()):
        return
    flags = _flags(context)
    held = _live_patched(context)
    for function in sorted(context.facts.replaced):
        entry, name = function
        if "I" in flags[function] and function not in held and _symbol_count(context, function) == 1:
            yield finding("ftrace-busy", _subject(*function), object=entry, function=name)
        elif "D" in flags[function]:
            yield finding("function-attached", _subject(*function), object=entry, function=name)
    if context.facts.printed.hidden and _others_are_hooked(context):
        yield _hidden(context, "enabled_functions", "ftrace-busy, function-attached")


def _flags(context):
    """{function: the flags of its line in enabled_functions, under each of its names}.

    A name that several symbols of the object have proves nothing unless it is the function's own.
    """
    facts = context.facts
    printed = {}
    for (entry, name), lines in facts.hooked.items():
        function = facts.printed.function(entry, name)
        if function in facts.replaced:
            printed.setdefault(function, {})[name] = "".join(lines)
    aliases = {name for function, names in printed.items() for name in names if name != function[1]}
    symbols = facts.kernel_symbols.objects(aliases) if aliases else {}
    return {function: "".join(
        flags for name, flags in printed.get(function, {}).items()
        if name == function[1] or symbols[name].count(function[0]) == 1) for function in facts.replaced}


def _others_are_hooked(context):
    """Whether ftrace redirects something that no live patch and no name of this patch explains."""
    known = context.facts.replaced | _functions_of_patches(context)
    objects = {entry for entry, _name in context.facts.printed.hidden}
    return any({"I", "D"} & set("".join(lines)) for function, lines in context.facts.hooked.items()
               if function[0] in objects and function not in known)


def _functions_of_patches(context):
    return {key[:2] for patch in context.patches for key in function_keys(patch["objects"])}


def _live_patched(context):
    """Those of the functions to replace that a live patch in the kernel has, under any name of the address.

    With hidden addresses, also those that share their object with a live patch: it may have one of them.
    """
    facts = context.facts
    theirs = _functions_of_patches(context)
    objects = {entry for entry, _name in theirs}
    return {function for function in facts.replaced
            if any((function[0], name) in theirs for name in facts.printed.names(function))
            or (function in facts.printed.hidden and function[0] in objects)}


def _symbol_count(context, function):
    """The number of symbols of this name in the object, None if the kernel does not show its symbols."""
    entry, name = function
    return None if context.facts.symbols is None else context.facts.symbols[name].count(entry)


def _kprobes(context):
    inside = {}
    for kprobe in context.facts.kprobes:
        function = context.facts.printed.function(kprobe["object"], kprobe["function"])
        # ftrace still calls a kprobe at the entry of a replaced function: seen on 6.1.
        if function and not kprobe["ftrace"] and (kprobe["offset"] or is_cold(kprobe["function"])):
            inside.setdefault(function, set()).add((kprobe["function"], kprobe["offset"]))
    for entry, name in sorted(inside):
        places = ", ".join(f"{printed}+{offset:#x}" for printed, offset in sorted(inside[entry, name]))
        yield finding("function-probed", _subject(entry, name), object=entry, function=name, places=places)
    if context.facts.printed.hidden and any(_is_unknown(context, kprobe) for kprobe in context.facts.kprobes):
        yield _hidden(context, "kprobes", "function-probed")


def _is_unknown(context, kprobe):
    """Whether a kprobe may be in a function to replace, by a name that is not known."""
    objects = {entry for entry, _name in context.facts.printed.hidden}
    return kprobe["object"] in objects and not context.facts.printed.function(kprobe["object"], kprobe["function"])


def _subject(entry, name, sympos=0):
    return f"{entry}:{name},{sympos}" if sympos else f"{entry}:{name}"


CHECKS = (
    Check(("symbol-missing", "symbol-ambiguous", "sympos-out-of-range", "dependency-not-loaded"), "fit", ("symbols",),
          _symbols),
    Check(("function-not-traceable",), "fit", ("traceable",), _traceable),
    Check(("ftrace-busy", "function-attached"), "fit", ("hooked", "symbols"), _hooks),
    Check(("function-probed",), "fit", ("kprobes",), _kprobes),
)
