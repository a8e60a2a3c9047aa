# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel that the boot loader starts next, from the boot loader's own files; never a guess.

A person at the boot menu, or a boot from another disk, can always start another one.
"""

import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import GONE
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.boot_entries import (
    SystemdBoot,
    Undecided,
    loader_of_this_boot,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.grub import Grub
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kernel_image import release_of_image

# loader: `grub`, `systemd-boot`, or None. entry: the name of its entry. kernel: a release. why: the reason, as a clause
# with the action, if the kernel is not known.
NextKernel = namedtuple("NextKernel", "loader entry kernel why")
IMAGE_NAME = re.compile(r"(?:vmlinuz|vmlinux|linux|Image|kernel)-(.+?)(?:\.efi|\.gz)?\Z")
STARTED_BY = re.compile(r"(?:^|\s)BOOT_IMAGE=")


def next_kernel(host):
    """The NextKernel of a host."""
    loader, entry = None, None
    try:
        loader = _loader(host)
        entry, image = loader.next_entry()
        return NextKernel(loader.name, entry, _release(host, entry, image), None)
    except Undecided as why:
        return NextKernel(loader and loader.name, entry, None, str(why))
    except OSError as error:
        why = f"{error.filename or 'its configuration'} cannot be read ({error.strerror})"
        return NextKernel(loader and loader.name, entry, None, why)


def _loader(host):
    """The boot loader that has started this boot; raises Undecided."""
    if host.read_or("/sys/kernel/kexec_loaded") == "1":
        raise Undecided("a kernel is loaded with kexec, and a reboot may start that one. See kexec --unload")
    started = loader_of_this_boot(host)
    if started and started.startswith("systemd-boot"):
        return SystemdBoot(host)
    if started and not started.startswith("GRUB"):
        raise Undecided(f"this host was started by {started}, and its configuration is not read")
    if host.machine() in ("s390x", "s390"):
        raise Undecided("zipl writes the kernel into a boot record, which is not read")
    grub = Grub.found(host)
    if grub is None:
        raise Undecided("neither a configuration of GRUB nor of systemd-boot is found")
    if not started and not STARTED_BY.search(host.read_or("/proc/cmdline", "")):
        raise Undecided(
            f"{grub.path} exists, and this boot was not started by GRUB (no BOOT_IMAGE in /proc/cmdline)")
    return grub


def _release(host, entry, image):
    """The release of a kernel's image; raises Undecided, also if several files can be meant, of different releases."""
    paths = _on_host(host, image)
    if not paths:
        raise Undecided(f"the entry {entry} starts {image}, and this host has no such file")
    releases = {_release_of(host, entry, path) for path in paths}
    if len(releases) > 1:
        raise Undecided(f"the entry {entry} starts {image}, and {' and '.join(paths)} are different kernels")
    return releases.pop()


def _release_of(host, entry, path):
    """The release of an image: from its own header, or else from its name if its modules are installed."""
    path = host.resolved(path)
    try:
        release = release_of_image(host, path)
    except OSError as error:
        raise Undecided(f"{path} cannot be read ({error.strerror})") from error
    if release:
        return release
    named = IMAGE_NAME.match(path.rpartition("/")[2])
    if named and host.exists(f"/lib/modules/{named.group(1)}"):
        return named.group(1)
    raise Undecided(f"the entry {entry} starts {path}, which does not show its release")


def _on_host(host, image):
    """The paths on this host of an image in a boot loader's words: below a partition, or a volume of it."""
    image = re.sub(r"^\(\$?\w+\)", "", image)
    below_boot = [f"/boot/{image.rpartition('/boot/')[2]}"] if "/boot/" in image else []
    found = []
    for path in [image, *(f"{mount}{image}" for mount in ("/boot", "/efi", "/boot/efi")), *below_boot]:
        try:
            host.status(path)
        except OSError as error:
            if error.errno not in GONE:
                raise
        else:
            found.append(path)
    return list(dict.fromkeys(found))
