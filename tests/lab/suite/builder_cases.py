# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the tests of test_real_builders.py by builder: a page of the documentation, as in cases.py."""

from __future__ import annotations

import typing as t
from pathlib import Path

from cases import NOT_ABOUT, Recorder

FILE = "test_real_builders.py"


class BuilderRecorder(Recorder):
    """Writes each outcome of those tests into the page, in the column of the builder that the test is run for."""

    def __init__(self, page: Path, root: Path, builders: t.Sequence[str]) -> None:
        super().__init__(page, root, builders, "")

    def add_cases(self, nodes: t.Sequence[str]) -> None:
        """Add no row: each is one test for both builders, and most tests are about none."""

    def pytest_runtest_logreport(self, report: t.Any) -> None:
        if FILE in report.nodeid:
            super().pytest_runtest_logreport(report)

    def _write(self, node: str, told: str, release: str | None) -> None:
        test, _bracket, builder = node.removesuffix("]").partition("[")
        if not told.startswith(NOT_ABOUT):
            self._kernel = builder
            super()._write(test, told, None)
