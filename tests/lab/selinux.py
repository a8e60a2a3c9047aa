# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines with SELinux enforcing: Debian's policy, and a disk whose files have its labels from the start.

A relabelling at the first boot takes an emulated machine more than ten minutes.
"""

from __future__ import annotations

from pathlib import Path

from .children import Children
from .image import Variant
from .machine import Machine
from .session import Lab

# What the kernel's command line has to have.
KERNEL_WORDS = "security=selinux selinux=1 enforcing=1"
PACKAGES = ("selinux-policy-default", "policycoreutils", "selinux-utils", "python3-selinux")
CONFIGURATION = "SELINUX=enforcing\nSELINUXTYPE=default\n"
SCRIPT = "/label.py"
# setfiles(8) sets no label while the running kernel has no SELinux.
LABEL = """\
import os
import selinux
selinux.matchpathcon_init(None)
def label(path):
    status = os.lstat(path)
    try:
        _code, context = selinux.matchpathcon(path, status.st_mode)
    except FileNotFoundError:  # the policy has no label for it
        return
    os.setxattr(path, "security.selinux", context.encode() + b"\\0", follow_symlinks=False)
label("/")
for directory, names, files in os.walk("/"):
    if directory == "/":
        names[:] = sorted(set(names) - {"proc", "sys", "dev"})
    for name in names + files:
        label(os.path.join(directory, name))
"""


def _finish(root: Path, children: Children, log: Path) -> None:
    Path(root, "etc/selinux/config").write_text(CONFIGURATION)
    Path(root, ".autorelabel").unlink(missing_ok=True)
    # bullseye's policy does not let root log in with ssh.
    Path(root, "var/lib/selinux/default/active/booleans.local").write_text("ssh_sysadm_login=1\n")
    children.run(["chroot", str(root), "semodule", "--noreload", "--build"], log)
    script = root / SCRIPT.lstrip("/")
    script.write_text(LABEL)
    children.run(["chroot", str(root), "python3", SCRIPT], log)
    script.unlink()


SELINUX = Variant("selinux", PACKAGES, _finish, Path(__file__))


class SelinuxLab(Lab):
    """Machines with SELinux enforcing."""

    variant = SELINUX

    def machines(self, count: int, kernel_words: str = "") -> list[Machine]:
        """Start machines, see Lab.machines."""
        return super().machines(count, f"{KERNEL_WORDS} {kernel_words}".strip())
