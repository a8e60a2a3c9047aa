# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Finds the patch file or the bundle in a task's src."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.action import ActionBase
from ansible.plugins.lookup import LookupBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError, check_path

# The directories of a role's or a playbook's own files; they hold no patches.
COLLECTION_DIRECTORIES = [Path(__file__).resolve().parents[3] / name for name in ("roles", "playbooks")]


def find_source(action: ActionBase, source: str, option: str = "src") -> Path:
    """The path of a src: in the usual places for a task's files, or else below the directory where Ansible started.

    The last is for this collection's own playbooks, because no user files are beside them. `option`: its name for the
    user; only src has the option remote_src beside it. Raises TaskError, and PatchFileError file-name-unusable.
    """
    check_path(source)
    expanded = os.path.expanduser(source)
    try:
        found = Path(action._find_needle("files", expanded))
        if os.path.isabs(expanded) or not _is_in_collection(found):
            return found
        return _find_outside_collection(action, expanded)
    except AnsibleError as error:
        path = Path.cwd() / expanded
        if path.exists():
            return path
        places = (
            "" if path == Path(expanded) else
            f", neither beside the playbook, nor in a directory files/, nor in {Path.cwd()}")
        right = ", or set remote_src for a file on the host" if option == "src" else ""
        raise TaskError(
            "no-such-file",
            f"{option} {source} is not on the controller{places}. Correct {option}{right}.") from error


def _find_outside_collection(action: ActionBase, source: str) -> Path:
    """Find a relative path outside this collection, if the collection has it too; raises AnsibleError."""
    places = [place for place in action._task.get_search_path() if not _is_in_collection(Path(place))]
    found = Path(action._loader.path_dwim_relative_stack(places, "files", source))
    if _is_in_collection(found):
        raise AnsibleError(f"{found} is this collection's own.")
    return found


def _is_in_collection(path: Path) -> bool:
    resolved = path.resolve()
    return any(resolved == ours or ours in resolved.parents for ours in COLLECTION_DIRECTORIES)


def run_cache() -> ParseCache:
    """The shared cache of all processes of this Ansible run."""
    return ParseCache(constants.DEFAULT_LOCAL_TMP)


def find_term(lookup: LookupBase, variables: dict[str, t.Any] | None, term: str) -> Path:
    """The path for a term of a lookup, searched for in the usual places.

    Raises AnsibleLookupError for a missing file, and PatchFileError file-name-unusable.
    """
    check_path(term)
    path = lookup.find_file_in_search_path(variables, "files", term, ignore_missing=True)
    if path is None:
        raise AnsibleLookupError(f"{term} is not there, also not in the search path of this task; check the spelling.")
    return Path(path)
