# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of a build on the build host: sent by the controller in one file, or read from this host."""

import base64
import hashlib
import json
import os
import re
import stat

from ansible_collections.kernel.livepatch.plugins.module_utils._building.context import Source
from ansible_collections.kernel.livepatch.plugins.module_utils._building.source_patch import with_plain_line_ends
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import read_regular
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import (
    LARGEST_SOURCES,
    MADE,
    MOST_SOURCES,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

LARGEST_FILE = 2 * LARGEST_SOURCES  # of the file that the controller sends, in base64
PLAIN = re.compile(r"[A-Za-z0-9._+,@-]+(/[A-Za-z0-9._+,@-]+)*\Z")


def read_sent(path, sha256):
    """(the Sources, whether they are a module's) in the controller's file; raises LivepatchError `source-changed`."""
    content = read_regular(path, LARGEST_FILE)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _changed(path)
    try:
        sent = json.loads(content.decode("utf-8"))
        sources = [Source(entry["name"], base64.b64decode(entry["content"])) for entry in sent["files"]]
        is_module = sent["module"] is True
    except (ValueError, KeyError, TypeError) as error:
        raise _changed(path) from error
    return _checked(sources if is_module else [_plain(source) for source in sources]), is_module


def read_here(paths):
    """The same for files of this host: source patches, or one directory with a module's source."""
    if len(paths) == 1 and os.path.isdir(paths[0]):
        return _checked(list(_files_below(paths[0]))), True
    return _checked([_plain(Source(os.path.basename(path), _content(path))) for path in paths]), False


def _plain(source):
    return source._replace(content=with_plain_line_ends(source.content))


def digest_of(sources):
    """One sha256 for all sources, by their names and their bytes."""
    listed = [[source.name, hashlib.sha256(source.content).hexdigest()] for source in sources]
    return hashlib.sha256(json.dumps(listed).encode("utf-8")).hexdigest()


def write_sources(sources, directory, is_module_source):
    """Write sources below a private directory; returns the paths of source patches, in their order."""
    paths = []
    for number, source in enumerate(sources):
        # Two patches can have one name, and their order counts.
        name = source.name if is_module_source else f"{number:04}-{os.path.basename(source.name)}"
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(source.content)
        paths.append(path)
    return paths


def _files_below(directory):
    """The Sources in a directory; without hidden files and files of an earlier build."""
    for place, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not name.endswith(MADE):
                path = os.path.join(place, name)
                yield Source(os.path.relpath(path, directory), _content(path))


def _content(path):
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _unreadable(path, "it is not a regular file")
        return read_regular(os.path.realpath(path), LARGEST_SOURCES + 1)
    except OSError as error:
        raise _unreadable(path, error.strerror) from error


def _checked(sources):
    if not sources or len(sources) > MOST_SOURCES or sum(len(one.content) for one in sources) > LARGEST_SOURCES:
        raise LivepatchError(
            "sources-too-large",
            f"The source has no file, more than {MOST_SOURCES} files, or more than {LARGEST_SOURCES >> 20} MiB. Give "
            "source patches, or the directory of one module.")
    for source in sources:
        if not PLAIN.match(source.name) or {".", ".."} & set(source.name.split("/")):
            raise _unreadable(source.name, "its name has other characters than A-Z, a-z, 0-9 and ._+,@-")
    return sources


def _changed(path):
    return LivepatchError("source-changed", f"{path} has other bytes than the controller sent. Run the task again.")


def _unreadable(path, why):
    return LivepatchError("unreadable", f"{path} on the build host cannot be used ({why}). Correct src.")
