# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The builds on the controller for a comparison with the hosts."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleFilterError

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import is_wanted, label_of
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import read_bundle, read_single
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import (
    PatchFileError,
    TaskError,
    check_path,
)

MOST_BUILDS = 12  # in one message


def read_builds(path: Path, name: str | None = None, version: str | None = None) -> list[dict[str, t.Any]]:
    """The descriptions of a patch file or a bundle: all, or those of a name or a pattern, and of a version.

    Raises PatchFileError, and TaskError `no-such-patch`, `no-such-version`.
    """
    check_path(path)
    builds = read_bundle(path, run_cache()).builds if path.is_dir() else [read_single(path, run_cache())]
    named = [build for build in builds if is_wanted(build, name or None)]
    if not named:
        names = join_limited(sorted({build["name"] for build in builds}), MOST_BUILDS)
        raise TaskError("no-such-patch", f"{path} has no patch called {name}. Correct the name to one of: {names}.")
    found = [build for build in named if is_wanted(build, None, version or None)]
    if not found:
        known = join_limited(sorted({label_of(build) for build in named}), MOST_BUILDS)
        raise TaskError("no-such-version", f"{path} has no version {version}. Correct the version. It has: {known}.")
    return found


def builds_for_filter(
        src: str | None, name: str | None = None, version: str | None = None) -> list[dict[str, t.Any]] | None:
    """The same for a filter; a relative path is below the current directory. None without src.

    Raises AnsibleFilterError.
    """
    if not src:
        return None
    try:
        return read_builds(Path(os.path.expanduser(src)), name, version)
    except (PatchFileError, TaskError) as error:
        raise AnsibleFilterError(error.message) from None
