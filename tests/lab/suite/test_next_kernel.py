# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build kept for a kernel that does not run yet, and the first boot of that kernel.

QEMU starts each kernel from outside, on one disk: the machine has no boot loader. Of the second kernel the disk has its
image, and a directory of modules with those of its initramfs.
"""

from __future__ import annotations

import pytest
from guest import FILES, UNIT
from test_boot import moment
from wholeness import assert_whole, codes

from tests.lab import Lab

NAME_SIZE, FILE_SIZE = 11, 6  # fields of a header, by cpio(5), newc


def modules_of(initrd):
    """{name: bytes} of the modules in an initramfs of the lab."""
    content, at, found = initrd.read_bytes(), 0, {}
    while content[at:at + 6] == b"070701":
        fields = [int(content[at + 6 + 8 * number:at + 14 + 8 * number], 16) for number in range(13)]
        name_end = at + 110 + fields[NAME_SIZE]
        name = content[at + 110:name_end - 1].decode()
        start = name_end + -name_end % 4
        end = start + fields[FILE_SIZE]
        if name.startswith("modules/") and ".ko" in name:  # Debian compresses them since Linux 6.12
            found[name.rpartition("/")[2]] = content[start:end]
        at = end + -end % 4
    return found


def install(guest, image, directory):
    """Put the files of a second kernel onto the disk, as its package does; of its modules, a few."""
    files = directory / "kernel"
    files.mkdir()
    for name, content in modules_of(image.initrd).items():
        (files / name).write_bytes(content)
    names = [file.name for file in files.iterdir()]
    assert names
    (directory / "modules.dep").write_text("".join(f"kernel/{name}:\n" for name in names))
    guest.put([files, directory / "modules.dep", image.vmlinuz, image.config])
    guest.run(
        f"set -e; mkdir -p /lib/modules/{image.release}; cd {FILES}; "
        f"mv kernel modules.dep /lib/modules/{image.release}/; "
        f"touch /lib/modules/{image.release}/modules.builtin; "
        f"mv vmlinuz /boot/vmlinuz-{image.release}; mv config /boot/config-{image.release}; sync")


@pytest.mark.exhaustive
def test_a_host_patched_for_its_next_kernel_is_covered_from_its_first_second(
        start, lab, patches, request, tmp_path, seen):
    name = "6.1" if request.config.getoption("--kernel") == "6.12" else "6.12"
    guest, play = start()
    running = guest.release()
    with Lab(kernel=name) as other_lab:
        other, build = lab.image_of(name), other_lab.patches["cmdline_v1"]
        bundle = tmp_path / "bundle"
        for release, file in ((running, patches["cmdline_v1"]), (other.release, build)):
            (bundle / release).mkdir(parents=True)
            (bundle / release / "cmdline_v1.ko").write_bytes(file.read_bytes())
    assert play("patch", src=bundle, state="accepted").code == 0
    refused = play("patch", src=bundle, state="accepted", kernel=other.release)
    assert (refused.code, refused.result["code"]) == (2, "kernel-not-installed"), refused.output
    install(guest, other, tmp_path)
    kept = play("patch", src=bundle, state="accepted", kernel=other.release)
    assert (kept.code, kept.result["patch"]["kernel"]) == (0, other.release), kept.output
    assert "first-boot-checks" in codes(kept.result["findings"])
    assert play("patch", src=bundle, state="accepted", kernel=other.release).result["changed"] is False
    livepatch = assert_whole(guest, play, "accept done", "accept done", "patch done")
    assert livepatch["drift"] == []
    assert (livepatch["boot"]["next"]["kernel"], livepatch["boot"]["patches"]) == (None, ["cmdline_v1"])
    guest.run("systemctl --quiet is-enabled kernel-livepatch && sync")
    guest.machine.restart(image=other)
    guest.machine.wait_for_ssh()
    assert (guest.release(), guest.version()) == (other.release, "v1")
    assert 0 < moment(guest, UNIT, "ActiveEnter") < moment(guest, "ssh.service", "ExecMainStart")
    livepatch = assert_whole(guest, play, "boot done", "accept done", "accept done", "patch done")
    assert [(entry["release"], entry["untried"]) for entry in livepatch["accepted"]] == [
        (running, False), (other.release, True)]
    assert play("patch_verify").result["verified"] is True
    again = play("patch", src=bundle, state="accepted", kernel=other.release)
    assert (again.code, again.result["changed"]) == (0, False), again.output
    seen(f"a build kept for {other.release}, then a boot of that kernel", "loaded before sshd started, and verified")
