# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle says of a build beside its file (bundle.yml): it goes with the file to the host."""

import hashlib
import json

from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import OPTIONAL_TEXT, TEXT, matches

LONGEST_VERSION = 100  # characters

# Every key can be missing. expires: a date as YYYY-MM-DD.
SHAPE = {
    "cves": [TEXT], "summary": OPTIONAL_TEXT, "advisory": OPTIONAL_TEXT, "kernel_build_id": OPTIONAL_TEXT,
    "version": OPTIONAL_TEXT, "not_covered": [{"cve": TEXT, "reason": TEXT}], "expires": OPTIONAL_TEXT,
    "effective_kernel": OPTIONAL_TEXT,
}


def metadata_of(build):
    """The metadata of a build; empty if a bundle says nothing."""
    return build.get("metadata") or {}


def has_metadata_in_shape(build):
    """Whether `metadata` of a kept description can be read: a file on a disk can be damaged."""
    metadata = metadata_of(build)
    return isinstance(metadata, dict) and all(
        matches(metadata[key], shape) for key, shape in SHAPE.items() if key in metadata)


def required_kernel_build(build):
    """The build-id of the one kernel that a build is for, as hex, or None for every kernel of its release."""
    return metadata_of(build).get("kernel_build_id")


def version_of(build):
    """The version of a build, from the bundle or else from the file (modinfo), or None."""
    version = metadata_of(build).get("version") or build.get("version")
    return version if isinstance(version, str) and 0 < len(version) <= LONGEST_VERSION else None


def metadata_digest(build):
    """A digest of a build's metadata, to compare it with a kept one; None without metadata."""
    metadata = build.get("metadata")
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode("utf-8")).hexdigest() if metadata else None


def complete_metadata(build):
    """The metadata with every key of SHAPE, None for a build without any."""
    metadata = metadata_of(build)
    return {key: metadata.get(key) or ([] if isinstance(shape, list) else None)
            for key, shape in SHAPE.items()} if metadata else None
