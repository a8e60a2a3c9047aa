# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a build: the argument spec of the module patch_build, for both halves."""

# A kernel: installed packages by their release, or a source tree. All are paths on the build host, below `root`.
KERNEL_OPTIONS = {
    "release": {"type": "str"},
    "source": {"type": "str"},
    "config": {"type": "str"},
    "vmlinux": {"type": "str"},
    "targets": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "str", "default": "/"},
    "kpatch_build": {"type": "str"},
}
TOOLS = ("auto", "kpatch-build", "klp-build", "kbuild")
BUILD_DIRECTORY = "/var/lib/kernel-livepatch-build"
# What one patch is made of, for any number of kernels.
PATCH_OPTIONS = {
    "src": {"type": "list", "elements": "str", "required": True},
    "remote_src": {"type": "bool", "default": False},
    "name": {"type": "str"},
    "version": {"type": "str"},
    "tool": {"type": "str", "choices": list(TOOLS), "default": "auto"},
    "replace": {"type": "bool", "default": True},
    "jobs": {"type": "int"},
    "sign_key": {"type": "str", "no_log": False},  # a path
    "sign_cert": {"type": "str"},
    "cves": {"type": "list", "elements": "str", "default": []},
    "summary": {"type": "str"},
    "bundle": {"type": "str", "required": True},
    "build_dir": {"type": "str", "default": BUILD_DIRECTORY},
    "space": {"type": "int"},
}
BUILD_OPTIONS = dict(PATCH_OPTIONS, kernel={"type": "dict", "required": True, "options": KERNEL_OPTIONS})
LARGEST_SOURCES = 8 << 20  # bytes of the source patches or of the module's source, all files together
MOST_SOURCES = 1000  # files
MADE = (".o", ".ko", ".mod", ".mod.c", ".cmd", ".order", ".symvers")  # endings of files that kbuild makes
