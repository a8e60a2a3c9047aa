# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads the sources of a build on the controller: source patches, or the directory of a module's source."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import typing as t
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import (
    LARGEST_SOURCES,
    MADE,
    MOST_SOURCES,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.uncompress import read_file
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError, check_path


class Sources(t.NamedTuple):
    """The file to send: its bytes and their digest. module_utils/_building/sources.py reads it."""

    content: bytes
    sha256: str


def read_sources(paths: Sequence[Path]) -> Sources:
    """Source patches in their order, or one directory; raises TaskError `sources-too-large`, and PatchFileError."""
    is_module = len(paths) == 1 and paths[0].is_dir()
    files = _files_below(paths[0]) if is_module else ((path.name, path) for path in paths)
    sent: list[dict[str, str]] = []
    size = 0
    for name, path in files:
        check_path(path)
        content = read_file(path)
        size += len(content)
        if size > LARGEST_SOURCES or len(sent) >= MOST_SOURCES:
            raise _too_large(paths[0])
        sent.append({"name": name, "content": base64.b64encode(content).decode("ascii")})
    if not sent:
        raise _too_large(paths[0])
    whole = json.dumps({"module": is_module, "files": sent}).encode("ascii")
    return Sources(whole, hashlib.sha256(whole).hexdigest())


def _files_below(directory: Path) -> Iterator[tuple[str, Path]]:
    """(the name below the directory, the path) of each file; not of hidden files, nor of what a build has made."""
    inside = directory.resolve()
    for place, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or name.endswith(MADE):
                continue
            if inside not in path.resolve().parents:
                raise TaskError(
                    "source-path-unsafe",
                    f"{path} is a symbolic link that leads out of {directory}, and would be sent to the build host. "
                    "Copy the file instead.")
            yield os.path.relpath(path, directory), path


def _too_large(path: Path) -> TaskError:
    return TaskError(
        "sources-too-large",
        f"src {path} has no file, more than {MOST_SOURCES} files, or more than {LARGEST_SOURCES >> 20} MiB. Give "
        "source patches, or the directory of one module.")
