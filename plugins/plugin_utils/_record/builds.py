# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Tells builds of one patch apart in texts for people: by version, by build-id, and files of one build by digest."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import IDENTITY

# The key of IDENTITY, its word, and how much of it is shown.
_PARTS = (("version", "version", 40), ("build_id", "build", 8), ("sha256", "file", 8))


def identity_key(patch: Mapping[str, t.Any]) -> tuple[str, ...]:
    """What tells a build apart, for sorting and as a key; unknown parts are empty."""
    return tuple(patch.get(key) or "" for key in IDENTITY)


def build_labels(builds: Iterable[Mapping[str, t.Any]]) -> dict[tuple[str, ...], str]:
    """For each build, by its identity_key, what tells it from others of the same name; empty without others."""
    by_name: dict[str, dict[tuple[str, ...], Mapping[str, t.Any]]] = {}
    for build in builds:
        by_name.setdefault(build["name"], {})[identity_key(build)] = build
    labels = {}
    for same in by_name.values():
        differs = {key: len({one[place] for one in same}) > 1 for place, key in enumerate(IDENTITY)}
        # Two files of the same build differ, as by a signature. An unknown digest is no other file.
        files = {one[2:] for one in same if one[3]}
        differs["sha256"] = len(files) > len({build_id for build_id, _digest in files})
        for key, build in same.items():
            parts = [
                f"{word} {(build.get(part) or 'unknown')[:most]}" for part, word, most in _PARTS if differs[part]]
            labels[key] = f" ({', '.join(parts)})" if parts else ""
    return labels
