# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the patch file alone, and of its kernel release."""

from collections import Counter

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import why_impossible
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import mechanism
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import required_kernel_build

# license_is_gpl_compatible() in include/linux/license.h; the licence is compared as it is written.
GPL_COMPATIBLE = frozenset((
    "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"))
LABELS = {"livepatch": "livepatch", "kpatch": "kpatch.ko", "kgraft": "kGraft"}
HELP = {
    "livepatch": "Build it for this mechanism, or boot a kernel with CONFIG_LIVEPATCH=y",
    "kpatch": "On a kernel with CONFIG_LIVEPATCH=y, build it again with kpatch-build. On others, load kpatch.ko first "
              "(modprobe kpatch)",
    "kgraft": "Build it for the mechanism of this kernel",
}


def _is_livepatch(context):
    described, wanted = context.description, mechanism(context.description)
    if wanted is None:
        yield finding("not-a-livepatch", described["name"], file=described["file"])
    elif not context.suits_interface():
        yield finding(
            "wrong-interface", described["name"], file=described["file"], wanted=LABELS[wanted], help=HELP[wanted],
            interface=context.interface.label if context.interface else "no live-patching mechanism")


def _architecture(context):
    machine = context.host.machine()
    if context.description["arch"] != machine:
        yield finding("wrong-architecture", context.description["name"], machine=machine, **_names(context))


def _release(context):
    running = context.host.release()
    if context.description["release"] is None:
        yield finding("no-vermagic", context.description["name"], file=context.description["file"])
    elif context.description["release"] != running:
        yield finding("wrong-release", context.description["name"], running=running, **_names(context))


def _kernel_build(context):
    """Compare the build-id of the kernel, because two kernels can have one release and differ."""
    described = context.description
    wanted = required_kernel_build(described)
    if wanted is None or described["release"] != context.host.release():
        return
    running = kernel_build_id(context.host)
    facts = {"file": described["file"], "wanted": wanted}
    if running is None:
        yield finding("kernel-build-unknown", described["name"], **facts)
    elif running != wanted:
        yield finding(
            "wrong-kernel-build", described["name"], release=described["release"], running=running, **facts)


def _passed_over(context):
    others = context.description.get("passed_over")
    if others:
        yield finding("older-versions-passed-over", context.description["name"], file=context.description["file"],
                      others=", ".join(others))


def _license(context):
    described = context.description
    if described["license"] not in GPL_COMPATIBLE:
        license_text = "no licence" if described["license"] is None else f"the licence '{described['license']}'"
        yield finding("license-not-gpl", described["name"], file=described["file"], license=license_text)


def _stripped(context):
    if not context.description["symtab"]:
        yield finding("module-stripped", context.description["name"], file=context.description["file"])


def _duplicates(context):
    """Find duplicates: the kernel refuses a second sysfs directory of one name (klp_init_object, klp_init_func).

    The directory of a function has its sympos in its name, or 1 for 0.
    """
    described = context.description
    if described["opaque"]:
        return
    objects = Counter(entry["name"] for entry in described["objects"])
    functions = Counter((entry["name"], function["name"], function["sympos"] or 1)
                        for entry in described["objects"] for function in entry["functions"])
    for name in sorted(name for name, times in objects.items() if times > 1):
        yield finding("duplicate-object", name, file=described["file"], object=name)
    for entry, name, sympos in sorted(key for key, times in functions.items() if times > 1):
        yield finding("duplicate-function", f"{entry}:{name},{sympos}", file=described["file"], object=entry,
                      function=name, sympos=sympos)


def _object_names(context):
    described = context.description
    if described["opaque"]:
        return
    for name in sorted({entry["name"] for entry in described["objects"]}):
        why = why_impossible(name)
        if why:
            yield finding("object-name-impossible", name, file=described["file"], object=name, why=why)


def _opaque(context):
    if context.description["opaque"] and context.description["symtab"]:  # module-stripped reports the others
        yield finding("tables-opaque", context.description["name"], file=context.description["file"])


def _names(context):
    return {key: context.description[key] for key in ("file", "arch", "release")}


CHECKS = (
    Check(("not-a-livepatch", "wrong-interface"), "always", (), _is_livepatch),
    Check(("wrong-architecture",), "always", (), _architecture),
    Check(("no-vermagic", "wrong-release"), "always", (), _release),
    Check(("wrong-kernel-build", "kernel-build-unknown"), "always", (), _kernel_build),
    Check(("older-versions-passed-over",), "always", (), _passed_over),
    Check(("license-not-gpl",), "load", (), _license),
    Check(("module-stripped",), "load", (), _stripped),
    Check(("duplicate-object", "duplicate-function"), "load", (), _duplicates),
    Check(("object-name-impossible",), "load", (), _object_names),
    Check(("tables-opaque",), "fit", (), _opaque),
)
