# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images: a root file system, the kernel and an initramfs, all out of one Debian suite."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import chroot, initramfs
from .cache import Cache, recipe_digest
from .children import Children
from .errors import LabError
from .kernels import Kernel
from .keys import Keys
from .packages import Packages, cached_packages
from .progress import Progress

GUEST_FILES = Path(__file__).resolve().parent / "guest"

PACKAGES = ("systemd-sysv", "openssh-server", "python3", "kmod", "procps", "iproute2", "busybox-static", "cpio")

# Drivers of devices that the machines do not have; half of the kernel package.
DRIVERS_LEFT_OUT = (
    "drivers/gpu", "drivers/media", "drivers/infiniband", "drivers/iio", "drivers/isdn", "drivers/scsi",
    "drivers/staging", "drivers/net/ethernet", "drivers/net/wireless", "drivers/usb", "sound",
)
LEFT_OUT = tuple(f"{base}/modules/*/kernel/{path}/*" for base in ("/lib", "/usr/lib") for path in DRIVERS_LEFT_OUT)

# Would only slow down each start: nobody logs in on a console, devices do not come and go, nothing is kept for long.
MASKED_UNITS = (
    "getty@tty1.service", "getty-static.service", "serial-getty@ttyS0.service",
    "systemd-udev-trigger.service", "kmod-static-nodes.service", "systemd-update-utmp.service",
    "systemd-random-seed.service", "systemd-pstore.service", "systemd-binfmt.service", "e2scrub_reap.service",
    "modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@fuse.service", "modprobe@loop.service",
    "sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "dev-hugepages.mount", "dev-mqueue.mount",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "systemd-tmpfiles-clean.timer",
)
ENABLED_UNITS = ("lab-network.service", "ssh.service")
DISK_SIZE = "2G"


@dataclass(frozen=True)
class Variant:
    """What an image has beside the usual: packages, and what `finish(root, children, log)` does to its root directory.

    `source` is the file that says so, for the key of the cache.
    """

    name: str
    packages: tuple[str, ...]
    finish: Callable[[Path, Children, Path], None]
    source: Path


class Image:
    """The files of one image."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.disk = directory / "disk.raw"
        self.vmlinuz = directory / "vmlinuz"
        self.initrd = directory / "initrd"
        self.config = directory / "config"
        self._release = directory / "release"

    @property
    def release(self) -> str:
        """What `uname -r` says on a machine of this image."""
        return self._release.read_text()

    def configured_with(self, option: str) -> bool:
        """Whether the kernel is built with an option, such as CONFIG_MODVERSIONS."""
        return f"{option}=y" in self.config.read_text().splitlines()


def cached_image(
    kernel: Kernel, keys: Keys, cache: Cache, children: Children, progress: Progress, variant: Variant | None = None
) -> Image:
    """Return the kernel's image, made when it is missing."""
    kind = f"image-{kernel.name}" + (f"-{variant.name}" if variant else "")

    def build(directory: Path) -> None:
        progress(f"making the {kind} ({kernel.suite})")
        _build(directory, kernel, packages, variant, keys, children)
        progress(f"made the image of kernel {Image(directory).release}")

    packages = cached_packages(kernel, cache, children, progress)
    sources = [Path(__file__), Path(chroot.__file__), Path(initramfs.__file__), GUEST_FILES]
    sources += [variant.source] if variant else []
    key = recipe_digest(kernel, packages, keys.user_public, keys.host_public, *sources)
    return Image(cache.entry(kind, key, build))


def _build(
    directory: Path, kernel: Kernel, packages: Packages, variant: Variant | None, keys: Keys, children: Children
) -> None:
    root, log = directory / "root", directory / "build.log"
    more = variant.packages if variant else ()
    chroot.make_chroot(kernel, (packages.image, *PACKAGES, *more), LEFT_OUT, root, children, log)
    _copy_guest_files(root)
    _set_up_logins(root, keys, children, log)
    _set_up_start(root, children, log)
    release = _only_kernel(root)
    image = Image(directory)
    initramfs.make_initramfs(root, release, image.initrd, children, log)
    shutil.copy(root / "boot" / f"vmlinuz-{release}", image.vmlinuz)
    shutil.copy(_config_file(root, release), image.config)
    Path(directory, "release").write_text(release)
    if variant:
        variant.finish(root, children, log)
    # A journal, since machines are reset and nobody checks their disks; no work left to do for a running machine.
    options = ["-q", "-t", "ext4", "-J", "size=8", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"]
    children.run(["mke2fs", *options, "-d", str(root), str(image.disk), DISK_SIZE], log)
    image.disk.chmod(0o400)
    shutil.rmtree(root)


def _copy_guest_files(root: Path) -> None:
    for source in GUEST_FILES.rglob("*"):
        if source.is_file():
            target = root / source.relative_to(GUEST_FILES)
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            # Not what the checkout's umask made of it.
            target.chmod(0o644)


def _set_up_logins(root: Path, keys: Keys, children: Children, log: Path) -> None:
    def in_chroot(*command: str) -> None:
        children.run(["chroot", str(root), *command], log)

    # Debian has a group of this name already. No text hashes to the password "*"; the default one locks the account,
    # and sshd refuses a locked account even with a key.
    in_chroot("useradd", "--create-home", "--gid", "operator", "--password", "*", "--shell", "/bin/bash", "operator")
    for user, home in (("root", "root"), ("operator", "home/operator")):
        Path(root, home, ".ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copy(keys.user_public, Path(root, home, ".ssh/authorized_keys"))
        in_chroot("chown", "--recursive", f"{user}:", f"/{home}/.ssh")
    for path in Path(root, "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    shutil.copy(keys.host_private, root / "etc/ssh/ssh_host_ed25519_key")
    shutil.copy(keys.host_public, root / "etc/ssh/ssh_host_ed25519_key.pub")


def _set_up_start(root: Path, children: Children, log: Path) -> None:
    for verb, units in (("mask", MASKED_UNITS), ("enable", ENABLED_UNITS)):
        children.run(["chroot", str(root), "systemctl", "--quiet", verb, *units], log)
    # An empty file would make systemd treat each boot as the first.
    Path(root, "etc/machine-id").write_text("0" * 31 + "1\n")


def _config_file(root: Path, release: str) -> Path:
    """Return where the kernel's package has its configuration: newer ones keep it beside the modules."""
    beside = root / "usr/lib/modules" / release / "config"
    return beside if beside.exists() else root / "boot" / f"config-{release}"


def _only_kernel(root: Path) -> str:
    releases = sorted(path.name for path in Path(root, "lib/modules").iterdir())
    if len(releases) != 1:
        found = ", ".join(releases) or "none"
        raise LabError("not-one-kernel", f"The image holds {found}, not one kernel; correct its entry in kernels.py.")
    return releases[0]
