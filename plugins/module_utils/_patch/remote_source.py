# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds this host's own build in a directory on the host (remote_src), such as a vendor's /usr/lib/kpatch.

Imports within functions are of what only remote_src needs: a host compiles each file of a module anew in each task.
"""

import os
import re
import stat
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import is_older, is_wanted, label_of
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")
# A file that `adopt` has set aside (_livepatch/boot_loads.py): the second run of the task that did so finds it again.
ADOPTED = re.compile(r".\.ko\.kernel-livepatch-[^/]+\Z")
MOST_FILES = 500  # each is read and uncompressed: the kernel's own 4000 would take minutes

LivePatchFile = namedtuple("LivePatchFile", "path name release version")


def located(host, offer, name, version=None):
    """An offer with the path of this host's own build in the place of a directory on the host.

    Of several versions it is the newest, and `passed_over` has the labels of the others. Without such a build, `path`
    is None, and `builds` has the name, the release and the architecture of the others. Any other offer stays as it is.
    Raises LivepatchError `name-needed`, `name-not-in-bundle`, `version-not-in-bundle`,
    `several-builds`, `too-many-files`, and as `open_image` does for a file that cannot be read, if no other one fits.
    """
    if not offer or offer["kind"] != "host" or not host.is_dir(offer["path"]):
        return offer
    source = offer["path"]
    found, failure = _live_patches(host, source)
    wanted = [file for file in found if is_wanted(file._asdict(), name, version)]
    fitting = [file for file in wanted if file.release == host.release()]
    fitting = [file for file in fitting if not ADOPTED.search(file.path)] or fitting
    if not fitting:
        if failure:
            raise failure
        if found and not wanted:
            raise _not_held(source, found, name, version)
        builds = [{"name": file.name, "release": file.release, "arch": host.machine()} for file in found]
        return dict(offer, path=None, builds=builds)
    newest = [file for file in fitting if not any(is_older(file._asdict(), other._asdict()) for other in fitting)]
    if len({file.name for file in newest}) > 1:
        raise LivepatchError(
            "name-needed",
            f"{source} on the host holds several patches for kernel {host.release()} ({_names(newest)}). Choose one "
            "with name, in a playbook with livepatch_name.")
    passed_over = sorted({label_of(file._asdict()) for file in fitting if file not in newest})
    return dict(offer, path=_only_build(host, newest), **({"passed_over": passed_over} if passed_over else {}))


def _not_held(source, found, name, version):
    named = [file for file in found if is_wanted(file._asdict(), name)]
    if not named:
        return LivepatchError(
            "name-not-in-bundle",
            f"{source} on the host holds no patch called {name}. Correct name. It holds: {_names(found)}.")
    known = ", ".join(sorted({label_of(file._asdict()) for file in named}))
    return LivepatchError(
        "version-not-in-bundle",
        f"{source} on the host holds no version {version} of {name or 'its patches'}. Correct version. It holds: "
        f"{known}.")


def package_of(host, offer):
    """What a result says about the package that owns a file on the host: nothing for any other source."""
    if not offer or offer["kind"] != "host":
        return {}
    from ansible_collections.kernel.livepatch.plugins.module_utils._host.packages import owning_package

    return {"package": owning_package(host, offer["path"]) if offer["path"] else None}


def _only_build(host, fitting):
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import image_digest

    if len({image_digest(host.path(file.path)) for file in fitting}) > 1:
        raise LivepatchError(
            "several-builds",
            f"The host has several builds of {fitting[0].name} for this kernel "
            f"({', '.join(file.path for file in fitting)}). Set src to one of them.")
    return fitting[0].path


def _live_patches(host, source):
    """The live patches below a directory, and the error of the first file that could not be read, or None."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import ModuleFile, read_image
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError

    found, failure = [], None
    for path in _module_files(host, source):
        try:
            module = ModuleFile(read_image(host, path))
            is_live_patch, fields = module.is_live_patch, module.modinfo
        except LivepatchError as error:
            failure = failure or error
            continue
        except ElfError:
            continue
        if is_live_patch:
            name = fields.get("name") or os.path.basename(path).partition(".ko")[0]
            release = fields.get("vermagic", "").partition(" ")[0]
            found.append(LivePatchFile(path, name.replace("-", "_"), release, fields.get("version")))
    return found, failure


def _module_files(host, source):
    """The paths of the modules below a directory, sorted; a link to a directory is not followed."""
    files, directories = [], [source.rstrip("/") or "/"]
    while directories:
        directory = directories.pop()
        for entry in host.names(directory):
            path = os.path.join(directory, entry)
            if stat.S_ISDIR(host.status(path).st_mode):
                directories.append(path)
            elif entry.endswith(SUFFIXES) or ADOPTED.search(entry):
                files.append(path)
        if len(files) > MOST_FILES:
            raise LivepatchError(
                "too-many-files",
                f"{source} on the host has more than {MOST_FILES} kernel modules. Set src to the directory of the live "
                "patches in it.")
    return sorted(files)


def _names(files):
    return ", ".join(sorted({file.name for file in files}))
