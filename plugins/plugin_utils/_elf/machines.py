# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The machine architectures of Linux modules.

Numbers of relocation types are those of the ELF psABI supplements, as in the kernel's arch/*/include/asm/elf.h.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Machine:
    """The facts about a machine for reading its modules."""

    arch: str  # as `uname -m` prints it
    pointer: int  # type of the relocation with a whole address
    # How far beyond symbol + addend the addressed byte may lie, for relocation types of code where it is not 0:
    # x86 counts from the end of the instruction: after 4 bytes of displacement and an operand of 0, 1, 2 or 4 bytes.
    code_bias: dict[int, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    # Does code address members of a variable by their own relocations? On other machines it goes through the variable's
    # start, so relocations do not show the written member.
    addresses_members: bool = False


_X86_BIAS = (4, 5, 6, 8)
# R_X86_64_64; R_X86_64_PC32 and R_X86_64_PLT32
_X86_64 = Machine("x86_64", 1, {2: _X86_BIAS, 4: _X86_BIAS}, addresses_members=True)
_S390X = Machine("s390x", 22, {19: (-2,)})  # R_390_64; R_390_PC32DBL

# (e_machine as pyelftools names it, bits, byte order)
MACHINES: dict[tuple[str, int, str], Machine] = {
    ("EM_X86_64", 64, "little"): _X86_64,
    ("EM_AARCH64", 64, "little"): Machine("aarch64", 257),  # R_AARCH64_ABS64
    ("EM_AARCH64", 64, "big"): Machine("aarch64_be", 257),
    ("EM_PPC64", 64, "little"): Machine("ppc64le", 38),  # R_PPC64_ADDR64
    ("EM_PPC64", 64, "big"): Machine("ppc64", 38),
    ("EM_S390", 64, "big"): _S390X,
    ("EM_LOONGARCH", 64, "little"): Machine("loongarch64", 2),  # R_LARCH_64
    ("EM_RISCV", 64, "little"): Machine("riscv64", 2),  # R_RISCV_64
    ("EM_386", 32, "little"): Machine("i686", 1),  # R_386_32
    ("EM_ARM", 32, "little"): Machine("armv7l", 2),  # R_ARM_ABS32
}
