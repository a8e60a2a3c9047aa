# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's symbols, by name as the livepatch core counts them (klp_find_object_symbol in kernel/livepatch/core.c),
and by address.

Where the kernel prints a function, it prints the first symbol at the address (kernel/kallsyms.c, get_symbol_pos). The
name in a patch can be another one: many system calls have several.
"""

import re
from itertools import chain, repeat

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_names
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property

KALLSYMS = "/proc/kallsyms"
ADDRESS, NAME, MODULE = 0, 2, 3  # columns
HIDDEN = "This kernel hides the addresses of its symbols (kernel.kptr_restrict)"
# The compiler moves the unlikely part of a function elsewhere, as a symbol of its own (GCC: -freorder-functions).
COLD = re.compile(r"\.cold(?:\.\d+)?\Z")


class KernelSymbols:
    """The kernel's symbols, read once, at the first question: about 10 MB of text, kept as long as this object.

    Objects of code are "vmlinux" and the loaded modules.
    """

    def __init__(self, host):
        self._host = host

    @cached_property
    def _text(self):
        return self._host.read_bytes_or(KALLSYMS) or b""

    @property
    def readable(self):
        """Whether the kernel shows its symbols, possibly without their addresses."""
        return bool(self._text)

    def objects(self, names):
        """{name: [object, ...]} with one entry per symbol of that name, in the kernel's order; [] for no symbol.

        Symbols of every kind count, data as well as functions. Addresses are not needed, so they may be hidden. None if
        the kernel does not show its symbols.
        """
        if not self._text:
            return None
        wanted = {name.encode(): name for name in names}
        modules = {f"[{name}]".encode(): name for name in loaded_names(self._host)}
        found = {name: [] for name in wanted.values()}
        kernel, others = _columns(self._text)
        for name in filter(wanted.__contains__, kernel[NAME]):
            found[wanted[name]].append("vmlinux")
        for name, module in zip(others[NAME], others[MODULE]):
            if name in wanted and module in modules:  # [bpf] and [__builtin__kprobes] are no modules
                found[wanted[name]].append(modules[module])
        return found

    def names(self, functions):
        """{function: names} of `functions`, each (object, name): every name in the object at its addresses.

        A function without a symbol has none. The value is None if the kernel hides its addresses or its symbols.
        """
        if not functions or not self._text:
            return dict.fromkeys(functions)
        rows = _Rows(self._text)
        addresses = rows.addresses(functions)
        names = rows.names({(entry, address) for (entry, _name), found in addresses.items() for address in found})
        return {
            (entry, name): _known(found) and {other for address in found for other in names[entry, address]}
            for (entry, name), found in addresses.items()}

    def shared(self, ours, theirs):
        """Those of `ours` that are also in `theirs`, by name or by address; each is (object, name, sympos from 1).

        With hidden addresses by name only.
        """
        same = ours & theirs
        left = {key[0] for key in ours - same} & {key[0] for key in theirs - same}
        if not left or not self._text:
            return same
        addresses = _Rows(self._text).addresses({key[:2] for key in ours | theirs if key[0] in left})
        taken = {place for place in (_place(addresses, key) for key in theirs) if place}
        return same | {key for key in ours - same if _place(addresses, key) in taken}

    def suffixed(self, names):
        """Those of `names` with a NAME.llvm.HASH in vmlinux.

        Linux 6.2 to 6.10 built with Clang's LTO finds such a symbol by NAME (kernel/kallsyms.c, cleanup_symbol_name).
        """
        before = self._text.split(b".llvm.")[:-1] if names else []
        suffixed = {part[part.rfind(b" ") + 1:] for part in before}
        return {name for name in names if name.encode() in suffixed}


class PrintedNames:
    """The functions that a name printed by the kernel can mean, for some functions of interest.

    `functions`: each (object, name). `own_names`: of all of them, without their objects. `hidden`: those whose other
    names are not known, because the kernel hides its addresses or its symbols; only their own name is recognized.
    """

    def __init__(self, symbols, functions):
        known = symbols.names(functions)
        self.own_names = {name for _entry, name in functions}
        self.hidden = {function for function in functions if known[function] is None}
        self._functions = {function: function for function in functions}
        self._names = {function: {function[1]} | (known[function] or set()) for function in functions}
        for function in sorted(functions):
            for name in self._names[function]:
                self._functions.setdefault((function[0], name), function)

    def function(self, entry, name):
        """The function of interest with this printed name, or None; NAME.cold is a part of NAME."""
        return self._functions.get((entry, name)) or self._functions.get((entry, COLD.sub("", name)))

    def names(self, function):
        """Every name of a function of interest, its own included."""
        return self._names[function]


def is_cold(name):
    """Whether a symbol is the unlikely part of a function, at an address of its own."""
    return bool(COLD.search(name))


class _Rows:
    """The symbols as rows, for the time of one question."""

    def __init__(self, text):
        self._kernel, self._others = _columns(text)

    def _rows(self):
        """(address, name, [module] or nothing) of each symbol."""
        return chain(
            zip(self._kernel[ADDRESS], self._kernel[NAME], repeat(b"")),
            zip(self._others[ADDRESS], self._others[NAME], self._others[MODULE]))

    def addresses(self, functions):
        """{(object, name): [address, ...]} in the kernel's order."""
        wanted = {(name.encode(), _column(entry)): (entry, name) for entry, name in functions}
        found = {function: [] for function in functions}
        names = {name for name, _module in wanted}
        for address, name, module in self._rows():
            if name in names and (name, module) in wanted:
                found[wanted[name, module]].append(address)
        return found

    def names(self, places):
        """{(object, address): {name, ...}}."""
        wanted = {(address, _column(entry)): (entry, address) for entry, address in places}
        found = {place: set() for place in places}
        addresses = {address for address, _module in wanted}
        for address, name, module in self._rows():
            if address in addresses and (address, module) in wanted:
                found[wanted[address, module]].add(name.decode("utf-8", "replace"))
        return found


def _column(entry):
    return b"" if entry == "vmlinux" else f"[{entry}]".encode()


def _known(addresses):
    """True if the kernel shows all of these addresses, else None."""
    return all(int(address, 16) for address in addresses) or None


def _place(addresses, key):
    """(object, address) of a function, or None if it is not there, or hidden."""
    entry, name, sympos = key
    found = addresses.get((entry, name), [])
    address = found[sympos - 1] if sympos <= len(found) else b"0"
    return (entry, address) if int(address, 16) else None


def _columns(text):
    """The columns of the lines `ADDRESS TYPE NAME`, and of the later lines `ADDRESS TYPE NAME [MODULE]`.

    One split() was the fastest of several ways to parse 100,000 lines.
    """
    border = text.rfind(b"\n", 0, text.find(b"\t[")) + 1 if b"\t[" in text else len(text)
    kernel, others = text[:border].split(), text[border:].split()
    return [kernel[column::3] for column in range(3)], [others[column::4] for column in range(4)]
