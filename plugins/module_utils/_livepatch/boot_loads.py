# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the patch files that other tools load at each boot of the running kernel.

Of kpatch.service, a file can be set aside: it loads every `*.ko` in its directory (kpatch/kpatch, `load --all`), and a
longer name hides a file from it. The name has the transaction that did it.
"""

import os
import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.other_tools import (
    KPATCH,
    SUSE,
    is_module_file,
    loads_kpatch_service,
)

SET_ASIDE = re.compile(r"(.+\.ko)\.kernel-livepatch-(.+)\Z")

# path: of the file. name: of the patch, by the file's name. can_set_aside: whether the tool does without this file.
BootLoad = namedtuple("BootLoad", "tool path name can_set_aside")


def boot_loads(host):
    """The BootLoads of the other tools that are active."""
    kpatch = KPATCH.format(release=host.release())
    found = []
    if loads_kpatch_service(host):
        files = [file for file in host.names(kpatch) if file.endswith(".ko")]
        found += [_boot_load("kpatch.service", kpatch, file, True) for file in files]
    for suse in (directory.format(release=host.release()) for directory in SUSE):
        found += [
            _boot_load("SUSE live patching", suse, file, False) for file in host.names(suse) if is_module_file(file)]
    return found


def path_aside(load, transaction):
    """The path of a BootLoad's file once it is set aside."""
    return f"{load.path}.kernel-livepatch-{transaction}"


def set_aside(host, transactions):
    """The BootLoads of kpatch.service that some transactions have set aside, each with the path of its file now."""
    directory = KPATCH.format(release=host.release())
    matches = filter(None, map(SET_ASIDE.match, host.names(directory)))
    return [(_boot_load("kpatch.service", directory, match.group(1), True), os.path.join(directory, match.group(0)))
            for match in matches if match.group(2) in transactions]


def _boot_load(tool, directory, file, can_set_aside):
    return BootLoad(tool, os.path.join(directory, file), file.partition(".ko")[0].replace("-", "_"), can_set_aside)
