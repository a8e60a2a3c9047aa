# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the packages below tests importable."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


@pytest.fixture
def place(tmp_path):
    """The directory of a run for its reports and logs."""
    from tests.matrix.rows import Place

    return Place(tmp_path / "reports", tmp_path / "logs")


@pytest.fixture
def row(place):
    """A row without cells."""
    from tests.matrix.rows import Row

    return Row(place, "2.16")
