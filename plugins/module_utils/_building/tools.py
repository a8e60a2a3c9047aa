# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that build live patches: what each needs, what it refuses, and how it is called.

Sources: kpatch-build/kpatch-build of dynup/kpatch, scripts/livepatch/klp-build of the kernel, and
Documentation/kbuild/modules.rst.
"""

import hashlib
import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._building.kernel import option

# longest_name: of a module's name. space: MiB for a build, and for one with `targets`. programs: looked for in PATH.
# unsupported: options of the kernel. changes: files of the source tree that the tool itself changes. counted: the
# pattern of a compiled object in its log.
Tool = namedtuple("Tool", "longest_name space space_of_targets programs unsupported changes counted")

MAKE = ("make", "ld", "as")
LINES_OF_KBUILD = r"^  (?:CC|AS)\b"
COMMANDS = r" -c -o \S+\.o "
RANDOMIZED = ("CONFIG_GCC_PLUGIN_LATENT_ENTROPY", "CONFIG_GCC_PLUGIN_RANDSTRUCT")
TOOLS = {
    # 48 characters: module_name_string of kpatch-build. 15 GB: its doc/INSTALL.md.
    "kpatch-build": Tool(
        48, 15 * 1024, 2 * 1024, ("bash", "patch", "gawk", "readelf", "objcopy", "strings", *MAKE),
        ("CONFIG_DEBUG_INFO_SPLIT", *RANDOMIZED),
        (".config", ".scmversion", "Makefile", "vmlinux", "scripts/link-vmlinux.sh", "scripts/Makefile.modfinal",
         "scripts/setlocalversion"), LINES_OF_KBUILD),
    # 55 characters: module_name_string of klp-build. It builds the whole kernel twice, as kpatch-build.
    "klp-build": Tool(
        55, 15 * 1024, 15 * 1024, ("bash", "patch", "gawk", "getopt", "objcopy", "recountdiff", *MAKE),
        ("CONFIG_LD_DEAD_CODE_DATA_ELIMINATION", *RANDOMIZED), (".config", "scripts/setlocalversion"), COMMANDS),
    # 55 characters: MODULE_NAME_LEN in include/linux/module.h.
    "kbuild": Tool(55, 100, 100, MAKE, (), (), LINES_OF_KBUILD),
}
KLP_BUILD = "scripts/livepatch/klp-build"
PARTS_OF_KPATCH = ("create-diff-object", "../libexec/kpatch/create-diff-object")  # from the program's directory
VERSION_OF_KPATCH = re.compile(r'^VERSION="?([0-9][0-9.]*)"?$', re.MULTILINE)
SIGN_FILES = (
    "{source}/scripts/sign-file", "{build}/scripts/sign-file", "/lib/modules/{release}/build/scripts/sign-file",
    "/usr/src/linux-headers-{release}/scripts/sign-file", "/usr/src/kernels/{release}/scripts/sign-file",
    "/usr/lib/linux-kbuild-{series}/scripts/sign-file")
LARGEST_SCRIPT = 1 << 20
VERSION_SECONDS = 30
# Targets of make that compile nothing of the kernel itself.
WITHOUT_OBJECTS = frozenset(("modules_prepare", "prepare", "archprepare", "scripts", "headers", "clean"))
DEFAULT_HASH = "sha256"


def choose_tool(root, wanted, kernel_options, is_module_source):
    """The tool for a build: the requested one, or for `auto` klp-build where the source tree has it configured."""
    if wanted != "auto":
        return wanted
    if is_module_source:
        return "kbuild"
    source = kernel_options["source"]
    config = kernel_options["config"] or (source and f"{source}/.config")
    if source and root.is_file(f"{source}/{KLP_BUILD}") and re.search(
            r"^CONFIG_KLP_BUILD=y$", root.read(config) or "", re.MULTILINE):
        return "klp-build"
    return "kpatch-build"


def find_tool(root, tool, kernel, kpatch_build):
    """(the path of the tool's program or None, the places looked in)."""
    if tool == "klp-build":
        place = f"{kernel.source}/{KLP_BUILD}"
        return (root.program(place) if kernel.source else None), place
    name = (kpatch_build or "kpatch-build") if tool == "kpatch-build" else "make"
    return root.program(name), name if "/" in name else f"{name} in PATH"


def missing_programs(root, tool, program):
    """The names of needed programs that the root lacks, sorted."""
    missing = [name for name in TOOLS[tool].programs if not root.program(name)]
    if tool == "kpatch-build":
        directory = _directory(program)
        if not root.first([f"{directory}/{part}" for part in PARTS_OF_KPATCH]):
            missing.append("create-diff-object")
    return sorted(missing)


def tool_version(root, tool, program, kernel):
    """The version of a tool as a text; `unknown` if it does not show one."""
    if tool == "klp-build":
        return kernel.makefile_version or "unknown"
    if tool == "kbuild":
        output = root.run([program, "--version"], VERSION_SECONDS)[1]
        return output.split("\n")[0][:100] or "unknown"
    directory = _directory(program)
    script = root.first([f"{directory}/../kpatch/kpatch", root.program("kpatch")])
    found = VERSION_OF_KPATCH.search(root.read(script, LARGEST_SCRIPT) or "") if script else None
    return found.group(1) if found else "unknown"


def tool_digest(root, program):
    """The sha256 of the tool's program: two versions can have one name."""
    return hashlib.sha256((root.read(program, LARGEST_SCRIPT) or "").encode("utf-8")).hexdigest()


def tool_argv(tool, program, kernel, request, job, variables):
    """The command of a build. `job` has the paths `sources` (a list), `module`, `output` and `output_directory`.

    `variables`: for make, see compiler.py.
    """
    jobs = [f"-j{request['jobs']}"]
    if tool == "kbuild":
        return [program, "-C", kernel.build, f"M={job['module']}", *jobs, *(
            f"{name}={value}" for name, value in sorted(variables.items())), "modules"]
    if tool == "klp-build":
        replace = [] if request["replace"] else ["--no-replace"]
        return [program, "-v", *jobs, *replace, "-o", job["output"], *job["sources"]]
    place = ["-s", kernel.source, "-v", kernel.vmlinux.path] if kernel.source else ["-a", kernel.release]
    targets = [word for target in request["kernel"]["targets"] for word in ("-t", target)]
    replace = [] if request["replace"] else ["-R"]
    return [program, *place, "-c", kernel.config, *targets, *jobs, *replace, "-n", request["name"],
            "-o", job["output_directory"], *job["sources"]]


def uncompiled(paths, targets):
    """Those of some C files that none of the targets of make compiles, as far as their names tell; all with no target.
    """
    return [path for path in paths if path.endswith(".c") and not any(_compiles(target, path) for target in targets)]


def _compiles(target, path):
    """Documentation/kbuild/kbuild.rst: DIRECTORY/, FILE.o and MODULE.ko; others, such as vmlinux, make more."""
    target = target.lstrip("./")
    if "/" not in target:
        return target not in WITHOUT_OBJECTS
    directory, _slash, file = target.rpartition("/")
    if file.endswith((".o", ".i", ".s")):
        return path.rpartition(".")[0] == target.rpartition(".")[0]
    return path.startswith(f"{directory if not file or file.endswith('.ko') else target}/")


def sign_file_places(kernel):
    """Where the kernel's program sign-file can be."""
    series = ".".join((kernel.release or "").split(".")[:2])
    facts = {"source": kernel.source, "build": kernel.build, "release": kernel.release, "series": series}
    return [place.format(**facts) for place in SIGN_FILES
            if all(facts[key] for key in re.findall(r"\{(\w+)\}", place))]


def sign_argv(root, kernel, request, output):
    """The command of the kernel's sign-file. Documentation/admin-guide/module-signing.rst"""
    places = sign_file_places(kernel)
    # What klp-build makes is in the tree only when it has built it.
    program = root.first(places, root.program) or places[0]
    return [program, option(kernel, "CONFIG_MODULE_SIG_HASH") or DEFAULT_HASH, request["sign_key"],
            request["sign_cert"], output]


def _directory(program):
    return program.rpartition("/")[0]
