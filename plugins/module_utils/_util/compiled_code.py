# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled code in the program that a host keeps, for modules and for the program itself.

Ansible sends a module as sources in a zip file. Since Python 3.8, the importer of zip files compiles each of them twice
in each task (zipimport: get_filename and get_code): most of the time of a small task. Here it is once, or never. This
file itself is compiled twice and is small: it imports nothing of the collection, and installer.py writes the code.

    program.pyz:  #!PYTHON -I -B
                  # sha256: SEAL
                  # tested with PYTHON
                  # compiled MAGIC SIZE SHA256     of the index; a program that another Python has made has no such line
                  index, code, zip file of the sources

The index is {path of a source: (its CRC-32, its size, begin of the code after the index, its size, its CRC-32)}.
"""

import errno
import hashlib
import importlib.machinery
import importlib.util
import marshal
import os
import re
import stat
import sys
import zipimport
import zlib
from contextlib import suppress

PACKAGE = __name__.rpartition("._util.")[0]
ROOT = PACKAGE.replace(".", "/") + "/"
INIT = "/__init__.py"
STATE_DIRECTORY = "/var/lib/kernel-livepatch"
PROGRAM = f"{STATE_DIRECTORY}/program.pyz"
COMPILED = b"# compiled "  # begins the fourth line of the program
MAGIC = importlib.util.MAGIC_NUMBER.hex().encode("ascii")
MOST_HEAD = 16384  # bytes of the first four lines
SIZE = re.compile(rb"[0-9]{1,7}\Z")  # bytes of an index


def source_path(name):
    """The path of a module's source in a zip file."""
    return name.replace(".", "/") + ".py"


class Importer:
    """Imports this collection's modules: with code of the program, or with their sources, compiled once."""

    def __init__(self, loader, program, code):
        """For Python's own importer of the zip file, the path that tracebacks name, and a ProgramCode or None.

        `sources`: {path: (CRC-32, size)}.
        """
        self._loader, self._program, self._code = loader, program, code
        # Python has read this directory to import this file; zipfile would read it again.
        files = getattr(zipimport, "_zip_directory_cache", {}).get(loader.archive, {})
        self.sources = {
            name: (entry[7], entry[3]) for name, entry in files.items()
            if name.startswith(ROOT) and name.endswith(".py") and not name.endswith(INIT)}
        self._folders = {path.rpartition("/")[0] for path in self.sources}
        self._made = {}

    def find_spec(self, name, path=None, target=None):
        """The module's or package's spec, or None for what has no source here."""
        place = name.replace(".", "/")
        if place in self._folders:
            spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
            spec.submodule_search_locations.append(f"{self._loader.archive}/{place}")
            return spec
        if source_path(name) in self.sources:
            return importlib.machinery.ModuleSpec(name, self, origin=f"{self._program}/{source_path(name)}")
        return None

    def create_module(self, spec):
        """None: an ordinary module."""

    def exec_module(self, module):
        """Run the code of a module; a package has none."""
        if not hasattr(module, "__path__"):
            exec(self.get_code(module.__name__), module.__dict__)  # pylint: disable=exec-used

    def get_code(self, name):
        """The code object of a module."""
        path = source_path(name)
        code = self._code and self._code.read(path, self.sources[path])
        return code or self._compile(path)

    def get_source(self, name):
        """The text of a module, also for tracebacks. Raises OSError if the archive has been replaced."""
        return self._read(source_path(name)).decode("utf-8")

    def made(self, path, source):
        """The code object that this process has compiled from exactly this source, or None."""
        found, code = self._made.get(path, (None, None))
        return code if found == source else None

    def _read(self, path):
        # It opens the archive by its path again, and another program can be there by now.
        try:
            source = self._loader.get_data(f"{self._loader.archive}/{path}")
        except (EOFError, ImportError, zlib.error):
            source = b""
        if (zlib.crc32(source), len(source)) != self.sources[path]:
            raise OSError(errno.EIO, "The archive was replaced or is damaged", f"{self._loader.archive}/{path}")
        return source

    def _compile(self, path):
        source = self._read(path)
        code = compile(source, f"{self._program}/{path}", "exec", dont_inherit=True)
        self._made[path] = (source, code)
        return code


class ProgramCode:
    """The compiled code in a program, by source. It reads through the descriptor that was checked."""

    def __init__(self, descriptor, index, begin):
        self._descriptor, self.index, self._begin = descriptor, index, begin

    @classmethod
    def of(cls, descriptor):
        """None for a program without code for this Python, or with a damaged index. Raises OSError."""
        head = os.pread(descriptor, MOST_HEAD, 0).split(b"\n", 4)
        words = head[3].split(b" ") if len(head) == 5 else []
        if len(words) != 5 or not head[3].startswith(COMPILED) or words[2] != MAGIC or not SIZE.match(words[3]):
            return None
        begin = sum(len(line) + 1 for line in head[:4])
        content = os.pread(descriptor, int(words[3]), begin)
        if hashlib.sha256(content).hexdigest().encode("ascii") != words[4]:
            return None
        return cls(descriptor, marshal.loads(content), begin + len(content))

    def read(self, path, source):
        """The code object of a source with this CRC-32 and size; None if there is none, or if it cannot be read."""
        crc, size, begin, length, checksum = self.index.get(path, (None,) * 5)
        if (crc, size) != source:
            return None
        with suppress(OSError):
            content = os.pread(self._descriptor, length, self._begin + begin)
            return marshal.loads(content) if zlib.crc32(content) == checksum else None
        return None


def use_compiled_code(program=PROGRAM):
    """Let later imports of this collection's modules take compiled code from the program file at this path.

    They compile what is not there, or what other sources have made. The program is not used unless root alone can
    change it. The file stays open: another run can replace it, and this one goes on with the code that it has found.
    """
    loader = getattr(getattr(sys.modules.get(PACKAGE), "__spec__", None), "loader", None)
    if hasattr(loader, "archive"):  # Ansible sends a module as a zip file
        sys.meta_path.insert(0, Importer(loader, program, _private_code(program)))


def use_own_code(loader):
    """Let the program import with its own code, for the loader of its __main__. An unpacked program has none."""
    if hasattr(loader, "archive"):
        code = None
        with suppress(OSError):
            code = ProgramCode.of(os.open(loader.archive, os.O_RDONLY | os.O_CLOEXEC))
        sys.meta_path.insert(0, Importer(loader, loader.archive, code))


def _private_code(program):
    """The ProgramCode of a program that root alone can read and change, in a directory of which that is true too."""
    try:
        descriptor = os.open(program, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    code = None
    with suppress(OSError):
        if _is_private(os.fstat(descriptor), stat.S_ISREG) and _is_private(
                os.lstat(os.path.dirname(program)), stat.S_ISDIR):
            code = ProgramCode.of(descriptor)
    if code is None:
        os.close(descriptor)
    return code


def _is_private(status, is_kind):
    return is_kind(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
