# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images: a root file system, the kernel and an initramfs, all out of one Debian suite."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import chroot, initramfs
from .cache import Cache, recipe_digest
from .children import Children
from .kernels import Kernel
from .keys import Keys
from .progress import Progress

GUEST_FILES = Path(__file__).resolve().parents[1] / "guest"

PACKAGES = ("systemd-sysv", "openssh-server", "python3", "kmod", "procps", "iproute2", "busybox-static", "cpio")

# Drivers of devices that the machines do not have; half of the kernel package.
DRIVERS_LEFT_OUT = (
    "drivers/gpu", "drivers/media", "drivers/infiniband", "drivers/iio", "drivers/isdn", "drivers/scsi", "drivers/staging",
    "drivers/net/ethernet", "drivers/net/wireless", "drivers/usb", "sound",
)
LEFT_OUT = tuple(f"{base}/modules/*/kernel/{path}/*" for base in ("/lib", "/usr/lib") for path in DRIVERS_LEFT_OUT)

# Would only slow down each start: nobody logs in on a console, and devices do not come and go.
MASKED_UNITS = (
    "getty@tty1.service", "serial-getty@ttyS0.service", "systemd-udev-trigger.service", "e2scrub_reap.service",
    "systemd-update-utmp.service", "systemd-random-seed.service", "systemd-pstore.service", "systemd-binfmt.service",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "systemd-tmpfiles-clean.timer",
)
ENABLED_UNITS = ("lab-network.service", "ssh.service")
DISK_SIZE = "2G"


class Image:
    """The files of one image."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.disk = directory / "disk.raw"
        self.vmlinuz = directory / "vmlinuz"
        self.initrd = directory / "initrd"
        self._release = directory / "release"

    @property
    def release(self) -> str:
        """What `uname -r` says on a machine of this image."""
        return self._release.read_text()


def cached_image(kernel: Kernel, keys: Keys, cache: Cache, children: Children, progress: Progress) -> Image:
    """Return the kernel's image, made when it is missing."""
    def build(directory: Path) -> None:
        progress(f"making the image of kernel {kernel.name} ({kernel.suite})")
        root = directory / "root"
        packages = (kernel.image_package, *PACKAGES)
        chroot.make_chroot(kernel, packages, LEFT_OUT, root, children, directory / "mmdebstrap.log")
        _configure(root, keys)
        release = _only_kernel(root)
        initramfs.make_initramfs(root, release, directory / "initrd")
        shutil.copy(root / "boot" / f"vmlinuz-{release}", directory / "vmlinuz")
        Path(directory, "release").write_text(release)
        _make_disk(root, directory / "disk.raw", children, directory / "mke2fs.log")
        shutil.rmtree(root)
        progress(f"made the image of kernel {release}")

    sources = (Path(__file__), Path(chroot.__file__), Path(initramfs.__file__), GUEST_FILES)
    key = recipe_digest(kernel, keys.user_public, keys.host_public, *sources)
    return Image(cache.entry("image", key, build))


def _only_kernel(root: Path) -> str:
    releases = sorted(path.name for path in Path(root, "lib/modules").iterdir())
    if len(releases) != 1:
        raise AssertionError(f"one kernel was asked for, the image holds {releases}")
    return releases[0]


def _configure(root: Path, keys: Keys) -> None:
    shutil.copytree(GUEST_FILES, root, dirs_exist_ok=True)
    # Debian has a group of this name already.
    _in_chroot(root, "useradd", "--create-home", "--gid", "operator", "--shell", "/bin/bash", "operator")
    # A password that no text hashes to. The default locks the account, which sshd refuses even with a key.
    _in_chroot(root, "usermod", "--password", "*", "operator")
    for user, home in (("root", "root"), ("operator", "home/operator")):
        Path(root, home, ".ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copy(keys.user_public, Path(root, home, ".ssh/authorized_keys"))
        _in_chroot(root, "chown", "--recursive", f"{user}:", f"/{home}/.ssh")
    for path in Path(root, "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    shutil.copy(keys.host_private, root / "etc/ssh/ssh_host_ed25519_key")
    shutil.copy(keys.host_public, root / "etc/ssh/ssh_host_ed25519_key.pub")
    _in_chroot(root, "systemctl", "--quiet", "mask", *MASKED_UNITS)
    _in_chroot(root, "systemctl", "--quiet", "enable", *ENABLED_UNITS)
    # An empty file would make systemd treat each boot as the first.
    Path(root, "etc/machine-id").write_text("0" * 31 + "1\n")


def _make_disk(root: Path, disk: Path, children: Children, log: Path) -> None:
    # No journal and no lazy initialisation: nothing is worth keeping after a crash, and both cost time.
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=0,nodiscard"]
    children.run(["mke2fs", *options, "-d", str(root), str(disk), DISK_SIZE], log)
    os.chmod(disk, 0o400)


def _in_chroot(root: Path, *command: str) -> None:
    subprocess.run(["chroot", str(root), *command], check=True, stdin=subprocess.DEVNULL)
