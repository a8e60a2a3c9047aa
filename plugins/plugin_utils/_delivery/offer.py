# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The controller's offer of builds to a host, in the shape for module_utils/_patch/selection.py."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import (
    metadata_digest,
    required_kernel_build,
    version_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import read_bundle, read_single
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import check_path

# The keys for a host to select its build. It requests the others after that. If they are set, `series` and the version
# are sent as well, and of `metadata` the build-id of the kernel and a digest.
STUB_KEYS = ("file", "name", "release", "arch", "sha256", "size", "build_id")

# A smaller offer is sent with all descriptions, to save a round trip.
SMALL_OFFER = 32 * 1024


class Offer:
    """The descriptions for a host, sent with each call of the module, and their files."""

    def __init__(self, kind: str, builds: t.Iterable[dict] = ()) -> None:
        self.kind = kind
        self._builds = list(builds)  # one file can be two builds, for two kernels of one release
        self._requested: set[str] = set()
        self._image_paths: dict[str, str] = {}
        self._enclosed: str | None = None
        self.image: str | None = None

    @classmethod
    def of_controller(cls, path: Path, cache: ParseCache, keyring: bytes | None = None) -> Offer:
        """A patch file or a bundle on the controller, signed by a key of the keyring if there is one.

        Raises PatchFileError, TaskError.
        """
        if path.is_dir():
            return cls("bundle", read_bundle(path, cache, keyring).builds)
        return cls("file", [read_single(path, cache, keyring)])

    @classmethod
    def of_host(cls) -> Offer:
        """The file at src on the host; unknown until the host requests to read it."""
        return cls("host")

    def has(self, sha256: t.Any) -> bool:
        """Whether a build is part of the offer."""
        return isinstance(sha256, str) and any(build["sha256"] == sha256 for build in self._builds)

    def add_build(self, description: dict) -> None:
        """Add the description of a file on the host; raises PatchFileError file-name-unusable."""
        check_path(description["file"])
        self._builds = [build for build in self._builds if build["sha256"] != description["sha256"]] + [description]

    def send_full_description(self, sha256: str) -> None:
        """Include the full description of this build from now on."""
        self._requested.add(sha256)

    def set_image_path(self, sha256: str, path: str) -> None:
        """Set the path of the image of a build on the host."""
        self._image_paths[sha256] = path

    def enclose_image(self, sha256: str | None, text: str | None) -> None:
        """Send the image of a build as the option `image`, see ParseCache.enclosure; with None, no image any more."""
        self._enclosed, self.image = sha256, text

    def to_argument(self, release: str | None) -> dict:
        """The key `offer` of `via_controller`; `release` is the kernel of the task or of facts, or None; may be wrong.
        """
        builds = list(self._builds)
        if self.kind == "bundle" and len(json.dumps(builds)) > SMALL_OFFER:
            builds = [build if self._is_sent_in_full(build, release) else _stub(build) for build in builds]
        return {
            "kind": self.kind, "builds": builds, "delivered": dict(self._image_paths),
            "enclosed": self._enclosed}

    def _is_sent_in_full(self, build: dict, release: str | None) -> bool:
        return build["sha256"] in self._requested or build["release"] == release


def _stub(build: dict) -> dict:
    stub: dict[str, t.Any] = dict({key: build[key] for key in STUB_KEYS}, stub=True)
    more = {"series": build.get("series"), "version": version_of(build), "metadata_digest": metadata_digest(build)}
    stub.update({key: value for key, value in more.items() if value})
    kernel_build = required_kernel_build(build)
    return dict(stub, metadata={"kernel_build_id": kernel_build}) if kernel_build else stub
