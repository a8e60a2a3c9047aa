# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu entry that GRUB starts next: its environment block, and the grub.cfg that grub-mkconfig writes.

A grub.cfg is a script. Only its menu and the assignments of `default` in the form of grub-mkconfig are read; anything
else that could change the choice makes it unknown. On EFI, distributions have it in /boot, and in the EFI partition a
short one that reads it; or only the one in the EFI partition, as CentOS 7 and Red Hat Enterprise Linux 8.
"""

import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.boot_entries import (
    Undecided,
    image_of,
    read_entries,
)

DIRECTORIES = ("/boot/grub2", "/boot/grub")
EFI, EFI_DIRECTORIES = "/sys/firmware/efi", ("/boot/efi/EFI", "/efi/EFI")
OF_A_MENU = re.compile(r"^\s*(?:menuentry|blscfg)\b", re.MULTILINE)
LARGEST = 1 << 20  # bytes
BLOCK = "# GRUB Environment Block\n"
MOST_DEPTH, MOST_BLOCKS = 8, 50  # of submenus, and of all braces
# Words of a script: quoted text, a variable, or other characters; a comment ends with its line.
WORD = re.compile(r"""#[^\n]*|'([^']*)'|"((?:[^"\\]|\\.)*)"|([{};\n])|((?:\$\{\w+\}|[^\s'"{};#\\]|\\.)+)""")
LINUX = ("linux", "linux16", "linuxefi")
ONCE, SAVED, EARLIER = "${next_entry}", "${saved_entry}", "${prev_entry}"
# Commands that read another script. Of the distributions' own ones, `custom.cfg` and `user.cfg` are looked at, and
# snapper's only adds entries at the end.
READING = ("source", ".", "configfile", "eval", "normal")
CUSTOM, USER, SNAPSHOTS = "custom.cfg", "user.cfg", "grub-snapshot.cfg"
PASSWORD = re.compile(r"\s*(?:#.*|GRUB2_PASSWORD=\S*)?\Z")
OTHER_SYSTEM = "osprober-"  # what an identifier begins with
NUMBER = re.compile(r"[0-9]{1,6}\Z")

# One command with its words; `block` are the commands between its braces, None without any. conditional: in an `if`.
Command = namedtuple("Command", "words block conditional")
Entry = namedtuple("Entry", "title identifier block is_menu conditional")


class Grub:
    """The configuration of GRUB on this host."""

    name = "grub"

    def __init__(self, host, directory):
        self._host = host
        self._directory = directory
        self.path = f"{directory}/grub.cfg"

    @classmethod
    def found(cls, host):
        """The Grub of a host, None without a grub.cfg; raises Undecided for several, and OSError."""
        found = {}  # by the file itself: one directory can be a link to another
        for directory in (*DIRECTORIES, *(_with_a_menu(host) if host.exists(EFI) else ())):
            if host.exists(f"{directory}/grub.cfg"):
                found.setdefault(host.resolved(f"{directory}/grub.cfg"), directory)
        if len(found) > 1:
            files = " and ".join(f"{directory}/grub.cfg" for directory in found.values())
            raise Undecided(f"there are {files}, and GRUB reads one of them")
        return next((cls(host, directory) for directory in found.values()), None)

    def next_entry(self):
        """The title of the next entry, and the path of its kernel; raises Undecided, OSError."""
        text = self._host.read_small(self._host.resolved(self.path), LARGEST + 1).decode("utf-8", "replace")
        if len(text) > LARGEST:
            raise Undecided(f"{self.path} is larger than {LARGEST >> 20} MiB")
        commands = parse(text)
        self._refuse_other_scripts(commands)
        wanted = self._wanted(commands, self._environment())
        entries = _entries(commands)
        if any(command.words[:1] == ["blscfg"] for command in _all(commands)):
            return self._of_specification(wanted, entries)
        entry = _chosen(entries, wanted)
        if (entry.identifier or "").startswith(OTHER_SYSTEM):
            raise Undecided(f"the entry {entry.title} starts another system")
        images = [command.words[1] for command in _all(entry.block)
                  if len(command.words) > 1 and command.words[0] in LINUX]
        if len(set(images)) != 1:
            raise Undecided(f"the entry {entry.title} starts {'several kernels' if images else 'no Linux kernel'}")
        return entry.title, images[0]

    def _refuse_other_scripts(self, commands):
        """Raise Undecided for a script that this one reads, and that can change the choice."""
        custom = f"{self._directory}/{CUSTOM}"
        if self._host.exists(custom):
            raise Undecided(f"{custom} can change the choice, and is not read")
        user = self._host.read_or(f"{self._directory}/{USER}", "")
        if not all(map(PASSWORD.match, user.splitlines())):
            raise Undecided(f"{self._directory}/{USER} has more than a password, and is not read")
        for command in commands:
            if command.words and command.words[0] in READING:
                script = command.words[-1]
                if script.rpartition("/")[2] not in (CUSTOM, USER, SNAPSHOTS):
                    raise Undecided(f"{self.path} reads {script}, which can change the choice")

    def _environment(self):
        """The variables of grubenv; none without that file."""
        path = f"{self._directory}/grubenv"
        if not self._host.exists(path):
            return {}
        text = self._host.read_small(self._host.resolved(path), LARGEST).decode("utf-8", "replace")
        if not text.startswith(BLOCK):
            raise Undecided(f"{path} is not an environment block. Run grub-editenv {path} create")
        lines = [line for line in text[len(BLOCK):].splitlines() if "=" in line and not line.startswith("#")]
        return dict(line.replace("\\\\", "\\").split("=", 1) for line in lines)

    def _wanted(self, commands, environment):
        """The value of `default` when the menu starts, from the assignments that grub-mkconfig writes."""
        if environment.get("boot_counter"):
            raise Undecided("GRUB counts the tries of this boot (boot_counter), and may start an older entry")
        if environment.get("env_block") and any("env_block" in word for one in _all(commands) for word in one.words):
            raise Undecided("GRUB keeps its variables in a block of the disk (env_block), which is not read")
        if environment.get("initrdfail") and EARLIER in _assigned(commands, "next_entry"):
            raise Undecided("a boot by GRUB has failed (initrdfail), and GRUB may start another entry after it")
        values = _assigned(commands, "default")
        others = [value for value in values if value != ONCE]
        if environment.get("next_entry") and ONCE in values:
            return environment["next_entry"]
        if len(others) > 1:
            raise Undecided(f"{self.path} sets default more than once")
        wanted = others[0] if others else "0"
        if wanted == SAVED:  # prev_saved_entry counts from the boot after this one on
            wanted = environment.get("saved_entry") or ""
        if "$" in wanted:
            raise Undecided(f"{self.path} sets default to {wanted}, whose value is not known")
        return wanted

    def _of_specification(self, wanted, entries):
        """An entry in /boot/loader/entries, which GRUB reads with blscfg, by its identifier or its title."""
        directory = "/boot/loader/entries"
        found = read_entries(self._host, directory)
        names = [name for name, fields in found.items() if wanted in (name, fields.get("title"))]
        if len(names) != 1 or wanted in [word for entry in entries for word in (entry.title, entry.identifier)]:
            raise Undecided(
                f"GRUB is set to start {wanted or 'the first entry'}, and that is not the name of one entry in "
                f"{directory}. Set one with grub2-set-default")
        return names[0], image_of(names[0], found[names[0]])


def parse(text):
    """The Commands of a script; raises Undecided if its braces do not match."""
    stack, commands, words, depth = [], [], [], 0
    glued = False  # the next word goes on with the last one

    def end(block=None):
        nonlocal words, depth
        first = words[0] if words else None
        if first in ("then", "else", "do"):
            words = words[1:]
            first = words[0] if words else None
        if first in ("fi", "done", "esac"):
            depth -= 1
        if words or block is not None:
            commands.append(Command(words, block, depth > 0))
        if first in ("if", "while", "until", "for", "case"):
            depth += 1
        words = []
    at = 0
    for match in WORD.finditer(text):
        between = text[at:match.start()]
        if between.strip(" \t\r\\"):
            raise Undecided("its grub.cfg has a quotation without its end")
        at, glued = match.end(), bool(words) and glued and not between
        single, double, mark, plain = match.groups()
        if mark == "{":
            if len(stack) == MOST_BLOCKS:
                raise Undecided(f"its grub.cfg has more than {MOST_BLOCKS} blocks in one another")
            stack.append((commands, words, depth))
            commands, words = [], []
        elif mark == "}":
            end()
            if not stack:
                raise Undecided("its grub.cfg has a brace without its beginning")
            inner = commands
            commands, words, depth = stack.pop()
            end(inner)
        elif mark:
            end()
        elif single is not None or double is not None or plain is not None:
            word = single if single is not None else re.sub(r"\\(.)", r"\1", plain if double is None else double)
            words[len(words) - glued:] = [words[-1] + word if glued else word]
        glued = not mark
    end()
    if stack:
        raise Undecided("its grub.cfg has a brace without its end")
    return commands


def _all(commands):
    """Every command, also those in blocks."""
    for command in commands:
        yield command
        yield from _all(command.block or ())


def _with_a_menu(host):
    """The directories of the EFI partition with a grub.cfg that has a menu; most only read the one in /boot."""
    places = [f"{directory}/{name}" for directory in EFI_DIRECTORIES for name in host.names(directory)]
    return [place for place in places if host.exists(f"{place}/grub.cfg")
            and OF_A_MENU.search(host.read_small(f"{place}/grub.cfg", LARGEST).decode("utf-8", "replace"))]


def _assigned(commands, variable):
    """The values that commands outside of menu entries assign to a variable, without those for a counted boot."""
    values, counted = [], False
    for command in commands:
        words = command.words[1:] if command.words[:1] == ["set"] else command.words
        if command.words[:1] == ["if"]:
            counted = any("boot_counter" in word for word in command.words)
        elif words and not counted:
            name, equals, value = words[0].partition("=")
            if name == variable and equals:
                values.append(value)
            elif command.words == ["unset", variable]:
                values.append("")
    return values


def _entries(commands):
    found = []
    for command in commands:
        kind = command.words[0] if command.words else None
        if kind not in ("menuentry", "submenu") or command.block is None or len(command.words) < 2:
            continue
        words, identifier = command.words, None
        for number, word in enumerate(words[:-1]):
            if word in ("$menuentry_id_option", "--id", "${menuentry_id_option}"):
                identifier = words[number + 1]
        given = [word for word in words if word.startswith("--id=")]
        identifier = given[-1].partition("=")[2] if given else identifier
        found.append(Entry(words[1], identifier, command.block, kind == "submenu", command.conditional))
    return found


def _chosen(entries, wanted, depth=0):
    """The Entry of a value of `default`: numbers, identifiers or titles, separated by `>` for submenus."""
    first, _separator, rest = wanted.replace(">>", "\0").partition(">")
    first = first.replace("\0", ">")
    if not first or NUMBER.match(first):
        number = int(first or 0)
        if any(entry.conditional for entry in entries[:number + 1]):
            raise Undecided("an entry before the chosen one depends on a condition")
        entry = entries[number] if number < len(entries) else None
    else:
        entry = next((one for one in entries if first in (one.title, one.identifier)), None)
        if entry and entry.conditional:
            raise Undecided(f"the entry {entry.title} depends on a condition")
    if entry is None:
        raise Undecided(f"GRUB is set to start {wanted or 'the first entry'}, and grub.cfg has no such entry")
    if not entry.is_menu:
        return entry
    if not rest or depth > MOST_DEPTH:
        raise Undecided(f"GRUB is set to start {wanted}, and that is a submenu")
    return _chosen(_entries(entry.block), rest.replace("\0", ">>"), depth + 1)
