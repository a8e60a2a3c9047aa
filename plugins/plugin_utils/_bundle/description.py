# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The description of a patch file: a plain dict, sent from the controller to a host."""

from __future__ import annotations

import hashlib
import os
import re
import typing as t

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import notes
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ORC_HEADER, orc_formats
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import SCHEMA
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.imports import (
    has_versions,
    read_imports,
    read_module_layout,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.klp_symbols import (
    read_klp_relocations,
    read_klp_symbols,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo import Modinfo
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import (
    SHN_UNDEF,
    ModuleImage,
    Section,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.signature import read_signature
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.uncompress import read_file, uncompress
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.detection import find_live_patch
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import (
    PatchFileError,
    check_path,
    too_complex,
)

_THIS_MODULE = ".gnu.linkonce.this_module"
_MODULE_NAME_OFFSET = 3  # in words, after `state` and `list` of struct module (include/linux/module.h)
_MODULE_NAME_END = 64  # in bytes after its start, less one word: MODULE_NAME_LEN
_MODULE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_STATE_CALLS = frozenset({"klp_get_state", "klp_get_prev_state"})
_MAX_PARAMETERS = 10_000
_MAX_ORC_FORMATS = 3  # a file built in one step has one
_MAX_ORC_HEADERS = 10_000


def describe(path: str | os.PathLike[str]) -> dict[str, t.Any]:
    """Return the description of a patch file; the lookup patch_file documents its keys.

    Raises PatchFileError with the file's name in the message.
    """
    check_path(path)
    data = read_file(path)
    try:
        plain, compression = uncompress(data)
        return describe_image(plain, os.path.basename(path), compression)
    except PatchFileError as error:
        raise error.with_file(os.fspath(path)) from error


def describe_image(data: bytes, file: str, compression: str) -> dict[str, t.Any]:
    """Return the description of a module's uncompressed bytes.

    The texts in the file are not trusted: control characters are replaced.
    Raises PatchFileError.
    """
    elf = ModuleImage(data)
    modinfo = Modinfo(elf)
    imports, klp_symbols = read_imports(elf), read_klp_symbols(elf)
    # A builder makes a symbol one or the other, by the list of exports that it was given.
    names = sorted({entry["name"] for entry in (*imports, *klp_symbols)})
    return _legible({
        "schema": SCHEMA,
        "file": file,
        "compression": compression,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        **_identity(elf, modinfo),
        **_patch(elf, modinfo),
        "shadow": [name for name in names if name.startswith("klp_shadow_")],
        "state_calls": [name for name in names if name in _STATE_CALLS],
        "imports": imports,
        "has_versions": has_versions(elf),
        "module_layout": read_module_layout(elf),
        "symtab": bool(elf.symbols),
        "removable": _is_removable(elf),
        "klp_symbols": klp_symbols,
        "klp_relocations": read_klp_relocations(elf),
        "signature": read_signature(data),
        "orc": {"unwind": elf.section(".orc_unwind") is not None, "header": _orc_header(elf)},
        "btf": _has_types(elf),
        "btf_base": elf.section(".BTF.base") is not None,
    })


def _legible(value: t.Any) -> t.Any:
    """The same value with printable texts."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _legible(inner) for key, inner in value.items()}
    return [_legible(inner) for inner in value] if isinstance(value, list) else value


def _identity(elf: ModuleImage, modinfo: Modinfo) -> dict[str, t.Any]:
    this_module = _this_module(elf)
    return {
        "name": _module_name(elf, modinfo, this_module),
        "module_struct_size": this_module.size,
        "arch": elf.machine.arch,
        "release": modinfo.release,
        "vermagic": modinfo.first("vermagic"),
        "build_id": _build_id(elf),
        "srcversion": modinfo.first("srcversion"),
        "version": modinfo.first("version"),
        "license": modinfo.first("license"),
        "depends": modinfo.depends,
        "livepatch": modinfo.livepatch,
        "parameters": _parameters(elf, modinfo),
    }


def _parameters(elf: ModuleImage, modinfo: Modinfo) -> dict[str, str]:
    """Types of the module's parameters by name.

    A parameter with its own functions (module_param_cb in include/linux/moduleparam.h) has no recorded type: "".
    """
    section = elf.section("__param")
    names = {
        symbol.name.removeprefix("__param_"): "" for symbol in elf.symbols
        if section and symbol.section == section.shndx and symbol.name.startswith("__param_")}
    if len(names) > _MAX_PARAMETERS:
        raise too_complex()
    return {**names, **modinfo.parameters}


def _patch(elf: ModuleImage, modinfo: Modinfo) -> dict[str, t.Any]:
    patch = find_live_patch(elf, modinfo)
    return {
        "format": patch.format,
        "opaque": patch.opaque,
        "replace": patch.replace,
        "objects": [entry.as_dict() for entry in patch.objects],
        "states": [state._asdict() for state in patch.states],
    }


def _this_module(elf: ModuleImage) -> Section:
    section = elf.section(_THIS_MODULE)
    if section is None:
        problem = f"is an ELF file but not a kernel module (it has no section {_THIS_MODULE}). Give a .ko file"
        raise PatchFileError("not-a-module", problem)
    return section


def _module_name(elf: ModuleImage, modinfo: Modinfo, section: Section) -> str:
    """The name in struct module, as the kernel uses it; with randomized structs, only modinfo's name is left."""
    start = _MODULE_NAME_OFFSET * elf.word
    raw = bytes(elf.contents(section)[start : start + _MODULE_NAME_END - elf.word]).partition(b"\0")[0]
    for name in (raw.decode("utf-8", errors="replace"), modinfo.first("name") or ""):
        if _MODULE_NAME.fullmatch(name):
            return name
    raise PatchFileError("no-module-name", "has no module name in its struct module or .modinfo. Build the file again")


def _is_removable(elf: ModuleImage) -> bool:
    """Can it be unloaded? Not with an init and no exit function (delete_module() in kernel/module/main.c)."""
    defined = {symbol.name for symbol in elf.symbols if symbol.section != SHN_UNDEF}
    return "cleanup_module" in defined or "init_module" not in defined


def _orc_header(elf: ModuleImage) -> str | None:
    """The digest of the format of the data for unwinding, as hex.

    If objtool works on each object and not on the module (without CONFIG_X86_KERNEL_IBT), the linker joins the digests,
    so each is taken once.
    """
    section = elf.section(".orc_header")
    if section is None:
        return None
    if section.size > ORC_HEADER * _MAX_ORC_HEADERS:
        raise _damaged(".orc_header")
    formats = orc_formats(elf.contents(section))
    if len(formats) > _MAX_ORC_FORMATS:
        raise _damaged(".orc_header")
    return b"".join(formats).hex()


def _has_types(elf: ModuleImage) -> bool:
    """Whether the kernel would look at type information: it ignores an empty .BTF as it ignores a missing one.

    Source: btf_module_notify() in kernel/bpf/btf.c. klp-build removes the section.
    """
    section = elf.section(".BTF")
    return section is not None and section.size > 0


def _damaged(section: str) -> PatchFileError:
    return PatchFileError("malformed-elf", f"has a damaged section {section}. Copy or build the file again")


def _build_id(elf: ModuleImage) -> str | None:
    section = elf.section(".note.gnu.build-id")
    return notes.build_id(elf.contents(section), elf.order) if section else None
