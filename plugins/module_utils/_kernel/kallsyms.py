# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's symbols by name, as the livepatch core counts them (kernel/livepatch/core.c, klp_find_object_symbol)."""

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_names

KALLSYMS = "/proc/kallsyms"
ADDRESS, NAME, MODULE = 0, 2, 3  # columns


def read_symbols(host, names):
    """{name: [object, ...]} with one entry per symbol of that name, in the kernel's order; an empty list for no symbol.

    An object is "vmlinux" or a loaded module. Symbols of every kind count, data as well as functions. Addresses are not
    needed, so they may be hidden. None if the kernel does not show its symbols.
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
    """{function: names} of `functions`, each (object, name): all names in the object at its addresses.

    A function without a symbol has none. The value is None if the kernel hides its addresses (kernel.kptr_restrict) or
    its symbols.
    """
    text = b"\n" + host.read_bytes_or(KALLSYMS, b"")
    return {function: _names_at(text, *function) if len(text) > 1 else None for function in functions}


def _names_at(text, entry, name):
    module = [] if entry == "vmlinux" else [f"[{entry}]".encode()]
    end = b"\t".join([b" " + name.encode(), *module]) + b"\n"
    addresses = {line[ADDRESS] for line in _lines_with(text, end)}
    if not all(int(address, 16) for address in addresses):
        return None
    lines = [line for address in addresses for line in _lines_with(text, b"\n" + address + b" ")]
    return {line[NAME].decode("utf-8", "replace") for line in lines if line[MODULE:] == module}


def suffixed_symbols(host, names):
    """Those of `names` with a NAME.llvm.HASH in vmlinux.

    Linux 6.2 to 6.10 built with Clang's LTO finds such a symbol by NAME (kernel/kallsyms.c, cleanup_symbol_name).
    """
    before = host.read_bytes_or(KALLSYMS, b"").split(b".llvm.")[:-1] if names else []
    suffixed = {part[part.rfind(b" ") + 1:] for part in before}
    return {name for name in names if name.encode() in suffixed}


def _lines_with(text, part):
    """The words of every line that begins or ends with `part`; `part` includes the newline."""
    place = text.find(part)
    while place >= 0:
        start = place + 1 if part.startswith(b"\n") else text.rfind(b"\n", 0, place) + 1
        yield text[start:text.find(b"\n", place + 1)].split()
        place = text.find(part, place + 1)


def _columns(text):
    """The columns of the lines `ADDRESS TYPE NAME`, and of the later lines `ADDRESS TYPE NAME [MODULE]`.

    One split() was the fastest of several ways to parse 100,000 lines.
    """
    border = text.rfind(b"\n", 0, text.find(b"\t[")) + 1 if b"\t[" in text else len(text)
    kernel, others = text[:border].split(), text[border:].split()
    return [kernel[column::3] for column in range(3)], [others[column::4] for column in range(4)]
