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
def run(tmp_path, monkeypatch):
    """The directory of a run; the cache is a temporary directory."""
    from tests.check.paths import new_run

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return new_run()
