# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot Loader Specification entries, and the entry that systemd-boot starts next. systemd-boot(7), loader.conf(5)."""

import fnmatch
import re

EFI_VARIABLE = "/sys/firmware/efi/efivars/{name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"  # the Boot Loader Interface
ATTRIBUTES = 4  # bytes before the value of a variable
PARTITIONS = ("/efi", "/boot", "/boot/efi")
COUNTER = re.compile(r"\+\d+(-\d+)?\Z")  # tries left and done, in the name of an entry
EXHAUSTED = re.compile(r"\+0(-\d+)?\Z")
SPECIAL = "@saved"
LARGEST = 1 << 20


class Undecided(Exception):
    """The next kernel is not known; the text is the reason."""


def efi_text(host, name):
    """The text of a variable of the Boot Loader Interface, None without it."""
    content = host.read_bytes_or(EFI_VARIABLE.format(name=name))
    return content and (content[ATTRIBUTES:].decode("utf-16-le", "replace").split("\0")[0] or None)


def loader_of_this_boot(host):
    """The name and version of the boot loader that has started this boot, None if it does not tell."""
    return efi_text(host, "LoaderInfo")


def read_entries(host, directory):
    """{identifier: {key: value}} of the entries in a directory; the identifier is the name of the file."""
    entries = {}
    for name in host.names(directory):
        if not name.endswith(".conf"):
            continue
        lines = host.read_small(f"{directory}/{name}", LARGEST).decode("utf-8", "replace").splitlines()
        fields = dict(line.strip().split(None, 1) for line in lines
                      if len(line.split(None, 1)) == 2 and not line.lstrip().startswith("#"))
        entries[name[:-len(".conf")]] = fields
    return entries


def image_of(identifier, fields):
    """The path of the kernel in an entry; raises Undecided."""
    if "linux" not in fields:
        raise Undecided(f"the entry {identifier} names no kernel")
    return fields["linux"].strip()


class SystemdBoot:
    """The entries of systemd-boot on this host."""

    name = "systemd-boot"

    def __init__(self, host):
        self._host = host

    def next_entry(self):
        """The identifier of the next entry, and the path of its kernel; raises Undecided, OSError."""
        entries = self._entries()
        wanted = self._wanted()
        matching = [name for name in entries if fnmatch.fnmatchcase(name.lower(), _stem(wanted).lower())]
        if len(matching) != 1:
            raise Undecided(
                f"systemd-boot is set to start {wanted}, and {len(matching) or 'no'} entries match. See bootctl list")
        return matching[0], image_of(matching[0], entries[matching[0]])

    def _wanted(self):
        """The identifier or pattern of the next entry."""
        preferred = efi_text(self._host, "LoaderEntryPreferred") or self._configured("preferred")
        if preferred and not efi_text(self._host, "LoaderEntryOneShot"):
            raise Undecided(
                f"systemd-boot has the preferred entry {preferred}, and not every version starts it. Set an entry with "
                "bootctl set-oneshot, or clear the preferred one")
        for variable in ("LoaderEntryOneShot", "LoaderEntryDefault"):
            wanted = efi_text(self._host, variable)
            if wanted:
                break
        else:
            wanted = self._configured("default")
        if wanted == SPECIAL:
            wanted = efi_text(self._host, "LoaderEntryLastBooted")
        if not wanted or wanted.startswith(("auto-", "@")):
            raise Undecided(
                f"systemd-boot is set to start {wanted or 'the first entry in its order'}. Set an entry with bootctl "
                "set-default")
        return wanted

    def _configured(self, key):
        for partition in PARTITIONS:
            content = self._host.read_or(f"{partition}/loader/loader.conf")
            if content is not None:
                values = [line.split(None, 1)[1].strip() for line in content.splitlines()
                          if line.split(None, 1)[:1] == [key] and len(line.split(None, 1)) == 2]
                return values[-1] if values else None
        return None

    def _entries(self):
        """The entries of every partition; those that have used up their tries are left out."""
        found = {}
        for partition in PARTITIONS:
            for name, fields in read_entries(self._host, f"{partition}/loader/entries").items():
                if not EXHAUSTED.search(name):
                    found.setdefault(COUNTER.sub("", name), fields)
            for name in self._host.names(f"{partition}/EFI/Linux"):
                found.setdefault(_stem(name), {})
        return found


def _stem(name):
    """The name of an entry without its ending: both forms are in use."""
    return COUNTER.sub("", name[:-len(".conf")] if name.endswith(".conf") else name)
