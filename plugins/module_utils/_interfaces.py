# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which live-patching mechanism the running kernel offers, and its adapter."""

from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch import Livepatch

# In the order of preference: what the kernel shows, the name reported for it, its adapter.
INTERFACES = (
    ("/sys/kernel/livepatch", "livepatch", Livepatch),
    ("/sys/kernel/kpatch", "kpatch", None),
    ("/sys/kernel/kgraft", "kgraft", None),
)


def interface_name(host):
    """`livepatch`, `kpatch`, `kgraft` or `none`."""
    for path, name, _adapter in INTERFACES:
        if host.is_dir(path):
            return name
    return "none"


def interface_adapter(host):
    """The adapter for the running kernel; raises LivepatchError `livepatch-unsupported`."""
    for path, name, adapter in INTERFACES:
        if not host.is_dir(path):
            continue
        if adapter:
            return adapter(host)
        raise LivepatchError(
            "livepatch-unsupported",
            f"This kernel live patches through {name} only, which this collection reports and does not drive.",
        )
    raise LivepatchError(
        "livepatch-unsupported",
        f"The running kernel {host.release()} cannot be live patched (there is no /sys/kernel/livepatch): "
        "boot a kernel with CONFIG_LIVEPATCH=y.",
    )
