# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's reader of module files on what a compiler makes; apart from the others, since hosts have no compiler."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import ModuleFile


def test_the_extended_versions_come_first(build_module):
    module = ModuleFile(build_module("extended_versions").read_bytes())
    assert module.has_versions
    assert module.crcs["klp_enable_patch"] == 0xCF1E4200
    assert module.crcs["a_name_that_is_much_longer_than_the_56_bytes_of_the_older_table"] == 7


def test_gcc_and_this_agree_on_what_is_traceable(build_module):
    module = ModuleFile(build_module("traced", "-pg", "-mfentry", "-mrecord-mcount").read_bytes())
    assert [module.traceable(symbol) for symbol in module.elf.symbols("traced_function")] == [True]
    assert [module.traceable(symbol) for symbol in module.elf.symbols("untraced_function")] == [False]
