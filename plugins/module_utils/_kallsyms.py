# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's symbols by name, as the livepatch core counts them (kernel/livepatch/core.c, klp_find_object_symbol)."""

from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import loaded_names

KALLSYMS = "/proc/kallsyms"
ADDRESS, NAME, MODULE = 0, 2, 3  # columns
VMLINUX = b"[vmlinux]"  # in the place of a module's name


def read_symbols(host, names):
    """{name: [object, ...]} with one entry per symbol of that name, in the kernel's order; an empty list for no symbol.

    An object is "vmlinux" or a loaded module. Symbols of every kind count, data as well as functions. Addresses do not
    matter, so it works where the kernel hides them. None where the kernel does not show its symbols.
    """
    text = host.read_bytes_or(KALLSYMS)
    if not text:
        return None
    wanted = {name.encode(): name for name in names}
    modules = {f"[{name}]".encode(): name for name in loaded_names(host)}
    found = {name: [] for name in wanted.values()}
    kernel, others = _columns(text)
    for name in filter(wanted.__contains__, kernel[NAME]):
        found[wanted[name]].append("vmlinux")
    for name, module in zip(others[NAME], others[MODULE]):
        if name in wanted and module in modules:  # [bpf] and [__builtin__kprobes] are no modules
            found[wanted[name]].append(modules[module])
    return found


def same_address(host, functions):
    """{function: names} of those of `functions`, which are (object, name): all names in the object at its addresses.

    A function is left out where the kernel hides its addresses (kernel.kptr_restrict). This looks at every
    symbol one by one, so it is for the rare function that is not found by its own name.
    """
    kernel, others = _columns(host.read_bytes_or(KALLSYMS, b""))
    symbols = [(VMLINUX, name, address) for name, address in zip(kernel[NAME], kernel[ADDRESS])]
    symbols.extend(zip(others[MODULE], others[NAME], others[ADDRESS]))
    wanted = {_place(*function): function for function in functions}
    addresses, names = {}, {}
    for entry, name, address in symbols:
        if (entry, name) in wanted:
            addresses.setdefault(wanted[entry, name], set()).add((entry, address))
    own = set().union(*addresses.values())
    for entry, name, address in symbols:
        if (entry, address) in own:
            names.setdefault((entry, address), set()).add(name.decode("utf-8", "replace"))
    return {
        function: set().union(*(names[place] for place in places))
        for function, places in addresses.items() if all(int(address, 16) for _entry, address in places)}


def suffixed_symbols(host, names):
    """Those of `names` for which vmlinux has a NAME.llvm.HASH.

    Linux 6.2 to 6.10 built with Clang's LTO finds such a symbol by NAME (kernel/kallsyms.c, cleanup_symbol_name).
    """
    text = host.read_bytes_or(KALLSYMS, b"") if names else b""
    return {name for name in names if b" " + name.encode() + b".llvm." in text}


def _place(entry, name):
    return VMLINUX if entry == "vmlinux" else f"[{entry}]".encode(), name.encode()


def _columns(text):
    """The columns of `ADDRESS TYPE NAME` and of `ADDRESS TYPE NAME [MODULE]`, which all come behind those.

    Of several ways to take 100,000 lines apart, one split() is the fastest.
    """
    border = text.rfind(b"\n", 0, text.find(b"\t[")) + 1 if b"\t[" in text else len(text)
    kernel, others = text[:border].split(), text[border:].split()
    return [kernel[column::3] for column in range(3)], [others[column::4] for column in range(4)]
