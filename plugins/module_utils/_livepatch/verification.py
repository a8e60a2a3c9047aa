# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies that a patch runs: compares the claims of its file with sysfs and with ftrace."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.ftrace import hooked_functions, live_patched
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import KernelSymbols
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    loaded_build,
    loaded_module,
    present_objects,
    why_impossible,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import left_behind
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import compare_builds
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import function_keys
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, number_of

MOST_NAMES = 5  # in one message


def verify_patch(host, interface, name, description, tasks=True):
    """Findings and evidence for one patch.

    `description` is the file's, or None without a known file. `tasks` also checks every task of the host.
    Returns (findings, functions): each function has `patch`, `object`, `name`, `sympos`, `claimed`, `in_sysfs`,
    `object_loaded`, `ftrace` (True, False, or None if unknown) and `overridden_by`.
    """
    patch = interface.patch(name)
    state = patch["state"] if patch else interface.state(name)
    if state == "absent":
        return [finding("not-loaded", name, name=name)], []
    if state != "enabled":
        return [finding("not-enabled", name, name=name, state=state)], []
    findings = list(_identity(host, name, description))
    hooked = hooked_functions(host)
    if hooked is None:
        findings.append(finding("ftrace-unreadable", "ftrace"))
    functions = _functions(host, interface, patch, description, hooked)
    if interface.redirects_without_ftrace(name) and any(function["ftrace"] is None for function in functions):
        findings.append(finding("ftrace-not-used", name, name=name))
    if not functions and not patch["objects"]:
        findings.append(finding("functions-not-listed", name, name=name))
    findings.extend(_function_findings(name, description, functions, interface.ftrace_flag))
    findings.extend(_object_findings(host, patch))
    # During another patch's transition, patch_state is about that one.
    if tasks and not interface.patch_in_transition():
        behind = left_behind(host, "1")
        if behind:
            tasks_are = number_of(len(behind), "task") + (" is" if len(behind) == 1 else " are")
            findings.append(finding("task-left-behind", name, name=name, tasks=tasks_are))
    return findings, functions


def _identity(host, name, description):
    if description is None:
        yield finding("file-unknown", name, name=name)
        return
    loaded = loaded_build(host, name)
    same = compare_builds(loaded, dict(description, name=name))
    if same is None:
        yield finding("build-unknown", name, name=name, file=description["file"])
    elif not same:
        yield finding(
            "other-build", name, name=name, file=description["file"], loaded=loaded["build_id"],
            wanted=description["build_id"])
    if description["opaque"]:
        yield finding("tables-opaque", name, file=description["file"])


def _functions(host, interface, patch, description, hooked):
    listed = function_keys(patch["objects"])
    claimed = listed if description is None or description["opaque"] else function_keys(description["objects"])
    loaded = {entry["name"]: entry["patched"] for entry in patch["objects"]}
    symbols = KernelSymbols(host)
    newer = _newer_owners(symbols, interface, patch["name"], listed | claimed)
    present = present_objects(host)
    wanted = {(entry, function) for entry, function, _sympos in listed | claimed if entry in present}
    patched = {} if hooked is None else live_patched(symbols, hooked, wanted, interface.ftrace_flag)
    if interface.redirects_without_ftrace(patch["name"]):
        patched = {function: shown or None for function, shown in patched.items()}
    functions = []
    for key in sorted(listed | claimed):
        entry, function, sympos = key
        functions.append({
            "patch": patch["name"], "object": entry, "name": function, "sympos": sympos,
            "claimed": key in claimed,
            "in_sysfs": key in listed,
            "object_loaded": loaded.get(entry, False),
            "ftrace": None if hooked is None else patched.get((entry, function), False),
            "overridden_by": newer.get(key),
        })
    return functions


def _newer_owners(symbols, interface, name, functions):
    """{function: the newest patch that overrides it}; the kernel compares addresses (klp_find_ops).

    A patch in transition overrides it for some tasks already or still. One that replaces others lists their functions.
    """
    owners = {}
    above = False
    for patch in interface.patches():
        if above and patch["state"] != "disabled":
            shared = symbols.shared(functions, function_keys(patch["objects"]))
            owners.update(dict.fromkeys(shared, patch["name"]))
        above = above or patch["name"] == name
    return owners


def _function_findings(name, description, functions, flag):
    file = description["file"] if description else None
    for function in functions:
        where = {"name": name, "object": function["object"], "function": function["name"]}
        subject = f"{function['object']}:{function['name']},{function['sympos']}"
        if not function["in_sysfs"]:
            yield finding("function-missing", subject, file=file, sympos=function["sympos"], **where)
        elif not function["claimed"]:
            yield finding("function-extra", subject, file=file, sympos=function["sympos"], **where)
        elif function["overridden_by"]:
            yield finding("function-overridden", subject, other=function["overridden_by"], **where)
        elif function["object_loaded"] and function["ftrace"] is False:
            yield finding("function-not-hooked", subject, flag=flag, **where)


def _object_findings(host, patch):
    for entry in patch["objects"]:
        if not entry["patched"]:
            facts = {"object": entry["name"], "name": patch["name"]}
            yield _unpatched(host, entry["name"], facts)
    absent = [entry["name"] for entry in patch["objects"] if not _is_present(host, entry["name"])]
    if absent and len(absent) == len(patch["objects"]):
        yield finding("ineffective", patch["name"], name=patch["name"], objects=join_limited(absent, MOST_NAMES))


def _unpatched(host, entry, facts):
    """The finding on an object that the patch does not change."""
    if _is_present(host, entry):
        return finding("object-not-patched", entry, **facts)
    why = why_impossible(entry)
    if why:
        return finding("object-never-patched", entry, why=why, **facts)
    from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import module_index

    index = module_index(host)
    return finding("object-never-loaded" if index and index.built_in(entry) else "object-absent", entry, **facts)


def _is_present(host, entry):
    return entry == "vmlinux" or loaded_module(host, entry) is not None
