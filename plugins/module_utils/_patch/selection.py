# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects this host's build from the controller's offer.

The offer is a dict of
    kind        `file` (one file on the controller), `bundle` (many) or `host` (a file on this host)
    builds      descriptions; one with `stub` true has only file, name, release, arch, sha256, size, build_id and the
                keys of builds.py
    path        of a host's file, or None; a directory becomes the file in it, see remote_source.py
    delivered   the path of the delivered image, or None
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import image_digest
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import (
    choose_builds,
    required_kernel_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

MOST_BUILDS = 12  # in one message
OF_BUNDLE = ("metadata", "series", "passed_over")  # keys that a bundle adds to the description of a file


def select_build(host, store, offer, name):
    """The description of this host's build, or None if the bundle has none.

    `passed_over` are the names of older versions that fit too. Raises ControllerRequest, and LivepatchError
    `name-differs`, `name-not-in-bundle`, `name-needed`, `kernel-build-unknown`.
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
        kept = store.description(build["sha256"]) or _request(description=build["sha256"])
        build = dict(
            {key: value for key, value in kept.items() if key not in OF_BUNDLE},
            **{key: build[key] for key in OF_BUNDLE if build.get(key)})
    return build


def no_build_note(host, offer, name):
    """The finding for a host without a build in the bundle."""
    builds = sorted({_kernel(build["release"], build["arch"], required_kernel_build(build))
                     for build in offer["builds"]})
    here = (host.release(), host.machine())
    other_kernel_builds = [build for build in offer["builds"] if (build["release"], build["arch"]) == here]
    running = kernel_build_id(host) if other_kernel_builds else None
    return finding(
        "no-build", host.release(), name=name or "any patch", kernel=_kernel(*here, running),
        builds=join_limited(builds, MOST_BUILDS) or "nothing")


def _kernel(release, arch, kernel_build):
    return f"{release} on {arch}{f' with the build-id {kernel_build}' if kernel_build else ''}"


def _bundle_build(host, builds, name):
    if name and name not in {build["name"] for build in builds}:
        known = ", ".join(sorted({build["name"] for build in builds})) or "none"
        raise LivepatchError(
            "name-not-in-bundle", f"The bundle holds no patch called {name}. Correct name. It holds: {known}.")
    release = host.release()
    choice = choose_builds(builds, release, host.machine(), kernel_build_id(host), name)
    if choice.undecided:
        build = choice.undecided[0]
        raise error_from([finding(
            "kernel-build-unknown", build["name"], file=build["file"], wanted=required_kernel_build(build))])
    if len(choice.builds) > 1:
        names = ", ".join(sorted(build["name"] for build in choice.builds))
        raise LivepatchError(
            "name-needed",
            f"The bundle holds several patches for kernel {release} ({names}). Choose one with name, in a playbook "
            "with livepatch_name.")
    if choice.builds and choice.passed_over:
        return dict(choice.builds[0], passed_over=sorted(build["name"] for build in choice.passed_over))
    return choice.builds[0] if choice.builds else None


def _host_build(host, store, offer):
    """None if a directory on the host has no build; see remote_source.py."""
    if offer["path"] is None:
        return None
    sha256, _size = image_digest(host.path(offer["path"]))
    for build in offer["builds"]:
        if build["sha256"] == sha256:
            return build
    return store.description(sha256) or _request(reading={"path": offer["path"], "sha256": sha256})


def _request(**request):
    raise ControllerRequest(**request)
