# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where kpatch-build makes patches for a stock Debian kernel, without a build of that kernel.

Given targets (-t), kpatch-build makes these only. It takes the release out of vmlinux, and looks for the object that
a changed file is linked into no further than built-in.a of its directory, which it takes for vmlinux.
"""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path

from .. import chroot
from ..cache import Cache, recipe_digest
from ..children import Children
from ..errors import LabError
from ..image import Image
from ..kernels import DEBIAN, Kernel
from ..progress import Progress
from . import build_root
from .build_root import SOURCE, WORK, BuildRoot, fetch

# What kpatch-build, the kernel's build and their unpacking call; the compiler comes with the kernel's headers.
PACKAGES = (
    "make", "gcc", "libc6-dev", "flex", "bison", "bc", "libelf-dev", "libssl-dev", "xz-utils", "kmod", "python3",
    "cpio", "patch", "perl", "rsync", "gawk", "dpkg-dev", "binutils", "apt",
)

# trixie's upstream source; bookworm has no package of it, and trixie's needs trixie's libraries.
VERSION = "0.9.10"
TARBALL = f"{DEBIAN}/pool/main/k/kpatch/kpatch_{VERSION}.orig.tar.gz"
TARBALL_SHA256 = "94a87a24570d3e202c3732726169af07af3754caa6eff73a179f362cead57028"
TOOL = f"{WORK}/kpatch-{VERSION}/kpatch-build/kpatch-build"

# The modules that patches are for, below kernel/ of the stock kernel's modules.
MODULES = ("fs/binfmt_misc.ko", "fs/nfsd/nfsd.ko")
# What the patches change in vmlinux. An export that none of these files names is none that a patch imports:
# kpatch-build makes it a symbol for the livepatch core to resolve.
PATCHED_SOURCES = "fs/proc/*.c"
# The imports of kpatch's own part of a patch (kmod/patch/livepatch-patch-hook.c), and what the compiler calls.
HOOK_IMPORTS = (
    "module_layout", "klp_enable_patch", "kfree", "__kmalloc", "kmalloc_trace", "kmalloc_caches", "_printk", "strcmp",
    "memcpy", "memset", "__fentry__", "__x86_return_thunk", "__stack_chk_fail", "__list_add_valid",
    "__list_del_entry_valid",
    # 5.10 calls these two what later kernels call _printk and kmalloc_trace.
    "printk", "kmem_cache_alloc_trace",
)


def vmlinux(release: str) -> str:
    """Return the path of the kernel with symbols in the chroot."""
    return f"{WORK}/vmlinux-{release}"


def cached_host(kernel: Kernel, image: Image, cache: Cache, children: Children, progress: Progress) -> Path:
    """Return the entry with the chroot for this image's kernel, see BuildRoot; made when it is missing."""
    def build(entry: Path) -> None:
        progress(f"making the build root of kpatch-build for kernel {image.release}")
        log = entry / "build.log"
        packages = (f"linux-headers-{image.release}", *PACKAGES)
        chroot.make_chroot(kernel, packages, (), entry / "root", children, log)
        _fill(BuildRoot(entry, children, log), image)
        progress(f"made the build root of kpatch-build for kernel {image.release}")

    sources = (Path(__file__), Path(chroot.__file__), Path(build_root.__file__))
    key = recipe_digest(kernel, image.release, package_version(image.vmlinuz), *sources)
    return cache.entry(f"kpatch-build-{image.release}", key, build)


def package_version(vmlinuz: Path) -> str:
    """Return the version of the Debian package of a kernel, such as 6.1.192-2, from its version line.

    The line is where the header of the boot protocol says (the kernel's Documentation/arch/x86/boot.rst).
    Raises LabError `not-debian`.
    """
    image = vmlinuz.read_bytes()
    offset, = struct.unpack_from("<H", image, 0x20E)
    line = image[0x200 + offset:].split(b"\0", 1)[0].decode("ascii", "replace")
    found = re.search(r" Debian (\S+) ", line)
    if not found:
        raise LabError("not-debian", f"{vmlinuz} does not name its Debian package: {line}")
    return found.group(1)


def _fill(root: BuildRoot, image: Image) -> None:
    version, series = package_version(image.vmlinuz), ".".join(image.release.split(".")[:2])
    root.path(WORK).mkdir()
    root.let_apt_fetch()
    _add_source(root, series, version)
    _add_vmlinux(root, image.release, version)
    add_tool(root)
    _configure(root, image.release, version)


def _add_source(root: BuildRoot, series: str, version: str) -> None:
    package = f"linux-source-{series}"
    root.run("apt-get", "install", "--yes", "--no-install-recommends", f"{package}={version}", cwd="/")
    root.run("tar", "xf", f"/usr/src/{package}.tar.xz")
    root.path(f"/usr/src/{package}.tar.xz").unlink()
    root.path(f"{WORK}/{package}").rename(root.path(SOURCE))


def _add_vmlinux(root: BuildRoot, release: str, version: str) -> None:
    package = f"linux-image-{release}-dbg"
    root.run("apt-get", "download", f"{package}={version}")
    archive, = root.path(WORK).glob(f"{package}_*.deb")
    # One file of 5 GB, which comes early.
    unpack = 'dpkg-deb --fsys-tarfile "$0" | tar x --occurrence=1 --strip-components=5 "$1"'
    root.run("sh", "-c", unpack, archive.name, f"./usr/lib/debug/boot/vmlinux-{release}")
    archive.unlink()


def add_tool(root: BuildRoot) -> None:
    """Unpack kpatch-build and make its programs."""
    fetch(TARBALL, TARBALL_SHA256, root.path(f"{WORK}/kpatch.tar.gz"))
    root.run("tar", "xf", "kpatch.tar.gz")
    root.run("make", "-C", f"{WORK}/kpatch-{VERSION}/kpatch-build")


def _configure(root: BuildRoot, release: str, version: str) -> None:
    headers = root.path(f"/usr/src/linux-headers-{release}")
    # .kernelvariables sets the release, so that a patch's vermagic is the stock kernel's.
    for name in (".config", "Module.symvers", ".kernelvariables"):
        shutil.copyfile(headers / name, root.path(SOURCE) / name)
    root.run("make", "-j2", "modules_prepare", cwd=SOURCE)
    shorten_symvers(root.path(SOURCE) / "Module.symvers", _possible_imports(root, release, version))
    # There is no vmlinux.o that modpost would learn the kernel's exports from; kpatch-build takes what it does not know
    # for missing.
    script = root.path(SOURCE) / "scripts/Makefile.modpost"
    script.write_text(script.read_text().replace("-o $@", "$(if $(KBUILD_EXTMOD),,-i Module.symvers) -o $@"))


def _possible_imports(root: BuildRoot, release: str, version: str) -> set[str]:
    """Return more than all names of exports that the patches can import."""
    names = set(HOOK_IMPORTS)
    for path in root.path(SOURCE).glob(PATCHED_SOURCES):
        names.update(re.findall(r"\w+", path.read_text()))
    package, output = f"linux-image-{release}", root.path(f"{WORK}/imports")
    root.run("apt-get", "download", f"{package}={version}")
    archive, = root.path(WORK).glob(f"{package}_*.deb")
    modules = [f"lib/modules/{release}/kernel/{module}" for module in MODULES]
    root.run("sh", "-c", 'dpkg-deb --fsys-tarfile "$0" | tar x "$@"', archive.name, *(f"./{path}" for path in modules))
    root.run("nm", "--undefined-only", *modules, log=output)
    names.update(output.read_text().split())
    for path in (archive, output):
        path.unlink()
    shutil.rmtree(root.path(f"{WORK}/lib"))
    return names


def shorten_symvers(listing: Path, names: set[str]) -> None:
    """Leave in a Module.symvers only these names.

    kpatch-build reads it line by line, with one grep for each of its 25,000 lines.
    """
    lines = listing.read_text().splitlines(keepends=True)
    listing.write_text("".join(line for line in lines if line.split("\t")[1] in names))
