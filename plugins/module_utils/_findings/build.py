# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings about a build, before it begins."""

# code: (level, may be ignored, message); see finding.py.
BUILD = {
    "name-unusable": (
        "blocker", False,
        "The name {name} is not usable: {why}. Set name to letters, digits and underscores, at most {longest} "
        "characters."),
    "root-unusable": (
        "blocker", False,
        "The root {root} cannot be used: {why}. Give a directory tree of root, made with mmdebstrap or dnf "
        "--installroot, and run the task with become: true."),
    "kernel-missing": (
        "blocker", False,
        "The kernel has no {what} on the build host (looked for {places}). Install its package, or name it with "
        "kernel: {option}."),
    "kernel-source-mismatch": (
        "blocker", False,
        "The kernel is not the requested one: {one} is {found}, and {other} is {wanted}. Give the source, the "
        "configuration and the vmlinux of one kernel."),
    "source-release-differs": (
        "blocker", False,
        "A patch from {source} would be for kernel {found}, and vmlinux is of {wanted}. Copy .kernelvariables there "
        "from the kernel's headers (Debian), or write the rest of the release into a file localversion there."),
    "path-unusable": (
        "blocker", False,
        "make cannot build below {path}, because it has {odd} in it. Give a path of letters, digits and ./_+@~,=- "
        "only."),
    "source-tree-shared": (
        "blocker", False,
        "Every user of the build host can write into {source}, and could run programs as the user of this task. Remove "
        "this permission (chmod o-w)."),
    "tool-missing": (
        "blocker", False,
        "The build host has no {tool} (looked for {places}). {remedy}."),
    "programs-missing": (
        "blocker", False,
        "{tool} needs programs, and {root} lacks these: {programs}. Install them there."),
    "no-livepatch-config": (
        "blocker", False,
        "{config} has no CONFIG_LIVEPATCH=y, so this kernel loads no live patches. Give another kernel."),
    "config-unreadable": (
        "blocker", False,
        "{config} is no kernel configuration in plain text. Give one, such as /boot/config-RELEASE or the output of "
        "zcat /proc/config.gz."),
    "no-klp-build-config": (
        "blocker", False,
        "{config} has no CONFIG_KLP_BUILD=y, and klp-build needs it. Set it and build the kernel with it, or use "
        "another tool."),
    "config-unsupported": (
        "blocker", False,
        "{tool} does not support kernels with {option}, and {config} has it. Build the kernel without it, or use "
        "another tool."),
    "ibt-unsupported": (
        "blocker", False,
        "kpatch-build does not support CONFIG_X86_KERNEL_IBT, and {config} has it. Build the patch with klp-build "
        "(Linux 6.19 and later), or as module source."),
    "config-outdated": (
        "blocker", False,
        "{config} lacks options of this source tree: {options}. Run make olddefconfig in {source}, and build the "
        "kernel with the result."),
    "config-check-failed": (
        "blocker", False,
        "make listnewconfig fails in {source}: {why}. Run it there, and correct the cause."),
    "no-debug-info": (
        "blocker", False,
        "{file} has no debug information, and {tool} needs it. {remedy}."),
    "compiler-mismatch": (
        "blocker", False,
        "The kernel was built by {wanted}, and the compiler on the build host is {found}. Install the kernel's "
        "compiler, or set kernel: root to a directory tree with it."),
    "objtool-without-klp": (
        "blocker", False,
        "objtool in {source} was built without klp. Install the development files of xxhash (libxxhash-dev, "
        "xxhash-devel), remove {source}/tools/objtool/objtool and run again."),
    "source-unreadable": (
        "blocker", False,
        "{file} is no source patch: {why}. Give a unified diff from diff -u or git diff, with paths below a/ and b/."),
    "source-path-unsafe": (
        "blocker", False,
        "{file} changes {path}: {why}. Patches of this kind are never applied. Check where the file comes from."),
    "source-unsupported": (
        "blocker", False,
        "{tool} cannot build a patch to {path}: {why}. Remove this part from {file}, or patch the callers in C code."),
    "source-data-only": (
        "blocker", False,
        "{file} only changes data ({paths}), and a live patch replaces functions. Change the data in a callback or at "
        "its users."),
    "source-without-function": (
        "blocker", False,
        "{file} only changes {what} ({paths}), and a live patch replaces functions. Give a source patch that changes "
        "some, or boot a kernel with this one."),
    "source-not-compiled": (
        "blocker", False,
        "{file} changes {paths}, and none of kernel: targets ({targets}) compiles this. The patch would lack these "
        "changes. Add the targets {missing}."),
    "source-misfit": (
        "blocker", False,
        "{file} does not apply to {source}: {why}. Give a version of it for this kernel."),
    "source-with-fuzz": (
        "warning", False,
        "{file} does not fit {source} exactly ({why}). Check the result, or give a version of it for this kernel."),
    "build-space-low": (
        "blocker", False,
        "{place} has {free} MiB free, and {tool} needs {needed} MiB there. Free some space, or set the option space if "
        "this build needs less."),
    "sign-program-missing": (
        "blocker", False,
        "The kernel's program sign-file is missing (looked for {places}). Install the kernel's headers, or build its "
        "scripts in the source tree."),
    "sign-key-unusable": (
        "blocker", False,
        "{file} cannot be used to sign the patch: {why}. Give a PEM file below {root} with a key without a passphrase, "
        "and its certificate."),
}
