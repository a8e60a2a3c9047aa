# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module imports when it starts, and a host compiles each time: few files, and in reads nothing that changes.

The contract about reads is in .importlinter.
"""

import configparser
import os
import subprocess
import sys

import pytest

PLUGINS = "ansible_collections.kernel.livepatch.plugins"
PRINT = f"""
import sys
from {PLUGINS}.modules import %s as module

def stop(**_options):
    raise SystemExit

module.AnsibleModule = stop
try:
    module.main()
except SystemExit:
    pass
print(*(name for name in sys.modules if name.startswith("{PLUGINS}.module_utils.")))
"""


def contract():
    """The contract "A read never imports a change": its sources and what is forbidden to them, as sets of names."""
    parser = configparser.ConfigParser()
    root = os.path.dirname(os.path.abspath(__file__)).partition(os.path.join("tests", "unit"))[0]
    with open(os.path.join(root, ".importlinter")) as stream:
        parser.read_file(stream)
    section = parser["importlinter:contract:reads"]
    return set(section["source_modules"].split()), set(section["forbidden_modules"].split())


SOURCES, FORBIDDEN = contract()


def imported_by(module):
    """The names of the host half's modules and packages that are read when a module starts."""
    code = f"import sys\nsys.path[:] = {sys.path}\n{PRINT % module}"
    return set(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout.decode().split())


@pytest.mark.parametrize("module", ["patch_check", "patch_info", "patch_verify", "patch_watch"])
def test_a_read_imports_no_change(module):
    job = f"{PLUGINS}.module_utils._jobs.{module}"
    assert job in SOURCES
    imported = imported_by(module)
    assert job in imported
    assert imported & FORBIDDEN == set()


def test_a_change_and_a_build_import_all_of_it():
    after_the_change = {f"{PLUGINS}.module_utils._outputs.writer"}
    assert imported_by("patch") | imported_by("patch_rollback") | imported_by("patch_build") >= (
        FORBIDDEN - after_the_change)


# The files of this collection that a module imports when it starts, not its packages; a few more than today.
MOST_FILES = {"patch": 78, "patch_check": 73, "patch_info": 74, "patch_verify": 45, "patch_watch": 61}


@pytest.mark.parametrize("module", sorted(MOST_FILES))
def test_a_module_starts_with_few_files(module):
    files = [name for name in imported_by(module) if name.rpartition(".")[2][0] != "_"]
    assert len(files) <= MOST_FILES[module]


def test_a_patch_that_needs_no_change_imports_nothing_to_make_one():
    imported = imported_by("patch")
    packages = tuple(f"{PLUGINS}.module_utils.{package}" for package in ("_engine", "_unattended", "_init"))
    assert [name for name in imported if name.startswith(packages)] == []


def test_what_a_failed_change_needs_is_imported_before_the_change():
    code = (f"import sys\nsys.path[:] = {sys.path}\nfrom {PLUGINS}.module_utils._change import safeguards\n"
            f"sys.exit('{PLUGINS}.module_utils._engine.restore' not in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# What only some requests need: another mechanism, a change, a file on the host, a module that is not loaded.
RARE = (
    "_livepatch.kgraft", "_livepatch.kpatch", "_persistence.transaction", "_persistence.lock", "_persistence.journal",
    "_persistence.retention", "_elf.reader", "_elf.compression", "_elf.kernel_module", "_host.packages",
    "_kernel.depmod", "_kernel.modversions", "_kernel.keyrings")


def test_a_patch_starts_without_what_only_some_requests_need():
    assert imported_by("patch") & {f"{PLUGINS}.module_utils.{name}" for name in RARE} == set()


@pytest.mark.parametrize("module", ["patch_check", "patch_info", "patch_verify", "patch_watch"])
def test_a_module_starts_without_the_adapters_of_old_mechanisms(module):
    assert [name for name in imported_by(module) if name.endswith((".kgraft", ".kpatch"))] == []
