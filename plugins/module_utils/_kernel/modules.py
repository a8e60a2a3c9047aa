# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the loaded modules from /sys/module, and unloads modules of live patches."""

import errno
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import notes
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.legacy_patches import is_legacy_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import errno_words, number_of

# The kernel drops its own reference from a work queue, after it removes the patch's directory (klp_free_patch_finish).
RELEASE_SECONDS = 15

REFUSALS = {
    errno.EPERM: ("not-permitted", "the kernel does not permit it. Check CAP_SYS_MODULE and kernel.modules_disabled"),
    errno.EAGAIN: ("module-in-use", "it is in use again. Run again"),
    errno.EBUSY: ("module-busy", "it is not live, or has no exit function. Reboot the host to unload it"),
}

LONGEST_NAME = 55  # MODULE_NAME_LEN of a 64-bit kernel without the end (include/linux/moduleparam.h)
ODD = re.compile(r"[^A-Za-z0-9_]")


def why_impossible(name):
    """Why no module can have a name, in words, or None.

    The build makes KBUILD_MODNAME of a file's name (name-fix in scripts/Makefile.lib), and the kernel compares every
    letter of it (klp_find_object_module and klp_module_coming in kernel/livepatch/core.c).
    """
    if not name:
        return "it is empty"
    if len(name) > LONGEST_NAME:
        return f"it has {number_of(len(name), 'character')}, and the kernel takes {LONGEST_NAME}"
    odd = sorted(set(ODD.findall(name)))
    return f"it has {' '.join(odd)} in it, and module names have letters, digits and _ only" if odd else None


def loaded_names(host):
    """The names of every loaded module, newest first; none if the kernel does not list them (CONFIG_MODULES=n)."""
    return [line.split()[0] for line in host.read_or("/proc/modules", "").splitlines()]


def present_objects(host):
    """The present objects of code, as live patches call them: "vmlinux" and the loaded modules."""
    return {"vmlinux"}.union(loaded_names(host))


def loaded_module(host, name):
    """The kernel's facts about a module, None if it is not loaded.

    Shape: `state`, `refcnt`, `taint`, `livepatch` (whether it is a live patch), `build_id`, `holders`.

    The kernel taints a live patch K (TAINT_LIVEPATCH in kernel/module/main.c).
    """
    base = f"/sys/module/{name}"
    state = host.read_or(f"{base}/initstate")
    if state is None:  # built-in code with parameters has a directory too
        return None
    taint = host.read_or(f"{base}/taint", "")
    return {
        "state": state,
        "refcnt": int(host.read_or(f"{base}/refcnt") or 0),
        "taint": taint,
        "livepatch": "K" in taint or is_legacy_patch(host, name),
        "build_id": module_build_id(host, name),
        "holders": host.names(f"{base}/holders"),
    }


def module_build_id(host, name):
    """The build-id of a loaded module as hex, or None."""
    try:
        return notes.build_id(host.read_bytes(f"/sys/module/{name}/notes/.note.gnu.build-id"))
    except OSError:
        return None


def loaded_build(host, name):
    """The build of a loaded module, as builds are compared: a dict of `name` and `build_id`."""
    return {"name": name, "build_id": module_build_id(host, name)}


def unload_obstacle(host, name):
    """The reason why a loaded module cannot be unloaded now, in words, or None.

    A module without an exit function is `[permanent]` in /proc/modules (kernel/module/procfs.c).
    """
    holders = host.names(f"/sys/module/{name}/holders")
    if holders:
        return f"it is used by {', '.join(holders)}"
    for line in host.read_or("/proc/modules", "").splitlines():
        fields = line.split()
        if fields[0] == name and "[permanent]" in fields[3].split(","):
            return "it has no exit function"
    return None


def disabled_modules(host, shown):
    """The loaded modules of disabled or replaced live patches: all live patch modules except those named in `shown`.

    Shape: a list of `name`, `build_id`, `refcnt`.
    """
    found = []
    for name in host.names("/sys/module"):
        module = None if name in shown else loaded_module(host, name)
        if module and module["livepatch"]:
            found.append({"name": name, "build_id": module["build_id"], "refcnt": module["refcnt"]})
    return found


def remove_module(host, name):
    """Unload a disabled patch's module once nothing refers to it; returns whether it was loaded.

    Raises LivepatchError: not-a-livepatch, module-busy, not-permitted, and those of wait_until_released.
    """
    module = loaded_module(host, name)
    if module is None:
        return False
    if not module["livepatch"]:
        raise LivepatchError(
            "not-a-livepatch", f"The loaded module {name} is not a live patch, so it is not removed. Correct name.")
    wait_until_released(host, name)
    try:
        host.delete_module(name)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        code, why = REFUSALS.get(error.errno, ("removal-refused", f"{error.strerror}. See the kernel log"))
        refused = f"The kernel refuses to unload the module {name} with {errno_words(error.errno)}"
        raise LivepatchError(code, f"{refused}: {why}.") from error
    return True


def wait_until_released(host, name):
    """Wait until nothing refers to a disabled patch's module; raises LivepatchError: module-pinned, module-in-use."""
    if not poll_until(host, lambda: _refcnt(host, name) == 0, RELEASE_SECONDS):
        raise _still_referenced(host, name)


def _refcnt(host, name):
    return int(host.read_or(f"/sys/module/{name}/refcnt") or 0)


def _still_referenced(host, name):
    holders = host.names(f"/sys/module/{name}/holders")
    if holders:
        return LivepatchError(
            "module-in-use", f"The module {name} is used by {', '.join(holders)}. Unload these modules first.")
    return LivepatchError(
        "module-pinned",
        f"The disabled patch {name} cannot be unloaded: the kernel still holds it, as it always does after a forced "
        "transition. It stays loaded without effect. Reboot the host to unload it.",
    )
