# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loaded modules that are patches for kpatch.ko or kGraft: many of these kernels do not taint such a module K."""

import posixpath

KPATCH = "/sys/kernel/kpatch"  # a directory for each patch, of its module's name (kpatch's kmod/core/core.c)
KGRAFT = "/sys/kernel/kgraft"  # a directory for each patch, of a name of its own (kernel/kgraft_files.c)


def kgraft_directories(host):
    """{module: path of its patch's directory}; only the link `owner` there names the module."""
    found = {}
    for entry in host.names(KGRAFT):
        try:
            target = host.link_target(f"{KGRAFT}/{entry}/owner")
        except OSError:
            continue  # a file, or a patch that goes
        found[posixpath.basename(target)] = f"{KGRAFT}/{entry}"
    return found


def is_legacy_patch(host, name):
    """Whether kpatch.ko or kGraft shows the module of this name as a patch."""
    return host.exists(f"{KPATCH}/{name}/enabled") or name in kgraft_directories(host)
