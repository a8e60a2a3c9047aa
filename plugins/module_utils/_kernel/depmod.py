# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running kernel's modules on disk, by depmod's index (modules.dep(5)), and one of them as the reference."""

import re
from collections import namedtuple
from itertools import islice

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import module_file
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_module, module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

# The last two are of NixOS and of Guix, for the kernel that was started.
DIRECTORIES = (
    "/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules",
    "/run/booted-system/kernel/lib/modules")
# A kernel's package or `make modules_install` puts only the kernel's own modules below this directory.
IN_TREE = "kernel/"
MOST_CANDIDATES = 4
OUT_OF_TREE = "O"  # in /sys/module/NAME/taint
LONGEST_VERSION = 60  # characters in a message
LARGEST = 2 << 20  # bytes in memory; a smaller module serves as well as a reference

# The build settings of the kernel's own modules; the fields are those of ModuleFile.
ReferenceModule = namedtuple("ReferenceModule", "vermagic struct_size has_versions crcs orc_unwind orc_header build_id")


class ModuleIndex:
    """depmod's index in a directory such as /lib/modules/6.1.0-56-amd64."""

    def __init__(self, host, directory, index):
        self._host = host
        self.directory = directory
        self._index = _Index(index, b":")

    def path(self, module):
        """The absolute path of a module's file, None if the index has none."""
        found = self._index.path(module)
        return found and self._absolute(found)

    def in_tree_path(self, module):
        """The absolute path of the file of one of the kernel's own modules, None for any other module."""
        found = self._index.path(module)
        return self._absolute(found) if found and found.startswith(IN_TREE) else None

    def in_tree_paths(self):
        """The absolute paths of the kernel's own modules."""
        for match in re.finditer(rb"^(kernel/[^:\n]+):", self._index.text, re.MULTILINE):
            yield self._absolute(match.group(1).decode("utf-8", "replace"))

    def built_in(self, module):
        """Whether the code of a module is part of the kernel itself."""
        listed = self._host.read_bytes_or(f"{self.directory}/modules.builtin", b"")
        return _Index(listed, b"\n").path(module) is not None

    def exporter(self, symbol):
        """The name of the module that exports a symbol, in the kernel's spelling; None if no module of the index does.
        """
        key = f"alias symbol:{symbol} ".encode()
        start = self._exports.find(key)
        if start < 0:
            return None
        module = self._exports[start + len(key):].partition(b"\n")[0]
        return module.decode("utf-8", "replace").replace("-", "_")

    @cached_property
    def _exports(self):
        return self._host.read_bytes_or(f"{self.directory}/modules.symbols", b"")

    def _absolute(self, path):
        return path if path.startswith("/") else f"{self.directory}/{path}"


class _Index:
    """An index text: each line is a path, with `after` behind it."""

    def __init__(self, text, after):
        self.text = text
        self._folded = text.replace(b"-", b"_")
        self._ends = tuple(suffix + after for suffix in (b"", b".gz", b".xz", b".zst"))

    def path(self, module):
        """The path of this module's file, possibly compressed, or None; - and _ in a name are equal."""
        key = module.replace("-", "_").encode("utf-8") + b".ko"
        at = self._folded.find(key)
        while at >= 0:
            behind = at + len(key)
            if self.text[max(at - 1, 0):at] in (b"", b"/", b"\n") and self.text.startswith(self._ends, behind):
                start, end = self.text.rfind(b"\n", 0, at) + 1, self.text.find(self._ends[0], behind)
                return self.text[start:end].decode("utf-8", "replace")
            at = self._folded.find(key, behind)
        return None


def module_index(host):
    """The ModuleIndex of the running kernel; None if its index is missing."""
    for parent in DIRECTORIES:
        directory = f"{parent}/{host.release()}"
        index = host.read_bytes_or(f"{directory}/modules.dep")
        if index:
            return ModuleIndex(host, directory, index)
    return None


def foreign_origin(host, index, name):
    """Where a module comes from, in words, if it is not the kernel's own; None for the kernel's own or an unknown one.

    A loaded module has the taint O unless its modinfo says intree=Y (check_modinfo in kernel/module/main.c). For one
    that is not loaded, the directory of its file counts. `index` is a ModuleIndex or None.
    """
    path = index and index.path(name)
    module = loaded_module(host, name)
    outside = path if path and index.in_tree_path(name) is None else None
    if module:
        if OUT_OF_TREE not in module["taint"]:
            return None
        shown = host.read_or(f"/sys/module/{name}/version", "")
        version = f", version {truncate(shown, LONGEST_VERSION)}" if shown else ""
        file = f", file {outside}" if outside else ""
        return f"loaded with the taint {module['taint']}, out of tree{version}{file}"
    return f"not loaded, file {outside}" if outside else None


def reference_module(host, index):
    """A ReferenceModule; None if none of the kernel's own modules can be read, or the files are of another kernel.

    The build-id of a loaded module proves that the files are of the running kernel. Another kernel of the same release
    may have been installed since.
    """
    loaded = list(islice(loaded_in_tree(host, index), MOST_CANDIDATES))
    for name, path in loaded:
        reference = _read_reference(host, path)
        running = module_build_id(host, name)
        if reference and (running == reference.build_id or running is None or reference.build_id is None):
            return reference
    if loaded:
        return None
    references = (_read_reference(host, path) for path in islice(index.in_tree_paths(), MOST_CANDIDATES))
    return next((reference for reference in references if reference), None)


def loaded_in_tree(host, index):
    """(name, path) of the kernel's own loaded modules, the smallest in memory first, without very large ones."""
    lines = [line.split() for line in host.read_or("/proc/modules", "").splitlines()]
    for size, name in sorted((int(fields[1]), fields[0]) for fields in lines):
        path = index.in_tree_path(name)
        if path and size <= LARGEST:
            yield name, path


def _read_reference(host, path):
    module = module_file(host, path)
    if module is None:
        return None
    try:
        reference = ReferenceModule(
            module.modinfo.get("vermagic", ""), *(getattr(module, name) for name in ReferenceModule._fields[1:]))
    except ElfError:
        return None
    return reference if reference.struct_size and reference.vermagic.split(" ")[0] == host.release() else None
