# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Orders the builds of a bundle that are versions of one patch; see module_utils/_patch/version_order.py."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import version_of
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.version_order import split_name, version_keys

Series = dict[str, t.Any]
_Key = tuple[t.Any, ...]


def series_of(builds: Sequence[Mapping[str, t.Any]]) -> list[Series | None]:
    """The {stem, rank} of each build, None for a build without other versions; a higher rank is a later version.

    Builds are versions of one patch if their names have one stem. Their versions order them if each has one, and then
    the versions in their names; if not, the names come first.
    """
    stems: dict[str, dict[tuple[str, str | None], _Key]] = {}
    for build in builds:
        stem, key = split_name(build["name"])
        stems.setdefault(stem, {})[build["name"], version_of(build)] = key
    keys = {stem: _keys(members) for stem, members in stems.items() if len(members) > 1}
    found: list[Series | None] = []
    for build in builds:
        stem = split_name(build["name"])[0]
        if stem in keys:
            rank = sorted(set(keys[stem].values())).index(keys[stem][build["name"], version_of(build)])
            found.append({"stem": stem, "rank": rank})
        else:
            found.append(None)
    return found


def _keys(members: Mapping[tuple[str, str | None], _Key]) -> dict[tuple[str, str | None], _Key]:
    """A key for each name and version."""
    versions = {version for _name, version in members if version is not None}
    known: dict[str | None, _Key] = dict(zip(versions, version_keys(list(versions)), strict=True))
    if all(version is not None for _name, version in members):
        return {(name, version): (known[version], key) for (name, version), key in members.items()}
    return {(name, version): (key, known.get(version, ())) for (name, version), key in members.items()}
