# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds other live-patch tools on the host, whether they are active, and their effect."""

import re
from collections import namedtuple

# installed: any one of these paths proves the tool. is_active(host): whether it will patch or has patched.
# effect: the effect of an active tool, as a clause. unload: the command that removes the patches of a tool with a
# mechanism of its own; None for a tool whose patches the kernel's interface shows.
Tool = namedtuple("Tool", "name installed is_active effect unload")
Tool.__new__.__defaults__ = (None,)  # of `unload`; Python 3.6 has no better way
# systemd.unit(5); the last where /lib is no link to /usr/lib.
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
         "/lib/systemd/system")
MASKS = ("/etc/systemd/system", "/run/systemd/system")  # where `systemctl mask` puts a link to /dev/null
# What the two load at boot. SUSE's second directory is of kGraft (INSTALL_MOD_DIR in its packages).
KPATCH, SUSE = "/var/lib/kpatch/{release}", ("/lib/modules/{release}/livepatch", "/lib/modules/{release}/kgraft")
MODULE = re.compile(r"\.ko(\.(gz|xz|zst))?\Z")


def other_tools(host):
    """A dict of `name`, `active` and `effect` for each tool on the host; reads files and starts nothing."""
    return [{"name": tool.name, "active": active, "effect": tool.effect} for tool, active in tools_on(host)]


def tools_on(host):
    """Each Tool on the host, and whether it is active."""
    for tool in TOOLS:
        active = tool.is_active(host)
        if active or any(host.exists(path) for path in tool.installed):
            yield tool, active


def loads_kpatch_service(host):
    """Whether kpatch.service will load something at the next boot of the running kernel."""
    return (
        _enabled(host, "kpatch.service") and _modules(host, KPATCH)
        and "kpatch.enable=0" not in host.read_or("/proc/cmdline", "").split())


def _kpatch_dnf(host):
    return _has_line(host, "/etc/dnf/plugins/kpatch.conf", r"^\s*autoupdate\s*[=:]\s*(1|yes|true|on)\s*$")


def _kpatch_module(host):
    """Whether kpatch.ko is beside the kernel's own mechanism; without that, it is the mechanism of this host."""
    return host.is_dir("/sys/module/kpatch") and host.is_dir("/sys/kernel/livepatch")


def _canonical(host):
    return host.exists("/var/snap/canonical-livepatch/common/machine-token")


def _kernelcare(host):
    return host.is_dir("/proc/kcare") or host.is_dir("/sys/module/kcare")


def _ksplice(host):
    return any(name.startswith("ksplice") for name in host.names("/sys/module"))


def _suse(host):
    return any(_modules(host, directory) for directory in SUSE)


def _syscare(host):
    return _enabled(host, "syscare.service") and bool(host.names("/usr/lib/syscare/patches"))


def _enabled(host, unit):
    """Whether systemd starts a unit at boot. A masked unit keeps its links in .wants and .requires."""
    if any(_is_masked(host, f"{directory}/{unit}") for directory in MASKS):
        return False
    wanting = [f"{units}/{entry}" for units in UNITS for entry in host.names(units)
               if entry.endswith((".wants", ".requires"))]
    return any(host.exists(f"{directory}/{unit}") for directory in wanting)


def _is_masked(host, path):
    try:
        return host.link_target(path) == "/dev/null"
    except OSError:  # absent, or a file
        return False


def _modules(host, directory):
    """Whether a directory has modules for the running kernel."""
    return any(map(is_module_file, host.names(directory.format(release=host.release()))))


def is_module_file(name):
    """Whether a file is a kernel module by its name."""
    return bool(MODULE.search(name))


def _has_line(host, path, pattern):
    return bool(re.search(pattern, host.read_or(path, ""), re.MULTILINE | re.IGNORECASE))


TOOLS = (
    Tool("kpatch.service",
         ("/usr/sbin/kpatch", "/usr/local/sbin/kpatch", *(f"{units}/kpatch.service" for units in UNITS)),
         loads_kpatch_service,
         "at each boot it loads every patch below /var/lib/kpatch for the running kernel"),
    Tool("dnf kpatch plugin", ("/etc/dnf/plugins/kpatch.conf",), _kpatch_dnf,
         "updates by dnf install the distribution's kpatch-patch packages, which load their patches"),
    Tool("kpatch.ko", (), _kpatch_module,
         "it redirects functions itself, and the kernel refuses a live patch of the same function"),
    Tool("Canonical Livepatch", ("/snap/canonical-livepatch", "/var/snap/canonical-livepatch"), _canonical,
         "it loads its vendor's patches automatically, at any time"),
    Tool("KernelCare", ("/usr/bin/kcarectl",), _kernelcare,
         "it patches functions with its own mechanism, unseen by the kernel's interface and by this collection",
         "kcarectl --unload"),
    Tool("Ksplice", ("/usr/sbin/uptrack-upgrade", "/usr/bin/ksplice", "/usr/sbin/ksplice"), _ksplice,
         "it patches functions with its own mechanism, unseen by the kernel's interface and by this collection",
         "ksplice kernel remove --all or uptrack-remove --all"),
    Tool("SUSE live patching", ("/usr/sbin/klp", "/usr/bin/klp"), _suse,
         "the patch below /lib/modules for the running kernel is loaded at each boot and replaces every other patch"),
    Tool("SysCare", ("/usr/bin/syscare",), _syscare,
         "at each boot it loads the patches accepted in it"),
)
