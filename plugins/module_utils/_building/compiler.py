# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the kernel's compiler with the one on the build host: functions must be compiled alike to be compared."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._building.kernel import option

SECONDS = 30
GCC, CLANG = "gcc", "clang"
NAME = re.compile(r"[\w.+-]+\Z")


def kernel_compiler(kernel):
    """The compiler that built a kernel, as the first line of its --version; None if the configuration does not say."""
    return option(kernel, "CONFIG_CC_VERSION_TEXT")


def host_compiler(root, kernel, tool):
    """(name, the first line of its --version) of the compiler that the tool will call; (None, None) without one.

    kpatch-build and klp-build call gcc or clang by this name. Module source is compiled with the compiler that the
    configuration names, if there is one of this name, or else with gcc or clang too.
    """
    wanted = kernel_compiler(kernel) or ""
    names = [CLANG if is_clang(kernel) else GCC]
    recorded = wanted.split(" ")[0]
    if tool == "kbuild" and NAME.match(recorded):
        names.insert(0, recorded)
    found = None, None
    for name in names:
        if root.program(name):
            status, output = root.run([name, "--version"], SECONDS)
            line = output.split("\n")[0].strip()
            if status == 0 and line:
                if is_same_compiler(line, wanted):
                    return name, line
                found = found if found[0] else (name, line)
    return found


def is_clang(kernel):
    return option(kernel, "CONFIG_CC_IS_CLANG") == "y"


def make_variables(kernel, compiler=GCC):
    """{name: value} for make to compile as the kernel was compiled; `compiler` is its name.

    make takes gcc and ld without them. Documentation/kbuild/llvm.rst
    """
    if is_clang(kernel) and option(kernel, "CONFIG_LD_IS_LLD") == "y":
        return {"LLVM": "1"}
    return {"CC": compiler} if compiler != GCC else {}


def is_same_compiler(one, other):
    """Whether two first lines of --version are of one compiler: its name can differ, as gcc and gcc-12."""
    return _version(one) == _version(other)


def _version(line):
    name, _space, version = line.partition(" ")
    return version.strip() or name
