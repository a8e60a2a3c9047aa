# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the live-patching mechanism of the running kernel, and its adapter."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.legacy_patches import KGRAFT, KPATCH
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import disabled_modules
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.sysfs import BASE, SysfsInterface

NONE = "none"
OLD_KPATCH = f"{KPATCH}/patches"  # before kpatch 0.4, without the objects


# The adapters of old mechanisms are imported on their kernels only: a host compiles each file of a module anew.
def _kpatch(host):
    from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.kpatch import KpatchInterface

    return KpatchInterface(host)


def _kgraft(host):
    from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.kgraft import KgraftInterface

    return KgraftInterface(host)


# In the order of preference: the path that shows the mechanism, its reported name, its adapter.
INTERFACES = (
    (BASE, "livepatch", SysfsInterface),
    (OLD_KPATCH, NONE, None),
    (KPATCH, "kpatch", _kpatch),
    (KGRAFT, "kgraft", _kgraft),
)


def interface_name(host):
    """`livepatch`, `kpatch`, `kgraft` or `none`."""
    for path, name, _adapter in INTERFACES:
        if host.is_dir(path):
            return name
    return NONE


def interface_or_none(host):
    """The adapter for the running kernel, or None."""
    for path, _name, adapter in INTERFACES:
        if host.is_dir(path):
            return adapter and adapter(host)
    return None


def live_patch_names(host, interface):
    """The names of every live patch in the kernel, also of disabled ones; `interface` can be None."""
    shown = [patch["name"] for patch in interface.patches()] if interface else []
    return shown + [module["name"] for module in disabled_modules(host, shown)]


def interface_adapter(host):
    """The adapter for the running kernel; raises LivepatchError `livepatch-unsupported`."""
    adapter = interface_or_none(host)
    if adapter is None:
        raise error_from([unsupported(host)])
    return adapter


def unsupported(host):
    """The finding for a kernel without an adapter."""
    why = f"there is no {BASE}"
    if host.is_dir(OLD_KPATCH):
        why = "its kpatch.ko is older than 0.4 and does not show what it patches"
    return finding("livepatch-unsupported", host.release(), running=host.release(), why=why)
