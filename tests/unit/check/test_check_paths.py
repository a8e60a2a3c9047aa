# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tests write what is gone after them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.check import paths

ROOM = SimpleNamespace(f_bavail=1 << 20, f_frsize=4096, f_flag=0)


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """memory(file system): what the directory in memory is said to be on; it is returned."""
    def on(status):
        monkeypatch.setattr(paths, "MEMORY", tmp_path)
        monkeypatch.setattr(os, "statvfs", lambda _path: status)
        return tmp_path
    return on


def test_short_lived_files_are_in_memory_and_gone_afterwards(memory):
    place = memory(ROOM)
    with paths.short_lived() as variables:
        directory = Path(variables["TMPDIR"])
        assert directory.parent == place and directory.stat().st_mode & 0o077 == 0
        (directory / "file").touch()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("change", [{"f_bavail": (1 << 20) - 1}, {"f_flag": os.ST_NOEXEC}], ids=["small", "noexec"])
def test_a_file_system_that_is_small_or_runs_no_programs_is_left_alone(memory, change):
    place = memory(SimpleNamespace(**{**vars(ROOM), **change}))
    with paths.short_lived() as variables:
        assert (variables, list(place.iterdir())) == ({}, [])


def test_a_system_without_it_keeps_its_usual_place(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "MEMORY", tmp_path / "missing")
    with paths.short_lived() as variables:
        assert variables == {}
