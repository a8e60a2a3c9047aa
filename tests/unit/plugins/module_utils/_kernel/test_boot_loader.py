# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel that boots next, by the files of boot loaders: known for certain, or not known with the reason.

fixtures/grub.cfg is what Debian's grub-mkconfig writes, without the blanks at the ends of lines. The other files are
made up after their manuals.
"""

import os
import struct
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.boot_loader import next_kernel

FIXTURE = Path(__file__).resolve().parents[3] / "fixtures" / "grub.cfg"
OLD, NEW = "6.1.0-56-amd64", "6.1.0-57-amd64"
UUID = "7a3f0d1e-2b64-4c1c-8d55-7a8f3d0c9d11"
BLOCK = "# GRUB Environment Block\n"
EFIVARS = "/sys/firmware/efi/efivars/{}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
ADVANCED = f"gnulinux-advanced-{UUID}>gnulinux-{OLD}-advanced-{UUID}"


def image(release):
    """The first bytes of a kernel for x86, with its release where the boot protocol has it."""
    head = bytearray(4096)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<HIHH", head, 0x206, 0x20F, 0, 0, 0x800)
    text = f"{release} (debian-kernel@lists.debian.org) #1 SMP\0".encode()
    head[0xA00:0xA00 + len(text)] = text
    return bytes(head)


@pytest.fixture
def host(kernel):
    """A host that GRUB has started, with the images of two kernels."""
    kernel.put("/proc/cmdline", f"BOOT_IMAGE=/boot/vmlinuz-{OLD} root=/dev/vda1 ro quiet\n")
    for release in (OLD, NEW):
        kernel.put(f"/boot/vmlinuz-{release}", image(release))
    return kernel


def with_grub(host, environment="", edit=lambda text: text):
    host.put("/boot/grub/grub.cfg", edit(FIXTURE.read_text()))
    if environment is not None:
        host.put("/boot/grub/grubenv", f"{BLOCK}{environment}".ljust(1024, "#"))
    return host


def default(value):
    return lambda text: text.replace('set default="${saved_entry}"', f'set default="{value}"')


@pytest.mark.parametrize("environment, edit, release", [
    ("", default("0"), NEW),
    (None, default("0"), NEW),
    ("", default("1>0"), NEW),
    ("", default("1>2"), OLD),
    ("", default(ADVANCED), OLD),
    (f"saved_entry={ADVANCED}\n", lambda text: text, OLD),
    (f"saved_entry={ADVANCED}\n", default("0"), NEW),
    (f"saved_entry=0\nnext_entry={ADVANCED}\n", lambda text: text, OLD),
    # grub-mkconfig's script chooses first: prev_saved_entry is for the boot after the next one.
    (f"saved_entry=0\nprev_saved_entry={ADVANCED}\n", lambda text: text, NEW),
    (f"saved_entry={ADVANCED}\nprev_saved_entry=0\n", lambda text: text, OLD),
    ("saved_entry=Debian GNU/Linux\n", lambda text: text, NEW),
    ("saved_entry=1>Debian GNU/Linux, with Linux 6.1.0-56-amd64 (recovery mode)\n", lambda text: text, OLD),
    ("", lambda text: text, NEW),
])
def test_the_choice_of_grub(host, environment, edit, release):
    found = next_kernel(with_grub(host, environment, edit))
    assert (found.loader, found.kernel, found.why) == ("grub", release, None)
    assert found.entry.startswith("Debian GNU/Linux")


def before(lines):
    """An edit that puts lines before the script."""
    return lambda text: f"{lines}\n{text}"


def with_menu(start, kernel=OLD):
    """An edit that puts an entry before the others, and chooses it."""
    return lambda text: before(f"{start} {{\nlinux /boot/vmlinuz-{kernel}\n}}")(default("mine")(text))


@pytest.mark.parametrize("environment, edit, release", [
    ("", with_menu("menuentry 'Mine' --id mine"), OLD), ("", with_menu("menuentry 'Mine' --id=mine"), OLD),
    ("", with_menu("menuentry 'Mine' --id 'm'\"in\"e"), OLD), ("", with_menu("menuentry m'i'ne"), OLD),
    ("", with_menu("menuentry 'mine'\\''s' --id other\nmenuentry mine", NEW), NEW),
    # What Ubuntu and others have in the script, and what changes nothing.
    ("recordfail=1\n", before("if [ -e ${prefix}/gfxblacklist.txt ]; then\nset linux_gfx_mode=keep\nfi"), NEW),
    ("", before('if [ "${initrdfail}" = 1 ]; then\nset next_entry="${prev_entry}"\nfi'), NEW),
    ("env_block=512+1\n", lambda text: text.replace("env_block", "other"), NEW),
    ("", before("if [ -f ${config_directory}/user.cfg ]; then\n  source ${config_directory}/user.cfg\nfi"), NEW),
    ("", before('if [ -f "/.snapshots/grub-snapshot.cfg" ]; then\n  source "/.snapshots/grub-snapshot.cfg"\nfi'), NEW),
    ("", lambda text: f'{text}\nsubmenu x {{\nconfigfile "${{prefix}}/grub-btrfs.cfg"\n}}\n', NEW)])
def test_the_scripts_of_other_distributions(host, environment, edit, release):
    found = next_kernel(with_grub(host, environment, edit))
    assert (found.loader, found.kernel, found.why) == ("grub", release, None)


@pytest.mark.parametrize("environment, edit, why", [
    ("", before("default=1"), "sets default more than once"), ("", before('"set" "default=1"'), "more than once"),
    ("", lambda text: f"{text}\nunset default\n", "sets default more than once"),
    ("", before("source /boot/other.cfg"), "reads /boot/other.cfg, which can change the choice"),
    ("", before(". ${prefix}/mine.cfg"), "reads ${prefix}/mine.cfg"), ("", before("eval $x"), "reads $x"),
    ("env_block=512+1\n", before('if [ "${env_block}" ]; then\nload_env -f "${env_block}"\nfi'), "(env_block)"),
    ("initrdfail=1\n", before('if [ "${initrdfail}" = 1 ]; then\nset next_entry="${prev_entry}"\nfi'), "(initrdfail)"),
    ("", lambda text: before("if true; then\nmenuentry Mine --id mine {\nlinux /boot/vmlinuz-1\n}\nfi")(
        default("mine")(text)), "the entry Mine depends on a condition"),
    ("", before("menuentry Other --id osprober-gnulinux-simple-1 {\nlinux /boot/vmlinuz\n}"),
     "the entry Other starts another system"),
    ("saved_entry=\u00b2\n", lambda text: text, "no such entry"),
    ("saved_entry=" + "9" * 5000 + "\n", lambda text: text, "no such entry"),
    ("", before("menuentry x {\n{\n}\n}"), "starts no Linux kernel"),
    ("", before("{" * 3000 + "}" * 3000), "blocks in one another")])
def test_scripts_of_which_the_choice_is_not_known(host, environment, edit, why):
    found = next_kernel(with_grub(host, environment, edit))
    assert (found.loader, found.kernel) == ("grub", None)
    assert why in found.why


@pytest.mark.parametrize("content, known", [
    ("GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.AB\n", True), ("", True), ("# x\n\n", True), ("set default=1\n", False)])
def test_a_password_of_grub_changes_nothing(host, content, known):
    with_grub(host).put("/boot/grub/user.cfg", content)
    assert (next_kernel(host).kernel is not None) is known


STUB = "search.fs_uuid 1a2b root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"


def test_a_short_script_on_the_efi_partition_reads_the_one_in_boot(host):
    with_grub(host).put("/boot/efi/EFI/debian/grub.cfg", STUB)
    host.put("/sys/firmware/efi/fw_platform_size", "64\n")
    assert next_kernel(host).kernel == NEW


def test_a_script_in_boot_that_grub_may_not_read(host):
    with_grub(host).put("/boot/efi/EFI/redhat/grub.cfg", FIXTURE.read_text())
    assert next_kernel(host).kernel == NEW  # the firmware is no EFI
    host.put("/sys/firmware/efi/fw_platform_size", "64\n")
    found = next_kernel(host)
    assert found.kernel is None
    assert "/boot/grub/grub.cfg and /boot/efi/EFI/redhat/grub.cfg, and GRUB reads one of them" in found.why


def test_the_only_script_is_on_the_efi_partition(host):
    host.put("/sys/firmware/efi/fw_platform_size", "64\n")
    host.put("/boot/efi/EFI/redhat/grub.cfg", BLS)
    host.put("/boot/efi/EFI/redhat/grubenv", f"{BLOCK}saved_entry=0a1b-{OLD}\n")
    host.put(f"/boot/loader/entries/0a1b-{OLD}.conf", entry(OLD))
    found = next_kernel(host)
    assert (found.loader, found.kernel) == ("grub", OLD)


def test_one_directory_under_two_names(host):
    with_grub(host)
    os.symlink("grub", host.path("/boot/grub2"))
    assert next_kernel(host).kernel == NEW


@pytest.mark.parametrize("other, known", [(NEW, True), (OLD, False)])
def test_a_path_that_two_file_systems_have(host, other, known):
    with_grub(host, edit=lambda text: text.replace(f"linux\t/boot/vmlinuz-{NEW}", "linux\t/vmlinuz", 1))
    host.put("/boot/vmlinuz", image(NEW))
    host.put("/vmlinuz", image(other))
    found = next_kernel(host)
    assert (found.kernel == NEW) is known and (known or "/vmlinuz and /boot/vmlinuz are different" in found.why)


@pytest.mark.parametrize("environment, edit, why", [
    ("saved_entry=gone\n", lambda text: text, "GRUB is set to start gone, and grub.cfg has no such entry"),
    ("", default("7"), "GRUB is set to start 7, and grub.cfg has no such entry"),
    ("", default("1"), "GRUB is set to start 1, and that is a submenu"),
    ("", default("$chosen"), "sets default to $chosen, whose value is not known"),
    ("", lambda text: f"set default=1\n{text}", "sets default more than once"),
    ("boot_counter=2\n", lambda text: text, "GRUB counts the tries of this boot"),
    ("", lambda text: text.replace("submenu", "}\nsubmenu"), "has a brace without its beginning"),
    ("", lambda text: f"{text}\nmenuentry 'x' {{\n", "has a brace without its end"),
    ("", lambda text: f"{text}\nmenuentry 'x\n", "has a quotation without its end"),
    ("", lambda text: f"if true; then\nmenuentry 'x' {{\n}}\nfi\n{text}", "depends on a condition"),
    ("", lambda text: f"menuentry 'Other' {{\nchainloader +1\n}}\n{text}", "the entry Other starts no Linux kernel"),
    ("", lambda text: text.replace(f"linux\t/boot/vmlinuz-{NEW}", "linux\t/boot/vmlinuz-gone", 1),
     "starts /boot/vmlinuz-gone, and this host has no such file"),
])
def test_grub_where_its_choice_is_not_known(host, environment, edit, why):
    found = next_kernel(with_grub(host, environment, edit))
    assert (found.loader, found.kernel) == ("grub", None)
    assert why in found.why


def test_a_menu_that_a_person_has_added_to(host):
    with_grub(host).put("/boot/grub/custom.cfg", "set default=1\n")
    assert "custom.cfg can change the choice" in next_kernel(host).why


def test_a_damaged_environment_block(host):
    with_grub(host).put("/boot/grub/grubenv", "saved_entry=1\n")
    assert "is not an environment block" in next_kernel(host).why


def test_two_configurations_of_grub(host):
    with_grub(host).put("/boot/grub2/grub.cfg", "")
    assert "GRUB reads one of them" in next_kernel(host).why


def test_a_link_to_the_kernel_and_a_boot_partition_of_its_own(host):
    os.symlink(f"vmlinuz-{OLD}", host.path("/boot/vmlinuz"))
    with_grub(host, edit=lambda text: text.replace(f"linux\t/boot/vmlinuz-{NEW}", "linux\t($root)/vmlinuz", 1))
    assert next_kernel(host).kernel == OLD


def test_the_release_is_read_in_the_image_and_not_in_its_name(host):
    host.put(f"/boot/vmlinuz-{NEW}", image(OLD))
    assert next_kernel(with_grub(host)).kernel == OLD


def test_an_image_without_a_header_counts_by_its_name_if_that_kernel_is_installed(host):
    host.put(f"/boot/vmlinuz-{NEW}", b"\x1f\x8b" + bytes(4096))
    with_grub(host)
    assert "does not show its release" in next_kernel(host).why
    host.put(f"/lib/modules/{NEW}/modules.dep", "")
    assert next_kernel(host).kernel == NEW


def test_a_boot_that_grub_has_not_started(host):
    with_grub(host).put("/proc/cmdline", "root=/dev/vda1\n")
    assert "this boot was not started by GRUB (no BOOT_IMAGE in /proc/cmdline)" in next_kernel(host).why


def test_a_kernel_that_kexec_has_loaded(host):
    with_grub(host).put("/sys/kernel/kexec_loaded", "1\n")
    assert "a reboot may start that one" in next_kernel(host).why


def test_no_boot_loader(host):
    found = next_kernel(host)
    assert (found.loader, found.entry, found.kernel) == (None, None, None)
    assert found.why == "neither a configuration of GRUB nor of systemd-boot is found"


def test_zipl(host, monkeypatch):
    monkeypatch.setattr(host, "machine", lambda: "s390x")
    assert "zipl writes the kernel into a boot record" in next_kernel(with_grub(host)).why


# GRUB with entries of the Boot Loader Specification, as on Fedora and Red Hat Enterprise Linux

BLS = """\
set pager=1
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
if [ "${boot_counter}" -a "${boot_success}" = "0" ]; then
  if  [ "${boot_counter}" = "0" -o "${boot_counter}" = "-1" ]; then
    set default=1
    set boot_counter=-1
  fi
fi
insmod blscfg
blscfg
"""


def entry(release, **more):
    fields = dict({"title": f"Linux ({release})", "version": release, "linux": f"/vmlinuz-{release}"}, **more)
    return "".join(f"{key} {value}\n" for key, value in fields.items())


@pytest.fixture
def specified(host):
    """Two entries of the specification, and a grub.cfg that reads them."""
    host.put("/boot/grub2/grub.cfg", BLS)
    for release in (OLD, NEW):
        host.put(f"/boot/loader/entries/0a1b-{release}.conf", entry(release))
    return host


@pytest.mark.parametrize("environment, release", [
    (f"saved_entry=0a1b-{OLD}\n", OLD), (f"saved_entry=0a1b-{NEW}\n", NEW),
    (f"saved_entry=0a1b-{OLD}\nnext_entry=0a1b-{NEW}\n", NEW), (f"saved_entry=Linux ({OLD})\n", OLD)])
def test_entries_of_the_specification(specified, environment, release):
    specified.put("/boot/grub2/grubenv", f"{BLOCK}{environment}")
    found = next_kernel(specified)
    assert (found.loader, found.kernel, found.entry) == ("grub", release, f"0a1b-{release}")


@pytest.mark.parametrize("environment", [
    "", "saved_entry=0\n", "saved_entry=gone\n", "saved_entry=x\nboot_counter=1\n"])
def test_an_order_of_entries_is_not_guessed(specified, environment):
    specified.put("/boot/grub2/grubenv", f"{BLOCK}{environment}")
    assert next_kernel(specified).kernel is None


# systemd-boot

def efi(host, name, text):
    host.put(EFIVARS.format(name), struct.pack("<I", 6) + text.encode("utf-16-le") + b"\0\0")


@pytest.fixture
def systemd_boot(host):
    """A host that systemd-boot has started, with two entries; one counts its tries."""
    efi(host, "LoaderInfo", "systemd-boot 252.39-1~deb12u1")
    for release, counter in ((OLD, ""), (NEW, "+3")):
        specified = entry(release, linux=f"/debian/{release}/linux")
        host.put(f"/efi/loader/entries/debian-{release}{counter}.conf", specified)
        host.put(f"/efi/debian/{release}/linux", image(release))
    return host


@pytest.mark.parametrize("variables, configured, release", [
    ({}, f"default debian-{OLD}.conf\n", OLD),
    ({}, f"timeout 3\ndefault debian-{NEW}\n", NEW),
    ({}, "#default other\ndefault debian-*56*\n", OLD),
    ({"LoaderEntryDefault": f"debian-{NEW}.conf"}, f"default debian-{OLD}.conf\n", NEW),
    ({"LoaderEntryOneShot": f"debian-{NEW}.conf", "LoaderEntryDefault": f"debian-{OLD}.conf"}, "", NEW),
    ({"LoaderEntryLastBooted": f"debian-{OLD}.conf"}, "default @saved\n", OLD)])
def test_the_choice_of_systemd_boot(systemd_boot, variables, configured, release):
    for name, value in variables.items():
        efi(systemd_boot, name, value)
    systemd_boot.put("/efi/loader/loader.conf", configured)
    found = next_kernel(systemd_boot)
    assert (found.loader, found.kernel, found.entry) == ("systemd-boot", release, f"debian-{release}")


@pytest.mark.parametrize("configured, why", [
    ("", "the first entry in its order"), ("default debian-*\n", "2 entries match"),
    ("default x\n", "no entries match"), ("default @saved\n", "systemd-boot is set to start"),
    ("default auto-windows\n", "start auto-windows")])
def test_systemd_boot_where_its_choice_is_not_known(systemd_boot, configured, why):
    systemd_boot.put("/efi/loader/loader.conf", configured)
    found = next_kernel(systemd_boot)
    assert (found.loader, found.kernel) == ("systemd-boot", None)
    assert why in found.why


@pytest.mark.parametrize("variables, configured, known", [
    ({"LoaderEntryPreferred": f"debian-{NEW}.conf", "LoaderEntryDefault": f"debian-{OLD}.conf"}, "", False),
    ({}, f"preferred debian-{NEW}.conf\ndefault debian-{OLD}.conf\n", False),
    ({"LoaderEntryPreferred": f"debian-{OLD}.conf", "LoaderEntryOneShot": f"debian-{NEW}.conf"}, "", True)])
def test_a_preferred_entry_counts_only_in_newer_versions(systemd_boot, variables, configured, known):
    for name, value in variables.items():
        efi(systemd_boot, name, value)
    systemd_boot.put("/efi/loader/loader.conf", configured)
    found = next_kernel(systemd_boot)
    assert found.kernel == (NEW if known else None) and (known or "preferred entry" in found.why)


def test_an_entry_without_tries_left_is_not_started(systemd_boot):
    systemd_boot.put("/efi/loader/loader.conf", "default debian-*\n")
    os.rename(systemd_boot.path(f"/efi/loader/entries/debian-{NEW}+3.conf"),
              systemd_boot.path(f"/efi/loader/entries/debian-{NEW}+0-3.conf"))
    assert next_kernel(systemd_boot).kernel == OLD


def test_a_unified_kernel_image_is_not_read(systemd_boot):
    systemd_boot.put("/efi/EFI/Linux/unified.efi", "MZ")
    systemd_boot.put("/efi/loader/loader.conf", "default unified.efi\n")
    assert "names no kernel" in next_kernel(systemd_boot).why


def test_another_boot_loader(host):
    efi(host, "LoaderInfo", "rEFInd 0.14")
    assert "this host was started by rEFInd 0.14" in next_kernel(host).why
