# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Whether a host runs a build: the one judge for summaries and reports.

A patch covers a host only if the host runs the build for its kernel. Names prove nothing, because another build can
have the same name. Without a build-id on one side, the answer is `unproven`. A build whose verification failed on the
host is `unverified`.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import compare_builds

# The best first. `other_build`: a patch of this name is in effect, in another build. `missing` also means a patch that
# is disabled, quarantined or in transition.
KINDS = ("covered", "on_trial", "unproven", "unverified", "other_build", "missing")
KEPT, TRIED = ("accepted", "enabled"), ("on trial", "on_trial")
IN_EFFECT = (*KEPT, "on trial")


def coverage_of(name: str, patches: Iterable[Mapping[str, t.Any]], builds: Sequence[Mapping[str, t.Any]]) -> str:
    """How the patch `name` covers a host, one of KINDS.

    `patches`: what the host has, each with `name`, `state`, `build_id` or `sha256`, and `verified`, if known. `builds`:
    the builds of this patch for the host's kernel.
    """
    found = ["missing"]
    for patch in patches:
        if patch.get("name") != name or patch.get("state") not in (*KEPT, *TRIED):
            continue
        same = [compare_builds(patch, dict(build, name=name)) for build in builds]
        if True in same and patch.get("verified") is False:
            found.append("unverified")
        elif True in same:
            found.append("covered" if patch["state"] in KEPT else "on_trial")
        else:
            found.append("unproven" if None in same else "other_build")
    return min(found, key=KINDS.index)
