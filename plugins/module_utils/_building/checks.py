# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a build, before an hour is spent: each is a function from a BuildContext to findings.

A check that needs the result of an earlier one runs only if that one passed, see CHECKS.
"""

import os
import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._building.c_source import (
    COMMENTS,
    DATA,
    INIT,
    change_kind,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._building.compiler import (
    is_same_compiler,
    kernel_compiler,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._building.kernel import mismatch, option, other_release
from ansible_collections.kernel.livepatch.plugins.module_utils._building.source_patch import (
    BESIDE_THE_KERNEL,
    SourceError,
    unsupported,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._building.tools import (
    TOOLS,
    find_tool,
    missing_programs,
    sign_argv,
    sign_file_places,
    uncompiled,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.build import BUILD
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, finding_of
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import open_regular
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import (
    join_limited,
    number_of,
    printable,
    truncate,
)

NAME = re.compile(r"[A-Za-z0-9_]+\Z")
ODD_IN_PATHS = re.compile(r"[^\w./+@~,=-]")
SERIES_OF_IBT = "CONFIG_X86_KERNEL_IBT"
OFFSET_OR_FUZZ = re.compile(r"^.*with fuzz.*$", re.MULTILINE)
REFUSED = re.compile(r"^.*(?:FAILED|can't find file|malformed patch|Reversed|Only garbage|No file).*$", re.MULTILINE)
LISTNEWCONFIG_SECONDS = 600  # the first time, it builds scripts/kconfig
MIB = 1 << 20
BESIDE = "beside"
UNPATCHABLE = {
    BESIDE: "files that are no part of the kernel", COMMENTS: "comments and white space", DATA: "data",
    INIT: "functions with __init, which the kernel removes once they have run"}
PEM = b"-----BEGIN "
ENCRYPTED = b"ENCRYPTED"  # in the first line of a PEM file, or in its header Proc-Type
SIGN_SECONDS = 60
PKCS11 = "pkcs11:"
REMEDIES = {
    "kpatch-build": "Install it, or set kernel: kpatch_build to its path",
    "klp-build": "Give a source tree of Linux 6.19 or later",
    "kbuild": "Install make",
}


def build_finding(code, subject, **facts):
    """One finding of the table BUILD."""
    return finding_of(BUILD, code, subject, facts)


def check_name(context):
    name, longest = context.request["name"], TOOLS[context.tool].longest_name
    why = None
    if not NAME.match(name):
        why = "it has other characters than letters, digits and underscores"
    elif len(name) > longest:
        why = f"it has {number_of(len(name), 'character')}, and {context.tool} truncates it"
    if why:
        yield build_finding("name-unusable", name, name=printable(name), why=why, longest=longest)


def check_kernel(context):
    """The files of the kernel that the tool works with."""
    kernel, root, tool = context.kernel, context.root, context.tool
    given = context.request["kernel"]
    needs = [("config", "configuration", given["config"] or ".config, /boot/config-RELEASE", kernel.config)]
    if tool == "kbuild":
        needs.append(("release", "build directory", given["source"] or "/lib/modules/RELEASE/build", kernel.build))
    elif tool == "klp-build" or given["source"]:
        needs.append(("source", "source tree", given["source"] or "no option", kernel.source))
    if tool == "kpatch-build":
        needs.append(("vmlinux", "vmlinux", given["vmlinux"] or "SOURCE/vmlinux, /usr/lib/debug", kernel.vmlinux))
    for name, what, places, found in needs:
        path = found.path if name == "vmlinux" and found else found
        if not path or not root.exists(path):
            yield build_finding("kernel-missing", name, what=what, places=places, option=name)


def check_kernel_files(context):
    """Whether the files of the kernel belong together."""
    facts = mismatch(context.root, context.request["kernel"], context.kernel, context.tool)
    if facts:
        yield build_finding("kernel-source-mismatch", context.kernel.release or "kernel", **facts)
    elif context.tool == "kpatch-build" and context.kernel.source:
        found = other_release(context.root, context.kernel)
        if found:
            yield build_finding(
                "source-release-differs", context.kernel.source, source=context.kernel.source, found=found,
                wanted=context.kernel.release)


def check_paths(context):
    """make splits the paths of its directories at spaces, and gives other characters a meaning of its own."""
    root = context.root
    for path in filter(None, (context.request["build_dir"], context.kernel.source)):
        place = root.place(path)
        real = os.path.realpath(place) if root.directory == "/" else root.inside(place)
        odd = sorted(set(ODD_IN_PATHS.findall(path + real)))
        if odd:
            shown = ["a space" if letter == " " else letter for letter in odd]
            yield build_finding("path-unusable", path, path=path, odd=" and ".join(shown))


def check_owner(context):
    """Whoever can write into the source tree decides what this task runs."""
    source = context.kernel.source
    if source and os.stat(context.root.place(source)).st_mode & 0o002:
        yield build_finding("source-tree-shared", source, source=source)


def check_config(context):
    kernel, tool = context.kernel, context.tool
    if kernel.config_text is None:
        if kernel.config and context.root.exists(kernel.config):
            yield build_finding("config-unreadable", kernel.config, config=kernel.config)
        return
    if option(kernel, "CONFIG_LIVEPATCH") != "y":
        yield build_finding("no-livepatch-config", kernel.config, config=kernel.config)
    if tool == "klp-build" and option(kernel, "CONFIG_KLP_BUILD") != "y":
        yield build_finding("no-klp-build-config", kernel.config, config=kernel.config)
    if tool == "kpatch-build" and option(kernel, SERIES_OF_IBT) == "y":
        yield build_finding("ibt-unsupported", kernel.config, config=kernel.config)
    for name in TOOLS[tool].unsupported:
        if option(kernel, name) == "y":
            yield build_finding("config-unsupported", name, tool=tool, option=name, config=kernel.config)


def check_debug_information(context):
    kernel, tool = context.kernel, context.tool
    if tool != "kpatch-build":
        return
    if kernel.vmlinux and not kernel.vmlinux.debug:
        remedy = "Install the kernel's debug package, or build the kernel with CONFIG_DEBUG_INFO"
        yield build_finding(
            "no-debug-info", kernel.vmlinux.path, file=kernel.vmlinux.path, tool=tool, remedy=remedy)
    elif kernel.config_text is not None and option(kernel, "CONFIG_DEBUG_INFO") != "y":
        yield build_finding(
            "no-debug-info", kernel.config, file=kernel.config, tool=tool,
            remedy="Build the kernel with CONFIG_DEBUG_INFO=y")


def check_compiler(context):
    wanted = kernel_compiler(context.kernel)
    if wanted and not (context.compiler and is_same_compiler(context.compiler, wanted)):
        yield build_finding(
            "compiler-mismatch", wanted, wanted=printable(wanted), found=printable(context.compiler or "missing"))


def check_tool(context):
    program, places = find_tool(
        context.root, context.tool, context.kernel, context.request["kernel"]["kpatch_build"])
    if program is None:
        yield build_finding(
            "tool-missing", context.tool, tool=context.tool, places=places, remedy=REMEDIES[context.tool])
        return
    missing = missing_programs(context.root, context.tool, program)
    if missing:
        yield build_finding(
            "programs-missing", context.tool, tool=context.tool, programs=", ".join(missing),
            root=context.root.directory)


def check_tree(context):
    """klp-build: the configuration is complete for this tree, and objtool has its subcommand."""
    if context.tool != "klp-build":
        return
    source = context.kernel.source
    objtool = f"{source}/tools/objtool/objtool"
    if context.root.program(objtool) and "not implemented" in context.root.run([objtool, "klp"], 60)[1]:
        yield build_finding("objtool-without-klp", source, source=source)
    status, output = context.root.run(
        ["make", "-s", "listnewconfig"], LISTNEWCONFIG_SECONDS, source, **context.make_variables)
    new = [line.strip() for line in output.split("\n") if line.startswith("CONFIG_")]
    if new:
        shown = join_limited([truncate(line, 80) for line in new], 3)
        yield build_finding("config-outdated", source, config=context.kernel.config, source=source, options=shown)
    elif status:
        yield build_finding("config-check-failed", source, source=source, why=_why(output))


def _why(output):
    """The first line of a failed program's output that tells an error, or its last line."""
    lines = [line.strip() for line in output.split("\n") if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b|\bfatal\b|not found|no such file", line, re.IGNORECASE)]
    return truncate((errors or lines or ["no reason given"])[0].rstrip("."), 300)


def check_sources(context):
    """What a source patch says about itself."""
    for source, changes in context.changes:
        name = context.name_of(source)
        if isinstance(changes, SourceError):
            if changes.code == "source-path-unsafe":
                yield build_finding(
                    changes.code, name, file=name, path=truncate(changes.path or "a file", 200), why=changes.why)
            else:
                yield build_finding(changes.code, name, file=name, why=printable(changes.why))
            continue
        refused = unsupported(changes, context.tool)
        if refused:
            yield build_finding(
                "source-unsupported", refused[0], tool=context.tool, path=refused[0], why=refused[1], file=name)


def check_targets(context):
    """kpatch-build compares what these targets compile, and is silent about other changes."""
    targets = context.request["kernel"]["targets"]
    if context.tool != "kpatch-build" or not targets:
        return
    paths = uncompiled([path for path in context.paths if not path.startswith(BESIDE_THE_KERNEL)], targets)
    if paths:
        missing = sorted({f"{os.path.dirname(path)}/" for path in paths})
        yield build_finding(
            "source-not-compiled", paths[0], file=context.name_of(context.sources[0]), targets=join_limited(targets, 5),
            paths=join_limited(paths, 3), missing=join_limited(missing, 5))


def check_fit(context):
    """Whether the source patches apply to the tree, and change code."""
    source_tree = context.kernel.source
    if context.is_module_source or not source_tree:
        return
    leaving = context.leaving_path()
    if leaving:
        name = context.name_of(context.sources[0])
        yield build_finding(
            "source-path-unsafe", leaving, file=name, path=leaving,
            why="a symbolic link leads out of the source tree")
        return
    for trial in context.trials:
        name = context.name_of(trial.source)
        if trial.status:
            lines = REFUSED.findall(trial.output) or trial.output.split("\n")[-1:]
            why = truncate(lines[0].strip().rstrip("."), 300)
            yield build_finding("source-misfit", name, file=name, source=source_tree, why=why or "no reason given")
            return
        fuzz = OFFSET_OR_FUZZ.findall(trial.output)
        if fuzz:
            yield build_finding(
                "source-with-fuzz", name, file=name, source=source_tree, why=truncate(fuzz[0].strip(), 200))
    yield from _without_function(context)


def _without_function(context):
    """The finding for source patches that certainly change no function."""
    kinds, paths = set(), set()
    for path, before, after in [text for trial in context.trials for text in trial.texts]:
        kind = _kind(path, before, after)
        if kind is None:
            return
        kinds.add(kind)
        paths.add(path)
    facts = {"file": context.name_of(context.sources[0]), "paths": join_limited(sorted(paths), 3)}
    if kinds == {DATA}:
        yield build_finding("source-data-only", context.kernel.source, **facts)
    else:
        what = " and ".join(UNPATCHABLE[kind] for kind in sorted(kinds))
        yield build_finding("source-without-function", context.kernel.source, what=what, **facts)


def _kind(path, before, after):
    """The kind of a change that no live patch can make, see UNPATCHABLE, or None."""
    if path.startswith(BESIDE_THE_KERNEL):
        return BESIDE
    kind = change_kind(before, after) if path.endswith((".c", ".h")) else None
    return kind if path.endswith(".c") or kind == COMMENTS else None  # functions are compiled with every header


def check_space(context):
    tool, request = context.tool, context.request
    needed = request["space"]
    if needed is None:
        needed = TOOLS[tool].space_of_targets if request["kernel"]["targets"] else TOOLS[tool].space
    places = {request["build_dir"]}
    if context.kernel.source and tool != "kbuild":
        places = {context.kernel.source}
    for place in sorted(places):
        path = context.root.path(place)
        while not os.path.exists(path):
            path = os.path.dirname(path)
        status = os.statvfs(path)
        free = status.f_bavail * status.f_frsize // MIB
        if free < needed:
            yield build_finding("build-space-low", place, place=place, free=free, tool=tool, needed=needed)


def check_signing(context):
    request, root = context.request, context.root
    if not request["sign_key"]:
        return
    places = sign_file_places(context.kernel)
    # klp-build builds the whole tree, and sign-file with it.
    will_be_built = context.tool == "klp-build" and option(context.kernel, "CONFIG_MODULE_SIG") == "y"
    program = root.first(places, root.program)
    if not program and not will_be_built:
        yield build_finding("sign-program-missing", "sign-file", places=", ".join(places) or "the kernel's headers")
    in_token = request["sign_key"].startswith(PKCS11)
    paths = [request["sign_cert"]] if in_token else [request["sign_key"], request["sign_cert"]]
    faults = [(path, _pem_fault(root.path(path))) for path in paths]
    if program and not in_token and not any(why for _path, why in faults):
        faults = [(request["sign_key"], _signing_fault(context))]
    for path, why in faults:
        if why:
            yield build_finding("sign-key-unusable", path, file=path, why=why, root=root.directory)


def _signing_fault(context):
    """Why sign-file cannot sign with the key and the certificate, by a trial on another file; None if it can."""
    root = context.root
    with context.scratch() as scratch:
        file = os.path.join(scratch, "trial")
        with open(file, "wb") as stream:
            stream.write(b"trial")
        argv = sign_argv(root, context.kernel, context.request, root.inside(file))
        status, output = root.run(argv, SIGN_SECONDS)
    why = _why(output).lstrip("- ")  # openssl lists its errors
    return f"sign-file fails with it and {context.request['sign_cert']} ({why})" if status else None


def _pem_fault(path):
    """Why a file cannot be used as a key or a certificate, or None. Its content is in no message."""
    try:
        with open_regular(path) as stream:
            head = stream.read(1 << 16)
    except OSError as error:
        return error.strerror[:1].lower() + error.strerror[1:]
    if PEM in head and ENCRYPTED in head:
        return "it is encrypted, and sign-file has no passphrase"
    return None if PEM in head or head[:1] == b"\x30" else "it is neither a PEM nor a DER file"


# check: the function. after: the names of checks that must have passed.
Check = namedtuple("Check", "name run after")
CHECKS = (
    Check("name", check_name, ()),
    Check("sources", check_sources, ()),
    Check("kernel", check_kernel, ()),
    Check("kernel-files", check_kernel_files, ("kernel",)),
    Check("paths", check_paths, ()),
    Check("owner", check_owner, ("kernel",)),
    Check("config", check_config, ()),
    Check("debug", check_debug_information, ()),
    Check("compiler", check_compiler, ()),
    Check("tool", check_tool, ()),
    Check("targets", check_targets, ("sources",)),
    Check("fit", check_fit, ("sources", "kernel", "tool")),
    Check("signing", check_signing, ("kernel",)),
    Check("space", check_space, ("kernel",)),
    Check("tree", check_tree, ("kernel", "kernel-files", "config", "tool", "compiler", "owner", "paths")),
)


def run_checks(context):
    """The findings of every check, in their order."""
    findings, blocked = [], set()
    for check in CHECKS:
        if blocked & set(check.after):
            continue
        found = list(check.run(context))
        findings += found
        if blockers_in(found):
            blocked.add(check.name)
    return findings
