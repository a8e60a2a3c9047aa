# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled code in the program that a host keeps, and its use by modules.

Ansible sends a module as sources, and Python compiles those again in each task: most of the time of a small task.
"""

import hashlib
import importlib
import importlib.util
import io
import marshal
import os
import stat
import struct
import sys
import time
import zipfile

from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import is_sealed

PACKAGE = __name__.rpartition("._util.")[0]
ROOT = PACKAGE.replace(".", "/") + "/"
INIT = "/__init__.py"
DATE = (1980, 1, 1, 0, 0, 0)  # of each file in the archive
MOST = 64 << 20  # bytes of a program
HASHES = 3392  # PEP 552: the first magic number of Pythons with a hash in compiled code, in Python 3.7
UNCHECKED_HASH = 1  # Python does not compare this hash with the source


def compiled(source, path):
    """The bytes of the .pyc file for the bytes of a source, as the running Python reads it from a zip file.

    Sources: PEP 552; Lib/zipimport.py.
    """
    code = marshal.dumps(compile(source, path, "exec", dont_inherit=True))
    if struct.unpack("<H", importlib.util.MAGIC_NUMBER[:2])[0] >= HASHES:
        head = struct.pack("<I", UNCHECKED_HASH) + hashlib.sha256(source).digest()[:8]
    else:
        head = struct.pack("<II", int(time.mktime((*DATE, 0, 0, -1))), len(source) & 0xFFFFFFFF)
    return importlib.util.MAGIC_NUMBER + head + code


def use_compiled_code(program):
    """Let later imports of this collection's modules take compiled code from the program file at this path.

    Does nothing unless root alone can write the program, it is whole, and it has the same sources as this module.
    The file stays open: another run can replace it, and this one goes on with the code that it has checked.
    """
    loader = getattr(sys.modules.get(PACKAGE), "__loader__", None)
    archive = getattr(loader, "archive", None)  # Ansible sends a module as a zip file
    if archive is None:
        return
    try:
        descriptor = os.open(program, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    sent = _entries(archive)
    if _is_usable(descriptor, os.path.dirname(program), sent):
        _prefer(f"/proc/self/fd/{descriptor}", sent)
    else:
        os.close(descriptor)


def _is_usable(descriptor, directory, sent):
    try:
        if not (_is_private(os.fstat(descriptor), stat.S_ISREG) and _is_private(os.lstat(directory), stat.S_ISDIR)):
            return False
        with open(descriptor, "rb", closefd=False) as stream:
            content = stream.read(MOST)
        return is_sealed(content) and _has_same_sources(_entries(io.BytesIO(content)), sent)
    except (OSError, zipfile.BadZipFile):
        return False


def _is_private(status, is_kind):
    return is_kind(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _entries(archive):
    """The checksum and the size of each of this collection's files in a zip file, by name."""
    with zipfile.ZipFile(archive) as opened:
        return {
            entry.filename: (entry.CRC, entry.file_size) for entry in opened.infolist()
            if entry.filename.startswith(ROOT)}


def _has_same_sources(installed, sent):
    """Whether the sources that are in both archives are equal, and there are some."""
    shared = [name for name in sent if name in installed and not name.endswith(INIT)]
    return bool(shared) and all(installed[name] == sent[name] for name in shared)


def _prefer(program, sent):
    """Put the program first in the search path of each package that Ansible has sent."""
    packages = [name[:-len(INIT)] for name in sent if name.endswith(INIT)]
    # All are imported before: a package that the program has too would get no path to the files that only Ansible sent.
    for folder, package in [(folder, importlib.import_module(folder.replace("/", "."))) for folder in packages]:
        package.__path__.insert(0, f"{program}/{folder}")
