# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack of the patches in effect, for a later rollback: each patch in one build, with its load parameters."""

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import find_build, same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_for_running_kernel,
    contains_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store


def running_stack(host, patches, ledger):
    """The enabled patches of an interface, oldest first, as LAYERs (see ledger.py)."""
    descriptions = Store(host).descriptions()
    accepted = accepted_for_running_kernel(host, ledger)
    layers = []
    for patch in patches:
        if patch["state"] != "enabled":
            continue
        layer = loaded_build(host, patch["name"])
        known = next((entry for entry in ledger["loaded"] + accepted if same_build(entry, layer)), None)
        kept = find_build(descriptions, dict(layer, sha256=known and known["sha256"]))
        layer["sha256"] = kept and kept["sha256"]
        layer["parameters"] = known["parameters"] if known else ""
        layer["accepted"] = any(same_build(entry, layer) for entry in accepted)
        layers.append(layer)
    return layers


def in_common(stack, other):
    """The number of layers that two stacks share, from the oldest on."""
    pairs = zip(stack, other)
    return next((number for number, (one, two) in enumerate(pairs) if not same_build(one, two)),
                min(len(stack), len(other)))


def same_stack(stack, other):
    """Whether two stacks hold the same builds in the same order."""
    return len(stack) == len(other) == in_common(stack, other)


def same_builds(stack, other):
    """Whether two stacks hold the same builds in any order."""
    return len(stack) == len(other) and all(contains_build(other, layer) for layer in stack)


def names_of(stack):
    """The names of a stack's patches, oldest first."""
    return [layer["name"] for layer in stack]
