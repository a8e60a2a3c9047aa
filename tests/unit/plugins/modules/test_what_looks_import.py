# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host of a fleet has to compile what a module imports: one that only looks brings nothing to act with."""

import subprocess
import sys

import pytest

PACKAGE = "ansible_collections.kernel.livepatch.plugins"
ACTS = {"_change", "_daemon", "_going_back", "_program", "_precautions", "_transaction", "_trial"}
PRINT = f"""
import sys
from {PACKAGE}.modules import %s
print(*(name.rpartition(".")[2] for name in sys.modules if name.startswith("{PACKAGE}")))
"""


def imported_by(module):
    """The last names of all of this collection that is read when a module starts."""
    code = f"import sys\nsys.path[:] = {sys.path}\n{PRINT % module}"
    return set(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout.decode().split())


# The daemon is in patch_info for what it knows of a host without systemd.
@pytest.mark.parametrize("module, except_for", [
    ("patch_check", set()), ("patch_info", {"_daemon"}), ("patch_verify", set()), ("patch_watch", set())])
def test_a_look_is_light(module, except_for):
    imported = imported_by(module)
    assert "_host" in imported
    assert imported & ACTS == except_for


def test_a_change_brings_all_of_it():
    assert imported_by("patch") >= ACTS
