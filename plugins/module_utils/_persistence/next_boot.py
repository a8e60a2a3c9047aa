# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot will load: the kernel that the boot loader starts next, and the patches accepted for it."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import metadata_of
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_for,
    quarantine_entry,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store


def patches_at_boot(host_state, release):
    """The names of the patches to load at a boot of a kernel, in order; its command line can still prevent it."""
    if host_state.boot_faults or not (host_state.boot["installed"] and host_state.boot["enabled"]):
        return []
    return [entry["name"] for entry in accepted_for(host_state.ledger, release)
            if entry["sha256"] in host_state.kept and entry["sha256"] not in host_state.damaged
            and not (release == host_state.release and entry["sha256"] in host_state.other_kernel)
            and not quarantine_entry(host_state.ledger, entry)]


def describe_next(host_state, following):
    """A NextKernel (see boot_loader.py) as `next` of the result, with its patches; None if it is not known."""
    known = following.kernel is not None
    return dict(following._asdict(), patches=patches_at_boot(host_state, following.kernel) if known else None)


def next_boot_findings(host, host_state, following):
    """The finding about a next kernel that lacks patches, before the reboot into it; as a list."""
    here = accepted_for(host_state.ledger, host_state.release)
    if following.kernel in (None, host_state.release) or accepted_for(host_state.ledger, following.kernel):
        return []
    lacking = [entry for entry in here if not has_fix(host, entry, following.kernel)]
    if not lacking:
        return []
    return [finding("next-kernel-uncovered", following.kernel, release=following.kernel, running=host_state.release,
                    names=", ".join(names_of(lacking)))]


def superfluous(host, ledger, release):
    """The digests of the patches accepted for other kernels whose fixes this kernel has, by what their bundles say.

    A kernel has the fixes of an earlier one too, if all patches of that one are superfluous.
    """
    others = {}
    for entry in ledger["accepted"]:
        if entry["release"] != release:
            others.setdefault(entry["release"], []).append(entry)
    fixed = {release}
    while True:
        more = {one for one, entries in others.items() if one not in fixed and all(
            any(has_fix(host, entry, kernel) for kernel in fixed) for entry in entries)}
        if not more:
            return {entry["sha256"] for one in fixed for entry in others.get(one, [])}
        fixed |= more


def has_fix(host, entry, release):
    """Whether the bundle says of an accepted patch that exactly this kernel has its fixes; later ones are not known."""
    description = Store(host).description(entry["sha256"])
    return bool(description) and metadata_of(description).get("effective_kernel") == release
