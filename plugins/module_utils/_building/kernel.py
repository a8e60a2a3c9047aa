# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel of a build: its files on the build host, and what they tell. Nothing is built for this."""

import os
import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._building.vmlinux import read_vmlinux, release_in

# Paths in the root, None for a missing one. source: for a source patch, where it applies. build: for module source, the
# directory for make -C. release and config_text can be None too; vmlinux is a Vmlinux or None.
Kernel = namedtuple("Kernel", "release source build config config_text vmlinux makefile_version")

BUILDS = ("/lib/modules/{release}/build", "/usr/src/linux-headers-{release}", "/usr/src/kernels/{release}")
CONFIGS = ("/boot/config-{release}", "/lib/modules/{release}/config")
VMLINUXES = (
    "/usr/lib/debug/boot/vmlinux-{release}", "/usr/lib/debug/lib/modules/{release}/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{release}.debug", "/lib/modules/{release}/vmlinux")
UTS_RELEASE = re.compile(r'^#define UTS_RELEASE "([^"]*)"', re.MULTILINE)
VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*([^\n]*)$", re.MULTILINE)
OPTION = re.compile(r"^(?:# )?CONFIG_\w+", re.MULTILINE)
RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}\Z")  # as uname(2), and as the name of a directory
UNKNOWN_SUFFIX = "CONFIG_LOCALVERSION_AUTO"
# The kernel's own rule for its release. Debian's Makefile can also take it from a file, which is part of the headers.
STANDARD = re.compile(
    r"^KERNELRELEASE = \$\((?:shell cat|call read-file,) *(?:\$\(objtree\)/)?include/config/kernel\.release",
    re.MULTILINE)
VARIABLES, INCLUDED = ".kernelvariables", "-include .kernelvariables"
OVERRIDE = re.compile(r"^override KERNELRELEASE = (\S+)$", re.MULTILINE)


def find_kernel(root, given, tool):
    """The Kernel for the option `kernel` of a task, as a dict, and a tool."""
    release, source = given["release"], given["source"]
    build = source or (release and root.first(_places(BUILDS, release), root.is_directory))
    config = given["config"] or root.first([
        source and f"{source}/.config", *_places(CONFIGS, release), build and f"{build}/.config"])
    vmlinux = given["vmlinux"]
    if not vmlinux and tool != "klp-build":  # which leaves a vmlinux of its own in the tree
        vmlinux = root.first([source and f"{source}/vmlinux", *_places(VMLINUXES, release)])
    text = config and _config_text(root, config)
    facts = vmlinux and read_vmlinux(root.path(vmlinux), vmlinux)
    version = _makefile_version(root, source) if source else None
    found = release
    if not release and tool == "kpatch-build":
        found = facts and release_in(facts.banner)
    elif not release and build and tool == "kbuild":
        found = _release_of_build(root, build)
    kernel = Kernel(found or None, source, build or None, config or None, text, facts, version)
    if not kernel.release and source and tool == "klp-build" and not _counts_git(root, source):
        kernel = kernel._replace(release=_own_release(root, kernel))
    return kernel


def option(kernel, name):
    """The value of an option in the configuration of a kernel: `y`, a number or a text; None where it is not set."""
    found = re.search(rf"^{name}=(.*)$", kernel.config_text or "", re.MULTILINE)
    return found.group(1).strip('"') if found else None


def mismatch(root, given, kernel, tool):
    """The facts for the finding kernel-source-mismatch, or None."""
    banner = kernel.vmlinux.banner if kernel.vmlinux else ""
    release = kernel.release
    if given["release"]:
        others = [("the release in vmlinux", release_in(banner))] if tool == "kpatch-build" else []
        if tool == "kbuild":
            others.append((f"the release of {kernel.build}", kernel.build and _release_of_build(root, kernel.build)))
        if tool == "klp-build" and kernel.source and not _counts_git(root, kernel.source):
            others.append((f"the release of {kernel.source}", _own_release(root, kernel)))
        for place, found in others:
            if found and found != release:
                return {"one": place, "found": found, "other": "kernel: release", "wanted": release}
    version = kernel.makefile_version
    if version and release and not _is_of_version(release, version, banner):
        return {"one": f"the version of {kernel.source}", "found": version, "other": "the release", "wanted": release}
    return None


def _config_text(root, config):
    """The text of a configuration; None for a file that cannot be read or is none, such as a compressed one."""
    text = root.read(config)
    return text if text and OPTION.search(text) else None


def other_release(root, kernel):
    """The release that modules of a source tree get, if it certainly is another one than in vmlinux; None if not."""
    wanted = release_in(kernel.vmlinux.banner) if kernel.vmlinux else None
    if not wanted or _counts_git(root, kernel.source):
        return None
    found = _own_release(root, kernel)
    return found if found != wanted else None


def _counts_git(root, source):
    """Whether the state of a repository is a part of the release that a source tree makes."""
    return any(root.exists(f"{source}/{name}") for name in (".git", ".scmversion"))


def _own_release(root, kernel):
    """The release that a source tree without git makes; None for a tree with a rule of its own."""
    makefile = root.read(f"{kernel.source}/Makefile") or ""
    if not STANDARD.search(makefile):
        return None
    override = OVERRIDE.search(root.read(f"{kernel.source}/{VARIABLES}") or "") if INCLUDED in makefile else None
    return override.group(1) if override else _release_of_tree(
        root, kernel.source, kernel.makefile_version, kernel.config_text)


def _is_of_version(release, version, banner):
    """Whether a release can be of a source with this version.

    Distributions keep the first release of a series in the name: 6.1.0-56-amd64 is 6.1.192, and its banner says so.
    """
    numbers = re.findall(r"\d+", version)[:3]
    ours = re.findall(r"\d+", release)[:3]
    if numbers[:2] != ours[:2]:
        return False
    return numbers == ours or re.search(rf"\b{re.escape(version)}\b", banner) is not None or (
        not banner and ours[2:] == ["0"])


def _places(patterns, release):
    return [pattern.format(release=release) for pattern in patterns] if release else []


def _makefile_version(root, source):
    """The version in the Makefile of a source tree, such as 6.1.192 or 7.2.0-rc1; None if it is no kernel's."""
    found = dict(VERSION.findall(root.read(f"{source}/Makefile", 4096) or ""))
    if not {"VERSION", "PATCHLEVEL"} <= set(found):
        return None
    parts = [found[key].strip() for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if found.get(key, "").strip()]
    return ".".join(parts) + found.get("EXTRAVERSION", "").strip()


def _release_of_build(root, build):
    """The release of a prepared tree or of installed headers."""
    header = root.read(f"{build}/include/generated/utsrelease.h") or ""
    found = UTS_RELEASE.search(header)
    return found.group(1) if found else (root.read(f"{build}/include/config/kernel.release") or "").strip() or None


def _release_of_tree(root, source, version, config_text):
    """The release that a source tree will have; None if only its build tells it. scripts/setlocalversion"""
    if version is None or re.search(rf"^{UNKNOWN_SUFFIX}=y$", config_text or "", re.MULTILINE):
        return None
    local = re.search(r'^CONFIG_LOCALVERSION="(.*)"$', config_text or "", re.MULTILINE)
    names = sorted(name for name in os.listdir(root.place(source)) if name.startswith("localversion"))
    files = [root.read(f"{source}/{name}") or "" for name in names if not name.endswith("~")]
    return version + "".join(text.strip() for text in files) + (local.group(1) if local else "")
