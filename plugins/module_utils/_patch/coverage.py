# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the enabled patches of a host cover, by their metadata (metadata.py) and by their verification."""

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

MOST_NAMES = 5  # in one message


def coverage(patches, today):
    """What the enabled patches cover, the oldest first, on a day as YYYY-MM-DD.

    Each of `patches` has `name`, `metadata` (complete, or None) and `faults`, the codes of what its verification found,
    or None; without any, each of its functions is in effect. A patch with faults closes nothing.
    Shape: `cves`, `not_covered` (`cve` and `reason`), `unverified` (`name`, `cves` and `codes`), `effective_kernel` of
    the newest verified patch with one, `expires`, the first date of all, `expired` (names), and `reboot`.
    """
    known = [patch for patch in patches if patch["metadata"]]
    verified = [patch["metadata"] for patch in known if not patch["faults"]]
    cves = sorted({cve for one in verified for cve in closed_by(one)})
    reasons = {entry["cve"]: entry["reason"] for patch in known for entry in patch["metadata"]["not_covered"]}
    kernels = [one["effective_kernel"] for one in verified if one["effective_kernel"]]
    dates = {patch["name"]: patch["metadata"]["expires"] for patch in known if patch["metadata"]["expires"]}
    open_cves = sorted(set(reasons).difference(cves))
    expired = [name for name, expires in dates.items() if expires < today]
    return {
        "cves": cves,
        "not_covered": [{"cve": cve, "reason": reasons[cve]} for cve in open_cves],
        "unverified": [
            {"name": patch["name"], "cves": sorted(closed_by(patch["metadata"]).difference(cves)),
             "codes": patch["faults"]}
            for patch in patches if patch["faults"]],
        "effective_kernel": kernels[-1] if kernels else None,
        "expires": min(dates.values(), default=None),
        "expired": expired,
        "reboot": _reboot(open_cves, expired, dates),
    }


def closed_by(metadata):
    """The CVEs that a patch closes: an entry of an earlier version can have one that it leaves open as well."""
    return set(metadata["cves"]).difference(entry["cve"] for entry in metadata["not_covered"]) if metadata else set()


def _reboot(cves, expired, dates):
    """What only a reboot into a fixed kernel does: `closes` (CVEs), `replaces` (expired patches), and the `message`.

    The message is None without both. `next_kernel` is not known yet, see add_next_kernel.
    """
    parts = []
    if cves:
        parts.append(
            f"Reboot into a kernel with the fixes of {join_limited(cves, MOST_NAMES)}, because no live patch closes "
            f"{'them' if len(cves) > 1 else 'it'}.")
    if expired:
        names = join_limited([f"{name} ({dates[name]})" for name in expired], MOST_NAMES)
        parts.append(f"Reboot into a kernel with the fixes of {names}, because its last day is over.")
    return {"closes": cves, "replaces": expired, "next_kernel": None, "message": " ".join(parts) or None}


def add_next_kernel(reboot, running, following):
    """Add the release that the next boot starts, None if it is not known. A release alone does not show its fixes."""
    reboot["next_kernel"] = following
    if reboot["message"] and following:
        reboot["message"] += (
            f" The next boot starts {running} again, so install a fixed kernel first." if following == running else
            f" The next boot starts {following}. Make sure that it is such a kernel.")
