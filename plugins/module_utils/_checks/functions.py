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
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import same_address, suffixed_symbols


def _symbols(context):
    """Judge symbols as klp_find_object_symbol() in kernel/livepatch/core.c does."""
    looked_up = (_unresolved(context, *wanted) for wanted in _wanted(context))
    found = [unresolved for unresolved in looked_up if unresolved]
    suffixed = suffixed_symbols(context.host, {symbol for _code, symbol, _facts in found})
    for code, symbol, facts in found:
        if symbol not in suffixed or facts["object"] != "vmlinux":
            yield finding(code, _subject(facts["object"], symbol, facts["sympos"]), symbol=symbol, **facts)


def _wanted(context):
    """(use, object, name, sympos) of every symbol that the kernel looks up during the load of the file."""
    description = context.description
    for entry in [] if description["opaque"] else description["objects"]:
        for function in entry["functions"]:
            yield "patches", entry["name"], function["name"], function["sympos"]
    # A symbol is only looked up for a relocation, and those of an object are in its own sections.
    relocated = {entry["object"] for entry in description["klp_relocations"]}
    for entry in description["klp_symbols"]:
        if entry["object"] in relocated:
            yield "refers to", entry["object"], entry["name"], entry["sympos"]


def _unresolved(context, use, entry, name, sympos):
    if entry not in context.facts.present:
        return None
    count = context.facts.symbols[name].count(entry)
    facts = {"file": context.description["file"], "use": use, "object": entry, "count": count, "sympos": sympos}
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
    if not unlisted:
        return
    names = same_address(context.host, unlisted)
    known = {function for function in unlisted if names[function] is not None}
    others = {(entry, alias) for entry, name in known for alias in names[entry, name]}
    listed = traceable_functions(context.host, others) or set()
    for entry, name in sorted(known):
        if not any((entry, alias) in listed for alias in names[entry, name]):
            yield finding("function-not-traceable", _subject(entry, name), object=entry, function=name)
    if unlisted - known:
        hidden = "This kernel hides the addresses of its symbols (kernel.kptr_restrict)"
        yield finding(
            "not-checked", "function-not-traceable", codes="function-not-traceable",
            why=SOURCES["symbols"] if facts.symbols is None else hidden)


def _hooks(context):
    ours = _live_patched(context)
    for function in sorted(context.facts.replaced):
        entry, name = function
        hooks = context.facts.hooked.get(function, [])
        busy = sum("I" in flags for flags in hooks) > len(ours.get(function, ()))
        if busy and _symbol_count(context, function) == 1 and not _live_patched_alias(context, function, ours):
            yield finding("ftrace-busy", _subject(*function), object=entry, function=name)
        elif any("D" in flags for flags in hooks):
            yield finding("function-attached", _subject(*function), object=entry, function=name)


def _live_patched(context):
    """{(object, name): {sympos, ...}} of the functions of the live patches in the kernel."""
    held = {}
    for patch in context.patches:
        for entry in patch["objects"]:
            for function in entry["functions"]:
                held.setdefault((entry["name"], function["name"]), set()).add(function["sympos"])
    return held


def _live_patched_alias(context, function, ours):
    """Whether a live patch has the function by another name of the same address; True also if that is unknown."""
    if not any(entry == function[0] for entry, _name in ours):
        return False
    names = same_address(context.host, {function})[function]
    return names is None or any((function[0], alias) in ours for alias in names)


def _symbol_count(context, function):
    """The number of symbols of this name in the object, None if the kernel does not show its symbols."""
    entry, name = function
    return None if context.facts.symbols is None else context.facts.symbols[name].count(entry)


def _kprobes(context):
    inside = {}
    for kprobe in context.facts.kprobes:
        # ftrace still calls a kprobe at the entry of a replaced function: seen on 6.1.
        if kprobe["offset"] and not kprobe["ftrace"]:
            inside.setdefault((kprobe["object"], kprobe["function"]), set()).add(kprobe["offset"])
    for entry, name in sorted(context.facts.replaced & set(inside)):
        places = ", ".join(f"{name}+{offset:#x}" for offset in sorted(inside[entry, name]))
        yield finding("function-probed", _subject(entry, name), object=entry, function=name, places=places)


def _subject(entry, name, sympos=0):
    return f"{entry}:{name},{sympos}" if sympos else f"{entry}:{name}"


CHECKS = (
    Check(("symbol-missing", "symbol-ambiguous", "sympos-out-of-range"), "fit", ("symbols",), _symbols),
    Check(("function-not-traceable",), "fit", ("traceable",), _traceable),
    Check(("ftrace-busy", "function-attached"), "fit", ("hooked", "symbols"), _hooks),
    Check(("function-probed",), "fit", ("kprobes",), _kprobes),
)
