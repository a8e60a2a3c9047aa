# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the machine around the kernel: space, memory, crash dumps, other live-patch tools."""

import os
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.interpreters import lasts, usable_interpreters
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.selinux import (
    denied_service,
    denied_task,
    mode,
    module_label,
    restorecon,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.other_tools import tools_on
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.condition import persistence_findings
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM, STORE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import number_of

KIB = 1 << 10
MIB = 1 << 20
MARGIN = 64 * KIB  # for the description and the directories
FILES = 4  # the file, its description, two directories
PROGRAM_SIZE = 3 * MIB  # at most; a host without the program gets it with a load
COPIES = 3  # during the load: the file's pages, the kernel's copy of them, the module
SPARE_MEMORY = 16 * MIB


def _writable(context):
    if context.host.is_read_only(STORE_DIRECTORY):
        yield finding("read-only", STORE_DIRECTORY, path=STORE_DIRECTORY)


def _persistent(context):
    return persistence_findings(context.host)


def _interpreter(context):
    """A host without any usable Python refuses the load itself, with the reasons."""
    usable, _reasons = usable_interpreters(context.host)
    if usable and not lasts(usable[0]):
        yield finding("interpreter-may-go", usable[0], path=usable[0])


def _selinux(context):
    host = context.host
    usable, _reasons = usable_interpreters(host)
    denied = ((denied_task(host), "this task"),
              (usable and denied_service(host, usable[0]), "the service that ends trials and loads patches at boot"))
    for domain, who in denied:
        if domain:
            yield finding("selinux-denies-load", domain, domain=domain, who=who, label=module_label(host))
    if mode(host) == "enforcing" and not restorecon(host):
        yield finding("restorecon-missing", "restorecon")


def _space(context):
    """An older program is replaced too: where the space is only short of that, the load itself says so."""
    host, described = context.host, context.description
    needs = []  # file, bytes, files
    if not Store(host).has(described["sha256"]):
        needs.append((described["file"], described["size"] + MARGIN, FILES))
    if not host.exists(PROGRAM):
        needs.append((os.path.basename(PROGRAM), PROGRAM_SIZE, 1))
    if not needs:
        return
    file, wanted, wanted_files = needs[0][0], sum(need[1] for need in needs), sum(need[2] for need in needs)
    free, files = host.free_space(STORE_DIRECTORY)
    if free < wanted:
        yield _no_space(file, f"{free // KIB} KiB", f"{wanted // KIB} KiB")
    if files is not None and files < wanted_files:
        yield _no_space(file, number_of(files, "file"), number_of(wanted_files, "file"))


def _no_space(file, free, wanted):
    return finding("no-space", STORE_DIRECTORY, path=STORE_DIRECTORY, file=file, free=free, wanted=wanted)


def _memory(context):
    match = re.search(r"^MemAvailable:\s*(\d+) kB", context.host.read_or("/proc/meminfo", ""), re.MULTILINE)
    wanted = COPIES * context.description["size"] + SPARE_MEMORY
    if match and int(match.group(1)) * KIB < wanted:
        yield finding(
            "little-memory", "MemAvailable", file=context.description["file"], free=int(match.group(1)) // KIB,
            wanted=-(-wanted // MIB))


def _crash_dump(context):
    if context.host.read_or("/sys/kernel/kexec_crash_loaded") == "0":  # a kernel without kexec has no such file
        yield finding("crash-dump-not-armed", "kdump")


def _other_tools(context):
    for tool, active in tools_on(context.host):
        facts = {"tool": tool.name, "effect": tool.effect}
        if not active:
            yield finding("other-tool-present", tool.name, **facts)
        elif tool.unload:
            yield finding("other-mechanism-active", tool.name, unload=tool.unload, **facts)
        else:
            yield finding("other-tool-active", tool.name, **facts)


CHECKS = (
    Check(("read-only",), "change", (), _writable),
    Check(("state-not-persistent",), "always", (), _persistent),
    Check(("interpreter-may-go",), "load", (), _interpreter),
    Check(("selinux-denies-load", "restorecon-missing"), "load", (), _selinux),
    Check(("no-space",), "load", (), _space),
    Check(("little-memory",), "load", (), _memory),
    Check(("crash-dump-not-armed",), "load", (), _crash_dump),
    Check(("other-mechanism-active", "other-tool-active", "other-tool-present"), "load", (), _other_tools),
)
