# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that needs what takes long to build: without --builders, its tests run only where that was built before."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cases import NOT_ABOUT

from tests.lab.errors import LabError
from tests.lab.session import Lab


@contextmanager
def built_lab(config: t.Any, lab: Lab, when: str) -> Iterator[None]:
    """Enter the lab; skip its tests where --kernel names another kernel (`when` says so), or where it is not built."""
    if config.getoption("--kernel") != lab.kernel.name:
        pytest.skip(f"{NOT_ABOUT}: {when}")
    try:
        lab.__enter__()
    except LabError as error:
        if error.code != "not-built":
            raise
        pytest.skip(str(error))
    try:
        yield
    finally:
        lab.close()
