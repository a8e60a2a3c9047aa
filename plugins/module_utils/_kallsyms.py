# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's symbols by name, as the livepatch core counts them (kernel/livepatch/core.c, klp_find_object_symbol)."""

from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import loaded_names

KALLSYMS = "/proc/kallsyms"


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
    # `ADDRESS TYPE NAME`, behind them all `ADDRESS TYPE NAME [MODULE]`. One split() is the fastest for 100,000 lines.
    kernel, others = _halves(text)
    for name in filter(wanted.__contains__, kernel.split()[2::3]):
        found[wanted[name]].append("vmlinux")
    words = others.split()
    for name, module in zip(words[2::4], words[3::4]):
        if name in wanted and module in modules:  # [bpf] and [__builtin__kprobes] are no modules
            found[wanted[name]].append(modules[module])
    return found


def same_address(host, functions):
    """{function: names} of those of `functions`, which are (object, name): all names in the object at its addresses.

    A function is left out where the kernel hides its addresses (kernel.kptr_restrict). This looks at every
    symbol one by one, so it is for the rare function that is not found under its own name.
    """
    text = host.read_bytes_or(KALLSYMS, b"").decode("utf-8", "replace")
    own = {}
    for entry, name, address in _lines(text):
        if (entry, name) in functions:
            own.setdefault((entry, name), set()).add((entry, address))
    wanted = set().union(*own.values())
    names = {}
    for entry, name, address in _lines(text):
        if (entry, address) in wanted:
            names.setdefault((entry, address), set()).add(name)
    return {
        function: set().union(*(names[place] for place in places))
        for function, places in own.items() if all(int(address, 16) for _entry, address in places)}


def suffixed_symbols(host, names):
    """Those of `names` for which vmlinux has a NAME.llvm.HASH.

    Linux 6.2 to 6.10 built with Clang's LTO finds such a symbol by NAME (kernel/kallsyms.c, cleanup_symbol_name).
    """
    text = host.read_bytes_or(KALLSYMS, b"") if names else b""
    return {name for name in names if b" " + name.encode() + b".llvm." in text}


def _lines(text):
    for line in text.splitlines():
        address, _type, name, *module = line.split()
        yield module[0].strip("[]") if module else "vmlinux", name, address


def _halves(text):
    border = text.find(b"\t[")
    if border < 0:
        return text, b""
    line = text.rfind(b"\n", 0, border) + 1
    return text[:line], text[line:]
