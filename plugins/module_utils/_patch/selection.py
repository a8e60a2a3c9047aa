# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects this host's build from the controller's offer.

The offer is a dict of
    kind        `file` (one file on the controller), `bundle` (many) or `host` (a file on this host)
    builds      descriptions; one with `stub` true has only file, name, release, arch, sha256, size, build_id, the keys
                of builds.py, and `metadata_digest`
    path        of a host's file, or None; a directory becomes the file in it, see remote_source.py
    passed_over labels of older versions in this directory, if there are any
    delivered   the paths of delivered images, by the digest of their build
    enclosed    the digest of the build whose image is in `image`, or None
    image       the bytes of that image; only if one is enclosed
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import choose_builds, is_wanted, label_of
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import (
    metadata_digest,
    required_kernel_build,
    version_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import name_matches
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

MOST_BUILDS = 12  # in one message
OF_BUNDLE = ("metadata", "series", "passed_over")  # keys that a bundle adds to the description of a file


def select_build(host, store, offer, name, version=None):
    """The description of this host's build, or None if the bundle has none.

    `name` can be a pattern. `passed_over` are the older versions that fit too. Raises ControllerRequest, and
    LivepatchError `name-differs`, `name-not-in-bundle`, `name-needed`, `version-differs`, `version-not-in-bundle`,
    `kernel-build-unknown`.
    """
    if offer["kind"] == "bundle":
        build = _bundle_build(host, offer["builds"], name, version)
    else:
        build = _host_build(host, store, offer) if offer["kind"] == "host" else offer["builds"][0]
        if build:
            _check_wanted(build, name, version)
            build = dict(build, passed_over=offer["passed_over"]) if offer.get("passed_over") else build
    if build and build.get("stub"):
        build = _in_full(store, build)
    return build and _with_replace_set(store, build)


def _with_replace_set(store, build):
    """The description with the replace set that a kernel of this host has shown, if any."""
    kept = store.description(build["sha256"])
    return build if kept is None or kept.get("replace_set") is None else dict(build, replace_set=kept["replace_set"])


def _check_wanted(build, name, version):
    """Raises LivepatchError if the one file of an offer is not the wanted one."""
    if not name_matches(name, build["name"]):
        raise LivepatchError(
            "name-differs", f"{build['file']} holds the patch {build['name']}, not {name}. Correct name or src.")
    if not is_wanted(build, name, version):
        raise LivepatchError(
            "version-differs",
            f"{build['file']} has {_version_words(build)}, not the version {version}. Correct version or src.")


def _version_words(build):
    return f"the version {version_of(build)}" if version_of(build) else "no version"


def _in_full(store, build):
    """The description of a stub: the kept one, if it has the metadata of today; raises ControllerRequest."""
    kept = store.description(build["sha256"])
    if kept is None or metadata_digest(kept) != build.get("metadata_digest"):
        return _request(description=build["sha256"])
    return dict(
        {key: value for key, value in kept.items() if key not in OF_BUNDLE or key == "metadata"},
        **{key: build[key] for key in OF_BUNDLE if key != "metadata" and build.get(key)})


def no_build_note(host, offer, name, version=None):
    """The finding for a host without a build in the bundle, of this name and version if they are given."""
    builds = sorted({_kernel(build["release"], build["arch"], required_kernel_build(build))
                     for build in offer["builds"] if is_wanted(build, name, version)})
    here = (host.release(), host.machine())
    other_kernel_builds = [build for build in offer["builds"] if (build["release"], build["arch"]) == here]
    running = kernel_build_id(host) if other_kernel_builds else None
    return finding(
        "no-build", host.release(), name=" ".join(filter(None, (name or "any patch", version))),
        kernel=_kernel(*here, running),
        builds=join_limited(builds, MOST_BUILDS) or "nothing")


def _kernel(release, arch, kernel_build):
    return f"{release} on {arch}{f' with the build-id {kernel_build}' if kernel_build else ''}"


def _bundle_build(host, builds, name, version):
    _check_held(builds, name, version)
    release = host.release()
    # Of a kernel that does not run, reading the build-id takes seconds.
    running = kernel_build_id(host) if any(map(required_kernel_build, builds)) else None
    choice = choose_builds(builds, release, host.machine(), running, name, version)
    if choice.undecided:
        build = choice.undecided[0]
        raise error_from([finding(
            "kernel-build-unknown", build["name"], file=build["file"], wanted=required_kernel_build(build))])
    if len(choice.builds) > 1:
        names = ", ".join(sorted(label_of(build) for build in choice.builds))
        raise LivepatchError(
            "name-needed",
            f"The bundle holds several patches for kernel {release} ({names}). Choose one with name, in a playbook "
            "with livepatch_name.")
    if choice.builds and choice.passed_over:
        return dict(choice.builds[0], passed_over=sorted(map(label_of, choice.passed_over)))
    return choice.builds[0] if choice.builds else None


def _check_held(builds, name, version):
    """Raises LivepatchError `name-not-in-bundle`, `version-not-in-bundle` if no build is wanted, for any kernel."""
    named = [build for build in builds if name_matches(name, build["name"])]
    if name and not named:
        known = join_limited(sorted({build["name"] for build in builds}), MOST_BUILDS) or "none"
        raise LivepatchError(
            "name-not-in-bundle", f"The bundle holds no patch called {name}. Correct name. It holds: {known}.")
    if version and not any(is_wanted(build, name, version) for build in named):
        known = join_limited(sorted({label_of(build) for build in named}), MOST_BUILDS)
        raise LivepatchError(
            "version-not-in-bundle",
            f"The bundle holds no version {version} of {name or 'its patches'}. Correct version. It holds: {known}.")


def _host_build(host, store, offer):
    """None if a directory on the host has no build; see remote_source.py."""
    if offer["path"] is None:
        return None
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import image_digest

    sha256, _size = image_digest(host.path(offer["path"]))
    for build in offer["builds"]:
        if build["sha256"] == sha256:
            return build
    return store.description(sha256) or _request(reading={"path": offer["path"], "sha256": sha256})


def _request(**request):
    raise ControllerRequest(**request)
