# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of all checks before a load, and their evaluation."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks import (
    build,
    environment,
    functions,
    loaded_patches,
    patch_file,
    policy,
    unloaded_objects,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import SOURCES
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch

CHECKS = (
    patch_file.CHECKS + policy.CHECKS + loaded_patches.CHECKS + build.CHECKS + functions.CHECKS
    + unloaded_objects.CHECKS + environment.CHECKS)

# Whether a check applies to a context, by its `when`.
APPLIES = {
    "always": lambda context: True,
    "change": lambda context: context.changes(),
    "load": lambda context: context.loads(),
    "fit": lambda context: context.loads() and context.fits(),
}


def run_checks(context, without=frozenset()):
    """Every finding of every check that applies, in the list's order, followed by those about skipped checks.

    A check with one of the codes in `without` is left out.
    """
    findings, unchecked = [], {}
    for check in CHECKS:
        if not APPLIES[check.when](context) or not without.isdisjoint(check.codes):
            continue
        missing = [need for need in check.needs if getattr(context.facts, need) is None]
        for need in missing:
            unchecked.setdefault(need, []).extend(check.codes)
        if not missing:
            findings.extend(check.run(context))
    return findings + [_not_checked(need, codes) for need, codes in unchecked.items()]


def _not_checked(need, codes):
    return finding("not-checked", need, why=SOURCES[need], codes=", ".join(dict.fromkeys(codes)))


def evaluate(context):
    """Every finding about enabling this patch; an enabled patch is compared with its file."""
    findings = run_checks(context)
    if not context.changes() and not blockers_in(findings):
        findings += verify_patch(
            context.host, context.interface, context.description["name"], context.description, tasks=False)[0]
    return findings
