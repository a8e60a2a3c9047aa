# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU command line of a machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from .image import Image

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 512

HARDWARE = (
    "-nodefaults", "-no-user-config", "-display", "none",
    "-cpu", "qemu64,+rdrand,+smep,+smap", "-m", f"{MEMORY_MIB}M",
    "-rtc", "base=utc,clock=host", "-device", "virtio-rng-pci",
)

MACHINE = "pc,usb=off,vmport=off,smbus=off,memory-backend=memory"
# A kernel without ACPI knows no clock to measure others by. On a busy host it mistrusts the processors' timers
# and then waits for ever; so it has one processor, and only the timer that every PC has.
WITHOUT_ACPI = "no_timer_check nolapic_timer"

# What QEMU's monitor calls the end of the network that is outside the machine.
NETWORK = "net"

# panic=1: a machine that crashes starts again after a second, as a server would.
# Where many machines share a processor, what starts them takes longer than systemd waits for it.
PATIENCE = "systemd.default_timeout_start_sec=1200 systemd.service_watchdogs=0"
KERNEL_COMMAND_LINE = f"console=ttyS0 root=/dev/vda rw net.ifnames=0 panic=1 {PATIENCE} quiet"


def version() -> str:
    """Return QEMU's version line."""
    return subprocess.run([PROGRAM, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]


def command(
    image: Image, disk: Path, console_log: Path, monitor: int, memory: tuple[Path, bool] | None, incoming: bool,
    kernel_words: str = "", port: int = 0,
) -> list[str]:
    """Return the command line.

    `monitor` is the descriptor of QEMU's end of the control connection, `memory` a file that holds the machine's memory
    and whether the machine may change it; `incoming` has the machine wait for a saved state; `kernel_words` end the
    kernel's command line. QEMU itself chooses the port that leads to the machine's sshd, so no other process can take
    it in between; `port` is that of a machine that starts again.
    """
    backend = f"size={MEMORY_MIB}M,id=memory"
    if memory is None:
        backend = f"memory-backend-ram,{backend}"
    else:
        path, writable = memory
        backend = f"memory-backend-file,{backend},mem-path={_escaped(path)},share={'on' if writable else 'off'}"
    return [
        PROGRAM, "-accel", _accelerator(image.release), *_processors(image), *HARDWARE, "-object", backend,
        "-kernel", str(image.vmlinuz), *(["-initrd", str(image.initrd)] if image.initrd else []),
        "-append", " ".join(filter(None, (KERNEL_COMMAND_LINE, _timer_words(image), kernel_words))),
        "-drive", f"file={_escaped(disk)},format=qcow2,if=virtio,cache=unsafe,discard=unmap",
        "-netdev", f"user,id={NETWORK},hostfwd=tcp:127.0.0.1:{port}-:22",
        "-device", f"virtio-net-pci,netdev={NETWORK},romfile=",
        "-chardev", f"file,id=console,path={_escaped(console_log)},append=on", "-serial", "chardev:console",
        "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        *(["-incoming", "defer"] if incoming else []),
    ]


def overlay_command(disk: Path, base: Path, base_format: str) -> list[str]:
    """Return the command that creates a qcow2 disk for what differs from the base, which is never written to."""
    return ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", base_format, str(disk)]


def forwarded_port(user_network: str) -> int:
    """Return the host's port out of the monitor's answer to `info usernet`."""
    found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s", user_network)
    if not found:
        raise ValueError(f"no forwarded port in {user_network!r}")
    return int(found.group(1))


def _accelerator(release: str) -> str:
    """TCG by name: /dev/kvm can exist and hang a machine for ever. tb-size, in MiB: its cache takes a GiB by default.

    Where each processor is a thread, one can translate code that another changes just then and keep what was there
    before: a breakpoint that is gone. 5.10 and 6.1 go on from that (arch/x86/kernel/kprobes/core.c,
    kprobe_int3_handler), later ones crash ("Oops: int3"), most of all in a transition, where 6.12 changes all calls
    of cond_resched().
    """
    major, minor = (int(part) for part in re.findall(r"\d+", release)[:2])
    return f"tcg,thread={'multi' if (major, minor) <= (6, 1) else 'single'},tb-size=256"


def _processors(image: Image) -> list[str]:
    if image.configured_with("CONFIG_ACPI"):
        return ["-machine", MACHINE, "-smp", "2"]
    return ["-machine", f"{MACHINE},acpi=off", "-smp", "1"]


def _timer_words(image: Image) -> str:
    return "" if image.configured_with("CONFIG_ACPI") else WITHOUT_ACPI


def _escaped(path: Path) -> str:
    """In QEMU's option lists a comma is doubled."""
    return str(path).replace(",", ",,")
