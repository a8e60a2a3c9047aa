# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu entry that GRUB starts next: its environment block, and the grub.cfg that grub-mkconfig writes.

A grub.cfg is a script. Only its menu and the assignments of `default` in the form of grub-mkconfig are read; anything
else that could change the choice makes it unknown.
"""

import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.boot_entries import (
    Undecided,
    image_of,
    read_entries,
)

DIRECTORIES = ("/boot/grub2", "/boot/grub")
LARGEST = 1 << 20  # bytes
BLOCK = "# GRUB Environment Block\n"
MOST_DEPTH = 8  # of submenus
# Words of a script: quoted text, a variable, or other characters; a comment ends with its line.
WORD = re.compile(r"""#[^\n]*|'([^']*)'|"((?:[^"\\]|\\.)*)"|([{};\n])|((?:[^\s'"{};#\\]|\\.)+)""")
LINUX = ("linux", "linux16", "linuxefi")
ONCE, SAVED = "${next_entry}", "${saved_entry}"

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
        """The Grub of a host, None without a grub.cfg; raises Undecided for several."""
        found = [directory for directory in DIRECTORIES if host.exists(f"{directory}/grub.cfg")]
        if len(found) > 1:
            raise Undecided(f"there are {' and '.join(f'{one}/grub.cfg' for one in found)}, and GRUB reads one of them")
        return cls(host, found[0]) if found else None

    def next_entry(self):
        """The title of the next entry, and the path of its kernel; raises Undecided, OSError."""
        text = self._host.read_small(self.path, LARGEST + 1).decode("utf-8", "replace")
        if len(text) > LARGEST:
            raise Undecided(f"{self.path} is larger than {LARGEST >> 20} MiB")
        if self._host.exists(f"{self._directory}/custom.cfg"):
            raise Undecided(f"{self._directory}/custom.cfg can change the choice, and is not read")
        commands = parse(text)
        environment = self._environment()
        wanted = self._wanted(commands, environment)
        entries = _entries(commands)
        if any(command.words[:1] == ["blscfg"] for command in _all(commands)):
            return self._of_specification(wanted, entries)
        entry = _chosen(entries, wanted)
        images = [command.words[1] for command in _all(entry.block) if command.words[0] in LINUX
                  and len(command.words) > 1]
        if len(set(images)) != 1:
            raise Undecided(f"the entry {entry.title} starts {'several kernels' if images else 'no Linux kernel'}")
        return entry.title, images[0]

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
        values = _assigned(commands, "default")
        others = [value for value in values if value != ONCE]
        if environment.get("next_entry") and ONCE in values:
            return environment["next_entry"]
        if len(others) > 1:
            raise Undecided(f"{self.path} sets default more than once")
        wanted = others[0] if others else "0"
        if wanted == SAVED:
            wanted = environment.get("prev_saved_entry") or environment.get("saved_entry") or ""
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
        if text[at:match.start()].strip(" \t\r\\"):
            raise Undecided("its grub.cfg has a quotation without its end")
        at = match.end()
        single, double, mark, plain = match.groups()
        if mark == "{":
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
            word = single if single is not None else double if double is not None else plain
            words.append(word if single is not None else re.sub(r"\\(.)", r"\1", word))
    end()
    if stack:
        raise Undecided("its grub.cfg has a brace without its end")
    return commands


def _all(commands):
    """Every command, also those in blocks."""
    for command in commands:
        yield command
        yield from _all(command.block or ())


def _assigned(commands, variable):
    """The values that commands outside of menu entries assign to a variable, without those for a counted boot."""
    values, counted = [], False
    for command in commands:
        if command.words[:1] == ["if"]:
            counted = any("boot_counter" in word for word in command.words)
        elif command.words[:1] == ["set"] and len(command.words) > 1 and not counted:
            name, equals, value = "".join(command.words[1:]).partition("=")
            if name == variable and equals:
                values.append(value)
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
        found.append(Entry(words[1], identifier, command.block, kind == "submenu", command.conditional))
    return found


def _chosen(entries, wanted, depth=0):
    """The Entry of a value of `default`: numbers, identifiers or titles, separated by `>` for submenus."""
    first, _separator, rest = wanted.replace(">>", "\0").partition(">")
    first = first.replace("\0", ">")
    if first.isdigit() or not first:
        number = int(first or 0)
        if any(entry.conditional for entry in entries[:number + 1]):
            raise Undecided("an entry before the chosen one depends on a condition")
        entry = entries[number] if number < len(entries) else None
    else:
        entry = next((one for one in entries if first in (one.title, one.identifier)), None)
    if entry is None:
        raise Undecided(f"GRUB is set to start {wanted or 'the first entry'}, and grub.cfg has no such entry")
    if not entry.is_menu:
        return entry
    if not rest or depth > MOST_DEPTH:
        raise Undecided(f"GRUB is set to start {wanted}, and that is a submenu")
    return _chosen(_entries(entry.block), rest.replace("\0", ">>"), depth + 1)
