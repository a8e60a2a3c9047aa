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

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import read_bundle, read_single
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import (
    PatchFileError,
    TaskError,
    check_path,
)


def read_builds(path: Path, name: str | None = None) -> list[dict[str, t.Any]]:
    """The descriptions of a patch file or a bundle, all or those of one patch; raises PatchFileError and TaskError."""
    check_path(path)
    builds = read_bundle(path, run_cache()).builds if path.is_dir() else [read_single(path, run_cache())]
    wanted = name and name.replace("-", "_")  # as the kernel calls a module
    found = [build for build in builds if wanted in (None, "", build["name"])]
    if not found:
        names = ", ".join(sorted({build["name"] for build in builds}))
        raise TaskError("no-such-patch", f"{path} has no patch called {name}. Correct the name to one of: {names}.")
    return found


def builds_for_filter(src: str | None, name: str | None = None) -> list[dict[str, t.Any]] | None:
    """The same for a filter; a relative path is below the current directory. None without src.

    Raises AnsibleFilterError.
    """
    if not src:
        return None
    try:
        return read_builds(Path(os.path.expanduser(src)), name)
    except (PatchFileError, TaskError) as error:
        raise AnsibleFilterError(error.message) from None
