# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of how the file was built, against the running kernel's own modules (kernel/module/main.c, version.c)."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_names
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import built_against
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

MOST_NAMES = 12  # in one message
PROOF = "__ksymtab_klp_enable_patch"  # a kernel that shows this one shows all exports like it


def _vermagic(context):
    """Compare vermagic without the release; the kernel compares it byte by byte (same_magic)."""
    have, want = context.description["vermagic"], context.facts.sample.vermagic
    if have.partition(" ")[2] != want.partition(" ")[2]:
        yield _finding(context, "vermagic-mismatch", have=have.strip(), want=want.strip())


def _has_versions(context):
    if context.facts.sample.has_versions and not context.description["has_versions"]:
        yield _finding(context, "no-versions")


def _struct_size(context):
    have, want = context.description["module_struct_size"], context.facts.sample.struct_size
    if have != want:
        yield _finding(context, "struct-module-size", have=have, want=want)


def _versions(context):
    known = context.facts.symbol_versions
    differing = [
        name for name, crc in built_against(context.description).items() if name in known and crc != known[name]]
    if differing:
        yield _finding(context, "symbol-version-mismatch", symbols=join_limited(differing, MOST_NAMES))


def _exports(context):
    missing = [
        entry["name"] for entry in context.description["imports"]
        if not entry["weak"] and not _exported(context.facts.symbols, entry["name"])]
    if context.interface is None:  # `livepatch-unsupported` reports that
        from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modversions import OF_LIVE_PATCHES

        missing = [name for name in missing if not name.startswith(OF_LIVE_PATCHES)]
    if not missing:
        return
    loaded = set(loaded_names(context.host))
    tree = context.facts.in_tree
    exporters = {name: tree.exporter(name) if tree else None for name in missing}
    # A module unknown to depmod may export a symbol, if the file's modinfo names the module.
    others = [
        name for name in context.description["depends"]
        if name not in loaded.union(exporters.values()) and not (tree and tree.built_in(name))]
    for name in missing:
        if exporters[name] is None and others:
            exporters[name] = others[0]
    for module in sorted(set(exporters.values()) - loaded - {None}):
        needed = [name for name in missing if exporters[name] == module]
        yield finding("dependency-not-loaded", module, file=context.description["file"], module=module,
                      symbols=join_limited(needed, MOST_NAMES))
    unknown = [name for name in missing if exporters[name] is None or exporters[name] in loaded]
    if unknown:
        yield _finding(context, "symbol-not-exported", symbols=join_limited(unknown, MOST_NAMES))


def _exported(symbols, name):
    if symbols["__ksymtab_" + name]:
        return True
    if symbols[PROOF]:  # a module without local symbols shows only the exported names
        return any(entry != "vmlinux" for entry in symbols[name])
    return bool(symbols[name])


def _unwinding(context):
    """Compare the data for the unwinder, because the kernel loads a module without it, or with another format."""
    sample, have = context.facts.sample, context.description["orc"]
    if sample.orc_unwind and not have["unwind"]:
        yield _finding(context, "orc-missing")
    elif sample.orc_header and have["header"] and sample.orc_header != have["header"]:
        yield _finding(context, "orc-mismatch")


def _finding(context, code, **facts):
    return finding(code, context.description["name"], file=context.description["file"], **facts)


CHECKS = (
    Check(("vermagic-mismatch",), "fit", ("sample",), _vermagic),
    Check(("no-versions",), "fit", ("sample",), _has_versions),
    Check(("struct-module-size",), "fit", ("sample",), _struct_size),
    Check(("symbol-version-mismatch",), "fit", ("sample",), _versions),
    Check(("dependency-not-loaded", "symbol-not-exported"), "fit", ("symbols",), _exports),
    Check(("orc-missing", "orc-mismatch"), "fit", ("sample",), _unwinding),
)
