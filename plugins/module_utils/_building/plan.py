# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a checked BuildContext to a job: the digest of its inputs, the facts about it, and the spec for its worker."""

import hashlib
import json
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._building.sources import digest_of, write_sources
from ansible_collections.kernel.livepatch.plugins.module_utils._building.tools import (
    TOOLS,
    sign_argv,
    tool_argv,
    tool_digest,
    tool_version,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import ENVIRONMENT

FORMAT = 1  # of the inputs; another number is another digest


def describe_build(context, machine):
    """The facts about a build before it: a dict in the shape of jobs.BUILD."""
    kernel = context.kernel
    program = context.program
    build = {
        "name": context.request["name"], "release": kernel.release, "arch": machine,
        "kernel_build_id": kernel.vmlinux.build_id if kernel.vmlinux else None, "tool": context.tool,
        "tool_version": tool_version(context.root, context.tool, program, kernel) if program else "unknown",
        "compiler": context.compiler, "source": digest_of(context.sources),
        "replace": context.request["replace"], "signed": bool(context.request["sign_key"])}
    return dict(build, inputs=_inputs(context, build))


def _inputs(context, build):
    """The digest of everything that the file is made of. A source tree counts with the files that matter most."""
    root, request, kernel = context.root, context.request, context.kernel
    tree = kernel.source or kernel.build
    inputs = {
        "format": FORMAT, "build": build, "module": context.is_module_source,
        "tool": tool_digest(root, context.program) if context.program else None,
        "config": _digest(kernel.config_text), "targets": request["kernel"]["targets"], "tree": tree,
        "version": kernel.makefile_version,
        "symbols": _digest(root.read(f"{tree}/Module.symvers") if tree and context.tool == "kbuild" else None),
        "originals": [[path, _digest(root.read(f"{kernel.source}/{path}"))] for path in context.paths]
        if kernel.source else [],
        "certificate": _digest(root.read(request["sign_cert"])) if request["sign_key"] else None,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode("utf-8")).hexdigest()


def _digest(text):
    return None if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def write_job(context, job):
    """Write the sources into the prepared directory of a job; returns the spec for worker.py."""
    root, request, kernel, tool = context.root, context.request, context.kernel, context.tool
    sources = write_sources(context.sources_for_tool(), job.path("sources"), context.is_module_source)
    here = {
        "sources": [root.inside(path) for path in sources], "module": root.inside(job.path("sources")),
        "output": root.inside(job.output()), "output_directory": root.inside(job.path("output"))}
    tree, saved, cache = None, [], job.path("cache")
    if tool == "kpatch-build" and not kernel.source:
        # The tool downloads the source into its cache, once for each release.
        cache = tree = private_directory(f"{root.place(request['build_dir'])}/cache-{kernel.release}")
    elif tool != "kbuild":
        # By its real path: one tree has one lock and one set of saved files.
        tree = os.path.realpath(root.place(kernel.source))
        saved = sorted({*TOOLS[tool].changes, *context.paths})
    inside_cache = root.inside(cache)
    log = root.inside(job.path("log"))
    counted = [{"file": log, "pattern": TOOLS[tool].counted}]
    if tool == "kpatch-build":
        counted.append({"file": f"{inside_cache}/build.log", "pattern": TOOLS[tool].counted})
    return {
        "root": root.directory, "directory": kernel.source if tool != "kbuild" and kernel.source else "/",
        "tree": tree, "saved": saved, "counted": counted,
        "argv": tool_argv(tool, context.program, kernel, request, here, context.make_variables),
        # klp-build calls make without arguments of ours. kpatch-build has its own variables for clang.
        "environment": dict(
            ENVIRONMENT, HOME=inside_cache, CACHEDIR=inside_cache,
            **(context.make_variables if tool == "klp-build" else {})),
        "output": here["output"], "found_below": here["module"] if tool == "kbuild" else None,
        "sign": sign_argv(root, kernel, request, here["output"]) if request["sign_key"] else None}
