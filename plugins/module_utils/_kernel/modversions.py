# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the versions (CRCs) of the running kernel's exported symbols from its headers or else from its own modules.

The kernel does not show them. All modules of one build agree on them, so each import of a module has the version.
"""

import re
from itertools import islice

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import module_file, read_image
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.depmod import loaded_in_tree
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# The paths of distributions for the list of all versions.
LISTS = (
    "{directory}/build/Module.symvers", "/usr/src/linux-headers-{release}/Module.symvers",
    "/usr/src/kernels/{release}/Module.symvers", "/boot/symvers-{release}.gz", "/boot/symvers-{release}.xz",
    "/boot/symvers-{release}.zst", "{directory}/symvers.gz", "{directory}/symvers.xz", "{directory}/symvers.zst",
)
CRC_FIELD = len("0x00000000")
MODULE = re.compile(rb"(?:[^\t\n]*/)?([^\t\n]*)")  # with its build directory
# Bounds in work, not in seconds: a busy host has to find what an idle one finds.
MOST_MODULES = 64
MOST_BYTES = 16 << 20  # uncompressed; 64 small modules of Debian's have 4 MB

# Only live patches import these, so no module of the kernel has their versions.
OF_LIVE_PATCHES = "klp_"


def symbol_versions(host, index, reference, wanted):
    """{symbol: CRC} of those `wanted` that are found on the host, in a bounded number of files.

    A list is used only if it agrees with every import of the reference module, because headers can be of another build
    than the running kernel.
    """
    if not reference.has_versions:
        return {}
    for path in LISTS:
        text = _read_list(host, path.format(directory=index.directory, release=host.release()))
        if text and all(_crc_in_list(text, index, name) in (None, crc) for name, crc in reference.crcs.items()):
            return _computed_only({name: _crc_in_list(text, index, name) for name in wanted}, wanted)
    return _computed_only(_crcs_of_modules(host, index, reference, wanted), wanted)


def _computed_only(versions, wanted):
    """A CRC of 0 means that none could be computed for the symbol; the kernel then compares nothing."""
    return {name: versions[name] for name in wanted if versions.get(name)}


def _read_list(host, path):
    if not host.exists(path):
        return None
    try:
        return read_image(host, path)
    except LivepatchError:
        return None


def _crc_in_list(text, index, name):
    """The CRC in a line `0xCRC TAB NAME TAB MODULE TAB ...` (Documentation/kbuild/modules.rst), or None.

    None as well for a symbol of a replaced module, for example by an external driver: the list has other symbols.
    """
    key = f"\t{name}\t".encode()
    at = text.find(key)
    while at >= 0:
        crc = text[max(at - CRC_FIELD, 0):at]
        if crc.startswith(b"0x"):  # otherwise the name of a module
            exporter = MODULE.match(text, at + len(key)).group(1).decode("utf-8", "replace")
            return int(crc, 16) if exporter == "vmlinux" or index.in_tree_path(exporter) else None
        at = text.find(key, at + 1)
    return None


def _crcs_of_modules(host, index, reference, wanted):
    found = dict(reference.crcs)
    missing = {name for name in wanted if not name.startswith(OF_LIVE_PATCHES)}.difference(found)
    left = MOST_BYTES
    for _name, path in islice(loaded_in_tree(host, index), MOST_MODULES):
        if not missing or left <= 0:
            break
        module = module_file(host, path)
        if module is None:
            continue
        left -= module.size
        try:
            found.update(module.crcs)
        except ElfError:
            continue
        missing.difference_update(found)
    return found
