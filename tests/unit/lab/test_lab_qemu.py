# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's command line, its answers, and the inventory of the machines that it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.lab import qemu, ssh
from tests.lab.children import Children
from tests.lab.errors import LabError
from tests.lab.image import Image
from tests.lab.inventory import inventory_text
from tests.lab.kernels import KERNELS, find_kernel
from tests.lab.keys import Keys
from tests.lab.machine import Machine

USER_NETWORK = """\
Hub -1 (net):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[HOST_FORWARD]  14       127.0.0.1 35561       10.0.2.15    22     0     0\r
"""


class ImageOf(Image):
    """An image without files."""

    def __init__(self, release):
        super().__init__(Path("/image"))
        self.options = {}
        self._of_release = release

    @property
    def release(self):
        return self._of_release

    def configured_with(self, option):
        return self.options.get(option, True)


def command(memory=None, incoming=False, disk="/run/lab1.qcow2", release="6.1.0-56-amd64", **more):
    return qemu.command(ImageOf(release), Path(disk), Path("/run/lab1.console"), 7, memory, incoming, **more)


def value_of(words, option):
    return words[words.index(option) + 1]


def test_a_kernel_that_has_its_drivers_built_in_gets_no_initramfs():
    image = ImageOf("7.2.12-small")
    image.initrd = None
    words = qemu.command(image, Path("/disk"), Path("/console"), 7, None, False)
    assert "-initrd" not in words
    assert value_of(command(), "-initrd") == "/image/initrd"


def test_a_kernel_without_acpi_has_one_processor_and_the_timer_of_every_pc():
    image = ImageOf("7.2.12-small")
    image.options["CONFIG_ACPI"] = False
    words = qemu.command(image, Path("/disk"), Path("/console"), 7, None, False, "module_blacklist=x")
    assert (value_of(words, "-machine").endswith(",acpi=off"), value_of(words, "-smp")) == (True, "1")
    assert value_of(words, "-append").endswith(" no_timer_check nolapic_timer module_blacklist=x")


def test_other_kernels_have_two_processors_and_all_timers():
    assert ("acpi" in value_of(command(), "-machine"), value_of(command(), "-smp")) == (False, "2")
    assert "timer" not in value_of(command(), "-append").replace("default_timeout", "")


def test_emulation_is_asked_for_by_name():
    assert value_of(command(), "-accel").startswith("tcg,")


@pytest.mark.parametrize(
    ("release", "threads"),
    [("5.10.0-46-amd64", "multi"), ("6.1.0-56-amd64", "multi"), ("6.2-rc1", "single"), ("6.12.117+deb13", "single")],
)
def test_kernels_that_do_not_survive_a_stale_breakpoint_have_all_processors_in_one_thread(release, threads):
    assert f",thread={threads}," in value_of(command(release=release), "-accel")


def test_port_is_local_and_left_to_qemu():
    assert "hostfwd=tcp:127.0.0.1:0-:22" in value_of(command(), "-netdev")


def test_a_machine_that_starts_again_keeps_its_port():
    assert "hostfwd=tcp:127.0.0.1:35561-:22" in value_of(command(port=35561), "-netdev")


def test_saved_memory_is_not_written_to_by_those_who_resume():
    assert value_of(command((Path("/saved/memory"), False)), "-object").endswith("mem-path=/saved/memory,share=off")


def test_memory_that_is_to_be_saved_is_written_to_its_file():
    assert value_of(command((Path("/saved/memory"), True)), "-object").endswith("mem-path=/saved/memory,share=on")


def test_only_a_resumed_machine_waits_for_a_state():
    assert "-incoming" not in command()
    assert value_of(command(incoming=True), "-incoming") == "defer"


def test_comma_in_a_path_is_doubled():
    assert value_of(command(disk="/run/a,b.qcow2"), "-drive").startswith("file=/run/a,,b.qcow2,")


def test_forwarded_port_is_read():
    assert qemu.forwarded_port(USER_NETWORK) == 35561


def test_answer_without_a_forwarded_port_is_refused():
    with pytest.raises(ValueError, match="no forwarded port"):
        qemu.forwarded_port(USER_NETWORK.splitlines()[0])


def test_too_long_a_path_for_ssh_is_refused_beforehand(tmp_path):
    ssh.check_length(Path("/root/.cache/kernel-livepatch/lab/runs/01234567"))
    with pytest.raises(LabError) as caught:
        ssh.check_length(Path("/", "long" * 20))
    assert caught.value.code == "path-too-long"


def test_inventory_leads_to_each_machine(tmp_path):
    keys = Keys(Path("/keys with a space"))
    machines = [Machine(name, Image(Path("/image")), keys, tmp_path, Children()) for name in ("lab1", "lab2")]
    for port, machine in enumerate(machines, start=40001):
        machine.ssh_port = port
    inventory = yaml.safe_load(inventory_text(machines, "kernel_6_1", keys))["all"]
    for machine in machines:
        machine.destroy()
    assert inventory["children"]["kernel_6_1"]["hosts"] == {
        "lab1": {"ansible_host": "127.0.0.1", "ansible_port": 40001},
        "lab2": {"ansible_host": "127.0.0.1", "ansible_port": 40002},
    }
    assert inventory["vars"]["ansible_user"] == "root"
    assert inventory["vars"]["ansible_ssh_private_key_file"] == "/keys with a space/user"
    assert "'UserKnownHostsFile=/keys with a space/known_hosts'" in inventory["vars"]["ansible_ssh_common_args"]
    assert f"ControlPath={tmp_path}/%p-%r" in inventory["vars"]["ansible_ssh_common_args"]


def test_kernels_are_found_by_name_and_have_groups_of_their_own():
    assert all(find_kernel(name).name == name for name in KERNELS)
    assert find_kernel("6.1").group == "kernel_6_1"
    assert len({kernel.group for kernel in KERNELS.values()}) == len(KERNELS)


def test_unknown_kernel_is_refused_with_the_known_ones():
    with pytest.raises(LabError, match=r"6\.1") as caught:
        find_kernel("2.4")
    assert caught.value.code == "unknown-kernel"


def test_words_for_the_kernel_end_its_command_line():
    assert value_of(command(kernel_words="nosmp"), "-append").endswith(" quiet nosmp")
    assert value_of(command(), "-append").endswith(" quiet")
