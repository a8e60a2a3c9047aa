# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects this host's build from the controller's offer.

The offer is a dict of
    kind        `file` (one file on the controller), `bundle` (many) or `host` (a file on this host)
    builds      descriptions; one with `stub` true has only file, name, release, arch, sha256, size and build_id
    path        of a host's file, or None
    delivered   the path of the delivered image, or None
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import image_digest
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError


def select_build(host, store, offer, name):
    """The description of this host's build, or None if the bundle has none.

    Raises ControllerRequest, and LivepatchError `name-differs`, `name-not-in-bundle`, `name-needed`.
    """
    if offer["kind"] == "host":
        build = _host_build(host, store, offer)
    elif offer["kind"] == "bundle":
        build = _bundle_build(host, offer["builds"], name)
    else:
        build = offer["builds"][0]
    if build is None:
        return None
    if name and build["name"] != name:
        raise LivepatchError(
            "name-differs", f"{build['file']} holds the patch {build['name']}, not {name}. Correct name or src.")
    if build.get("stub"):
        build = store.description(build["sha256"]) or _request(description=build["sha256"])
    return build


def no_build_note(host, offer, name):
    """The finding for a host without a build in the bundle."""
    builds = sorted({f"{build['release']} on {build['arch']}" for build in offer["builds"]})
    return finding(
        "no-build", host.release(), name=name or "any patch", running=host.release(), machine=host.machine(),
        builds=", ".join(builds) or "nothing")


def _bundle_build(host, builds, name):
    if name and name not in {build["name"] for build in builds}:
        known = ", ".join(sorted({build["name"] for build in builds})) or "none"
        raise LivepatchError(
            "name-not-in-bundle", f"The bundle holds no patch called {name}. Correct name. It holds: {known}.")
    here = (host.release(), host.machine())
    fitting = [build for build in builds
               if (build["release"], build["arch"]) == here and name in (None, build["name"])]
    if len(fitting) > 1:
        names = ", ".join(sorted(build["name"] for build in fitting))
        raise LivepatchError(
            "name-needed", f"The bundle holds several patches for kernel {here[0]} ({names}). Choose one with name.")
    return fitting[0] if fitting else None


def _host_build(host, store, offer):
    sha256, _size = image_digest(host.path(offer["path"]))
    for build in offer["builds"]:
        if build["sha256"] == sha256:
            return build
    return store.description(sha256) or _request(reading={"path": offer["path"], "sha256": sha256})


def _request(**request):
    raise ControllerRequest(**request)
