# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An initramfs of busybox and the few modules that reach the root disk: quicker to start than a distribution's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from .children import Children

# What the disk and the network need. Dependencies are looked up, but ext4's on crc32c is not written down anywhere.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "crc32c_generic", "ext4")

# Not every kernel has it, and one without it has no need for it.
NOT_EVERYWHERE = "crc32c_generic"

INIT_HEAD = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
"""
INIT_TAIL = """\
until [ -b /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount -o move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""


def make_initramfs(root: Path, release: str, target: Path, children: Children, log: Path) -> None:
    """Write the initramfs for kernel `release` of the root directory `root` into the file `target`."""
    stage = root / "initramfs"
    for directory in ("bin", "dev", "modules", "root"):
        Path(stage, directory).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", stage / "bin/busybox")
    init = INIT_HEAD
    for module in modules_in_load_order(Path(root, "lib/modules", release), MODULES):
        shutil.copy(module, stage / "modules" / module.name)
        init += f"/bin/busybox insmod /modules/{module.name}\n"
    Path(stage, "init").write_text(init + INIT_TAIL)
    Path(stage, "init").chmod(0o755)
    names = root / "initramfs.names"
    names.write_text("".join(f"{path.relative_to(stage)}\n" for path in sorted(stage.rglob("*"))))
    # Not compressed: emulated machines load faster than they unpack.
    command = ["cpio", "--quiet", "--create", "--format=newc", "--directory=/initramfs", "-O", "/initramfs.cpio"]
    with open(names, "rb") as listing:
        children.run(["chroot", str(root), *command], log, stdin=listing)
    shutil.move(root / "initramfs.cpio", target)
    shutil.rmtree(stage)
    names.unlink()


def modules_in_load_order(directory: Path, wanted: tuple[str, ...]) -> list[Path]:
    """Return the files of the wanted modules and all they depend on, each after its dependencies (modules.dep(5))."""
    needs: dict[str, list[str]] = {}
    for line in Path(directory, "modules.dep").read_text().splitlines():
        path, _colon, dependencies = line.partition(":")
        needs[path] = dependencies.split()
    built_in = {_module_name(line) for line in Path(directory, "modules.builtin").read_text().splitlines()}
    by_name = {_module_name(path): path for path in needs}
    ordered: list[str] = []
    for name in wanted:
        if name in built_in or (name == NOT_EVERYWHERE and name not in by_name):
            continue
        path = by_name[name]
        # modules.dep lists all dependencies, the ones to load first at the end.
        ordered += [each for each in (*reversed(needs[path]), path) if each not in ordered]
    return [directory / path for path in ordered]


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")
