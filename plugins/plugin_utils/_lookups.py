# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what both lookups need."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._parse_cache import ParseCache


def run_cache() -> ParseCache:
    """The cache that all processes of this Ansible run share."""
    return ParseCache(constants.DEFAULT_LOCAL_TMP)


def find_term(lookup: LookupBase, variables: dict[str, t.Any] | None, term: str) -> Path:
    """The path that a term means, searched for in the usual places.

    Raises AnsibleLookupError when there is nothing.
    """
    path = lookup.find_file_in_search_path(variables, "files", term, ignore_missing=True)
    if path is None:
        raise AnsibleLookupError(f"{term} is not there, also not in the search path of this task; check the spelling.")
    return Path(path)
