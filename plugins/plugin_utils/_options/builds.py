# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The options of the playbook build: what the module patch_build gets for each kernel."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import (
    BUILD_DIRECTORY,
    KERNEL_OPTIONS,
    TOOLS,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    format_value,
    to_plain,
)

# All options have one value for all hosts.
BUILD_NAMES = (
    "src", "remote_src", "kernels", "bundle", "name", "version", "tool", "replace", "jobs", "sign_key", "sign_cert",
    "cves", "summary", "build_dir", "space", "build_parallel")
BUNDLE, PARALLEL, MOST_PARALLEL, MOST_JOBS, MOST_SPACE = "patches", 2, 64, 1024, 1 << 30
KERNELS = "give a list of kernels, each a release, or a dict with release, source, root and more"
# A kernel can need another version of a source patch.
_KERNEL = {**KERNEL_OPTIONS, "src": {"type": "list", "elements": "str"}}


def build_options(values: Values) -> dict[str, t.Any]:
    """`builds`, the options of the module for each kernel, and `parallel`; raises TaskError `bad-option`."""
    source = values.texts("src")
    kernels = _kernels(values)
    if not source and not all(kernel.get("src") for kernel in kernels):
        raise bad_option("src", "is not set", "set it to a source patch, as in -e livepatch_src=fix.patch")
    text = "give a text"
    shared = {
        "remote_src": values.flag("remote_src"), "bundle": values.text("bundle", "give a directory") or BUNDLE,
        "name": values.text("name", "give the name of a module"), "version": values.text("version", text),
        "tool": values.choice("tool", TOOLS), "replace": values.flag("replace", True),
        "jobs": values.count("jobs", None, 1, MOST_JOBS), "sign_key": values.text("sign_key", text),
        "sign_cert": values.text("sign_cert", text), "cves": values.texts("cves"),
        "summary": values.text("summary", text), "build_dir": values.text("build_dir", text) or BUILD_DIRECTORY,
        "space": values.count("space", None, 1, MOST_SPACE)}
    parallel = values.count("build_parallel", PARALLEL, 1, MOST_PARALLEL)
    builds = []
    for kernel in kernels:
        own = kernel.pop("src", None)
        builds.append({**shared, "src": own or source, "kernel": kernel})
    return {"builds": builds, "parallel": parallel}


def _kernels(values: Values) -> list[dict[str, t.Any]]:
    given = values.parse("kernels", "[{")
    if isinstance(given, Mapping):
        given = [given]
    if isinstance(given, str):
        given = [release.strip() for release in given.split(",") if release.strip()]
    if not isinstance(given, list) or not given:
        raise bad_option("kernels", f"is {format_value(given)}" if given else "is not set", KERNELS)
    return [_kernel(one) for one in given]


def _kernel(given: t.Any) -> dict[str, t.Any]:
    if isinstance(given, str):
        given = {"release": given}
    if not isinstance(given, Mapping):
        raise bad_option("kernels", f"has {format_value(given)} in it", KERNELS)
    result = ArgumentSpecValidator(_KERNEL).validate(dict(given))
    if result.error_messages:
        raise TaskError(
            "bad-option", f"livepatch_kernels has {format_value(given)} in it: {'; '.join(result.error_messages)}. "
            "Correct this entry.")
    return to_plain(result.validated_parameters)
