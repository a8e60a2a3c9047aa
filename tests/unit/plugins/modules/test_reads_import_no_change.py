# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that only reads imports nothing that changes a kernel: the contract in .importlinter, at run time."""

import configparser
import os
import subprocess
import sys

import pytest

PLUGINS = "ansible_collections.kernel.livepatch.plugins"
PRINT = f"""
import sys
from {PLUGINS}.modules import %s
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
    assert imported_by("patch") | imported_by("patch_build") >= FORBIDDEN
