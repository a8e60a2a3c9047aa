# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian root directory in which a builder of live patches runs, with the kernel's source and symbols."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import chroot
from ..children import Children
from ..errors import LabError

# Inside the root directory.
SOURCE = "/build/linux"
WORK = "/build"


class BuildRoot:
    """The chroot in the directory `root` of a cache entry, and the processes that run in it.

    /build/linux is the kernel's source, configured. Who builds in it holds `lock`, since a builder changes the source.
    """

    def __init__(self, entry: Path, children: Children, log: Path) -> None:
        self.root = entry / "root"
        self._lock = entry / "lock"
        self._children = children
        self._log = log

    def path(self, inside: str) -> Path:
        """Where a path of the chroot is from outside."""
        return self.root / inside.lstrip("/")

    def run(self, *words: str, cwd: str = WORK, log: Path | None = None, **variables: str) -> None:
        """Run a command in the chroot; raises LabError `tool-failed` with the end of the log."""
        settings = {"LC_ALL": "C.UTF-8", "HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables}
        command = chroot.command_in(self.root, "env", "--chdir", cwd, *words)
        self._children.run(command, log or self._log, env={**_proxies(), **settings})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the root directory alone; raises LabError `source-changed` where a builder was killed.

        A builder changes the source, and restores it however it ends, unless it is killed.
        """
        with open(self._lock, "a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._lock.read_text():
                place = self._lock.parent
                raise LabError(
                    "source-changed",
                    f"A builder was killed and left its changes in the source; remove {place}, then try again.")
            lock.write("A builder runs.\n")
            lock.flush()
            try:
                yield
            except LabError as error:
                if error.code == "tool-failed":
                    lock.truncate(0)
                raise
            lock.truncate(0)

    def let_apt_fetch(self) -> None:
        """Give the chroot's apt the lists of its mirrors, and names of hosts."""
        shutil.copyfile("/etc/resolv.conf", self.path("/etc/resolv.conf"))
        self.run("apt-get", "update", cwd="/")


def fetch(url: str, sha256: str, target: Path) -> None:
    """Download a file; raises LabError `download-failed` unless its digest is right."""
    try:
        with urllib.request.urlopen(url, timeout=120) as answer, open(target, "wb") as file:
            shutil.copyfileobj(answer, file)
    except OSError as error:
        raise LabError("download-failed", f"{url} could not be fetched: {error}.") from error
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != sha256:
        raise LabError("download-failed", f"{url} has the digest {found}, not {sha256}.")


def _proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
