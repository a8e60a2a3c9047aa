# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The objects and functions of a patch file, in one shape for all formats."""

from __future__ import annotations

import dataclasses
import typing as t

# The function members of struct klp_callbacks, in their order there.
CALLBACKS = ("pre_patch", "post_patch", "pre_unpatch", "post_unpatch")
VMLINUX = "vmlinux"
# Objects of a damaged file can all claim the same functions; no patch has a tenth of these.
MAX_OBJECTS = 10_000
MAX_FUNCTIONS = 20_000


class Function(t.NamedTuple):
    """A function to be replaced; sympos as in the file: 0 means a unique name in its object.

    `new_symbol` is the name of its new code in the patch's module, None if the file does not show a unique one.
    """

    name: str
    sympos: int
    new_symbol: str | None

    def as_dict(self) -> dict[str, t.Any]:
        """Most tools keep the name; the key `new_symbol` is absent then."""
        other = {} if self.new_symbol == self.name else {"new_symbol": self.new_symbol}
        return {"name": self.name, "sympos": self.sympos, **other}


@dataclasses.dataclass
class PatchedObject:
    """vmlinux or a module, with its patched functions; the name is None if only the running patch knows it."""

    name: str | None
    functions: list[Function] = dataclasses.field(default_factory=list)
    callbacks: list[str] = dataclasses.field(default_factory=list)

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "name": self.name,
            "functions": [function.as_dict() for function in self.functions],
            "callbacks": self.callbacks,
        }


class State(t.NamedTuple):
    """A klp_state: a change of the system that outlives a patch, known by its number."""

    id: int
    version: int


@dataclasses.dataclass
class LivePatch:
    """The tables of one patch.

    `opaque`: they are made at load time, so `objects` are hints. `replace` is None if it is decided at load time.
    """

    format: str
    opaque: bool = False
    replace: bool | None = None
    objects: list[PatchedObject] = dataclasses.field(default_factory=list)
    states: list[State] = dataclasses.field(default_factory=list)
